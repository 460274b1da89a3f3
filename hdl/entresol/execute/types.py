"""The registers between the stages D, X and M."""

from amaranth.lib import data, enum

from ..frontend.types import FetchedInstr
from ..isa.control import Control


class Decoded(data.Struct):
    """An instruction in X, with its operands."""

    rs1: 64  # values, not numbers; for an operation of the ALU its operands, whatever they are
    rs2: 64
    imm: 64
    from_pc: 1  # what `imm` is added to is the pc, not rs1: the target of a branch or JAL
    fetched: FetchedInstr
    control: Control
    other_op: 6  # the complement of control.op, for the integer units: registers that stay apart have less far to go
    rd: 5


class Early(data.Struct):
    """An exception that is known before its instruction enters M, and which mode is to handle it."""

    valid: 1
    cause: 6  # a Cause
    below_m: 1  # HS- or VS-mode
    to_vs: 1


class Executed(data.Struct):
    """An instruction in M."""

    pc: 64
    result: 64  # ALU result or link address; the effective address of a memory instruction; the CSR or rs1 operand
    insn: 32
    raw: 32
    id: 16  # rs2, as far as fences need it (ASID or VMID)
    rvc: 1
    fault: 1
    misaligned: 1  # a jump or taken branch to `result`, where no instruction can be (never with compressed ones)
    control: Control
    early: Early
    is_lsu: 1  # its unit, if it was fetched and may be executed
    is_div: 1
    is_csr: 1
    is_system: 1
    writes_csr: 1  # with is_csr
    rd: 5


class Bypass(data.Struct):
    """A result on its way to the register file."""

    value: 64
    valid: 1  # an instruction that writes `rd`, which is not x0
    ready: 1  # `value` is known in this cycle; only of X: that of M is when M is free
    rd: 5


class Bubble(enum.Enum, shape=3):
    """Why a stage holds no instruction; travels down the pipeline in its place."""

    FRONTEND = 0
    BRANCH = 1
    TRAP = 2
    SERIAL = 3
    HAZARD = 4
    TLB = 5
    WALK_VS = 6
    WALK_G = 7
