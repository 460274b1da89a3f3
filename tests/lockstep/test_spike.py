"""How Spike's log is read."""

import os

import pytest

from entresol_sim.lockstep import spike
from entresol_sim.lockstep.spike import Spike

_LINES = [b"core   0: 3 0x0000000080000000 (0x00100293) x5  0x0000000000000001\n",
          b"core   0: 3 0x0000000080000004 (0x10500073)\n"]  # fmt: skip


@pytest.fixture
def log(monkeypatch):
    """Two ends of a pipe, and little patience with it."""
    monkeypatch.setattr(spike, "_PATIENCE", 0.05)
    reading, writing = os.pipe()
    with open(reading, "rb", buffering=0) as output, open(writing, "wb", buffering=0) as log:
        yield output, log


@pytest.mark.parametrize("rest", [b"".join(_LINES)[80:], b""])
def test_waits_for_ever(log, rest):
    """A Spike that waits for an interrupt holds back the end of its log until it is told to end."""
    output, input = log
    input.write(b"".join(_LINES)[:80])

    def stop():
        input.write(rest)
        if rest:
            input.close()

    steps = list(Spike._steps(output, 0x8000_0000, stop))
    assert [step.pc for step in steps] == [0x8000_0000, 0x8000_0004][: 2 if rest else 1]
    assert steps[0].regs == {5: 1}
