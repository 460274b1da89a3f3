"""`entresol dts`: writes the device tree of the SoC."""

import argparse

from ..design import soc_device_tree
from ..errors import UserError
from ..simulator import find_config
from .common import add_config, check_outputs, size, write_bytes, write_text

_DESCRIPTION = """\
Writes the device tree of the simulated SoC, the one that `entresol run` passes to programs, as source text or, with
--blob, compiled.
"""


def register(subparsers) -> None:
    parser = subparsers.add_parser("dts", help="write the device tree of the SoC", description=_DESCRIPTION)
    parser.set_defaults(function=run)
    add_config(parser)
    parser.add_argument("--ram", metavar="SIZE", type=size, default=128 << 20, help="size of RAM (default: 128M)")
    parser.add_argument("--bootargs", metavar="TEXT", help="command line for a kernel")
    parser.add_argument("--blob", action="store_true", help="write a device tree blob (needs --output)")
    parser.add_argument("-o", "--output", metavar="FILE", default="-", help="output file (default: standard output)")


def run(arguments: argparse.Namespace) -> int:
    config = find_config(arguments.config)
    if arguments.blob and arguments.output == "-":
        raise UserError("A blob is not for reading: add --output FILE.")
    from entresol.soc.device_tree import to_dtb, to_dts
    tree = soc_device_tree(config, arguments.ram, arguments.bootargs)
    if arguments.output != "-":
        check_outputs({"--output": arguments.output})
    if arguments.blob:
        write_bytes(arguments.output, to_dtb(tree), "--output")
    else:
        write_text(arguments.output, to_dts(tree), "--output")
    return 0
