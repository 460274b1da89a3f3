"""Shapes between the pipeline, the load/store unit and the data cache."""

from amaranth.hdl import Cat, Mux, Value
from amaranth.lib import data, enum

from ..isa.control import LsuOp
from ..isa.privilege import Mode


class Implicit(enum.Enum, shape=2):
    """Whether a guest page fault was raised by the access itself or by an implicit access to a VS-stage page
    table (hypervisor chapter, "Trap Instruction or Pseudoinstruction Values")."""

    NONE = 0
    READ = 1  # pseudoinstruction 0x00003000 (64-bit PTE read)
    WRITE = 2  # pseudoinstruction 0x00003020 (64-bit PTE write: hardware update of A/D)


class MemFault(data.Struct):
    """Why a fetch, load or store faulted."""

    vaddr: 64  # bytes; the faulting address (of the portion that faulted, for a misaligned access)
    gpa: 64  # bytes; guest physical address for a guest page fault, else 0
    cause: 6  # a Cause
    implicit: Implicit
    v: 1  # the access used V=1 translation (HLV/HSV and MPRV included): vaddr is guest virtual


class PointerMasking(data.Struct):
    """How the addresses of explicit accesses are masked (machine chapter, "Pointer Masking Extensions")."""

    pmm: 2  # as in the PMM fields: 0 not at all, 2 with PMLEN=7, 3 with PMLEN=16
    physical: 1  # the masked bits become 0, not copies of the topmost other one


def masked(address: Value, masking) -> Value:
    """The transformed address (64 bits) of `address` (64 bits) under the `PointerMasking` `masking`."""
    sign = ~masking.physical & Mux(masking.pmm[0], address[47], address[56])
    return Cat(
        address[:48],
        Mux(masking.pmm.all(), sign.replicate(9), address[48:57]),
        Mux(masking.pmm[1], sign.replicate(7), address[57:]),
    )


class LsuRequest(data.Struct):
    """A memory instruction entering the M stage (all of it known at the end of X)."""

    vaddr: 64  # bytes, masked
    data: 64  # store data / AMO operand
    op: LsuOp
    size: 2  # log2(bytes)
    unsigned: 1
    hlvx: 1
    mode: Mode  # effective mode of the access (MPRV and HLV/HSV already applied)
    masking: PointerMasking  # for the rest of an access that straddles two pages
