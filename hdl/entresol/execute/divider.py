"""The divider."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from ..isa.control import DivOp


class _State(enum.Enum, shape=2):
    IDLE = 0
    DIVIDE = 1
    SIGN = 2


class Divider(wiring.Component):
    """64-bit division and remainder (unprivileged manual, M extension), one bit of the quotient in a cycle.

    `load` takes the operands, unless `busy`, and spoils the result; `start` in the next cycle begins to divide those.
    `busy` from that cycle on until the result is there; then `done` stays until the next `start` or `kill`, and
    `result` until the next `load`. `kill`, even with `start`, abandons a division. Leading zeros of the dividend are
    skipped 32, 8 or 4 at a time. So a division takes a cycle for each skip, one for each bit left and one more, and
    another one for a remainder or a negative quotient: 66 at most.
    """

    load: In(1)
    start: In(1)
    op: In(DivOp)
    word: In(1)
    a: In(64)
    b: In(64)
    kill: In(1)
    busy: Out(1)
    done: Out(1)
    result: Out(64)

    def elaborate(self, platform):
        m = Module()
        state = Signal(_State)
        # The dividend leaves `quotient` at the top while quotient bits enter at the bottom.
        quotient, remainder = Signal(64), Signal(64)
        # The divisor, inverted if it is not negative: adding it (and one) subtracts its magnitude.
        divisor, subtract = Signal(64), Signal()
        left = Signal(7)  # bits of the dividend
        skipping = Signal()
        wants_remainder, short, negate_quotient, negate_remainder = Signal(), Signal(), Signal(), Signal()

        op = self.op.as_value()
        is_signed, is_remainder = ~op[0], op[1]

        def extend(value):
            sign = value[31] & is_signed
            return Cat(value[:32], Mux(self.word, sign.replicate(32), value[32:]))

        a, b = extend(self.a), extend(self.b)
        negative_a, negative_b = is_signed & a[63], is_signed & b[63]

        # One negation serves the dividend on its way in and the result on its way out.
        by_zero, chosen, negate, magnitude = Signal(), Signal(64), Signal(), Signal(64)
        m.d.comb += [
            chosen.eq(Mux(state == _State.IDLE, a, Mux(wants_remainder, remainder, quotient))),
            # The quotient of a division by zero is -1, whatever the dividend.
            negate.eq(Mux(state == _State.IDLE, negative_a,
                          Mux(wants_remainder, negate_remainder, negate_quotient & ~by_zero))),
            magnitude.eq((chosen ^ negate.replicate(64)) + negate),
        ]

        next_remainder, difference = Signal(65), Signal(66)
        m.d.comb += [
            by_zero.eq(divisor.all() & subtract),
            next_remainder.eq(Cat(quotient[63], remainder)),
            # 2 ** 65 less the magnitude of the divisor is added; a bit below the others carries the one in.
            difference.eq((Cat(1, next_remainder) + Cat(subtract, divisor, 1))[1:]),
        ]
        fits = difference[65]  # the carry of the subtraction: the divisor is not greater

        finished = Signal()
        with m.If(self.start):
            m.d.sync += [state.eq(_State.DIVIDE), finished.eq(0)]
        with m.Switch(Mux(self.start, _State.DIVIDE, state)):
            with m.Case(_State.DIVIDE):
                with m.If(skipping & ~by_zero & (quotient[32:] == 0) & left[6]):
                    m.d.sync += [quotient.eq(quotient << 32), left.eq(left - 32)]
                with m.Elif(skipping & ~by_zero & (quotient[56:] == 0) & (left[3:] != 0)):
                    m.d.sync += [quotient.eq(quotient << 8), left.eq(left - 8)]
                with m.Elif(skipping & ~by_zero & (quotient[60:] == 0) & (left[2:] != 0)):
                    m.d.sync += [quotient.eq(quotient << 4), left.eq(left - 4)]
                with m.Elif(left == 0):
                    m.d.sync += state.eq(_State.SIGN)
                with m.Else():
                    m.d.sync += [
                        skipping.eq(0),
                        quotient.eq(Cat(fits, quotient)),
                        remainder.eq(Mux(fits, difference, next_remainder)),
                        left.eq(left - 1),
                    ]
                    with m.If(left == 1):
                        with m.If(wants_remainder | negate_quotient):
                            m.d.sync += state.eq(_State.SIGN)
                        with m.Else():
                            m.d.sync += [finished.eq(1), state.eq(_State.IDLE)]
            with m.Case(_State.SIGN):
                m.d.sync += [quotient.eq(magnitude), finished.eq(1), state.eq(_State.IDLE)]
        with m.If(self.load & ~self.busy):
            m.d.sync += [
                quotient.eq(Mux(self.word, Cat(Const(0, 32), magnitude[:32]), magnitude)),
                remainder.eq(0),
                divisor.eq(b ^ (~negative_b).replicate(64)),
                subtract.eq(~negative_b),
                left.eq(Mux(self.word, 32, 64)),
                skipping.eq(1),
                wants_remainder.eq(is_remainder),
                short.eq(self.word),
                negate_quotient.eq(negative_a ^ negative_b),
                negate_remainder.eq(negative_a),
            ]
        with m.If(self.kill):
            m.d.sync += [state.eq(_State.IDLE), finished.eq(0)]
        m.d.comb += [
            self.busy.eq(self.start | (state != _State.IDLE)),
            self.done.eq(finished & ~self.start),
            self.result.eq(Cat(quotient[:32], Mux(short, quotient[31].replicate(32), quotient[32:]))),
        ]
        return m
