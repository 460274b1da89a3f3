"""What is put where, and how a run is judged; without a model."""

from types import SimpleNamespace

import pytest

from entresol_sim.errors import UserError
from entresol_sim.linux import boot as module
from entresol_sim.linux.boot import Boot, summary
from entresol_sim.native import Statistics
from entresol_sim.simulator import Outcome, Result, Simulator
from entresol_sim.terminal import Console

BASE = 0x8000_0000
IMAGE = bytes(16) + (2 << 20).to_bytes(8, "little") + bytes(32) + b"RSC\x05" + b"kern"
POWERED_OFF = Outcome(Result.PASSED, 0, "powered off")


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.setattr(module.images, "host_initramfs", lambda config, kernel: b"own" + (kernel or b""))
    names = {"firmware": b"firm", "kernel": IMAGE, "initrd": b"user's", "dtb": b"\xd0\x0d\xfe\xedtree"}
    for name, content in names.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "System.map").write_text(
        "ffffffff80000000 T _start\nffffffff80000100 t wait_forever\nffffffff80200000 B _end\n"
    )
    return SimpleNamespace(**{name: tmp_path / name for name in names})


@pytest.fixture
def start(files):
    opened = []

    def start(*own: str, **options) -> Boot:
        options = {name: getattr(files, name) for name in ("firmware", "kernel", *own)} | options
        opened.append(Boot(**options))
        return opened[-1]

    yield start
    for boot in opened:
        boot.simulator.close()


def test_places(start):
    boot = start(guest="linux", append="loglevel=7")
    memory = boot.simulator.memory
    assert memory.read(BASE, 4) == b"firm"
    assert memory.read(BASE + 0x20_0000, len(IMAGE)) == IMAGE
    assert memory.read(BASE + 0x300_0000, 3 + len(IMAGE)) == b"own" + IMAGE
    assert boot.simulator._setup.boot_entry == BASE
    tree = boot.simulator._device_tree
    assert b"console=hvc0 quiet panic=-1 entresol=linux loglevel=7\0" in tree
    assert (BASE + 0x300_0000).to_bytes(8, "big") in tree
    assert (BASE + 0x300_0000 + 3 + len(IMAGE)).to_bytes(8, "big") in tree


def test_only_a_linux_guest_needs_the_kernel_again(start):
    assert start(guest="bare").simulator.memory.read(BASE + 0x300_0000, 4) == b"own\0"


def test_files_of_the_user(start):
    boot = start("initrd", "dtb")
    assert boot.simulator.memory.read(BASE + 0x300_0000, 6) == b"user's"
    assert boot.simulator._device_tree == b"\xd0\x0d\xfe\xedtree"


def test_a_kernel_too_large_for_the_guest(start, files):
    files.kernel.write_bytes(IMAGE[:16] + (15 << 20).to_bytes(8, "little") + IMAGE[24:])
    with pytest.raises(UserError, match="too large for the guest"):
        start(guest="linux")
    start(guest="bare")


class Script:
    """Plays a run instead of the simulator: what the console says at which cycle, then the outcome."""

    def __init__(self, monkeypatch, said: dict[int, bytes], outcome: Outcome | None):
        self.counters = Statistics()
        self.said, self.outcome = said, outcome
        monkeypatch.setattr(Simulator, "counters", property(lambda simulator: self.counters))
        monkeypatch.setattr(Simulator, "cycle", property(lambda simulator: self.counters.cycles))
        monkeypatch.setattr(Simulator, "run", self.run)

    def run(self, max_cycles, console, each_batch):
        while max_cycles is None or self.counters.cycles < max_cycles:
            self.counters.cycles += 10
            self.counters.mode_instructions[3] += 1
            if self.counters.cycles in self.said:
                console.write(self.said[self.counters.cycles])
            each_batch()
            if self.outcome and self.counters.cycles >= max(self.said):
                return self.outcome
        return Outcome(Result.CYCLE_LIMIT, 0, "limit")


def test_all_milestones(start, monkeypatch):
    script = Script(monkeypatch, {100: b"OpenSBI v1", 200: b"init: host user space"}, POWERED_OFF)
    script.counters.mode_instructions[1] = 1
    boot = start(guest="none")
    console = Console()
    assert boot.run(console, patience=150) == POWERED_OFF
    assert bytes(console.output) == b"OpenSBI v1init: host user space"
    assert [(reached.name, reached.cycles) for reached in boot.watch.reached] == [
        ("kernel start", 10), ("firmware banner", 100), ("host user space", 200), ("power-off", 200),
    ]  # fmt: skip


def test_power_off_too_early_is_failure(start, monkeypatch):
    Script(monkeypatch, {100: b"OpenSBI v1"}, POWERED_OFF)
    outcome = start(guest="none").run(Console())
    assert outcome.result is Result.FAILED
    assert outcome.text == "powered off without kernel start, host user space"


def test_power_off_is_all_that_foreign_software_needs(start, monkeypatch):
    Script(monkeypatch, {100: b"hello"}, POWERED_OFF)
    assert start("initrd").run(Console()).result is Result.PASSED


def test_silence(start, monkeypatch):
    script = Script(monkeypatch, {100: b"OpenSBI v1", 390: b"more"}, None)
    boot = start(guest="none")
    outcome = boot.run(Console(), max_cycles=10_000, patience=300)
    assert outcome.result is Result.HUNG and "silent for 300" in outcome.text
    assert script.counters.cycles == 690
    script.counters.last_mode, script.counters.last_pc = 1, 0xFFFF_FFFF_8000_0104
    stands = "pc 0xffffffff80000104 (wait_forever+0x4) in mode HS; last trap: "
    assert boot.where() == f"{stands}none; last milestone: firmware banner"
    script.counters.last_trap, script.counters.last_trap_pc = 1 + 20, 0xFFFF_FFFF_8000_0100
    script.counters.last_trap_mode, script.counters.last_trap_target = 5, 1
    script.counters.last_trap_cycle = 690 - 5
    trap = "instruction guest page fault from VS to HS, 5 cycles ago, pc 0xffffffff80000100 (wait_forever+0x0)"
    assert boot.where() == f"{stands}{trap}; last milestone: firmware banner"


@pytest.mark.parametrize("patience", [0, 5000])
def test_cycle_limit(start, monkeypatch, patience):
    script = Script(monkeypatch, {100: b"OpenSBI v1"}, None)
    assert start(guest="none").run(Console(), 1000, patience).result is Result.CYCLE_LIMIT
    assert script.counters.cycles == 1000


def test_summary():
    text = summary({
        "cycles": 3000, "instructions": 1000,
        "milestones": [{"name": "kernel start", "cycles": 1234567, "instructions": 12}],
        "modes": {"HS": {"cycles": 3000, "instructions": 1200}, "VS": {"cycles": 0, "instructions": 0}},
        "lost_cycles": {"branch": 30, "frontend": 300, "wfi": 0},
        "traps": [
            {"from": "HS", "target": "M", "name": "x", "count": 1},
            {"from": "VS", "target": "HS", "name": "ecall from vs", "count": 3},
            {"from": "VU", "target": "HS", "name": "STI interrupt", "count": 4},
            {"from": "VU", "target": "VS", "name": "ecall from u", "count": 5},
            {"from": "U", "target": "HS", "name": "STI interrupt", "count": 6},
            {"from": "VU", "target": "M", "name": "MTI interrupt", "count": 2},
        ],
    })  # fmt: skip
    rows = [line.split() for line in text.splitlines()]
    assert ["kernel", "start", "1,234,567", "12"] in rows
    assert ["HS", "3,000", "1,200", "2.50"] in rows and ["VS", "0", "0", "-"] in rows
    assert rows.index(["frontend", "300", "10.0%"]) < rows.index(["branch", "30", "1.0%"])
    assert not any(row[:1] == ["wfi"] for row in rows)
    assert [row and row[0] for row in rows[rows.index(["exit", "from", "the", "guest", "from", "to", "count"]) :]] == [
        "exit", "STI", "ecall", "all", [], "other", "STI", "ecall", "MTI", "x", "all",
    ]  # fmt: skip
    assert rows.count(["all", "7"]) == 1 and rows.count(["all", "14"]) == 1
