"""The test finisher: software ends the run (SiFive's test device, as in QEMU `virt`)."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .bus import DeviceBus

FAIL = 0x3333  # with the exit code in the upper 16 bits
POWER_OFF = 0x5555
RESET = 0x7777


class Finisher(wiring.Component):
    """A write of 16 or 32 bits to offset 0 whose lower half is FAIL, POWER_OFF or RESET sets `finish_valid`, from
    the next cycle until reset, and `finish_code` to the value written (16-bit writes zero-extended to 32).

    Other values do nothing, everything reads as zero, other writes to the first 8 bytes are refused.
    """

    def __init__(self, addr_width: int):
        super().__init__({
            "bus": In(DeviceBus(addr_width)),
            "finish_valid": Out(1),
            "finish_code": Out(32),
        })

    def elaborate(self, platform):
        m = Module()
        bus = self.bus
        apt = (bus.mask == 0x0F) | (bus.mask == 0x03)
        with m.If(bus.en):
            m.d.sync += bus.error.eq((bus.addr == 0) & bus.write & ~apt)
            known = [bus.wdata[:16] == value for value in (FAIL, POWER_OFF, RESET)]
            with m.If(bus.write & (bus.addr == 0) & apt & (known[0] | known[1] | known[2]) & ~self.finish_valid):
                m.d.sync += [
                    self.finish_valid.eq(1),
                    self.finish_code.eq(bus.wdata[:32] & (bus.mask[2].replicate(16) << 16 | 0xFFFF)),
                ]
        return m
