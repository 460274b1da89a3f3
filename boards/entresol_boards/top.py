"""What is put into the FPGA: the system, the clock, and the board's pins."""

from amaranth.hdl import Cat, ClockDomain, ClockSignal, Module, Signal
from amaranth.lib import io, wiring

from entresol.soc.finisher import POWER_OFF
from entresol.soc.system import OnChipSystem

from .board import Board
from .ecp5 import ClockReset


class BoardTop(wiring.Component):
    """`system` on `board`, with the core's clock at `clock` Hz.

    The LEDs, as far as there are as many: program has ended well; ended with a failure; a guest is running (V=1);
    instructions retire; and the clock is running (blinking).

    Raises:
        ValueError: the board cannot make that clock.
    """

    def __init__(self, board: Board, system: OnChipSystem, clock: int):
        self._board, self._system = board, system
        self._clocks = ClockReset(board.oscillator_frequency, clock)
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        m.submodules.system = system = self._system
        m.submodules.clocks = clocks = self._clocks
        m.domains.sync = ClockDomain(reset_less=True)
        m.d.comb += ClockSignal().eq(clocks.clock)

        oscillator = platform.request(self._board.oscillator, dir="-")
        m.submodules.oscillator = oscillator_pin = io.Buffer("i", oscillator)
        m.d.comb += clocks.reference.eq(oscillator_pin.i)

        uart = platform.request("uart", dir={pin.name: "-" for pin in platform.lookup("uart").ios})
        m.submodules.rx = rx = io.Buffer("i", uart.rx)
        m.submodules.tx = tx = io.Buffer("o", uart.tx)
        m.d.comb += [system.rxd.eq(rx.i), tx.o.eq(system.txd)]

        good = system.finish_code[:16] == POWER_OFF
        guest, alive = Signal(), Signal()
        blink = Signal(24)
        m.d.sync += [blink.eq(blink + 1), alive.eq(system.retire.valid)]
        with m.If(system.retire.valid):
            m.d.sync += guest.eq(system.retire.mode.v)
        leds = Cat(system.finish_valid & good, system.finish_valid & ~good, guest, alive, blink[-1])
        for index in range(self._board.leds):
            m.submodules[f"led{index}"] = led = io.Buffer("o", platform.request("led", index, dir="-"))
            m.d.comb += led.o.eq(leds[index] if index < len(leds) else 0)
        return m
