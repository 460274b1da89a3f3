"""The integer unit."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config import CoreConfig
from ..isa.control import AluOp
from .bits import count_ones, count_trailing_zeros, kept

_SHIFT_ADDS = (AluOp.SH1ADD, AluOp.SH2ADD, AluOp.SH3ADD)
_MINMAX = (AluOp.MAX, AluOp.MAXU, AluOp.MIN, AluOp.MINU)


def _if(condition: Value, value: Value) -> Value:
    """`value` if `condition` (1 bit), else zero; a choice, since what is not chosen costs a simulator nothing."""
    return Mux(condition, value, 0)


class Alu(wiring.Component):
    """Integer operations of RV64I and, as configured, Zba, Zbb, Zbs and Zicond; combinational.

    One adder serves additions, one rotator all shifts, one comparator all that compares.  What leads to them is told
    from single bits of the operation, as `AluOp` describes them, since they take long.  The sum meets the rest last.
    `word` gives the 32-bit form, except that it makes SHxADD the .UW form (rs1 zero-extended from 32 bits).
    Operations of extensions that the configuration does not have give no particular result.
    """

    def __init__(self, config: CoreConfig):
        self._zba, self._zbb, self._zbs, self._zicond = (
            config.has(name) for name in ("zba", "zbb", "zbs", "zicond"))
        super().__init__({
            "op": In(AluOp),
            "word": In(1),
            "a": In(64),
            "b": In(64),
            "result": Out(64),
        })

    def elaborate(self, platform):
        m = Module()
        op, word, a, b = self.op.as_value(), self.word, self.a, self.b
        zba, zbb, zbs, zicond = self._zba, self._zbb, self._zbs, self._zicond

        def is_op(*ops: AluOp) -> Signal:
            signal = Signal(name="is_" + "_".join(each.name.lower() for each in ops))
            m.d.comb += signal.eq(op.matches(*ops))
            return signal

        group = Signal(4)
        m.d.comb += group.eq(1 << op[3:5])
        adds, logical, shifting, _ = group

        # Every part is zero unless its operation is selected, so that the result is the OR of them, and of the sum.
        parts: list[Value] = []

        # --- the second operand, inverted where that makes another operation of one there is
        invert, operand = op[5], Signal(64)
        m.d.comb += operand.eq(b ^ invert.replicate(64))

        # --- additions
        augend, total = Signal(64), Signal(64)
        m.d.comb += augend.eq(a)
        if zba:
            unscaled, zero_extends = Signal(64), Signal()
            m.d.comb += [
                zero_extends.eq(op[2] | (op[:2].any() & word)),
                unscaled.eq(Cat(a[:32], _if(~zero_extends, a[32:]))),
                augend.eq(unscaled << op[:2]),
            ]
        # A bit below the others carries in the one that completes the negation.
        m.d.comb += total.eq((Cat(1, augend) + Cat(invert, operand))[1:])

        # --- comparisons: inverting both sign bits makes an unsigned one of a signed one
        less, signed = Signal(), ~op[0]
        m.d.comb += less.eq(Cat(a[:63], a[63] ^ signed) < Cat(b[:63], b[63] ^ signed))
        parts.append(is_op(AluOp.SLT, AluOp.SLTU) & less)

        # --- one of the operands as it is
        take_a, take_b = Signal(), Signal()
        if zbb:
            selects, wants_less = is_op(*_MINMAX), is_op(AluOp.MIN, AluOp.MINU)
            m.d.comb += [
                take_a.eq(selects & (less == wants_less)),
                take_b.eq(selects & (less != wants_less)),
            ]
            parts.append(_if(take_b, b))
        if zicond:
            eqz, nez = is_op(AluOp.CZERO_EQZ), is_op(AluOp.CZERO_NEZ)
            with m.If(Mux(b == 0, nez, eqz)):
                m.d.comb += take_a.eq(1)
        if zbb or zicond:
            parts.append(_if(take_a, a))

        # --- logic: XOR, OR and AND with the inverse
        other = Signal(64)
        m.d.comb += other.eq(operand)
        if zbs:
            single = op[2]
            m.d.comb += other.eq(_if(~single, operand) | _one_hot(m, b[:6], single))
        code = Signal(2)
        m.d.comb += code.eq(_if(logical, op[:2]))
        logic = Signal(64)
        m.d.comb += logic.eq(
            (a & ~other & (code[0] | code[1]).replicate(64))
            | (~a & other & (code[0] ^ code[1]).replicate(64))
            | (a & other & (~code[0] & code[1]).replicate(64)))
        parts.append(logic)

        # --- shifts and rotations
        left = op[0]
        shifts = shifting & ~op[2]
        rotates = shifting & op[2] & ~op[1] if zbb else Const(0)
        extracts = shifting & op[2] & op[1] if zbs else Const(0)
        amount, opposite, distance, length = Signal(6), Signal(6), Signal(6), Signal(6)
        m.d.comb += [
            amount.eq(Cat(b[:5], b[5] & ~word)),
            # The negative, without a carry chain: every bit above the lowest one is turned over.
            opposite.eq(Cat(amount[bit] ^ amount[:bit].any() for bit in range(6))),
            distance.eq(Mux(left, opposite, amount)),
        ]
        # A 32-bit rotation is a 64-bit one of two copies of the low half.  High bits of the distance are known last.
        rotated = Signal(64, name="rotated_halves")
        high = a[32:]
        if zba:
            high = _if(~(op[0] & op[1]), high)
        m.d.comb += rotated.eq(Cat(a[:32], Mux(word, a[:32], high)))
        for bit in range(6):
            further = Signal(64, name=f"rotated_{bit}")
            m.d.comb += further.eq(Mux(distance[bit], rotated.rotate_right(1 << bit), rotated))
            rotated = further
        # A shift to the right by n keeps the bits below 64 - n (32 - n), one to the left those not below n, a shift
        # by zero and a rotation those not below 0, BEXT those below 1.
        keep_above, fill = Signal(), Signal()
        m.d.comb += [
            length.eq(_if(shifts, Mux(left, amount, Cat(opposite[:5], opposite[5] & ~word))) | extracts),
            keep_above.eq(rotates | (shifts & (left | (amount == 0)))),
            fill.eq(is_op(AluOp.SRA) & Mux(word, a[31], a[63])),
        ]
        keep = _below(m, length) ^ keep_above.replicate(64)
        parts.append((rotated & keep) | (fill.replicate(64) & ~keep))

        if zbb:
            parts += [self._counts(m, is_op), self._bytes(is_op)]

        combined, short = Signal(64), Signal()
        m.d.comb += [
            combined.eq(_or(parts)),
            short.eq(word & ~is_op(*_SHIFT_ADDS) if zba else word),
        ]
        low = kept(m, "low", combined[:32])
        high = kept(m, "high", _if(~short, combined[32:]))
        sign = kept(m, "sign", short & (low[31] | (adds & total[31])))
        m.d.comb += self.result.eq(Cat(
            low | _if(adds, total[:32]),
            high | _if(kept(m, "adds_high", adds & ~short), total[32:]) | sign.replicate(32)))
        return m

    def _counts(self, m: Module, is_op) -> Value:
        a, word = self.a, self.word
        clz, ctz, cpop = is_op(AluOp.CLZ), is_op(AluOp.CTZ), is_op(AluOp.CPOP)
        # Leading zeros are the trailing ones of the reverse; a one behind the word ends the count there.  Of the two
        # counts, bit 0 of the operation tells.
        mirrored, counted = Signal(64), Signal(64)
        m.d.comb += [
            mirrored.eq(Mux(~self.op.as_value()[0], Cat(Mux(word, a[:32], a[32:])[::-1], a[:32][::-1]), a)),
            counted.eq(Cat(mirrored[:32], mirrored[32:] | word.replicate(32))),
        ]
        position, none = count_trailing_zeros(m, counted)
        ones = count_ones(m, Cat(a[:32], _if(~word, a[32:])))
        return _if(clz | ctz, Cat(_if(~none, position), none)) | _if(cpop, ones)

    def _bytes(self, is_op) -> Value:
        a = self.a
        sext_b, sext_h, zext_h = is_op(AluOp.SEXT_B), is_op(AluOp.SEXT_H), is_op(AluOp.ZEXT_H)
        orc, reverse = is_op(AluOp.ORC_B), is_op(AluOp.REV8)
        half = sext_h | zext_h
        extended = Cat(_if(half | sext_b, a[:8]), _if(half, a[8:16]) | (sext_b & a[7]).replicate(8),
                       ((sext_b & a[7]) | (sext_h & a[15])).replicate(48))
        pieces = [a[start:start + 8] for start in range(0, 64, 8)]
        combined = Cat((orc & piece.any()).replicate(8) for piece in pieces)
        return extended | combined | _if(reverse, Cat(reversed(pieces)))


def _or(values: list[Value]) -> Value:
    result = values[0]
    for value in values[1:]:
        result = result | value
    return result


def _below(m: Module, limit: Value) -> Value:
    """64 bits, those below `limit` (6 bits) set."""
    low, high = limit[:3], limit[3:]
    within = Cat(low > position for position in range(8))
    bits = Signal(64, name="below")
    m.d.comb += bits.eq(Cat(Mux(high > group, 0xFF, Mux(high == group, within, 0)) for group in range(8)))
    return bits


def _one_hot(m: Module, number: Value, enable: Value) -> Value:
    """64 bits, that of `number` (6 bits) set if `enable`."""
    low = Cat(number[:3] == position for position in range(8))
    bits = Signal(64, name="one_hot")
    m.d.comb += bits.eq(Cat(_if((number[3:] == group) & enable, low) for group in range(8)))
    return bits
