"""What one side of a comparison did: a sequence of steps, each a retired instruction or a trap."""

from dataclasses import dataclass, field
from typing import NamedTuple

#: Modes by number: nominal privilege + 4 * V.
M, HS, U, VS, VU = 3, 1, 0, 5, 4
MODE_NAMES = {M: "M", HS: "HS", U: "U", VS: "VS", VU: "VU"}
#: What the names of the CSRs that a trap writes begin with, by the mode that takes it.
PREFIX = {M: "m", HS: "s", VS: "vs"}

#: Bit of `Step.trap` that says interrupt, as in `mcause`.
INTERRUPT = 1 << 63

#: `Store.size` of a cache block.
BLOCK = 6


class Store(NamedTuple):
    """A write to memory of `1 << size` bytes; `paddr` and `value` are None where the side does not tell."""

    vaddr: int
    paddr: int | None
    size: int
    value: int | None


@dataclass(slots=True)
class Step:
    """A retired instruction, or a trap (`trap` is its cause as in `mcause`; of an interrupt `pc` is the instruction
    that waits).  What a side does not tell is None; `regs` and `csrs` hold at least what changed; a CSR
    that is None there is not known any more."""

    pc: int
    mode: int | None = None
    raw: int | None = None
    trap: int | None = None
    tval: int | None = None
    target: int | None = None
    regs: dict[int, int] = field(default_factory=dict)
    csrs: dict[str, int | None] | None = field(default_factory=dict)
    stores: tuple[Store, ...] = ()
    #: What was loaded: physical address, and log2 of the size.  Only the core tells.
    load: tuple[int, int] | None = None
