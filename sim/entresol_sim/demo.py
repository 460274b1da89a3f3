"""`entresol demo`: firmware, a hypervisor and its guest, from the sources in programs/demo."""

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from .programs.build import build
from .progress import ConsoleProgress
from .simulator import Outcome, Result, Simulator
from .terminal import Terminal

SOURCES = Path(__file__).parent / "programs" / "demo"
#: Nothing that goes well takes nearly as long.
MAX_CYCLES = 200_000_000


@dataclass(frozen=True)
class Layout:
    """Where in memory the demo is, if not as on QEMU's `virt`: bytes that the firmware keeps to itself from the
    beginning of RAM (a power of two), the addresses of the hypervisor and of the guest's image, and how many pages the
    hypervisor has for its guest."""

    firmware_size: int
    hypervisor: int
    guest_image: int
    pool_pages: int


def program(name: str, layout: Layout | None = None) -> Path:
    """The ELF file of one of the demo's programs: "firmware", "hypervisor" or "guest".

    The guest always has the addresses of an image at 0x80400000: loading it elsewhere is all that it takes to have it
    there.
    """
    defines = {}
    if layout is not None and name == "firmware":
        defines = {"FIRMWARE_SIZE": layout.firmware_size, "PAYLOAD": layout.hypervisor}
    elif layout is not None and name == "hypervisor":
        defines = {"PAYLOAD": layout.hypervisor, "GUEST_IMAGE": layout.guest_image, "POOL_PAGES": layout.pool_pages}
    sources = [SOURCES / f"{name}.S", SOURCES / f"{name}.c"]
    return build(sources, SOURCES / f"{name}.ld", defines=defines)


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
