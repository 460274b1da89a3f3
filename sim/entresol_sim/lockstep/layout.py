"""Programs as blocks of instructions that can be left out, and where they lie in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..elf import Program, Segment
from .assembler import ROWS, encode

#: The same code lies twice in memory: for M-, HS- and VS-mode, and for user modes, whose pages others cannot execute.
CODE, USER_CODE = 0x8000_0000, 0x8020_0000
USER_OFFSET = USER_CODE - CODE
#: Page tables, and data that programs work on.
TABLES, DATA = 0x8008_0000, 0x8040_0000
DATA_SIZE = 64 * 4096
#: A word that only M-mode writes: how many times more the program runs through its blocks.
ROUNDS = TABLES - 4096
RAM_SIZE = 16 << 20


@dataclass(frozen=True)
class Label:
    """A place: the beginning of a block (by its identity), plus `offset` bytes."""

    block: int
    offset: int = 0


@dataclass(frozen=True)
class Op:
    """An instruction, `la` (AUIPC and ADDI with the address of `target`), or a plain word or half as `raw`.

    Branches and jumps have a `target`, or skip the next `skip` instructions of their block."""

    name: str
    rd: int = 0
    rs1: int = 0
    rs2: int = 0
    imm: int = 0
    csr: int = 0
    ordering: int = 0
    target: Label | None = None
    skip: int = 0
    raw: int = 0

    @property
    def size(self) -> int:
        return {"la": 8, ".half": 2}.get(self.name, 4)


@dataclass
class Block:
    """Instructions that follow each other.  Only `removable` blocks and operations may be left out."""

    number: int
    ops: list[Op]
    removable: bool = True


@dataclass
class Image:
    """A random program: blocks of code, and words of memory outside of it."""

    name: str
    blocks: list[Block]
    words: dict[int, int] = field(default_factory=dict)

    def program(self) -> Program:
        """What to load.  Raises ValueError if something does not reach its target."""
        places = _places(self.blocks)
        code = b"".join(_encode(block, places) for block in self.blocks)
        if CODE + len(code) > ROUNDS:
            raise ValueError(f"{len(self.blocks)} blocks are more than there is room for")
        segments = [Segment(CODE, code, len(code)), Segment(USER_CODE, code, len(code))]
        segments += _segments(self.words)
        return Program(self.name, CODE, segments)

    @property
    def size(self) -> int:
        """Number of instructions."""
        return sum(len(block.ops) for block in self.blocks)

    def without(self, gone: set[tuple[int, int]]) -> "Image":
        """The same less some operations, given as (number of the block, index)."""
        blocks = []
        for block in self.blocks:
            if not block.removable:
                blocks.append(block)
                continue
            ops = [op for index, op in enumerate(block.ops) if (block.number, index) not in gone]
            # a skip that leads beyond the end of its block goes to the next one
            blocks.append(Block(block.number, ops))
        return Image(self.name, blocks, self.words)


def _places(blocks: Sequence[Block]) -> dict[int, int]:
    places = {}
    at = CODE
    for block in blocks:
        places[block.number] = at
        at += sum(op.size for op in block.ops)
    return places


def _encode(block: Block, places: dict[int, int]) -> bytes:
    at = places[block.number]
    content = bytearray()
    for index, op in enumerate(block.ops):
        here = at + len(content)
        if op.name in (".half", ".word"):
            content += op.raw.to_bytes(op.size, "little")
            continue
        distance = op.imm
        if op.target is not None:
            distance = places[op.target.block] + op.target.offset - here
        elif op.skip:
            distance = sum(other.size for other in block.ops[index : index + op.skip + 1])
        if op.name == "la":
            upper = distance + 0x800 >> 12
            content += encode("auipc", rd=op.rd, imm=upper).to_bytes(4, "little")
            content += encode("addi", rd=op.rd, rs1=op.rd, imm=distance - (upper << 12)).to_bytes(4, "little")
            continue
        if op.name not in ROWS:
            raise ValueError(f"{op.name} is no instruction")
        word = encode(op.name, rd=op.rd, rs1=op.rs1, rs2=op.rs2, imm=distance, csr=op.csr, ordering=op.ordering)
        content += word.to_bytes(4, "little")
    return bytes(content)


def _segments(words: dict[int, int]) -> list[Segment]:
    """64-bit words by address as segments of whole pages."""
    pages: dict[int, bytearray] = {}
    for address, value in words.items():
        page = pages.setdefault(address >> 12, bytearray(4096))
        page[address & 4095 : (address & 4095) + 8] = value.to_bytes(8, "little")
    segments: list[Segment] = []
    for number in sorted(pages):
        content = bytes(pages[number])
        if segments and segments[-1].address + segments[-1].size == number << 12:
            last = segments.pop()
            content = last.content + content
            segments.append(Segment(last.address, content, len(content)))
        else:
            segments.append(Segment(number << 12, content, len(content)))
    return segments


def load_immediate(rd: int, value: int) -> list[Op]:
    """Instructions that put a 64-bit value into a register."""
    value &= (1 << 64) - 1
    signed = value - (1 << 64) if value >> 63 else value
    if -2048 <= signed < 2048:
        return [Op("addi", rd=rd, imm=signed)]
    if -(1 << 31) <= signed < (1 << 31):
        upper = signed + 0x800 >> 12
        ops = [Op("lui", rd=rd, imm=upper)]
        if low := signed - (upper << 12):
            ops.append(Op("addiw", rd=rd, rs1=rd, imm=low))
        return ops
    low = (signed & 0xFFF) - 0x1000 if signed & 0x800 else signed & 0xFFF
    rest = signed - low >> 12
    shift = 12
    while not rest & 1:
        rest >>= 1
        shift += 1
    ops = [*load_immediate(rd, rest), Op("slli", rd=rd, rs1=rd, imm=shift)]
    if low:
        ops.append(Op("addi", rd=rd, rs1=rd, imm=low))
    return ops
