"""The known deviations: each is recognised, and nothing like it that is none.  Those that a short program can show are
shown on QEMU."""

import pytest

from entresol.isa.rules import RULES
from entresol_sim.lockstep.assembler import encode
from entresol_sim.lockstep.compare import Context, Deviation, Difference, responsible
from entresol_sim.lockstep.deviations import CHOICES, DEVIATIONS, QEMU, SPIKE
from entresol_sim.lockstep.layout import Block, Image, Label, Op, load_immediate
from entresol_sim.lockstep.steps import HS, INTERRUPT, VS, M, Step, Store, U

BY_NAME = {deviation.name: deviation for deviation in (*QEMU, *SPIKE)}


@pytest.mark.parametrize("reference", DEVIATIONS)
def test_the_list_is_in_order(reference):
    rows = DEVIATIONS[reference]
    assert len({row.name for row in rows}) == len(rows)
    for row in rows:
        assert row.what and row.decides and row.versions[0] < row.versions[1]
        assert all(rule in RULES for rule in row.rules), row


def context(core: Step, reference: Step, row="ld", csr="", trap: Step | None = None, operand=0, csrs=None) -> Context:
    return Context(core, reference, None, row, csr, csrs or {}, trap, (7, 2), operand)


_LD = encode("ld")


def trap(cause: int | None, target=M, mode=M, raw=_LD, **more) -> Step:
    return Step(0, mode, raw, cause, target=target, **more)


NO, IN_VS = trap(None), trap(None, mode=VS)
#: By deviation: a difference that comes from it, and one that does not though it is similar.
RECOGNISED = {
    "faulting portion": [
        (Difference("csr", "mtval", 0x10, 0xD), context(trap(5), trap(5))),
        (Difference("csr", "mtval", 0x18, 0xD), context(trap(5), trap(5))),
    ],
    "page split by PMP": [
        (Difference("trap", "", "", ""), context(trap(4, tval=0x1004), NO)),
        (Difference("trap", "", "", ""), context(trap(4, tval=0x1008), NO)),
    ],
    "uncached pages": [
        (Difference("trap", "", "", ""), context(trap(7), NO, "amoadd.d", csrs={"menvcfg": 1 << 62})),
        (Difference("trap", "", "", ""), context(trap(7), NO, "amoadd.d", csrs={"menvcfg": 0})),
    ],
    "PMP addresses": [
        (Difference("csr", "pmpaddr3", 0x4000_0001, 0x1_0000_0001), context(NO, NO, "csrrw", "pmpaddr3")),
        (Difference("csr", "pmpaddr3", 1, 0x8000_0001), context(NO, NO, "csrrw", "pmpaddr3")),
    ],
    "cache blocks nowhere": [
        (Difference("trap", "", "", ""), context(NO, trap(7, tval=0xC000_0000), "cbo.flush")),
        (Difference("trap", "", "", ""), context(NO, trap(7, tval=0x8040_0000), "cbo.flush")),
    ],
    "block address": [
        (Difference("tval", "tval", 0x1008, 0x1000), context(trap(15), trap(15), "cbo.zero")),
        (Difference("tval", "tval", 0x1048, 0x1000), context(trap(15), trap(15), "cbo.zero")),
    ],
    "write of nothing": [
        (Difference("trap", "", "", ""), context(trap(2, raw=encode("csrrs", rs1=7, csr=0xF12)), NO, "csrrs")),
        (Difference("trap", "", "", ""), context(trap(2, raw=encode("csrrs", rd=7, csr=0xF12)), NO, "csrrs")),
    ],
    "vector modes": [
        (Difference("csr", "mtvec", 0x1000, 0), context(NO, NO, "csrrw", "mtvec", operand=0x1002)),
        (Difference("csr", "mtvec", 0x1000, 0), context(NO, NO, "csrrw", "mtvec", operand=0x1000)),
    ],
    "misaligned atomics": [
        (Difference("trap", "", "", ""), context(trap(6), trap(7), "amoadd.d")),
        (Difference("trap", "", "", ""), context(trap(6), trap(7), "sd")),
    ],
    "no transformed instruction": [
        (Difference("reg", 5, 0x2003, 0), context(NO, NO, "csrrs", "mtinst")),
        (Difference("reg", 5, 0x2003, 0x2007), context(NO, NO, "csrrs", "mtinst")),
    ],
    "guest external interrupts": [
        (Difference("csr", "mideleg", 0x444, 0x1444), context(NO, NO)),
        (Difference("csr", "mideleg", 0x444, 0x1446), context(NO, NO)),
    ],
    "AMO faults": [
        (Difference("trap", "", "", ""), context(trap(15), trap(13), "amoor.w")),
        (Difference("trap", "", "", ""), context(trap(15), trap(13), "sw")),
    ],
    "vscause": [
        (Difference("csr", "vscause", 2, 1), context(trap(2, VS), trap(2))),
        (Difference("csr", "vscause", 3, 2), context(trap(3, VS), trap(3))),
    ],
    "zero xtval": [
        (Difference("csr", "stval", 0x73, 0), context(trap(2, HS), trap(2))),
        (Difference("csr", "stval", 0x73, 0), context(trap(13, HS), trap(13))),
    ],
    "htval": [
        (Difference("reg", 5, 4, 0), context(NO, NO, "csrrs", "htval", trap(2, M))),
        (Difference("reg", 5, 4, 0), context(NO, NO, "csrrs", "htval", trap(21, HS))),
    ],
    "htinst": [
        (Difference("csr", "htinst", 4, 0), context(NO, NO, "csrrw", "htinst")),
        (Difference("csr", "htval", 4, 0), context(NO, NO, "csrrw", "htval")),
    ],
    "stale mtval2": [
        (Difference("reg", 5, 0, 4), context(NO, NO, "csrrs", "mtval2", trap(2))),
        (Difference("reg", 5, 0, 4), context(NO, NO, "csrrs", "mtval2", trap(21))),
    ],
    "virtual instruction": [
        (Difference("trap", "", "", ""), context(trap(22), trap(2))),
        (Difference("trap", "", "", ""), context(trap(2), trap(22))),
    ],
    "aligned xtval": [
        (Difference("csr", "mtval", 0xD, 8), context(trap(13), trap(13), "ld")),
        (Difference("csr", "mtval", 0x18, 8), context(trap(13), trap(13), "ld")),
    ],
    "access faults in V=1": [
        (Difference("trap", "", "", ""), context(trap(5), trap(21))),
        (Difference("trap", "", "", ""), context(trap(13), trap(21))),
    ],
    "HLV and HSV faults": [
        (Difference("trap", "", "", ""), context(trap(13), trap(5), "hlv.d")),
        (Difference("trap", "", "", ""), context(trap(13), trap(5), "ld")),
    ],
    "illegal HLV": [
        (Difference("csr", "mtval", 1, 2), context(trap(2), trap(2), "hlv.d")),
        (Difference("csr", "mtval", 1, 2), context(trap(2), trap(2), "csrrs")),
    ],
    "implicit faults": [
        (Difference("trap", "", "", ""), context(trap(23), trap(21))),
        (Difference("trap", "", "", ""), context(trap(21), trap(23))),
    ],
    "Svinval in user mode": [
        (Difference("trap", "", "", ""), context(trap(2, mode=U), NO, "sfence.w.inval")),
        (Difference("trap", "", "", ""), context(trap(2), NO, "sfence.w.inval")),
    ],
    "TSR": [
        (Difference("trap", "", "", ""), context(IN_VS, trap(2), "sret")),
        (Difference("trap", "", "", ""), context(trap(None, mode=HS), trap(2), "sret")),
    ],
    "CTZW": [
        (Difference("reg", 5, 32, 40), context(NO, NO, "ctzw")),
        (Difference("reg", 5, 31, 40), context(NO, NO, "ctzw")),
    ],
    "HLVX": [
        (Difference("trap", "", "", ""), context(NO, trap(13), "hlvx.wu")),
        (Difference("trap", "", "", ""), context(NO, trap(13), "hlv.wu")),
    ],
    "Sv57": [
        (Difference("csr", "satp", 0, 10 << 60), context(NO, NO, "csrrw", "satp")),
        (Difference("csr", "satp", 0, 9 << 60), context(NO, NO, "csrrw", "satp")),
    ],
    "SC": [
        (Difference("store", "", "", ""), context(Step(0, regs={5: 0}), Step(0, regs={5: 1}), "sc.d")),
        (Difference("store", "", "", ""), context(Step(0, regs={5: 1}), Step(0, regs={5: 0}), "sc.d")),
    ],
    "masked addresses": [
        (Difference("store", "", "", ""), context(Step(0, stores=(Store(1, 1, 0, 2),)),
                                                  Step(0, stores=(Store(1 | 1 << 57, None, 0, 2),)))),
        (Difference("store", "", "", ""), context(Step(0, stores=(Store(1, 1, 0, 2),)),
                                                  Step(0, stores=(Store(1 | 1 << 47, None, 0, 2),)))),
    ],
    "page tables": [
        (Difference("trap", "", "", ""), context(trap(15), NO)),
        (Difference("trap", "", "", ""), context(trap(5), NO)),
    ],
    "triggers": [
        (Difference("trap", "", "", ""), context(NO, trap(2), "csrrs", "tselect")),
        (Difference("trap", "", "", ""), context(NO, trap(2), "csrrs", "mscratch")),
    ],
    "PMP entries": [
        (Difference("trap", "", "", ""), context(NO, trap(2), "csrrs", "pmpaddr16")),
        (Difference("trap", "", "", ""), context(NO, trap(2), "csrrs", "pmpaddr15")),
    ],
    "absent counters": [
        (Difference("trap", "", "", ""), context(NO, trap(2), "csrrs", "mhpmevent31")),
        (Difference("trap", "", "", ""), context(NO, trap(2), "csrrs", "mcounteren")),
    ],
    "vsie": [
        (Difference("reg", 5, 0x202, 0x200), context(IN_VS, NO, "csrrs", "vsie", csrs={"mideleg": 0x600})),
        (Difference("reg", 5, 0x202, 0x200), context(IN_VS, NO, "csrrs", "vsie", csrs={"mideleg": 0x602})),
    ],
    "MPV": [
        (Difference("mode", "", "M", "7"), context(NO, NO)),
        (Difference("mode", "", "M", "VS"), context(NO, NO)),
    ],
    "interrupt order": [
        (Difference("trap", "", "", ""), context(trap(INTERRUPT | 9), trap(INTERRUPT | 5))),
        (Difference("trap", "", "", ""), context(trap(INTERRUPT | 5), trap(INTERRUPT | 9))),
    ],
}


def test_every_recogniser_has_an_example():
    assert {row.name for row in (*QEMU, *SPIKE) if row.applies} <= RECOGNISED.keys()


@pytest.mark.parametrize("name", RECOGNISED)
def test_recognised(name):
    (difference, where), (other, elsewhere) = RECOGNISED[name]
    assert BY_NAME[name].explains(difference, where)
    assert not BY_NAME[name].explains(other, elsewhere)


@pytest.mark.parametrize("row", [row for row in BY_NAME.values() if row.bits], ids=lambda row: row.name)
def test_only_the_bits_named(row: Deviation):
    for name, bits in row.bits.items():
        assert row.explains(Difference("csr", name, bits, 0), context(NO, NO))
        assert row.explains(Difference("reg", 5, 0, bits), context(NO, NO, "csrrs", name))
        assert not row.explains(Difference("csr", name, bits, ~bits & 0xFFFF | bits), context(NO, NO))


def test_bits_of_several():
    rows = [BY_NAME["guest external interrupts"], BY_NAME["LCOFI without Sscofpmf"], BY_NAME["misa.B"]]
    assert responsible(rows, Difference("csr", "mideleg", 0x666, 0x3666), context(NO, NO)) == rows[:2]
    assert responsible(rows, Difference("reg", 5, 0x3666, 0x666), context(NO, NO, "csrrs", "mideleg")) == rows[:2]
    assert responsible(rows, Difference("csr", "mideleg", 0x666, 0x3667), context(NO, NO)) == []
    assert responsible(rows, Difference("store", "memory", "a", "b"), context(NO, NO)) == []


MSTATUS, HSTATUS, HEDELEG, HIDELEG, HVIP, VSIP, MISA = 0x300, 0x600, 0x602, 0x603, 0x645, 0x244, 0x301
VSSTATUS, VSTVEC, VSTIMECMP = 0x200, 0x205, 0x24D
MEPC, MTVEC, MTVAL, MTVAL2, MENVCFG, MIDELEG = 0x341, 0x305, 0x343, 0x34B, 0x30A, 0x303
_NOWHERE = 1 << 50


def write(csr: int, value: int) -> list[Op]:
    return [*load_immediate(5, value), Op("csrrw", rs1=5, csr=csr)]


def read(csr: int) -> Op:
    return Op("csrrs", rd=6, csr=csr)


def enter(label: int, mstatus: int) -> list[Op]:
    """MRET to a block."""
    return [Op("la", rd=7, target=Label(label)), Op("csrrw", rs1=7, csr=MEPC), *write(MSTATUS, mstatus), Op("mret")]


_OPEN = [*write(0x3B0, 0x1FFF_FFFF), *write(0x3A0, 0x1F)]
_VS = 1 << 39 | 1 << 11
#: By deviation, what shows it, in M-mode.  Trap handlers read mstatus, mtval and mtval2 and end the program.
SHOWN = {
    "guest external interrupts": [read(MIDELEG)],
    "hedeleg bits": write(HEDELEG, 1 << 18),
    "access faults in V=1": [*load_immediate(7, _NOWHERE), Op("hlv.d", rd=6, rs1=7)],
    "AMO faults": [*load_immediate(7, _NOWHERE), Op("amoadd.d", rd=6, rs1=7, rs2=5)],
    "zero xtval": [Op("ebreak")],
    "aligned xtval": [*load_immediate(7, _NOWHERE), Op("lwu", rd=6, rs1=7, imm=5)],
    "MPV": [
        Op("la", rd=7, target=Label(1)), Op("csrrw", rs1=7, csr=MEPC),
        *write(MSTATUS, 1 << 39 | 3 << 11), Op("mret"),
    ],
    "vsip": [*write(HIDELEG, 0x444), *write(HVIP, 0x40), read(VSIP)],
    "vsie": [*_OPEN, *write(MIDELEG, 0), *write(HIDELEG, 0x400), *write(0x304, 0x400), *enter(4, _VS)],
    "misa.B": [read(MISA)],
    "mip and hvip": [*write(HVIP, 0x440), *write(0x344, 0)],
    "envcfg": [*write(MENVCFG, 1 << 61), read(MENVCFG)],
    "vector modes": write(VSTVEC, 0x8000_0002),
    "write of nothing": [Op("addi", rd=7), Op("csrrs", rs1=7, csr=0xF12)],
    "triggers": [read(0x7A0)],
    "absent counters": [read(0xB1F)],
    "PMP addresses": [*write(0x3B0, 1 << 40), read(0x3B0)],
    "medeleg bits": write(0x302, 1),
    "LCOFI": [*write(MIDELEG, 1 << 13), *write(HIDELEG, 1 << 13), read(HIDELEG)],
    "CTZW": [*load_immediate(7, 1 << 40), Op("ctzw", rd=6, rs1=7)],
    "guest interrupt files": [*write(HSTATUS, 5 << 12), read(HSTATUS)],
}  # fmt: skip


def store(address: int, value: int) -> list[Op]:
    return [*load_immediate(5, value), *load_immediate(7, address), Op("sd", rs1=7, rs2=5)]


_TABLE, _ABSENT = 0x8010_0000, 0xC000_0000
_G_STAGE = write(0x680, 8 << 60 | _TABLE >> 12)
#: Programs that show others that random programs stay clear of, and the traps of both sides or a register and its
#: values: nothing excuses the difference.
UNEXCUSED = {
    "hvip.VSTIP": ([*write(HVIP, 0x40), *write(VSTIMECMP, _NOWHERE), read(HVIP)], (6, 0x40, 0)),
    "MPRV": ([*_OPEN, *enter(1, 1 << 17)], ("mstatus", 0xA_0000_0080, 0xA_0002_0080)),
    "TVM": (
        [*_OPEN, *enter(3, 1 << 20 | 1 << 11)], (2, None),
    ),
    "MXR": (
        [*_OPEN, *store(_TABLE + 16, 2 << 28 | 0xD9), *_G_STAGE, *write(VSSTATUS, 1 << 19),
         *write(MSTATUS, 1 << 39 | 1 << 17 | 1 << 11), *load_immediate(7, _TABLE), Op("ld", rd=6, rs1=7)],
        (21, None),
    ),
    "root entries": (
        [*_OPEN, *store(_TABLE + 8 * 1026, 2 << 28 | 0xDF), *_G_STAGE,
         *load_immediate(7, 1024 << 30 | _TABLE), Op("hlv.d", rd=6, rs1=7)],
        (None, 21),
    ),
    "absent memory": (
        [*_OPEN, *write(0x180, 8 << 60 | _ABSENT >> 12), *write(MSTATUS, 1 << 17 | 1 << 11),
         *load_immediate(7, _TABLE), Op("ld", rd=6, rs1=7)],
        (5, 13),
    ),
}  # fmt: skip


def run(lockstep, ops):
    last = [*load_immediate(5, 0x10_0000), *load_immediate(6, 0x5555), Op("sw", rs1=5, rs2=6), Op("jal")]
    begin = [Op("la", rd=5, target=Label(2)), Op("csrrw", rs1=5, csr=MTVEC)]
    begin += [*load_immediate(5, 0x200_4000), Op("addi", rd=6, imm=-1), Op("sd", rs1=5, rs2=6)]  # mtimecmp
    blocks = [
        Block(0, [*begin, *ops, Op("jal", target=Label(1))]),
        Block(1, last),
        Block(2, [read(MSTATUS), read(MTVAL), read(MTVAL2), *last]),
        Block(3, [read(0x680), *last]),
        Block(4, [read(0x104), *last]),
    ]
    return lockstep.compare(Image("x", blocks).program(), 10_000)


@pytest.mark.parametrize("name", SHOWN)
def test_shown_by_qemu(qemu, name):
    if qemu.reference.version >= (8,):
        pytest.skip("what QEMU 7.2 does is known")
    result = run(qemu, SHOWN[name])
    assert not result.failed, result.differences
    assert name in result.accounted


def test_lcofi_without_sscofpmf(qemu, small_qemu):
    if qemu.reference.version >= (8,):
        pytest.skip("what QEMU 7.2 does is known")
    result = run(small_qemu, write(MIDELEG, 1 << 13))
    assert not result.failed and "LCOFI without Sscofpmf" in result.accounted
    assert "LCOFI without Sscofpmf" not in [row.name for row in qemu.deviations]


@pytest.mark.parametrize("what", ["instruction", "compressed instruction", "register"])
def test_what_the_reference_lacks_ends_the_comparison(qemu, what):
    if not qemu.reference.missing >= {"zicond", "zcb", "smstateen"}:
        pytest.skip("what QEMU 7.2 lacks is known")
    load, nop = Op(".half", raw=0x8000), Op(".half", raw=1)
    rows = {"instruction": [Op("czero.eqz")], "compressed instruction": [load, nop], "register": [read(0x30C)]}
    result = run(qemu, [Op("la", rd=8, target=Label(0)), *rows[what]])
    assert not result.failed and result.ended_by == "absent extensions"


@pytest.mark.parametrize("name", UNEXCUSED)
def test_left_alone_because_of_qemu(strict_qemu, name):
    if strict_qemu.reference.version >= (8,):
        pytest.skip("what QEMU 7.2 does is known")
    ops, expected = UNEXCUSED[name]
    result = run(strict_qemu, ops)
    first, (core, reference) = result.differences[0], result.pairs[-1]
    shown = (core.trap, reference.trap) if first.kind == "trap" else (first.name, first.core, first.reference)
    assert shown == expected


def test_pmp_in_guests(qemu):
    ops = [*write(0x3B0, 0x2010_0FFF), *write(0x3A0, 0x18), *load_immediate(7, 0x8040_0000), Op("hlv.d", rd=6, rs1=7)]
    result = run(qemu, ops)
    assert not result.failed and result.accounted["access faults in V=1"] == 1


def test_each_row_is_tested():
    shown = {*RECOGNISED, *SHOWN, *UNEXCUSED, "LCOFI without Sscofpmf", "PMP"}
    assert {row.name for row in (*QEMU, *SPIKE) if not row.bits} - shown == {"timers"}  # that is up to the host


@pytest.mark.parametrize("name", SHOWN)
def test_random_programs_are_excused_nothing_that_they_avoid(strict_qemu, name):
    if strict_qemu.reference.version >= (8,):
        pytest.skip("what QEMU 7.2 does is known")
    assert run(strict_qemu, SHOWN[name]).failed == BY_NAME[name].avoided


def test_choices_are_everywhere():
    assert all(choice in rows for choice in CHOICES for rows in (QEMU, SPIKE))
