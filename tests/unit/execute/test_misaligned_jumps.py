"""Jumps to addresses at which no instruction can be (unprivileged manual, "Control Transfer Instructions")."""

import pytest
from amaranth.sim import Simulator

from entresol.config import get_config
from entresol.execute.execute_stage import ExecuteStage
from entresol.isa.control import BranchOp, Unit

#: rs1 and rs2 with which each of them is taken, and not
OPERANDS = {
    BranchOp.BEQ: ((5, 5), (5, 6)), BranchOp.BNE: ((5, 6), (5, 5)), BranchOp.BLT: ((5, 6), (6, 5)),
    BranchOp.BGE: ((6, 5), (5, 6)), BranchOp.BLTU: ((5, 6), (6, 5)), BranchOp.BGEU: ((6, 5), (5, 6)),
    BranchOp.JAL: ((0, 0), None), BranchOp.JALR: ((0x1000, 0), None),
}  # fmt: skip


def reports(dut, op, target, taken):
    """What M gets of a control transfer at 0x1000: `misaligned` and `result`."""
    found = []

    async def testbench(ctx):
        ctx.set(dut.x_valid, 1)
        ctx.set(dut.m_free_anyway, 1)
        ctx.set(dut.x.fetched.pc, 0x1000)
        ctx.set(dut.x.control.unit, Unit.BRANCH)
        ctx.set(dut.x.control.op, op)
        ctx.set(dut.x.from_pc, op != BranchOp.JALR)
        ctx.set(dut.x.imm, target - 0x1000)
        ctx.set(dut.x.rs1, OPERANDS[op][not taken][0])
        ctx.set(dut.x.rs2, OPERANDS[op][not taken][1])
        await ctx.tick()
        found.extend((ctx.get(dut.m.misaligned), ctx.get(dut.m.result)))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return tuple(found)


@pytest.mark.rule(
    "taken_cti_misaligned_exc", "jump_misaligned_exception", "branch_misaligned_taken_exception",
    "branch_misaligned_untaken_exception", "cond_br_no_ia_misaligned_exc_not_taken",
)
def test_without_compressed_instructions():
    config = get_config("small").without("c")
    for op, (_, untaken) in OPERANDS.items():
        assert reports(ExecuteStage(config), op, 0x1802, True) == (1, 0x1802), op
        assert reports(ExecuteStage(config), op, 0x1804, True) == (0, 0x1004), op
        if untaken is not None:
            assert reports(ExecuteStage(config), op, 0x1802, False) == (0, 0x1004), op


@pytest.mark.rule("jump_misaligned_c_no_exception", "branch_misaligned_c_no_exception")
def test_with_compressed_instructions():
    for op in OPERANDS:
        assert reports(ExecuteStage(get_config("small")), op, 0x1802, True) == (0, 0x1004), op
