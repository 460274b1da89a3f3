"""The arithmetic of atomic memory operations."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..isa.control import LsuOp


class Amo(wiring.Component):
    """What an AMO writes to memory (unprivileged manual, "Zaamo"), combinational.

    `old` is the memory's value and `operand` rs2, 64 bits each; with `word` only bits 31:0 of both and of the
    `result` matter.  Operations other than AMOs give `operand`.
    """

    op: In(LsuOp)
    word: In(1)
    old: In(64)
    operand: In(64)
    result: Out(64)

    def elaborate(self, platform):
        m = Module()
        old, operand = self.old, self.operand

        # Comparison in halves, so that words need no extension; signed is unsigned with the top bits inverted.
        signed = Signal()
        low_less = Signal()
        less = Signal()
        flip_low, flip_high = signed & self.word, signed
        m.d.comb += [
            signed.eq((self.op == LsuOp.AMOMIN) | (self.op == LsuOp.AMOMAX)),
            low_less.eq(Cat(old[:31], old[31] ^ flip_low) < Cat(operand[:31], operand[31] ^ flip_low)),
            less.eq(Mux(
                self.word | (old[32:] == operand[32:]), low_less,
                Cat(old[32:63], old[63] ^ flip_high) < Cat(operand[32:63], operand[63] ^ flip_high))),
        ]

        # Everything but the addition is a truth table in the bits of both: its outputs for both set, only the old
        # one set, and only the operand's set.
        both = Signal(init=1)
        only_old = Signal()
        only_operand = Signal()
        with m.Switch(self.op):
            with m.Case(LsuOp.AMOXOR):
                m.d.comb += [both.eq(0), only_old.eq(1), only_operand.eq(1)]
            with m.Case(LsuOp.AMOAND):
                pass
            with m.Case(LsuOp.AMOOR):
                m.d.comb += [only_old.eq(1), only_operand.eq(1)]
            with m.Case(LsuOp.AMOMIN, LsuOp.AMOMINU):
                m.d.comb += [only_old.eq(less), only_operand.eq(~less)]
            with m.Case(LsuOp.AMOMAX, LsuOp.AMOMAXU):
                m.d.comb += [only_old.eq(~less), only_operand.eq(less)]
            with m.Default():
                m.d.comb += only_operand.eq(1)
        with_operand = (old & both.replicate(64)) | (~old & only_operand.replicate(64))
        table = (operand & with_operand) | (~operand & old & only_old.replicate(64))
        m.d.comb += self.result.eq(Mux(self.op == LsuOp.AMOADD, old + operand, table))
        return m


def is_amo(op) -> Value:
    """Whether `op` (an LsuOp) is an AMO proper (not LR or SC), 1 bit."""
    code = Value.cast(op)
    return (code >= LsuOp.AMOSWAP.value) & (code <= LsuOp.AMOMAXU.value)
