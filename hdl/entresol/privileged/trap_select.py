"""Which mode handles a trap (privileged architecture, "Machine Trap Delegation" and, in the hypervisor chapter,
"Hypervisor Trap Delegation" and "Trap Entry")."""

from amaranth.hdl import Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..isa.privilege import Mode, Priv

EXCEPTIONS = 24  # codes 0 to 23
INTERRUPTS = 14  # codes 0 to 13


class Delegation(wiring.Component):
    """Where each of `codes` exceptions, or interrupts, would go from `mode`; combinational.

    `first` is medeleg or mideleg, `second` hedeleg or hideleg; bit i of `below_m` says that code i goes to HS- or
    VS-mode, and that of `to_vs` that it is VS-mode.  A trap goes to M-mode unless its bit in `first` is set and it
    comes from a lower mode; then to HS-mode, unless it comes from V=1 and its bit in `second` is set as well; then to
    VS-mode.  (VS-level interrupts are only ever taken in V=1.)
    """

    def __init__(self, codes: int):
        self._codes = codes
        super().__init__({
            "mode": In(Mode),
            "first": In(codes),
            "second": In(codes),
            "below_m": Out(codes),
            "to_vs": Out(codes),
        })

    def elaborate(self, platform):
        m = Module()
        m.d.comb += [
            self.below_m.eq(self.first & (self.mode.priv != Priv.M).replicate(self._codes)),
            self.to_vs.eq(self.below_m & self.second & self.mode.v.replicate(self._codes)),
        ]
        return m


class TrapSelect(wiring.Component):
    """Chooses the target mode; combinational.

    `cause` is an exception or, with `interrupt`, an interrupt code taken in `mode`; see `Delegation`.
    """

    interrupt: In(1)
    cause: In(6)
    mode: In(Mode)
    medeleg: In(EXCEPTIONS)
    hedeleg: In(EXCEPTIONS)
    mideleg: In(INTERRUPTS)
    hideleg: In(INTERRUPTS)
    target: Out(Mode)

    def elaborate(self, platform):
        m = Module()
        m.submodules.exceptions = exceptions = Delegation(EXCEPTIONS)
        m.submodules.interrupts = interrupts = Delegation(INTERRUPTS)
        below_m = Mux(self.interrupt, interrupts.below_m, exceptions.below_m)
        to_vs = Mux(self.interrupt, interrupts.to_vs, exceptions.to_vs)
        m.d.comb += [
            exceptions.mode.eq(self.mode),
            exceptions.first.eq(self.medeleg),
            exceptions.second.eq(self.hedeleg),
            interrupts.mode.eq(self.mode),
            interrupts.first.eq(self.mideleg),
            interrupts.second.eq(self.hideleg),
            self.target.priv.eq(Mux(below_m.bit_select(self.cause, 1), Priv.S, Priv.M)),
            self.target.v.eq(to_vs.bit_select(self.cause, 1)),
        ]
        return m
