"""Every extension can be left out, and then its instructions, registers and fields are gone, and only those.

What each one brings is listed here by hand, from the manual."""

import itertools
from fnmatch import fnmatchcase

import pytest
from amaranth.hdl import Module
from amaranth.sim import Simulator

from entresol.config import CONFIGS, CoreConfig
from entresol.isa import compressed
from entresol.isa.csrs import Kind, csr_table
from entresol.isa.decoder import Decoder
from entresol.isa.extensions import ALWAYS, EXTENSIONS, closure
from entresol.isa.instructions import INSTRUCTIONS, configured
from entresol.isa.privilege import Priv
from entresol.privileged.csr_access import CsrAccess, CsrDecoder

MAX = CONFIGS["max"]
COUNTERS = [f"hpmcounter{number}" for number in range(3, 32)]
# the registers that Smstateen and Sscofpmf lose with H are H's
H_REGISTERS = """
    hstatus hedeleg hideleg hie hip hvip hgeie hgeip hcounteren henvcfg htimedelta htval htinst hgatp mtval2 mtinst
    vsstatus vsie vsip vstvec vsscratch vsepc vscause vstval vsatp vstimecmp hstateen0 hstateen1 hstateen2 hstateen3
"""
VS_INTERRUPTS = 1 << 2 | 1 << 6 | 1 << 10 | 1 << 12
LCOFI = 1 << 13
ENVCFG = ("menvcfg", "henvcfg", "senvcfg")

#: extension: patterns of instructions, registers, bits of registers that stay
EFFECTS: dict[str, tuple[str, str, dict[str, int]]] = {
    "m": ("mul* div* rem* c.mul", "", {}),
    "a": ("lr.* sc.* amo* wrs.*", "", {}),
    "c": ("c.*", "", {}),
    "h": ("hlv* hsv* hfence.* hinval.*", H_REGISTERS, {
        "mstatus": 1 << 38 | 1 << 39, "medeleg": 1 << 10 | 0xF << 20, "mideleg": VS_INTERRUPTS, "mie": VS_INTERRUPTS,
        "mip": VS_INTERRUPTS, **{f"mhpmevent{number}": 3 << 58 for number in range(3, 32)}}),
    "b": ("", "", {}),
    "zba": ("sh?add* add.uw slli.uw c.zext.w", "", {}),
    "zbb": ("andn orn xnor clz* ctz* cpop* max* min* sext.? rol* ror* orc.b rev8 zext.h c.sext.? c.zext.h", "", {}),
    "zbs": ("bclr* bext* binv* bset*", "", {}),
    "zcb": ("c.lbu c.lhu c.lh c.sb c.sh c.zext.? c.sext.? c.not c.mul", "", {}),
    "zcmop": ("c.mop*", "", {}),
    "zicond": ("czero.*", "", {}),
    "zimop": ("mop.*", "", {}),
    "zawrs": ("wrs.*", "", {}),
    "zicbom": ("cbo.inval cbo.clean cbo.flush", "", dict.fromkeys(ENVCFG, 7 << 4)),
    "zicboz": ("cbo.zero", "", dict.fromkeys(ENVCFG, 1 << 7)),
    "svinval": ("sinval.vma hinval.* sfence.w.inval sfence.inval.ir", "", {}),
    "zicntr": ("", "cycle time instret stimecmp vstimecmp", {"menvcfg": 1 << 63, "henvcfg": 1 << 63}),
    "zihpm": ("", " ".join(["scountovf", *COUNTERS]), {}),
    "sstc": ("", "stimecmp vstimecmp", {"menvcfg": 1 << 63, "henvcfg": 1 << 63}),
    "svadu": ("", "", {"menvcfg": 1 << 61, "henvcfg": 1 << 61}),
    "svpbmt": ("", "", {"menvcfg": 1 << 62, "henvcfg": 1 << 62}),
    "ssnpm": ("", "", {"henvcfg": 3 << 32, "senvcfg": 3 << 32, "hstatus": 3 << 48}),
    "smnpm": ("", "", {"menvcfg": 3 << 32}),
    "smmpm": ("", "mseccfg", {}),
    "smstateen": ("", "mstateen0 mstateen1 mstateen2 mstateen3", {}),
    "ssstateen": ("", " ".join(f"{level}stateen{number}" for level in "mhs" for number in range(4)), {}),
    "sscofpmf": ("", "scountovf", {
        **dict.fromkeys(("mideleg", "hideleg", "mie", "mip", "sie", "sip", "vsie", "vsip"), LCOFI),
        **{f"mhpmevent{number}": 0x3F << 58 for number in range(3, 32)}}),
    "shlcofideleg": ("", "", dict.fromkeys(("hideleg", "vsie", "vsip"), LCOFI)),
    "svnapot": ("", "", {}),
}
EFFECTS["zihpm"][2].update(EFFECTS["sscofpmf"][2])

#: Properties of the hardware, and parts of translation that have no switch of their own: nothing can be left out.
PROPERTIES = """
    zic64b zicbop ziccamoa ziccif zicclsm ziccrse za64rs zihintntl zihintpause zkt svade svbare svvptc ssccptr
    sscounterenw sstvala sstvecd ssu64xl sha shcounterenw shgatpa shtvala shvsatpa shvstvala shvstvecd
"""


def fields(config: CoreConfig) -> dict[str, int]:
    """Register -> bits that are not read-only zero."""
    found = {}
    for csr in csr_table(config).values():
        bits = 0
        for field in csr.fields:
            if csr.name != "misa" and not (field.kind is Kind.CONSTANT and not field.reset):
                bits |= ((1 << field.width) - 1) << field.low
        found[csr.name] = bits
    return found


def names(config: CoreConfig) -> set[str]:
    return ({row.name for row in configured(config.extensions)}
            | {row.name for row in compressed.configured(config.extensions)})


def test_every_extension_is_listed():
    assert MAX.present - set(ALWAYS) <= set(EFFECTS) | set(PROPERTIES.split()) | {"zmmul", "zaamo", "zalrsc", "zca"}
    for row in EXTENSIONS.values():
        if row.implemented:
            assert row.name in MAX.present, f"{row.name} is implemented, so it belongs into the configuration max"


def simulate(component, testbench):
    simulator = Simulator(component)
    simulator.add_testbench(testbench)
    simulator.run()


@pytest.mark.rule("zihpm_op_sz_mode_acc_partition")
@pytest.mark.parametrize("extension", sorted(MAX.extensions - set(ALWAYS)))
def test_what_is_left_out_is_gone(extension):
    config = MAX.without(extension)
    assert not config.has(extension)
    patterns, registers, bits = EFFECTS.get(extension, ("", "", {}))
    gone = names(MAX) - names(config)
    for name in gone:
        assert any(fnmatchcase(name, pattern) for pattern in patterns.split()), name
    for pattern in patterns.split():
        assert any(fnmatchcase(name, pattern) for name in gone), pattern
        assert not any(fnmatchcase(name, pattern) for name in names(config)), pattern
    before, after = fields(MAX), fields(config)
    assert set(before) - set(after) == set(registers.split()) and set(after) <= set(before)
    changed = {name: before[name] ^ after[name] for name in after if before[name] != after[name]}
    expected = {name: value for name, value in bits.items() if value and name in after}
    if extension == "c":  # IALIGN=32: misaligned instruction addresses are possible
        expected = {"medeleg": 1, "hedeleg": 1, "mepc": 2, "sepc": 2, "vsepc": 2}
    assert changed == expected


@pytest.mark.parametrize("extension", sorted(name for name in EFFECTS if EFFECTS[name][1]))
def test_registers_that_are_left_out_are_illegal(extension):
    """In every mode, and not virtual instructions in V=1, whatever enables them."""
    config = MAX.without(extension)
    m = Module()
    m.submodules.decoder = decoder = CsrDecoder(config)
    m.submodules.access = access = CsrAccess(config)
    m.d.comb += access.csr.eq(decoder.permission)

    async def testbench(ctx):
        ctx.set(access.valid, 1)
        for control in access.controls:
            ctx.set(getattr(access, control.replace(".", "_")), control.split(".")[1] not in ("tvm", "vtvm"))
        for name in EFFECTS[extension][1].split():
            ctx.set(decoder.addr, csr_table(MAX)[name].address)
            for priv, v, write in itertools.product((Priv.M, Priv.S, Priv.U), (0, 1), (0, 1)):
                ctx.set(access.mode, {"priv": priv, "v": v and priv is not Priv.M})
                ctx.set(access.write, write)
                assert (ctx.get(access.illegal), ctx.get(access.virtual)) == (1, 0), name

    simulate(m, testbench)


@pytest.mark.rule("menvcfg_cbze_rdonly0", "menvcfg_cbcfe_rdonly0", "menvcfg_cbie_rdonly0", "menvcfg_stce_rdonly0")
def test_the_smallest_core_decodes_only_its_own():
    config = CoreConfig("least", frozenset(ALWAYS), vm_modes=frozenset({"sv39"}))
    decoder = Decoder(config)

    async def testbench(ctx):
        for row in INSTRUCTIONS:
            ctx.set(decoder.insn, row.match)
            there = closure(ALWAYS).issuperset(row.extensions)
            assert ctx.get(decoder.control.illegal) == (not there), row.name

    simulate(decoder, testbench)
    assert not compressed.configured(config.extensions)
    registers = fields(config)
    assert registers["menvcfg"] == registers["senvcfg"] == 1  # FIOM
