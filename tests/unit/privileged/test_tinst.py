"""Values for mtinst and htinst, against encodings written out by hand."""

import pytest
from amaranth.sim import Simulator

from entresol.memory.types import Implicit
from entresol.privileged.tinst import TransformedInstruction


def run(*cases):
    """Cases are (inputs, expected value)."""
    dut = TransformedInstruction()

    async def testbench(ctx):
        for inputs, expected in cases:
            values = {"insn": 0, "rvc": 0, "cause": 13, "interrupt": 0, "implicit": Implicit.NONE, "offset": 0} | inputs
            for name, value in values.items():
                ctx.set(getattr(dut, name), value)
            assert ctx.get(dut.value) == expected, (inputs, hex(ctx.get(dut.value)))

    sim = Simulator(dut)
    sim.add_testbench(testbench)
    sim.run()


LD = -8 << 20 & 0xFFF00000 | 11 << 15 | 3 << 12 | 10 << 7 | 0x03  # ld a0, -8(a1)
SW = 0x7F << 25 | 12 << 20 | 13 << 15 | 2 << 12 | 0x1C << 7 | 0x23  # sw a2, -4(a3)
AMOADD_D = 0x00 << 27 | 3 << 25 | 12 << 20 | 13 << 15 | 3 << 12 | 10 << 7 | 0x2F  # amoadd.d.aqrl a0, a2, (a3)
LR_W = 0x02 << 27 | 13 << 15 | 2 << 12 | 10 << 7 | 0x2F
HLVX_WU = 0x34 << 25 | 3 << 20 | 11 << 15 | 4 << 12 | 10 << 7 | 0x73  # hlvx.wu a0, (a1)
HSV_D = 0x37 << 25 | 12 << 20 | 11 << 15 | 4 << 12 | 0x73  # hsv.d a2, (a1)
CBO_ZERO = 4 << 20 | 11 << 15 | 2 << 12 | 0x0F


@pytest.mark.rule("H_trap_xtinst_exception", "H_trap_xtinst", "htinst_val", "mtinst_val")
def test_transformed_instructions():
    run(
        ({"insn": LD, "cause": 13}, 3 << 12 | 10 << 7 | 0x03),
        ({"insn": LD, "cause": 21}, 3 << 12 | 10 << 7 | 0x03),
        ({"insn": LD, "cause": 5}, 3 << 12 | 10 << 7 | 0x03),
        ({"insn": LD & ~0x7F | 0x07, "cause": 4}, 3 << 12 | 10 << 7 | 0x07),  # fld
        ({"insn": SW, "cause": 15}, 12 << 20 | 2 << 12 | 0x23),
        ({"insn": SW & ~0x7F | 0x27, "cause": 23}, 12 << 20 | 2 << 12 | 0x27),  # fsw
        ({"insn": AMOADD_D, "cause": 23}, AMOADD_D & ~(31 << 15)),
        ({"insn": AMOADD_D, "cause": 6}, AMOADD_D & ~(31 << 15)),
        ({"insn": LR_W, "cause": 7}, LR_W & ~(31 << 15)),
        ({"insn": HLVX_WU, "cause": 21}, HLVX_WU & ~(31 << 15)),
        ({"insn": HSV_D, "cause": 23}, HSV_D & ~(31 << 15)),
        ({"insn": CBO_ZERO, "cause": 15}, CBO_ZERO & ~(31 << 15)),
    )


@pytest.mark.rule("H_tinst_addr_offset")
def test_the_offset_of_the_faulting_part():
    run(
        ({"insn": LD, "offset": 5, "cause": 13}, 5 << 15 | 3 << 12 | 10 << 7 | 0x03),
        ({"insn": SW, "offset": 3, "cause": 23}, 12 << 20 | 3 << 15 | 2 << 12 | 0x23),
        ({"insn": HSV_D, "offset": 7, "cause": 23}, HSV_D & ~(31 << 15) | 7 << 15),
    )


def test_compressed_instructions_have_bit_1_clear():
    run(
        ({"insn": LD, "rvc": 1}, 3 << 12 | 10 << 7 | 0x01),
        ({"insn": SW, "rvc": 1, "cause": 15}, 12 << 20 | 2 << 12 | 0x21),
    )


@pytest.mark.rule("H_trap_xtinst_guestpage", "H_trap_xtinst_guestpage_rw")
def test_pseudoinstructions():
    run(
        *(({"insn": LD, "cause": cause, "implicit": Implicit.READ, "offset": 3}, 0x3000) for cause in (20, 21, 23)),
        *(({"insn": LD, "cause": cause, "implicit": Implicit.WRITE, "rvc": 1}, 0x3020) for cause in (20, 21, 23)),
    )


@pytest.mark.rule("H_trap_xtinst_interrupt", "H_trap_xtinst_val")
def test_everything_else_is_zero():
    explicit = {4, 5, 6, 7, 13, 15, 21, 23}
    run(
        *(({"insn": LD, "cause": cause}, 0) for cause in range(24) if cause not in explicit),
        *(({"insn": LD, "cause": cause, "interrupt": 1}, 0) for cause in range(14)),
        *(({"insn": LD, "cause": 5, "interrupt": 1, "implicit": implicit}, 0) for implicit in Implicit),
        ({"insn": 0x00000013, "cause": 13}, 0),
    )
