"""L1 TLBs: fully associative, small, for one requester each."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, enum, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..config import CoreConfig
from ..isa.privilege import Priv
from .permissions import Permissions, permitted
from .types import MmuContext, TlbLookup, TlbResult


class Class(enum.Enum, shape=2):
    """Whose translations an L1 entry holds.  Within V0 and V1 all entries belong to one address space at a time."""

    M = 0  # M-mode: untranslated
    V0 = 1  # HS and U
    V1 = 2  # VS and VU


class Drop(data.Struct):
    """Which L1 entries to remove."""

    m: 1
    v0: 1
    v1: 1
    keep_global: 1
    by_addr: 1
    addr: 64  # bytes; with by_addr only entries that may hold a translation of this address


class Leave(data.Struct):
    """Which L1 entries to remove because their address space is not in force any more."""

    v0: 1
    v1: 1
    keep_global: 1


class Fill(data.Struct):
    """A translation for the address last looked up; the physical page number follows."""

    glob: 1
    fractured: 1  # the leaf PTE of the first stage maps more than the entry does
    large: 1  # a 2 MiB entry
    narrow: 1  # good for nothing but the repetition of the last lookup
    line: 1  # but for the 64 bytes around it
    perms: Permissions


def fill_layout(config: CoreConfig) -> data.StructLayout:
    """`Fill` and the physical page number, as far as it has bits that lead anywhere."""
    return data.StructLayout({"fill": Fill, "ppn": config.bus_bits - 12})


class L1Tlb(wiring.Component):
    """One L1 TLB.

    `lookup_en`/`lookup` in one cycle, `result` from the next one on until the next `lookup_en` (combinational from
    registers and from SUM and MXR of `ctx`).  `current` (indexed by V) says whether the entries of class V0 and V1
    belong to the address space that is in force; while they don't, they answer nothing.
    `fill_en`/`fill` writes the translation of the last lookup, which is repeated in `asked`; a lookup in a later cycle
    can hit it.  `drop_en`/`drop` removes entries, which a lookup in the same cycle does not find any more; a fill in
    the same cycle survives.  `leave` does so with those of a class that is not `current`, of which a lookup in the same
    cycle finds nothing anyway; it may be known late.  At most one valid entry matches an address, because a fill first
    removes what overlaps it.
    """

    def __init__(self, config: CoreConfig, entries: int):
        self._config = config
        self._entries = entries
        super().__init__(
            {
                "ctx": In(MmuContext),
                "current": In(2),
                "lookup_en": In(1),
                "lookup": In(TlbLookup),
                "result": Out(TlbResult),
                "asked": Out(TlbLookup),
                "fill_en": In(1),
                "fill": In(fill_layout(config)),
                "drop_en": In(1),
                "drop": In(Drop),
                "leave": In(Leave),
            }
        )

    def elaborate(self, platform):
        m = Module()
        top = self._config.va_bits  # one bit more than an address has: tells the two canonical halves apart
        tag_bits = top + 1 - 12

        def address_space(lookup):
            return Mux(lookup.mode.priv == Priv.M, Class.M, Mux(lookup.mode.v, Class.V1, Class.V0))

        valid = Signal(self._entries)
        dropped = Signal(self._entries)  # valid no longer than to the end of this cycle
        large = Signal(self._entries)
        transient = Signal()  # entry 0 is only for the repetition of the last lookup
        spent = Signal()  # ... which has been (a cycle late: what could be asked in between is the same once more)
        m.d.sync += spent.eq(self.lookup_en & transient)
        owner = Signal(2)
        m.d.comb += owner.eq(address_space(self.lookup))
        upper = self.lookup.vaddr[top:]
        canonical = upper.all() | ~upper.any()
        repeated = (self.lookup.vaddr[2:12] == self.asked.vaddr[2:12]) & (self.lookup.size == self.asked.size)

        victim = Signal(range(self._entries))
        slot = Mux(self.fill.fill.narrow, 0, victim)
        match = Signal(self._entries)
        overlap = Signal(self._entries)
        match_q = Signal()
        usable_q = Signal()  # ... and belongs to the address space in force; and there are such addresses
        index_q = Signal(range(self._entries))
        overlap_q = Signal(self._entries)

        for i in range(self._entries):
            tag = Signal(tag_bits, name=f"tag{i}")
            owner_i = Signal(Class, name=f"class{i}")
            glob = Signal(name=f"global{i}")
            fractured = Signal(name=f"fractured{i}")
            high = valid[i] & ~dropped[i] & (owner_i.as_value() == owner) & (tag[9:] == self.lookup.vaddr[21 : top + 1])
            if i == 0:
                high &= ~transient | repeated
            m.d.comb += [
                overlap[i].eq(high),
                match[i].eq(high & (large[i] | (tag[:9] == self.lookup.vaddr[12:21]))),
            ]

            # By address: exact only in what is cheap to compare
            drop = self.drop
            in_class = Mux(owner_i == Class.V1, drop.v1, Mux(owner_i == Class.V0, drop.v0, drop.m))
            near = (tag[-1] == drop.addr[top]) & (fractured | large[i] | (tag[:4] == drop.addr[12:16]))
            with m.If(self.drop_en), m.If(in_class & ~(drop.keep_global & glob) & (~drop.by_addr | near)):
                m.d.comb += dropped[i].eq(1)
                m.d.sync += valid[i].eq(0)
            leave = self.leave
            with m.If(Mux(owner_i == Class.V1, leave.v1, (owner_i == Class.V0) & leave.v0)
                      & ~(leave.keep_global & glob)):
                m.d.sync += valid[i].eq(0)
            if i == 0:
                with m.If(spent):
                    m.d.sync += valid[i].eq(0)
            with m.If(self.fill_en):
                with m.If(Mux(self.fill.fill.large, overlap_q[i], match_q & (index_q == i))):
                    m.d.sync += valid[i].eq(0)
                with m.If(slot == i):
                    m.d.sync += [
                        valid[i].eq(1),
                        large[i].eq(self.fill.fill.large),
                        tag.eq(self.asked.vaddr[12:]),
                        owner_i.eq(address_space(self.asked)),
                        glob.eq(self.fill.fill.glob),
                        fractured.eq(self.fill.fill.fractured),
                    ]
        with m.If(self.fill_en):
            m.d.sync += victim.eq(victim + 1)
            with m.If(slot == 0):
                m.d.sync += transient.eq(self.fill.fill.narrow)

        with m.If(self.lookup_en):
            m.d.sync += [
                self.asked.eq(self.lookup),
                match_q.eq(match.any()),
                overlap_q.eq(overlap),
                usable_q.eq(
                    canonical & ((owner == Class.M) | Mux(self.lookup.mode.v, self.current[1], self.current[0]))
                ),
                index_q.eq(
                    Cat(
                        Cat(match[i] for i in range(self._entries) if i >> bit & 1).any() for bit in range(len(index_q))
                    )
                ),
            ]

        # What an entry says is kept in distributed RAM: the multiplexer over all entries comes with it
        layout = self.fill.shape()
        m.submodules.entries = entries = Memory(shape=layout, depth=self._entries, init=[])
        write = entries.write_port()
        read = entries.read_port(domain="comb")
        m.d.comb += [write.en.eq(self.fill_en), write.addr.eq(slot), write.data.eq(self.fill), read.addr.eq(index_q)]

        found = read.data
        page = Cat(Mux(found.fill.large, self.asked.vaddr[12:21], found.ppn[:9]), found.ppn[9:])
        m.d.comb += [
            self.result.hit.eq(
                match_q
                & usable_q
                & permitted(found.fill.perms, self.ctx, self.asked.mode, self.asked.access, self.asked.hlvx)
            ),
            self.result.paddr.eq(Cat(self.asked.vaddr[:12], page)),
            self.result.io.eq(found.fill.perms.io),
            self.result.nc.eq(found.fill.perms.nc),
            self.result.narrow.eq(found.fill.narrow),
            self.result.line.eq(found.fill.line),
        ]
        return m
