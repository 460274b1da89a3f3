"""`entresol demo`: firmware, a hypervisor and its guest, from the sources in programs/demo."""

import argparse
import sys
import time
from pathlib import Path

from .programs.build import build
from .progress import ConsoleProgress
from .simulator import Outcome, Result, Simulator
from .terminal import Terminal

SOURCES = Path(__file__).parent / "programs" / "demo"
#: Nothing that goes well takes nearly as long.
MAX_CYCLES = 200_000_000


def program(name: str) -> Path:
    """The ELF file of one of the demo's programs: "firmware", "hypervisor" or "guest"."""
    return build([SOURCES / f"{name}.S", SOURCES / f"{name}.c"], SOURCES / f"{name}.ld")


def run(config: str = "linux", firmware: str | Path | None = None) -> Outcome:
    """Run the demo with its console on standard output, over `firmware` (default: its own).

    Raises:
        UserError: the firmware cannot be loaded, the configuration is unknown, or something cannot be built.
    """
    progress = ConsoleProgress()
    with Simulator(config, ram_size=64 << 20, progress=progress) as simulator:
        progress.step("compiling the programs")
        simulator.load(firmware or program("firmware"))
        simulator.load(program("hypervisor"))
        simulator.load(program("guest"))
        simulator.build()
        begin = time.monotonic()
        with Terminal() as console:
            outcome = simulator.run(MAX_CYCLES, console)
        seconds = time.monotonic() - begin
        statistics = simulator.statistics()
    print(
        f"entresol: {outcome.text}; {statistics['cycles']} cycles, {statistics['instructions']} instructions, "
        f"{seconds:.1f} s, {statistics['cycles'] / seconds / 1000:.0f} kcycles/s",
        file=sys.stderr,
    )
    return outcome


def main(arguments: argparse.Namespace) -> int:
    """The command; returns its exit status."""
    outcome = run(arguments.config, arguments.firmware)
    if outcome.result is Result.CYCLE_LIMIT and arguments.firmware:
        print(
            "entresol: the firmware has to start 0x80200000 in S-mode: OpenSBI's fw_jump and fw_dynamic do",
            file=sys.stderr,
        )
    return outcome.status
