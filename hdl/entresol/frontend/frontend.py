"""The front end: from a program counter to a stream of instructions in program order."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import CoreConfig
from ..execute.bits import chosen_late
from ..isa.causes import Cause
from ..isa.privilege import Access, Mode
from ..memory.axi import Axi4
from ..memory.types import MemFault
from ..mmu.types import TlbLookup, TlbResult
from .icache import ICache
from .predictor import TARGET_BITS, Predictor
from .queue import FetchQueue
from .types import BranchUpdate, FetchedInstr


class Frontend(wiring.Component):
    """Fetches along the predicted path, 8 bytes a cycle.

    - F0: `pc` addresses the instruction cache and the TLB; the predictor says where the next cycle's F0 is (its
      memories were addressed together with the load of `pc`, so a taken branch costs no cycle).
    - F1: translation and cache line are there: the group goes into the queue.
    - the next cycle (D): `instr` offers its first instruction.

    Redirected at the end of cycle t, the first instruction is offered in t+3.  `mode` is looked at from t+1 on.  A
    redirection by `branch_*` is overridden by one by `redirect_*`, which alone comes with another `mode`.

    What is offered is true in any case: `pc`, the bytes, and `pred_taken`/`pred_target`, which say where fetching went
    on.  Instructions that are no control transfers are never `pred_taken`.

    A fetch that faults ends the stream with an instruction that has `fault` set (`fault_high`: its second half does,
    in a group of its own); the output `fault` describes it until the next redirect.
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__({
            "redirect_valid": In(1),
            "redirect_pc": In(64),
            "branch_valid": In(1),
            "branch_pc": In(64),
            "mode": In(Mode),
            "instr": Out(stream.Signature(FetchedInstr)),
            "fault": Out(MemFault),
            "update": In(BranchUpdate),
            "invalidate": In(1),  # drop the instruction cache; with a redirect in the same cycle
            "lookup_en": Out(1),
            "lookup": Out(TlbLookup),
            "tlb": In(TlbResult),
            "walk_valid": Out(1),  # about the last lookup; level until walk_done
            "walk_done": In(1),
            "walk_faulted": In(1),
            "walk_fault": In(MemFault),
            "clean_valid": Out(1),
            "clean_addr": Out(config.bus_bits),
            "clean_done": In(1),
            "axi": Out(Axi4(config.bus_bits)),
            "icache_miss": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config = self._config
        m.submodules.icache = icache = ICache(config)
        m.submodules.predictor = predictor = Predictor(config)
        m.submodules.queue = queue = FetchQueue(config)
        head = queue.instr.payload

        refetch = Signal()  # the head of the queue was fetched by a nonsensical prediction
        flush = Signal()
        # A redirection is known late.  What it drops does not count from the next cycle on, and is cleared there.
        refetches, flushed = Signal(), Signal()
        m.d.comb += [
            refetch.eq(refetches & ~flushed),
            flush.eq(self.redirect_valid | self.branch_valid | refetch),
        ]
        m.d.sync += [refetches.eq(queue.alias), flushed.eq(flush)]

        # --- F1's group
        f1_valid, f1_holds = Signal(), Signal()
        f1_pc = Signal(64)
        f1_last = Signal(2)
        f1_taken = Signal()
        f1_target = Signal(TARGET_BITS - 1)
        f1_faulted, fails = Signal(), Signal()
        again, repeats = Signal(), Signal()  # F0 looks up F1's address again, F1 has no answer
        walking, walks = Signal(), Signal()  # the walker is asked, a cycle late: that the TLB misses is known late
        stopped, stops = Signal(), Signal()  # nothing to fetch behind a fault
        m.d.comb += [
            f1_valid.eq(f1_holds & ~flushed),
            f1_faulted.eq(fails & ~flushed),
            again.eq(repeats & ~flushed),
            walking.eq(walks & ~flushed),
            stopped.eq(stops & ~flushed),
        ]

        # --- F0
        pc = Signal(64, init=config.reset_vector)
        advance = Signal()
        wraps = Signal()  # the group before was at the end of the region of predictable targets: a branch from there
        # into this group would have its target in this group's region, not in that of its pc
        unpredicted = Signal()  # the first instruction after a refetch must be fetched without prediction
        taken = Signal()
        here = Mux(again, f1_pc, pc)
        # That a way of the cache has the group is known last, and meets what follows with and without it.
        leaves_anyway, leaves_if_tagged = Signal(), Signal()
        advances_anyway, advances_if_tagged = Signal(), Signal()  # ... and something follows

        def with_tag(name, anyway, if_tagged):
            return chosen_late(m, name, anyway, if_tagged, icache.tagged)

        def moves(name, anyway, if_tagged):
            """Whether fetching goes on at another address.  The last of the redirections is as late as the tag."""
            return with_tag(name, anyway | refetch | self.redirect_valid, if_tagged) | self.branch_valid

        m.d.comb += [
            taken.eq(predictor.taken),
            predictor.pc.eq(pc),
            predictor.allowed.eq(~wraps & ~unpredicted),
            predictor.next_en.eq(moves("next_en", advances_anyway, advances_if_tagged)),
            predictor.advance.eq(advance & taken & ~refetch),
            predictor.redirect.eq(self.redirect_valid),
            predictor.redirect_pc.eq(Cat(0, self.redirect_pc[1:])),
            predictor.branch.eq(self.branch_valid),
            predictor.branch_pc.eq(Cat(0, self.branch_pc[1:])),
            predictor.update.eq(self.update),
            predictor.forget.eq(refetch),
            predictor.forget_pc.eq(head.pc),
            predictor.forget_rvc.eq(queue.alias_rvc),
            icache.read_en.eq(self.lookup_en),
            icache.read_offset.eq(here[:12]),
            self.lookup_en.eq(with_tag("lookup_en", advances_anyway | again, advances_if_tagged)),
            self.lookup.vaddr.eq(here),
            self.lookup.access.eq(Access.FETCH),
            self.lookup.mode.eq(self.mode),
        ]
        # Apart from the enable of the tables: behind a fault it does not matter whether the pc moves.
        with m.If(moves("pc_moves", leaves_anyway, leaves_if_tagged)):
            m.d.sync += [
                pc.eq(predictor.next_pc),
                wraps.eq(~flush & ~taken & (predictor.sequential[TARGET_BITS - 3] != pc[TARGET_BITS])),
            ]
        with m.If(refetch):
            m.d.sync += unpredicted.eq(1)
        with m.Elif(queue.instr.valid):
            m.d.sync += unpredicted.eq(0)
        with m.If(self.redirect_valid | self.branch_valid):
            m.d.sync += unpredicted.eq(0)

        # --- F1
        answered, fetched, split, may_leave = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            answered.eq(f1_valid & ~again & ~f1_faulted & ~walking),
            self.walk_valid.eq(walking),
            icache.request.eq(answered & self.tlb.hit),
            icache.paddr.eq(self.tlb.paddr),
            icache.position.eq(f1_pc[1:3]),
            fetched.eq(icache.hit),
            # Only the first of the two words that are wanted was permitted: the second one is looked up next.
            split.eq(self.tlb.narrow & ~f1_pc[2] & f1_last[1]),
            may_leave.eq(f1_valid & queue.room & ~split),
            leaves_anyway.eq(~f1_valid | (may_leave & icache.hit_early)),
            leaves_if_tagged.eq(may_leave & icache.request),
            advances_anyway.eq(leaves_anyway & ~stopped),
            advances_if_tagged.eq(leaves_if_tagged & ~stopped),
            advance.eq(with_tag("advance", advances_anyway, advances_if_tagged)),

            queue.push.eq(with_tag("push", queue.room & (icache.hit_early | (f1_valid & f1_faulted)),
                                   queue.room & icache.request)),
            queue.flush.eq(flushed),
            queue.group.data.eq(icache.data),
            queue.group.begin.eq(icache.begin),
            queue.group.long.eq(icache.long),
            queue.group.pc.eq(f1_pc),
            queue.group.last.eq(Mux(f1_faulted, f1_pc[1:3], Mux(split, 1, f1_last))),
            queue.group.taken.eq(f1_taken & ~f1_faulted & ~split),
            queue.group.target.eq(f1_target),
            queue.group.fault.eq(f1_faulted),
        ]
        m.d.sync += repeats.eq(0)
        with m.If(flushed):
            m.d.sync += [fails.eq(0), walks.eq(0), stops.eq(0)]
        with m.If(answered & ~self.tlb.hit):
            m.d.sync += walks.eq(1)
        with m.If(walking & self.walk_done):
            m.d.sync += walks.eq(0)
            with m.If(self.walk_faulted):
                m.d.sync += [fails.eq(1), self.fault.eq(self.walk_fault)]
            with m.Else():
                m.d.sync += repeats.eq(1)
        with m.If(icache.error):
            m.d.sync += [
                fails.eq(1),
                self.fault.eq(0),
                self.fault.cause.eq(Cause.INSTRUCTION_ACCESS_FAULT),
                self.fault.vaddr.eq(f1_pc),
                self.fault.v.eq(self.mode.v),
            ]
        with m.If(icache.stale):
            m.d.sync += repeats.eq(1)
        with m.If(fetched & split & queue.room):
            m.d.sync += [f1_pc[1:3].eq(2), repeats.eq(1)]
        with m.If(f1_faulted & queue.room):
            m.d.sync += [f1_holds.eq(0), fails.eq(0), stops.eq(1)]
        with m.Elif(advance):
            m.d.sync += [
                f1_holds.eq(1),
                f1_pc.eq(pc),
                f1_last.eq(Mux(taken, predictor.last, 3)),
                f1_taken.eq(taken),
                f1_target.eq(predictor.target),
            ]

        wiring.connect(m, queue.instr, wiring.flipped(self.instr))
        wiring.connect(m, icache.axi, wiring.flipped(self.axi))
        m.d.comb += [
            icache.invalidate.eq(self.invalidate),
            self.clean_valid.eq(icache.clean_valid),
            self.clean_addr.eq(icache.clean_addr),
            icache.clean_done.eq(self.clean_done),
            self.icache_miss.eq(icache.miss),
        ]
        return m
