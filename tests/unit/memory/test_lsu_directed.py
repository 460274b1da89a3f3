"""The load/store unit, one behaviour at a time."""

import pytest

from entresol.isa.causes import Cause
from entresol.isa.control import LsuOp

RAM = 0x8000_0000
IO = 0x1000_0000
LOAD, STORE, LR, SC = LsuOp.LOAD, LsuOp.STORE, LsuOp.LR, LsuOp.SC


def scene(bench, lsu, scenario, **options):
    """Run `scenario(dut)`, every access being checked against the reference, and flush at the end."""
    dut = bench(lsu.config(), **options)

    async def body(dut):
        await dut.ready()
        await scenario(dut)
        dut.tlb.forget = 0
        await dut.flush_all()

    return dut(body)


@pytest.mark.rule(
    "amo_alignment", "LR_SC_ALIGNMENT", "MCAUSE_EXCCODE_MISALIGNED_VS_FAULT_PRI", "pma_mag_op_amo", "pma_mag_op_rsrv",
    "PMA_MAG_EXC", "MISALIGNED_ATOMICITY_GRANULE_SIZE",
)
@pytest.mark.parametrize("op", [LR, SC, LsuOp.AMOADD])
@pytest.mark.parametrize("vaddr", [0x10004, 0x10001, 0x99999, 0x20004])
def test_misaligned_atomic_is_an_address_misaligned_exception_before_any_other(bench, lsu, op, vaddr):
    async def scenario(dut):
        outcome, = await dut.run(lsu.Op(op, vaddr, 3, 1, v=1))
        assert outcome.faulted
        expected = Cause.LOAD_ADDRESS_MISALIGNED if op == LR else Cause.STORE_ADDRESS_MISALIGNED
        assert (outcome.cause, outcome.fault_vaddr, outcome.v) == (expected, vaddr, 1)
        assert dut.tlb.walks == 0

    scene(bench, lsu, scenario, pages={0x10: lsu.Page(RAM >> 12), 0x20: lsu.Page(IO >> 12, io=True)})


@pytest.mark.rule(
    "pma_io_rwx_per_sz", "pma_idp_misaligned_exc", "pma_amo_far_subset_proc", "pma_rsrv_levels", "PMA_MAG_EXC",
    "pma_precise_recom",
)
@pytest.mark.parametrize(("op", "vaddr", "size", "cause"), [
    (LOAD, 0x20001, 1, 5), (STORE, 0x20006, 2, 7), (LOAD, 0x20004, 3, 5), (LR, 0x20000, 3, 5), (SC, 0x20000, 3, 7),
    (LsuOp.AMOSWAP, 0x20000, 2, 7), (LsuOp.CBO_ZERO, 0x20000, 0, 7),
    (LOAD, 0x1FFFC, 3, 5), (STORE, 0x20FFE, 2, 7)])
def test_what_io_does_not_take_is_an_access_fault(bench, lsu, op, vaddr, size, cause):
    async def scenario(dut):
        outcome, = await dut.run(lsu.Op(op, vaddr, size))
        assert (outcome.faulted, outcome.cause) == (True, cause)
        assert outcome.fault_vaddr == (0x20000 if vaddr < 0x20000 else vaddr)
        assert not dut.bus.io_log

    pages = {0x1F: lsu.Page(RAM >> 12), 0x20: lsu.Page(IO >> 12, io=True), 0x21: lsu.Page(RAM >> 12)}
    scene(bench, lsu, scenario, pages=pages, io=lambda address: address < RAM)


NC = {0x10: 0, 0x11: 1, 0x12: 2}  # pages of RAM, seen again uncached as 0x20 and so on


def uncached(lsu, nc):
    """Pages of main memory, each also as an uncached alias."""
    pages = {vpn: lsu.Page((RAM >> 12) + frame) for vpn, frame in NC.items()}
    return pages | {vpn + 0x10: lsu.Page((RAM >> 12) + frame, io=True, nc=nc) for vpn, frame in NC.items()}


@pytest.mark.rule("Svpbmt_noncacheable_aliasing_no_coherence_loss", "Svpbmt_obeys_mem_ordering",
                  "Svpbmt_memory_pma_io_pbmt_strong_io_ordering", "Svpbmt_aliasing_attribute",
                  "Svpbmt_cacheable_aliasing_may_cause_coherence_loss", "uncached_ignores_cached")
@pytest.mark.parametrize("nc", [True, False])
def test_uncached_main_memory_stays_coherent(bench, lsu, nc):
    """Stores and loads of the same doublewords, cached and uncached: the bus sees every uncached one, with its size and
    in order, and each load gets what was stored last."""
    async def scenario(dut):
        ops = []
        for size in (3, 2, 1, 0):
            for first, then in ((0x10, 0x20), (0x20, 0x10), (0x20, 0x20)):
                for offset in (0, 8 - (1 << size), 0x40, 0x1000):
                    at = lambda vpn, offset=offset: (vpn << 12) + offset  # noqa: E731
                    ops += [lsu.Op(STORE, at(first), size, dut.rng.getrandbits(64)), lsu.Op(LOAD, at(then), size),
                            lsu.Op(STORE, at(then), size, dut.rng.getrandbits(64)), lsu.Op(LOAD, at(first), size)]
        before = dut.bus.reads, dut.bus.writes
        await dut.run(*ops)
        singles = sum(op.vaddr >> 12 >= 0x20 for op in ops)
        assert dut.bus.reads + dut.bus.writes - sum(before) >= singles
        # the cache has nothing dirty of what was last written uncached
        await dut.run(lsu.Op(STORE, 0x10100, 3, 1), lsu.Op(STORE, 0x20100, 3, 2))
        assert dut.bus.load(RAM + 0x100) == 2
        await dut.run(lsu.Op(STORE, 0x10108, 3, 3), lsu.Op(LOAD, 0x20100, 3))
        assert dut.bus.load(RAM + 0x108) == 3
        # nor does a copy in it count that is older than memory
        await dut.run(lsu.Op(LOAD, 0x10100, 3))
        dut.bus.memory[RAM + 0x100] = 4
        dut.reference.store(RAM + 0x100, 4)
        assert (await dut.run(lsu.Op(LOAD, 0x20100, 3)))[0].rdata == 4

    scene(bench, lsu, scenario, pages=uncached(lsu, nc))


@pytest.mark.rule("Svpbmt_impl_may_override_pmas")
@pytest.mark.parametrize(("op", "vaddr", "size"), [
    (LOAD, 0x20001, 1), (STORE, 0x20006, 2), (LOAD, 0x10FFC, 3), (STORE, 0x1FFFD, 2), (LR, 0x20000, 3),
    (SC, 0x20000, 3), (LsuOp.AMOADD, 0x20000, 2), (LsuOp.CBO_ZERO, 0x20000, 0)])
@pytest.mark.parametrize("nc", [True, False])
def test_what_uncached_main_memory_does_not_take(bench, lsu, op, vaddr, size, nc):
    """Misaligned accesses (also if only the second page is uncached): for software with PBMT=NC, refused with PBMT=IO,
    as for I/O regions.  Atomics and CBO.ZERO: refused with both."""
    async def scenario(dut):
        outcome, = await dut.run(lsu.Op(op, vaddr, size))
        assert outcome.faulted
        second = vaddr & 0xFFF > 0xF00
        assert (outcome.cause in (4, 6)) == (nc and op in (LOAD, STORE))
        assert outcome.fault_vaddr == ((vaddr | 0xFFF) + 1 if second and not nc else vaddr)
        assert not dut.bus.reads + dut.bus.writes

    pages = uncached(lsu, nc)
    pages |= {0x11: pages[0x20], 0x1F: pages[0x10]}
    scene(bench, lsu, scenario, pages=pages)


@pytest.mark.rule("Svpbmt_cacheable_aliasing_fence_flush_fence_required")
@pytest.mark.parametrize("op", [LsuOp.CBO_CLEAN, LsuOp.CBO_FLUSH])
def test_cache_block_management_ignores_memory_types(bench, lsu, op):
    """It works on the line through an uncached alias too, and does nothing where nothing is ever cached."""
    async def scenario(dut):
        await dut.run(lsu.Op(STORE, 0x10048, 3, 0x1111), lsu.Op(op, 0x20070, 3))
        assert dut.bus.load(RAM + 0x48) == 0x1111
        await dut.run(lsu.Op(op, 0x30000))

    pages = uncached(lsu, True) | {0x30: lsu.Page(IO >> 12, io=True)}
    scene(bench, lsu, scenario, pages=pages, io=lambda address: address < RAM)


@pytest.mark.rule("pm_misaligned_equivalence")
@pytest.mark.parametrize("op", [LOAD, STORE])
@pytest.mark.parametrize("physical", [False, True])
@pytest.mark.parametrize(("pmm", "width"), [(0, 64), (2, 57), (3, 48)])
def test_pointer_masking_of_the_second_page(bench, lsu, op, physical, pmm, width):
    """Every byte's address is masked by itself: behind the last one of the lower half is the first of the upper one, or
    for physical addresses, at the end of what masking leaves, the first of all."""
    last = (1 << width) - 0x1000 if physical else (1 << width - 1) - 0x1000
    following = 0 if physical else (1 << 64) - (1 << width - 1)

    async def scenario(dut):
        for offset in (0xFF9, 0xFFC, 0xFFF):
            await dut.run(lsu.Op(op, last + offset, 3, 0x1122_3344_5566_7788, pmm=pmm, physical=physical),
                          lsu.Op(LOAD, following), lsu.Op(LOAD, last + 0xFF8))
        del dut.tlb.pages[following >> 12]
        dut.tlb.held.clear()
        outcome, = await dut.run(lsu.Op(op, last + 0xFFC, 3, pmm=pmm, physical=physical))
        assert (outcome.faulted, outcome.fault_vaddr) == (True, following)

    scene(bench, lsu, scenario, pages={last >> 12: lsu.Page(RAM >> 12), following >> 12: lsu.Page((RAM >> 12) + 3)})


@pytest.mark.rule("pma_non_cacheable", "pma_mo_io_chan_1", "pma_mo_io_chan_other", "PMA_MO_DYN", "pma_mo_io_chan_0",
                  "ldst_atomicity_for_aligned", "rvwmo_single_copy_atomic", "rvwmo_aligned_memop")
def test_io_accesses_have_their_size_and_order(bench, lsu):
    async def scenario(dut):
        ops = []
        for size in range(4):
            for offset in range(0, 8, 1 << size):
                ops += [lsu.Op(STORE, 0x20010 + offset, size, 0x8877_6655_4433_2211 + offset),
                        lsu.Op(LOAD, 0x20020 + offset, size)]
        await dut.run(*ops)
        assert dut.bus.io_log == dut.reference.io_log
        assert len(dut.bus.io_log) == 30

    scene(bench, lsu, scenario, pages={0x20: lsu.Page(IO >> 12, io=True)}, io=lambda address: address < RAM)


@pytest.mark.rule(
    "pma_mo_io_chan_1", "menvcfg_fiom_fence_op", "menvcfg_fiom_atomic_op", "menvcfg_fiom_fence_presuc_op",
    "senvcfg_fiom_op", "senvcfg_fiom_op_atomic", "henvcfg_fiom_op", "henvcfg_fiom_order", "a_acquire_semantics",
    "a_release_semantics", "a_seq_cst_semantics", "a_no_aq_rl", "a_domain_specific_ordering", "amo_release_consistency",
    "fence_op", "fence-tso_op", "fence-tso_ordering_rw_rw_ok", "fence_cons_ok", "Svpbmt_io_pma_nc_pbmt_obey_rvwmo",
    "Svpbmt_io_pma_nc_pbmt_treated_as_io_and_memory", "Svpbmt_memory_pma_io_pbmt_treated_as_io_and_memory",
    "Svpbmt_noncacheable_aliasing_may_weaken_ordering", "Svpbmt_noncacheable_aliasing_fence_prevents_ordering_loss",
)
@pytest.mark.parametrize("second", [0x20008, 0x30008, 0x10008], ids=["the same", "PBMT=NC", "PBMT=IO"])
def test_io_write_has_its_response_before_the_next_access(bench, lsu, second):
    """Whatever makes it an access to I/O."""
    async def scenario(dut):
        dut.queue.extend([lsu.Op(STORE, 0x20000, 3, 1), lsu.Op(STORE, second, 3, 2), lsu.Op(LOAD, 0x20000),
                          lsu.Op(STORE, second + 8, 3, 2), lsu.Op(LOAD, second), lsu.Op(STORE, 0x20008, 3, 2)])
        most = 0
        while dut.queue or dut.current is not None:
            await dut.cycle()
            most = max(most, len(dut.bus.responses) + len(dut.bus.beats) + len(dut.bus.addresses))
        assert most == 1

    pages = {0x20: lsu.Page(IO >> 12, io=True), 0x30: lsu.Page(IO >> 12, io=True, nc=True),
             0x10: lsu.Page(RAM >> 12, io=True)}
    scene(bench, lsu, scenario, pages=pages, io=lambda address: address < RAM, write_latency=(20, 20),
          read_latency=(20, 20))


@pytest.mark.rule("pma_precise_recom", "pma_imprecise_ok")
@pytest.mark.parametrize(("op", "size"), [(LOAD, 3), (STORE, 3), (LOAD, 0), (STORE, 0)])
def test_bus_error_of_io_is_an_access_fault(bench, lsu, op, size):
    async def scenario(dut):
        outcome, good = await dut.run(lsu.Op(op, 0x20808, size), lsu.Op(op, 0x20008, size))
        assert outcome.faulted and outcome.cause == (5 if op == LOAD else 7) and outcome.fault_vaddr == 0x20808
        assert not good.faulted

    scene(bench, lsu, scenario, pages={0x20: lsu.Page(IO >> 12, io=True)}, io=lambda address: address < RAM,
          bad=lambda address: bool(address & 0x800))


@pytest.mark.parametrize("op", [LOAD, STORE, LR, LsuOp.AMOOR])
@pytest.mark.parametrize("where", [0, 24, 56])
def test_bus_error_in_a_refill(bench, lsu, op, where):
    """The critical word's error is a load's; whatever else wants the line has any word's.  It is never installed."""
    async def scenario(dut):
        for _ in range(2):
            outcome, = await dut.run(lsu.Op(op, 0x10018, 3, 1))
            is_load = op in (LOAD, LR)
            assert outcome.faulted == (where == 24 or not is_load)
            if outcome.faulted:
                assert (outcome.cause, outcome.fault_vaddr) == (5 if is_load else 7, 0x10018)
        assert dut.bus.reads == 2
        outcome, = await dut.run(lsu.Op(LOAD, 0x10010))
        assert not outcome.faulted

    scene(bench, lsu, scenario, bad=lambda address: address == RAM + where)


@pytest.mark.parametrize("op", [LOAD, STORE])
@pytest.mark.parametrize(("bad_line", "expected"), [(RAM, 0x1003C), (RAM + 64, 0x10040)])
def test_bus_error_in_a_part_of_a_crossing_access(bench, lsu, op, bad_line, expected):
    async def scenario(dut):
        outcome, = await dut.run(lsu.Op(op, 0x1003C, 3, 1))
        assert (outcome.faulted, outcome.cause, outcome.fault_vaddr) == (True, 5 if op == LOAD else 7, expected)

    scene(bench, lsu, scenario, bad=lambda address: address & ~63 == bad_line)


@pytest.mark.rule("zicclsm_misaligned_support", "pmp_misaligned_access_behavior")
@pytest.mark.parametrize("op", [LOAD, STORE])
def test_fault_in_the_second_page_changes_nothing(bench, lsu, op):
    async def scenario(dut):
        outcome, = await dut.run(lsu.Op(op, 0x10FFD, 3, 0))
        assert outcome.faulted
        assert (outcome.cause, outcome.fault_vaddr, outcome.gpa) == (13 if op == LOAD else 15, 0x11000, 0x14000)
        await dut.run(lsu.Op(LOAD, 0x10FF8))

    scene(bench, lsu, scenario, pages={0x10: lsu.Page(RAM >> 12), 0x11: lsu.Page(0x80001, read=False, write=False)})


@pytest.mark.rule("zicclsm_misaligned_support", "PMA_MAG_OP_LDST", "rvwmo_misaligned_ldst_memops")
@pytest.mark.parametrize("size", [1, 2, 3])
def test_every_misaligned_position(bench, lsu, size):
    async def scenario(dut):
        ops = []
        for vaddr in (*range(0x10000, 0x10010), *range(0x10038, 0x10040), *range(0x10FF8, 0x11000)):
            ops += [lsu.Op(STORE, vaddr, size, dut.rng.getrandbits(64)), lsu.Op(LOAD, vaddr, size),
                    lsu.Op(LOAD, vaddr, size, unsigned=True), lsu.Op(LOAD, vaddr & ~7)]
        await dut.run(*ops)

    scene(bench, lsu, scenario, pages={0x10: lsu.Page(RAM >> 12), 0x11: lsu.Page((RAM >> 12) + 7)})


@pytest.mark.rule(
    "lr_w_op", "sc_w_success", "sc_w_failure", "sc_failure_code", "sc_reservation_invalidate",
    "sc_addr_not_in_reservation_fail", "sc_intervening_sc_fail", "LR_RESERVATION_SET_SIZE", "za64rs_res_set_req",
    "za128rs_res_set_req", "za64rs_implies_za128rs",
)
def test_load_reserved_and_store_conditional(bench, lsu):
    async def results(dut, *ops):
        return [outcome.rdata for outcome in await dut.run(*ops)]

    async def scenario(dut):
        lr, sc = lsu.Op(LR, 0x10008), lsu.Op(SC, 0x10008, 3, 7)
        assert await results(dut, sc) == [1]
        assert (await results(dut, lr, sc, sc))[1:] == [0, 1]
        assert (await results(dut, lr, lsu.Op(SC, 0x10010, 3, 1), sc))[1:] == [1, 1]  # elsewhere fails, and clears
        assert (await results(dut, lr, lsu.Op(STORE, 0x10020, 3, 1), sc))[2] == 0
        assert (await results(dut, lr, lsu.Op(LOAD, 0x11000), lsu.Op(LOAD, 0x11008), sc))[3] == 0  # its line evicted
        assert (await results(dut, lsu.Op(LR, 0x1000C, 2), lsu.Op(SC, 0x1000C, 2, 5), lsu.Op(SC, 0x1000C, 2, 5)))[1:] \
            == [0, 1]

    scene(bench, lsu, scenario)


def test_reservation_clear_makes_the_next_sc_fail(bench, lsu):
    async def scenario(dut):
        await dut.run(lsu.Op(LR, 0x10008))
        dut.pins["reservation_clear"] = 1
        await dut.cycle()
        dut.pins["reservation_clear"] = 0
        dut.reference.reservation = None
        outcome, = await dut.run(lsu.Op(SC, 0x10008, 3, 7))
        assert outcome.rdata == 1

    scene(bench, lsu, scenario)


@pytest.mark.rule("sc_retire_permission", "sc_failed_as_store", "sc_failed_side_effects")
def test_failing_sc_needs_store_permission(bench, lsu):
    async def scenario(dut):
        outcome, = await dut.run(lsu.Op(SC, 0x10000))
        assert (outcome.faulted, outcome.cause) == (True, Cause.STORE_PAGE_FAULT)

    scene(bench, lsu, scenario, pages={0x10: lsu.Page(RAM >> 12, write=False)})


@pytest.mark.parametrize("op", [STORE, SC, LsuOp.AMOADD, LsuOp.CBO_ZERO, LsuOp.CBO_INVAL, LOAD])
@pytest.mark.parametrize("cached", [False, True])
def test_killed_access_has_no_effect(bench, lsu, op, cached):
    async def scenario(dut):
        if cached:
            await dut.run(lsu.Op(STORE, 0x10008, 3, 0x1234), lsu.Op(LR, 0x10008))
            await dut.idle(30)
        reads, walks = dut.bus.reads, dut.tlb.walks
        await dut.run(lsu.Op(op, 0x10008, 3, 99, kill=True))
        await dut.idle(30)
        assert (dut.bus.reads, dut.tlb.walks) == (reads, walks)
        if cached:
            outcome, = await dut.run(lsu.Op(SC, 0x10008, 3, 5))
            assert outcome.rdata == 0  # the reservation is still there
        await dut.run(lsu.Op(LOAD, 0x10008))

    scene(bench, lsu, scenario)


@pytest.mark.rule("pma_idp_no_spec")
def test_killed_io_access_never_reaches_the_bus(bench, lsu):
    async def scenario(dut):
        await dut.run(lsu.Op(LOAD, 0x20000), lsu.Op(LOAD, 0x20008, kill=True), lsu.Op(STORE, 0x20008, kill=True))
        await dut.idle(10)
        assert len(dut.bus.io_log) == 1

    scene(bench, lsu, scenario, pages={0x20: lsu.Page(IO >> 12, io=True)}, io=lambda address: address < RAM)


@pytest.mark.rule(
    "cbo-clean_op", "cbo-flush_op", "cbo-inval_op", "cbo-zero_op", "cbo-zero_unaligned", "cbo-flush_unaligned",
    "cbo-inval_unaligned", "no_addr_misaligned_excep", "zic64b_cache_block_size", "CACHE_BLOCK_SIZE",
)
def test_cache_block_operations(bench, lsu):
    async def scenario(dut):
        line = RAM + 0x40
        store = lsu.Op(STORE, 0x10048, 3, 0x1111)
        await dut.run(store, lsu.Op(LsuOp.CBO_CLEAN, 0x10077, 2))
        assert dut.bus.load(line + 8) == 0x1111
        reads = dut.bus.reads
        await dut.run(lsu.Op(LOAD, 0x10048))
        assert dut.bus.reads == reads  # the line has stayed
        await dut.run(lsu.Op(STORE, 0x10048, 3, 0x2222), lsu.Op(LsuOp.CBO_FLUSH, 0x10041, 3))
        assert dut.bus.load(line + 8) == 0x2222
        await dut.run(lsu.Op(LOAD, 0x10048))
        assert dut.bus.reads == reads + 1  # the line has gone
        await dut.run(lsu.Op(STORE, 0x10048, 3, 0x3333), lsu.Op(LsuOp.CBO_INVAL, 0x1004F))
        outcome, = await dut.run(lsu.Op(LOAD, 0x10048))
        assert outcome.rdata == 0x2222
        for vaddr in (0x10055, 0x13055):  # in the cache and not
            reads = dut.bus.reads
            await dut.run(lsu.Op(LsuOp.CBO_ZERO, vaddr, 3))
            assert dut.bus.reads == reads  # nothing is fetched only to be overwritten
            outcomes = await dut.run(*(lsu.Op(LOAD, (vaddr & ~63) + 8 * n) for n in range(8)))
            assert [outcome.rdata for outcome in outcomes] == [0] * 8

    scene(bench, lsu, scenario)


@pytest.mark.rule("cbm_unperm_fault", "cbz_unperm_fault", "cbm_access", "cbz_access")
@pytest.mark.parametrize(("op", "read", "write", "faults"), [
    (LsuOp.CBO_CLEAN, True, False, False), (LsuOp.CBO_FLUSH, True, False, False), (LsuOp.CBO_INVAL, False, False, True),
    (LsuOp.CBO_ZERO, True, False, True), (LsuOp.CBO_CLEAN, False, False, True)])
def test_permissions_of_cache_block_operations(bench, lsu, op, read, write, faults):
    async def scenario(dut):
        outcome, = await dut.run(lsu.Op(op, 0x10088, 0, v=1))
        assert outcome.faulted == faults
        assert not faults or (outcome.cause, outcome.fault_vaddr) == (Cause.STORE_PAGE_FAULT, 0x10088)

    scene(bench, lsu, scenario, pages={0x10: lsu.Page(RAM >> 12, read=read, write=write)})


@pytest.mark.parametrize(("op", "vaddr", "size", "cause"), [
    (LOAD, 0x10002, 2, 4), (STORE, 0x10001, 3, 6), (STORE, 0x10003, 1, 6), (LOAD, 0x10FFE, 2, 4),
    (LsuOp.CBO_ZERO, 0x10000, 0, 7), (LOAD, 0x10001, 1, None), (STORE, 0x10000, 3, None),
    (LsuOp.AMOADD, 0x10008, 3, None)])
def test_where_pmp_splits_a_page(bench, lsu, op, vaddr, size, cause):
    """Only an aligned block of the access's size was checked: what goes beyond is for software to take apart."""
    async def scenario(dut):
        outcome, = await dut.run(lsu.Op(op, vaddr, size))
        assert outcome.faulted == (cause is not None)
        assert cause is None or (outcome.cause, outcome.fault_vaddr) == (cause, vaddr)

    pages = {0x10: lsu.Page(RAM >> 12, narrow=True), 0x11: lsu.Page((RAM >> 12) + 1)}
    scene(bench, lsu, scenario, pages=pages)


@pytest.mark.rule("cbm_access", "cbz_access")
@pytest.mark.parametrize("op", [LsuOp.CBO_CLEAN, LsuOp.CBO_FLUSH, LsuOp.CBO_INVAL, LsuOp.CBO_ZERO])
def test_a_block_that_pmp_does_not_split(bench, lsu, op):
    """In a page that it does split."""
    async def scenario(dut):
        outcomes = await dut.run(lsu.Op(STORE, 0x10008, 3, 5), lsu.Op(LsuOp.CBO_CLEAN, 0x10000, 0),
                                 lsu.Op(op, 0x10031, 0), lsu.Op(LOAD, 0x10008))
        assert not any(outcome.faulted for outcome in outcomes)
        assert outcomes[-1].rdata == (0 if op == LsuOp.CBO_ZERO else 5)

    scene(bench, lsu, scenario, pages={0x10: lsu.Page(RAM >> 12, narrow=True, line=True)})


def test_walker_errors_and_mismatches(bench, lsu):
    async def scenario(dut):
        assert (await dut.ptw(RAM + 0x1000))[2]
        assert (await dut.ptw(RAM + 0x1000, update=(0, 1)))[2]
        assert (await dut.ptw(RAM + 0x2008, update=(lsu.pattern(RAM + 0x2008), 99)))[1:] == \
            (lsu.pattern(RAM + 0x2008), False)
        assert (await dut.ptw(RAM + 0x2008, update=(5, 98)))[1] == 99  # a mismatch: stays
        assert (await dut.ptw(RAM + 0x2008))[1] == 99

    scene(bench, lsu, scenario, bad=lambda address: address & ~0xFFF == RAM + 0x1000)


def test_clean_waits_for_a_write_back_under_way(bench, lsu):
    """The line has left the cache, but not reached memory yet."""
    async def scenario(dut):
        await dut.run(lsu.Op(STORE, 0x10000, 3, 1))
        await dut.run(lsu.Op(LOAD, 0x11000))
        await dut.clean(RAM)  # the bench compares memory when it is done

    scene(bench, lsu, scenario, write_latency=(50, 50), stall=0.0, read_latency=(0, 0))


@pytest.mark.parametrize(("size", "ways"), [(512, 1), (1024, 4), (1536, 3)])
def test_flush_writes_everything_back_and_drops_it(bench, lsu, size, ways):
    async def scenario(dut):
        await dut.ready()
        ops = [lsu.Op(STORE, 0x10000 + 64 * n, 3, n + 1) for n in range(size // 64)]
        await dut.run(*ops)
        assert dut.writebacks == 0
        await dut.flush_all()
        assert dut.writebacks == size // 64
        assert [dut.bus.load(RAM + 64 * n) for n in range(size // 64)] == [n + 1 for n in range(size // 64)]
        dut.bus.memory[RAM] = 0xABCD  # the host writes
        dut.reference.words[RAM] = 0xABCD
        await dut.run(lsu.Op(LOAD, 0x10000))

    bench(lsu.config(size, ways))(scenario)


@pytest.mark.parametrize(("size", "ways"), [(1024, 4), (1536, 3)])
def test_replacement_spares_what_was_used_last(bench, lsu, size, ways):
    async def scenario(dut):
        await dut.ready()
        way = size // ways
        lines = [0x10000 + way * n for n in range(ways + 1)]
        await dut.run(*(lsu.Op(LOAD, line) for line in lines[:ways]))
        assert dut.misses == ways
        await dut.run(lsu.Op(LOAD, lines[ways - 1]), lsu.Op(LOAD, lines[ways]), lsu.Op(LOAD, lines[ways - 1] + 8),
                      lsu.Op(LOAD, lines[ways] + 8))
        assert dut.misses == ways + 1

    bench(lsu.config(size, ways))(scenario)


def test_accesses_wait_for_the_initialisation(bench, lsu):
    async def scenario(dut):
        outcome, = await dut.run(lsu.Op(LOAD, 0x10000))  # from the first cycle on
        assert outcome.cycles > dut.config.dcache.sets

    bench(lsu.config())(scenario)
