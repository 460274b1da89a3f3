"""`entresol mutate`: builds small faults into the hardware and sees whether the tests notice them."""

import argparse
import json
import sys
from pathlib import Path

from ..progress import ConsoleProgress
from .common import check_outputs, natural, positive, write_text

_DESCRIPTION = """\
Builds small faults (mutants) into hdl/entresol/privileged/ and hdl/entresol/mmu/, one at a time: inverted and stuck
conditions, dropped terms, wrong operators and fields, stuck bits, swapped operands, constants off by one.  Runs the
tests that guard the file against each, those first that are likely to notice it, until one fails, and lists the
survivors.
"""

_EPILOG = """\
This is for a checkout of Entresol.  All mutants are in one compiled model, so it is built once (some minutes).  A seed
always chooses the same mutants.  What is done is kept in a journal in --output: the same command goes on where it was
interrupted, and tries again what changed tests might decide otherwise.

exit status
  0  each survivor is explained (sim/entresol_sim/mutation/explained.py)
  1  there are others
  2  bad input or usage

examples
  entresol mutate --seed 1 --count 360 --jobs 2
  entresol mutate --count 20 --file mmu/tlb.py
  entresol mutate --count 10 --file privileged/legality.py --tests tests/unit/privileged/test_legality.py
"""


def register(subparsers) -> None:
    parser = subparsers.add_parser(
        "mutate", help="see whether the tests notice faults", description=_DESCRIPTION, epilog=_EPILOG
    )
    parser.set_defaults(function=run)
    parser.add_argument("--seed", metavar="N", type=natural, default=1, help="chooses mutants (default: %(default)s)")
    parser.add_argument("--count", metavar="M", type=positive, default=360, help="mutants (default: %(default)s)")
    parser.add_argument(
        "--jobs", metavar="J", type=positive, default=1, help="mutants at the same time (default: %(default)s)"
    )
    parser.add_argument(
        "--file", metavar="FILE", action="append", default=[],
        help="mutate this file alone, such as mmu/tlb.py; can be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--tests", metavar="PATH", action="append", default=[],
        help="use these tests instead of all that guard the files; can be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--output", metavar="DIR", default="entresol-mutants",
        help="directory of the journal and of pytest's output (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--figures", metavar="FILE", help="write the results as JSON")


def run(arguments: argparse.Namespace) -> int:
    from ..mutation.campaign import Campaign, Plan, Row, find_root
    from ..mutation.sites import Mutant

    check_outputs({"--figures": arguments.figures})
    progress = ConsoleProgress()
    root = find_root()
    plan = Plan(root, Path(arguments.output), arguments.seed, arguments.count, tuple(arguments.file),
                tuple(arguments.tests))  # fmt: skip
    campaign = Campaign(plan, progress)

    def told(mutant: Mutant, row: Row) -> None:
        if row.killed_by is None:
            progress.finish()
            print(f"survived: {mutant.name} (line {mutant.line}; {mutant.kind})", flush=True)

    campaign.run(arguments.jobs, told)
    figures = campaign.figures()
    if arguments.figures is not None:
        write_text(arguments.figures, json.dumps(figures, indent=2) + "\n", "--figures")
    left = [row["name"] for row in figures["survivors"] if row["explained"] is None]
    if left:
        print("\nSurvivors that nothing explains:", *left, sep="\n  ")
    print(
        f"entresol: {figures['mutants']} mutants, {figures['killed']} noticed, {len(figures['survivors'])} survived, "
        f"{len(left)} of them unexplained",
        file=sys.stderr,
    )
    return 1 if left else 0
