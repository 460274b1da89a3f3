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
        # The sign extensions of two words compare like the words, also without sign.
        unsigned = (self.op == LsuOp.AMOMINU) | (self.op == LsuOp.AMOMAXU)
        key = []
        for value in (self.old, self.operand):
            high = Mux(self.word, value[31].replicate(32), value[32:])
            key.append(Cat(value[:32], high[:31], high[31] ^ ~unsigned))
        less = Signal()
        m.d.comb += less.eq(key[0] < key[1])
        with m.Switch(self.op):
            with m.Case(LsuOp.AMOADD):
                m.d.comb += self.result.eq(self.old + self.operand)
            with m.Case(LsuOp.AMOXOR):
                m.d.comb += self.result.eq(self.old ^ self.operand)
            with m.Case(LsuOp.AMOAND):
                m.d.comb += self.result.eq(self.old & self.operand)
            with m.Case(LsuOp.AMOOR):
                m.d.comb += self.result.eq(self.old | self.operand)
            with m.Case(LsuOp.AMOMIN, LsuOp.AMOMINU):
                m.d.comb += self.result.eq(Mux(less, self.old, self.operand))
            with m.Case(LsuOp.AMOMAX, LsuOp.AMOMAXU):
                m.d.comb += self.result.eq(Mux(less, self.operand, self.old))
            with m.Default():
                m.d.comb += self.result.eq(self.operand)
        return m


def is_amo(op) -> Value:
    """Whether `op` (an LsuOp) is an AMO proper (not LR or SC), 1 bit."""
    code = Value.cast(op)
    return (code >= LsuOp.AMOSWAP.value) & (code <= LsuOp.AMOMAXU.value)
