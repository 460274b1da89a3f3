"""The Verilog for simulators that follow events."""

import re

from amaranth.hdl import Module
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from entresol_sim.design import to_event_driven_verilog


class Example(wiring.Component):
    """A default that is overridden, and a memory."""

    select: In(2)
    result: Out(8)

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = store = memory.Memory(shape=8, depth=4, init=[1, 2, 3, 4])
        port = store.read_port()
        m.d.comb += [port.addr.eq(self.select), port.en.eq(1), self.result.eq(port.data)]
        with m.If(self.select == 3):
            m.d.comb += self.result[:4].eq(5)
        return m


def test_event_driven_verilog_has_no_combinational_processes():
    text = to_event_driven_verilog(Example(), "example")
    assert "module example(" in text
    assert "always_comb" not in text and "always @*" not in text
    registers = re.findall(r"^ *reg (?:\[\d+:\d+\] )?\S+ ?( = .*)?;$", text, flags=re.MULTILINE)
    assert registers and all(" = " in value for value in registers)  # the one at the read port, that is
