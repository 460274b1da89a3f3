"""A whole system in one chip: the SoC with its RAM inside and a serial line outside, as FPGA boards are given it."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config import ConfigError, CoreConfig
from ..observe import Events, Retire
from .memory import AxiRam
from .soc import UART_INTERRUPT, Soc
from .ticks import Ticks
from .uart_phy import UartReceiver, UartTransmitter

#: What `mtime` counts and what the UART's divisor divides, in Hz.  A 16550 reaches all usual rates up to 921600 bit/s
#: with the latter.
TIMEBASE = 10_000_000
UART_CLOCK = 14_745_600


def uart_divisor(clock: int, baud: int) -> int:
    """What the UART's divisor is for `baud` bit/s.

    Raises:
        ConfigError: `clock` (Hz) is too slow for the UART, or there is no divisor that gives the rate.
    """
    if clock < UART_CLOCK:
        raise ConfigError(f"A clock of {clock / 1e6:g} MHz is too slow for the UART: choose at least "
                          f"{UART_CLOCK / 1e6:g} MHz.")
    divisor = UART_CLOCK // (16 * baud) if baud > 0 else 0
    if not 1 <= divisor < 1 << 16 or 16 * baud * divisor != UART_CLOCK:
        raise ConfigError(f"The UART cannot send {baud} bit/s: choose {UART_CLOCK // 16} divided by a whole number.")
    return divisor


class OnChipSystem(wiring.Component):
    """The SoC with `ram_size` bytes of block RAM at the beginning of the "ram" region, which hold `contents` when the
    chip is configured.

    Parameters: `clock` in Hz; `entry` and `a1`: where the boot ROM jumps, and what it passes on in a1 (default: the
    beginning of RAM, 0); `baud`, of the serial line in bit/s until software sets another divisor.

    Ports: `txd` and `rxd`, the serial line (8 data bits, no parity, 1 stop bit), high when idle; `finish_valid`,
    `finish_code`, `retire`, `events` as the SoC's.

    Raises:
        ConfigError: see `uart_divisor`.
    """

    def __init__(self, config: CoreConfig, *, clock: int, ram_size: int, contents: bytes = b"",
                 entry: int | None = None, a1: int = 0, baud: int = 115_200):
        self._config = config
        self._divisor = uart_divisor(clock, baud)
        self._clock = clock
        self._ram = next(region for region in config.regions if region.name == "ram")
        self._ram_size, self._contents = ram_size, contents
        self._entry = self._ram.base if entry is None else entry
        self._a1 = a1
        super().__init__({
            "txd": Out(1, init=1),
            "rxd": In(1, init=1),
            "finish_valid": Out(1),
            "finish_code": Out(32),
            "retire": Out(Retire),
            "events": Out(Events),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.soc = soc = Soc(self._config, interrupt_sources=UART_INTERRUPT, uart_divisor=self._divisor)
        m.submodules.memory = memory = AxiRam(self._ram.base, self._ram_size, self._config.bus_bits, self._contents)
        m.submodules.transmitter = transmitter = UartTransmitter()
        m.submodules.receiver = receiver = UartReceiver()
        m.submodules.uart_clock = uart_clock = Ticks(UART_CLOCK, self._clock)
        m.submodules.timebase = timebase = Ticks(TIMEBASE, self._clock)
        wiring.connect(m, soc.mem, memory.axi)
        wiring.connect(m, soc.uart_tx, transmitter.bytes)
        wiring.connect(m, receiver.bytes, soc.uart_rx)
        m.d.comb += [
            transmitter.tick.eq(uart_clock.tick),
            transmitter.divisor.eq(soc.uart_divisor),
            self.txd.eq(transmitter.txd),
            receiver.tick.eq(uart_clock.tick),
            receiver.divisor.eq(soc.uart_divisor),
            receiver.rxd.eq(self.rxd),
            soc.uart_overrun.eq(receiver.overrun),
            soc.rtc_tick.eq(timebase.tick),
            soc.boot_entry.eq(self._entry),
            soc.boot_a1.eq(self._a1),
            self.finish_valid.eq(soc.finish_valid),
            self.finish_code.eq(soc.finish_code),
            self.retire.eq(soc.retire),
            self.events.eq(soc.events),
        ]
        return m
