"""Counters: what they count, and exactly what a write does."""

import pytest

from entresol.observe import Events

ONES = (1 << 64) - 1
INHIBIT = 0x320


@pytest.mark.rule(
    "mcycle_op", "mcycle_wr", "minstret_wr", "mcountinhibit_op", "cycle_op", "instret_op", "hpmcounter_op",
    "mcycle_rst", "MCYCLE_SHARED", "zicntr_rdcycle_op",
)
def test_cycles(bench):
    async def scenario(b):
        start = b.read(0xB00)
        await b.tick(5)
        assert b.read(0xB00) == b.read(0xC00) == start + 5
        await b.write(0xB00, 1000)
        assert b.read(0xC00) == 1000
        await b.write(0xB00, ONES)
        await b.tick(2)
        assert b.read(0xB00) == 1
        await b.write(INHIBIT, 1)
        stopped = b.read(0xB00)
        await b.tick(3)
        assert b.read(0xB00) == stopped
        await b.write(INHIBIT, ONES - 1)
        await b.tick(3)
        assert b.read(0xB00) == stopped + 3

    bench.run(scenario)


@pytest.mark.rule("minstret_op", "mcycle_wr", "minstret_wr", "minstret_rst", "zicntr_rdinstret_op", "zicsr_order")
def test_instructions(bench):
    async def scenario(b):
        b.set(retired=1)
        await b.tick(3)
        b.set(retired=0)
        await b.tick(3)
        assert b.read(0xB02) == b.read(0xC02) == 3
        # the instruction that writes minstret is not counted
        b.set(retired=1)
        await b.write(0xB02, 0xFFFF_FFFF)
        assert b.read(0xB02) == 0xFFFF_FFFF
        await b.tick()
        b.set(retired=0)
        b.read(0xB02)
        assert b.get("csr_busy")  # an instruction that has retired is being counted
        await b.tick()
        assert b.read(0xB02) == 0x1_0000_0000 and not b.get("csr_busy")
        await b.write(INHIBIT, 4)
        b.set(retired=1)
        await b.tick(3)
        assert b.read(0xB02) == 0x1_0000_0000

    bench.run(scenario)


@pytest.mark.rule(
    "mhpmevent_enc", "mhpmevent_op", "MHPMEVENT_WARL", "MHPMCOUNTER_N_SZ", "mcountinhibit_op", "m_mode_perf_monitoring",
    "HPM_PLATFORM_SPECIFIC_IMPL", "HPM_UNIMPLEMENTED_COUNTER_ACCESS", "hpm_misconfigured_event_behavior",
    "mhpmevent_sz",
)
def test_events(bench):
    async def scenario(b):
        names = list(Events.as_shape().members)
        for number, name in enumerate(names, 1):
            await b.write(0x323, number)
            await b.write(0x324, 0)
            await b.tick()
            await b.write(0xB03, 7)
            b.set(events={name: 1})
            await b.tick(4)
            b.set(events={other: 1 for other in names if other != name})
            await b.tick(4)
            b.set(events={})
            assert b.read(0xB03) == b.read(0xC03) == 11, name
        assert b.read(0xB04) == 0
        await b.write(INHIBIT, 1 << 3)
        b.set(events={name: 1 for name in names})
        await b.tick(4)
        assert b.read(0xB03) == 11
        await b.write(INHIBIT, 0)
        await b.write(0x324, 1)
        await b.tick(4)
        assert b.read(0xB04) >= 3 and b.read(0xB05) == b.read(0xC1F) == 0

    bench.run(scenario)
