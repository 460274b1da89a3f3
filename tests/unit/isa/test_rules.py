"""The list of normative rules, and the hook that compares claims with it."""

from pathlib import Path

import pytest

from entresol.isa.rules import RULES, chapter

pytest_plugins = ["pytester"]


def test_hypervisor_chapter():
    rules = chapter("hypervisor")
    assert len(rules) == 288
    assert sum(rule.implementation_defined for rule in rules) == 34
    assert RULES["GEILEN"].implementation_defined and not RULES["hstatus_vtsr_op"].implementation_defined


@pytest.mark.parametrize("name", ["supervisor", "machine", "sstc", "smstateen", "sscofpmf", "c-st-ext", "m-st-ext"])
def test_other_chapters_are_there(name):
    assert chapter(name)


def test_a_claim_of_an_unknown_rule_fails(pytester):
    pytester.makeini("[pytest]\nmarkers = rule(*names): normative rules")
    pytester.makeconftest(Path(__file__).parents[2].joinpath("conftest.py").read_text())
    pytester.makepyfile("""
        import pytest

        @pytest.mark.rule("hstatus_vtsr_op", "GEILEN")
        def test_known(): pass

        @pytest.mark.rule("hstatus_vtsr_op", "geilen")
        def test_unknown(): pass
    """)
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*'geilen' is not the name of a normative rule: did you mean GEILEN*"])
