"""What the text of the privileged architecture says about traps: where they go and what they write.

Written from the manual alone (chapters "Machine-Level ISA" and "H Extension for Hypervisor Support"), for XLEN=64; it
shares nothing with the description of the hardware.  Where the text leaves a choice, the choice is an argument.
Modes are "M", "HS", "U", "VS" and "VU".
"""

from dataclasses import dataclass, field

PRIVILEGE = {"U": 0, "VU": 0, "HS": 1, "VS": 1, "M": 3}
VIRTUAL = ("VS", "VU")
SSI, VSSI, MSI, STI, VSTI, MTI, SEI, VSEI, MEI, SGEI = 1, 2, 3, 5, 6, 7, 9, 10, 11, 12
INTERRUPTS = (SSI, VSSI, MSI, STI, VSTI, MTI, SEI, VSEI, MEI, SGEI)
VS_LEVEL = (VSSI, VSTI, VSEI)
S_LEVEL = (SSI, STI, SEI)
M_LEVEL = (MSI, MTI, MEI)
GUEST_PAGE_FAULTS = (20, 21, 23)

#: "Multiple simultaneous interrupts destined for M-mode [HS-mode] are handled in the following decreasing priority
#: order"; those for VS-mode SEI, SSI, STI.
PRIORITY = (MEI, MSI, MTI, SEI, SSI, STI, SGEI, VSEI, VSSI, VSTI)

# fields of mstatus (and, where they exist there, of sstatus and vsstatus)
SIE, MIE, SPIE, MPIE, SPP, MPP, GVA, MPV = 1 << 1, 1 << 3, 1 << 5, 1 << 7, 1 << 8, 3 << 11, 1 << 38, 1 << 39
# fields of hstatus
H_GVA, H_SPV, H_SPVP = 1 << 6, 1 << 7, 1 << 8

#: Table "Bits of hedeleg that must be writable or must be read-only zero": the writable ones.  Bit 0 must be writable
#: if instruction addresses can be misaligned at all.
HEDELEG_WRITABLE = sum(1 << bit for bit in (1, 2, 3, 4, 5, 6, 7, 8, 12, 13, 15, 18, 19))
HEDELEG_ZERO = sum(1 << bit for bit in (9, 10, 11, 16, 20, 21, 22, 23))
#: "Among bits 15:0 of hideleg, bits 10, 6, and 2 are writable, and bits 12, 9, 5, and 1 are read-only zeros."
HIDELEG_WRITABLE = sum(1 << bit for bit in VS_LEVEL)
#: "When the hypervisor extension is implemented, bits 10, 6, and 2 of mideleg are each read-only one.  Furthermore, if
#: any guest external interrupts are implemented (GEILEN is nonzero), bit 12 of mideleg is also read-only one."
MIDELEG_ONES = sum(1 << bit for bit in (*VS_LEVEL, SGEI))


@dataclass
class State:
    """The state that decides about a trap, as registers: the delegation registers read back (what of medeleg, and of
    the S- and M-level bits of mideleg, is writable is the implementation's choice), and xtvec, MODE in the low bits."""

    mode: str
    mstatus: int = 0
    vsstatus: int = 0
    hstatus: int = 0
    medeleg: int = 0
    mideleg: int = 0
    hedeleg: int = 0
    hideleg: int = 0
    mie: int = 0
    mip: int = 0
    tvec: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Event:
    """An exception or interrupt, with what it says of itself: `tval` for xtval, `gva` whether that is a guest virtual
    address, `gpa` the faulting guest physical address (of guest-page faults), `tinst` for mtinst or htinst."""

    cause: int
    interrupt: bool = False
    tval: int = 0
    gva: bool = False
    gpa: int = 0
    tinst: int = 0


def handler(state: State, event: Event) -> str:
    """The mode that handles an exception or a taken interrupt in `state`.

    "Traps never transition from a more-privileged mode to a less-privileged mode": in M-mode nothing is delegated.  "A
    synchronous trap that has been delegated to HS-mode (using medeleg) is further delegated to VS-mode if V=1 before
    the trap and the corresponding hedeleg bit is set"; likewise interrupts with mideleg and hideleg.
    """
    first, second = (state.mideleg, state.hideleg) if event.interrupt else (state.medeleg, state.hedeleg)
    if state.mode == "M" or not first >> event.cause & 1:
        return "M"
    if state.mode in VIRTUAL and second >> event.cause & 1:
        return "VS"
    return "HS"


def interrupt(state: State) -> Event | None:
    """The interrupt that is taken in `state`, if any.

    "An interrupt i will trap to M-mode if all of the following are true: (a) either the current privilege mode is M
    and the MIE bit in the mstatus register is set, or the current privilege mode has less privilege than M-mode; (b)
    bit i is set in both mip and mie; and (c) if register mideleg exists, bit i is not set in mideleg."  Interrupts to
    HS-mode and to VS-mode have the same conditions one and two levels down; in V=1 HS-mode is a higher mode, whose
    SIE does not matter.  Interrupts to higher modes come first.
    """
    pending = state.mip & state.mie

    def taken(destination: str, enabled: bool) -> Event | None:
        for code in PRIORITY:
            if not pending >> code & 1 or not enabled:
                continue
            delegated = bool(state.mideleg >> code & 1)
            further = bool(state.hideleg >> code & 1)
            goes = "M" if not delegated else "VS" if further else "HS"
            if goes == destination:
                return Event(code, True)
        return None

    mode = state.mode
    return (
        taken("M", mode != "M" or bool(state.mstatus & MIE))
        or taken("HS", mode in ("U", *VIRTUAL) or (mode == "HS" and bool(state.mstatus & SIE)))
        or taken("VS", mode == "VU" or (mode == "VS" and bool(state.vsstatus & SIE)))
    )


def vector(state: State, target: str, event: Event) -> int:
    """Where the handler begins: "MODE=Vectored: asynchronous interrupts set pc to BASE+4xcause".  A VS-level interrupt
    in VS-mode has the cause it is translated to."""
    base, mode = state.tvec[target] & ~3, state.tvec[target] & 3
    return base + 4 * cause(target, event) if mode == 1 and event.interrupt else base


def cause(target: str, event: Event) -> int:
    """The code in xcause.  "When a virtual supervisor external interrupt (code 10) is delegated to VS-mode, it is
    automatically translated by the machine into a supervisor external interrupt (code 9) for VS-mode, including the
    value written to vscause", timer 6 to 5, software 2 to 1."""
    return event.cause - 1 if target == "VS" and event.interrupt and event.cause in VS_LEVEL else event.cause


def _set(register: int, bits: int, value: bool) -> int:
    return register | bits if value else register & ~bits


def entry(state: State, event: Event, epc: int) -> dict[str, int]:
    """The registers that the trap writes, with their new values: the status registers whole, and the handler's own.

    Section "Trap Entry": "When a trap is taken into M-mode, virtualization mode V gets set to 0, and fields MPV and
    MPP in mstatus are set according to [the table].  A trap into M-mode also writes fields GVA, MPIE, and MIE in
    mstatus and writes CSRs mepc, mcause, mtval, mtval2, and mtinst."  Into HS-mode: "... fields SPV and SPP ... are
    set ...  If V was 1 before the trap, field SPVP in hstatus is set the same as sstatus.SPP; otherwise, SPVP is left
    unchanged.  A trap into HS-mode also writes field GVA in hstatus, fields SPIE and SIE in sstatus, and CSRs sepc,
    scause, stval, htval, and htinst."  Into VS-mode: "vsstatus.SPP is set ...  Register hstatus and the HS-level
    sstatus are not modified, and the virtualization mode V remains 1.  A trap into VS-mode also writes fields SPIE and
    SIE in vsstatus and writes CSRs vsepc, vscause, and vstval."
    """
    target = handler(state, event)
    supervisor = PRIVILEGE[state.mode] == 1
    virtual = state.mode in VIRTUAL
    code = cause(target, event) | event.interrupt << 63
    # "htval is written with zero" unless it is a guest-page fault, then with the address shifted right by 2 bits
    second = event.gpa >> 2 if event.cause in GUEST_PAGE_FAULTS and not event.interrupt else 0
    mstatus, hstatus, vsstatus = state.mstatus, state.hstatus, state.vsstatus
    if target == "M":
        mstatus = mstatus & ~MPP | PRIVILEGE[state.mode] << 11
        mstatus = _set(mstatus, MPV, virtual)
        mstatus = _set(mstatus, GVA, event.gva)
        mstatus = _set(mstatus, MPIE, bool(mstatus & MIE)) & ~MIE
        written = {"mepc": epc, "mcause": code, "mtval": event.tval, "mtval2": second, "mtinst": event.tinst}
    elif target == "HS":
        mstatus = _set(mstatus, SPP, supervisor)
        mstatus = _set(mstatus, SPIE, bool(mstatus & SIE)) & ~SIE
        hstatus = _set(hstatus, H_SPV, virtual)
        hstatus = _set(hstatus, H_GVA, event.gva)
        if virtual:
            hstatus = _set(hstatus, H_SPVP, supervisor)
        written = {"sepc": epc, "scause": code, "stval": event.tval, "htval": second, "htinst": event.tinst}
    else:
        vsstatus = _set(vsstatus, SPP, supervisor)
        vsstatus = _set(vsstatus, SPIE, bool(vsstatus & SIE)) & ~SIE
        written = {"vsepc": epc, "vscause": code, "vstval": event.tval}
    return {"mstatus": mstatus, "hstatus": hstatus, "vsstatus": vsstatus, **written}


def transformed(word: int, offset: int = 0) -> int:
    """The transformed instruction for a 32-bit load, store, AMO, LR, SC, HLV, HLVX or HSV: rs1 replaced by the address
    offset, a load's or store's immediate by zeros (section "Transformed Instruction or Pseudoinstruction")."""
    opcode = word & 0x7F
    if opcode == 0x03:  # load: funct3, rd
        return word & 0x7F | word & 0x7000 | word & 0xF80 | offset << 15
    if opcode == 0x23:  # store: rs2, funct3
        return word & 0x7F | word & 0x7000 | word & 0x1F0_0000 | offset << 15
    if opcode in (0x2F, 0x73):  # atomic or virtual-machine access: everything but rs1
        return word & ~(0x1F << 15) | offset << 15
    raise ValueError(f"{word:#x} has no transformed instruction")
