"""When a mispredicted branch in X redirects, and when the predictor learns of it."""

from amaranth.sim import Simulator

from entresol.config import get_config
from entresol.execute.execute_stage import ExecuteStage
from entresol.isa.control import BranchOp, Unit


def cycles(inputs):
    """For each cycle with (m_free, flush) of a taken BEQ that was predicted not taken, while it is in X:
    redirect_valid, and update's redirected and valid in the cycle after."""
    dut = ExecuteStage(get_config("small"))
    found = []

    async def testbench(ctx):
        ctx.set(dut.x_valid, 1)
        ctx.set(dut.x.fetched.pc, 0x1000)
        ctx.set(dut.x.control.unit, Unit.BRANCH)
        ctx.set(dut.x.control.op, BranchOp.BEQ)
        ctx.set(dut.x.from_pc, 1)
        ctx.set(dut.x.imm, 0x800)
        for m_free, flush in inputs:
            ctx.set(dut.m_free_anyway, m_free)
            ctx.set(dut.flush, flush)
            redirect = ctx.get(dut.redirect_valid)
            assert not redirect or ctx.get(dut.redirect_pc) == 0x1800
            await ctx.tick()
            found.append((redirect, ctx.get(dut.update.redirected), ctx.get(dut.update.valid)))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return found


def test_a_branch_that_leaves_at_once():
    assert cycles([(1, 0)]) == [(1, 1, 1)]


def test_a_branch_that_waits_redirects_in_its_first_cycle_and_once():
    assert cycles([(0, 0), (0, 0), (1, 0), (1, 0)]) == [(1, 1, 0), (0, 0, 0), (0, 0, 1), (1, 1, 1)]


def test_a_branch_that_is_dropped_teaches_nothing():
    assert cycles([(0, 0), (0, 1), (1, 0)])[1] == (0, 0, 0)
    assert cycles([(1, 1)])[0][1:] == (0, 0)


def test_m_can_stay_empty_for_a_cycle():
    dut = ExecuteStage(get_config("small"))
    held = []

    async def testbench(ctx):
        ctx.set(dut.x_valid, 1)
        for m_free, m_leaves in ((1, 0), (0, 0), (0, 1), (1, 0)):
            ctx.set(dut.m_free_anyway, m_free)
            ctx.set(dut.m_leaves, m_leaves)
            await ctx.tick()
            held.append((ctx.get(dut.m_valid), ctx.get(dut.m_first)))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    assert held == [(1, 1), (1, 0), (0, 0), (1, 1)]
