"""What is killed at any moment, by a signal that nothing can catch, leaves nothing behind that troubles anyone."""

import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from entresol_sim.lockstep.assembler import elf
from entresol_sim.lockstep.layout import Block, Image, Op
from entresol_sim.lockstep.qemu import COMMAND

#: Builds the model of a small machine with the ports that the simulator wants, and runs it for some cycles.
_BUILD = """
    import importlib.util, sys
    from pathlib import Path

    spec = importlib.util.spec_from_file_location("machine", sys.argv[1])
    machine = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(machine)
    from entresol_sim import Simulator
    from entresol_sim.progress import ConsoleProgress

    with Simulator("small", design=machine.DESIGN, ram_size=1 << 20, progress=ConsoleProgress()) as simulator:
        simulator.memory.write(machine.BASE, machine.assemble((machine.Op.PUT, 42), (machine.Op.FINISH, 0x5555)))
        print(simulator.run(10_000).text, flush=True)
"""
_MACHINE = Path(__file__).parents[1] / "unit" / "sim" / "conftest.py"
#: What the progress says when a phase begins.
PHASES = ["elaborating", "translating", "compiling", "linking"]


class Builds:
    """Builds in a cache of their own."""

    def __init__(self, root: Path):
        self.cache = root / "cache"
        code = root / "build.py"
        code.write_text(textwrap.dedent(_BUILD))
        self._command = [sys.executable, str(code), str(_MACHINE)]
        self._environment = os.environ | {"ENTRESOL_CACHE": str(self.cache), "PYTHONPATH": os.pathsep.join(sys.path)}

    def start(self) -> subprocess.Popen:
        return subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=self._environment)  # fmt: skip

    def kill(self, phase: str, seconds: float) -> None:
        """Start a build and kill it so many seconds after the beginning of a phase."""
        process = self.start()
        assert process.stderr is not None and process.stdout is not None
        with process.stderr, process.stdout:
            for line in process.stderr:
                if phase in line:
                    break
            time.sleep(seconds)
            process.kill()
            process.wait()

    def check(self) -> None:
        """The next build is a good one, after which nothing is left of others."""
        process = self.start()
        output, errors = process.communicate()
        assert process.returncode == 0 and output == "powered off\n", errors
        models = [path for path in (self.cache / "models").iterdir() if path.is_dir()]
        assert len(models) == 1 and [path.name for path in models[0].iterdir()] == ["model.so"]


@pytest.fixture(scope="module")
def builds(tmp_path_factory):
    return Builds(tmp_path_factory.mktemp("builds"))


def test_build_killed_in_every_phase(builds):
    for phase in PHASES:
        builds.kill(phase, 0.2)
    builds.check()


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(30))
def test_build_killed_anywhere(tmp_path, seed):
    rng = random.Random(seed)
    builds = Builds(tmp_path)
    for _ in range(rng.randrange(1, 4)):
        builds.kill(rng.choice(PHASES), rng.random() * 3)
    builds.check()


def test_damaged_results_are_made_again(builds):
    """As a crash of the whole machine can leave them: empty."""
    builds.check()
    for path in (*builds.cache.glob("models/*/model.so"), *builds.cache.glob("verilog/*/ports.json")):
        path.write_bytes(b"")
    builds.check()


def _processes(name: str, parent: int) -> list[int]:
    """The processes with this name below `parent`."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            stat = (path / "stat").read_text()
        except OSError:
            continue
        command, rest = stat[stat.index("(") + 1 : stat.rindex(")")], stat[stat.rindex(")") + 2 :].split()
        if int(rest[1]) == parent and name.startswith(command) and rest[0] != "Z":
            found.append(int(path.name))
    return found


@pytest.mark.skipif(shutil.which(COMMAND) is None, reason=f"{COMMAND} is not installed (Debian: qemu-system-misc)")
def test_no_reference_outlives_a_killed_comparison(tmp_path):
    path = tmp_path / "endless.elf"
    path.write_bytes(elf(Image("endless", [Block(0, [Op("addi", rd=6, rs1=6, imm=1), Op("jal", imm=-4)])]).program()))
    command = [sys.executable, "-m", "entresol_sim.cli", "lockstep", str(path), "--max-cycles", "1000000000"]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    try:
        until = time.monotonic() + 600  # the model may have to be built
        while not (children := _processes(COMMAND, process.pid)):
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.1)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    until = time.monotonic() + 10
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < until
        time.sleep(0.05)
