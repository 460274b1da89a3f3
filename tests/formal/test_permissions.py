"""Whether an access is permitted: page-table entries of both stages, PMP and PMA in, one bit out."""

import legal
import pytest
from amaranth.hdl import Assume, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In
from permission import Entry, M, of_stages
from planting import Bug
from prove import claim

from entresol.isa.privilege import Access, Mode
from entresol.mmu import permissions
from entresol.mmu.types import MmuContext
from entresol.mmu.walker import ANYTHING, Leaf


class Pmp(data.Struct):
    r: 1
    w: 1
    x: 1


class Allowed(wiring.Component):
    """`permitted` beside the text, for an access with A=1 in the entries.

    `vs` and `g` say which stages translate (the first is that of `satp` while V=0).  A store to a page with D=0 is
    for the walker, hence refused here; so is the U bit of the G-stage, which the walker checks.
    """

    vs_entry: In(Entry)
    g_entry: In(Entry)
    vs: In(1)
    g: In(1)
    pmp: In(Pmp)
    io: In(1)
    ctx: In(MmuContext)
    mode: In(Mode)
    access: In(Access)
    hlvx: In(1)

    def elaborate(self, platform):
        m = Module()
        access, ctx, v, priv = self.access, self.ctx, self.mode.v, self.mode.priv.as_value()
        m.d.comb += [
            *(Assume(condition) for condition in legal.mode(self.mode).values()),
            Assume(access.as_value() != 3),
            Assume(~self.vs | (priv != M)),  # M-mode accesses are not translated
            Assume(~self.g | v),
            Assume(~self.hlvx | (access == Access.LOAD)),
        ]

        # as the walker does it
        leaves = []
        for entry, on in ((self.vs_entry, self.vs), (self.g_entry, self.g)):
            leaf = Signal(Leaf)
            m.d.comb += leaf.eq(Leaf.const(ANYTHING))
            with m.If(on):
                m.d.comb += [
                    leaf.r.eq(entry.r), leaf.w.eq(entry.w & entry.d), leaf.x.eq(entry.x), leaf.u.eq(entry.u),
                ]
            leaves.append(leaf)
        perms = Signal(permissions.Permissions)
        folded = permissions.fold(*leaves, self.vs, self.pmp, self.io)
        m.d.comb += [perms[name].eq(value) for name, value in folded.items()]

        by_vs, by_g = of_stages(m, self.vs_entry, self.g_entry, ctx, self.mode, access, self.hlvx)
        physically = Signal()  # PMP and PMA
        with m.Switch(access):
            with m.Case(Access.FETCH):
                m.d.comb += physically.eq(self.pmp.x & ~self.io)
            with m.Case(Access.STORE):
                m.d.comb += physically.eq(self.pmp.w)
            with m.Case(Access.LOAD):
                m.d.comb += physically.eq(self.pmp.r & (~self.hlvx | self.pmp.x & ~self.io))
        model = (~self.vs | by_vs) & (~self.g | by_g) & physically
        claim(m, "permitted", permissions.permitted(perms, ctx, self.mode, access, self.hlvx) == model)
        return m


@pytest.mark.rule(
    "mstatus_mxr_op", "mstatus_sum_op", "MSTATUS_MXR_SUM_OP_ACC_FAULT", "sstatus_mxr_op", "sstatus_sum_op",
    "vsstatus_mxr_vm", "sstatus_mxr_vm", "hlsv_sstatus_mxr", "hlsv_vsstatus_mxr", "hlsv_u_op",
)
def test_permission_of_a_two_stage_translation(proven):
    proven("what a two-stage translation permits", Allowed())


BUGS = {
    "vs_mxr_for_both_stages": Bug(permissions, "perms.x2 & ctx.mxr", "perms.x2 & first_stage_mxr(ctx, mode.v)",
                                  "permitted", "permitted"),
    "hlvx_of_unreadable_memory": Bug(permissions, "perms.x & perms.x1", "perms.x", "permitted", "permitted"),
    "execution_without_the_gstage": Bug(permissions, "first.x & second.x & pmp.x", "first.x & pmp.x", "permitted",
                                        "fold"),
    "sum_for_fetches": Bug(permissions, " & (access != Access.FETCH)", "", "permitted", "user_allowed"),
}


@pytest.mark.parametrize("name", BUGS)
def test_bugs_are_found(name, monkeypatch):
    BUGS[name].is_found(monkeypatch, Allowed)
