"""Cache-block operations: what menvcfg, henvcfg and senvcfg allow, against the manual's pseudocode."""

import itertools

import pytest
from amaranth.sim import Simulator

from entresol.isa.control import LsuOp
from entresol.isa.privilege import Priv
from entresol.privileged.block_control import BlockControl

MODES = {"U": (Priv.U, 0), "S": (Priv.S, 0), "M": (Priv.M, 0), "VU": (Priv.U, 1), "VS": (Priv.S, 1)}
OFF, FLUSH, RESERVED, INVALIDATE = range(4)


def refusal(mode, enabled):
    """`enabled` is true or false for m, h and senvcfg."""
    m, h, s = enabled
    if (mode != "M" and not m) or (mode == "U" and not s):
        return "illegal"
    if (mode == "VS" and not h) or (mode == "VU" and not (h and s)):
        return "virtual"
    return "ok"


def flushes(mode, m, h, s):
    return ((mode != "M" and m == FLUSH) or (mode == "U" and s == FLUSH) or (mode == "VS" and h == FLUSH)
            or (mode == "VU" and FLUSH in (h, s)))


@pytest.mark.rule(
    "cbo-inval", "cbo-clean_cbo-flush", "cbo-zero_basedon_xenvcfg-CBZE", "menvcfg_cbze_op", "menvcfg_cbcfe_op",
    "menvcfg_cbie_op", "menvcfg_cbie_cbo-inval_op", "henvcfg_cbze", "henvcfg_cbcfe", "henvcfg_cbie", "senvcfg_cbze",
    "senvcfg_cbcfe", "senvcfg_cbie", "cbo-inval_s-mode_op",
)
def test_every_operation_in_every_mode():
    dut = BlockControl()
    registers = (dut.menvcfg, dut.henvcfg, dut.senvcfg)

    async def testbench(ctx):
        def outcome(mode, op):
            priv, v = MODES[mode]
            ctx.set(dut.mode, {"priv": priv, "v": v})
            ctx.set(dut.op, op)
            illegal, virtual = ctx.get(dut.illegal), ctx.get(dut.virtual)
            assert not (illegal and virtual)
            return "illegal" if illegal else "virtual" if virtual else "ok"

        for others, mode in itertools.product((0, 1), MODES):  # the fields of other operations do not matter
            for values in itertools.product((OFF, FLUSH, INVALIDATE), repeat=3):
                for register, value in zip(registers, values, strict=True):
                    ctx.set(register, {"cbie": value, "cbcfe": others, "cbze": others})
                assert outcome(mode, LsuOp.CBO_INVAL) == refusal(mode, values), (mode, values)
                assert ctx.get(dut.inval_flushes) == flushes(mode, *values), (mode, values)
            for values in itertools.product((0, 1), repeat=3):
                for register, value in zip(registers, values, strict=True):
                    ctx.set(register, {"cbie": 3 * others, "cbcfe": value, "cbze": others})
                for op in (LsuOp.CBO_CLEAN, LsuOp.CBO_FLUSH):
                    assert outcome(mode, op) == refusal(mode, values), (op, mode, values)
                for register, value in zip(registers, values, strict=True):
                    ctx.set(register, {"cbie": 3 * others, "cbcfe": others, "cbze": value})
                assert outcome(mode, LsuOp.CBO_ZERO) == refusal(mode, values), (mode, values)
            for op in LsuOp:
                if not op.name.startswith("CBO"):
                    assert outcome(mode, op) == "ok"

    sim = Simulator(dut)
    sim.add_testbench(testbench)
    sim.run()


@pytest.mark.rule("cbo-inval_h-mode_veq1_op", "cbo-inval_h-mode_op", "cbxe_unaffected")
def test_the_registers_control_it(bench):
    """henvcfg takes any value under any menvcfg; what counts is the most restrictive one."""
    menvcfg, henvcfg, senvcfg, mstateen0, hstateen0 = 0x30A, 0x60A, 0x10A, 0x30C, 0x60C

    async def scenario(b):
        await b.write(mstateen0, 1 << 62)
        await b.write(hstateen0, 1 << 62)
        for m, h, s, vs, vu in ((0, 3, 3, "illegal", "illegal"), (1, 3, 3, "flush", "flush"),
                                (3, 1, 3, "flush", "flush"), (3, 3, 1, "invalidate", "flush"),
                                (3, 3, 3, "invalidate", "invalidate"), (3, 0, 3, "virtual", "virtual"),
                                (3, 3, 0, "invalidate", "virtual")):
            await b.go("M")
            for register, value in ((menvcfg, m), (henvcfg, h), (senvcfg, s)):
                await b.write(register, value << 4)
                assert b.read(register) == value << 4
            for mode, expected in (("VS", vs), ("VU", vu)):
                await b.go(mode)
                b.set(block_op=LsuOp.CBO_INVAL)
                got = ("illegal" if b.get("block_illegal") else "virtual" if b.get("block_virtual")
                       else "flush" if b.get("inval_flushes") else "invalidate")
                assert got == expected, (m, h, s, mode)
                await b.go("M")

    bench.run(scenario)
