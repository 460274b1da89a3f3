"""The expansion of every compressed instruction, against a model written from the text of the Zca and Zcb chapters."""

import itertools
import random
from collections import defaultdict
from types import SimpleNamespace

import pytest
from amaranth.sim import Simulator

from entresol.config import CONFIGS
from entresol.isa.compressed import COMPRESSED, RvcExpander, _equations

ZCB = SimpleNamespace(extensions=CONFIGS["linux"].extensions | {"zcb", "zcmop"})


def field(word, *places):
    """A number with bit `to` taken from bit `at` of the word, for each pair (at, to)."""
    return sum((word >> at & 1) << to for at, to in places)


def span(high, low, to):
    """Pairs for `field`: bits high..low go to bits from `to` on."""
    return [(bit, to + bit - low) for bit in range(low, high + 1)]


def signed(value, bits):
    return value - (1 << bits) if value >> (bits - 1) else value


def i_type(opcode, funct3, rd, rs1, imm):
    return (imm & 0xFFF) << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode


def s_type(funct3, rs2, rs1, imm):
    return (imm >> 5 & 0x7F) << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | (imm & 31) << 7 | 0x23


def r_type(opcode, funct7, funct3, rd, rs1, rs2):
    return funct7 << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode


def jal(rd, imm):
    return field(imm, *span(10, 1, 21), (11, 20), *span(19, 12, 12), (20, 31)) | rd << 7 | 0x6F


def branch(funct3, rs1, imm):
    return field(imm, *span(4, 1, 8), (11, 7), *span(10, 5, 25), (12, 31)) | rs1 << 15 | funct3 << 12 | 0x63


def expand(word, zcb):
    """The instruction that `word` stands for; None if it is reserved."""
    quadrant, funct3 = word & 3, word >> 13
    rd, rs2 = word >> 7 & 31, word >> 2 & 31
    rs1_p, rd_p = 8 + (word >> 7 & 7), 8 + (word >> 2 & 7)
    imm6 = signed(field(word, (12, 5), *span(6, 2, 0)), 6)
    shamt = imm6 & 63
    word_offset = field(word, *span(12, 10, 3), (6, 2), (5, 6))
    double_offset = field(word, *span(12, 10, 3), *span(6, 5, 6))
    match quadrant, funct3:
        case 0, 0:
            imm = field(word, *span(12, 11, 4), *span(10, 7, 6), (6, 2), (5, 3))
            return i_type(0x13, 0, rd_p, 2, imm) if imm else None
        case 0, 2:
            return i_type(0x03, 2, rd_p, rs1_p, word_offset)
        case 0, 3:
            return i_type(0x03, 3, rd_p, rs1_p, double_offset)
        case 0, 4 if zcb:
            byte_offset, half_offset = field(word, (6, 0), (5, 1)), field(word, (5, 1))
            match word >> 10 & 7, word >> 6 & 1:
                case 0, _:
                    return i_type(0x03, 4, rd_p, rs1_p, byte_offset)
                case 1, 0:
                    return i_type(0x03, 5, rd_p, rs1_p, half_offset)
                case 1, 1:
                    return i_type(0x03, 1, rd_p, rs1_p, half_offset)
                case 2, _:
                    return s_type(0, rd_p, rs1_p, byte_offset)
                case 3, 0:
                    return s_type(1, rd_p, rs1_p, half_offset)
        case 0, 6:
            return s_type(2, rd_p, rs1_p, word_offset)
        case 0, 7:
            return s_type(3, rd_p, rs1_p, double_offset)
        case 1, 0:
            return i_type(0x13, 0, rd, rd, imm6)
        case 1, 1:
            return i_type(0x1B, 0, rd, rd, imm6) if rd else None
        case 1, 2:
            return i_type(0x13, 0, rd, 0, imm6)
        case 1, 3:
            if imm6 == 0:
                return 0x13 if zcb and rd < 16 and rd & 1 else None
            if rd == 2:
                imm = signed(field(word, (12, 9), (6, 4), (5, 6), *span(4, 3, 7), (2, 5)), 10)
                return i_type(0x13, 0, 2, 2, imm)
            return (imm6 & 0xFFFFF) << 12 | rd << 7 | 0x37
        case 1, 4:
            match word >> 10 & 3:
                case 0:
                    return i_type(0x13, 5, rs1_p, rs1_p, shamt)
                case 1:
                    return i_type(0x13, 5, rs1_p, rs1_p, shamt | 0x400)
                case 2:
                    return i_type(0x13, 7, rs1_p, rs1_p, imm6)
            match word >> 12 & 1, word >> 5 & 3:
                case 0, 0:
                    return r_type(0x33, 0x20, 0, rs1_p, rs1_p, rd_p)
                case 0, kind:
                    return r_type(0x33, 0, {1: 4, 2: 6, 3: 7}[kind], rs1_p, rs1_p, rd_p)
                case 1, 0:
                    return r_type(0x3B, 0x20, 0, rs1_p, rs1_p, rd_p)
                case 1, 1:
                    return r_type(0x3B, 0, 0, rs1_p, rs1_p, rd_p)
                case 1, 2 if zcb:
                    return r_type(0x33, 1, 0, rs1_p, rs1_p, rd_p)
                case 1, 3 if zcb:
                    return {
                        0: i_type(0x13, 7, rs1_p, rs1_p, 255),
                        1: i_type(0x13, 1, rs1_p, rs1_p, 0x604),
                        2: r_type(0x3B, 4, 4, rs1_p, rs1_p, 0),
                        3: i_type(0x13, 1, rs1_p, rs1_p, 0x605),
                        4: r_type(0x3B, 4, 0, rs1_p, rs1_p, 0),
                        5: i_type(0x13, 4, rs1_p, rs1_p, -1),
                    }.get(word >> 2 & 7)
        case 1, 5:
            return jal(0, signed(field(word, (12, 11), (11, 4), *span(10, 9, 8), (8, 10), (7, 6), (6, 7),
                                       *span(5, 3, 1), (2, 5)), 12))
        case 1, (6 | 7):
            imm = signed(field(word, (12, 8), *span(11, 10, 3), *span(6, 5, 6), *span(4, 3, 1), (2, 5)), 9)
            return branch(funct3 - 6, rs1_p, imm)
        case 2, 0:
            return i_type(0x13, 1, rd, rd, shamt)
        case 2, 2:
            return i_type(0x03, 2, rd, 2, field(word, (12, 5), *span(6, 4, 2), *span(3, 2, 6))) if rd else None
        case 2, 3:
            return i_type(0x03, 3, rd, 2, field(word, (12, 5), *span(6, 5, 3), *span(4, 2, 6))) if rd else None
        case 2, 4:
            match bool(word >> 12 & 1), bool(rd), bool(rs2):
                case False, _, True:
                    return r_type(0x33, 0, 0, rd, 0, rs2)
                case False, True, False:
                    return i_type(0x67, 0, 0, rd, 0)
                case True, _, True:
                    return r_type(0x33, 0, 0, rd, rd, rs2)
                case True, True, False:
                    return i_type(0x67, 0, 1, rd, 0)
                case True, False, False:
                    return 0x0010_0073
        case 2, 6:
            return s_type(2, rs2, 2, field(word, *span(12, 9, 2), *span(8, 7, 6)))
        case 2, 7:
            return s_type(3, rs2, 2, field(word, *span(12, 10, 3), *span(9, 7, 6)))
    return None


def evaluator(extensions):
    """A function from words to what the product terms make of them."""
    outputs = defaultdict(int)
    for bit, cubes in enumerate(_equations(extensions)):
        for cube in cubes:
            outputs[cube] |= 1 << bit

    def evaluate(word):
        result = 0
        for (mask, value), bits in outputs.items():
            if word & mask == value:
                result |= bits
        return result
    return evaluate


def test_no_two_rows_overlap():
    cubes = [(cube, row.name) for row in COMPRESSED for cube in row.cubes]
    for (one, name), (other, other_name) in itertools.combinations(cubes, 2):
        assert not one.intersects(other), f"{name} and {other_name}"


@pytest.mark.rule(
    "c-lwsp_rsv", "c-ldsp_rsv", "c-jr_rsv", "c-lui_rsv", "c-addiw_rsv", "c-addi16sp_rsv", "c-addi4spn_rsv",
    "Zca_illegal", "c-lui_hint", "c-li_hint", "c-addi_hint", "c-mv_hint", "c-add_hint", "c-slli_hint", "c-nop_hint",
    "Zca_hints", "Zcmop_enc", "Zcmop_instr_write", "Zca_offsets_mul2", "Zca_regs8", "c-lwsp_op", "c-ldsp_op",
    "c-swsp_op", "c-sdsp_op", "c-lw_op", "c-ld_op", "c-sw_op", "c-sd_op", "c-j_op", "c-jr_op", "c-jalr_op", "c-ebreak",
    "c-beqz_op", "c-bnez_op", "c-li_op", "c-lui_op", "c-addi_op", "c-addi_nop", "c-addiw_op", "c-addi16sp_op",
    "c-addi4spn_op", "c-slli_op", "c-srli_op", "c-srli_hint", "c-srai_op", "c-srai_hint", "c-andi_op", "c-mv_op",
    "c-mv_jr", "c-add_op", "c-add_val", "c-and_op", "c-or_op", "c-xor_op", "c-sub_op", "c-addw_op", "c-subw_op",
    "c-nop_op", "c-ebreak_op", "c-lbu_op", "c-lhu_op", "c-lh_op", "c-sb_op", "c-sh_op", "c-zext-b_op", "c-sext-b_op",
    "c-zext-h_op", "c-sext-h_op", "c-zext-w_op", "c-not_op", "c-mul_op", "C-NTL_availability", "C-NTL-P1_op",
    "C-NTL-P1_enc", "C-NTL-PALL_op", "C-NTL-PALL_enc", "C-NTL-S1_op", "C-NTL-S1_enc", "C-NTL-ALL_op", "C-NTL-ALL_enc",
)
@pytest.mark.parametrize("config", [CONFIGS["small"], ZCB], ids=["small", "zcb"])
def test_every_encoding(config):
    evaluate = evaluator(config.extensions)
    for word in range(1 << 16):
        if word & 3 != 3:
            expected, got = expand(word, config is ZCB), evaluate(word)
            if expected is None:
                assert got & 3 == 0, f"{word:04x} is reserved"
            else:
                assert got == expected, f"{word:04x}: {got:08x}, not {expected:08x}"


def test_the_component_evaluates_the_equations():
    expander = RvcExpander(CONFIGS["linux"])
    evaluate = evaluator(CONFIGS["linux"].extensions)
    rng = random.Random(3)

    async def bench(ctx):
        for word in [0, *(rng.randrange(1 << 14) << 2 | quadrant for quadrant in range(3) for _ in range(300))]:
            ctx.set(expander.compressed, word)
            assert ctx.get(expander.expanded) == evaluate(word), f"{word:04x}"

    simulator = Simulator(expander)
    simulator.add_testbench(bench)
    simulator.run()
