"""Address translation and protection: two L1 TLBs, the second level and the walker."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..config import CoreConfig
from ..isa.privilege import Mode, Priv
from ..memory.types import MemFault
from .tlb import Drop, L1Tlb, Leave
from .types import Fence, FenceOp, MmuContext, PmpEntry, TlbLookup, TlbResult
from .walker import Walker


class TlbPort(wiring.Signature):
    """How the front end and the load/store unit ask for translations (their view).

    `lookup_en` and `lookup` in one cycle; `tlb` in the next and until the next `lookup_en`.  When `tlb.hit` is 0,
    raise `walk_valid` until `walk_done`, a pulse.  With `walk_faulted`, `walk_fault` says what is wrong; otherwise the
    translation has been loaded and a `lookup_en` from the cycle of `walk_done` on will hit.  `walk_valid` may be taken
    back at any time, and must be, for a cycle at least, when something else is looked up before `walk_done`: it comes
    with no `lookup_en` but in the cycle of `walk_done`.  `walk_done` means something only while `walk_valid` is set,
    and never belongs to an abandoned request then.
    """

    def __init__(self):
        super().__init__(
            {
                "lookup_en": Out(1),
                "lookup": Out(TlbLookup),
                "tlb": In(TlbResult),
                "walk_valid": Out(1),
                "walk_done": In(1),
                "walk_faulted": In(1),
                "walk_fault": In(MemFault),
            }
        )


class PtwPort(wiring.Signature):
    """The walker's access to memory (its view): 8 bytes through the data cache.

    `valid` is held until `done`, a pulse; with it comes `likely`, which is known earlier in the cycle and may be there
    alone for a cycle.  A read answers with `rdata` or `error`.  With `update` the 8 bytes are
    compared with `expected` and, if equal, replaced by `data`, all in one; `mismatch` says that they were not.
    """

    def __init__(self, addr_width: int):
        self.addr_width = addr_width
        super().__init__(
            {
                "valid": Out(1),
                "likely": Out(1),
                "update": Out(1),
                "addr": Out(addr_width),
                "expected": Out(64),
                "data": Out(64),
                "done": In(1),
                "rdata": In(64),
                "error": In(1),
                "mismatch": In(1),
            }
        )

    def __eq__(self, other):
        return isinstance(other, PtwPort) and self.addr_width == other.addr_width


class Mmu(wiring.Component):
    """The memory-management unit (supervisor chapter, "Sv39"; hypervisor chapter, "Two-Stage Address Translation").

    `i`/`d`: the requesters. `ptw_*`: page-table reads and updates. `ctx` and `pmp` come from the CSRs and may change in
    any cycle whose next one abandons the fetches in flight. `fence_valid`/`fence` are held until `fence_done` (which
    means nothing without); `fence_likely` comes with `fence_valid`, earlier in the cycle, or alone in a cycle whose
    next one abandons all that is in flight. Between fences, every lookup may be answered from what page tables said at
    any time since the last fence that covers it.
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        ptw = {f"ptw_{name}": member for name, member in PtwPort(config.bus_bits).members.items()}
        super().__init__(
            {
                "ctx": In(MmuContext),
                "pmp": In(data.ArrayLayout(PmpEntry, config.pmp_entries)),
                "i": In(TlbPort()),
                "d": In(TlbPort()),
                **ptw,
                "fence_valid": In(1),
                "fence_likely": In(1),
                "fence": In(Fence),
                "fence_done": Out(1),
                "itlb_miss": Out(1),
                "dtlb_miss": Out(1),
                "l2tlb_miss": Out(1),
                "walk_read": Out(1),
                "walk_vs_stage": Out(1),
                "walk_g_stage": Out(1),
                "walking_vs": Out(1),
                "walking_g": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        ctx = self.ctx
        m.submodules.walker = walker = Walker(self._config)
        m.submodules.itlb = itlb = L1Tlb(self._config, self._config.itlb_entries)
        m.submodules.dtlb = dtlb = L1Tlb(self._config, self._config.dtlb_entries)

        # That a fence is valid is known late: it takes effect in the cycle after it is done, in which the first
        # lookup behind it may come, which sees it.
        fencing = Signal()
        stopping = Signal()
        fence = Signal(Fence)
        m.d.sync += [
            fencing.eq(self.fence_valid & walker.fence_done),
            stopping.eq(self.fence_likely),
            fence.eq(self.fence),
        ]
        m.d.comb += [
            walker.fence_en.eq(fencing),
            walker.fence_waits.eq(stopping),
            walker.fence.eq(fence),
        ]

        for name in (
            "ctx",
            "pmp",
            "ptw_done",
            "ptw_rdata",
            "ptw_error",
            "ptw_mismatch",
        ):
            m.d.comb += getattr(walker, name).eq(getattr(self, name))
        for name in (
            "fence_done",
            "l2tlb_miss",
            "walk_read",
            "walk_vs_stage",
            "walk_g_stage",
            "walking_vs",
            "walking_g",
            "ptw_valid",
            "ptw_likely",
            "ptw_update",
            "ptw_addr",
            "ptw_expected",
            "ptw_data",
        ):
            m.d.comb += getattr(self, name).eq(getattr(walker, name))
        m.d.comb += [self.itlb_miss.eq(walker.i_start), self.dtlb_miss.eq(walker.d_start)]

        # The L1 TLBs hold entries of one address space for each V, without tags for them.  Another one comes into
        # being with its first fill, so that swapping hgatp around a fence, say, loses nothing: even with one that is
        # abandoned in that very cycle, because that is known late.
        space = data.StructLayout({"s1": 1, "asid": 16, "s2": 1, "vmid": 14})
        held = [Signal(space, name=f"held_v{v}") for v in range(2)]
        now = [Signal(space, name=f"now_v{v}") for v in range(2)]
        current = Signal(2)
        for v, satp in enumerate((ctx.satp, ctx.vsatp)):
            m.d.comb += [now[v].s1.eq(satp.mode.any()), now[v].asid.eq(satp.asid)]
            if v:
                m.d.comb += [now[v].s2.eq(ctx.hgatp.mode.any()), now[v].vmid.eq(ctx.hgatp.vmid)]
            m.d.comb += current[v].eq(held[v] == now[v])

        filling = Signal()
        filled = Signal(Mode)
        m.d.comb += [
            filling.eq(walker.d_fill_likely | walker.i_fill_likely),
            filled.eq(Mux(walker.d_fill_likely, dtlb.asked.mode, itlb.asked.mode)),
        ]

        drop_en = Signal()
        drop = Signal(Drop)
        leave = Signal(Leave)
        everything = fence.op == FenceOp.ALL
        with m.If(fencing):
            m.d.comb += [
                drop_en.eq(1),
                drop.by_addr.eq(fence.by_addr & ~everything & (fence.op != FenceOp.HFENCE_GVMA)),
                drop.addr.eq(fence.addr),
                drop.m.eq(everything),
                # Untranslated entries come from no page table; the one of the running code is likely to be needed.
                drop.v0.eq(everything | ((fence.op == FenceOp.SFENCE_VMA) & held[0].s1)),
                drop.v1.eq(fence.op != FenceOp.SFENCE_VMA),
                drop.keep_global.eq(
                    fence.by_id & ((fence.op == FenceOp.SFENCE_VMA) | (fence.op == FenceOp.HFENCE_VVMA))
                ),
            ]
        with m.Elif(filling & (filled.priv != Priv.M)):
            for v in range(2):
                with m.If((filled.v == v) & ~current[v]):
                    other = Cat(held[v].s1, held[v].s2, held[v].vmid) != Cat(now[v].s1, now[v].s2, now[v].vmid)
                    m.d.comb += [(leave.v1 if v else leave.v0).eq(1), leave.keep_global.eq(~other)]
                    m.d.sync += held[v].eq(now[v])

        for side, port, tlb in (("i", self.i, itlb), ("d", self.d, dtlb)):
            m.d.comb += [
                tlb.ctx.eq(ctx),
                tlb.current.eq(current),
                tlb.drop_en.eq(drop_en),
                tlb.drop.eq(drop),
                tlb.leave.eq(leave),
                tlb.lookup_en.eq(port.lookup_en),
                tlb.lookup.eq(port.lookup),
                port.tlb.eq(tlb.result),
                getattr(walker, f"{side}_valid").eq(port.walk_valid),
                getattr(walker, f"{side}_asked").eq(tlb.asked),
                tlb.fill_en.eq(getattr(walker, f"{side}_fill_en")),
                tlb.fill.eq(walker.fill),
                port.walk_done.eq(getattr(walker, f"{side}_done")),
                port.walk_faulted.eq(walker.faulted),
                port.walk_fault.eq(walker.fault),
            ]
        return m
