"""Serial lines for a UART's byte streams: 8 data bits, no parity, 1 stop bit.

A bit takes 16 * `divisor` cycles in which `tick` is set; `divisor` is at least 1.  Without anything connected to
`tick` that is every cycle of the clock.
"""

from amaranth.hdl import C, Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out


class UartTransmitter(wiring.Component):
    """Serializer."""

    tick: In(1, init=1)
    bytes: In(stream.Signature(8))
    divisor: In(16)
    txd: Out(1, init=1)

    def elaborate(self, platform):
        m = Module()
        shift = Signal(9)  # what follows the bit on the line; 0 when idle, else the highest bit set is the stop bit
        timer = Signal(20)
        m.d.comb += self.bytes.ready.eq(self.tick & (timer == 0) & (shift == 0))
        with m.If(self.tick):
            with m.If(timer != 0):
                m.d.sync += timer.eq(timer - 1)
            with m.Elif(shift != 0):
                m.d.sync += [self.txd.eq(shift[0]), shift.eq(shift >> 1), timer.eq((self.divisor << 4) - 1)]
            with m.Elif(self.bytes.valid):
                m.d.sync += [self.txd.eq(0), shift.eq(Cat(self.bytes.payload, 1)), timer.eq((self.divisor << 4) - 1)]
        return m


class UartReceiver(wiring.Component):
    """Deserializer.

    `overrun` pulses when a byte was lost because the one before it had not been taken.  A byte without its stop bit
    is dropped.
    """

    tick: In(1, init=1)
    rxd: In(1, init=1)
    divisor: In(16)
    bytes: Out(stream.Signature(8))
    overrun: Out(1)

    def elaborate(self, platform):
        m = Module()
        line = Signal(init=1)
        m.submodules.synchronizer = FFSynchronizer(self.rxd, line, init=1)
        timer = Signal(20)
        shift = Signal(9)  # the start bit sinks down from the top as bits come in; it reaches the bottom with bit 8
        active = Signal()
        m.d.sync += self.overrun.eq(0)
        with m.If(self.bytes.ready):
            m.d.sync += self.bytes.valid.eq(0)
        with m.If(self.tick):
            with m.If(~active), m.If(~line):
                m.d.sync += [active.eq(1), shift.eq(C(0x1FF, 9)), timer.eq((self.divisor << 3) - 1)]
            with m.Elif(timer != 0):
                m.d.sync += timer.eq(timer - 1)
            with m.Elif(shift[0]):
                # The middle of the start bit or of a data bit.
                m.d.sync += [shift.eq(Cat(shift[1:], line)), timer.eq((self.divisor << 4) - 1)]
                with m.If(shift.all() & line):
                    m.d.sync += active.eq(0)  # a glitch, no start bit
            with m.Else():
                # The middle of the stop bit.
                m.d.sync += active.eq(0)
                with m.If(line & self.bytes.valid & ~self.bytes.ready):
                    m.d.sync += self.overrun.eq(1)
                with m.Elif(line):
                    m.d.sync += [self.bytes.valid.eq(1), self.bytes.payload.eq(shift[1:])]
        return m
