"""Expansion of compressed instructions (unprivileged manual, chapters Zca, Zcb, Zcmop), from a table."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

from amaranth.hdl import Cat, Const, Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..config import CoreConfig
from .control import Control, ImmFormat
from .decoder import IMMEDIATES, control_word
from .extensions import closure
from .instructions import INSTRUCTIONS
from .logic import Cube, ProductTerms, covers, minimise, sharp

#: Where a bit of an expansion comes from: 0 and 1 are constants, 2..15 the bit of the compressed instruction (whose
#: bits 0 and 1, the quadrant, are never operands).  Fields are tuples of them, most significant first.
Bits = tuple[int, ...]

_X0, _X1, _X2 = (0, 0, 0, 0, 0), (0, 0, 0, 0, 1), (0, 0, 0, 1, 0)
_RD = (11, 10, 9, 8, 7)
_RS2 = (6, 5, 4, 3, 2)
_RD_P = (0, 1, 4, 3, 2)  # rd' or rs2' in bits 4:2: x8..x15
_RS1_P = (0, 1, 9, 8, 7)  # rs1' or rd'/rs1'


@dataclass(frozen=True)
class Compressed:
    """One row: the 16-bit words that match `pattern` (bits, "." for any, spaces ignored) but none of `unless`,
    expand to the instruction called `target`, with its operand fields taken from `bits` (32, most significant first).
    """

    name: str
    pattern: str
    unless: tuple[str, ...]
    extensions: tuple[str, ...]
    target: str
    bits: Bits

    @property
    def cubes(self) -> list[Cube]:
        """The encodings, as disjoint cubes."""
        cubes = [_cube(self.pattern)]
        for excluded in self.unless:
            cubes = [piece for cube in cubes for piece in sharp(cube, _cube(excluded))]
        return cubes


def _cube(pattern: str) -> Cube:
    text = pattern.replace(" ", "")
    assert len(text) == 16
    return Cube(int("".join("0" if bit == "." else "1" for bit in text), 2), int(text.replace(".", "0"), 2))


_ROW = {row.name: row for row in INSTRUCTIONS}


def _row(name: str, pattern: str, target: str, *fields: tuple[int, Bits], unless: str = "",
         extensions: str = "zca") -> Compressed:
    """`fields` are (lowest bit, sources); the bits that `target` fixes come from its row, others are zero."""
    match = _ROW[target].match
    bits = [match >> bit & 1 for bit in range(32)]
    for low, sources in fields:
        bits[low:low + len(sources)] = reversed(sources)
    return Compressed(name, pattern, tuple(unless.split(",")) if unless else (), tuple(extensions.split()), target,
                      tuple(reversed(bits)))


def _rd(sources: Bits) -> tuple[int, Bits]:
    return (7, sources)


def _rs1(sources: Bits) -> tuple[int, Bits]:
    return (15, sources)


def _rs2(sources: Bits) -> tuple[int, Bits]:
    return (20, sources)


def _imm_i(*sources: int) -> tuple[int, Bits]:
    assert len(sources) == 12
    return (20, sources)


def _imm_s(*sources: int) -> tuple[tuple[int, Bits], tuple[int, Bits]]:
    assert len(sources) == 12
    return (25, sources[:7]), (7, sources[7:])


def _shamt() -> tuple[int, Bits]:
    return (20, (12, 6, 5, 4, 3, 2))


_IMM6 = _imm_i(*[12] * 7, 6, 5, 4, 3, 2)
_LW, _LD = (0, 0, 0, 0, 0, 5, 12, 11, 10, 6, 0, 0), (0, 0, 0, 0, 6, 5, 12, 11, 10, 0, 0, 0)
_LBU, _LH = (*[0] * 10, 5, 6), (*[0] * 10, 5, 0)
_SWSP, _SDSP = (0, 0, 0, 0, 8, 7, 12, 11, 10, 9, 0, 0), (0, 0, 0, 9, 8, 7, 12, 11, 10, 0, 0, 0)
_BRANCH_OFFSET = ((25, (12, 12, 12, 12, 6, 5, 2)), (7, (11, 10, 4, 3, 12)))
_JUMP_OFFSET = (12, (12, 8, 10, 9, 6, 7, 2, 11, 5, 4, 3, 12, *[12] * 8))
_ALU_P = (_rd(_RS1_P), _rs1(_RS1_P), _rs2(_RD_P))
_UNARY_P = (_rd(_RS1_P), _rs1(_RS1_P))

#: Every compressed instruction the project knows; reserved encodings are in no row.
COMPRESSED: tuple[Compressed, ...] = (
    # quadrant 0
    _row("c.addi4spn", "000 ........ ... 00", "addi", _rd(_RD_P), _rs1(_X2),
         _imm_i(0, 0, 10, 9, 8, 7, 12, 11, 5, 6, 0, 0), unless="000 00000000 ... 00"),
    _row("c.lw", "010 ... ... .. ... 00", "lw", _rd(_RD_P), _rs1(_RS1_P), _imm_i(*_LW)),
    _row("c.ld", "011 ... ... .. ... 00", "ld", _rd(_RD_P), _rs1(_RS1_P), _imm_i(*_LD)),
    _row("c.lbu", "100 000 ... .. ... 00", "lbu", _rd(_RD_P), _rs1(_RS1_P), _imm_i(*_LBU), extensions="zcb"),
    _row("c.lhu", "100 001 ... 0. ... 00", "lhu", _rd(_RD_P), _rs1(_RS1_P), _imm_i(*_LH), extensions="zcb"),
    _row("c.lh", "100 001 ... 1. ... 00", "lh", _rd(_RD_P), _rs1(_RS1_P), _imm_i(*_LH), extensions="zcb"),
    _row("c.sb", "100 010 ... .. ... 00", "sb", _rs2(_RD_P), _rs1(_RS1_P), *_imm_s(*_LBU), extensions="zcb"),
    _row("c.sh", "100 011 ... 0. ... 00", "sh", _rs2(_RD_P), _rs1(_RS1_P), *_imm_s(*_LH), extensions="zcb"),
    _row("c.sw", "110 ... ... .. ... 00", "sw", _rs2(_RD_P), _rs1(_RS1_P), *_imm_s(*_LW)),
    _row("c.sd", "111 ... ... .. ... 00", "sd", _rs2(_RD_P), _rs1(_RS1_P), *_imm_s(*_LD)),
    # quadrant 1
    _row("c.addi", "000 . ..... ..... 01", "addi", _rd(_RD), _rs1(_RD), _IMM6),  # c.nop with rd = x0
    _row("c.addiw", "001 . ..... ..... 01", "addiw", _rd(_RD), _rs1(_RD), _IMM6, unless="... . 00000 ..... .."),
    _row("c.li", "010 . ..... ..... 01", "addi", _rd(_RD), _rs1(_X0), _IMM6),
    _row("c.addi16sp", "011 . 00010 ..... 01", "addi", _rd(_X2), _rs1(_X2),
         _imm_i(12, 12, 12, 4, 3, 5, 2, 6, 0, 0, 0, 0), unless="... 0 ..... 00000 .."),
    _row("c.lui", "011 . ..... ..... 01", "lui", _rd(_RD), (12, (*[12] * 15, 6, 5, 4, 3, 2)),
         unless="... . 00010 ..... ..,... 0 ..... 00000 .."),
    _row("c.mop", "011 0 0...1 00000 01", "addi", extensions="zcmop"),
    _row("c.srli", "100 . 00 ... ..... 01", "srli", *_UNARY_P, _shamt()),
    _row("c.srai", "100 . 01 ... ..... 01", "srai", *_UNARY_P, _shamt()),
    _row("c.andi", "100 . 10 ... ..... 01", "andi", *_UNARY_P, _IMM6),
    _row("c.sub", "100 0 11 ... 00 ... 01", "sub", *_ALU_P),
    _row("c.xor", "100 0 11 ... 01 ... 01", "xor", *_ALU_P),
    _row("c.or", "100 0 11 ... 10 ... 01", "or", *_ALU_P),
    _row("c.and", "100 0 11 ... 11 ... 01", "and", *_ALU_P),
    _row("c.subw", "100 1 11 ... 00 ... 01", "subw", *_ALU_P),
    _row("c.addw", "100 1 11 ... 01 ... 01", "addw", *_ALU_P),
    _row("c.mul", "100 1 11 ... 10 ... 01", "mul", *_ALU_P, extensions="zcb m"),
    _row("c.zext.b", "100 1 11 ... 11 000 01", "andi", *_UNARY_P, _imm_i(0, 0, 0, 0, *[1] * 8), extensions="zcb"),
    _row("c.sext.b", "100 1 11 ... 11 001 01", "sext.b", *_UNARY_P, extensions="zcb zbb"),
    _row("c.zext.h", "100 1 11 ... 11 010 01", "zext.h", *_UNARY_P, extensions="zcb zbb"),
    _row("c.sext.h", "100 1 11 ... 11 011 01", "sext.h", *_UNARY_P, extensions="zcb zbb"),
    _row("c.zext.w", "100 1 11 ... 11 100 01", "add.uw", *_UNARY_P, extensions="zcb zba"),
    _row("c.not", "100 1 11 ... 11 101 01", "xori", *_UNARY_P, _imm_i(*[1] * 12), extensions="zcb"),
    _row("c.j", "101 ........... 01", "jal", _rd(_X0), _JUMP_OFFSET),
    _row("c.beqz", "110 ... ... ..... 01", "beq", _rs1(_RS1_P), _rs2(_X0), *_BRANCH_OFFSET),
    _row("c.bnez", "111 ... ... ..... 01", "bne", _rs1(_RS1_P), _rs2(_X0), *_BRANCH_OFFSET),
    # quadrant 2
    _row("c.slli", "000 . ..... ..... 10", "slli", _rd(_RD), _rs1(_RD), _shamt()),
    _row("c.lwsp", "010 . ..... ..... 10", "lw", _rd(_RD), _rs1(_X2),
         _imm_i(0, 0, 0, 0, 3, 2, 12, 6, 5, 4, 0, 0), unless="... . 00000 ..... .."),
    _row("c.ldsp", "011 . ..... ..... 10", "ld", _rd(_RD), _rs1(_X2),
         _imm_i(0, 0, 0, 4, 3, 2, 12, 6, 5, 0, 0, 0), unless="... . 00000 ..... .."),
    _row("c.jr", "100 0 ..... 00000 10", "jalr", _rd(_X0), _rs1(_RD), unless="... . 00000 ..... .."),
    _row("c.mv", "100 0 ..... ..... 10", "add", _rd(_RD), _rs1(_X0), _rs2(_RS2), unless="... . ..... 00000 .."),
    _row("c.ebreak", "100 1 00000 00000 10", "ebreak"),
    _row("c.jalr", "100 1 ..... 00000 10", "jalr", _rd(_X1), _rs1(_RD), unless="... . 00000 ..... .."),
    _row("c.add", "100 1 ..... ..... 10", "add", _rd(_RD), _rs1(_RD), _rs2(_RS2), unless="... . ..... 00000 .."),
    _row("c.swsp", "110 ...... ..... 10", "sw", _rs2(_RS2), _rs1(_X2), *_imm_s(*_SWSP)),
    _row("c.sdsp", "111 ...... ..... 10", "sd", _rs2(_RS2), _rs1(_X2), *_imm_s(*_SDSP)),
)


def configured(extensions: Iterable[str]) -> tuple[Compressed, ...]:
    """The rows that a configuration with these extensions expands."""
    present = closure(extensions)
    return tuple(row for row in COMPRESSED if present.issuperset(row.extensions))


def _terms(extensions: frozenset[str], source_of: Callable[[Compressed], int]) -> tuple[Cube, ...]:
    """Product terms of a bit that comes from `source_of` each row, as in `Bits`."""
    on, off = [], []
    for row in configured(extensions):
        source = source_of(row)
        for cube in row.cubes:
            if source >= 2:
                on += [cube.where(1 << source, True)] if cube.admits(1 << source, True) else []
                off += [cube.where(1 << source, False)] if cube.admits(1 << source, False) else []
            else:
                (on if source else off).append(cube)
    return tuple(minimise(on, lambda cube: not any(cube.intersects(other) for other in off)))


@cache
def _equations(extensions: frozenset[str]) -> tuple[tuple[Cube, ...], ...]:
    """Product terms of each bit of the expansion, lowest first."""
    # The low two bits are set for every legal encoding; words of the last quadrant do not come here.
    instructions = [cube for row in configured(extensions) for cube in row.cubes] + [Cube(3, 3)]
    legal = tuple(minimise(instructions[:-1], lambda cube: covers(instructions, cube)))
    return (legal, legal, *(_terms(extensions, lambda row, bit=bit: row.bits[31 - bit]) for bit in range(2, 32)))


@cache
def _meanings(extensions: frozenset[str]) -> tuple[tuple[tuple[Cube, ...], ...], tuple[tuple[Cube, ...], ...]]:
    """Product terms of each bit of the control word and of the low 32 bits of the immediate (of what it expands to),
    lowest first."""

    def immediate(row: Compressed, bit: int) -> int:
        source = IMMEDIATES[_ROW[row.target].control.get("imm", ImmFormat.NONE)][bit]
        return 0 if source is None else row.bits[31 - source]

    control = tuple(_terms(extensions, lambda row, bit=bit: control_word(_ROW[row.target]) >> bit & 1)
                    for bit in range(data.Layout.cast(Control).size))
    return control, tuple(_terms(extensions, lambda row, bit=bit: immediate(row, bit)) for bit in range(32))


@cache
def _registers(extensions: frozenset[str], enable: str, low: int) -> dict[Bits, tuple[Cube, ...]]:
    """Where the number of a register that is read comes from (its field of the expansion begins at bit `low`, and
    `enable` of the control word says that it is read), and product terms of "it comes from there"; x0 apart."""

    def source(row: Compressed) -> Bits:
        return row.bits[27 - low:32 - low] if _ROW[row.target].control.get(enable) else _X0

    return {field: _terms(extensions, lambda row, field=field: source(row) == field)
            for field in dict.fromkeys(source(row) for row in configured(extensions)) if field != _X0}


class RvcDecoder(wiring.Component):
    """Decodes a compressed instruction; combinational.  `control` and `imm` are what the decoder would say of its
    expansion, only sooner; they mean nothing but `illegal` if that is.

    `reads1` and `reads2` tell of each of the registers `asked` (other than x0) whether the instruction reads it as rs1
    or rs2, sooner than the numbers of these are known.
    """

    #: Registers that are asked about.
    ASKED = 2

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__({
            "compressed": In(16),  # bits 1:0 other than 3
            "control": Out(Control),
            "imm": Out(64),
            "asked": In(data.ArrayLayout(5, self.ASKED)),
            "reads1": Out(self.ASKED),
            "reads2": Out(self.ASKED),
        })

    def elaborate(self, platform):
        m = Module()
        terms = ProductTerms(m, self.compressed)
        control, immediate = _meanings(self._config.extensions)
        low = Cat(terms.any(cubes) for cubes in immediate)
        m.d.comb += [
            self.control.eq(Cat(terms.any(cubes) for cubes in control)),
            self.control.illegal.eq(~terms.any(_equations(self._config.extensions)[0])),
            self.imm.eq(low.as_signed()),  # of all formats but Z, which no compressed instruction has
        ]
        for enable, bit, reads in (("rs1_en", 15, self.reads1), ("rs2_en", 20, self.reads2)):
            found = [Const(0)] * self.ASKED
            for field, cubes in _registers(self._config.extensions, enable, bit).items():
                number = Cat(self.compressed[source] if source >= 2 else Const(source, 1) for source in reversed(field))
                here = terms.any(cubes)
                found = [before | (here & (number == asked)) for before, asked in zip(found, self.asked, strict=True)]
            m.d.comb += reads.eq(Cat(found))
        return m


class RvcExpander(wiring.Component):
    """Expands a compressed instruction to the 32-bit one that it stands for; combinational.

    Bits 1:0 of the expansion are 0 for reserved encodings and those of extensions that the configuration does not
    have (the rest means nothing then), so that the decoder finds them illegal.  Hints expand to computations without
    effect.
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__({
            "compressed": In(16),  # bits 1:0 other than 3
            "expanded": Out(32),
        })

    def elaborate(self, platform):
        m = Module()
        terms = ProductTerms(m, self.compressed)
        m.d.comb += self.expanded.eq(Cat(terms.any(cubes) for cubes in _equations(self._config.extensions)))
        return m
