"""Slower rates out of the clock."""

from math import gcd

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import Out


class Ticks(wiring.Component):
    """Sets `tick` in `rate` of every `clock` cycles (both in Hz, say), as evenly as whole cycles allow: the n-th one
    comes less than a cycle after its time.

    Raises:
        ValueError: the rate is not positive, or above the clock.
    """

    def __init__(self, rate: int, clock: int):
        if not 0 < rate <= clock:
            raise ValueError(f"A rate of {rate} out of a clock of {clock}: choose one from 1 to {clock}.")
        common = gcd(rate, clock)
        self._rate, self._clock = rate // common, clock // common
        super().__init__({"tick": Out(1)})

    def elaborate(self, platform):
        m = Module()
        if self._rate == self._clock:
            m.d.comb += self.tick.eq(1)
            return m
        phase = Signal(range(self._clock))
        threshold = self._clock - self._rate
        m.d.comb += self.tick.eq(phase >= threshold)
        with m.If(self.tick):
            m.d.sync += phase.eq(phase - threshold)
        with m.Else():
            m.d.sync += phase.eq(phase + self._rate)
        return m
