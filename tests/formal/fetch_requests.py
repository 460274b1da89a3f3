"""The front end among TLB, pipeline and bus: what they keep to, and what then leaves it.

What is watched is one arbitrary page, which guests may execute or not.  A fetch for a guest is one that is `watched`:
with V=1, and `hgatp.MODE` not Bare.
"""

from amaranth.hdl import Assume, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In
from contracts import Lookups
from inside import Anything, Inside
from prove import claim, constant

from entresol.config import CoreConfig
from entresol.frontend.frontend import Frontend
from entresol.isa.privilege import Access


class FetchRequests(wiring.Component):
    """The front end of `config` in its environment, with claims that are strong enough for induction.

    What the instruction cache holds, the predictor says and the queue does is left out: it may be anything.
    """

    def __init__(self, config: CoreConfig):
        self._frontend = frontend = Inside(Frontend(config))
        self._icache = icache = frontend.part("icache")
        self._cut = {name: frontend.cut(name) for name in ("predictor", "queue")}
        self._memories = {f"{what}{way}": icache.cut(f"{what}{way}")
                          for what in ("tags", "data") for way in range(config.icache.ways)}
        members = dict(frontend.component.signature.members)
        del members["instr"]
        self._ports = list(members)
        self._anything = Anything(**self._cut)
        super().__init__({
            **members,
            "page": In(config.bus_bits - 12), "may_execute": In(1),
            "watched": In(1),  # of the lookup
            "changed": In(1),  # the MMU's `ctx`, since the last cycle
            **self._anything.members,
            **{f"{name}_answer": In(memory.shape) for name, memory in self._memories.items()},
        })

    def allowed(self, page):
        return (page != self.page) | self.may_execute

    def elaborate(self, platform):
        m = Module()
        m.submodules.frontend = self._frontend.module
        frontend, icache = self._frontend, self._icache
        frontend.join(m, self, self._ports)
        self._anything.drive(m, self)
        for name, memory in self._memories.items():
            (read,) = memory.read_ports
            m.d.comb += read.data.eq(getattr(self, f"{name}_answer"))
        constant(m, self.page)
        constant(m, self.may_execute)

        # The TLB (`isolation.py` proves the last one of the MMU)
        lookups = Lookups(m, self, self.changed)
        asked, asked_mode = Signal(), Signal.like(self.mode)
        with m.If(self.lookup_en):
            m.d.sync += [asked.eq(self.watched & self.lookup.mode.v), asked_mode.eq(self.lookup.mode)]
        m.d.comb += [
            *(Assume(condition) for condition in lookups.mmu.values()),
            Assume(~(asked & self.tlb.hit) | self.allowed(self.tlb.paddr[12 : len(self.axi.araddr)])),
        ]
        # The pipeline (`pipeline.py` proves it)
        redirected = Signal(init=1)
        mode = Signal.like(self.mode)
        m.d.sync += [redirected.eq(self.redirect_valid), mode.eq(self.mode)]
        m.d.comb += Assume(redirected | ~self.changed & (self.mode == mode))

        f1_valid, again, faulted = (frontend[name] & ~frontend["flushed"] for name in ("f1_holds", "repeats", "fails"))
        for name, condition in lookups.requester.items():
            claim(m, name, condition)
        claim(m, "not_void", ~f1_valid | again | faulted | ~lookups.void | self.tlb.hit)
        walking = frontend["walks"] & ~frontend["flushed"]
        claim(m, "walking", ~walking | f1_valid & ~again & ~faulted & ~lookups.void)
        claim(m, "access", ~self.lookup_en | (self.lookup.access == Access.FETCH))
        claim(m, "mode", ~f1_valid | (asked_mode == self.mode))  # that of the instructions

        # For whom a line is fetched
        guest = Signal(name="for_guest")
        idle = icache.ongoing("idle")
        with m.If(idle):
            m.d.sync += guest.eq(asked)
        claim(m, "state", icache.state_exists())
        claim(m, "address", idle | ~guest | self.allowed(icache["fill_addr"][12:]))

        # What it is all about
        claim(m, "request", ~self.axi.arvalid | ~idle & (~guest | self.allowed(self.axi.araddr[12:])))
        claim(m, "clean", ~self.clean_valid | ~idle & (~guest | self.allowed(self.clean_addr[12:])))
        claim(m, "no_write", ~(self.axi.awvalid | self.axi.wvalid))
        queue = self._cut["queue"]
        claim(m, "fetched", ~queue.push | queue.group.fault | f1_valid & self.tlb.hit)
        return m
