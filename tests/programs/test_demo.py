"""The demonstration, over its own firmware and over Debian's unmodified OpenSBI."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from entresol.config import get_config
from entresol_sim import Console, Simulator
from entresol_sim.demo import program
from entresol_sim.fpga.contents import demo, ram_contents
from entresol_sim.fpga.flow import find_board
from entresol_sim.fpga.system import SystemChoice, bench_design

QEMU = shutil.which("qemu-system-riscv64")
OPENSBI = Path("/usr/lib/riscv64-linux-gnu/opensbi/generic")
needs_opensbi = pytest.mark.skipif(not OPENSBI.exists(), reason="Debian's package opensbi is not installed")

LINES = """\
hypervisor: HS-mode; starting the guest in VS-mode, Sv39 over Sv39x4
guest: this text leaves through a UART that does not exist
guest: and this through the firmware
guest: paging is on, 32 pages used
user: hello from VU-mode
guest: user mode returned 5050
guest: 3 timer interrupts
hypervisor: the guest may not execute 0x600022f3: illegal instruction
guest: reading hstatus was refused
hypervisor: the guest reached for 0x80400000, outside its memory: access fault
guest: reading past the end of memory was refused
hypervisor: the guest has shut down
"""


def check(text: str) -> None:
    """What the hypervisor and its guest say, and the counts that do not depend on time."""
    text = text.replace("\r", "")
    assert LINES in text
    for row in (
        r"guest page fault, fetch +2 ", r"guest page fault, load +265 ", r"guest page fault, store +301 ",
        r"virtual instruction +1 ", r"timer interrupt +[34] ",
        "45 pages mapped on demand, 522 device accesses emulated",
    ):  # fmt: skip
        assert re.search(row, text), row


def simulate(config: str, firmware: Path) -> str:
    console = Console()
    with Simulator(config, ram_size=64 << 20) as simulator:
        for path in (firmware, program("hypervisor"), program("guest")):
            simulator.load(path)
        outcome = simulator.run(50_000_000, console)
    assert outcome.status == 0, outcome.text
    return console.output.decode()


@pytest.mark.parametrize("config", ["small", "linux"])
def test_demo(config: str):
    text = simulate(config, program("firmware"))
    check(text)
    assert text.startswith("firmware: M-mode")


@pytest.mark.parametrize("config", ["small", pytest.param("linux", marks=pytest.mark.nightly)])
def test_demo_on_a_board(config: str):
    """The very design that `entresol build` makes a bitstream of, with the contents of its RAM: the console comes from
    the pin of the serial line."""
    core, board = get_config(config), find_board("ulx3s-85f")
    contents = ram_contents(core, board.ram_size, 115_200, demo(core))
    choice = SystemChoice(core, board.clock, board.ram_size, contents, 115_200)
    console = Console()
    with Simulator(core, design=bench_design(choice)) as simulator:
        outcome = simulator.run(50_000_000, console)
        # the line was busy most of the time: 10 bits for each character
        assert simulator.cycle > len(console.output) * 10 * board.clock / 115_200
    assert outcome.status == 0, outcome.text
    text = console.output.decode()
    check(text)
    assert text.startswith("firmware: M-mode")
    shares = re.findall(r"^  (?:guest|hypervisor|firmware) +\d+ +(\d+) %", text.replace("\r", ""), re.MULTILINE)
    assert 97 <= sum(map(int, shares)) <= 100 and len(shares) == 3


@needs_opensbi
@pytest.mark.parametrize(("config", "firmware"), [("linux", "fw_jump.elf"), ("small", "fw_dynamic.elf")])
def test_demo_over_opensbi(config: str, firmware: str):
    text = simulate(config, OPENSBI / firmware)
    extensions = re.search(r"Boot HART (?:Base )?ISA +: rv64(\w+)", text)
    assert extensions and "h" in extensions[1]
    check(text)


@pytest.mark.skipif(QEMU is None, reason="qemu-system-riscv64 is not installed")
@pytest.mark.parametrize("firmware", ["own", pytest.param("fw_jump.elf", marks=needs_opensbi)])
def test_demo_on_qemu(firmware: str):
    """The programs do not depend on the simulator."""
    command = [
        str(QEMU), "-M", "virt", "-cpu", "rv64,h=true", "-m", "64M", "-icount", "shift=0", "-nographic",
        "-bios", str(program("firmware") if firmware == "own" else OPENSBI / firmware),
        "-device", f"loader,file={program('hypervisor')}", "-device", f"loader,file={program('guest')}",
    ]  # fmt: skip
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr
    check(result.stdout)
