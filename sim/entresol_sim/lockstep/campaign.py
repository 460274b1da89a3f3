"""Campaigns of random programs: many seeds, on several processors, to be continued after an interruption."""

import hashlib
import json
import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from pathlib import Path

from entresol.config import CoreConfig

from ..errors import UserError
from ..processes import die_with_parent
from ..progress import Progress
from .assembler import elf, show
from .compare import Result, side_by_side
from .generate import Generator
from .layout import CODE, RAM_SIZE, Image
from .minimise import minimise
from .references import Lockstep
from .steps import MODE_NAMES

#: Cycles that a random program may take.
MAX_CYCLES = 400_000
#: Seconds that making a failing program short may take.
MINIMISE_SECONDS = 120

_NO_INFLUENCE = ("campaign.py", "minimise.py", "__init__.py")


@dataclass(frozen=True)
class Plan:
    """What a campaign does: programs of `blocks` random blocks for a configuration, compared with `reference`."""

    config: CoreConfig
    reference: str
    blocks: int
    output: Path
    minimise_seconds: float = MINIMISE_SECONDS


@dataclass
class SeedResult:
    """What came of one seed."""

    seed: int
    compared: int
    instructions: int
    switches: int
    modes: dict[str, int]
    traps: dict[str, int]
    accounted: dict[str, int]
    cpu_seconds: float
    ended_by: str | None = None
    failure: str | None = None
    files: list[str] = field(default_factory=list)


class Fuzzer:
    """Makes and compares the programs of a plan."""

    def __init__(self, plan: Plan, progress: Progress | None = None):
        self.plan = plan
        self.lockstep = Lockstep(plan.config, plan.reference, RAM_SIZE, progress, strict=True)
        avoid = frozenset(deviation.name for deviation in self.lockstep.deviations)
        self.generator = Generator(plan.config, self.lockstep.reference.missing, avoid)

    def key(self) -> str:
        """A name for everything that results depend on."""
        here = Path(__file__).parent
        digest = hashlib.sha256(str(self.lockstep.core.build()).encode())
        for path in sorted(here.iterdir()):
            if path.is_file() and path.name not in _NO_INFLUENCE:
                digest.update(path.read_bytes())
        digest.update(f"{self.plan.config.name} {self.lockstep.title} {self.plan.blocks}".encode())
        return digest.hexdigest()[:16]

    def compare(self, image: Image) -> Result:
        return self.lockstep.compare(image.program(), MAX_CYCLES)

    def run(self, seed: int) -> SeedResult:
        """Compare the program of a seed; if it fails, make it short, and save that."""
        begin = _cpu_seconds()
        image = self.generator.generate(seed, self.plan.blocks)
        result = self.compare(image)
        summary = SeedResult(
            seed, result.compared, result.instructions, result.switches,
            {MODE_NAMES[mode]: count for mode, count in result.modes.items()}, dict(result.traps),
            dict(result.accounted), round(_cpu_seconds() - begin, 3), result.ended_by,
        )  # fmt: skip
        if result.failed:
            summary.failure = "; ".join(map(str, result.differences))
            summary.files = [str(path) for path in self._save(image, seed, result)]
        return summary

    def _save(self, image: Image, seed: int, result: Result) -> list[Path]:
        kinds = [(difference.kind, difference.name) for difference in result.differences]

        def fails(shorter: Image) -> bool:
            found = self.compare(shorter)
            return [(difference.kind, difference.name) for difference in found.differences] == kinds

        short = minimise(image, fails, self.plan.minimise_seconds)
        result = self.compare(short)
        program = self.plan.output / f"seed-{seed}.elf"
        text = program.with_suffix(".txt")
        program.write_bytes(elf(short.program()))
        text.write_text(self.report(short, result))
        return [program, text]

    def report(self, image: Image, result: Result) -> str:
        """The program, and both traces up to where they differ."""
        lines = [
            f"{image.name}, configuration {self.plan.config.name}, reference {self.lockstep.title}",
            "",
            *(str(difference) for difference in result.differences),
            "",
            "The program, less its beginning, its trap handlers and its end:",
            "",
            *self._listing(image),
            "",
            "What both did up to there:",
            "",
            side_by_side(result.pairs, self.lockstep.csr_names, self.lockstep.title),
        ]
        return "\n".join(lines)

    def _listing(self, image: Image) -> Iterator[str]:
        code = image.program().segments[0].content
        at = CODE
        for block in image.blocks:
            size = sum(op.size for op in block.ops)
            end = at + size
            while at < end:
                low = int.from_bytes(code[at - CODE : at - CODE + 2], "little")
                length = 4 if low & 3 == 3 else 2
                word = int.from_bytes(code[at - CODE : at - CODE + length], "little")
                if block.removable:
                    yield f"  {at:08x}  {show(word, at, self.lockstep.csr_names)}"
                at += length


def _cpu_seconds() -> float:
    """Processor time of this process and of the references that it waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


_fuzzer: Fuzzer | None = None


def _begin(plan: Plan) -> None:
    global _fuzzer
    die_with_parent()  # which nothing else tells a process that is killed
    _fuzzer = Fuzzer(plan)


def _work(seed: int) -> SeedResult:
    assert _fuzzer is not None
    return _fuzzer.run(seed)


class Campaign:
    """Runs seeds of a plan and keeps a journal, so that none is run twice.

    Raises:
        UserError: the output directory cannot be used, or the reference is not there.
    """

    def __init__(self, plan: Plan, progress: Progress | None = None):
        self.plan = plan
        self._progress = progress or Progress()
        try:
            plan.output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{plan.output} cannot be created ({error.strerror}): choose another --output.") from error
        self.fuzzer = Fuzzer(plan, progress)
        self.key = self.fuzzer.key()
        self._progress.finish()
        self._journal = plan.output / f"{plan.config.name}-{plan.reference}-{self.key}.jsonl"
        self.results: dict[int, SeedResult] = {}
        if self._journal.exists():
            for line in self._journal.read_text(errors="replace").splitlines():
                try:
                    row = SeedResult(**json.loads(line))
                except (ValueError, TypeError):
                    continue  # the last line of a process that was killed
                self.results[row.seed] = row

    def run(self, first: int, count: int, jobs: int, told: Callable[[SeedResult], None], stop_at: int = 0) -> None:
        """Compare seeds `first` to `first + count - 1` that were not yet; `told` hears of each.  With `stop_at`, stop
        after so many failures."""
        done = sum(first <= seed < first + count for seed in self.results)
        failures = 0
        begin = time.monotonic()
        compared = 0
        waiting = (seed for seed in range(first, first + count) if seed not in self.results)
        context = multiprocessing.get_context("spawn")
        with (
            open(self._journal, "a") as journal,
            ProcessPoolExecutor(jobs, context, initializer=_begin, initargs=(self.plan,)) as pool,
        ):
            running: set[Future[SeedResult]] = set()
            try:
                while True:
                    while len(running) < 2 * jobs and (seed := next(waiting, None)) is not None:
                        running.add(pool.submit(_work, seed))
                    if not running:
                        break
                    complete, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in complete:
                        row = future.result()
                        journal.write(json.dumps(asdict(row)) + "\n")
                        journal.flush()
                        self.results[row.seed] = row
                        done += 1
                        compared += row.compared
                        rate = compared / (time.monotonic() - begin)
                        self._progress.step(f"comparing programs, {rate / 1000:.1f} thousand steps/s", done, count)
                        told(row)
                        failures += row.failure is not None
                    if stop_at and failures >= stop_at:
                        break
            finally:
                for future in running:
                    future.cancel()
                self._progress.finish()

    def figures(self, first: int, count: int) -> dict:
        """The sums over these seeds."""
        rows = [row for seed, row in sorted(self.results.items()) if first <= seed < first + count]
        sums: dict[str, Counter[str]] = {"modes": Counter(), "traps": Counter(), "accounted": Counter()}
        for row in rows:
            for name, counter in sums.items():
                counter.update(getattr(row, name))
        return {
            "reference": self.fuzzer.lockstep.title,
            "configuration": self.plan.config.name,
            "first_seed": first,
            "programs": len(rows),
            "compared": sum(row.compared for row in rows),
            "cpu_seconds": round(sum(row.cpu_seconds for row in rows)),
            "instructions": sum(row.instructions for row in rows),
            "mode_switches": sum(row.switches for row in rows),
            "unexplained": sum(row.failure is not None for row in rows),
            "ended_by_deviation": dict(sorted(Counter(row.ended_by for row in rows if row.ended_by).items())),
            **{name: dict(sorted(counter.items())) for name, counter in sums.items()},
        }
