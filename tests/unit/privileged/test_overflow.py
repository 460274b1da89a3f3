"""Sscofpmf: counting by mode, overflow, its interrupt and who sees it."""

import pytest

from entresol.isa.control import CsrOp
from entresol.isa.csrs import HPM_EVENTS

ONES = (1 << 64) - 1
MSTATUS, MIDELEG, MIE, MIP, MCOUNTEREN, INHIBIT = 0x300, 0x303, 0x304, 0x344, 0x306, 0x320
SIE, SIP, HIDELEG, VSIE, VSIP, HCOUNTEREN = 0x104, 0x144, 0x603, 0x204, 0x244, 0x606
EVENT3, EVENT4, COUNTER3, COUNTER4, SCOUNTOVF = 0x323, 0x324, 0xB03, 0xB04, 0xDA0
CYCLE = HPM_EVENTS.index("cycle")
INSTRET = HPM_EVENTS.index("instret")
OF, MINH, SINH, UINH, VSINH, VUINH = (1 << bit for bit in range(63, 57, -1))
LCOFI = 1 << 13
INHIBITS = {"M": MINH, "HS": SINH, "U": UINH, "VS": VSINH, "VU": VUINH}


@pytest.mark.rule("mhpmevent_inh_op")
def test_modes_are_counted_or_not(bench):
    async def scenario(b):
        for mode, inhibit in INHIBITS.items():
            for bits in (0, inhibit, sum(INHIBITS.values()) - inhibit):
                await b.go("M")
                await b.write(EVENT3, bits | CYCLE)
                await b.go(mode)
                await b.tick(2)
                counting = b.read(COUNTER3)
                await b.tick(5)
                assert b.read(COUNTER3) - counting == (0 if bits & inhibit else 5), (mode, hex(bits))

    bench.run(scenario)


@pytest.mark.rule(
    "mhpmevent_of_op", "hpmcounter_overflow", "count_overflow_interrupt", "count_overflow_trigger",
    "mhpmevent_of_bit_set", "sip_lcofip_op", "mip_lcofip_op", "mip_lcofip_acc",
)
def test_overflow(bench):
    async def scenario(b):
        await b.write(EVENT3, INSTRET)
        await b.write(COUNTER3, ONES - 1)
        b.set(retired=1)
        await b.tick()
        b.set(retired=0)
        await b.tick(2)
        assert b.read(COUNTER3) == ONES and not b.read(MIP) and b.read(EVENT3) == INSTRET
        b.set(retired=1)
        await b.tick()
        b.set(retired=0)
        await b.tick(3)
        assert b.read(COUNTER3) == 0 and b.read(MIP) == LCOFI and b.read(EVENT3) == OF | INSTRET
        # cleared by software; while OF is set there is no other request, and OF stays
        await b.write(MIP, LCOFI, CsrOp.RC)
        assert b.read(MIP) == 0
        await b.write(COUNTER3, ONES)
        b.set(retired=1)
        await b.tick(3)
        b.set(retired=0)
        await b.tick(3)
        assert b.read(COUNTER3) == 2 and b.read(MIP) == 0 and b.read(EVENT3) == OF | INSTRET
        # writes never overflow
        await b.write(EVENT3, INSTRET)
        await b.write(COUNTER3, ONES)
        await b.write(COUNTER3, 0)
        await b.write(EVENT3, OF | INSTRET)
        await b.tick(3)
        assert b.read(MIP) == 0
        # what is inhibited does not overflow
        await b.write(EVENT3, INSTRET | MINH)
        await b.write(COUNTER3, ONES)
        b.set(retired=1)
        await b.tick(3)
        assert b.read(COUNTER3) == ONES and b.read(MIP) == 0

    bench.run(scenario)


@pytest.mark.rule("sip_lcofip_op", "count_overflow_interrupt")
def test_an_overflow_is_not_lost_to_a_write_of_the_same_cycle(bench):
    async def scenario(b):
        for delay in range(4):
            await b.write(EVENT3, INSTRET)
            await b.write(EVENT4, 0)
            await b.write(COUNTER3, ONES)
            b.set(retired=1)
            await b.tick()
            b.set(retired=0)
            await b.tick(delay)
            before = b.read(MIP)
            b.set(csr_addr=MIP, csr_write=1, csr_op=CsrOp.RW, csr_operand=0, csr_commit=1)
            await b.tick()
            b.set(csr_commit=0, csr_write=0)
            await b.tick(3)
            assert b.read(MIP) == (0 if before else LCOFI), delay
            await b.write(MIP, 0)

    bench.run(scenario)


@pytest.mark.rule(
    "scountovf_op", "scountovf_smode_read_access_control", "scountovf_mmode_read_access",
    "scountovf_smode_read_access", "scountovf_vsmode_read_access",
)
def test_who_sees_which_overflow(bench):
    async def scenario(b):
        await b.write(EVENT3, OF)
        await b.write(EVENT4, OF)
        for m, h in ((0, 0), (8, 0), (16, 8), (24, 16), (24, 24), (0, 24)):
            await b.write(MCOUNTEREN, m)
            await b.write(HCOUNTEREN, h)
            for mode, expected in (("M", 24), ("HS", m), ("VS", m & h)):
                await b.go(mode)
                assert b.attempt(SCOUNTOVF) == "ok" and b.read(SCOUNTOVF) == expected, (m, h, mode)
                assert b.attempt(SCOUNTOVF, write=True) == "illegal"
                await b.go("M")
            for mode, refused in (("U", "illegal"), ("VU", "virtual")):
                await b.go(mode)
                assert b.attempt(SCOUNTOVF) == refused
                await b.go("M")
        await b.write(EVENT3, 0)
        assert b.read(SCOUNTOVF) == 16

    bench.run(scenario)


@pytest.mark.rule(
    "mip_lcofip_op", "mie_lcofie_op", "sip_lcofip_Sscofpmf_acc", "sip_lcofip_Sscofpmf_op", "sie_lcofip_Sscofpmf_acc",
    "sie_lcofip_Sscofpmf_op", "vsip_vsie_lcofi", "mideleg_hroz",
)
def test_delegation(bench):
    async def scenario(b):
        assert (await b.write(MIDELEG, ONES)) & LCOFI == 0
        await b.write(MIE, LCOFI)
        await b.write(MIP, LCOFI)
        for mideleg, hideleg in ((0, 1), (1, 0), (1, 1)):
            await b.go("M")
            await b.write(MIDELEG, LCOFI * mideleg)
            await b.write(HIDELEG, LCOFI * hideleg)
            assert b.read(HIDELEG) == LCOFI * (mideleg & hideleg)
            assert b.read(SIP) == b.read(SIE) == LCOFI * mideleg
            assert b.read(VSIP) == b.read(VSIE) == LCOFI * (mideleg & hideleg)
            for mode in ("U", "VU"):
                await b.go(mode)
                if hideleg and mideleg and mode == "U":  # VS-level interrupts are for V=1
                    assert not b.get("interrupt_valid")
                    continue
                assert b.get("interrupt_valid") and b.get("interrupt_cause") == 13
                await b.trap(13, interrupt=1)
                target = "M" if not mideleg else "VS" if hideleg and mode == "VU" else "HS"
                assert b.mode == target
                assert b.read({"M": 0x342, "HS": 0x142, "VS": 0x242}[target]) == 1 << 63 | 13
                await b.go("M")
            for pending, enable in ((SIP, SIE), (VSIP, VSIE)):  # writable exactly where it is seen
                seen = b.read(pending)
                for register, at_machine in ((pending, MIP), (enable, MIE)):
                    await b.write(register, 0)
                    assert b.read(at_machine) == (0 if seen else LCOFI)
                    await b.write(register, LCOFI)
                    assert b.read(at_machine) == LCOFI
        # hidden by mideleg again, what hideleg holds does not matter
        await b.write(MIDELEG, 0)
        await b.write(VSIP, 0)
        assert b.read(MIP) == LCOFI and b.read(VSIP) == 0

    bench.run(scenario)


@pytest.mark.rule("mip_lcofip_rdonly0", "mie_lcofie_rdonly0")
def test_absent(small_bench):
    async def scenario(b):
        for register in (MIP, MIE, MIDELEG, SIP, SIE, HIDELEG, VSIP, VSIE):
            await b.write(register, LCOFI)
            assert not b.read(register) & LCOFI, hex(register)
        assert b.attempt(SCOUNTOVF) == "illegal"

    small_bench.run(scenario)
