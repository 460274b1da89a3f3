"""Where references are known to differ from the specification, or choose otherwise where it leaves a choice.

One row is one fact, with the normative rule that decides.  The table in docs/user/lockstep.md is made from these rows;
tests show each of them.  A row that recognises nothing is one that random programs stay clear of, because what follows
from it could not be told from a fault of the core.
"""

from entresol.config import VIRT_REGIONS

from .compare import Context, Deviation, Difference
from .layout import CODE, RAM_SIZE
from .steps import HS, INTERRUPT, VS, VU, U

_ALL = ((0,), (1000,))
_SGEI, _PBMTE = 1 << 12, 1 << 62
_PMP_ADDRESS = max(region.end for region in VIRT_REGIONS) - 1 >> 1  # all bits, the topmost of which says beyond
#: Registers of PMP entries that a machine with 16 does not have.
FURTHER_PMP = frozenset((*(f"pmpcfg{number}" for number in range(4, 16)), *(f"pmpaddr{n}" for n in range(16, 64))))
_UNMASKED = (1 << 48) - 1  # the bits of an address that no pointer masking replaces
_SIZES = {"h": 2, "w": 4, "d": 8}  # by the letter in the name of a load or store
_XTVAL = ("mtval", "stval", "vstval")
_GUEST_PAGE_FAULTS = (20, 21, 23)


def _near(difference: Difference, distance: int) -> bool:
    """Whether both values are addresses at most `distance` bytes apart."""
    here, there = difference.core, difference.reference
    return isinstance(here, int) and isinstance(there, int) and abs(here - there) < distance


def _same_trap(context: Context) -> bool:
    return context.core.trap is not None and context.core.trap == context.reference.trap


def _portion(difference: Difference, context: Context) -> bool:
    return (
        difference.name in ("tval", *_XTVAL) and _same_trap(context) and context.core.trap in (5, 7)
        and _near(difference, 8) and difference.core % 8 == 0  # type: ignore[operator]
    )  # fmt: skip


def _split_page(difference: Difference, context: Context) -> bool:
    size = _SIZES.get(context.row[1:2]) if context.row[:1] in ("l", "s") else None
    return (
        size is not None and (context.core.tval or 0) % size != 0 and context.core.trap in (4, 6)
        and context.reference.trap is None
    )  # fmt: skip


def _block_nowhere(difference: Difference, context: Context) -> bool:
    stores = context.core.stores
    where = stores[0].paddr if stores else context.reference.tval
    return (
        context.row.startswith("cbo.") and context.reference.trap in (5, 7) and context.core.trap is None
        and (where is None or where >= CODE + RAM_SIZE)
    )  # fmt: skip


def _uncached(difference: Difference, context: Context) -> bool:
    return (
        context.row.startswith(("amo", "lr", "sc", "cbo.zero")) and context.core.trap in (5, 7)
        and context.reference.trap is None and bool(context.csrs.get("menvcfg", 0) & _PBMTE)
    )  # fmt: skip


def _pmpaddr(difference: Difference, context: Context) -> bool:
    name = context.csr if difference.kind == "reg" else difference.name
    here, there = difference.core, difference.reference
    if not str(name).startswith("pmpaddr") or not isinstance(here, int) or not isinstance(there, int):
        return False
    return there > _PMP_ADDRESS and here == there & _PMP_ADDRESS | _PMP_ADDRESS + 1 >> 1


#: Where the text leaves a choice that the core uses.
CHOICES = (
    Deviation(
        "faulting portion", "of a misaligned access all parts of which fault, the core names the second doubleword",
        ("mtval_vaddr_wr2",), "xtval holds the address of the portion that caused the fault: each of them does.", _ALL,
        _portion,
    ),
    Deviation(
        "page split by PMP", "in a page that PMP divides, or one with PBMT=NC, the core has misaligned accesses raise "
        "address-misaligned",
        ("pmp_misaligned_access_behavior", "Svpbmt_impl_may_override_pmas"),
        "M-mode, which divides the page, can complete such accesses; PBMT may override PMAs that it does not name.",
        _ALL, _split_page, ends=True,
    ),
    Deviation(
        "uncached pages", "in a page with PBMT=NC or IO, the core has atomics and CBO.ZERO raise access faults",
        ("Svpbmt_impl_may_override_pmas",), "PBMT may override PMAs that it does not name.", _ALL, _uncached,
        ends=True,
    ),
    Deviation(
        "PMP addresses", "a pmpaddr has the bits that an address of something can have; written bits beyond set the "
        "topmost of these", ("pmp_addr_encoding",), "Not all bits need be implemented: pmpaddr is WARL.", _ALL,
        _pmpaddr, avoided=True,
    ),
    Deviation(
        "cache blocks nowhere", "cache block operations do not find out that a main memory region has no memory there",
        (), "They need not access memory: CBO.ZERO allocates the block, and errors of write-backs are lost.", _ALL,
        _block_nowhere, ends=True,
    ),
)  # fmt: skip


def _no_tinst(difference: Difference, context: Context) -> bool:
    names = ("mtinst", "htinst")
    if difference.kind == "reg":
        return context.csr in names and difference.reference == 0
    if difference.kind != "csr" or difference.name not in names:
        return False
    # what an instruction that sets or clears bits leaves there depends on what was there
    return difference.reference == 0 or (context.csr in names and context.row.startswith(("csrrs", "csrrc")))


def _misaligned_atomic(difference: Difference, context: Context) -> bool:
    return (
        context.row.startswith(("amo", "lr", "sc")) and context.core.trap in (4, 6)
        and context.reference.trap in (5, 7)
    )  # fmt: skip


#: Where the text leaves a choice that both references use.
_OPTIONS = (
    Deviation(
        "guest external interrupts", "bit 12 (SGEI) of interrupt registers exists: GEILEN is not 0",
        ("mideleg_hroz",), "GEILEN is the implementation's choice; the core has none.", _ALL,
        bits={name: _SGEI for name in ("mideleg", "mie", "mip", "hie", "hip", "hvip")},
    ),
    Deviation(
        "guest interrupt files", "VGEIN of hstatus holds 0 or anything, and hgeie 0: GEILEN is another",
        ("hstatus_vgein_op", "hgeie_op"), "GEILEN is the implementation's choice.", _ALL,
        bits={"hstatus": 0x3F << 12, "hgeie": (1 << 64) - 2}, avoided=True,
    ),
    Deviation(
        "no transformed instruction", "mtinst and htinst are written with zero more often",
        ("htinst_val",), "Zero is always allowed.", _ALL, _no_tinst,
    ),
    Deviation(
        "FIOM", "xenvcfg.FIOM is read-only zero", ("menvcfg_fiom_fence_op",),
        "The bit may be read-only zero only where satp is; as all accesses are ordered, nothing follows from it.", _ALL,
        bits={"menvcfg": 1, "henvcfg": 1, "senvcfg": 1},
    ),
    Deviation(
        "medeleg bits", "medeleg bits 0, 11 or 19 can be set", ("medeleg_when_rd0",),
        "Exceptions that less privileged modes cannot have should not be delegable.", _ALL,
        bits={"medeleg": 1 << 19 | 1 << 11 | 1}, avoided=True,
    ),
    Deviation(
        "hedeleg bits", "hedeleg bits 18 and 19 (software check, hardware error) are read-only zero, and bit 0 is not",
        ("hedeleg_op",), "The table of hedeleg has the two writable; where there are compressed instructions, no "
        "address of an instruction is misaligned.", _ALL, bits={"hedeleg": 3 << 18 | 1},
    ),
    Deviation(
        "FS and VS", "mstatus.FS and VS are read-only zero, or not", ("mstatus_fs_acc", "mstatus_vs_acc"),
        "Both are allowed where there is S-mode, but neither F nor vectors.", _ALL,
        bits=dict.fromkeys(("mstatus", "sstatus", "vsstatus"), 1 << 63 | 3 << 13 | 3 << 9), avoided=True,
    ),
    Deviation(
        "misa.C", "misa.C can be cleared", ("misa_extensions_disabling",), "No bit of misa need be writable.", _ALL,
        bits={"misa": 4}, avoided=True,
    ),
    Deviation(
        "mtimecmp", "mtimecmp is 0 after reset, so that MTIP is set", (), "Its value after reset is not defined.", _ALL,
        bits={"mip": 1 << 7}, avoided=True,
    ),
    Deviation(
        "timers", "stimecmp and vstimecmp take effect late, or never for times far away", ("mip_stip_stimecmp_acc",),
        "An interrupt becomes pending eventually: programs leave their timers alone.", _ALL, avoided=True,
    ),
    Deviation(
        "LCOFI", "interrupt 13 cannot be delegated to VS-mode", ("vsip_vsie_lcofi",), "Shlcofideleg is newer.", _ALL,
        bits={"hideleg": 1 << 13}, avoided=True,
    ),
)  # fmt: skip

def _block_tval(difference: Difference, context: Context) -> bool:
    return (
        context.row.startswith("cbo.") and difference.name in ("tval", *_XTVAL) and _same_trap(context)
        and difference.reference == difference.core & -64  # type: ignore[operator]
    )  # fmt: skip


def _sc(difference: Difference, context: Context) -> bool:
    x = context.core.regs, context.reference.regs
    failed = [*x[0].values()] == [0] and [*x[1].values()] == [1] and not context.reference.stores
    return context.row.startswith("sc.") and difference.kind in ("reg", "store") and failed


def _sv57(difference: Difference, context: Context) -> bool:
    here, there = difference.core, difference.reference
    if difference.name not in ("satp", "vsatp", "hgatp") or not isinstance(here, int) or not isinstance(there, int):
        return False
    return there >> 60 == 10 and here >> 60 != 10


def _tagged(difference: Difference, context: Context) -> bool:
    core, reference = context.core.stores, context.reference.stores
    return difference.kind == "store" and [s._replace(vaddr=s.vaddr & _UNMASKED, paddr=None) for s in core] == [
        s._replace(vaddr=s.vaddr & _UNMASKED) for s in reference
    ]


SPIKE = (
    *CHOICES,
    *_OPTIONS,
    Deviation(
        "block address", "of a cache block operation that faults, xtval has the address of the block",
        ("mtval_vaddr_wr1",), "xtval holds the effective address, which is rs1.", _ALL, _block_tval,
    ),
    Deviation(
        "masked addresses", "the address of a store is told as it was before pointer masking", (),
        "This is what the log shows, not what is done.", _ALL, _tagged, ends=True,
    ),
    Deviation(
        "state enables", "bits 0 and 60 of state enables exist", ("stateen_unimplemented_state_roz",),
        "Bits of state that is not there are read-only zero.", _ALL, avoided=True,
        bits={"mstateen0": 1 << 60 | 1, "hstateen0": 1 << 60 | 1, "sstateen0": 1},
    ),
    Deviation(
        "Sv57", "there is Sv57", ("satp_mode_op",), "A write of a MODE that is not there has no effect.", _ALL, _sv57,
        avoided=True, ends=True,
    ),
    Deviation(
        "SC", "SC may fail", ("sc_success_conditions",), "An SC may succeed if nothing came between, and loops get on.",
        _ALL, _sc, ends=True, avoided=True,
    ),
    Deviation(
        "misaligned atomics", "misaligned AMOs, LR and SC raise access faults", ("amo_alignment",),
        "Either exception is allowed.", _ALL, _misaligned_atomic,
    ),
)  # fmt: skip


def _amo_as_load(difference: Difference, context: Context) -> bool:
    as_load = {4: 4, 6: 4, 7: 5, 15: 13, 23: 21}
    if not context.row.startswith("amo"):
        return False
    # that part of an AMO which loads comes first: it is the load that may have another cause than the whole
    return context.core.trap in (6, 7, 15, 23) and context.reference.trap in as_load.values()


def _vscause(difference: Difference, context: Context) -> bool:
    return (
        difference.name == "vscause" and difference.core in (2, 6, 10) and difference.reference == difference.core - 1
    )


def _zero_tval(difference: Difference, context: Context) -> bool:
    return (
        difference.kind == "csr" and difference.name in _XTVAL and context.core.trap in (2, 3, 22)
        and difference.reference == 0
    )  # fmt: skip


def _htval(difference: Difference, context: Context) -> bool:
    if difference.kind == "csr":
        return difference.name in ("htval", "htinst") and context.core.trap is not None and context.core.target != HS
    if difference.kind != "reg" or context.csr not in ("htval", "htinst"):
        return False
    return context.trap is None or context.trap.target != HS


def _not_cleared(difference: Difference, context: Context) -> bool:
    name = context.csr if difference.kind == "reg" else difference.name
    last = context.trap if difference.kind == "reg" else context.core
    return (
        name in ("htval", "mtval2") and difference.core == 0 and last is not None and last.trap is not None
        and last.trap not in _GUEST_PAGE_FAULTS
    )  # fmt: skip


def _htinst(difference: Difference, context: Context) -> bool:
    return difference.kind == "csr" and difference.name == "htinst" and context.csr == "htinst"


def _virtual(difference: Difference, context: Context) -> bool:
    return context.core.trap == 22 and context.reference.trap == 2


def _aligned_tval(difference: Difference, context: Context) -> bool:
    size = _SIZES.get(context.row[1:2]) if context.row[:1] in ("l", "s") else None
    if difference.kind != "csr" or difference.name not in _XTVAL or size is None or not _same_trap(context):
        return False
    here, there = difference.core, difference.reference
    # the core may name the second part, and QEMU the beginning of the first
    return there % size == 0 and 0 < here - there <= size  # type: ignore[operator]


def _access_as_guest(difference: Difference, context: Context) -> bool:
    as_guest = {1: 20, 5: 21, 7: 23}
    return as_guest.get(context.core.trap or 0, -1) == context.reference.trap


def _hlsv_fault(difference: Difference, context: Context) -> bool:
    if not context.row.startswith(("hlv", "hsv")):
        return False
    return context.core.trap in (13, 15, 21, 23)


def _hlsv_tval(difference: Difference, context: Context) -> bool:
    return (
        context.row.startswith(("hlv", "hsv")) and _same_trap(context) and context.core.trap in (2, 22)
        and difference.name in _XTVAL
    )  # fmt: skip


def _implicit(difference: Difference, context: Context) -> bool:
    return context.core.trap in (20, 23) and context.reference.trap == 21


def _svinval(difference: Difference, context: Context) -> bool:
    rows, modes = ("sfence.w.inval", "sfence.inval.ir"), (U, VU)
    return context.row in rows and context.core.mode in modes and context.core.trap in (2, 22)


def _tsr(difference: Difference, context: Context) -> bool:
    return (
        context.row == "sret" and context.core.mode == VS and context.core.trap is None
        and context.reference.trap == 2
    )  # fmt: skip


def _no_write(difference: Difference, context: Context) -> bool:
    """Of an instruction that writes a read-only CSR."""
    raw = context.core.raw or 0
    return (
        context.row in ("csrrs", "csrrc") and raw >> 30 & 3 == 3 and raw >> 15 & 31 != 0 and context.operand == 0
        and context.core.trap in (2, 22) and context.reference.trap is None
    )  # fmt: skip


def _vector(difference: Difference, context: Context) -> bool:
    written = context.row == "csrrw" and context.operand & 3 >= 2
    return written and difference.name == context.csr and context.csr in ("mtvec", "stvec", "vstvec")


def _ctzw(difference: Difference, context: Context) -> bool:
    return difference.kind == "reg" and context.row == "ctzw" and difference.core == 32


def _order(difference: Difference, context: Context) -> bool:
    here, there = context.core.trap, context.reference.trap
    return bool(here and there and here & there & INTERRUPT and there < here)


def _vsie(difference: Difference, context: Context) -> bool:
    if difference.kind != "reg" or context.csr != "vsie" or context.core.mode != VS:
        return False
    return difference.reference == difference.core & context.csrs.get("mideleg", 0)  # type: ignore[operator]


def _hlvx(difference: Difference, context: Context) -> bool:
    return context.row.startswith("hlvx") and context.core.trap is None and context.reference.trap in (5, 13, 21)


def _mpv(difference: Difference, context: Context) -> bool:
    return difference.kind == "mode" and difference.reference == "7"


def _tables(difference: Difference, context: Context) -> bool:
    if difference.kind == "reg":  # which access of a walk was refused, in mtval2 and htval
        return context.csr in ("mtval2", "htval") and context.trap is not None and context.trap.trap == 23
    return context.core.trap in (12, 13, 15, *_GUEST_PAGE_FAULTS) and context.reference.trap is None


def _triggers(difference: Difference, context: Context) -> bool:
    registers = ("tselect", "tdata1", "tdata2", "tdata3", "tinfo", "tcontrol")
    return context.csr in registers and context.reference.trap == 2


def _pmp_entries(difference: Difference, context: Context) -> bool:
    return context.csr in FURTHER_PMP and context.reference.trap == 2


def _counters(difference: Difference, context: Context) -> bool:
    return context.csr.startswith(("mhpm", "hpm")) and context.reference.trap == 2


_QEMU = ((7,), (1000,))

#: Seen in 7.2; a later version that has mended one of them simply does not show it.
QEMU = (
    *CHOICES,
    *_OPTIONS,
    Deviation(
        "GVA", "mstatus.GVA and hstatus.GVA are set for every trap from V=1 that writes a nonzero xtval, and not for "
        "HLV and HSV", ("mstatus_gva_op", "hstatus_gva_op"),
        "GVA is set by traps that write a guest virtual address to xtval, and cleared by all others.", _QEMU,
        bits={"mstatus": 1 << 38, "hstatus": 1 << 6},
    ),
    Deviation(
        "AMO faults", "faults of the part of an AMO that loads come first, as those of loads",
        ("mcause_exccode_st_sc_amo",), "An AMO raises store/AMO exceptions.", _QEMU, _amo_as_load,
    ),
    Deviation(
        "vscause", "exceptions 2, 6 and 10 are one less in vscause", ("vscause_op",),
        "Only interrupts are renumbered.", _QEMU, _vscause,
    ),
    Deviation(
        "zero xtval", "illegal and virtual instructions and EBREAK write zero to xtval", ("mtval_op",),
        "Zero is allowed for these.", _QEMU, _zero_tval,
    ),
    Deviation(
        "htval", "traps to other modes write htval and htinst", ("htval_op",), "Only traps to HS-mode do.", _QEMU,
        _htval,
    ),
    Deviation(
        "htinst", "software cannot write htinst", ("htinst_acc",), "htinst is writable.", _QEMU, _htinst,
    ),
    Deviation(
        "stale mtval2", "traps other than guest-page faults leave the address of the last one in mtval2 and htval",
        ("mtval2_trapval_other",), "Other traps write zero.", _QEMU, _not_cleared,
    ),
    Deviation(
        "virtual instruction", "an illegal-instruction exception comes instead of a virtual-instruction one",
        ("H_virtinst_vu_vs_hinst", "H_virtinst_vu_sret_sfence", "H_virtinst_vu_nonhigh_supervisor_allowedhs_tvm0"),
        "What would be legal in HS-mode raises a virtual-instruction exception in VS- and VU-mode.", _QEMU, _virtual,
    ),
    Deviation(
        "aligned xtval", "of a misaligned access that faults, xtval has the address of an aligned one",
        ("mtval_vaddr_wr2",), "xtval has the address of the portion that faulted.", _QEMU, _aligned_tval,
    ),
    Deviation(
        "access faults in V=1", "access faults of the final address of two stages are guest-page faults",
        ("hgatp_mode_x4",), "Only what G-stage translation refuses is a guest-page fault.", _QEMU, _access_as_guest,
    ),
    Deviation(
        "HLV and HSV faults", "the VS-stage permissions of HLV and HSV are not those of vsstatus, and satp decides "
        "between page faults and access faults", ("hlsv_vsstatus_mxr",),
        "HLV and HSV translate as in V=1.", _QEMU, _hlsv_fault,
    ),
    Deviation(
        "implicit faults", "guest-page faults of the guest's page tables are those of a load", ("H_cause",),
        "The exception is that of the original access.", _QEMU, _implicit,
    ),
    Deviation(
        "Svinval in user mode", "SFENCE.W.INVAL and SFENCE.INVAL.IR do nothing in U- and VU-mode",
        ("Svinval_illegal_instruction_u_mode",), "They are illegal, or virtual, instructions there.", _QEMU, _svinval,
    ),
    Deviation(
        "TSR", "mstatus.TSR makes SRET illegal in VS-mode, too", ("mstatus_tsr_op",),
        "TSR is for SRET in HS-mode, VTSR for SRET in VS-mode.", _QEMU, _tsr,
    ),
    Deviation(
        "write of nothing", "CSRRS and CSRRC with a register that holds 0 do not write",
        ("csrrs_op", "csrrc_op"), "Only x0 as the register makes them not write.", _QEMU, _no_write, ends=True,
    ),
    Deviation(
        "vector modes", "writes of a reserved MODE to xtvec do nothing", ("mtvec_mode_enc",),
        "MODE is WARL: any legal value may come of it.", _QEMU, _vector,
    ),
    Deviation(
        "CTZW", "CTZW counts on beyond a word of zeros", (), "It gives 32.", _QEMU, _ctzw,
    ),
    Deviation(
        "MXR", "vsstatus.MXR applies to both stages, and mstatus.MXR to neither", ("vsstatus_mxr_vm",),
        "vsstatus.MXR applies to the VS-stage, sstatus.MXR to both.", _QEMU, avoided=True,
    ),
    Deviation(
        "illegal HLV", "xtval of an illegal HLV or HSV holds another instruction", ("mtval_ill_instr_exc_in_low_bits",),
        "xtval holds the faulting instruction or zero.", _QEMU, _hlsv_tval,
    ),
    Deviation(
        "HLVX", "HLVX needs permission to read", ("hlsv_op",), "HLVX needs permission to execute.", _QEMU,
        _hlvx,
    ),
    Deviation(
        "MPV", "MRET to M-mode sets V from MPV", ("mstatus_mpv_op",), "V is 0 in M-mode.", _QEMU, _mpv,
    ),
    Deviation(
        "envcfg", "there is no Svadu, and bits of henvcfg stay when those of menvcfg are cleared",
        ("henvcfg_adue_op", "menvcfg_stce_op", "menvcfg_pbmte_henvcfg_pbmte_rdonly0"),
        "The extension is newer; STCE and PBMTE of henvcfg are read-only zero when those of menvcfg are zero.", _QEMU,
        bits={"menvcfg": 1 << 61, "henvcfg": 7 << 61},
    ),
    Deviation(
        "vsip", "vsip shows VSSIP only", ("vsip_vsie_sti", "vsip_vsie_sei"), "It shows what hideleg delegates.", _QEMU,
        bits={"vsip": 0x220},
    ),
    Deviation(
        "vsie", "sie as VS-mode reads it shows what mideleg delegates", ("vsip_vsie_ssi", "vsip_vsie_sti",
        "vsip_vsie_sei"), "It shows what hideleg delegates.", _QEMU, _vsie,
    ),
    Deviation(
        "vsstatus.SXL", "bits 35:34 of vsstatus are not zero", ("vsstatus_sz",), "These bits belong to mstatus only.",
        _QEMU, bits={"vsstatus": 3 << 34},
    ),
    Deviation(
        "LCOFI without Sscofpmf", "interrupt 13 can be enabled and delegated where there is no Sscofpmf",
        ("mip_lcofip_rdonly0", "mie_lcofie_rdonly0"), "The bits are read-only zero.", _QEMU,
        bits=dict.fromkeys(("mideleg", "mie", "mip", "sie", "sip"), 1 << 13), without="sscofpmf", avoided=True,
    ),
    Deviation(
        "misa.B", "misa has no B", ("misa_enc",), "The meaning of the bit is newer.", _QEMU, bits={"misa": 2},
    ),
    Deviation(
        "mip and hvip", "writes to mip change VSTIP and VSEIP", ("hvip_op",),
        "Both are read-only in mip.", _QEMU, bits={"mip": 0x440}, ends=True,
    ),
    Deviation(
        "hvip.VSTIP", "a write to vstimecmp clears hvip.VSTIP", ("hip_vstip_op",),
        "hip.VSTIP is the logical OR of hvip.VSTIP and what vstimecmp signals.", _QEMU, avoided=True,
    ),
    Deviation(
        "interrupt order", "without AIA the lowest number comes first", ("s_interrupt_priority", "hsint_priority"),
        "External before software before timer interrupts.", _QEMU, _order,
    ),
    Deviation(
        "page tables", "A and D are always set by hardware, and reserved bits are not all checked",
        ("svade_access_ad_bit_clear",), "Without ADUE, accesses raise page faults instead.", _QEMU, _tables,
        avoided=True,
    ),
    Deviation(
        "root entries", "entries of the G-stage's root table behind the 1024th do not translate", ("hgatp_mode_x4",),
        "Its index has two bits more.", _QEMU, avoided=True,
    ),
    Deviation(
        "PMP", "refusals in V=1 are guest-page faults, and what was translated before a change of the PMP may not be "
        "executable any more", ("pmp_sfence_required",), "They are access faults; SFENCE.VMA makes changes effective.",
        _QEMU, avoided=True,
    ),
    Deviation(
        "PMP entries", "there are 16 PMP entries", ("PMP_ENTRY_COUNT",), "There can be 0, 16 or 64.", _QEMU,
        _pmp_entries, avoided=True,
    ),
    Deviation(
        "triggers", "there are no registers of triggers", (), "The debug specification leaves the choice.",
        _QEMU, _triggers, avoided=True,
    ),
    Deviation(
        "absent counters", "there are no registers of counters that do not count", ("mhpmcounter_mandatory",),
        "They read as zero.", _QEMU, _counters, avoided=True,
    ),
    Deviation(
        "MPRV", "MRET and SRET to less privileged modes leave MPRV", ("mstatus_mprv_clr_mret_sret_less_priv",),
        "They clear it.", _QEMU, avoided=True,
    ),
    Deviation(
        "TVM", "TVM and VTVM gate other registers than they should", ("mstatus_tvm_op", "hstatus_vtvm_op"),
        "TVM gates satp and hgatp in HS-mode, VTVM satp in VS-mode.", _QEMU, avoided=True,
    ),
    Deviation(
        "absent memory", "page-table entries in absent memory read as zero", (),
        "An access that no device answers is an access fault.", _QEMU, avoided=True,
    ),
)  # fmt: skip

DEVIATIONS = {"qemu": QEMU, "spike": SPIKE}
