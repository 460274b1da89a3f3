"""Writes self-checking assembly programs for every instruction, with expected values from `model`.

Each program defines `main` for the framework in lib/.  x30 points to the operands and expected values, x31 is the link
register of `failed`; everything else is operands, the stack pointer included."""

import random
from collections.abc import Collection, Sequence

from . import model
from .model import MASK, sext

POINTER = "x30"
REGISTERS = [f"x{n}" for n in range(1, 30)]
COMPRESSIBLE = [f"x{n}" for n in range(8, 16)]
CORNERS = (
    0, 1, 2, 7, 31, 32, 63, 64, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF,
    1 << 32, (1 << 63) - 1, 1 << 63, (1 << 63) + 1, MASK, MASK - 1, MASK << 31 & MASK, 0x5555555555555555,
    0xAAAAAAAAAAAAAAAA, 0x0123456789ABCDEF,
)  # fmt: skip


class Program:
    """Assembly text, and the data that goes with it."""

    def __init__(self, seed: int, compressed: bool = False):
        self.random = random.Random(seed)
        self.lines: list[str] = []
        self.data: list[int] = []
        self.base = 0  # index of the datum that x30 points to
        self.labels = 0
        self.compressed = compressed
        self.buffer_words = 0
        self.registers = REGISTERS  # those that may be used as operands

    def emit(self, *lines: str) -> None:
        self.lines.extend(lines)

    def label(self) -> str:
        self.labels += 1
        return f"l{self.labels}"

    def value(self) -> int:
        """An operand: corner cases and random numbers of any length."""
        kind = self.random.random()
        if kind < 0.4:
            return self.random.choice(CORNERS)
        number = self.random.getrandbits(self.random.randint(1, 64))
        return number if kind < 0.7 else ~number & MASK

    def load(self, register: str, value: int) -> None:
        """Load a value through the data table."""
        if len(self.data) - self.base >= 250:
            self.emit(f"addi {POINTER}, {POINTER}, {8 * (len(self.data) - self.base)}")
            self.base = len(self.data)
        self.emit(f"ld {register}, {8 * (len(self.data) - self.base)}({POINTER})")
        self.data.append(value)

    def expect(self, register: str, value: int) -> None:
        """Compare a register with what it must hold."""
        other = self.pick({register})
        self.load(other, value)
        self.emit(f"beq {register}, {other}, 1f", "jal x31, failed", "1:")

    def pick(self, avoid: Collection[str] = (), among: Sequence[str] | None = None) -> str:
        """A register."""
        return self.random.choice([register for register in among or self.registers if register not in avoid])

    def distance(self) -> None:
        """Some independent instructions, so that results are taken from every place they can be."""
        self.emit(*["nop"] * self.random.choice((0, 0, 0, 1, 2, 3)))

    def text(self) -> str:
        """The whole program."""
        data = "\n".join(f"    .dword {value:#x}" for value in self.data)
        return "\n".join(
            [
                '    .section .text, "ax"',
                "    .globl main",
                "main:",
                "    la t0, saved",
                "    sd ra, 0(t0)",
                "    sd sp, 8(t0)",
                f"    la {POINTER}, table",
                "    .option push",
                "    .option rvc" if self.compressed else "    .option norvc",
                *(line if line.endswith(":") else f"    {line}" for line in self.lines),
                "    .option pop",
                "    la t0, saved",
                "    ld ra, 0(t0)",
                "    ld sp, 8(t0)",
                "    ret",
                "failed:",  # x31: behind the check that failed; the disassembly tells which
                "    la t0, saved",
                "    ld ra, 0(t0)",
                "    ld sp, 8(t0)",
                "    li a0, 1",
                "    la a1, what",
                "    mv a2, x31",
                "    li a3, 0",
                "    tail check_failed",
                '    .section .rodata, "a"',
                'what: .asciz "address behind the check"',
                "    .section .data",
                "    .balign 8",
                "saved: .dword 0, 0",
                "table:",
                data,
                "    .balign 64",
                "buffer:",
                f"    .space {8 * self.buffer_words + 8}",
                "",
            ]
        )


def register_register(program: Program, operations: dict, cases: int, unary: bool = False) -> None:
    for name, function in operations.items():
        for _ in range(cases):
            rs1 = program.pick()
            rs2 = program.random.choice((program.pick(), program.pick(), rs1))
            rd = program.random.choice((program.pick(), program.pick(), program.pick(), rs1, rs2, "x0"))
            a = program.value()
            b = a if rs1 == rs2 else program.random.choice((program.value(), program.value(), a))
            program.load(rs1, a)
            if not unary and rs2 != rs1:
                program.load(rs2, b)
            program.distance()
            program.emit(f"{name} {rd}, {rs1}" + ("" if unary else f", {rs2}"))
            program.distance()
            program.expect(rd, 0 if rd == "x0" else function(a, b))


def immediate(program: Program, kind: str) -> tuple[int, int]:
    """An immediate as written and as it enters the operation."""
    if kind == "i12":
        number = program.random.choice((0, 1, -1, 2047, -2048, program.random.randint(-2048, 2047)))
        return number, number & MASK
    bits = int(kind[1:])
    number = program.random.choice((0, 1, 2**bits - 1, program.random.randrange(2**bits)))
    return number, number


def register_immediate(program: Program, operations: dict, cases: int) -> None:
    for name, (function, kind) in operations.items():
        for _ in range(cases):
            rs1 = program.pick()
            rd = program.random.choice((program.pick(), program.pick(), rs1, "x0"))
            a = program.value()
            written, b = immediate(program, kind)
            program.load(rs1, a)
            program.distance()
            program.emit(f"{name} {rd}, {rs1}, {written}")
            program.expect(rd, 0 if rd == "x0" else function(a, b))


def upper_immediates(program: Program) -> None:
    for number in (0, 1, 0x7FFFF, 0x80000, 0xFFFFF, *(program.random.getrandbits(20) for _ in range(8))):
        rd = program.pick()
        program.emit(f"lui {rd}, {number:#x}")
        program.expect(rd, sext(number << 12, 32))
        rd = program.pick()
        at = program.label()
        other = program.pick({rd})
        program.emit(f"{at}:", f"auipc {rd}, {number:#x}", f"lla {other}, {at}", f"sub {rd}, {rd}, {other}")
        program.expect(rd, sext(number << 12, 32))


def branches(program: Program, cases: int) -> None:
    for name, function in model.BRANCHES.items():
        for _ in range(cases):
            rs1 = program.pick()
            rs2 = program.random.choice((program.pick(), program.pick(), rs1))
            a = program.value()
            b = a if rs1 == rs2 else program.random.choice((a, a ^ 1, a ^ 1 << 63, program.value()))
            program.load(rs1, a)
            if rs2 != rs1:
                program.load(rs2, b)
            program.distance()
            there, end = program.label(), program.label()
            taken = function(a, b)
            wrong = "jal x31, failed"
            program.emit(f"{name} {rs1}, {rs2}, {there}", wrong if taken else "nop", f"j {end}")
            program.emit(f"{there}:", "nop" if taken else wrong, f"{end}:")
    # loops: the same branch taken, and then not; nested, with the counts that predictors like and dislike
    for outer, inner in ((1, 1), (3, 5), (7, 2), (2, 40)):
        i, j, total = program.random.sample(REGISTERS, 3)
        first, second = program.label(), program.label()
        program.emit(f"li {total}, 0", f"li {i}, {outer}", f"{first}:", f"li {j}, {inner}", f"{second}:")
        program.emit(f"addi {total}, {total}, 1", f"addi {j}, {j}, -1", f"bnez {j}, {second}")
        program.emit(f"addi {i}, {i}, -1", f"bnez {i}, {first}")
        program.expect(total, outer * inner)


def jumps(program: Program) -> None:
    for _ in range(20):
        rd = program.random.choice((program.pick(), program.pick(), "x0", "x1", "x5"))
        other = program.pick({rd})
        there, back = program.label(), program.label()
        program.emit(f"jal {rd}, {there}", f"{back}:", "jal x31, failed", *["nop"] * program.random.randrange(3))
        program.emit(f"{there}:", f"lla {other}, {back}")
        if rd != "x0":
            program.emit(f"beq {rd}, {other}, 1f", "jal x31, failed", "1:")
    for _ in range(30):
        rs1 = program.random.choice((program.pick(), program.pick(), "x1", "x5"))
        rd = program.random.choice((program.pick(), "x0", "x1", "x5", rs1))
        other = program.pick({rd})
        there, back = program.label(), program.label()
        offset = program.random.choice((0, 0, 2, -2, 2047, -2048, program.random.randint(-2048, 2047)))
        low = program.random.randrange(2)  # the lowest bit of the sum is ignored
        program.emit(f"lla {rs1}, {there}", f"addi {rs1}, {rs1}, {-(offset // 2)}")
        program.emit(f"addi {rs1}, {rs1}, {low - (offset - offset // 2)}")
        program.emit(f"jalr {rd}, {offset}({rs1})", f"{back}:", "jal x31, failed", f"{there}:", f"lla {other}, {back}")
        if rd != "x0":
            program.emit(f"beq {rd}, {other}, 1f", "jal x31, failed", "1:")
    # calls and returns, deeper than any return stack
    for depth in (1, 3, 20):
        function, done, end = program.label(), program.label(), program.label()
        program.emit(f"li x10, {depth}", "li x11, 0", "mv x12, sp", "lla x13, buffer", "mv x14, x13")
        program.emit(f"jal x1, {function}", f"j {end}")
        program.emit(f"{function}:", "sd x1, 0(x14)", "addi x14, x14, 8", "addi x11, x11, 3", "addi x10, x10, -1")
        program.emit(f"beqz x10, {done}", f"jal x1, {function}")
        program.emit(f"{done}:", "addi x14, x14, -8", "ld x1, 0(x14)", "addi x11, x11, 1", "ret", f"{end}:")
        program.expect("x11", 4 * depth)
    program.buffer_words = 32


def read(memory: bytearray, offset: int, size: int, is_signed: bool) -> int:
    value = int.from_bytes(memory[offset : offset + size], "little")
    return sext(value, 8 * size) if is_signed else value


def loads_and_stores(program: Program, cases: int) -> None:
    memory = bytearray(8 * 64)
    program.buffer_words = 64
    base = "x29"
    program.registers = [register for register in REGISTERS if register != base]
    program.emit(f"lla {base}, buffer")
    for word in range(64):
        value = program.random.getrandbits(64)
        register = program.pick()
        program.load(register, value)
        program.emit(f"sd {register}, {8 * word}({base})")
        memory[8 * word : 8 * word + 8] = value.to_bytes(8, "little")

    def address(size: int) -> tuple[int, str]:
        """An offset in the buffer, and base register and immediate that lead there."""
        offset = program.random.randrange(0, 8 * 64 - 8, size)
        if program.random.random() < 0.5:
            return offset, f"{offset}({base})"
        register = program.pick()
        extra = program.random.randint(-1024, 1024)
        program.emit(f"addi {register}, {base}, {offset - extra}")
        return offset, f"{extra}({register})"

    for _ in range(cases):
        for name, size in model.STORES.items():
            value = program.value()
            offset, where = address(size)
            register = program.pick({where.split("(")[1][:-1]})
            program.load(register, value)
            program.emit(f"{name} {register}, {where}")
            memory[offset : offset + size] = (value & ((1 << 8 * size) - 1)).to_bytes(size, "little")
            if program.random.random() < 0.5:  # and back, right behind it
                whole = offset & ~7
                register = program.pick()
                program.emit(f"ld {register}, {whole}({base})")
                program.expect(register, read(memory, whole, 8, False))
        for name, (size, is_signed) in model.LOADS.items():
            offset, where = address(size)
            register = program.random.choice((program.pick(), where.split("(")[1][:-1]))
            if register == base:
                register = "x28"
            program.emit(f"{name} {register}, {where}")
            program.distance()
            program.expect(register, read(memory, offset, size, is_signed))
    for word in range(64):
        register = program.pick()
        program.emit(f"ld {register}, {8 * word}({base})")
        program.expect(register, read(memory, 8 * word, 8, False))


def atomics(program: Program, cases: int) -> None:
    program.buffer_words = 2
    for name, function in model.AMOS.items():
        for suffix, bits in ((".w", 32), (".d", 64)):
            for _ in range(cases):
                old, value = program.value(), program.value()
                cell, source, rd = program.random.sample(REGISTERS, 3)
                rd = program.random.choice((rd, source, "x0"))
                order = program.random.choice(("", ".aq", ".rl", ".aqrl"))
                offset = program.random.choice((0, 4)) if bits == 32 else 0
                before = program.pick({cell})
                program.emit(f"lla {cell}, buffer+{offset}")
                program.load(before, old)
                program.emit(f"sd {before}, {-offset}({cell})")
                program.load(source, value)
                program.distance()
                program.emit(f"{name}{suffix}{order} {rd}, {source}, ({cell})")
                mask = (1 << bits) - 1
                part = old >> 8 * offset & mask
                new = function(part, value & mask, bits) & mask
                if rd == "x0":
                    program.emit("nop")
                elif rd != cell:
                    other = program.pick({rd, cell})
                    program.load(other, sext(part, bits))
                    program.emit(f"beq {rd}, {other}, 1f", "jal x31, failed", "1:")
                register = program.pick()
                program.emit(f"ld {register}, {-offset}({cell})")
                program.expect(register, old & ~(mask << 8 * offset) | new << 8 * offset)


def csr_instructions(program: Program) -> None:
    """All six forms, on mscratch, which holds anything."""
    value = program.value()
    register = program.pick()
    program.load(register, value)
    program.emit(f"csrw mscratch, {register}")
    for _ in range(80):
        name = program.random.choice(("csrrw", "csrrs", "csrrc", "csrrwi", "csrrsi", "csrrci"))
        rd = program.random.choice((program.pick(), program.pick(), "x0"))
        if name.endswith("i"):
            operand = program.random.choice((0, 31, program.random.randrange(32)))
            text = str(operand)
        else:
            text = program.random.choice((program.pick(), "x0", rd))
            operand = 0
            if text != "x0":
                operand = program.value()
                program.load(text, operand)
        program.emit(f"{name} {rd}, mscratch, {text}")
        old = value
        kind = name[4]
        value = operand if kind == "w" else value | operand if kind == "s" else value & ~operand
        program.expect(rd, 0 if rd == "x0" else old)
        if program.random.random() < 0.3:
            register = program.pick()
            program.emit(f"csrr {register}, mscratch")
            program.expect(register, value)
    program.emit("csrw mscratch, zero")


def compressed(program: Program, cases: int) -> None:
    """Every 16-bit instruction of RV64C, by its own name."""
    program.buffer_words = 80
    pick, rng = program.pick, program.random

    def nonzero(low: int, high: int) -> int:
        return rng.choice([n for n in (low, high, 1, rng.randint(low, high)) if n] or [1])

    def unary(name: str, register: str, operand: int, function) -> None:
        value = program.value()
        program.load(register, value)
        program.distance()
        program.emit(f"{name} {register}, {operand}")
        program.expect(register, function(value, operand & MASK))

    pairs = {
        "c.sub": "sub", "c.xor": "xor", "c.or": "or", "c.and": "and", "c.subw": "subw", "c.addw": "addw",
    }  # fmt: skip
    for _ in range(cases):
        unary("c.addi", pick(), nonzero(-32, 31), model.BASE["add"])
        unary("c.addiw", pick(), rng.randint(-32, 31), model.BASE["addw"])
        unary("c.li", pick(), rng.randint(-32, 31), lambda _, b: b)
        unary("c.slli", pick(), rng.randint(1, 63), model.BASE["sll"])
        unary("c.srli", pick(among=COMPRESSIBLE), rng.randint(1, 63), model.BASE["srl"])
        unary("c.srai", pick(among=COMPRESSIBLE), rng.randint(1, 63), model.BASE["sra"])
        unary("c.andi", pick(among=COMPRESSIBLE), rng.randint(-32, 31), model.BASE["and"])
        register = pick({"x2"})
        number = rng.choice((1, 31, 0xFFFE0, 0xFFFFF, rng.randint(1, 31)))
        program.emit(f"c.lui {register}, {number}")
        program.expect(register, sext(number << 12, 32))
        value = program.value()
        program.load("x2", value)
        number = 16 * nonzero(-32, 31)
        program.emit(f"c.addi16sp x2, {number}")
        program.expect("x2", value + number & MASK)
        value = program.value()
        program.load("x2", value)
        register = pick(among=COMPRESSIBLE)
        number = 4 * rng.randint(1, 255)
        program.emit(f"c.addi4spn {register}, x2, {number}")
        program.expect(register, value + number & MASK)
        for name, base in pairs.items():
            rd, rs2 = pick(among=COMPRESSIBLE), pick(among=COMPRESSIBLE)
            a = program.value()
            b = a if rd == rs2 else program.value()
            program.load(rd, a)
            if rd != rs2:
                program.load(rs2, b)
            program.emit(f"{name} {rd}, {rs2}")
            program.expect(rd, model.BASE[base](a, b))
        for name in ("c.mv", "c.add"):
            rd, rs2 = rng.sample(REGISTERS, 2)
            a, b = program.value(), program.value()
            program.load(rd, a)
            program.load(rs2, b)
            program.emit(f"{name} {rd}, {rs2}")
            program.expect(rd, b if name == "c.mv" else a + b & MASK)
        # memory, at every kind of base
        for store, load, size in (("c.sw", "c.lw", 4), ("c.sd", "c.ld", 8)):
            base, source = rng.sample(COMPRESSIBLE, 2)
            rd = pick({base}, COMPRESSIBLE)
            offset = size * rng.randrange(32)
            value = program.value()
            program.emit(f"lla {base}, buffer")
            program.load(source, value)
            program.emit(f"{store} {source}, {offset}({base})", f"{load} {rd}, {offset}({base})")
            program.expect(rd, sext(value, 8 * size))
        for store, load, size in (("c.swsp", "c.lwsp", 4), ("c.sdsp", "c.ldsp", 8)):
            source, rd = pick({"x2"}), pick({"x2"})
            offset = size * rng.randrange(64)
            value = program.value()
            program.emit("lla x2, buffer")
            program.load(source, value)
            program.emit(f"{store} {source}, {offset}(x2)", f"{load} {rd}, {offset}(x2)")
            program.expect(rd, sext(value, 8 * size))
        # control transfers
        for name, taken in (("c.beqz", True), ("c.beqz", False), ("c.bnez", True), ("c.bnez", False)):
            register = pick(among=COMPRESSIBLE)
            program.load(register, 0 if (name == "c.beqz") == taken else program.value() or 1)
            there, end = program.label(), program.label()
            program.emit(f"{name} {register}, {there}", "jal x31, failed" if taken else "c.nop", f"c.j {end}")
            program.emit(f"{there}:", "c.nop" if taken else "jal x31, failed", f"{end}:")
        for name in ("c.jr", "c.jalr"):
            register = pick({"x1"})
            there, back = program.label(), program.label()
            program.emit(f"lla {register}, {there}", f"{name} {register}", f"{back}:", "jal x31, failed", f"{there}:")
            if name == "c.jalr":
                other = pick({"x1"})
                program.emit(f"lla {other}, {back}", f"beq x1, {other}, 1f", "jal x31, failed", "1:")
    # hints change nothing
    program.emit("c.nop", ".half 0x0005", ".half 0x8006", ".half 0x1002")  # c.nop 1; c.mv x0, x1; c.slli x0, 0


class Torture:
    """A random program: dependent operations at every distance, memory, branches over a few instructions; checked are
    the registers and the memory at its end."""

    BASE = "x29"
    WORDS = 32

    def __init__(self, program: Program, extensions: Collection[str]):
        self.program = program
        self.random = program.random
        program.registers = [register for register in REGISTERS if register != self.BASE]
        program.buffer_words = self.WORDS + len(program.registers)
        self.memory = bytearray(8 * self.WORDS)
        self.state = {register: 0 for register in ["x0", *program.registers]}
        self.recent = [program.pick()]
        self.binary = dict(model.BASE | model.MULDIV)
        self.immediates = dict(model.IMMEDIATE)
        self.unary: dict = {}
        if "zba" in extensions:
            self.binary |= model.ZBA
            self.immediates |= model.ZBA_IMMEDIATE
        if "zbb" in extensions:
            self.binary |= model.ZBB
            self.immediates |= model.ZBB_IMMEDIATE
            self.unary |= model.ZBB_UNARY
        if "zbs" in extensions:
            self.binary |= model.ZBS
            self.immediates |= model.ZBS_IMMEDIATE

    def generate(self, length: int) -> None:
        program = self.program
        program.emit(f"lla {self.BASE}, buffer")
        for register in program.registers:
            self.state[register] = program.value()
            program.load(register, self.state[register])
        for _ in range(length):
            if self.random.random() < 0.15:
                self.branch()
            else:
                self.step(True)
        for i, register in enumerate(program.registers):
            program.emit(f"sd {register}, {8 * (self.WORDS + i)}({self.BASE})")
        expected = [read(self.memory, 8 * word, 8, False) for word in range(self.WORDS)]
        expected += [self.state[register] for register in program.registers]
        for word, value in enumerate(expected):
            register = program.pick()
            program.emit(f"ld {register}, {8 * word}({self.BASE})")
            program.expect(register, value)

    def source(self) -> str:
        """Mostly one of the registers that were written last."""
        kind = self.random.random()
        return "x0" if kind < 0.05 else self.random.choice(self.recent) if kind < 0.6 else self.program.pick()

    def branch(self) -> None:
        name, function = self.random.choice(list(model.BRANCHES.items()))
        rs1, rs2 = self.source(), self.source()
        end = self.program.label()
        self.program.emit(f"{name} {rs1}, {rs2}, {end}")
        taken = function(self.state[rs1], self.state[rs2])
        for _ in range(self.random.randint(1, 4)):
            self.step(not taken)
        self.program.emit(f"{end}:")

    def step(self, executed: bool) -> None:
        """One instruction, whose effect counts when it is `executed`."""
        program, rng = self.program, self.random
        rd = program.pick()
        kind = rng.random()
        if kind < 0.12:
            name, size = rng.choice(list(model.STORES.items()))
            offset = rng.randrange(8 * self.WORDS - 8) if rng.random() < 0.2 else rng.randrange(self.WORDS) * 8
            register = self.source()
            program.emit(f"{name} {register}, {offset}({self.BASE})")
            if executed:
                value = self.state[register] & ((1 << 8 * size) - 1)
                self.memory[offset : offset + size] = value.to_bytes(size, "little")
            return
        if kind < 0.28:
            name, (size, is_signed) = rng.choice(list(model.LOADS.items()))
            offset = rng.randrange(8 * self.WORDS - 8) if rng.random() < 0.2 else rng.randrange(self.WORDS) * 8
            program.emit(f"{name} {rd}, {offset}({self.BASE})")
            value = read(self.memory, offset, size, is_signed)
        elif kind < 0.5:
            name, (function, immediate_kind) = rng.choice(list(self.immediates.items()))
            rs1 = self.source()
            written, operand = immediate(program, immediate_kind)
            program.emit(f"{name} {rd}, {rs1}, {written}")
            value = function(self.state[rs1], operand)
        elif kind < 0.6 and self.unary:
            name, function = rng.choice(list(self.unary.items()))
            rs1 = self.source()
            program.emit(f"{name} {rd}, {rs1}")
            value = function(self.state[rs1], 0)
        else:
            name, function = rng.choice(list(self.binary.items()))
            rs1, rs2 = self.source(), self.source()
            program.emit(f"{name} {rd}, {rs1}, {rs2}")
            value = function(self.state[rs1], self.state[rs2])
        self.recent = [*self.recent[-3:], rd]
        if executed:
            self.state[rd] = value


def generate(name: str, seed: int) -> str:
    """The text of one of the generated programs."""
    program = Program(seed, compressed=name in ("compressed", "torture"))
    if name == "alu":
        register_register(program, model.BASE, 20)
        register_immediate(program, model.IMMEDIATE, 16)
        upper_immediates(program)
    elif name == "muldiv":
        register_register(program, model.MULDIV, 40)
    elif name == "branches":
        branches(program, 24)
        jumps(program)
    elif name == "memory":
        loads_and_stores(program, 40)
    elif name == "atomics":
        atomics(program, 10)
    elif name == "csr_forms":
        csr_instructions(program)
    elif name == "compressed":
        compressed(program, 12)
    elif name == "zba":
        register_register(program, model.ZBA, 30)
        register_immediate(program, model.ZBA_IMMEDIATE, 30)
    elif name == "zbb":
        register_register(program, model.ZBB, 20)
        register_register(program, model.ZBB_UNARY, 20, unary=True)
        register_immediate(program, model.ZBB_IMMEDIATE, 20)
    elif name == "zbs":
        register_register(program, model.ZBS, 20)
        register_immediate(program, model.ZBS_IMMEDIATE, 20)
    elif name == "torture":
        Torture(program, ()).generate(1200)
    elif name == "torture_zb":
        Torture(program, ("zba", "zbb", "zbs")).generate(1200)
    else:
        raise ValueError(f"no generated program is called {name}")
    return program.text()
