"""Physical memory protection: one comparator that walks through the entries.

Accesses never wait for it: its verdicts are folded into TLB entries, so it runs only in page-table walks, there
mostly while memory answers, and remembers the last few 2 MiB blocks that are uniform.
"""

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from ..config import CoreConfig
from .types import PmpEntry


class Granule(enum.Enum, shape=2):
    """How much of the address space one PMP verdict covers: the naturally aligned block around the address."""

    WORD = 0  # what the access needs: 4 bytes, 8 for size = 3
    PAGE = 1  # 4 KiB
    LARGE = 2  # 2 MiB
    LINE = 3  # 64 bytes: what cache-block operations need


class PmpVerdict(data.Struct):
    """Permissions and the block they hold for (5 bits)."""

    r: 1
    w: 1
    x: 1
    granule: Granule


class _Known(data.Struct):
    """What is remembered of a 2 MiB block."""

    valid: 1
    machine: 1
    r: 1
    w: 1
    x: 1


class PmpChecker(wiring.Component):
    """Checks one address at a time (privileged architecture, "Physical Memory Protection").

    `valid` is held with a stable `addr` (bytes), `machine` (privilege M) and `size` (log2 bytes) until `done`, which
    comes at the earliest in the next cycle; `verdict` is valid with `done`.  `flush` forgets what is remembered and
    is to be set in the cycle at whose end entries change, or in the next one, while nothing is asked.

    The largest block is answered whose addresses all have the same permissions by the same entry; where an entry
    begins or ends inside the page, that is the block accessed, and an access whose bytes do not all match the same
    entry has no permission at all.
    """

    KNOWN = 4

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__(
            {
                "pmp": In(data.ArrayLayout(PmpEntry, config.pmp_entries)),
                "flush": In(1),
                "valid": In(1),
                "addr": In(config.bus_bits),
                "machine": In(1),
                "size": In(2),
                "done": Out(1),
                "verdict": Out(PmpVerdict),
            }
        )

    def elaborate(self, platform):
        m = Module()
        count = self._config.pmp_entries
        everything = PmpVerdict.const({"r": 1, "w": 1, "x": 1, "granule": Granule.LARGE})
        if not count:
            m.d.comb += self.verdict.eq(everything)
            m.d.sync += self.done.eq(self.valid & ~self.done)
            return m

        entries = Array(self.pmp[i].as_value() for i in range(count))
        # Unlocked entries restrict M only where an access could match half of one
        relaxed = Signal()
        restricts = []
        for i in range(count):
            entry = self.pmp[i]
            restricts += [
                entry.l,
                entry.a == 2,
                (entry.a == 3) & ~entry.addr[:9].all(),
                (entry.a == 1) & (entry.addr[:10].any() | (self.pmp[i - 1].addr[:10].any() if i else 0)),
            ]
        m.d.sync += relaxed.eq(~Cat(restricts).any() & ~self.flush)

        # Blocks known to be uniform
        tag_bits = self._config.bus_bits - 21
        known = [Signal(_Known, name=f"known{i}") for i in range(self.KNOWN)]
        tags = [Signal(tag_bits, name=f"known_tag{i}") for i in range(self.KNOWN)]
        victim = Signal(range(self.KNOWN))
        recall = Signal()
        verdict = Signal(PmpVerdict)
        for entry, tag in zip(known, tags, strict=True):
            with m.If(entry.valid & (entry.machine == self.machine) & (tag == self.addr[21:])):
                m.d.comb += [
                    recall.eq(1),
                    verdict.r.eq(entry.r),
                    verdict.w.eq(entry.w),
                    verdict.x.eq(entry.x),
                    verdict.granule.eq(Granule.LARGE),
                ]

        # The scan: `entry` is entry number `index` - 1, loaded one cycle ahead of its comparison.  What it is compared
        # with does not change after the cycle in which the first one is loaded: registers too.
        index = Signal(range(count + 1))
        entry = Signal(PmpEntry)
        napot_mask = Signal(54)  # of `entry`: address bits that do not matter
        loaded = Signal()
        granule = Signal(Granule, init=Granule.LARGE)
        upper_half = Signal()  # the second word of 8 bytes
        first_match = Signal(range(count + 1))  # number of the entry that the first word matched
        below_start = Signal()  # of the preceding entry: its bound is above the block's first word
        below_end = Signal()  # ... above the block's last word

        word_bits = self._config.bus_bits - 2
        inside = Signal(54)  # address bits inside the block
        with m.Switch(granule):
            with m.Case(Granule.LARGE):
                m.d.comb += inside.eq(2**19 - 1)
            with m.Case(Granule.PAGE):
                m.d.comb += inside.eq(2**10 - 1)
            with m.Case(Granule.LINE):
                m.d.comb += inside.eq(2**4 - 1)
        mask = Signal(54)
        word = Signal(word_bits)
        double = Signal()
        two_words = (granule == Granule.WORD) & (self.size == 3)
        m.d.sync += [
            mask.eq(inside),
            double.eq(two_words),
            word.eq(Cat(Mux(two_words, upper_half, self.addr[2]), self.addr[3:]) & ~inside),
        ]

        bound_above_start = Signal()
        bound_above_end = Signal()
        high = entry.addr[word_bits:].any()
        m.d.comb += [
            bound_above_start.eq(high | (word < entry.addr[:word_bits])),
            bound_above_end.eq(high | ((word | mask) < entry.addr[:word_bits])),
        ]
        differs = Signal(54)
        m.d.comb += differs.eq((entry.addr ^ word) & ~napot_mask)

        whole = Signal()  # the entry matches the whole block
        none = Signal()  # it matches nothing of it
        with m.Switch(entry.a):
            with m.Case(0):
                m.d.comb += none.eq(1)
            with m.Case(1):
                m.d.comb += whole.eq(bound_above_end & ~below_start)
                m.d.comb += none.eq(~bound_above_start | below_end)
            with m.Default():
                m.d.comb += whole.eq(~differs.any() & ~(mask & ~napot_mask).any())
                m.d.comb += none.eq((differs & ~mask).any())

        result = Signal(PmpVerdict)
        matched = Signal()  # this block's lowest matching entry is known
        past_last = Signal()
        m.d.comb += past_last.eq(index == count)
        complete = Signal()
        bypass = Signal()
        m.d.comb += bypass.eq(self.machine & relaxed)

        match_number = Signal(range(count + 1))
        grant = Signal()
        m.d.comb += [
            match_number.eq(Mux(none, 0, index)),  # 1-based, 0: no entry
            matched.eq(loaded & (whole | none & past_last)),
            grant.eq(self.machine & (none | ~entry.l)),
            result.r.eq(grant | entry.r & ~none),
            result.w.eq(grant | entry.w & ~none),
            result.x.eq(grant | entry.x & ~none),
            result.granule.eq(granule),
        ]
        with m.If(double & upper_half & (match_number != first_match)):
            m.d.comb += [result.r.eq(0), result.w.eq(0), result.x.eq(0)]
        m.d.comb += complete.eq(matched & ~(double & ~upper_half))

        with m.If(bypass):
            m.d.comb += verdict.eq(everything)
        with m.Elif(~recall):
            m.d.comb += verdict.eq(result)
        asked = Signal()  # and not answered yet
        m.d.comb += asked.eq(self.valid & ~self.done)
        m.d.sync += [self.done.eq(asked & (bypass | recall | complete)), self.verdict.eq(verdict)]

        restart = Signal()
        next_entry = Signal(PmpEntry)
        m.d.comb += next_entry.eq(entries[index])
        with m.If(~asked | complete):  # with an answer that is known at once, in the next cycle: that comes late
            m.d.comb += restart.eq(1)
            m.d.sync += [granule.eq(Granule.LARGE), upper_half.eq(0)]
        with m.Elif(matched):  # first word of two
            m.d.comb += restart.eq(1)
            m.d.sync += [upper_half.eq(1), first_match.eq(match_number)]
        with m.Elif(loaded & ~none & ~whole):  # not uniform: try the next smaller block
            m.d.comb += restart.eq(1)
            with m.Switch(granule):
                with m.Case(Granule.LARGE):
                    m.d.sync += granule.eq(Granule.PAGE)
                with m.Case(Granule.PAGE):
                    m.d.sync += granule.eq(Granule.LINE)
                with m.Default():
                    m.d.sync += granule.eq(Granule.WORD)
        with m.If(restart):
            m.d.sync += [index.eq(0), loaded.eq(0), below_start.eq(0), below_end.eq(0)]
        with m.Else():
            m.d.sync += [
                entry.eq(next_entry),
                napot_mask.eq(Mux(next_entry.a[0], next_entry.addr ^ (next_entry.addr + 1), 0)),
                index.eq(index + 1),
                loaded.eq(1),
            ]
            with m.If(loaded):
                m.d.sync += [below_start.eq(bound_above_start), below_end.eq(bound_above_end)]

        with m.If(asked & complete & ~recall & ~bypass & (granule == Granule.LARGE)):
            m.d.sync += victim.eq(victim + 1)
            for i in range(self.KNOWN):
                with m.If(victim == i):
                    m.d.sync += [
                        tags[i].eq(self.addr[21:]),
                        known[i].valid.eq(1),
                        known[i].machine.eq(self.machine),
                        known[i].r.eq(result.r),
                        known[i].w.eq(result.w),
                        known[i].x.eq(result.x),
                    ]
        with m.If(self.flush):
            m.d.sync += [entry.valid.eq(0) for entry in known]
        return m
