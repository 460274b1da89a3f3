"""Stage M: commit.  The one place where instructions retire, traps are taken and CSRs change."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config import CoreConfig
from ..execute.bits import chosen_by_hit, chosen_late
from ..execute.types import Bubble, Bypass, Early, Executed
from ..isa.causes import Cause
from ..isa.control import Control, LsuOp, SysOp, Unit
from ..isa.privilege import Priv
from ..memory.types import MemFault
from ..mmu.types import Fence, FenceOp
from ..observe import Events, Retire
from .csr_access import any_of, decoded_csr
from .csr_file import CsrFile
from .exceptions import Exceptions
from .tinst import TransformedInstruction

#: WRS.NTO and WRS.STO stall for at most this many cycles: some ten misses of the data cache.
WRS_CYCLES = 256


class Commit(wiring.Component):
    """Completes the instruction in M, one at a time and in order.

    An instruction in M is not speculative: either an interrupt takes its place in its first cycle there, or it
    retires, or it traps.  An interrupt is chosen in that cycle and taken in the next one.  Instructions that change
    what is fetched or how addresses are translated make the front end start again behind them; it starts at m.pc + 4
    when it is reset.
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        self.csr = CsrFile(config)
        super().__init__({
            "m_valid": In(1),
            "m_first": In(1),
            "m": In(Executed),
            "m_csr": In(decoded_csr(config)),
            "m_bubble": In(Bubble),
            # the instruction in X, which may enter M
            "x_control": In(Control),
            "x_fault": In(1),
            "x_misaligned": In(1),
            "x_early": Out(Early),
            "x_refused": Out(1),
            # M is empty or its instruction leaves at the end of this cycle,
            "free_anyway": Out(1),  # whether or not there is `lsu_hit`,
            "free_if_done": Out(1),  # or if there is, with `lsu_done_if_hit`
            "leaves": Out(1),  # it leaves, but M has to stay empty for a cycle
            "bypass": Out(Bypass),
            "rd_we": Out(1),  # `rd_data` is to be written to the register file
            "rd_data": Out(64),  # what a load finds, or else the value of `bypass`
            "redirect_valid": Out(1),  # everything younger is dropped
            "redirect_pc": Out(64),
            "redirect_reason": Out(Bubble),
            "invalidate_icache": Out(1),
            "reservation_clear": Out(1),
            # units that answer in M
            "lsu_kill": Out(1),
            "lsu_hit": In(1),  # known last
            "lsu_done_if_hit": In(1),  # without a fault
            "lsu_done_anyway": In(1),
            "lsu_faulted": In(1),
            "lsu_fault": In(MemFault),
            "lsu_found": In(64),  # what a load reads: the one or the other, the first one late, and 0 otherwise
            "lsu_given": In(64),
            "lsu_wrote": In(1),
            "lsu_wdata": In(64),
            "lsu_paddr": In(56),
            "lsu_waiting_walk": In(1),
            "lsu_reserved": In(1),
            "walking_vs": In(1),  # what is walked, for whom ever
            "walking_g": In(1),
            "mul_result": In(64),
            "div_done": In(1),
            "div_result": In(64),
            "div_kill": Out(1),
            "fetch_fault": In(MemFault),
            "fence_valid": Out(1),
            "fence_likely": Out(1),  # comes with fence_valid; alone if the fence traps
            "fence": Out(Fence),
            "fence_done": In(1),
            "retire": Out(Retire),
            "lost": Out(Events),  # the lost_* fields only
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.csr = csr = self.csr
        m.submodules.tinst = tinst = TransformedInstruction()
        i, control = self.m, self.m.control

        is_lsu, is_div, is_csr, is_system = i.is_lsu, i.is_div, i.is_csr, i.is_system

        def system(*ops):
            return is_system & ((control.op == ops[0]) if len(ops) == 1 else control.op.matches(*ops))

        # --- the instruction in X: what is known of it decides when it enters M
        m.submodules.exceptions = exceptions = Exceptions()
        m.d.comb += [
            csr.sys_op.eq(self.x_control.op),
            csr.block_op.eq(self.x_control.op),
            exceptions.control.eq(self.x_control),
            exceptions.fault.eq(self.x_fault),
            exceptions.fetch_cause.eq(self.fetch_fault.cause),
            exceptions.misaligned.eq(self.x_misaligned),
            exceptions.mode.eq(csr.mode),
            *(getattr(exceptions, f"{kind}_{what}").eq(getattr(csr, f"{kind}_{what}"))
              for kind in ("csr", "sys", "hlsv", "block") for what in ("illegal", "virtual")),
            exceptions.below_m.eq(csr.exception_below_m),
            exceptions.to_vs.eq(csr.exception_to_vs),
            self.x_early.eq(exceptions.early),
            self.x_refused.eq(exceptions.refused),
        ]

        # --- CSRs
        csr_writes = Signal()
        m.d.comb += [
            csr_writes.eq(is_csr & i.writes_csr),
            csr.csr_valid.eq(is_csr),
            csr.csr.eq(self.m_csr),
            csr.csr_op.eq(control.op),
            csr.csr_operand.eq(i.result),
            csr.csr_write.eq(i.writes_csr),
        ]

        # --- exceptions.  Those of the load/store unit are known late, and taken in the next cycle.
        memory_fault = Signal(MemFault)  # of the fetch or the load/store, whichever it is
        trap_memory = Signal()
        faulted = Signal()
        fault_cause, fault_v = Signal(6), Signal()
        fault_below_m, fault_to_vs = Signal(), Signal()
        cause, tval = Signal(6), Signal(64)
        is_break = i.early.cause == Cause.BREAKPOINT
        m.d.comb += [
            memory_fault.eq(Mux(i.fault, self.fetch_fault, self.lsu_fault)),
            trap_memory.eq(i.fault | is_lsu),
        ]
        with m.If(trap_memory):
            m.d.comb += tval.eq(memory_fault.vaddr)
        with m.Elif(i.early.cause.matches(Cause.ILLEGAL_INSTRUCTION, Cause.VIRTUAL_INSTRUCTION)):
            m.d.comb += tval.eq(i.raw)
        with m.Elif(i.misaligned):
            m.d.comb += tval.eq(i.result)
        with m.Elif(is_break):
            m.d.comb += tval.eq(i.pc)

        # --- completion
        def by_hit(name, anyway, if_hit):
            """`anyway`, or `if_hit` and the load or store is done by its hit, known last: nothing is behind."""
            return chosen_by_hit(m, name, anyway, if_hit, self.lsu_done_if_hit, self.lsu_hit)

        stopped, interrupt, interrupt_cause = Signal(), Signal(), Signal(6)
        excepted, failed, trap, done, completed, others_completed = (Signal() for _ in range(6))
        completed_anyway = Signal()
        is_fence, is_wrs = Signal(), Signal()
        fence_all, interrupting = Signal(), Signal()
        m.d.comb += [
            is_fence.eq(system(SysOp.SFENCE_VMA, SysOp.HFENCE_VVMA, SysOp.HFENCE_GVMA,
                               SysOp.SINVAL_VMA, SysOp.HINVAL_VVMA, SysOp.HINVAL_GVMA)),
            is_wrs.eq(system(SysOp.WRS_NTO, SysOp.WRS_STO)),
            fence_all.eq(csr_writes & csr.csr_fence),
            interrupting.eq(csr_writes & self.m_csr.interrupting),
            stopped.eq(self.m_valid & self.m_first & csr.interrupt_valid),  # by an interrupt, taken in the next cycle
            excepted.eq(self.m_valid & i.early.valid),
            failed.eq(self.m_valid & is_lsu & self.lsu_faulted & ~stopped),
            trap.eq(interrupt | faulted | (excepted & ~stopped)),
            # The load/store unit is done with nothing but what is in M.
            completed_anyway.eq((self.lsu_done_anyway & ~self.lsu_faulted) | others_completed),
            completed.eq(completed_anyway | (self.lsu_done_if_hit & self.lsu_hit)),
        ]
        m.d.sync += [interrupt.eq(stopped), faulted.eq(failed)]
        with m.If(failed):
            m.d.sync += [
                fault_cause.eq(self.lsu_fault.cause),
                fault_v.eq(self.lsu_fault.v),
                fault_below_m.eq(csr.exception_below_m.bit_select(self.lsu_fault.cause, 1)),
                fault_to_vs.eq(csr.exception_to_vs.bit_select(self.lsu_fault.cause, 1)),
            ]
        with m.If(stopped):
            m.d.sync += interrupt_cause.eq(csr.interrupt_cause)
        # What an instruction may wait for.  No two of these have anything to do with the same one.
        waits = [is_div & ~self.div_done, (is_fence | fence_all) & ~self.fence_done, csr.csr_busy,
                 system(SysOp.WFI) & ~csr.wfi_wake]
        if self._config.has("zawrs"):
            waited, waits_on = Signal(range(WRS_CYCLES + 1)), Signal()
            m.d.comb += waits_on.eq(self.lsu_reserved & ~csr.wfi_wake & (waited != WRS_CYCLES))
            with m.If(is_wrs):
                m.d.sync += waited.eq(Mux(self.m_valid & waits_on, waited + 1, 0))
            waits.append(is_wrs & waits_on)
        m.d.comb += others_completed.eq(~is_lsu & ~any_of(waits))
        goes_on, retires = Signal(), Signal()
        m.d.comb += [
            goes_on.eq(self.m_valid & ~stopped & ~trap),
            retires.eq(by_hit("retires", goes_on & completed_anyway, goes_on)),
            done.eq(trap | retires),
            # Not what leaves with a trap: that empties the stages before M anyway.
            self.free_anyway.eq(~self.m_valid | (~stopped & ~interrupting & completed_anyway)),
            self.free_if_done.eq(~stopped),
            self.leaves.eq(interrupting & ~stopped & others_completed),
            self.lsu_kill.eq(self.m_valid & is_lsu & stopped),
            self.div_kill.eq(self.m_valid & is_div & stopped),
        ]

        # --- effects
        result = Signal(64)
        with m.Switch(control.unit):
            with m.Case(Unit.LSU):  # the rest is late: it goes to whoever takes the value by itself
                m.d.comb += result.eq(self.lsu_given)
            with m.Case(Unit.MUL):
                m.d.comb += result.eq(self.mul_result)
            with m.Case(Unit.DIV):
                m.d.comb += result.eq(self.div_result)
            with m.Case(Unit.CSR):
                m.d.comb += result.eq(csr.csr_rdata)
            with m.Default():
                m.d.comb += result.eq(i.result)
        m.d.comb += [
            self.bypass.valid.eq(self.m_valid & control.rd_en & (i.rd != 0)),
            self.rd_we.eq(by_hit("writes", goes_on & completed_anyway & self.bypass.valid,
                                 goes_on & self.bypass.valid)),
            self.bypass.rd.eq(i.rd),
            self.bypass.value.eq(result),
            self.rd_data.eq(result | self.lsu_found),
            # Told of what can stop a CSR instruction alone, because hundreds of registers wait for it.
            csr.csr_commit.eq(self.m_valid & csr_writes & ~interrupt & ~stopped
                              & Mux(csr.csr_fence, self.fence_done, ~csr.csr_busy)),
            csr.retired.eq(retires),
        ]

        # --- fences
        m.d.comb += [
            self.fence_likely.eq(self.m_valid & ~stopped & (is_fence | fence_all)),
            self.fence_valid.eq(self.fence_likely & ~interrupt),
            self.fence.by_addr.eq(i.insn[15:20] != 0),
            self.fence.by_id.eq(i.insn[20:25] != 0),
            self.fence.addr.eq(i.result),
            self.fence.id.eq(i.id),
        ]
        with m.If(fence_all):
            m.d.comb += self.fence.op.eq(FenceOp.ALL)
        with m.Elif(control.op.matches(SysOp.HFENCE_GVMA, SysOp.HINVAL_GVMA)):
            m.d.comb += self.fence.op.eq(FenceOp.HFENCE_GVMA)
        with m.Elif(control.op.matches(SysOp.HFENCE_VVMA, SysOp.HINVAL_VVMA) | csr.mode.v):
            m.d.comb += self.fence.op.eq(FenceOp.HFENCE_VVMA)
        with m.Else():
            m.d.comb += self.fence.op.eq(FenceOp.SFENCE_VMA)

        # --- traps and returns
        is_xret, is_fence_i = Signal(), Signal()
        m.d.comb += [
            tinst.insn.eq(i.insn),
            tinst.rvc.eq(i.rvc),
            tinst.cause.eq(Mux(i.fault, i.early.cause, self.lsu_fault.cause)),
            tinst.interrupt.eq(interrupt | ~trap_memory),
            tinst.implicit.eq(memory_fault.implicit),
            tinst.offset.eq(memory_fault.vaddr - i.result),
            cause.eq(Mux(faulted, fault_cause, i.early.cause)),
            csr.trap_valid.eq(trap),
            csr.trap_interrupt.eq(interrupt),
            csr.trap_cause.eq(cause),
            csr.trap_interrupt_cause.eq(csr.interrupt_cause),
            csr.trap_epc.eq(i.pc),
            csr.trap_held.eq(faulted),
            csr.trap_tval.eq(Mux(interrupt, 0, tval)),
            csr.trap_gpa.eq(Mux(trap_memory & ~interrupt, memory_fault.gpa, 0)),
            csr.trap_tinst.eq(tinst.value),
        ]
        # The tval of a breakpoint or a misaligned jump is a virtual address of the guest, if it is the guest's.
        with m.If(interrupt):
            m.d.comb += csr.trap_target.eq(csr.interrupt_target)
        with m.Elif(faulted):
            m.d.comb += [
                csr.trap_target.priv.eq(Mux(fault_below_m, Priv.S, Priv.M)),
                csr.trap_target.v.eq(fault_to_vs),
                csr.trap_gva.eq(fault_v),
            ]
        with m.Else():
            m.d.comb += [
                csr.trap_target.priv.eq(Mux(i.early.below_m, Priv.S, Priv.M)),
                csr.trap_target.v.eq(i.early.to_vs),
                csr.trap_gva.eq(Mux(i.fault, self.fetch_fault.v, (is_break | i.misaligned) & csr.mode.v)),
            ]
        m.d.comb += [
            is_xret.eq(system(SysOp.MRET, SysOp.SRET)),
            is_fence_i.eq(system(SysOp.FENCE_I)),
            csr.xret_valid.eq(self.m_valid & is_xret & ~interrupt & ~stopped),  # nothing else stops them
            csr.xret_op.eq(control.op),
            self.invalidate_icache.eq(goes_on & is_fence_i),
            # A trap handler may switch to another context: its LR must not pair with that one's SC.
            self.reservation_clear.eq(goes_on & is_xret),
        ]
        # Of what redirects, only fences take more than a cycle; `retires` would bring in the path of load hits.  Nor is
        # `stopped` waited for, which is late as well: the next cycle redirects again then.
        serialises, redirects, traps = Signal(), Signal(), Signal()
        started = Signal()
        m.d.sync += started.eq(1)
        m.d.comb += [
            serialises.eq(is_fence_i | is_fence | system(SysOp.SFENCE_INVAL_IR)),
            redirects.eq(self.m_valid & (is_xret | (serialises & (~is_fence | self.fence_done)))),
            traps.eq(interrupt | faulted | excepted),
            # Whether a CSR's new value makes it necessary is known last.
            self.redirect_valid.eq(chosen_late(
                m, "redirects", traps | redirects | ~started,
                self.m_valid & i.writes_csr & (~csr.csr_fence | self.fence_done), csr.csr_flush)),
            self.redirect_reason.eq(Mux(traps | is_xret, Bubble.TRAP, Bubble.SERIAL)),
        ]
        with m.If(traps):
            m.d.comb += self.redirect_pc.eq(csr.trap_pc)
        with m.Elif(is_xret):
            m.d.comb += self.redirect_pc.eq(csr.xret_pc)
        with m.Else():
            m.d.comb += self.redirect_pc.eq(i.pc + 4)  # none of the serialising instructions is compressed

        # --- observation, a cycle late so that it stays out of the critical path
        is_load = control.op.matches(LsuOp.LOAD, LsuOp.LR)
        is_atomic = is_lsu & ~control.op.matches(LsuOp.LOAD, LsuOp.STORE, LsuOp.LR, LsuOp.SC, LsuOp.CBO_CLEAN,
                                                 LsuOp.CBO_FLUSH, LsuOp.CBO_INVAL, LsuOp.CBO_ZERO)
        retire = Signal(Retire)
        m.d.comb += [self.retire.eq(retire), self.retire.csr.eq(csr.changed), self.retire.csr2.eq(csr.changed2)]
        m.d.sync += [
            retire.valid.eq(done),
            retire.trap.eq(trap),
            retire.interrupt.eq(interrupt),
            retire.cause.eq(Mux(interrupt, interrupt_cause, csr.trap_cause)),
            retire.target.eq(csr.trap_target),
            retire.mode.eq(csr.mode),
            retire.pc.eq(i.pc),
            retire.raw.eq(i.raw),
            retire.rd_we.eq(self.rd_we),
            retire.rd.eq(i.rd),
            retire.rd_data.eq(self.rd_data),
            retire.mem_read.eq(is_lsu & retires & (is_load | is_atomic)),
            retire.mem_write.eq(is_lsu & retires & self.lsu_wrote),
            retire.mem_vaddr.eq(i.result),
            retire.mem_paddr.eq(self.lsu_paddr),
            retire.mem_size.eq(control.size),
            retire.mem_wdata.eq(self.lsu_wdata),
        ]
        with m.If(~faulted):
            m.d.sync += retire.tval.eq(csr.trap_tval)
        lost = self.lost
        waits = is_lsu & self.lsu_waiting_walk
        with m.If(~self.m_valid):
            m.d.comb += [
                lost.lost_frontend.eq(self.m_bubble == Bubble.FRONTEND),
                lost.lost_branch.eq(self.m_bubble == Bubble.BRANCH),
                lost.lost_trap.eq(self.m_bubble == Bubble.TRAP),
                lost.lost_serial.eq(self.m_bubble == Bubble.SERIAL),
                lost.lost_hazard.eq(self.m_bubble == Bubble.HAZARD),
                lost.lost_tlb.eq(self.m_bubble == Bubble.TLB),
                lost.lost_walk_vs.eq(self.m_bubble == Bubble.WALK_VS),
                lost.lost_walk_g.eq(self.m_bubble == Bubble.WALK_G),
            ]
        with m.Elif(trap | stopped | failed):
            m.d.comb += lost.lost_trap.eq(1)
        with m.Elif(~completed):
            m.d.comb += [
                lost.lost_dcache.eq(is_lsu & ~self.lsu_waiting_walk),
                lost.lost_tlb.eq(waits & ~self.walking_vs & ~self.walking_g),
                lost.lost_walk_vs.eq(waits & self.walking_vs),
                lost.lost_walk_g.eq(waits & self.walking_g),
                lost.lost_divide.eq(is_div),
                lost.lost_serial.eq(is_fence | fence_all | csr.csr_busy),
                lost.lost_wfi.eq(system(SysOp.WFI) | is_wrs),
            ]
        return m

