"""Logic that tells something sooner than what it is about, beside that."""

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In
from prove import claim, prove

from entresol.config import get_config
from entresol.execute.bits import equal, equal_or, sum_differs
from entresol.isa.compressed import RvcDecoder, RvcExpander
from entresol.isa.control import Control
from entresol.isa.decoder import Decoder


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
    """`equal` and `equal_or` beside a comparator."""

    a: In(20)
    b: In(20)
    enable: In(1)
    otherwise: In(1)

    def elaborate(self, platform):
        m = Module()
        expected = self.enable & (self.a == self.b)
        same, either = equal_or(m, self.a, self.b, self.enable, "or", self.otherwise)
        claim(m, "equal", equal(m, self.a, self.b, self.enable, "alone") == expected)
        claim(m, "same", same == expected)
        claim(m, "either", either == (expected | self.otherwise))
        return m


class Compressed(wiring.Component):
    """What is said of a compressed instruction at once beside what the decoder says of its expansion."""

    word: In(16)
    number: In(5)

    def __init__(self, config):
        self._config = config
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.rvc = rvc = RvcDecoder(self._config)
        m.submodules.expander = expander = RvcExpander(self._config)
        m.submodules.decoder = decoder = Decoder(self._config)
        m.d.comb += [
            rvc.compressed.eq(self.word),
            rvc.asked[0].eq(self.number),
            rvc.asked[1].eq(self.number + 1),
            expander.compressed.eq(self.word),
            decoder.insn.eq(expander.expanded),
        ]
        wide, control = decoder.control, Signal(Control)
        m.d.comb += [control.eq(rvc.control), control.aq.eq(wide.aq), control.rl.eq(wide.rl)]
        exempt = self.word[:2].all()
        claim(m, "illegal", exempt | (control.illegal == wide.illegal))
        claim(m, "control", exempt | wide.illegal | (control == wide))
        claim(m, "immediate", exempt | wide.illegal | (rvc.imm == decoder.imm))
        for index in range(RvcDecoder.ASKED):
            asked = rvc.asked[index]
            for name, reads, enabled, field in (("rs1", rvc.reads1, wide.rs1_en, expander.expanded[15:20]),
                                                ("rs2", rvc.reads2, wide.rs2_en, expander.expanded[20:25])):
                claim(m, f"reads_{name}_{index}", exempt | wide.illegal | (asked == 0)
                      | (reads[index] == (enabled & (field == asked))))
        claim(m, "no_order", exempt | wide.illegal | ~(rvc.control.aq | rvc.control.rl))
        return m


class Reads(wiring.Component):
    """Which registers an instruction reads beside what its control word says."""

    word: In(32)

    def __init__(self, config):
        self._config = config
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.decoder = decoder = Decoder(self._config)
        m.d.comb += decoder.insn.eq(self.word)
        control = decoder.control
        for name, reads, enabled, field in (("rs1", decoder.reads1, control.rs1_en, self.word[15:20]),
                                            ("rs2", decoder.reads2, control.rs2_en, self.word[20:25])):
            claim(m, name, control.illegal | (field == 0) | (reads == enabled))
        return m


def test_sums_are_compared_without_adding():
    prove(Sum())


def test_a_carry_tells_what_is_equal():
    prove(Comparison())


@pytest.mark.parametrize("name", ["small", "max"])
def test_compressed_instructions_are_decoded_as_their_expansions(name):
    prove(Compressed(get_config(name)))


@pytest.mark.parametrize("name", ["small", "max"])
def test_registers_read_are_told_before_the_control_word(name):
    prove(Reads(get_config(name)))
