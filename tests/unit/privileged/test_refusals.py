"""All that can be refused, in every mode, under random settings of the registers that control it: CSR accesses, system
instructions, HLV and HSV, cache-block operations.  The registers are written as software would, so that this tests the
way from their bits to the decision too."""

import random

import pytest
import test_block_control as blocks
import test_csr_access as csrs
import test_legality as legality

from entresol.isa.control import LsuOp, SysOp

#: Where the controls are: register and lowest bit, from the manual's register layouts.
COUNTERS = ("cy", "tm", "ir", "hpm3", "hpm4")
CONTROLS = {
    **{("mstatus", name): (0x300, bit) for name, bit in (("tvm", 20), ("tw", 21), ("tsr", 22))},
    **{("hstatus", name): (0x600, bit) for name, bit in (("hu", 9), ("vtvm", 20), ("vtw", 21), ("vtsr", 22))},
    **{(register, name): (address, bit) for bit, name in enumerate(COUNTERS)
       for register, address in (("mcounteren", 0x306), ("hcounteren", 0x606), ("scounteren", 0x106))},
    ("menvcfg", "stce"): (0x30A, 63), ("henvcfg", "stce"): (0x60A, 63),
    ("mstateen0", "envcfg"): (0x30C, 62), ("hstateen0", "envcfg"): (0x60C, 62),
    **{(f"{level}stateen{number}", "se"): (address + number, 63) for number in range(4)
       for level, address in (("m", 0x30C), ("h", 0x60C))},
}  # fmt: skip
#: What is read-only zero while another bit is zero is written while that is one.
OPENERS = {0x30A: 1 << 63, **{0x30C + number: 3 << 62 for number in range(4)}}
ENVIRONMENTS = (0x30A, 0x60A, 0x10A)
MODES = {"U": "U", "HS": "S", "M": "M", "VU": "VU", "VS": "VS"}  # as test_block_control names them

SETTINGS = 6


def settings(number):
    """Values of the controls, and CBIE, CBCFE, CBZE of the three xenvcfg: all off, all on, then random."""
    generator = random.Random(f"refusals {number}")
    bits = {key: number if number < 2 else generator.getrandbits(1) for key in CONTROLS}
    if number % 4 == 2:  # what concerns virtual machines only shows when M-mode permits
        bits |= {key: 1 for key in CONTROLS if key[0].startswith("m") and key[0] != "mstatus"}
    fields = [(3 * number, number, number) if number < 2 else
              (generator.choice((0, 1, 3)), generator.getrandbits(1), generator.getrandbits(1)) for _ in ENVIRONMENTS]
    return csrs.State(bits), fields


async def establish(b, state, environments):
    """Write all of it in M-mode."""
    for address, ones in OPENERS.items():
        await b.write(address, ones)
    registers = {}
    for key, (address, bit) in CONTROLS.items():
        registers[address] = registers.get(address, 0) | state[key] << bit
    for address, (cbie, cbcfe, cbze) in zip(ENVIRONMENTS, environments, strict=True):
        registers[address] = registers.get(address, 0) | cbie << 4 | cbcfe << 6 | cbze << 7
    for address in sorted(registers, key=lambda address: address in OPENERS):
        await b.write(address, registers[address])


@pytest.mark.parametrize("number", range(SETTINGS))
@pytest.mark.rule(
    "H_cause_virtual_instruction", "H_virtinst_vu_vs_hinst", "H_virtinst_vu_wfi_tw0", "H_virtinst_vu_sret_sfence",
    "H_virtinst_wfi_vtw1_tw0", "H_virtinst_vs_sret_vtsr1", "H_virtinst_vs_sfence_sinval_satp_vtvm1",
    "H_virtinst_vs_nonhighctr_h0_m1", "H_virtinst_vu_nonhighctr_h0_s0_m1", "H_virtinst_vu_vs_nonhigh_allowedhs_tvm0",
    "H_virtinst_vu_nonhigh_supervisor_allowedhs_tvm0", "stateen_illegal_state_access", "stateen_op", "hcounteren_op",
    "hgatp_tvm_illegal", "henvcfg_cbze", "henvcfg_cbcfe", "henvcfg_cbie",
)  # fmt: skip
def test_everything(bench, number):
    state, environments = settings(number)
    generator = random.Random(number)
    names = [name for name in csrs.IMPLEMENTED if not name.startswith(("pmp", "mhpm", "hpmcounter"))]
    names += ["pmpcfg0", "pmpaddr15", "mhpmcounter3", "mhpmevent31", "hpmcounter3", "hpmcounter4", "hpmcounter31"]
    absent = generator.sample(sorted(set(range(4096)) - set(csrs.ADDRESSES.values())), 20)
    flags = {name: state[register, name] for register, name in CONTROLS if name in legality.FLAGS}
    cbie, cbcfe, cbze = zip(*environments, strict=True)
    enabled = {LsuOp.CBO_INVAL: cbie, LsuOp.CBO_CLEAN: cbcfe, LsuOp.CBO_FLUSH: cbcfe, LsuOp.CBO_ZERO: cbze}

    def outcome(b, kind):
        illegal, virtual = b.get(f"{kind}_illegal"), b.get(f"{kind}_virtual")
        assert not (illegal and virtual)
        return "illegal" if illegal else "virtual" if virtual else "ok"

    async def scenario(b):
        await establish(b, state, environments)
        for mode in legality.MODES:
            await b.go(mode)
            for name in names:
                for write in (False, True):
                    expected = csrs.expected(name, write, mode, state)
                    assert b.attempt(csrs.ADDRESSES[name], write) == expected, (name, write, mode, state)
            for address in absent:
                assert b.attempt(address) == "illegal", (hex(address), mode)
            for op in SysOp:
                b.set(sys_op=op)
                assert outcome(b, "sys") == legality.expected(op.name, mode, flags), (op, mode, flags)
            assert outcome(b, "hlsv") == {"M": "ok", "HS": "ok", "U": "ok" if flags["hu"] else "illegal",
                                          "VS": "virtual", "VU": "virtual"}[mode]
            for op in LsuOp:
                b.set(block_op=op)
                expected = blocks.refusal(MODES[mode], enabled[op]) if op in enabled else "ok"
                assert outcome(b, "block") == expected, (op, mode, environments)
            await b.go("M")

    bench.run(scenario)
