"""Runs benchmarks and collects their figures."""

import platform
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

from entresol.config import CoreConfig

from ..errors import UserError
from ..progress import Progress
from ..simulator import Result, Simulator
from ..terminal import Console
from .catalog import Job

#: Cycles a program may take: many times what it does.
MAX_CYCLES = 10_000_000
RAM = 32 << 20


@dataclass(frozen=True)
class Measured:
    """A figure: `cycles` for `count` units, beyond what measuring takes, and `instructions` where they were counted."""

    unit: str
    count: int
    cycles: int
    instructions: int

    @property
    def value(self) -> float:
        """Cycles for each unit."""
        return round(self.cycles / self.count, 2)


def run_job(job: Job, config: CoreConfig, latency: int, progress: Progress) -> tuple[dict[str, Measured], int, float]:
    """The figures of one simulation by name, its cycles and the seconds of processor time it took.

    Raises:
        UserError: the program did not do what the catalog says.
    """
    console = Console()
    with Simulator(config, ram_size=RAM, ram_latency=latency, progress=progress) as simulator:
        simulator.load(job.build())
        simulator.boot(a2=job.variant)
        simulator.build()
        begin = time.process_time()  # not what others on the machine take
        outcome = simulator.run(MAX_CYCLES, console)
        cycles, seconds = simulator.cycle, time.process_time() - begin
    text = bytes(console.output).decode()
    if outcome.result is not Result.PASSED:
        raise UserError(f"The benchmark program {job.program} (variant {job.variant}) failed: {outcome.text}.\n{text}")
    return _figures(job, text), cycles, seconds


def _figures(job: Job, text: str) -> dict[str, Measured]:
    lines = [line.split()[1:] for line in text.splitlines() if line.startswith("result ")]
    printed = [line[0] for line in lines if line[0] != "checksum"]
    expected = [figure.name for figure in job.figures]
    is_kernel = len(lines) == 2 and lines[1][0] == "checksum"
    if (expected[0].rsplit(".", 1)[0] if is_kernel else expected) != (printed[0] if is_kernel else printed):
        raise UserError(f"The benchmark program {job.program} (variant {job.variant}) measured {', '.join(printed)}, "
                        f"but the catalog has {', '.join(expected)}: let them agree.")  # fmt: skip
    return {
        figure.name: Measured(figure.unit, *map(int, line[1:]))
        for figure, line in zip(job.figures, lines, strict=False)
    }


def run(jobs: Iterable[Job], config: CoreConfig, latency: int = 10, progress: Progress | None = None) -> dict[str, Any]:
    """Runs all of them; returns the report, for JSON.

    The same sources, configuration and compiler give the same figures, but for `simulation`.

    Raises:
        UserError: something cannot be built or run.
    """
    progress = progress or Progress()
    jobs = list(jobs)
    figures: dict[str, Measured] = {}
    cycles, seconds = 0, 0.0
    try:
        for number, job in enumerate(jobs):
            progress.step(f"measuring {job.figures[0].name if len(job.figures) == 1 else job.group}", number, len(jobs))
            found, job_cycles, job_seconds = run_job(job, config, latency, _Building(progress))
            figures |= found
            cycles, seconds = cycles + job_cycles, seconds + job_seconds
    finally:
        progress.finish()
    return {
        "config": _described(config),
        "memory_latency": latency,
        "compiler": f"zig {version('ziglang')}",
        "figures": {name: asdict(measured) | {"value": measured.value} for name, measured in figures.items()},
        "simulation": {
            "cycles": cycles,
            "seconds": round(seconds, 3),
            "cycles_per_second": round(cycles / seconds) if seconds else 0,
            "machine": f"{platform.machine()}, {platform.system()}",
        },
    }


def merge(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The report `old` with the figures of `new` in place of its own.

    Raises:
        UserError: they were not measured on the same thing.
    """
    for what in ("config", "memory_latency", "compiler"):
        if old.get(what) != new[what]:
            raise UserError(f"The figures in the JSON file are of another {what.replace('_', ' ')}: measure everything "
                            f"again, without --update.")  # fmt: skip
    return old | {"figures": old["figures"] | new["figures"]}


class _Building(Progress):
    """Passes on what the building of a model says, but does not end the whole."""

    def __init__(self, progress: Progress):
        self._progress = progress

    def step(self, text: str, done: int = 0, total: int = 0) -> None:
        self._progress.step(text, done, total)


def _described(config: CoreConfig) -> dict[str, Any]:
    """What of the configuration makes a difference for speed."""
    description = {
        "name": config.name,
        "vm_modes": sorted(config.vm_modes),
        "icache": asdict(config.icache),
        "dcache": asdict(config.dcache),
    }
    for name in ("itlb_entries", "dtlb_entries", "l2tlb_entries", "l2tlb_ways", "btb_entries", "bht_entries",
                 "ras_entries", "pmp_entries", "issue_width"):  # fmt: skip
        description[name] = getattr(config, name)
    return description
