"""The instruction decoder, generated from the instruction table."""

from functools import cache
from typing import Any

from amaranth.hdl import Cat, Const, Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..config import CoreConfig
from .control import Control, ImmFormat
from .instructions import Instruction, configured
from .logic import Cube, ProductTerms, covers, minimise


@cache
def _equations(extensions: frozenset[str]) -> tuple[tuple[Cube, ...], tuple[tuple[Cube, ...], ...]]:
    """Product terms of "is legal" and of each bit of the control word, first field lowest."""
    rows = configured(extensions)
    cubes = [Cube(row.mask, row.match) for row in rows]
    legal = minimise(cubes, lambda cube: covers(cubes, cube))
    words = [control_word(row) for row in rows]
    bits = []
    for bit in range(data.Layout.cast(Control).size):
        on = [cube for cube, word in zip(cubes, words, strict=True) if word >> bit & 1]
        off = [cube for cube, word in zip(cubes, words, strict=True) if not word >> bit & 1]
        bits.append(tuple(minimise(on, lambda cube, off=off: not any(cube.intersects(other) for other in off))))
    return tuple(legal), tuple(bits)


@cache
def _reads(extensions: frozenset[str], enable: str, low: int) -> tuple[Cube, ...]:
    """Product terms of "reads the register whose number begins at bit `low`"; of either kind are those that have x0
    there."""
    field = 0x1F << low
    rows = configured(extensions)
    on = [Cube(row.mask, row.match) for row in rows if row.control.get(enable)]
    off = [Cube(row.mask, row.match) for row in rows
           if not row.control.get(enable) and (row.mask & field != field or row.match & field)]
    return tuple(minimise(on, lambda cube: not any(cube.intersects(other) for other in off)))


def control_word(row: Instruction) -> int:
    """The control word of an instruction as an integer, first field lowest; without `aq` and `rl`."""
    return Const(row.control, Control).as_value().value


#: Where the bits of a 64-bit immediate come from, lowest first: bits of the instruction, or None for zero.
IMMEDIATES: dict[Any, tuple[int | None, ...]] = {
    ImmFormat.NONE: (None,) * 64,
    ImmFormat.I: (*range(20, 31), *[31] * 53),
    ImmFormat.S: (*range(7, 12), *range(25, 31), *[31] * 53),
    ImmFormat.B: (None, *range(8, 12), *range(25, 31), 7, *[31] * 52),
    ImmFormat.U: (*[None] * 12, *range(12, 31), *[31] * 33),
    ImmFormat.J: (None, *range(21, 31), 20, *range(12, 20), *[31] * 44),
    ImmFormat.Z: (*range(15, 20), *[None] * 59),
}


class Decoder(wiring.Component):
    """Decodes a 32-bit instruction word; combinational.

    Words that the configuration has no instruction for, reserved encodings among them, are `illegal`; the rest of
    the control word means nothing then.  `aq` and `rl` mean something for LR, SC and AMOs only.

    `reads1` and `reads2` are `rs1_en` and `rs2_en` of `control`, only sooner, where the register's number is not 0.
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__({
            "insn": In(32),
            "control": Out(Control),
            "imm": Out(64),  # sign-extended from 32 bits, but for ImmFormat.Z
            "reads1": Out(1),
            "reads2": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        legal, bits = _equations(self._config.extensions)
        terms = ProductTerms(m, self.insn)
        m.d.comb += [
            self.control.eq(Cat(terms.any(cubes) for cubes in bits)),
            self.control.illegal.eq(~terms.any(legal)),
            self.control.aq.eq(self.insn[26]),
            self.control.rl.eq(self.insn[25]),
            self.reads1.eq(terms.any(_reads(self._config.extensions, "rs1_en", 15))),
            self.reads2.eq(terms.any(_reads(self._config.extensions, "rs2_en", 20))),
        ]

        with m.Switch(self.control.imm):
            for imm_format, sources in IMMEDIATES.items():
                with m.Case(imm_format):
                    m.d.comb += self.imm.eq(Cat(Const(0, 1) if bit is None else self.insn[bit] for bit in sources))
        return m
