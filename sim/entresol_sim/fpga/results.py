"""Recorded results of builds: what `entresol boards` and the documentation say of boards comes from them."""

import json
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

from entresol_boards.board import boards

from ..errors import UserError
from .area import Area
from .flow import Report

#: What is kept of a `Report`.
KEPT = ("board", "config", "seed", "clock", "frequency", "used", "available", "critical_path", "tools")


def recorded() -> list[dict[str, Any]]:
    """The results that came with the boards."""
    return json.loads(files("entresol_boards").joinpath("results.json").read_text())


def add(path: Path, report: Report) -> None:
    """Put `report` into the file in the place of an earlier one of the same board and configuration.

    Raises:
        UserError: the file has something else in it, or cannot be written.
    """
    _add(path, ("board", "config"), {name: getattr(report, name) for name in KEPT})


def add_area(path: Path, area: Area) -> None:
    """Put `area` into the file in the place of an earlier one of the same; raises as `add`."""
    _add(path, ("family", "what", "config", "by_part"), asdict(area) | {"by_part": bool(area.parts)})


def _add(path: Path, key: tuple[str, ...], row: dict[str, Any]) -> None:
    try:
        text = path.read_text() if path.exists() else ""
        rows = {tuple(row[name] for name in key): row for row in json.loads(text or "[]")}
        rows[tuple(row[name] for name in key)] = row
        path.write_text(json.dumps([rows[name] for name in sorted(rows)], indent=1) + "\n")
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{path} has other things in it: choose another --record.") from error
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}): choose another --record.") from error


def summary(row: dict[str, Any]) -> str:
    """A result in words: "linux at 40 MHz with --seed 3 (45 % of the LUTs)"."""
    seed = "" if row["seed"] == 1 else f" with --seed {row['seed']}"
    if row["frequency"] < row["clock"]:
        return f"{row['config']}: too slow for {row['clock']:g} MHz ({row['frequency']:.1f} MHz)"
    share = 100 * row["used"]["LUT4"] / row["available"]["LUT4"]
    return f"{row['config']} at {row['clock']:g} MHz{seed} ({share:.0f} % of the LUTs)"


def boards_table() -> str:
    """The boards for the terminal."""
    results = recorded()
    lines = []
    for board in boards().values():
        built = [summary(row) for row in results if row["board"] == board.name]
        lines += [
            f"{board.name}: {board.title}",
            f"  FPGA    {board.device}",
            f"  memory  {board.memory}",
            f"  clock   {board.clock / 1e6:g} MHz unless you choose another",
            *(f"  {'built' if not index else '':<7} {text}" for index, text in enumerate(built or ["nothing yet"])),
            "",
        ]
    lines.append("Built means that place and route succeeded with these results, not that it ran on hardware.")
    return "\n".join(lines)


def area_table(area: Area) -> str:
    """An area for the terminal."""
    names = list(area.total)
    width = max(len(name) for name in [*area.parts, "in all"])
    rows = [*area.parts.items(), ("in all", area.total)]
    return "\n".join([
        f"{area.what}, configuration {area.config}, {area.family}",
        " ".join(["".ljust(width), *(f"{name:>7}" for name in names)]),
        *(" ".join([what.ljust(width), *(f"{counts.get(name, 0):>7}" for name in names)]) for what, counts in rows),
    ])
