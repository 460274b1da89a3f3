"""The load/store unit among TLB, walker, pipeline and bus: what they keep to, and what then leaves it.

What is watched is one arbitrary page, `page`, with what guests may do with it (`Rights`), and one arbitrary set of the
data cache, `set`.  An access of a guest is one that is `watched`: with V=1, HLV and HSV included, and `hgatp.MODE` not
Bare.
"""

from amaranth.hdl import Assume, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In
from contracts import Lookups, Walks
from inside import Inside
from prove import claim, constant

from entresol.config import CoreConfig
from entresol.isa.privilege import Access
from entresol.memory.dcache import LINE_BITS
from entresol.memory.lsu import _LOADS, Lsu, _Job
from entresol.memory.types import LsuRequest


class Rights(data.Struct):
    """What is granted to guests in the page that is watched."""

    read: 1
    write: 1


class LsuRequests(wiring.Component):
    """The load/store unit of `config` in its environment, with claims that are strong enough for induction.

    The data of the cache's memories is left out (reads answer anything), and so are all its sets but one.
    """

    def __init__(self, config: CoreConfig):
        self._lsu = lsu = Inside(Lsu(config))
        self._cache = cache = lsu.part("cache")
        self._writer = lsu.part("writer")
        self._geometry = geometry = cache.component.geometry
        ways = range(geometry.ways)
        self._tags, self._data = ([cache.part(f"{what}{way}").cut("memory").read_ports for way in ways]
                                  for what in ("tags", "data"))
        self._dirty = cache.cut("dirty_bits")
        self._used = cache.cut("used_bits") if geometry.ways > 1 else None
        members = dict(lsu.component.signature.members)
        self._ports = list(members)
        super().__init__({
            **members,
            "page": In(config.bus_bits - 12), "set": In(geometry.set_bits),
            "rights": In(Rights), "walk_rights": In(Rights),
            "watched": In(1),  # of the lookup, of the walker's request
            "walk_watched": In(1),
            "changed": In(1),  # the MMU's `ctx`, since the last cycle
            "anything": In(data.ArrayLayout(geometry.tag_layout, geometry.ways)),
            "anything_dirty": In(geometry.ways), "anything_used": In(geometry.ways),
            **{f"data{way}": In(64) for way in ways},
        })

    def allowed(self, page: Value, rights: Rights, write: Value):
        return (page != self.page) | Mux(write, rights.write, rights.read)

    def elaborate(self, platform):
        m = Module()
        m.submodules.lsu = self._lsu.module
        self._lsu.join(m, self, self._ports)
        for name in ("page", "set", "rights", "walk_rights"):
            constant(m, getattr(self, name))
        self._memories(m)
        self._environment(m)
        self._access_claims(m)
        self._machine_claims(m)
        self._requests(m)
        return m

    def _memories(self, m):
        """One set of the tags and dirty bits."""
        cache, geometry = self._cache.component, self._geometry
        self._read_set = read_set = Signal(geometry.set_bits)
        with m.If(cache.read_en):
            m.d.sync += read_set.eq(cache.read_index[LINE_BITS - 3 :])
        reads_it = cache.read_index[LINE_BITS - 3 :] == self.set
        lines = [Signal(geometry.tag_layout, name=f"line{way}", reset_less=True) for way in range(geometry.ways)]
        self._lines = lines
        self._true = []  # by way: what was read is what is there
        for way, line in enumerate(lines):
            out, true = (Signal(geometry.tag_layout, name=f"out{way}"), Signal(name=f"true{way}"))
            self._true.append(true)
            writes = cache.tag_ways[way] & (cache.tag_set == self.set)
            with m.If(cache.read_en):
                m.d.sync += out.eq(Mux(reads_it & ~writes, line.as_value(), self.anything[way].as_value()))
            with m.If(writes):
                m.d.sync += line.eq(cache.tag_new)
            m.d.comb += [
                true.eq(out.as_value() == line.as_value()),
                self._tags[way][0].data.eq(out),
                self._data[way][0].data.eq(getattr(self, f"data{way}")),
            ]
        self._dirty_bits = bits = Signal(geometry.ways, reset_less=True)
        (read,), (write,) = self._dirty.read_ports, self._dirty.write_ports
        m.d.comb += read.data.eq(Mux(read.addr == self.set, bits, self.anything_dirty))
        with m.If(write.en & (write.addr == self.set)):
            m.d.sync += bits.eq(write.data)
        if self._used:
            (read,), (write,) = self._used.read_ports, self._used.write_ports
            m.d.comb += [read.data.eq(self.anything_used), Assume(~self.anything_used.all())]
            claim(m, "used", ~write.en | (write.addr != self.set) | ~write.data.all())

    def _environment(self, m):
        lsu, m_valid = self._lsu, self._lsu["m_valid"]
        request = data.View(LsuRequest, lsu["req"])

        # The TLB (`isolation.py` proves the last one of the MMU)
        lookups = Lookups(m, self, self.changed)
        self._asked = asked = Signal(data.StructLayout({"watched": 1, "write": 1}))
        with m.If(self.lookup_en):
            m.d.sync += [asked.watched.eq(self.watched & self.lookup.mode.v),
                         asked.write.eq(self.lookup.access != Access.LOAD)]
        m.d.comb += [
            *(Assume(condition) for condition in lookups.mmu.values()),
            Assume(~(asked.watched & self.tlb.hit)
                   | self.allowed(self.tlb.paddr[12 : len(self.axi.araddr)], self.rights, asked.write)),
        ]

        # The pipeline (`pipeline.py` proves it)
        self._first = first = Signal()
        self._subject = subject = Signal()  # a guest's access is in M
        fires = lsu["fires"]
        m.d.sync += first.eq(fires & ~self.x_flush)
        with m.If(fires):
            m.d.sync += subject.eq(self.watched & self.x.mode.v)
        m.d.comb += [
            Assume(~self.m_kill | first | ~m_valid),
            Assume(~fires | ~m_valid | self.m_done & (~self.m_kill | self.x_flush)),
            Assume(~self.changed | ~m_valid),
            Assume(~(m_valid & self.lookup_en & ~fires & request.mode.v) | (self.watched == subject)),
        ]
        for name, condition in lookups.requester.items():
            claim(m, name, condition)
        claim(m, "not_void", ~m_valid | lsu["relook"] | ~lookups.void)
        claim(m, "walked", ~lookups.was_valid | lsu["walking"] | ~m_valid)

        # The walker (`isolation.py` proves it)
        self._walk = walk = Walks(m, self)
        self._walk_watched = watched = Signal(name="walk_watched_before")
        m.d.sync += watched.eq(self.walk_watched)
        m.d.comb += [
            *(Assume(condition) for condition in walk.conditions.values()),
            Assume(~walk.held | (self.walk_watched == watched)),
            Assume(~(self.ptw_valid & self.walk_watched)
                   | self.allowed(self.ptw_addr[12:], self.walk_rights, self.ptw_update)),
        ]

        # The bus answers what it was asked, no more
        axi = self.axi
        self._beats = beats = Signal(4)  # to come
        self._wrote_address = wrote_address = Signal()
        with m.If(axi.arvalid & axi.arready):
            m.d.sync += beats.eq(axi.arlen + 1)
        with m.Elif(axi.rvalid & axi.rready):
            m.d.sync += beats.eq(beats - 1)
        with m.If(axi.awvalid & axi.awready):
            m.d.sync += wrote_address.eq(1)
        with m.Elif(axi.bvalid & axi.bready):
            m.d.sync += wrote_address.eq(0)
        m.d.comb += [Assume(~axi.rvalid | beats.any()), Assume(~axi.bvalid | wrote_address)]

    def _access_claims(self, m):
        """Of the access in M."""
        lsu, asked = self._lsu, self._asked
        request = data.View(LsuRequest, lsu["req"])
        m_valid, walking, relook, second = (lsu[name] for name in ("m_valid", "walking", "relook", "second"))
        waiting, answered = lsu["waiting"], lsu["answered"]
        idle = lsu.ongoing("IDLE", "INIT", "DECIDE")
        own = lsu["job"].matches(_Job.MISS, _Job.CROSS, _Job.CBO, _Job.UNCACHE)
        writes = ~request.op.as_value().matches(*_LOADS)
        claim(m, "state", lsu.state_exists())
        claim(m, "looked_up_for_m", ~m_valid | relook | (asked.watched == self._subject) & (asked.write == writes))
        claim(m, "subject", ~(m_valid & self._subject) | request.mode.v)
        claim(m, "walking", ~walking | m_valid & ~waiting & ~answered & ~relook & ~lsu.ongoing("IO"))
        claim(m, "relook", ~relook | m_valid & second & idle & ~waiting & ~answered)
        claim(m, "first", ~self._first | m_valid & ~walking & ~relook & ~second & ~answered & ~waiting)
        claim(m, "faults_end", ~self.m_faulted | self.m_done)
        claim(m, "done", ~self.m_done | m_valid)
        claim(m, "done_by_hit", self.m_done == (self.m_done_anyway | self.m_done_if_hit & self.m_hit))
        claim(m, "done_if_hit", ~self.m_done_if_hit | m_valid & ~self.m_faulted)
        claim(m, "fires", lsu["fires"] == (self.x_fire | self.x_fire_if_hit & self.m_hit))
        claim(m, "waiting", ~waiting | m_valid & Mux(answered, idle, ~idle & own))
        claim(m, "answered", ~answered | m_valid)
        claim(m, "ends", lsu["ends"] == (answered | lsu.ongoing("MODIFY", "SECOND")))
        # What is decided in one cycle has been found in the one before
        decides = lsu.ongoing("DECIDE") & m_valid
        claim(m, "decides", ~decides | ~waiting & ~answered & ~relook & ~self._first & ~lsu["stale"]
              & (walking | lsu["bad_atomic"] | self.tlb.hit))
        claim(m, "walks_aligned", ~walking | ~lsu["bad_atomic"])
        claim(m, "decides_where", ~decides | walking
              | (lsu["addr"] == Cat(lsu["m_low"], self.tlb.paddr[12 : len(lsu["addr"])])))
        in_m = m_valid & ~waiting & ~answered & ~walking & ~relook & self.tlb.hit & ~self._first
        claim(m, "io", ~lsu.ongoing("IO") | in_m & (lsu["job"] == _Job.MISS))
        claim(m, "uncache", idle | (lsu["job"] != _Job.UNCACHE) | in_m)

        # The memories have been read for it, unless it is `stale`
        geometry = self._geometry
        outputs = (self._read_set != self.set) | Cat(self._true).all()
        claim(m, "read", ~(m_valid & ~lsu["stale"]) | (self._read_set == geometry.set_of(request.vaddr)) & outputs)

    def _machine_claims(self, m):
        """Of what the state machine works on."""
        lsu, within, geometry = self._lsu, self._lsu.ongoing, self._geometry
        request = data.View(LsuRequest, lsu["req"])
        job, addr, other, way, fill = lsu["job"], lsu["addr"], lsu["other"], lsu["way"], lsu["fill"]
        m_valid, waiting, first_part = lsu["m_valid"], lsu["waiting"], lsu["first_part"]
        idle = within("IDLE", "INIT", "DECIDE")
        writes = ~request.op.as_value().matches(*_LOADS)
        is_store = lsu["is_store"]

        def for_job(*jobs):
            return job.matches(*jobs)

        # For whom
        self._for_guest, self._for_write = for_guest, for_write = Signal(name="for_guest"), Signal(name="for_write")
        self._for_walk, self._for_update = for_walk, for_update = Signal(name="for_walk"), Signal(name="for_update")
        with m.If(idle):
            m.d.sync += [for_guest.eq(self._subject), for_write.eq(writes),
                         for_walk.eq(self.walk_watched), for_update.eq(self.ptw_update)]
        self._own = own = ~idle & for_job(_Job.MISS, _Job.CROSS, _Job.CBO, _Job.UNCACHE)
        self._walks = walks = ~idle & for_job(_Job.PTW)
        crossing, filling = ~idle & for_job(_Job.CROSS), within("EVICT", "COPY", "REFILL")
        claim(m, "job", job != 7)
        claim(m, "decides_anew", ~within("DECIDE")
              | (job == _Job.MISS) & ~fill & ~first_part & ~lsu["zero"] & ~lsu["refill_failed"])
        claim(m, "for_m", ~own | ~(waiting | within("IO") | for_job(_Job.UNCACHE))
              | (for_guest == self._subject) & (for_write == writes))
        claim(m, "own_waits", ~own | for_job(_Job.UNCACHE) | within("REFILL", "IO") | waiting)
        where = {
            _Job.MISS: ("EVICT", "COPY", "REFILL", "MODIFY", "IO"),
            _Job.CROSS: ("READ", "CHECK", "EVICT", "COPY", "REFILL", "FIRST", "SECOND"),
            _Job.CBO: ("EVICT", "COPY", "WAIT"), _Job.UNCACHE: ("EVICT", "COPY", "WAIT"),
            _Job.PTW: ("CHECK", "EVICT", "COPY", "REFILL", "PTW"),
            _Job.CLEAN: ("CHECK", "EVICT", "COPY", "WAIT"), _Job.FLUSH: ("READ", "EVICT", "COPY", "WAIT"),
        }
        for which, states in where.items():
            claim(m, f"states_{which.name}", idle | (job != which) | within(*states))
        fills = for_job(_Job.MISS, _Job.CROSS, _Job.PTW)
        claim(m, "fill", idle | ~(filling & fills) | fill)
        claim(m, "no_fill", idle | fills | ~fill)
        claim(m, "two_parts", ~crossing | lsu["crossing"])
        claim(m, "cross_waits", ~crossing | waiting)
        claim(m, "first_part", ~within("FIRST", "SECOND") | first_part & is_store)
        claim(m, "zero", idle | ~lsu["zero"] | for_job(_Job.MISS) & waiting & for_write & ~lsu["refill_failed"])
        claim(m, "second", ~(m_valid & lsu["second"]) | lsu["crosses_page"])

        # Where
        self._page = page = addr[12:]
        guests = own & for_guest
        claim(m, "address", ~guests | self.allowed(page, self.rights, for_write))
        claim(m, "other_address", ~(guests & crossing) | self.allowed(other[12:], self.rights, for_write))
        two_pages = m_valid & lsu["second"] & ~crossing & ~lsu["answered"]
        claim(m, "first_page", ~(two_pages & self._subject) | self.allowed(other[12:], self.rights, writes))
        claim(m, "end_of_page", ~two_pages | other[3:12].all())
        claim(m, "offset", ~(own & waiting & ~crossing) | (addr[3:12] == request.vaddr[3:12]))
        claim(m, "walk_page", ~(walks & for_walk) | self.allowed(page, self.walk_rights, for_update))
        claim(m, "walk_answered", ~lsu["ptw_answered"] | within("IDLE", "REFILL"))
        claim(m, "walk_held", ~(walks & within("CHECK", "EVICT", "COPY", "PTW"))
              | self._walk.held & (self._walk.update == for_update) & (self._walk.addr == addr)
              & (self._walk_watched == for_walk))
        one, two = Signal.like(addr, name="part_one"), Signal.like(addr, name="part_two")
        swapped = first_part ^ within("SECOND")
        m.d.comb += [one.eq(Mux(swapped, addr, other)), two.eq(Mux(swapped, other, addr))]
        claim(m, "parts", ~crossing | (two[3:12] == (one[3:12] + 1)[:9]) & (
            one[3:12].all() | (two[12:] == one[12:])))

        # What is in the ways
        line_of = [Cat(self.set, line.tag) for line in self._lines]
        ours, others = geometry.set_of(addr) == self.set, geometry.set_of(other) == self.set
        here, there = addr[LINE_BITS:], other[LINE_BITS:]
        was_read = self._read_set == geometry.set_of(addr)
        valid = Cat(line.valid for line in self._lines)
        clearing = within("INIT") & (geometry.set_of(addr) <= self.set)
        claim(m, "outputs", ~within("CHECK", "EVICT") | was_read)
        claim(m, "flush_way", idle | ~for_job(_Job.FLUSH) | way.any() & ~(way & (way - 1)).any())
        claim(m, "one_way", ~(ours & fill & within("COPY", "REFILL")) | ~(way & (way - 1)).any())
        claim(m, "other_way", ~(crossing & first_part) | lsu["other_way"].any())
        claim(m, "other_set", ~(crossing & first_part & filling & ours) | ~others)
        claim(m, "victim", ~within("EVICT") | ~(lsu["victim"] & (lsu["victim"] - 1)).any())
        for i, line in enumerate(self._lines):
            flushed = for_job(_Job.FLUSH) & (way - 1)[i]
            claim(m, f"output{i}", ~(within("CHECK", "EVICT") & ours) | self._true[i] | flushed)
            claim(m, f"was_dirty{i}", ~(within("EVICT") & ours)
                  | (lsu["was_dirty"][i] == self._dirty_bits[i]) | flushed)
            is_line = line.valid & (line_of[i] == here)
            decides = within("DECIDE") & m_valid & ~lsu["walking"] & ~lsu["second"]
            claim(m, f"decided{i}", ~(decides & ours) | (way[i] == is_line))
            found = within("MODIFY", "FIRST", "SECOND", "PTW")
            found |= within("EVICT") & for_job(_Job.CBO, _Job.UNCACHE, _Job.CLEAN)
            claim(m, f"found{i}", ~(ours & way[i] & found) | is_line)
            claim(m, f"found_other{i}", ~(crossing & first_part & others & lsu["other_way"][i])
                  | within("SECOND") | line.valid & (line_of[i] == there))
            claim(m, f"being_filled{i}", ~(ours & way[i] & fill & within("COPY", "REFILL"))
                  | ~line.valid | is_line & lsu["zero"])
            filled = way[i] & ~within("EVICT")
            claim(m, f"missing{i}", ~(filling & ours & fill & line.valid) | filled | (line_of[i] != here))
            claim(m, f"alone{i}", clearing | ~Cat(line.valid & each.valid & (line.tag == each.tag)
                                                  for each in self._lines[:i]).any())
            zeroing = within("REFILL") & lsu["zero"] & ours & way[i]
            claim(m, f"dirty{i}", clearing | ~self._dirty_bits[i] | valid[i] | zeroing)

    def _requests(self, m):
        """What it is all about, and that the bus has no other reason to answer."""
        lsu, within, geometry = self._lsu, self._lsu.ongoing, self._geometry
        axi, cache, writer = self.axi, self._cache.component, self._writer
        addr, read_todo, beats = lsu["addr"], lsu["read_todo"], self._beats
        is_store, zero = lsu["is_store"], lsu["zero"]
        filling, io = within("EVICT", "COPY", "REFILL") & lsu["fill"] & ~zero, within("IO")
        awaited, arrived = lsu["first_awaited"], lsu["arrived"]
        left = (addr[3:LINE_BITS] - lsu["beat"] - arrived)[:3]
        claim(m, "reading", ~read_todo | filling | io & ~is_store)
        claim(m, "arrived", ~arrived | within("REFILL") & ~zero & ~awaited)
        claim(m, "awaited", ~(within("REFILL") & ~zero & awaited) | ~left.any())
        claim(m, "first_beat", ~(within("REFILL") & read_todo) | awaited)
        claim(m, "beats", Mux(read_todo, beats == 0, Mux(
            filling, beats == Mux(within("REFILL") & ~awaited, left, 8), beats == (io & ~is_store))))
        single, address_todo = writer["single"], writer["address_todo"]
        claim(m, "writer", writer.state_exists())
        claim(m, "writing", ~(address_todo | self._wrote_address)
              | writer.ongoing("LINE", "SINGLE") & ~(address_todo & self._wrote_address))
        claim(m, "writes_one", single == writer.ongoing("SINGLE"))
        claim(m, "written_one", ~single | io & is_store)

        # Requests
        ar_page, aw_page = axi.araddr[12:], axi.awaddr[12:]
        claim(m, "read_for_whom", ~axi.arvalid | self._own | self._walks)
        claim(m, "read_by_guest", ~(axi.arvalid & self._own & self._for_guest)
              | self.allowed(ar_page, self.rights, self._for_write))
        claim(m, "read_for_walk", ~(axi.arvalid & self._walks & self._for_walk)
              | self.allowed(ar_page, self.walk_rights, self._for_update))
        claim(m, "write_by_guest", ~(axi.awvalid & (axi.awlen == 0) & self._subject)
              | self.allowed(aw_page, self.rights, 1))
        claim(m, "write_of_what", ~axi.awvalid | Mux(
            axi.awlen == 0, io & lsu["m_valid"], axi.awaddr == Cat(Const(0, LINE_BITS), writer.component.line)))

        # The cache: what it holds of a page leaves the core at some time
        start, evict_way = writer.component.line_start, lsu["evict_way"]
        ours = geometry.set_of(addr) == self.set
        refill_beat, by_walker = lsu["refill_beat"], within("PTW")
        write_here = (cache.write_index[LINE_BITS - 3 :] == self.set) & cache.write_mask.any()
        for i, line in enumerate(self._lines):
            line_of = Cat(self.set, line.tag)
            page = line_of[12 - LINE_BITS :]
            claim(m, f"written_back{i}", ~(start & evict_way[i] & ours)
                  | line.valid & (writer.component.line_addr == line_of))
            written = cache.write_ways[i] & write_here
            filled = refill_beat & ~zero
            claim(m, f"refilled{i}", ~(written & filled) | ~line.valid)
            explicit = written & ~filled & ~by_walker
            zeroed = refill_beat & zero
            claim(m, f"stored{i}", ~explicit | Mux(zeroed, ~line.valid | (line_of == addr[LINE_BITS:]), line.valid))
            claim(m, f"stored_by_guest{i}", ~(explicit & self._subject & line.valid)
                  | self.allowed(page, self.rights, 1))
            claim(m, f"updated{i}", ~(written & by_walker) | line.valid & (
                ~self.walk_watched | self.allowed(page, self.walk_rights, self.ptw_update)))
            read = lsu["may_hit"] & lsu["hits"][i] & (self._read_set == self.set)
            read |= within("CHECK") & self._own & lsu["addr_hits"][i] & ours
            claim(m, f"read_by_guest{i}", ~(read & self._subject)
                  | line.valid & self.allowed(page, self.rights, self._asked.write))
            managed = within("EVICT") & (lsu["job"] == _Job.CBO) & cache.tag_ways[i] & ours
            claim(m, f"managed_by_guest{i}", ~(managed & self._subject)
                  | self.allowed(page, self.rights, self._asked.write))
            installed = within("REFILL") & cache.tag_ways[i] & ours
            claim(m, f"installed{i}", ~installed | (Cat(self.set, cache.tag_new.tag) == addr[LINE_BITS:]))
