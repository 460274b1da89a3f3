"""Which test checks which normative rule: `docs/reference/rules.json`, its page and its picture.

The tests say it themselves with `@pytest.mark.rule`; `tests/conftest.py` collects that while they run and calls this.
`python -m entresol_sim.traceability DIRECTORY` compares the list of rules with the `normative_rule_defs` of a checkout
of riscv/riscv-isa-manual."""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from entresol.isa.rule_decisions import CHOICES, NOT_APPLICABLE
from entresol.isa.rules import RULES

JSON = Path("docs/reference/rules.json")
PAGE = Path("docs/reference/rules.md")
PICTURE = Path("docs/pictures/rules.svg")
STATUSES = {"tested": "#3a7d44", "choice": "#7fb069", "not-applicable": "#c9ccd3", "open": "#d1495b"}
#: Results from the worst to the best: what is said of several runs of a test.
RESULTS = ("failed", "passed", "skipped", "not run")


@dataclass
class Claims:
    """Tests, by the name under which they are listed, that claim a rule, each with its result."""

    tests: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, rules: Iterable[str], test: str, result: str) -> None:
        """A run of `test`.  One that fails makes a test fail, one that passes makes it pass."""
        for rule in rules:
            results = self.tests.setdefault(rule, {})
            results[test] = min(result, results.get(test, "not run"), key=RESULTS.index)

    def result(self, rule: str) -> str:
        """What came out for a rule: "failed" if any of its tests failed, otherwise the best that one of them has."""
        return min(self.tests[rule].values(), key=RESULTS.index)


def table(claims: Claims, earlier: Mapping[str, dict] | None = None) -> dict[str, dict]:
    """Every rule with its chapter, status, tests and last result; that of rules whose tests did not run is the one in
    `earlier`, a table made before."""
    rows: dict[str, dict] = {}
    for name, rule in RULES.items():
        tests = sorted(claims.tests.get(name, ()))
        row: dict = {"chapter": rule.chapter, "status": "open"}
        if name in NOT_APPLICABLE:
            row["status"] = "not-applicable"
        elif tests:
            result = claims.result(name)
            if result == "not run" and earlier:
                result = earlier.get(name, {}).get("result", result)
            row |= {"status": "choice" if name in CHOICES else "tested", "tests": tests, "result": result}
        rows[name] = row
    return rows


def problems(claims: Claims, skipped_is_fine: bool) -> list[str]:
    """What is wrong after a run of all tests."""
    found = []
    for name in claims.tests:
        result = claims.result(name)
        if result != "passed" and not (skipped_is_fine and result == "skipped"):
            found.append(f"rule {name}: {result}: {', '.join(sorted(claims.tests[name]))}")
        if name in NOT_APPLICABLE:
            found.append(f"rule {name} is listed as not applicable, but a test claims it")
        elif RULES[name].implementation_defined and name not in CHOICES:
            found.append(f"rule {name} is implementation-defined: rule_decisions.py has to say what was chosen")
    found += [f"rule {name}: no test pins the choice" for name in CHOICES if name not in claims.tests]
    return found


def differences(rows: Mapping[str, dict], committed: Mapping[str, dict]) -> list[str]:
    """Rules of which the committed table says something else; results, which every run gives anew, aside."""

    def facts(row):
        return row and {key: value for key, value in row.items() if key != "result"}

    return [name for name in {**rows, **committed} if facts(rows.get(name)) != facts(committed.get(name))]


def write(root: Path, rows: Mapping[str, dict]) -> None:
    """Writes table, page and picture into a checkout, and the page on verification, which counts them."""
    from . import verification

    for path, text in ((JSON, to_json(rows)), (PAGE, page(rows)), (PICTURE, picture(rows))):
        (root / path).write_text(text)
    (root / verification.PAGE).write_text(verification.page(root))


def to_json(rows: Mapping[str, dict]) -> str:
    """One rule a line, so that changes are readable."""
    return "{\n" + ",\n".join(f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items()) + "\n}\n"


def chapters(rows: Mapping[str, dict]) -> dict[str, Counter[str]]:
    """How many rules of each status every chapter has."""
    counts: dict[str, Counter[str]] = {}
    for row in rows.values():
        counts.setdefault(row["chapter"], Counter())[row["status"]] += 1
    return counts


def _covered(count: Counter[str]) -> str:
    return f"{100 * (count.total() - count['open']) / count.total():.0f} %"


def _test(name: str) -> str:
    path, _, test = name.partition("::")
    return f"[{test or Path(path).name}](../../{path})"


INTRODUCTION = """\
# Normative rules

The RISC-V manual gives every sentence that binds an implementation a name. This page says for each rule of the chapters
that matter here which test would notice its absence. Tests name their rules with `@pytest.mark.rule`; the page,
[`rules.json`](rules.json) and the picture are written by

    python -m pytest --update-rules                    # all tests, with their results
    python -m pytest --update-rules --collect-only -q  # only what is claimed; results stay as they were

and continuous integration fails when they do not agree with the tests, or when a claimed rule has no passing test.

- *tested*: a test fails when the rule is broken.
- *choice*: the manual leaves it to the implementation, or allows several things; what was chosen is said below, and a
  test pins it.
- *not applicable*: by the rule's own words it concerns something that is not here, such as RV32; the reason is below.
- *open*: no test claims it yet. That covers the chapters of extensions that are not there yet.

![Rules by chapter](../pictures/rules.svg)
"""


def page(rows: Mapping[str, dict]) -> str:
    """The readable form, in Markdown."""
    counts = chapters(rows)
    total = sum(counts.values(), Counter())
    lines = [INTRODUCTION, "| chapter | rules | " + " | ".join(STATUSES) + " | covered |", "| --- |" + " ---: |" * 6]
    for name, count in {**counts, "all": total}.items():
        numbers = " | ".join(str(count[status]) for status in STATUSES)
        link = f"[{name}](#{name})" if name in counts else name
        lines.append(f"| {link} | {count.total()} | {numbers} | {_covered(count)} |")
    lines += ["", "## Choices", "", "| rule | what was chosen |", "| --- | --- |"]
    lines += [f"| `{name}` | {CHOICES[name]} |" for name in rows if name in CHOICES]
    lines += ["", "## Not applicable", ""]
    reasons: dict[str, list[str]] = {}
    for name in rows:
        if name in NOT_APPLICABLE:
            reasons.setdefault(NOT_APPLICABLE[name], []).append(f"`{name}`")
    lines += [f"- {reason}: {', '.join(names)}" for reason, names in reasons.items()]
    for chapter in counts:
        lines += ["", f"## {chapter}", "", "| rule | status | tests | last result |", "| --- | --- | --- | --- |"]
        for name, row in rows.items():
            if row["chapter"] == chapter:
                tests = ", ".join(_test(test) for test in row.get("tests", ()))
                lines.append(f"| `{name}` | {row['status']} | {tests} | {row.get('result', '')} |")
    return "\n".join(lines) + "\n"


def picture(rows: Mapping[str, dict]) -> str:
    """A bar for each chapter, of length 1 whatever its size."""
    counts = chapters(rows)
    left, width, height = 130, 560, 18
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 780 {height * len(counts) + 50}" role="img" '
        'aria-label="Normative rules by chapter and status" font-family="Helvetica, Arial, sans-serif" font-size="12">',
        f'<rect width="780" height="{height * len(counts) + 50}" fill="#ffffff"/>',
    ]
    x = left
    for status, colour in STATUSES.items():
        lines.append(f'<rect x="{x}" y="10" width="12" height="12" fill="{colour}"/>')
        lines.append(f'<text x="{x + 18}" y="20" fill="#112">{status}</text>')
        x += 140
    for row, (name, count) in enumerate(counts.items()):
        y = 36 + height * row
        lines.append(f'<text x="{left - 8}" y="{y + 12}" text-anchor="end" fill="#112">{name}</text>')
        done = 0
        for status, colour in STATUSES.items():
            if count[status]:
                start, end = (round(width * n / count.total(), 1) for n in (done, done + count[status]))
                lines.append(
                    f'<rect x="{left + start:g}" y="{y}" width="{end - start:.1f}" height="{height - 4}" '
                    f'fill="{colour}"><title>{name}: {count[status]} {status}</title></rect>'
                )
                done += count[status]
        total = f"{_covered(count)} of {count.total()}"
        lines.append(f'<text x="{left + width + 8}" y="{y + 12}" fill="#112">{total}</text>')
    return "\n".join([*lines, "</svg>", ""])


def manual_rules(definitions: Path) -> dict[str, list[tuple[str, bool]]]:
    """Chapter -> (rule, implementation-defined) from the manual's own files."""
    found = {}
    for path in sorted(definitions.glob("*.yaml")):
        rules: list[tuple[str, bool]] = []
        text = re.sub(r"(?m)(^|\s)#.*$", "", path.read_text())
        for entry in re.split(r"(?m)^ +- (?=names?:)", text)[1:]:
            listed = re.match(r"names:\s*(\[.*?\]|(?:- *\S+\s*)+)", entry, re.DOTALL)
            written = listed[1] if listed else entry.partition("\n")[0].removeprefix("name:")
            names = re.findall(r"[\w.-]*\w[\w.-]*", written)
            is_choice = bool(re.search(r"impl-def-behavior:\s*true", entry))
            rules += [(name, is_choice) for name in names]
        found[path.stem] = rules
    return found


def main() -> int:
    """Prints how rules.txt differs from the manual; the chapters that it leaves out do not count."""
    manual = manual_rules(Path(sys.argv[1]))
    ours = {rule.chapter for rule in RULES.values()}
    wanted = {name: flag for chapter in ours for name, flag in manual.get(chapter, ())}
    listed = {rule.name: rule.implementation_defined for rule in RULES.values()}
    differing = sorted(name for name in {**wanted, **listed} if wanted.get(name) != listed.get(name))
    for name in differing:
        print(f"{name}: {listed.get(name, 'missing')} here, {wanted.get(name, 'missing')} in the manual")
    print(f"{len(listed)} rules of {len(ours)} chapters, {len(differing)} differ")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
