"""Recognises how far a boot has come."""

from dataclasses import dataclass

from ..native import Statistics

_HS, _U, _VS, _VU = 1, 0, 5, 4  # as in `statistics.MODES`


@dataclass(frozen=True)
class Milestone:
    """Something to happen once: `text` is printed, or the first instruction in `mode` retires."""

    name: str
    text: bytes = b""
    mode: int | None = None


POWER_OFF = Milestone("power-off")
_FIRMWARE = (Milestone("firmware banner", b"OpenSBI v"), Milestone("kernel start", mode=_HS))
_HOST = Milestone("host user space", b"init: host user space")
_KVM = (
    Milestone("/dev/kvm opened", b"vmm: /dev/kvm opened"),
    Milestone("first guest instruction", mode=_VS),
)
#: What our own initramfs is to reach, by `--guest`.
GUESTS = {
    "none": (*_FIRMWARE, _HOST, POWER_OFF),
    "bare": (
        *_FIRMWARE, _HOST, *_KVM,
        Milestone("bare guest's SBI console", b"bare guest: hello through the SBI"),
        Milestone("bare guest's MMIO console", b"bare guest: hello through MMIO"),
        POWER_OFF,
    ),
    "linux": (*_FIRMWARE, _HOST, *_KVM, Milestone("guest user space", b"init: guest user space"), POWER_OFF),
}  # fmt: skip
#: What can be told of any other software.
FOREIGN = (
    *_FIRMWARE,
    Milestone("host user space", mode=_U),
    Milestone("first guest instruction", mode=_VS),
    Milestone("guest user space", mode=_VU),
    POWER_OFF,
)


@dataclass(frozen=True)
class Reached:
    """When a milestone was reached, to the batch of cycles in which it happened."""

    name: str
    cycles: int
    instructions: int


class Watch:
    """Sees the console's output and the counters of a run, batch by batch."""

    def __init__(self, milestones: tuple[Milestone, ...]):
        self._left = list(milestones)
        self._recent = b""
        self._spoken = False
        self.reached: list[Reached] = []
        #: The cycle of the last console output or milestone.
        self.last_sign = 0

    @property
    def missing(self) -> list[str]:
        """The names of the milestones that were not reached."""
        return [milestone.name for milestone in self._left]

    def wrote(self, content: bytes) -> None:
        """The console's output of a batch; `look` comes after it."""
        self._recent += content
        self._spoken = True

    def look(self, counters: Statistics) -> None:
        """The counters at the end of a batch."""
        for milestone in [*self._left]:
            if milestone.text in self._recent if milestone.text else self._entered(milestone.mode, counters):
                self._reach(milestone, counters)
        self._recent = self._recent[-64:]  # longer than any text that the next batch may complete
        if self._spoken:
            self._spoken = False
            self.last_sign = counters.cycles

    def powered_off(self, counters: Statistics) -> None:
        """The run ended with an orderly power-off."""
        if POWER_OFF in self._left:
            self._reach(POWER_OFF, counters)

    @staticmethod
    def _entered(mode: int | None, counters: Statistics) -> bool:
        return mode is not None and counters.mode_instructions[mode] > 0

    def _reach(self, milestone: Milestone, counters: Statistics) -> None:
        self._left.remove(milestone)
        self.reached.append(Reached(milestone.name, counters.cycles, counters.instructions))
        self.last_sign = counters.cycles
