"""Random streams through the load/store unit, checked access by access against a byte array."""

import pytest

from entresol.isa.control import LsuOp

IO_BASE = 0x1000_0000
RAM = 0x8000_0000
BAD_PAGE, HALF_BAD_PAGE = RAM + 0x1E000, RAM + 0x1D000


def bad(address):
    """Where the bus answers with errors: a page, a doubleword in every line of another, and a half of the I/O page."""
    page = address & ~0xFFF
    return {BAD_PAGE: True, HALF_BAD_PAGE: address % 64 == 24, IO_BASE: bool(address & 0x800)}.get(page, False)


def is_io(address):
    return address < RAM


def make_pages(lsu):
    """Virtual pages 0x10..: main memory (aliases of sets in a small cache), faults, I/O, split and bad pages, and the
    first page again, uncached."""
    page = lsu.Page
    frames = {n: page((RAM >> 12) + frame) for n, frame in enumerate((0, 1, 5, 9, 2, 13))}
    frames |= {
        6: page((RAM >> 12) + 3, write=False), 7: page(IO_BASE >> 12, io=True),
        8: page((RAM >> 12) + 4, narrow=True), 9: page((RAM >> 12) + 7, narrow=True, line=True),
        10: page(BAD_PAGE >> 12), 11: page(HALF_BAD_PAGE >> 12),
        12: page((RAM >> 12) + 6), 14: page(RAM >> 12, io=True, nc=True),
    }
    return {0x10 + n: entry for n, entry in frames.items()}


def random_op(lsu, rng, hot, faults=True):
    kinds = [LsuOp.LOAD] * 8 + [LsuOp.STORE] * 8 + [LsuOp.LR, LsuOp.SC, LsuOp.SC] + [rng.choice(lsu.AMOS)]
    if rng.random() < 0.1:
        kinds = list(lsu.BLOCK)
    op = rng.choice(kinds)
    size = rng.randrange(4) if op in (LsuOp.LOAD, LsuOp.STORE) else rng.choice((2, 3))
    vpn = rng.choice(hot)
    choice = rng.random()
    if faults and choice < 0.12:
        vpn = rng.randrange(0x10, 0x1F)
    if op == LsuOp.CBO_ZERO and vpn in (0x1A, 0x1B):  # would install what can never be written back
        op = LsuOp.LOAD
    low = rng.choice((0, 8, 16, 56, 64, 72, 120, 0xFC0, 0xFF8, 0x800, 0x818)) + rng.choice((0, 0, 0, 4, 2, 1, 5, 7))
    if op not in (LsuOp.LOAD, LsuOp.STORE) or rng.random() < 0.6:
        low &= -(1 << size)
    if op in (LsuOp.SC, LsuOp.LR):
        low &= 0x47 if rng.random() < 0.9 else -1
    return lsu.Op(op, vpn << 12 | low, size, rng.getrandbits(64) >> rng.choice((0, 0, 32, 63)),
                  op == LsuOp.LOAD and size < 3 and rng.random() < 0.5, rng.randrange(2), rng.random() < 0.04)


def stream(bench, lsu, seed, size=4096, ways=1, count=250, ptw=0.0, gap=0.2, hot=None, **bus):
    """`count` random accesses with walker, clean and flush traffic beside them."""
    bus = {"read_latency": (0, 8), "write_latency": (0, 8), "stall": 0.2} | bus
    dut = bench(lsu.config(size, ways), seed, make_pages(lsu), bad=bad, io=is_io, **bus)
    dut.gap = gap
    dut.vain = 0.3
    dut.tlb.forget = 0.1
    rng = dut.rng

    def beside():
        """Traffic on the other ports."""
        if ptw and not dut.ptw_jobs and rng.random() < ptw:
            address = RAM + rng.choice((0, 0x1000, 0x3000, 0x5000, 0x1D000)) + 8 * rng.randrange(16)
            now = dut.reference.load(address)
            dut.ptw_jobs.append((rng.random() < 0.4, address, now ^ (rng.random() < 0.3), rng.getrandbits(64)))
        if dut.clean_job is None and rng.random() < ptw / 3:
            dut.clean_job = RAM + rng.choice((0, 0x1000, 0x5000)) + 8 * rng.randrange(16)

    async def scenario(dut):
        left = count
        pages = hot or [0x10, 0x10, 0x11, 0x12, 0x13]
        while left or dut.queue or dut.current is not None:
            if left and len(dut.queue) < 2:
                dut.queue.append(random_op(lsu, rng, pages))
                left -= 1
            beside()
            await dut.cycle()
        while dut.ptw_job or dut.ptw_jobs or dut.clean_job is not None:
            await dut.cycle()
        await dut.flush_all()
        assert dut.bus.io_log == dut.reference.io_log

    dut(scenario)
    return dut


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("size", "ways"), [(512, 1), (1024, 4)])
@pytest.mark.rule(
    "zicclsm_misaligned_support", "lr_w_op", "sc_w_success", "sc_w_failure", "sc_reservation_invalidate",
    "sc_failed_as_store", "lr_sc_rv64", "amo_operand_size", "amo_alignment", "LR_SC_ALIGNMENT", "pma_mm_rw",
    "pma_mm_mandatory_sz", "pma_amo_levels", "pma_amo_sz_support", "PMA_CACHE_MM_ALL_ATOMICS", "ziccamoa_pma_amo_req",
    "sc_pairs_latest_lr", "rvwmo_ld_val_axiom", "rvwmo_single_hart_op", "rvwmo_obeyed", "rvwmo_ppo",
    "rvwmo_progress_axiom", "rvwmo_sc_fail_no_memop", "pma_idp_mm",
)
def test_random_stream(bench, lsu, seed, size, ways):
    dut = stream(bench, lsu, seed, size, ways, ptw=0.03)
    assert dut.misses and dut.writebacks and dut.tlb.walks


def test_random_stream_on_a_quick_bus(bench, lsu):
    stream(bench, lsu, 7, 1024, 4, stall=0.0, read_latency=(0, 0), write_latency=(0, 0), gap=0.0)


@pytest.mark.rule("rvwmo_aligned_amo_memop")
def test_random_stream_with_a_busy_walker(bench, lsu):
    dut = stream(bench, lsu, 8, 512, 1, ptw=0.4, gap=0.0, count=200)
    assert len(dut.ptw_log) > 50 and dut.clean_done > 5
