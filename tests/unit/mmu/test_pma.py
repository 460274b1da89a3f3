"""Physical memory attributes of every page near a region's edge."""

import pytest
from amaranth.sim import Simulator
from mmu_bench import make_config

from entresol.config import VIRT_REGIONS
from entresol.mmu.pma import Pma


@pytest.mark.rule("pma_mm_vs_io_def")
def test_regions():
    config = make_config(regions=VIRT_REGIONS)
    dut = Pma(config)

    def attributes(page):
        for region in VIRT_REGIONS:
            if region.base <= page << 12 < region.end:
                return region
        return None

    async def main(ctx):
        edges = {edge + d for r in VIRT_REGIONS for edge in (r.base >> 12, r.end >> 12) for d in (-512, -1, 0, 1, 512)}
        large = 0
        for page in sorted(edge for edge in edges if 0 <= edge < 1 << config.bus_bits - 12):
            ctx.set(dut.ppn, page)
            region = attributes(page)
            assert ctx.get(dut.memory) == (region is not None and not region.io), hex(page)
            assert ctx.get(dut.io) == (region is not None and region.io), hex(page)
            block = page & ~511
            uniform = region is not None and region is attributes(block) and region is attributes(block + 511)
            assert ctx.get(dut.large) == uniform, hex(page)
            large += uniform
        assert large

    sim = Simulator(dut)
    sim.add_testbench(main)
    sim.run()
