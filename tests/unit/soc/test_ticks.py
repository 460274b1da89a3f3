# amaranth: UnusedElaboratable=no
"""Slower rates out of the clock."""

import pytest
from soc_bench import simulate

from entresol.soc.ticks import Ticks


@pytest.mark.parametrize(("rate", "clock"), [(1, 2), (2, 5), (576, 1000), (999, 1000), (10_000_000, 40_000_000)])
def test_as_evenly_as_cycles_allow(rate: int, clock: int):
    dut = Ticks(rate, clock)

    async def bench(ctx):
        count = 0
        for cycle in range(1, 2001):
            *_, tick = await ctx.tick().sample(dut.tick)
            count += tick
            assert count == cycle * rate // clock

    simulate(dut, bench)


@pytest.mark.parametrize(("rate", "clock"), [(0, 5), (6, 5)])
def test_refuses_what_is_impossible(rate: int, clock: int):
    with pytest.raises(ValueError, match="choose one from 1 to 5"):
        Ticks(rate, clock)
