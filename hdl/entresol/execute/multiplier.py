"""The multiplier."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..isa.control import MulOp


class Multiplier(wiring.Component):
    """64x64-bit multiplication (unprivileged manual, M extension) in two cycles, a new one in each.

    Operands are taken with `en`; `result` is that of the last ones taken, from the next cycle on.

    The operands are cut in four, so that a product of two pieces fits an 18x18-bit multiplier block.  The first
    cycle forms the sixteen products and adds those of equal weight, the second adds these seven sums.
    """

    en: In(1)
    op: In(MulOp)
    word: In(1)
    a: In(64)
    b: In(64)
    result: Out(64)

    def elaborate(self, platform):
        m = Module()

        def pieces(name: str, value, is_signed):
            """Four pieces of 16 bits, as signed numbers of 17; only the top one may be negative."""
            result = [Signal(signed(17), name=f"{name}_{index}") for index in range(4)]
            for index, piece in enumerate(result):
                top = is_signed & value[63] if index == 3 else 0
                m.d.comb += piece.eq(Cat(value[16 * index:16 * index + 16], top))
            return result

        # MUL has no signs: they do not reach its low half.  So one bit or two of the operation say it.
        op = self.op.as_value()
        a = pieces("a", self.a, ~(op[0] & op[1]))  # MULH, MULHSU
        b = pieces("b", self.b, ~op[1])  # MULH

        def add(values: list[Value], name: str, width: int = 36) -> Value:
            """The sum, as a signed number.  The signals in between are kept, or synthesis would make carry-save
            adders of what the carry chains do in half the space."""
            values = list(values)
            for index in range(1, len(values)):
                partial = Signal(signed(width), name=f"{name}_{index}", attrs={"keep": 1})
                m.d.comb += partial.eq(values[0] + values[1])
                values = [*values[2:], partial]
            return values[0]

        sums = []
        for weight in range(7):
            products = []
            for index in range(max(0, weight - 3), min(weight, 3) + 1):
                product = Signal(signed(34), name=f"product_{index}_{weight - index}")
                m.d.comb += product.eq(a[index] * b[weight - index])
                products.append(product)
            if weight == 5:
                products.append(Const(-8, signed(34)))  # for sum 3
            sums.append(add(products, f"sum_{weight}"))

        # Sums of weights three apart lie in different bits of a row.  Sum 3 may be negative, and its sign would reach
        # into sum 6.  So 2**35 is added to it, which turns its top bit over and leaves it positive, and taken away
        # again with sum 5: 35 + 3 * 16 is 3 + 5 * 16.
        sums[3] = sums[3] ^ (1 << 35)
        registered = [Signal(signed(36), name=f"sum_{weight}_m") for weight in range(7)]
        high, short = Signal(), Signal()
        with m.If(self.en):
            m.d.sync += [register.eq(total) for register, total in zip(registered, sums, strict=True)]
            m.d.sync += [high.eq(self.op != MulOp.MUL), short.eq(self.word)]

        def row(*fields: tuple[int, int]):
            """128 bits from the bottom: each `weight` (-1 for zeros), extended to so many bits."""
            return Cat(Const(0, bits) if weight < 0 else registered[weight][:bits] if bits <= 36
                       else Cat(registered[weight], sign(weight, bits - 36)) for weight, bits in fields)

        def sign(weight: int, bits: int) -> Value:
            # a choice, because a simulator puts repeated bits together one by one
            return Const(0, bits) if weight == 3 else Mux(registered[weight][-1], (1 << bits) - 1, Const(0, bits))

        total = add([row((0, 32), (-1, 16), (3, 48), (6, 32)), row((-1, 16), (1, 48), (4, 64)),
                     row((-1, 32), (2, 48), (5, 48))], "total", 128)
        m.d.comb += [
            self.result.eq(Mux(high, total[64:], Mux(short, total[:32].as_signed(), total[:64]))),
        ]
        return m
