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
    """Integer operations (RV64I, Zba, Zbb, Zbs).  `Control.word` selects the 32-bit form, whose result is
    sign-extended."""

    ADD = 0
    SUB = 1
    SLL = 2
    SRL = 3
    SRA = 4
    SLT = 5
    SLTU = 6
    XOR = 7
    OR = 8
    AND = 9
    # Zba; `word` gives the .UW form (rs1 zero-extended from 32 bits)
    SH1ADD = 10
    SH2ADD = 11
    SH3ADD = 12
    ADD_UW = 13
    SLLI_UW = 14
    # Zbb
    ANDN = 15
    ORN = 16
    XNOR = 17
    CLZ = 18
    CTZ = 19
    CPOP = 20
    MAX = 21
    MAXU = 22
    MIN = 23
    MINU = 24
    SEXT_B = 25
    SEXT_H = 26
    ZEXT_H = 27
    ROL = 28
    ROR = 29
    ORC_B = 30
    REV8 = 31
    # Zbs
    BCLR = 32
    BEXT = 33
    BINV = 34
    BSET = 35
    # Zicond
    CZERO_EQZ = 36
    CZERO_NEZ = 37


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
    """CSR accesses.  The operand is rs1 or, with ImmFormat.Z, the immediate."""

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
