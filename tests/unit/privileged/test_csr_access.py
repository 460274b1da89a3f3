"""Who may access which CSR, against a model written from the text (not from the CSR table)."""

import itertools
import random
from pathlib import Path

import pytest
from amaranth.sim import Simulator
from decoded_access import Access

from entresol.isa.privilege import Priv

MODES = {"U": (Priv.U, 0), "HS": (Priv.S, 0), "M": (Priv.M, 0), "VU": (Priv.U, 1), "VS": (Priv.S, 1)}

MACHINE = [
    "mvendorid", "marchid", "mimpid", "mhartid", "mconfigptr", "tselect", "tdata1", "tdata2", "tdata3",
    "mstatus", "misa", "medeleg", "mideleg", "mie", "mip",
    "mtvec", "mcounteren", "mcountinhibit", "mscratch", "mepc", "mcause", "mtval", "menvcfg", "mseccfg", "mtinst",
    "mtval2",
    "pmpcfg0", "pmpcfg2", *(f"pmpaddr{n}" for n in range(16)), "mcycle", "minstret",
    *(f"mhpmcounter{n}" for n in range(3, 32)), *(f"mhpmevent{n}" for n in range(3, 32)),
    *(f"mstateen{n}" for n in range(4)),
]
SUPERVISOR = [
    "sstatus", "sie", "sip", "stvec", "scounteren", "senvcfg", "sscratch", "sepc", "scause", "stval", "satp",
    "stimecmp", "scountovf", *(f"sstateen{n}" for n in range(4)),
]
HYPERVISOR = [
    "hstatus", "hedeleg", "hideleg", "hie", "hip", "hvip", "hgeie", "hgeip", "hcounteren", "henvcfg", "htimedelta",
    "htval", "htinst", "hgatp", *(f"hstateen{n}" for n in range(4)),
    "vsstatus", "vsie", "vsip", "vstvec", "vsscratch", "vsepc", "vscause", "vstval", "vsatp", "vstimecmp",
]
COUNTERS = ["cycle", "time", "instret", *(f"hpmcounter{n}" for n in range(3, 32))]
IMPLEMENTED = MACHINE + SUPERVISOR + HYPERVISOR + COUNTERS
READ_ONLY = {"mvendorid", "marchid", "mimpid", "mhartid", "mconfigptr", "hgeip", "scountovf", *COUNTERS}
ENABLE_BITS = {"cycle": "cy", "time": "tm", "instret": "ir", "hpmcounter3": "hpm3", "hpmcounter4": "hpm4"}


def addresses() -> dict[str, int]:
    """Of the implemented registers; those the manual's table abbreviates follow in order."""
    found = {}
    path = Path(__file__).parent.parent / "isa" / "csr_addresses.txt"
    for line in path.read_text().splitlines():
        name, address, _ = line.split(maxsplit=2)
        if name not in ("#", "..."):
            found[name] = int(address, 16)
    for stem, first, base in (("mhpmcounter", 3, 0xB03), ("mhpmevent", 3, 0x323), ("hpmcounter", 3, 0xC03),
                              ("pmpaddr", 0, 0x3B0)):
        for number in range(first, 32):
            found[f"{stem}{number}"] = base + number - first
    return {name: found[name] for name in IMPLEMENTED}


ADDRESSES = addresses()


class State(dict):
    """Values of the controlling fields; those that no configuration has are 0."""

    def __missing__(self, key):
        return 0


def valid_in_hs(name: str, write: bool, state: State, tvm: int) -> bool:
    if name in MACHINE or (write and name in READ_ONLY):
        return False
    if name in COUNTERS and not state["mcounteren", ENABLE_BITS.get(name)]:
        return False
    if name in ("stimecmp", "vstimecmp") and not (state["mcounteren", "tm"] and state["menvcfg", "stce"]):
        return False
    if name in ("senvcfg", "henvcfg") and not state["mstateen0", "envcfg"]:
        return False
    if name.startswith(("sstateen", "hstateen")) and not state["mstateen" + name[-1], "se"]:
        return False
    return not (name in ("satp", "hgatp") and tvm)


def expected(name: str, write: bool, mode: str, state: State) -> str:
    if mode == "M":
        return "illegal" if write and name in READ_ONLY else "ok"
    if mode == "HS":
        return "ok" if valid_in_hs(name, write, state, state["mstatus", "tvm"]) else "illegal"
    if mode == "U":
        enabled = name in COUNTERS and not write and all(
            state[register, ENABLE_BITS.get(name)] for register in ("mcounteren", "scounteren"))
        return "ok" if enabled else "illegal"
    if not valid_in_hs(name, write, state, 0):
        return "illegal"
    if name in COUNTERS:
        registers = ("hcounteren", "scounteren") if mode == "VU" else ("hcounteren",)
        return "ok" if all(state[register, ENABLE_BITS.get(name)] for register in registers) else "virtual"
    if mode == "VU" or name in HYPERVISOR:
        return "virtual"
    if name == "satp" and state["hstatus", "vtvm"]:
        return "virtual"
    if name == "stimecmp" and not (state["hcounteren", "tm"] and state["henvcfg", "stce"]):
        return "virtual"
    if name == "senvcfg" and not state["hstateen0", "envcfg"]:
        return "virtual"
    if name.startswith("sstateen") and not state["hstateen" + name[-1], "se"]:
        return "virtual"
    return "ok"


def simulate(dut, scenario):
    sim = Simulator(dut)

    async def testbench(ctx):
        scenario(ctx)

    sim.add_testbench(testbench)
    sim.run()


def outcome(ctx, dut, address, write, mode) -> str:
    priv, v = MODES[mode]
    ctx.set(dut.valid, 1)
    ctx.set(dut.addr, address)
    ctx.set(dut.write, write)
    ctx.set(dut.mode, {"priv": priv, "v": v})
    illegal, virtual = ctx.get(dut.illegal), ctx.get(dut.virtual)
    assert not (illegal and virtual)
    return "illegal" if illegal else "virtual" if virtual else "ok"


def set_state(ctx, dut, state):
    for control in dut.controls:
        ctx.set(getattr(dut, control.replace(".", "_")), state[tuple(control.split("."))])


@pytest.mark.rule(
    "H_csrs_hs_not_vs", "H_vscsrs_acc_vs", "H_vscsrs_acc_u", "H_vscsrs_acc_m_hs", "hcounteren_op", "hcounteren_acc",
    "hgatp_tvm_illegal", "mstatus_tvm_hs", "mcounteren_clr_ill_inst_exc", "mcounteren_set_nxt_priv",
    "mcounteren_tm_clr", "mcounteren_tm_set", "scounteren_op", "H_virtinst_vs_nonhighctr_h0_m1",
    "H_virtinst_vu_nonhighctr_h0_s0_m1", "H_virtinst_vu_vs_nonhigh_allowedhs_tvm0",
    "H_virtinst_vu_nonhigh_supervisor_allowedhs_tvm0", "H_cause_virtual_instruction", "Zicsr_rw", "Zicsr_access",
    "Zicsr_higher_priv", "Zicsr_illegal_mode", "Zicsr_illegal_acc", "menvcfg_stce_op", "stateen_illegal_state_access",
    "mstateen0_envcfg_op", "hstateen0_envcfg_op", "mstateen0_se0_op", "hstateen0_se0_op", "mstateen_bit_63_op",
    "hstateen_bit_63_op", "stateen_op", "M_highest_priv_mode", "M_access_all_lower_priv_CSRs", "mcounteren_op",
    "mcounteren_enc", "cycle_rdonly", "instret_rdonly", "hpmcounter_rdonly", "time_rdonly", "pmp_csr_mode",
    "sstatus_mode", "stvec_mode", "sie_mode", "scounteren_mode", "sscratch_mode", "stval_mode", "senvcfg_mode",
    "satp_mode", "Zicsr_write_ro", "always_priv_level", "non_priv_exc", "zihpm_op_sz_mode_acc_priv", "priv_levels",
    "m_level_highest_priv",
)
def test_every_register_in_every_mode(everything_config):
    dut = Access(everything_config)
    generator = random.Random(1)
    keys = [tuple(control.split(".")) for control in dut.controls]
    assert ("mcounteren", "hpm5") not in keys
    states = [State(), State(dict.fromkeys(keys, 1))]
    states += [State({key: generator.getrandbits(1) for key in keys}) for _ in range(6)]
    # each control alone off, and alone on
    states += [State({**dict.fromkeys(keys, on), key: 1 - on}) for key in keys for on in (0, 1)]

    def scenario(ctx):
        for number, state in enumerate(states):
            set_state(ctx, dut, state)
            # the single changes can only concern registers with conditions of their own
            names = IMPLEMENTED if number < 8 else [
                *COUNTERS[:6], "satp", "hgatp", "vsatp", "stimecmp", "vstimecmp", "senvcfg", "henvcfg",
                *(f"{level}stateen{n}" for level in "msh" for n in range(4))]
            for name, write, mode in itertools.product(names, (False, True), MODES):
                got = outcome(ctx, dut, ADDRESSES[name], write, mode)
                assert got == expected(name, write, mode, state), (name, write, mode, state)

    simulate(dut, scenario)


@pytest.mark.rule(
    "hstatus_vtvm_op", "H_virtinst_vs_sfence_sinval_satp_vtvm1", "MSTATUS_TVM_WARL", "mstatus_tvm_op",
    "mstatus_modes",
)
def test_satp_in_virtual_machines(everything_config):
    dut = Access(everything_config)

    def scenario(ctx):
        for tvm, vtvm in itertools.product((0, 1), repeat=2):
            set_state(ctx, dut, State({("mstatus", "tvm"): tvm, ("hstatus", "vtvm"): vtvm}))
            assert outcome(ctx, dut, 0x180, 0, "VS") == ("virtual" if vtvm else "ok")
            assert outcome(ctx, dut, 0x180, 0, "HS") == ("illegal" if tvm else "ok")
            assert outcome(ctx, dut, 0x680, 0, "HS") == ("illegal" if tvm else "ok")
            assert outcome(ctx, dut, 0x280, 0, "HS") == "ok"

    simulate(dut, scenario)


@pytest.mark.rule(
    "pmp_cfg_rv64_illegal", "menvcfgh_acc", "H_illegal_high_half", "Zicsr_debug_illegal", "MEDELEGH_OMIT_XLEN64",
    "ssstrict_unimplemented_opcodes_csr_exception", "zihpm_op_sz_mode_acc_count", "hpmcounter_op_sz_mode",
    "ssstrict_no_nonconforming_extensions",
)
def test_exactly_the_implemented_registers_exist(everything_config):
    dut = Access(everything_config)

    def scenario(ctx):
        exist = {address for address in range(4096) if outcome(ctx, dut, address, 0, "M") == "ok"}
        assert exist == set(ADDRESSES.values())
        absent = [0x3A1, 0x31A, 0x7A4, 0x7B0, 0xC80, 0x615, 0x61A, 0x35C, 0x757]
        for address, mode in itertools.product(absent, MODES):
            assert outcome(ctx, dut, address, 0, mode) == "illegal"

    simulate(dut, scenario)


def test_without_h_nothing_is_a_virtual_instruction(bare_config):
    dut = Access(bare_config)

    def scenario(ctx):
        set_state(ctx, dut, State({("mcounteren", "cy"): 1}))
        for name, mode in itertools.product(("hstatus", "vsstatus", "mtval2"), ("M", "HS", "U")):
            assert outcome(ctx, dut, ADDRESSES[name], 0, mode) == "illegal"
        assert outcome(ctx, dut, 0xC00, 0, "HS") == "ok"
        assert outcome(ctx, dut, 0xC00, 0, "U") == "illegal"

    simulate(dut, scenario)
