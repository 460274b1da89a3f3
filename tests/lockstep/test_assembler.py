"""Encoding, decoding and showing of instructions; program files."""

import random

import pytest

from entresol.isa.compressed import COMPRESSED
from entresol_sim.elf import Program, Segment, parse_elf
from entresol_sim.lockstep.assembler import ROWS, csr_of, decode, elf, encode, expand, show, sources
from entresol_sim.lockstep.layout import CODE, Block, Image, Label, Op, load_immediate

#: Words that an independent assembler (binutils) made of these.
KNOWN = {
    "addi a0, sp, -16": ("addi", {"rd": 10, "rs1": 2, "imm": -16}, 0xFF010513),
    "sd a1, 40(sp)": ("sd", {"rs1": 2, "rs2": 11, "imm": 40}, 0x02B13423),
    "beq a0, a1, 0x80001000": ("beq", {"rs1": 10, "rs2": 11, "imm": -0}, 0x00B50063),
    "jal ra, 0x80001800": ("jal", {"rd": 1, "imm": 0x800}, 0x001000EF),
    "lui t0, 0x12345": ("lui", {"rd": 5, "imm": 0x12345}, 0x123452B7),
    "csrrw zero, 0x300, t0": ("csrrw", {"rs1": 5, "csr": 0x300}, 0x30029073),
    "hlv.d a0, (a1)": ("hlv.d", {"rd": 10, "rs1": 11}, 0x6C05C573),
    "hsv.w a0, (a1)": ("hsv.w", {"rs1": 11, "rs2": 10}, 0x6AA5C073),
    "amoadd.d a0, a2, (a1)": ("amoadd.d", {"rd": 10, "rs1": 11, "rs2": 12}, 0x00C5B52F),
    "sraiw a0, a1, 3": ("sraiw", {"rd": 10, "rs1": 11, "imm": 3}, 0x4035D51B),
    "hfence.gvma a0, a1": ("hfence.gvma", {"rs1": 10, "rs2": 11}, 0x62B50073),
}


@pytest.mark.parametrize("text", KNOWN)
def test_known_words(text):
    name, operands, word = KNOWN[text]
    assert encode(name, **operands) == word
    assert show(word, 0x80001000) == text


def test_every_instruction_is_decoded_as_itself():
    rng = random.Random(1)
    for name in ROWS:
        word = encode(name, rd=rng.randrange(32), rs1=rng.randrange(32), rs2=rng.randrange(32), csr=0x300)
        row, _ = decode(word)
        assert row is not None and row.name == name
        assert show(word).startswith(name)


def test_operands_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="2048 does not fit into 12 bits"):
        encode("addi", imm=2048)


def test_registers_and_csr_of_an_instruction():
    assert sources(encode("sd", rs1=2, rs2=11, imm=8)) == (2, 11)
    assert sources(encode("lui", rd=3, imm=5)) == ()
    assert csr_of(encode("csrrs", rd=1, csr=0x644)) == 0x644
    assert csr_of(encode("addi", imm=1)) is None


def test_compressed_instructions_expand():
    assert expand(0x0505)[1] == encode("addi", rd=10, rs1=10, imm=1)  # c.addi a0, 1
    assert expand(0) is None
    for row in COMPRESSED:
        for cube in row.cubes:
            found = expand(cube.value)
            assert found is not None


@pytest.mark.parametrize(
    "value", [0, 1, -1, 2047, 2048, -2049, 0x7FFFF800, 1 << 31, 0x8000_0000_8000_0000, 0x123456789ABCDEF]
)
def test_load_immediate(value):
    register = 0
    for op in load_immediate(5, value):
        match op.name:
            case "lui":
                register = (op.imm & 0xFFFFF) << 12
                register -= (register & 1 << 31) << 1
            case "addi":
                register = (register if op.rs1 else 0) + op.imm
            case "addiw":
                register = (register + op.imm) & 0xFFFFFFFF
                register -= (register & 1 << 31) << 1
            case "slli":
                register <<= op.imm
    assert register & (1 << 64) - 1 == value & (1 << 64) - 1


def test_elf_is_read_back():
    program = Program("x", CODE, [Segment(CODE, b"\x13\0\0\0", 4), Segment(CODE + 0x1000, b"abc", 3)])
    assert parse_elf(elf(program), "x") == program


def test_labels_skips_and_removal():
    blocks = [
        Block(0, [Op("la", rd=5, target=Label(2)), Op("jal", target=Label(2))], removable=False),
        Block(1, [Op("addi"), Op("beq", skip=1), Op("addi", imm=1), Op("addi", imm=2)]),
        Block(2, [Op("addi", imm=3)], removable=False),
    ]
    image = Image("x", blocks)
    code = image.program().segments[0].content
    words = [int.from_bytes(code[at : at + 4], "little") for at in range(0, len(code), 4)]
    assert words[2] == encode("jal", imm=20)
    assert words[4] == encode("beq", imm=8)
    shorter = image.without({(1, 0), (1, 3)})
    code = shorter.program().segments[0].content
    words = [int.from_bytes(code[at : at + 4], "little") for at in range(0, len(code), 4)]
    assert words[2:] == [encode("jal", imm=12), encode("beq", imm=8), encode("addi", imm=1), encode("addi", imm=3)]
