"""Every translation mode of both stages: addresses, page sizes, table formats, combinations."""

import pytest
from mmu_bench import TranslationConfig, make_config, make_machine
from mmu_reference import FETCH, LOAD, NONE, STORE, UBIT, V_, A, Atp, D, G, R, S, U, W, X
from mmu_tables import ALL, DATA, TABLES, GuestTables, Tables, guest, guest_map, native, simulate

from entresol.mmu.types import FenceOp

MODES = {8: "Sv39", 9: "Sv48", 10: "Sv57"}
ALL_MODES = ("sv39", "sv39x4", "sv48", "sv48x4", "sv57", "sv57x4")
DEVICE = 0x1000_0000
BAD_BITS = range(54, 61)


def rules(pattern):
    """A parameter for each mode, with the rules of that name for its chapter."""
    return [
        pytest.param(mode, id=name, marks=pytest.mark.rule(*(rule.format(name) for rule in pattern)))
        for mode, name in MODES.items()
    ]


def large(level):
    """An aligned page number for a leaf of a level, and the offset of a page of RAM in what it maps."""
    ppn = (DATA + 5) & ~((1 << 9 * level) - 1)
    return ppn, (DATA + 5 << 12) - (ppn << 12)


@pytest.mark.parametrize("mode", rules(("{}_va_signext", "{}_va_sz", "{}_sxlen")))
def test_canonical_addresses(mode):
    """Bits above the topmost translated one are copies of it, or else page faults, for every kind of access."""
    config, machine, tables = native(mode, modes=ALL_MODES)
    width = 12 + 9 * (mode - 5)
    low, high = 0x1000, (1 << 64) - 0x1000
    for va in (low, high):
        tables.map(machine.satp, va, DATA)

    @simulate(config, machine)
    async def _(bench):
        for base in (low, high):
            assert (await bench.translate(base, LOAD, S)).paddr == DATA << 12
            for bit in range(width - 1, 64):
                assert (await bench.translate(base ^ 1 << bit, LOAD, S)).cause == 13, bit
            assert (await bench.translate(base ^ 1 << width, STORE, S)).cause == 15
            assert (await bench.translate(base ^ 1 << width, FETCH, S)).cause == 12
            # below it, bits lead to another entry
            assert (await bench.translate(base ^ 1 << width - 2, LOAD, S)).reads in (1, 2)


@pytest.mark.parametrize(
    "mode",
    rules(("{}_leaf_any_level", "{}_page_sizes", "{}_superpage_align", "{}_superpage_align_fault", "{}_levels")),
)
def test_page_sizes(mode):
    """Leaves of every level map aligned pages; with any lower PPN bit set they are page faults.  Pointers at
    the last level lead nowhere."""
    levels = mode - 5
    config, machine, tables = native(mode, modes=ALL_MODES)
    va = 0x12_3456_7000 & (1 << 38) - 1

    @simulate(config, machine)
    async def _(bench):
        for level in range(levels):
            machine.satp = tables.space(level)
            base = va & ~((1 << 12 + 9 * level) - 1)
            ppn, offset = large(level)
            entry = tables.map(machine.satp, base, ppn, level=level)
            bench.apply()
            cold = await bench.translate(base + offset, STORE, S)
            assert (cold.paddr, cold.reads) == (DATA + 5 << 12, levels - level)
            if level:
                assert (await bench.translate(base + offset + 0x7000, FETCH, S)).paddr == DATA + 12 << 12
            for bit in range(9 * level):
                machine.memory[entry] = (ppn | 1 << bit) << 10 | ALL
                await bench.fence(FenceOp.SFENCE_VMA)
                for access, cause in ((LOAD, 13), (STORE, 15), (FETCH, 12))[: 3 if bit == 0 else 1]:
                    assert (await bench.translate(base + offset, access, S)).cause == cause, (level, bit)
        # a pointer at the last level
        machine.satp = tables.space(99)
        tables.map(machine.satp, va, DATA, V_)
        bench.apply()
        answer = await bench.translate(va, LOAD, S)
        assert (answer.cause, answer.reads) == (13, levels)


@pytest.mark.parametrize(
    "mode",
    [pytest.param(mode, marks=pytest.mark.rule(f"hgatp_mode_{name.lower()}x4")) for mode, name in MODES.items()],
    ids=MODES.values(),
)
@pytest.mark.rule("hgatp_mode_x4", "hgatp_ppn_op")
def test_guest_physical_addresses(mode):
    """They are two bits wider; the two bits select one of four pages of the root table.  Higher bits are guest page
    faults with that very address, whatever they are copies of."""
    width = 14 + 9 * (mode - 5)
    config, machine, host, _ = guest(gmode=mode, modes=ALL_MODES)
    machine.vsatp = Atp(0, 0, 2)
    pages = {quarter << width - 2 | 0x5000: DATA + quarter for quarter in range(4)}
    for gpa, ppn in pages.items():
        host.map(machine.hgatp, gpa, ppn, ALL | UBIT)

    @simulate(config, machine)
    async def _(bench):
        for _ in range(2):
            for gpa, ppn in pages.items():
                assert (await bench.translate(gpa | 0x10, LOAD, S, 1)).paddr == ppn << 12 | 0x10
        for access, cause in ((LOAD, 21), (STORE, 23), (FETCH, 20)):
            for bit in range(width, 64):
                answer = await bench.translate(1 << bit | 0x5010, access, S, 1)
                assert (answer.cause, answer.gpa, answer.implicit) == (cause, 1 << bit | 0x5010, NONE)
            answer = await bench.translate((1 << 64) - 0xB000, access, S, 1)  # what sign extension would make of one
            assert (answer.cause, answer.gpa) == (cause, (1 << 64) - 0xB000)


@pytest.mark.rule("H_vm_twostage", "H_vm_gpatrans", "hgatp_mode_bare_trans")
@pytest.mark.parametrize("gmode", (0, *MODES), ids=("bare", *(f"{name}x4" for name in MODES.values())))
@pytest.mark.parametrize("mode", (0, *MODES), ids=("bare", *MODES.values()))
def test_combinations(mode, gmode):
    """Each VS-stage mode over each G-stage mode, with page sizes of each level of both, and a guest physical address
    that does not fit."""
    config = make_config(TranslationConfig, ALL_MODES)
    machine = make_machine(config)
    width = 14 + 9 * (gmode - 5)
    ppn = DATA + 3

    def build(level, glevel):
        """The tables; returns the virtual address of `ppn`."""
        machine.memory.clear()
        host = Tables(machine, mode=gmode or 8)
        machine.hgatp, gppn = Atp(0, 0, 0), ppn
        tables = Tables(machine, TABLES + 0x800, mode or 8)
        if gmode:
            machine.hgatp = host.space(3, gstage=True)
            tables = GuestTables(machine, host, machine.hgatp, mode=mode or 8)
            gppn |= 1 << min(width - 13, 43 if mode else 99)  # among the largest that there are
            host.map(machine.hgatp, gppn << 12, ppn & ~((1 << 9 * glevel) - 1), ALL | UBIT, level=glevel)
        machine.vsatp = Atp(0, 0, 2)
        if not mode:
            return gppn << 12
        machine.vsatp = tables.space(2)
        block = (1 << 9 * level) - 1
        tables.map(machine.vsatp, 1 << 12 + 9 * level, gppn & ~block, level=level)
        if gmode and width < 56:
            tables.map(machine.vsatp, -0x1000, 1 << width - 12)
        return (1 << 12 + 9 * level) + ((gppn & block) << 12)

    @simulate(config, machine)
    async def _(bench):
        for level in range(max(1, mode - 5)):
            for glevel in range(max(1, gmode - 5)):
                va = build(level, glevel)
                bench.apply()
                await bench.fence(FenceOp.HFENCE_GVMA)
                for access in (LOAD, STORE, FETCH):
                    answer = await bench.translate(va, access, S, 1)
                    assert (answer.cause, answer.paddr) == (None, ppn << 12), (level, glevel, answer)
        if mode and gmode and width < 56:
            answer = await bench.translate((1 << 64) - 0xFF8, STORE, S, 1)
            assert (answer.cause, answer.gpa, answer.implicit) == (23, 1 << width | 8, NONE)


@pytest.mark.rule("Sv39_pte_future_rsv", "Sv39_pte_svnapot_rsv", "Sv39_pte_svpbmt_rsv")
@pytest.mark.parametrize("stage", ("first", "VS", "G"))
@pytest.mark.parametrize("extensions", (True, False))
def test_reserved_bits(stage, extensions):
    """Bits 60 to 54 of every entry, and those of absent or disabled extensions, are page faults: in leaves, in large
    ones and in pointers; so are W without R, and A, D and U in pointers.  RSW and, in pointers, G mean nothing."""
    cls = TranslationConfig if extensions else None
    changes = {} if cls is None else {"cls": cls}
    if stage == "first":
        config, machine, tables = native(**changes)
        entries = [tables.map(machine.satp, 0x1000, DATA), tables.map(machine.satp, 0x4000_0000, DATA, level=1)]
        table = (machine.memory[(machine.satp.ppn << 12)] >> 10 << 12)
        v = 0
    else:
        config, machine, host, tables = guest(**(changes or {"cls": type(native()[0])}))
        vs, g = guest_map(machine, host, tables, 0x1000, DATA)
        gpa = GuestTables.OFFSET + (DATA + 512 << 12)
        large_g = host.map(machine.hgatp, gpa, DATA + 512, ALL | UBIT, level=1)
        large_vs = tables.map(machine.vsatp, 0x4000_0000, gpa >> 12, level=1) - GuestTables.OFFSET
        entries = [vs, large_vs] if stage == "VS" else [g, large_g]
        root = (machine.vsatp.ppn << 12) - GuestTables.OFFSET if stage == "VS" else machine.hgatp.ppn << 12
        table = machine.memory[root + (0 if stage == "VS" else (GuestTables.OFFSET + (DATA << 12) >> 30) * 8)]
        table = table >> 10 << 12
        if stage == "VS":
            table -= GuestTables.OFFSET
        v = 1
    pointer = table + (0 if stage != "G" else (GuestTables.OFFSET + (DATA << 12) >> 21 & 0x1FF) * 8)
    assert machine.memory[pointer] & 0xF == V_
    fault = 21 if stage == "G" else 13

    @simulate(config, machine)
    async def _(bench):
        async def cause(entry, value, va):
            kept, machine.memory[entry] = machine.memory[entry], value
            await bench.fence(FenceOp.HFENCE_GVMA)
            await bench.fence(FenceOp.SFENCE_VMA)
            answer = await bench.translate(va, LOAD, S, v)
            machine.memory[entry] = kept
            assert (answer.gpa != 0) == (answer.cause == 21)
            return answer.cause

        for va, entry in zip((0x1000, 0x4000_0000), entries, strict=True):
            good = machine.memory[entry]
            assert await cause(entry, good, va) is None
            for bit in (*BAD_BITS, 61, 62, 63):  # PBMT without PBMTE; N without its encoding
                assert await cause(entry, good | 1 << bit, va) == fault, bit
            for bits in (W, W | X, 0):
                assert await cause(entry, good & ~(R | W | X) | bits, va) == fault
            for bit in (8, 9):
                assert await cause(entry, good | 1 << bit, va) is None
        good = machine.memory[pointer]
        for bit in (*BAD_BITS, 61, 62, 63):
            assert await cause(pointer, good | 1 << bit, 0x1000) == fault, bit
        for flags in (A, D, UBIT):
            assert await cause(pointer, good | flags, 0x1000) == fault
        for flags in (G, 1 << 8, 1 << 9):
            assert await cause(pointer, good | flags, 0x1000) is None


@pytest.mark.rule("H_vm_gpa_g")
def test_global_bit_of_the_g_stage_means_nothing():
    """A guest page that is global at the G-stage alone is not shared: neither between ASIDs nor between VMIDs."""
    config, machine, host, tables = guest()
    guest_map(machine, host, tables, 0x1000, DATA, ALL, ALL | UBIT | G)
    other = tables.space(7)
    gpa = GuestTables.OFFSET + (DATA + 1 << 12)
    tables.map(other, 0x1000, gpa >> 12)
    host.map(machine.hgatp, gpa, DATA + 1, ALL | UBIT | G)
    first, gstage = machine.vsatp, machine.hgatp

    @simulate(config, machine)
    async def _(bench):
        for _ in range(2):
            machine.vsatp = first
            bench.apply()
            assert (await bench.translate(0x1000, LOAD, S, 1)).paddr == DATA << 12
            machine.vsatp = other
            bench.apply()
            assert (await bench.translate(0x1000, LOAD, S, 1)).paddr == DATA + 1 << 12
        machine.hgatp = Atp(0, 0, 0)
        machine.vsatp = Atp(0, 0, 7)
        bench.apply()
        assert (await bench.translate(0x1000, LOAD, S, 1)).paddr == 0x1000
        machine.hgatp, machine.vsatp = gstage, first
        bench.apply()
        assert (await bench.translate(0x1000, LOAD, S, 1)).paddr == DATA << 12


# ---- Svnapot


@pytest.mark.rule("Svnapot_pte_N", "Svnapot_range_napot", "Svnapot_valid_encoding", "Svnapot_implicit_read_ppn_subst",
                  "Svnapot_cache_entries")
@pytest.mark.parametrize("mode", MODES, ids=MODES.values())
def test_contiguous_pages(mode):
    """Sixteen entries with N map 64 KiB; a fence by any address of the range removes what its page has left."""
    config, machine, tables = native(mode, cls=TranslationConfig, modes=ALL_MODES)
    entries = [tables.map(machine.satp, 0x3_0000 + (i << 12), DATA & ~15 | 8, ALL | 1 << 63) for i in range(16)]
    new = (DATA & ~15) + 0x40

    @simulate(config, machine)
    async def _(bench):
        for i in (*range(16), 3, 0):
            answer = await bench.translate(0x3_0018 + (i << 12), LOAD, S)
            assert answer.paddr == (DATA & ~15) + i << 12 | 0x18
        assert (await bench.translate(0x3_5000, STORE, S)).paddr == (DATA & ~15) + 5 << 12
        for entry in entries:
            machine.memory[entry] = (new | 8) << 10 | ALL | 1 << 63
        for i in range(16):
            await bench.fence(FenceOp.SFENCE_VMA, 0x3_0000 + (i << 12), machine.satp.id)
        for i in range(16):
            assert (await bench.translate(0x3_0000 + (i << 12), LOAD, S)).paddr == new + i << 12


@pytest.mark.rule("Svnapot_reserved_encoding_fault", "Svnapot_hyp_gstage", "Svnapot_range_napot")
@pytest.mark.parametrize("stage", ("VS", "G"))
def test_contiguous_pages_of_a_guest(stage):
    """Both stages have them; every other value of the lowest four PPN bits is reserved, and so is N in a larger
    page."""
    config, machine, host, tables = guest()
    gbase = GuestTables.OFFSET + (DATA << 12)
    n = 1 << 63
    for i in range(16):
        host.map(machine.hgatp, gbase + (i << 12), DATA + i if stage == "VS" else DATA | 8,
                 ALL | UBIT | (n if stage == "G" else 0))
        tables.map(machine.vsatp, 0x3_0000 + (i << 12), (gbase >> 12) + i if stage == "G" else gbase >> 12 | 8,
                   ALL | (n if stage == "VS" else 0))
    entry = (tables.map(machine.vsatp, 0x3_3000, gbase >> 12 | 8, ALL | n) - GuestTables.OFFSET if stage == "VS"
             else host.map(machine.hgatp, gbase + 0x3000, DATA | 8, ALL | UBIT | n))
    block = GuestTables.OFFSET + (DATA + 512 << 12)
    large_g = host.map(machine.hgatp, block, DATA + 512, ALL | UBIT, level=1)
    large_vs = tables.map(machine.vsatp, 0x4000_0000, block >> 12, level=1) - GuestTables.OFFSET

    @simulate(config, machine)
    async def _(bench):
        for i in range(16):
            assert (await bench.translate(0x3_0000 + (i << 12), STORE, S, 1)).paddr == DATA + i << 12
        good = machine.memory[entry] & ~(0xF << 10)
        for low in range(16):
            machine.memory[entry] = good | low << 10
            await bench.fence(FenceOp.HFENCE_GVMA)
            answer = await bench.translate(0x3_3008, LOAD, S, 1)
            expected = None if low == 8 else 13 if stage == "VS" else 21
            assert (answer.cause, answer.gpa) == (expected, gbase + 0x3008 if expected == 21 else 0), low
        for low in (0, 8):
            where = large_vs if stage == "VS" else large_g
            machine.memory[where] = machine.memory[where] & ~(0xF << 10) | n | low << 10
            await bench.fence(FenceOp.HFENCE_GVMA)
            assert (await bench.translate(0x4000_0000, LOAD, S, 1)).cause == (13 if stage == "VS" else 21)


# ---- Svpbmt


@pytest.mark.rule("menvcfg_pbmte_op", "Svpbmt_leaf_pte_pbmt_reserved_3_fault", "Svpbmt_nonleaf_pte_pbmt_must_be_zero",
                  "Svpbmt_impl_may_override_pmas")
@pytest.mark.parametrize("level", (0, 1, 2))
def test_memory_types(level):
    """Of all page sizes, over main memory and I/O; not without menvcfg.PBMTE.  Fetches from PBMT=IO are access
    faults."""
    config, machine, tables = native(cls=TranslationConfig)
    ppn, offset = large(level)
    va = 0x40_0000_0000 - (1 << 32) & ~((1 << 12 + 9 * level) - 1)
    entry = tables.map(machine.satp, va, ppn, level=level)
    device = tables.map(machine.satp, 0x1000, DEVICE >> 12, ALL)

    @simulate(config, machine)
    async def _(bench):
        for machine.m_pbmte in (0, 1):
            bench.apply()
            for value in range(4):
                machine.memory[entry] = ppn << 10 | ALL | value << 61
                machine.memory[device] = DEVICE >> 12 << 10 | ALL | value << 61
                await bench.fence(FenceOp.SFENCE_VMA)
                refused = value == 3 or (value and not machine.m_pbmte)
                for access, cause in ((LOAD, 13), (STORE, 15), (FETCH, 12)):
                    for va_, base in ((va + offset, DATA + 5 << 12), (0x1000, DEVICE)):
                        for _ in range(2):
                            answer = await bench.translate(va_, access, S)
                            if refused:
                                assert answer.cause == cause
                            elif access == FETCH and (base == DEVICE or value == 2):
                                assert answer.cause == 1
                            else:
                                assert (answer.cause, answer.paddr) == (None, base)
                                assert answer.io == (base == DEVICE or value != 0)
                                assert answer.nc == (base != DEVICE and value == 1)


@pytest.mark.rule("Svpbmt_hgatp_stage_override_rule", "Svpbmt_vsatp_stage_override_rule", "henvcfg_pbmte_op",
                  "menvcfg_pbmte_op")
def test_memory_types_of_both_stages():
    """The VS-stage's counts if it is not 0, else the G-stage's, else the PMA; each stage has its own enable.  Page
    sizes of the stages are mixed, so that each leaf comes from memory and from the caches."""
    config, machine, host, tables = guest(l2tlb_entries=256)
    spots = []
    for i, (level, glevel) in enumerate(((0, 0), (1, 0), (0, 1), (1, 1))):
        gpa = GuestTables.OFFSET + (DATA + 512 * (i + 1) << 12)
        vs = tables.map(machine.vsatp, 0x4000_0000 + (i << 21), gpa >> 12, level=level) - GuestTables.OFFSET
        g = host.map(machine.hgatp, gpa, DATA + 512 * (i + 1), ALL | UBIT, level=glevel)
        spots.append((0x4000_0000 + (i << 21), vs, g))

    @simulate(config, machine)
    async def _(bench):
        for m_pbmte, h_pbmte in ((1, 1), (1, 0), (0, 0)):
            machine.m_pbmte, machine.h_pbmte = m_pbmte, h_pbmte
            bench.apply()
            for vs_type in range(4):
                for g_type in range(4):
                    for _, vs, g in spots:
                        machine.memory[vs] = machine.memory[vs] & ~(3 << 61) | vs_type << 61
                        machine.memory[g] = machine.memory[g] & ~(3 << 61) | g_type << 61
                    await bench.fence(FenceOp.HFENCE_GVMA)
                    final = vs_type or g_type
                    for va, *_ in (*spots, *spots):
                        answer = await bench.translate(va, LOAD, S, 1)
                        if vs_type == 3 or (vs_type and not h_pbmte):
                            assert answer.cause == 13
                        elif g_type == 3 or (g_type and not m_pbmte):
                            assert answer.cause == 21
                        else:
                            assert answer.cause is None
                            assert (answer.io, answer.nc) == (final != 0, final == 1), (vs_type, g_type)


# ---- Accessed and dirty bits


@pytest.mark.rule("henvcfg_adue_op", "menvcfg_adue_op", "svade_access_ad_bit_clear", "H_vm_gpapriv",
                  "Svadu_disabled_hw_update_falls_back_to_svade")
@pytest.mark.parametrize("access", (LOAD, STORE, FETCH))
@pytest.mark.parametrize(("mode", "gmode"), ((8, 8), (9, 10), (10, 9)))
def test_updates_of_both_stages(access, mode, gmode):
    """A and D of the VS-stage leaf, of the G-stage leaf and of the G-stage leaf below the VS-stage table, under every
    setting of the two ADUE: who faults first, with which cause and guest physical address, and what is written."""
    config, machine, host, tables = guest(mode=mode, gmode=gmode, modes=ALL_MODES)
    vs, g = guest_map(machine, host, tables, 0x1000, DATA)
    table = host.map(machine.hgatp, vs + GuestTables.OFFSET & ~0xFFF, vs >> 12, ALL | UBIT)
    full = {entry: machine.memory[entry] for entry in (vs, g, table)}
    pf, gpf = {LOAD: (13, 21), STORE: (15, 23), FETCH: (12, 20)}[access]
    need = A | (D if access == STORE else 0)

    @simulate(config, machine)
    async def _(bench):
        for m_adue, h_adue in ((0, 0), (1, 0), (1, 1)):
            machine.m_adue, machine.h_adue = m_adue, h_adue
            bench.apply()
            for missing_vs in (0, A, D, A | D):
                for missing_g in (0, A, D, A | D):
                    for missing_table in (0, A, D, A | D):
                        machine.memory |= {vs: full[vs] & ~missing_vs, g: full[g] & ~missing_g,
                                           table: full[table] & ~missing_table}
                        before = dict(machine.memory)
                        await bench.fence(FenceOp.HFENCE_GVMA)
                        bench.updates.clear()
                        answer = await bench.translate(0x1008, access, S, 1)
                        writes_vs = missing_vs & need
                        got = answer.cause, answer.gpa, answer.implicit
                        entry = vs + GuestTables.OFFSET
                        need_table = A | (D if writes_vs and machine.h_adue else 0)
                        after = {table: 0, vs: 0, g: 0}
                        if missing_table & A and not machine.m_adue:
                            expected = gpf, entry, 1  # the read of the VS-stage entry
                        elif writes_vs and not machine.h_adue:
                            expected = pf, 0, 0
                            after[table] = A
                        elif missing_table & need_table and not machine.m_adue:
                            expected = gpf, entry, 2  # its update: only with h_adue, so not here
                        elif missing_g & need and not machine.m_adue:
                            expected = gpf, GuestTables.OFFSET + (DATA << 12) + 8, 0
                            after |= {table: need_table, vs: need}
                        else:
                            expected = None, 0, 0
                            after = {table: need_table, vs: need, g: need}
                        assert got == expected, (missing_vs, missing_g, missing_table, answer)
                        written = {e: full[e] & ~m | after[e] & m
                                   for e, m in ((vs, missing_vs), (g, missing_g), (table, missing_table))}
                        assert machine.memory == before | written
                        assert len(bench.updates) <= 4


@pytest.mark.rule("menvcfg_adue_op")
@pytest.mark.parametrize("level", (0, 1, 2))
def test_updates_of_superpages(level):
    """The leaf's own entry is updated, wherever it is, once."""
    config, machine, tables = native(cls=TranslationConfig)
    ppn, offset = large(level)
    va = 0x30_0000_0000
    entry = tables.map(machine.satp, va, ppn, ALL & ~(A | D), level=level)
    machine.m_adue = 1

    @simulate(config, machine)
    async def _(bench):
        assert (await bench.translate(va + offset, LOAD, U)).cause == 13
        assert machine.memory[entry] == ppn << 10 | ALL & ~(A | D), "a refused access updates nothing"
        await bench.translate(va + offset, FETCH, S)
        assert machine.memory[entry] == ppn << 10 | ALL & ~D
        await bench.translate(va + offset, STORE, S)
        assert machine.memory[entry] == ppn << 10 | ALL
        await bench.translate(va + offset + 0x1000, STORE, S)
        assert bench.updates == [entry, entry]
