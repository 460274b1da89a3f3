"""What all tests share."""

import difflib

import pytest

from entresol.isa.rules import RULES


def unknown_rule(name: str) -> str | None:
    """What is wrong with `name` as the name of a normative rule; None if it is one."""
    if name in RULES:
        return None
    folded = {known.lower(): known for known in RULES}
    close = [folded[match] for match in difflib.get_close_matches(name.lower(), folded, 3)]
    hint = f": did you mean {' or '.join(close)}?" if close else " (see hdl/entresol/isa/rules.txt)."
    return f"{name!r} is not the name of a normative rule{hint}"


def pytest_collection_modifyitems(config, items):
    """Leaves tests marked `nightly` out, unless -m chooses."""
    if not config.option.markexpr:
        nightly = [item for item in items if item.get_closest_marker("nightly")]
        config.hook.pytest_deselected(items=nightly)
        items[:] = [item for item in items if item not in nightly]


def pytest_runtest_setup(item):
    """Fails a test whose `@pytest.mark.rule` names something that the manual does not have."""
    problems = [problem for mark in item.iter_markers("rule") for name in mark.args if (problem := unknown_rule(name))]
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)
