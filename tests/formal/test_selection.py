"""Which mode takes a trap and which interrupt is taken, against the conditions of the text."""

import legal
import pytest
from amaranth.hdl import Assume, Module, Mux, Signal
from amaranth.lib import wiring
from legal import LCOFI, MEI, MSI, MTI, SEI, SGEI, SSI, STI, VSEI, VSSI, VSTI
from planting import Bug
from prove import claim

from entresol.privileged.interrupt_select import InterruptSelect
from entresol.privileged.trap_select import Delegation, TrapSelect

U, S, M = 0, 1, 3  # nominal privilege, as in mstatus.MPP


class TrapTarget(wiring.Component):
    """`TrapSelect` beside what the delegation chapters say of each code."""

    def __init__(self):
        self._dut = TrapSelect()
        super().__init__(self._dut.signature)

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self._dut
        wiring.connect(m, wiring.flipped(self), dut)
        m.d.comb += [Assume(condition) for condition in legal.mode(self.mode).values()]
        below_m, virtual = self.mode.priv.as_value() < M, self.mode.v

        by_m, by_hs = Signal(), Signal()  # whether M-mode, whether HS-mode delegates this trap
        for code in range(64):
            with m.If(self.cause == code):
                with m.If(self.interrupt):
                    if code < len(self.mideleg):
                        m.d.comb += [by_m.eq(self.mideleg[code]), by_hs.eq(self.hideleg[code])]
                with m.Else():
                    if code < len(self.medeleg):
                        m.d.comb += [by_m.eq(self.medeleg[code]), by_hs.eq(self.hedeleg[code])]
        target = Signal(3)
        with m.If(below_m & by_m & virtual & by_hs):
            m.d.comb += target.eq(S | 4)
        with m.Elif(below_m & by_m):
            m.d.comb += target.eq(S)
        with m.Else():
            m.d.comb += target.eq(M)
        claim(m, "target", dut.target.as_value() == target)
        # "Traps never transition from a more-privileged mode to a less-privileged mode."
        rank, from_rank = (Mux(each.v, 0, 4) | each.priv.as_value() for each in (dut.target, self.mode))
        claim(m, "never_to_a_lower_mode", rank >= Mux(self.mode.priv.as_value() == U, 0, from_rank))
        return m


@pytest.mark.rule(
    "H_trap_deleg", "hedeleg_op", "hideleg_op", "MEDELEG_OP", "MIDELEG_OP", "trap_never_trans_lower", "trap_horiz",
    "trap_def_M_mode",
)
def test_the_target_mode_follows_the_delegation(proven):
    proven("which mode takes a trap", TrapTarget())


class Interrupts(wiring.Component):
    """`InterruptSelect`, and `TrapSelect` behind it, beside the conditions and orders of the text."""

    def __init__(self):
        self._dut = InterruptSelect()
        super().__init__(self._dut.signature)

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self._dut
        m.submodules.trap = trap = TrapSelect()
        wiring.connect(m, wiring.flipped(self), dut)
        m.d.comb += [
            trap.interrupt.eq(1),
            trap.cause.eq(dut.cause),
            trap.mode.eq(self.mode),
            trap.mideleg.eq(self.mideleg),
            trap.hideleg.eq(self.hideleg),
        ]
        assumed = legal.mode(self.mode) | legal.delegation(self.mideleg, self.hideleg, self.enable)
        m.d.comb += [Assume(condition) for condition in assumed.values()]

        priv, v = self.mode.priv.as_value(), self.mode.v
        below_m = (priv == U) | (priv == S)
        below_hs = (priv == U) | v
        below_vs = v & (priv == U)
        globally = {  # (a) in each of the three lists of conditions
            "m": ((priv == M) & self.mie) | below_m,
            "hs": ((priv == S) & ~v & self.sie) | below_hs,
            "vs": (v & (priv == S) & self.vsie) | below_vs,
        }
        orders = {  # the last one is that of supervisor mode, by the names that hideleg translates from
            "m": (MEI, MSI, MTI, SEI, SSI, STI, LCOFI),
            "hs": (SEI, SSI, STI, SGEI, VSEI, VSSI, VSTI, LCOFI),
            "vs": (VSEI, VSSI, VSTI, LCOFI),
        }
        targets = {"m": M, "hs": S, "vs": S | 4}

        def goes_to(code, level):
            delegated, further = self.mideleg[code], self.hideleg[code]
            return {"m": ~delegated, "hs": delegated & ~further, "vs": delegated & further}[level]

        taken, cause, target = Signal(), Signal(6), Signal(3)
        for level in ("vs", "hs", "m"):  # what comes later goes first: "interrupts to M-mode take priority"
            for code in reversed(orders[level]):
                with m.If(globally[level] & self.pending[code] & self.enable[code] & goes_to(code, level)):
                    m.d.comb += [taken.eq(1), cause.eq(code), target.eq(targets[level])]
        claim(m, "taken", dut.valid == taken)
        claim(m, "cause", ~taken | (dut.cause == cause))
        claim(m, "target", ~taken | (trap.target.as_value() == target))
        woken = Signal()
        for code in range(len(self.pending)):
            with m.If(self.pending[code] & self.enable[code]):
                m.d.comb += woken.eq(1)
        claim(m, "wake", dut.wake == woken)
        return m


@pytest.mark.rule(
    "intr_mip_mie_op", "intr_M_mode_highest_pri", "intr_M_mode_pri", "hsint_priority", "hideleg_hs",
    "sie_sip_supervisor_strap", "s_interrupt_priority", "trap_del_intr_priv_lvl", "mstatus_mie_op", "mstatus_sie_op",
    "mstatus_xie_intr_en_dis", "wfi_unaffected_conditions",
)
def test_the_interrupt_taken_its_target_and_the_end_of_wfi(proven):
    proven("which interrupt is taken, in which mode, and what ends WFI", Interrupts())


BUGS = {
    "delegation_of_what_is_not": Bug(Delegation, "self.below_m & self.second &", "self.second &", "target"),
    "delegation_from_m": Bug(Delegation, "self.first & (self.mode.priv != Priv.M).replicate(self._codes)", "self.first",
                             "never_to_a_lower_mode"),
    "no_hs_interrupts_in_v": Bug(InterruptSelect, "~is_hs | self.sie", "(self.mode.priv == Priv.U) | self.sie",
                                 "taken"),
    "vs_first": Bug(InterruptSelect, "Mux(hs_on, to_hs, to_vs)", "Mux(vs_on, to_vs, to_hs)", "cause"),
    "globally_disabled_do_not_wake": Bug(InterruptSelect, "self.wake.eq(any_m | any_hs | any_vs)",
                                         "self.wake.eq(self.valid)", "wake"),
}


@pytest.mark.parametrize("name", BUGS)
def test_bugs_are_found(name, monkeypatch):
    bug = BUGS[name]
    bug.is_found(monkeypatch, Interrupts if bug.component is InterruptSelect else TrapTarget)
