"""The load/store unit: the M stage's side of memory, with a virtually indexed, physically tagged write-back,
write-allocate data cache.

Aligned loads and stores (within a doubleword) that hit complete in the first M cycle, one a cycle.  Everything else
is done by one state machine, one thing at a time: misses, accesses that cross a doubleword, atomics, I/O, cache
block operations, the page-table walker's port, cleaning a line for the front end and flushing the cache.  Only the
rest of a refill runs beside the pipeline: a load goes on with the critical word, and what hits then goes on too.

Rules that the rest depends on:

* Whatever is not such a hit is decided a cycle later, of what was found then: what TLB and memories say is late.
* The memories are read for `x` when it fires, unless the state machine has the read port; then, and whenever it
  has read or changed something since, the access in M is `stale` and reads again when the port is free.
* A store writes in the cycle of its hit.  A read in that cycle of the same doubleword (of any way) has undefined
  data and is noticed in the next cycle (`collided`): read again, one cycle lost.  A store needs no data.
* Stores, atomics and walker updates wait for the whole line on a miss, so that a bus error in any beat is theirs to
  report and the line is not installed.  Loads report an error in the critical word; a later one only keeps the line
  from being installed.
* Nothing is sent to the bus for a line of which the write-back is still under way.
* An uncached access first writes back and drops the line that the cache has of its address, so that memory types
  can be mixed without loss of coherence.
* Errors of write-backs are lost: the stores retired long before.
"""

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from ..execute.bits import chosen_late, either, equal, kept
from ..isa.causes import Cause
from ..isa.control import LsuOp
from ..isa.privilege import Access
from ..mmu.types import TlbLookup, TlbResult
from .align import brought_down, byte_mask, crosses, extended, misaligned, named, rotate_down, rotate_up, sign_bit
from .amo import Amo, is_amo
from .axi import Axi4, Burst, Resp
from .dcache import LINE_BITS, DCacheMemories, WriteChannel
from .types import Implicit, LsuRequest, MemFault, masked

_PAGE_BITS = 12

#: What asks for load permission.  Cache block management is permitted whenever a load or a store is, and whatever may
#: be stored to may be loaded.
_LOADS = (LsuOp.LOAD, LsuOp.LR, LsuOp.CBO_CLEAN, LsuOp.CBO_FLUSH, LsuOp.CBO_INVAL)


class _Job(enum.Enum, shape=3):
    """For whom the state machine works."""

    MISS = 0  # a line for the access in M, which then tries again
    CROSS = 1  # an access in M that continues in the next doubleword
    CBO = 2  # a cache block operation in M
    PTW = 3
    CLEAN = 4
    FLUSH = 5
    UNCACHE = 6  # the line that an uncached access in M finds in the cache


class Lsu(wiring.Component):
    """Load/store unit.  See the module's text for how it works.

    Parameters: `config` (`dcache`, `bus_bits`, `extensions`).

    Pipeline: `x_fire` with `x` starts an access, which is in M from the next cycle until `m_done`; then `m_faulted`
    says whether it faulted without any effect, and `m_fault` why.  The next `x_fire` may come with `m_done`.  That a
    way hits, `m_hit`, is known last: `m_done` is `m_done_anyway`, or `m_hit` and `m_done_if_hit`, and `x_fire_if_hit`
    is an `x_fire` if there is `m_hit` in that cycle.
    `x_flush`, which means nothing without `x_fire` but is known later in its cycle, takes it back.  `m_kill`, only in
    the first M cycle, drops the access without effect (`m_done` means nothing then, but for an `x_fire` that is taken
    back).
    `m_rdata` is what it gives: `m_given`, or with `m_hit` `m_found`; the other is 0, and both while nothing is in M.
    `m_missed`: it waits for a translation.
    `m_wrote`, `m_wdata` (right-aligned, zero-extended) and `m_paddr` describe with `m_done` what was written;
    CBO.ZERO shows data 0 at the address it was given.

    Faults: misaligned LR/SC/AMO are address-misaligned exceptions, found before translation.  I/O regions give access
    faults for anything but naturally aligned loads and stores and cache block management.  So do pages with PBMT=IO;
    in those with PBMT=NC misaligned loads and stores are address-misaligned exceptions, for software to take apart.
    So they are in pages in which PMP is not uniform (`TlbResult.narrow`), unless they are within an aligned word;
    there a cache block operation is an access fault unless its block is (`TlbResult.line`).  Bus errors are access
    faults.
    An access that straddles two pages reports the part that faulted: its own address or the second page's first.

    Ports for others, level until `*_done` (one cycle): `ptw_*` reads an aligned doubleword, or with `ptw_update`
    replaces it by `ptw_data` if it still is `ptw_expected` (else `ptw_mismatch`); `ptw_error` is a bus error, and
    nothing was changed.  `ptw_likely` comes with `ptw_valid`, earlier in the cycle, or sometimes alone, which costs a
    cycle.  `clean_*` writes a line back if it is dirty and waits for the response.  `flush_*` writes
    back and drops everything.  They go before M, so that the walker can work while M waits for it, but M gets its
    turn in between.

    Sources: unprivileged manual, chapters "A", "CMO"; privileged manual, "Physical Memory Attributes", "mcause".
    """

    def __init__(self, config):
        self.config = config
        bus = config.bus_bits
        super().__init__({
            "x_fire": In(1), "x_fire_if_hit": In(1), "x": In(LsuRequest), "x_flush": In(1),
            "m_kill": In(1), "m_hit": Out(1), "m_done_if_hit": Out(1), "m_done_anyway": Out(1),
            "m_done": Out(1), "m_faulted": Out(1), "m_fault": Out(MemFault),
            "m_rdata": Out(64), "m_found": Out(64), "m_given": Out(64),
            "m_missed": Out(1),
            "m_wrote": Out(1), "m_wdata": Out(64), "m_paddr": Out(56),
            "lookup_en": Out(1), "lookup": Out(TlbLookup), "tlb": In(TlbResult),
            "walk_valid": Out(1), "walk_done": In(1), "walk_faulted": In(1), "walk_fault": In(MemFault),
            "ptw_valid": In(1), "ptw_likely": In(1), "ptw_update": In(1), "ptw_addr": In(bus),
            "ptw_expected": In(64), "ptw_data": In(64),
            "ptw_done": Out(1), "ptw_rdata": Out(64), "ptw_error": Out(1), "ptw_mismatch": Out(1),
            "clean_valid": In(1), "clean_addr": In(bus), "clean_done": Out(1),
            "flush_valid": In(1), "flush_done": Out(1),
            "reservation_clear": In(1), "reserved": Out(1),
            "axi": Out(Axi4(bus)),
            "dcache_miss": Out(1), "dcache_writeback": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config = self.config
        bus = config.bus_bits
        m.submodules.cache = cache = DCacheMemories(config.dcache, bus)
        m.submodules.writer = writer = WriteChannel(bus)
        geometry = cache.geometry
        ways = geometry.ways
        has_cbo = config.has("zicbom")
        has_zero = config.has("zicboz")
        has_atomics = config.has("a")

        def name(value: Value, called: str) -> Signal:
            return named(m, called, value)

        hit = self.m_hit

        def by_hit(anyway: Value, if_hit: Value, called: str) -> Signal:
            """`anyway`, or `if_hit` and the access in M hits."""
            return name(chosen_late(m, called, anyway, if_hit, hit), called)

        fires = by_hit(self.x_fire, self.x_fire_if_hit, "fires")

        # The access in M.
        taken = Signal()
        flushed = Signal()  # ... but in vain
        m_valid = Signal()
        m.d.sync += flushed.eq(fires & self.x_flush)
        m.d.comb += m_valid.eq(taken & ~flushed)
        req = Signal(LsuRequest)
        stale = Signal()  # the memories' outputs are not for it
        walking = Signal()  # it waits for the walker
        relook = Signal()  # the TLB is asked again in this cycle
        second = Signal()  # about its part in the second page
        waiting = Signal()  # the state machine works for it
        answered = Signal()  # it completes in this cycle, with `buffer` or with a fault
        ends = Signal()  # it is `answered`, or the state machine writes for it in this cycle, and nothing is left
        failed = Signal()  # with `answered`: it faulted
        failed_misaligned = Signal()  # with `failed`: as misaligned, else access fault

        # What the state machine works on.
        job = Signal(_Job)
        addr = Signal(bus)  # physical
        other = Signal(bus)  # a crossing access: the other part's address
        way = Signal(ways)  # one-hot
        other_way = Signal(ways)
        arrived = Signal()  # the last cycle brought a beat of a line
        arrived_data = Signal(64)
        arrived_failed = Signal()
        first_awaited = Signal()  # the critical word has not come
        first_part = Signal()  # a crossing access: `addr` is its first part, the second has been found
        buffer = Signal(64)
        beat = Signal(3)
        read_todo = Signal()  # read address not taken yet
        fill = Signal()  # a line is evicted in order to fill it
        zero = Signal()  # with zeros
        refill_failed = Signal()
        ptw_whole = Signal()  # the walker waits for the whole line
        ptw_answered = Signal()
        ptw_failed = Signal()

        offset = req.vaddr[:3]
        plain = Signal()
        is_load = Signal()
        is_store = Signal()
        is_lr = Signal()
        is_sc = Signal()
        is_cbo = Signal()
        is_zero = Signal()
        m.d.comb += [
            is_load.eq(req.op == LsuOp.LOAD),
            is_store.eq(req.op == LsuOp.STORE),
            plain.eq(is_load | is_store),
        ]
        if has_atomics:
            m.d.comb += [is_lr.eq(req.op == LsuOp.LR), is_sc.eq(req.op == LsuOp.SC)]
        if has_cbo:
            m.d.comb += is_cbo.eq((req.op == LsuOp.CBO_CLEAN) | (req.op == LsuOp.CBO_FLUSH)
                                  | (req.op == LsuOp.CBO_INVAL))
        if has_zero:
            m.d.comb += is_zero.eq(req.op == LsuOp.CBO_ZERO)
        is_block = name(is_cbo | is_zero, "is_block")

        masks = name(byte_mask(req.size, offset), "masks")
        bad_align = Signal()
        crossing = Signal()
        crosses_page = Signal()
        m.d.comb += [
            bad_align.eq(misaligned(req.size, offset) & ~is_block),
            crossing.eq(masks[8:].any() & plain),
            crosses_page.eq(crossing & req.vaddr[3:_PAGE_BITS].all()),
        ]
        bad_atomic = name(bad_align & ~plain, "bad_atomic")

        # Translation.  The second page's address is derived here, and nowhere stored.
        next_page = name((req.vaddr[_PAGE_BITS:] + second)[: 64 - _PAGE_BITS], "next_page")
        m_page = name(masked(Cat(Const(0, _PAGE_BITS), next_page), req.masking)[_PAGE_BITS:], "m_page")
        m_low = name(Mux(second, 0, req.vaddr[:_PAGE_BITS]), "m_low")
        look_now = name(relook | (walking & self.walk_done & ~self.walk_faulted), "look_now")
        m_paddr = Cat(req.vaddr[:_PAGE_BITS], self.tlb.paddr[_PAGE_BITS:bus])

        def checked(size, vaddr):
            """A misaligned doubleword's first word: it is all that surely belongs to the access, and what PMP
            splits is not for hardware then, unless it is an aligned block."""
            return Cat(size[0] & ~(size[1] & vaddr[:3].any()), size[1])

        def access(op):
            return Mux(Value.cast(op).matches(*_LOADS), Access.LOAD, Access.STORE)

        m.d.comb += [
            self.lookup_en.eq(by_hit(self.x_fire | look_now, self.x_fire_if_hit, "looks")),
            self.lookup.vaddr.eq(Mux(look_now, Cat(m_low, m_page), self.x.vaddr)),
            self.lookup.access.eq(Mux(look_now, access(req.op), access(self.x.op))),
            self.lookup.mode.eq(Mux(look_now, req.mode, self.x.mode)),
            self.lookup.hlvx.eq(Mux(look_now, req.hlvx, self.x.hlvx)),
            self.lookup.size.eq(checked(Mux(look_now, req.size, self.x.size),
                                        Mux(look_now, offset, self.x.vaddr[:3]))),
        ]
        looked = m_valid & ~relook & ~walking & ~waiting & ~answered  # the TLB's answer is for M, which needs one
        start_walk = name(looked & ~bad_atomic & ~self.tlb.hit, "start_walk")
        m.d.comb += [self.walk_valid.eq(walking), self.m_missed.eq(start_walk | walking)]
        m.d.sync += relook.eq(0)
        with m.If(start_walk & ~self.m_kill):
            m.d.sync += walking.eq(1)
        with m.If(walking & self.walk_done):
            m.d.sync += walking.eq(0)

        # The cache memories' outputs: for M by the TLB's answer, for the state machine by `addr`.
        hits = Signal(ways)
        addr_hits = Signal(ways)
        tags = [cache.tags[index] for index in range(ways)]
        for index, tag in enumerate(tags):
            m.d.comb += [
                hits[index].eq(equal(m, tag.tag, geometry.tag_of(m_paddr), tag.valid, f"hit{index}")),
                addr_hits[index].eq(equal(m, tag.tag, geometry.tag_of(addr), tag.valid, f"addr_hit{index}")),
            ]
        m.d.comb += hit.eq(hits.any())
        states = ("check", "copy", "decide", "evict", "first", "idle", "io", "modify", "ptw", "refill", "second")
        in_check, in_copy, in_decide, in_evict, in_first, in_idle, in_io, in_modify, in_ptw, in_refill, in_second = (
            Signal(name=f"in_{state}") for state in states)
        # The doubleword that the state machine is about.
        pick = name(Mux(in_check, addr_hits, way), "pick")
        word = name(_select_late(m, "word", pick, [cache.data[index] for index in range(ways)]), "word")
        # What M loads: what the state machine has found is in `buffer`.  That a way hits is known late, so all of them
        # are aligned and extended before one is chosen.
        use_buffer = name(answered | in_modify, "use_buffer")
        signed = ~(req.unsigned & is_load)

        def loads(data: Value, align, called: str) -> Value:
            sign = name(sign_bit(m, data, offset, req.size) & signed, f"sign_{called}")
            return extended(align(m, data, offset), sign, req.size)

        loaded = [kept(m, f"loaded{index}", Mux(m_valid & ~use_buffer,
                                                loads(cache.data[index], brought_down, f"way{index}"), 0))
                  for index in range(ways)]
        m.d.comb += [
            self.m_found.eq(_select_late(m, "found", hits, loaded)),
            self.m_given.eq(kept(m, "from_buffer", Mux(use_buffer, loads(buffer, rotate_down, "buffer"), 0))),
            self.m_rdata.eq(self.m_found | self.m_given),
        ]
        # What there is to evict is read in the cycle before.
        victim = Signal(ways)
        was_dirty = Signal(ways)
        evict_way = name(Mux(fill, victim, way), "evict_way")
        evicts = Signal()  # the victim, in this cycle

        # Who reads.
        last_set = geometry.set_of(addr).all()
        ptw_go = name(self.ptw_likely & ~ptw_answered, "ptw_go")
        others = name(ptw_go | self.clean_valid | self.flush_valid, "others")
        turn = Signal()  # M's, which has waited for others or for a line that they must not take away again
        prior = name(turn & m_valid & ~walking, "prior")
        grant = name(in_idle & others & ~prior, "grant")
        usable = name(in_refill | (in_idle & (~others | prior)), "usable")  # by M, as far as it is up to others
        owned = Signal()  # the state machine has the read port, or needs what was read
        machine_reads = Signal()
        machine_index = Signal(geometry.index_bits)
        reread = Signal()
        fresh = Signal()  # the memories were read for M in the last cycle
        last_written = Signal()
        last_index = Signal(geometry.index_bits)
        collided = name(fresh & last_written & (last_index == geometry.index_of(req.vaddr)) & ~is_store, "collided")
        tags_change = Signal()  # at the end of a refill
        m.d.comb += [
            reread.eq(m_valid & (stale | collided) & ~waiting & ~answered & usable),
            cache.read_en.eq(by_hit(Mux(owned, machine_reads, self.x_fire | reread), self.x_fire_if_hit & ~owned,
                                    "reads")),
            cache.read_index.eq(Mux(owned, machine_index,
                                    Mux(reread, geometry.index_of(req.vaddr), geometry.index_of(self.x.vaddr)))),
        ]
        m.d.sync += fresh.eq(~owned & (fires | reread))
        with m.If(fires):
            m.d.sync += stale.eq(owned | reread | tags_change)
        with m.Elif(reread):
            m.d.sync += stale.eq(tags_change)
        with m.Elif(owned | collided | tags_change):
            m.d.sync += stale.eq(1)

        # The access in M, if all that it needs is there.
        evaluated = Signal()
        in_word = ~crosses(req.size, Cat(offset[:2], Const(1, 1)))
        narrow_ok = name(~self.tlb.narrow | Mux(is_block, self.tlb.line, in_word | ~bad_align), "narrow_ok")
        uncached = name(self.tlb.io & ~is_cbo, "uncached")
        refill_beat = Signal()
        complete = name(m_valid & ~stale & ~collided & ~walking & ~relook & ~waiting & ~answered, "complete")
        room = kept(m, "room", ~refill_beat)  # for a store
        simple = name(complete & self.tlb.hit & ~self.tlb.io & narrow_ok & ~crossing
                      & (is_load | (is_lr & ~bad_align) | (is_store & room)), "simple")
        may_hit = kept(m, "may_hit", simple & usable)
        m.d.comb += evaluated.eq(complete & usable)
        walk_faulted = name(walking & self.walk_done & self.walk_faulted, "walk_faulted_now")
        m.d.comb += [
            self.m_done_anyway.eq(ends | walk_faulted),
            self.m_done_if_hit.eq(may_hit),
            self.m_done.eq(self.m_done_anyway | (may_hit & hit)),
            self.m_faulted.eq((answered & failed) | walk_faulted),
        ]
        stays = m_valid & ~self.m_done_anyway & ~self.m_kill
        m.d.sync += taken.eq(Mux(hit, kept(m, "taken_if_hit", self.x_fire | self.x_fire_if_hit | (stays & ~may_hit)),
                                 kept(m, "taken_else", self.x_fire | stays)))
        with m.If(ends):
            m.d.sync += waiting.eq(0)
        with m.If(fires):
            m.d.sync += [req.eq(self.x), second.eq(0)]

        # Faults: those of translation as the walker tells them, the others by what the state machine worked on.
        store_class = ~is_load & ~is_lr
        own_cause = Mux(failed_misaligned, Cause.LOAD_ADDRESS_MISALIGNED, Cause.LOAD_ACCESS_FAULT)
        m.d.comb += [
            self.m_fault.cause.eq(own_cause | (store_class << 1)),
            self.m_fault.vaddr.eq(Cat(Mux(walking, m_low, addr[:_PAGE_BITS]), m_page)),
            self.m_fault.gpa.eq(Mux(walking, self.walk_fault.gpa, 0)),
            self.m_fault.implicit.eq(Mux(walking, self.walk_fault.implicit, Implicit.NONE)),
            self.m_fault.v.eq(req.mode.v),
        ]
        with m.If(walking):
            # Cache block management asks for load permission, but its faults are those of stores.
            m.d.comb += self.m_fault.cause.eq(self.walk_fault.cause | (is_cbo << 1))

        # Reservation.
        reserved = self.reserved
        reservation = Signal(bus - 2)
        sc_failed = Signal()
        sc_fails = Signal()
        if has_atomics:
            m.d.comb += sc_fails.eq(is_sc & ~(reserved & (reservation == m_paddr[2:])))
            with m.If(self.m_done & ~self.m_faulted & ~self.m_kill & is_lr):
                m.d.sync += [reserved.eq(1), reservation.eq(m_paddr[2:])]
            with m.If((in_modify & is_sc) | self.reservation_clear | self.flush_valid):
                m.d.sync += reserved.eq(0)
            with m.If(in_decide):
                m.d.sync += sc_failed.eq(sc_fails)

        # What is written.
        new = Signal(64)
        if has_atomics:
            m.submodules.amo = amo = Amo()
            m.d.comb += [
                amo.op.eq(req.op), amo.word.eq(req.size == 2), amo.operand.eq(req.data),
                amo.old.eq(Cat(Mux(offset[2], buffer[32:], buffer[:32]), buffer[32:])),
                new.eq(amo.result),
            ]
        else:
            m.d.comb += new.eq(req.data)
        modifies = name(is_store | (is_amo(req.op) | (is_sc & ~sc_failed) if has_atomics else 0), "modifies")
        ptw_writes = Signal()
        if config.has("svadu"):
            same = name(buffer == self.ptw_expected, "ptw_same")
            m.d.comb += [ptw_writes.eq(in_ptw & self.ptw_update & same),
                         self.ptw_mismatch.eq(in_ptw & self.ptw_update & ~same)]
        machine_writes = name((in_modify & modifies) | in_first | in_second | ptw_writes, "machine_writes")
        rotated = rotate_up(m, req.data, offset)
        # What is computed is aligned.
        written = name(Mux(is_store, rotated, Cat(new[:32], Mux(req.size[0], new[32:], new[:32]))), "written")
        may_store = kept(m, "may_store", may_hit & is_store & ~self.m_kill)
        store_now = name(may_store & hit, "store_now")
        m.d.comb += [
            cache.write_ways.eq(Mux(may_store, hits, 0) | Mux(refill_beat | machine_writes, way, 0)),
            cache.write_mask.eq(Mux(refill_beat | in_ptw, 0xFF, Mux(in_second, masks[8:], masks[:8]))),
            cache.write_index.eq(Mux(in_idle | (in_refill & ~refill_beat), geometry.index_of(req.vaddr),
                                     Cat(Mux(in_refill, beat, addr[3:LINE_BITS]), geometry.set_of(addr)))),
            cache.write_data.eq(Mux(refill_beat, Mux(zero, 0, arrived_data), written)),
            cache.tag_set.eq(geometry.set_of(addr)),
            cache.tag_new.tag.eq(geometry.tag_of(addr)),
            cache.meta_set.eq(Mux(in_idle | in_refill, geometry.set_of(req.vaddr), geometry.set_of(addr))),
            cache.dirty_new.eq(cache.dirty | cache.write_ways),
            cache.dirty_en.eq(store_now | machine_writes | (refill_beat & zero)),
            cache.touch.eq(Mux(may_hit, hits, 0) | Mux(machine_writes | in_ptw, way, 0) | Mux(evicts, victim, 0)),
        ]
        if config.has("svadu"):
            with m.If(in_ptw):
                m.d.comb += cache.write_data.eq(self.ptw_data)
        m.d.sync += [last_written.eq(store_now | machine_writes), last_index.eq(cache.write_index)]

        shown = Cat(new[:8], Mux(req.size == 0, 0, new[8:16]), Mux(req.size[1], new[16:32], 0),
                    Mux(req.size == 3, new[32:], 0))
        m.d.comb += [
            self.m_wrote.eq(self.m_done & ~self.m_faulted & (modifies | is_zero)),
            self.m_wdata.eq(Mux(is_zero, 0, shown)),
            self.m_paddr.eq(Mux(in_second, other, Mux(use_buffer, addr, m_paddr))),
        ]

        # The bus.
        axi = self.axi
        hazard = writer.busy & (writer.line == addr[LINE_BITS:])
        bus_error = name(axi.rresp != Resp.OKAY, "bus_error")
        m.d.comb += [
            axi.arvalid.eq(read_todo & ~hazard),
            axi.araddr.eq(Cat(Mux(in_io, addr[:3], 0), addr[3:])),
            axi.arlen.eq(Mux(in_io, 0, 7)),
            axi.arsize.eq(Mux(in_io, req.size, 3)),
            axi.arburst.eq(Mux(in_io, Burst.INCR, Burst.WRAP)),
            axi.arcache.eq(Mux(in_io, 0, 0b1111)),
            axi.rready.eq((in_refill & ~zero) | in_io),
            refill_beat.eq(in_refill & (zero | arrived)),
            writer.line_addr.eq(Cat(geometry.set_of(addr), _select(evict_way, [tag.tag for tag in tags]))),
            writer.put_en.eq(in_copy),
            writer.put_index.eq(beat),
            writer.put_data.eq(word),
            writer.single_valid.eq(in_io & is_store),
            writer.single_addr.eq(addr),
            writer.single_size.eq(req.size),
            writer.single_data.eq(rotated),
            writer.single_strb.eq(masks[:8]),
            *(getattr(axi, name).eq(getattr(writer.axi, name)) for name in (
                *(f"aw{part}" for part in ("valid", "addr", "id", "len", "size", "burst", "lock", "cache", "prot")),
                "wvalid", "wdata", "wstrb", "wlast", "bready")),
            *(getattr(writer.axi, name).eq(getattr(axi, name))
              for name in ("awready", "wready", "bvalid", "bid", "bresp")),
            self.dcache_writeback.eq(writer.line_start),
        ]
        with m.If(axi.arvalid & axi.arready):
            m.d.sync += read_todo.eq(0)

        arrives = name(in_refill & ~zero & axi.rvalid, "arrives")
        m.d.sync += [arrived.eq(arrives), arrived_data.eq(axi.rdata), arrived_failed.eq(bus_error)]
        with m.If(arrives):
            m.d.sync += first_awaited.eq(0)
        for index in range(8):
            with m.If(in_decide | (in_check & (~first_part | masks[index]))):
                m.d.sync += buffer.word_select(index, 8).eq(word.word_select(index, 8))
        with m.If((in_refill & ~zero & first_awaited & (job != _Job.CROSS)) | (in_io & is_load)):
            m.d.sync += buffer.eq(axi.rdata)

        m.d.sync += [answered.eq(0), ends.eq(0), ptw_answered.eq(0)]
        m.d.comb += [
            self.ptw_done.eq(in_ptw | ptw_answered),
            self.ptw_rdata.eq(buffer),
            self.ptw_error.eq(ptw_answered & ptw_failed),
        ]

        def answer(fault: Value | int = 0, as_misaligned: bool = False):
            """M completes in the next cycle."""
            return [answered.eq(1), ends.eq(1), failed.eq(fault), failed_misaligned.eq(as_misaligned)]

        def start_fill():
            return [fill.eq(1), read_todo.eq(1)]

        def go_evict():
            m.d.sync += beat.eq(7)
            m.next = "EVICT"

        with m.If(~in_evict):
            m.d.sync += [victim.eq(cache.victim), was_dirty.eq(cache.dirty)]

        def after_evict():
            """The way is free or clean, and its dirty data in the write buffer."""
            with m.If(fill):
                m.d.sync += [beat.eq(addr[3:LINE_BITS]), first_awaited.eq(1)]
                m.next = "REFILL"
            with m.Elif(job == _Job.FLUSH):
                with m.If(~way[-1]):
                    m.d.sync += way.eq(way << 1)
                    go_evict()
                with m.Else():
                    m.d.sync += [way.eq(1), geometry.set_of(addr).eq(geometry.set_of(addr) + 1)]
                    with m.If(last_set):
                        m.next = "WAIT"
                    with m.Else():
                        m.next = "READ"
            with m.Else():
                m.next = "WAIT"

        with m.FSM() as fsm:
            with m.State("INIT"):
                m.d.comb += [owned.eq(1), cache.tag_ways.eq((1 << ways) - 1), cache.clear.eq(1)]
                m.d.sync += geometry.set_of(addr).eq(geometry.set_of(addr) + 1)
                with m.If(last_set):
                    m.next = "IDLE"

            with m.State("IDLE"):
                m.d.comb += [
                    owned.eq(grant), machine_reads.eq(1),
                    machine_index.eq(geometry.index_of(Mux(ptw_go, self.ptw_addr, self.clean_addr))),
                ]
                m.d.sync += [fill.eq(0), zero.eq(0), refill_failed.eq(0), first_part.eq(0)]
                with m.If(grant):
                    m.d.sync += turn.eq(1)
                with m.Elif(evaluated):
                    m.d.sync += turn.eq(0)
                with m.If(grant & ptw_go):
                    m.d.sync += [job.eq(_Job.PTW), addr.eq(self.ptw_addr)]
                    with m.If(self.ptw_valid):
                        m.next = "CHECK"
                with m.Elif(grant & self.clean_valid):
                    m.d.sync += [job.eq(_Job.CLEAN), addr.eq(self.clean_addr)]
                    m.next = "CHECK"
                with m.Elif(grant):
                    m.d.sync += [job.eq(_Job.FLUSH), addr.eq(0), way.eq(1)]
                    m.next = "READ"
                with m.Else():
                    m.d.sync += [
                        job.eq(_Job.MISS), way.eq(hits),
                        addr.eq(Cat(m_low, self.tlb.paddr[_PAGE_BITS:bus])),
                    ]
                    with m.If(evaluated & ~(may_hit & hit)):
                        m.next = "DECIDE"

            with m.State("DECIDE"):  # for the access in M, unless it was killed: `addr` and `way` say what was found
                found = name(way.any(), "found")
                m.next = "IDLE"
                with m.If(m_valid):
                    if has_atomics:
                        with m.If(is_sc):  # its result: 0 or 1, in the word or doubleword
                            m.d.sync += buffer.eq(Cat(sc_fails & ~offset[2], Const(0, 31), sc_fails & offset[2]))
                    with m.If(bad_atomic):
                        m.d.sync += answer(1, as_misaligned=True)
                    with m.Elif(walking):
                        pass
                    with m.Elif(is_block & ~narrow_ok | uncached & (~plain | bad_align & ~self.tlb.nc)):
                        m.d.sync += answer(1)
                    with m.Elif(~narrow_ok | uncached & bad_align):
                        m.d.sync += [second.eq(0), addr[:_PAGE_BITS].eq(req.vaddr[:_PAGE_BITS])]
                        m.d.sync += answer(1, as_misaligned=True)
                    with m.Elif(uncached & found & config.has("svpbmt")):
                        m.d.sync += job.eq(_Job.UNCACHE)
                        go_evict()
                    with m.Elif(uncached):
                        m.d.sync += read_todo.eq(is_load)
                        m.next = "IO"
                    with m.Elif(crossing):
                        m.d.sync += job.eq(_Job.CROSS)
                        with m.If(~second):
                            m.d.sync += other.eq(addr)
                        with m.If(crosses_page & ~second):
                            m.d.sync += [second.eq(1), relook.eq(1)]
                        with m.Else():
                            m.d.sync += [waiting.eq(1), addr[:3].eq(0)]
                            with m.If(~second):
                                m.d.sync += addr[3:_PAGE_BITS].eq(req.vaddr[3:_PAGE_BITS] + 1)
                            m.next = "READ"
                    with m.Elif(is_cbo):
                        m.d.sync += [job.eq(_Job.CBO), waiting.eq(1)]
                        with m.If(found):
                            go_evict()
                        with m.Else():
                            m.next = "WAIT"
                    with m.Elif(is_zero):
                        m.d.sync += [zero.eq(1), fill.eq(1), waiting.eq(1), beat.eq(req.vaddr[3:LINE_BITS])]
                        with m.If(found):
                            m.next = "REFILL"
                        with m.Else():
                            go_evict()
                    with m.Elif(found | sc_fails):
                        m.d.sync += [waiting.eq(1), ends.eq(1)]
                        m.next = "MODIFY"
                    with m.Else():
                        m.d.sync += [*start_fill(), waiting.eq(1)]
                        go_evict()

            with m.State("READ"):
                m.d.comb += [owned.eq(1), machine_reads.eq(1), machine_index.eq(geometry.index_of(addr))]
                with m.If(job == _Job.FLUSH):
                    go_evict()
                with m.Else():
                    m.next = "CHECK"

            with m.State("CHECK"):
                m.d.comb += owned.eq(1)
                m.d.sync += [way.eq(addr_hits), ptw_whole.eq(self.ptw_update), beat.eq(7)]
                with m.Switch(job):
                    with m.Case(_Job.PTW):
                        with m.If(addr_hits.any()):
                            m.next = "PTW"
                        with m.Else():
                            m.d.sync += start_fill()
                            go_evict()
                    with m.Case(_Job.CLEAN):
                        with m.If(addr_hits.any()):
                            go_evict()
                        with m.Else():
                            m.next = "WAIT"
                    with m.Default():  # CROSS: the second part first, so that the first can be written at once
                        with m.If(~first_part):
                            found = addr_hits.any()
                            m.d.sync += [addr.eq(either(found, other, addr)), other.eq(either(found, addr, other))]
                        with m.If(~addr_hits.any()):
                            m.d.sync += start_fill()
                            go_evict()
                        with m.Elif(~first_part):
                            m.d.sync += [first_part.eq(1), second.eq(0), other_way.eq(addr_hits)]
                            m.next = "READ"
                        with m.Elif(is_store):
                            m.next = "FIRST"
                        with m.Else():
                            m.d.sync += answer()
                            m.next = "IDLE"

            with m.State("EVICT"):
                drop: Value = fill | (job == _Job.FLUSH) | (job == _Job.UNCACHE)
                write_back = Signal()
                m.d.comb += write_back.eq((was_dirty & evict_way).any())
                if has_cbo:
                    drop = drop | ((job == _Job.CBO) & (req.op != LsuOp.CBO_CLEAN))
                    with m.If((job == _Job.CBO) & (req.op == LsuOp.CBO_INVAL)):
                        m.d.comb += write_back.eq(0)
                m.d.comb += [
                    owned.eq(1), machine_reads.eq(1),
                    machine_index.eq(Cat((beat + 1)[:3], geometry.set_of(addr))),  # the first doubleword
                    cache.dirty_new.eq(cache.dirty & ~evict_way),
                ]
                with m.If(~write_back | ~writer.busy):
                    m.d.comb += [
                        cache.dirty_en.eq(1), evicts.eq(fill),
                        cache.tag_ways.eq(Mux(drop, evict_way, 0)),
                        writer.line_start.eq(write_back),
                        self.dcache_miss.eq(fill & ~zero),
                    ]
                    m.d.sync += way.eq(evict_way)
                    with m.If(write_back):
                        m.d.sync += beat.eq(0)
                        m.next = "COPY"
                    with m.Else():
                        after_evict()

            with m.State("COPY"):
                m.d.comb += [
                    owned.eq(1), machine_reads.eq(1), machine_index.eq(Cat((beat + 1)[:3], geometry.set_of(addr))),
                ]
                m.d.sync += beat.eq(beat + 1)
                with m.If(beat == 7):
                    after_evict()

            with m.State("REFILL"):
                with m.If(arrives & first_awaited):
                    with m.If((job == _Job.MISS) & waiting & (is_load | is_lr)):
                        m.d.sync += [*answer(bus_error), waiting.eq(0)]
                    with m.If((job == _Job.PTW) & ~ptw_whole):
                        m.d.sync += [ptw_answered.eq(1), ptw_failed.eq(bus_error)]
                with m.If(refill_beat):
                    failing = name(refill_failed | (arrived_failed & ~zero), "failing")
                    m.d.sync += [beat.eq(beat + 1), refill_failed.eq(failing)]
                    with m.If((beat + 1)[:3] == addr[3:LINE_BITS]):
                        m.d.comb += [
                            tags_change.eq(1), cache.tag_ways.eq(Mux(failing, 0, way)), cache.tag_new.valid.eq(1),
                        ]
                        with m.If((job == _Job.CROSS) & ~failing):
                            m.next = "READ"
                        with m.Else():
                            m.d.sync += [waiting.eq(0), turn.eq(waiting)]
                            with m.If(waiting & (failing | zero)):
                                m.d.sync += answer(failing)
                            with m.If((job == _Job.PTW) & ptw_whole & failing):
                                m.d.sync += [ptw_answered.eq(1), ptw_failed.eq(1)]
                            m.next = "IDLE"

            with m.State("MODIFY"):
                m.next = "IDLE"

            with m.State("PTW"):
                m.next = "IDLE"

            with m.State("FIRST"):
                m.d.sync += [addr.eq(other), other.eq(addr), way.eq(other_way), ends.eq(1)]
                m.next = "SECOND"

            with m.State("SECOND"):
                m.next = "IDLE"

            with m.State("IO"), m.If(writer.single_done | axi.rvalid):
                m.d.sync += answer(Mux(is_store, writer.single_error, bus_error))
                m.next = "IDLE"

            with m.State("WAIT"), m.If(~writer.busy):
                m.d.comb += [self.clean_done.eq(job == _Job.CLEAN), self.flush_done.eq(job == _Job.FLUSH)]
                with m.If(job == _Job.CBO):
                    m.d.sync += answer()
                m.next = "IDLE"

        for state, signal in zip(states, (in_check, in_copy, in_decide, in_evict, in_first, in_idle, in_io, in_modify,
                                          in_ptw, in_refill, in_second), strict=True):
            m.d.comb += signal.eq(fsm.ongoing(state.upper()))
        return m


def _select(one_hot: Value, values: list) -> Value:
    """The value whose bit is set (that of a single one, whether or not its bit is set)."""
    return reduce(or_, _selected(one_hot, values))


def _select_late(m: Module, name: str, one_hot: Value, values: list) -> Value:
    """The same, by two gates behind bits that are known late."""
    selected = _selected(one_hot, values)
    return reduce(or_, (kept(m, f"{name}{first}", reduce(or_, selected[first:first + 2]))
                        for first in range(0, len(selected), 2)))


def _selected(one_hot: Value, values: list) -> list[Value]:
    if len(values) == 1:
        return [Value.cast(values[0])]
    return [Mux(one_hot[index], value, 0) for index, value in enumerate(values)]
