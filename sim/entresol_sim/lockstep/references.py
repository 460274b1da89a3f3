"""The references by name, and everything that a comparison needs."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from entresol.config import CoreConfig
from entresol.isa.compressed import COMPRESSED, Compressed
from entresol.isa.csrs import csr_table
from entresol.isa.instructions import INSTRUCTIONS, Instruction

from ..elf import Program
from ..errors import UserError
from ..progress import Progress
from .assembler import expand
from .compare import Comparator, Context, Deviation, Difference, Result
from .core import Core
from .deviations import DEVIATIONS
from .qemu import Qemu
from .spike import Spike
from .steps import Step


class Reference(Protocol):
    """Something else that runs programs, a step at a time."""

    name: str
    #: Tells only what instructions write to CSRs, not what traps do.
    sparse: bool
    version: tuple[int, ...]
    #: Extensions of the configuration that it does not have.
    missing: frozenset[str]

    def run(self, program: Program) -> AbstractContextManager[Iterator[Step]]: ...


REFERENCES: dict[str, Callable[[CoreConfig, int], Reference]] = {"qemu": Qemu, "spike": Spike}


class Lockstep:
    """Compares programs on the core of `config` with those on a reference.  `strict` excuses nothing that random
    programs stay clear of, which could be a fault of the core in them.

    Raises:
        UserError: the reference is unknown or not installed.
    """

    def __init__(
        self, config: CoreConfig, reference: str, ram_size: int, progress: Progress | None = None, strict: bool = False
    ):  # fmt: skip
        if reference not in REFERENCES:
            raise UserError(f"Unknown reference {reference!r}: choose one of {', '.join(REFERENCES)}.")
        self.reference = REFERENCES[reference](config, ram_size)
        self.core = Core(config, ram_size, progress)
        table = csr_table(config)
        self.csr_names = {csr.address: csr.name for csr in table.values()}
        self.deviations = [
            d for d in DEVIATIONS[reference]
            if d.versions[0] <= self.reference.version < d.versions[1] and not config.has(d.without)
        ]  # fmt: skip
        absent = {csr.name for csr in table.values() if csr.extension in self.reference.missing}
        rows: tuple[Instruction | Compressed, ...] = (*INSTRUCTIONS, *COMPRESSED)
        absent |= {row.name for row in rows if self.reference.missing.intersection(row.extensions)}

        def lacks(difference: Difference, context: Context) -> bool:
            compressed = expand(context.core.raw) if context.core.raw is not None else None
            names = {context.csr, context.row, compressed[0].name if compressed is not None else ""}
            return context.reference.trap == 2 and not absent.isdisjoint(names)

        self.deviations.append(Deviation("absent extensions", "", (), "", ((0,), (1000,)), lacks))
        excused = [d for d in self.deviations if not (strict and d.avoided)]
        self._comparator = Comparator(table, excused, self.reference.version, self.reference.sparse)

    @property
    def title(self) -> str:
        """The reference with its version."""
        return f"{self.reference.name} {'.'.join(map(str, self.reference.version))}"

    def compare(self, program: Program, max_cycles: int) -> Result:
        """Run `program` on both."""
        with self.reference.run(program) as steps:
            return self._comparator.compare(self.core.run(program, max_cycles), steps)
