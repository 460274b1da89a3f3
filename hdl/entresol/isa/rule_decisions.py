"""Normative rules that leave something to the implementation, and those that concern nothing that is here.

Tests pin the choices: they claim the rule like any other."""

from collections.abc import Mapping

#: Rule -> what was chosen.
CHOICES: Mapping[str, str] = {
    # hypervisor
    "HSXLEN": "64, always: mstatus.SXL is read-only 2.",
    "VSXLEN": "64, always.",
    "HSTATUS_VSXL_64_WARL": "Read-only 2.",
    "VSXL_RO": "Read-only.",
    "VTW_VIRTINSTR": "WFI in VS-mode with VTW=1 and TW=0 traps at once, without waiting.",
    "HSTATUS_VGEIN_WLRL": "VGEIN has the bits that GEILEN needs; the others are read-only zero.",
    "HSTATUS_VSBE_WARL": "Read-only zero: little-endian.",
    "HEDELEG_WARL": "Writable are the exceptions that can happen in VS-mode and VU-mode and that the manual does not "
                    "keep from VS-mode; the others are read-only zero.",
    "HIDELEG_WARL": "Writable are the three VS-level interrupts, and with Shlcofideleg LCOFI as far as mideleg gives "
                    "it.",
    "HVIP_WARL": "Writable are the three VS-level interrupts.",
    "HIP_WARL": "VSSIP is writable; SGEIP exists when GEILEN is not zero.",
    "HIE_WARL": "Writable are the three VS-level interrupts, and SGEIE when GEILEN is not zero.",
    "HGEIE_WARL": "Bits GEILEN:1 are writable.",
    "GEILEN": "A parameter of the configuration, 0 by default.",
    "HCOUNTEREN_WARL": "CY, TM, IR and those of the event counters that exist are writable.",
    "HTVAL_TRAPVAL": "The exact guest physical address of every guest-page fault, shifted right by 2.",
    "HTVAL_WARL": "62 bits: any guest physical address.",
    "HTINST_WARL": "32 bits.",
    "HGATP_MODE_WARL": "An unsupported MODE leaves MODE as it was; the other fields are written.",
    "HGATP_VMID": "14 bits.",
    "VSSTATUS_UXL_WARL": "Read-only 2.",
    "VSSTATUS_UBE": "Read-only zero, like VSBE.",
    "VSIP_WARL": "SSIP and LCOFIP are writable as far as hideleg gives them; SEIP and STIP are read-only.",
    "VSIE_WARL": "SEIE, STIE, SSIE and LCOFIE are writable as far as hideleg gives them.",
    "VSTVEC_MODE_WARL": "Direct and Vectored; bit 1 is read-only zero.",
    "VSTVEC_BASE_WARL": "Any address that is a multiple of 4.",
    "VSEPC_WARL": "Any even address.",
    "VSCAUSE_WLRL": "The interrupt bit and 6 bits of code.",
    "VSTVAL_WARL": "Any 64 bits.",
    "VSATP_MODE_UNSUPPORTED_V0_WARL": "The write is ignored, as with satp.",
    "MTVAL2_TRAPVAL": "The exact guest physical address of every guest-page fault, shifted right by 2.",
    "MTVAL2_WARL": "62 bits: any guest physical address.",
    "MTINST_WARL": "32 bits.",
    "HENVCFG_CBIE_WARL": "The reserved value 2 is taken as 0.",
    "hgatp_op_hfence_gvma": "A write to satp, vsatp or hgatp drops no translation: entries know their ASID and VMID.",
    # smstateen
    "STATEEN_WARL_ACCESS": "Writable are SE in all four, and ENVCFG; what the other bits control is not there.",
    # cmo
    "CACHE_BLOCK_SIZE": "64 bytes.",
    # a-st-ext
    "LR_SC_ALIGNMENT": "A misaligned LR, SC or AMO is an address-misaligned exception, found before any other of it.",
    # machine
    "MSTATUS_XPP_WARL": "MPP holds 0, 1 and 3; a write of 2 makes it 0.",
    "MSTATUS_TVM_WARL": "Writable.",
    "MSTATUS_FS_WARL": "All four values.",
    "MSTATUS_VS_WARL": "All four values.",
    "MSTATUS_FS_RDONLY0_S_NO_F": "Writable without F too, so that M-mode or a hypervisor can emulate it.",
    "MSTATUS_VS_RDONLY0_S_NO_V": "Writable, so that M-mode or a hypervisor can emulate vectors.",
    "MEDELEG_OP": "Every exception that can happen below M-mode can be delegated.",
    "MIDELEG_OP": "The supervisor-level interrupts can be delegated; those of VS-level always are.",
    "MHPMCOUNTER_N_RDONLY0": "Counters beyond the configuration's number are read-only zero.",
    "MHPMCOUNTER_N_SZ": "64 bits.",
    "MHPMEVENT_WARL": "The numbers of the events in `entresol.isa.csrs.HPM_EVENTS`; others are taken as 0, no event.",
    "MHPMEVENT_N_RDONLY0": "Selectors beyond the configuration's number are read-only zero.",
    "MCOUNTEREN_FLDS_WARL": "CY, TM, IR and those of the event counters that exist are writable.",
    "MENVCFG_CBIE_WARL": "The reserved value 2 is taken as 0.",
    "PMP_A_L_RST": "All entries are off and unlocked after reset.",
    "PMP_ENTRY_COUNT": "A parameter of the configuration: 0, 16 or 64, by default 16.",
    "PMPCFG_WARL": "W without R is taken as neither; bits 6:5 are read-only zero.",
    "PMPADDR_WARL": "As many bits as the physical addresses that exist, and one more, so that an address above all "
                    "memory stays there.",
    # priv-csrs
    "ZICSR_WARL": "No write of a value that a field does not take raises an exception.",
    # supervisor
    "SIP_WARL": "SSIP and LCOFIP are writable as far as mideleg gives them; SEIP and STIP are read-only.",
    "SIE_WARL": "SEIE, STIE, SSIE and LCOFIE are writable as far as mideleg gives them.",
    "ASIDLEN": "16 bits.",
}  # fmt: skip

_NOT_APPLICABLE: dict[str, tuple[str, ...]] = {
    "RV32 only, and this is an RV64 core whose XLEN is 64 in every mode": (
        "hstatus_vsxl_32", "hstatus_vsxl_change", "hedelegh_sz", "hedelegh_acc", "hedelegh_op", "henvcfgh_sz",
        "henvcfgh_acc", "henvcfgh_op", "htimedeltah_sz", "htimedeltah_acc", "htimedeltah_op", "vsstatus_uxl_change",
        "vsatp_ppn_sv32_sz", "hlvx-wu_valid32", "hgatp_mode_sv32x4", "H_cause_virtual_instruction_high",
        "H_virtinst_vs32_highctr_h0_m1", "H_virtinst_vu32_highctr_h0_s0_m1",
        "H_virtinst_vu_vs32_high_allowedhs_tvm0", "H_virtinst_vu32_high_supervisor_allowedhs_tvm0",
    ),
    "of Zicfilp, which is not implemented": ("henvcfg_lpe_op", "vsstatus_spelp_op"),
    "of Zicfiss, which is not implemented": ("henvcfg_sse_op",),
    "of Ssdbltrp, which is not implemented": (
        "henvcfg_dte_op", "vsstatus_sdt_op", "sret_dt", "mtval2_Ssdbltrap",
    ),
    "about the state of a vector unit, and there is none": ("vsstatus_vs_op",),
    "about the state of a floating-point unit, and there is none yet": ("vsstatus_fs_op",),
}  # fmt: skip

#: Rule -> why it says nothing about this core.
NOT_APPLICABLE: Mapping[str, str] = {rule: reason for reason, rules in _NOT_APPLICABLE.items() for rule in rules}
