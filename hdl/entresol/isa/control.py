"""What the decoder says of an instruction: the control word that travels down the pipeline."""

from amaranth.lib import data, enum


class Unit(enum.Enum, shape=3):
    """The unit that executes an instruction, 3 bits; it decides which enum `Control.op` holds."""

    ALU = 0  # AluOp
    BRANCH = 1  # BranchOp
    LSU = 2  # LsuOp
    MUL = 3  # MulOp
    DIV = 4  # DivOp
    CSR = 5  # CsrOp
    SYSTEM = 6  # SysOp


class ImmFormat(enum.Enum, shape=3):
    """Immediate formats, 3 bits.  Z is the 5-bit zero-extended CSR immediate in the rs1 field; NONE is 0
    (so that loads without an offset, AMOs and HLV/HSV, use rs1 + 0)."""

    NONE = 0
    I = 1
    S = 2
    B = 3
    U = 4
    J = 5
    Z = 6


class SrcA(enum.Enum, shape=2):
    """First operand."""

    RS1 = 0
    PC = 1
    ZERO = 2


class SrcB(enum.Enum, shape=1):
    """Second operand."""

    RS2 = 0
    IMM = 1


class AluOp(enum.Enum, shape=6):
    """Integer operations (RV64I, Zba, Zbb, Zbs, Zicond).  `Control.word` selects the 32-bit form, whose result is
    sign-extended.

    The encoding is what the integer unit needs to know early: bits 4:3 are the group, bit 5 inverts the second operand
    of additions and logic, and the others are as said below.
    """

    # Additions: bits 1:0 are how far rs1 is shifted to the left, bit 2 extends it from 32 bits.
    ADD = 0b0_00_000
    SUB = 0b1_00_000
    # Zba; `word` gives the .UW form (rs1 zero-extended from 32 bits)
    SH1ADD = 0b0_00_001
    SH2ADD = 0b0_00_010
    SH3ADD = 0b0_00_011
    ADD_UW = 0b0_00_100
    # Logic: bits 1:0 are 1 for XOR, 2 for OR, 3 for AND with the inverse; bit 2 is for Zbs.
    XOR = 0b0_01_001
    OR = 0b0_01_010
    AND = 0b1_01_011
    ANDN = 0b0_01_011
    ORN = 0b1_01_010
    XNOR = 0b1_01_001
    BINV = 0b0_01_101
    BSET = 0b0_01_110
    BCLR = 0b0_01_111
    # Shifts and rotations: bit 0 is for those to the left.
    SRL = 0b0_10_000
    SLL = 0b0_10_001
    SRA = 0b0_10_010
    SLLI_UW = 0b0_10_011
    ROR = 0b0_10_100
    ROL = 0b0_10_101
    BEXT = 0b0_10_110
    # The rest: bit 0 is for unsigned comparisons.
    SLT = 0b0_11_000
    SLTU = 0b0_11_001
    MAX = 0b0_11_010
    MAXU = 0b0_11_011
    MIN = 0b0_11_100
    MINU = 0b0_11_101
    CZERO_EQZ = 0b0_11_110
    CZERO_NEZ = 0b0_11_111
    CLZ = 0b1_11_000
    CTZ = 0b1_11_001
    CPOP = 0b1_11_010
    SEXT_B = 0b1_11_011
    SEXT_H = 0b1_11_100
    ZEXT_H = 0b1_11_101
    ORC_B = 0b1_11_110
    REV8 = 0b1_11_111


class BranchOp(enum.Enum, shape=6):
    """Control transfers; the link value of JAL/JALR is the address of the next instruction."""

    BEQ = 0
    BNE = 1
    BLT = 4
    BGE = 5
    BLTU = 6
    BGEU = 7
    JAL = 8
    JALR = 9


class LsuOp(enum.Enum, shape=6):
    """Memory operations; `Control.size` and `Control.unsigned` complete them."""

    LOAD = 0
    STORE = 1
    LR = 2
    SC = 3
    AMOSWAP = 4
    AMOADD = 5
    AMOXOR = 6
    AMOAND = 7
    AMOOR = 8
    AMOMIN = 9
    AMOMAX = 10
    AMOMINU = 11
    AMOMAXU = 12
    CBO_CLEAN = 13
    CBO_FLUSH = 14
    CBO_INVAL = 15
    CBO_ZERO = 16


class MulOp(enum.Enum, shape=6):
    """Multiplications; `Control.word` gives MULW."""

    MUL = 0
    MULH = 1
    MULHSU = 2
    MULHU = 3


class DivOp(enum.Enum, shape=6):
    """Divisions; `Control.word` gives the 32-bit forms."""

    DIV = 0
    DIVU = 1
    REM = 2
    REMU = 3


class CsrOp(enum.Enum, shape=6):
    """CSR accesses.  The operand is rs1 or, with ImmFormat.Z, the immediate.  Two bits
    tell them apart."""

    RW = 0
    RS = 1
    RC = 2


class SysOp(enum.Enum, shape=6):
    """Everything that may trap, serialise or change the mode."""

    ECALL = 0
    EBREAK = 1
    MRET = 2
    SRET = 3
    WFI = 4
    FENCE = 5
    FENCE_I = 6
    SFENCE_VMA = 7
    HFENCE_VVMA = 8
    HFENCE_GVMA = 9
    SINVAL_VMA = 10
    HINVAL_VVMA = 11
    HINVAL_GVMA = 12
    SFENCE_W_INVAL = 13
    SFENCE_INVAL_IR = 14
    WRS_NTO = 15
    WRS_STO = 16


class Control(data.Struct):
    """The control word of one instruction (28 bits).  `illegal` is set for an encoding that the configuration
    does not have; legality that depends on the mode is the privileged part's business."""

    illegal: 1
    unit: Unit
    op: 6  # an AluOp, BranchOp, LsuOp, MulOp, DivOp, CsrOp or SysOp, by `unit`
    src_a: SrcA
    src_b: SrcB
    imm: ImmFormat
    rs1_en: 1  # reads rs1 / rs2 from the register file
    rs2_en: 1
    rd_en: 1  # writes rd (rd = x0 is the pipeline's business)
    word: 1  # 32-bit form
    size: 2  # memory: log2 of the bytes accessed
    unsigned: 1  # memory: zero-extend
    hlsv: 1  # memory: HLV, HLVX or HSV
    hlvx: 1  # memory: HLVX
    aq: 1
    rl: 1
