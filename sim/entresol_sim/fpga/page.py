"""The page about FPGAs in the reference, and its picture, from what `entresol build` and `entresol area` recorded."""

from pathlib import Path
from typing import Any

PICTURE = Path("docs/pictures/area.svg")

Rows = list[dict[str, Any]]

_COLOURS = ("#3a7d44", "#2e86ab")  # one for each configuration

_HEAD = """\
# FPGA results

Generated with `python -m entresol_sim.pages` from what `entresol build --record` and `entresol area --record` found,
all with tools from PyPI. These are results of synthesis and of place and route; nobody has run the bitstreams on
hardware.
"""


def page(results: Rows, areas: Rows) -> str:
    """The Markdown page."""
    lines = [_HEAD, "## Boards", ""]
    if results:
        lines += [
            "The system with its RAM in the FPGA, placed and routed for the clock in the fourth column. A "
            "configuration that ends in `-h` has the hypervisor extension left out. A row is of the hardware that was "
            "there when it was built.",
            "",
            "| board | configuration | seed | clock, MHz | highest clock, MHz | LUT4 | FF | BRAM | DSP |",
            "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        ]
        for row in results:
            used = " | ".join(_share(row, name) for name in ("LUT4", "FF", "BRAM", "DSP"))
            met = "" if row["frequency"] >= row["clock"] else " (missed)"
            lines.append(
                f"| {row['board']} | `{row['config']}` | {row['seed']} | {row['clock']:g}{met} | "
                f"{row['frequency']:.1f} | {used} |"
            )
        for row in results:
            ends = row["critical_path"][0]["where"], row["critical_path"][-1]["where"]
            total = sum(step["ns"] for step in row["critical_path"])
            lines += ["", f"The longest path of `{row['config']}` on {row['board']} takes {total:.1f} ns, "
                      f"from `{_signal(ends[0])}` to `{_signal(ends[1])}`."]  # fmt: skip
    else:
        lines.append("Nothing is recorded.")
    totals = [row for row in areas if not row["by_part"]]
    if totals:
        lines += [
            "", "## Size", "",
            "Synthesis alone; without place and route, which shares some cells and adds others. The system has 64 KiB "
            "of RAM; the core alone has neither RAM nor devices. On ECP5 a LUT has 4 inputs, a carry cell counts as "
            "two, 16 x 4 bits of distributed RAM as six; on the 7 series of Xilinx a LUT has up to 6 inputs.", "",
        ]  # fmt: skip
        for family in sorted({row["family"] for row in totals}):
            rows = [row for row in totals if row["family"] == family]
            names = [name for name in ("LUT4", "LUT", "FF", "BRAM", "BRAM18", "DSP") if name in rows[0]["total"]]
            lines += [_table(["family", "what", "configuration", *names], [
                [family, row["what"], f"`{row['config']}`", *(str(row["total"].get(name, 0)) for name in names)]
                for row in rows
            ]), ""]  # fmt: skip
        lines += [*_cost_of_h(totals)]
    divided = by_part(areas)
    if divided:
        lines += ["## Parts", "", "![LUTs by part](../pictures/area.svg)", "",
                  "With the boundaries between parts kept, which costs a few per cent in all."]  # fmt: skip
        for row in divided:
            names = ["LUT4", "FF", "BRAM", "DSP"]
            lines += ["", f"`{row['config']}`:", "", _table(["part", *names, "share of the LUTs"], [
                [part, *(str(counts.get(name, 0)) for name in names),
                 f"{100 * counts.get('LUT4', 0) / row['total']['LUT4']:.0f} %"]
                for part, counts in [*row["parts"].items(), ("in all", row["total"])]
            ])]  # fmt: skip
    tools = sorted({f"{name} {version}" for row in [*results, *areas] for name, version in row["tools"].items()})
    return "\n".join([*lines, "", f"Tools: {', '.join(tools)}.", ""])


def by_part(areas: Rows) -> Rows:
    """Those of the ECP5 that were counted by parts."""
    return [row for row in areas if row["by_part"] and row["family"] == "ecp5"]


def picture(areas: Rows) -> str:
    """LUTs of each part, a bar for each configuration."""
    rows = by_part(areas)
    parts = list(rows[0]["parts"]) if rows else []
    left, width, bar = 330, 390, 13
    group = bar * len(rows) + 8
    largest = max((counts.get("LUT4", 0) for row in rows for counts in row["parts"].values()), default=1)
    height = 36 + group * len(parts)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 780 {height}" role="img" '
        'aria-label="LUTs by part" font-family="Helvetica, Arial, sans-serif" font-size="12">',
        f'<rect width="780" height="{height}" fill="#ffffff"/>',
    ]
    for index, row in enumerate(rows):
        x = left + 140 * index
        lines.append(f'<rect x="{x}" y="10" width="12" height="12" fill="{_COLOURS[index % 2]}"/>')
        lines.append(f'<text x="{x + 18}" y="20" fill="#112">{row["config"]}: {row["total"]["LUT4"]} LUTs</text>')
    for number, part in enumerate(parts):
        y = 34 + group * number
        middle = y + bar * len(rows) / 2 + 4
        lines.append(f'<text x="{left - 8}" y="{middle:g}" text-anchor="end" fill="#112">{part}</text>')
        for index, row in enumerate(rows):
            count = row["parts"][part].get("LUT4", 0)
            length = max(1, round(width * count / largest))
            top = y + bar * index
            lines.append(
                f'<rect x="{left}" y="{top}" width="{length}" height="{bar - 2}" fill="{_COLOURS[index % 2]}"/>'
            )
            lines.append(f'<text x="{left + length + 6}" y="{top + 10}" font-size="10" fill="#112">{count}</text>')
    return "\n".join([*lines, "</svg>", ""])


def _cost_of_h(totals: Rows) -> list[str]:
    """How much larger each design is than the same without H."""
    luts = {(row["family"], row["what"], row["config"]): row["total"].get("LUT4", row["total"].get("LUT", 0))
            for row in totals}  # fmt: skip
    lines = []
    for (family, what, config), count in luts.items():
        without = luts.get((family, what, f"{config}-h"))
        if without:
            lines.append(f"- The hypervisor extension is {100 * (count / without - 1):.1f} % of the LUTs of the same "
                         f"{what} without it (`{config}`, {family}).")  # fmt: skip
    return [*lines, ""] if lines else []


def _share(row: dict[str, Any], name: str) -> str:
    used, available = row["used"].get(name, 0), row["available"].get(name, 0)
    return f"{used} ({100 * used / max(1, available):.0f} %)"


def _signal(cell: str) -> str:
    """A cell's name without what tools have added to it."""
    return cell.split("_TRELLIS_FF")[0].split("_LUT4")[0].removeprefix("system.")


def _table(header: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, ["---"] * len(header), *rows])
