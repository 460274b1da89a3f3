"""UART: registers, FIFOs and interrupts as the 8250 drivers use them; the serial lines."""

import random

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from soc_bench import DeviceDriver, simulate, until

from entresol.soc.ticks import Ticks
from entresol.soc.uart import Uart
from entresol.soc.uart_phy import UartReceiver, UartTransmitter

DATA, IER, IIR, FCR, LCR, MCR, LSR, MSR, SCR = 0, 1, 2, 2, 3, 4, 5, 6, 7
RDI, THRI, RLSI = 1, 2, 4
TIMEOUT = 50


class Bench:
    def __init__(self):
        self.dut = Uart(12, timeout=TIMEOUT)
        self.driver = DeviceDriver(self.dut.bus)
        self.sent = []  # what came out of tx

    async def get(self, ctx, register):
        return await self.driver.read(ctx, register, 1)

    async def put(self, ctx, register, value):
        await self.driver.write(ctx, register, 1, value)

    async def receive(self, ctx, *values):
        """Offers bytes until each was taken."""
        for value in values:
            ctx.set(self.dut.rx.payload, value)
            ctx.set(self.dut.rx.valid, 1)
            taken = 0
            while not taken:
                *_, taken = await ctx.tick().sample(self.dut.rx.ready)
            ctx.set(self.dut.rx.valid, 0)

    async def transmitter(self, ctx):
        tx = self.dut.tx
        while True:
            _, _, valid, ready, payload = await ctx.tick().sample(tx.valid, tx.ready, tx.payload)
            if valid and ready:
                self.sent.append(payload)

    def run(self, bench):
        simulate(self.dut, bench, background=[self.transmitter])


@pytest.fixture
def uart():
    return Bench()


def test_reset_state(uart):
    async def bench(ctx):
        for register, value in ((IER, 0), (IIR, 0x01), (LCR, 0), (MCR, 0), (LSR, 0x60), (MSR, 0xB0), (SCR, 0)):
            assert await uart.get(ctx, register) == value
        assert not ctx.get(uart.dut.interrupt)

    uart.run(bench)


def test_registers_keep_what_they_should(uart):
    async def bench(ctx):
        for register, mask in ((IER, 0x0F), (LCR, 0xFF), (MCR, 0x1F), (SCR, 0xFF)):
            for value in (0xFF, 0xA5, 0x5A, 0x00):
                await uart.put(ctx, register, value)
                assert await uart.get(ctx, register) == value & mask
        await uart.put(ctx, LCR, 0x83)
        await uart.put(ctx, DATA, 0x34)
        await uart.put(ctx, IER, 0x12)
        assert (await uart.get(ctx, DATA), await uart.get(ctx, IER)) == (0x34, 0x12)
        assert ctx.get(uart.dut.divisor) == 0x1234
        await uart.put(ctx, LCR, 0x03)
        assert await uart.get(ctx, IER) == 0
        assert await uart.get(ctx, LSR) == 0x60  # nothing was transmitted

    uart.run(bench)


def test_only_single_bytes(uart):
    async def bench(ctx):
        await uart.receive(ctx, 0x41)
        for offset, width in ((0, 4), (0, 2), (4, 4), (0, 8), (8, 1), (0xFFF, 1)):
            assert await uart.driver.refused(ctx, offset, width)
            assert await uart.driver.refused(ctx, offset, width, 0x4242)
        assert await uart.get(ctx, DATA) == 0x41
        assert uart.sent == []

    uart.run(bench)


def test_polled_output_as_opensbi(uart):
    """OpenSBI's initialisation, then a wait for THRE before each character."""
    text = b"OpenSBI v1.1\n"

    async def bench(ctx):
        ctx.set(uart.dut.tx.ready, 1)
        for register, value in ((IER, 0), (LCR, 0x80), (DATA, 2), (IER, 0), (LCR, 3), (FCR, 1), (MCR, 0)):
            await uart.put(ctx, register, value)
        await uart.get(ctx, LSR)
        await uart.get(ctx, DATA)
        await uart.put(ctx, SCR, 0)
        for byte in text:
            while not await uart.get(ctx, LSR) & 0x20:
                pass
            await uart.put(ctx, DATA, byte)
        await ctx.tick().repeat(3)
        assert bytes(uart.sent) == text
        assert not await uart.get(ctx, LSR) & 1

    uart.run(bench)


def test_linux_finds_a_16550a(uart):
    """The probes of Linux's autoconfig: IER, loopback modem lines, FIFO kind, no EFR, no UUE bit."""

    async def bench(ctx):
        await uart.put(ctx, IER, 0)
        assert await uart.get(ctx, IER) & 0x0F == 0
        await uart.put(ctx, IER, 0x0F)
        assert await uart.get(ctx, IER) == 0x0F
        await uart.put(ctx, IER, 0)
        await uart.put(ctx, MCR, 0x10 | 0x0A)
        assert await uart.get(ctx, MSR) & 0xF0 == 0x90
        await uart.put(ctx, MCR, 0x10 | 0x05)
        assert await uart.get(ctx, MSR) & 0xF0 == 0x60
        await uart.put(ctx, MCR, 0)
        await uart.put(ctx, FCR, 1)
        assert await uart.get(ctx, IIR) >> 6 == 3
        await uart.put(ctx, LCR, 0xBF)
        assert await uart.get(ctx, IIR) != 0  # it would be an EFR of zero
        await uart.put(ctx, LCR, 0)
        await uart.put(ctx, FCR, 0x21)  # a 16750 would answer 7
        assert await uart.get(ctx, IIR) >> 5 == 6
        await uart.put(ctx, FCR, 0)
        assert await uart.get(ctx, IIR) >> 6 == 0

    uart.run(bench)


def test_transmitter_interrupt(uart):
    """Enabling it interrupts at once (Linux's UART_BUG_THRE test wants it twice); reading IIR or writing a byte takes
    it back; it comes again when the FIFO runs empty."""

    async def bench(ctx):
        await uart.put(ctx, FCR, 1)
        for _ in range(2):
            await uart.put(ctx, IER, THRI)
            assert ctx.get(uart.dut.interrupt)
            assert await uart.get(ctx, IIR) == 0xC2
            assert not ctx.get(uart.dut.interrupt)
            assert await uart.get(ctx, IIR) == 0xC1
            await uart.put(ctx, IER, 0)
        await uart.put(ctx, IER, THRI)
        for value in range(16):
            await uart.put(ctx, DATA, value)
        assert not ctx.get(uart.dut.interrupt)
        assert await uart.get(ctx, LSR) == 0x00
        await uart.put(ctx, DATA, 99)  # a byte too many is lost
        ctx.set(uart.dut.tx.ready, 1)
        await ctx.tick().repeat(15)
        assert not ctx.get(uart.dut.interrupt)
        await ctx.tick().repeat(3)
        assert ctx.get(uart.dut.interrupt)
        assert await uart.get(ctx, LSR) == 0x60
        assert await uart.get(ctx, IIR) == 0xC2
        assert uart.sent == list(range(16))

    uart.run(bench)


@pytest.mark.parametrize(("code", "trigger"), [(0, 1), (1, 4), (2, 8), (3, 14)])
def test_trigger_level_and_timeout(uart, code, trigger):
    async def bench(ctx):
        await uart.put(ctx, FCR, code << 6 | 1)
        await uart.put(ctx, IER, RDI)
        await uart.receive(ctx, *range(trigger - 1))
        await ctx.tick().repeat(2)
        assert await uart.get(ctx, IIR) == 0xC1
        if trigger > 1:
            await ctx.tick().repeat(TIMEOUT)
            assert ctx.get(uart.dut.interrupt)
            assert await uart.get(ctx, IIR) == 0xCC
            assert await uart.get(ctx, DATA) == 0
            assert await uart.get(ctx, IIR) == 0xC1  # reading restarts the wait
            await uart.receive(ctx, 0x77)
        await uart.receive(ctx, 0x55)
        assert await uart.get(ctx, IIR) == 0xC4
        assert ctx.get(uart.dut.interrupt)
        while await uart.get(ctx, LSR) & 1:
            last = await uart.get(ctx, DATA)
        assert last == 0x55
        await ctx.tick().repeat(TIMEOUT + 5)
        assert await uart.get(ctx, IIR) == 0xC1
        assert not ctx.get(uart.dut.interrupt)

    uart.run(bench)


def test_without_fifos_one_byte_waits(uart):
    async def bench(ctx):
        await uart.put(ctx, IER, RDI)
        await uart.receive(ctx, 0x41)
        assert await uart.get(ctx, IIR) == 0x04
        assert not ctx.get(uart.dut.rx.ready)
        assert await uart.get(ctx, DATA) == 0x41
        assert ctx.get(uart.dut.rx.ready)
        assert await uart.get(ctx, IIR) == 0x01

    uart.run(bench)


def test_a_full_fifo_holds_the_sender(uart):
    async def bench(ctx):
        await uart.put(ctx, FCR, 1)
        await uart.receive(ctx, *range(16))
        assert not ctx.get(uart.dut.rx.ready)
        assert await uart.get(ctx, LSR) == 0x61
        assert [await uart.get(ctx, DATA) for _ in range(16)] == list(range(16))
        assert await uart.get(ctx, LSR) == 0x60

    uart.run(bench)


def test_clearing(uart):
    """FCR clears either FIFO; switching the FIFOs on or off clears both."""

    async def bench(ctx):
        for before, fcr, received, transmitted in ((1, 0x03, 0, 1), (1, 0x05, 1, 0), (1, 0x01, 1, 1), (1, 0x00, 0, 0),
                                                   (0, 0x01, 0, 0)):
            await uart.put(ctx, FCR, before)
            await uart.put(ctx, FCR, before | 6)
            await uart.receive(ctx, 1)
            await uart.put(ctx, DATA, 2)
            await uart.put(ctx, FCR, fcr)
            assert await uart.get(ctx, LSR) == received | (0 if transmitted else 0x60)
        assert uart.sent == []

    uart.run(bench)


def test_overrun_is_a_line_status_interrupt(uart):
    """It comes before the others, and reading LSR takes it back."""

    async def bench(ctx):
        await uart.put(ctx, FCR, 1)
        await uart.put(ctx, IER, RLSI | RDI | THRI)
        await uart.receive(ctx, 1)
        ctx.set(uart.dut.rx_overrun, 1)
        await ctx.tick()
        ctx.set(uart.dut.rx_overrun, 0)
        await ctx.tick()
        assert await uart.get(ctx, IIR) == 0xC6
        assert await uart.get(ctx, LSR) == 0x63
        assert await uart.get(ctx, IIR) == 0xC4
        assert await uart.get(ctx, LSR) == 0x61
        await uart.get(ctx, DATA)
        assert await uart.get(ctx, IIR) == 0xC2

    uart.run(bench)


def test_loopback(uart):
    async def bench(ctx):
        ctx.set(uart.dut.tx.ready, 1)
        await uart.put(ctx, FCR, 1)
        await uart.put(ctx, MCR, 0x10)
        for value in range(16):
            await uart.put(ctx, DATA, value)
        await ctx.tick().repeat(3)
        assert not ctx.get(uart.dut.rx.ready)
        assert await uart.get(ctx, LSR) == 0x61
        await uart.put(ctx, DATA, 99)
        await ctx.tick().repeat(3)
        assert await uart.get(ctx, LSR) == 0x63
        assert [await uart.get(ctx, DATA) for _ in range(16)] == list(range(16))
        assert await uart.get(ctx, LSR) == 0x60
        assert uart.sent == []

    uart.run(bench)


def test_bytes_both_ways_at_random(uart):
    """Interrupt driven, as Linux does it: nothing is lost, doubled or reordered."""
    rng = random.Random("uart")
    incoming, outgoing = list(rng.randbytes(300)), list(rng.randbytes(300))
    received = []

    async def sender(ctx):
        for value in incoming:
            await ctx.tick().repeat(rng.choice([1, 1, 5, 20, 120]))
            await uart.receive(ctx, value)

    async def reader(ctx):
        while True:
            ctx.set(uart.dut.tx.ready, rng.random() < 0.3)
            await ctx.tick()

    async def driver(ctx):
        await uart.put(ctx, FCR, 0x81)
        await uart.put(ctx, IER, RDI | THRI)
        to_send = list(outgoing)
        while to_send or len(received) < len(incoming):
            while not ctx.get(uart.dut.interrupt):
                await ctx.tick()
            identity = await uart.get(ctx, IIR) & 0x0F
            if identity in (4, 12):
                while await uart.get(ctx, LSR) & 1:
                    received.append(await uart.get(ctx, DATA))
            elif identity == 2:
                for _ in range(16):
                    if to_send:
                        await uart.put(ctx, DATA, to_send.pop(0))
        while await uart.get(ctx, LSR) & 0x40 == 0:
            pass

    simulate(uart.dut, sender, driver, background=[uart.transmitter, reader])
    assert received == incoming
    assert uart.sent == outgoing


class Line(wiring.Component):
    """Transmitter and receiver on one wire, with `rate` ticks in `clock` cycles."""

    def __init__(self, rate=1, clock=1):
        super().__init__({})
        self.transmitter, self.receiver = UartTransmitter(), UartReceiver()
        self.ticks = Ticks(rate, clock)

    def elaborate(self, platform):
        m = Module()
        m.submodules.transmitter, m.submodules.receiver = self.transmitter, self.receiver
        m.submodules.ticks = self.ticks
        m.d.comb += [
            self.receiver.rxd.eq(self.transmitter.txd),
            self.transmitter.tick.eq(self.ticks.tick),
            self.receiver.tick.eq(self.ticks.tick),
        ]
        return m


@pytest.mark.parametrize("divisor", [1, 3])
def test_serial_line(divisor):
    dut = Line()
    transmitter, receiver = dut.transmitter, dut.receiver
    values = [0x00, 0xFF, 0x55, 0xAA, 0x01, 0x80]
    levels = []

    async def sender(ctx):
        ctx.set(transmitter.divisor, divisor)
        ctx.set(receiver.divisor, divisor)
        for value in values:
            ctx.set(transmitter.bytes.payload, value)
            ctx.set(transmitter.bytes.valid, 1)
            taken = 0
            while not taken:
                *_, taken = await ctx.tick().sample(transmitter.bytes.ready)
            ctx.set(transmitter.bytes.valid, 0)

    async def line(ctx):
        while True:
            *_, level = await ctx.tick().sample(transmitter.txd)
            levels.append(level)

    async def taker(ctx):
        ctx.set(receiver.bytes.ready, 1)
        received = []
        while len(received) < len(values):
            _, _, valid, payload, overrun = await ctx.tick().sample(
                receiver.bytes.valid, receiver.bytes.payload, receiver.overrun)
            assert not overrun
            if valid:
                received.append(payload)
        assert received == values

    simulate(dut, sender, taker, background=[line])
    start = levels.index(0)
    bits = [0, *(values[0] >> bit & 1 for bit in range(8)), 1, 0]
    assert levels[start:start + 16 * divisor * 10] == [bit for bit in bits[:10] for _ in range(16 * divisor)]


def test_serial_line_with_a_slower_reference_clock():
    """The rate is exact in the long run, whatever the clock: 14.7456 MHz out of 25 MHz, divisor 2."""
    rate, clock, divisor = 576, 1000, 2
    dut = Line(rate, clock)
    values = list(b"At any clock.")
    changes = []

    async def sender(ctx):
        for divided in (dut.transmitter, dut.receiver):
            ctx.set(divided.divisor, divisor)
        for value in values:
            ctx.set(dut.transmitter.bytes.payload, value)
            ctx.set(dut.transmitter.bytes.valid, 1)
            await until(ctx, dut.transmitter.bytes.ready)
        ctx.set(dut.transmitter.bytes.valid, 0)

    async def line(ctx):
        cycle, before = 0, 1
        while True:
            *_, level = await ctx.tick().sample(dut.transmitter.txd)
            if level != before:
                changes.append(cycle)
            cycle, before = cycle + 1, level

    async def taker(ctx):
        ctx.set(dut.receiver.bytes.ready, 1)
        for value in values:
            *_, payload = await ctx.tick().sample(dut.receiver.bytes.payload).until(dut.receiver.bytes.valid)
            assert payload == value

    simulate(dut, sender, taker, background=[line])
    bit = 16 * divisor * clock / rate
    # bits of a byte are whole bit times apart, within the cycle or two that the reference clock leaves open
    first = [change for change in changes if change < changes[0] + 9.5 * bit]
    assert all(abs((change - first[0]) / bit - round((change - first[0]) / bit)) < 3 / bit for change in first)


def test_the_divisor_at_reset():
    dut = Uart(12, reset_divisor=8)

    async def bench(ctx):
        assert ctx.get(dut.divisor) == 8
        driver = DeviceDriver(dut.bus)
        await driver.write(ctx, LCR, 1, 0x80)
        assert await driver.read(ctx, DATA, 1) == 8

    simulate(dut, bench)


def test_receiver_ignores_glitches_and_bad_stop_bits_and_tells_overruns():
    dut = UartReceiver()
    overruns = 0

    async def watch(ctx):
        nonlocal overruns
        while True:
            *_, overrun = await ctx.tick().sample(dut.overrun)
            overruns += overrun

    async def bench(ctx):
        ctx.set(dut.divisor, 1)

        async def drive(level, cycles=16):
            ctx.set(dut.rxd, level)
            await ctx.tick().repeat(cycles)

        async def frame(value, stop=1, late=0):
            for index, level in enumerate((0, *(value >> bit & 1 for bit in range(8)), stop, 1)):
                await drive(level, 16 + late * (index % 2))

        await drive(1)
        await drive(0, 4)  # shorter than half a bit
        await drive(1, 200)
        assert not ctx.get(dut.bytes.valid)
        for gap in range(16):
            await drive(0, 4)
            await drive(1, 50 + gap)
            ctx.set(dut.bytes.ready, 0)
            await frame(0xA5, late=1)  # 3 % slower than the receiver
            assert ctx.get(dut.bytes.valid) and ctx.get(dut.bytes.payload) == 0xA5
            ctx.set(dut.bytes.ready, 1)
            await drive(1)
        ctx.set(dut.bytes.ready, 0)
        await frame(0xFF, stop=0)
        await drive(1, 200)
        assert not ctx.get(dut.bytes.valid)
        await frame(0x12)
        assert ctx.get(dut.bytes.valid) and ctx.get(dut.bytes.payload) == 0x12
        assert overruns == 0
        await frame(0x34)
        assert overruns == 1
        assert ctx.get(dut.bytes.payload) == 0x12
        ctx.set(dut.bytes.ready, 1)
        await ctx.tick()
        assert not ctx.get(dut.bytes.valid)

    simulate(dut, bench, background=[watch])
