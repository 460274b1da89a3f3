"""The Verilog of a design."""

import re

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from entresol_sim.design import to_verilog


class Registers(wiring.Component):
    """Registers of every form that the writer of Verilog knows."""

    enable: In(1)
    data: In(8)
    count: Out(8)
    sliced: Out(8)
    following: Out(8)
    steady: Out(8, init=3)

    def elaborate(self, platform):
        m = Module()
        with m.If(self.enable):
            m.d.sync += [self.count.eq(self.count + 1), self.sliced[2:5].eq(self.data)]
        with m.If(self.data == 7):
            m.d.sync += self.sliced[0].eq(1)
        m.d.sync += self.following.eq(self.data)
        with m.Switch(self.data), m.Case(1):
            m.d.sync += self.steady.eq(9)
        return m


def test_registers_keep_their_values():
    """Without copies of them, which cost a simulator time in every cycle."""
    text = to_verilog(Registers(), "registers")
    for name, expected in {"count": 2, "sliced": 3, "steady": 2}.items():  # assignments and the reset
        assert len(re.findall(rf"^ +{name} *(?:\[[\d:]+\])? *<= ", text, re.MULTILINE)) == expected, name
        assert not re.search(rf"= {name} *;", text), name
    assert "always @*" not in text
