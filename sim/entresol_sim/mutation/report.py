"""The page docs/reference/mutation.md, from what `entresol mutate --figures` wrote."""

from collections.abc import Mapping, Sequence
from typing import Any

_METHOD = """\
# Mutation analysis

How much would the tests notice? `entresol mutate` builds small faults into the source of `hdl/entresol/privileged/` and
`hdl/entresol/mmu/`, one at a time, and runs the tests that guard the file (its unit tests, proofs, self-checking
programs, recorded cycle counts) until one fails. A fault that none notices is a *survivor*: it gets a new test, or the
reason why nothing can notice it, in
[`explained.py`](../../sim/entresol_sim/mutation/explained.py).

    entresol mutate --seed {seed} --count {mutants} --figures docs/reference/verification/mutation.json{only}

then `python -m entresol_sim.pages` writes this page. All mutants are in one compiled model, in which an input turns one
of them on; tests in Amaranth's simulator get a design with that one alone. The {mutants} mutants of the last campaign
were drawn from {possible} (seed {seed}): at least eight of each file, the others at random. Only what the configuration
`max` elaborates counts as source.

**{killed} of {mutants} mutants were noticed ({percent}), {explained} survivors are explained, {open} are not.**

A test that a mutant lets fail counts ({failed}), and one that it keeps from ending in several times its usual time
({long}) or crashes ({crashed}).
"""


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    numbers = ["---", *("---:" for _ in header[1:])]
    return "\n".join("| " + " | ".join(line) + " |" for line in (header, numbers, *rows))


def percent(part: int, whole: int) -> str:
    """A share, rounded down to a tenth."""
    return f"{1000 * part // whole / 10:g} %" if whole else "-"


def open_survivors(figures: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The survivors that nothing explains."""
    return [row for row in figures["survivors"] if row["explained"] is None]


def _code(text: str) -> str:
    return "`" + text.replace("|", "\\|") + "`"


def page(figures: Mapping[str, Any]) -> str:
    """The page, in Markdown."""
    how = figures["how"]
    unexplained = open_survivors(figures)
    only = [f" \\\n        --file {name}" for name in figures["only_files"]]
    only += [f" \\\n        --tests {name}" for name in figures["only_tests"]]
    parts = [
        _METHOD.format(
            only="".join(only),
            **{key: figures[key] for key in ("seed", "mutants", "possible", "killed")},
            percent=percent(figures["killed"], figures["mutants"]),
            explained=len(figures["survivors"]) - len(unexplained), open=len(unexplained),
            failed=how.get("failed", 0), long=how.get("too long", 0), crashed=how.get("crashed", 0),
        )
    ]  # fmt: skip
    for title, key, column in (("By file", "files", "file"), ("By kind of fault", "kinds", "kind")):
        rows = [(name, str(of), str(noticed), percent(noticed, of)) for name, (noticed, of) in figures[key].items()]
        parts += [f"## {title}", _table((column, "mutants", "noticed", "share"), rows)]
    rows = [(f"`{test}`", str(count)) for test, count in figures["killing_tests"].items()]
    parts += ["## Which tests noticed them first", _table(("test", "mutants"), rows)]
    parts += ["## Survivors"]
    reasons: dict[str, list[str]] = {}
    for row in figures["survivors"]:
        reasons.setdefault(row["explained"] or "", []).append(row["name"])
    for reason, names in sorted(reasons.items()):
        parts += [reason or "Not explained, and to be noticed by a test yet:"]
        parts += ["\n".join(f"- {_code(name)}" for name in names)]
    if not reasons:
        parts += ["None."]
    return "\n\n".join(part.strip() for part in parts) + "\n"
