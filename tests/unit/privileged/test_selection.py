"""Which mode takes a trap and which interrupt is taken, against models written from the text."""

import random

import pytest
from amaranth.sim import Simulator

from entresol.isa.privilege import Priv
from entresol.privileged.interrupt_select import InterruptSelect
from entresol.privileged.trap_select import TrapSelect

MODES = {"U": (Priv.U, 0), "HS": (Priv.S, 0), "M": (Priv.M, 0), "VU": (Priv.U, 1), "VS": (Priv.S, 1)}
NAMES = {(priv.value, v): name for name, (priv, v) in MODES.items()}
INTERRUPTS = (1, 2, 3, 5, 6, 7, 9, 10, 11, 12, 13)

# in decreasing priority, as the machine, hypervisor and supervisor chapters list them
MEI, MSI, MTI, SEI, SSI, STI, SGEI, VSEI, VSSI, VSTI, LCOFI = 11, 3, 7, 9, 1, 5, 12, 10, 2, 6, 13
ORDER = {
    "M": (MEI, MSI, MTI, SEI, SSI, STI, SGEI, VSEI, VSSI, VSTI, LCOFI),
    "HS": (SEI, SSI, STI, SGEI, VSEI, VSSI, VSTI, LCOFI, MEI, MSI, MTI),
    "VS": (VSEI, VSSI, VSTI, LCOFI),
}


def simulate(dut, scenario):
    async def testbench(ctx):
        scenario(ctx)

    sim = Simulator(dut)
    sim.add_testbench(testbench)
    sim.run()


@pytest.mark.rule(
    "H_trap_deleg", "hedeleg_op", "hideleg_op", "MEDELEG_OP", "MIDELEG_OP", "trap_never_trans_lower", "trap_horiz",
    "trap_def_M_mode", "medeleg_enc", "mideleg_enc",
)
def test_the_target_mode_follows_the_delegation():
    dut = TrapSelect()
    generator = random.Random(2)

    def scenario(ctx):
        for _ in range(3000):
            interrupt = generator.getrandbits(1)
            cause = generator.choice(INTERRUPTS) if interrupt else generator.randrange(24)
            mode = generator.choice(list(MODES))
            registers = {name: generator.getrandbits(width) for name, width in
                         (("medeleg", 24), ("hedeleg", 24), ("mideleg", 14), ("hideleg", 14))}
            priv, v = MODES[mode]
            ctx.set(dut.interrupt, interrupt)
            ctx.set(dut.cause, cause)
            ctx.set(dut.mode, {"priv": priv, "v": v})
            for name, value in registers.items():
                ctx.set(getattr(dut, name), value)
            machine, hypervisor = ("mideleg", "hideleg") if interrupt else ("medeleg", "hedeleg")
            if mode == "M" or not registers[machine] >> cause & 1:
                expected = "M"
            elif mode in ("VS", "VU") and registers[hypervisor] >> cause & 1:
                expected = "VS"
            else:
                expected = "HS"
            target = ctx.get(dut.target)
            assert NAMES[target.priv.value, target.v] == expected, (interrupt, cause, mode, registers)

    simulate(dut, scenario)


def select(pending, enable, mideleg, hideleg, mode, mie, sie, vsie):
    """The interrupt taken, or None."""
    rank = {"U": 0, "VU": 0, "VS": 1, "HS": 2, "M": 3}
    for target, level, enabled in (("M", 3, mie), ("HS", 2, sie), ("VS", 1, vsie)):
        if target == "VS" and mode not in ("VS", "VU"):
            continue  # VS-level interrupts are disabled outside the virtual machine
        if rank[mode] > level or (rank[mode] == level and not enabled):
            continue
        for code in ORDER[target]:
            delegated, further = mideleg >> code & 1, hideleg >> code & 1
            goes_to = "M" if not delegated else "VS" if further else "HS"
            if pending >> code & enable >> code & 1 and goes_to == target:
                return code
    return None


@pytest.mark.rule(
    "intr_mip_mie_op", "intr_M_mode_highest_pri", "intr_M_mode_pri", "hsint_priority", "hideleg_hs",
    "sie_sip_supervisor_strap", "s_interrupt_priority", "sip_priority_bit_order", "sie_priority_bit_order",
    "trap_del_intr_priv_lvl", "mstatus_mie_op", "mstatus_sie_op", "mstatus_xie_intr_en_dis", "sstatus_sie_acc",
    "sstatus_sie_op", "wfi_unaffected_conditions", "intr_mip_mie_bounded_time", "mie_meie_op", "mie_mtie_op",
    "mie_msie_op", "mie_seie_op", "mip_stie_op", "mie_ssie_op", "sie_seie_op", "sie_stie_op", "sie_ssie_op",
    "sie_sip_strap_time_constraint",
)
def test_the_interrupt_taken():
    dut = InterruptSelect()
    generator = random.Random(3)
    outcomes = set()

    def scenario(ctx):
        implemented = sum(1 << code for code in INTERRUPTS)
        for _ in range(6000):
            # few pending interrupts, so that every priority is the highest one at times
            pending = sum(1 << code for code in generator.sample(INTERRUPTS, generator.randrange(5)))
            enable = (generator.getrandbits(14) | generator.getrandbits(14)) & implemented
            mideleg = generator.getrandbits(14) & ~(1 << MEI | 1 << MSI | 1 << MTI) & implemented
            hideleg = generator.getrandbits(14) & mideleg & (1 << VSEI | 1 << VSTI | 1 << VSSI | 1 << LCOFI)
            mode = generator.choice(list(MODES))
            flags = {name: generator.getrandbits(1) for name in ("mie", "sie", "vsie")}
            priv, v = MODES[mode]
            ctx.set(dut.mode, {"priv": priv, "v": v})
            for name, value in (("pending", pending), ("enable", enable), ("mideleg", mideleg), ("hideleg", hideleg),
                                *flags.items()):
                ctx.set(getattr(dut, name), value)
            expected = select(pending, enable, mideleg, hideleg, mode, **flags)
            outcomes.add(expected)
            assert ctx.get(dut.valid) == (expected is not None)
            if expected is not None:
                assert ctx.get(dut.cause) == expected
            assert ctx.get(dut.wake) == bool(pending & enable)

    simulate(dut, scenario)
    assert outcomes == {None, *INTERRUPTS}
