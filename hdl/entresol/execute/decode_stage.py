"""Stage D: decode, register read and operand bypass."""

from functools import partial

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import CoreConfig
from ..frontend.types import FetchedInstr
from ..isa.compressed import RvcDecoder
from ..isa.control import BranchOp, Control, SrcA, SrcB, Unit
from ..isa.decoder import Decoder
from .bits import if_m_free, kept
from .registers import RegisterFile
from .types import Bubble, Bypass, Decoded


class DecodeStage(wiring.Component):
    """Takes instructions from the front end and holds the one in X.

    An instruction leaves D only with its operands complete, taken from the register file or bypassed from X or M;
    so X never waits for data, and a result that comes out of M costs its next reader one cycle.
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__({
            "instr": In(stream.Signature(FetchedInstr)),
            "no_instr": In(Bubble),  # what the front end waits for
            "m_free_anyway": In(1),  # M is empty or its instruction leaves at the end of this cycle,
            "m_free_if_done": In(1),  # or is so with
            "m_done_if_hit": In(1),  # and
            "m_hit": In(1),  # which is known last
            "flush": In(1),  # what is in D and X is not on the path any more
            "flush_d": In(1),  # what is in D is not (X mispredicted)
            "refill": In(Bubble),  # why, with either flush
            "from_x": In(Bypass),
            "from_m": In(Bypass),
            "from_m_loads": In(1),  # then its value is in `from_m`, or
            "load_data": In(64),  # here, and late; zero where it is not
            "write_en": In(1),  # register write at the end of M
            "write_addr": In(5),
            "write_data": In(64),
            "x_valid": Out(1),
            "x": Out(Decoded),
            "x_bubble": Out(Bubble),  # when not x_valid
        })

    #: Cycles from a redirect to the first instruction in D, less one: bubbles of these are the redirect's.
    REFILL_CYCLES = 2

    def elaborate(self, platform):
        m = Module()
        m.submodules.decoder = decoder = Decoder(self._config)
        m.submodules.rvc = rvc = RvcDecoder(self._config)
        m.submodules.registers = registers = RegisterFile()
        fetched = self.instr.payload
        rs1, rs2, rd = fetched.insn[15:20], fetched.insn[20:25], fetched.insn[7:12]
        m.d.comb += [
            decoder.insn.eq(fetched.raw),
            rvc.compressed.eq(fetched.raw),
            rvc.asked[0].eq(self.from_x.rd),
            rvc.asked[1].eq(self.from_m.rd),
            registers.read_addr1.eq(rs1), registers.read_addr2.eq(rs2),
            registers.write_en.eq(self.write_en),
            registers.write_addr.eq(self.write_addr),
            registers.write_data.eq(self.write_data),
        ]

        if_free = partial(if_m_free, m, self)

        # A compressed instruction is decoded beside its expansion.
        control, imm = Signal(Control), Signal(64)
        m.d.comb += [
            control.eq(Mux(fetched.rvc, rvc.control, decoder.control)),
            imm.eq(Mux(fetched.rvc, rvc.imm, decoder.imm)),
        ]

        # Which source registers X and M have is told of every place where a number can stand, before it is known which
        # place counts; so what waits does not wait for the numbers.
        def reads(name, enabled, number, sooner):
            return [kept(m, f"{name}_in_{stage}", giver.valid & Mux(
                fetched.rvc, sooner[index], enabled & (number == giver.rd)))
                for index, (stage, giver) in enumerate((("x", self.from_x), ("m", self.from_m)))]

        reads1 = reads("rs1", decoder.reads1, fetched.raw[15:20], rvc.reads1)
        reads2 = reads("rs2", decoder.reads2, fetched.raw[20:25], rvc.reads2)

        def operand(name, reads, stored, instead, other):
            """The value of a source register, or `other` if `instead`.  What X and loads give is late: it meets what is
            there already."""
            early, value = Signal(64, name=f"{name}_early"), Signal(64, name=f"{name}_value")
            take_x, take_m = Signal(name=f"{name}_take_x"), Signal(name=f"{name}_take_m")
            take_load = Signal(name=f"{name}_take_load")
            in_x, in_m = reads
            unless_load = kept(m, f"{name}_unless_load", early | (self.from_x.value & take_x.replicate(64)))
            m.d.comb += [
                take_x.eq(in_x & ~instead),
                take_m.eq(in_m & ~in_x & ~instead),
                take_load.eq(take_m & self.from_m_loads),
                value.eq(unless_load | (self.load_data & take_load.replicate(64))),
            ]
            with m.If(instead):
                m.d.comb += early.eq(other)
            with m.Elif(take_m):
                m.d.comb += early.eq(self.from_m.value)
            with m.Elif(~in_x):
                m.d.comb += early.eq(stored)
            return value

        value1 = operand("rs1", reads1, registers.read_data1, control.src_a != SrcA.RS1,
                         Mux(control.src_a == SrcA.PC, fetched.pc, 0))
        value2 = operand("rs2", reads2, registers.read_data2, control.src_b == SrcB.IMM, imm)
        (x_gives1, m_has1), (x_gives2, m_has2) = reads1, reads2
        wait_x, wait_m, goes, x_free = (Signal() for _ in range(4))
        m.d.comb += [
            wait_x.eq((x_gives1 | x_gives2) & ~self.from_x.ready),
            wait_m.eq((m_has1 & ~x_gives1) | (m_has2 & ~x_gives2)),
            # A value of M is there when M is free, which is known late.
            self.instr.ready.eq(if_free("ready", ~wait_x, ~self.x_valid & ~wait_x & ~wait_m)),
            goes.eq(if_free("goes", self.instr.valid & ~wait_x & ~self.flush_d,
                            self.instr.valid & ~wait_x & ~self.flush_d & ~wait_m)),
            x_free.eq(if_free("x_free", self.x_valid, ~self.x_valid)),
        ]

        refill, refill_left = Signal(Bubble), Signal(range(self.REFILL_CYCLES + 1))
        with m.If(self.flush | self.flush_d):
            m.d.sync += [refill.eq(self.refill), refill_left.eq(self.REFILL_CYCLES)]
        with m.Elif(refill_left != 0):
            m.d.sync += refill_left.eq(refill_left - 1)

        with m.If(x_free):
            m.d.sync += self.x_valid.eq(goes)
            with m.If(self.flush_d):
                m.d.sync += self.x_bubble.eq(self.refill)
            with m.Elif(self.instr.valid):
                m.d.sync += self.x_bubble.eq(Bubble.HAZARD)
            with m.Elif(refill_left != 0):
                m.d.sync += self.x_bubble.eq(refill)
            with m.Else():
                m.d.sync += self.x_bubble.eq(self.no_instr)
            m.d.sync += [
                self.x.fetched.eq(fetched),
                self.x.fetched.raw[16:].eq(fetched.raw[16:] & (~fetched.rvc).replicate(16)),
                self.x.control.eq(control),
                self.x.other_op.eq(~control.op),
                self.x.from_pc.eq((control.unit == Unit.BRANCH) & (control.op != BranchOp.JALR)),
                self.x.imm.eq(imm),
                self.x.rs1.eq(value1),
                self.x.rs2.eq(value2),
                self.x.rd.eq(rd),
            ]
        with m.If(self.flush):  # late: whatever else has been taken does not matter then
            m.d.sync += [self.x_valid.eq(0), self.x_bubble.eq(self.refill)]
        return m
