"""How far a boot has come."""

import pytest

from entresol_sim.linux.milestones import FOREIGN, GUESTS, Watch
from entresol_sim.native import Statistics

M, HS, U, VS, VU = 3, 1, 0, 5, 4


class Run:
    """A run whose console and counters the test makes up."""

    def __init__(self, milestones):
        self.watch = Watch(milestones)
        self.counters = Statistics()

    def batch(self, *modes, says=b""):
        """One batch of cycles with instructions in `modes`."""
        self.counters.cycles += 1000
        for mode in modes:
            self.counters.mode_instructions[mode] += 100
            self.counters.instructions += 100
        if says:
            self.watch.wrote(says)
        self.watch.look(self.counters)

    @property
    def reached(self):
        return [(reached.name, reached.cycles, reached.instructions) for reached in self.watch.reached]


def test_linux_guest():
    run = Run(GUESTS["linux"])
    run.batch(M, says=b"\r\nOpenSBI v1.1\r\n")
    run.batch(M, HS)
    run.batch(HS, U, says=b"init: host user space, Linux 6.1\n")
    run.batch(HS, U, says=b"vmm: /dev/kvm opened\n")
    run.batch(HS, VS)
    run.batch(VS, VU)
    assert run.watch.missing == ["guest user space", "power-off"]
    run.batch(VS, says=b"init: guest user space\n")
    run.watch.powered_off(run.counters)
    assert run.watch.missing == []
    assert run.reached == [
        ("firmware banner", 1000, 100),
        ("kernel start", 2000, 300),
        ("host user space", 3000, 500),
        ("/dev/kvm opened", 4000, 700),
        ("first guest instruction", 5000, 900),
        ("guest user space", 7000, 1200),
        ("power-off", 7000, 1200),
    ]


def test_text_in_pieces():
    run = Run(GUESTS["bare"])
    for byte in b"x" * 100 + b"OpenSBI v1.1 init: host user":
        run.batch(M, says=bytes([byte]))
    assert [name for name, *_ in run.reached] == ["firmware banner"]
    run.batch(M, says=b" space")
    assert [name for name, *_ in run.reached] == ["firmware banner", "host user space"]


def test_a_milestone_is_reached_once():
    run = Run(GUESTS["none"])
    run.batch(M, says=b"OpenSBI v1.1")
    run.batch(M, says=b"OpenSBI v1.1")
    assert run.reached == [("firmware banner", 1000, 100)]


def test_foreign_software_is_told_by_its_modes():
    run = Run(FOREIGN)
    run.batch(M, HS, U, VS)
    assert [name for name, *_ in run.reached] == ["kernel start", "host user space", "first guest instruction"]
    run.batch(VU)
    assert run.watch.missing == ["firmware banner", "power-off"]


@pytest.mark.parametrize("says, modes", [(b"anything", (M,)), (b"", (M, HS))])
def test_signs_of_life(says, modes):
    run = Run(GUESTS["linux"])
    run.batch(M, says=b"OpenSBI v1.1")
    run.batch(M)
    assert run.watch.last_sign == 1000
    run.batch(*modes, says=says)
    run.batch(M)
    assert run.watch.last_sign == 3000
