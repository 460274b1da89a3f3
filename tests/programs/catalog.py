"""The self-checking programs: what each is made of, and how to build it."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from entresol.isa.csrs import HPM_EVENTS
from entresol_sim.cache import cache_dir
from entresol_sim.programs.build import BASE_EXTENSIONS, build

from .generate import generate

HERE = Path(__file__).parent
LIB = HERE / "lib"


@dataclass(frozen=True)
class Program:
    """A program.  `source` is a C file of src/ or the name of a generated program with its `seed`; `extensions` are
    those that the compiler may use beyond RV64IMAC with H, `needs` further ones of the machine, `lacks` those that
    it must not have; `code` is what it ends with; `typed` is given to it and `printed` what it answers; `rules` are the
    normative rules that it checks.  `lines`: it asks for levels of the guest external interrupts (see
    `test_programs.Lines`), of which it wants 8."""

    name: str
    source: str
    seed: int | None = None
    defines: Mapping[str, int] = field(default_factory=dict)
    extensions: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    code: int = 0
    typed: bytes = b""
    printed: bytes | None = None
    lines: bool = False
    rules: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """Where it is to be read."""
        place = f"src/{self.source}.c" if self.seed is None else f"generate.py::{self.source}"
        return f"tests/programs/{place}"

    def build(self) -> Path:
        """The ELF file."""
        if self.seed is None:
            source = HERE / "src" / f"{self.source}.c"
        else:
            text = generate(self.source, self.seed)
            digest = hashlib.sha256(text.encode()).hexdigest()[:12]
            source = cache_dir("programs", "generated") / f"{self.name}-{digest}.S"
            if not source.exists():
                fresh = source.with_suffix(f".{os.getpid()}")
                fresh.write_text(text)
                fresh.replace(source)
        return build(
            [source, LIB / "start.S", LIB / "exit.S", LIB / "test.c"],
            LIB / "link.ld",
            include=[LIB],
            defines=self.defines,
            extensions=(*BASE_EXTENSIONS, *self.extensions),
        )


#: generated programs and their rules
_GENERATED: dict[str, tuple[str, ...]] = {
    "alu": (
        "x0eq0", "lui_op", "auipc_op", "addi_overflow", "add_overflow", "sub_overflow", "R-type_operands",
        "rv32i_other_xregs", "rv64i_other_xregs", "twos_complement_signed_integers", "xlen_definition",
    ),
    "muldiv": (
        "mul_op", "mulh_op", "mulhu_op", "mulhsu_op", "mulw_op", "div_op", "divu_op", "rem_op", "remu_op", "divw_op",
        "divuw_op", "remw_op", "remuw_op", "div_by_zero", "rem_by_zero", "signed_div_overflow", "rem_result_sign",
        "remw_result_sign", "remuw_result_sign",
    ),
    "branches": (
        "jal_target", "jal_op", "jalr_target", "jalr_op", "br_target", "beq_op", "bne_op", "blt_op", "bltu_op",
        "bge_op", "bgeu_op", "no_cti_delay_slots", "pcreg_op",
    ),
    "memory": (
        "ldst_ea", "load_op", "store_op", "lw_op", "lh_op", "lhu_op", "lb_op", "lbu_op", "sw_op", "sh_op", "sb_op",
        "ld_op_rv64i", "lw_op_rv64i", "lwu_op", "lh_op_rv64i", "lhu_rv64i_op", "lb_rv64i_op", "lbu_rv64i_op",
        "sd_op_rv64i", "sw_op_rv64i", "sh_op_rv64i", "sb_op_rv64i", "ldst_no_exc_aligned", "ldst_little_endian_op",
        "ldst_endian_byte_invariant", "ldst_endian_byte_op", "ENDIANNESS",
    ),
    "atomics": (
        "amo_operand_size", "ziccamoa_pma_amo_req", "pma_amo_levels",
    ),
    "csr_forms": (
        "csrrw_op", "csrrs_op", "csrrc_op", "csrrwi_op", "csrrsi_op", "csrrci_op", "zicsr_order",
    ),
    "compressed": (
        "Zca_align16", "Zca_no_misaligned", "jump_misaligned_c_no_exception", "branch_misaligned_c_no_exception",
        "Zca_offsets_mul2", "Zca_regs8", "c-lwsp_op", "c-ldsp_op", "c-swsp_op", "c-sdsp_op", "c-lw_op", "c-ld_op",
        "c-sw_op", "c-sd_op", "c-j_op", "c-jr_op", "c-jalr_op", "c-beqz_op", "c-bnez_op", "c-li_op", "c-lui_op",
        "c-addi_op", "c-addiw_op", "c-addi16sp_op", "c-addi4spn_op", "c-slli_op", "c-srli_op", "c-srai_op", "c-andi_op",
        "c-mv_op", "c-add_op", "c-and_op", "c-or_op", "c-xor_op", "c-sub_op", "c-addw_op", "c-subw_op",
    ),
}  # fmt: skip
_BITMANIP = ("zba", "zbb", "zbs")
_SINVAL = (
    "Svinval_sinval_vma_invalidates_same_as_sfence_vma", "Svinval_sfence_w_inval_orders_before_sinval_vma",
    "Svinval_sequence_rs1_rs2", "Svinval_sequence_reads_writes_before", "Svinval_sequence_reads_writes_after",
)  # fmt: skip

PROGRAMS = (
    *(Program(name, name, seed=1, rules=rules) for name, rules in _GENERATED.items()),
    *(Program(name, name, seed=1, extensions=(name,), rules=("bitmanip_rv32_rv64",)) for name in _BITMANIP),
    *(Program(f"torture{seed}", "torture", seed=seed) for seed in range(3)),
    *(Program(f"torture_zb{seed}", "torture_zb", seed=seed, extensions=_BITMANIP) for seed in range(2)),
    Program(
        "traps",
        "traps",
        rules=(
            "H_cause", "H_cause_ecall", "H_trap_m_csrwrites", "H_trap_hs_csrwrites", "H_trap_vs_csrwrites",
            "H_trap_deleg", "hedeleg_op", "mstatus_gva_op", "mstatus_mpv_op", "hstatus_spv_op", "hstatus_spvp_op",
            "hstatus_gva_op", "H_virtinst_xtval", "H_virtinst_vu_vs_hinst", "H_mtval_nrz", "hstatus_op",
            "mtval_vaddr_wr1", "mtval_instr_bits", "mtval_ill_instr_exc_in_low_bits", "mtval_other_traps_zero",
            "MTVAL_PER_EXC_BEHAVIOR", "mcause_exccode_enc", "mcause_exccode_op", "mcause_exccode_ld_ldrsv",
            "mcause_exccode_st_sc_amo", "ecall_epc_value", "ebreak_epc_value", "pma_mag_op_amo", "pma_mag_op_rsrv",
            "mtval_op", "stval_op", "stval_op_breakpoint", "stval_op_faulting_addr", "stval_op_illegal_instr",
            "stval_op_illegal_instr_format", "stval_op_other_traps", "scause_op", "c-ebreak_op", "ecall_op",
            "ebreak_op", "sstvala_stval_faulting_vaddr", "sstvala_stval_faulting_instruction",
            "shvstvala_vstval_written", "load_exc_x0",
        ),
    ),
    Program(
        "interrupts",
        "interrupts",
        rules=(
            "hideleg_op", "hideleg_trans", "hsint_priority", "mip_mie_alias", "vsip_vsie_sei", "vsip_vsie_sti",
            "vsip_vsie_ssi", "sie_hip_hie_mutex", "hip_vssip_vssie_op", "H_trap_xtinst_interrupt",
            "intr_mip_mie_bounded_time", "mcause_exccode_enc", "mip_ssip_op", "mtime_intr_taken", "sie_seie_op",
            "sie_stie_op", "sie_ssie_op", "sip_ssip_op", "sip_seip_op", "sip_op",
        ),
    ),
    Program(
        "csr_access",
        "csr_access",
        rules=(
            "H_csrs_hs_not_vs", "H_vscsrs_sub", "hstatus_vtsr_op", "hstatus_vtw_op", "hstatus_vtvm_op", "hstatus_hu_op",
            "hcounteren_op", "hgatp_tvm_illegal", "hfence-vvma_tvm", "hfence-vvma_hfence-gvma_exceptions",
            "hlsv_virtinst", "hlsv_illegalinst", "H_virtinst_vu_wfi_tw0", "H_virtinst_wfi_vtw1_tw0",
            "H_virtinst_vu_sret_sfence", "H_virtinst_vs_sret_vtsr1", "H_virtinst_vs_sfence_sinval_satp_vtvm1",
            "hfence-gvma_op", "misa_always_rd", "mvendorid_always_rd", "marchid_always_rd", "mimpid_always_rd",
            "mhartid_always_rd", "mconfigptr_mandatory", "M_access_all_lower_priv_CSRs", "wfi_all_privileged_modes",
            "pmp_csr_mode", "cycle_rdonly", "time_rdonly", "scounteren_mode", "scounteren_op", "stval_mode",
            "sscratch_mode", "satp_mode", "senvcfg_mode", "sstatus_mode", "zicsr_rs1_x0", "zicsr_uimm_zero", "Zicsr_rw",
            "Zicsr_access", "Zicsr_higher_priv", "Zicsr_illegal_mode", "Zicsr_illegal_acc", "always_priv_level",
            "non_priv_exc", "priv_levels", "ssstrict_unimplemented_opcodes_csr_exception", "m_level_only_mandatory",
        ),
    ),
    Program(
        "xret",
        "xret",
        rules=(
            "mret_h", "sret_h", "sret_v0", "sret_v1", "mret_presence", "sret_presence", "priv_combs",
            "m_mode_mandatory",
        ),
    ),
    Program(
        "pmp",
        "pmp",
        rules=(
            "H_pmp", "pmp_check_priv_modes", "pmp_check_pagetable_access", "pmp_mmode_locking",
            "pmp_violation_precise_trap", "pmp_exec_fault", "pmp_load_fault", "pmp_store_fault",
            "pmp_region_granularity_g", "PMP_GRANULARITY", "pmp_access_fault_exception", "pmp_with_paging",
            "mcause_exccode_ld_ldrsv", "mcause_exccode_st_sc_amo", "mepc_varlen_wr", "MTVAL_VARLEN_WR",
            "MSTATUS_MXR_SUM_OP_ACC_FAULT", "pmp_addr_encoding",
        ),
    ),
    Program(
        "sv39",
        "sv39",
        rules=(
            "H_vm_supported", "mstatus_mprv_inst_xlat_op", "mstatus_mxr_op", "mstatus_sum_op", "mstatus_sum_op_no-vm",
            "mstatus_sum_op_mprv_mpp", "mtval_vaddr_wr1", "mtval_vaddr_not_paddr", "mstatus_sbe_implicit", "satp_op",
            "satp_mode_op", "satp_mode_op_unsupported", "satp_acc", "sstatus_mxr_op", "sstatus_sum_op", "sfence_vma_op",
            "sfence_vma_ordering", "sfence_vma_invalidation", "sfence_vma_rs2_bits", "fetch_page_fault_no_x",
            "load_page_fault_no_r", "store_page_fault_no_w", "Sv39_sxlen", "Sv39_va_sz", "Sv39_va_signext",
            "Sv39_levels", "Sv39_page_sizes", "Sv39_superpage_align_fault", "Sv39_pte_svnapot_rsv",
            "Sv39_pte_svpbmt_rsv", "Sv39_pte_future_rsv", "svade_access_ad_bit_clear", "svbare_satp_mode_bare",
            "stval_op_faulting_addr", "sfence_vma_all_asid_va", "sfence_vma_asid_only", "sfence_vma_va_all_asid",
            "sfence_vma_va_asid", "Sv39_leaf_any_level", "ASIDLEN", "sfence_vma_invalid_va", "ssccptr_memory_pte_reads",
            "ia_fault_exc_on_target",
        ),
    ),
    Program(
        "sv39_guest",
        "sv39",
        defines={"GUEST": 1},
        rules=(
            "mstatus_mprv_hypervisor", "vsatp_mode_unsupported_v1", "H_vm_supported", "hgatp_mode_bare",
            "hgatp_mode_bare_trans", "hfence-vvma_hfence-gvma_op", "hfence-vvma_mode", "hfence-vvma_asid",
            "sfence_vma_v1", "vsatp_op", "sfence_vma_invalid_va",
        ),
    ),
    Program(
        "two_stage",
        "two_stage",
        rules=(
            "H_vm_twostage", "hgatp_mode_sv39x4", "vsstatus_mxr_vm", "sstatus_mxr_vm", "H_vm_gpatrans", "H_vm_gpapriv",
            "H_guest_page_fault", "H_straddle", "H_tinst_addr_offset", "H_trap_xtinst_guestpage",
            "mtval2_trapval_vstrans", "mtval2_htval_virtaddr", "H_vm_supported", "hgatp_op",
            "hfence-vvma_hfence-gvma_op", "hfence-gvma_op", "hfence-gvma_vmid", "hfence-gvma_mode", "H_vm_gpa_g",
            "sfence_vma_v1", "mtval2_trapval_other", "htval_op", "mtval2_op", "htinst_op", "mtinst_op",
            "H_exception_priority", "hfence-vvma_mode", "mepc_varlen_wr", "MTVAL_VARLEN_WR", "mtval_vaddr_wr2",
            "stval_op_load_store_fault", "stval_faulting_address_variable_instr", "shtvala_htval_faulting_gpa",
        ),
    ),
    Program(
        "hlv",
        "hlv",
        rules=(
            "hlsv_priv", "hlsv_trans", "hlsv_sstatus_mxr", "hlsv_vsstatus_mxr", "hlsv_mode", "hlsv_op", "hlsv_u_op",
            "mstatus_mprv_hlsv",
        ),
    ),
    *(
        Program(
            f"{name}_sinval", source, defines={"SINVAL": 1, **defines}, extensions=("svinval",), rules=_SINVAL + more
        )
        for name, source, defines, more in (
            ("sv39", "sv39", {}, ()),
            ("sv39_guest", "sv39", {"GUEST": 1}, ("Svinval_hinval_vvma_gvma",)),
            ("two_stage", "two_stage", {}, ("Svinval_hinval_vvma_gvma", "Svinval_hinval_gvma_uses_vmid")),
        )
    ),
    Program(
        "worlds",
        "worlds",
        rules=(
            "H_vscsrs_v0", "H_vscsrs_v1", "vsstatus_v0", "vsatp_v0", "H_exception_priority",
            "H_illegalinst_xstatus_fs_vs", "vs_stage_speculative_a_bit", "vstvec_op", "vspec_op", "vscause_op",
            "vstval_op", "vsatp_op", "mstatus_fs_vs_xs_off_op", "exc_priority", "mcause_exccode_pri",
            "MCAUSE_EXCCODE_MISALIGNED_VS_FAULT_PRI", "stval_op_faulting_addr",
        ),
    ),
    Program(
        "lrsc",
        "lrsc",
        rules=(
            "ld_rsv_rst", "MRET_CLR_LR_RESV", "SRET_CLR_LR_RESV", "lr_w_op", "sc_w_success", "sc_w_failure",
            "lr_sc_rv64", "sc_failure_code", "constrained_lrsc_forward_progress", "ziccrse_pma_rsrv_req",
            "sc_reservation_invalidate", "sc_addr_not_in_reservation_fail", "pma_rsrv_levels",
        ),
    ),
    Program(
        "misaligned",
        "misaligned",
        rules=(
            "PMA_MAG_OP_LDST", "mstatus_mbe_op", "pma_idp_misaligned_exc", "pma_io_rwx_per_sz",
            "pma_amo_far_subset_proc", "ldst_little_endian_op", "MISALIGNED_LDST_EEI_DEPENDENT_BEHAVIOR",
            "MISALIGNED_LDST_HW_SUPPORT", "MISALIGNED_LDST_EXC_TYPE", "zicclsm_misaligned_support", "ENDIANNESS",
            "MISALIGNED_LDST_CONTAINED_OR_FATAL_TRAP",
        ),
    ),
    Program(
        "fence_i",
        "fence_i",
        rules=(
            "endianness_inst_fetch_little", "PMA_MM_IFETCH", "fence_i_op",
        ),
    ),
    Program(
        "counters",
        "counters",
        rules=(
            "ecall_no_minstret_inc", "ebreak_no_minstret_inc", "mcounteren_inc_inaccessible", "mcountinhibit_only_inc",
            "time_op", "time_visibility_mtime", "time_csr_architectural_availability", "mcycle_sz", "zicntr_rdcycle_op",
            "zicntr_rdtime_op", "zicntr_rdinstret_op", "zicsr_order", "zihpm_op_sz_mode_acc_priv",
        ),
    ),
    Program(
        "clint",
        "clint",
        rules=(
            "mtime_acc", "mtime_op", "mtime_enc", "mtimecmp_enc", "mtime_intr_pending", "mtime_intr_taken",
            "mtime_rv64_wr", "mtimecmp_rv64_wr", "msip_acc", "msip_enc", "msip_sz", "MSIP_UPDATE_MAX_TIME", "wfi_op",
            "wfi_mepc_val", "wfi_no_intr_pc", "wfi_intr_dis", "WFI_RESUME_REASON", "MTIME_TICK_PERIOD",
            "zicsr_memory_access_ordering", "zicsr_strongly_ordered",
        ),
    ),
    Program(
        "overflow",
        "overflow",
        defines={name.upper(): HPM_EVENTS.index(name) for name in ("cycle", "instret", "dcache_miss", "branch")},
        needs=("sscofpmf", "shlcofideleg"),
        rules=(
            "mhpmevent_inh_op", "mhpmevent_of_op", "hpmcounter_overflow", "count_overflow_interrupt", "sip_lcofip_op",
            "scountovf_op", "scountovf_smode_read_access", "scountovf_vsmode_read_access", "vsip_vsie_lcofi",
        ),
    ),
    Program(
        "stateen",
        "stateen",
        needs=("smstateen",),
        rules=(
            "mstateen_rv64_csrs", "sstateen_rv64_csrs", "hstateen_rv64_csrs", "stateen_op",
            "stateen_illegal_state_access", "stateen_unimplemented_state_roz", "stateen_reserved_roz",
            "STATEEN_WARL_ACCESS", "mstateen_lower_priv_roz", "mstateen_bit_63_op", "hstateen_bit_63_op",
            "hstateen_bit_63_writable", "mstateen0_envcfg_op", "hstateen0_envcfg_op", "mstateen0_se0_op",
            "hstateen0_se0_op", "hstateen_encoding",
        ),
    ),
    Program(
        "blocks",
        "blocks",
        defines={"DCACHE_MISS": HPM_EVENTS.index("dcache_miss")},
        needs=("zicbom", "zicboz", "zicbop", "sscofpmf"),
        rules=(
            "PPO_overlap", "cbo_physical_address_constraints", "cbp_access", "prefetch_operating_block",
            "CACHE_BLOCK_SIZE", "zic64b_cache_block_size", "cmo_invalidate_load_values", "cbm_access",
            "cbm_unperm_fault", "cbz_access", "cbz_unperm_fault", "cbp_unperm_noexcep", "fault_excep_csr",
            "no_addr_misaligned_excep", "h_trans_cache", "cbo-inval", "cbo-clean_cbo-flush",
            "cbo-zero_basedon_xenvcfg-CBZE", "cbo-zero_specified_block", "cbo-clean_op", "cbo-clean_offset",
            "cbo-flush_op", "cbo-flush_unaligned", "cbo-inval_op", "cbo-inval_unaligned", "cbo-zero_op",
            "cbo-zero_unaligned", "cbo-zero_offset", "prefetch-i_op", "prefetch-r_op", "prefetch-w_op",
            "menvcfg_cbze_op", "menvcfg_cbcfe_op", "menvcfg_cbie_op", "menvcfg_cbie_cbo-inval_op", "henvcfg_cbze",
            "henvcfg_cbcfe", "henvcfg_cbie", "cbo-inval_h-mode_veq1_op", "cbo-inval_h-mode_op", "senvcfg_cbze",
            "senvcfg_cbcfe", "senvcfg_cbie", "cbm_unperm_translate", "cbz_unperm_translate", "cbp_unperm_translate",
        ),
    ),
    Program(
        "promises",
        "promises",
        rules=(
            "ssu64xl_uxl_sstatus", "sstvecd_stvec_mode_direct", "sstvecd_stvec_base_aligned_address",
            "shvstvecd_vstvec_mode_direct", "shvstvecd_vstvec_base_aligned_address",
            "sscounterenw_hpmcounter_scounteren", "shcounterenw_hpmcounter_hcounteren",
            "shgatpa_satp_hgatp_mode_support", "shgatpa_hgatp_bare_mode", "shvsatpa_satp_vsatp_modes",
            "sstvala_stval_faulting_vaddr", "sstvala_stval_faulting_instruction", "shvstvala_vstval_written",
            "shtvala_htval_faulting_gpa", "Svvptc_explicit_stores_update_valid_bit", "ziccamoa_pma_amo_req",
            "ziccrse_pma_rsrv_req", "za64rs_res_set_req", "czero-eqz_inst_ctime", "czero-nez_zkt_timing",
        ),
    ),
    Program(
        "small_ones",
        "small_ones",
        needs=("zicond", "zimop", "zcmop", "zcb"),
        rules=(
            "czero-eqz_op", "czero-nez_op", "c-lbu_op", "c-lhu_op", "c-lh_op", "c-sb_op", "c-sh_op", "c-zext-b_op",
            "c-sext-b_op", "c-zext-h_op", "c-sext-h_op", "c-zext-w_op", "c-not_op", "c-mul_op", "Zimop_mop-r_op",
            "Zimop_mop-r_enc", "Zimop_mop-rr_op", "Zimop_mop-rr_enc", "Zcmop_op", "Zcmop_enc", "Zcmop_enc_table",
            "Zcmop_instr_write",
        ),
    ),
    Program(
        "small_ones_absent",
        "small_ones",
        defines={"ABSENT": 1},
        lacks=("zicond", "zimop", "zcmop", "zcb"),
    ),
    Program(
        "wait",
        "wait",
        needs=("zawrs", "zihintpause", "zihintntl", "zicbom", "zicbop"),
        rules=(
            "NTL_range", "NTL_Zicob_prefetch_outer", "NTL-LR_SC_exception", "NTL_TRAP_BEHAVIOR",
            "Zawrs_wrs-nto_stall_exec", "Zawrs_wrs-sto_stall_duration", "Zawrs_stall_terminate",
            "Zawrs_exec_resume_rules", "Zawrs_priv_illegal_instr_excp", "Zawrs_virtual_instr_excp", "pause_op",
            "pause_enc_fence",
        ),
    ),
    Program(
        "modes",
        "modes",
        rules=(
            "satp_mode_op_unsupported", "satp_mode_sxlen64", "vsatp_mode_unsupported_v1", "HGATP_MODE_WARL",
            "hgatp_mode_sv", "hgatp_mode_x4", "hgatp_mode_bare_trans", "H_vm_twostage", "H_vm_gpatrans", "hlsv_trans",
            "Sv39_va_signext", "Sv39_leaf_any_level", "Sv39_superpage_align_fault", "hgatp_mode_sv39x4",
        ),
    ),
    Program(
        "translation_extensions",
        "translation_extensions",
        needs=("svadu", "svnapot", "svpbmt"),
        rules=(
            "Svadu_hw_update_a_d_bits", "Svadu_hypervisor_adue_writable",
            "Svadu_disabled_hw_update_falls_back_to_svade", "svade_access_ad_bit_clear", "menvcfg_adue_op",
            "menvcfg_adue_henvcfg_adue_rdonly0", "henvcfg_adue_op", "H_vm_gpapriv", "H_trap_xtinst_guestpage",
            "H_trap_xtinst_guestpage_rw", "mtval2_trapval_vstrans", "Svnapot_valid_encoding",
            "Svnapot_reserved_encoding_fault", "Svnapot_hyp_gstage", "menvcfg_pbmte_op",
            "menvcfg_pbmte_henvcfg_pbmte_rdonly0", "henvcfg_pbmte_op", "Svpbmt_leaf_pte_pbmt_reserved_3_fault",
            "Svpbmt_hgatp_stage_override_rule", "Svpbmt_vsatp_stage_override_rule", "Svpbmt_impl_may_override_pmas",
            "Svpbmt_noncacheable_aliasing_no_coherence_loss",
        ),
    ),
    Program(
        "pointer_masking",
        "pointer_masking",
        needs=("ssnpm", "smnpm", "smmpm"),
        rules=(
            "pm_ignore_upper_bits", "pm_all_priv_modes", "pm_ignore_va", "pm_ignore_pa", "pm_apply_explicit",
            "pm_not_apply_implicit", "pm_per_mode_control", "pm_auto_apply_active_mode", "pm_config_next_higher",
            "pm_mprv_spvp", "pm_mxr_exception", "pm_misaligned_equivalence", "pm_no_csr_sw", "pm_csr_hw_apply",
            "pmlen_supported_values", "pmlen_illegal_warl", "ssnpm_definition", "smnpm_definition", "smmpm_definition",
            "senvcfg_pmm_Ssnpm", "henvcfg_pmm_op", "menvcfg_pmm_op", "menvcfg_pmm_enc", "mseccfg_pmm_op",
            "senvcfg_pmm_immediate", "pm_cpu_only", "pm_warl_unaffected", "pm_no_trap_vector_mask",
            "mseccfg_pmm_enc", "pm_deterministic_effect", "pm_mode_only_dependency", "pmlen_mode_depend",
        ),
    ),
    Program(
        "guest_external",
        "guest_external",
        lines=True,
        rules=(
            "hstatus_vgein_op", "HSTATUS_VGEIN_WLRL", "hip_sgeip_sgeie_acc", "hip_sgeip_sgeie_op",
            "hip_vseip_vseie_op", "hgeip_sz", "hgeip_acc", "hgeip_op", "hgeie_sz", "hgeie_acc", "HGEIE_WARL",
            "hgeip_hgeie_fields", "GEILEN", "hgeie_op",
        ),
    ),
    Program(
        "implicit_io",
        "implicit_io",
        rules=("pma_idp_implicit_ok", "PMA_IDP_IMPLICIT_SZ"),
    ),
    Program(
        "absent",
        "absent",
        lacks=(
            "zba", "zbb", "zbs", "zicbom", "zicboz", "zawrs", "svinval", "sstc", "sscofpmf", "smstateen", "ssstateen",
            "smmpm", "smnpm", "ssnpm",
        ),
        rules=("EE_IMPL_FLEX", "mseccfg_pmm_rdonly0"),
    ),
    Program("absent_masking", "absent", defines={"MASKING": 1}, lacks=("smmpm", "smnpm", "ssnpm")),
    Program("uart_plic", "uart_plic"),
    # without tohost: with it, input would wait until the program has shown that it means the UART
    Program("echo", "echo", defines={"NO_TOHOST": 1}, typed=b"Hello, world\n", printed=b"HELLO, WORLD\n"),
    Program("exit_pass", "exit", defines={"EXIT_CODE": 0}),
    Program("exit_fail", "exit", defines={"EXIT_CODE": 7}, code=7),
    Program("finisher_pass", "exit", defines={"EXIT_CODE": 0, "NO_TOHOST": 1}),
    Program("finisher_fail", "exit", defines={"EXIT_CODE": 7, "NO_TOHOST": 1}, code=7),
)
