"""Interrupt registers: what the pending bits are made of, who sees them where, timers, and what is taken."""

import pytest

from entresol.config import get_config
from entresol.isa.control import CsrOp
from entresol.privileged.csr_access import interrupting

ONES = (1 << 64) - 1
MIE, MIP, MIDELEG, SIE, SIP = 0x304, 0x344, 0x303, 0x104, 0x144
HIE, HIP, HVIP, HIDELEG, VSIE, VSIP = 0x604, 0x644, 0x645, 0x603, 0x204, 0x244
MENVCFG, HENVCFG, STIMECMP, VSTIMECMP, HTIMEDELTA = 0x30A, 0x60A, 0x14D, 0x24D, 0x605
STCE = 1 << 63


@pytest.mark.rule(
    "mip_bits_rdonly_op", "mip_enc", "mie_enc", "mip_meip_op", "mip_meip_rdonly", "mip_mtip_op", "mip_mtip_rdonly",
    "mip_msip_op", "mip_msip_rdonly", "MIP_MSIP_MAYBE_RDONLY0", "mip_sz", "mip_std_enc", "MIP_BITS_WR_OR_RDONLY",
    "MIP_WARL",
)
def test_machine_level_bits_follow_their_lines(bench):
    async def scenario(b):
        for name, bit in (("msi", 3), ("mti", 7), ("mei", 11)):
            b.set(**{name: 1})
            assert b.read(MIP) == 1 << bit
            await b.write(MIP, 0)
            assert b.read(MIP) == 1 << bit
            b.set(**{name: 0})
            await b.write(MIP, 1 << bit)
            assert b.read(MIP) == 0

    bench.run(scenario)


@pytest.mark.rule(
    "intr_sei_op", "mip_seip_rdcsr", "mip_seip_wrcsr", "sip_seip_acc", "sip_seip_op", "mip_seip_op", "mip_seip_acc",
    "mip_bits_wr_op", "mip_acc", "mip_std_enc", "MIP_WARL", "sip_op", "zicsr_side_effects",
)
def test_seip_is_a_written_bit_or_the_line(bench):
    async def scenario(b):
        await b.write(MIDELEG, 1 << 9)
        b.set(sei=1)
        assert b.read(MIP) == b.read(SIP) == 1 << 9
        # CSRRS and CSRRC of something else do not store what came from the line
        assert await b.write(MIP, 1 << 1, CsrOp.RS) == 1 << 9
        assert await b.write(MIP, 1 << 1, CsrOp.RC) == 1 << 9 | 1 << 1
        b.set(sei=0)
        assert b.read(MIP) == 0
        await b.write(MIP, 1 << 9, CsrOp.RS)
        assert b.read(MIP) == b.read(SIP) == 1 << 9
        b.set(sei=1)
        await b.write(MIP, 1 << 9, CsrOp.RC)
        assert b.read(MIP) == 1 << 9
        b.set(sei=0)
        assert b.read(MIP) == 0
        # read-only in sip
        await b.write(SIP, 1 << 9)
        assert b.read(MIP) == 0

    bench.run(scenario)


@pytest.mark.rule(
    "sip_mode", "sip_ssip_acc", "sie_ssie_acc", "mip_ssip_acc", "SIP_WARL", "SIE_WARL", "mip_ssip_op", "mip_acc",
    "sip_ssip_op", "sie_mode", "sip_op", "sie_seie_acc", "sie_stie_acc",
)
def test_sip_and_sie_show_what_is_delegated(bench):
    async def scenario(b):
        await b.write(MIP, 0x2222)
        await b.write(MIE, ONES)
        assert b.read(SIP) == b.read(SIE) == 0
        await b.write(SIP, 0)
        await b.write(SIE, 0)
        assert b.read(MIP) == 0x2222 and b.read(MIE) == 0x3EEE
        for bit in (1, 5, 9, 13):
            await b.write(MIDELEG, 1 << bit)
            assert b.read(SIP) == b.read(SIE) == 1 << bit
            await b.write(SIE, 0)
            assert b.read(MIE) == 0x3EEE & ~(1 << bit)
            await b.write(SIE, ONES)
            assert b.read(MIE) == 0x3EEE
        await b.write(MIDELEG, 0x2222)
        await b.write(SIP, 0)
        assert b.read(MIP) == 0x220
        await b.write(SIP, ONES)
        assert b.read(MIP) == 0x2222

    bench.run(scenario)


@pytest.mark.rule(
    "mip_mie_alias", "hip_vssip_vssie_op", "hip_vseip_vseie_op", "hip_vstip_vstie_acc", "hip_vstip_vstie_op",
    "hvip_op", "sie_hip_hie_mutex", "hie_op", "hip_op",
)
def test_vs_level_bits_in_mip_hip_and_hvip(bench):
    async def scenario(b):
        for bit in (2, 6, 10):
            await b.write(HVIP, 1 << bit)
            assert b.read(MIP) == b.read(HIP) == b.read(HVIP) == 1 << bit
            assert b.read(SIP) == b.read(VSIP) == 0
            await b.write(HIP, 0)
            assert b.read(HVIP) == (0 if bit == 2 else 1 << bit)
            await b.write(MIP, 0)
            assert b.read(HVIP) == (0 if bit == 2 else 1 << bit)
        await b.write(HVIP, 0)
        for address in (MIP, HIP):
            await b.write(address, 0x444)
            assert b.read(HVIP) == 4
            await b.write(address, 4, CsrOp.RC)
            assert b.read(HVIP) == 0
        await b.write(HIE, 0x444)
        assert b.read(MIE) == b.read(HIE) == 0x444 and b.read(SIE) == 0
        await b.write(MIE, 0x1000)
        assert b.read(HIE) == 0x1000

    bench.run(scenario)


@pytest.mark.rule("vsip_vsie_sei", "vsip_vsie_sti", "vsip_vsie_ssi", "hideleg_trans")
def test_vsip_and_vsie_are_shifted_views(bench):
    async def scenario(b):
        await b.write(HVIP, 0x444)
        await b.write(HIE, 0x1444)
        for bit in (2, 6, 10):
            await b.write(HIDELEG, 1 << bit)
            assert b.read(VSIP) == b.read(VSIE) == 1 << bit - 1
            await b.write(VSIE, 0)
            assert b.read(HIE) == 0x1444 & ~(1 << bit)
            await b.write(VSIE, ONES)
            assert b.read(HIE) == 0x1444
            await b.write(VSIP, 0)
            assert b.read(HVIP) == (0x440 if bit == 2 else 0x444)
            await b.write(VSIP, ONES)
            assert b.read(HVIP) == 0x444
        await b.write(HIDELEG, 0)
        await b.write(VSIP, 0)
        await b.write(VSIE, 0)
        assert b.read(HVIP) == 0x444 and b.read(HIE) == 0x1444

    bench.run(scenario)


@pytest.mark.rule(
    "hgeip_acc", "hgeip_op", "hgeip_hgeie_fields", "hgeie_op", "hip_sgeip_sgeie_acc", "hip_sgeip_sgeie_op",
    "hip_vseip_vseie_op", "hstatus_vgein_op",
)
def test_guest_external_interrupts(bench):
    async def scenario(b):
        b.set(sgei=0b101)
        assert b.read(0xE12) == 0b1010
        assert b.read(HIP) == 0
        await b.write(0x607, 1 << 2)
        assert b.read(HIP) == 0
        await b.write(0x607, 1 << 3)
        assert b.read(HIP) == b.read(MIP) == 1 << 12
        await b.write(0x607, 0)
        for vgein, pending in ((0, 0), (1, 1), (2, 0), (3, 1)):
            await b.write(0x600, vgein << 12)
            assert b.read(HIP) == pending << 10
        b.set(sgei=0)
        assert b.read(HIP) == 0

    bench.run(scenario)


@pytest.mark.rule(
    "mip_stip_op", "sip_stip_op", "mip_stip_stimecmp_acc", "mip_stip_stimecmp_op", "mip_stip_stimecmp_clr",
    "mip_stip_no_stimecmp_acc", "menvcfg_stce_op", "sip_stip_acc", "mip_stip_no_stimecmp_op",
    "supervisor_timer_scheduling", "sip_op", "sstc_purpose", "stimecmp_exist", "menvcfg_stce_exist",
)
def test_supervisor_timer(bench):
    async def scenario(b):
        await b.write(MIDELEG, 0x222)
        await b.write(MIP, 1 << 5)
        assert b.read(MIP) == b.read(SIP) == 1 << 5
        await b.write(STIMECMP, 1000)
        await b.write(MENVCFG, STCE)
        for time, pending in ((999, 0), (1000, 1), (1001, 1), (0, 0), (ONES, 1)):
            b.set(time=time)
            await b.tick(2)
            assert b.read(MIP) == b.read(SIP) == pending << 5
        b.set(time=5)
        await b.tick(2)
        await b.write(MIP, ONES)
        assert not b.read(MIP) & 1 << 5
        await b.write(STIMECMP, 5)
        await b.tick(2)
        assert b.read(MIP) & 1 << 5
        await b.write(STIMECMP, 6)
        await b.tick(2)
        assert not b.read(MIP) & 1 << 5
        # with STCE=0 the written bit again, as STIP was read-only meanwhile
        await b.write(MIP, 0)
        await b.write(MENVCFG, 0)
        assert b.read(MIP) & 1 << 5
        await b.write(MIP, 0)
        assert b.read(MIP) == 0

    bench.run(scenario)


@pytest.mark.rule(
    "hip_vstip_op", "hip_vstip_clear", "hip_vstip_vstie_acc", "hip_vstip_vstie_op", "htimedelta_acc", "htimedelta_op",
    "henvcfg_stce", "hip_vstip_enable", "sstc_vs_facility", "vstimecmp_exist", "henvcfg_stce_exist",
)
def test_virtual_timer_and_time(bench):
    async def scenario(b):
        delta = ONES - 99  # -100
        await b.write(HTIMEDELTA, delta)
        await b.write(0x306, 7)
        await b.write(0x606, 7)
        await b.write(VSTIMECMP, 400)
        await b.write(MENVCFG, STCE)
        await b.write(HENVCFG, STCE)
        await b.write(HIDELEG, 0x444)
        for time, pending in ((499, 0), (500, 1), (501, 1), (50, 1), (100, 0)):
            b.set(time=time)
            await b.tick(3)
            assert b.read(HIP) == pending << 6
            assert b.read(VSIP) == pending << 5
            assert b.read(0xC01) == time
        b.set(time=600)
        await b.tick(3)
        assert b.read(HIP) == 1 << 6
        await b.write(HIP, 0)
        assert b.read(HIP) == 1 << 6 and b.read(HVIP) == 0
        await b.write(VSTIMECMP, 501)
        await b.tick(3)
        assert b.read(HIP) == 0
        await b.write(HVIP, 1 << 6)
        assert b.read(HIP) == 1 << 6
        await b.write(HVIP, 0)
        await b.write(VSTIMECMP, 0)
        await b.tick(3)
        for address in (HENVCFG, MENVCFG):
            await b.write(address, 0)
            assert b.read(HIP) == 0
            await b.write(MENVCFG, STCE)
            await b.write(HENVCFG, STCE)
            assert b.read(HIP) == 1 << 6
        # taken like any other interrupt of its kind
        for enable, delegated, mode, vsie, cause in (
            (0x40, 0x40, "VU", 0, 6), (0x40, 0x40, "VS", 1, 6), (0x40, 0x40, "VS", 0, None), (0, 0x40, "VU", 1, None),
            (0x40, 0x40, "HS", 1, None), (0x40, 0, "VS", 0, 6),
        ):
            await b.write(HIE, enable)
            await b.write(HIDELEG, delegated)
            await b.write(0x200, vsie << 1)
            await b.go(mode)
            assert (b.get("interrupt_cause") if b.get("interrupt_valid") else None) == cause
            await b.go("M")
        await b.write(HIE, 0)
        for mode in ("VS", "VU"):
            await b.go(mode)
            assert b.read(0xC01) == 500
        await b.go("U")
        assert b.read(0xC01) == 600

    bench.run(scenario)


@pytest.mark.rule(
    "intr_mip_mie_op", "intr_mip_mie_xret_csrwr", "hideleg_hs", "mstatus_xie_intr_en_dis", "wfi_unaffected_conditions",
    "sie_sip_strap_time_constraint", "sie_seie_op", "zicsr_side_effects_synchronous",
)
def test_what_is_taken_follows_at_once(bench):
    async def scenario(b):
        def taken():
            return b.get("interrupt_cause") if b.get("interrupt_valid") else None

        await b.write(MIDELEG, 0x222)
        await b.write(HIDELEG, 0x444)
        await b.write(HVIP, 1 << 10)
        assert not b.get("wfi_wake")
        await b.write(HIE, 1 << 10)
        await b.tick()  # in which M is empty
        assert b.get("wfi_wake") and taken() is None
        await b.go("HS")
        assert taken() is None and b.get("wfi_wake")
        await b.go("VU")
        assert taken() == 10
        await b.go("VS")
        assert taken() is None
        await b.write(0x100, 2)  # vsstatus.SIE
        assert taken() == 10
        b.set(sei=1)
        assert taken() == 10
        await b.go("M")
        await b.write(MIE, 1 << 9, CsrOp.RS)
        assert taken() is None
        await b.go("VS")
        assert taken() == 9
        b.set(mti=1)
        await b.go("M")
        await b.write(MIE, 1 << 7, CsrOp.RS)
        await b.write(0x300, 8, CsrOp.RC)
        assert taken() is None
        await b.write(0x300, 8, CsrOp.RS)
        assert taken() == 7
        await b.write(0x300, 8, CsrOp.RC)
        await b.go("HS")
        assert taken() == 7
        b.set(mti=0)
        await b.tick()
        assert taken() is None
        await b.write(0x100, 2)
        assert taken() == 9
        b.set(sei=0)
        await b.tick()
        assert taken() is None  # not the VS-level one
        await b.write(HIDELEG, 0)
        await b.tick()
        assert taken() == 10  # now HS-mode's own

    bench.run(scenario)


def test_registers_behind_which_m_stays_empty(everything_config):
    """All through which software changes what is pending, enabled or delegated; xenvcfg.STCE makes the pipeline
    refetch."""
    pending = {"mip", "sip", "hip", "vsip", "hvip", "stimecmp", "vstimecmp", "hgeie", "hstatus"}
    assert interrupting(everything_config) == pending | {"mie", "sie", "hie", "vsie", "mideleg", "hideleg"}
    assert interrupting(get_config("linux")) == interrupting(everything_config) - {"hgeie", "hstatus"}
