"""Exact cycle counts of the load/store unit.  `cycles` counts the M cycles of an access, so 1 is no delay at all."""

import pytest

from entresol.isa.control import LsuOp

RAM = 0x8000_0000
LOAD, STORE = LsuOp.LOAD, LsuOp.STORE
QUICK = {"stall": 0.0, "read_latency": (9, 9), "write_latency": (9, 9)}  # data 10 cycles after the address


def settled(bench, lsu, scenario, **options):
    """Run `scenario(dut)` with every translation in the TLB; options of the bench may be given."""
    dut = bench(lsu.config(), **(QUICK | options))
    dut.tlb.held.update(dut.pages)

    async def body(dut):
        await dut.ready()
        await scenario(dut)

    return dut(body)


def cycles(outcomes):
    return [outcome.cycles for outcome in outcomes]


async def warm(dut, lsu, *addresses):
    """Have lines in the cache, and nothing going on."""
    await dut.run(*(lsu.Op(LOAD, address) for address in addresses))
    await dut.idle(40)


def test_loads_and_stores_that_hit_take_one_cycle(bench, lsu):
    async def scenario(dut):
        await warm(dut, lsu, 0x10000, 0x11040)
        start = dut.now
        ops = [lsu.Op(STORE if n % 3 == 2 else LOAD, 0x11040 + 8 * (n % 7) if n % 2 else 0x10000 + n % 32,
                      3 if n % 2 else 1 if n % 32 < 31 and n % 8 < 7 else 0, n) for n in range(60)]
        outcomes = await dut.run(*ops)
        clashes = [n for n in range(1, 60) if ops[n - 1].op == STORE and (ops[n - 1].vaddr ^ ops[n].vaddr) & 0xFF8 == 0]
        assert cycles(outcomes) == [2 if n in clashes else 1 for n in range(60)]
        assert dut.now - start == 60 + len(clashes) + 1  # back to back; one more to fire the first

    settled(bench, lsu, scenario)


@pytest.mark.parametrize(("offset", "expected"), [(0, 2), (4, 2), (8, 1)])
def test_access_right_behind_a_store_to_the_same_doubleword_loses_a_cycle(bench, lsu, offset, expected):
    async def scenario(dut):
        await warm(dut, lsu, 0x10000)
        outcomes = await dut.run(lsu.Op(STORE, 0x10000, 3, 5), lsu.Op(LOAD, 0x10000 + offset, 2), lsu.Op(LOAD, 0x10000))
        assert cycles(outcomes) == [1, expected, 1]

    settled(bench, lsu, scenario)


def test_stores_to_the_same_doubleword_follow_each_other(bench, lsu):
    async def scenario(dut):
        await warm(dut, lsu, 0x10000)
        stores = [lsu.Op(STORE, 0x10000 + n % 8, 0, 0x11 * n) for n in range(12)]
        outcomes = await dut.run(*stores, lsu.Op(LOAD, 0x10008), lsu.Op(LOAD, 0x10000))
        assert cycles(outcomes) == [1] * 14
        assert outcomes[-1].rdata == 0x77665544BBAA9988

    settled(bench, lsu, scenario)


def test_atomics_that_hit(bench, lsu):
    async def scenario(dut):
        await warm(dut, lsu, 0x10000)
        outcomes = await dut.run(
            lsu.Op(LsuOp.AMOADD, 0x10000, 3, 5), lsu.Op(LsuOp.LR, 0x10008), lsu.Op(LsuOp.SC, 0x10008, 3, 1),
            lsu.Op(LOAD, 0x10010), lsu.Op(LsuOp.SC, 0x10008, 3, 2))
        assert cycles(outcomes) == [3, 1, 3, 1, 3]

    settled(bench, lsu, scenario)


@pytest.mark.parametrize("latency", [0, 9, 30])
def test_load_miss_goes_on_with_the_critical_word(bench, lsu, latency):
    async def scenario(dut):
        await dut.run(lsu.Op(STORE, 0x11078))
        await dut.idle(latency + 20)
        # 2 M cycles, 1 for the address, `latency` + 1 in the memory, 1 to take the word, which is the sixth of its line
        outcomes = await dut.run(lsu.Op(LOAD, 0x10028), lsu.Op(LOAD, 0x11078), lsu.Op(LOAD, 0x10030))
        assert cycles(outcomes)[0] == latency + 5
        assert cycles(outcomes)[1] == 1  # a hit while the rest of the line arrives
        assert cycles(outcomes)[2] == 8  # the same line: when it is complete

    settled(bench, lsu, scenario, read_latency=(latency, latency))


def test_store_miss_waits_for_the_line(bench, lsu):
    async def scenario(dut):
        outcomes = await dut.run(lsu.Op(STORE, 0x10028, 3, 1))
        assert cycles(outcomes) == [9 + 5 + 7 + 2]

    settled(bench, lsu, scenario)


def test_dirty_victim_does_not_delay_the_refill(bench, lsu):
    async def scenario(dut):
        await dut.run(lsu.Op(STORE, 0x10000, 3, 1))
        await dut.idle(40)
        outcomes = await dut.run(lsu.Op(LOAD, 0x11000))
        assert cycles(outcomes) == [9 + 5]
        assert dut.writebacks == 1

    settled(bench, lsu, scenario, write_latency=(60, 60))


def test_refill_of_the_line_being_written_back_waits_for_the_response(bench, lsu):
    async def scenario(dut):
        await dut.run(lsu.Op(STORE, 0x10000, 3, 1))
        await dut.run(lsu.Op(LOAD, 0x11000))
        outcomes = await dut.run(lsu.Op(LOAD, 0x10000))
        assert cycles(outcomes)[0] > 60
        assert outcomes[0].rdata == 1

    settled(bench, lsu, scenario, write_latency=(60, 60))


@pytest.mark.parametrize(("vaddr", "load", "store"), [(0x10004, 7, 8), (0x1003C, 7, 8), (0x10FFC, 10, 11)])
def test_crossing_accesses_that_hit(bench, lsu, vaddr, load, store):
    async def scenario(dut):
        await warm(dut, lsu, vaddr & ~7, vaddr + 8 & ~7)
        outcomes = await dut.run(lsu.Op(LOAD, vaddr), lsu.Op(STORE, vaddr, 3, 0x0123_4567_89AB_CDEF))
        assert cycles(outcomes) == [load, store]
        assert (await dut.run(lsu.Op(LOAD, vaddr)))[0].rdata == 0x0123_4567_89AB_CDEF

    settled(bench, lsu, scenario)


@pytest.mark.parametrize("ticks", [0, 1, 5])
def test_tlb_miss_costs_the_walk_and_two_cycles(bench, lsu, ticks):
    async def scenario(dut):
        await warm(dut, lsu, 0x10000)
        dut.tlb.held.clear()
        # The walker answers `ticks` + 1 cycles after the second M cycle.
        outcomes = await dut.run(lsu.Op(LOAD, 0x10000), lsu.Op(LOAD, 0x10008))
        assert cycles(outcomes) == [1 + 1 + ticks + 1 + 1, 1]

    settled(bench, lsu, scenario, walk_time=(ticks, ticks))


def test_page_fault_completes_with_the_walkers_answer(bench, lsu):
    async def scenario(dut):
        outcomes = await dut.run(lsu.Op(LOAD, 0x90000))
        assert outcomes[0].faulted
        assert cycles(outcomes) == [2 + 4]

    settled(bench, lsu, scenario, walk_time=(3, 3))


def test_walker_reads_that_hit_take_three_cycles(bench, lsu):
    async def scenario(dut):
        await warm(dut, lsu, 0x10000)
        assert (await dut.ptw(RAM + 8))[0] == 3
        assert (await dut.ptw(RAM + 8, update=(lsu.pattern(RAM + 8), 77)))[0] == 3
        # while M streams: M gets a turn between two requests
        dut.queue.extend(lsu.Op(LOAD, 0x10000 + n % 8 * 8) for n in range(60))
        await dut.idle(4)
        times = [(await dut.ptw(RAM + 8 * n))[0] for n in range(6)]
        assert times[0] == 3 and max(times) <= 5
        await dut.run()

    settled(bench, lsu, scenario)


def test_walker_is_served_while_m_waits_for_it(bench, lsu):
    async def scenario(dut):
        await warm(dut, lsu, 0x10000)
        dut.tlb.held.clear()
        dut.queue.append(lsu.Op(LOAD, 0x10000))
        await dut.idle(3)
        assert dut.current is not None
        assert [(await dut.ptw(RAM + 8 * n))[0] for n in range(4)] == [3] * 4
        assert (await dut.ptw(RAM + 0x5000))[0] == 9 + 5  # a miss, from the request to the critical word
        assert dut.current is not None
        await dut.run()

    settled(bench, lsu, scenario, walk_time=(60, 60))


def test_clean(bench, lsu):
    async def scenario(dut):
        await dut.idle(40)
        assert await dut.clean(RAM) == 3  # absent
        await dut.run(lsu.Op(LOAD, 0x10000))
        await dut.idle(40)
        assert await dut.clean(RAM) == 4  # clean
        await dut.run(lsu.Op(STORE, 0x10000, 3, 1))
        assert await dut.clean(RAM) == 23 and dut.writebacks == 1  # dirty: until the response
        assert await dut.clean(RAM) == 4 and dut.writebacks == 1
        assert cycles(await dut.run(lsu.Op(LOAD, 0x10000))) == [1]  # the line has stayed

    settled(bench, lsu, scenario)


def test_input_and_output(bench, lsu):
    async def scenario(dut):
        outcomes = await dut.run(*[lsu.Op(LOAD, 0x20000), lsu.Op(STORE, 0x20000)] * 2)
        assert cycles(outcomes) == [9 + 5, 9 + 6] * 2
        assert [entry[0] for entry in dut.bus.io_log] == ["r", "w"] * 2

    pages = {0x20: lsu.Page(0x10000, io=True)}
    settled(bench, lsu, scenario, pages=pages, io=lambda address: address < RAM)


@pytest.mark.parametrize("op", [LOAD, STORE])
def test_access_to_a_line_at_any_moment_of_its_refill(bench, lsu, op):
    """It waits for the line and does not fetch it a second time."""
    async def scenario(dut):
        for delay in range(14):
            await dut.idle(30)
            address = 0x10000 + 0x80 * delay
            reads = dut.bus.reads
            await dut.run(lsu.Op(LOAD, address + 0x20))
            await dut.idle(delay)
            await dut.run(lsu.Op(op, address + 8, 3, 1), lsu.Op(LOAD, address + 8))
            assert dut.bus.reads == reads + 1

    settled(bench, lsu, scenario)
