"""The arithmetic of AMOs and the helpers for bytes in a doubleword, against the reference."""

import random

import pytest
from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator

from entresol.memory import align
from entresol.memory.amo import Amo


@pytest.mark.rule("amo_operand_size")
@pytest.mark.parametrize("word", [False, True])
def test_amo(lsu, word):
    pins = lsu.Pins(Amo())
    edges = [0, 1, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]
    rng = random.Random(1)
    pairs = [(a, b) for a in edges for b in edges] + [(rng.getrandbits(64), rng.getrandbits(64)) for _ in range(30)]

    async def testbench(ctx):
        for op in lsu.AMOS:
            for old, operand in pairs:
                pins["op"], pins["word"], pins["old"], pins["operand"] = op.value, word, old, operand
                pins.settle(ctx)
                size = 2 if word else 3
                mask = (1 << (8 << size)) - 1
                expected = lsu.Reference._amo(lsu.Op(op, 0, size), old, operand & mask)
                assert pins["result"] & mask == expected, (op, hex(old), hex(operand))

    sim = Simulator(pins.top)
    sim.add_testbench(testbench)
    sim.run()


def test_alignment():
    m = Module()
    word, offset, size, unsigned = Signal(64), Signal(3), Signal(2), Signal()
    down, up, extended, inner = Signal(64), Signal(64), Signal(64), Signal(64)
    mask, crossing, bad, sign = Signal(16), Signal(), Signal(), Signal()
    m.d.comb += [
        down.eq(align.rotate_down(m, word, offset)), up.eq(align.rotate_up(m, word, offset)),
        sign.eq(align.sign_bit(m, word, offset, size) & ~unsigned),
        extended.eq(align.extended(down, sign, size)),
        inner.eq(align.extended(align.brought_down(m, word, offset), sign, size)),
        mask.eq(align.byte_mask(size, offset)),
        crossing.eq(align.crosses(size, offset)), bad.eq(align.misaligned(size, offset)),
    ]

    async def testbench(ctx):
        for value in (0xF1E2_D3C4_B5A6_9788, 0x0102_0304_0506_0708):
            ctx.set(word, value)
            for log2 in range(4):
                for where in range(8):
                    ctx.set(size, log2)
                    ctx.set(offset, where)
                    nbytes = 1 << log2
                    double = value << 64 | value
                    assert ctx.get(down) == double >> 8 * where & (1 << 64) - 1
                    assert ctx.get(up) == double << 8 * where >> 64 & (1 << 64) - 1
                    assert ctx.get(mask) == ((1 << nbytes) - 1) << where
                    assert ctx.get(crossing) == (where + nbytes > 8)
                    assert ctx.get(bad) == (where % nbytes != 0)
                    for without_sign in range(2):
                        ctx.set(unsigned, without_sign)
                        low = double >> 8 * where & (1 << 8 * nbytes) - 1
                        if not without_sign and low >> 8 * nbytes - 1:
                            low |= (1 << 64) - (1 << 8 * nbytes)
                        assert ctx.get(extended) == low
                        if where + nbytes <= 8:
                            assert ctx.get(inner) == low

    sim = Simulator(m)
    sim.add_testbench(testbench)
    sim.run()
