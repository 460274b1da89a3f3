"""Decisions with little behind what is known late, and counting bits."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, Value


def sum_differs(m: Module, a: Value, b: Value, carry: Value, total: Value) -> Value:
    """Whether `a + b + carry` is not `total` (all but the carry of one width, the carry out not looked at), without
    adding: every bit of the total says which carry it needs, and the bit below which carry it gives."""
    needs, gives = Signal(len(a), name="needs_carry"), Signal(len(a), name="gives_carry")
    m.d.comb += [needs.eq(a ^ b ^ total), gives.eq((a & b) | ((a | b) & ~total))]
    return (needs ^ Cat(carry, gives[:-1])).any()


def kept(m: Module, name: str, value: Value) -> Signal:
    """`value` as a signal that synthesis leaves as it is: what is worked out early stays apart from what is known late,
    which is looked at last.  (Block RAM counts as early there, though it is the latest of all.)"""
    signal = Signal(Value.cast(value).shape(), name=name, attrs={"keep": 1})
    m.d.comb += signal.eq(value)
    return signal


def chosen_late(m: Module, name: str, anyway: Value, if_late: Value, late: Value) -> Value:
    """`anyway`, or `if_late` and `late` (1 bit each): nothing but one gate is behind `late`."""
    return kept(m, f"{name}_anyway", anyway) | (kept(m, f"{name}_if_late", if_late) & late)


def chosen_by_hit(m: Module, name: str, anyway: Value, if_done: Value, done_if_hit: Value, hit: Value) -> Value:
    """`anyway`, or `if_done` and the load or store in M is done by its hit (1 bit each).  `hit` is known last: nothing
    but one gate is behind it."""
    early = kept(m, f"{name}_if_done", if_done)
    return chosen_late(m, name, anyway, early & done_if_hit, hit)


def if_m_free(m: Module, stage: Any, name: str, condition: Value, anyway: Value | int = 0) -> Value:
    """`anyway`, or `condition` and M is free (1 bit each), as the inputs `m_free_anyway`, `m_free_if_done`,
    `m_done_if_hit` and `m_hit` of `stage` tell."""
    return chosen_by_hit(m, name, anyway | (condition & stage.m_free_anyway), condition & stage.m_free_if_done,
                         stage.m_done_if_hit, stage.m_hit)


def either(condition: Value, if_one: Value, if_zero: Value) -> Value:
    """`Mux`, in a form that synthesis does not make a clock enable of: that would have to be there earlier."""
    return (if_one & condition.replicate(len(if_one))) | (if_zero & (~condition).replicate(len(if_zero)))


def equal_pairs(m: Module, name: str, a: Value, b: Value) -> Value:
    """`a == b` by gates, two bits in each of the first ones, however early or late they come."""
    return Cat(kept(m, f"{name}{low}", a[low:low + 2] == b[low:low + 2]) for low in range(0, len(a), 2)).all()


def equal_or(m: Module, a: Value, b: Value, enable: Value, called: str, otherwise: Value) -> tuple[Value, Value]:
    """Whether `enable` and `a == b`, and whether that or `otherwise` (1 bit each), told by a carry: however late they
    come, it takes no more than one gate for each bit and the way along the carry chain."""
    same, total = Signal(len(a), name=f"{called}_same"), Signal(len(a) + 3, name=f"{called}_total")
    m.d.comb += [
        same.eq(~(a ^ b)),
        # Behind the bits, a one shows the carry and hands it on, and a one beside `otherwise` makes a carry of either.
        total.eq(Cat(same, Const(1), otherwise) + Cat(enable, Const(0, len(a)), Const(1))),
    ]
    return ~total[len(a)], total[-1]


def equal(m: Module, a: Value, b: Value, enable: Value, called: str) -> Value:
    """Whether `enable` and `a == b` (1 bit), as in `equal_or`."""
    return equal_or(m, a, b, enable, called, Const(0))[0]


def count_ones(m: Module, value: Value) -> Value:
    """The number of ones in `value`, by counters of four bits or three at a time until there are two of each weight:
    adders would take longer."""
    columns: list[list[Value]] = [list(value), *([] for _ in range(len(value).bit_length() - 1))]
    level = 0
    while any(len(column) > 2 for column in columns):
        level += 1
        following: list[list[Value]] = [[] for _ in columns]
        for weight, column in enumerate(columns):
            while len(column) > 2:
                bits, column = Cat(column[:4]), column[4:]
                ones = Signal(len(bits).bit_length(), name=f"ones_{level}_{weight}_{len(column)}")
                with m.Switch(bits):
                    for pattern in range(1 << len(bits)):
                        with m.Case(pattern):
                            m.d.comb += ones.eq(pattern.bit_count())
                for above, bit in enumerate(ones):
                    if weight + above < len(columns):  # the number fits
                        following[weight + above].append(bit)
            following[weight] += column
        columns = following
    rows = [Cat(column[row] if row < len(column) else Const(0) for column in columns) for row in range(2)]
    return (rows[0] + rows[1])[:len(columns)]


def count_trailing_zeros(m: Module, value: Value) -> tuple[Value, Value]:
    """The position of the lowest one in `value` (a power of four bits) and whether there is none (1 bit)."""
    if len(value) == 1:
        return Const(0, 0), ~value
    quarter = len(value) // 4
    below = [count_trailing_zeros(m, value[start:start + quarter]) for start in range(0, len(value), quarter)]
    none = [Signal(name=f"none_{quarter}_{part}") for part in range(4)]
    m.d.comb += [signal.eq(empty) for signal, (_, empty) in zip(none, below, strict=True)]
    top, low = Signal(2), Signal(len(below[0][0]))
    m.d.comb += top.eq(Cat(none[0] & (~none[1] | none[2]), none[0] & none[1]))
    with m.Switch(top):
        for part, (position, _) in enumerate(below):
            with m.Case(part):
                m.d.comb += low.eq(position)
    return Cat(low, top), none[0] & none[1] & none[2] & none[3]
