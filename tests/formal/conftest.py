"""Proofs share what is in this directory's modules, and leave a record with `--update-proofs`."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

RECORD = Path(__file__).parents[2] / "docs" / "reference" / "verification" / "proofs.json"
_PROOF = "proof"  # in a test's report

_proven: dict[str, dict | None] = {}  # by test; None if it failed


@pytest.fixture
def proven(request, record_property):
    """`proven(what, design, configuration="", **options)` is `prove(design, **options)` that leaves a record: `what`
    says in a sentence what is proven, of which `configuration` if that matters."""
    from prove import prove

    def proven(what, design, configuration="", **options):
        claims = prove(design, **options)
        depth = "by induction" if options.get("induction") else "all inputs, combinational"
        record_property(_PROOF, {"property": what, "configuration": configuration, "depth": depth, "claims": claims})

    return proven


def pytest_runtest_logreport(report):
    proofs = [value for name, value in report.user_properties if name == _PROOF]
    if report.when == "call" and (report.failed or proofs):
        _proven[report.nodeid] = None if report.failed else proofs[0]


def pytest_sessionfinish(session):
    if not session.config.option.update_proofs or hasattr(session.config, "workerinput"):
        return
    record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    record = {test: row for test, row in (record | _proven).items() if row is not None}
    RECORD.write_text(json.dumps(dict(sorted(record.items())), indent=2) + "\n")
