"""`entresol run`: runs programs in the simulator."""

import argparse
import json
import sys

from ..elf import read_file
from ..errors import UserError
from ..progress import ConsoleProgress
from ..simulator import Outcome, Result, Simulator
from ..statistics import MODES
from ..terminal import Terminal
from .common import add_config, address, check_outputs, natural, placed, positive, size, write_text

_DESCRIPTION = """\
Runs a program on the simulated SoC, which has the memory map of QEMU's `virt` machine: RAM from 0x80000000, UART
16550 at 0x10000000, CLINT at 0x2000000, PLIC at 0xc000000, test finisher at 0x100000.

The core starts in M-mode at the entry point of the first FILE, with a0 = 0 (hart number), a1 = address of the device
tree and, when there are several FILEs, a2 = address of a structure that tells OpenSBI's fw_dynamic to start the
second one.
"""

_EPILOG = """\
console
  The UART is connected to the terminal.  Every key goes to the program, Ctrl-C too; Ctrl-A x leaves, Ctrl-A a sends
  Ctrl-A.  Input may also come from a pipe.  Programs with a symbol `tohost` can use Spike's host interface: exit
  codes, its console, and the system calls write and exit.

exit status
  0  the program powered off (0x5555 to the test finisher) or passed (1 to tohost)
  1  it reported failure; its code is printed
  2  bad input or usage
  3  the limit of --max-cycles was reached
  4  the core retired nothing for --watchdog cycles
  130  left with Ctrl-A x or Ctrl-C

examples
  entresol run program.elf --max-cycles 1000000 --stats stats.json
  entresol run fw_jump.elf --load Image@0x80200000 --ram 64M
  entresol run fw_dynamic.elf hypervisor.elf
  entresol run test.elf --signature test.sig --commit-log test.log
"""


def register(subparsers) -> None:
    parser = subparsers.add_parser("run", help="run programs", description=_DESCRIPTION, epilog=_EPILOG)
    parser.set_defaults(function=run)
    parser.add_argument("files", metavar="FILE", nargs="+", help="ELF file, or plain binary as FILE@ADDR")
    add_config(parser)

    machine = parser.add_argument_group("machine")
    machine.add_argument(
        "--ram", metavar="SIZE", type=size, default=128 << 20, help="size of RAM, for example 64M (default: 128M)"
    )
    machine.add_argument(
        "--load", metavar="FILE@ADDR", action="append", default=[],
        help="load a plain binary to a physical address (can be repeated)",
    )  # fmt: skip
    machine.add_argument("--entry", metavar="ADDR", type=address, help="start here instead")
    machine.add_argument("--dtb", metavar="FILE", help="device tree blob to pass on instead of the SoC's own")
    machine.add_argument(
        "--mtime-div", metavar="N", type=positive, default=10,
        help="clock cycles for each tick of mtime, which software takes for 0.1 us: smaller values make time pass "
        "faster (default: %(default)s)",
    )  # fmt: skip
    machine.add_argument(
        "--memory-latency", metavar="N", type=positive, default=10,
        help="cycles from a read request of the caches to its first data (default: %(default)s)",
    )  # fmt: skip

    limits = parser.add_argument_group("limits")
    limits.add_argument("--max-cycles", metavar="N", type=positive, help="stop in cycle N, with status 3")
    limits.add_argument(
        "--watchdog", metavar="N", type=natural, default=1_000_000,
        help="stop with status 4 when nothing retired for N cycles; those in WFI count a hundredth, and nothing while "
        "there may be console input; 0: never (default: %(default)s)",
    )  # fmt: skip

    output = parser.add_argument_group("output")
    output.add_argument("--stats", metavar="FILE", help="write counters of all kinds as JSON")
    output.add_argument(
        "--commit-log", metavar="FILE",
        help="write a line for each retired instruction, in the format of Spike's --log-commits; a CSR "
        "write is shown at the register that holds the bits (mstatus for sstatus)",
    )  # fmt: skip
    output.add_argument(
        "--signature", metavar="FILE",
        help="at the end, write the memory between the symbols begin_signature and end_signature",
    )  # fmt: skip
    output.add_argument(
        "--signature-granularity", metavar="N", type=positive, help="bytes in a line of the signature (default: 4)"
    )
    output.add_argument("--trace", metavar="FILE.vcd", help="write waveforms (builds a slower model)")
    output.add_argument("--trace-from", metavar="N", type=natural, help="first cycle of the waveforms (default: 0)")
    output.add_argument("--trace-to", metavar="N", type=natural, help="last cycle of the waveforms (default: the end)")
    output.add_argument("--quiet", action="store_true", help="say nothing but what the program says, and errors")
    parser.add_argument(
        "--backend", choices=("verilator", "amaranth"), default="verilator",
        help="simulator; `amaranth` needs no C++ model of the design but is some thousand times slower, with the same "
        "result in every cycle (default: %(default)s)",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    _check(arguments)
    with Simulator(
        arguments.config,
        ram_size=arguments.ram,
        mtime_divider=arguments.mtime_div,
        ram_latency=arguments.memory_latency,
        watchdog=arguments.watchdog,
        trace=arguments.trace,
        trace_from=arguments.trace_from or 0,
        trace_to=arguments.trace_to,
        backend=arguments.backend,
        progress=None if arguments.quiet else ConsoleProgress(),
    ) as simulator:
        _load(simulator, arguments)
        check_outputs({
            "--stats": arguments.stats, "--commit-log": arguments.commit_log, "--signature": arguments.signature,
            "--trace": arguments.trace,
        })  # fmt: skip
        if arguments.commit_log is not None:
            simulator.commit_log(arguments.commit_log)
        simulator.build()
        try:
            with Terminal() as console:
                outcome = simulator.run(arguments.max_cycles, console)
        except KeyboardInterrupt:
            outcome = Outcome(Result.LEFT, 0, "interrupted")
        return _report(simulator, outcome, arguments)


def _check(arguments: argparse.Namespace) -> None:
    """Options that contradict each other.  Raises `UserError`."""
    for option, needs in (("signature_granularity", "signature"), ("trace_from", "trace"), ("trace_to", "trace")):
        if getattr(arguments, option) is not None and getattr(arguments, needs) is None:
            raise UserError(f"--{option.replace('_', '-')} means nothing without --{needs}: add that or leave it out.")
    if arguments.trace_to is not None and arguments.trace_to < (arguments.trace_from or 0):
        raise UserError("--trace-to is before --trace-from: exchange them.")


def _load(simulator: Simulator, arguments: argparse.Namespace) -> None:
    for text in arguments.files:
        simulator.load(*placed(text))
    for text in arguments.load:
        path, address = placed(text)
        if address is None:
            raise UserError(f"--load {text} has no address: write {text}@0x80200000, say.")
        simulator.load(path, address)
    if arguments.dtb is not None:
        simulator.device_tree(read_file(arguments.dtb), str(arguments.dtb))
    if arguments.entry is not None:
        simulator.boot(entry=arguments.entry)
    if arguments.signature is not None:
        simulator.signature_range()


def _report(simulator: Simulator, outcome: Outcome, arguments: argparse.Namespace) -> int:
    """Writes what was asked for at the end."""
    statistics = simulator.statistics()
    if arguments.signature is not None:
        try:
            text = simulator.signature(arguments.signature_granularity or 4)
        except TimeoutError as error:
            print(f"entresol: no signature, {error}", file=sys.stderr)
        else:
            write_text(arguments.signature, text, "--signature")
    simulator.close()
    if arguments.stats is not None:
        statistics["result"] = {"status": outcome.status, "code": outcome.code, "text": outcome.text}
        write_text(arguments.stats, json.dumps(statistics, indent=2) + "\n", "--stats")
    if not arguments.quiet or outcome.result is not Result.PASSED:
        modes = ", ".join(
            f"{name} {statistics['modes'][name]['cycles'] / max(1, statistics['cycles']):.0%}"
            for name in MODES.values()
            if statistics["modes"][name]["cycles"]
        )
        print(
            f"entresol: {outcome.text}; {statistics['cycles']} cycles, {statistics['instructions']} instructions "
            f"({modes}), {statistics['wall_seconds']:.1f} s, {statistics['cycles_per_second'] / 1000:.0f} kcycles/s",
            file=sys.stderr,
        )
    return outcome.status
