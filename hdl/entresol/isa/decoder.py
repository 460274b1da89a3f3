"""The instruction decoder, generated from the instruction table."""

from functools import cache

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


def control_word(row: Instruction) -> int:
    """The control word of an instruction as an integer, first field lowest; without `aq` and `rl`."""
    return Const(row.control, Control).as_value().value


class SourceDecoder(wiring.Component):
    """`rs1_en` and `rs2_en` of the control word alone; combinational."""

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__({"insn": In(32), "rs1_en": Out(1), "rs2_en": Out(1)})

    def elaborate(self, platform):
        m = Module()
        _, bits = _equations(self._config.extensions)
        terms = ProductTerms(m, self.insn)
        for name in ("rs1_en", "rs2_en"):
            offset = data.Layout.cast(Control)[name].offset
            m.d.comb += getattr(self, name).eq(terms.any(bits[offset]))
        return m


class Decoder(wiring.Component):
    """Decodes a 32-bit instruction word; combinational.

    Words that the configuration has no instruction for, reserved encodings among them, are `illegal`; the rest of
    the control word means nothing then.  `aq` and `rl` mean something for LR, SC and AMOs only.
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__({
            "insn": In(32),
            "control": Out(Control),
            "imm": Out(64),  # sign-extended from 32 bits, but for ImmFormat.Z
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
        ]

        insn, sign = self.insn, self.insn[31]
        zero = Const(0, 12)
        with m.Switch(self.control.imm):
            with m.Case(ImmFormat.I):
                m.d.comb += self.imm.eq(Cat(insn[20:31], sign.replicate(53)))
            with m.Case(ImmFormat.S):
                m.d.comb += self.imm.eq(Cat(insn[7:12], insn[25:31], sign.replicate(53)))
            with m.Case(ImmFormat.B):
                m.d.comb += self.imm.eq(Cat(zero[0], insn[8:12], insn[25:31], insn[7], sign.replicate(52)))
            with m.Case(ImmFormat.U):
                m.d.comb += self.imm.eq(Cat(zero, insn[12:31], sign.replicate(33)))
            with m.Case(ImmFormat.J):
                m.d.comb += self.imm.eq(Cat(zero[0], insn[21:31], insn[20], insn[12:20], sign.replicate(44)))
            with m.Case(ImmFormat.Z):
                m.d.comb += self.imm.eq(insn[15:20])
        return m
