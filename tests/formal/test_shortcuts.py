"""Logic that tells something sooner than what it is about, beside that."""

import pytest
from amaranth.hdl import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In
from prove import claim, prove

from entresol.config import get_config
from entresol.execute.bits import equal, sum_differs
from entresol.isa.compressed import RvcExpander
from entresol.isa.decoder import Decoder, SourceDecoder


class Sum(wiring.Component):
    """`sum_differs` beside an adder."""

    a: In(63)
    b: In(63)
    carry: In(1)
    total: In(63)

    def elaborate(self, platform):
        m = Module()
        differs = sum_differs(m, self.a, self.b, self.carry, self.total)
        claim(m, "differs", differs == ((self.a + self.b + self.carry)[:63] != self.total))
        return m


class Comparison(wiring.Component):
    """`equal` beside a comparator."""

    a: In(20)
    b: In(20)
    enable: In(1)

    def elaborate(self, platform):
        m = Module()
        claim(m, "equal", equal(m, self.a, self.b, self.enable, "here") == (self.enable & (self.a == self.b)))
        return m


class Sources(wiring.Component):
    """The source registers of 32-bit and of compressed instructions beside the decoder's control word."""

    word: In(32)

    def __init__(self, config):
        self._config = config
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.decoder = decoder = Decoder(self._config)
        m.submodules.sources = sources = SourceDecoder(self._config)
        m.submodules.expander = expander = RvcExpander(self._config)
        m.submodules.behind = behind = Decoder(self._config)
        m.d.comb += [
            decoder.insn.eq(self.word),
            sources.insn.eq(self.word),
            expander.compressed.eq(self.word),
            behind.insn.eq(expander.expanded),
        ]
        for name, part, control in (("wide", sources, decoder.control), ("compressed", expander, behind.control)):
            same = Cat(part.rs1_en, part.rs2_en) == Cat(control.rs1_en, control.rs2_en)
            exempt = control.illegal if part is sources else control.illegal | self.word[:2].all()
            claim(m, name, exempt | same)
        return m


def test_sums_are_compared_without_adding():
    prove(Sum())


def test_a_carry_tells_what_is_equal():
    prove(Comparison())


@pytest.mark.parametrize("name", ["small", "max"])
def test_source_registers_are_those_of_the_control_word(name):
    prove(Sources(get_config(name)))
