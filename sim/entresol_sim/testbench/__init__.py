"""Testbenches of your own for the core, in Python with cocotb, on its generated Verilog.

A testbench is a module with `@cocotb.test()` functions; `run` builds a simulation of the core and has them executed:

    # bench_guest.py
    import cocotb
    from entresol_sim.testbench import Testbench

    @cocotb.test()
    async def guest_call_goes_to_the_guest(dut):
        bench = await Testbench.start(dut)
        outcome = await bench.run("VS", "ecall", csrs={"medeleg": 1 << 10})
        assert outcome.trap.handler == "HS" and outcome.csrs["scause"] == 10

    # test_guest.py
    from entresol_sim.testbench import run

    def test_guest():
        run("bench_guest", simulator="verilator").check()

cocotb and cocotbext-axi come with `pip install 'entresol[test]'`; without them everything here can be imported, and
says so when it is used.  docs/user/cocotb.md has the whole story.
"""

from .bench import Outcome, Retired, Testbench, TestbenchError, Trap
from .pages import PageTable
from .run import SIMULATORS, Results, run
from .snippets import assemble

__all__ = [
    "SIMULATORS",
    "Outcome",
    "PageTable",
    "Results",
    "Retired",
    "Testbench",
    "TestbenchError",
    "Trap",
    "assemble",
    "run",
]
