"""`entresol bench`: measures what traps, translation, fences and programs cost (see `entresol_sim.bench`)."""

import argparse
import json

from ..bench import report
from ..bench.catalog import GROUPS, choose, jobs
from ..bench.run import merge
from ..bench.run import run as run_jobs
from ..elf import read_file
from ..errors import UserError
from ..progress import ConsoleProgress
from ..simulator import find_config
from .common import add_config, check_outputs, positive, write_text

_DESCRIPTION = """\
Runs benchmarks on the simulated SoC and prints cycles: what traps, CSR accesses, fences and TLB misses cost in every
kind of translation, and how fast programs run natively and as a guest. docs/reference/performance.md tells how it is
measured, and what comes out.
"""

_EPILOG = """\
NAME is a group (traps, tlb...), a figure (traps.ecall.vs_to_hs.bare), or the beginning of the names of several
(tlb.guest_4k, integer.crc); without any, everything is measured, which takes minutes.

examples
  entresol bench traps fences
  entresol bench --config small tlb.guest_4k --json tlb.json
  entresol bench --json docs/reference/performance.json --markdown docs/reference/performance.md
  entresol bench fences --update --json docs/reference/performance.json --markdown docs/reference/performance.md
"""


def register(subparsers) -> None:
    parser = subparsers.add_parser(
        "bench", help="measure what traps, translation and programs cost", description=_DESCRIPTION, epilog=_EPILOG
    )
    parser.set_defaults(function=run)
    parser.add_argument("names", metavar="NAME", nargs="*", help="what to measure (default: everything)")
    add_config(parser)
    parser.add_argument("--list", action="store_true", help="show the names of all figures, and measure nothing")
    parser.add_argument(
        "--memory-latency", metavar="N", type=positive, default=10,
        help="cycles from a read request of the caches to its first data (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--json", metavar="FILE", help="write all figures as JSON")
    parser.add_argument(
        "--update", action="store_true",
        help="keep what the JSON file has of other figures, in it and on the page",
    )  # fmt: skip
    parser.add_argument("--markdown", metavar="FILE", help="write a page with the tables and how they were measured")
    parser.add_argument("--quiet", action="store_true", help="no progress, and no tables on standard output")


def run(arguments: argparse.Namespace) -> int:
    config = find_config(arguments.config)
    if arguments.list:
        for group, title in GROUPS.items():
            print(f"{group}: {title}")
            for figure in (figure for job in jobs() if job.group == group for figure in job.figures):
                print(f"  {figure.name:<48} {figure.title}")
        return 0
    chosen = choose(arguments.names, config)
    before = _recorded(arguments.json) if arguments.update else None
    check_outputs({"--json": arguments.json, "--markdown": arguments.markdown})
    measured = run_jobs(chosen, config, arguments.memory_latency, None if arguments.quiet else ConsoleProgress())
    if not arguments.quiet:
        print(f"Configuration {config.name}, memory answers after {arguments.memory_latency} cycles\n")
        print(report.tables(measured))
        print(f"Simulated {report.speed(measured)}")
    if before is not None:
        measured = merge(before, measured)
    if arguments.json is not None:
        write_text(arguments.json, json.dumps(measured, indent=1) + "\n", "--json")
    if arguments.markdown is not None:
        write_text(arguments.markdown, report.page(measured), "--markdown")
    return 0


def _recorded(path: str | None) -> dict:
    """The report in the JSON file.  Raises `UserError`."""
    if path is None:
        raise UserError("--update means nothing without --json: add the file with the other figures.")
    try:
        report = json.loads(read_file(path))
        if "figures" not in report:
            raise ValueError
    except ValueError as error:
        raise UserError(f"{path} has no figures of entresol bench: leave out --update.") from error
    return report
