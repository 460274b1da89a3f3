"""Stage X: integer operations, branch resolution, effective addresses."""

from functools import partial

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config import CoreConfig
from ..frontend.types import BranchKind, BranchUpdate
from ..isa.control import BranchOp, CsrOp, DivOp, ImmFormat, LsuOp, MulOp, Unit
from ..isa.privilege import Mode
from ..memory.types import LsuRequest, PointerMasking, masked
from ..privileged.csr_access import CsrDecoder, csr_permission, decoded_csr
from .alu import Alu
from .bits import if_m_free, kept, sum_differs
from .branch import BranchUnit
from .types import Bubble, Bypass, Decoded, Early, Executed


class ExecuteStage(wiring.Component):
    """Executes the instruction in X in one cycle, starts the units that answer in M, and holds the one in M.

    A mispredicted branch redirects in its first cycle in X, whether or not M is free: so the front end works while M
    waits, and the long path that tells whether M is free does not lead to it.
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__({
            "x_valid": In(1),
            "x": In(Decoded),
            "x_bubble": In(Bubble),
            # M is empty, or its instruction leaves at the end of this cycle if it does not trap:
            "m_free_anyway": In(1),  # that is so,
            "m_free_if_done": In(1),  # or with
            "m_done_if_hit": In(1),  # and
            "m_hit": In(1),  # which is known last
            "m_leaves": In(1),  # it leaves, but M has to stay empty for a cycle
            "flush": In(1),  # the instruction in X is not on the path any more
            "flush_reason": In(Bubble),
            "data_mode": In(Mode),  # effective mode of loads and stores
            "hlsv_mode": In(Mode),  # of HLV, HLVX and HSV
            "v": In(1),  # the mode's V
            "csr_permission": Out(csr_permission(config)),  # of the CSR that the instruction in X accesses
            "csr_access": Out(1),  # if it does
            "csr_writes": Out(1),
            "misaligned": Out(1),  # it jumps to where no instruction can be
            "early": In(Early),  # its exception
            "refused": In(1),  # which says that it must not be executed; known late
            "inval_flushes": In(1),  # CBO.INVAL is to do what CBO.FLUSH does
            "data_masking": In(PointerMasking),
            "hlsv_masking": In(PointerMasking),
            "bypass": Out(Bypass),
            # the path goes on elsewhere than predicted
            "redirect_valid": Out(1),
            "redirect_pc": Out(64),
            "update": Out(BranchUpdate),
            # units that answer in M
            "lsu_valid": Out(1),  # fires when M is free, also with `flush`, or `refused`
            "lsu": Out(LsuRequest),
            "mul_en": Out(1),
            "mul_op": Out(MulOp),
            "div_load": Out(1),
            "div_op": Out(DivOp),
            "m_valid": Out(1),
            "m_first": Out(1),  # first cycle of the instruction in M
            "m": Out(Executed, init={"pc": config.reset_vector - 4}),
            "m_csr": Out(decoded_csr(config)),  # the CSR that it accesses
            "m_bubble": Out(Bubble),  # when not m_valid
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.alu = alu = Alu(self._config)
        m.submodules.branch = branch = BranchUnit()
        m.submodules.csr = csr = CsrDecoder(self._config)
        x, control, fetched = self.x, self.x.control, self.x.fetched

        if_free = partial(if_m_free, m, self)

        m.d.comb += [
            alu.op.eq(~x.other_op),
            alu.word.eq(control.word),
            alu.a.eq(x.rs1),
            alu.b.eq(x.rs2),
            branch.op.eq(control.op),
            branch.a.eq(x.rs1),
            branch.b.eq(x.rs2),
        ]
        m.d.comb += [
            csr.v.eq(self.v),
            self.csr_permission.eq(csr.permission),
            self.csr_access.eq(control.unit == Unit.CSR),
            self.csr_writes.eq((control.op == CsrOp.RW) | (fetched.insn[15:20] != 0)),
        ]
        with m.If(self.csr_access | (control.unit == Unit.SYSTEM)):  # otherwise a simulator has nothing to decode
            m.d.comb += csr.addr.eq(fetched.insn[20:32])

        is_branch, is_jal, is_jalr = Signal(), Signal(), Signal()
        m.d.comb += [
            is_branch.eq(~fetched.fault & (control.unit == Unit.BRANCH) & ~control.illegal),
            is_jal.eq(is_branch & (control.op == BranchOp.JAL)),
            is_jalr.eq(is_branch & (control.op == BranchOp.JALR)),
        ]

        # One adder serves JALR and memory addresses (rs1 + imm), one the other targets (pc + imm).
        address, relative, target, link = Signal(64), Signal(64), Signal(64), Signal(64)
        m.d.comb += [
            address.eq(x.rs1 + x.imm),
            relative.eq(fetched.pc + x.imm),
            target.eq(Mux(x.from_pc, relative, Cat(0, address[1:]))),  # JALR drops bit 0
            link.eq(fetched.pc + Mux(fetched.rvc, 2, 4)),
        ]

        masking, pointer = Signal(PointerMasking), Signal(64)
        m.d.comb += [
            masking.eq(Mux(control.hlsv, self.hlsv_masking, self.data_masking)),
            pointer.eq(masked(address, masking)),
        ]
        with m.If(control.hlvx):
            m.d.comb += masking.pmm.eq(0)

        # Bit 0 of a target is always 0.
        base = Mux(x.from_pc, fetched.pc, x.rs1)
        other_target = sum_differs(m, base[1:], x.imm[1:], base[0] & x.imm[0], fetched.pred_target[1:])
        taken, fire, mispredicted = Signal(), Signal(), Signal()
        redirected = Signal()  # the front end is on the path of the branch in X already
        # What redirects is told from the comparisons, which are late, at once.
        conditional, may_redirect = Signal(), Signal()
        always, unless_target, if_taken, unless_taken = (Signal() for _ in range(4))
        m.d.comb += [
            conditional.eq(is_branch & ~is_jal & ~is_jalr),
            may_redirect.eq(self.x_valid & ~redirected & ~fetched.fault),
            always.eq(may_redirect & Mux(is_branch, ~conditional & ~fetched.pred_taken, fetched.pred_taken)),
            unless_target.eq(may_redirect & is_branch & fetched.pred_taken),
            if_taken.eq(may_redirect & conditional & ~fetched.pred_taken),
            unless_taken.eq(may_redirect & conditional & fetched.pred_taken),
            self.redirect_valid.eq(always | (unless_target & other_target)
                                   | Mux(branch.taken, if_taken, unless_taken)),
            # Of the target and the address behind, the one that fetching did not go on at.
            self.redirect_pc.eq(Mux(is_branch & (branch.taken | ~conditional), target, link)),
        ]
        m.d.comb += [
            fire.eq(if_free("fire", self.x_valid & ~self.flush)),
            taken.eq(is_branch & (is_jal | is_jalr | branch.taken)),
            mispredicted.eq(~fetched.fault & ((taken != fetched.pred_taken)
                                              | (taken & other_target))),
        ]

        misaligned = self.misaligned
        if not self._config.has("c"):
            m.d.comb += misaligned.eq(taken & target[1])

        rd_links, rs1_links = Signal(), Signal()
        rs1 = fetched.insn[15:20]
        m.d.comb += [
            rd_links.eq((x.rd == 1) | (x.rd == 5)),
            rs1_links.eq((rs1 == 1) | (rs1 == 5)),
        ]
        moves = if_free("moves", self.x_valid)  # from X to M, if there is no `flush`
        with m.If(self.flush | moves):
            m.d.sync += redirected.eq(0)
        with m.Elif(self.redirect_valid):
            m.d.sync += redirected.eq(1)
        # Registered: the predictor may learn a cycle later, and the path into its memories stays short.
        m.d.sync += [
            self.update.redirected.eq(self.redirect_valid & ~self.flush),
            self.update.valid.eq(fire & (is_branch | mispredicted)),
            self.update.pc.eq(fetched.pc),
            self.update.rvc.eq(fetched.rvc),
            self.update.taken.eq(taken),
            self.update.target.eq(target),
            self.update.mispredicted.eq(mispredicted),
            self.update.kind.eq(BranchKind.BRANCH),
        ]
        with m.If((is_jal | is_jalr) & rd_links):
            m.d.sync += self.update.kind.eq(BranchKind.CALL)
        with m.Elif(is_jalr & rs1_links):
            m.d.sync += self.update.kind.eq(BranchKind.RETURN)
        with m.Elif(is_jal | is_jalr):
            m.d.sync += self.update.kind.eq(BranchKind.JUMP)

        result = Signal(64)
        with m.Switch(control.unit):
            with m.Case(Unit.BRANCH):
                m.d.comb += result.eq(Mux(misaligned, target, link))
            with m.Case(Unit.LSU):
                m.d.comb += result.eq(pointer)
            with m.Case(Unit.CSR, Unit.SYSTEM):
                m.d.comb += result.eq(Mux(control.imm == ImmFormat.Z, x.imm, x.rs1))
            with m.Default():
                m.d.comb += result.eq(alu.result)

        m.d.comb += [
            self.bypass.valid.eq(self.x_valid & control.rd_en & (x.rd != 0)),
            self.bypass.ready.eq((control.unit == Unit.ALU) | (control.unit == Unit.BRANCH)),
            self.bypass.rd.eq(x.rd),
            self.bypass.value.eq(Mux(control.unit == Unit.BRANCH, link, alu.result)),
            # `flush` and `refused` are known late: the unit hears of them in the next cycle.
            self.lsu_valid.eq(self.x_valid & ~fetched.fault & (control.unit == Unit.LSU)),
            self.lsu.op.eq(control.op),
            self.lsu.vaddr.eq(pointer),
            self.lsu.masking.eq(masking),
            self.lsu.data.eq(x.rs2),
            self.lsu.size.eq(control.size),
            self.lsu.unsigned.eq(control.unsigned),
            self.lsu.hlvx.eq(control.hlvx),
            self.lsu.mode.eq(Mux(control.hlsv, self.hlsv_mode, self.data_mode)),
            # The units' operands are taken while M may still be occupied: its late end is kept out of their paths.
            self.mul_en.eq(self.x_valid & (control.unit == Unit.MUL)),
            self.div_load.eq(self.x_valid & (control.unit == Unit.DIV)),
            self.mul_op.eq(~x.other_op),
            self.div_op.eq(~x.other_op),
        ]
        if self._config.has("zicbom"):
            with m.If((control.op == LsuOp.CBO_INVAL) & self.inval_flushes):
                m.d.comb += self.lsu.op.eq(LsuOp.CBO_FLUSH)

        # Whether M has an instruction in the next cycle, without and with a hit.
        enters = self.x_valid & ~self.flush
        stays = self.m_valid & ~self.m_leaves & ~self.flush
        valid_else = kept(m, "valid_else", Mux(self.m_free_anyway, enters, stays))
        valid_if_hit = kept(m, "valid_if_hit", Mux(self.m_free_anyway | (self.m_free_if_done & self.m_done_if_hit),
                                                  enters, stays))
        m.d.sync += [self.m_valid.eq(Mux(self.m_hit, valid_if_hit, valid_else)), self.m_first.eq(moves)]
        with m.If(moves):
            m.d.sync += [
                self.m.pc.eq(fetched.pc),
                self.m.misaligned.eq(misaligned),
                self.m.insn.eq(fetched.insn),
                self.m.raw.eq(fetched.raw),
                self.m.rvc.eq(fetched.rvc),
                self.m.fault.eq(fetched.fault),
                self.m.control.eq(control),
                self.m.early.eq(self.early),
                *(self.m[f"is_{unit.name.lower()}"].eq((control.unit == unit) & ~fetched.fault & ~self.refused)
                  for unit in (Unit.LSU, Unit.DIV, Unit.CSR, Unit.SYSTEM)),
                self.m.writes_csr.eq(self.csr_writes),
                self.m.rd.eq(x.rd),
                self.m_csr.eq(csr.decoded),
            ]
        # What M holds when nothing is in it does not matter: not all of it has to wait for the same wire.
        with m.If(if_free("takes_operands", self.x_valid, self.m_leaves)):
            m.d.sync += [self.m.result.eq(result), self.m.id.eq(x.rs2)]
        with m.If(if_free("bubbles", ~self.x_valid, self.m_leaves | self.flush)):
            m.d.sync += self.m_bubble.eq(
                Mux(self.flush, self.flush_reason, Mux(self.m_leaves, Bubble.SERIAL, self.x_bubble)))
        return m
