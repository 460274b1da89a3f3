"""The counters of events (mhpmcounter3 and on)."""

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ..config import CoreConfig

#: Bits of a counter that are registers.  Each carry must have been taken before the next: it waits for half of the
#: counter's range at most, and then for the carries of the 28 others.
_LOW = 6


def event_counters(config: CoreConfig) -> range:
    """Numbers of the counters of events."""
    return range(3, 3 + config.hpm_counters)


class EventCounters(wiring.Component):
    """64-bit counters, whose upper bits are in a memory and share one incrementer.

    `count` pulses for each counter; `overflow` tells of those that go over from their greatest value to 0 then.
    `rdata` is the value of counter `number`, which `write` sets to `wdata`, even if it counts in that cycle; but not
    with `busy`: whoever accesses one has to wait then, so that a carry need not be added to what is read.  `seen` is in
    the cycle after a write what was written.
    """

    def __init__(self, config: CoreConfig):
        self._numbers = event_counters(config)
        super().__init__({
            "count": In(config.hpm_counters),
            "overflow": Out(config.hpm_counters),
            "busy": Out(1),
            "number": In(5),
            "rdata": Out(64),
            "write": In(1),
            "wdata": In(64),
            "seen": Out(64),
        })

    def elaborate(self, platform):
        m = Module()
        numbers = self._numbers
        if not numbers:
            return m
        bits = numbers[-1].bit_length()
        m.submodules.upper = upper = memory.Memory(shape=64 - _LOW, depth=1 << bits, init=[])
        read, seen, write = upper.read_port(domain="comb"), upper.read_port(domain="comb"), upper.write_port()

        # --- the lower bits
        low = [Signal(_LOW, name=f"low{number}") for number in numbers]
        carry = Signal(len(numbers))  # not yet added to the upper bits
        carrying, left = Signal(len(numbers)), Signal(len(numbers))  # ... from now on; without what is written, late
        ones = Signal(len(numbers))  # the upper bits are, without it

        # --- the upper bits of one of them: of one with a carry, or else of the one accessed
        turn, number, pending = Signal(bits, init=numbers[0]), Signal(bits), Signal()
        value = Signal(64 - _LOW)
        m.d.comb += [
            left.eq(carry),
            carrying.eq(left),
            number.eq(Mux(self.busy, turn, self.number[:bits])),
            read.addr.eq(number),
            pending.eq((carry & Cat(number == each for each in numbers)).any()),
            value.eq(read.data + pending),
            self.rdata.eq(Cat(self._lower(low, self.number[:bits]), read.data)),
            write.en.eq(pending | self.write),
            write.addr.eq(number),
            write.data.eq(Mux(self.write, self.wdata[_LOW:], value)),
            self.seen.eq(Cat(self._lower(low, seen.addr), seen.data)),
        ]
        m.d.sync += [seen.addr.eq(number), carry.eq(carrying), self.busy.eq(left.any())]
        # What is written comes late: whether it is all ones is seen when it is in the memory.
        written, all_ones, full = Signal(len(numbers)), Signal(), Signal(len(numbers))
        m.d.comb += [all_ones.eq(seen.data.all()), full.eq(Mux(all_ones, ones | written, ones & ~written))]
        m.d.sync += ones.eq(full)
        for index, each in enumerate(numbers):
            with m.If(carry[index] & (number != each)):
                m.d.sync += turn.eq(each)
        for index, each in enumerate(numbers):
            with m.If(number == each):
                m.d.comb += left[index].eq(0)
            with m.If(self.count[index]):
                m.d.comb += self.overflow[index].eq(low[index].all() & full[index])
                m.d.sync += low[index].eq(low[index] + 1)
                with m.If(low[index].all()):
                    m.d.comb += left[index].eq(1)
            with m.If(self.write & (number == each)):
                m.d.comb += carrying[index].eq(0)
                m.d.sync += low[index].eq(self.wdata[:_LOW])
            m.d.sync += written[index].eq(write.en & (number == each))
        return m

    def _lower(self, low, number):
        return reduce(or_, (Mux(number == each, value, 0) for value, each in zip(low, self._numbers, strict=True)))
