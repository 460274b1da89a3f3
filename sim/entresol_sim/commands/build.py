"""`entresol build`: makes a bitstream for an FPGA board."""

import argparse
import sys
from pathlib import Path

from ..elf import read_program
from ..errors import UserError
from ..progress import ConsoleProgress
from ..simulator import find_config, ram_region
from ..terminal import Terminal
from .common import add_config, add_without, check_outputs, placed, positive, without

_DESCRIPTION = """\
Makes a bitstream for an FPGA board: the core with its devices, RAM inside the FPGA, and the UART on the board's serial
line (115200 bit/s, 8 data bits, no parity, 1 stop bit). When the FPGA is configured the RAM holds the programs FILE...
(as for entresol run; the first is started) or, without any, the demonstration: a firmware, a hypervisor and its guest.

The tools come with pip install 'entresol[fpga]'. Building takes minutes to the better part of an hour, depending on
the configuration. Entresol does not load bitstreams; openFPGALoader does: openFPGALoader -b ulx3s entresol.bit

--simulate runs the very same design, RAM contents included, in the simulator instead, with the console decoded from
the serial line.
"""

_EPILOG = """\
exit status
  0  the bitstream is complete, and the design is fast enough for its clock
  1  it does not fit, misses timing, or a tool failed; with --simulate, the program reported failure
  2  bad input or usage, or the tools are not installed

examples
  entresol boards
  entresol build ulx3s-85f --config small
  entresol build ulx3s-85f --simulate
  entresol build ulx3s-85f program.elf --clock 25 --out program
"""


def register(subparsers) -> None:
    parser = subparsers.add_parser(
        "build", help="make a bitstream for an FPGA board", description=_DESCRIPTION, epilog=_EPILOG
    )
    parser.set_defaults(function=run)
    parser.add_argument("board", metavar="BOARD", help="a name that `entresol boards` shows")
    parser.add_argument("files", metavar="FILE", nargs="*", help="ELF file, or plain binary as FILE@ADDR")
    add_config(parser)
    add_without(parser)
    parser.add_argument("--clock", metavar="MHZ", type=_mhz, help="clock of the core (default: the board's)")
    parser.add_argument(
        "--baud", metavar="N", type=positive, default=115_200,
        help="rate of the serial line in bit/s until software changes it (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--seed", metavar="N", type=positive, default=1,
        help="what placement begins with: another one may give a faster design (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--out", metavar="DIR", help="directory for the bitstream, entresol.bit, report.json and the tools' files "
        "(default: build/BOARD-CONFIG)",
    )  # fmt: skip
    parser.add_argument("--simulate", action="store_true", help="run the design in the simulator instead")
    parser.add_argument(
        "--max-cycles", metavar="N", type=positive, help="with --simulate: stop in cycle N, with status 3"
    )
    parser.add_argument("--record", metavar="FILE", help="add the result to this JSON file, from which docs are made")


def _mhz(text: str) -> int:
    try:
        return round(float(text) * 1e6)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is no frequency: write 40 or 62.5") from None


def run(arguments: argparse.Namespace) -> int:
    from entresol.soc.system import uart_divisor

    from ..fpga import flow
    from ..fpga.contents import demo, ram_contents
    from ..fpga.results import add
    from ..fpga.system import SystemChoice

    board = flow.find_board(arguments.board)
    config = without(find_config(arguments.config), arguments.without)
    clock = arguments.clock or board.clock
    flow.check_clock(board, clock)
    uart_divisor(clock, arguments.baud)
    if not arguments.files and not config.has("h"):
        raise UserError("The demonstration needs the H extension: name the program to run, or leave it in.")
    if not arguments.simulate:
        flow.tools.check_installed()
    check_outputs({"--record": arguments.record})
    programs = [read_program(*placed(text), ram_region(config).base) for text in arguments.files] or demo(config)
    contents = ram_contents(config, board.ram_size, arguments.baud, programs)
    choice = SystemChoice(config, clock, board.ram_size, contents, arguments.baud)
    progress = ConsoleProgress()
    if arguments.simulate:
        return _simulate(choice, arguments.max_cycles, progress)
    out = Path(arguments.out or f"build/{board.name}-{config.name}")
    try:
        report = flow.build(board, choice, out, progress, arguments.seed)
    except flow.BuildFailed as failure:
        progress.finish()
        print(f"entresol: {failure}", file=sys.stderr)
        return 1
    finally:
        progress.finish()
    print(report.text())
    if arguments.record is not None:
        add(Path(arguments.record), report)
    if not report.meets_timing:
        print(
            f"entresol: the design is too slow for {report.clock:g} MHz, there is no bitstream: choose --clock "
            f"{flow.next_clock(board, report.frequency):g}, another --seed, or a smaller --config.", file=sys.stderr,
        )  # fmt: skip
        return 1
    print(f"\n{out / 'entresol.bit'} is ready; it has not been tried on hardware", file=sys.stderr)
    return 0


def _simulate(choice, max_cycles: int | None, progress: ConsoleProgress) -> int:
    from ..fpga.system import bench_design
    from ..simulator import Simulator

    with Simulator(choice.config, design=bench_design(choice), progress=progress) as simulator:
        simulator.build()
        with Terminal() as console:
            outcome = simulator.run(max_cycles, console)
        seconds = simulator.cycle / choice.clock
        print(f"entresol: {outcome.text}; {simulator.cycle} cycles, {seconds:.3f} s on the board", file=sys.stderr)
    return outcome.status
