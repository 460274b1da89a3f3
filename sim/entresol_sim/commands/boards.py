"""`entresol boards`: the boards that there are bitstreams for."""

import argparse

from ..fpga.results import boards_table

_DESCRIPTION = """\
Shows the boards that `entresol build` makes bitstreams for: the FPGA, the memory, and which configurations were built
for it, at which clock and with how much of the FPGA in use. "Built" tells what place and route found, as recorded with
entresol build BOARD --config NAME --record FILE; it does not mean that anybody has tried it on hardware.
"""


def register(subparsers) -> None:
    parser = subparsers.add_parser("boards", help="show the FPGA boards", description=_DESCRIPTION)
    parser.set_defaults(function=run)


def run(arguments: argparse.Namespace) -> int:
    print(boards_table())
    return 0
