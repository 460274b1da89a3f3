"""A UART with the registers of the 16550A, as the 8250 drivers of Linux and OpenSBI use it."""

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from .bus import DeviceBus


class _Register(enum.Enum, shape=3):
    """Offsets in bytes."""

    DATA = 0  # receiver buffer, transmitter holding; divisor latch low when DLAB
    IER = 1  # divisor latch high when DLAB
    IIR = 2  # FCR when written
    LCR = 3
    MCR = 4
    LSR = 5
    MSR = 6
    SCR = 7


class InterruptEnable(data.Struct):
    """IER."""

    received: 1
    transmitter_empty: 1
    line_status: 1
    modem_status: 1


class ModemControl(data.Struct):
    """MCR."""

    dtr: 1
    rts: 1
    out1: 1
    out2: 1
    loop: 1


class InterruptId(enum.Enum, shape=4):
    """Lower half of IIR."""

    NONE = 1
    TRANSMITTER_EMPTY = 2
    RECEIVED = 4
    LINE_STATUS = 6
    TIMEOUT = 12  # characters wait in the FIFO, but fewer than the trigger level


class Uart(wiring.Component):
    """16550A with byte streams in the place of the serial lines.

    `tx` and `rx` carry bytes; `rx` is not ready while its FIFO (16 bytes, 1 with the FIFOs disabled) is full, and a
    pulse on `rx_overrun` says that the sender lost a byte meanwhile (LSR.OE).  `divisor` is the divisor latch, in
    units of 16 cycles of the reference clock a bit; `reset_divisor` is what it holds until software writes it.
    `interrupt` is a level.

    Registers are 8 bits at consecutive bytes and take only accesses of one byte; others are refused.

    Where it differs from a 16550A: transmitted bytes leave through `tx` at once, so that TEMT equals THRE; there are
    no parity or framing errors and no break; word length and parity in LCR change nothing; the modem inputs CTS,
    DSR and DCD are always active, so that modem status never changes outside loopback and never interrupts; the
    character timeout is `timeout` clock cycles, not four character times; loopback takes no time.
    """

    DEPTH = 16

    def __init__(self, addr_width: int, timeout: int = 1024, reset_divisor: int = 1):
        self._timeout = timeout
        super().__init__({
            "bus": In(DeviceBus(addr_width)),
            "tx": Out(stream.Signature(8)),
            "rx": In(stream.Signature(8)),
            "rx_overrun": In(1),
            "divisor": Out(16, init=reset_divisor),
            "interrupt": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        bus = self.bus
        ier = Signal(InterruptEnable)
        lcr = Signal(8)
        mcr = Signal(ModemControl)
        scr = Signal(8)
        fifo_enable = Signal()
        trigger = Signal(2)
        overrun = Signal()
        transmitter_pending = Signal()  # the interrupt, not the state
        divisor_access = lcr[7]

        # --- access
        register = Signal(_Register)
        wdata = Signal(8)
        one_byte = (bus.mask & (bus.mask - 1))[:8] == 0
        apt = one_byte & (bus.addr == 0)
        read = Signal()
        write = Signal()
        m.d.comb += [
            register.eq(Cat((bus.mask & lanes).any() for lanes in (0xAA, 0xCC, 0xF0))),
            wdata.eq(bus.wdata.word_select(register.as_value(), 8)),
            read.eq(bus.en & apt & bus.mask.any() & ~bus.write),
            write.eq(bus.en & apt & bus.mask.any() & bus.write),
        ]

        def is_read(wanted: _Register):
            return read & (register == wanted)

        def is_written(wanted: _Register):
            return write & (register == wanted)

        # --- FIFOs
        clear_rx = Signal()
        clear_tx = Signal()
        m.submodules.tx_fifo = tx_fifo = ResetInserter(clear_tx)(SyncFIFO(width=8, depth=self.DEPTH))
        m.submodules.rx_fifo = rx_fifo = ResetInserter(clear_rx)(SyncFIFO(width=8, depth=self.DEPTH))
        rx_space = Mux(fifo_enable, rx_fifo.w_rdy, ~rx_fifo.r_rdy)
        m.d.comb += [
            tx_fifo.w_en.eq(is_written(_Register.DATA) & ~divisor_access),
            tx_fifo.w_data.eq(wdata),
            tx_fifo.r_en.eq(self.tx.ready | mcr.loop),
            self.tx.valid.eq(tx_fifo.r_rdy & ~mcr.loop),
            self.tx.payload.eq(tx_fifo.r_data),
            self.rx.ready.eq(rx_space & ~mcr.loop),
            rx_fifo.w_en.eq(rx_space & Mux(mcr.loop, tx_fifo.r_rdy, self.rx.valid)),
            rx_fifo.w_data.eq(Mux(mcr.loop, tx_fifo.r_data, self.rx.payload)),
            rx_fifo.r_en.eq(is_read(_Register.DATA) & ~divisor_access),
        ]

        # --- events
        tx_empty = ~tx_fifo.r_rdy
        tx_was_empty = Signal(init=1)
        m.d.sync += tx_was_empty.eq(tx_empty)
        waited = Signal(range(self._timeout + 1))
        timed_out = waited == self._timeout
        with m.If(rx_fifo.w_en | rx_fifo.r_en | ~rx_fifo.r_rdy):
            m.d.sync += waited.eq(0)
        with m.Elif(~timed_out):
            m.d.sync += waited.eq(waited + 1)

        # --- interrupts, in the order of their priority
        identity = Signal(InterruptId, init=InterruptId.NONE)
        level = Signal(range(self.DEPTH + 1))
        m.d.comb += level.eq(1)
        with m.If(fifo_enable), m.Switch(trigger):
            for value, bytes_waiting in enumerate((1, 4, 8, 14)):
                with m.Case(value):
                    m.d.comb += level.eq(bytes_waiting)
        with m.If(ier.line_status & overrun):
            m.d.comb += identity.eq(InterruptId.LINE_STATUS)
        with m.Elif(ier.received & (rx_fifo.level >= level)):
            m.d.comb += identity.eq(InterruptId.RECEIVED)
        with m.Elif(ier.received & rx_fifo.r_rdy & timed_out):
            m.d.comb += identity.eq(InterruptId.TIMEOUT)
        with m.Elif(ier.transmitter_empty & transmitter_pending):
            m.d.comb += identity.eq(InterruptId.TRANSMITTER_EMPTY)
        with m.Else():
            m.d.comb += identity.eq(InterruptId.NONE)
        m.d.sync += self.interrupt.eq(identity != InterruptId.NONE)

        # --- reads
        rdata = Signal(8)
        with m.Switch(register):
            with m.Case(_Register.DATA):
                m.d.comb += rdata.eq(Mux(divisor_access, self.divisor[:8], rx_fifo.r_data))
            with m.Case(_Register.IER):
                m.d.comb += rdata.eq(Mux(divisor_access, self.divisor[8:], ier.as_value()))
            with m.Case(_Register.IIR):
                m.d.comb += rdata.eq(Cat(identity, 0, 0, fifo_enable, fifo_enable))
            with m.Case(_Register.LCR):
                m.d.comb += rdata.eq(lcr)
            with m.Case(_Register.MCR):
                m.d.comb += rdata.eq(mcr.as_value())
            with m.Case(_Register.LSR):
                m.d.comb += rdata.eq(Cat(rx_fifo.r_rdy, overrun, 0, 0, 0, tx_empty, tx_empty))
            with m.Case(_Register.MSR):  # deltas, CTS, DSR, RI, DCD
                m.d.comb += rdata.eq(Mux(mcr.loop, Cat(0, 0, 0, 0, mcr.rts, mcr.dtr, mcr.out1, mcr.out2), 0xB0))
            with m.Case(_Register.SCR):
                m.d.comb += rdata.eq(scr)
        with m.If(bus.en):
            m.d.sync += [bus.rdata.eq(rdata.replicate(8)), bus.error.eq(~apt)]

        # --- state; where two things meet, the later line wins
        with m.If(is_read(_Register.LSR)):
            m.d.sync += overrun.eq(0)
        with m.If(self.rx_overrun | (mcr.loop & tx_fifo.r_rdy & ~rx_space)):
            m.d.sync += overrun.eq(1)
        with m.If(is_read(_Register.IIR) & (identity == InterruptId.TRANSMITTER_EMPTY)):
            m.d.sync += transmitter_pending.eq(0)
        with m.If(tx_empty & ~tx_was_empty):
            m.d.sync += transmitter_pending.eq(1)
        with m.If(tx_fifo.w_en):
            m.d.sync += transmitter_pending.eq(0)
        with m.If(write), m.Switch(register):
            with m.Case(_Register.DATA), m.If(divisor_access):
                m.d.sync += self.divisor[:8].eq(wdata)
            with m.Case(_Register.IER):
                with m.If(divisor_access):
                    m.d.sync += self.divisor[8:].eq(wdata)
                with m.Else():
                    m.d.sync += ier.eq(wdata)
                    with m.If(wdata[1] & ~ier.transmitter_empty & tx_empty):
                        m.d.sync += transmitter_pending.eq(1)
            with m.Case(_Register.IIR):
                m.d.sync += [fifo_enable.eq(wdata[0]), trigger.eq(wdata[6:])]
                changes = fifo_enable != wdata[0]
                m.d.comb += [clear_rx.eq(changes | wdata[1]), clear_tx.eq(changes | wdata[2])]
            with m.Case(_Register.LCR):
                m.d.sync += lcr.eq(wdata)
            with m.Case(_Register.MCR):
                m.d.sync += mcr.eq(wdata)
            with m.Case(_Register.SCR):
                m.d.sync += scr.eq(wdata)
        return m
