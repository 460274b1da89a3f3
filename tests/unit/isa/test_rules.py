"""The list of normative rules, and the bookkeeping of who checks which."""

import json
from pathlib import Path

import pytest

from entresol.isa.rule_decisions import CHOICES, NOT_APPLICABLE
from entresol.isa.rules import RULES, chapter
from entresol_sim import traceability
from entresol_sim.traceability import Claims

pytest_plugins = ["pytester"]

CONFTEST = Path(__file__).parents[2].joinpath("conftest.py")
PASSING = """
    import pytest

    @pytest.mark.rule("hstatus_vtsr_op", "hstatus_vtw_op")
    def test_known(): pass
"""


def test_hypervisor_chapter():
    rules = chapter("hypervisor")
    assert len(rules) == 288
    assert sum(rule.implementation_defined for rule in rules) == 34
    assert RULES["GEILEN"].implementation_defined and not RULES["hstatus_vtsr_op"].implementation_defined


@pytest.mark.parametrize("name", ["supervisor", "machine", "sstc", "smstateen", "sscofpmf", "c-st-ext", "m-st-ext"])
def test_other_chapters_are_there(name):
    assert chapter(name)


def test_decisions_name_rules():
    assert set(CHOICES) | set(NOT_APPLICABLE) <= set(RULES)
    assert not set(CHOICES) & set(NOT_APPLICABLE)


@pytest.fixture
def project(pytester, monkeypatch):
    """A project with this one's conftest and no choices to pin.  Its table is written by the first run."""
    monkeypatch.setattr(traceability, "CHOICES", {})
    monkeypatch.setenv("CI", "true")
    pytester.makeini("[pytest]\nmarkers = rule(*names, test): normative rules\n    nightly: long\ntestpaths = tests")
    for folder in ("tests", "docs/reference", "docs/pictures"):
        pytester.path.joinpath(folder).mkdir(parents=True)
    pytester.path.joinpath("tests/conftest.py").write_text(CONFTEST.read_text())

    def run(*options, **sources):
        for name, source in sources.items():
            pytester.path.joinpath(f"tests/test_{name}.py").write_text("\n".join(
                line.removeprefix("    ") for line in source.splitlines()))  # fmt: skip
        return pytester.runpytest_inprocess("-p", "no:cacheprovider", *options)

    run.rows = lambda: json.loads(pytester.path.joinpath(traceability.JSON).read_text())
    return run


def test_a_claim_of_an_unknown_rule_fails(project):
    result = project("-k", "test", one="""
    import pytest

    @pytest.mark.rule("hstatus_vtsr_op", "GEILEN")
    def test_known(): pass

    @pytest.mark.rule("hstatus_vtsr_op", "geilen")
    def test_unknown(): pass
    """)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*'geilen' is not the name of a normative rule: did you mean GEILEN*"])


def test_the_table_is_written_and_compared(project):
    assert project("--update-rules", one=PASSING).ret == 0
    row = project.rows()["hstatus_vtsr_op"]
    assert row == {"chapter": "hypervisor", "status": "tested", "tests": ["tests/test_one.py::test_known"],
                   "result": "passed"}  # fmt: skip
    assert project.rows()["hstatus_vtvm_op"]["status"] == "open"
    assert project().ret == 0
    result = project(two=PASSING)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*rules.json is stale (hstatus_vtsr_op, hstatus_vtw_op*--update-rules*"])
    # a selection of tests is not judged, nor can it write
    assert project("-k", "known").ret == project("tests/test_two.py").ret == 0
    assert project("-k", "known", "--update-rules").ret == pytest.ExitCode.USAGE_ERROR
    # collecting is enough for what is claimed; the result is kept
    assert project("--update-rules", "--collect-only").ret == 0
    row = project.rows()["hstatus_vtsr_op"]
    assert row["tests"] == ["tests/test_one.py::test_known", "tests/test_two.py::test_known"]
    assert row["result"] == "passed"
    assert project().ret == 0


def test_a_claimed_rule_needs_a_test_that_passes(project, monkeypatch):
    skipped = PASSING.replace(": pass", ": pytest.skip('no such package')")
    result = project("--update-rules", one=skipped)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["rule hstatus_vtsr_op: skipped: tests/test_one.py::test_known"])
    monkeypatch.delenv("CI")
    assert project().ret == 0
    monkeypatch.setenv("CI", "true")
    assert project("--update-rules", two=PASSING).ret == 0
    failing = PASSING.replace(": pass", ": assert 0").replace("_known", "_broken")
    result = project("--update-rules", three=failing)
    assert result.ret == 1 and project.rows()["hstatus_vtsr_op"]["result"] == "failed"
    result.stdout.fnmatch_lines(["rule hstatus_vtw_op: failed: *test_three.py::test_broken*"])


def test_workers_tell_their_results(project):
    failing = PASSING.replace(": pass", ": assert 0").replace("_known", "_broken")
    assert project("-n2", "--update-rules", one=PASSING, two=failing).ret == 1
    row = project.rows()["hstatus_vtsr_op"]
    assert row["tests"] == ["tests/test_one.py::test_known", "tests/test_two.py::test_broken"]
    assert row["result"] == "failed"


def test_decisions_and_claims_agree(monkeypatch):
    monkeypatch.setattr(traceability, "CHOICES", {"VSXLEN": "64"})
    monkeypatch.setattr(traceability, "NOT_APPLICABLE", {"hedelegh_sz": "RV32 only"})
    claims = Claims()
    claims.add(["GEILEN", "hedelegh_sz", "hstatus_vtw_op"], "test", "passed")
    assert [problem.split(" ")[1].strip(":") for problem in traceability.problems(claims, False)] == [
        "GEILEN", "hedelegh_sz", "VSXLEN"]  # fmt: skip
    rows = traceability.table(claims)
    assert rows["hedelegh_sz"] == {"chapter": "hypervisor", "status": "not-applicable"}
    page, picture = traceability.page(rows), traceability.picture(rows)
    assert "| `hstatus_vtw_op` | tested | [test](../../test) | passed |" in page
    assert "- RV32 only: `hedelegh_sz`" in page
    assert "hypervisor: 1 not-applicable" in picture


def test_the_manuals_files_are_read(tmp_path):
    (tmp_path / "x.yaml").write_text("""
chapter_name: X
normative_rule_definitions:
  # - name: not_this
  - name: one
    tags: ["norm:one"]
  - names: [two, Three-x]
    impl-def-behavior: true
    tag: "norm:two"
  - names:
      - four
      - five
    tag: "norm:four"
""")
    assert traceability.manual_rules(tmp_path) == {
        "x": [("one", False), ("two", True), ("Three-x", True), ("four", False), ("five", False)]}  # fmt: skip
