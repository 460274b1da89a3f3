"""Shapes between the CSR file, the MMU and those that ask it for translations."""

from amaranth.lib import data, enum

from ..isa.privilege import Access, Mode


class Satp(data.Struct):
    """`satp`/`vsatp`, least significant first."""

    ppn: 44
    asid: 16
    mode: 4  # 0 Bare, 8 Sv39, 9 Sv48, 10 Sv57


class Hgatp(data.Struct):
    """`hgatp`, least significant first."""

    ppn: 44
    vmid: 14
    zero: 2
    mode: 4  # 0 Bare, 8 Sv39x4, 9 Sv48x4, 10 Sv57x4


class PmpEntry(data.Struct):
    """One PMP entry as the CSRs hold it: `cfg` is pmpcfg's byte (R, W, X, A[1:0], 0, 0, L from bit 0 up),
    `addr` is pmpaddr (address bits 55:2)."""

    r: 1
    w: 1
    x: 1
    a: 2
    zero: 2
    l: 1
    addr: 54


class MmuContext(data.Struct):
    """Everything in CSRs that translation depends on (PMP entries apart)."""

    satp: Satp
    vsatp: Satp
    hgatp: Hgatp
    mxr: 1  # mstatus.MXR: applies to both stages
    sum: 1  # mstatus.SUM
    vmxr: 1  # vsstatus.MXR: VS-stage only
    vsum: 1  # vsstatus.SUM
    m_adue: 1  # menvcfg.ADUE: hardware A/D updating for V=0 and the G-stage
    h_adue: 1  # henvcfg.ADUE (already ANDed with menvcfg's): for the VS-stage
    m_pbmte: 1
    h_pbmte: 1


class FenceOp(enum.Enum, shape=2):
    """Which translations a fence removes."""

    SFENCE_VMA = 0  # HS-level: V=0 entries, by address and ASID
    HFENCE_VVMA = 1  # VS-stage of the current VMID (also SFENCE.VMA executed with V=1), by address and ASID
    HFENCE_GVMA = 2  # G-stage, by guest physical address (rs1 holds it shifted right by 2) and VMID
    ALL = 3  # everything (PMP changed)


class Fence(data.Struct):
    """One address-translation fence."""

    addr: 64  # value of rs1
    id: 16  # value of rs2: ASID or VMID
    op: FenceOp
    by_addr: 1  # rs1 != x0
    by_id: 1  # rs2 != x0


class TlbLookup(data.Struct):
    """A question to an L1 TLB, asked in the cycle before the answer is used."""

    vaddr: 64  # bytes
    access: Access
    mode: Mode  # effective mode
    hlvx: 1
    size: 2  # log2(bytes) of a load or store; decides which block is checked where PMP splits a page


class TlbResult(data.Struct):
    """The answer, valid in the cycle after the question (combinational from registers)."""

    paddr: 56  # bytes
    hit: 1  # translated and permitted; when 0, ask the walker, which loads the TLB or says what the fault is
    io: 1  # uncached, strongly ordered (PMA or Svpbmt)
    nc: 1  # with io: main memory all the same (PBMT=NC)
    narrow: 1  # PMP splits the page: only the naturally aligned block of `size` (at least 4) bytes that holds vaddr
    # was checked, for this lookup alone; the rest of a misaligned access needs a lookup of its own
    line: 1  # with narrow: the 64 bytes around vaddr are uniform all the same, enough for a cache-block operation
