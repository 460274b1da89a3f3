"""The core's port to memory: front end and load/store unit on one AXI4."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .axi import Axi4

#: Transaction IDs on the bus; each of the two sides sees its own transactions in order.
FETCH_ID, DATA_ID = 0, 1


class AxiArbiter(wiring.Component):
    """Combines the front end's reads with the load/store unit's reads and writes, without a cycle of delay.

    Members: `fetch` and `data` (subordinates), `bus` (manager).  Reads of both may be outstanding at a time and
    answered in any order, beats interleaved; the read ID (bit 0) tells whose a beat is.  A fetch goes first when both
    ask, because it is known early that there is one; it cannot starve the load/store unit, because the front end has
    one read outstanding at most.
    The IDs that `fetch` and `data` give are ignored, and what `fetch` does on its write channels too.
    """

    def __init__(self, config):
        self._axi = Axi4(config.bus_bits)
        super().__init__({"fetch": In(self._axi), "data": In(self._axi), "bus": Out(self._axi)})

    def elaborate(self, platform):
        m = Module()
        fetch, data, bus = self.fetch, self.data, self.bus

        # Once valid, an address stays: the choice is held until it is taken.
        held = Signal()
        held_fetch = Signal()
        pick_fetch = Signal()
        m.d.comb += pick_fetch.eq(Mux(held, held_fetch, fetch.arvalid))
        m.d.sync += [held.eq(bus.arvalid & ~bus.arready), held_fetch.eq(pick_fetch)]

        for name in ("valid", "addr", "len", "size", "burst", "lock", "cache", "prot"):
            chosen = Mux(pick_fetch, getattr(fetch, f"ar{name}"), getattr(data, f"ar{name}"))
            m.d.comb += getattr(bus, f"ar{name}").eq(chosen)
        m.d.comb += [
            bus.arid.eq(Mux(pick_fetch, FETCH_ID, DATA_ID)),
            fetch.arready.eq(bus.arready & pick_fetch),
            data.arready.eq(bus.arready & ~pick_fetch),
            fetch.rvalid.eq(bus.rvalid & (bus.rid[0] == FETCH_ID)),
            data.rvalid.eq(bus.rvalid & (bus.rid[0] == DATA_ID)),
            bus.rready.eq(Mux(bus.rid[0] == FETCH_ID, fetch.rready, data.rready)),
            bus.awid.eq(DATA_ID),
        ]
        for side in (fetch, data):
            m.d.comb += [side.rdata.eq(bus.rdata), side.rresp.eq(bus.rresp), side.rlast.eq(bus.rlast)]
        m.d.comb += [
            *(getattr(bus, f"aw{name}").eq(getattr(data, f"aw{name}"))
              for name in ("valid", "addr", "len", "size", "burst", "lock", "cache", "prot")),
            *(getattr(bus, name).eq(getattr(data, name)) for name in ("wvalid", "wdata", "wstrb", "wlast", "bready")),
            *(getattr(data, name).eq(getattr(bus, name)) for name in ("awready", "wready", "bvalid", "bresp")),
        ]
        return m
