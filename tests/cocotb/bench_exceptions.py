"""Every exception from every mode in which it can arise, with every value of its bits of medeleg and hedeleg.

Not here because nothing in this core raises them: double trap (16), software check (18) and hardware error (19);
misaligned instruction addresses (0) only arise without the C extension, with which the configuration under test is
built or not.
"""

import itertools
import random
import zlib
from dataclasses import dataclass

import cocotb
import model
from checks import MSTATUS_XL, Report, Scenario, chosen

from entresol_sim.testbench import PageTable, Testbench, assemble

ALL = ("M", "HS", "U", "VS", "VU")
BELOW_M = ALL[1:]
PAGED = BELOW_M  # M-mode is not translated
GUEST = ("VS", "VU")
REACH_GUEST = ("M", "HS", "U")  # HLV, HLVX, HSV (hstatus.HU = 1)

GIB = 1 << 30
NOWHERE = 0x4000_0000  # a physical address without memory
GUEST_HOLE = 8 * GIB  # a guest physical address that hgatp does not map
GUEST_TABLE = 9 * GIB  # likewise, used for a page table
OFFSET = 0x20_1238  # of faulting addresses within their gigabyte: no part of it is zero
# virtual addresses, by gigabyte; memory itself is at its physical address for supervisors
USER = 4 * GIB  # memory for users
UNMAPPED = 5 * GIB
NOWHERE_S, NOWHERE_U = 6 * GIB, 7 * GIB  # lead to NOWHERE
HOLE_S, HOLE_U = 8 * GIB, 10 * GIB  # lead to GUEST_HOLE
NO_TABLE = 11 * GIB  # leads to a page table at GUEST_TABLE


@dataclass(frozen=True)
class Exception_:
    """A way to raise an exception: `code` does it with its instruction number `at`, in any of `modes`.

    `tval` says what xtval holds: "insn", "pc", "zero", or "a0", the address in that register.  `address` goes to a0 and
    is a pair for supervisors and users where they differ.  `tables` are the translations switched on: "", "1" (satp and
    vsatp), "2" (these and hgatp) or "g" (hgatp alone).  With `guest` a0 is a guest's address whatever the mode.
    `implicit`: the access to a page table fails, not that to the address.  `jump`: the fault is the target's.
    """

    name: str
    code: str
    cause: int
    modes: tuple[str, ...]
    tval: str = "zero"
    address: int | tuple[int, int] = 0
    tables: str = ""
    guest: bool = False
    implicit: bool = False
    jump: bool = False
    at: int = 0
    status: int = 0  # mstatus that the code itself writes, from a2


def _memory(kind: str, cause: int, instructions: dict[str, str]) -> list[Exception_]:
    """Accesses that fail with and without translation; `cause` is that of an access fault."""
    page, guest = {5: (13, 21), 7: (15, 23)}[cause]
    rows = []
    for name, code in instructions.items():
        rows += [
            Exception_(f"{name} of no memory", code, cause, ALL, "a0", NOWHERE + OFFSET),
            Exception_(f"{name} of no memory, paged", code, cause, PAGED, "a0",
                       (NOWHERE_S + OFFSET, NOWHERE_U + OFFSET), "2"),
            Exception_(f"{name} beyond a missing table", code, cause, ("HS", "U"), "a0", NO_TABLE + OFFSET, "1"),
            Exception_(f"{name} of an unmapped page", code, page, PAGED, "a0", UNMAPPED + OFFSET, "2"),
            Exception_(f"{name} of an unmapped page, one stage", code, page, PAGED, "a0", UNMAPPED + OFFSET, "1"),
            Exception_(f"{name} of a hole", code, guest, GUEST, "a0", (HOLE_S + OFFSET, HOLE_U + OFFSET), "2"),
            Exception_(f"{name} of a hole, G-stage only", code, guest, GUEST, "a0", GUEST_HOLE + OFFSET, "g"),
            Exception_(f"{name} beyond a table in a hole", code, guest, GUEST, "a0", NO_TABLE + OFFSET, "2",
                       implicit=True),
        ]  # fmt: skip
    return rows


def _guest_memory(cause: int, instructions: dict[str, str]) -> list[Exception_]:
    """The same with the instructions that access a guest's memory from outside."""
    page, guest = {5: (13, 21), 7: (15, 23)}[cause]
    rows = []
    for name, code in instructions.items():
        rows += [
            Exception_(f"{name} of no memory", code, cause, REACH_GUEST, "a0",
                       (NOWHERE_S + OFFSET, NOWHERE_U + OFFSET), "2", guest=True),
            Exception_(f"{name} of an unmapped page", code, page, REACH_GUEST, "a0", UNMAPPED + OFFSET, "2",
                       guest=True),
            Exception_(f"{name} of a hole", code, guest, REACH_GUEST, "a0", (HOLE_S + OFFSET, HOLE_U + OFFSET), "2",
                       guest=True),
            Exception_(f"{name} beyond a table in a hole", code, guest, REACH_GUEST, "a0", NO_TABLE + OFFSET, "2",
                       guest=True, implicit=True),
        ]  # fmt: skip
    return rows


def exceptions(compressed: bool) -> list[Exception_]:
    rows = [
        Exception_("illegal word", ".word 0xffffffff", 2, ALL, "insn"),
        Exception_("mret", "mret", 2, BELOW_M, "insn"),
        Exception_("machine CSR", "csrr a0, mscratch", 2, BELOW_M, "insn"),
        Exception_("hfence in U", "hfence.gvma", 2, ("U",), "insn"),
        Exception_("ebreak", "ebreak", 3, ALL, "pc"),
        Exception_("ecall", "ecall", 8, ("U", "VU")),
        Exception_("ecall", "ecall", 9, ("HS",)),
        Exception_("ecall", "ecall", 10, ("VS",)),
        Exception_("ecall", "ecall", 11, ("M",)),
        Exception_("lr of a part", "lr.w a1, (a0)", 4, ALL, "a0", 0x8000_0002),
        Exception_("sc of a part", "sc.d a1, a1, (a0)", 6, ALL, "a0", 0x8000_0004),
        Exception_("amo of a part", "amoor.w a1, a1, (a0)", 6, ALL, "a0", 0x8000_0001),
        Exception_("hypervisor CSR", "csrr a0, hstatus", 22, GUEST, "insn"),
        Exception_("VS CSR", "csrw vsscratch, a0", 22, GUEST, "insn"),
        Exception_("supervisor CSR", "csrr a0, sstatus", 22, ("VU",), "insn"),
        Exception_("hlv", "hlv.d a1, (a0)", 22, GUEST, "insn"),
        Exception_("hfence", "hfence.vvma", 22, GUEST, "insn"),
        Exception_("sret", "sret", 22, ("VU",), "insn"),
        Exception_("sfence", "sfence.vma", 22, ("VU",), "insn"),
        Exception_("wfi", "wfi", 22, ("VU",), "insn"),
        Exception_("jump to no memory", "jr a0", 1, ALL, "a0", NOWHERE + OFFSET, jump=True),
        Exception_("jump to no memory, paged", "jr a0", 1, PAGED, "a0", (NOWHERE_S + OFFSET, NOWHERE_U + OFFSET),
                   "2", jump=True),
        Exception_("jump to an unmapped page", "jr a0", 12, PAGED, "a0", UNMAPPED + OFFSET, "2", jump=True),
        Exception_("jump into a hole", "jr a0", 20, GUEST, "a0", (HOLE_S + OFFSET, HOLE_U + OFFSET), "2", jump=True),
        Exception_("jump beyond a table in a hole", "jr a0", 20, GUEST, "a0", NO_TABLE + OFFSET, "2", jump=True,
                   implicit=True),
        Exception_("load with MPRV", "csrw mstatus, a2\nld a1, 0(a0)", 13, ("M",), "a0", UNMAPPED + OFFSET, "2", at=1,
                   status=1 << 17 | 1 << 11),
        Exception_("store with MPRV and MPV", "csrw mstatus, a2\nsw a1, 0(a0)", 23, ("M",), "a0", HOLE_S + OFFSET,
                   "2", at=1, status=1 << 17 | 1 << 11 | model.MPV),
        *_memory("load", 5, {"ld": "ld a1, 0(a0)", "lbu": "lbu s5, 0(a0)", "lr": "lr.d a1, (a0)"}),
        *_memory("store", 7, {"sw": "sw a1, 0(a0)", "amo": "amoadd.d a1, a1, (a0)"}),
        *_guest_memory(5, {"hlv.d": "hlv.d a1, (a0)", "hlvx.wu": "hlvx.wu a1, (a0)"}),
        *_guest_memory(7, {"hsv.h": "hsv.h a1, (a0)"}),
    ]  # fmt: skip
    if compressed:
        rows += [
            Exception_("illegal parcel", ".half 0", 2, ALL, "insn"),
            Exception_("c.ebreak", ".half 0x9002", 3, ALL, "pc"),
        ]
    else:
        rows.append(Exception_("jump into a word", "nop\njr a0", 0, ALL, "a0", 0x8000_0002, at=1))
    return rows


class Machine:
    """A testbench with the page tables that the exceptions use."""

    def __init__(self, bench: Testbench):
        self.bench = bench
        rwx, user = PageTable.RWX, PageTable.RWX | PageTable.U
        base = bench.vectors["M"]
        self.stage1, self.stage2 = bench.page_table(), bench.page_table(guest=True)
        for at, physical, flags in (
            (base, base, rwx), (USER, base, user), (NOWHERE_S, NOWHERE, rwx), (NOWHERE_U, NOWHERE, user),
            (HOLE_S, GUEST_HOLE, rwx), (HOLE_U, GUEST_HOLE, user),
        ):  # fmt: skip
            self.stage1.map(at, physical, flags, 2)
        self.stage1.point(NO_TABLE, GUEST_TABLE, 2)
        for address in (base, NOWHERE):
            self.stage2.map(address, address, user, 2)

    async def run(self, case: Exception_, code: bytes, mode: str, generator, medeleg: int, hedeleg: int) -> list[str]:
        bench = self.bench
        scenario = Scenario(bench, mode, generator, medeleg=medeleg, hedeleg=hedeleg)
        csrs = scenario.csrs
        if case.tables in ("1", "2"):
            csrs["satp"] = csrs["vsatp"] = self.stage1.atp()
        if case.tables in ("2", "g"):
            csrs["hgatp"] = self.stage2.atp()
        user = mode in ("U", "VU")
        alias = USER - bench.vectors["M"] if user and case.tables in ("1", "2") else 0
        access_user = not csrs["hstatus"] & model.H_SPVP if case.guest else user
        address = case.address if isinstance(case.address, int) else case.address[access_user]
        status = case.status | csrs["mstatus"] & model.MIE
        registers = {"a0": address, "a1": 0x55, "a2": status}
        outcome = await bench.run(mode, code, csrs=csrs, registers=registers, alias=alias)
        changes = {"mstatus": status | MSTATUS_XL} if case.status else {}
        state = scenario.state(outcome.csrs, **changes)
        epc = address if case.jump else outcome.code + 4 * case.at
        word = int.from_bytes(code[4 * case.at :][:4], "little")
        event = self.event(case, mode, address, word, epc)
        return scenario.compare(outcome, state, event, epc)

    @staticmethod
    def event(case: Exception_, mode: str, address: int, word: int, epc: int) -> model.Event:
        """The exception as the text describes it.  Choices: xtval of illegal and virtual instructions is the
        instruction, of breakpoints the pc, and xtinst is written with a transformed instruction where it can be."""
        tval = {"insn": word, "pc": epc, "zero": 0, "a0": address}[case.tval]
        guest = mode in model.VIRTUAL or case.guest or bool(case.status & model.MPV)
        gpa = tinst = 0
        if case.cause in model.GUEST_PAGE_FAULTS:
            gpa = GUEST_HOLE + OFFSET if not case.implicit else GUEST_TABLE + 8 * (address >> 21 & 511)
        if case.implicit:
            tinst = 0x3000  # a 64-bit read for VS-stage address translation
        elif case.cause in (4, 5, 6, 7, 13, 15, 21, 23):
            tinst = model.transformed(word)
        return model.Event(case.cause, tval=tval, gva=guest and case.tval in ("a0", "pc"), gpa=gpa, tinst=tinst)


def delegations(cause: int, flip: int):
    """Pairs of medeleg and hedeleg: both values of the cause's bit in each, the other bits all clear or all set, which
    `flip` swaps.  What brings the hart back to M-mode is never delegated."""
    back = 1 << 2 if cause != 2 else 1 << 9 | 1 << 10
    others = (1 << 24) - 1 & ~(1 << cause)
    for number, (first, second) in enumerate(itertools.product((0, 1), (0, 1))):
        rest = others if (number ^ number >> 1 ^ flip) & 1 else 0
        yield rest & ~back | first << cause, rest | second << cause


@cocotb.test()
@cocotb.parametrize(mode=list(ALL))
async def exceptions_from(dut, mode):
    bench = await Testbench.start(dut)
    rows = [row for row in exceptions(bench.config.has("c")) if mode in row.modes]
    cases = [(row, *pair) for index, row in enumerate(rows) for pair in delegations(row.cause, index)]
    pieces = assemble({f"row{index}": row.code for index, row in enumerate(rows)})
    machine, report = Machine(bench), Report()
    for row, medeleg, hedeleg in chosen(cases):
        label = f"{row.name} in {mode}, medeleg {medeleg:#x}, hedeleg {hedeleg:#x}"
        generator = random.Random(zlib.crc32(label.encode()))
        code = pieces[f"row{rows.index(row)}"]
        report.add(label, await machine.run(row, code, mode, generator, medeleg, hedeleg))
    report.check()
