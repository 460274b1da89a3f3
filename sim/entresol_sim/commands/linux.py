"""`entresol linux`: OpenSBI, Linux with KVM and a guest; `entresol linux prepare` gets what is needed for it."""

import argparse
import json
import sys
from pathlib import Path

from ..errors import UserError
from ..progress import ConsoleProgress
from ..simulator import Outcome, Result
from ..terminal import Console, Terminal
from .common import add_config, check_outputs, natural, positive, size, write_text

_DESCRIPTION = """\
Boots unmodified OpenSBI and an unmodified Linux kernel with KVM, whose first process starts a small virtual machine
monitor with a guest: a few lines of assembly, or the same Linux.  Everything powers off at the end, and a summary says
which milestones were reached when, and where the cycles went.

`entresol linux prepare`, once, obtains OpenSBI and builds the kernel.  The sources of the monitor and of the first
process, written to be read, are in sim/entresol_sim/programs/linux.
"""

_EPILOG = """\
Milestones are recognised every 16384 cycles.  Runs are deterministic: the same files and options give the same counts.

exit status
  0  powered off, having reached all milestones
  1  powered off without reaching one, or asked for a reset (a kernel panic does)
  2  bad input or usage
  3  the limit of --max-cycles was reached
  4  nothing retired for a long time, or the console was silent for --patience cycles
  130  left with Ctrl-A x (interactive) or Ctrl-C

examples
  entresol linux prepare
  entresol linux
  entresol linux --guest bare --stats stats.json
  entresol linux --interactive
  entresol linux --kernel ~/linux/arch/riscv/boot/Image --append "loglevel=7"
"""

_PREPARE_DESCRIPTION = """\
Obtains OpenSBI from Debian's package `opensbi` and builds a kernel from `linux-source-*`, installed or downloaded with
apt-get; needs gcc-riscv64-linux-gnu, make, gcc, flex, bison and bc.  The results stay in the cache.  Can be interrupted
and started again.
"""


def register(subparsers) -> None:
    parser = subparsers.add_parser(
        "linux", help="boot Linux, KVM and a guest", description=_DESCRIPTION, epilog=_EPILOG
    )
    parser.set_defaults(function=run)
    add_config(parser)
    parser.add_argument("--guest", choices=("none", "bare", "linux"), help="what the host's KVM runs (default: linux)")
    parser.add_argument(
        "--interactive", action="store_true",
        help="leave a small shell on the host, from which guests can be started; Ctrl-A x leaves",
    )  # fmt: skip
    files = parser.add_argument_group("your own files")
    files.add_argument("--firmware", metavar="FILE", type=Path, help="OpenSBI's fw_jump or fw_dynamic (ELF or binary)")
    files.add_argument("--kernel", metavar="FILE", type=Path, help="Linux Image, for the host and for the guest")
    files.add_argument("--initrd", metavar="FILE", type=Path, help="initramfs of the host")
    files.add_argument(
        "--dtb", metavar="FILE", type=Path, help="device tree blob; it has to say where the initrd is (0x83000000)"
    )
    files.add_argument("--append", metavar="TEXT", help="add to the host kernel's command line")
    files.add_argument(
        "--symbols", metavar="FILE", type=Path,
        help="System.map or vmlinux, to tell where a hung kernel stands (default: System.map of the kernel's tree)",
    )  # fmt: skip
    machine = parser.add_argument_group("machine and limits")
    machine.add_argument(
        "--ram", metavar="SIZE", type=size, default=64 << 20, help="size of RAM, at least 64M (default: 64M)"
    )
    machine.add_argument(
        "--mtime-div", metavar="N", type=positive,
        help="clock cycles for each tick of mtime, which software takes for 0.1 us (default: 10; 1 with --interactive, "
        "as the kernel looks for input every 10 ms)",
    )  # fmt: skip
    machine.add_argument("--max-cycles", metavar="N", type=positive, help="stop in cycle N, with status 3")
    machine.add_argument(
        "--patience", metavar="N", type=natural,
        help="stop with status 4 when the console was silent for N cycles; 0: never (default: 50 million, or 0 with "
        "--interactive)",
    )  # fmt: skip
    parser.add_argument("--stats", metavar="FILE", help="write counters of all kinds and milestones as JSON")

    commands = parser.add_subparsers(metavar="prepare", title="preparation")
    preparer = commands.add_parser(
        "prepare", help="obtain OpenSBI and build the kernel", description=_PREPARE_DESCRIPTION
    )
    preparer.set_defaults(function=prepare)
    preparer.add_argument(
        "--firmware", metavar="FILE", type=Path, dest="prepare_firmware", help="OpenSBI's fw_jump instead of Debian's"
    )
    preparer.add_argument(
        "--source", metavar="PATH", type=Path,
        help="kernel source tree, in which nothing was built, or archive of one, instead of Debian's",
    )  # fmt: skip
    preparer.add_argument(
        "--cross-compile", metavar="PREFIX", default="riscv64-linux-gnu-", help="of the compiler (default: %(default)s)"
    )


def prepare(arguments: argparse.Namespace) -> int:
    from ..linux.prepare import prepare

    progress = ConsoleProgress()
    try:
        result = prepare(
            firmware=arguments.prepare_firmware, source=arguments.source, cross_compile=arguments.cross_compile,
            progress=progress,
        )  # fmt: skip
    finally:
        progress.finish()
    print(f"firmware  {result.firmware}\nkernel    {result.kernel}")
    return 0


def run(arguments: argparse.Namespace) -> int:
    from ..linux.boot import PATIENCE, Boot

    _check(arguments)
    progress = ConsoleProgress()
    with Boot(
        arguments.config,
        guest="shell" if arguments.interactive else arguments.guest or "linux",
        firmware=arguments.firmware,
        kernel=arguments.kernel,
        initrd=arguments.initrd,
        dtb=arguments.dtb,
        append=arguments.append or "",
        symbols=arguments.symbols,
        ram_size=arguments.ram,
        mtime_divider=arguments.mtime_div or (1 if arguments.interactive else 10),
        progress=progress,
    ) as boot:
        check_outputs({"--stats": arguments.stats})
        boot.simulator.build()
        patience = arguments.patience
        if patience is None:
            patience = 0 if arguments.interactive else PATIENCE
        try:
            if arguments.interactive:
                with Terminal() as terminal:
                    outcome = boot.run(terminal, arguments.max_cycles, patience)
            else:
                outcome = boot.run(_Output(), arguments.max_cycles, patience)
        except KeyboardInterrupt:
            outcome = Outcome(Result.LEFT, 0, "interrupted")
        return _report(boot, outcome, arguments.stats)


def _check(arguments: argparse.Namespace) -> None:
    """Options that contradict each other.  Raises `UserError`."""
    if arguments.interactive and arguments.guest is not None:
        raise UserError("--interactive starts guests by command: leave out --guest.")
    for option in ("initrd", "dtb"):
        if getattr(arguments, option) is not None and (arguments.interactive or arguments.guest is not None):
            raise UserError(
                f"--guest and --interactive are for our own initramfs and device tree: leave out --{option}."
            )
    if arguments.dtb is not None and arguments.append is not None:
        raise UserError("The command line is in the device tree: leave out --append or --dtb.")
    if arguments.ram < 64 << 20:
        raise UserError("--ram is too small: choose at least 64M.")


class _Output(Console):
    """Standard output, without input."""

    def write(self, content: bytes) -> None:
        sys.stdout.buffer.write(content)
        sys.stdout.flush()


def _report(boot, outcome: Outcome, stats: str | None) -> int:
    from ..linux.boot import summary

    statistics = boot.statistics()
    if stats is not None:
        result = {"status": outcome.status, "code": outcome.code, "text": outcome.text}
        write_text(stats, json.dumps({**statistics, "result": result}, indent=2) + "\n", "--stats")
    print(f"\n{summary(statistics)}", file=sys.stderr)
    if outcome.result is not Result.PASSED:
        print(f"entresol: {boot.where()}", file=sys.stderr)
    print(
        f"entresol: {outcome.text}; {statistics['cycles']:,} cycles in {statistics['wall_seconds']:.0f} s, "
        f"{statistics['cycles_per_second'] / 1000:.0f} kcycles/s",
        file=sys.stderr,
    )
    return outcome.status
