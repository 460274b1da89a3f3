"""The value for `mtinst`/`htinst` (hypervisor chapter, "Transformed Instruction or Pseudoinstruction for mtinst or
htinst")."""

from amaranth.hdl import C, Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..isa.causes import Cause
from ..memory.types import Implicit

READ_PTE = 0x3000
WRITE_PTE = 0x3020

# Faults of explicit memory accesses: the only causes with a transformed instruction.
_EXPLICIT = (
    Cause.LOAD_ADDRESS_MISALIGNED, Cause.LOAD_ACCESS_FAULT, Cause.LOAD_PAGE_FAULT, Cause.LOAD_GUEST_PAGE_FAULT,
    Cause.STORE_ADDRESS_MISALIGNED, Cause.STORE_ACCESS_FAULT, Cause.STORE_PAGE_FAULT, Cause.STORE_GUEST_PAGE_FAULT,
)


class TransformedInstruction(wiring.Component):
    """Computes the value; combinational.

    `insn` is the trapping instruction expanded to 32 bits, `rvc` says it was compressed, `offset` is the faulting
    virtual address less the original one (bytes; nonzero only for misaligned accesses).  `implicit` tells of a guest
    page fault whether an access to a VS-stage page table raised it: the value is a pseudoinstruction then.  For
    other faults of explicit accesses it is the transformed instruction; for any other cause and for interrupts 0.
    """

    insn: In(32)
    rvc: In(1)
    cause: In(6)
    interrupt: In(1)
    implicit: In(Implicit)
    offset: In(5)
    value: Out(32)

    def elaborate(self, platform):
        m = Module()
        insn = self.insn
        transformed = Signal(32)
        opcode = Cat(1, ~self.rvc, insn[2:7])
        with m.Switch(insn[2:7]):
            with m.Case(0b00000, 0b00001):  # LOAD, LOAD-FP
                m.d.comb += transformed.eq(Cat(opcode, insn[7:15], self.offset))
            with m.Case(0b01000, 0b01001):  # STORE, STORE-FP
                m.d.comb += transformed.eq(Cat(opcode, C(0, 5), insn[12:15], self.offset, insn[20:25]))
            with m.Case(0b00011):  # MISC-MEM (cache-block operations)
                m.d.comb += transformed.eq(Cat(opcode, C(0, 5), insn[12:15], C(0, 5), insn[20:32]))
            with m.Case(0b01011, 0b11100):  # AMO, SYSTEM (HLV, HLVX, HSV)
                m.d.comb += transformed.eq(Cat(opcode, insn[7:15], self.offset, insn[20:32]))
        with m.If(~self.interrupt):
            with m.If(self.implicit == Implicit.READ):
                m.d.comb += self.value.eq(READ_PTE)
            with m.Elif(self.implicit == Implicit.WRITE):
                m.d.comb += self.value.eq(WRITE_PTE)
            with m.Elif(self.cause.matches(*_EXPLICIT)):
                m.d.comb += self.value.eq(transformed)
        return m
