"""PLIC against a model of its specification."""

import random

import pytest
from soc_bench import DeviceDriver, simulate

from entresol.soc.plic import Plic

CLAIM, THRESHOLD = 0x20_0004, 0x20_0000
SETTLED = 4  # cycles


class Model:
    """The state after everything has settled."""

    def __init__(self, sources, contexts=2):
        self.numbers = range(1, sources + 1)
        self.priority = dict.fromkeys(self.numbers, 0)
        self.enable = [set() for _ in range(contexts)]
        self.threshold = [0] * contexts
        self.lines, self.pending, self.in_flight = set(), set(), set()

    def settle(self):
        forwarded = self.lines - self.in_flight
        self.pending |= forwarded
        self.in_flight |= forwarded

    def best(self, context):
        ready = [n for n in self.pending & self.enable[context] if self.priority[n]]
        return max(ready, key=lambda n: (self.priority[n], -n), default=0)

    def interrupts(self):
        return sum((self.priority.get(self.best(context), 0) > threshold) << context
                   for context, threshold in enumerate(self.threshold))

    def claim(self, context):
        number = self.best(context)
        self.pending.discard(number)
        return number

    def complete(self, context, number):
        if number in self.enable[context]:
            self.in_flight.discard(number)


@pytest.mark.parametrize("sources", [31, 10, 53])
def test_random(sources):
    dut = Plic(23, sources=sources)
    driver = DeviceDriver(dut.bus)
    rng = random.Random(f"plic {sources}")
    model = Model(sources)
    words = sources // 32 + 1

    async def bench(ctx):
        claims = 0
        claimed = [1]
        for _ in range(700):
            context = rng.randrange(2)
            number = rng.choice(model.numbers)
            match rng.choice(["lines", "lines", "priority", "enable", "threshold", "claim", "claim", "complete",
                              "complete", "read"]):
                case "lines":
                    model.lines ^= {number}
                    ctx.set(dut.lines, sum(1 << n for n in model.lines))
                case "priority":
                    value = rng.getrandbits(32)
                    await driver.write(ctx, 4 * number, 4, value)
                    model.priority[number] = value & 7
                case "enable":
                    word, value = rng.randrange(words), rng.getrandbits(32) | rng.getrandbits(32)
                    await driver.write(ctx, 0x2000 + 0x80 * context + 4 * word, 4, value)
                    for n in model.numbers:
                        if n // 32 == word:
                            model.enable[context] -= {n}
                            if value >> n % 32 & 1:
                                model.enable[context] |= {n}
                case "threshold":
                    model.threshold[context] = rng.choice([0, 0, 0, 1, 3, 7])
                    await driver.write(ctx, THRESHOLD + 0x1000 * context, 4, model.threshold[context])
                case "claim":
                    while number := model.claim(context):
                        assert await driver.read(ctx, CLAIM + 0x1000 * context, 4) == number
                        claimed.append(number)
                        claims += 1
                        if rng.random() < 0.5:
                            break
                    else:
                        assert await driver.read(ctx, CLAIM + 0x1000 * context, 4) == 0
                case "complete":
                    number = rng.choice([*claimed, *claimed, 0, number, sources + 1, 0x1_0000 + number])
                    await driver.write(ctx, CLAIM + 0x1000 * context, 4, number)
                    model.complete(context, number)
                case "read":
                    assert await driver.read(ctx, 4 * number, 4) == model.priority[number]
                    assert await driver.read(ctx, THRESHOLD + 0x1000 * context, 4) == model.threshold[context]
                    for word in range(words):
                        for offset, numbers in ((0x1000, model.pending),
                                                (0x2000 + 0x80 * context, model.enable[context])):
                            assert await driver.read(ctx, offset + 4 * word, 4) == sum(
                                1 << n % 32 for n in numbers if n // 32 == word)
            model.settle()
            await ctx.tick().repeat(SETTLED)
            assert ctx.get(dut.interrupts) == model.interrupts()
        assert claims > 50

    simulate(dut, bench)


async def _enable(ctx, driver, *numbers, priority=1):
    await driver.write(ctx, 0x2000, 4, sum(1 << number for number in numbers))
    for number in numbers:
        await driver.write(ctx, 4 * number, 4, priority)


def test_two_claims_in_a_row_are_different():
    """At the pace of the bridge, a claim sees what the claim before it did."""
    dut = Plic(23)
    driver = DeviceDriver(dut.bus)

    async def bench(ctx):
        await _enable(ctx, driver, 3, 5, 9)
        ctx.set(dut.lines, 1 << 9 | 1 << 5 | 1 << 3)
        await ctx.tick().repeat(SETTLED)
        assert [await driver.read(ctx, CLAIM, 4) for _ in range(4)] == [3, 5, 9, 0]
        assert not ctx.get(dut.interrupts)

    simulate(dut, bench)


def test_a_level_is_forwarded_again_after_completion_only():
    dut = Plic(23)
    driver = DeviceDriver(dut.bus)

    async def bench(ctx):
        await _enable(ctx, driver, 10)
        ctx.set(dut.lines, 1 << 10)
        await ctx.tick().repeat(3)
        assert ctx.get(dut.interrupts) == 1
        assert await driver.read(ctx, CLAIM, 4) == 10
        await ctx.tick().repeat(10)
        assert ctx.get(dut.interrupts) == 0
        await driver.write(ctx, CLAIM, 4, 10)
        await ctx.tick().repeat(3)
        assert ctx.get(dut.interrupts) == 1
        ctx.set(dut.lines, 0)  # already forwarded: stays pending
        await ctx.tick().repeat(3)
        assert ctx.get(dut.interrupts) == 1
        assert await driver.read(ctx, CLAIM, 4) == 10
        await driver.write(ctx, CLAIM, 4, 10)
        await ctx.tick().repeat(3)
        assert ctx.get(dut.interrupts) == 0

    simulate(dut, bench)


def test_widths_and_reserved_offsets():
    dut = Plic(23)
    driver = DeviceDriver(dut.bus)

    async def bench(ctx):
        await _enable(ctx, driver, 7)
        ctx.set(dut.lines, 1 << 7)
        await ctx.tick().repeat(SETTLED)
        for offset, width in ((CLAIM - 4, 8), (CLAIM, 1), (CLAIM, 2), (0x2000, 8), (0x1, 1)):
            assert await driver.refused(ctx, offset, width)
            assert await driver.refused(ctx, offset, width, 7)
        for offset in (0x0, 0x80, 0x1004, 0x2100, 0x20_0008, 0x20_2000, 0x20_2004, 0x40_0000, 0x5F_FFFC):
            await driver.write(ctx, offset, 4, 0xFFFF_FFFF)
            assert await driver.read(ctx, offset, 4) == 0
        assert await driver.read(ctx, 0x1000, 4) == 1 << 7  # not claimed by any of that
        assert await driver.read(ctx, CLAIM, 4) == 7

    simulate(dut, bench)
