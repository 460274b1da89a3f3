"""Changes to the netlist before synthesis, and that they have the effect they are made for."""

import json
from pathlib import Path

import pytest
from amaranth.back import rtlil

from entresol.memory.dcache import BlockRam
from entresol_sim.fpga import tools
from entresol_sim.fpga.netlist import allow_collisions, plain_names

try:
    tools.check_installed(["YOSYS"])
except Exception as error:
    pytest.skip(str(error), allow_module_level=True)


def cells(text: str, directory: Path) -> dict[str, int]:
    (directory / "top.il").write_text(text)
    script = ["read_rtlil top.il", "synth_ecp5 -noabc9 -top top", "tee -q -o stat.json stat -json"]
    (directory / "top.ys").write_text("\n".join(script) + "\n")
    tools.run("YOSYS", ["-q", "top.ys"], directory)
    return json.loads((directory / "stat.json").read_text())["design"]["num_cells_by_type"]


def test_a_memory_without_checks_is_a_block_ram_and_nothing_else(tmp_path: Path):
    text = rtlil.convert(BlockRam(32, 512), name="top")
    changed = allow_collisions(text)
    assert len(text.splitlines()) == len(changed.splitlines())
    assert sum(a != b for a, b in zip(text.splitlines(), changed.splitlines(), strict=True)) == 1
    found = cells(changed, tmp_path)
    assert {name: found[name] for name in found if not name.startswith("$")} in ({"PDPW16KD": 1}, {"DP16KD": 1})
    assert cells(text, tmp_path).get("TRELLIS_FF", 0) >= 32  # what it would be otherwise


def test_only_memories_that_say_so_and_synchronous_ports():
    module = """\
module \\a
  attribute \\ram_style "block"
  attribute \\no_rw_check 1
  memory width 8 size 16 \\free
  attribute \\ram_style "block"
  memory width 8 size 16 \\bound
  cell $memrd_v2 $1
    parameter \\MEMID "\\\\free"
    parameter \\COLLISION_X_MASK 2'00
    parameter \\CLK_ENABLE 1
  end
  cell $memrd_v2 $2
    parameter \\MEMID "\\\\bound"
    parameter \\COLLISION_X_MASK 1'0
    parameter \\CLK_ENABLE 1
  end
  cell $memrd_v2 $3
    parameter \\MEMID "\\\\free"
    parameter \\COLLISION_X_MASK 1'0
    parameter \\CLK_ENABLE 0
  end
end
"""
    other = module.replace("\\a", "\\b").replace("  attribute \\no_rw_check 1\n", "")
    assert allow_collisions(module + other) == module.replace("2'00", "2'11") + other


def test_names():
    text = """\
module \\top.a$1
  attribute \\src "a.py:1"
  wire width 2 \\x[2]
  wire width 8 \\$5
  wire \\$signature__data$48[1]
  cell \\top.b$2 \\b
    connect \\p \\x[2] [1]
    connect \\q \\$5 [7:4]
  end
  cell $not $6
    connect \\A { \\x[2] \\$5 [0] }
"""
    assert plain_names(text) == text.replace("\\x[2]", "\\x_2_").replace("\\$5", "\\unnamed$5").replace(
        "\\$signature__data$48[1]", "\\unnamed$signature__data$48_1_")  # fmt: skip
