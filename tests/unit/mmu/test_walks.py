"""Directed tests of the MMU: latencies, abandoned walks, fences, and isolation bugs known from other cores."""

import pytest
from mmu_bench import RAM, Bench, TranslationConfig
from mmu_reference import FETCH, LOAD, NONE, READ, STORE, UBIT, V_, WRITE, A, Atp, D, G, M, Pmp, R, S, U, W, X
from mmu_tables import ALL, DATA, TABLES, GuestTables, guest, guest_map, native, simulate

from entresol.mmu.types import FenceOp

WIDTHS = pytest.mark.parametrize(
    "modes", (("sv39", "sv39x4"), ("sv39", "sv39x4", "sv48", "sv48x4", "sv57", "sv57x4")), ids=("sv39", "all")
)


@WIDTHS
def test_latencies_native(modes):
    """In cycles and reads.  Having wider modes costs Sv39 nothing."""
    config, machine, tables = native(l2tlb_entries=256, modes=modes)
    for i in range(64):
        tables.map(machine.satp, 0x1000_0000 + (i << 12), DATA + i)
    tables.map(machine.satp, 0x2000_0000, DATA & ~511, level=1)

    @simulate(config, machine)
    async def _(bench):
        cold = await bench.translate(0x1000_0000, LOAD, S)
        assert cold.reads == 3 and cold.cycles <= 20, cold
        for i in range(1, 6):
            near = await bench.translate(0x1000_0000 + (i << 12), LOAD, S)
            assert near.reads == 1 and near.cycles <= 12, near
        again = await bench.translate(0x1000_0000, LOAD, S)  # gone from 4 entries of L1, in L2
        assert again.reads == 0 and again.cycles == 4, again
        assert (await bench.translate(0x1000_0008, LOAD, S)).cycles == 0
        assert (await bench.translate(0x2000_0000, LOAD, S)).reads == 1  # the root entry is cached
        assert (await bench.translate(0x2012_3000, LOAD, S)).cycles == 0  # one L1 entry for 2 MiB
        for i in range(5):
            await bench.translate(0x1000_0000 + (i << 12), LOAD, S)
        large = await bench.translate(0x2010_0000, LOAD, S)
        assert large.reads == 0 and large.cycles <= 9, large
        machine_mode = await bench.translate(RAM, LOAD, M)
        assert machine_mode.reads == 0 and machine_mode.cycles <= 5, machine_mode


@pytest.mark.rule("satp_op_active", "sfence_vma_implicit_access")
def test_tables_are_read_in_their_own_modes_only():
    config, machine, host, tables = guest()
    host.map(machine.satp, 0x1000, DATA)
    guest_map(machine, host, tables, 0x1000, DATA + 1)
    native_tables = {entry & -4096 for entry in machine.memory}

    @simulate(config, machine)
    async def _(bench):
        for access in (LOAD, STORE, FETCH):
            assert (await bench.translate(DATA << 12, access, M)).paddr == DATA << 12
            assert not bench.reads
        # with V=0 those of satp, with V=1 those of vsatp and hgatp
        await bench.translate(0x1000, LOAD, S, 0)
        own = {address & -4096 for address in bench.reads}
        bench.reads.clear()
        await bench.translate(0x1000, LOAD, S, 1)
        others = {address & -4096 for address in bench.reads}
        assert own and others and not own & others and own | others <= native_tables


@WIDTHS
def test_latencies_guest(modes):
    config, machine, host, tables = guest(l2tlb_entries=256, modes=modes)
    for i in range(64):
        guest_map(machine, host, tables, 0x1000_0000 + (i << 12), DATA + i)

    @simulate(config, machine)
    async def _(bench):
        cold = await bench.translate(0x1000_0000, LOAD, S, 1)
        assert cold.reads <= 15 and cold.cycles <= 100, cold
        for i in range(1, 6):
            near = await bench.translate(0x1000_0000 + (i << 12), LOAD, S, 1)
            assert near.reads == 2 and near.cycles <= 20, near  # VS leaf and G leaf
        again = await bench.translate(0x1000_0000, LOAD, S, 1)
        assert again.reads == 0 and again.cycles == 4, again
        await bench.fence(FenceOp.HFENCE_VVMA)
        fenced = await bench.translate(0x1000_0000, LOAD, S, 1)
        assert fenced.reads == 4 and fenced.cycles <= 40, fenced  # the G-stage of the tables is still known
        fetch = await bench.translate(0x1000_0000, FETCH, S, 1)
        assert fetch.reads == 0 and fetch.cycles == 4, fetch


def test_fences_are_quick():
    config, machine, tables = native()
    tables.map(machine.satp, 0x1000, DATA)

    @simulate(config, machine)
    async def _(bench):
        await bench.translate(0x1000, LOAD, S)
        for op in FenceOp:
            for addr in (None, 0x1000):
                for id in (None, 1):
                    assert await bench.fence(op, addr, id) <= 3


def test_fence_during_a_fetch_walk():
    """A fence cuts a speculative walk short; the walk then sees the new page table."""
    config, machine, tables = native()
    entry = tables.map(machine.satp, 0x1000, DATA)

    @simulate(config, machine, latency=8)
    async def _(bench):
        for delay in range(1, 40, 3):
            machine.memory[entry] = DATA << 10 | ALL
            await bench.fence(FenceOp.SFENCE_VMA)
            assert not await bench.lookup(0x1000, FETCH, S)
            bench.ctx.set(bench.dut.i.walk_valid, 1)
            for _ in range(delay):
                await bench.ctx.tick()
                if bench.ctx.get(bench.dut.i.walk_done):
                    break
            bench.ctx.set(bench.dut.i.walk_valid, not bench.ctx.get(bench.dut.i.walk_done))
            machine.memory[entry] = DATA + 1 << 10 | ALL
            assert await bench.fence(FenceOp.SFENCE_VMA, 0x1000, 1) <= 12
            while bench.ctx.get(bench.dut.i.walk_valid) and not bench.ctx.get(bench.dut.i.walk_done):
                await bench.ctx.tick()
            answer = await bench.translate(0x1000, FETCH, S)
            bench.ctx.set(bench.dut.i.walk_valid, 0)
            assert answer.paddr == DATA + 1 << 12, delay


@pytest.mark.parametrize("latency, pmp_entries", [(1, 0), (3, 0), (1, 16)])
def test_abandoned_fetch_walk(latency, pmp_entries):
    """A redirect abandons a walk at any time: nothing of it reaches the next request, which is answered right."""
    config, machine, tables = native(pmp_entries=pmp_entries)
    machine.pmp = [*[Pmp()] * 15, Pmp(7, 3, False, (1 << 54) - 1)][:pmp_entries]  # takes longer than memory
    tables.map(machine.satp, 0x1000, DATA)
    tables.map(machine.satp, 0x2000, DATA + 1)
    machine.memory[(machine.satp.ppn << 12) + 8 * 5] = (1 << 43) << 10 | V_  # a table where there is nothing

    @simulate(config, machine, latency=latency)
    async def _(bench):
        ctx, port = bench.ctx, bench.dut.i
        for delay in range(22):
            for first, target, expected in ((0x1000, 0x2000, DATA + 1), (0x1000, 0x5000, None),
                                            (5 << 30, 0x2000, DATA + 1)):  # fmt: skip
                await bench.fence_all()
                assert not await bench.lookup(first, FETCH, S)
                ctx.set(port.walk_valid, 1)
                for _ in range(delay):
                    if ctx.get(port.walk_done):
                        break
                    await ctx.tick()
                ctx.set(port.walk_valid, 0)
                answer = await bench.translate(target, FETCH, S)
                assert answer.cause == (None if expected else 12), (delay, answer)
                if expected:
                    assert answer.paddr == expected << 12


def test_context_change_abandons_a_fetch_walk():
    """A walk begun with one satp.ASID must not fill anything under another one."""
    config, machine, tables = native()
    tables.map(machine.satp, 0x1000, DATA)
    old, new = machine.satp, tables.space(7)
    tables.map(new, 0x1000, DATA + 1)

    @simulate(config, machine)
    async def _(bench):
        for delay in range(25):
            machine.satp = old
            bench.apply()
            await bench.fence(FenceOp.SFENCE_VMA)
            assert not await bench.lookup(0x1000, FETCH, S)
            bench.ctx.set(bench.dut.i.walk_valid, 1)
            for _ in range(delay):
                if bench.ctx.get(bench.dut.i.walk_done):
                    break
                await bench.ctx.tick()
            bench.ctx.set(bench.dut.i.walk_valid, 0)
            machine.satp = new
            bench.apply()
            for access in (FETCH, LOAD):
                assert (await bench.translate(0x1000, access, S)).paddr == DATA + 1 << 12, delay


def test_data_side_goes_first():
    config, machine, tables = native()
    for i in range(2):
        tables.map(machine.satp, i << 12, DATA + i)

    @simulate(config, machine)
    async def _(bench):
        ctx, dut = bench.ctx, bench.dut
        assert not await bench.lookup(0, FETCH, S)
        assert not await bench.lookup(0x1000, LOAD, S)
        ctx.set(dut.i.walk_valid, 1)
        ctx.set(dut.d.walk_valid, 1)
        order = []
        for _ in range(100):
            done = [name for name in "id" if ctx.get(getattr(dut, name).walk_done)]
            order += done
            await ctx.tick()
            for name in done:
                ctx.set(getattr(dut, name).walk_valid, 0)
        assert order == ["d", "i"]
        assert (await bench.translate(0, FETCH, S)).cycles == 0
        assert (await bench.translate(0x1000, LOAD, S)).cycles == 0


def test_results_hold_and_sides_are_independent():
    """The I side's answer stays while the D side misses, walks and fills."""
    config, machine, tables = native()
    for i in range(3):
        tables.map(machine.satp, i << 12, DATA + i)

    @simulate(config, machine)
    async def _(bench):
        await bench.translate(0, FETCH, S)
        for i in (1, 2):
            await bench.translate(i << 12, LOAD, S)
            assert bench.ctx.get(bench.dut.i.tlb.hit) and bench.ctx.get(bench.dut.i.tlb.paddr) == DATA << 12


@pytest.mark.rule("sfence_vma_sum_mxr_effect")
def test_sum_and_mxr_need_no_fence():
    config, machine, tables = native()
    tables.map(machine.satp, 0x1000, DATA, ALL | UBIT)
    tables.map(machine.satp, 0x2000, DATA, V_ | X | A | D)

    @simulate(config, machine)
    async def _(bench):
        for _ in range(2):
            for machine.sum in (0, 1):
                for machine.mxr in (0, 1):
                    bench.apply()
                    assert (await bench.translate(0x1000, LOAD, S)).cause == (None if machine.sum else 13)
                    assert (await bench.translate(0x1000, FETCH, S)).cause == 12
                    assert (await bench.translate(0x2000, LOAD, S)).cause == (None if machine.mxr else 13)
                    assert (await bench.translate(0x1000, LOAD, U)).cause is None


@pytest.mark.rule("sfence_vma_mode_effect", "sfence_vma_asid_effect")
def test_mode_and_asid_need_no_fence():
    config, machine, tables = native()
    paged, other = machine.satp, tables.space(2)
    tables.map(paged, RAM, DATA)
    tables.map(other, RAM, DATA + 1)

    @simulate(config, machine)
    async def _(bench):
        for _ in range(2):
            for machine.satp, page in ((paged, DATA), (Atp(0, 0, 1), RAM >> 12), (other, DATA + 1)):
                bench.apply()
                for access in (LOAD, FETCH):
                    assert (await bench.translate(RAM, access, S)).paddr == page << 12


def test_gstage_mode_needs_no_fence():
    """An hgatp that is Bare means no guest's translations, whatever their VMID."""
    config, machine, host, _ = guest()
    machine.vsatp = Atp(0, 0, 0)
    paged = host.space(0, gstage=True)
    host.map(paged, RAM, DATA, ALL | UBIT)

    @simulate(config, machine)
    async def _(bench):
        for _ in range(2):
            for machine.hgatp, page in ((paged, DATA), (Atp(0, 0, 0), RAM >> 12)):
                bench.apply()
                for access in (LOAD, FETCH):
                    assert (await bench.translate(RAM, access, S, 1)).paddr == page << 12


@pytest.mark.rule("sfence_vma_asid_only", "sfence_vma_va_asid")
def test_global_mappings_survive_fences_by_asid():
    config, machine, tables = native()
    first, second = machine.satp, tables.space(2)
    for space in (first, second):
        tables.map(space, 0x8000_0000, DATA, ALL | G)

    @simulate(config, machine)
    async def _(bench):
        await bench.translate(0x8000_0000, LOAD, S)
        for step, (space, fence) in enumerate(((second, None), (first, 1), (second, 2))):
            if fence:
                await bench.fence(FenceOp.SFENCE_VMA, None, fence)
            machine.satp = space
            bench.apply()
            answer = await bench.translate(0x8000_0000, LOAD, S)
            assert answer.reads == 0, (step, answer)
        await bench.fence(FenceOp.SFENCE_VMA)
        assert (await bench.translate(0x8000_0000, LOAD, S)).reads == 3


def test_global_mappings_survive_another_asid():
    """In both levels of TLBs, also if only a table is marked as global."""
    config, machine, tables = native()
    spaces = machine.satp, tables.space(2)
    pages = (0x8000_0000, ALL, V_ | G), (0xC000_0000, ALL | G, V_)
    for space in spaces:
        for base, flags, table_flags in pages:
            for page in (0x1000, 0x2000):
                tables.map(space, base + page, DATA, flags, table_flags=table_flags)

    @simulate(config, machine)
    async def _(bench):
        for base, _, _ in pages:
            machine.satp = spaces[0]
            bench.apply()
            for page in (0x1000, 0x2000):
                await bench.translate(base + page, LOAD, S)
            machine.satp = spaces[1]
            bench.apply()
            assert (await bench.translate(base + 0x1000, LOAD, S)).reads == 0
            assert (await bench.translate(base + 0x2000, LOAD, S)).cycles == 0


def test_an_access_that_faults_in_another_address_space_loses_nothing():
    config, machine, tables = native()
    spaces = machine.satp, tables.space(2)
    tables.map(machine.satp, 0x1000, DATA)

    @simulate(config, machine)
    async def _(bench):
        for access, cause in ((LOAD, 13), (FETCH, 12)):
            await bench.translate(0x1000, access, S)
            machine.satp = spaces[1]
            bench.apply()
            assert (await bench.translate(0x1000, access, S)).cause == cause
            machine.satp = spaces[0]
            bench.apply()
            assert (await bench.translate(0x1000, access, S)).cycles == 0


def test_another_guest_loses_nothing_of_the_host():
    config, machine, host, _ = guest()
    host.map(machine.satp, 0x1000, DATA)

    @simulate(config, machine)
    async def _(bench):
        await bench.translate(0x1000, LOAD, S)
        machine.hgatp = host.space(machine.hgatp.id + 1, gstage=True)
        bench.apply()
        assert (await bench.translate(0x1000, FETCH, S)).reads == 0


def test_tables_are_found_again():
    """Of the neighbour of a page that was translated only the last entry is read, whichever way keeps the table."""
    config, machine, tables = native()
    blocks = range(0x4000_0000, 0x4100_0000, 0x20_0000)
    for block in blocks:
        for page in (0x1000, 0x2000):
            tables.map(machine.satp, block + page, DATA)

    @simulate(config, machine)
    async def _(bench):
        for number, block in enumerate(blocks):
            await bench.fence(FenceOp.SFENCE_VMA)
            await bench.ctx.tick().repeat(1 + number // 2)  # the way changes with each cycle
            await bench.translate(block + 0x1000, LOAD, S)
            assert (await bench.translate(block + 0x2000, LOAD, S)).reads == 1


def test_an_entry_takes_the_place_of_its_old_self():
    """A page that is stored to at last is kept where it was, not instead of another of the same set."""
    config, machine, tables = native(cls=TranslationConfig)
    machine.m_adue = 1
    first, second = 0x1000, config.l2tlb_entries // config.l2tlb_ways << 12  # of one set
    leaf = tables.map(machine.satp, first, DATA)
    tables.map(machine.satp, second, DATA + 1)
    others = range(0x2000, 0x2000 + (config.dtlb_entries << 12), 0x1000)
    for other in others:
        tables.map(machine.satp, other, DATA)
    both = 0

    @simulate(config, machine)
    async def _(bench):
        async def kept(page):
            for other in others:  # out of the first level
                await bench.translate(other, LOAD, S)
            return (await bench.translate(page, LOAD, S)).reads == 0

        nonlocal both
        for wait in range(4):  # the way changes with each cycle
            machine.memory[leaf] &= ~D
            await bench.fence(FenceOp.SFENCE_VMA)
            await bench.ctx.tick().repeat(1 + wait // 2)
            await bench.translate(first, LOAD, S)
            await bench.ctx.tick().repeat(1 + wait % 2)
            await bench.translate(second, LOAD, S)
            if await kept(first) and await kept(second):
                both += 1
                assert (await bench.translate(first, STORE, S)).cause is None and machine.memory[leaf] & D
                assert await kept(second)

    assert both


def test_pieces_of_superpages_are_kept():
    """A page of the G-stage in a superpage of the VS-stage: the fetch after the load does not walk."""
    config, machine, host, tables = guest()
    block = GuestTables.OFFSET + ((DATA & ~511) << 12)
    host.map(machine.hgatp, block + 0x1000, DATA + 1, ALL | UBIT)
    tables.map(machine.vsatp, 0x4000_0000, block >> 12, level=1)

    @simulate(config, machine)
    async def _(bench):
        await bench.translate(0x4000_1000, LOAD, S, 1)
        assert (await bench.translate(0x4000_1000, FETCH, S, 1)).reads == 0


def test_swapping_hgatp_around_a_fence_loses_nothing():
    """As KVM does: another VMID is fenced while hgatp holds it; the first level keeps what it has."""
    config, machine, host, tables = guest()
    guest_map(machine, host, tables, 0x1000, DATA)
    keep = machine.hgatp

    @simulate(config, machine)
    async def _(bench):
        await bench.translate(0x1000, LOAD, S, 1)
        machine.hgatp = Atp(0, 0, 9)
        bench.apply()
        await bench.fence(FenceOp.SFENCE_VMA)
        machine.hgatp = keep
        bench.apply()
        assert (await bench.translate(0x1000, LOAD, S, 1)).cycles == 0


@pytest.mark.rule("hfence-vvma_limits", "sfence_vma_v0")
def test_fences_of_v0_leave_guests_alone():
    config, machine, host, tables = guest()
    guest_map(machine, host, tables, 0x1000, DATA)
    host.map(machine.satp, 0x1000, DATA + 1)

    @simulate(config, machine)
    async def _(bench):
        await bench.translate(0x1000, LOAD, S, 1)
        await bench.translate(0x1000, LOAD, S, 0)
        await bench.fence(FenceOp.SFENCE_VMA)
        assert (await bench.translate(0x1000, LOAD, S, 1)).cycles == 0
        assert (await bench.translate(0x1000, LOAD, S, 0)).reads == 3
        await bench.fence(FenceOp.HFENCE_VVMA)
        assert (await bench.translate(0x1000, LOAD, S, 0)).cycles == 0
        await bench.fence(FenceOp.HFENCE_GVMA)
        assert (await bench.translate(0x1000, LOAD, S, 0)).cycles == 0


def test_a_fence_leaves_untranslated_entries_alone():
    """They come from no page table; refilling the one of the running code would double the cost of a fence."""
    config, machine, _ = native()
    translated, machine.satp = machine.satp, Atp(0, 0, 0)

    @simulate(config, machine)
    async def _(bench):
        assert (await bench.translate(RAM, FETCH, S)).cycles > 0
        await bench.fence(FenceOp.SFENCE_VMA)
        assert (await bench.translate(RAM, FETCH, S)).cycles == 0
        machine.satp = translated
        bench.apply()
        assert (await bench.translate(RAM, FETCH, S)).cause is not None


@pytest.mark.rule("sfence_vma_va_asid")
@pytest.mark.parametrize("kind", ("2M", "1G", "guest 2M on 4K", "guest 2M on 4K, execute-only", "guest 2M on 2M"))
@pytest.mark.parametrize("level_one", (True, False))
def test_fence_inside_a_superpage_reaches_all_of_it(kind, level_one):
    """A fence for one address of a superpage removes the translations of all its pages, however they are kept.

    Without `level_one`, other pages push what L1 holds out, so that the second level has to answer.
    """
    va = 0x4000_0000
    level = 2 if kind == "1G" else 1
    flags, access, other_access = (V_ | X | A | D, FETCH, FETCH) if "execute" in kind else (ALL, STORE, LOAD)
    if kind.startswith("guest"):
        config, machine, host, tables = guest(l2tlb_entries=256)
        blocks = [GuestTables.OFFSET + (DATA << 12), GuestTables.OFFSET + (DATA + 512 << 12)]
        for i, gpa in enumerate(blocks):
            if kind.endswith("on 2M"):
                host.map(machine.hgatp, gpa, DATA + 512 * i, ALL | UBIT, level=1)
            else:
                for page in range(16):
                    host.map(machine.hgatp, gpa + (page << 12), DATA + 512 * i + page, ALL | UBIT)
        entry = tables.map(machine.vsatp, va, blocks[0] >> 12, flags, level=1) - GuestTables.OFFSET
        new = blocks[1] >> 12 << 10 | flags
        virtual, op, id = 1, FenceOp.HFENCE_VVMA, machine.vsatp.id
        for page in range(4):
            guest_map(machine, host, tables, 0x1000_0000 + (page << 12), DATA + 2000 + page)
        moved = 512 << 12
    else:
        config, machine, tables = native(l2tlb_entries=256)
        entry = tables.map(machine.satp, va, RAM >> 12, level=level)
        new = (RAM >> 12) << 10 | ALL & ~W
        virtual, op, id = 0, FenceOp.SFENCE_VMA, machine.satp.id
        if level == 1:
            new = DATA << 10 | ALL
        moved = DATA - (RAM >> 12) << 12 if level == 1 else None
        for page in range(4):
            tables.map(machine.satp, 0x1000_0000 + (page << 12), DATA + 2000 + page)

    @simulate(config, machine)
    async def _(bench):
        before = [(await bench.translate(va + (page << 12), access, S, virtual)).paddr for page in range(4)]
        machine.memory[entry] = new
        if not level_one:
            for page in range(4):
                await bench.translate(0x1000_0000 + (page << 12), other_access, S, virtual)
        await bench.fence(op, va + 0xF000, id)
        for page in range(4):
            answer = await bench.translate(va + (page << 12), access, S, virtual)
            assert answer.paddr == before[page] + moved if moved else answer.cause == 15, page


# ---- Isolation


@pytest.mark.rule("hlsv_trans", "hlsv_sstatus_mxr", "hlsv_vsstatus_mxr")
def test_hlv_leaves_no_state_behind():
    """An access with V=1 between ordinary ones, same address: each gets its own translation and its own SUM."""
    config, machine, host, tables = guest()
    guest_map(machine, host, tables, 0x1000, DATA, ALL | UBIT)
    host.map(machine.satp, 0x1000, DATA + 1, ALL | UBIT)

    @simulate(config, machine)
    async def _(bench):
        for _ in range(2):
            for machine.sum, machine.vsum in ((0, 1), (1, 0), (1, 1), (0, 0)):
                bench.apply()
                virtual = await bench.translate(0x1000, LOAD, S, 1)
                assert (virtual.cause, virtual.v) == ((None, 0) if machine.vsum else (13, 1))
                ordinary = await bench.translate(0x1000, LOAD, S, 0)
                assert (ordinary.cause, ordinary.v) == (None if machine.sum else 13, 0)
                if machine.vsum:
                    assert virtual.paddr == DATA << 12
                if machine.sum:
                    assert ordinary.paddr == DATA + 1 << 12


def test_fetch_walk_during_hlv_uses_its_own_stage():
    """An HS fetch walk and an HLV walk at once: neither TLB is filled with the other's stage."""
    config, machine, host, tables = guest()
    guest_map(machine, host, tables, 0x1000, DATA)
    host.map(machine.satp, 0x1000, DATA + 1)

    @simulate(config, machine)
    async def _(bench):
        ctx, dut = bench.ctx, bench.dut
        for head_start in range(0, 20, 2):
            await bench.fence_all()
            assert not await bench.lookup(0x1000, FETCH, S, 0)
            ctx.set(dut.i.walk_valid, 1)
            for _ in range(head_start):
                await ctx.tick()
                if ctx.get(dut.i.walk_done):
                    ctx.set(dut.i.walk_valid, 0)
            hlv = await bench.translate(0x1000, LOAD, S, 1)
            while ctx.get(dut.i.walk_valid):
                if ctx.get(dut.i.walk_done):
                    assert not ctx.get(dut.i.walk_faulted)
                    await ctx.tick()
                    ctx.set(dut.i.walk_valid, 0)
                else:
                    await ctx.tick()
            assert hlv.paddr == DATA << 12
            fetch = await bench.translate(0x1000, FETCH, S, 0)
            assert (fetch.paddr, fetch.cycles) == (DATA + 1 << 12, 0)
            assert (await bench.translate(0x1000, FETCH, S, 1)).paddr == DATA << 12
            assert (await bench.translate(0x1000, LOAD, S, 0)).paddr == DATA + 1 << 12


@pytest.mark.rule("H_vm_gpapriv")
def test_store_through_read_only_table_page():
    """A VS-stage table that the G-stage maps read-only is fine as long as nothing needs to be written to it."""
    config, machine, host, tables = guest()
    vs, _ = guest_map(machine, host, tables, 0x1000, DATA)
    for leaf in tables.gleaves.values():
        machine.memory[leaf] &= ~(W | D)

    @simulate(config, machine)
    async def _(bench):
        for warm in range(2):
            answer = await bench.translate(0x1000, STORE, S, 1)
            assert answer.paddr == DATA << 12, warm
            await bench.fence(FenceOp.HFENCE_VVMA)
        # now D must be set, which the G-stage forbids
        machine.memory[vs] &= ~D
        machine.m_adue = machine.h_adue = 1
        bench.apply()
        await bench.fence(FenceOp.HFENCE_GVMA)
        answer = await bench.translate(0x1000, STORE, S, 1)
        assert (answer.cause, answer.implicit) == (23, WRITE)
        assert answer.gpa == vs + GuestTables.OFFSET
        assert (await bench.translate(0x1000, LOAD, S, 1)).cause is None
        assert not bench.updates


@pytest.mark.rule("H_vm_gpapriv", "mtval2_trapval_vstrans")
@pytest.mark.parametrize("access,cause", ((LOAD, 21), (STORE, 23), (FETCH, 20)))
@pytest.mark.parametrize("level", (0, 1, 2))
def test_guest_page_fault_on_table(access, cause, level):
    """A VS-stage table page without G-stage mapping: guest page fault with the address of the entry, implicit read."""
    config, machine, _host, tables = guest()
    tables.map(machine.vsatp, 0x1000, (GuestTables.OFFSET + (DATA << 12)) >> 12)
    pages = sorted(tables.gleaves, reverse=True)  # leaf table, middle table, root
    machine.memory[tables.gleaves[pages[level]]] &= ~V_

    @simulate(config, machine)
    async def _(bench):
        answer = await bench.translate(0x1000, access, S, 1)
        index = (0x1000 >> 12 + 9 * level & 0x1FF) * 8
        assert (answer.cause, answer.implicit) == (cause, READ)
        assert answer.gpa == (pages[level] << 12) + index


def test_access_fault_on_table_is_not_a_guest_page_fault():
    """VS-stage table pages in I/O space, nowhere, or where the bus fails: access faults, without gpa."""
    for spoil in ("device", "nowhere", "bus"):
        config, machine, _host, tables = guest()
        tables.map(machine.vsatp, 0x1000, (GuestTables.OFFSET + (DATA << 12)) >> 12)
        leaf_table = max(tables.gleaves)
        if spoil == "bus":
            machine.bus_errors.add((leaf_table << 12) - GuestTables.OFFSET + 8)
        else:
            machine.memory[tables.gleaves[leaf_table]] = (
                (0x1_0000 if spoil == "device" else 0x20_0000) << 10 | ALL | UBIT
            )

        @simulate(config, machine)
        async def _(bench):
            for access, cause in ((LOAD, 5), (STORE, 7), (FETCH, 1)):
                answer = await bench.translate(0x1000, access, S, 1)
                assert (answer.cause, answer.gpa, answer.implicit) == (cause, 0, NONE)


@pytest.mark.rule("hgatp_mode_sv39x4")
def test_guest_physical_addresses_that_do_not_fit():
    config, machine, _host, tables = guest()
    tables.map(machine.vsatp, 0x1000, 1 << 29)
    machine.vmxr = 0

    @simulate(config, machine)
    async def _(bench):
        answer = await bench.translate(0x1234, LOAD, S, 1, size=0)
        assert (answer.cause, answer.gpa, answer.implicit) == (21, (1 << 41) + 0x234, NONE)
        machine.vsatp = Atp(0, 0, 2)
        bench.apply()
        for va in (1 << 41, 1 << 63, (1 << 64) - 8):
            answer = await bench.translate(va, STORE, S, 1)
            assert (answer.cause, answer.gpa, answer.implicit) == (23, va, NONE)


def test_physical_addresses_beyond_the_bus():
    """Every bit of them counts, also of what would be RAM without it."""
    config, machine, tables = native()
    bits = range(config.bus_bits, 56)
    for bit in bits:
        tables.map(machine.satp, 0x1000_0000 + (bit << 12), DATA | 1 << bit - 12)
    entry = tables.map(machine.satp, 0, DATA) & -4096  # of a table that is reached by way of other addresses, too
    root = machine.satp.ppn << 12
    for bit in bits:
        tables.write(root + 8 * bit, (entry >> 12 | 1 << bit - 12) << 10 | V_)

    @simulate(config, machine)
    async def _(bench):
        for bit in bits:
            assert (await bench.translate(0x1000_0000 + (bit << 12), LOAD, S)).cause == 5, bit
            assert (await bench.translate(bit << 30, LOAD, S)).cause == 5, bit
        for bit in range(config.bus_bits, 64):
            assert (await bench.translate(DATA << 12 | 1 << bit, STORE, M)).cause == 7, bit


@pytest.mark.rule("Sv39_va_signext")
def test_non_canonical_addresses_never_hit():
    config, machine, tables = native()
    tables.map(machine.satp, 0x1000, DATA)
    high = (1 << 64) - 0x1000
    tables.map(machine.satp, high, DATA + 1)

    @simulate(config, machine)
    async def _(bench):
        for base in (0x1000, high):
            assert (await bench.translate(base, LOAD, S)).cause is None
            for bit in range(38, 64):
                assert (await bench.translate(base ^ 1 << bit, LOAD, S)).cause == 13, bit


def test_hlvx_wants_execute_in_both_stages_and_readable_memory():
    config, machine, host, tables = guest(pmp_entries=16)
    for vs in (0, 1):
        for g in (0, 1):
            guest_map(
                machine,
                host,
                tables,
                0x1000 * (1 + vs + 2 * g),
                DATA + vs + 2 * g,
                V_ | A | D | (X if vs else R | W),
                V_ | A | D | UBIT | (X if g else R | W),
            )
    machine.pmp = [Pmp(4, 3, False, (DATA + 3 << 10) + 0x1FF), *[Pmp()] * 14, Pmp(7, 3, False, (1 << 54) - 1)]

    @simulate(config, machine)
    async def _(bench):
        for index, cause in enumerate((13, 21, 13, 5)):
            answer = await bench.translate(0x1000 * (1 + index), LOAD, S, 1, hlvx=1, size=2)
            assert answer.cause == cause, index
        machine.pmp[0] = Pmp()
        bench.apply()
        await bench.fence_all()
        assert (await bench.translate(0x4000, LOAD, S, 1, hlvx=1, size=2)).cause is None
        assert (await bench.translate(0x4000, LOAD, S, 1)).cause == 13  # no read permission for an ordinary load
        assert (await bench.translate(0x4000, LOAD, S, 1, hlvx=1, size=2)).cycles == 0


@pytest.mark.rule("vsstatus_mxr_vm", "sstatus_mxr_vm")
def test_mxr_of_both_levels():
    config, machine, host, tables = guest()
    guest_map(machine, host, tables, 0x1000, DATA, V_ | X | A | D)  # VS-stage execute-only
    guest_map(machine, host, tables, 0x2000, DATA + 1, ALL, V_ | X | A | D | UBIT)  # G-stage execute-only

    @simulate(config, machine)
    async def _(bench):
        for machine.mxr in (0, 1):
            for machine.vmxr in (0, 1):
                bench.apply()
                assert (await bench.translate(0x1000, LOAD, S, 1)).cause == (None if machine.mxr | machine.vmxr else 13)
                assert (await bench.translate(0x2000, LOAD, S, 1)).cause == (None if machine.mxr else 21)


def test_mxr_does_not_open_tables():
    """VS-stage table reads are implicit loads: MXR, which concerns explicit loads, does not let them read
    execute-only G-stage pages."""
    config, machine, host, tables = guest()
    guest_map(machine, host, tables, 0x1000, DATA)
    leaf = tables.gleaves[max(tables.gleaves)]
    machine.memory[leaf] = machine.memory[leaf] & ~(R | W)
    machine.mxr = machine.vmxr = 1

    @simulate(config, machine)
    async def _(bench):
        answer = await bench.translate(0x1000, LOAD, S, 1)
        assert (answer.cause, answer.implicit) == (21, READ)


@pytest.mark.rule(
    "Svadu_hw_update_a_d_bits", "Svadu_disabled_hw_update_falls_back_to_svade", "svade_access_ad_bit_clear"
)
def test_accessed_and_dirty():
    config, machine, tables = native(cls=TranslationConfig)
    entry = tables.map(machine.satp, 0x1000, DATA, ALL & ~(A | D))

    @simulate(config, machine)
    async def _(bench):
        assert (await bench.translate(0x1000, LOAD, S)).cause == 13
        assert (await bench.translate(0x1000, STORE, S)).cause == 15
        machine.m_adue = 1
        bench.apply()
        await bench.translate(0x1000, LOAD, S)
        assert machine.memory[entry] & (A | D) == A
        assert (await bench.translate(0x1000, LOAD, S)).cycles == 0
        await bench.translate(0x1000, STORE, S)
        assert machine.memory[entry] & (A | D) == A | D
        assert (await bench.translate(0x1000, STORE, S)).cycles == 0
        assert len(bench.updates) == 2


def test_update_race():
    """Another agent changes the entry between read and update: nothing is overwritten, the new entry counts."""
    config, machine, tables = native(cls=TranslationConfig)
    entry = tables.map(machine.satp, 0x1000, DATA, ALL & ~(A | D))
    machine.m_adue = 1

    @simulate(config, machine)
    async def _(bench):
        def interfere(address):
            assert address == entry
            machine.memory[entry] = DATA + 5 << 10 | ALL & ~(A | D)
            bench.before_update = None

        bench.before_update = interfere
        answer = await bench.translate(0x1000, STORE, S)
        assert answer.paddr == DATA + 5 << 12
        assert machine.memory[entry] == DATA + 5 << 10 | ALL

        machine.memory[entry] = DATA << 10 | ALL & ~(A | D)
        await bench.fence(FenceOp.SFENCE_VMA)

        def remove(address):
            machine.memory[entry] = 0

        bench.before_update = remove
        assert (await bench.translate(0x1000, STORE, S)).cause == 15
        assert machine.memory[entry] == 0


def test_pmp_boundary_inside_a_page():
    """Permission ends in the middle of a page: every access is judged by its own block, by fetches of 4 bytes."""
    config, machine, tables = native(pmp_entries=16)
    tables.map(machine.satp, 0x1000, DATA)
    middle = (DATA << 12) + 0x104
    machine.pmp = [
        Pmp(7, 1, False, middle >> 2),
        Pmp(0, 3, False, (DATA << 10) + 0x1FF),
        *[Pmp()] * 13,
        Pmp(7, 3, False, (1 << 54) - 1),
    ]

    @simulate(config, machine)
    async def _(bench):
        for _ in range(2):
            for offset, size, allowed in ((0x100, 2, 1), (0x100, 3, 0), (0x104, 2, 0), (0xF8, 3, 1), (0x103, 0, 1)):
                answer = await bench.translate(0x1000 + offset, LOAD, S, size=size)
                assert answer.cause == (None if allowed else 5), (offset, size)
                assert not allowed or answer.narrow
            assert (await bench.translate(0x1100, FETCH, S)).narrow
            assert (await bench.translate(0x1104, FETCH, S)).cause == 1
        # for cache-block operations it says whether the whole line is like that
        for offset, line in ((0x100, 0), (0xFC, 1), (0x80, 1)):
            answer = await bench.translate(0x1000 + offset, LOAD, S, size=0)
            assert (answer.narrow, answer.line) == (1, line)
        # a granted block is good for one lookup, the same once more right behind it, and for nothing else
        await bench.translate(0x1100, LOAD, S, size=2)
        await bench.ctx.tick()
        assert not await bench.lookup(0x1100, LOAD, S, size=2)
        await bench.translate(0x1100, LOAD, S, size=2)
        assert not await bench.lookup(0x1104, LOAD, S, size=2)


def test_walk_granted_for_one_block_serves_no_other():
    """The lookup after the walk is for another address of the page (the front end was redirected)."""
    config, machine, tables = native(pmp_entries=16)
    tables.map(machine.satp, 0x1000, DATA)
    machine.pmp = [Pmp(7, 2, False, (DATA << 10) + 1), *[Pmp()] * 15]
    machine.pmp[1] = Pmp(7, 3, False, (TABLES << 10) + 0x1FFFF)

    @simulate(config, machine)
    async def _(bench):
        ctx, port = bench.ctx, bench.dut.i
        for other in (0x1000, 0x1008, 0x1804):
            assert not await bench.lookup(0x1004, FETCH, S)
            ctx.set(port.walk_valid, 1)
            while not ctx.get(port.walk_done):
                await ctx.tick()
            assert not ctx.get(port.walk_faulted)
            await ctx.tick()
            ctx.set(port.walk_valid, 0)
            assert not await bench.lookup(other, FETCH, S)
            assert not await bench.lookup(0x1004, FETCH, S)


def test_superpages_and_pages_never_overlap():
    """A page and the superpage that replaces it, with a fence for another page only: lookups use one or the other,
    never a mixture."""
    config, machine, tables = native()
    entry = tables.map(machine.satp, 0x4000_0000, 0, level=1)
    table = tables.page()
    machine.memory[(table << 12) + 8] = DATA + 0x777 << 10 | ALL
    others = range(0x1000, 0x4000, 0x1000)  # so that both are in other entries of the TLB each time
    for other in others:
        tables.map(machine.satp, other, DATA)

    @simulate(config, machine)
    async def _(bench):
        for _ in range(4):
            machine.memory[entry] = table << 10 | V_
            await bench.fence(FenceOp.SFENCE_VMA)
            for other in others:
                await bench.translate(other, LOAD, S)
            await bench.translate(0x4000_1000, LOAD, S)
            machine.memory[entry] = (DATA & ~511) << 10 | ALL
            await bench.fence(FenceOp.SFENCE_VMA, addr=0x4000_2000)
            assert (await bench.translate(0x4000_2000, LOAD, S)).paddr == (DATA & ~511) + 2 << 12
            answer = await bench.translate(0x4000_1000, LOAD, S)
            assert answer.paddr in ((DATA + 0x777) << 12, (DATA & ~511) + 1 << 12)


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("access", [LOAD, STORE])
def test_what_a_fetch_has_found_serves_loads_and_stores(access, level):
    config, machine, tables = native()
    tables.map(machine.satp, 0x4000_0000, 0 if level == 2 else DATA & ~511, level=level)

    @simulate(config, machine)
    async def _(bench):
        assert (await bench.translate(0x4000_0000, FETCH, S)).reads == 3 - level
        assert (await bench.translate(0x4000_0000, access, S)).reads == 0


@pytest.mark.parametrize("access", [LOAD, FETCH])
def test_a_fence_by_any_address_of_a_superpage_is_enough(access):
    config, machine, tables = native()
    entry = tables.map(machine.satp, 0x4000_0000, DATA & ~511, level=1)
    other = FETCH if access == LOAD else LOAD

    @simulate(config, machine)
    async def _(bench):
        for page in range(1, 4):
            frame = (DATA & ~511) + (page << 9)
            await bench.translate(0x4000_1000, access, S)
            await bench.translate(0x4000_2000, other, S)
            machine.memory[entry] = frame << 10 | ALL
            await bench.fence(FenceOp.SFENCE_VMA, addr=0x4000_1000)
            for kind in (access, other):
                assert (await bench.translate(0x4000_2000, kind, S)).paddr == frame + 2 << 12


def test_a_fence_by_any_address_of_a_superpage_over_pages_is_enough():
    """What the second level gives to the first is still known to be a piece of a superpage."""
    config, machine, host, tables = guest()
    blocks = [GuestTables.OFFSET + ((DATA & ~511) + (512 * i) << 12) for i in range(2)]
    for i, block in enumerate(blocks):
        for page in (1, 2):
            host.map(machine.hgatp, block + (page << 12), DATA + 16 * i + page, ALL | UBIT)
    entry = tables.map(machine.vsatp, 0x4000_0000, blocks[0] >> 12, level=1) - GuestTables.OFFSET

    @simulate(config, machine)
    async def _(bench):
        for new in (1, 0):
            await bench.translate(0x4000_2000, LOAD, S, 1)
            await bench.translate(0x4000_2000, FETCH, S, 1)
            machine.memory[entry] = blocks[new] >> 12 << 10 | ALL
            await bench.fence(FenceOp.HFENCE_VVMA, addr=0x4000_1000)
            for access in (LOAD, FETCH):
                assert (await bench.translate(0x4000_2000, access, S, 1)).paddr == DATA + 16 * new + 2 << 12


def test_events():
    config, machine, host, tables = guest()
    guest_map(machine, host, tables, 0x1000, DATA)
    guest_map(machine, host, tables, 0x2000, DATA + 1)
    bench = Bench(config, machine)
    bench.count_events = True

    async def main(ctx):
        await bench.translate(0x1000, LOAD, S, 1)
        await ctx.tick()
        assert bench.events["l2tlb_miss"] == 1 and bench.events["itlb_miss"] == 0
        await bench.translate(0x1000, FETCH, S, 1)
        await bench.translate(0x1000, LOAD, S, 1)
        assert bench.events == {
            "itlb_miss": 1, "dtlb_miss": 1, "l2tlb_miss": 1, "walk_read": len(bench.reads), "walk_vs_stage": 3,
            "walk_g_stage": len(bench.reads) - 3}  # fmt: skip
        await bench.translate(0x2000, LOAD, S, 1)
        await ctx.tick()
        assert bench.events["l2tlb_miss"] == bench.events["dtlb_miss"] == 2

    bench.run(main)
