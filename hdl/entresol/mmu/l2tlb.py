"""The second-level TLB, one RAM for everything worth remembering of a walk.

An entry says what the page-table entry at some level of some table says: at level 0 of the first stage the combined
translation of a 4 KiB page to its supervisor physical address, above that a superpage or the table below; likewise
for the G-stage.  So the walk caches have the capacity, the tags and the fences of the TLB and cost no logic of their
own.

Nothing is erased by a fence.  Every entry carries the epoch of its group at the time of writing and counts only while
that is the current one; a fence advances the epochs of the groups it covers.  When an epoch has come round, the RAM is
swept, during which every probe misses.
"""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..config import CoreConfig
from .permissions import Permissions
from .types import Fence, FenceOp

#: Bits of an epoch: the RAM is swept after this many fences (power of two).
EPOCH_BITS = 6


def top_level(config: CoreConfig) -> int:
    """Level of the root table of the largest translation mode (2 for Sv39, 3 for Sv48, 4 for Sv57)."""
    names = {mode.removesuffix("x4") for mode in config.vm_modes}
    return 4 if "sv57" in names else 3 if "sv48" in names else 2


def level_shape(config: CoreConfig) -> int:
    """Bits of a page-table level."""
    return top_level(config).bit_length()


class Space(data.Struct):
    """The address space that an entry belongs to (33 bits): ASID and VMID are 0 where they play no role."""

    v: 1
    s1: 1  # the first stage translates
    s2: 1  # the G-stage translates
    asid: 16
    vmid: 14


def key_layout(config: CoreConfig) -> data.StructLayout:
    """Where to look: `addr` in bytes is a virtual address, or a guest physical one with `gstage`."""
    return data.StructLayout({"gstage": 1, "level": level_shape(config), "addr": config.va_bits + 1})


def value_layout(config: CoreConfig) -> data.StructLayout:
    """What an entry holds.

    For a first-stage entry of level 0, `perms` are those of the combined translation.  Otherwise, with `table`, `ppn`
    is the next table's page; without, the entry is a leaf of one stage alone and `perms` hold in their first-stage
    fields r1, x1, w (which includes D), u, io and nc (not PMA) what the page-table entry says.  `ppn` is a supervisor
    physical page, but a guest physical one in a VS-stage leaf while the G-stage translates.
    """
    return data.StructLayout(
        {
            "glob": 1,
            "fractured": 1,
            "table": 1,
            "perms": Permissions,
            "ppn": max(config.bus_bits, config.va_bits) - 12,
        }
    )


class L2Tlb(wiring.Component):
    """The RAM, its tags and its fences.

    `probe_en` with `probe` in cycle t gives `found` and the rest in cycle t + 2, when `answered` is set; `space`
    belongs to the probe and the write and is to be stable from t + 1 on.  `cancel` suppresses the answers still to
    come.  One probe a cycle.
    `write_en` writes `value` under `key`, into the way `way`.  With `fence_en` the fence takes effect in that cycle.
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        self._sets = config.l2tlb_entries // config.l2tlb_ways
        way = range(max(2, config.l2tlb_ways))
        super().__init__(
            {
                "space": In(Space),
                "probe_en": In(1),
                "probe": In(key_layout(config)),
                "cancel": In(1),
                "answered": Out(1),
                "level": Out(level_shape(config)),
                "found": Out(1),
                "found_way": Out(way),
                "value": Out(value_layout(config)),
                "write_en": In(1),
                "key": In(key_layout(config)),
                "way": In(way),
                "new": In(value_layout(config)),
                "fence_en": In(1),
                "fence": In(Fence),
            }
        )

    def _page(self, key):
        """The page number of `key` in units of what its level maps."""
        return Array(key.addr[12 + 9 * level :] for level in range(top_level(self._config) + 1))[key.level]

    def _set(self, page, gstage, level):
        bits = (self._sets - 1).bit_length()
        salt = Cat(Const(0, max(bits - 3, 0)), level[:2], gstage)[:bits]
        return page[:bits] ^ page[bits : 2 * bits] ^ salt

    def elaborate(self, platform):
        m = Module()
        config = self._config
        bits = (self._sets - 1).bit_length()
        page_bits = config.va_bits + 1 - 12
        layout = data.StructLayout(
            {
                "valid": 1,
                "gstage": 1,
                "level": level_shape(config),
                "epoch": EPOCH_BITS,
                "space": Space,
                "tag": page_bits - bits,
                "value": value_layout(config),
            }
        )

        # Epochs of the groups: per V not global, global, fractured; and all of the G-stage
        epochs = [
            [Signal(EPOCH_BITS, name=f"epoch_v{v}_{kind}") for kind in ("plain", "global", "fractured")]
            for v in range(2)
        ]
        gstage_epoch = Signal(EPOCH_BITS)
        # Where fractured and superpage entries lie, as far as the upper or the lower half of the address space
        spread = [Signal(2, name=f"spread_v{v}") for v in range(2)]

        sweeping = Signal(init=1)
        swept = Signal(range(self._sets))
        asked_sweeping = Signal()  # the probe was made before the sweep's last row had gone

        def epoch(key_gstage, key_v, glob, fractured):
            plain, global_, fractured_ = (Mux(key_v, one, zero) for zero, one in zip(*epochs, strict=True))
            return Mux(key_gstage, gstage_epoch, Mux(fractured, fractured_, Mux(glob, global_, plain)))

        # Probe: RAM address in the first cycle, comparison in the second, answer from registers in the third
        asked_key = Signal(key_layout(config))
        asked_page = Signal(page_bits)
        pending = Signal()
        page = Signal(page_bits)
        m.d.comb += page.eq(self._page(self.probe))
        m.d.sync += [pending.eq(self.probe_en), self.answered.eq(pending & ~self.cancel)]
        with m.If(self.probe_en):
            m.d.sync += [asked_key.eq(self.probe), asked_page.eq(page), asked_sweeping.eq(sweeping)]
        m.d.sync += self.level.eq(asked_key.level)

        # Write: an entry, or erasing a set
        entry = Signal(layout)
        new_page = Signal(page_bits)
        write_set = Signal(bits)
        erase = Signal()
        fence_page = self.fence.addr[12:]
        m.d.comb += [
            new_page.eq(self._page(self.key)),
            entry.valid.eq(~erase),
            entry.gstage.eq(self.key.gstage),
            entry.level.eq(self.key.level),
            entry.epoch.eq(epoch(self.key.gstage, self.space.v, self.new.glob, self.new.fractured)),
            entry.space.eq(self.space),
            entry.tag.eq(new_page[bits:]),
            entry.value.eq(self.new),
            write_set.eq(self._set(new_page, self.key.gstage, self.key.level)),
            erase.eq(sweeping | self.fence_en & self.fence.by_addr),
        ]
        with m.If(sweeping):
            m.d.comb += write_set.eq(swept)
            m.d.sync += swept.eq(swept + 1)
            with m.If(swept == self._sets - 1):
                m.d.sync += sweeping.eq(0)
        with m.Elif(self.fence_en):
            m.d.comb += write_set.eq(self._set(fence_page, Const(0), Const(0, 2)))

        hits, values = [], []  # by way; at most one hits
        for way in range(config.l2tlb_ways):
            m.submodules[f"way{way}"] = ram = Memory(
                shape=layout, depth=self._sets, init=[], attrs={"no_rw_check": 1}
            )
            read = ram.read_port()
            write = ram.write_port()
            m.d.comb += [
                read.en.eq(self.probe_en),
                read.addr.eq(self._set(page, self.probe.gstage, self.probe.level)),
                write.en.eq(erase | self.write_en & (self.way == way)),
                write.addr.eq(write_set),
                write.data.eq(entry),
            ]
            candidate = read.data
            same_space = Cat(
                candidate.space.as_value()[:3] == self.space.as_value()[:3],
                candidate.value.glob | (candidate.space.asid == self.space.asid),
                candidate.space.vmid == self.space.vmid,
            ).all()
            hit = (
                candidate.valid
                & (candidate.gstage == asked_key.gstage)
                & (candidate.level == asked_key.level)
                & (
                    candidate.epoch
                    == epoch(asked_key.gstage, self.space.v, candidate.value.glob, candidate.value.fractured)
                )
                & (candidate.tag == asked_page[bits:])
                & same_space
                & ~sweeping
                & ~asked_sweeping
            )
            found = Signal(name=f"found{way}")
            value = Signal.like(self.value, name=f"value{way}")
            m.d.sync += found.eq(hit)
            with m.If(pending):
                m.d.sync += value.eq(candidate.value)
            hits.append(found)
            values.append(value)
        m.d.comb += [self.found.eq(Cat(hits).any()), self.value.eq(values[0])]
        for way, (found, value) in enumerate(zip(hits[1:], values[1:], strict=True), 1):
            with m.If(found):
                m.d.comb += [self.found_way.eq(way), self.value.eq(value)]

        with m.If(self.write_en & self.new.fractured & ~self.key.gstage):
            for v in range(2):
                with m.If(self.space.v == v):
                    m.d.sync += spread[v].eq(spread[v] | Mux(self.key.addr[-1], 2, 1))

        # Fences
        def advance(counter):
            m.d.sync += counter.eq(counter + 1)
            with m.If(counter.all()):
                m.d.sync += sweeping.eq(1)
                m.d.sync += swept.eq(0)

        with m.If(self.fence_en):
            for v, op in enumerate((FenceOp.SFENCE_VMA, FenceOp.HFENCE_VVMA)):
                plain, global_, fractured = epochs[v]
                everything = self.fence.op == FenceOp.ALL
                if v:
                    everything |= self.fence.op == FenceOp.HFENCE_GVMA
                with m.If(everything | (self.fence.op == op) & ~self.fence.by_addr):
                    advance(plain)
                    advance(fractured)
                    with m.If(everything | ~self.fence.by_id):
                        advance(global_)
                    m.d.sync += spread[v].eq(0)
                with m.Elif((self.fence.op == op) & Mux(self.fence.addr[config.va_bits], spread[v][1], spread[v][0])):
                    advance(fractured)
                    m.d.sync += spread[v].eq(0)
            with m.If((self.fence.op == FenceOp.HFENCE_GVMA) | (self.fence.op == FenceOp.ALL)):
                advance(gstage_epoch)
        return m
