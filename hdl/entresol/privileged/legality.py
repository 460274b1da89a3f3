"""Which SYSTEM instructions the current mode may execute (privileged architecture, "Virtualization Support in
mstatus Register", "Trap-Return Instructions", "Wait for Interrupt", Svinval; hypervisor chapter, "Hypervisor
Instructions" and "Trap Cause Codes").  CSR accesses are the CSR file's business."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..isa.control import SysOp
from ..isa.privilege import Mode, Priv

#: What it looks at, by register.
FIELDS = {"mstatus": ("tvm", "tw", "tsr"), "hstatus": ("vtvm", "vtw", "vtsr", "hu")}


class Legality(wiring.Component):
    """Refuses SYSTEM instructions; combinational, `x_illegal` and `x_virtual` never both.

    `tvm`, `tw`, `tsr` are mstatus's, `vtvm`, `vtw`, `vtsr`, `hu` hstatus's fields.  WFI never waits where a wait
    could be refused: it traps at once, which the text allows.  WRS.NTO and WRS.STO end in bounded time (`Commit`) and
    are never refused.
    """

    op: In(SysOp)
    mode: In(Mode)
    tvm: In(1)
    tw: In(1)
    tsr: In(1)
    vtvm: In(1)
    vtw: In(1)
    vtsr: In(1)
    hu: In(1)
    sys_illegal: Out(1)
    sys_virtual: Out(1)
    hlsv_illegal: Out(1)
    hlsv_virtual: Out(1)

    def elaborate(self, platform):
        m = Module()
        is_m = Signal()
        u, hs, vu, vs = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            is_m.eq(self.mode.priv == Priv.M),
            u.eq((self.mode.priv == Priv.U) & ~self.mode.v),
            hs.eq((self.mode.priv == Priv.S) & ~self.mode.v),
            vu.eq((self.mode.priv == Priv.U) & self.mode.v),
            vs.eq((self.mode.priv == Priv.S) & self.mode.v),
            self.hlsv_illegal.eq(u & ~self.hu),
            self.hlsv_virtual.eq(vu | vs),
        ]
        illegal, virtual = self.sys_illegal, self.sys_virtual
        with m.Switch(self.op):
            with m.Case(SysOp.MRET):
                m.d.comb += illegal.eq(~is_m)
            with m.Case(SysOp.SRET):
                m.d.comb += [illegal.eq(u | (hs & self.tsr)), virtual.eq(vu | (vs & self.vtsr))]
            with m.Case(SysOp.WFI):
                m.d.comb += [
                    illegal.eq(u | (~is_m & self.tw)),
                    virtual.eq(~self.tw & (vu | (vs & self.vtw))),
                ]
            with m.Case(SysOp.SFENCE_VMA, SysOp.SINVAL_VMA):
                m.d.comb += [illegal.eq(u | (hs & self.tvm)), virtual.eq(vu | (vs & self.vtvm))]
            with m.Case(SysOp.SFENCE_W_INVAL, SysOp.SFENCE_INVAL_IR):
                m.d.comb += [illegal.eq(u), virtual.eq(vu)]
            with m.Case(SysOp.HFENCE_VVMA, SysOp.HINVAL_VVMA):
                m.d.comb += [illegal.eq(u), virtual.eq(vu | vs)]
            with m.Case(SysOp.HFENCE_GVMA, SysOp.HINVAL_GVMA):
                m.d.comb += [illegal.eq(u | (hs & self.tvm)), virtual.eq(vu | vs)]
        return m
