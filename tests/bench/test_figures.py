"""The figures of docs/reference/performance.md are those of the design as it is."""

import json
from importlib.metadata import version
from pathlib import Path

import pytest

from entresol.config import get_config
from entresol_sim.bench.catalog import KERNELS, REGIMES, Job, choose, jobs
from entresol_sim.bench.report import page
from entresol_sim.bench.run import run, run_job
from entresol_sim.progress import Progress
from entresol_sim.simulator import Simulator

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
RECORDED = json.loads((REFERENCE / "performance.json").read_text())
LINUX = get_config("linux")
ADVICE = ("if the change is meant: entresol bench --json docs/reference/performance.json "
          "--markdown docs/reference/performance.md")  # fmt: skip

#: What an ordinary test run measures: the primitives, but for many pages.
QUICK = ("traps", "csr", "memory", "fences", "svinval", "tlb.sv39.load.8", "tlb.guest_4k.load.8")


def compare(chosen: list[Job]) -> None:
    """What is measured now is exactly what is recorded."""
    now = run(chosen, LINUX, RECORDED["memory_latency"])
    assert now["config"] == RECORDED["config"], ADVICE
    recorded = {name: RECORDED["figures"].get(name) for name in now["figures"]}
    assert now["figures"] == recorded, ADVICE


@pytest.mark.parametrize("name", QUICK)
def test_primitives_take_the_recorded_cycles(name):
    compare(choose([name], LINUX))


@pytest.mark.nightly
@pytest.mark.parametrize("group", ["tlb", "tlb_large", *KERNELS])
def test_everything_takes_the_recorded_cycles(group):
    if group in KERNELS and RECORDED["compiler"] != f"zig {version('ziglang')}":
        pytest.skip(f"the recorded programs were compiled with {RECORDED['compiler']}")
    compare(choose([group], LINUX))


def test_everything_is_recorded():
    assert set(RECORDED["figures"]) == {figure.name for job in jobs() for figure in job.figures}


def test_the_page_is_made_of_the_record():
    assert (REFERENCE / "performance.md").read_text() == page(RECORDED), ADVICE


#: The figures of the first milestone that are cycles of primitives.
LIMITS = {
    "traps.ecall.vs_to_hs.two_stage": 14,
    "traps.ecall.vs_to_hs.two_stage.all_registers": 90,
    "traps.virtual_instruction.vs_to_hs.two_stage": 14,
    "traps.page_fault.load.vs_to_hs": 25,
    "traps.guest_page_fault.load.vs_to_hs": 25,
    "traps.interrupt.vs.enabled_to_handler": 10,
    "tlb.sv39.load.256": 10,
    "tlb.guest_4k.load.256": 20,
    "tlb.guest_4k.fetch.256": 20,
    "tlb.guest_4k.load.4096": 40,
    "memory.ld_add.hs": 3,
    "memory.hlv_d_add.hs": 4,
    "fences.sfence_vma.hs_bare": 5,
    "fences.hfence_vvma.hs_bare": 5,
    "fences.hfence_gvma.hs_bare": 5,
    "fences.sfence_vma.vs_two_stage.ld": 100,
    "fences.fence_i.m": 40,
}


@pytest.mark.parametrize("name", LIMITS)
def test_no_primitive_is_slower_than_promised(name):
    assert RECORDED["figures"][name]["value"] <= LIMITS[name]


@pytest.mark.nightly
@pytest.mark.parametrize("kernel", [f"{program}.{name}" for program in KERNELS for name in KERNELS[program]])
def test_host_code_is_not_slower_for_the_hypervisor_extension(kernel):
    name = f"{kernel}.native"
    (job,) = choose([name], LINUX)
    with_h, without_h = (
        run_job(job, config, 10, Progress())[0][name] for config in (LINUX, LINUX.without("h"))
    )
    assert with_h.instructions == without_h.instructions
    assert with_h.cycles <= without_h.cycles * 1.005


@pytest.mark.parametrize("regime", ["sv39", "guest_4k"])
def test_lost_cycles_explain_all_others(regime):
    """In every cycle an instruction retires, or one reason is counted."""
    job = next(job for job in jobs() if job.group == "tlb" and job.variant == REGIMES.index(regime))
    with Simulator(LINUX, ram_size=32 << 20) as simulator:
        simulator.load(job.build())
        simulator.boot(a2=job.variant)
        simulator.run(10_000_000)
        statistics = simulator.statistics()
    lost = statistics["lost_cycles"]
    # the run ends in the middle of a cycle, and a retirement is seen later than a loss
    assert abs(statistics["instructions"] + sum(lost.values()) - statistics["cycles"]) <= 2
    assert all(count > 0 for name, count in lost.items() if name not in ("walk_g", "divide", "wfi"))
    assert (lost["walk_g"] > 0) == (regime == "guest_4k")
    # every access of the second and third round over 64 and 256 pages loses three cycles in the second level
    assert lost["tlb"] > 3 * 3 * 2 * (64 + 256)
