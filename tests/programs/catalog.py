"""The self-checking programs: what each is made of, and how to build it."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from entresol_sim.cache import cache_dir
from entresol_sim.programs.build import BASE_EXTENSIONS, build

from .generate import generate

HERE = Path(__file__).parent
LIB = HERE / "lib"


@dataclass(frozen=True)
class Program:
    """A program.  `source` is a C file of src/ or the name of a generated program with its `seed`; `extensions` are those
    that it needs beyond RV64IMAC with H; `code` is what it ends with."""

    name: str
    source: str
    seed: int | None = None
    defines: Mapping[str, int] = field(default_factory=dict)
    extensions: tuple[str, ...] = ()
    code: int = 0

    def build(self) -> Path:
        """The ELF file."""
        if self.seed is None:
            source = HERE / "src" / f"{self.source}.c"
        else:
            text = generate(self.source, self.seed)
            digest = hashlib.sha256(text.encode()).hexdigest()[:12]
            source = cache_dir("programs", "generated") / f"{self.name}-{digest}.S"
            if not source.exists():
                fresh = source.with_suffix(f".{os.getpid()}")
                fresh.write_text(text)
                fresh.replace(source)
        return build(
            [source, LIB / "start.S", LIB / "exit.S", LIB / "test.c"],
            LIB / "link.ld",
            include=[LIB],
            defines=self.defines,
            extensions=(*BASE_EXTENSIONS, *self.extensions),
        )


_GENERATED = ("alu", "muldiv", "branches", "memory", "atomics", "csr_forms", "compressed")
_BITMANIP = ("zba", "zbb", "zbs")

PROGRAMS = (
    *(Program(name, name, seed=1) for name in _GENERATED),
    *(Program(name, name, seed=1, extensions=(name,)) for name in _BITMANIP),
    *(Program(f"torture{seed}", "torture", seed=seed) for seed in range(3)),
    *(Program(f"torture_zb{seed}", "torture_zb", seed=seed, extensions=_BITMANIP) for seed in range(2)),
    Program("traps", "traps"),
    Program("interrupts", "interrupts"),
    Program("csr_access", "csr_access"),
    Program("xret", "xret"),
    Program("pmp", "pmp"),
    Program("sv39", "sv39"),
    Program("sv39_guest", "sv39", defines={"GUEST": 1}),
    Program("two_stage", "two_stage"),
    Program("hlv", "hlv"),
    Program("lrsc", "lrsc"),
    Program("misaligned", "misaligned"),
    Program("fence_i", "fence_i"),
    Program("counters", "counters"),
    Program("clint", "clint"),
    Program("uart_plic", "uart_plic"),
    Program("exit_pass", "exit", defines={"EXIT_CODE": 0}),
    Program("exit_fail", "exit", defines={"EXIT_CODE": 7}, code=7),
    Program("finisher_pass", "exit", defines={"EXIT_CODE": 0, "NO_TOHOST": 1}),
    Program("finisher_fail", "exit", defines={"EXIT_CODE": 7, "NO_TOHOST": 1}, code=7),
)
