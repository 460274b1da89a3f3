"""Encoding and showing single instructions, from the instruction table, and writing programs as ELF files."""

import struct
from functools import lru_cache

from entresol.isa.compressed import COMPRESSED, Compressed
from entresol.isa.instructions import INSTRUCTIONS, RS2, Instruction, Operands

from ..elf import Program

ROWS = {row.name: row for row in INSTRUCTIONS}
REGISTERS = (
    "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7",
    "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
)  # fmt: skip
_S_TYPE = {Operands.RS2_OFFSET_RS1}
_I_TYPE = {Operands.RD_RS1_IMM, Operands.RD_OFFSET_RS1}
_SHIFTS = {Operands.RD_RS1_SHAMT5, Operands.RD_RS1_SHAMT6}


def encode(name: str, *, rd: int = 0, rs1: int = 0, rs2: int = 0, imm: int = 0, csr: int = 0, ordering: int = 0) -> int:
    """The word of an instruction.  `imm` is the immediate, shift amount or offset in bytes (upper immediates: the 20
    bits), `ordering` the bits aq (2) and rl (1) of an atomic.

    Raises:
        ValueError: an operand does not fit.
    """
    row = ROWS[name]
    word = row.match
    kind = row.operands
    if kind in _I_TYPE:
        word |= _signed(imm, 12) << 20
    elif kind in _SHIFTS:
        word |= imm << 20
    elif kind in _S_TYPE:
        value = _signed(imm, 12)
        word |= value >> 5 << 25 | (value & 31) << 7
    elif kind is Operands.RD_UPPER:
        word |= (imm & 0xFFFFF) << 12
    elif kind is Operands.RD_TARGET:
        value = _signed(imm, 21)
        word |= (value >> 20) << 31 | (value >> 1 & 0x3FF) << 21 | (value >> 11 & 1) << 20 | (value >> 12 & 0xFF) << 12
    elif kind is Operands.RS1_RS2_TARGET:
        value = _signed(imm, 13)
        word |= (value >> 12) << 31 | (value >> 5 & 63) << 25 | (value >> 1 & 15) << 8 | (value >> 11 & 1) << 7
    elif kind in (Operands.RD_CSR_RS1, Operands.RD_CSR_UIMM):
        word |= csr << 20
    elif kind in (Operands.RD_RS2_AT_RS1, Operands.RD_AT_RS1) and name.split(".")[0] not in ("hlv", "hlvx"):
        word |= ordering << 25
    word |= rd << 7 & ~row.mask & 0xF80
    word |= rs1 << 15 & ~row.mask & 0xF8000
    if kind not in _I_TYPE | _SHIFTS and kind not in (Operands.RD_UPPER, Operands.RD_TARGET):
        word |= rs2 << 20 & ~row.mask & RS2 if "rs2" in kind.value else 0
    return word


def _signed(value: int, width: int) -> int:
    if not -(1 << width - 1) <= value < 1 << width - 1:
        raise ValueError(f"{value} does not fit into {width} bits")
    return value & (1 << width) - 1


def expand(half: int) -> tuple[Compressed, int] | None:
    """The row and the 32-bit instruction of a compressed one; None if it is reserved."""
    for row in COMPRESSED:
        if any(cube.mask & half == cube.value for cube in row.cubes):
            word = 0
            for source in row.bits:
                word = word << 1 | (source if source < 2 else half >> source & 1)
            return row, word
    return None


@lru_cache(1 << 16)
def decode(raw: int) -> tuple[Instruction | None, int]:
    """The table row of an instruction as fetched (upper half 0 when compressed), and its 32-bit form."""
    word = raw
    if raw & 3 != 3:
        expansion = expand(raw)
        if expansion is None:
            return None, raw
        word = expansion[1]
    return next((row for row in INSTRUCTIONS if row.matches(word)), None), word


@lru_cache(1 << 16)
def sources(raw: int) -> tuple[int, ...]:
    """The registers that an instruction reads."""
    row, word = decode(raw)
    if row is None:
        return ()
    numbers = []
    if row.control.get("rs1_en"):
        numbers.append(word >> 15 & 31)
    if row.control.get("rs2_en"):
        numbers.append(word >> 20 & 31)
    return tuple(numbers)


@lru_cache(1 << 16)
def csr_of(raw: int) -> int | None:
    """The CSR that an instruction accesses."""
    row, word = decode(raw)
    if row is not None and row.operands in (Operands.RD_CSR_RS1, Operands.RD_CSR_UIMM):
        return word >> 20
    return None


def _extended(value: int, width: int) -> int:
    return value - (1 << width) if value >> width - 1 & 1 else value


def show(raw: int, pc: int = 0, csr_names: dict[int, str] | None = None) -> str:
    """An instruction as assembler text."""
    row, word = decode(raw)
    if row is None:
        return f".insn {raw:#x}"
    rd, rs1, rs2 = (REGISTERS[word >> low & 31] for low in (7, 15, 20))
    i_imm = _extended(word >> 20, 12)
    s_imm = _extended(word >> 25 << 5 | word >> 7 & 31, 12)
    kind = row.operands
    text = kind.value
    if kind is Operands.RD_TARGET:
        offset = _extended((word >> 31) << 20 | (word >> 12 & 0xFF) << 12 | (word >> 20 & 1) << 11
                           | (word >> 21 & 0x3FF) << 1, 21)  # fmt: skip
        text = f"{rd}, {pc + offset:#x}"
    elif kind is Operands.RS1_RS2_TARGET:
        offset = _extended((word >> 31) << 12 | (word >> 7 & 1) << 11 | (word >> 25 & 63) << 5 | (word >> 8 & 15) << 1,
                           13)  # fmt: skip
        text = f"{rs1}, {rs2}, {pc + offset:#x}"
    elif kind is Operands.RD_OFFSET_RS1:
        text = f"{rd}, {i_imm}({rs1})"
    elif kind is Operands.RS2_OFFSET_RS1:
        text = f"{rs2}, {s_imm}({rs1})"
    elif kind is Operands.RD_RS1_IMM:
        text = f"{rd}, {rs1}, {i_imm}"
    elif kind in _SHIFTS:
        text = f"{rd}, {rs1}, {word >> 20 & (31 if kind is Operands.RD_RS1_SHAMT5 else 63)}"
    elif kind is Operands.RD_UPPER:
        text = f"{rd}, {word >> 12:#x}"
    elif kind in (Operands.RD_CSR_RS1, Operands.RD_CSR_UIMM):
        number = word >> 20
        name = (csr_names or {}).get(number, f"{number:#x}")
        text = f"{rd}, {name}, {rs1 if kind is Operands.RD_CSR_RS1 else word >> 15 & 31}"
    elif kind is Operands.FENCE:
        text = ""
    else:
        text = text.replace("rd", rd).replace("rs1", rs1).replace("rs2", rs2)
    return f"{row.name} {text}".strip()


def elf(program: Program) -> bytes:
    """`program` as an ELF file, with the one section that some loaders cannot do without."""
    count = len(program.segments)
    offset = 64 + 56 * count
    parts: list[bytes] = []
    content: list[bytes] = []
    for segment in program.segments:
        parts.append(struct.pack("<IIQQQQQQ", 1, 7, offset, segment.address, segment.address, len(segment.content),
                                 segment.size, 1))  # fmt: skip
        content.append(segment.content)
        offset += len(segment.content)
    names = b"\0.shstrtab\0"
    sections = offset + len(names)
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, 243, 1, program.entry, 64, sections, 1, 64, 56,
                         count, 64, 2, 1)  # fmt: skip
    table = bytes(64) + struct.pack("<IIQQQQIIQQ", 1, 3, 0, 0, offset, len(names), 0, 0, 1, 0)
    return b"".join([header, *parts, *content, names, table])
