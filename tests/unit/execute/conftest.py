"""Operands for the tests of the arithmetic units."""

import random

import pytest

MASK = (1 << 64) - 1
CORNERS = [0, 1, 2, 31, 32, 63, 64, MASK, MASK - 1, 1 << 63, (1 << 63) - 1, 1 << 31, (1 << 31) - 1, 0xFFFF_FFFF,
           0xFFFF_FFFF_8000_0000, 0xFFFF_FFFF_7FFF_FFFF]


class Operands:
    """A source of numbers of 64 bits in which corner cases and runs of equal bits are common."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)

    def value(self) -> int:
        rng = self.random
        match rng.randrange(6):
            case 0:
                return rng.choice(CORNERS)
            case 1:
                return 1 << rng.randrange(64)
            case 2:
                return rng.getrandbits(rng.randrange(1, 65))
            case 3:
                return MASK << rng.randrange(64) & MASK
            case 4:
                return rng.getrandbits(64) & rng.getrandbits(64) & rng.getrandbits(64)
            case _:
                return rng.getrandbits(64)

    def pair(self) -> tuple[int, int]:
        a = self.value()
        return a, a if self.random.randrange(8) == 0 else self.value()


@pytest.fixture
def operands() -> Operands:
    return Operands(1)
