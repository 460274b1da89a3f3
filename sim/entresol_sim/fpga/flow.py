"""From a board and a choice of system to a bitstream."""

import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from entresol_boards.board import Board, boards
from entresol_boards.ecp5 import dividers
from entresol_boards.top import BoardTop

from ..errors import UserError
from ..progress import Progress
from . import tools
from .netlist import allow_collisions, plain_names
from .spread import spread
from .system import SystemChoice
from .tools import ToolError

NAME = "entresol"  # of the files
#: What yosys does first: `opt -full` finds more in the whole design than the default effort does in its modules.
SYNTH_FIRST = ("proc", "flatten", "opt -full")
#: Options of yosys's synth_ecp5: without multiplexers between LUTs, which waste more of them than they save.
SYNTH_OPTIONS = "-nowidelut"


def synth_before(top: str) -> list[str]:
    """The commands of yosys up to the mapping to LUTs, which synth_ecp5 itself would do with too short wires in mind:
    900 ps are closer to what they are than its 300.  Wires marked "keep" are where logic is not to be rearranged
    (`bits.kept`)."""
    return [*SYNTH_FIRST, "optbarriers a:keep", f"synth_ecp5 {SYNTH_OPTIONS} -top {top} -run begin:map_luts",
            "abc9 -maxlut 4 -W 900", "clean"]  # fmt: skip


#: Options of synth_ecp5 for the rest, and the commands after it.
SYNTH_REST, SYNTH_AFTER = f"{SYNTH_OPTIONS} -run map_cells:", ("optbarriers -remove", "clean")

#: Options of nextpnr: this placer gives shorter wires than the default one, the second router is much faster than the
#: first; with the same seed the result is the same every time.
PLACE_OPTIONS = "--placer static --router router2"

#: What nextpnr calls them: what reports call them.
RESOURCES = {
    "TRELLIS_COMB": "LUT4", "TRELLIS_FF": "FF", "DP16KD": "BRAM", "MULT18X18D": "DSP", "TRELLIS_IO": "IO",
}  # fmt: skip


class BuildFailed(Exception):
    """The design cannot be a bitstream: a sentence that says why, and what to do."""


@dataclass(frozen=True)
class Report:
    """What became of a build.

    `seed` is what placement began with; `frequency` is the highest that the clock may have, `clock` the one it has
    (MHz); `used` and `available` count resources by the names of `RESOURCES`; `critical_path` is the longest one, its
    steps with `what`, `where` and `ns`.
    """

    board: str
    config: str
    seed: int
    clock: float
    frequency: float
    used: dict[str, int]
    available: dict[str, int]
    critical_path: list[dict[str, Any]]
    seconds: dict[str, float]
    tools: dict[str, str]

    @property
    def meets_timing(self) -> bool:
        return self.frequency >= self.clock

    def text(self) -> str:
        """The report for the terminal."""
        verdict = "meets" if self.meets_timing else "MISSES"
        lines = [
            f"Board {self.board}, configuration {self.config}",
            f"Clock {self.clock:.2f} MHz, highest {self.frequency:.2f} MHz: {verdict} timing",
            "",
            *(
                f"  {name:<5} {self.used[name]:>7} of {self.available[name]:>7}  "
                f"{100 * self.used[name] / max(1, self.available[name]):5.1f} %"
                for name in self.used
            ),
            "",
            "Longest path",
            *(f"  {step['ns']:6.2f} ns  {step['what']:<8} {step['where']}" for step in self.critical_path),
        ]
        return "\n".join(lines)


def find_board(name: str) -> Board:
    """Raises `UserError`."""
    known = boards()
    if name not in known:
        raise UserError(f"Unknown board {name!r}: choose one of {', '.join(known)} (entresol boards describes them).")
    return known[name]


def check_clock(board: Board, clock: int) -> None:
    """Raises `UserError` if the board cannot make this clock (Hz)."""
    if dividers(board.oscillator_frequency, clock) is not None:
        return
    near = sorted(_clocks(board), key=lambda mhz: abs(mhz - clock / 1e6))
    choices = ", ".join(str(mhz) for mhz in sorted(near[:4]))
    raise UserError(f"{board.name} cannot make a clock of {clock / 1e6:g} MHz: choose another, such as {choices}.")


def _clocks(board: Board) -> list[int]:
    """The whole numbers of MHz that the board can make, of those that make sense."""
    return [mhz for mhz in range(15, 200) if dividers(board.oscillator_frequency, mhz * 1_000_000)]


def next_clock(board: Board, frequency: float) -> int:
    """The highest clock of the board, in whole MHz, that is not above `frequency` (or the lowest there is)."""
    clocks = _clocks(board)
    return max((mhz for mhz in clocks if mhz <= frequency), default=clocks[0])


def build(board: Board, choice: SystemChoice, out: Path, progress: Progress, seed: int = 1) -> Report:
    """Write a bitstream, `entresol.bit`, and all that the tools made on the way into the directory `out`.

    `seed` is what the placer begins with: another one gives another placement, several per cent faster or slower.

    Raises:
        UserError: a tool is missing, or the directory cannot be written.
        BuildFailed: the design does not fit, misses timing, or a tool failed.
    """
    tools.check_installed()
    check_clock(board, choice.clock)
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / f"{NAME}.bit").unlink(missing_ok=True)  # nobody shall take an old one for the result
    except OSError as error:
        raise UserError(f"{out} cannot be written ({error.strerror}): choose another --out.") from error
    seconds: dict[str, float] = {}
    begin = time.monotonic()

    def finished(stage: str) -> None:
        nonlocal begin
        seconds[stage] = round(time.monotonic() - begin, 1)
        begin = time.monotonic()

    progress.step("elaborating the design (1 of 4)")
    platform = board.platform()
    plan = platform.prepare(
        BoardTop(board, choice.make(), choice.clock), NAME, debug_verilog=False,
        script_after_read="\n".join(synth_before(NAME)), synth_opts=SYNTH_REST,
        script_after_synth="\n".join(SYNTH_AFTER),
        nextpnr_opts=f"--timing-allow-fail --report {NAME}.report.json {PLACE_OPTIONS} --seed {seed}",
    )  # fmt: skip
    try:
        for name, content in plan.files.items():
            text = content.decode() if isinstance(content, bytes) else content
            (out / name).write_text(plain_names(allow_collisions(text)) if name.endswith(".il") else text)
    except OSError as error:
        raise UserError(f"{error.filename} cannot be written ({error.strerror}): choose another --out.") from error
    commands = {
        name: [word for word in words if word not in ("-q", "--quiet")]
        for name, words in tools.commands(plan.files[f"{plan.script}.sh"]).items()
    }
    finished("elaboration")
    try:
        progress.step("synthesizing (2 of 4)")
        tools.run("YOSYS", commands["YOSYS"], out)
        finished("synthesis")
        watch = _Placing(progress, spacers=spread(out / f"{NAME}.json", platform.device))
        try:
            tools.run("NEXTPNR_ECP5", commands["NEXTPNR_ECP5"], out, watch.line)
        except ToolError as error:
            if excess := watch.excess():
                raise BuildFailed(
                    f"{choice.config.name} does not fit {board.name}: {excess}. Choose a smaller --config, or a larger "
                    f"board (entresol boards)."
                ) from error
            raise
        finished("place and route")
        report = _report(board, choice, seed, out, watch, seconds)
        if not report.meets_timing:
            return report
        progress.step("packing the bitstream (4 of 4)")
        tools.run("ECPPACK", commands["ECPPACK"], out)
        finished("packing")
        return _report(board, choice, seed, out, watch, seconds)
    except ToolError as error:
        raise BuildFailed(f"The tool for {error.what} failed: {error.message} (logs are in {out}).") from error


class _Placing:
    """Follows nextpnr's messages; `spacers` LUT4 are not the design's."""

    _UTILISATION = re.compile(r"Info:\s+(\w+):\s*(\d+)/\s*(\d+)\s+\d+%")

    def __init__(self, progress: Progress, spacers: int):
        self._progress = progress
        self._spacers = {"TRELLIS_COMB": spacers}
        self.counts: dict[str, tuple[int, int]] = {}
        progress.step("packing, placing and routing (3 of 4): packing")

    def line(self, text: str) -> None:
        if match := self._UTILISATION.match(text):
            self.counts[match[1]] = (int(match[2]) - self._spacers.get(match[1], 0), int(match[3]))
        for begin, phase in (("Info: Creating initial", "placing"), ("Info: Routing", "routing")):
            if text.startswith(begin):
                self._progress.step(f"packing, placing and routing (3 of 4): {phase}")

    def excess(self) -> str:
        """Of what the design needs more than there is, if anything."""
        return ", ".join(
            f"it needs {used} {RESOURCES.get(name, name)} and there are {available}"
            for name, (used, available) in self.counts.items()
            if used > available
        )


def _report(
    board: Board, choice: SystemChoice, seed: int, out: Path, watch: _Placing, seconds: dict[str, float]
) -> Report:
    found = json.loads((out / f"{NAME}.report.json").read_text())
    achieved = min((clock["achieved"] for clock in found["fmax"].values()), default=0.0)
    steps = []
    for path in found["critical_paths"]:
        if path["from"].startswith("posedge") and path["to"] == path["from"]:
            steps = [
                {"ns": round(step["delay"], 2), "what": step["type"], "where": step["to"]["cell"]}
                for step in path["path"]
            ]
    report = Report(
        board=board.name, config=choice.config.name, seed=seed, clock=choice.clock / 1e6, frequency=round(achieved, 2),
        used={name: watch.counts[kind][0] for kind, name in RESOURCES.items() if kind in watch.counts},
        available={name: watch.counts[kind][1] for kind, name in RESOURCES.items() if kind in watch.counts},
        critical_path=steps, seconds=dict(seconds), tools=tools.versions(),
    )  # fmt: skip
    (out / "report.json").write_text(json.dumps(report.__dict__, indent=1) + "\n")
    return report
