"""Address translation as the privileged manual writes it down, over memory in a dictionary.

Follows the text of "Virtual Address Translation Process" (supervisor chapter), "Two-Stage Address Translation"
(hypervisor chapter) and "Physical Memory Protection" step by step and caches nothing.  Shares no code with the RTL.
"""

import copy
from dataclasses import dataclass, field

LOAD, STORE, FETCH = 0, 1, 2
U, S, M = 0, 1, 3
V_, R, W, X, UBIT, G, A, D = (1 << i for i in range(8))
PAGE, ACCESS, GUEST = "page", "access", "guest"
NONE, READ, WRITE = 0, 1, 2
CAUSES = {
    (PAGE, LOAD): 13, (PAGE, STORE): 15, (PAGE, FETCH): 12,
    (ACCESS, LOAD): 5, (ACCESS, STORE): 7, (ACCESS, FETCH): 1,
    (GUEST, LOAD): 21, (GUEST, STORE): 23, (GUEST, FETCH): 20,
}  # fmt: skip


class Fault(Exception):
    """The access faults: `kind`, and for guest page faults the guest physical address and the implicit access."""

    def __init__(self, kind, gpa=0, implicit=NONE):
        super().__init__(f"{kind} gpa={gpa:#x} implicit={implicit}")
        self.kind, self.gpa, self.implicit = kind, gpa, implicit


@dataclass
class Atp:
    """satp, vsatp or hgatp: mode 0, 8, 9, 10; `id` is the ASID or the VMID."""

    mode: int = 0
    ppn: int = 0
    id: int = 0


@dataclass
class Pmp:
    """One PMP entry: permission bits R=1 W=2 X=4, mode 0 off, 1 TOR, 2 NA4, 3 NAPOT."""

    perm: int = 0
    a: int = 0
    locked: bool = False
    addr: int = 0


@dataclass
class Machine:
    """The state that translation depends on.  `memory` maps addresses of doublewords to their values."""

    regions: list  # (base, end, io)
    pmp: list = field(default_factory=list)
    svnapot: bool = False
    svpbmt: bool = False
    satp: Atp = field(default_factory=Atp)
    vsatp: Atp = field(default_factory=Atp)
    hgatp: Atp = field(default_factory=Atp)
    mxr: int = 0
    sum: int = 0
    vmxr: int = 0
    vsum: int = 0
    m_adue: int = 0
    h_adue: int = 0
    m_pbmte: int = 0
    h_pbmte: int = 0
    memory: dict = field(default_factory=dict)
    bus_errors: set = field(default_factory=set)

    def copy(self):
        """A copy whose memory can be changed independently."""
        other = copy.copy(self)
        other.memory = dict(self.memory)
        return other

    # -- physical memory
    def pma(self, address):
        """The region at `address`: None, or whether it is I/O."""
        for base, end, io in self.regions:
            if base <= address < end:
                return io
        return None

    def pmp_allows(self, address, size, want, priv):
        """Whether PMP permits the access of `size` bytes; `want` is one of R=1, W=2, X=4."""
        if not self.pmp:
            return True
        for i, entry in enumerate(self.pmp):
            if entry.a == 0:
                continue
            if entry.a == 1:
                low = self.pmp[i - 1].addr << 2 if i else 0
                high = entry.addr << 2
            elif entry.a == 2:
                low = entry.addr << 2
                high = low + 4
            else:
                ones = 0
                while entry.addr >> ones & 1:
                    ones += 1
                length = 1 << (ones + 3)
                low = (entry.addr << 2) & ~(length - 1)
                high = low + length
            matching = sum(low <= byte < high for byte in range(address, address + size))
            if matching == 0:
                continue
            if matching < size:
                return False
            if priv == M and not entry.locked:
                return True
            return bool(entry.perm & want)
        return priv == M

    def read_pte(self, address, write=False):
        """A page-table entry; an access fault if PMA, PMP or the bus refuse."""
        if self.pma(address) is not False or not self.pmp_allows(address, 8, 2 if write else 1, S):
            raise Fault(ACCESS)
        if address in self.bus_errors:
            raise Fault(ACCESS)
        return self.memory.get(address, 0)

    # -- one stage
    def walk(self, atp, va, *, gstage, v, access, hlvx, implicit, priv, mxr, sum_, adue, pbmte, table):
        """The algorithm.  `table(address, write)` turns the address of a page-table entry into a supervisor physical
        one.  Returns (pa, PBMT of the leaf)."""
        kind = GUEST if gstage else PAGE

        def fail():
            raise Fault(kind, va if gstage else 0, implicit if gstage else NONE)

        levels = atp.mode - 5
        width = 12 + 9 * levels + (2 if gstage else 0)
        if gstage:
            if va >> width:
                fail()
        elif va >> (width - 1) not in (0, (1 << (65 - width)) - 1):
            fail()
        a = atp.ppn << 12
        i = levels - 1
        while True:
            vpn = va >> (12 + 9 * i) & (0x7FF if gstage and i == levels - 1 else 0x1FF)
            entry = a + vpn * 8
            physical = table(entry, False)
            pte = self.read_pte(physical)
            pbmt = pte >> 61 & 3
            n = pte >> 63
            leaf = pte & (R | X)
            if not pte & V_ or (pte & W and not pte & R) or pte >> 54 & 0x7F:
                fail()
            if n and not self.svnapot:
                fail()
            if pbmt and not pbmte:
                fail()
            ppn = pte >> 10 & (1 << 44) - 1
            if not leaf:
                if pte & (D | A | UBIT) or n or pbmt:
                    fail()
                i -= 1
                if i < 0:
                    fail()
                a = ppn << 12
                continue
            if pbmt == 3:
                fail()
            if n:
                if i or ppn & 0xF != 8:
                    fail()
                ppn = ppn & ~0xF | va >> 12 & 0xF
            if ppn & (1 << 9 * i) - 1:
                fail()
            if gstage or priv == U:
                if not pte & UBIT:
                    fail()
            elif pte & UBIT and (access == FETCH or not sum_):
                fail()
            if access == STORE:
                need = pte & W
            elif access == FETCH or hlvx:
                need = pte & X
            else:
                need = pte & R or (mxr and pte & X)
            if not need:
                fail()
            new = pte | A | (D if access == STORE else 0)
            if new != pte:
                if not adue:
                    fail()
                target = table(entry, True)
                self.read_pte(target, write=True)
                self.memory[target] = new
            mask = (1 << (12 + 9 * i)) - 1
            return (ppn << 12) & ~mask | va & mask, pbmt

    def gstage(self, gpa, access, hlvx, implicit):
        """Guest physical to supervisor physical address."""
        if not self.hgatp.mode:
            return gpa, 0
        explicit = implicit == NONE
        return self.walk(
            self.hgatp,
            gpa,
            gstage=True,
            v=1,
            implicit=implicit,
            access=access if explicit else STORE if implicit == WRITE else LOAD,
            hlvx=hlvx and explicit,
            priv=U,
            mxr=self.mxr and explicit,
            sum_=0,
            adue=self.m_adue,
            pbmte=self.m_pbmte and self.svpbmt,
            table=lambda address, write: address,
        )

    def translate(self, va, access, priv, v, hlvx=False, size=3):
        """The physical address, whether it is uncached, and whether it is main memory all the same (PBMT=NC).

        Raises:
            Fault: the access faults.
        """
        pbmt = 0
        if priv == M:
            pa = va
        elif not v:
            pa = va
            if self.satp.mode:
                pa, pbmt = self.walk(
                    self.satp,
                    va,
                    gstage=False,
                    v=0,
                    access=access,
                    hlvx=False,
                    implicit=NONE,
                    priv=priv,
                    mxr=self.mxr,
                    sum_=self.sum,
                    adue=self.m_adue,
                    pbmte=self.m_pbmte and self.svpbmt,
                    table=lambda address, write: address,
                )
        else:
            gpa = va
            if self.vsatp.mode:
                gpa, pbmt = self.walk(
                    self.vsatp,
                    va,
                    gstage=False,
                    v=1,
                    access=access,
                    hlvx=hlvx,
                    implicit=NONE,
                    priv=priv,
                    mxr=self.mxr or self.vmxr,
                    sum_=self.vsum,
                    adue=self.h_adue,
                    pbmte=self.h_pbmte and self.svpbmt,
                    table=lambda address, write: self.gstage(address, None, False, WRITE if write else READ)[0],
                )
            pa, gpbmt = self.gstage(gpa, access, hlvx, NONE)
            pbmt = pbmt or gpbmt
        io = self.pma(pa)
        if io is None:
            raise Fault(ACCESS)
        if access == FETCH:
            size = 2
        length = 1 << size
        aligned = pa & -length
        wants = {LOAD: [1], STORE: [2], FETCH: [4]}[access]
        if hlvx:
            wants = [1, 4]
        if (access == FETCH or hlvx) and (io or pbmt == 2):  # the choice here: PBMT=IO is not executable either
            raise Fault(ACCESS)
        if not all(self.pmp_allows(aligned, length, want, priv) for want in wants):
            raise Fault(ACCESS)
        return pa, bool(io or pbmt), not io and pbmt == 1
