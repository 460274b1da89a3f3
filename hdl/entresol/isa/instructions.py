"""The instruction table: encoding, operands, extension and control word of every 32-bit instruction.

A row is one line of the manual's opcode listings (unprivileged, "RV32/64G Instruction Set Listings"; privileged,
"RISC-V Privileged Instruction Set Listings").  The decoder and its tests are generated from it; no two rows overlap.
Encodings that only give an existing instruction another meaning as a hint (PAUSE, NTL.*, PREFETCH.*) have no row."""

import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from .control import AluOp, BranchOp, CsrOp, DivOp, ImmFormat, LsuOp, MulOp, SrcA, SrcB, SysOp, Unit
from .extensions import closure


class Operands(enum.Enum):
    """The assembler operands of an instruction, as far as they are not fixed by its encoding."""

    NONE = ""
    RD = "rd"
    RD_RS1 = "rd, rs1"
    RD_RS1_RS2 = "rd, rs1, rs2"
    RD_RS1_IMM = "rd, rs1, imm"  # 12-bit immediate
    RD_RS1_SHAMT5 = "rd, rs1, shamt5"
    RD_RS1_SHAMT6 = "rd, rs1, shamt6"
    RD_UPPER = "rd, imm20"
    RD_TARGET = "rd, target"
    RS1_RS2_TARGET = "rs1, rs2, target"
    RD_OFFSET_RS1 = "rd, imm(rs1)"
    RS2_OFFSET_RS1 = "rs2, imm(rs1)"
    RD_AT_RS1 = "rd, (rs1)"
    RD_RS2_AT_RS1 = "rd, rs2, (rs1)"
    RS2_AT_RS1 = "rs2, (rs1)"
    AT_RS1 = "(rs1)"
    RD_CSR_RS1 = "rd, csr, rs1"
    RD_CSR_UIMM = "rd, csr, uimm"
    RS1_RS2 = "rs1, rs2"
    FENCE = "pred, succ"


@dataclass(frozen=True)
class Instruction:
    """One row: an instruction word `w` is this instruction if `w & mask == match` (32 bits each).

    `extensions` must all be in the configuration (or implied by it); `control` gives the fields of `Control` that
    are not zero, `aq` and `rl` apart, which AMO, LR and SC take from bits 26 and 25.
    """

    name: str
    match: int
    mask: int
    operands: Operands
    extensions: tuple[str, ...]
    control: Mapping[str, Any] = field(hash=False)

    def matches(self, word: int) -> bool:
        """Whether `word` (32 bits) encodes this instruction."""
        return word & self.mask == self.match


RD, RS1, RS2 = 0x1F << 7, 0x1F << 15, 0x1F << 20
OPCODE, FUNCT3, FUNCT7 = 0x7F, 7 << 12, 0x7F << 25
FUNCT6 = 0x3F << 26
FUNCT5 = 0x1F << 27
AQ_RL = 3 << 25

_LOAD, _MISC_MEM, _OP_IMM, _AUIPC, _OP_IMM_32 = 0x03, 0x0F, 0x13, 0x17, 0x1B
_STORE, _AMO, _OP, _LUI, _OP_32 = 0x23, 0x2F, 0x33, 0x37, 0x3B
_BRANCH, _JALR, _JAL, _SYSTEM = 0x63, 0x67, 0x6F, 0x73

# What the operands say of the control word.
_SOURCES: Mapping[Operands, Mapping[str, Any]] = {
    Operands.NONE: {},
    Operands.RD: {"rd_en": 1},
    Operands.RD_RS1: {"rd_en": 1, "rs1_en": 1},
    Operands.RD_RS1_RS2: {"rd_en": 1, "rs1_en": 1, "rs2_en": 1},
    Operands.RD_RS1_IMM: {"rd_en": 1, "rs1_en": 1, "imm": ImmFormat.I, "src_b": SrcB.IMM},
    Operands.RD_RS1_SHAMT5: {"rd_en": 1, "rs1_en": 1, "imm": ImmFormat.I, "src_b": SrcB.IMM},
    Operands.RD_RS1_SHAMT6: {"rd_en": 1, "rs1_en": 1, "imm": ImmFormat.I, "src_b": SrcB.IMM},
    Operands.RD_UPPER: {"rd_en": 1, "imm": ImmFormat.U, "src_b": SrcB.IMM},
    Operands.RD_TARGET: {"rd_en": 1, "imm": ImmFormat.J},
    Operands.RS1_RS2_TARGET: {"rs1_en": 1, "rs2_en": 1, "imm": ImmFormat.B},
    Operands.RD_OFFSET_RS1: {"rd_en": 1, "rs1_en": 1, "imm": ImmFormat.I},
    Operands.RS2_OFFSET_RS1: {"rs1_en": 1, "rs2_en": 1, "imm": ImmFormat.S},
    Operands.RD_AT_RS1: {"rd_en": 1, "rs1_en": 1},
    Operands.RD_RS2_AT_RS1: {"rd_en": 1, "rs1_en": 1, "rs2_en": 1},
    Operands.RS2_AT_RS1: {"rs1_en": 1, "rs2_en": 1},
    Operands.AT_RS1: {"rs1_en": 1},
    Operands.RD_CSR_RS1: {"rd_en": 1, "rs1_en": 1},
    Operands.RD_CSR_UIMM: {"rd_en": 1, "imm": ImmFormat.Z},
    Operands.RS1_RS2: {"rs1_en": 1, "rs2_en": 1},
    Operands.FENCE: {},
}


def _row(name: str, opcode: int, mask: int, operands: Operands, extensions: str, unit: Unit, op: enum.Enum | None,
         bits: int = 0, **control) -> Instruction:
    fields = {**_SOURCES[operands], **control}
    if unit != Unit.ALU:
        fields["unit"] = unit
    if op is not None and op.value:
        fields["op"] = op
    return Instruction(name, opcode | bits, OPCODE | mask, operands, tuple(extensions.split()),
                       MappingProxyType(fields))


def _f3(value: int) -> int:
    return value << 12


def _f7(value: int) -> int:
    return value << 25


def _alu_register() -> Iterator[Instruction]:
    base = {"add": (0x00, 0, AluOp.ADD), "sub": (0x20, 0, AluOp.SUB), "sll": (0x00, 1, AluOp.SLL),
            "slt": (0x00, 2, AluOp.SLT), "sltu": (0x00, 3, AluOp.SLTU), "xor": (0x00, 4, AluOp.XOR),
            "srl": (0x00, 5, AluOp.SRL), "sra": (0x20, 5, AluOp.SRA), "or": (0x00, 6, AluOp.OR),
            "and": (0x00, 7, AluOp.AND)}
    zba = {"sh1add": (0x10, 2, AluOp.SH1ADD), "sh2add": (0x10, 4, AluOp.SH2ADD), "sh3add": (0x10, 6, AluOp.SH3ADD)}
    zbb = {"andn": (0x20, 7, AluOp.ANDN), "orn": (0x20, 6, AluOp.ORN), "xnor": (0x20, 4, AluOp.XNOR),
           "max": (0x05, 6, AluOp.MAX), "maxu": (0x05, 7, AluOp.MAXU), "min": (0x05, 4, AluOp.MIN),
           "minu": (0x05, 5, AluOp.MINU), "rol": (0x30, 1, AluOp.ROL), "ror": (0x30, 5, AluOp.ROR)}
    zbs = {"bclr": (0x24, 1, AluOp.BCLR), "bext": (0x24, 5, AluOp.BEXT), "binv": (0x34, 1, AluOp.BINV),
           "bset": (0x14, 1, AluOp.BSET)}
    zicond = {"czero.eqz": (0x07, 5, AluOp.CZERO_EQZ), "czero.nez": (0x07, 7, AluOp.CZERO_NEZ)}
    full = {"i": base, "zba": zba, "zbb": zbb, "zbs": zbs, "zicond": zicond}
    for extension, rows in full.items():
        for name, (funct7, funct3, op) in rows.items():
            yield _row(name, _OP, FUNCT7 | FUNCT3, Operands.RD_RS1_RS2, extension, Unit.ALU, op,
                       _f7(funct7) | _f3(funct3))
    word = {"addw": (0x00, 0, AluOp.ADD, "i"), "subw": (0x20, 0, AluOp.SUB, "i"), "sllw": (0x00, 1, AluOp.SLL, "i"),
            "srlw": (0x00, 5, AluOp.SRL, "i"), "sraw": (0x20, 5, AluOp.SRA, "i"),
            "sh1add.uw": (0x10, 2, AluOp.SH1ADD, "zba"), "sh2add.uw": (0x10, 4, AluOp.SH2ADD, "zba"),
            "sh3add.uw": (0x10, 6, AluOp.SH3ADD, "zba"),
            "rolw": (0x30, 1, AluOp.ROL, "zbb"), "rorw": (0x30, 5, AluOp.ROR, "zbb")}
    for name, (funct7, funct3, op, extension) in word.items():
        yield _row(name, _OP_32, FUNCT7 | FUNCT3, Operands.RD_RS1_RS2, extension, Unit.ALU, op,
                   _f7(funct7) | _f3(funct3), word=1)
    yield _row("add.uw", _OP_32, FUNCT7 | FUNCT3, Operands.RD_RS1_RS2, "zba", Unit.ALU, AluOp.ADD_UW, _f7(0x04))
    yield _row("zext.h", _OP_32, FUNCT7 | RS2 | FUNCT3, Operands.RD_RS1, "zbb", Unit.ALU, AluOp.ZEXT_H,
               _f7(0x04) | _f3(4))


def _alu_immediate() -> Iterator[Instruction]:
    immediate = {"addi": (0, AluOp.ADD), "slti": (2, AluOp.SLT), "sltiu": (3, AluOp.SLTU), "xori": (4, AluOp.XOR),
                 "ori": (6, AluOp.OR), "andi": (7, AluOp.AND)}
    for name, (funct3, op) in immediate.items():
        yield _row(name, _OP_IMM, FUNCT3, Operands.RD_RS1_IMM, "i", Unit.ALU, op, _f3(funct3))
    yield _row("addiw", _OP_IMM_32, FUNCT3, Operands.RD_RS1_IMM, "i", Unit.ALU, AluOp.ADD, word=1)

    shifts = {"slli": (0x00, 1, AluOp.SLL, "i"), "srli": (0x00, 5, AluOp.SRL, "i"), "srai": (0x20, 5, AluOp.SRA, "i"),
              "rori": (0x30, 5, AluOp.ROR, "zbb"), "bclri": (0x24, 1, AluOp.BCLR, "zbs"),
              "bexti": (0x24, 5, AluOp.BEXT, "zbs"), "binvi": (0x34, 1, AluOp.BINV, "zbs"),
              "bseti": (0x14, 1, AluOp.BSET, "zbs")}
    for name, (funct7, funct3, op, extension) in shifts.items():
        yield _row(name, _OP_IMM, FUNCT6 | FUNCT3, Operands.RD_RS1_SHAMT6, extension, Unit.ALU, op,
                   _f7(funct7) | _f3(funct3))
    yield _row("slli.uw", _OP_IMM_32, FUNCT6 | FUNCT3, Operands.RD_RS1_SHAMT6, "zba", Unit.ALU, AluOp.SLLI_UW,
               _f7(0x04) | _f3(1))
    for name in ("slli", "srli", "srai", "rori"):
        funct7, funct3, op, extension = shifts[name]
        yield _row(name + "w", _OP_IMM_32, FUNCT7 | FUNCT3, Operands.RD_RS1_SHAMT5, extension, Unit.ALU, op,
                   _f7(funct7) | _f3(funct3), word=1)

    unary = {"clz": (0x600, 1, AluOp.CLZ), "ctz": (0x601, 1, AluOp.CTZ), "cpop": (0x602, 1, AluOp.CPOP),
             "sext.b": (0x604, 1, AluOp.SEXT_B), "sext.h": (0x605, 1, AluOp.SEXT_H),
             "orc.b": (0x287, 5, AluOp.ORC_B), "rev8": (0x6B8, 5, AluOp.REV8)}
    for name, (funct12, funct3, op) in unary.items():
        yield _row(name, _OP_IMM, FUNCT7 | RS2 | FUNCT3, Operands.RD_RS1, "zbb", Unit.ALU, op,
                   funct12 << 20 | _f3(funct3))
        if name in ("clz", "ctz", "cpop"):
            yield _row(name + "w", _OP_IMM_32, FUNCT7 | RS2 | FUNCT3, Operands.RD_RS1, "zbb", Unit.ALU, op,
                       funct12 << 20 | _f3(funct3), word=1)

    yield _row("lui", _LUI, 0, Operands.RD_UPPER, "i", Unit.ALU, AluOp.ADD, src_a=SrcA.ZERO)
    yield _row("auipc", _AUIPC, 0, Operands.RD_UPPER, "i", Unit.ALU, AluOp.ADD, src_a=SrcA.PC)


def _multiply() -> Iterator[Instruction]:
    rows = {"mul": (0, Unit.MUL, MulOp.MUL), "mulh": (1, Unit.MUL, MulOp.MULH), "mulhsu": (2, Unit.MUL, MulOp.MULHSU),
            "mulhu": (3, Unit.MUL, MulOp.MULHU), "div": (4, Unit.DIV, DivOp.DIV), "divu": (5, Unit.DIV, DivOp.DIVU),
            "rem": (6, Unit.DIV, DivOp.REM), "remu": (7, Unit.DIV, DivOp.REMU)}
    for name, (funct3, unit, op) in rows.items():
        row = _row(name, _OP, FUNCT7 | FUNCT3, Operands.RD_RS1_RS2, "m", unit, op, _f7(1) | _f3(funct3))
        yield row
        if not name.startswith("mulh"):
            yield replace(row, name=name + "w", match=row.match ^ _OP ^ _OP_32, control={**row.control, "word": 1})


def _control_transfer() -> Iterator[Instruction]:
    for op in (BranchOp.BEQ, BranchOp.BNE, BranchOp.BLT, BranchOp.BGE, BranchOp.BLTU, BranchOp.BGEU):
        yield _row(op.name.lower(), _BRANCH, FUNCT3, Operands.RS1_RS2_TARGET, "i", Unit.BRANCH, op, _f3(op.value))
    yield _row("jal", _JAL, 0, Operands.RD_TARGET, "i", Unit.BRANCH, BranchOp.JAL)
    yield _row("jalr", _JALR, FUNCT3, Operands.RD_OFFSET_RS1, "i", Unit.BRANCH, BranchOp.JALR)


def _memory() -> Iterator[Instruction]:
    for size, letter in enumerate("bhwd"):
        yield _row("l" + letter, _LOAD, FUNCT3, Operands.RD_OFFSET_RS1, "i", Unit.LSU, LsuOp.LOAD, _f3(size), size=size)
        yield _row("s" + letter, _STORE, FUNCT3, Operands.RS2_OFFSET_RS1, "i", Unit.LSU, LsuOp.STORE, _f3(size),
                   size=size)
        yield _row("hsv." + letter, _SYSTEM, FUNCT7 | FUNCT3 | RD, Operands.RS2_AT_RS1, "h", Unit.LSU, LsuOp.STORE,
                   _f7(0x31 + 2 * size) | _f3(4), size=size, hlsv=1)
        for unsigned in ((0, 1) if letter != "d" else (0,)):
            yield _row("hlv." + letter + "u" * unsigned, _SYSTEM, FUNCT7 | RS2 | FUNCT3, Operands.RD_AT_RS1, "h",
                       Unit.LSU, LsuOp.LOAD, _f7(0x30 + 2 * size) | unsigned << 20 | _f3(4), size=size,
                       unsigned=unsigned, hlsv=1)
        if letter != "d":
            yield _row("l" + letter + "u", _LOAD, FUNCT3, Operands.RD_OFFSET_RS1, "i", Unit.LSU, LsuOp.LOAD,
                       _f3(4 + size), size=size, unsigned=1)
        if letter in "hw":
            yield _row("hlvx." + letter + "u", _SYSTEM, FUNCT7 | RS2 | FUNCT3, Operands.RD_AT_RS1, "h", Unit.LSU,
                       LsuOp.LOAD, _f7(0x30 + 2 * size) | 3 << 20 | _f3(4), size=size, unsigned=1, hlsv=1, hlvx=1)

    amos = {"amoadd": (0x00, LsuOp.AMOADD), "amoswap": (0x01, LsuOp.AMOSWAP), "sc": (0x03, LsuOp.SC),
            "amoxor": (0x04, LsuOp.AMOXOR), "amoor": (0x08, LsuOp.AMOOR), "amoand": (0x0C, LsuOp.AMOAND),
            "amomin": (0x10, LsuOp.AMOMIN), "amomax": (0x14, LsuOp.AMOMAX), "amominu": (0x18, LsuOp.AMOMINU),
            "amomaxu": (0x1C, LsuOp.AMOMAXU)}
    for size, letter in ((2, "w"), (3, "d")):
        yield _row("lr." + letter, _AMO, FUNCT5 | RS2 | FUNCT3, Operands.RD_AT_RS1, "zalrsc", Unit.LSU, LsuOp.LR,
                   0x02 << 27 | _f3(size), size=size)
        for name, (funct5, op) in amos.items():
            yield _row(f"{name}.{letter}", _AMO, FUNCT5 | FUNCT3, Operands.RD_RS2_AT_RS1,
                       "zalrsc" if name == "sc" else "zaamo", Unit.LSU, op, funct5 << 27 | _f3(size), size=size)

    blocks = {"cbo.inval": (0, LsuOp.CBO_INVAL, "zicbom"), "cbo.clean": (1, LsuOp.CBO_CLEAN, "zicbom"),
              "cbo.flush": (2, LsuOp.CBO_FLUSH, "zicbom"), "cbo.zero": (4, LsuOp.CBO_ZERO, "zicboz")}
    for name, (funct12, op, extension) in blocks.items():
        yield _row(name, _MISC_MEM, FUNCT7 | RS2 | FUNCT3 | RD, Operands.AT_RS1, extension, Unit.LSU, op,
                   funct12 << 20 | _f3(2))


def _system() -> Iterator[Instruction]:
    csr = {"csrrw": (1, CsrOp.RW), "csrrs": (2, CsrOp.RS), "csrrc": (3, CsrOp.RC)}
    for name, (funct3, op) in csr.items():
        yield _row(name, _SYSTEM, FUNCT3, Operands.RD_CSR_RS1, "zicsr", Unit.CSR, op, _f3(funct3))
        yield _row(name + "i", _SYSTEM, FUNCT3, Operands.RD_CSR_UIMM, "zicsr", Unit.CSR, op, _f3(funct3 + 4))

    # The fields of FENCE and FENCE.I that are reserved for finer fences are to be ignored.
    yield _row("fence", _MISC_MEM, FUNCT3, Operands.FENCE, "i", Unit.SYSTEM, SysOp.FENCE)
    yield _row("fence.i", _MISC_MEM, FUNCT3, Operands.NONE, "zifencei", Unit.SYSTEM, SysOp.FENCE_I, _f3(1))

    exact = {"ecall": (0x000, SysOp.ECALL, "i"), "ebreak": (0x001, SysOp.EBREAK, "i"),
             "wrs.nto": (0x00D, SysOp.WRS_NTO, "zawrs"), "wrs.sto": (0x01D, SysOp.WRS_STO, "zawrs"),
             "sret": (0x102, SysOp.SRET, "s"), "mret": (0x302, SysOp.MRET, "i"), "wfi": (0x105, SysOp.WFI, "i"),
             "sfence.w.inval": (0x180, SysOp.SFENCE_W_INVAL, "svinval"),
             "sfence.inval.ir": (0x181, SysOp.SFENCE_INVAL_IR, "svinval")}
    for name, (funct12, op, extension) in exact.items():
        yield _row(name, _SYSTEM, 0xFFFFFF80, Operands.NONE, extension, Unit.SYSTEM, op, funct12 << 20)

    fences = {"sfence.vma": (0x09, SysOp.SFENCE_VMA, "s"), "sinval.vma": (0x0B, SysOp.SINVAL_VMA, "svinval"),
              "hfence.vvma": (0x11, SysOp.HFENCE_VVMA, "h"), "hinval.vvma": (0x13, SysOp.HINVAL_VVMA, "svinval h"),
              "hfence.gvma": (0x31, SysOp.HFENCE_GVMA, "h"), "hinval.gvma": (0x33, SysOp.HINVAL_GVMA, "svinval h")}
    for name, (funct7, op, extensions) in fences.items():
        yield _row(name, _SYSTEM, FUNCT7 | FUNCT3 | RD, Operands.RS1_RS2, extensions, Unit.SYSTEM, op, _f7(funct7))

    # May-be-operations write zero: x0 + 0, whatever they name as sources.
    zero = {"src_a": SrcA.ZERO, "src_b": SrcB.IMM}
    for number in range(32):
        bits = 0x81C << 20 | (number & 3) << 20 | (number >> 2 & 3) << 26 | (number >> 4) << 30 | _f3(4)
        yield _row(f"mop.r.{number}", _SYSTEM, FUNCT7 | RS2 | FUNCT3, Operands.RD, "zimop", Unit.ALU, AluOp.ADD, bits,
                   **zero)
    for number in range(8):
        bits = 0x82 << 24 | (number & 3) << 26 | (number >> 2) << 30 | _f3(4)
        yield _row(f"mop.rr.{number}", _SYSTEM, FUNCT7 | FUNCT3, Operands.RD, "zimop", Unit.ALU, AluOp.ADD, bits,
                   **zero)


#: Every instruction the project knows.
INSTRUCTIONS: tuple[Instruction, ...] = (
    *_alu_register(), *_alu_immediate(), *_multiply(), *_control_transfer(), *_memory(), *_system())


def configured(extensions: Iterable[str]) -> tuple[Instruction, ...]:
    """The rows that a configuration with these extensions decodes."""
    present = closure(extensions)
    return tuple(row for row in INSTRUCTIONS if present.issuperset(row.extensions))


def find(word: int) -> Instruction | None:
    """The row that `word` (32 bits) matches, if any, of every extension."""
    return next((row for row in INSTRUCTIONS if row.matches(word)), None)
