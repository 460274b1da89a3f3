"""Comparison for conditional branches."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..isa.control import BranchOp


class BranchUnit(wiring.Component):
    """Compares two registers (unprivileged manual, "Conditional Branches"); combinational.

    `taken` means something for the conditional operations only.  The encoding of BranchOp is that of funct3: bit 0
    negates, bit 1 makes the comparison unsigned, bit 2 orders rather than equates.
    """

    op: In(BranchOp)
    a: In(64)
    b: In(64)
    taken: Out(1)

    def elaborate(self, platform):
        m = Module()
        op = self.op.as_value()
        equal, less, flip = Signal(), Signal(), Signal()
        m.d.comb += [
            flip.eq(~op[1]),  # inverting both sign bits makes an unsigned comparison of a signed one
            equal.eq(self.a == self.b),
            less.eq(Cat(self.a[:63], self.a[63] ^ flip) < Cat(self.b[:63], self.b[63] ^ flip)),
            self.taken.eq(Mux(op[2], less, equal) ^ op[0]),
        ]
        return m
