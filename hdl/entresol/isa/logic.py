"""Two-level minimisation: few product terms for a function of the bits of an instruction word.

The functions here have tens of inputs but only some hundred rows, so cubes are expanded directly against the rows
(as Espresso's EXPAND step does) and then a small cover is chosen."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from amaranth.hdl import Cat, Module, Signal, Value


class Cube(NamedTuple):
    """The words `w` with `w & mask == value`."""

    mask: int
    value: int

    def intersects(self, other: "Cube") -> bool:
        return not (self.value ^ other.value) & self.mask & other.mask

    def contains(self, other: "Cube") -> bool:
        return not self.mask & ~other.mask and self.intersects(other)

    def without(self, literal: int) -> "Cube":
        """The same less one condition (`literal` is a one-bit mask)."""
        return Cube(self.mask & ~literal, self.value & ~literal)

    def admits(self, literal: int, value: bool) -> bool:
        """Whether the cube has words with the bit `literal` equal to `value`."""
        return not self.mask & literal or bool(self.value & literal) == value

    def where(self, literal: int, value: bool) -> "Cube":
        """Those words of the cube; only if it admits them."""
        return Cube(self.mask | literal, self.value | literal if value else self.value & ~literal)


def _literals(mask: int) -> list[int]:
    return [1 << bit for bit in range(mask.bit_length()) if mask >> bit & 1]


def covers(cubes: Iterable[Cube], cube: Cube) -> bool:
    """Whether the union of `cubes` contains `cube`."""
    touching = [other for other in cubes if other.intersects(cube)]
    if any(other.contains(cube) for other in touching):
        return True
    for literal in _literals(touching[0].mask & ~cube.mask) if touching else ():
        return all(covers(touching, cube.where(literal, value)) for value in (False, True))
    return False


def sharp(cube: Cube, other: Cube) -> list[Cube]:
    """The words of `cube` that are not in `other`, as disjoint cubes."""
    if not cube.intersects(other):
        return [cube]
    pieces = []
    for literal in _literals(other.mask & ~cube.mask):
        pieces.append(cube.where(literal, not other.value & literal))
        cube = cube.where(literal, bool(other.value & literal))
    return pieces


def minimise(on: Iterable[Cube], allowed: Callable[[Cube], bool]) -> list[Cube]:
    """Product terms that cover every cube of `on`, each of them `allowed`.

    Drops the conditions of each cube one by one, in a few orders, and then chooses terms greedily: those that cover
    most of what is left, with the fewest conditions.
    """
    on = list(on)
    candidates: dict[Cube, frozenset[int]] = {}
    for cube in on:
        literals = _literals(cube.mask)
        for start in range(0, len(literals), len(literals) // 3 + 1):
            for order in (literals[start:] + literals[:start], literals[start::-1] + literals[:start:-1]):
                term = cube
                for literal in order:
                    if allowed(smaller := term.without(literal)):
                        term = smaller
                candidates[term] = frozenset(index for index, row in enumerate(on) if term.contains(row))
    chosen, left = [], set(range(len(on)))
    while left:
        term = max(candidates, key=lambda term: (len(candidates[term] & left), -term.mask.bit_count(), term))
        chosen.append(term)
        left -= candidates[term]
    return chosen


class ProductTerms:
    """Sums of products over `word`; equal product terms are built once.

    Args:
        m: module that gets the logic.
        word: the inputs, any width.
    """

    def __init__(self, m: Module, word: Value):
        self._m = m
        self._word = word
        self._terms: dict[Cube, Signal] = {}

    def _term(self, cube: Cube) -> Signal:
        if cube not in self._terms:
            term = Signal(name=f"term_{cube.mask:x}_{cube.value:x}")
            bits = Cat(self._word[literal.bit_length() - 1] for literal in _literals(cube.mask))
            value = sum((cube.value & literal != 0) << index for index, literal in enumerate(_literals(cube.mask)))
            self._m.d.comb += term.eq(bits == value)
            self._terms[cube] = term
        return self._terms[cube]

    def any(self, cubes: Iterable[Cube]) -> Value:
        """1 bit: the word is in one of `cubes`."""
        return Cat(self._term(cube) for cube in cubes).any()
