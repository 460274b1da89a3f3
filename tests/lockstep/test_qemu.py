"""Programs and random programs against QEMU.  `-m nightly` runs a campaign."""

import json
import re
from pathlib import Path

import pytest
from tests.programs.catalog import PROGRAMS

from entresol_sim.cli import main
from entresol_sim.demo import program
from entresol_sim.elf import parse_elf
from entresol_sim.lockstep.assembler import elf
from entresol_sim.lockstep.layout import Block, Image, Label, Op

FW_JUMP = Path("/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_jump.elf")
BY_NAME = {program.name: program for program in PROGRAMS}


@pytest.mark.parametrize("name", ["torture0", "atomics", "compressed", "lrsc", "sv39"])
def test_programs(small_qemu, name):
    path = BY_NAME[name].build()
    result = small_qemu.compare(parse_elf(path.read_bytes(), str(path)), 2_000_000)
    assert not result.failed, result.differences
    assert result.compared > 300


def test_random_programs(qemu, tmp_path, capsys):
    arguments = ["fuzz", "--seed", "100", "--count", "6", "--jobs", "1", "--blocks", "80", "--output", str(tmp_path)]
    figures = tmp_path / "figures.json"
    assert main([*arguments, "--figures", str(figures)]) == 0, capsys.readouterr().out
    sums = json.loads(figures.read_text())
    assert sums["programs"] == 6 and sums["unexplained"] == 0 and sums["compared"] > 1000
    assert set(sums["modes"]) >= {"M", "HS"}
    # what is done is not done again
    journal = next(tmp_path.glob("*.jsonl"))
    before = journal.read_text()
    assert main([*arguments, "--figures", str(figures)]) == 0
    assert journal.read_text() == before and json.loads(figures.read_text()) == sums


def test_memory_is_empty_but_for_the_program(qemu, tmp_path, capsys):
    """QEMU's device tree is not found at any place where QEMU may leave it."""
    loop = [Op("ld", rd=6, rs1=5), Op("add", rd=5, rs1=5, rs2=7), Op("bne", rs1=5, rs2=8, target=Label(1))]
    begin = [Op("lui", rd=7, imm=0x200), Op("addi", rd=5, imm=1), Op("slli", rd=5, rs1=5, imm=31),
             Op("lui", rd=8, imm=0x2000), Op("add", rd=8, rs1=8, rs2=5), Op("add", rd=5, rs1=5, rs2=7)]
    end = [Op("lui", rd=5, imm=0x100), Op("lui", rd=6, imm=5), Op("addi", rd=6, rs1=6, imm=0x555),
           Op("sw", rs1=5, rs2=6), Op("jal")]
    path = tmp_path / "memory.elf"
    path.write_bytes(elf(Image("memory", [Block(0, begin), Block(1, loop), Block(2, end)]).program()))
    assert main(["lockstep", str(path)]) == 0, capsys.readouterr().out


def test_lockstep_command(qemu, tmp_path, capsys):
    path = BY_NAME["torture0"].build()
    assert main(["lockstep", str(path), "--config", "small"]) == 0
    assert "steps as in qemu" in capsys.readouterr().err


def compared(capsys, *arguments: str) -> int:
    assert main(["lockstep", *arguments, "--ram", "64M"]) == 0, capsys.readouterr().out
    return int(re.findall(r"(\d+) steps as in", capsys.readouterr().err)[-1])


@pytest.mark.parametrize("config", ["small", "linux"])
def test_demo(qemu, capsys, config):
    """Up to where the hypervisor reads htinst."""
    parts = [str(program(part)) for part in ("firmware", "hypervisor", "guest")]
    assert compared(capsys, *parts, "--config", config) > 20_000


@pytest.mark.parametrize("cycles", [200_000, pytest.param(10_000_000, marks=pytest.mark.nightly)])
def test_opensbi(qemu, capsys, cycles):
    """Up to where it finds out how many bits pmpaddr has."""
    if not FW_JUMP.exists():
        pytest.skip("fw_jump.elf is not installed (Debian: opensbi)")
    assert compared(capsys, str(FW_JUMP), "--device-tree", "--max-cycles", str(cycles)) > min(cycles // 4, 1_000_000)


def test_no_room_for_a_device_tree(qemu, capsys):
    path = BY_NAME["torture0"].build()
    assert main(["lockstep", str(path), "--device-tree", "--ram", "1M"]) == 2
    assert "choose a larger --ram" in capsys.readouterr().err


def test_a_difference_is_shown(qemu, tmp_path, capsys):
    """QEMU does not leave M-mode while no PMP entry permits anything, which no deviation excuses."""
    ops = [Op("la", rd=5, target=Label(1)), Op("csrrw", rs1=5, csr=0x305), Op("csrrw", rs1=5, csr=0x341),
           Op("csrrw", csr=0x300), Op("mret")]
    path = tmp_path / "mret.elf"
    path.write_bytes(elf(Image("mret", [Block(0, ops), Block(1, [Op("jal")])]).program()))
    assert main(["lockstep", str(path)]) == 1
    shown = capsys.readouterr().out
    assert "trap: no trap here, illegal instruction in the reference" in shown and "80000014 mret" in shown


@pytest.mark.nightly
def test_campaign(qemu, tmp_path, capsys):
    arguments = ["fuzz", "--seed", "1000", "--count", "1000", "--output", str(tmp_path), "--max-failures", "0"]
    assert main(arguments) == 0, capsys.readouterr().out
