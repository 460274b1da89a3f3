"""What a board is, and how to find one by its name."""

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Board:
    """A board that the SoC can be built for.

    Parameters: `name` and `title`; `device`, the FPGA as its maker calls it; `memory`, all of the board's memories in
    words; `platform`, which makes its `amaranth.build.Platform`; `oscillator`, that platform's resource with the
    clock that the core's is made from, and `oscillator_frequency`; `clock`, the core's unless the user wants another
    (both in Hz); `ram_size`, bytes of main memory in the FPGA's block RAM; `leds`, how many resources "led" there are.

    The serial line is the platform's resource "uart", with subsignals "rx" and "tx".
    """

    name: str
    title: str
    device: str
    memory: str
    platform: Callable[[], Any]
    oscillator: str
    oscillator_frequency: int
    clock: int
    ram_size: int
    leds: int


def boards() -> dict[str, Board]:
    """All boards by name."""
    found = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(import_module(__package__).__path__)):
        for board in getattr(import_module(f".{module}", __package__), "BOARDS", ()):
            found[board.name] = board
    return found
