"""The boot ROM: the first instructions after reset."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from .bus import DeviceBus


def _i_type(opcode: int, rd: int, funct3: int, rs1: int, imm: int) -> int:
    return (imm & 0xFFF) << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode


_ZERO, _T0, _A0, _A1, _A2 = 0, 5, 10, 11, 12
_MHARTID = 0xF14
_ENTRY, _ARG1, _ARG2 = 0x20, 0x28, 0x30  # offsets in bytes of the doublewords that come from the inputs

_CODE = (
    _T0 << 7 | 0x17,                        # auipc t0, 0
    _i_type(0x73, _A0, 2, _ZERO, _MHARTID),  # csrr a0, mhartid
    _i_type(0x03, _A1, 3, _T0, _ARG1),      # ld a1, ARG1(t0)
    _i_type(0x03, _A2, 3, _T0, _ARG2),      # ld a2, ARG2(t0)
    _i_type(0x03, _T0, 3, _T0, _ENTRY),     # ld t0, ENTRY(t0)
    _i_type(0x67, _ZERO, 0, _T0, 0),        # jr t0
)


class BootRom(wiring.Component):
    """Jumps to `entry` with a0 = mhartid, a1 = `a1`, a2 = `a2` (64 bits each), as firmware expects it of QEMU `virt`.

    The code takes the three values from doublewords of the ROM that show the inputs, so these have to be stable
    from reset until the jump.  The rest of the ROM reads as zero; writes are refused.
    """

    def __init__(self, addr_width: int):
        super().__init__({
            "bus": In(DeviceBus(addr_width)),
            "entry": In(64),
            "a1": In(64),
            "a2": In(64),
        })

    def elaborate(self, platform):
        m = Module()
        code = [low | high << 32 for low, high in zip(_CODE[::2], _CODE[1::2], strict=True)]
        words = dict(enumerate(code)) | {_ENTRY >> 3: self.entry, _ARG1 >> 3: self.a1, _ARG2 >> 3: self.a2}
        with m.If(self.bus.en):
            m.d.sync += [self.bus.rdata.eq(0), self.bus.error.eq(self.bus.write)]
            with m.Switch(self.bus.addr):
                for index, word in words.items():
                    with m.Case(index):
                        m.d.sync += self.bus.rdata.eq(word)
        return m
