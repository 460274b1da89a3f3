"""Shapes between the pipeline, the load/store unit and the data cache."""

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


class LsuRequest(data.Struct):
    """A memory instruction entering the M stage (all of it known at the end of X)."""

    vaddr: 64  # bytes
    data: 64  # store data / AMO operand
    op: LsuOp
    size: 2  # log2(bytes)
    unsigned: 1
    hlvx: 1
    mode: Mode  # effective mode of the access (MPRV and HLV/HSV already applied)
