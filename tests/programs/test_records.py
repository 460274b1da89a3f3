"""What is observed of the core: the record of each commit, against what a program must do by the text."""

import struct

from entresol_sim import Simulator
from entresol_sim.elf import Program, Segment
from entresol_sim.lockstep.assembler import encode

RECORD = struct.Struct("<8QIHHBBBBBB2x")  # harness/record.h
FIELDS = ("pc", "tval", "rd_data", "vaddr", "paddr", "wdata", "csr_data", "csr2_data", "raw", "csr", "csr2", "mode",
          "target", "flags", "cause", "rd", "size")  # fmt: skip
TRAP, INTERRUPT, RD, READ, WRITE, CSR, CSR2 = 1, 2, 4, 8, 16, 32, 64
U, HS, M, VS = 0, 1, 3, 5

BASE = 0x8000_0000
M_HANDLER, HS_HANDLER = BASE + 0x800, BASE + 0x900
DATA = BASE + 0x1010
MSTATUS, MEDELEG, MIE, MTVEC, MSCRATCH, MEPC, MIP, PMPCFG0, PMPADDR0 = (
    0x300, 0x302, 0x304, 0x305, 0x340, 0x341, 0x344, 0x3A0, 0x3B0)  # fmt: skip
SSTATUS, STVEC, SEPC, HSTATUS = 0x100, 0x105, 0x141, 0x600
SPP, SPV, SSIP = 1 << 8, 1 << 7, 2
ILLEGAL = 0xFFFF_FFFF
READ_HSTATUS = encode("csrrs", rd=1, csr=HSTATUS)


def register(rd: int, value: int) -> dict:
    return {"flags": RD, "rd": rd, "rd_data": value}


def read(size: int, address: int = DATA) -> dict:
    return {"flags": READ, "vaddr": address, "paddr": address, "size": size}


def write(size: int, value: int, address: int = DATA) -> dict:
    return {"flags": WRITE, "vaddr": address, "paddr": address, "size": size, "wdata": value}


def csr(number: int, value: int) -> dict:
    return {"flags": CSR, "csr": number, "csr_data": value}


def trap(cause: int, tval: int = 0, target: int = M, flags: int = TRAP) -> dict:
    return {"flags": flags, "cause": cause, "tval": tval, "target": target}


def both(*parts: dict) -> dict:
    """What an instruction does that does several things."""
    joined = {key: value for part in parts for key, value in part.items()}
    return joined | {"flags": sum(part["flags"] for part in parts)}


#: Instructions, each with its mode and what is to be seen; "here" stands for its address.
STEPS = (
    ("addi", {"rd": 5, "imm": 5}, M, register(5, 5)),
    ("auipc", {"rd": 6, "imm": 1}, M, register(6, BASE + 0x1004)),
    ("addi", {"rd": 6, "rs1": 6, "imm": 12}, M, register(6, DATA)),
    ("sd", {"rs1": 6, "rs2": 5}, M, write(3, 5)),
    ("ld", {"rs1": 6, "rd": 7}, M, both(read(3), register(7, 5))),
    ("sh", {"rs1": 6, "rs2": 5, "imm": 10}, M, write(1, 5, DATA + 10)),
    ("lb", {"rs1": 6, "rd": 0}, M, read(0)),
    ("amoadd.w", {"rd": 9, "rs1": 6, "rs2": 5}, M, both(read(2), write(2, 10), register(9, 5))),
    ("lr.d", {"rd": 10, "rs1": 6}, M, both(read(3), register(10, 10))),
    ("sc.d", {"rd": 11, "rs1": 6, "rs2": 5}, M, both(write(3, 5), register(11, 0))),
    ("sc.d", {"rd": 11, "rs1": 6, "rs2": 5}, M, register(11, 1)),
    ("mul", {"rd": 12, "rs1": 5, "rs2": 5}, M, register(12, 25)),
    ("divu", {"rd": 12, "rs1": 12, "rs2": 5}, M, register(12, 5)),
    ("fence", {}, M, {"flags": 0}),
    ("csrrw", {"csr": MSCRATCH, "rs1": 5}, M, csr(MSCRATCH, 5)),
    ("csrrs", {"csr": MSCRATCH, "rd": 13}, M, register(13, 5)),
    ("auipc", {"rd": 13}, M, register(13, "here")),
    ("addi", {"rd": 13, "rs1": 13, "imm": M_HANDLER - BASE - 64}, M, register(13, M_HANDLER)),
    ("csrrw", {"csr": MTVEC, "rs1": 13}, M, csr(MTVEC, M_HANDLER)),
    ("addi", {"rd": 13, "rs1": 13, "imm": HS_HANDLER - M_HANDLER}, M, register(13, HS_HANDLER)),
    ("csrrw", {"csr": STVEC, "rs1": 13}, M, csr(STVEC, HS_HANDLER)),
    ("addi", {"rd": 13, "imm": 256}, M, register(13, 256)),
    ("csrrw", {"csr": MEDELEG, "rs1": 13}, M, csr(MEDELEG, 256)),  # ecalls from U-mode
    ("addi", {"rd": 13, "imm": -1}, M, register(13, (1 << 64) - 1)),
    ("csrrw", {"csr": PMPADDR0, "rs1": 13}, M, {"flags": CSR, "csr": PMPADDR0}),
    ("csrrwi", {"csr": PMPCFG0, "rs1": 31}, M, csr(PMPCFG0, 31)),  # everything is for everybody
    # the handler of M-mode goes on in the same mode, behind the instruction
    ("ecall", {}, M, trap(11)),
    ("ebreak", {}, M, trap(3, "here")),
    (ILLEGAL, {}, M, trap(2, ILLEGAL)),
    ("ld", {"rd": 1}, M, trap(5, 0)),
    ("amoswap.d", {"rd": 1}, M, trap(7, 0)),
    ("csrrwi", {"csr": MIE, "rs1": SSIP}, M, csr(MIE, SSIP)),
    ("csrrsi", {"csr": MIP, "rs1": SSIP}, M, csr(MIP, SSIP)),
    ("csrrsi", {"csr": MSTATUS, "rs1": 8}, M, {"flags": CSR, "csr": MSTATUS}),
    ("addi", {"rd": 1}, M, trap(1, flags=TRAP | INTERRUPT)),
    # to HS-mode, by a trap that returns there
    ("addi", {"rd": 30, "imm": 1}, M, register(30, 1)),
    ("ecall", {}, M, trap(11)),
    ("addi", {"rd": 1, "imm": 1}, HS, register(1, 1)),
    ("ecall", {}, HS, trap(9)),
    # to U-mode, and back with the handler of HS-mode
    ("addi", {"rd": 13, "imm": SPP}, HS, register(13, SPP)),
    ("csrrc", {"csr": SSTATUS, "rs1": 13}, HS, {"flags": CSR, "csr": MSTATUS}),
    ("auipc", {"rd": 13}, HS, register(13, "here")),
    ("addi", {"rd": 13, "rs1": 13, "imm": 16}, HS, {"flags": RD, "rd": 13}),
    ("csrrw", {"csr": SEPC, "rs1": 13}, HS, {"flags": CSR, "csr": SEPC}),
    ("sret", {}, HS, {"flags": CSR | CSR2, "csr": MSTATUS, "csr2": HSTATUS}),
    ("addi", {"rd": 1, "imm": 2}, U, register(1, 2)),
    (READ_HSTATUS, {}, U, trap(2, READ_HSTATUS)),
    ("ecall", {}, U, trap(8, target=HS)),
    # to VS-mode, for good
    ("addi", {"rd": 13, "imm": SPV}, HS, register(13, SPV)),
    ("csrrs", {"csr": HSTATUS, "rs1": 13}, HS, {"flags": CSR, "csr": HSTATUS}),
    ("auipc", {"rd": 13}, HS, register(13, "here")),
    ("addi", {"rd": 13, "rs1": 13, "imm": 24}, HS, {"flags": RD, "rd": 13}),
    ("csrrw", {"csr": SEPC, "rs1": 13}, HS, {"flags": CSR, "csr": SEPC}),
    ("addi", {"rd": 13, "imm": SPP}, HS, register(13, SPP)),
    ("csrrs", {"csr": SSTATUS, "rs1": 13}, HS, {"flags": CSR, "csr": MSTATUS}),
    ("sret", {}, HS, {"flags": CSR | CSR2, "csr": MSTATUS, "csr2": HSTATUS}),
    ("addi", {"rd": 1, "imm": 3}, VS, register(1, 3)),
    ("sb", {"rs1": 6, "rs2": 1}, VS, write(0, 3)),
    (READ_HSTATUS, {}, VS, trap(22, READ_HSTATUS)),
    ("ecall", {}, VS, trap(10)),
)  # fmt: skip
#: When x30 is 1, MPP becomes S instead of M.
M_CODE = (
    ("csrrci", {"csr": MIP, "rs1": SSIP}), ("csrrs", {"rd": 14, "csr": MEPC}),
    ("addi", {"rd": 14, "rs1": 14, "imm": 4}), ("csrrw", {"csr": MEPC, "rs1": 14}),
    ("beq", {"rs1": 30, "rs2": 0, "imm": 16}),
    ("lui", {"rd": 14, "imm": 1}), ("csrrc", {"csr": MSTATUS, "rs1": 14}), ("addi", {"rd": 30, "imm": 0}),
    ("mret", {}),
)  # fmt: skip
HS_CODE = (
    ("csrrs", {"rd": 14, "csr": SEPC}), ("addi", {"rd": 14, "rs1": 14, "imm": 4}), ("csrrw", {"csr": SEPC, "rs1": 14}),
    ("addi", {"rd": 14, "imm": SPP}), ("csrrs", {"csr": SSTATUS, "rs1": 14}), ("sret", {}),
)  # fmt: skip
END = (("lui", {"rd": 14, "imm": 0x100}), ("lui", {"rd": 15, "imm": 5}), ("addi", {"rd": 15, "rs1": 15, "imm": 0x555}),
       ("sw", {"rs1": 14, "rs2": 15}))  # fmt: skip


def words(code) -> list[int]:
    return [name if isinstance(name, int) else encode(name, **operands) for name, operands, *_ in code]


def segment(address: int, code) -> Segment:
    content = b"".join(word.to_bytes(4, "little") for word in words(code))
    return Segment(address, content, len(content))


def test_records_of_commits():
    main = [*STEPS, *END]
    program = Program("records", BASE, [segment(BASE, main), segment(M_HANDLER, M_CODE), segment(HS_HANDLER, HS_CODE)])
    taken: list[bytes] = []
    with Simulator("linux", ram_size=4 << 20) as simulator:
        simulator.load_program(program)
        simulator.record(taken.append)
        outcome = simulator.run(100_000)
    assert outcome.text == "powered off"
    rows = [dict(zip(FIELDS, row, strict=True)) for row in RECORD.iter_unpack(b"".join(taken))]
    begin = next(index for index, row in enumerate(rows) if row["pc"] == BASE)
    assert len(rows) - begin < 250
    seen = [row for row in rows[begin:] if row["pc"] < BASE + 4 * len(STEPS) and row["pc"] >= BASE]
    pc = BASE
    for row, word, (name, _, mode, expected) in zip(seen, words(STEPS), STEPS, strict=True):
        wanted = {key: pc if value == "here" else value for key, value in expected.items()}
        wanted |= {"pc": pc, "mode": mode, **({} if expected["flags"] & INTERRUPT else {"raw": word})}
        assert {key: row[key] for key in wanted} == wanted, (name, hex(pc))
        pc += 4
    # what traps and returns do to CSRs is seen in their own handlers
    handled = [row for row in rows[begin:] if row["pc"] == M_HANDLER + 4 * (len(M_CODE) - 1)]
    assert handled and all(row["flags"] == CSR and row["csr"] == MSTATUS and row["mode"] == M for row in handled)
