"""The instruction table, and the decoder generated from it, against an assembler that knows nothing of them."""

import itertools
import random
import subprocess
import sys

import pytest
from amaranth.hdl import Const
from amaranth.lib import data
from amaranth.sim import Simulator
from elftools.elf.elffile import ELFFile

from entresol.config import CONFIGS
from entresol.isa.control import Control, ImmFormat, Unit
from entresol.isa.decoder import Decoder, control_word
from entresol.isa.extensions import EXTENSIONS
from entresol.isa.instructions import INSTRUCTIONS, Operands, configured, find

ASSEMBLER_FEATURES = "m a h zba zbb zbs zicond zawrs zicbom zicboz zimop svinval zifencei zicsr"


class Everything:
    """A configuration with every extension that has instructions, whether or not the core implements it."""

    extensions = frozenset(extension for row in INSTRUCTIONS for extension in row.extensions)


def test_no_two_rows_overlap():
    for one, other in itertools.combinations(INSTRUCTIONS, 2):
        common = one.mask & other.mask
        assert one.match & common != other.match & common, f"{one.name} and {other.name}"


def test_rows_are_consistent():
    assert len({row.name for row in INSTRUCTIONS}) == len(INSTRUCTIONS)
    for row in INSTRUCTIONS:
        assert row.match & ~row.mask == 0 and row.match & 3 == 3, row.name
        assert all(extension in EXTENSIONS for extension in row.extensions), row.name


def operand_text(row, rng):
    """Random operands of `row`: assembler text, and what the fields of the word and the immediate must be."""
    rd, rs1, rs2 = (rng.randrange(32) for _ in range(3))
    imm = rng.randrange(-2048, 2048)
    shamt = rng.randrange(32 if row.operands is Operands.RD_RS1_SHAMT5 else 64)
    upper, csr, uimm = rng.randrange(1 << 20), rng.randrange(1 << 12), rng.randrange(32)
    branch, jump = 2 * rng.randrange(-2048, 2048), 2 * rng.randrange(-1 << 19, 1 << 19)
    lui = (upper << 12) - (1 << 32) * (upper >> 19)
    text, fields, value = {
        Operands.NONE: ("", {}, 0),
        Operands.RD: (f"x{rd}, x{rs1}" + f", x{rs2}" * row.name.startswith("mop.rr"), {"rd": rd}, 0),
        Operands.RD_RS1: (f"x{rd}, x{rs1}", {"rd": rd, "rs1": rs1}, 0),
        Operands.RD_RS1_RS2: (f"x{rd}, x{rs1}, x{rs2}", {"rd": rd, "rs1": rs1, "rs2": rs2}, 0),
        Operands.RD_RS1_IMM: (f"x{rd}, x{rs1}, {imm}", {"rd": rd, "rs1": rs1}, imm),
        Operands.RD_RS1_SHAMT5: (f"x{rd}, x{rs1}, {shamt}", {"rd": rd, "rs1": rs1}, shamt),
        Operands.RD_RS1_SHAMT6: (f"x{rd}, x{rs1}, {shamt}", {"rd": rd, "rs1": rs1}, shamt),
        Operands.RD_UPPER: (f"x{rd}, {upper}", {"rd": rd}, lui),
        Operands.RD_TARGET: (f"x{rd}, .+{jump}", {"rd": rd}, jump),
        Operands.RS1_RS2_TARGET: (f"x{rs1}, x{rs2}, .+{branch}", {"rs1": rs1, "rs2": rs2}, branch),
        Operands.RD_OFFSET_RS1: (f"x{rd}, {imm}(x{rs1})", {"rd": rd, "rs1": rs1}, imm),
        Operands.RS2_OFFSET_RS1: (f"x{rs2}, {imm}(x{rs1})", {"rs2": rs2, "rs1": rs1}, imm),
        Operands.RD_AT_RS1: (f"x{rd}, (x{rs1})", {"rd": rd, "rs1": rs1}, 0),
        Operands.RD_RS2_AT_RS1: (f"x{rd}, x{rs2}, (x{rs1})", {"rd": rd, "rs1": rs1, "rs2": rs2}, 0),
        Operands.RS2_AT_RS1: (f"x{rs2}, (x{rs1})", {"rs1": rs1, "rs2": rs2}, 0),
        Operands.AT_RS1: (f"(x{rs1})", {"rs1": rs1}, 0),
        Operands.RD_CSR_RS1: (f"x{rd}, {csr}, x{rs1}", {"rd": rd, "rs1": rs1}, 0),
        Operands.RD_CSR_UIMM: (f"x{rd}, {csr}, {uimm}", {"rd": rd}, uimm),
        Operands.RS1_RS2: (f"x{rs1}, x{rs2}", {"rs1": rs1, "rs2": rs2}, 0),
        Operands.FENCE: ("rw, w", {}, 0),
    }[row.operands]
    return text, fields, value


@pytest.fixture(scope="module")
def assembled(tmp_path_factory):
    """(row, word, fields, immediate) of every instruction, a few times, words from the assembler."""
    rng = random.Random(1)
    cases = [(row, *operand_text(row, rng)) for row in INSTRUCTIONS for _ in range(3)]
    folder = tmp_path_factory.mktemp("assembler")
    source, output = folder / "all.s", folder / "all.o"
    source.write_text("".join(f"{row.name} {text}\n" for row, text, _, _ in cases))
    features = "+".join(ASSEMBLER_FEATURES.split())
    subprocess.run([sys.executable, "-m", "ziglang", "cc", "-target", "riscv64-freestanding-none",
                    f"-mcpu=generic_rv64+{features}-c", "-mno-relax", "-c", source, "-o", output], check=True)
    with output.open("rb") as file:
        code = ELFFile(file).get_section_by_name(".text").data()
    assert len(code) == 4 * len(cases)
    words = [int.from_bytes(code[start:start + 4], "little") for start in range(0, len(code), 4)]
    return [(row, word, fields, value) for (row, _, fields, value), word in zip(cases, words, strict=True)]


def decode(config, words):
    """(control word as an integer, immediate) of each word."""
    decoder = Decoder(config)
    results = []

    async def bench(ctx):
        for word in words:
            ctx.set(decoder.insn, word)
            results.append((ctx.get(decoder.control.as_value()), ctx.get(decoder.imm)))

    simulator = Simulator(decoder)
    simulator.add_testbench(bench)
    simulator.run()
    return results


def control(bits):
    return data.Const(data.Layout.cast(Control), bits)


@pytest.mark.rule(
    "mret_enc", "sret_enc", "wfi_enc", "add_uw_enc", "andn_enc", "bclr_enc", "bclri_enc", "bext_enc", "bexti_enc",
    "binv_enc", "binvi_enc", "bset_enc", "bseti_enc", "clz_enc", "clzw_enc", "cpop_enc", "cpopw_enc", "ctz_enc",
    "ctzw_enc", "max_enc", "maxu_enc", "min_enc", "minu_enc", "orc_b_enc", "orn_enc", "rev8_enc", "rol_enc", "rolw_enc",
    "ror_enc", "rori_enc", "roriw_enc", "rorw_enc", "sext_b_enc", "sext_h_enc", "sh1add_enc", "sh1add_uw_enc",
    "sh2add_enc", "sh2add_uw_enc", "sh3add_enc", "sh3add_uw_enc", "slli_uw_enc", "xnor_enc", "zext_h_enc", "lui_enc",
    "auipc_enc", "jal_enc", "jalr_enc", "beq_enc", "bne_enc", "blt_enc", "bge_enc", "bltu_enc", "bgeu_enc", "lb_enc",
    "lh_enc", "lw_enc", "lbu_enc", "lhu_enc", "sb_enc", "sh_enc", "sw_enc", "addi_enc", "slti_enc", "sltiu_enc",
    "xori_enc", "ori_enc", "andi_enc", "slli_enc", "srli_enc", "srai_enc", "add_enc", "sub_enc", "sll_enc", "slt_enc",
    "sltu_enc", "xor_enc", "srl_enc", "sra_enc", "or_enc", "and_enc", "fence_enc", "ecall_enc", "ebreak_enc", "lwu_enc",
    "ld_enc", "sd_enc", "addiw_enc", "slliw_enc", "srliw_enc", "sraiw_enc", "addw_enc", "subw_enc", "sllw_enc",
    "srlw_enc", "sraw_enc", "mul_enc", "mulh_enc", "mulhsu_enc", "mulhu_enc", "div_enc", "divu_enc", "rem_enc",
    "remu_enc", "mulw_enc", "divw_enc", "divuw_enc", "remw_enc", "remuw_enc",
)
def test_the_table_recognises_what_the_assembler_writes(assembled):
    for row, word, fields, _ in assembled:
        assert find(word) is row, f"{word:08x} should be {row.name}, is {find(word)}"
        registers = {"rd": word >> 7 & 31, "rs1": word >> 15 & 31, "rs2": word >> 20 & 31}
        assert all(registers[name] == number for name, number in fields.items()), row.name


def test_the_decoder_gives_operands_of_what_the_assembler_writes(assembled):
    results = decode(Everything, [word for _, word, _, _ in assembled])
    for (row, _, fields, value), (bits, imm) in zip(assembled, results, strict=True):
        got = control(bits)
        assert not got.illegal, row.name
        if row.operands in (Operands.RD_RS1_SHAMT5, Operands.RD_RS1_SHAMT6):
            assert imm & (31 if got.word else 63) == value, row.name
        else:
            assert imm == value % (1 << 64), row.name
        assert (got.rd_en, got.rs1_en, got.rs2_en) == tuple(name in fields for name in ("rd", "rs1", "rs2")), row.name


AQ_RL = Const({"aq": 1, "rl": 1}, Control).as_value().value


@pytest.mark.parametrize("config", [CONFIGS["small"], CONFIGS["linux"].without("h"), Everything],
                         ids=lambda config: getattr(config, "name", "everything"))
def test_the_decoder_is_the_table(config):
    rng = random.Random(2)
    rows = configured(config.extensions)
    words = [rng.getrandbits(32) & ~row.mask | row.match for row in INSTRUCTIONS for _ in range(2)]
    # near misses: one of the fixed bits is another
    words += [row.match ^ 1 << rng.choice([bit for bit in range(32) if row.mask >> bit & 1])
              for row in INSTRUCTIONS for _ in range(2)]
    words += [rng.getrandbits(32) for _ in range(100)] + [0, 0xFFFFFFFF]
    for word, (bits, _) in zip(words, decode(config, words), strict=True):
        row = next((row for row in rows if row.matches(word)), None)
        assert control(bits).illegal == (row is None), f"{word:08x}"
        if row is not None:
            assert bits & ~AQ_RL == control_word(row), row.name


def encoding(name, **changes):
    row = next(row for row in INSTRUCTIONS if row.name == name)
    position = {"rd": 7, "rs1": 15, "rs2": 20, "imm": 20}
    return row.match | sum(value << position[field] for field, value in changes.items())


@pytest.mark.rule("slliw_imm5_rsv", "srliw_imm5_rsv", "sraiw_imm5_rsv", "ssstrict_unimplemented_opcodes_csr_exception")
def test_reserved_encodings_are_illegal():
    words = {
        "slliw by 32": encoding("slliw") | 1 << 25,
        "srliw by 32": encoding("srliw") | 1 << 25,
        "sraiw by 32": encoding("sraiw") | 1 << 25,
        "lr with rs2": encoding("lr.w", rs2=1),
        "amo of bytes": encoding("amoadd.w") ^ 2 << 12,
        "ecall with rd": encoding("ecall", rd=1),
        "sfence.vma with rd": encoding("sfence.vma", rd=1),
        "hsv with rd": encoding("hsv.w", rd=1),
        "hlvx.b": encoding("hlv.b") | 3 << 20,
        "hlv.du": encoding("hlv.d") | 1 << 20,
        "jalr with funct3": encoding("jalr") | 1 << 12,
        "system funct3 4": 0x0000_4073,
        "load of 16 bytes": 0x0000_7003,
        "zeros": 0,
        "ones": 0xFFFF_FFFF,
    }
    for (what, word), (bits, _) in zip(words.items(), decode(Everything, words.values()), strict=True):
        assert control(bits).illegal, f"{what}: {word:08x}"


@pytest.mark.rule(
    "fence_unused_flds_rsv", "pause_enc_fence", "hints_op", "pause_enc", "fence-tso_enc", "fence_i_rsv", "pause_op",
    "hints_enc", "NTL-P1_enc", "NTL-PALL_enc", "NTL-S1_enc", "NTL-ALL_enc", "NTL-P1_op", "NTL-PALL_op", "NTL-S1_op",
    "NTL-ALL_op", "NTL_target_definition", "NTL_TRAP_BEHAVIOR", "nop_enc", "nop_op",
)
def test_fences_with_unused_fields_and_hints_are_legal():
    words = {
        "pause": 0x0100_000F,
        "fence.tso": 0x8330_000F,
        "fence with registers": encoding("fence", rd=3, rs1=4) | 0xFFF << 20,
        "fence.i with registers": encoding("fence.i", rd=3, rs1=4, imm=5),
        "ntl.p1": encoding("add", rs2=2),
        "ntl.pall": encoding("add", rs2=3),
        "ntl.s1": encoding("add", rs2=4),
        "ntl.all": encoding("add", rs2=5),
        "nop": 0x13,
        "prefetch.r": encoding("ori", rs1=1, imm=1),
    }
    for what, (bits, _) in zip(words, decode(CONFIGS["small"], words.values()), strict=True):
        got = control(bits)
        assert not got.illegal, what
        hint = what == "nop" or what.startswith(("ntl", "prefetch"))
        assert got.unit == (Unit.ALU if hint else Unit.SYSTEM), what


@pytest.mark.rule("a_aq_rl_bits")
def test_acquire_and_release():
    words = [encoding("lr.d") | bits << 25 for bits in range(4)]
    assert [(control(bits).aq, control(bits).rl) for bits, _ in decode(CONFIGS["small"], words)] == [
        (0, 0), (0, 1), (1, 0), (1, 1)]


def test_accesses_without_offset_have_none():
    words = [encoding(name, rd=31, rs1=31) | 0x7F << 25 & ~row.mask
             for row in INSTRUCTIONS if row.operands in (Operands.RD_AT_RS1, Operands.RD_RS2_AT_RS1)
             for name in [row.name]]
    for bits, imm in decode(Everything, words):
        assert control(bits).imm == ImmFormat.NONE and imm == 0
