"""The memory that wide CSRs are read from."""

from amaranth.hdl import ClockDomain, Module
from amaranth.sim import Simulator

from entresol.config import get_config
from entresol.isa.csrs import csr_table
from entresol.privileged.csr_copies import DEPTH, CsrCopies


def test_registers_are_zero_after_a_reset():
    table = csr_table(get_config("small"))
    m = Module()
    m.domains.sync = sync = ClockDomain()
    m.submodules.dut = dut = CsrCopies({3: table["mtvec"], 15: table["satp"]})

    async def testbench(ctx):
        def read():
            values = []
            for word in (3, 15):
                ctx.set(dut.word, word)
                values.append(ctx.get(dut.rdata))
            return values

        ctx.set(dut.access, 1)
        for word in (3, 15):
            ctx.set(dut.word, word)
            ctx.set(dut.write, 1)
            ctx.set(dut.wdata, (1 << 64) - 1)
            await ctx.tick()
        ctx.set(dut.write, 0)
        assert read() == [(1 << 64) - 3, (1 << 64) - 1]
        ctx.set(sync.rst, 1)
        for _ in range(DEPTH):
            await ctx.tick()
        ctx.set(sync.rst, 0)
        assert read() == [0, 0]

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
