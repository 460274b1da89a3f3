"""The integer register file."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out


class RegisterFile(wiring.Component):
    """32 registers of 64 bits, two asynchronous read ports (distributed RAM), one write port.

    A value written at the end of a cycle is read in the next one.  The writer never names x0, whose cell keeps its
    initial zero.
    """

    read_addr1: In(5)
    read_addr2: In(5)
    read_data1: Out(64)
    read_data2: Out(64)
    write_en: In(1)
    write_addr: In(5)
    write_data: In(64)

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(shape=64, depth=32, init=[])
        write = memory.write_port()
        m.d.comb += [write.en.eq(self.write_en), write.addr.eq(self.write_addr), write.data.eq(self.write_data)]
        for addr, value in ((self.read_addr1, self.read_data1), (self.read_addr2, self.read_data2)):
            read = memory.read_port(domain="comb")
            m.d.comb += [read.addr.eq(addr), value.eq(read.data)]
        return m
