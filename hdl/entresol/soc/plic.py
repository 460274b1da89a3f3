"""The platform-level interrupt controller (RISC-V PLIC specification 1.0.0, with SiFive's register layout)."""

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .bus import DeviceBus

PRIORITY = 0x00_0000  # offsets in bytes; 4 for each source
PENDING = 0x00_1000
ENABLE = 0x00_2000  # 0x80 for each context
CONTEXT = 0x20_0000  # 0x1000 for each context: threshold, claim/complete
PRIORITY_BITS = 3


class Plic(wiring.Component):
    """`sources` interrupt sources (1 to 1023), `contexts` targets, priorities 0 to 7.

    Bit n of `lines` is the level of source n; source 0 does not exist.  A gateway forwards a high level once, then
    waits for the completion.  Bit c of `interrupts` is set while an enabled source with a priority above the
    threshold of context c is pending.  A claim returns the enabled pending source of the highest priority (the
    lowest number among equals), whatever the threshold; priority 0 never interrupts.  A completion for a source that
    is not enabled for the context is ignored.

    `interrupts` follows registers and gateways after two cycles; a claim is never stale, because the bus leaves
    enough time between accesses.  Registers take aligned 32-bit accesses, others are refused; reserved offsets read
    as zero and ignore writes.
    """

    def __init__(self, addr_width: int, sources: int = 31, contexts: int = 2):
        if not 1 <= sources <= 1023:
            raise ValueError(f"A PLIC has 1 to 1023 sources, not {sources}.")
        self.sources = sources
        self._contexts = contexts
        super().__init__({
            "bus": In(DeviceBus(addr_width)),
            "lines": In(sources + 1),
            "interrupts": Out(contexts),
        })

    def elaborate(self, platform):
        m = Module()
        bus = self.bus
        count = self.sources + 1
        id_bits = (count - 1).bit_length()
        words = -(-count // 32)
        exists = Const((1 << count) - 2, count)  # every source but 0

        planes = [Signal(count, name=f"priority{bit}") for bit in range(PRIORITY_BITS)]  # a bit of all priorities each
        pending = Signal(count)
        in_flight = Signal(count)  # forwarded by the gateway, not yet completed
        enable = [Signal(count, name=f"enable{context}") for context in range(self._contexts)]
        threshold = [Signal(PRIORITY_BITS, name=f"threshold{context}") for context in range(self._contexts)]
        best = [Signal(id_bits, name=f"best{context}") for context in range(self._contexts)]
        first = [Signal(count, name=f"first{context}") for context in range(self._contexts)]  # the same one-hot

        # --- selection, one priority bit at a time from the top: whoever has it stays, if anybody has.  In the cycle
        # after, the lowest of those.
        for context in range(self._contexts):
            ready = pending & enable[context]
            candidates = ready & (planes[0] | planes[1] | planes[2])
            above: Value = Const(0, count)  # those whose priority is above the threshold, in the bits looked at
            for bit, plane in enumerate(planes):
                least = threshold[context][bit].replicate(count)
                above = (plane & ~least) | (above & ~(plane ^ least))
            for bit, plane in reversed([*enumerate(planes)]):
                having = Signal(count, name=f"having{context}_{bit}")
                left = Signal(count, name=f"left{context}_{bit}")
                m.d.comb += [having.eq(candidates & plane), left.eq(Mux(having.any(), having, candidates))]
                candidates = left
            equals = Signal(count, name=f"equals{context}")
            lowest = Signal(count, name=f"lowest{context}")  # one-hot
            m.d.comb += lowest.eq(equals & -equals)
            m.d.sync += [
                equals.eq(candidates),
                first[context].eq(lowest),
                best[context].eq(Cat((lowest & _numbers_with_bit(bit, count)).any() for bit in range(id_bits))),
                self.interrupts[context].eq((ready & above).any()),
            ]

        # --- registers: 32 bits wide, two to a doubleword
        upper = bus.mask[4]
        apt = (bus.mask == 0x0F) | (bus.mask == 0xF0)
        addr = Cat(upper, bus.addr)  # in words
        parts = []  # of what is read, each zero where it is not asked for
        wdata = Signal(32)
        m.d.comb += wdata.eq(Mux(upper, bus.wdata[32:], bus.wdata[:32]))
        read = bus.en & apt & ~bus.write
        write = bus.en & apt & bus.write
        chosen = Signal(count)  # one-hot: the source whose priority is accessed
        ended = Signal(count)  # one-hot: the source whose completion would be written
        claimed = Signal(count)
        completed = Signal(count)
        m.d.comb += chosen.eq((1 << addr[:id_bits]) & exists)
        with m.If(wdata < count):
            m.d.comb += ended.eq((1 << wdata[:id_bits]) & exists)

        def at(offset: int, low: int, value) -> Signal:
            """Whether the access lies within the 1 << low bytes at `offset`, where `value` is read."""
            here = Signal()
            m.d.comb += here.eq(addr[low - 2:] == offset >> low)
            parts.append(value & here.replicate(len(value)))
            return here

        for index in range(words):
            part = slice(32 * index, 32 * index + 32)
            at(PENDING + 4 * index, 2, pending[part])
            for context in range(self._contexts):
                with m.If(at(ENABLE + 0x80 * context + 4 * index, 2, enable[context][part]) & write):
                    m.d.sync += enable[context][part].eq(wdata & exists[part])
        with m.If(at(PRIORITY, id_bits + 2, Cat((plane & chosen).any() for plane in planes)) & write):
            for bit, plane in enumerate(planes):
                m.d.sync += plane.eq(Mux(wdata[bit], plane | chosen, plane & ~chosen))
        for context in range(self._contexts):
            with m.If(at(CONTEXT + 0x1000 * context, 2, threshold[context]) & write):
                m.d.sync += threshold[context].eq(wdata)
            claiming = at(CONTEXT + 0x1000 * context + 4, 2, best[context])
            with m.If(claiming & read):
                m.d.comb += claimed.eq(first[context])
            with m.If(claiming & write):
                m.d.comb += completed.eq(ended & enable[context])
        with m.If(bus.en):
            m.d.sync += [bus.rdata.eq(Cat(reduce(or_, parts), Const(0, 32))[:32].replicate(2)), bus.error.eq(~apt)]

        # --- gateways
        forwarded = self.lines & ~in_flight & exists
        m.d.sync += [
            pending.eq((pending | forwarded) & ~claimed),
            in_flight.eq((in_flight | forwarded) & ~completed),
        ]
        return m


def _numbers_with_bit(bit: int, count: int) -> int:
    """The set of those numbers below `count` that have `bit` set, as a mask."""
    return sum(1 << number for number in range(count) if number >> bit & 1)
