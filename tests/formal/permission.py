"""What page-table entries permit, from the text."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data

from entresol.isa.privilege import Access

U, S, M = 0, 1, 3


class Entry(data.Struct):
    """The bits of a leaf PTE that say who may do what."""

    r: 1
    w: 1
    x: 1
    u: 1
    d: 1


def of_stages(m: Module, vs_entry: Entry, g_entry: Entry, ctx, mode, access, hlvx) -> tuple[Value, Value]:
    """Whether the VS-stage's leaf permits an access (that of `satp` while V=0), and whether the G-stage's does: steps 6
    and 8 of "Virtual Address Translation Process", for entries with A=1.

    A store to a page with D=0 is not permitted; the U bit of the G-stage is left out.
    """
    v, priv = mode.v, mode.priv.as_value()
    user, by_vs, by_g = Signal(), Signal(), Signal()
    with m.If(priv == U):
        m.d.comb += user.eq(vs_entry.u)
    with m.Elif(~vs_entry.u):
        m.d.comb += user.eq(1)
    with m.Elif(access == Access.FETCH):
        m.d.comb += user.eq(0)
    with m.Else():
        m.d.comb += user.eq(Mux(v, ctx.vsum, ctx.sum))
    with m.Switch(access):
        with m.Case(Access.FETCH):
            m.d.comb += [by_vs.eq(vs_entry.x), by_g.eq(g_entry.x)]
        with m.Case(Access.STORE):
            m.d.comb += [by_vs.eq(vs_entry.w & vs_entry.d), by_g.eq(g_entry.w & g_entry.d)]
        with m.Case(Access.LOAD):
            with m.If(hlvx):
                m.d.comb += [by_vs.eq(vs_entry.x), by_g.eq(g_entry.x)]
            with m.Else():
                m.d.comb += [
                    by_vs.eq(vs_entry.r | (vs_entry.x & (ctx.mxr | (v & ctx.vmxr)))),
                    by_g.eq(g_entry.r | (g_entry.x & ctx.mxr)),
                ]
    return user & by_vs, by_g
