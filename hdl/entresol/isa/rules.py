"""The normative rules of the RISC-V manual, by name, so that tests can say which they check.

The names are those of riscv/riscv-isa-manual's `normative_rule_defs`; `rules.txt` lists them, chapter by chapter."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True)
class Rule:
    """One rule.  `chapter` is the name of the manual's definition file without its suffix; an
    `implementation_defined` one describes a choice that is ours to make and to document."""

    name: str
    chapter: str
    implementation_defined: bool


def _load() -> dict[str, Rule]:
    rules: dict[str, Rule] = {}
    chapter = ""
    for line in resources.files(__package__).joinpath("rules.txt").read_text().splitlines():
        if line.startswith("["):
            chapter = line.strip("[]")
        elif line and not line.startswith("#"):
            name = line.rstrip("*")
            rules[name] = Rule(name, chapter, line.endswith("*"))
    return rules


#: Every rule of the chapters that matter here, in the manual's order.
RULES: Mapping[str, Rule] = _load()


def chapter(name: str) -> tuple[Rule, ...]:
    """The rules of one chapter, e.g. "hypervisor" or "sstc"."""
    return tuple(rule for rule in RULES.values() if rule.chapter == name)
