"""Runs the self-checking programs on the simulated SoC, and on QEMU where that is installed."""

import re
import shutil
import subprocess

import pytest

from entresol_sim import Console, Outcome, Simulator

from .catalog import PROGRAMS, Program

MAX_CYCLES = 3_000_000
QEMU = shutil.which("qemu-system-riscv64")


class Lines(Console):
    """Drives the guest external interrupts as the program asks: after STX come two hexadecimal digits, of which bit i
    is the level of number i+1."""

    def __init__(self, simulator: Simulator):
        super().__init__()
        self._simulator = simulator

    def write(self, content: bytes) -> None:
        super().write(content)
        if requests := re.findall(rb"\x02([0-9a-f]{2})", self.output):
            self._simulator.guest_interrupts(int(requests[-1], 16) << 1)


@pytest.fixture(scope="module", params=["small", "linux", "max"])
def config(request) -> str:
    return request.param


def run(program: Program, config: str) -> tuple[Outcome, bytes]:
    """How the program ended, and what it printed."""
    with Simulator(config, ram_size=32 << 20) as simulator:
        console = Lines(simulator) if program.lines else Console(program.typed)
        missing = [name for name in (*program.extensions, *program.needs) if not simulator.config.has(name)]
        if missing:
            pytest.skip(f"{config} has no {missing[0]}")
        if any(simulator.config.has(name) for name in program.lacks):
            pytest.skip(f"{config} has {program.lacks[0]}")
        if program.lines and simulator.config.geilen != 8:
            pytest.skip(f"{config} has no 8 guest external interrupts")
        simulator.load(program.build())
        outcome = simulator.run(MAX_CYCLES, console)
        statistics = simulator.statistics()
    # every cycle is explained once; the run ends in the middle of one, and a retirement is seen later than a loss
    explained = statistics["instructions"] + sum(statistics["lost_cycles"].values())
    assert abs(explained - statistics["cycles"]) <= 2
    return outcome, bytes(console.output)


def chosen(programs):
    """Parameters of a test: programs with their rules."""
    return [pytest.param(program, id=program.name, marks=pytest.mark.rule(*program.rules, test=program.place))
            for program in programs]


@pytest.mark.parametrize("program", chosen(PROGRAMS))
def test_program(program: Program, config: str):
    outcome, output = run(program, config)
    assert (outcome.status, outcome.code) == (1 if program.code else 0, program.code), output.decode() + outcome.text
    assert program.printed in (None, output)


@pytest.mark.skipif(QEMU is None, reason="qemu-system-riscv64 is not installed")
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_on_qemu(program: Program):
    """The programs are right about the architecture: QEMU agrees, but for what they say with `deviates(QEMU, ...)`."""
    command = [
        str(QEMU), "-M", "virt", "-cpu", "rv64,h=true,svinval=true", "-m", "64M", "-icount", "shift=0", "-nographic",
        "-bios", str(program.build()),
    ]  # fmt: skip
    result = subprocess.run(command, input=program.typed, capture_output=True, timeout=60)
    assert result.returncode == program.code, result.stdout + result.stderr
    assert program.printed in (None, result.stdout)
