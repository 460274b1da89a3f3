"""Which interrupt is taken (privileged architecture, "Machine Interrupt (mip and mie) Registers" and, in the
hypervisor chapter, "Hypervisor Interrupt (hvip, hip, and hie) Registers")."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..isa.causes import Interrupt
from ..isa.privilege import Mode, Priv
from .trap_select import INTERRUPTS

#: Decreasing priority among interrupts to the same mode; the texts' orders for M, HS and VS agree.
PRIORITY = (
    Interrupt.MEI, Interrupt.MSI, Interrupt.MTI, Interrupt.SEI, Interrupt.SSI, Interrupt.STI, Interrupt.SGEI,
    Interrupt.VSEI, Interrupt.VSSI, Interrupt.VSTI, Interrupt.LCOFI,
)


class InterruptSelect(wiring.Component):
    """Chooses the interrupt to take in `mode`; combinational, but that `delayed` makes `pending`, `enable`, `mideleg`,
    `hideleg` and `mode` count a cycle late; it is M-mode at reset.

    `pending`, `enable` (mip and mie), `mideleg` and `hideleg` are indexed with the interrupt code; `mie`, `sie` and
    `vsie` are the global enables of mstatus, the HS-level sstatus and vsstatus.  An interrupt to a higher mode goes
    first.  `valid` says that `cause` (code as in mip) is to be taken now; `wake` that some interrupt is pending and
    locally enabled, which ends WFI whatever the modes and global enables.
    """

    pending: In(INTERRUPTS)
    enable: In(INTERRUPTS)
    mideleg: In(INTERRUPTS)
    hideleg: In(INTERRUPTS)
    mode: In(Mode)
    mie: In(1)
    sie: In(1)
    vsie: In(1)
    valid: Out(1)
    cause: Out(6)
    wake: Out(1)

    def __init__(self, delayed: bool = False):
        self._delayed = delayed
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        ready, to_m, to_hs, to_vs, chosen = (Signal(INTERRUPTS) for _ in range(5))
        m_on, hs_on, vs_on = Signal(), Signal(), Signal()
        any_m, any_hs, any_vs = (Signal(name=f"any_{level}") for level in ("m", "hs", "vs"))
        is_m, is_hs, is_vu, is_v = Signal(init=1), Signal(), Signal(), Signal()
        levels = [
            is_m.eq(self.mode.priv == Priv.M),
            is_hs.eq((self.mode.priv == Priv.S) & ~self.mode.v),
            is_vu.eq((self.mode.priv == Priv.U) & self.mode.v),
            is_v.eq(self.mode.v),
        ]
        if self._delayed:
            m.d.sync += levels
        else:
            m.d.comb += levels
        m.d.comb += ready.eq(self.pending & self.enable)
        for vector, some, value in (
            (to_m, any_m, ready & ~self.mideleg),
            (to_hs, any_hs, ready & self.mideleg & ~self.hideleg),
            (to_vs, any_vs, ready & self.mideleg & self.hideleg),
        ):
            if self._delayed:
                m.d.sync += [vector.eq(value), some.eq(value.any())]
            else:
                m.d.comb += [vector.eq(value), some.eq(value.any())]
        m.d.comb += [
            m_on.eq(any_m & (~is_m | self.mie)),
            hs_on.eq(any_hs & ~is_m & (~is_hs | self.sie)),
            vs_on.eq(any_vs & (is_vu | (is_v & self.vsie))),
            self.wake.eq(any_m | any_hs | any_vs),
            chosen.eq(Mux(m_on, to_m, Mux(hs_on, to_hs, to_vs))),
            self.valid.eq(m_on | hs_on | vs_on),
        ]
        for code in reversed(PRIORITY):
            with m.If(chosen[code]):
                m.d.comb += self.cause.eq(code)
        return m
