"""`entresol verilog`: writes the design as Verilog."""

import argparse

from ..build import elaborate
from ..design import core_design, soc_design, to_event_driven_verilog
from ..progress import ConsoleProgress
from ..simulator import find_config
from .common import add_config, check_outputs, write_text

_DESCRIPTION = """\
Writes the core or the SoC as one file of SystemVerilog (the synthesizable subset; it uses always_comb), for
simulation and synthesis with other tools.  The clock is `clk`, the synchronous reset `rst`.

The core (module entresol_core) is an AXI4 manager with interrupt inputs, the `time` input and the retire port; the SoC
(entresol_soc) adds boot ROM, CLINT, PLIC, UART and test finisher and leaves RAM outside.
"""


def register(subparsers) -> None:
    parser = subparsers.add_parser("verilog", help="write the core or the SoC as Verilog", description=_DESCRIPTION)
    parser.set_defaults(function=run)
    add_config(parser)
    parser.add_argument("--top", choices=("core", "soc"), default="core", help="what to write (default: %(default)s)")
    parser.add_argument(
        "--event-driven", action="store_true",
        help="without combinational processes, for simulators that follow events; Icarus stands still on the others",
    )  # fmt: skip
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="output file; - is standard output")


def run(arguments: argparse.Namespace) -> int:
    config = find_config(arguments.config)
    if arguments.output != "-":
        check_outputs({"--output": arguments.output})
    progress = ConsoleProgress()
    try:
        design = (core_design if arguments.top == "core" else soc_design)(config)
        if arguments.event_driven:
            progress.step("elaborating the design")
            text = to_event_driven_verilog(design.make(), design.name)
        else:
            text = elaborate(design, progress).verilog.read_text()
    finally:
        progress.finish()
    write_text(arguments.output, text, "--output")
    return 0
