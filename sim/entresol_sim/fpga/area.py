"""How large the hardware is: synthesis without place and route, as a whole and by its parts."""

import json
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from entresol.config import CoreConfig
from entresol.core import Core
from entresol.memory.axi import Axi4
from entresol.soc.system import OnChipSystem

from . import tools
from .flow import SYNTH_AFTER, SYNTH_FIRST, SYNTH_REST, synth_before
from .netlist import allow_collisions, plain_names

#: Which parts the system is divided into, by the beginnings of module names; the first one that fits counts.
PARTS = {
    "front end: prediction, fetch queue": ("soc.core.frontend",),
    "instruction cache": ("soc.core.frontend.icache",),
    "execution: decoder, registers, ALU, branches": ("soc.core.decode", "soc.core.execute"),
    "multiplier, divider": ("soc.core.multiplier", "soc.core.divider"),
    "load/store unit": ("soc.core.lsu",),
    "data cache": ("soc.core.lsu.cache",),
    "MMU: TLBs, walker, PMP": ("soc.core.mmu",),
    "CSR file and traps": ("soc.core.commit",),
    "SoC: interconnect, CLINT, PLIC, UART": ("",),
}

#: Cells of the netlists: what they count as, and how many.
CELLS: dict[str, dict[str, tuple[str, int]]] = {
    "ecp5": {
        "LUT4": ("LUT4", 1), "CCU2C": ("LUT4", 2), "TRELLIS_DPR16X4": ("LUT4", 6), "TRELLIS_FF": ("FF", 1),
        "DP16KD": ("BRAM", 1), "PDPW16KD": ("BRAM", 1), "MULT18X18D": ("DSP", 1),
    },
    "xilinx": {
        **{f"LUT{inputs}": ("LUT", 1) for inputs in range(1, 7)}, "RAM32M": ("LUT", 4), "RAM64M": ("LUT", 4),
        "RAM32X1D": ("LUT", 2), "RAM64X1D": ("LUT", 2), "RAM128X1D": ("LUT", 4), "RAM32M16": ("LUT", 8),
        "CARRY4": ("CARRY4", 1), "FDRE": ("FF", 1), "FDSE": ("FF", 1), "FDCE": ("FF", 1), "FDPE": ("FF", 1),
        "RAMB18E1": ("BRAM18", 1), "RAMB36E1": ("BRAM18", 2), "DSP48E1": ("DSP", 1),
    },
}  # fmt: skip

#: How each family is synthesized.
SYNTHESIS = {
    "ecp5": [*synth_before("top"), f"synth_ecp5 {SYNTH_REST} -top top", *SYNTH_AFTER],
    "xilinx": [*SYNTH_FIRST, "synth_xilinx -family xc7 -noiopad -top top"],
}


class _System(wiring.Component):
    """The system as a board has it: nobody looks at the retire port."""

    txd: Out(1, init=1)
    rxd: In(1, init=1)
    finish_valid: Out(1)

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        system = OnChipSystem(self._config, clock=40_000_000, ram_size=64 << 10)
        m.submodules.system = system
        m.d.comb += [self.txd.eq(system.txd), system.rxd.eq(self.rxd), self.finish_valid.eq(system.finish_valid)]
        return m


class _Core(wiring.Component):
    """The core alone, without retire port and event pulses."""

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__({
            "axi": Out(Axi4(config.bus_bits)), "msi": In(1), "mti": In(1), "mei": In(1), "sei": In(1), "time": In(64),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        m.submodules.core = core = Core(self._config)
        wiring.connect(m, core.axi, wiring.flipped(self.axi))
        m.d.comb += [getattr(core, name).eq(getattr(self, name)) for name in ("msi", "mti", "mei", "sei", "time")]
        return m


@dataclass(frozen=True)
class Area:
    """`total` counts the names of `CELLS`; `parts` those of each of `PARTS`, if it was asked for."""

    family: str
    what: str
    config: str
    total: dict[str, int]
    parts: dict[str, dict[str, int]]
    tools: dict[str, str]


def measure(config: CoreConfig, family: str = "ecp5", what: str = "system", parts: bool = False) -> Area:
    """Synthesize the "system" or the "core".

    With `parts`, the boundaries between them are kept, so that the sum is somewhat more than what is built.

    Raises:
        UserError: yosys is not installed.
        ToolError: it failed.
    """
    tools.check_installed(["YOSYS"])
    component = _System(config) if what == "system" else _Core(config)
    text = plain_names(allow_collisions(rtlil.convert(component, name="top", emit_src=False)))
    keep = []
    if parts:
        for name in re.findall(r"^module \\(\S+)", text, re.MULTILINE):
            if any(_path(name) == begin for begins in PARTS.values() for begin in begins if begin):
                keep.append(f"setattr -mod -set keep_hierarchy 1 {name}")
    with tempfile.TemporaryDirectory(prefix="entresol-") as scratch:
        directory = Path(scratch)
        (directory / "top.il").write_text(text)
        script = ["read_rtlil top.il", *keep, "hierarchy -top top", *SYNTHESIS[family],
                  "tee -q -o stat.json stat -json"]  # fmt: skip
        (directory / "top.ys").write_text("\n".join(script) + "\n")
        tools.run("YOSYS", ["-q", "top.ys"], directory)
        modules = json.loads((directory / "stat.json").read_text())["modules"]
    total: dict[str, int] = {}
    by_part: dict[str, dict[str, int]] = {name: {} for name in PARTS} if parts else {}
    for module, found in modules.items():
        for name, count in _counts(found["num_cells_by_type"], family).items():
            total[name] = total.get(name, 0) + count
            if parts:
                part = by_part[part_of(module.removeprefix("\\"))]
                part[name] = part.get(name, 0) + count
    return Area(family, what, config.name, total, by_part, tools.versions())


def _path(module: str) -> str:
    """A module's name without the numbers that make it unique, from the SoC on."""
    path = re.sub(r"\$\d+", "", module).removeprefix("top.").removeprefix("system.")
    return path


def part_of(module: str) -> str:
    """The part of `PARTS` that a module belongs to."""
    path = _path(module) + "."
    fitting = [(len(begin), name) for name, begins in PARTS.items() for begin in begins
               if not begin or path.startswith(begin + ".")]  # fmt: skip
    return max(fitting)[1]


def _counts(cells: dict[str, int], family: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for cell, number in cells.items():
        if cell in CELLS[family]:
            name, each = CELLS[family][cell]
            counts[name] = counts.get(name, 0) + each * number
    return counts

