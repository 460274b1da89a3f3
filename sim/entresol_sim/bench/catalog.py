"""What `entresol bench` measures: every figure by name, and the programs that measure them.

A program is in `programs/bench/`: a C file, the assembly beside it, and what all programs share.  It is started with
a number in a2 (`Job.variant`) that says what part of it to run, and prints a line `result NAME COUNT CYCLES
INSTRUCTIONS` for each figure.  See docs/developer/benchmarks.md.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

from entresol.config import CoreConfig

from ..errors import UserError
from ..programs.build import build

PROGRAMS = Path(__file__).parents[1] / "programs" / "bench"

#: The regimes of address translation, as bench.h numbers them.
REGIMES = ("bare", "sv39", "vs_only", "g_only", "guest_1g", "guest_2m", "guest_4k")


@dataclass(frozen=True)
class Figure:
    """One figure: cycles for each `unit` of what `title` says."""

    name: str
    title: str
    unit: str = "operation"


@dataclass(frozen=True)
class Job:
    """One simulation: `program` with `variant` gives `figures`, in this order."""

    group: str
    program: str
    variant: int
    figures: tuple[Figure, ...]
    needs: tuple[str, ...] = ()  # extensions

    def build(self) -> Path:
        """The ELF file.  Raises `UserError`."""
        sources = [PROGRAMS / f"{self.program}.c"]
        for name in (f"{self.program}_code.S", *(("kernels.c",) if self.program in KERNELS else ()),
                     "lib.c", "start.S"):  # fmt: skip
            if (PROGRAMS / name).exists():
                sources.append(PROGRAMS / name)
        return build(sources, PROGRAMS / "link.ld", include=[PROGRAMS])


#: Groups in the order in which they are shown, with what they are about.
GROUPS = {
    "traps": "Traps and interrupts",
    "csr": "CSR accesses",
    "memory": "Loads and stores that hit",
    "fences": "Fences",
    "svinval": "Svinval",
    "tlb": "TLB misses",
    "tlb_large": "TLB misses beyond the second level",
    "integer": "Integer programs",
    "bandwidth": "Memory bandwidth and latency",
    "branches": "Branches",
}

_TRAPS = {
    "ecall.u_to_m": "ECALL from U to M and back",
    "ecall.vs_to_m": "ECALL from VS to M and back",
    "ecall.u_to_hs": "ECALL from U to HS and back",
    "ecall.vs_to_hs.bare": "ECALL from VS to HS and back, no translation",
    "ecall.vs_to_hs.bare.all_registers": "the same, all registers saved and restored",
    "ecall.vu_to_vs": "ECALL from VU to VS and back",
    "virtual_instruction.vs_to_hs.bare": "virtual instruction (CSR) from VS to HS and back, no translation",
    "illegal_instruction.vs_to_hs.bare": "illegal instruction from VS to HS and back, no translation",
    "interrupt.hs": "software interrupt in HS raised by itself, and back",
    "interrupt.vs": "software interrupt in VS raised by itself, and back",
    "interrupt.hs.enabled_to_handler": "pending STI, from setting sstatus.SIE to the handler's first instruction",
    "interrupt.vs.enabled_to_handler": "pending VSTI, from setting sstatus.SIE to the handler's first instruction",
    "page_fault.load.hs": "load page fault in HS and back, Sv39",
    "page_fault.store.hs": "store page fault in HS and back, Sv39",
    "ecall.vs_to_hs.two_stage": "ECALL from VS to HS and back, two-stage translation",
    "ecall.vs_to_hs.two_stage.all_registers": "the same, all registers saved and restored",
    "virtual_instruction.vs_to_hs.two_stage": "virtual instruction (CSR) from VS to HS and back, two-stage",
    "illegal_instruction.vs_to_hs.two_stage": "illegal instruction from VS to HS and back, two-stage",
    "page_fault.load.vs_to_hs": "load page fault from VS to HS and back, two-stage",
    "page_fault.store.vs_to_hs": "store page fault from VS to HS and back, two-stage",
    "guest_page_fault.load.vs_to_hs": "load guest page fault from VS to HS and back",
    "guest_page_fault.store.vs_to_hs": "store guest page fault from VS to HS and back",
    "page_fault.load.vs": "load page fault in VS, handled there, two-stage",
    "page_fault.store.vs": "store page fault in VS, handled there, two-stage",
}

_MEMORY = {
    "ld_add.hs": "LD and an ADD that needs it, HS",
    "ld_add.vs": "LD and an ADD that needs it, VS two-stage",
    "hlv_d_add.hs": "HLV.D and an ADD that needs it, HS",
    "hlvx_wu_add.hs": "HLVX.WU and an ADD that needs it, HS",
    "ld.hs": "LD, HS",
    "ld.vs": "LD, VS two-stage",
    "hlv_d.hs": "HLV.D, HS",
    "hlvx_wu.hs": "HLVX.WU, HS",
    "sd.hs": "SD, HS",
    "sd.vs": "SD, VS two-stage",
    "hsv_d.hs": "HSV.D, HS",
    "sd_ld_same.hs": "SD and LD of the same doubleword, HS",
    "ld_misaligned.hs": "LD across two doublewords, HS",
    "amoadd_d.hs": "AMOADD.D, HS",
    "lr_sc_d.hs": "LR.D and SC.D, HS",
}

_FENCES = {
    "fence_rw.m": "FENCE RW, RW in M",
    "fence_i.m": "FENCE.I in M",
    "sfence_vma.hs_bare": "SFENCE.VMA in HS, no translation",
    "hfence_vvma.hs_bare": "HFENCE.VVMA in HS, no translation",
    "hfence_gvma.hs_bare": "HFENCE.GVMA in HS, no translation",
    "fence_i.hs_sv39": "FENCE.I in HS, Sv39",
    "sfence_vma.hs_sv39": "SFENCE.VMA in HS, Sv39, with the fetch behind it",
    "sfence_vma_addr.hs_sv39": "SFENCE.VMA of a page in HS, Sv39",
    "sfence_vma.hs_sv39.ld": "SFENCE.VMA and LD in HS, Sv39",
    "sfence_vma_addr.hs_sv39.ld": "SFENCE.VMA of a page and LD from it in HS, Sv39",
    "sfence_vma_asid.hs_sv39.ld": "SFENCE.VMA of an ASID and LD in HS, Sv39",
    "fence_i.vs_two_stage": "FENCE.I in VS, two-stage",
    "sfence_vma.vs_two_stage": "SFENCE.VMA in VS, two-stage, with the fetch behind it",
    "sfence_vma.vs_two_stage.ld": "SFENCE.VMA and LD in VS, two-stage",
    "sfence_vma_addr.vs_two_stage.ld": "SFENCE.VMA of a page and LD from it in VS, two-stage",
    "hfence_vvma.hs.hlv": "HFENCE.VVMA in HS and HLV.D, two-stage",
    "hfence_vvma_addr.hs.hlv": "HFENCE.VVMA of a page in HS and HLV.D from it, two-stage",
    "hfence_gvma.hs.hlv": "HFENCE.GVMA in HS and HLV.D, two-stage",
    "hfence_gvma_addr.hs.hlv": "HFENCE.GVMA of a page in HS and HLV.D from it, two-stage",
}

_SVINVAL = {
    "sfence_w_inval.hs": "SFENCE.W.INVAL in HS",
    "sfence_inval_ir.hs": "SFENCE.INVAL.IR in HS",
    "sinval_vma.hs": "SINVAL.VMA of a page in HS, Sv39",
    "sinval_vma.hs.ld": "SINVAL.VMA of a page and LD from it in HS, Sv39",
    "sinval_vma.vs": "SINVAL.VMA of a page in VS, two-stage",
    "sinval_vma.vs.ld": "SINVAL.VMA of a page and LD from it in VS, two-stage",
    "hinval_vvma.hs": "HINVAL.VVMA of a page in HS",
    "hinval_vvma.hs.hlv": "HINVAL.VVMA of a page in HS and HLV.D from it, two-stage",
    "hinval_gvma.hs": "HINVAL.GVMA in HS",
    "hinval_gvma.hs.hlv": "HINVAL.GVMA in HS and HLV.D, two-stage",
}

#: Where TLB misses are measured, with what the page says of it.
TLB_REGIMES = {
    "sv39": "HS, Sv39",
    "vs_only": "VS, Sv39, no G-stage",
    "g_only": "VS, no VS-stage, Sv39x4 with 4 KiB pages",
    "guest_1g": "VS, Sv39, Sv39x4 with 1 GiB pages",
    "guest_2m": "VS, Sv39, Sv39x4 with 2 MiB pages",
    "guest_4k": "VS, Sv39, Sv39x4 with 4 KiB pages",
}
TLB_PAGES = (8, 64, 256)
TLB_PAGES_LARGE = (4096,)
_TLB_LARGE = 16  # in the variant

#: Where kernels run, and the regime of that.
PLACES = {"native": "sv39", "guest_2m": "guest_2m", "guest_4k": "guest_4k"}

#: The kernels of each program in its order: title, unit.
KERNELS = {
    "integer": {
        "list": ("linked list of 200: sorting by merging, searching, reversing", "list"),
        "matrix": ("product of 20 x 20 matrices of 16-bit numbers", "matrix"),
        "state": ("state machine that reads numbers", "text of 81 characters"),
        "crc": ("CRC-16, bit by bit", "byte"),
        "mix": ("all of these by turns, as CoreMark does", "turn"),
        "calls": ("records, strings and calls, in proportions like Dhrystone's", "round"),
    },
    "bandwidth": {
        "copy.4k": ("copying, in the cache", "byte"),
        "copy.256k": ("copying 256 KiB", "byte"),
        "read.256k": ("reading 256 KiB", "byte"),
        "scale": ("STREAM's scale, 2 x 128 KiB", "byte"),
        "sum": ("STREAM's add, 3 x 128 KiB", "byte"),
        "triad": ("STREAM's triad, 3 x 128 KiB", "byte"),
        "chase.4k": ("chasing pointers in 4 KiB", "pointer"),
        "chase.64k": ("chasing pointers in 64 KiB", "pointer"),
        "chase.1m": ("chasing pointers in 1 MiB", "pointer"),
        "chase.pages": ("chasing pointers through 2048 pages", "pointer"),
    },
    "branches": {
        "taken": ("loop with a branch that is always taken", "round"),
        "alternating": ("... that is taken every other time", "round"),
        "every_seventh": ("... that is taken but every seventh time", "round"),
        "one_in_sixteen": ("... that is not taken one time in sixteen, at random", "round"),
        "random": ("... that is taken at random", "round"),
        "nested_loop": ("loop of five rounds in a loop", "outer round"),
        "recursion": ("recursive function", "call"),
        "indirect": ("calls of functions in an order that repeats after eleven", "call"),
    },
}


@cache
def csr_names() -> tuple[str, ...]:
    """The CSRs whose reading and writing from HS-mode is measured."""
    return tuple(re.findall(r"^CSR\((\w+)\)", (PROGRAMS / "csr_list.h").read_text(), re.MULTILINE))


def _figures(group: str, titles: dict[str, str]) -> tuple[Figure, ...]:
    return tuple(Figure(f"{group}.{name}", title) for name, title in titles.items())


def _csr() -> tuple[Figure, ...]:
    titles: dict[str, str] = {}
    for name in csr_names():
        titles |= {f"read.{name}": f"reading {name} in HS", f"write.{name}": f"writing {name} in HS"}
    for name in ("cycle", "time"):
        titles[f"read.{name}"] = f"reading {name} in HS"
    for name in ("sstatus", "satp"):
        titles |= {f"read.{name}.vs": f"reading {name} in VS", f"write.{name}.vs": f"writing {name} in VS"}
    titles["read.time.vs"] = "reading time in VS"
    return _figures("csr", titles)


def _tlb(regime: str, sizes: Iterable[int]) -> tuple[Figure, ...]:
    where = TLB_REGIMES[regime]
    data = [(access, pages) for pages in sizes for access in ("load", "store")]
    return tuple(
        Figure(f"tlb.{regime}.{access}.{pages}", f"{access} misses over {pages} pages: {where}", "access")
        for access, pages in (*data, *(("fetch", pages) for pages in sizes))
    )


@cache
def jobs() -> tuple[Job, ...]:
    """All simulations, in the order of the groups."""
    found = [
        Job("traps", "traps", 0, _figures("traps", _TRAPS), ("h",)),
        Job("csr", "csr", 0, _csr(), ("h",)),
        Job("memory", "memory", 0, _figures("memory", _MEMORY), ("h",)),
        Job("fences", "fences", 0, _figures("fences", _FENCES), ("h",)),
        Job("svinval", "fences", 1, _figures("svinval", _SVINVAL), ("h", "svinval")),
    ]
    for group, sizes, flag in (("tlb", TLB_PAGES, 0), ("tlb_large", TLB_PAGES_LARGE, _TLB_LARGE)):
        for regime in TLB_REGIMES:
            needs = () if regime == "sv39" else ("h",)
            found.append(Job(group, "tlb", REGIMES.index(regime) | flag, _tlb(regime, sizes), needs))
    for program, kernels in KERNELS.items():
        for (index, (name, (title, unit))), (place, regime) in product(enumerate(kernels.items()), PLACES.items()):
            figure = Figure(f"{program}.{name}.{place}", title, unit)
            needs = () if place == "native" else ("h",)
            found.append(Job(program, program, index | REGIMES.index(regime) << 8, (figure,), needs))
    return tuple(found)


def matches(name: str, choice: str) -> bool:
    """Whether the figure is what was chosen: it, or all that begin like that."""
    return name == choice or name.startswith(f"{choice}.")


def choose(choices: Iterable[str], config: CoreConfig) -> list[Job]:
    """The jobs that give the figures chosen (all if nothing is) and that the configuration can run; jobs that give
    others too are not cut down.

    Raises:
        UserError: something chosen does not exist, or needs what the configuration does not have.
    """
    possible = [job for job in jobs() if all(config.has(name) for name in job.needs)]
    choices = list(choices)
    if not choices:
        return possible
    chosen = set()
    for choice in choices:
        named = [job for job in jobs() if job.group == choice or any(matches(f.name, choice) for f in job.figures)]
        if not named:
            raise UserError(f"There is no benchmark {choice!r}: `entresol bench --list` shows them.")
        if not any(job in possible for job in named):
            raise UserError(f"{choice} needs {' and '.join(named[0].needs)}, which {config.name} does not have.")
        chosen.update(named)
    return [job for job in possible if job in chosen]
