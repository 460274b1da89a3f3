"""Whether an access is permitted: page-table entries of both stages, PMP and PMA in, one bit out."""

import legal
import pytest
from amaranth.hdl import Assume, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In
from prove import claim

from entresol.isa.privilege import Access, Mode
from entresol.mmu.permissions import Permissions, fold, permitted
from entresol.mmu.types import MmuContext
from entresol.mmu.walker import ANYTHING, Leaf

U, S, M = 0, 1, 3


class Entry(data.Struct):
    """The bits of a leaf PTE that say who may do what."""

    r: 1
    w: 1
    x: 1
    u: 1
    d: 1


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
        perms = Signal(Permissions)
        m.d.comb += [perms[name].eq(value) for name, value in fold(*leaves, self.vs, self.pmp, self.io).items()]

        # "Virtual Address Translation Process", steps 6 and 8, for each stage; then PMP and PMA
        user = Signal()
        with m.If(priv == U):
            m.d.comb += user.eq(self.vs_entry.u)
        with m.Elif(~self.vs_entry.u):
            m.d.comb += user.eq(1)
        with m.Elif(access == Access.FETCH):
            m.d.comb += user.eq(0)
        with m.Else():
            m.d.comb += user.eq(Mux(v, ctx.vsum, ctx.sum))
        by_vs, by_g, physically = Signal(), Signal(), Signal()
        with m.Switch(access):
            with m.Case(Access.FETCH):
                m.d.comb += [
                    by_vs.eq(self.vs_entry.x), by_g.eq(self.g_entry.x), physically.eq(self.pmp.x & ~self.io),
                ]
            with m.Case(Access.STORE):
                m.d.comb += [
                    by_vs.eq(self.vs_entry.w & self.vs_entry.d), by_g.eq(self.g_entry.w & self.g_entry.d),
                    physically.eq(self.pmp.w),
                ]
            with m.Case(Access.LOAD):
                with m.If(self.hlvx):
                    m.d.comb += [
                        by_vs.eq(self.vs_entry.x), by_g.eq(self.g_entry.x),
                        physically.eq(self.pmp.r & self.pmp.x & ~self.io),
                    ]
                with m.Else():
                    m.d.comb += [
                        by_vs.eq(self.vs_entry.r | (self.vs_entry.x & (ctx.mxr | (v & ctx.vmxr)))),
                        by_g.eq(self.g_entry.r | (self.g_entry.x & ctx.mxr)),
                        physically.eq(self.pmp.r),
                    ]
        model = (~self.vs | (user & by_vs)) & (~self.g | by_g) & physically
        claim(m, "permitted", permitted(perms, ctx, self.mode, access, self.hlvx) == model)
        return m


@pytest.mark.rule(
    "mstatus_mxr_op", "mstatus_sum_op", "MSTATUS_MXR_SUM_OP_ACC_FAULT", "sstatus_mxr_op", "sstatus_sum_op",
    "vsstatus_mxr_vm", "sstatus_mxr_vm", "hlsv_sstatus_mxr", "hlsv_vsstatus_mxr", "hlsv_u_op",
)
def test_permission_of_a_two_stage_translation(proven):
    proven("what a two-stage translation permits", Allowed())
