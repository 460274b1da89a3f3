"""Jumps to addresses at which no instruction can be (unprivileged manual, "Control Transfer Instructions")."""

import pytest
from amaranth.sim import Simulator

from entresol.config import get_config
from entresol.execute.execute_stage import ExecuteStage
from entresol.isa.control import BranchOp, Unit


def reports(config, target, taken):
    """What M gets of a BEQ at 0x1000: `misaligned` and `result`."""
    dut = ExecuteStage(config)
    found = []

    async def testbench(ctx):
        ctx.set(dut.x_valid, 1)
        ctx.set(dut.m_free, 1)
        ctx.set(dut.x.fetched.pc, 0x1000)
        ctx.set(dut.x.control.unit, Unit.BRANCH)
        ctx.set(dut.x.control.op, BranchOp.BEQ)
        ctx.set(dut.x.imm, target - 0x1000)
        ctx.set(dut.x.rs1, 0 if taken else 1)
        await ctx.tick()
        found.extend((ctx.get(dut.m.misaligned), ctx.get(dut.m.result)))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return tuple(found)


@pytest.mark.parametrize("target, taken, expected", [
    (0x1802, True, (1, 0x1802)), (0x1802, False, (0, 0x1004)), (0x1804, True, (0, 0x1004)),
])  # fmt: skip
def test_without_compressed_instructions(target, taken, expected):
    assert reports(get_config("small").without("c"), target, taken) == expected


def test_with_compressed_instructions():
    assert reports(get_config("small"), 0x1802, True) == (0, 0x1004)
