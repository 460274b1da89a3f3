"""What the instructions compute, straight from the unprivileged manual: the reference of the generated programs.

It shares nothing with the hardware's description.  Register values are unsigned 64-bit integers."""

MASK = (1 << 64) - 1


def signed(value: int, bits: int = 64) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def sext(value: int, bits: int) -> int:
    return signed(value, bits) & MASK


def word(operation):
    """The W form: on the low words, sign-extended."""
    return lambda a, b: sext(operation(a, b), 32)


def _div(bits: int, is_signed: bool, remainder: bool):
    def operation(a: int, b: int) -> int:
        a, b = (signed(x, bits) if is_signed else x & ((1 << bits) - 1) for x in (a, b))
        if b == 0:
            result = a if remainder else -1
        else:
            quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
            result = a - quotient * b if remainder else quotient
        return sext(result, bits) if bits < 64 else result & MASK

    return operation


def _clz(bits: int):
    return lambda a, _: bits - (a & ((1 << bits) - 1)).bit_length()


def _ctz(bits: int):
    def operation(a: int, _: int) -> int:
        low = a & ((1 << bits) - 1)
        return (low & -low).bit_length() - 1 if low else bits

    return operation


def _rol(bits: int, right: bool):
    def operation(a: int, b: int) -> int:
        low = a & ((1 << bits) - 1)
        n = b % bits
        n = (bits - n) % bits if right else n
        return sext((low << n | low >> (bits - n)) & ((1 << bits) - 1), bits)

    return operation


def _bytes(a: int) -> list[int]:
    return [a >> 8 * i & 0xFF for i in range(8)]


def _join(values) -> int:
    return sum(value << 8 * i for i, value in enumerate(values))


#: register-register instructions: mnemonic -> function of rs1 and rs2
BASE = {
    "add": lambda a, b: a + b & MASK,
    "sub": lambda a, b: a - b & MASK,
    "sll": lambda a, b: a << (b & 63) & MASK,
    "srl": lambda a, b: a >> (b & 63),
    "sra": lambda a, b: signed(a) >> (b & 63) & MASK,
    "slt": lambda a, b: int(signed(a) < signed(b)),
    "sltu": lambda a, b: int(a < b),
    "xor": lambda a, b: a ^ b,
    "or": lambda a, b: a | b,
    "and": lambda a, b: a & b,
    "addw": word(lambda a, b: a + b),
    "subw": word(lambda a, b: a - b),
    "sllw": word(lambda a, b: a << (b & 31)),
    "srlw": word(lambda a, b: (a & 0xFFFFFFFF) >> (b & 31)),
    "sraw": word(lambda a, b: signed(a, 32) >> (b & 31)),
}
MULDIV = {
    "mul": lambda a, b: a * b & MASK,
    "mulh": lambda a, b: signed(a) * signed(b) >> 64 & MASK,
    "mulhsu": lambda a, b: signed(a) * b >> 64 & MASK,
    "mulhu": lambda a, b: a * b >> 64,
    "mulw": word(lambda a, b: a * b),
    "div": _div(64, True, False),
    "divu": _div(64, False, False),
    "rem": _div(64, True, True),
    "remu": _div(64, False, True),
    "divw": _div(32, True, False),
    "divuw": _div(32, False, False),
    "remw": _div(32, True, True),
    "remuw": _div(32, False, True),
}
ZBA = {
    "sh1add": lambda a, b: (a << 1) + b & MASK,
    "sh2add": lambda a, b: (a << 2) + b & MASK,
    "sh3add": lambda a, b: (a << 3) + b & MASK,
    "add.uw": lambda a, b: (a & 0xFFFFFFFF) + b & MASK,
    "sh1add.uw": lambda a, b: ((a & 0xFFFFFFFF) << 1) + b & MASK,
    "sh2add.uw": lambda a, b: ((a & 0xFFFFFFFF) << 2) + b & MASK,
    "sh3add.uw": lambda a, b: ((a & 0xFFFFFFFF) << 3) + b & MASK,
}
ZBB = {
    "andn": lambda a, b: a & ~b & MASK,
    "orn": lambda a, b: (a | ~b) & MASK,
    "xnor": lambda a, b: ~(a ^ b) & MASK,
    "max": lambda a, b: max(signed(a), signed(b)) & MASK,
    "maxu": max,
    "min": lambda a, b: min(signed(a), signed(b)) & MASK,
    "minu": min,
    "rol": _rol(64, False),
    "ror": _rol(64, True),
    "rolw": _rol(32, False),
    "rorw": _rol(32, True),
}
ZBS = {
    "bclr": lambda a, b: a & ~(1 << (b & 63)),
    "bext": lambda a, b: a >> (b & 63) & 1,
    "binv": lambda a, b: a ^ 1 << (b & 63),
    "bset": lambda a, b: a | 1 << (b & 63),
}
#: one-operand instructions; the second argument is ignored
ZBB_UNARY = {
    "clz": _clz(64),
    "clzw": _clz(32),
    "ctz": _ctz(64),
    "ctzw": _ctz(32),
    "cpop": lambda a, _: a.bit_count(),
    "cpopw": lambda a, _: (a & 0xFFFFFFFF).bit_count(),
    "sext.b": lambda a, _: sext(a, 8),
    "sext.h": lambda a, _: sext(a, 16),
    "zext.h": lambda a, _: a & 0xFFFF,
    "orc.b": lambda a, _: _join(0xFF if byte else 0 for byte in _bytes(a)),
    "rev8": lambda a, _: _join(reversed(_bytes(a))),
}
#: register-immediate instructions: mnemonic -> (function of rs1 and the immediate, kind of immediate)
IMMEDIATE = {
    "addi": (BASE["add"], "i12"),
    "slti": (BASE["slt"], "i12"),
    "sltiu": (BASE["sltu"], "i12"),
    "xori": (BASE["xor"], "i12"),
    "ori": (BASE["or"], "i12"),
    "andi": (BASE["and"], "i12"),
    "addiw": (BASE["addw"], "i12"),
    "slli": (BASE["sll"], "u6"),
    "srli": (BASE["srl"], "u6"),
    "srai": (BASE["sra"], "u6"),
    "slliw": (BASE["sllw"], "u5"),
    "srliw": (BASE["srlw"], "u5"),
    "sraiw": (BASE["sraw"], "u5"),
}
ZBA_IMMEDIATE = {"slli.uw": (lambda a, b: (a & 0xFFFFFFFF) << b & MASK, "u6")}
ZBB_IMMEDIATE = {"rori": (ZBB["ror"], "u6"), "roriw": (ZBB["rorw"], "u5")}
ZBS_IMMEDIATE = {
    "bclri": (ZBS["bclr"], "u6"),
    "bexti": (ZBS["bext"], "u6"),
    "binvi": (ZBS["binv"], "u6"),
    "bseti": (ZBS["bset"], "u6"),
}
BRANCHES = {
    "beq": lambda a, b: a == b,
    "bne": lambda a, b: a != b,
    "blt": lambda a, b: signed(a) < signed(b),
    "bge": lambda a, b: signed(a) >= signed(b),
    "bltu": lambda a, b: a < b,
    "bgeu": lambda a, b: a >= b,
}
#: loads: mnemonic -> (bytes, sign-extended); stores: mnemonic -> bytes
LOADS = {
    "lb": (1, True), "lh": (2, True), "lw": (4, True), "ld": (8, True), "lbu": (1, False), "lhu": (2, False),
    "lwu": (4, False),
}  # fmt: skip
STORES = {"sb": 1, "sh": 2, "sw": 4, "sd": 8}
#: AMOs: mnemonic -> new memory value from the old one and rs2; both of the operation's width
AMOS = {
    "amoswap": lambda old, value, bits: value,
    "amoadd": lambda old, value, bits: old + value,
    "amoxor": lambda old, value, bits: old ^ value,
    "amoand": lambda old, value, bits: old & value,
    "amoor": lambda old, value, bits: old | value,
    "amomin": lambda old, value, bits: min(signed(old, bits), signed(value, bits)),
    "amomax": lambda old, value, bits: max(signed(old, bits), signed(value, bits)),
    "amominu": lambda old, value, bits: min(old, value),
    "amomaxu": lambda old, value, bits: max(old, value),
}
