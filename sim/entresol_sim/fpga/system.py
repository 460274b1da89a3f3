"""The system that goes into a board, and the same in the simulator."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from entresol.config import CoreConfig
from entresol.memory.axi import Axi4
from entresol.observe import Events, Retire
from entresol.soc.system import UART_CLOCK, OnChipSystem, uart_divisor
from entresol.soc.ticks import Ticks
from entresol.soc.uart_phy import UartReceiver, UartTransmitter

from ..design import Design, config_text, hdl_files
from .contents import Contents


@dataclass(frozen=True)
class SystemChoice:
    """All that the hardware depends on: the core, the clock in Hz, bytes of RAM and what they hold, and the rate of the
    serial line in bit/s."""

    config: CoreConfig
    clock: int
    ram_size: int
    contents: Contents
    baud: int

    def make(self) -> OnChipSystem:
        """The system.

        Raises:
            ConfigError: clock and rate do not go together.
        """
        contents = self.contents
        return OnChipSystem(self.config, clock=self.clock, ram_size=self.ram_size, contents=contents.data,
                            entry=contents.entry, a1=contents.a1, baud=self.baud)  # fmt: skip


class PinsBench(wiring.Component):
    """The system with what the simulator's harness expects of a design: its console at the other end of the serial
    line, with a transmitter and a receiver of its own.

    `finish_valid` waits until the line has been quiet for more than a byte: what was sent before has arrived then.
    Ports of the harness that a system without outside memory has no use for are not connected.
    """

    def __init__(self, choice: SystemChoice):
        self._choice = choice
        super().__init__({
            "mem": Out(Axi4(choice.config.bus_bits)),
            "uart_tx": Out(stream.Signature(8)),
            "uart_rx": In(stream.Signature(8)),
            "rtc_tick": In(1),
            "boot_entry": In(64),
            "boot_a1": In(64),
            "boot_a2": In(64),
            "finish_valid": Out(1),
            "finish_code": Out(32),
            "retire": Out(Retire),
            "events": Out(Events),
            "flush_valid": In(1),
            "flush_done": Out(1),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        choice = self._choice
        m.submodules.system = system = choice.make()
        m.submodules.ticks = ticks = Ticks(UART_CLOCK, choice.clock)
        m.submodules.receiver = receiver = UartReceiver()
        m.submodules.transmitter = transmitter = UartTransmitter()
        divisor = uart_divisor(choice.clock, choice.baud)
        byte = 16 * divisor * 10
        quiet = Signal(range(2 * byte + 1))
        with m.If(~system.txd):
            m.d.sync += quiet.eq(0)
        with m.Elif(ticks.tick & (quiet != 2 * byte)):
            m.d.sync += quiet.eq(quiet + 1)
        m.d.comb += [
            receiver.tick.eq(ticks.tick),
            receiver.divisor.eq(divisor),
            receiver.rxd.eq(system.txd),
            self.uart_tx.valid.eq(receiver.bytes.valid),
            self.uart_tx.payload.eq(receiver.bytes.payload),
            receiver.bytes.ready.eq(self.uart_tx.ready),
            transmitter.tick.eq(ticks.tick),
            transmitter.divisor.eq(divisor),
            system.rxd.eq(transmitter.txd),
            transmitter.bytes.valid.eq(self.uart_rx.valid),
            transmitter.bytes.payload.eq(self.uart_rx.payload),
            self.uart_rx.ready.eq(transmitter.bytes.ready),
            self.finish_valid.eq(system.finish_valid & (quiet == 2 * byte)),
            self.finish_code.eq(system.finish_code),
            self.retire.eq(system.retire),
            self.events.eq(system.events),
        ]
        return m


def bench_design(choice: SystemChoice) -> Design:
    """What to simulate: see `PinsBench`."""
    contents = choice.contents
    digest = hashlib.sha256(contents.data).hexdigest()
    parameters = repr((config_text(choice.config), choice.clock, choice.ram_size, digest, contents.entry, contents.a1,
                       choice.baud))  # fmt: skip
    return Design("entresol_board", lambda: PinsBench(choice), parameters, [*hdl_files(), Path(__file__)])
