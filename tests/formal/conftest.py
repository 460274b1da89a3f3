"""Proofs share what is in this directory's modules.  `--record-proofs FILE` writes what was proven, for the page
docs/reference/verification.md."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

_recorded: dict[str, dict] = {}


def pytest_addoption(parser):
    parser.addoption("--record-proofs", metavar="FILE", help="write the proven properties as JSON")


@pytest.fixture(autouse=True)
def _record(request):
    from prove import proven

    proven.clear()
    yield
    if proven and Path(request.node.path).name != "test_prove.py":
        claims, depths = zip(*proven, strict=True)
        _recorded[request.node.nodeid] = {"claims": sum(claims), "depth": ", ".join(dict.fromkeys(depths))}


def pytest_sessionfinish(session):
    path = session.config.getoption("--record-proofs", default=None)
    if path is not None:
        Path(path).write_text(json.dumps(_recorded, indent=2) + "\n")
