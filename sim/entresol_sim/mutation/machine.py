"""The SoC with a set of mutants in it, one of which the host turns on: the compiled model is made once for all."""

import functools
import hashlib
import json
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from amaranth.hdl import Cat, Const, Module, Value
from amaranth.lib import wiring

from entresol.config import CoreConfig

from .. import native, simulator
from ..design import Design, soc_design
from ..progress import ConsoleProgress
from . import switch

_SHIFT = 48  # of the number in boot_a2: an address does not have these bits
_BITS = 16


class Mutated(wiring.Component):
    """The SoC; bits 63:48 of `boot_a2` are the number of the mutant that is on, for the SoC itself they are 0."""

    def __init__(self, config: CoreConfig, numbers: Collection[int]):
        from entresol.soc.soc import Soc

        self._soc = Soc(config)
        self._numbers = numbers
        super().__init__(dict(self._soc.signature.members))

    def elaborate(self, platform):
        m = Module()
        m.submodules.soc = soc = self._soc
        switch.build_in(self._numbers, self.boot_a2[_SHIFT : _SHIFT + _BITS])
        inner = {path: value for path, _, value in soc.signature.flatten(soc)}
        for path, member, value in self.signature.flatten(self):
            mine, its = Value.cast(value), Value.cast(inner[path])
            if path == ("boot_a2",):
                mine = Cat(mine[:_SHIFT], Const(0, _BITS))
            if len(mine):
                m.d.comb += its.eq(mine) if member.flow == wiring.In else mine.eq(its)
        return m


def design(config: CoreConfig, numbers: Sequence[int]) -> Design:
    """The SoC of `config` with these mutants."""
    plain = soc_design(config)
    digest = hashlib.sha256(repr(sorted(numbers)).encode())
    for name in ("sites.py", "switch.py", "machine.py"):
        digest.update(Path(__file__).with_name(name).read_bytes())
    parameters = f"{plain.parameters} mutants {digest.hexdigest()}"
    return Design("mutated_soc", lambda: Mutated(config, numbers), parameters, plain.sources)


def use(numbers: Sequence[int]) -> None:
    """From now on every simulator simulates the SoC with these mutants."""
    vars(simulator)["soc_design"] = lambda config: design(config, numbers)


def turn_on(number: int) -> None:
    """Simulators made from now on have this mutant on; 0: none."""

    class Setup(native.Setup):
        """Keeps the number, whatever the test wants a2 to be."""

        def __setattr__(self, name: str, value: Any) -> None:
            super().__setattr__(name, value | number << _SHIFT if name == "boot_a2" else value)

    vars(simulator)["Setup"] = functools.partial(Setup, boot_a2=0)


def _main(config: str) -> None:
    """Builds the model, with the numbers of the mutants from standard input."""
    from . import imports

    imports.install()
    numbers = json.load(sys.stdin)
    use(numbers)
    progress = ConsoleProgress()
    with simulator.Simulator(config, progress=progress) as built:
        built.build()
    progress.finish()


if __name__ == "__main__":
    _main(sys.argv[1])
