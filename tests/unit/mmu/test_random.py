"""The whole MMU against the reference model: random page tables, modes, permissions, PMP, fences."""

import random

import pytest
from mmu_bench import RAM, Bench, TranslationConfig, make_config, make_machine
from mmu_reference import (
    CAUSES,
    FETCH,
    GUEST,
    LOAD,
    STORE,
    UBIT,
    V_,
    A,
    Atp,
    D,
    Fault,
    G,
    M,
    Pmp,
    R,
    S,
    U,
    W,
    X,
)  # fmt: skip

from entresol.mmu.types import FenceOp

POOL = [(RAM >> 12) + i for i in range(64)]  # pages for tables and data


class World:
    """Random page tables for a few address spaces and random changes to them."""

    def __init__(self, rng, config, modes):
        self.rng, self.config, self.modes = rng, config, modes
        self.machine = make_machine(config)
        self.next_page = RAM + 0x40_0000 >> 12  # tables
        self.guest_page = 0x8_0000  # guest physical pages of guests' tables
        self.leaves = []  # (kind, space, entry address, address translated, level)
        x4 = [mode for mode in modes if config.has("h")]
        self.spaces = [self.space(mode, asid) for asid, mode in enumerate([*modes, modes[0]])] + [None]
        self.guests = []
        for vmid, mode in enumerate([*x4, x4[0], 0] if x4 else []):
            gstage = self.gstage_space(mode, vmid + 1) if mode else (Atp(0, 0, vmid + 1), {})
            self.guests.append(
                (gstage, [self.space(mode, asid + 1, gstage) for asid, mode in enumerate(modes)] + [None])
            )

    def page(self):
        self.next_page += 4
        return self.next_page - 4

    def flags(self, gstage):
        flags = V_ | A | D | R | W
        if self.rng.random() < 0.5:
            flags |= X
        if gstage or self.rng.random() < 0.4:
            flags |= UBIT
        for bit, chance in ((V_, 0.02), (R, 0.15), (W, 0.25), (UBIT, 0.02), (A, 0.15), (D, 0.2)):
            if self.rng.random() < chance:
                flags &= ~bit
        if self.rng.random() < 0.03:
            flags |= 1 << self.rng.choice((54, 58, 60, 61, 62, 63))
        if self.rng.random() < 0.1:
            flags |= self.rng.choice((1, 2)) << 61
        return flags

    def target(self, level):
        """A physical page for a leaf, mostly in RAM and aligned."""
        rng = self.rng
        if level == 0:
            pick = rng.random()
            if pick < 0.05:
                return rng.choice((0x1_0000, 0x1_0001, 1, 0x20_0000, 1 << 43))
            return rng.choice(POOL)
        base = (RAM >> 12) if level == 1 or rng.random() < 0.8 else 0
        if level == 1:
            base += rng.randrange(8) * 512
        base &= ~((1 << 9 * level) - 1)
        return base | (rng.random() < 0.05)

    def addresses(self, mode, gstage):
        """Some addresses that share tables."""
        levels = mode - 5
        result = []
        for _ in range(10):
            va = 0
            for level in range(levels):
                choices = (0, 1, 255, 256, 511) if level == levels - 1 else (0, 1, 511)
                if gstage and level == levels - 1:
                    choices = (2, 3, 512, 1027, 2047)
                if gstage and level and level != levels - 1:
                    choices = (0, 1)
                va |= self.rng.choice(choices) << 12 + 9 * level
            if not gstage and va >> (11 + 9 * levels) & 1:
                va |= (1 << 64) - (1 << 12 + 9 * levels)
            result.append(va)
        return result

    def install(self, root, mode, va, level, pte, write, read, new_table, gstage=False, shared=0):
        """Make `pte` the entry for `va` at `level`, with tables above it as needed.  Returns its address."""
        a = root << 12
        i = mode - 6
        while i > level:
            entry = a + (va >> 12 + 9 * i & (0x7FF if gstage and i == mode - 6 else 0x1FF)) * 8
            old = read(entry)
            if not old & V_ or old & (R | X):
                table = new_table()
                write(entry, table << 10 | V_ | (shared and G))
                a = table << 12
            else:
                a = (old >> 10 & (1 << 44) - 1) << 12
            i -= 1
        entry = a + (va >> 12 + 9 * i & (0x7FF if gstage and i == mode - 6 else 0x1FF)) * 8
        write(entry, pte)
        return entry

    def random_pte(self, level, target, gstage):
        flags = self.flags(gstage)
        ppn = target
        if level == 0 and self.rng.random() < 0.1:
            flags |= 1 << 63
            ppn = ppn & ~0xF | 8
        return ppn << 10 | flags

    def gstage_space(self, mode, vmid):
        memory = self.machine.memory
        root = self.page()
        atp = Atp(mode, root, vmid)
        mapped = {}
        # the guest's RAM for its tables: 4 KiB pages and some superpages, mostly fully permitted
        for block in range(2):
            gpa = 0x8000_0000 + block * 0x20_0000
            if self.rng.random() < 0.3:
                self.install(
                    root,
                    mode,
                    gpa,
                    1,
                    (self.page_2m() << 10) | 0xDF,
                    memory.__setitem__,
                    lambda a: memory.get(a, 0),
                    self.page,
                    True,
                )
                continue
            for page in range(40):
                flags = 0xDF if self.rng.random() < 0.85 else self.flags(True)
                entry = self.install(
                    root,
                    mode,
                    gpa + page * 4096,
                    0,
                    self.page() << 10 | flags,
                    memory.__setitem__,
                    lambda a: memory.get(a, 0),
                    self.page,
                    True,
                )
                self.leaves.append(("g", atp, entry, gpa + page * 4096, 0))
        for gpa in self.addresses(mode, True):
            level = 0 if self.rng.random() < 0.7 else self.rng.randrange(min(mode - 5, 3))
            gpa_level = gpa & ~((1 << 12 + 9 * level) - 1)
            entry = self.install(
                root,
                mode,
                gpa,
                level,
                self.random_pte(level, self.target(level), True),
                memory.__setitem__,
                lambda a: memory.get(a, 0),
                self.page,
                True,
            )
            self.leaves.append(("g", atp, entry, gpa_level, level))
            mapped[gpa] = level
        return atp, mapped

    def page_2m(self):
        self.next_page = self.next_page + 511 & ~511
        self.next_page += 512
        return self.next_page - 512

    def space(self, mode, asid, gstage=None):
        """A first-stage address space; with `gstage`, a guest's."""
        rng, machine = self.rng, self.machine
        atp = Atp(mode, 0, asid)
        if gstage is None:
            write, read, new_table = machine.memory.__setitem__, lambda a: machine.memory.get(a, 0), self.page
        else:

            def spa(gpa):
                quiet = machine.copy()
                quiet.hgatp, quiet.m_adue = gstage[0], 1
                quiet.pmp = []
                try:
                    return quiet.gstage(gpa, LOAD, False, 1)[0]
                except Fault:
                    return None

            def write(gpa, value):
                if spa(gpa) is not None:
                    machine.memory[spa(gpa)] = value

            def read(gpa):
                return machine.memory.get(spa(gpa), 0)

            def new_table():
                self.guest_page += 1
                if self.guest_page >= 0x8_0000 + 40 and self.guest_page < 0x8_0200:
                    self.guest_page = 0x8_0200
                if gstage[0].mode == 0:
                    return self.page()
                if rng.random() < 0.05:
                    return rng.choice((0x3FF_FFFF, 1 << 30, 0x9_0000, 1 << 43))
                return self.guest_page

        atp.ppn = new_table()
        addresses = self.addresses(mode, False)
        for va in addresses:
            level = 0 if rng.random() < 0.7 else rng.randrange(min(mode - 5, 3))
            target = self.target(level)
            if gstage is not None and gstage[0].mode and rng.random() < 0.95:
                target = rng.choice(list(gstage[1])) >> 12 if rng.random() < 0.9 else 0x8_0000 + rng.randrange(1024)
                target &= ~((1 << 9 * level) - 1)
            entry = self.install(
                atp.ppn, mode, va, level, self.random_pte(level, target, False), write, read, new_table
            )
            where = entry if gstage is None else spa(entry)
            if where is not None:
                self.leaves.append(("vs" if gstage else "s", (atp, gstage and gstage[0]), where, va, level))
        self.guest_page += 1
        return atp, addresses


def some_pmp(rng, count):
    """Random PMP entries, the last of which allows everything."""
    entries = []
    for _ in range(count - 1):
        a = rng.choice((0, 0, 1, 2, 3, 3))
        page = rng.choice(POOL) if rng.random() < 0.7 else RAM + 0x40_0000 >> 12
        addr = (page << 10) + rng.choice((0, 0, 1, 0x1FF, 0x200, 0x3FF, 0x1FFFF, 0x7))
        entries.append(Pmp(rng.choice((0, 1, 3, 5, 7, 7, 4)), a, rng.random() < 0.3, addr))
    entries.append(Pmp(7, 3, False, (1 << 54) - 1) if rng.random() < 0.9 else Pmp())
    return entries


class Campaign:
    """Random accesses, context switches, and page-table changes with the weakest fence that suffices."""

    def __init__(self, bench, world, rng):
        self.bench, self.world, self.rng = bench, world, rng
        self.machine, self.config = world.machine, world.config
        self.faults = self.translations = self.step = 0

    async def run(self, steps):
        """`steps` random steps, each of which ends with an access."""
        rng, machine, config, bench = self.rng, self.machine, self.config, self.bench
        hypervisor = config.has("h")
        for self.step in range(steps):
            action = rng.random()
            if action < 0.12:  # another address space, no fence
                chosen = rng.choice(self.world.spaces)
                machine.satp = chosen[0] if chosen else Atp(0, 0, 3)
                if hypervisor and rng.random() < 0.7:
                    gstage, guests = rng.choice(self.world.guests)
                    machine.hgatp = gstage[0]
                    chosen = rng.choice(guests)
                    machine.vsatp = chosen[0] if chosen else Atp(0, 0, 1)
            elif action < 0.2:
                machine.mxr, machine.sum, machine.vmxr, machine.vsum = (rng.randrange(2) for _ in range(4))
            elif action < 0.23:
                machine.m_adue, machine.m_pbmte = rng.randrange(2), rng.randrange(2)
                machine.h_adue, machine.h_pbmte = machine.m_adue & rng.randrange(2), machine.m_pbmte & rng.randrange(2)
                if not config.has("svadu"):
                    machine.m_adue = machine.h_adue = 0
                bench.apply()
                await bench.fence(FenceOp.SFENCE_VMA)
                if hypervisor:
                    await bench.fence(FenceOp.HFENCE_GVMA)
            elif action < 0.26 and config.pmp_entries:
                machine.pmp = some_pmp(rng, config.pmp_entries)
                bench.apply()
                await bench.fence_all()
            elif action < 0.38:
                await self.change()
            v = hypervisor and rng.random() < 0.6
            priv = rng.choice((U, S, S)) if v else rng.choice((U, S, S, S, M))
            await self.access(self.address(priv, v), priv, v)

    def address(self, priv, v):
        """Somewhere that the address space in force maps, mostly."""
        rng, machine, world = self.rng, self.machine, self.world
        atp = machine.vsatp if v else machine.satp
        known = next((s for s in [*world.spaces, *(s for g in world.guests for s in g[1])] if s and s[0] is atp), None)
        if priv == M or known is None:
            va = rng.choice([0x1000_0000, 0x2000, 0x0, 1 << 40, 1 << 33, *(p << 12 for p in POOL[:8])])
            if v and machine.hgatp.mode and rng.random() < 0.8:
                mapped = next(g for g, _ in world.guests if g[0] is machine.hgatp)[1]
                va = rng.choice(list(mapped))
        else:
            va = rng.choice(known[1])
        if rng.random() < 0.2:
            va += rng.choice((0x1000, 0x20_0000))
        if rng.random() < 0.02:
            va ^= 1 << rng.randrange(30, 64)
        return va & (1 << 64) - 1

    async def access(self, va, priv, v):
        """Some access in the page of `va`, compared with the reference model."""
        rng, machine, bench = self.rng, self.machine, self.bench
        bench.apply()
        access = rng.choice((LOAD, LOAD, STORE, FETCH))
        size = rng.randrange(4)
        va += rng.choice((0, 0, 0, 8, 0x10, 0x104, 0xFF8))
        va &= ~((1 << (2 if access == FETCH else size)) - 1)
        hlvx = access == LOAD and v and rng.random() < 0.2
        expected = machine.copy()
        try:
            paddr, io, nc = expected.translate(va, access, priv, int(v), hlvx, size)
            fault = None
        except Fault as error:
            fault = error
        answer = await bench.translate(va, access, priv, int(v), int(hlvx), size, same_cycle=rng.random() < 0.5)
        what = (
            f"step {self.step}: va={va:#x} access={access} priv={priv} v={v} hlvx={hlvx} size={size} {machine.satp} "
            f"{machine.vsatp} {machine.hgatp}: {answer}, expected {fault or hex(paddr)}"
        )
        if fault is None:
            assert answer.cause is None, what
            assert (answer.paddr, answer.io, answer.nc) == (paddr, io, nc), what
            self.translations += 1
        else:
            assert answer.cause == CAUSES[fault.kind, access], what
            assert (answer.gpa, answer.implicit) == (fault.gpa, fault.implicit), what
            assert (answer.vaddr, answer.v) == (va, v), what
            assert fault.kind == GUEST or not answer.gpa, what
            self.faults += 1
        assert machine.memory == expected.memory, f"page tables differ, {what}"

    async def change(self):
        """Use a leaf page-table entry, change it, execute the weakest fence that the specification lets software
        use, and use it again."""
        rng, machine, bench, world = self.rng, self.machine, self.bench, self.world
        kind, space, entry, address, level = rng.choice(world.leaves)
        if kind == "s":
            machine.satp = space[0]
        elif kind == "vs":
            machine.vsatp, machine.hgatp = space
        else:
            machine.hgatp = space
            if rng.random() < 0.7:
                machine.vsatp = Atp(0, 0, 1)
        v = kind != "s"
        address &= ~((1 << 12 + 9 * level) - 1)
        used = [address + (rng.randrange(1 << 9 * level) << 12) for _ in range(2)]
        direct = kind != "g" or not machine.vsatp.mode
        for va in used if direct else ():
            await self.access(va, rng.choice((U, S)), v)

        old = machine.memory.get(entry, 0)
        new = world.random_pte(level, world.target(level), kind == "g")
        if kind == "vs" and space[1].mode and rng.random() < 0.8:  # another guest physical page
            mapped = next(mapped for (atp, mapped), _ in world.guests if atp is space[1])
            page = rng.choice(list(mapped)) >> 12 + 9 * level << 9 * level
            new = new & ~(((1 << 44) - 1) << 10) | page << 10
        elif rng.random() < 0.3:  # permissions alone
            new = new & ~(((1 << 44) - 1) << 10) | old & ((1 << 44) - 1) << 10
        machine.memory[entry] = new
        napot = (old | new) >> 63
        table = old & V_ and not old & (R | X)
        addr = None
        if rng.random() < 0.7 and not napot and not table:
            addr = address + (rng.randrange(1 << 9 * level) << 12)
        exact = rng.random() < 0.7
        if kind == "s":
            await bench.fence(FenceOp.SFENCE_VMA, addr, space[0].id if exact else None)
        elif kind == "vs":
            await bench.fence(FenceOp.HFENCE_VVMA, addr, space[0].id if exact else None)
        else:
            addr = None if addr is None else addr >> 2
            await bench.fence(FenceOp.HFENCE_GVMA, addr, space.id if exact else None)
        for va in used if direct else ():
            await self.access(va, rng.choice((U, S)), v)


CONFIGS = {
    "sv39": (lambda: make_config(), (8,)),
    "pmp": (lambda: make_config(TranslationConfig, pmp_entries=16), (8,)),
    "everything": (
        lambda: make_config(TranslationConfig, ("sv39", "sv39x4", "sv48", "sv48x4", "sv57", "sv57x4")),
        (8, 9, 10),
    ),
    "without-h": (lambda: make_config(TranslationConfig, ("sv39", "sv48"), hypervisor=False), (8, 9)),
}


def run_campaign(name, seed, steps):
    """One random campaign on a configuration of `CONFIGS`."""
    make, modes = CONFIGS[name]
    config = make()
    rng = random.Random(f"{name}-{seed}")
    world = World(rng, config, modes)
    bench = Bench(config, world.machine, latency=lambda: rng.randrange(1, 4))
    if config.pmp_entries:
        world.machine.pmp = [Pmp() for _ in range(config.pmp_entries - 1)] + [Pmp(7, 3, False, (1 << 54) - 1)]
    campaign = Campaign(bench, world, rng)

    async def main(ctx):
        await campaign.run(steps)

    bench.run(main)
    counts = campaign.faults, campaign.translations
    assert min(counts) > steps // 10, f"the campaign is one-sided: {counts} faults and translations"


@pytest.mark.rule(
    "H_vm_twostage", "H_vm_gstagetrans", "H_vm_gpatrans", "H_vm_gpapriv", "H_pmp", "hgatp_mode_bare_trans",
    "hgatp_mode_x4", "hgatp_mode_sv39x4", "Sv39_va_signext", "Sv39_pte_future_rsv", "Sv39_leaf_any_level",
    "Sv39_superpage_align_fault", "henvcfg_op", "henvcfg_pbmte_op", "henvcfg_adue_op", "hgatp_mode_sv48x4",
    "hgatp_mode_sv57x4", "menvcfg_pbmte_op", "menvcfg_pbmte_fence", "menvcfg_adue_op", "menvcfg_adue_fence",
    "pma_chk_paddr", "pma_indep_exec_context", "pma_vm_hw_tbl_acc", "sfence_vma_ordering_semantics",
    "pmp_with_paging", "pmp_check_pagetable_access", "satp_op", "sfence_vma_op",
    "sfence_vma_ordering", "sfence_vma_invalidation", "fetch_page_fault_no_x", "load_page_fault_no_r",
    "store_page_fault_no_w", "Sv39_levels", "Sv39_page_offset_sz", "Sv39_pte_sz", "Sv39_pte_count", "Sv39_vpn_sz",
    "Sv39_page_sizes", "Sv39_superpage_align", "Sv39_LEVELS", "Sv39_PTESIZE", "Sv39_pt_sz", "Sv39_pt_align",
    "Sv48_va_sz", "Sv48_va_signext", "Sv48_vpn_sz", "Sv48_levels", "Sv48_page_offset_sz", "Sv48_superpage_align",
    "Sv48_superpage_align_fault", "Sv48_LEVELS", "Sv48_PTESIZE", "Sv57_va_sz", "Sv57_va_signext", "Sv57_vpn_sz",
    "Sv57_levels", "Sv57_page_offset_sz", "Sv57_superpage_align", "Sv57_superpage_align_fault", "Sv57_LEVELS",
    "Sv57_PTESIZE", "Svnapot_pte_N", "Svnapot_range_napot", "Svnapot_valid_encoding", "Svnapot_reserved_encoding_fault",
    "Svnapot_implicit_read_ppn_subst", "Svnapot_cache_entries", "Svnapot_hyp_gstage",
    "Svpbmt_nonleaf_pte_pbmt_must_be_zero", "Svpbmt_leaf_pte_pbmt_reserved_3_fault", "Sv39_pte_svnapot_rsv",
    "Sv39_pte_svpbmt_rsv", "Svpbmt_hgatp_stage_override_rule", "Svpbmt_vsatp_stage_override_rule",
)
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", CONFIGS)
def test_random(name, seed):
    run_campaign(name, seed, 400)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(100, 105))
@pytest.mark.parametrize("name", CONFIGS)
def test_random_long(name, seed):
    run_campaign(name, seed, 2000)
