"""Multiplier and divider against Python's arithmetic."""

import pytest
from amaranth.sim import Simulator

from entresol.execute.divider import Divider
from entresol.execute.multiplier import Multiplier
from entresol.isa.control import DivOp, MulOp

MASK = (1 << 64) - 1


def signed(value, bits=64):
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def product(op, word, a, b):
    if word:
        return signed(a * b, 32) & MASK
    return {MulOp.MUL: a * b, MulOp.MULH: signed(a) * signed(b) >> 64, MulOp.MULHSU: signed(a) * b >> 64,
            MulOp.MULHU: a * b >> 64}[op] & MASK


def division(op, word, a, b):
    bits = 32 if word else 64
    if op in (DivOp.DIV, DivOp.REM):
        a, b = signed(a, bits), signed(b, bits)
    else:
        a, b = a & (1 << bits) - 1, b & (1 << bits) - 1
    if b == 0:
        quotient, remainder = -1, a
    else:
        quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)  # towards zero
        remainder = a - quotient * b
    return signed(quotient if op in (DivOp.DIV, DivOp.DIVU) else remainder, bits) & MASK


def simulate(component, bench):
    simulator = Simulator(component)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


def drive(ctx, unit, op, word, a, b):
    ctx.set(unit.op, op)
    ctx.set(unit.word, word)
    ctx.set(unit.a, a)
    ctx.set(unit.b, b)


@pytest.mark.rule("mul_op", "mulh_op", "mulhu_op", "mulhsu_op", "mulw_op")
def test_multiplication(operands):
    unit, rng = Multiplier(), operands.random

    async def bench(ctx):
        for _ in range(1500):
            op = rng.choice(list(MulOp))
            word = int(op == MulOp.MUL and rng.randrange(2))
            a, b = operands.pair()
            ctx.set(unit.en, 1)
            drive(ctx, unit, op, word, a, b)
            await ctx.tick()
            ctx.set(unit.en, 0)
            for _ in range(rng.randrange(3)):  # the result is held while nothing new is taken
                drive(ctx, unit, MulOp.MULHU, 0, *operands.pair())
                await ctx.tick()
            assert ctx.get(unit.result) == product(op, word, a, b), f"{op} {word} {a:x} {b:x}"

    simulate(unit, bench)


async def divide(ctx, unit, op, word, a, b):
    """The result and the cycles it took."""
    ctx.set(unit.load, 1)
    drive(ctx, unit, op, word, a, b)
    await ctx.tick()
    ctx.set(unit.start, 1)
    drive(ctx, unit, DivOp.REMU, 0, 3, 5)  # the operands need not stay, and none are loaded while busy
    cycles = 1
    while not ctx.get(unit.done):
        assert ctx.get(unit.busy)
        await ctx.tick()
        ctx.set(unit.start, 0)
        ctx.set(unit.load, 0)
        cycles += 1
        assert cycles < 70
    assert not ctx.get(unit.busy)
    return ctx.get(unit.result), cycles


@pytest.mark.rule(
    "div_op", "divu_op", "rem_op", "remu_op", "divw_op", "divuw_op", "remw_op", "remuw_op", "rem_result_sign",
    "remw_result_sign", "remuw_result_sign",
)
def test_division(operands):
    unit, rng = Divider(), operands.random

    async def bench(ctx):
        for _ in range(400):
            op, word, (a, b) = rng.choice(list(DivOp)), rng.randrange(2), operands.pair()
            result, _ = await divide(ctx, unit, op, word, a, b)
            assert result == division(op, word, a, b), f"{op} {word} {a:x} {b:x}"
            for _ in range(rng.randrange(2)):
                await ctx.tick()
                assert ctx.get(unit.done) and ctx.get(unit.result) == result

    simulate(unit, bench)


@pytest.mark.rule("div_by_zero", "rem_by_zero", "signed_div_overflow")
def test_division_by_zero_and_overflow():
    unit = Divider()
    least, least_word = 1 << 63, 0xFFFF_FFFF_8000_0000
    cases = [(op, word, a, 0) for op in DivOp for word in (0, 1) for a in (0, 1, 77, MASK, least, least_word)]
    cases += [(op, word, a, MASK) for op in (DivOp.DIV, DivOp.REM) for word, a in ((0, least), (1, least_word))]

    async def bench(ctx):
        for case in cases:
            result, _ = await divide(ctx, unit, *case)
            assert result == division(*case), case

    simulate(unit, bench)


def test_small_dividends_are_quick():
    unit = Divider()

    async def bench(ctx):
        for word, a, most in ((0, 0, 8), (0, 9, 11), (0, 100, 14), (0, 10 ** 6, 28), (0, MASK, 65),
                              (1, 9, 9), (1, 100, 12), (1, 10 ** 6, 27), (1, MASK >> 33, 34)):
            result, cycles = await divide(ctx, unit, DivOp.DIVU, word, a, 7)
            assert result == a // 7 and cycles <= most, (word, a, cycles)
            result, more = await divide(ctx, unit, DivOp.REMU, word, a, 7)
            assert result == a % 7 and more <= cycles + 1

    simulate(unit, bench)


@pytest.mark.parametrize("later", [0, 1, 2])
def test_an_abandoned_division_leaves_nothing_behind(later):
    unit = Divider()

    async def bench(ctx):
        assert (await divide(ctx, unit, DivOp.DIVU, 0, 100, 10))[0] == 10
        ctx.set(unit.load, 1)
        drive(ctx, unit, DivOp.DIV, 0, MASK, 3)
        await ctx.tick()
        ctx.set(unit.load, 0)
        for cycle in range(later + 1):
            ctx.set(unit.start, cycle == 0)
            ctx.set(unit.kill, cycle == later)
            await ctx.tick()
        ctx.set(unit.start, 0)
        ctx.set(unit.kill, 0)
        for _ in range(70):
            assert not ctx.get(unit.busy) and not ctx.get(unit.done)
            await ctx.tick()
        assert (await divide(ctx, unit, DivOp.DIVU, 0, 1000, 10))[0] == 100

    simulate(unit, bench)
