"""`entresol area`: how large the hardware is."""

import argparse
import sys
from pathlib import Path

from ..progress import ConsoleProgress
from ..simulator import find_config
from .common import add_config, add_without, check_outputs, without

_DESCRIPTION = """\
Synthesizes the system (the core, its devices and 64 KiB of RAM) or the core alone, without place and route, and counts
what it takes of an FPGA: LUTs, registers (FF), block RAMs and multipliers. It takes minutes and the tools of
pip install 'entresol[fpga]'.
"""


def register(subparsers) -> None:
    parser = subparsers.add_parser("area", help="measure the size of the hardware", description=_DESCRIPTION)
    parser.set_defaults(function=run)
    add_config(parser)
    add_without(parser)
    parser.add_argument("--core", action="store_true", help="the core alone instead of the system")
    parser.add_argument("--parts", action="store_true", help="count by parts as well; boundaries between them are kept")
    parser.add_argument(
        "--family", choices=("ecp5", "xilinx"), default="ecp5",
        help="FPGAs to synthesize for: Lattice ECP5, or the 7 series of Xilinx (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--record", metavar="FILE", help="add the result to this JSON file, from which docs are made")


def run(arguments: argparse.Namespace) -> int:
    from ..fpga.area import measure
    from ..fpga.results import add_area, area_table
    from ..fpga.tools import ToolError

    config = without(find_config(arguments.config), arguments.without)
    check_outputs({"--record": arguments.record})
    progress = ConsoleProgress()
    progress.step("synthesizing")
    try:
        area = measure(config, arguments.family, "core" if arguments.core else "system", arguments.parts)
    except ToolError as error:
        print(f"entresol: Synthesis failed: {error.message}", file=sys.stderr)
        return 1
    finally:
        progress.finish()
    print(area_table(area))
    if arguments.record is not None:
        add_area(Path(arguments.record), area)
    return 0
