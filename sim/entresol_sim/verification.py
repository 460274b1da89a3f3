"""The page docs/reference/verification.md, from what campaigns, proofs and tests recorded in docs/reference."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .lockstep.deviations import DEVIATIONS
from .mutation.report import open_survivors, percent
from .traceability import JSON as RULES

PAGE = Path("docs/reference/verification.md")
RECORDED = Path("docs/reference/verification")

_INTRODUCTION = """\
# Verification

What is checked, by which means, and what the last campaigns found. Every figure is read from a file that a run wrote
([`verification/`](verification), [`rules.json`](rules.json)); `python -m entresol_sim.pages` writes this page.
"""

#: Means: where, what they do and against what, what they do not see.
_MEANS = {
    "Unit tests": (
        "tests/unit",
        "each part alone, in Amaranth's simulator, against models written from the manual's text: directed, exhaustive "
        "where that is possible, and random",
        "how parts work together",
    ),
    "Programs": (
        "tests/programs",
        "self-checking programs on the simulated SoC; QEMU runs the same ones, which shows that they are right about "
        "the architecture",
        "what nobody thought of",
    ),
    "Testbenches": (
        "tests/cocotb",
        "the core's Verilog under Verilator or Icarus: every trap from every mode with every delegation, against a "
        "model",
        "anything but traps and interrupts",
    ),
    "Lockstep and random programs": (
        "tests/lockstep",
        "each step of a program against QEMU or Spike: registers, memory, traps, CSRs",
        "where the reference deviates; timing; timers",
    ),
    "Proofs": (
        "tests/formal",
        "properties of parts, for all inputs, against models written from the text",
        "parts without a property",
    ),
    "Software": (
        "tests/linux",
        "OpenSBI, Linux with KVM, and Linux as its guest",
        "what they do not use",
    ),
    "Robustness": (
        "tests/robustness",
        "damaged programs and options, builds killed in every phase, and a bus that answers with errors or not at all",
        "failures of the host that look like success",
    ),
    "Mutation": (
        "sim/entresol_sim/mutation",
        "the tests themselves: faults are built into the hardware, and they have to notice",
        "faults of other kinds, and outside `privileged/` and `mmu/`",
    ),
}


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], numbers: int = 0) -> str:
    """A table whose last `numbers` columns are numbers."""
    rule = ["---"] * (len(header) - numbers) + ["---:"] * numbers
    return "\n".join("| " + " | ".join(line) + " |" for line in (header, rule, *rows))


def _number(value: int) -> str:
    return f"{value:,}".replace(",", " ")


def _means(rules: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    claimed: Counter[str] = Counter()
    for row in rules.values():
        tests = row.get("tests", ())
        claimed.update(place for place, *_ in _MEANS.values() if any(test.startswith(place) for test in tests))
    yield "## Means"
    yield _table(
        ("means", "what it does", "what it does not see", "rules claimed"),
        [(f"[{name}](../../{place})", what, blind, str(claimed[place]) if place.startswith("tests") else "")
         for name, (place, what, blind) in _MEANS.items()],
        1,
    )  # fmt: skip


def _rules(rules: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    count = Counter(row["status"] for row in rules.values())
    passed = sum(row.get("result") == "passed" for row in rules.values())
    claimed = sum("tests" in row for row in rules.values())
    yield "## Normative rules of the manual"
    yield (
        f"Of {_number(len(rules))} rules, {_number(count['tested'])} are tested, {_number(count['choice'])} leave a "
        f"choice, which is named, {_number(count['not-applicable'])} do not apply, for a reason that is given, and "
        f"{_number(count['open'])} are open. The tests of {_number(passed)} of the {_number(claimed)} claimed rules "
        "passed when they were last run. See [Normative rules](rules.md)."
    )


def _fuzz(campaigns: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "## Random programs in lockstep"
    yield _table(
        ("reference", "configuration", "seeds", "steps compared", "instructions", "mode switches",
         "ended by a deviation", "unexplained"),
        [(row["reference"], row["configuration"], f"{row['first_seed']} to {row['first_seed'] + row['programs'] - 1}",
          *(_number(row[key]) for key in ("compared", "instructions", "mode_switches")),
          _number(sum(row["ended_by_deviation"].values())), _number(row["unexplained"])) for row in campaigns],
        5,
    )  # fmt: skip
    yield "Steps by mode:"
    modes = sorted({mode for row in campaigns for mode in row["modes"]})
    yield _table(
        ("reference", "configuration", *modes),
        [(row["reference"], row["configuration"], *(_number(row["modes"].get(mode, 0)) for mode in modes))
         for row in campaigns],
        len(modes),
    )  # fmt: skip
    yield (
        "A step is an instruction or a trap. *Ended by a deviation* are programs whose flow came to depend on a known "
        "deviation of the reference: they were compared up to there. *Unexplained* are those with a difference that "
        "no deviation accounts for. See [Comparing with QEMU](../user/lockstep.md)."
    )


def _proofs(proofs: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield "## Proofs"
    yield _table(
        ("property", "configuration", "depth", "claims"),
        [(f"[{row['property']}](../../{test.partition('::')[0]})", row["configuration"] or "any", row["depth"],
          str(row["claims"])) for test, row in proofs.items()],
        1,
    )  # fmt: skip
    yield "See [Proofs](../developer/formal.md)."


def _mutation(figures: Mapping[str, Any]) -> Iterator[str]:
    yield "## Mutation"
    yield (
        f"{figures['killed']} of {figures['mutants']} mutants were noticed "
        f"({percent(figures['killed'], figures['mutants'])}); {len(figures['survivors'])} survived, of which "
        f"{len(open_survivors(figures))} are not explained. See [Mutation analysis](mutation.md)."
    )


def _deviations() -> Iterator[str]:
    references: dict[str, list[str]] = {}
    what = {}
    for reference, rows in DEVIATIONS.items():
        for row in rows:
            references.setdefault(row.name, []).append(reference)
            what[row.name] = row.what
    yield "## Known deviations of the references"
    yield _table(("deviation", "of", "what it does"),
                 [(name, ", ".join(of), what[name]) for name, of in references.items()])  # fmt: skip
    yield "The rules that decide are in [Comparing with QEMU](../user/lockstep.md)."


def _gaps(rules: Mapping[str, Mapping[str, Any]], mutation: Mapping[str, Any] | None) -> Iterator[str]:
    yield "## Not covered"
    left = Counter(row["chapter"] for row in rules.values() if row["status"] == "open")
    chapters = ", ".join(f"{chapter} ({count})" for chapter, count in sorted(left.items()))
    lines = [f"Rules that no test claims, by chapter: {chapters}."]
    lines += [f"{name}: {blind}." for name, (_, _, blind) in _MEANS.items()]
    if mutation is not None:
        lines += [f"The survivor `{row['name'].replace('|', chr(92) + '|')}`." for row in open_survivors(mutation)]
    yield "\n".join(f"- {line}" for line in lines)


def page(root: Path) -> str:
    """The page, in Markdown, from what is recorded in a checkout."""
    def recorded(name: str) -> Any:
        path = root / RECORDED / name
        return json.loads(path.read_text()) if path.exists() else None

    rules = json.loads((root / RULES).read_text())
    campaigns = [json.loads(path.read_text()) for path in sorted((root / RECORDED).glob("fuzz-*.json"))]
    proofs, mutation = recorded("proofs.json"), recorded("mutation.json")
    parts = [_INTRODUCTION.strip(), *_means(rules), *_rules(rules)]
    if campaigns:
        parts += _fuzz(campaigns)
    if proofs is not None:
        parts += _proofs(proofs)
    if mutation is not None:
        parts += _mutation(mutation)
    parts += [*_deviations(), *_gaps(rules, mutation)]
    return "\n\n".join(parts) + "\n"
