"""The whole stack on the compiled model.  Needs `entresol linux prepare`."""

import pytest

from entresol.config import get_config
from entresol_sim.errors import UserError
from entresol_sim.linux.boot import Boot
from entresol_sim.linux.prepare import prepared
from entresol_sim.simulator import Result
from entresol_sim.terminal import Console

LINUX = get_config("linux")
#: Half as many again as it takes.
MAX_CYCLES = 60_000_000


@pytest.fixture(scope="module", autouse=True)
def needs_preparation():
    try:
        prepared()
    except UserError as error:
        pytest.skip(str(error))


def boot(config, **options):
    """The console's lines and the statistics of a run that must go well."""
    console = Console()
    with Boot(config, **options) as stack:
        outcome = stack.run(console, MAX_CYCLES)
        text = console.output.decode()
        assert outcome.result is Result.PASSED, f"{outcome.text}; {stack.where()}\n{text}"
        return text.replace("\r", "").splitlines(), stack.statistics()


@pytest.mark.nightly
@pytest.mark.parametrize(
    "config",
    [LINUX, LINUX.without("sstc"), LINUX.without("svadu"), LINUX.without("zba", "zbb", "zbs", "zicond")],
    ids=lambda config: config.name,
)
def test_guest_linux(config):
    lines, statistics = boot(config)
    for line in ("vmm: vCPU starts at 0x80000000", "vmm: guest asked for power-off", "init: vmm ended with status 0"):
        assert lines.count(line) == 1
    assert lines.count("init: power-off") == 2  # the guest's and the host's
    assert [milestone["name"] for milestone in statistics["milestones"]] == [
        "firmware banner", "kernel start", "host user space", "/dev/kvm opened", "first guest instruction",
        "guest user space", "power-off",
    ]  # fmt: skip
    exits = {(trap["kind"], trap["code"]) for trap in statistics["traps"] if trap["target"] == "HS"}
    assert {("exception", 10), ("exception", 20), ("exception", 21), ("exception", 23)} <= exits
    sstc_calls = sum(
        trap["count"] for trap in statistics["traps"] if trap["target"] == "M" and trap["kind"] == "interrupt"
    )
    assert (sstc_calls == 0) == config.has("sstc")  # without it every timer goes through the firmware


@pytest.mark.nightly
def test_bare_guest_and_determinism():
    lines, first = boot(LINUX, guest="bare")
    assert "bare guest: hello through the SBI" in lines and "bare guest: hello through MMIO" in lines
    assert "vmm: stat mmio_exit_user 31" in lines
    again, second = boot(LINUX, guest="bare")
    assert again == lines
    for statistics in (first, second):
        del statistics["wall_seconds"], statistics["cycles_per_second"]
    assert first == second


@pytest.mark.nightly
def test_what_the_kernel_sees():
    lines, _ = boot(LINUX, guest="none", append="loglevel=7")
    kvm = [line for line in lines if "kvm [" in line]
    assert any("using Sv39x4 G-stage page table format" in line for line in kvm)
    assert any(f"VMID {LINUX.vmid_bits} bits available" in line for line in kvm)


@pytest.mark.nightly
def test_a_silent_host_is_given_up():
    with Boot(LINUX, guest="shell") as stack:
        outcome = stack.run(Console(), MAX_CYCLES, patience=15_000_000)
        assert outcome.result is Result.HUNG
        assert "silent" in outcome.text
        assert "last milestone: host user space" in stack.where()
