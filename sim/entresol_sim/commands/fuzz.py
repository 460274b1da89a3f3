"""`entresol fuzz`: compares random programs with a reference."""

import argparse
import json
import os
import sys
from pathlib import Path

from ..progress import ConsoleProgress
from ..simulator import find_config
from .common import add_config, check_outputs, natural, positive, up_to, write_text

#: More would not fit in front of the page tables.
MAX_BLOCKS = 2000

_DESCRIPTION = """\
Makes random programs that move between all modes, change both stages of translation, delegation and interrupts, and
use everything that the core has; compares each step with a reference; makes failing programs short and saves them.
"""

_EPILOG = """\
A seed always gives the same program.  What is done is kept in a journal in --output: the same command goes on where it
was interrupted, and starts anew when the core, the programs or the reference changed.

exit status
  0  no difference that the known deviations of the reference do not explain (see docs/user/lockstep.md)
  1  there was one: its program is saved, and shown with both traces side by side
  2  bad input or usage

examples
  entresol fuzz --seed 1 --count 1000 --jobs 2
  entresol fuzz --seed 17 --count 1 --config small
"""


def register(subparsers) -> None:
    parser = subparsers.add_parser(
        "fuzz", help="compare random programs with a reference", description=_DESCRIPTION, epilog=_EPILOG
    )
    parser.set_defaults(function=run)
    add_config(parser)
    parser.add_argument("--seed", metavar="N", type=natural, default=1, help="first seed (default: %(default)s)")
    parser.add_argument("--count", metavar="M", type=positive, default=100, help="programs (default: %(default)s)")
    parser.add_argument(
        "--jobs", metavar="J", type=up_to(256), default=os.cpu_count() or 1,
        help="programs at the same time (default: the number of processors)",
    )  # fmt: skip
    parser.add_argument(
        "--blocks", metavar="N", type=up_to(MAX_BLOCKS), default=150,
        help="length of a program in random pieces, each some 20 executed instructions (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--reference", metavar="NAME", default="qemu", help="qemu, or spike if yours is on PATH (default: %(default)s)"
    )
    parser.add_argument(
        "--output", metavar="DIR", default="entresol-fuzz",
        help="directory of the journal and of failing programs (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--figures", metavar="FILE", help="write the sums over all programs as JSON")
    parser.add_argument(
        "--max-failures", metavar="N", type=natural, default=1, help="stop after so many, 0: never (default: 1)"
    )


def run(arguments: argparse.Namespace) -> int:
    from ..lockstep.campaign import Campaign, Plan, SeedResult

    check_outputs({"--figures": arguments.figures})
    plan = Plan(find_config(arguments.config), arguments.reference, arguments.blocks, Path(arguments.output))
    progress = ConsoleProgress()
    campaign = Campaign(plan, progress)

    def told(row: SeedResult) -> None:
        if row.failure is not None:
            progress.finish()
            print(f"seed {row.seed}: {row.failure}\n")
            print(Path(row.files[1]).read_text())
            print(f"Saved as {row.files[0]}: entresol lockstep runs it again.", flush=True)

    seeds = (arguments.seed, arguments.count)
    for row in campaign.results.values():
        if row.failure is not None and seeds[0] <= row.seed < sum(seeds):
            told(row)
    campaign.run(*seeds, arguments.jobs, told, arguments.max_failures)
    figures = campaign.figures(*seeds)
    if arguments.figures is not None:
        write_text(arguments.figures, json.dumps(figures, indent=2) + "\n", "--figures")
    print(
        f"entresol: {figures['programs']} programs, {figures['compared']} steps compared with {figures['reference']}, "
        f"{figures['unexplained']} programs with unexplained differences",
        file=sys.stderr,
    )
    return 1 if figures["unexplained"] else 0
