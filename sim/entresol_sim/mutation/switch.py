"""What rewritten source calls instead of operators: gives the value, or that of the mutant that is turned on.

Either one mutant is on while a design is elaborated (`turn_on`), or a whole set goes into one design, where an input
says which is on (`build_in`).  `search` notes which mutants a design has.
"""

import operator
from collections.abc import Callable, Iterable
from typing import Any

from amaranth.hdl import Cat, Const, Mux, Shape, Value, ValueCastable
from amaranth.lib import data

_on = 0
_selector: Value | None = None
_built_in: frozenset[int] = frozenset()
_found: set[int] | None = None

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "&": operator.and_, "|": operator.or_, "^": operator.xor, "+": operator.add, "-": operator.sub,
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_OTHER = {"&": "|", "|": "&", "^": "&", "+": "-", "-": "+", "==": "!=", "!=": "==", "<": "<=", "<=": "<", ">": ">=",
          ">=": ">"}  # fmt: skip


def turn_on(number: int) -> None:
    """What is elaborated from now on has this mutant; 0: none."""
    global _on
    _on = number


def build_in(numbers: Iterable[int], selector: Value | None) -> None:
    """What is elaborated from now on has these mutants, of which `selector` turns one on."""
    global _selector, _built_in
    _selector, _built_in = selector, frozenset(numbers)


def search() -> set[int]:
    """A set that from now on gets the numbers of the mutants that would change something in what is elaborated."""
    global _found
    _found = set()
    return _found


def stop_search() -> None:
    """The end of `search`."""
    global _found
    _found = None


def _wanted(*numbers: int) -> bool:
    """Whether any of these mutants matters, so that what it does has to be worked out."""
    return _found is not None or (_on and _on in numbers) or not _built_in.isdisjoint(numbers)


def _is_hardware(value: object) -> bool:
    return isinstance(value, Value | ValueCastable)


def _select(original: Any, *alternatives: tuple[int, Any]) -> Any:
    """`original`, or the alternative that is on, in its shape."""
    value = chosen = Value.cast(original)
    for number, other in alternatives:
        if not number or other is None:
            continue
        other = Value.cast(other)
        if value.shape().signed:
            pass  # wide enough for whatever it meets
        elif len(other) < len(value):
            other = Cat(other, Const(0, len(value) - len(other)))
        elif len(other) > len(value):
            other = other[: len(value)]
        constants = isinstance(value, Const) and isinstance(other, Const)
        if constants and value.value == other.value:
            continue
        if _found is not None:
            _found.add(number)
        if number == _on:
            chosen = other
        elif number in _built_in:
            assert _selector is not None
            chosen = Mux(_selector == number, other, chosen)
    if chosen is value:
        return original
    if isinstance(original, ValueCastable):
        shape = original.shape()
        return shape(chosen) if not isinstance(shape, Shape) else chosen
    return chosen


def binary(symbol: str, left: Any, right: Any, *numbers: int) -> Any:
    """`left` and `right` combined; mutants: the other operator, only `left`, only `right`."""
    result = _OPERATORS[symbol](left, right)
    if not _is_hardware(result) or not _wanted(*numbers):
        return result
    others = (_OPERATORS[_OTHER[symbol]](left, right), left, right)
    return _select(result, *zip(numbers, others, strict=False))


def invert(value: Any, number: int) -> Any:
    """`~value`; mutant: `value`."""
    return _select(~value, (number, value)) if _is_hardware(value) and _wanted(number) else ~value


def compare(symbol: str, left: Any, right: Any, swapped: int, constant: int) -> Any:
    """`left` and `right` compared; mutants: another comparison, a constant on the right that is one larger."""
    result = _OPERATORS[symbol](left, right)
    if not _is_hardware(result) or not _wanted(swapped, constant):
        return result
    value = Value.cast(left)
    one_more = None
    if not _is_hardware(right) or isinstance(right, Const):
        number = Value.cast(right)
        if isinstance(number, Const):
            one_more = _OPERATORS[symbol](value, (number.value + 1) % (1 << len(value)))
    other = _OPERATORS[_OTHER[symbol]](left, right)
    return _select(result, (swapped, other), (constant, one_more))


def field(of: Any, name: str, number: int) -> Any:
    """The attribute `name` of `of`; mutant: the next field of a structure that is as wide."""
    result = getattr(of, name)
    if not isinstance(of, data.View) or not _is_hardware(result) or not _wanted(number):
        return result
    layout = data.Layout.cast(of.shape())
    names = [key for key, _ in layout]
    if name not in names:
        return result
    at = names.index(name)
    width = layout[name].width
    other = next((key for key in [*names[at + 1 :], *names[:at]] if layout[key].width == width), None)
    if other is None:
        return result
    start = layout[other].offset
    return _select(result, (number, of.as_value()[start : start + width]))


def item(of: Any, key: Any, number: int) -> Any:
    """`of[key]`; mutant: the next bit, the bits one further up, or the next element of those that are as wide."""
    result = of[key]
    if not _is_hardware(result) or not _wanted(number):
        return result
    other = None
    if isinstance(of, dict):
        kind = str(key).partition(".")[0]
        near = [each for each in of if str(each).partition(".")[0] == kind]
        near = near[near.index(key) + 1 :] + near[: near.index(key)]
        width = len(Value.cast(result))
        fitting = [each for each in near if _is_hardware(of[each]) and len(Value.cast(of[each])) == width]
        other = of[fitting[0]] if fitting else None
    elif isinstance(of, list | tuple):
        if isinstance(key, int) and len(of) > 1:
            other = of[(key + 1) % len(of)]
            other = other if _is_hardware(other) else None
    elif isinstance(of, Value):
        if isinstance(key, int):
            key %= len(of)
            other = of[key + 1] if key + 1 < len(of) else of[key - 1] if key else None
        elif isinstance(key, slice) and key.step is None:
            start, stop, _ = key.indices(len(of))
            if stop < len(of):
                other = of[start + 1 : stop + 1]
            elif start:
                other = of[start - 1 : stop - 1]
    return _select(result, (number, other))


def condition(value: Any, inverted: int, always: int, never: int) -> Any:
    """The condition of `m.If` and `m.Elif`; mutants: its inverse, 1, 0."""
    if not _is_hardware(value) or not _wanted(inverted, always, never):
        return value
    value = Value.cast(value).bool()
    return _select(value, (inverted, ~value), (always, Const(1)), (never, Const(0)))


def switch(value: Any, number: int) -> Any:
    """The value of `m.Switch`; mutant: its lowest bit inverted."""
    if not _wanted(number):
        return value
    plain = Value.cast(value)
    selected = _select(plain, (number, plain ^ 1))
    return value if selected is plain else selected


def choice(chosen: Any, one: Any, zero: Any, *numbers: int) -> Any:
    """`Mux`; mutants: operands swapped, always `one`, always `zero`."""
    result = Mux(chosen, one, zero)
    if not _wanted(*numbers):
        return result
    return _select(result, *zip(numbers, (Mux(chosen, zero, one), one, zero), strict=False))


def assign(target: Any, value: Any, zeros: int, ones: int, dropped: int = 0) -> Any:
    """`target.eq(value)`; mutants: all bits 0, all bits 1, no assignment (of a register)."""
    if not _is_hardware(target) or not _wanted(zeros, ones, dropped):
        return target.eq(value)
    width = len(Value.cast(target))
    castable = _is_hardware(value) or isinstance(value, int) or hasattr(value, "value")
    if not width or not castable:
        return target.eq(value)
    plain = Value.cast(value)
    if isinstance(plain, Const):
        plain = Const(plain.value, width)
    elif len(plain) >= width:
        plain = plain[:width]
    else:
        above = plain[-1] if plain.shape().signed else Const(0, 1)
        plain = Cat(plain, above.replicate(width - len(plain)))
    one = Const((1 << width) - 1)
    selected = _select(plain, (zeros, Const(0, width)), (ones, one), (dropped, target if dropped else None))
    return target.eq(value) if selected is plain else Value.cast(target).eq(selected)


def reduction(name: str, value: Any, number: int) -> Any:
    """`value.any()` or `value.all()`; mutant: the other."""
    result = getattr(value, name)()
    if not _wanted(number):
        return result
    if not _is_hardware(result) or not _is_hardware(value) or len(Value.cast(value)) < 2:
        return result
    other = Value.cast(value).all() if name == "any" else Value.cast(value).any()
    return _select(result, (number, other))


def matches(value: Any, patterns: tuple, first: int, last: int) -> Any:
    """`value.matches(*patterns)`; mutants: the first or the last pattern is missing."""
    result = value.matches(*patterns)
    if len(patterns) < 2 or not _wanted(first, last):
        return result
    return _select(result, (first, value.matches(*patterns[1:])), (last, value.matches(*patterns[:-1])))


def next_state(m: Any, state: str, number: int) -> None:
    """`m.next = state`; mutant: nothing."""
    if _found is not None:
        _found.add(number)
    if number == _on:
        return
    if number in _built_in:
        with m.If(_selector != number):
            m.next = state
    else:
        m.next = state
