"""The page-table walker: second-level lookups, both translation stages, faults.

The caches only ever grant.  Whatever they cannot grant is read from memory, so faults and updates of accessed and
dirty bits are always decided on the page-table entry itself.
"""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from ..config import CoreConfig
from ..isa.causes import Cause
from ..isa.privilege import Access, Priv
from ..memory.types import Implicit, MemFault
from .l2tlb import L2Tlb, Space, level_shape, top_level
from .permissions import first_stage_mxr, fold, permitted, user_allowed
from .pma import Pma
from .pmp import Granule, PmpChecker
from .tlb import fill_layout
from .types import Fence, FenceOp, MmuContext, PmpEntry, TlbLookup


class Pte(data.Struct):
    """A page-table entry of Sv39, Sv48 or Sv57 (64 bits)."""

    v: 1
    r: 1
    w: 1
    x: 1
    u: 1
    g: 1
    a: 1
    d: 1
    rsw: 2
    ppn: 44
    reserved: 7
    pbmt: 2
    n: 1


class Refusal(enum.Enum, shape=2):
    """The kinds of faults a walk can end with."""

    PAGE = 0
    ACCESS = 1
    GUEST_PAGE = 2


class Leaf(data.Struct):
    """What one stage's leaf allows (the other stage and PMP apart)."""

    r: 1
    w: 1  # and D
    x: 1
    u: 1
    pbmt: 2  # 0 unless Svpbmt is there
    large: 1  # maps 2 MiB or more
    fractured: 1  # maps more than 4 KiB


class Needs(data.Struct):
    """What the access, or what it needs at the stage in hand, asks of that stage's leaf."""

    w: 1  # and D
    x: 1
    r: 1
    r_or_x: 1  # with r
    may_u: 1
    may_not_u: 1
    may_pbmt: 1  # Svpbmt is enabled
    may_update: 1  # of A and D, by hardware


ANYTHING = {"r": 1, "w": 1, "x": 1, "u": 1, "pbmt": 0, "large": 1, "fractured": 0}


class Walker(wiring.Component):
    """Answers the misses of the two L1 TLBs, the data side first.

    Requests (`d_*`, `i_*`): `valid` is held while the side wants the translation of `asked`, its last lookup.  A fill
    (`*_fill_en`, with `fill`) precedes `done` by one cycle (`*_fill_likely` comes with it, earlier in the cycle, or
    alone when the request is being abandoned); `done` is a pulse, with `faulted` and `fault` if there is
    no translation.  A request whose `valid` falls is abandoned: it fills nothing, and no `done` follows two cycles
    later or after; one in the very next cycle is to be ignored, which happens by itself because `valid` is low then.
    A fence may be done when `fence_done` says so, and takes effect with `fence_en` in the next cycle.  `fence_waits`
    comes with it and from the cycle on that follows the one in which there is a fence to do: it cuts a walk in
    progress short, which begins anew afterwards.
    `*_start` pulses when a request is accepted.
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__(
            {
                "ctx": In(MmuContext),
                "pmp": In(data.ArrayLayout(PmpEntry, config.pmp_entries)),
                **{
                    f"{side}_{name}": In(shape)
                    for side in "di"
                    for name, shape in (("valid", 1), ("asked", TlbLookup))
                },
                **{f"{side}_{name}": Out(1) for side in "di" for name in ("fill_en", "fill_likely", "done", "start")},
                "fill": Out(fill_layout(config)),
                "faulted": Out(1),
                "fault": Out(MemFault),
                "ptw_valid": Out(1),
                "ptw_likely": Out(1),
                "ptw_update": Out(1),
                "ptw_addr": Out(config.bus_bits),
                "ptw_expected": Out(64),
                "ptw_data": Out(64),
                "ptw_done": In(1),
                "ptw_rdata": In(64),
                "ptw_error": In(1),
                "ptw_mismatch": In(1),
                "fence_en": In(1),
                "fence_waits": In(1),
                "fence": In(Fence),
                "fence_done": Out(1),
                "l2tlb_miss": Out(1),
                "walk_read": Out(1),
                "walk_vs_stage": Out(1),
                "walk_g_stage": Out(1),
                "walking_vs": Out(1),  # level: page tables of this stage are being read, or of the only stage
                "walking_g": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, ctx = self._config, self.ctx
        hypervisor = config.has("h")
        root = top_level(config)
        level_bits = level_shape(config)
        svnapot, svpbmt, svadu = (int(config.has(name)) for name in ("svnapot", "svpbmt", "svadu"))

        m.submodules.l2 = l2 = L2Tlb(config)
        m.submodules.pma = pma = Pma(config)
        m.submodules.pmp_checker = pmp = PmpChecker(config)

        # ---- The request in hand
        data_side = Signal()
        asked = Signal(TlbLookup)
        alive = Signal()  # the side has wanted it all the time, up to the last cycle
        live = Signal()  # ... up to now, and no fence waits
        wanted = Mux(data_side, self.d_valid, self.i_valid)
        m.d.sync += alive.eq(alive & wanted)
        m.d.comb += live.eq(alive & wanted & ~self.fence_waits)

        v = asked.mode.v if hypervisor else Const(0)
        machine = asked.mode.priv == Priv.M
        s1 = Signal()  # the stages that translate
        s2 = Signal()
        top1 = Signal(level_bits)
        top2 = Signal(level_bits)
        first_asid = Mux(v, ctx.vsatp.asid, ctx.satp.asid)
        first_ppn = Mux(v, ctx.vsatp.ppn, ctx.satp.ppn)
        m.d.comb += top2.eq(ctx.hgatp.mode[:2] + 2)

        # What does not change during a walk is known from its beginning: who wants it is, and CSRs that it depends on
        # change in cycles only whose next one abandons it.
        va = asked.vaddr
        va_ok = Signal()
        chosen = Signal(TlbLookup)
        chosen_v = chosen.mode.v if hypervisor else Const(0)
        chosen_mode = Mux(chosen_v, ctx.vsatp.mode, ctx.satp.mode)
        begins_s1, begins_s2, begins_top, begins_ok = Signal(), Signal(), Signal(level_bits), Signal()
        m.d.comb += [
            begins_s1.eq((chosen.mode.priv != Priv.M) & chosen_mode.any()),
            begins_s2.eq(chosen_v & ctx.hgatp.mode.any()),
            begins_top.eq(chosen_mode[:2] + 2),
        ]
        modes = range(2, root + 1)
        with m.If(begins_s1), m.Switch(begins_top):
            for top in modes:
                with m.Case(top):
                    high = chosen.vaddr[20 + 9 * top :]
                    m.d.comb += begins_ok.eq(high.all() | ~high.any())
        with m.Elif(begins_s2), m.Switch(top2):
            for top in modes:
                with m.Case(top):
                    m.d.comb += begins_ok.eq(~chosen.vaddr[23 + 9 * top :].any())
        with m.Else():
            m.d.comb += begins_ok.eq(~chosen.vaddr[config.bus_bits :].any())

        # ---- State of the walk
        stage2 = Signal()  # the stage that pte, probes and reads are for
        purpose = Signal(Implicit)  # what the G-stage translation is for; NONE: the access itself
        level1 = Signal(level_bits)
        level2 = Signal(level_bits)
        level = Mux(stage2, level2, level1)
        top = Mux(stage2, top2, top1)
        gpa = Signal(64)
        pa = Signal(56)
        pte = Signal(Pte)
        cached = Signal()  # pte is a leaf from the second-level TLB
        table_known = Signal()  # the table came from there: its page is known to be readable, but no more than that
        careful = Signal()  # use nothing from there
        writable = Signal()  # the G-stage has allowed to write the VS-stage page-table entry
        glob = Signal()
        leaf1 = Signal(Leaf)
        leaf2 = Signal(Leaf)
        refusal = Signal(Refusal)
        got = Signal()  # memory has answered
        asking = Signal()  # ... and has not: in READ and UPDATE
        probe_level = Signal(range(root + 2))
        leaf_way = Signal.like(l2.found_way)
        way = Signal.like(l2.found_way)  # replaced next
        m.d.sync += way.eq(way + 1 if config.l2tlb_ways > 1 else 0)

        # ---- Addresses
        address = Mux(stage2, gpa, va)  # what this stage translates
        levels = range(root + 1)

        def index(of, at):
            """Page-table index, with the two more bits of a G-stage root."""
            return Array(of[12 + 9 * i : 23 + 9 * i] for i in levels)[at]

        def entry_address(page, offset, widened):
            return Cat(Const(0, 3), offset[:9], page) | Cat(Const(0, 12), offset[9:] & widened.replicate(2))

        below = Signal(level_bits)
        m.d.comb += below.eq(level - 1)
        root_address = Mux(
            stage2,
            entry_address(ctx.hgatp.ppn, index(gpa, top2), Const(1)),
            entry_address(first_ppn, index(va, top1), Const(0)),
        )
        next_address = Signal(56)  # of the page-table entry one level down
        m.d.comb += next_address.eq(entry_address(pte.ppn, index(address, below), Const(0)))
        leaf_address = Signal(56)
        m.d.comb += leaf_address.eq(Cat(address[:12], pte.ppn))
        for i in levels[1:]:
            with m.If(level == i):
                m.d.comb += leaf_address[12 : 12 + 9 * i].eq(address[12 : 12 + 9 * i])
        if svnapot:
            with m.If((level == 0) & pte.n):
                m.d.comb += leaf_address[12:16].eq(address[12:16])

        gpa_ok = Signal()
        with m.Switch(top2):
            for i in modes:
                with m.Case(i):
                    m.d.comb += gpa_ok.eq(~gpa[23 + 9 * i :].any())

        # ---- What the page-table entry says
        store = Mux(
            stage2,
            (purpose == Implicit.WRITE) | (purpose == Implicit.NONE) & (asked.access == Access.STORE),
            asked.access == Access.STORE,
        )
        explicit = ~stage2 | (purpose == Implicit.NONE)
        executes = explicit & (asked.access == Access.FETCH) | explicit & asked.hlvx & ~store
        mxr = explicit & Mux(stage2, ctx.mxr, first_stage_mxr(ctx, v))
        # Stage and purpose are known at least a cycle before the entry, and so is what it has to say.
        needed = Signal(Needs)
        needs = Signal(Needs)
        m.d.comb += [
            needed.w.eq(store),
            needed.x.eq(~store & executes),
            needed.r.eq(~store & ~executes),
            needed.r_or_x.eq(~store & ~executes & mxr),
            needed.may_u.eq(stage2 | user_allowed(1, 0, ctx, asked.mode, asked.access)),
            needed.may_not_u.eq(~stage2 & user_allowed(0, 1, ctx, asked.mode, asked.access)),
            needed.may_pbmt.eq(Mux(v & ~stage2, ctx.h_pbmte, ctx.m_pbmte) & svpbmt),
            needed.may_update.eq(Mux(v & ~stage2, ctx.h_adue, ctx.m_adue) & svadu),
        ]
        m.d.sync += needs.eq(needed)
        is_leaf = pte.r | pte.x
        valid_leaf = Signal()
        misaligned = Signal()
        for i in levels[1:]:
            with m.If((level == i) & pte.ppn[: 9 * i].any()):
                m.d.comb += misaligned.eq(1)
        napot_ok = (level == 0) & (pte.ppn[:4] == 8) & svnapot
        m.d.comb += valid_leaf.eq(
            ~misaligned & ~(pte.n & ~napot_ok) & ~(pte.pbmt.any() & ~needs.may_pbmt) & ~pte.pbmt.all()
        )
        valid_table = (level != 0) & ~(pte.d | pte.a | pte.u | pte.n | pte.pbmt.any())
        valid = pte.v & ~(pte.w & ~pte.r) & ~pte.reserved.any() & Mux(is_leaf, valid_leaf, valid_table)
        allowed = Signal()
        m.d.comb += allowed.eq(
            (needs.w & pte.w | needs.x & pte.x | needs.r & pte.r | needs.r_or_x & pte.x)
            & Mux(pte.u, needs.may_u, needs.may_not_u)
        )
        update = ~pte.a | needs.w & ~pte.d
        leaf = Signal(Leaf)
        m.d.comb += [
            leaf.r.eq(pte.r),
            leaf.w.eq(pte.w & pte.d),
            leaf.x.eq(pte.x),
            leaf.u.eq(pte.u),
            leaf.pbmt.eq(pte.pbmt if svpbmt else 0),
            leaf.large.eq(level != 0),
            leaf.fractured.eq((level != 0) | pte.n),
        ]
        updated = Signal(Pte)
        m.d.comb += [updated.eq(pte), updated.a.eq(1), updated.d.eq(pte.d | needs.w)]

        # ---- PMA and PMP of what is accessed
        beyond = pa[config.bus_bits :].any()
        finishing = Signal()
        page_ok = Signal()  # page tables: main memory
        m.d.comb += [
            pma.ppn.eq(pa[12:]),
            page_ok.eq(pma.memory & ~beyond),
            pmp.pmp.eq(self.pmp),
            pmp.addr.eq(pa),
            pmp.machine.eq(machine),  # which reads no page tables
            pmp.size.eq(Mux(finishing, Mux(asked.access == Access.FETCH, 2, asked.size), 3)),
        ]
        table_verdict = Signal.like(pmp.verdict)
        checked = Signal()

        # ---- The answer
        # The VS-stage's memory type comes before the G-stage's, and that before the PMA.  PBMT=IO makes a page what I/O
        # regions are: uncached, not executable, for aligned loads and stores alone.  PBMT=NC only forbids caching.
        pbmt = Signal(2)
        m.d.comb += pbmt.eq(Mux(leaf1.pbmt.any(), leaf1.pbmt, leaf2.pbmt))
        final = Signal.like(self.fill)
        verdict = pmp.verdict
        m.d.comb += [
            final.ppn.eq(pa[12:]),
            final.fill.glob.eq(glob),
            final.fill.large.eq(leaf1.large & leaf2.large & pma.large & (verdict.granule == Granule.LARGE)),
            final.fill.fractured.eq(leaf1.fractured),
            final.fill.narrow.eq((verdict.granule == Granule.WORD) | (verdict.granule == Granule.LINE)),
            final.fill.line.eq(verdict.granule == Granule.LINE),
            *(
                final.fill.perms[name].eq(value)
                for name, value in fold(leaf1, leaf2, s1, verdict, pma.io | pbmt[1]).items()
            ),
            final.fill.perms.io.eq(pma.io | pbmt.any()),
            final.fill.perms.nc.eq(~pma.io & pbmt[0]),
        ]
        fill_now = Signal()
        keep = Signal()  # for the second level, too

        def granted_by(perms):
            return permitted(perms, ctx, asked.mode, asked.access, asked.hlvx)

        m.d.comb += [
            self.d_fill_likely.eq(fill_now & data_side),
            self.i_fill_likely.eq(fill_now & ~data_side),
            self.d_fill_en.eq(self.d_fill_likely & live),
            self.i_fill_en.eq(self.i_fill_likely & live),
        ]
        done = Signal()
        m.d.comb += [
            self.d_done.eq(done & alive & data_side),
            self.i_done.eq(done & alive & ~data_side),
            self.fault.cause.eq(
                Array(
                    Mux(asked.access == Access.STORE, s, Mux(asked.access == Access.FETCH, f, l))
                    for f, l, s in (
                        (Cause.INSTRUCTION_PAGE_FAULT, Cause.LOAD_PAGE_FAULT, Cause.STORE_PAGE_FAULT),
                        (Cause.INSTRUCTION_ACCESS_FAULT, Cause.LOAD_ACCESS_FAULT, Cause.STORE_ACCESS_FAULT),
                        (Cause.INSTRUCTION_GUEST_PAGE_FAULT, Cause.LOAD_GUEST_PAGE_FAULT, Cause.STORE_GUEST_PAGE_FAULT),
                    )
                )[refusal.as_value()]
            ),
            self.fault.vaddr.eq(va),
            self.fault.v.eq(v),
        ]
        with m.If(refusal == Refusal.GUEST_PAGE):
            m.d.comb += [self.fault.gpa.eq(gpa), self.fault.implicit.eq(purpose)]

        # ---- Second-level TLB
        space = Signal(Space)
        m.d.comb += [
            space.v.eq(v),
            space.s1.eq(s1 & ~stage2),
            space.s2.eq(s2),
            space.asid.eq(Mux(s1 & ~stage2, first_asid, 0)),
            space.vmid.eq(Mux(v, ctx.hgatp.vmid, 0)),
            l2.space.eq(space),
            l2.cancel.eq(1),
            l2.probe.gstage.eq(stage2),
            l2.probe.level.eq(probe_level),
            l2.probe.addr.eq(address),
            l2.key.gstage.eq(stage2),
            l2.key.level.eq(level),
            l2.key.addr.eq(address),
            l2.way.eq(way),
            l2.fence_en.eq(self.fence_en),
            l2.fence.eq(self.fence),
            pmp.flush.eq(self.fence_en & (self.fence.op == FenceOp.ALL)),
        ]
        m.d.comb += [
            self.ptw_addr.eq(pa),
            self.ptw_expected.eq(pte),
            self.ptw_data.eq(updated),
            self.walk_vs_stage.eq(self.walk_read & ~stage2),
            self.walk_g_stage.eq(self.walk_read & stage2),
        ]
        found = l2.value
        found_leaf = Signal(Pte)  # a leaf from the TLB in the form of a page-table entry
        m.d.comb += [
            found_leaf.v.eq(1),
            found_leaf.r.eq(found.perms.r1),
            found_leaf.w.eq(found.perms.w),
            found_leaf.x.eq(found.perms.x1),
            found_leaf.u.eq(found.perms.u),
            found_leaf.a.eq(1),
            found_leaf.d.eq(found.perms.w),
            found_leaf.ppn.eq(found.ppn),
            found_leaf.pbmt.eq(Cat(found.perms.nc, found.perms.io & ~found.perms.nc)),
        ]

        def refuse(kind):
            m.d.sync += refusal.eq(kind)
            m.next = "REFUSE"

        def proceed():
            """A stage's leaf has been accepted."""
            m.d.sync += pa.eq(leaf_address)
            with m.If(stage2 & (purpose != Implicit.NONE)):  # back to the VS-stage page-table entry
                m.d.sync += [
                    stage2.eq(0),
                    purpose.eq(Implicit.NONE),
                    writable.eq(purpose == Implicit.WRITE),
                    leaf2.eq(Leaf.const(ANYTHING)),
                ]
                read()
            with m.Elif(~stage2 & s2):
                m.d.sync += gpa.eq(leaf_address)
                begin_gstage()
                m.next = "PROBE"
            with m.Else():
                m.d.sync += stage2.eq(0)
                m.next = "FINISH"

        def read():
            m.d.sync += [got.eq(0), asking.eq(1)]
            m.next = "READ"

        def begin_gstage():
            m.d.sync += [stage2.eq(1), probe_level.eq(0)]

        m.d.comb += self.ptw_likely.eq(asking)
        m.d.sync += asking.eq(0)
        with m.FSM() as fsm:
            with m.State("IDLE"):
                take = self.d_valid
                m.d.comb += chosen.eq(Mux(take, self.d_asked, self.i_asked))
                m.d.sync += [
                    data_side.eq(take),
                    asked.eq(chosen),
                    s1.eq(begins_s1),
                    s2.eq(begins_s2),
                    top1.eq(begins_top),
                    va_ok.eq(begins_ok),
                    stage2.eq(0),
                    probe_level.eq(1),
                    cached.eq(0),
                    careful.eq(0),
                    writable.eq(0),
                    glob.eq(0),
                    leaf1.eq(Leaf.const(ANYTHING)),
                    leaf2.eq(Leaf.const(ANYTHING)),
                    purpose.eq(Implicit.NONE),
                    pa.eq(chosen.vaddr),
                    gpa.eq(chosen.vaddr),
                    alive.eq(1),
                ]
                m.d.comb += [l2.probe.gstage.eq(0), l2.probe.level.eq(0), l2.probe.addr.eq(chosen.vaddr)]
                with m.If(~self.fence_waits & (take | self.i_valid)):
                    m.d.comb += [l2.probe_en.eq(1), self.d_start.eq(take), self.i_start.eq(~take)]
                    m.next = "PROBE"

            with m.State("PROBE"):
                # Levels are probed upwards, one a cycle; the lowest that is found says where to begin
                limit = Mux(stage2, top2, Mux(s1, top1, 0))
                m.d.comb += [l2.cancel.eq(0), l2.probe_en.eq((probe_level <= limit) & ~careful)]
                m.d.sync += probe_level.eq(probe_level + 1)
                m.d.sync += [
                    self.fill.as_value().eq(0),
                    self.fill.ppn.eq(found.ppn),
                    self.fill.fill.glob.eq(found.glob),
                    self.fill.fill.fractured.eq(found.fractured),
                    self.fill.fill.perms.eq(found.perms),
                    keep.eq(0),
                ]
                last = careful | l2.answered & (l2.level == limit)
                granted = granted_by(found.perms)
                begin_at_root = Signal()
                with m.If(~live):
                    m.next = "IDLE"
                with m.Elif(~stage2 & ~va_ok):
                    refuse(Mux(s1, Refusal.PAGE, Mux(s2, Refusal.GUEST_PAGE, Refusal.ACCESS)))
                with m.Elif(stage2 & ~gpa_ok):
                    refuse(Refusal.GUEST_PAGE)
                with m.Elif(~s1 & ~s2):
                    m.next = "FINISH"
                with m.Else():
                    with m.If(l2.answered & ~stage2 & (l2.level == 0)):
                        m.d.sync += leaf_way.eq(Mux(l2.found, l2.found_way, way))
                        m.d.comb += self.l2tlb_miss.eq(~(l2.found & granted))
                    with m.If(l2.answered & l2.found & ~stage2 & (l2.level == 0)):
                        with m.If(granted):
                            m.d.comb += [l2.cancel.eq(1), l2.probe_en.eq(0)]
                            m.next = "FILL"
                        with m.Else():
                            m.d.comb += begin_at_root.eq(last)
                    with m.Elif(l2.answered & l2.found):
                        m.d.comb += [l2.cancel.eq(1), l2.probe_en.eq(0)]
                        with m.If(stage2):
                            m.d.sync += level2.eq(Mux(found.table, l2.level - 1, l2.level))
                        with m.Else():
                            m.d.sync += level1.eq(Mux(found.table, l2.level - 1, l2.level))
                            m.d.sync += glob.eq(found.glob)
                        with m.If(found.table):
                            below_found = Signal(level_bits)
                            m.d.comb += below_found.eq(l2.level - 1)
                            m.d.sync += [
                                pa.eq(entry_address(found.ppn, index(address, below_found), Const(0))),
                                table_known.eq(1),
                                got.eq(0),
                                checked.eq(1),
                            ]
                            read()
                        with m.Else():
                            m.d.sync += [pte.eq(found_leaf), cached.eq(1)]
                            m.next = "CHECK"
                    with m.Elif(last):
                        m.d.comb += begin_at_root.eq(1)
                with m.If(begin_at_root):
                    m.d.sync += [table_known.eq(0), got.eq(0), checked.eq(0)]
                    m.d.comb += [l2.cancel.eq(1), l2.probe_en.eq(0)]
                    with m.If(stage2):
                        m.d.sync += [level2.eq(top2), pa.eq(root_address)]
                        read()
                    with m.Else():
                        m.d.sync += [level1.eq(top1), glob.eq(0)]
                        with m.If(~s1):  # the guest physical address is the virtual one
                            begin_gstage()
                        with m.Elif(s2):
                            m.d.sync += [gpa.eq(root_address), purpose.eq(Implicit.READ)]
                            begin_gstage()
                        with m.Else():
                            m.d.sync += pa.eq(root_address)
                            read()

            with m.State("READ"):
                # PMP is checked while memory answers; main memory can be read without consequences
                m.d.comb += [
                    self.ptw_valid.eq(page_ok & asking),
                    pmp.valid.eq(~checked & page_ok & live),
                    self.walk_read.eq(self.ptw_done),
                ]
                m.d.sync += asking.eq(asking & ~self.ptw_done)
                with m.If(self.ptw_done):
                    m.d.sync += [got.eq(1), pte.eq(self.ptw_rdata)]
                    with m.If(self.ptw_error):
                        m.d.sync += refusal.eq(Refusal.ACCESS)
                    with m.Else():
                        m.d.sync += refusal.eq(Refusal.PAGE)
                with m.If(pmp.done):
                    m.d.sync += [checked.eq(1), table_verdict.eq(pmp.verdict)]
                readable = Mux(checked, table_known | table_verdict.r, pmp.verdict.r)
                with m.If(~page_ok):
                    refuse(Refusal.ACCESS)
                with m.Elif((got | self.ptw_done) & ~live):
                    m.next = "IDLE"
                with m.Elif((got | self.ptw_done) & (checked | pmp.done)):
                    m.d.sync += cached.eq(0)
                    with m.If(~readable | Mux(got, refusal == Refusal.ACCESS, self.ptw_error)):
                        refuse(Refusal.ACCESS)
                    with m.Else():
                        m.next = "CHECK"

            with m.State("CHECK"):
                m.d.sync += [got.eq(0), checked.eq(0), table_known.eq(0)]
                # The table just read is worth remembering, whatever the entry says
                m.d.comb += [
                    l2.key.level.eq(level + 1),
                    l2.new.table.eq(1),
                    l2.new.ppn.eq(pa[12:]),
                    l2.new.glob.eq(glob & ~stage2),
                ]
                with m.If(~table_known & ~cached & (level != top) & (table_verdict.granule != Granule.WORD)
                          & (table_verdict.granule != Granule.LINE)):
                    m.d.comb += l2.write_en.eq(live)
                with m.If(~live):
                    m.next = "IDLE"
                with m.Elif(~valid | is_leaf & ~allowed):
                    with m.If(cached):
                        m.d.sync += probe_level.eq(level + 1)
                        m.next = "RETRY"
                    with m.Else():
                        refuse(Mux(stage2, Refusal.GUEST_PAGE, Refusal.PAGE))
                with m.Elif(~is_leaf):
                    with m.If(stage2):
                        m.d.sync += [level2.eq(below), pa.eq(next_address)]
                        read()
                    with m.Else():
                        m.d.sync += [level1.eq(below), glob.eq(glob | pte.g)]
                        with m.If(s2):
                            m.d.sync += [gpa.eq(next_address), purpose.eq(Implicit.READ)]
                            begin_gstage()
                            m.next = "PROBE"
                        with m.Else():
                            m.d.sync += pa.eq(next_address)
                            read()
                with m.Elif(update):  # not of a cached leaf: what may be written is dirty
                    with m.If(~needs.may_update):
                        refuse(Mux(stage2, Refusal.GUEST_PAGE, Refusal.PAGE))
                    with m.Elif(table_known):  # neither PMP nor the guest physical address of the table are known
                        m.d.sync += careful.eq(1)
                        m.next = "RESTART"
                    with m.Elif(s2 & ~stage2 & ~writable):
                        m.d.sync += purpose.eq(Implicit.WRITE)
                        begin_gstage()
                        m.next = "PROBE"
                    with m.Elif(~table_verdict.w):
                        refuse(Refusal.ACCESS)
                    with m.Else():
                        m.d.sync += asking.eq(1)
                        m.next = "UPDATE"
                with m.Else():
                    with m.If(stage2):
                        m.d.sync += leaf2.eq(leaf)
                    with m.Else():
                        m.d.sync += [leaf1.eq(leaf), glob.eq(glob | pte.g)]
                    with m.If(cached | (level == 0) & Mux(stage2, purpose == Implicit.NONE, 1)):
                        proceed()
                    with m.Else():
                        m.next = "LEAF"

            with m.State("LEAF"):
                # Remember leaves of one stage that the combined entries do not replace: superpages, and where the
                # VS-stage tables are
                m.d.comb += [
                    l2.new.ppn.eq(pte.ppn),
                    l2.new.glob.eq(glob & ~stage2),
                    l2.new.fractured.eq(~stage2),
                    l2.new.perms.r1.eq(leaf.r),
                    l2.new.perms.w.eq(leaf.w),
                    l2.new.perms.x1.eq(leaf.x),
                    l2.new.perms.u.eq(leaf.u),
                    l2.new.perms.io.eq(leaf.pbmt.any()),
                    l2.new.perms.nc.eq(leaf.pbmt[0]),
                ]
                representable = ~pte.ppn[len(l2.new.ppn) :].any() & ~pte.n
                with m.If(~live):
                    m.next = "IDLE"
                with m.Else():
                    m.d.comb += l2.write_en.eq(representable)
                    proceed()

            with m.State("UPDATE"):
                m.d.comb += [self.ptw_valid.eq(asking), self.ptw_update.eq(1)]
                m.d.sync += asking.eq(~self.ptw_done)
                with m.If(self.ptw_done):
                    with m.If(~live):
                        m.next = "IDLE"
                    with m.Elif(self.ptw_error):
                        refuse(Refusal.ACCESS)
                    with m.Elif(self.ptw_mismatch):
                        read()
                    with m.Else():
                        m.d.sync += pte.eq(updated)
                        m.next = "CHECK"

            with m.State("RETRY"):  # the cached leaf does not do: look further up
                m.d.sync += cached.eq(0)
                m.next = "PROBE"
                with m.If(probe_level > top):
                    m.d.sync += careful.eq(1)
                    m.next = "RESTART"

            with m.State("RESTART"):
                m.d.sync += [
                    stage2.eq(0),
                    cached.eq(0),
                    purpose.eq(Implicit.NONE),
                    writable.eq(0),
                    leaf1.eq(Leaf.const(ANYTHING)),
                    leaf2.eq(Leaf.const(ANYTHING)),
                ]
                m.next = "PROBE"

            with m.State("FINISH"):
                m.d.comb += [
                    finishing.eq(1),
                    pmp.valid.eq(~beyond & (pma.memory | pma.io)),
                ]
                m.d.sync += [
                    self.fill.eq(final),
                    keep.eq((s1 | s2) & ~final.fill.narrow & ~final.fill.large),
                ]
                with m.If(~live):
                    m.next = "IDLE"
                with m.Elif(beyond | ~(pma.memory | pma.io)):
                    refuse(Refusal.ACCESS)
                with m.Elif(pmp.done):
                    with m.If(~granted_by(final.fill.perms)):
                        refuse(Refusal.ACCESS)
                    with m.Else():
                        m.next = "FILL"

            with m.State("FILL"):
                m.d.comb += [
                    fill_now.eq(1),
                    l2.key.level.eq(0),
                    l2.way.eq(leaf_way),
                    l2.new.ppn.eq(self.fill.ppn),
                    l2.new.glob.eq(self.fill.fill.glob),
                    l2.new.perms.eq(self.fill.fill.perms),
                    l2.new.fractured.eq(self.fill.fill.fractured),
                ]
                with m.If(~live):
                    m.next = "IDLE"
                with m.Else():
                    m.d.comb += l2.write_en.eq(keep)
                    m.next = "DONE"

            with m.State("DONE"):
                m.d.comb += done.eq(1)
                m.next = "IDLE"

            with m.State("REFUSE"):
                m.d.comb += [done.eq(1), self.faulted.eq(1)]
                m.next = "IDLE"
        walking = fsm.ongoing("READ") | fsm.ongoing("CHECK") | fsm.ongoing("LEAF") | fsm.ongoing("UPDATE")
        m.d.comb += [self.walking_vs.eq(walking & ~stage2), self.walking_g.eq(walking & stage2)]
        # Whether a fence is valid is known late, and whoever has one does not need to be told.
        m.d.comb += self.fence_done.eq(fsm.ongoing("IDLE"))
        return m
