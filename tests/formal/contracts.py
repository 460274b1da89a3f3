"""What parts of the core promise each other: claims in the proof of the one, assumptions in that of the other."""

from amaranth.hdl import Module, Signal, Value


class Lookups:
    """The two sides of a `TlbPort`; `port` is one, or has signals of these names.  `changed` says that `satp`, `vsatp`
    or `hgatp` is not what it was in the last cycle (or what else is in `MmuContext`).

    `requester`, `mmu`: by name, what they keep to (but for where hits lead); `void`: whether what was looked up may no
    more be asked the walker for.
    """

    def __init__(self, m: Module, port, changed: Value, name: str = "lookups"):
        def remembered(what: str, value: Value, init: int = 0) -> Signal:
            signal = Signal(len(value), name=f"{name}_{what}", init=init)
            m.d.sync += signal.eq(value)
            return signal

        self.was_valid = was_valid = remembered("walked", port.walk_valid & ~port.lookup_en)
        settled = ~remembered("unsettled", port.walk_valid | port.lookup_en, init=1)
        past = Signal(name=f"{name}_past_void", init=1)
        self.void = past | changed | (was_valid & ~port.walk_valid)
        m.d.sync += past.eq(~port.lookup_en & (self.void | port.walk_valid & port.walk_done))
        answer = port.tlb.as_value()
        self.requester: dict[str, Value] = {
            "walks_for_what_was_looked_up": ~(port.walk_valid & self.void & ~port.lookup_en),
            "no_lookup_during_a_walk": ~(port.walk_valid & port.lookup_en) | port.walk_done,
        }
        self.mmu: dict[str, Value] = {
            "walks_take_time": ~(port.walk_valid & port.walk_done) | was_valid,
            "answers_stay": ~settled | changed | (remembered("answer", answer) == answer),
        }


class Walks:
    """What the walker keeps to at its `PtwPort`, of which `port` has the signals with `ptw_` before their names:
    `conditions` by name.  `held`, `update`, `addr`: of the last cycle."""

    def __init__(self, m: Module, port):
        self.held, self.update = Signal(name="walk_held"), Signal(name="walk_update")
        self.addr = Signal.like(port.ptw_addr, name="walk_addr")
        m.d.sync += [
            self.held.eq(port.ptw_valid & ~port.ptw_done),
            self.update.eq(port.ptw_update),
            self.addr.eq(port.ptw_addr),
        ]
        same = (port.ptw_update == self.update) & (port.ptw_addr == self.addr)
        self.conditions: dict[str, Value] = {"walk_requests_stay": ~self.held | port.ptw_valid & same}
