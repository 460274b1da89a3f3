"""What each register holds after writes of ones and zeros, and how fields alias each other.  Masks are from the
text's register layouts."""

from dataclasses import replace

import pytest

from entresol.config import CONFIGS
from entresol.isa.control import CsrOp, SysOp
from entresol.isa.csrs import HPM_EVENTS, csr_table

from .conftest import Bench

ONES = (1 << 64) - 1
STATUS = 1 << 1 | 1 << 5 | 1 << 8 | 1 << 18 | 1 << 19  # SIE SPIE SPP SUM MXR
EXTENSIONS = 1 << 63 | 3 << 13 | 3 << 9  # SD FS VS
LCOFI = 1 << 13
XL64 = 2 << 32  # UXL or VSXL
TVEC = ONES - 2
CAUSE = 1 << 63 | 0x3F
PMM = 3 << 32
ENVCFG = 7 << 61 | PMM | 0xF1  # STCE PBMTE ADUE CBZE CBCFE CBIE FIOM

# address: (after writing ones, after writing zeros), with every other register full of ones
VALUES = {
    0x300: (0xC0_007E_19AA | EXTENSIONS | XL64 | 2 << 34, XL64 | 2 << 34),  # mstatus
    0x301: (2 << 62 | 0x14_1185, 2 << 62 | 0x14_1185),  # misa: A C H I M S U
    0x302: (0xF0_B7FE, 0),  # medeleg: all that can happen below M-mode
    0x303: (0x1666 | LCOFI, 0x1444),  # mideleg: VS-level and guest external interrupts always delegated
    0x304: (0x1EEE | LCOFI, 0),  # mie
    0x305: (TVEC, 0),
    0x306: (0x1F, 0),  # mcounteren: CY TM IR HPM3 HPM4
    0x320: (0x1D, 0),  # mcountinhibit
    0x340: (ONES, 0),
    0x341: (ONES - 1, 0),  # mepc
    0x342: (CAUSE, 0),
    0x343: (ONES, 0),
    0x30A: (ENVCFG, 0),  # menvcfg
    0x747: (PMM, 0),  # mseccfg
    0x34A: (0xFFFF_FFFF, 0),  # mtinst
    0x34B: (ONES >> 2, 0),  # mtval2
    0x30C: (3 << 62, 0), 0x30D: (1 << 63, 0), 0x30E: (1 << 63, 0), 0x30F: (1 << 63, 0),  # mstateen
    0x323: (0x3F << 58, 0), 0x324: (0x3F << 58, 0),  # mhpmevent3 and 4: no such event
    **{0x320 + number: (0, 0) for number in range(5, 32)},
    **{0xB00 + number: (0, 0) for number in range(5, 32)},
    0xB00: (ONES, 0), 0xB02: (ONES, 0), 0xB03: (ONES, 0), 0xB04: (ONES, 0),  # counters, inhibited
    **{0x3B0 + number: ((1 << 31) - 1, 0) for number in range(16)},  # pmpaddr: bits 32:2 of 33
    0x100: (STATUS | EXTENSIONS | XL64, XL64),
    0x104: (0x222 | LCOFI, 0),
    0x144: (0x222 | LCOFI, 0x220),  # sip: only SSIP and LCOFIP can be written
    0x105: (TVEC, 0),
    0x106: (0x1F, 0),
    0x10A: (PMM | 0xF1, 0),
    0x140: (ONES, 0),
    0x141: (ONES - 1, 0),
    0x142: (CAUSE, 0),
    0x143: (ONES, 0),
    0x14D: (ONES, 0),  # stimecmp
    0x10C: (0, 0), 0x10D: (0, 0), 0x10E: (0, 0), 0x10F: (0, 0),  # sstateen
    0x600: (0x0070_33C0 | 3 << 48 | XL64, XL64),  # hstatus, GEILEN = 3
    0x602: (0xC_B1FE, 0),  # hedeleg: the table's writable bits
    0x603: (0x444 | LCOFI, 0),  # hideleg
    0x604: (0x1444, 0),  # hie
    0x644: (0x444, 0x440),  # hip: only VSSIP can be written
    0x645: (0x444, 0),  # hvip
    0x607: (0xE, 0),  # hgeie
    0x606: (0x1F, 0),
    0x60A: (ENVCFG, 0),
    0x605: (ONES, 0),
    0x643: (ONES >> 2, 0),
    0x64A: (0xFFFF_FFFF, 0),
    0x60C: (3 << 62, 0), 0x60D: (1 << 63, 0), 0x60E: (1 << 63, 0), 0x60F: (1 << 63, 0),  # hstateen
    0x680: ((1 << 58) - 4, 0),  # hgatp: mode 15 not taken, root table aligned to 16 KiB
    0x200: (STATUS | EXTENSIONS | XL64, XL64),
    0x204: (0x222 | LCOFI, 0),
    0x244: (0x222 | LCOFI, 0x220),
    0x205: (TVEC, 0),
    0x240: (ONES, 0),
    0x241: (ONES - 1, 0),
    0x242: (CAUSE, 0),
    0x243: (ONES, 0),
    0x24D: (ONES, 0),
    0x180: (0, 0), 0x280: (0, 0),  # satp and vsatp: a write of mode 15 does nothing
}
# what is read-only, or tested apart because writes have consequences or depend on others
VALUES |= dict.fromkeys(range(0x7A0, 0x7A4), (0, 0))  # triggers, of which there are none
READ_ONLY = {0xF11: 0, 0xF12: 0, 0xF13: 0, 0xF14: 0, 0xF15: 0, 0xE12: 0, 0xDA0: 0}
APART = {0x344, 0x3A0, 0x3A2, *range(0xC00, 0xC20)}


async def fill(b):
    """Ones everywhere that lets fields of others appear; counters stand still."""
    for address in (0x320, 0x303, 0x603, 0x30A, 0x30C, 0x30D, 0x30E, 0x30F):
        await b.write(address, ONES)
    b.set(sei=1)
    await b.write(0x344, ONES)  # SSIP
    await b.write(0x645, ONES)


def test_the_list_is_complete(everything_config):
    from entresol.isa.csrs import csr_table

    addresses = {csr.address for csr in csr_table(everything_config).values()}
    assert addresses == set(VALUES) | set(READ_ONLY) | APART


@pytest.mark.rule(
    "mideleg_acc_h", "hedeleg_acc", "hideleg_acc", "hvip_acc", "HGATP_MODE_WARL", "HGATP_VMID", "hgatp_vmid_lsbs",
    "hgatp_ppn_op", "satp_mode_op_unsupported", "vsatp_mode_unsupported_v0", "GEILEN", "hgeie_acc", "hgeie_op",
    "hip_hie_acc", "hie_acc", "hip_acc", "mip_mie_vs", "medeleg_when_rd0", "medeleg_no_rd1", "medeleg_16_no_rd0",
    "mideleg_no_rd1", "mtvec_base_align_4B", "mepc_align", "sepc_acc", "sepc_op", "sepc_mode", "VSEPC_WARL",
    "mcounteren_flds_mandatory", "MCOUNTEREN_FLDS_WARL", "scounteren_acc", "HCOUNTEREN_WARL", "hstatus_vsxl_64",
    "hstatus_vgein_op", "mstatus_sxl_acc_mxlen64", "mstatus_uxl_acc_mxlen64", "stateen_reserved_roz", "Zicsr_wpri_roz",
    "ZICSR_WARL", "htval_val", "mtval2_val", "sip_acc", "sie_acc", "sip_seip_acc", "sip_seip_op", "ASIDLEN",
    "scause_exception_code_sz", "VSCAUSE_WLRL", "VSTVAL_WARL", "hip_vssip_vssie_op", "MHPMCOUNTER_N_RDONLY0",
    "MHPMEVENT_N_RDONLY0", "H_mtval_nrz", "misa_h_op", "HSXLEN", "VSXLEN", "hstatus_sz", "hstatus_acc",
    "hstatus_vsxl_op", "HSTATUS_VSXL_64_WARL", "VSXL_RO", "HSTATUS_VGEIN_WLRL", "hstatus_vsbe_op", "HSTATUS_VSBE_WARL",
    "hedeleg_sz", "HEDELEG_WARL", "hideleg_sz", "HIDELEG_WARL", "hvip_sz", "HVIP_WARL", "hip_hie_sz", "HIP_WARL",
    "HIE_WARL", "hgeip_sz", "hgeie_sz", "HGEIE_WARL", "henvcfg_sz", "henvcfg_acc", "hcounteren_sz", "htimedelta_sz",
    "htval_sz", "htval_acc", "HTVAL_WARL", "htinst_sz", "htinst_acc", "htinst_val", "HTINST_WARL", "hgatp_sz",
    "hgatp_acc", "vsstatus_sz", "vsstatus_uxl_op", "VSSTATUS_UXL_WARL", "vsstatus_sd_xs_op", "VSSTATUS_UBE",
    "vsip_vsie_sz", "VSIP_WARL", "VSIE_WARL", "vsip_vsie_lcofi", "vstvec_sz", "VSTVEC_MODE_WARL", "VSTVEC_BASE_WARL",
    "vsscratch_sz", "vspec_sz", "vscause_sz", "vstval_sz", "mtval2_sz", "mtval2_acc", "MTVAL2_WARL", "mtinst_sz",
    "mtinst_acc", "mtinst_val", "MTINST_WARL", "vstimecmp_sz", "vstimecmp_acc", "misa_acc", "MISA_WARL",
    "misa_always_rd", "MISA_CSR_IMPLEMENTED", "misa_enc", "misa_mxl_op", "MXLEN", "misa_mxl_acc", "misa_sz",
    "MISA_EXTENSIONS_WARL", "MISA_EXTENSIONS_WRITABLE_BITS", "misa_extensions_rsv_ret_0", "misa_e_not_i", "misa_e_acc",
    "mvendorid_sz", "mvendorid_acc", "mvendorid_op", "VENDOR_ID_BANK", "VENDOR_ID_OFFSET", "mvendorid_always_rd",
    "mvendorid_enc", "marchid_sz", "marchid_acc", "marchid_op", "ARCH_ID", "marchid_always_rd", "mimpid_op", "IMP_ID",
    "mimpid_always_rd", "mhartid_sz", "mhartid_acc", "mhartid_op", "HART_ID", "mhartid_always_rd",
    "mhartid_one_is_zero", "mstatus_sz", "mstatus_acc", "mstatus_spp_sz", "MSTATUS_SXL_WARL", "MSTATUS_UXL_WARL",
    "mstatus_sxl_op", "mstatus_uxl_op", "mstatus_sxl_enc", "mstatus_uxl_enc", "MSTATUS_SXL_RDONLY_MXLEN64",
    "mstatus_uxl_rdonly_mxlen64", "MSTATUS_UXL_LEGAL_VALS_SMODE", "MSTATUS_MBE_WARL", "MSTATUS_SBE_WARL",
    "MSTATUS_UBE_WARL", "mstatus_mbe_op", "mstatus_sbe_op", "MSTATUS_SBE_ROCOPY", "mstatus_ube_op",
    "MSTATUS_UBE_ROCOPY", "MSTATUS_TW_WARL", "mstatus_tw_acc", "MSTATUS_TSR_WARL", "MSTATUS_TSR_ACC", "SXLEN", "UXLEN",
    "mtvec_enc", "mtvec_sz", "mtvec_acc", "MTVEC_WARL", "mtvec_mandatory", "MTVEC_RDONLY", "MTVEC_BASE_ALIGN_FUNC_MODE",
    "medeleg_sz", "medeleg_acc", "mideleg_sz", "mideleg_acc", "medeleg_mandatory_S_mode", "mideleg_mandatory_S_mode",
    "MEDELEG_WARL", "MIDELEG_WARL", "MIDELEG_RD1_LOWER_LEVEL", "mie_sz", "mie_acc", "MIE_WARL", "mie_bits_wr",
    "mie_bits_rdonly0", "mie_std_enc", "MIE_MSIE_MAYBE_RDONLY0", "mcycle_sz", "mcycle_rst", "minstret_sz",
    "minstret_rst", "mhpmcounter_num", "MHPMCOUNTER_WARL", "mhpmcounter_mandatory", "mcounteren_sz", "mcounteren_enc",
    "MCOUNTEREN_CY_RDONLY0", "MCOUNTEREN_TM_RDONLY0", "MCOUNTEREN_IR_RDONLY0", "MCOUNTEREN_HPM_N_RDONLY0",
    "mcountinhibit_enc", "mcountinhibit_sz", "MCOUNTINHIBIT_WARL", "mscratch_sz", "mscratch_acc", "mscratch_enc",
    "mepc_sz", "mepc_acc", "MEPC_WARL", "MEPC_INV_ADDR_CONV", "mepc_enc", "mcause_sz", "mcause_acc", "mcause_enc",
    "MCAUSE_EXCCODE_WLRL", "mtval_sz", "mtval_acc", "mtval_enc", "mtval_vaddr_and_0_sz", "mtval_instr_bits_sz",
    "MTVAL_RDONLY0", "MTVAL_WARL", "MTVAL_INV_ADDR_CONV", "mconfigptr_sz", "mconfigptr_acc", "mconfigptr_enc",
    "mconfigptr_op", "mconfigptr_align", "mconfigptr_mandatory", "MCONFIGPTR_VAL", "menvcfg_sz", "menvcfg_acc",
    "menvcfg_enc", "sstatus_sz", "sstatus_spp_sz", "sstatus_sie_sz", "sstatus_spie_sz", "sstatus_uxl_acc",
    "sstatus_uxl_op", "sstatus_uxl_sz", "SSTATUS_UXL_WARL", "sstatus_mxr_sz", "sstatus_mxr_acc", "sstatus_sum_sz",
    "sstatus_sum_acc", "SSTATUS_UBE_WARL", "sstatus_ube_sz", "sstatus_ube_acc", "sstatus_ube_op", "stvec_sz",
    "stvec_acc", "STVEC_MODE_WARL", "STVEC_BASE_WARL", "sip_sz", "sie_sz", "sip_sie_bits_sz", "sie_seie_acc",
    "sie_stie_acc", "SEI_INTR_IMPL", "STI_INTR_IMPL", "SSI_INTR_IMPL", "scounteren_sz", "SCOUNTEREN_WARL",
    "sscratch_sz", "sscratch_acc", "sepc_sz", "sepc_acc_invalid_addr", "SEPC_ACC_INVALID_WARL", "scause_sz",
    "scause_acc", "scause_interrupt_sz", "SCAUSE_EXCEPTION_CODE_ACC", "stval_sz", "stval_acc", "STVAL_WARL",
    "senvcfg_sz", "senvcfg_acc", "senvcfg_fiom_sz", "stimecmp_stimecmph_sz_acc", "Zicsr_write_ro", "Zicsr_wlrl",
    "ZICSR_WLRL_EXCEPTION", "ssu64xl_uxl_sstatus", "sstvecd_stvec_mode_direct", "sstvecd_stvec_base_aligned_address",
    "shvstvecd_vstvec_mode_direct", "shvstvecd_vstvec_base_aligned_address", "shcounterenw_hpmcounter_hcounteren",
    "sscounterenw_hpmcounter_scounteren", "shgatpa_hgatp_bare_mode", "LCOFI_INTR_IMPL", "sstateen_ro1_bits",
    "hstateen_ro1_bits", "mstateen_bit_63_roz",
)
def test_ones_and_zeros(bench):
    async def scenario(b):
        await fill(b)
        for address, (ones, zeros) in VALUES.items():
            before = b.read(address)
            await b.write(address, ONES)
            assert b.read(address) == ones, hex(address)
            await b.write(address, 0)
            assert b.read(address) == zeros, hex(address)
            if address in (0x144, 0x244, 0x644):
                await fill(b)
            await b.write(address, before)
        for address, value in READ_ONLY.items():
            assert b.read(address) == value
            assert b.attempt(address, write=True) == "illegal"

    bench.run(scenario)


@pytest.mark.rule(
    "H_vscsrs_sub", "H_vscsrs_v1", "H_scsrs_nomatch", "vsatp_mode_unsupported_v1", "vsstatus_acc", "vsstatus_op",
    "vsip_vsie_acc", "vsip_vsie_op", "vstvec_acc", "vstvec_op", "vsscratch_acc", "vsscratch_op", "vspec_acc",
    "vspec_op", "vscause_acc", "vscause_op", "vstval_acc", "vstval_op", "vsatp_acc", "vsatp_op",
)
def test_supervisor_registers_are_replaced_in_virtual_machines(bench):
    pairs = {0x14D: 0x24D, 0x100: 0x200, 0x104: 0x204, 0x105: 0x205, 0x140: 0x240, 0x141: 0x241, 0x142: 0x242,
             0x143: 0x243, 0x144: 0x244, 0x180: 0x280}

    async def scenario(b):
        await fill(b)
        await b.write(0x606, 0x1F)
        await b.write(0x306, 0x1F)
        await b.write(0x60A, ONES)
        await b.write(0x30C, ONES)
        await b.write(0x60C, ONES)
        hs = {}
        for number, address in enumerate(pairs):
            await b.write(address, 8 << 60 | 0x1000 + 16 * number)
            hs[address] = b.read(address)
        await b.write(0x106, 0)
        await b.go("VS")
        vs = {}
        for number, address in enumerate(pairs):
            await b.write(address, 9 << 60 | 0x2_0122 + 16 * number)
            vs[address] = b.read(address)
        assert vs[0x180] == 9 << 60 | 0x2_0122 + 16 * 9
        await b.write(0x180, 10 << 60 | 5)  # Sv57, which this configuration does not have
        assert b.read(0x180) == vs[0x180]
        await b.write(0x106, 0x15)  # not replaced
        await b.go("M")
        for address, replacement in pairs.items():
            assert b.read(replacement) == vs[address], hex(address)
            assert b.read(address) == hs[address], hex(address)
        assert b.read(0x106) == 0x15

    bench.run(scenario)


@pytest.mark.rule(
    "satp_mode_op_unsupported", "HGATP_MODE_WARL", "vsatp_mode_unsupported_v0", "hgatp_sz", "hgatp_mode_sv", "vsatp_sz",
    "vsatp_ppn_sv39_sv48_sv57_sz", "VSATP_MODE_UNSUPPORTED_V0_WARL", "satp_sz", "satp_acc", "satp_mode_sz",
    "satp_mode_acc", "satp_mode_op", "satp_mode_sxlen64", "satp_ppn_sv39_sz", "satp_ppn_sv48_sz",
    "svbare_satp_mode_bare", "shgatpa_satp_hgatp_mode_support", "shvsatpa_satp_vsatp_modes",
)
def test_modes_of_translation(bench):
    async def scenario(b):
        for address in (0x180, 0x280):
            full = 8 << 60 | (1 << 60) - 1
            await b.write(address, full)
            assert b.read(address) == full
            await b.write(address, 9 << 60 | 1)
            assert b.read(address) == 9 << 60 | 1
            for mode in (1, 2, 7, 10, 11, 15):
                await b.write(address, mode << 60 | 0x123)
                assert b.read(address) == 9 << 60 | 1
            await b.write(address, 0)
            assert b.read(address) == 0
        await b.write(0x680, 8 << 60 | 0x1004)
        for mode in (10, 11, 1):  # the other fields are written
            await b.write(0x680, mode << 60 | mode << 44 | 0x2007)
            assert b.read(0x680) == 8 << 60 | mode << 44 | 0x2004
        await b.write(0x680, 9 << 60)
        assert b.read(0x680) == 9 << 60
        assert b.get("mmu").hgatp.mode == 9

    bench.run(scenario)


def test_read_modify_write(bench):
    async def scenario(b):
        assert await b.write(0x340, 0xF0F0) == 0
        assert await b.write(0x340, 0x0FF0, CsrOp.RS) == 0xF0F0
        assert await b.write(0x340, 0x00F0, CsrOp.RC) == 0xFFF0
        assert b.read(0x340) == 0xFF00
        b.set(csr_addr=0x340, csr_write=0, csr_op=CsrOp.RW, csr_operand=5, csr_commit=1)
        await b.tick()
        b.set(csr_commit=0, csr_write=1, csr_operand=6)
        await b.tick()
        assert b.read(0x340) == 0xFF00

    bench.run(scenario)


@pytest.mark.rule(
    "MSTATUS_XPP_WARL", "mstatus_mpp_sz", "MENVCFG_CBIE_WARL", "menvcfg_cbie_op", "HENVCFG_CBIE_WARL",
    "SENVCFG_CBIE_WARL",
)
def test_reserved_values(bench):
    async def scenario(b):
        for written, read in ((0, 0), (1, 1), (3, 3), (2, 0)):
            await b.write(0x300, written << 11)
            assert b.read(0x300) >> 11 & 3 == read
        for address in (0x30A, 0x60A, 0x10A):
            for written, read in ((1, 1), (3, 3), (2, 0)):
                await b.write(address, written << 4)
                assert b.read(address) == read << 4
        last = len(HPM_EVENTS) - 1
        for event, read in ((last, last), (last + 1, 0), (1, 1), (31, 0)):
            await b.write(0x323, event)
            assert b.read(0x323) == read

    bench.run(scenario)


@pytest.mark.rule(
    "menvcfg_stce_op", "menvcfg_adue_henvcfg_adue_rdonly0", "menvcfg_pbmte_henvcfg_pbmte_rdonly0",
    "mstateen_lower_priv_roz", "hstateen_bit_63_writable", "menvcfg_op", "Svadu_hypervisor_adue_writable",
)
def test_what_a_higher_register_turns_off_reads_as_zero(bench):
    async def scenario(b):
        await b.write(0x60A, ONES)
        assert b.read(0x60A) == 0xF1 | PMM
        for bit in (61, 62, 63):
            await b.write(0x30A, 1 << bit)
            await b.write(0x60A, ONES)
            assert b.read(0x60A) == 0xF1 | PMM | 1 << bit
            context = b.get("mmu")
            assert (context.m_adue, context.m_pbmte) == (bit == 61, bit == 62)
            assert (context.h_adue, context.h_pbmte) == (bit == 61, bit == 62)
            await b.write(0x60A, 0)
            assert not b.get("mmu").h_adue and not b.get("mmu").h_pbmte
            await b.write(0x60A, ONES)
            await b.write(0x30A, 0)
            assert not b.get("mmu").h_adue and not b.get("mmu").h_pbmte
        for number in range(4):
            await b.write(0x60C + number, ONES)
            assert b.read(0x60C + number) == 0
            await b.write(0x30C + number, 1 << 63)
            await b.write(0x60C + number, ONES)
            assert b.read(0x60C + number) == 1 << 63

    bench.run(scenario)


@pytest.mark.rule("satp_ppn_sv57_sz", "vsatp_ppn_sv39_sv48_sv57_sz")
def test_the_widest_mode(everything_config):
    config = replace(everything_config, pmp_entries=0,
                     vm_modes=frozenset({"sv39", "sv48", "sv57", "sv39x4", "sv48x4", "sv57x4"}))

    async def scenario(b):
        for address in (0x180, 0x280):
            await b.write(address, 10 << 60 | (1 << 60) - 1)
            assert b.read(address) == 10 << 60 | (1 << 60) - 1  # 16 bits of ASID, 44 of PPN
            await b.write(address, 11 << 60)
            assert b.read(address) == 10 << 60 | (1 << 60) - 1
        await b.write(0x680, 10 << 60 | (1 << 60) - 1)
        assert b.read(0x680) == 10 << 60 | (1 << 58) - 4

    Bench(config).run(scenario)


@pytest.mark.rule(
    "pmp_l_bit_function", "pmp_l_bit_write_protection", "PMPCFG_WARL", "pmp_cfg_rv64_layout", "PMPADDR_WARL",
    "PMP_A_L_RST", "hgatp_op_hfence_gvma", "pmp_entry_structure", "pmp_addr_registers", "pmp_addr_encoding",
    "pmp_sfence_required", "satp_op_sfence_vma", "pmp_speculative_translations", "pmp_mmode_only_regions",
)
def test_pmp(bench):
    async def scenario(b):
        assert b.read(0x3A0) == b.read(0x3A2) == 0
        await b.write(0x3A2, 0x1F_0102_0304_05FF & ~(0xFF << 8) | 0x12 << 8)
        # W without R becomes neither; bits 6:5 are zero
        assert b.read(0x3A2) == 0x1F_0100_0304_059F & ~(0xFF << 8) | 0x10 << 8
        for entry in (3, 8, 15):
            await b.write(0x3B0 + entry, 0x1234_5678 + entry)
            locked = entry == 8
            assert b.read(0x3B0 + entry) == (0 if locked else 0x1234_5678 + entry)
        await b.write(0x3A2, 0)
        assert b.read(0x3A2) == 0x9F
        # an address above those there are stays above them
        await b.write(0x3B5, 1 << 40 | 7)
        assert b.read(0x3B5) == 1 << 30 | 7
        await b.write(0x3B5, 1 << 60)
        assert b.read(0x3B5) == 0
        # a locked TOR entry locks the address below, another mode does not
        await b.write(0x3A0, 0x88 << 24 | 0x98 << 48)
        for entry in range(7):
            await b.write(0x3B0 + entry, 0x77)
            assert b.read(0x3B0 + entry) == (0x1234_567B if entry == 3 else 0 if entry in (2, 6) else 0x77)
        await b.write(0x3A0, 0x0706_0504_0302_0101)
        assert b.read(0x3A0) == 0x0798_0504_8800_0101
        entry = b.get("pmp")[3]
        assert (entry.l, entry.a, entry.addr, entry.r) == (1, 1, 0x1234_567B, 0)
        assert b.get("pmp")[5].x and b.get("pmp")[5].r and not b.get("pmp")[5].w
        # every write of the PMP makes the MMU forget
        for address, fence in ((0x3A0, 1), (0x3BF, 1), (0x340, 0), (0x300, 0), (0x180, 0), (0x280, 0), (0x680, 0)):
            b.attempt(address, write=True)
            assert b.get("csr_fence") == fence and (not fence or b.get("csr_flush"))

    bench.run(scenario)


def test_writes_that_flush(bench):
    async def scenario(b):
        def flushes(address, operand, op=CsrOp.RW):
            b.attempt(address, True, op, operand)
            return b.get("csr_flush")

        for address in (0x180, 0x280, 0x680, 0x30A, 0x60A, 0x10A, 0x747):
            assert flushes(address, 0)
        for address in (0x305, 0x340, 0x341, 0x304, 0x344, 0x302, 0x303, 0x603, 0x306, 0x105, 0x104):
            assert not flushes(address, ONES)
        for address, bits in ((0x300, {11, 12, 17, 18, 19, 39}), (0x100, {18, 19}), (0x200, {18, 19}),
                              (0x600, {8, 48, 49})):
            for bit in range(64):
                assert flushes(address, 1 << bit, CsrOp.RS) == (bit in bits), (hex(address), bit)
                assert not flushes(address, 1 << bit, CsrOp.RC)
        await b.write(0x300, 1 << 18)
        assert flushes(0x100, 1 << 18, CsrOp.RC) and not flushes(0x100, 1 << 18, CsrOp.RS)
        await b.go("VS")
        assert not flushes(0x100, 1 << 18, CsrOp.RC) and flushes(0x100, 1 << 19, CsrOp.RS)

    bench.run(scenario)


@pytest.mark.rule(
    "sstatus_acc", "mstatus_xpie_op", "mstatus_xpp_op", "sstatus_mode", "sstatus_mxr_acc", "sstatus_sum_acc",
)
def test_sstatus_is_part_of_mstatus(bench):
    async def scenario(b):
        await b.write(0x300, STATUS)
        assert b.read(0x100) == STATUS | XL64
        await b.write(0x100, 1 << 5)
        assert b.read(0x300) == 1 << 5 | XL64 | 2 << 34
        await b.write(0x200, STATUS)
        assert b.read(0x300) == 1 << 5 | XL64 | 2 << 34
        context = b.get("mmu")
        assert (context.sum, context.mxr, context.vsum, context.vmxr) == (0, 0, 1, 1)
        await b.write(0x100, 1 << 18)
        await b.write(0x200, 1 << 19)
        context = b.get("mmu")
        assert (context.sum, context.mxr, context.vsum, context.vmxr) == (1, 0, 0, 1)

    bench.run(scenario)


@pytest.mark.rule(
    "M_mode_at_rst", "mstatus_mie_rst", "mstatus_mprv_rst", "hgatp_vsatp_mode_rst", "mcause_rst_zero",
    "mstateen_zero_initialization", "misa_extensions_rst", "mstatus_mbe_rst", "warl_rst", "MCAUSE_RST_VAL",
    "MCAUSE_RST_ALIAS_OK",
)
def test_reset(bench):
    async def scenario(b):
        assert b.mode == "M"
        for address in (0x304, 0x342, 0x30C, 0x30F, 0x680, 0x280, 0x180, 0x3A0, 0x302):
            assert b.read(address) == 0
        assert b.read(0x300) == XL64 | 2 << 34
        # what registers hold is something that they can hold
        for address in set(VALUES) - {0xB00, 0xB02}:
            value = b.read(address)
            await b.write(address, value)
            assert b.read(address) == value, hex(address)

    bench.run(scenario)


@pytest.mark.rule(
    "menvcfg_pbmte_rdonly0", "menvcfg_adue_rdonly0", "menvcfg_stce_rdonly0", "menvcfg_cbze_rdonly0",
    "menvcfg_cbcfe_rdonly0", "menvcfg_cbie_rdonly0", "menvcfg_pmm_rdonly0", "menvcfg_cde_rdonly0",
    "menvcfg_sse_rdonly0", "MENVCFG_FIOM_RDONLY0_OK",
)
def test_fields_of_absent_extensions_are_zero(small_bench):
    async def scenario(b):
        for address in (0x30A, 0x60A, 0x10A):
            await b.write(address, ONES)
            assert b.read(address) == 1  # FIOM

    small_bench.run(scenario)


@pytest.mark.rule("misa_h_op")
@pytest.mark.rule("mideleg_hroz", "GEILEN", "HIE_WARL", "hie_acc", "HSTATUS_VGEIN_WLRL", "hstatus_vgein_op")
def test_without_guest_external_interrupts(small_bench):
    async def scenario(b):
        for address, ones in ((0x303, 0x666), (0x603, 0x444), (0x604, 0x444), (0x607, 0), (0xE12, 0)):
            if address != 0xE12:
                await b.write(address, ONES)
            assert b.read(address) == ones
        b.set(sei=1)
        await b.write(0x645, ONES)
        assert b.read(0x644) == 0x444
        await b.write(0x600, ONES)
        assert b.read(0x600) >> 12 & 0x3F == 0

    small_bench.run(scenario)


@pytest.mark.rule("time_htimedelta_req")
@pytest.mark.parametrize("name", CONFIGS)
def test_the_guest_has_its_own_time(name):
    registers = csr_table(CONFIGS[name])
    assert "time" in registers and "htimedelta" in registers


def test_without_the_hypervisor_extension(bare_bench):
    async def scenario(b):
        for address, ones in ((0x300, 0x7E_19AA | EXTENSIONS | XL64 | 2 << 34), (0x302, 0xB3FE),
                              (0x303, 0x222), (0x304, 0xAAA),
                              (0x344, 0x222), (0x301, 2 << 62 | 0x14_1105)):
            await b.write(address, ONES)
            assert b.read(address) == ones
        await b.write(0x302, 1 << 13)
        await b.write(0x105, 0x8000)
        await b.go("U")
        assert await b.trap(13, epc=0x40, tval=0x50) == 0x8000
        assert b.mode == "HS" and b.read(0x141) == 0x40 and b.read(0x143) == 0x50
        assert not b.get("mmu").hgatp.mode and not b.get("mmu").vsatp.mode

    bare_bench.run(scenario)


@pytest.mark.rule(
    "mstatus_fs_enc", "mstatus_vs_enc", "MSTATUS_FS_WARL", "MSTATUS_VS_WARL", "MSTATUS_FS_RDONLY0_S_NO_F",
    "MSTATUS_VS_RDONLY0_S_NO_V", "mstatus_xs_acc", "mstatus_sd_acc", "mstatus_sd_op",
    "vsstatus_sd_xs_op",
)
def test_extension_status(bench):
    """FS and VS hold what software says, once for M- and HS-mode and once more for VS-mode; SD sums up each."""
    fs, vs, sd = 13, 9, 1 << 63

    async def scenario(b):
        both = 3 << fs | 3 << vs | sd
        for bits in ((f << fs | v << vs, sd if 3 in (f, v) else 0) for f in range(4) for v in range(4)):
            value, dirty = bits
            for written, same, other in ((0x300, 0x100, 0x200), (0x100, 0x300, 0x200), (0x200, 0x200, 0x100)):
                await b.write(other, 0)
                await b.write(written, value)
                assert b.read(written) & both == b.read(same) & both == value | dirty
                assert not b.read(other) & both
                await b.write(written, sd | 3 << 15)  # SD and XS are read-only
                assert not b.read(written) & (both | 3 << 15)
        await b.write(0x100, 3 << fs)
        await b.go("VS")
        await b.write(0x100, 1 << fs)
        assert b.read(0x100) & both == b.read(0x200) & both == 1 << fs
        await b.go("M")
        assert b.read(0x300) & both == 3 << fs | sd

    bench.run(scenario)


def test_what_is_seen_of_a_change(bench):
    """The registers that hold the changed bits, with what they hold afterwards."""

    async def scenario(b):
        def seen():
            found = [b.get("changed"), b.get("changed2")]
            return {change.addr: change.data for change in found if change.valid}

        async def write(address, value):
            await b.write(address, value)
            return seen()

        mstatus = b.read(0x300)
        assert await write(0x100, 1 << 1) == {0x300: mstatus | 1 << 1}  # sstatus
        assert await write(0x100, 0) == {0x300: mstatus}
        await b.tick()
        assert seen() == {}
        await b.write(0x303, 0x222)  # mideleg
        assert await write(0x104, -1) == {0x304: 0x222}  # sie
        assert await write(0x604, -1) == {0x304: b.read(0x304)}  # hie
        assert await write(0x144, 2) == {0x344: b.read(0x344)}  # sip
        assert await write(0x645, 0x444) == {0x344: b.read(0x344), 0x645: 0x444}  # hvip
        assert await write(0x644, 0) == {0x344: b.read(0x344)}  # hip
        assert await write(0x645, 0) == {0x344: b.read(0x344), 0x645: 0}
        assert await write(0x341, 0x123) == {0x341: 0x122}
        assert await write(0x301, 0) == {}  # misa cannot be changed
        await b.go("VS")
        assert set(seen()) == {0x300} and not seen()[0x300] >> 39 & 1 and not seen()[0x300] >> 11 & 3  # the MRET
        assert await write(0x100, 1 << 18) == {0x200: 2 << 32 | 1 << 18}
        await b.xret(SysOp.SRET)
        assert seen() == {0x200: 2 << 32 | 1 << 18 | 1 << 5}
        await b.go("HS")
        await b.write(0x600, 1 << 7)  # hstatus.SPV
        await b.xret(SysOp.SRET)
        assert set(seen()) == {0x300, 0x600} and seen()[0x600] == 2 << 32 and seen()[0x300] & 1 << 5

    bench.run(scenario)
