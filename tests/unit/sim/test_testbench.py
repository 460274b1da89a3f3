"""The public testbench module, as far as it goes without a simulation (tests/cocotb has those)."""

import subprocess
import sys

import pytest

from entresol.config import get_config
from entresol.isa.csrs import csr_table
from entresol_sim import testbench
from entresol_sim.errors import UserError
from entresol_sim.ports import Field, Port
from entresol_sim.testbench.run import TOP, missing, simulated_config, wrapper

WITHOUT_COCOTB = """
import asyncio, sys
for name in ("cocotb", "cocotb_tools", "cocotbext", "cocotbext.axi"):
    sys.modules[name] = None
from entresol.config import get_config
from entresol_sim import testbench
for use in (lambda: testbench.run("bench"), lambda: asyncio.run(testbench.Testbench.start(None, get_config("small")))):
    try:
        use()
    except testbench.run.__globals__["UserError"] as error:
        print(error)
"""


def test_without_cocotb():
    result = subprocess.run([sys.executable, "-c", WITHOUT_COCOTB], capture_output=True, text=True)
    assert result.stdout == 2 * (
        "cocotb or cocotbext-axi is not installed: pip install 'entresol[test]' brings both.\n"
    ), result.stderr


def test_what_is_missing(monkeypatch):
    assert "choose one of icarus, verilator" in missing("questa")
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert missing("icarus") == "Icarus Verilog is not installed: install the Debian package iverilog."
    assert missing("verilator") is None
    with pytest.raises(UserError, match="Debian package iverilog"):
        testbench.run("bench", simulator="icarus")


def test_outside_of_a_simulation():
    with pytest.raises(UserError, match="start the testbench with"):
        simulated_config()


def test_results():
    testbench.Results({"good": None}, "").check()
    with pytest.raises(AssertionError, match="bad: 1 is not 2"):
        testbench.Results({"good": None, "bad": "1 is not 2"}, "").check()


def test_assemble():
    assert testbench.assemble("ecall") == b"\x73\0\0\0"
    pieces = testbench.assemble({"first": ".option rvc\nc.nop", "second": "1: hlv.d a1, (a0)\nj 1b"})
    assert pieces == {"first": b"\x01\0", "second": bytes.fromhex("f345056c 6ff0dfff")}
    with pytest.raises(UserError, match="cannot be compiled"):
        testbench.assemble("no such instruction")


def test_page_tables():
    memory = {}
    free = iter(range(0x8000_0000, 0x9000_0000, 0x4000))
    table = testbench.PageTable(lambda size: next(free), memory.__setitem__)
    table.map(0x12_3456_7000, 0x8765_4000, table.RWX)
    table.map(0x12_3456_8000, 0x8765_5000, table.R | table.A)
    table.map(0xFFFF_FFFF_C000_0000, 0x8000_0000, table.RWX | table.U, level=2)
    assert memory == {
        0x8000_0000 + 8 * 0x48: 0x8000_4000 >> 2 | 1,
        0x8000_4000 + 8 * 0x1A2: 0x8000_8000 >> 2 | 1,
        0x8000_8000 + 8 * 0x167: 0x8765_4000 >> 2 | 0xCF,
        0x8000_8000 + 8 * 0x168: 0x8765_5000 >> 2 | 0x43,
        0x8000_0000 + 8 * 0x1FF: 0x8000_0000 >> 2 | 0xDF,
    }
    assert table.atp(5) == 8 << 60 | 5 << 44 | 0x80000
    guest = testbench.PageTable(lambda size: 0x8010_0000 if size == 16384 else 0, memory.__setitem__, guest=True)
    guest.point(1 << 40, 0x4000, 2)  # the root has 2048 entries
    assert memory[0x8010_0000 + 8 * 1024] == 0x1001


def test_wrapper_names_the_fields_of_structures():
    ports = [Port("axi__arvalid", False, 1), Port("time", True, 64), Port("retire", False, 3,
             (Field("valid", 0, 1), Field("mode_priv", 1, 2)))]  # fmt: skip
    text = wrapper(ports, "core_name")
    assert f"module {TOP} (" in text
    for line in (
        "output [0:0] axi_arvalid", "input [63:0] mtime", "output [1:0] retire_mode_priv",
        "assign retire_mode_priv = retire[1 +: 2];", ".\\time (mtime)", "core_name core (",
    ):  # fmt: skip
        assert line in text


class Dut:
    """Takes any input."""

    def __getattr__(self, name):
        return type("Signal", (), {"value": 0})()


def test_wrong_arguments():
    bench = testbench.Testbench(Dut(), get_config("small"))

    def run(*arguments, **options):
        coroutine = bench.run(*arguments, **options)
        try:
            coroutine.send(None)
        finally:
            coroutine.close()

    bench.memory = type("Memory", (), {"write": staticmethod(lambda address, content: None)})
    bench._hs_relay = bench._vs_relay = 0
    with pytest.raises(UserError, match="Unknown mode 'S': choose one of U, HS, M, VU, VS"):
        run("S", b"")
    with pytest.raises(UserError, match="'small' has no CSR 'vstimecmp'"):
        run("HS", b"", csrs={"vstimecmp": 0})
    with pytest.raises(UserError, match="'t6' cannot be set"):
        run("HS", b"", registers={"t6": 0})
    with pytest.raises(UserError, match="Too many CSRs"):
        run("HS", b"", csrs=dict.fromkeys(csr_table(get_config("small")), 0))
    with pytest.raises(UserError, match="no input 'nmi'"):
        bench.inputs(nmi=1)
    with pytest.raises(testbench.TestbenchError, match="'ram' is full"):
        bench.allocate(1 << 32)
