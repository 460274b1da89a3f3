"""What all tests share: the selection of nightly ones, and the bookkeeping of normative rules."""

import difflib
import json
import os

import pytest

from entresol.isa.rules import RULES
from entresol_sim import traceability

SHOWN = 20  # problems with rules; a failing test can bring hundreds
PROPERTY = "rules"  # in a test's report: (the test as listed, the rules that it claims)


def unknown_rule(name: str) -> str | None:
    """What is wrong with `name` as the name of a normative rule; None if it is one."""
    if name in RULES:
        return None
    folded = {known.lower(): known for known in RULES}
    close = [folded[match] for match in difflib.get_close_matches(name.lower(), folded, 3)]
    hint = f": did you mean {' or '.join(close)}?" if close else " (see hdl/entresol/isa/rules.txt)."
    return f"{name!r} is not the name of a normative rule{hint}"


def claimed(item: pytest.Item) -> list[tuple[str, list[str]]]:
    """The rules of each mark of a test, with the name of the test: that of its function, or what `test` says."""
    function = item.nodeid.partition("[")[0]
    return [(mark.kwargs.get("test", function), list(mark.args)) for mark in item.iter_markers("rule")]


def pytest_addoption(parser):
    parser.addoption("--update-rules", action="store_true", help="write docs/reference/rules.json and its page")
    parser.addoption("--update-proofs", action="store_true", help="write docs/reference/verification/proofs.json")


def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Traceability(config))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Leaves tests marked `nightly` out, unless -m chooses."""
    if not config.option.markexpr:
        nightly = [item for item in items if item.get_closest_marker("nightly")]
        config.hook.pytest_deselected(items=nightly)
        items[:] = [item for item in items if item not in nightly]
    for item in items:
        item.user_properties += [(PROPERTY, claim) for claim in claimed(item)]


def pytest_runtest_setup(item):
    """Fails a test whose `@pytest.mark.rule` names something that the manual does not have."""
    problems = [problem for _, rules in claimed(item) for name in rules if (problem := unknown_rule(name))]
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)


class Traceability:
    """Collects results by rule, from workers too, and judges them after a run of everything."""

    def __init__(self, config):
        self.config = config
        self.claims = traceability.Claims()
        self.problems: list[str] = []

    def _add(self, properties, result):
        for name, claim in properties:
            if name == PROPERTY:
                test, rules = claim
                self.claims.add([rule for rule in rules if rule in RULES], test, result)

    def pytest_collection_finish(self, session):
        for item in session.items:
            self._add(item.user_properties, "not run")

    def pytest_runtest_logreport(self, report):
        if report.when == "call" or not report.passed:
            self._add(report.user_properties, report.outcome)

    def everything(self) -> bool:
        """Whether all tests were asked for."""
        option = self.config.option
        chosen = (option.keyword, option.markexpr, option.deselect, option.ignore, option.ignore_glob, option.maxfail,
                  getattr(option, "lf", False), getattr(option, "stepwise", False))  # fmt: skip
        return self.config.args == self.config.getini("testpaths") and not any(chosen)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session, exitstatus):
        if exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) or not self.everything():
            if self.config.option.update_rules:
                self.problems = ["--update-rules wants all tests: nothing was written"]
                session.exitstatus = pytest.ExitCode.USAGE_ERROR
            return
        path = self.config.rootpath / traceability.JSON
        committed = json.loads(path.read_text()) if path.exists() else {}
        rows = traceability.table(self.claims, committed)
        if not self.config.option.collectonly:
            self.problems = traceability.problems(self.claims, skipped_is_fine="CI" not in os.environ)
        if self.config.option.update_rules:
            traceability.write(self.config.rootpath, rows)
        elif not self.config.option.collectonly and (stale := traceability.differences(rows, committed)):
            what = f"{traceability.JSON} is stale ({', '.join(stale[:5])} ...)"
            self.problems.insert(0, f"{what}: run `python -m pytest --update-rules --collect-only -q`")
        if self.problems:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter):
        if self.problems:
            terminalreporter.section("normative rules")
            for problem in self.problems[:SHOWN]:
                terminalreporter.write_line(problem)
            if len(self.problems) > SHOWN:
                terminalreporter.write_line(f"and {len(self.problems) - SHOWN} more")
