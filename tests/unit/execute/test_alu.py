"""Integer instructions, from the decoder through the integer unit, against what the manual says of each mnemonic."""

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from entresol.config import CONFIGS
from entresol.execute.alu import Alu
from entresol.execute.branch import BranchUnit
from entresol.isa.control import BranchOp, SrcA, SrcB, Unit
from entresol.isa.decoder import Decoder
from entresol.isa.instructions import INSTRUCTIONS, Operands, configured

MASK = (1 << 64) - 1
PC = 0xFFFF_FFFF_8000_1004


def signed(value, bits=64):
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def word(value):
    return value & 0xFFFF_FFFF


def ctz(value, bits):
    return (value & -value).bit_length() - 1 if value else bits


def rotate_right(value, amount, bits):
    return value >> amount | value << (bits - amount)


def orc(value):
    return int.from_bytes(bytes(255 if byte else 0 for byte in value.to_bytes(8, "little")), "little")


# By mnemonic: the result of registers (or rs1 and the immediate) a and b.
FULL = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "sll": lambda a, b: a << (b & 63),
    "srl": lambda a, b: a >> (b & 63),
    "sra": lambda a, b: signed(a) >> (b & 63),
    "slt": lambda a, b: signed(a) < signed(b),
    "sltu": lambda a, b: a < b,
    "xor": lambda a, b: a ^ b,
    "or": lambda a, b: a | b,
    "and": lambda a, b: a & b,
    "sh1add": lambda a, b: b + (a << 1),
    "sh2add": lambda a, b: b + (a << 2),
    "sh3add": lambda a, b: b + (a << 3),
    "add.uw": lambda a, b: b + word(a),
    "sh1add.uw": lambda a, b: b + (word(a) << 1),
    "sh2add.uw": lambda a, b: b + (word(a) << 2),
    "sh3add.uw": lambda a, b: b + (word(a) << 3),
    "slli.uw": lambda a, b: word(a) << (b & 63),
    "andn": lambda a, b: a & ~b,
    "orn": lambda a, b: a | ~b,
    "xnor": lambda a, b: ~(a ^ b),
    "clz": lambda a, b: 64 - a.bit_length(),
    "ctz": lambda a, b: ctz(a, 64),
    "cpop": lambda a, b: a.bit_count(),
    "max": lambda a, b: max(signed(a), signed(b)),
    "maxu": lambda a, b: max(a, b),
    "min": lambda a, b: min(signed(a), signed(b)),
    "minu": lambda a, b: min(a, b),
    "sext.b": lambda a, b: signed(a, 8),
    "sext.h": lambda a, b: signed(a, 16),
    "zext.h": lambda a, b: a & 0xFFFF,
    "rol": lambda a, b: rotate_right(a, -b & 63, 64),
    "ror": lambda a, b: rotate_right(a, b & 63, 64),
    "orc.b": lambda a, b: orc(a),
    "rev8": lambda a, b: int.from_bytes(a.to_bytes(8, "little"), "big"),
    "bclr": lambda a, b: a & ~(1 << (b & 63)),
    "bext": lambda a, b: a >> (b & 63) & 1,
    "binv": lambda a, b: a ^ 1 << (b & 63),
    "bset": lambda a, b: a | 1 << (b & 63),
    "czero.eqz": lambda a, b: 0 if b == 0 else a,
    "czero.nez": lambda a, b: 0 if b != 0 else a,
}
WORD = {
    "addw": lambda a, b: a + b,
    "subw": lambda a, b: a - b,
    "sllw": lambda a, b: a << (b & 31),
    "srlw": lambda a, b: word(a) >> (b & 31),
    "sraw": lambda a, b: signed(a, 32) >> (b & 31),
    "rolw": lambda a, b: rotate_right(word(a), -b & 31, 32),
    "rorw": lambda a, b: rotate_right(word(a), b & 31, 32),
    "clzw": lambda a, b: 32 - word(a).bit_length(),
    "ctzw": lambda a, b: ctz(word(a), 32),
    "cpopw": lambda a, b: word(a).bit_count(),
}
IMMEDIATE = {"addi": "add", "slti": "slt", "sltiu": "sltu", "xori": "xor", "ori": "or", "andi": "and", "slli": "sll",
             "srli": "srl", "srai": "sra", "rori": "ror", "bclri": "bclr", "bexti": "bext", "binvi": "binv",
             "bseti": "bset", "addiw": "addw", "slliw": "sllw", "srliw": "srlw", "sraiw": "sraw", "roriw": "rorw"}


def expected(name, a, b):
    if name.startswith("mop."):
        return 0
    name = IMMEDIATE.get(name, name)
    result = signed(WORD[name](a, b), 32) if name in WORD else FULL[name](a, b)
    return result & MASK


class Bench(wiring.Component):
    """Decoder, operand selection and the units under test."""

    insn: In(32)
    rs1: In(64)
    rs2: In(64)
    result: Out(64)
    taken: Out(1)

    def __init__(self, config):
        self._config = config
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.decoder = self.decoder = decoder = Decoder(self._config)
        m.submodules.alu = alu = Alu(self._config)
        m.submodules.branch = branch = BranchUnit()
        control = decoder.control
        m.d.comb += [
            decoder.insn.eq(self.insn),
            alu.op.eq(control.op),
            alu.word.eq(control.word),
            alu.b.eq(self.rs2),
            branch.op.eq(control.op),
            branch.a.eq(self.rs1),
            branch.b.eq(self.rs2),
            self.result.eq(alu.result),
            self.taken.eq(branch.taken),
        ]
        with m.Switch(control.src_a):
            with m.Case(SrcA.RS1):
                m.d.comb += alu.a.eq(self.rs1)
            with m.Case(SrcA.PC):
                m.d.comb += alu.a.eq(PC)
        with m.If(control.src_b == SrcB.IMM):
            m.d.comb += alu.b.eq(decoder.imm)
        return m


def run(config, cases, output):
    """The output called so for each (word, rs1, rs2)."""
    bench = Bench(config)
    results = []

    async def drive(ctx):
        for insn, rs1, rs2 in cases:
            ctx.set(bench.insn, insn)
            ctx.set(bench.rs1, rs1)
            ctx.set(bench.rs2, rs2)
            results.append(ctx.get(getattr(bench, output)))

    simulator = Simulator(bench)
    simulator.add_testbench(drive)
    simulator.run()
    return results


def test_every_integer_instruction_is_here():
    names = {row.name for row in INSTRUCTIONS if row.control.get("unit", Unit.ALU) == Unit.ALU}
    assert {name for name in names if not name.startswith("mop.")} == {*FULL, *WORD, *IMMEDIATE, "lui", "auipc"}


@pytest.mark.rule(
    "addi_op", "slti_op", "sltiu_op", "andi_op", "ori_op", "xori_op", "slli_op", "srli_op", "srai_op", "add_op",
    "sub_op", "slt_op", "sltu_op", "and_op", "or_op", "xor_op", "sll_op", "srl_op", "sra_op", "addiw_op", "slliw_op",
    "srliw_op", "sraiw_op", "addw_op", "subw_op", "sllw_op", "srlw_op", "sraw_op", "rv64_w_sex", "sll_sh_amt_rv64i",
    "srl_sh_amt_rv64i", "sra_sh_amt_rv64i", "add_uw_op", "andn_op", "bclr_op", "bclri_op", "bext_op", "bexti_op",
    "binv_op", "binvi_op", "bset_op", "bseti_op", "clz_op", "clzw_op", "cpop_op", "cpopw_op", "ctz_op", "ctzw_op",
    "max_op", "maxu_op", "min_op", "minu_op", "orc_b_op", "orn_op", "rev8_op", "rol_op", "rolw_op", "ror_op", "rori_op",
    "roriw_op", "rorw_op", "sext_b_op", "sext_h_op", "sh1add_op", "sh1add_uw_op", "sh2add_op", "sh2add_uw_op",
    "sh3add_op", "sh3add_uw_op", "slli_uw_op", "xnor_op", "zext_h_op", "bitmanip_w_suffix_semantics",
    "bitmanip_uw_suffix_semantics", "bitmanip_bhw_suffix_semantics", "zbb_sign_zero_extension_function",
    "zbb_rotate_semantics", "zbb_orc_b_semantics", "zbs_single_bit_functionality", "b_extension_composition",
    "czero-eqz_op", "czero-nez_op", "addi_overflow", "add_overflow", "sub_overflow", "addw_overflow", "subw_overflow",
    "addiw_overflow", "R-type_operands", "rv64i_xreg_sz", "Zimop_mop-r_op", "Zimop_mop-rr_op",
)
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_integer_instructions(config, operands):
    cases, wanted = [], []
    for row in configured(config.extensions):
        if row.control.get("unit", Unit.ALU) == Unit.ALU and row.name not in ("lui", "auipc"):
            for _ in range(20):
                (a, b), imm = operands.pair(), operands.random.getrandbits(12)
                cases.append((row.match | imm << 20 & ~row.mask, a, b))
                immediate = row.operands in (Operands.RD_RS1_IMM, Operands.RD_RS1_SHAMT5, Operands.RD_RS1_SHAMT6)
                second = signed(cases[-1][0] >> 20, 12) & MASK if immediate else b
                wanted.append((row.name, expected(row.name, a, second)))
    for (insn, a, b), (name, value), got in zip(cases, wanted, run(config, cases, "result"), strict=True):
        assert got == value, f"{name} ({insn:08x}) of {a:x} and {b:x} is {value:x}, not {got:x}"


@pytest.mark.rule("lui_op_rv64i", "auipc_op_rv64i", "lui_op", "auipc_op")
def test_upper_immediates():
    cases = [(upper << 12 | opcode, 0x1234, 0x5678) for opcode in (0x37, 0x17) for upper in (0, 1, 0x7FFFF, 0x80000)]
    wanted = [(signed(insn & 0xFFFF_F000, 32) + (PC if insn & 0x7F == 0x17 else 0)) & MASK for insn, _, _ in cases]
    assert run(CONFIGS["small"], cases, "result") == wanted


@pytest.mark.rule("beq_op", "bne_op", "blt_op", "bltu_op", "bge_op", "bgeu_op")
def test_branches(operands):
    compare = {
        BranchOp.BEQ: lambda a, b: a == b, BranchOp.BNE: lambda a, b: a != b,
        BranchOp.BLT: lambda a, b: signed(a) < signed(b), BranchOp.BGE: lambda a, b: signed(a) >= signed(b),
        BranchOp.BLTU: lambda a, b: a < b, BranchOp.BGEU: lambda a, b: a >= b,
    }
    cases, wanted = [], []
    for op, function in compare.items():
        row = next(row for row in INSTRUCTIONS if row.name == op.name.lower())
        for _ in range(100):
            a, b = operands.pair()
            cases.append((row.match, a, b))
            wanted.append(int(function(a, b)))
    assert run(CONFIGS["small"], cases, "taken") == wanted
