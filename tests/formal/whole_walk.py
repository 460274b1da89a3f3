"""The MMU after reset, with one access of a guest to translate: the walk of both stages beside that of the text.

Everything is arbitrary but constant that the access and the CSRs say: its address, kind and mode, `vsatp` and `hgatp`,
both of which translate.  Memory answers anything, at any time.  PMP allows everything.  Hardware updates of A and D
are off, and bits 63:61 of page-table entries (Svnapot, Svpbmt) are zero.
"""

import legal
from amaranth.hdl import Array, Assume, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In
from inside import Inside
from permission import Entry, of_stages
from prove import claim, constant, cover

from entresol.config import CoreConfig
from entresol.isa.privilege import Access
from entresol.memory.types import Implicit
from entresol.mmu.mmu import Mmu
from entresol.mmu.types import MmuContext, TlbLookup
from entresol.mmu.walker import Leaf, Refusal

MODES = {"sv39": 8, "sv48": 9, "sv57": 10}


class WholeWalk(wiring.Component):
    """The MMU of `config` and whoever asks it, the front end or the load/store unit by `data_side`: it looks up, asks
    the walker if there is no hit, and looks up again.  The claims are strong enough for induction.

    The second level of the TLB knows nothing, as after a reset.  The memories of the first level are left out: what
    they answer keeps to what is claimed of the words written.
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        self._mmu = mmu = Inside(Mmu(config))
        self._walker = walker = mmu.part("walker")
        self._l2 = l2 = walker.part("l2")
        self._l1 = [mmu.part(f"{side}tlb") for side in "id"]
        self._entries = [tlb.cut("entries") for tlb in self._l1]
        self._memories = {
            **{f"l2_way{way}": l2.cut(f"way{way}") for way in range(config.l2tlb_ways)},
            **{f"{side}tlb": entries for side, entries in zip("id", self._entries, strict=True)},
        }
        super().__init__({
            "ctx": In(MmuContext), "lookup": In(TlbLookup), "data_side": In(1),
            "ptw_done": In(1), "ptw_rdata": In(64), "ptw_error": In(1),
            **{f"{name}_answer": In(memory.shape) for name, memory in self._memories.items()},
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.mmu = self._mmu.module
        mmu, ctx, lookup = self._mmu.component, self.ctx, self.lookup
        for name in ("ctx", "lookup", "data_side"):
            constant(m, getattr(self, name))
        for name, memory in self._memories.items():
            (read,) = memory.read_ports
            m.d.comb += read.data.eq(getattr(self, f"{name}_answer"))
        m.d.comb += [
            mmu.ctx.eq(ctx),
            mmu.ptw_done.eq(self.ptw_done), mmu.ptw_rdata.eq(self.ptw_rdata), mmu.ptw_error.eq(self.ptw_error),
            mmu.pmp[0].eq(Cat(Const(0b11111, 5), Const(0, 3), Const(-1, 54))),  # NAPOT, everything
        ]
        for name, suffix in (("vsatp", ""), ("hgatp", "x4")):
            chosen = [number for mode, number in MODES.items() if mode + suffix in self._config.vm_modes]
            m.d.comb += Assume(ctx[name].mode.matches(*chosen))
        m.d.comb += [
            *(Assume(condition) for condition in legal.mode(lookup.mode).values()),
            Assume(lookup.mode.v),
            Assume(Mux(self.data_side, lookup.access.as_value() <= 1, lookup.access == Access.FETCH)),
            Assume(~lookup.hlvx | (lookup.access == Access.LOAD)),
            Assume(~ctx.hgatp.ppn[:2].any()),
            Assume(~ctx.m_adue & ~ctx.h_adue),
            Assume(~self.ptw_done | mmu.ptw_valid),
            Assume(~self.ptw_rdata[61:].any()),
            Assume(~self._l2.component.found),
        ]

        # Who asks
        hit, done, faulted = Signal(), Signal(), Signal()
        for side, port in enumerate((mmu.i, mmu.d)):
            with m.If(self.data_side == side):
                m.d.comb += [hit.eq(port.tlb.hit), done.eq(port.walk_done), faulted.eq(port.walk_faulted)]
        looked, ended, walks, looks = (Signal(name=f"requester_{name}")
                                       for name in ("looked", "ended", "walks", "looks"))
        m.d.comb += [walks.eq(looked & ~hit & ~ended), looks.eq(~looked | walks & done & ~faulted)]
        m.d.sync += looked.eq(1)
        with m.If(walks & done):
            m.d.sync += ended.eq(1)
        for side, port in enumerate((mmu.i, mmu.d)):
            m.d.comb += [port.lookup.eq(lookup), port.lookup_en.eq(looks & (self.data_side == side)),
                         port.walk_valid.eq(walks & (self.data_side == side))]
        paddr = Mux(self.data_side, mmu.d.tlb.paddr, mmu.i.tlb.paddr)

        # What memory has answered; the model takes it when the walker does
        walker = self._walker
        entry, error, pending = Signal(64, name="entry"), Signal(name="entry_error"), Signal(name="entry_pending")
        takes = pending & walker.ongoing("CHECK")
        with m.If(takes):
            m.d.sync += pending.eq(0)
        with m.If(self.ptw_done):
            m.d.sync += [entry.eq(self.ptw_rdata), error.eq(self.ptw_error), pending.eq(1)]
        root = max(number for mode, number in MODES.items() if mode in self._config.vm_modes) - 6
        model = Model(m, ctx, lookup.vaddr, ~looked, takes, entry, error, root)
        by_vs, by_g = of_stages(m, model.vs, model.g, ctx, lookup.mode, lookup.access, lookup.hlvx)

        claim(m, "reads", ~mmu.ptw_valid | ~mmu.ptw_update & ~pending & model.reading
              & (mmu.ptw_addr == model.address))
        claim(m, "hit", ~hit | model.found & by_vs & by_g & (paddr == model.address))
        claim(m, "granted", ~(walks & done & ~faulted) | model.found & by_vs & by_g)
        self._walker_claims(m, model, looked, ended, pending, entry, error)
        self._tlb_claims(m, model, ended)

        cover(m, "asked", mmu.ptw_valid)
        cover(m, "hit", hit)
        return m

    def _walker_claims(self, m, model, looked, ended, pending, entry, error):
        """How far the walker is, and the model with it."""
        walker, within = self._walker, self._walker.ongoing
        stage2, level1, level2, pa, gpa = (walker[name] for name in ("stage2", "level1", "level2", "pa", "gpa"))
        got, purpose, leaf_address = walker["got"], walker["purpose"], walker["leaf_address"]
        idle = within("IDLE")
        begun = Signal(name="begun")  # something has been read
        with m.If(pending):
            m.d.sync += begun.eq(1)
        claim(m, "state", ~within("UPDATE", "RETRY", "RESTART") & walker.state_exists())
        claim(m, "walks_for_it", idle | looked & ~ended & walker["alive"] & (walker["data_side"] == self.data_side)
              & (walker["asked"] == self.lookup.as_value()))
        vaddr = self.lookup.vaddr
        canonical = Signal(name="canonical")
        with m.Switch(self.ctx.vsatp.mode):
            for mode in MODES.values():
                with m.Case(mode):
                    m.d.comb += canonical.eq((vaddr[9 * mode - 34:] == 0) | vaddr[9 * mode - 34:].all())
        claim(m, "needs", ~within("CHECK") | (walker["needs"] == walker["needed"]))
        claim(m, "two_stages", idle | walker["s1"] & walker["s2"] & (walker["top1"] == self.ctx.vsatp.mode - 6)
              & (walker["va_ok"] == canonical))
        for side, tlb in enumerate(self._l1):
            claim(m, f"asked{side}", ~looked | (self.data_side != side)
                  | (tlb.component.asked.as_value() == self.lookup.as_value()))
        claim(m, "no_fences", ~self._mmu["fencing"] & ~self._mmu["stopping"])
        claim(m, "nothing_known", ~(walker["cached"] | walker["table_known"] | walker["careful"]))
        claim(m, "begins", ~looked | begun | model.begins())
        claim(m, "at_first", looked | idle & ~begun & ~pending & ~ended & ~model.found & ~model.last)
        claim(m, "idle", ~(idle & looked & ~ended) | ~begun & ~pending)
        claim(m, "first_probe", ~(within("PROBE") & ~stage2) | ~begun & ~pending)
        gstage = within("PROBE") & stage2
        purposes = (model.last == (purpose == Implicit.NONE)) & (purpose != Implicit.WRITE) & (purpose != 3)
        claim(m, "gstage", ~gstage | model.translates(gpa) & ~pending & ~model.found & purposes
              & (model.vs_level == level1))
        reading = within("READ", "CHECK")
        claim(m, "reading", ~reading | (model.gstage == stage2) & (model.vs_level == level1) & (model.address == pa)
              & model.reading & ~model.found & (pending == (got | within("CHECK"))))
        claim(m, "reading_for_gstage", ~(reading & stage2) | (model.g_level == level2) & (model.gpa == gpa) & purposes)
        claim(m, "reading_for_vs_stage", ~(reading & ~stage2) | ~model.last & (purpose == Implicit.NONE))
        claim(m, "entry", ~(within("READ") & got | within("CHECK", "LEAF")) | (walker["pte"] == entry)
              & (error == (within("READ") & (walker["refusal"] == Refusal.ACCESS.value))))
        leaf = within("LEAF")
        claim(m, "leaf", ~leaf | ~pending & ~got & (model.vs_level == level1) & (~stage2 | (model.g_level == level2)))
        claim(m, "levels", ~looked | (model.vs_level <= model.vs_top) & (model.g_level <= model.g_top))
        claim(m, "last_leaf", ~(leaf & stage2 & (purpose == Implicit.NONE))
              | model.found & (model.address == leaf_address))
        claim(m, "table_leaf", ~(leaf & stage2 & (purpose != Implicit.NONE))
              | (purpose == Implicit.READ) & model.reading & ~model.gstage & ~model.last & ~model.found
              & (model.address == leaf_address))
        claim(m, "vs_leaf", ~(leaf & ~stage2) | model.translates(leaf_address) & model.last & ~model.found
              & (purpose == Implicit.NONE))
        finish = within("FINISH")
        claim(m, "finish", ~finish | model.found & ~stage2 & (model.address == pa))
        by_vs, by_g = of_stages(m, model.vs, model.g, self.ctx, self.lookup.mode, self.lookup.access, self.lookup.hlvx)
        claim(m, "fill", ~within("FILL") | model.found & by_vs & by_g & self.leads_there(model, walker.component.fill))
        claim(m, "done", ~within("DONE") | model.found)
        claim(m, "found", ~model.found | model.last & ~pending & ~model.reading)
        vaddr, vs_large, g_large = self.lookup.vaddr, model.vs_level != 0, model.g_level != 0

        def same_offset(address, large):
            return (address[:12] == vaddr[:12]) & (~large | (address[12:21] == vaddr[12:21]))

        claim(m, "guest_offset", ~model.last | same_offset(model.gpa, vs_large))
        claim(m, "offset", ~model.found | same_offset(model.address, vs_large & g_large))
        for name, bits, large, known in (("leaf1", model.vs, vs_large, model.last),
                                         ("leaf2", model.g, g_large, model.found)):
            held = data.View(Leaf, walker[name])
            claim(m, name, ~(known & ~idle & ~within("REFUSE", "DONE")) | (
                Cat(held.r, held.w, held.x, held.u, held.large)
                == Cat(bits.r, bits.w & bits.d, bits.x, bits.u, large)))
        claim(m, "leaf2_u", ~model.found | model.g.u)

    def _tlb_claims(self, m, model, ended):
        """What is in the first level."""
        by_vs, by_g = of_stages(m, model.vs, model.g, self.ctx, self.lookup.mode, self.lookup.access, self.lookup.hlvx)
        for side, (tlb, memory) in enumerate(zip(self._l1, self._entries, strict=True)):
            (read,), (write,) = memory.read_ports, memory.write_ports
            m.d.comb += Assume(~model.found | self.leads_there(model, read.data))
            claim(m, f"word{side}", ~write.en | model.found & by_vs & by_g & self.leads_there(model, write.data))
            claim(m, f"empty{side}", ~tlb["valid"].any() | model.found)
            claim(m, f"match{side}", ~tlb["match_q"] | model.found & ended)

    def leads_there(self, model, word):
        """Whether an entry of the first level says no more than what has been found."""
        perms, vs, g = word.fill.perms, model.vs, model.g
        page = model.address[12:]
        return (
            ~page[len(word.ppn) :].any() & (word.ppn[9:] == page[9 : len(word.ppn)])
            & Mux(word.fill.large, self.lookup.vaddr[12:21] == page[:9], word.ppn[:9] == page[:9])
            & (~perms.r1 | vs.r) & (~perms.x1 | vs.x) & (~perms.r2 | g.r) & (~perms.x2 | g.x)
            & (~perms.w | vs.w & vs.d & g.w & g.d) & (~perms.x | vs.x & g.x)
            & (perms.u == vs.u) & (perms.s == ~vs.u)
        )


class Model:
    """Two-stage address translation: "Virtual Address Translation Process" within "Two-Stage Address Translation".

    `begin` starts that of `va`; then `address` is that of the entry to be read next while `reading`, and the supervisor
    physical address once it is `found`, with the leaves' bits in `vs` and `g` and their levels.  `entry` is what has
    been `read`, `error` that it could not be.
    """

    def __init__(self, m: Module, ctx: MmuContext, va: Value, begin: Value, read: Value, entry: Value, error: Value,
                 root: int):
        self._ctx, self._va, self._levels = ctx, va, range(root + 1)
        levels, pick = self._levels, self._pick
        self.reading, self.found = Signal(name="model_reads"), Signal(name="model_found")
        self.address = Signal(56, name="model_address")
        self.vs, self.g = Signal(Entry, name="model_vs"), Signal(Entry, name="model_g")
        self.vs_level, self.g_level, self.vs_top, self.g_top = (
            Signal(range(root + 1), name=f"model_{name}") for name in ("vs_level", "g_level", "vs_top", "g_top"))
        self.gstage, self.last = Signal(name="model_gstage"), Signal(name="model_last")  # ... of the access itself
        self.gpa = Signal(56, name="model_gpa")
        m.d.comb += [self.vs_top.eq(ctx.vsatp.mode - 6), self.g_top.eq(ctx.hgatp.mode - 6)]

        to_translate, translate = Signal(56, name="model_next_gpa"), Signal(name="model_translates")
        with m.If(translate):
            m.d.sync += [
                self.gstage.eq(1), self.gpa.eq(to_translate), self.g_level.eq(self.g_top),
                self.address.eq(self._root_entry(to_translate)), self.reading.eq(self._has_width(to_translate)),
            ]
        with m.If(begin):
            m.d.comb += [to_translate.eq(self._entry_in(ctx.vsatp.ppn, va, self.vs_top)), translate.eq(1)]
            m.d.sync += self.vs_level.eq(self.vs_top)
            with m.If(~self._canonical()):
                m.d.sync += self.reading.eq(0)

        bits = {name: entry[bit] for bit, name in enumerate("vrwxugad")}
        ppn, rights = entry[10:54], Cat(bits[name] for name in "rwxud")
        leaf, level = bits["r"] | bits["x"], Mux(self.gstage, self.g_level, self.vs_level)
        misaligned = pick(level, [ppn[: 9 * i].any() for i in levels])
        sound = ~error & bits["v"] & ~(bits["w"] & ~bits["r"]) & ~entry[54:].any() & Mux(
            leaf, bits["a"] & ~misaligned & (bits["u"] | ~self.gstage),
            (level != 0) & ~(bits["a"] | bits["d"] | bits["u"]))
        translated = Mux(self.gstage, self.gpa, va)
        page = Cat(translated[:12], pick(level, [Cat(translated[12 : 12 + 9 * i], ppn[9 * i :]) for i in levels]))
        with m.If(read):
            with m.If(~sound):
                m.d.sync += self.reading.eq(0)
            with m.Elif(~leaf):
                below = (level - 1)[: len(level)]
                following = self._entry_in(ppn, translated, below)
                with m.If(self.gstage):
                    m.d.sync += [self.g_level.eq(below), self.address.eq(following)]
                with m.Else():
                    m.d.comb += [to_translate.eq(following), translate.eq(1)]
                    m.d.sync += self.vs_level.eq(below)
            with m.Elif(~self.gstage):
                m.d.comb += [to_translate.eq(page), translate.eq(1)]
                m.d.sync += [self.vs.eq(rights), self.last.eq(1)]
            with m.Elif(self.last):
                m.d.sync += [self.address.eq(page), self.g.eq(rights), self.found.eq(1), self.reading.eq(0)]
            with m.Else():  # implicit reads of VS-stage tables need R
                m.d.sync += [self.address.eq(page), self.gstage.eq(0), self.reading.eq(bits["r"])]

    def _pick(self, level, values):
        """One of `values`, by level."""
        return Array(values)[level]

    def _entry_in(self, table, address, level):
        """The address of the entry for `address` in the table with number `table`."""
        return Cat(Const(0, 3), self._pick(level, [address[12 + 9 * i : 21 + 9 * i] for i in self._levels]), table)

    def _root_entry(self, gpa):
        """That in the root of the G-stage, whose index has 2 bits more ("Guest-Page Faults" aside, see "Hypervisor
        Guest Address Translation and Protection")."""
        index = self._pick(self.g_top, [gpa[12 + 9 * i : 23 + 9 * i] for i in self._levels])
        return Cat(Const(0, 3), index, self._ctx.hgatp.ppn[2:])

    def _has_width(self, gpa):
        """Whether it is no wider than guest physical addresses are."""
        return ~self._pick(self.g_top, [gpa[23 + 9 * i :].any() for i in self._levels])

    def _canonical(self):
        upper = [self._va[20 + 9 * i :] for i in self._levels]
        return self._pick(self.vs_top, [bits.all() | ~bits.any() for bits in upper])

    def begins(self):
        """Whether nothing has been read."""
        first = self._entry_in(self._ctx.vsatp.ppn, self._va, self.vs_top)
        return (self.gpa == first) & self.gstage & (self.g_level == self.g_top) & (self.vs_level == self.vs_top) & (
            self.address == self._root_entry(first)) & (
            self.reading == self._canonical() & self._has_width(first)) & ~self.last & ~self.found

    def translates(self, gpa):
        """Whether it is about to read the G-stage's root for `gpa` (64 bits)."""
        return (self.gpa == gpa) & self.gstage & (self.g_level == self.g_top) & (
            self.address == self._root_entry(gpa)) & (self.reading == self._has_width(gpa))
