"""The command `entresol`."""

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from entresol.config import ConfigError

from .errors import UserError

#: Modules of `entresol_sim.commands`, in the order in which help shows them.  Each has `register(subparsers)`, which
#: adds a parser whose default `function` takes the parsed arguments and returns the exit status.
COMMANDS = (
    "demo", "linux", "run", "bench", "lockstep", "fuzz", "mutate", "info", "dts", "verilog", "boards", "build", "area",
)  # fmt: skip

_DESCRIPTION = """\
Entresol: an RV64 core with the hypervisor extension, and its compiled simulator.

  entresol demo                     boot a guest under a small hypervisor
  entresol linux                    boot Linux, KVM, and Linux as its guest
  entresol run program.elf          run a program; Ctrl-A x leaves
  entresol bench traps              what a trap costs, in cycles
  entresol fuzz                     compare random programs with QEMU
  entresol info                     what the core is made of
  entresol build ulx3s-85f          a bitstream for an FPGA board
"""

_EPILOG = """\
The first simulation of a configuration builds its model, which takes some minutes; it is kept in the cache
(~/.cache/entresol, or where ENTRESOL_CACHE says), and later runs start at once.

Exit status: 0 passed or powered off, 1 the program reported failure, 2 bad input or usage, 3 cycle limit, 4 the core
hung, 130 interrupted.
"""


class _Parser(argparse.ArgumentParser):
    """Reports a mistake in one line."""

    def __init__(self, **arguments):
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **arguments)

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message} (see {self.prog} --help)", file=sys.stderr)
        sys.exit(2)


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    top = _Parser(prog="entresol", description=_DESCRIPTION, epilog=_EPILOG)
    subparsers = top.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=_Parser)
    for name in COMMANDS:
        import_module(f".commands.{name}", __package__).register(subparsers)
    return top


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    # To argparse a list of files is complete at the first option that follows; the others are left over.
    parsed, others = parser().parse_known_args(arguments)
    if not hasattr(parsed, "files") or any(other.startswith("-") for other in others):
        return parser().parse_args(arguments)  # tells what is wrong, if anything
    parsed.files += others
    return parsed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with `arguments` (default: those of the process); returns the exit status."""
    try:
        parsed = _parse(arguments)
        status = parsed.function(parsed)
        sys.stdout.flush()
        return status
    except (UserError, ConfigError) as error:
        print(f"entresol: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # whoever read our output has enough; keep Python from complaining when it closes standard output
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        what = f"{error.filename}: " if error.filename is not None else ""
        print(f"entresol: {what}{error.strerror or error}: check the place, and that it has space.", file=sys.stderr)
        with contextlib.suppress(OSError, ValueError):  # Python shall not try it again
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    except KeyboardInterrupt:
        print("entresol: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
