"""`entresol lockstep`: compares a program with a reference, instruction by instruction."""

import argparse
import sys

from ..elf import parse_elf, read_file
from ..progress import ConsoleProgress
from ..simulator import find_config
from .common import add_config, positive, size

_DESCRIPTION = """\
Runs a bare-metal program on the core and on a reference, and compares every retired instruction, register and memory
write, trap and CSR.
"""

_EPILOG = """\
The first program is entered in M-mode with undefined registers; further ones, which it goes on to, are only loaded.
Two machines do not agree about time, counters and devices: registers and memory that hold something of these are not
compared, and the comparison ends where the flow depends on it.  So it does with known deviations of the reference
(docs/user/lockstep.md).

exit status
  0  no difference that the known deviations do not explain
  1  there was one; the last steps of both are shown side by side
  2  bad input or usage

examples
  entresol lockstep program.elf
  entresol lockstep entresol-fuzz/seed-17.elf --config small
  entresol lockstep fw_jump.elf --device-tree
"""


def register(subparsers) -> None:
    parser = subparsers.add_parser(
        "lockstep", help="compare a program with a reference", description=_DESCRIPTION, epilog=_EPILOG
    )
    parser.set_defaults(function=run)
    parser.add_argument("files", metavar="PROGRAM", nargs="+", help="ELF file")
    add_config(parser)
    parser.add_argument(
        "--device-tree", action="store_true", help="pass the SoC's device tree on in a1, as boot code does for firmware"
    )
    parser.add_argument(
        "--reference", metavar="NAME", default="qemu", help="qemu, or spike if yours is on PATH (default: %(default)s)"
    )
    parser.add_argument("--ram", metavar="SIZE", type=size, default=32 << 20, help="size of RAM (default: 32M)")
    parser.add_argument(
        "--max-cycles", metavar="N", type=positive, default=10_000_000, help="stop there (default: %(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    from ..lockstep.boot import with_device_tree
    from ..lockstep.compare import side_by_side
    from ..lockstep.references import Lockstep

    config = find_config(arguments.config)
    program, *others = (parse_elf(read_file(path), path) for path in arguments.files)
    for other in others:
        program.segments.extend(other.segments)
    if arguments.device_tree:
        program = with_device_tree(program, config, arguments.ram)
    progress = ConsoleProgress()
    try:
        lockstep = Lockstep(config, arguments.reference, arguments.ram, progress)
        lockstep.core.build()
    finally:
        progress.finish()
    result = lockstep.compare(program, arguments.max_cycles)
    accounted = ", ".join(f"{name} ({count})" for name, count in sorted(result.accounted.items()))
    end = f"; not comparable any more after: {result.ended_by}" if result.ended_by else ""
    print(
        f"entresol: {result.compared} steps as in {lockstep.title}"
        + (f"; deviations accounted for: {accounted}" if accounted else "") + end,
        file=sys.stderr,
    )  # fmt: skip
    if not result.failed:
        return 0
    print("\n".join(map(str, result.differences)) + "\n")
    print(side_by_side(result.pairs, lockstep.csr_names, lockstep.title), end="")
    return 1
