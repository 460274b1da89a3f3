"""The MMU among guests: what its environment keeps to, and what then holds of it.

Physical memory (16 GiB here, so that regions are larger than the largest page that fits) is told apart by address bits:

- two guests' memory: `in_guest`.  One is the guest whose VMID is `vmid`, an arbitrary one; the other stands for all
  other guests.
- G-stage page tables of either, with the level of a table in its address: `in_table`.  Their entries are anything
  that grants the guest nothing but its own memory.  Of one page of it, `page`, an arbitrary one, no entry grants more
  than `may_read`, `may_write` and `may_execute` say.
- everything else: the host's.  Reads there, and of the guests' memory with their VS-stage page tables, may answer
  anything.

`hgatp` may change to any guest's, `satp` and `vsatp` to anything, at any time; so may fences come, and errors.
`hgatp.MODE` may be Bare, too: nothing is claimed of accesses that are made then.
"""

from dataclasses import replace

from amaranth.hdl import Array, Assume, Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In
from contracts import Lookups, Walks
from inside import Inside
from l1_tlb import Entries, canonical
from prove import claim

import entresol.mmu.mmu
from entresol.config import CoreConfig, Region
from entresol.isa.privilege import Access, Priv
from entresol.memory.types import Implicit
from entresol.mmu.l2tlb import key_layout
from entresol.mmu.permissions import Permissions
from entresol.mmu.pmp import PmpVerdict
from entresol.mmu.tlb import Class
from entresol.mmu.types import Hgatp, TlbLookup
from entresol.mmu.walker import Leaf, Needs

SV39, SV48, SV57 = 8, 9, 10
HELD = data.StructLayout({"s1": 1, "asid": 16, "s2": 1, "vmid": 14})


def with_regions(config: CoreConfig) -> CoreConfig:
    """`config` with enough RAM for the regions."""
    ram = Region("ram", 0x8000_0000, 0x3_8000_0000, False)
    return replace(config, regions=(*(region for region in config.regions if region.name != "ram"), ram))


def in_guest(ppn: Value, which: Value) -> Value:
    """Whether a page is memory of this guest."""
    return ppn[20:] == Mux(which, 2, 3)


def in_table(ppn: Value, which: Value, level: Value | int) -> Value:
    """Whether a page is a G-stage page table of this guest and level."""
    return (ppn[20:] == 1) & (ppn[19] == which) & (ppn[16:19] == level)


def pte(value: Value) -> dict[str, Value]:
    """The fields of a page-table entry."""
    fields = {name: value[bit] for bit, name in enumerate("vrwxugad")}
    return {**fields, "ppn": value[10:54], "reserved": value[54:61], "n": value[63]}


class Who(data.Struct):
    """Whose translations: `g` that the G-stage is on, `known` that the VMID is that of the guest watched."""

    g: 1
    known: 1


class Asked(data.Struct):
    """What is remembered of a side's requests."""

    who: Who  # in force at the last lookup
    filled: 1  # a translation has been loaded since


class Isolation(wiring.Component):
    """The MMU of `config` in its environment, with claims that are strong enough for induction.

    The memories of the TLBs are left out: they answer anything that keeps to what is claimed of every word written.
    So is PMP: its verdicts are arbitrary.
    """

    def __init__(self, config: CoreConfig, mmu=entresol.mmu.mmu.Mmu):
        self._config = config = with_regions(config)
        self._mmu = mmu = Inside(mmu(config))
        self._walker = mmu.part("walker")
        self._l2 = self._walker.part("l2")
        self._l1 = {side: mmu.part(f"{side}tlb") for side in "id"}
        self._pmp = self._walker.cut("pmp_checker")
        self._memories = {
            **{f"l2_way{way}": self._l2.cut(f"way{way}") for way in range(config.l2tlb_ways)},
            **{f"{side}tlb": self._l1[side].cut("entries") for side in "id"},
        }
        ports = {name: member for name, member in mmu.component.signature.members.items() if name != "pmp"}
        self._ports = list(ports)
        super().__init__({
            **ports,
            "vmid": In(14),
            "page": In(22),
            "may_read": In(1), "may_write": In(1), "may_execute": In(1),
            "pmp_done": In(1), "pmp_verdict": In(PmpVerdict),
            **{f"{name}_answer": In(memory.shape) for name, memory in self._memories.items()},
        })

    # ---- predicates of the environment

    def within_rights(self, r, w, x):
        return (~r | self.may_read) & (~w | self.may_write) & (~x | self.may_execute)

    def within_fold(self, perms: Permissions):
        return self.within_rights(perms.r2, perms.w, perms.x | perms.x2)

    def covers(self, ppn, level, napot):
        """Whether the leaf at `level` that leads to `ppn` maps `page`; a NAPOT one (of 64 KiB) at level 0."""
        return Mux(level == 0, (ppn[4:] == self.page[4:]) & (napot | (ppn[:4] == self.page[:4])),
                   Mux(level == 1, ppn[9:] == self.page[9:], ppn[18:] == self.page[18:]))

    def grants_rightly(self, ppn, level, which, r, w, x, napot=0):
        """That a leaf grants a guest its own memory, the watched page no further than it may."""
        within = ~self.covers(ppn, level, napot) | self.within_rights(r, w, x)
        return (r | x) & (level <= 2) & in_guest(ppn, which) & within

    def keeps(self, value, level, which):
        """That an entry of a G-stage table is what a hypervisor puts there: step 3 and 5 of "Virtual Address
        Translation Process" say which entries grant nothing."""
        entry = pte(value)
        ppn = entry["ppn"]
        malformed = ~entry["v"] | (entry["w"] & ~entry["r"]) | entry["reserved"].any()
        leaf = entry["r"] | entry["x"]
        misaligned = ((level >= 1) & ppn[:9].any()) | ((level >= 2) & ppn[9:18].any())
        granted = self.grants_rightly(ppn, level, which, entry["r"], entry["w"], entry["x"], entry["n"])
        return malformed | Mux(leaf, ~entry["u"] | misaligned | granted,
                               (level == 0) | in_table(ppn, which, (level - 1)[:3]))

    # ---- claims about what the memories hold

    def l1_word(self, word, which):
        covers = Mux(word.fill.large, word.ppn[9:] == self.page[9:], word.ppn == self.page)
        return in_guest(word.ppn, which) & (~covers | self.within_fold(word.fill.perms))

    def l2_value(self, gstage, level, value, which):
        """Of an entry for a guest's accesses."""
        ppn, perms = value.ppn, value.perms
        table = (level != 0) & in_table(ppn, which, (level - 1)[:3])
        leaf = self.grants_rightly(ppn, level, which, perms.r1, perms.w, perms.x1)
        combined = in_guest(ppn, which) & ((ppn != self.page) | self.within_fold(perms))
        vs_table = in_guest(ppn, which) & ((ppn != self.page) | self.may_read)
        return Mux(gstage, Mux(value.table, table, leaf),
                   Mux(level == 0, combined, ~value.table | vs_table))  # VS-stage leaves are guest physical

    def l2_word(self, word):
        space = word.space
        return ~(word.valid & space.v & space.s2) | self.l2_value(
            word.gstage, word.level, word.value, space.vmid == self.vmid)

    # ---- the circuit

    def elaborate(self, platform):
        m = Module()
        m.submodules.mmu = self._mmu.module
        for name in self._ports:
            ours, its = getattr(self, name), getattr(self._mmu.component, name)
            if name in ("i", "d"):
                wiring.connect(m, its, wiring.flipped(ours))
            elif self.signature.members[name].flow == In:
                m.d.comb += its.eq(ours)
            else:
                m.d.comb += ours.eq(its)
        m.d.comb += [self._pmp.done.eq(self.pmp_done), self._pmp.verdict.eq(self.pmp_verdict)]
        for name, memory in self._memories.items():
            (read,) = memory.read_ports
            m.d.comb += read.data.eq(getattr(self, f"{name}_answer"))
        self._environment(m)
        self._l2_claims(m)
        for side in "id":
            self._l1_claims(m, side)
        self._walker_claims(m)
        return m

    def _environment(self, m):
        ctx = self.ctx
        modes = {"sv39": SV39, "sv48": SV48, "sv57": SV57}

        # Constants
        started = Signal()
        m.d.sync += started.eq(1)
        for name in ("vmid", "page", "may_read", "may_write", "may_execute"):
            value = getattr(self, name)
            before = Signal.like(value, name=f"{name}_before", reset_less=True)
            m.d.sync += before.eq(value)
            m.d.comb += Assume(~started | (value == before))

        claim(m, "fences_stop_walks", ~self._mmu["fencing"] | self._mmu["stopping"])

        # CSRs.  That they have no illegal value is proven of the CSR file
        for name, suffix in (("satp", ""), ("vsatp", ""), ("hgatp", "x4")):
            legal = [number for mode, number in modes.items() if mode + suffix in self._config.vm_modes]
            m.d.comb += Assume(ctx[name].mode.matches(0, *legal))
        m.d.comb += [
            Assume(~ctx.hgatp.ppn[:2].any()),
            Assume((ctx.hgatp.mode == 0) | in_table(
                ctx.hgatp.ppn, ctx.hgatp.vmid == self.vmid, (ctx.hgatp.mode - 6)[:3])),
        ]
        self._now = now = Signal(Who)
        m.d.comb += [now.g.eq(ctx.hgatp.mode.any()), now.known.eq(ctx.hgatp.vmid == self.vmid)]
        self._past = past = Signal(data.StructLayout({"satp": 64, "vsatp": 64, "hgatp": Hgatp}))
        self._past_who = Signal(Who)  # by `past`
        current = Cat(ctx.satp, ctx.vsatp, ctx.hgatp)
        changed = Signal()
        m.d.sync += past.as_value().eq(current)
        m.d.comb += [
            changed.eq(past.as_value() != current),
            self._past_who.g.eq(past.hgatp.mode.any()),
            self._past_who.known.eq(past.hgatp.vmid == self.vmid),
        ]

        # Requesters
        self._asked, self._lookups = {}, {}
        for side, port in (("i", self.i), ("d", self.d)):
            mode = port.lookup.mode
            self._lookups[side] = lookups = Lookups(m, port, changed, f"{side}_lookups")
            m.d.comb += [
                Assume(mode.priv.as_value() != 2),
                Assume(~(mode.v & (mode.priv == Priv.M))),
                *(Assume(condition) for condition in lookups.requester.values()),
            ]
            claim(m, f"{side}_walks_take_time", lookups.mmu["walks_take_time"])
            self._asked[side] = asked = Signal(Asked, name=f"asked_{side}")
            with m.If(port.lookup_en):
                m.d.sync += [asked.who.eq(now), asked.filled.eq(0)]

        # Memory
        ppn = self.ptw_addr[12:]
        m.d.comb += Assume(~self.ptw_done | self.ptw_valid)
        m.d.comb += Assume(~self.fence_valid | self.fence_likely)
        m.d.comb += Assume(
            ~self.ptw_done | self.ptw_update | self.ptw_error
            | ~((ppn[20:] == 1) & (ppn[16:19] <= 4))
            | self.keeps(self.ptw_rdata, ppn[16:19], ppn[19])
        )

    def _l2_claims(self, m):
        for way in range(self._config.l2tlb_ways):
            (write,) = self._memories[f"l2_way{way}"].write_ports
            m.d.comb += Assume(self.l2_word(getattr(self, f"l2_way{way}_answer")))
            claim(m, f"l2_way{way}", ~write.en | self.l2_word(write.data))

    def _l1_claims(self, m, side):
        tlb, memory, asked, name = self._l1[side], self._memories[f"{side}tlb"], self._asked[side], f"{side}tlb"
        void, was_valid = self._lookups[side].void, self._lookups[side].was_valid
        (read,), (write,) = memory.read_ports, memory.write_ports
        port, part = getattr(self, side), tlb.component
        number = memory.depth

        # What is in the memory: whose translation, and whether for V=1
        content = [Signal(Who, name=f"{name}_content{i}") for i in range(number)]
        virtual = Signal(number, name=f"{name}_virtual")
        fills_virtual = part.asked.mode.v & (part.asked.mode.priv != Priv.M)
        for i in range(number):
            with m.If(write.en & (write.addr == i)):
                m.d.sync += [content[i].eq(self._now), virtual[i].eq(fills_virtual)]
        claim(m, f"{name}_word", ~(write.en & fills_virtual & self._now.g) | self.l1_word(write.data, self._now.known))
        with m.If(write.en):
            m.d.sync += asked.filled.eq(1)
        found = Signal(Who, name=f"{name}_found")
        found_virtual = virtual.bit_select(read.addr, 1)
        m.d.comb += [
            found.eq(Array(content)[read.addr]),
            Assume(~(found_virtual & found.g) | self.l1_word(read.data, found.known)),
        ]

        # Entries belong to whom the registers say
        entries = Entries(tlb, number)
        held = data.View(HELD, self._mmu["held_v1"])
        held_who = Cat(held.s2, held.vmid == self.vmid)
        for i in range(number):
            guests = entries.valid[i] & (entries.classes[i] == Class.V1)
            claim(m, f"{name}_owner{i}", ~guests | (virtual[i] & (content[i].as_value() == held_who)))

        # At most one answers, as `l1_tlb.py` proves with what is claimed here
        m.d.comb += [Assume(entries.apart(i, j)) for i in range(number) for j in range(i)]
        claim(m, f"{name}_filled_once", ~write.en
              | port.walk_valid & ~port.lookup_en & ~asked.filled & canonical(self._config, part.asked))
        claim(m, f"{name}_asked_since", ~asked.filled | void | was_valid
              & self._walker.ongoing("DONE") & self._walker["alive"] & (self._walker["data_side"] == (side == "d")))
        claim(m, f"{name}_in_force", void | (asked.who == self._past_who))
        claim(m, f"{name}_mode", ~(part.asked.mode.v & (part.asked.mode.priv == Priv.M)))
        answers = tlb["match_q"] & tlb["usable_q"] & part.asked.mode.v
        claim(m, f"{name}_matched", ~answers | (found_virtual & (found == asked.who)))

        # What it is all about
        result = port.tlb
        guest = result.hit & part.asked.mode.v & asked.who.g
        claim(m, f"{name}_hit", ~guest | in_guest(result.paddr[12:], asked.who.known))
        right = Mux(part.asked.access == Access.STORE, self.may_write,
                    Mux((part.asked.access == Access.FETCH) | part.asked.hlvx, self.may_execute,
                        self.may_read | self.ctx.mxr & self.may_execute))
        claim(m, f"{name}_rights", ~guest | (result.paddr[12:] != self.page) | right)

    def _walker_claims(self, m):
        walker, l2 = self._walker, self._l2
        lookup = walker["asked"]
        asked = data.View(TlbLookup, lookup)
        alive, stage2, cached, data_side = walker["alive"], walker["stage2"], walker["cached"], walker["data_side"]
        level2, pa, entry = walker["level2"], walker["pa"], walker["pte"]
        fields = pte(entry)
        within = walker.ongoing
        idle = within("IDLE")

        who, top = Signal(Who, name="walk_who"), Signal(4, name="walk_top")
        chosen = data.View(TlbLookup, walker["chosen"])
        with m.If(idle):
            m.d.sync += [who.g.eq(self._now.g & chosen.mode.v), who.known.eq(self._now.known),
                         top.eq(self.ctx.hgatp.mode - 6)]
        guest = Signal(name="walk_guest")  # the walk is for a guest's access
        m.d.comb += guest.eq(~idle & who.g)
        claim(m, "walk_virtual", idle | ~who.g | asked.mode.v)
        claim(m, "walk_in_force", idle | ~alive | (who.g == (self._past_who.g & asked.mode.v))
              & (who.known == self._past_who.known) & ((top == (self._past.hgatp.mode - 6)[:4]) | ~who.g))
        first = Mux(asked.mode.v, self._past.vsatp[60:], self._past.satp[60:])
        claim(m, "walk_stages", idle | (walker["s2"] == who.g) & (~alive | (
            walker["s1"] == ((asked.mode.priv != Priv.M) & first.any()))))
        claim(m, "walk_top", ~(alive & walker["s1"]) | idle | (walker["top1"] == first - 6))
        claim(m, "walk_may_begin", ~(alive & walker["va_ok"]) | idle | canonical(self._config, asked))
        theirs = Mux(data_side, self._l1["d"].component.asked.as_value(), self._l1["i"].component.asked.as_value())
        claim(m, "walk_of_side", idle | ~alive | (theirs == lookup))
        past_probe = within("READ", "CHECK", "LEAF", "UPDATE", "RETRY", "FINISH", "FILL") | within("PROBE") & stage2
        claim(m, "walk_canonical", ~(alive & past_probe) | canonical(self._config, asked))

        # The second level's answers
        probed = data.View(key_layout(self._config), l2["asked_key"])
        part = l2.component
        probing = guest & within("PROBE")
        claim(m, "probe_stage", ~(within("PROBE") & l2["pending"]) | (probed.gstage == stage2))
        claim(m, "probe_level", ~(probing & stage2 & l2["pending"]) | (probed.level <= top))
        claim(m, "answer_level", ~(probing & stage2 & part.answered) | (part.level <= top))
        claim(m, "answer", ~(probing & part.answered & part.found)
              | self.l2_value(stage2, part.level, part.value, who.known))

        # Where it reads and writes
        table = guest & stage2
        reading = within("READ", "UPDATE") | within("CHECK") & ~cached
        page_of = pa[12:]
        watched = page_of == self.page
        claim(m, "level", ~(table & within("READ", "CHECK", "LEAF", "UPDATE", "RETRY")) | (level2 <= top))
        claim(m, "table", ~(table & reading) | in_table(page_of, who.known, level2))
        claim(m, "vs_table", ~(guest & ~stage2 & reading)
              | in_guest(page_of, who.known) & (~watched | self.may_read))
        needs, for_table = data.View(Needs, walker["needs"]), stage2 & (walker["purpose"] != Implicit.NONE.value)
        stores = Mux(for_table, walker["purpose"] == Implicit.WRITE.value, asked.access == Access.STORE)
        claim(m, "needs", ~within("CHECK", "UPDATE") | (needs.w == stores) & ~(needs.w & needs.x)
              & (needs.r == ~(needs.w | needs.x)) & ~(for_table & (needs.x | needs.r_or_x))
              & ~(needs.r_or_x & ~needs.r) & ~(needs.may_not_u & stage2))
        claim(m, "cached", ~(cached & within("UPDATE", "LEAF")))
        claim(m, "cached_dirty", ~(cached & within("CHECK")) | fields["a"] & (fields["d"] == fields["w"]))
        claim(m, "asking", ~walker["asking"] | within("UPDATE", "REFUSE") | within("READ") & ~walker["got"])
        claim(m, "not_writable", ~(guest & ~stage2 & (within("PROBE", "RETRY") | within("CHECK") & cached))
              | ~walker["writable"])
        claim(m, "writable", ~(guest & ~stage2 & reading & walker["writable"]) | ~watched | self.may_write)
        claim(m, "update_allowed", ~(guest & ~stage2 & within("UPDATE")) | walker["writable"])
        granted = self.grants_rightly(fields["ppn"], level2, who.known, fields["r"], fields["w"], fields["x"],
                                        fields["n"])
        claim(m, "entry", ~(table & (within("CHECK", "LEAF", "UPDATE") | within("READ") & walker["got"]
                                     & (walker["refusal"] != 1))) | Mux(
            within("CHECK") & cached, granted, self.keeps(entry, level2, who.known)))
        claim(m, "leaf", ~(table & within("LEAF")) | granted)
        purpose = walker["purpose"]
        claim(m, "purpose", purpose != 3)
        claim(m, "leaf_purpose", ~(table & within("LEAF")) | Mux(
            purpose == Implicit.READ, fields["r"], (purpose != Implicit.WRITE) | (fields["r"] & fields["w"])))
        leaf2 = data.View(Leaf, walker["leaf2"])
        claim(m, "leaf_rights", ~(table & within("LEAF")) | (walker["leaf2"] == walker["leaf"]))
        claim(m, "vs_leaf_level", ~(guest & ~stage2 & within("LEAF")) | (walker["level1"] != 0))
        finishing = guest & within("FINISH")
        claim(m, "finish_stage", ~finishing | ~stage2)
        covered = Mux(leaf2.large, page_of[9:] == self.page[9:], watched)
        claim(m, "finish", ~finishing | in_guest(page_of, who.known)
              & (~covered | self.within_rights(leaf2.r, leaf2.w, leaf2.x)))

        filling, word = guest & within("FILL"), walker.component.fill
        claim(m, "fill_stage", ~filling | ~stage2)
        claim(m, "fill", ~filling | self.l1_word(word, who.known))
        claim(m, "keep", ~(filling & walker["keep"]) | ~word.fill.large)

        for name, condition in Walks(m, self).conditions.items():
            claim(m, name, condition)

        # What it is all about
        request = self.ptw_valid & guest
        in_any_table = in_table(self.ptw_addr[12:], who.known, self.ptw_addr[28:31])
        claim(m, "request", ~request | Mux(stage2, in_any_table, in_guest(self.ptw_addr[12:], who.known)))
        claim(m, "request_rights", ~(request & ~stage2 & watched)
              | Mux(self.ptw_update, self.may_write, self.may_read))
        only_ad = ((self.ptw_data ^ self.ptw_expected) & ~(1 << 6 | 1 << 7)) == 0
        claim(m, "update", ~(self.ptw_valid & self.ptw_update) | only_ad)
