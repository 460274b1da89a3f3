"""Which mode handles a trap (privileged architecture, "Machine Trap Delegation" and, in the hypervisor chapter,
"Hypervisor Trap Delegation" and "Trap Entry")."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..isa.privilege import Mode, Priv

EXCEPTIONS = 24  # codes 0 to 23
INTERRUPTS = 14  # codes 0 to 13


class TrapSelect(wiring.Component):
    """Chooses the target mode; combinational.

    `cause` is an exception or, with `interrupt`, an interrupt code taken in `mode`.  A trap goes to M-mode unless
    its medeleg/mideleg bit is set and it comes from a lower mode; then to HS-mode, unless it comes from V=1 and its
    hedeleg/hideleg bit is set as well; then to VS-mode.  (VS-level interrupts are only ever taken in V=1.)
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
        to_hs, to_vs = Signal(), Signal()
        first = Mux(self.interrupt, self.mideleg, self.medeleg)
        second = Mux(self.interrupt, self.hideleg, self.hedeleg)
        m.d.comb += [
            to_hs.eq((self.mode.priv != Priv.M) & first.bit_select(self.cause, 1)),
            to_vs.eq(to_hs & self.mode.v & second.bit_select(self.cause, 1)),
            self.target.priv.eq(Mux(to_hs, Priv.S, Priv.M)),
            self.target.v.eq(to_vs),
        ]
        return m
