"""Machine timer and software interrupt of one hart, laid out as SiFive's CLINT (RISC-V ACLINT specification,
chapters "Machine-level Timer Device" and "Machine-level Software Interrupt Device")."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .bus import DeviceBus

MSIP = 0x0000  # offsets in bytes
MTIMECMP = 0x4000
MTIME = 0xBFF8


class Aclint(wiring.Component):
    """`mtime` (64 bits) counts cycles with `tick`; `mti` is set while mtime >= mtimecmp (one cycle late), `msi` is
    the lowest bit of msip.

    Registers take accesses of every width.  After reset mtimecmp is all ones, so that no interrupt is pending;
    other offsets read as zero and ignore writes.
    """

    def __init__(self, addr_width: int):
        super().__init__({
            "bus": In(DeviceBus(addr_width)),
            "tick": In(1),
            "mtime": Out(64),
            "mti": Out(1),
            "msi": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        bus = self.bus
        mtimecmp = Signal(64, init=-1)
        m.d.comb += bus.error.eq(0)
        m.d.sync += [
            self.mtime.eq(self.mtime + self.tick),
            self.mti.eq(self.mtime >= mtimecmp),
        ]
        with m.If(bus.en):
            m.d.sync += bus.rdata.eq(0)
        for offset, register in ((MSIP, self.msi), (MTIMECMP, mtimecmp), (MTIME, self.mtime)):
            with m.If(bus.en & (bus.addr == offset >> 3)):
                m.d.sync += bus.rdata.eq(register)
                for lane in range(-(-len(register) // 8)):
                    with m.If(bus.write & bus.mask[lane]):
                        m.d.sync += register[8 * lane:8 * lane + 8].eq(bus.wdata[8 * lane:])
        return m
