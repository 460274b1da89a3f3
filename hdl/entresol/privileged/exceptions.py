"""The exceptions that are known before an instruction enters M: of its fetch, of its encoding, of what the mode may not
execute, and those that it is there for (privileged architecture, "Machine Cause (mcause) Register", table "Synchronous
exception priority")."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..execute.types import Early
from ..isa.causes import Cause
from ..isa.control import Control, SysOp, Unit
from ..isa.privilege import Mode, Priv
from .trap_select import EXCEPTIONS

#: What `fetch_cause` can be.
FETCH_FAULTS = (Cause.INSTRUCTION_ACCESS_FAULT, Cause.INSTRUCTION_PAGE_FAULT, Cause.INSTRUCTION_GUEST_PAGE_FAULT)


class Exceptions(wiring.Component):
    """Chooses among them; combinational.

    `fault` says that `control` means nothing, because the fetch faulted for `fetch_cause`; `misaligned` that the
    instruction jumps to where none can be.  `csr_*`, `sys_*`, `hlsv_*` and `block_*` are as in `CsrFile`; `below_m` and
    `to_vs` are where each exception goes (see `Delegation`).  `refused` says that the instruction is illegal or a
    virtual instruction and must not be executed; it means nothing with `fault`.
    """

    control: In(Control)
    fault: In(1)
    fetch_cause: In(6)
    misaligned: In(1)
    mode: In(Mode)
    csr_illegal: In(1)
    csr_virtual: In(1)
    sys_illegal: In(1)
    sys_virtual: In(1)
    hlsv_illegal: In(1)
    hlsv_virtual: In(1)
    block_illegal: In(1)
    block_virtual: In(1)
    below_m: In(EXCEPTIONS)
    to_vs: In(EXCEPTIONS)
    early: Out(Early)
    refused: Out(1)

    def elaborate(self, platform):
        m = Module()
        control, early = self.control, self.early
        is_system, is_lsu = control.unit == Unit.SYSTEM, control.unit == Unit.LSU
        illegal, virtual = Signal(), Signal()
        m.d.comb += [
            illegal.eq(control.illegal | self.csr_illegal | (is_system & self.sys_illegal)
                       | (is_lsu & (self.block_illegal | (control.hlsv & self.hlsv_illegal)))),
            virtual.eq(self.csr_virtual | (is_system & self.sys_virtual)
                       | (is_lsu & (self.block_virtual | (control.hlsv & self.hlsv_virtual)))),
            self.refused.eq(illegal | virtual),
        ]

        def exception(code: Cause):
            return [early.valid.eq(1), early.cause.eq(code), early.below_m.eq(self.below_m[code.value]),
                    early.to_vs.eq(self.to_vs[code.value])]

        with m.If(self.fault):
            m.d.comb += [early.valid.eq(1), early.cause.eq(self.fetch_cause)]
            for code in FETCH_FAULTS:
                with m.If(self.fetch_cause == code):
                    m.d.comb += exception(code)
        with m.Elif(self.misaligned):
            m.d.comb += exception(Cause.INSTRUCTION_ADDRESS_MISALIGNED)
        with m.Elif(illegal):
            m.d.comb += exception(Cause.ILLEGAL_INSTRUCTION)
        with m.Elif(virtual):
            m.d.comb += exception(Cause.VIRTUAL_INSTRUCTION)
        with m.Elif(is_system & (control.op == SysOp.EBREAK)):
            m.d.comb += exception(Cause.BREAKPOINT)
        with m.Elif(is_system & (control.op == SysOp.ECALL)), m.Switch(self.mode.priv):
            with m.Case(Priv.U):
                m.d.comb += exception(Cause.ECALL_FROM_U)
            with m.Case(Priv.S):
                with m.If(self.mode.v):
                    m.d.comb += exception(Cause.ECALL_FROM_VS)
                with m.Else():
                    m.d.comb += exception(Cause.ECALL_FROM_HS)
            with m.Default():
                m.d.comb += exception(Cause.ECALL_FROM_M)
        return m
