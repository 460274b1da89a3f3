"""That what is proven could have been refuted."""

import pytest
from amaranth.hdl import Assume, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In
from prove import Refuted, claim, prove


class Sum(wiring.Component):
    a: In(4)
    b: In(4)

    def __init__(self, below):
        self._below = below
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.d.comb += Assume(self.a < self._below)
        claim(m, "carry", ~(self.a + self.b)[4])
        claim(m, "order", self.a + self.b >= self.b)
        return m


class Never(wiring.Component):
    a: In(1)

    def elaborate(self, platform):
        m = Module()
        claim(m, "never", self.a & ~self.a)
        claim(m, "always", self.a | ~self.a)
        return m


class Counter(wiring.Component):
    def __init__(self, last, first=0):
        self._last, self._first = last, first
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        count = Signal(4, init=self._first)
        m.d.sync += count.eq(Mux(count == self._last, 0, count + 1))
        claim(m, "small", count < 10)
        return m


def test_of_inputs():
    prove(Sum(1))
    with pytest.raises(Refuted, match="refuted: carry\n"):
        prove(Sum(2))
    with pytest.raises(RuntimeError, match="The assumptions contradict each other"):
        prove(Sum(0))


def test_of_what_is_constant():
    with pytest.raises(Refuted, match=r"refuted: number \d\n"):
        prove(Never())


def test_by_induction():
    prove(Counter(9), induction=True)
    for wrong in (Counter(10), Counter(9, first=12)):
        with pytest.raises(Refuted, match="refuted: small\n"):
            prove(wrong, induction=True)
