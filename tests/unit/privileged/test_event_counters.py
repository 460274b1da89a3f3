"""The counters of events: values, carries and overflows, whoever reads and writes meanwhile."""

import random
from dataclasses import replace

import pytest
from amaranth.sim import Simulator

from entresol.privileged.event_counters import EventCounters

ONES = (1 << 64) - 1


def interesting(generator):
    """Values about to carry: out of the low bits, or out of all of them."""
    return (generator.choice((0, 1 << 6, ONES ^ 63, generator.getrandbits(64))) - generator.randrange(3)) & ONES


@pytest.mark.rule("hpmcounter_op", "mhpmevent_op", "hpmcounter_overflow", "count_overflow_trigger", "MHPMCOUNTER_N_SZ")
@pytest.mark.parametrize("count", [1, 8, 29])
def test_values_and_overflows(everything_config, count):
    """All count in most cycles, so that carries come as fast as they can, and something is accessed nearly always."""
    generator = random.Random(count)
    dut = EventCounters(replace(everything_config, hpm_counters=count))
    overflows, waits = 0, []

    async def testbench(ctx):
        nonlocal overflows
        values = [0] * count
        waited = 0
        for cycle in range(3000):
            which = generator.randrange(count) if cycle % 1000 > 500 else 0  # 500 cycles of one and the same
            access, write = generator.random() < 0.97, generator.random() < 0.05
            ctx.set(dut.number, 3 + which)
            busy = ctx.get(dut.busy)
            written = interesting(generator)
            ctx.set(dut.write, access and write and not busy)
            ctx.set(dut.wdata, written)
            counts = generator.choice(((1 << count) - 1, (1 << count) - 1, generator.getrandbits(count)))
            ctx.set(dut.count, counts)
            if access and not busy:
                assert ctx.get(dut.rdata) == values[which], cycle
            expected = 0
            for index in range(count):
                if counts >> index & 1:
                    expected |= (values[index] == ONES) << index
                    values[index] = values[index] + 1 & ONES
            assert ctx.get(dut.overflow) == expected, cycle
            overflows += bool(expected)
            if access and write and not busy:
                values[which] = written
            await ctx.tick()
            if access and write and not busy:
                assert ctx.get(dut.seen) == written
            waited = waited + 1 if busy else 0
            waits.append(waited)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    assert overflows > 10
    assert 0 < max(waits) <= 2 * count + 2
