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
    those that the compiler may use beyond RV64IMAC with H, `needs` further ones of the machine; `code` is what it ends
    with; `typed` is given to it and `printed` what it answers; `rules` are the normative rules that it checks."""

    name: str
    source: str
    seed: int | None = None
    defines: Mapping[str, int] = field(default_factory=dict)
    extensions: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    code: int = 0
    typed: bytes = b""
    printed: bytes | None = None
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


_GENERATED = ("alu", "muldiv", "branches", "memory", "atomics", "csr_forms", "compressed")
_BITMANIP = ("zba", "zbb", "zbs")

PROGRAMS = (
    *(Program(name, name, seed=1) for name in _GENERATED),
    *(Program(name, name, seed=1, extensions=(name,)) for name in _BITMANIP),
    *(Program(f"torture{seed}", "torture", seed=seed) for seed in range(3)),
    *(Program(f"torture_zb{seed}", "torture_zb", seed=seed, extensions=_BITMANIP) for seed in range(2)),
    Program(
        "traps",
        "traps",
        rules=(
            "H_cause", "H_cause_ecall", "H_trap_m_csrwrites", "H_trap_hs_csrwrites", "H_trap_vs_csrwrites",
            "H_trap_deleg", "hedeleg_op", "mstatus_gva_op", "mstatus_mpv_op", "hstatus_spv_op", "hstatus_spvp_op",
            "hstatus_gva_op", "H_virtinst_xtval", "H_virtinst_vu_vs_hinst", "H_mtval_nrz", "hstatus_op",
        ),
    ),
    Program(
        "interrupts",
        "interrupts",
        rules=(
            "hideleg_op", "hideleg_trans", "hsint_priority", "mip_mie_alias", "vsip_vsie_sei", "vsip_vsie_sti",
            "vsip_vsie_ssi", "sie_hip_hie_mutex", "hip_vssip_vssie_op", "H_trap_xtinst_interrupt",
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
            "hfence-gvma_op",
        ),
    ),
    Program("xret", "xret", rules=("mret_h", "sret_h", "sret_v0", "sret_v1")),
    Program("pmp", "pmp", rules=("H_pmp",)),
    Program(
        "sv39",
        "sv39",
        rules=(
            "H_vm_supported",
        ),
    ),
    Program(
        "sv39_guest",
        "sv39",
        defines={"GUEST": 1},
        rules=(
            "mstatus_mprv_hypervisor", "vsatp_mode_unsupported_v1", "H_vm_supported", "hgatp_mode_bare",
            "hgatp_mode_bare_trans", "hfence-vvma_hfence-gvma_op", "hfence-vvma_mode", "hfence-vvma_asid",
            "sfence_vma_v1", "vsatp_op",
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
            "H_exception_priority", "hfence-vvma_mode",
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
    Program(
        "worlds",
        "worlds",
        rules=(
            "H_vscsrs_v0", "H_vscsrs_v1", "vsstatus_v0", "vsatp_v0", "H_exception_priority",
            "H_illegalinst_xstatus_fs_vs", "vs_stage_speculative_a_bit", "vstvec_op", "vspec_op", "vscause_op",
            "vstval_op", "vsatp_op",
        ),
    ),
    Program("lrsc", "lrsc"),
    Program("misaligned", "misaligned"),
    Program("fence_i", "fence_i"),
    Program("counters", "counters"),
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
        needs=("zicbom", "zicboz", "zicbop"),
        rules=(
            "CACHE_BLOCK_SIZE", "zic64b_cache_block_size", "cmo_invalidate_load_values", "cbm_access",
            "cbm_unperm_fault", "cbz_access", "cbz_unperm_fault", "cbp_unperm_noexcep", "fault_excep_csr",
            "no_addr_misaligned_excep", "h_trans_cache", "cbo-inval", "cbo-clean_cbo-flush",
            "cbo-zero_basedon_xenvcfg-CBZE", "cbo-zero_specified_block", "cbo-clean_op", "cbo-clean_offset",
            "cbo-flush_op", "cbo-flush_unaligned", "cbo-inval_op", "cbo-inval_unaligned", "cbo-zero_op",
            "cbo-zero_unaligned", "cbo-zero_offset", "prefetch-i_op", "prefetch-r_op", "prefetch-w_op",
            "menvcfg_cbze_op", "menvcfg_cbcfe_op", "menvcfg_cbie_op", "menvcfg_cbie_cbo-inval_op", "henvcfg_cbze",
            "henvcfg_cbcfe", "henvcfg_cbie", "cbo-inval_h-mode_veq1_op", "cbo-inval_h-mode_op", "senvcfg_cbze",
            "senvcfg_cbcfe", "senvcfg_cbie",
        ),
    ),
    Program(
        "wait",
        "wait",
        needs=("zawrs", "zihintpause", "zihintntl"),
        rules=(
            "Zawrs_wrs-nto_stall_exec", "Zawrs_wrs-sto_stall_duration", "Zawrs_stall_terminate",
            "Zawrs_exec_resume_rules", "Zawrs_priv_illegal_instr_excp", "Zawrs_virtual_instr_excp", "pause_op",
            "pause_enc_fence",
        ),
    ),
    Program("clint", "clint"),
    Program("uart_plic", "uart_plic"),
    # without tohost: with it, input would wait until the program has shown that it means the UART
    Program("echo", "echo", defines={"NO_TOHOST": 1}, typed=b"Hello, world\n", printed=b"HELLO, WORLD\n"),
    Program("exit_pass", "exit", defines={"EXIT_CODE": 0}),
    Program("exit_fail", "exit", defines={"EXIT_CODE": 7}, code=7),
    Program("finisher_pass", "exit", defines={"EXIT_CODE": 0, "NO_TOHOST": 1}),
    Program("finisher_fail", "exit", defines={"EXIT_CODE": 7, "NO_TOHOST": 1}, code=7),
)
