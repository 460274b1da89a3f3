"""Extensions of the instruction set: one table, from which `misa`, the ISA string, the device tree, the
documentation and the choice of tests come.  Names and versions are those of the RISC-V manual's prefaces."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol


class HasExtensions(Protocol):
    """What of a configuration matters here."""

    @property
    def extensions(self) -> frozenset[str]: ...


@dataclass(frozen=True)
class Extension:
    """One extension.

    `name` is lower case; `requires` must be present as well, `implies` is contained in it; `conflicts` cannot be
    combined with it; `implemented` says whether this core can be built with it.
    """

    name: str
    display: str
    version: str
    description: str
    requires: tuple[str, ...] = ()
    implies: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    ratified: bool = True
    implemented: bool = False

    @property
    def status(self) -> str:
        """"ratified" or "draft"."""
        return "ratified" if self.ratified else "draft"


def _row(display: str, version: str, description: str, *, done: bool = False, **fields) -> Extension:
    return Extension(display.lower(), display, version, description, implemented=done, **fields)


_SHA = ("ssstateen", "shcounterenw", "shvstvala", "shtvala", "shvstvecd", "shvsatpa", "shgatpa")

_ROWS = (
    # single letters
    _row("I", "2.1", "64-bit integer base", done=True),
    _row("M", "2.0", "integer multiplication and division", implies=("zmmul",), done=True),
    _row("A", "2.1", "atomic instructions", implies=("zaamo", "zalrsc"), done=True),
    _row("F", "2.2", "single-precision floating point", requires=("zicsr",)),
    _row("D", "2.2", "double-precision floating point", requires=("f",)),
    _row("Q", "2.2", "quad-precision floating point", requires=("d",)),
    _row("C", "2.0", "compressed instructions", implies=("zca",), done=True),
    _row("B", "1.0", "bit manipulation: Zba, Zbb and Zbs", implies=("zba", "zbb", "zbs"), done=True),
    _row("V", "1.0", "vectors", requires=("d",)),
    _row("P", "0.x", "packed SIMD in integer registers", ratified=False),
    _row("H", "1.0", "hypervisor: two-stage translation and the virtualization mode", requires=("s", "u"), done=True),
    _row("S", "1.13", "supervisor mode", requires=("u", "zicsr"), done=True),
    _row("U", "1.13", "user mode", requires=("zicsr",), done=True),
    # unprivileged
    _row("Zic64b", "1.0", "cache blocks are 64 bytes", done=True),
    _row("Zicbom", "1.0", "cache-block management: clean, flush, invalidate", done=True),
    _row("Zicbop", "1.0", "cache-block prefetch hints", done=True),
    _row("Zicboz", "1.0", "cache-block zero", done=True),
    _row("Ziccamoa", "1.0", "main memory supports all atomics", requires=("a",), done=True),
    _row("Ziccif", "1.0", "instruction fetches from main memory are atomic", done=True),
    _row("Zicclsm", "1.0", "misaligned loads and stores to main memory", done=True),
    _row("Ziccrse", "1.0", "LR/SC in main memory eventually succeeds", requires=("zalrsc",), done=True),
    _row("Zicfilp", "1.0", "landing pads for indirect jumps", requires=("zicsr",)),
    _row("Zicfiss", "1.0", "shadow stacks", requires=("zicsr", "zimop", "zaamo")),
    _row("Zicntr", "2.0", "cycle, time and instret counters", requires=("zicsr",), done=True),
    _row("Zicond", "1.0", "conditional zero", done=True),
    _row("Zicsr", "2.0", "control and status registers", done=True),
    _row("Zifencei", "2.0", "FENCE.I", done=True),
    _row("Zihintntl", "1.0", "non-temporal locality hints", done=True),
    _row("Zihintpause", "2.0", "pause hint", done=True),
    _row("Zihpm", "2.0", "hardware performance counters", requires=("zicsr",), done=True),
    _row("Zimop", "1.0", "may-be-operations", done=True),
    _row("Zmmul", "1.0", "integer multiplication", done=True),
    _row("Za64rs", "1.0", "reservation sets are at most 64 bytes", requires=("zalrsc",), done=True),
    _row("Zaamo", "1.0", "atomic memory operations", done=True),
    _row("Zabha", "1.0", "byte and halfword atomic memory operations", requires=("zaamo",)),
    _row("Zacas", "1.0", "atomic compare-and-swap", requires=("zaamo",)),
    _row("Zalrsc", "1.0", "load-reserved and store-conditional", done=True),
    _row("Zama16b", "1.0", "misaligned atomics within 16 bytes", requires=("a",)),
    _row("Zawrs", "1.0", "wait on reservation set", requires=("zalrsc",), done=True),
    _row("Zfa", "1.0", "additional floating-point instructions", requires=("f",)),
    _row("Zfh", "1.0", "half-precision floating point", requires=("f",), implies=("zfhmin",)),
    _row("Zfhmin", "1.0", "half-precision conversions and moves", requires=("f",)),
    _row("Zfinx", "1.0", "single-precision floating point in integer registers", requires=("zicsr",),
         conflicts=("f",)),
    _row("Zca", "1.0", "compressed instructions without floating point", done=True),
    _row("Zcb", "1.0", "further compressed instructions", requires=("zca",), done=True),
    _row("Zcd", "1.0", "compressed double-precision loads and stores", requires=("zca", "d")),
    _row("Zcmop", "1.0", "compressed may-be-operations", requires=("zca",), done=True),
    _row("Zcmp", "1.0", "compressed push, pop and moves", requires=("zca",), conflicts=("zcd",)),
    _row("Zcmt", "1.0", "compressed table jumps", requires=("zca", "zicsr"), conflicts=("zcd",)),
    _row("Zba", "1.0", "address generation", done=True),
    _row("Zbb", "1.0", "basic bit manipulation", done=True),
    _row("Zbc", "1.0", "carry-less multiplication"),
    _row("Zbs", "1.0", "single-bit instructions", done=True),
    _row("Zkt", "1.0", "data-independent execution time", done=True),
    # supervisor
    _row("Ssccptr", "1.0", "page tables can be anywhere in main memory", requires=("s",), done=True),
    _row("Sscofpmf", "1.0", "counter overflow and mode filtering", requires=("s", "zihpm"), done=True),
    _row("Sscounterenw", "1.0", "scounteren is writable for every counter", requires=("s",), done=True),
    _row("Ssdbltrp", "1.0", "double traps in supervisor mode", requires=("s",)),
    _row("Ssnpm", "1.0", "pointer masking for the next lower mode, set by supervisor mode", requires=("s",), done=True),
    _row("Ssstateen", "1.0", "sstateen and hstateen: state enables below supervisor mode", requires=("s",), done=True),
    _row("Ssstrict", "1.0", "reserved encodings trap, nothing non-conforming", requires=("s",)),
    _row("Sstc", "1.0", "stimecmp and vstimecmp", requires=("s", "zicntr"), done=True),
    _row("Sstvala", "1.0", "stval holds address or instruction", requires=("s",), done=True),
    _row("Sstvecd", "1.0", "stvec supports direct mode at every address", requires=("s",), done=True),
    _row("Ssu64xl", "1.0", "UXL=64", requires=("s", "u"), done=True),
    _row("Svade", "1.0", "page faults where A or D needs setting", requires=("s",), done=True),
    _row("Svadu", "1.0", "hardware updating of A and D", requires=("s",), done=True),
    _row("Svbare", "1.0", "satp mode Bare", requires=("s",), done=True),
    _row("Svinval", "1.0", "fine-grained address-translation invalidation", requires=("s",), done=True),
    _row("Svnapot", "1.0", "64 KiB contiguous pages", requires=("s",), done=True),
    _row("Svpbmt", "1.0", "page-based memory types", requires=("s",), done=True),
    _row("Svrsw60t59b", "1.0", "PTE bits 60 and 59 for software", requires=("s",)),
    _row("Svvptc", "1.0", "new valid PTEs are seen in bounded time", requires=("s",), done=True),
    # hypervisor
    _row("Sha", "1.0", "augmented hypervisor", requires=("h",), implies=_SHA, done=True),
    _row("Shcounterenw", "1.0", "hcounteren is writable for every counter", requires=("h",), done=True),
    _row("Shgatpa", "1.0", "every satp mode has its hgatp counterpart, and Bare", requires=("h",), done=True),
    _row("Shlcofideleg", "1.0", "delegation of the counter-overflow interrupt", requires=("h", "sscofpmf"), done=True),
    _row("Shtvala", "1.0", "htval holds the guest physical address", requires=("h",), done=True),
    _row("Shvsatpa", "1.0", "every satp mode is supported by vsatp", requires=("h",), done=True),
    _row("Shvstvala", "1.0", "vstval holds address or instruction", requires=("h",), done=True),
    _row("Shvstvecd", "1.0", "vstvec supports direct mode at every address", requires=("h",), done=True),
    # machine
    _row("Smcntrpmf", "1.0", "mode filtering of cycle and instret", requires=("zicntr",)),
    _row("Smdbltrp", "1.0", "double traps in machine mode"),
    _row("Smepmp", "1.0", "PMP for machine mode"),
    _row("Smmpm", "1.0", "pointer masking for machine mode", done=True),
    _row("Smnpm", "1.0", "pointer masking for the next lower mode, set by machine mode", requires=("u",), done=True),
    _row("Smrnmi", "1.0", "resumable non-maskable interrupts"),
    _row("Smstateen", "1.0", "state enables below machine mode", requires=("s",), implies=("ssstateen",), done=True),
)

#: Every extension the project knows, by lower-case name, in the manual's canonical order.
EXTENSIONS: Mapping[str, Extension] = {row.name: row for row in _ROWS}

#: The core is built around these; a configuration cannot leave them out.
ALWAYS = ("i", "zicsr", "zifencei", "u", "s")

# What this core builds only as part of a larger extension.
_WHOLE = {"zmmul": "m", "zaamo": "a", "zalrsc": "a", "zca": "c"}


def closure(extensions: Iterable[str], table: Mapping[str, Extension] = EXTENSIONS) -> frozenset[str]:
    """`extensions` (names in `table`) and everything they imply."""
    found: set[str] = set()
    waiting = list(extensions)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(table[name].implies)
    return frozenset(found)


def without(extensions: Iterable[str], dropped: Iterable[str],
            table: Mapping[str, Extension] = EXTENSIONS) -> frozenset[str]:
    """`extensions` less `dropped`: what requires a dropped one goes as well, and of what contains one the rest stays,
    unless it is built only as a whole."""
    gone, kept = set(dropped), set(extensions)
    while True:
        broken = {name for name in kept if gone & closure({name}, table)}
        kept = kept - broken | {part for name in broken for part in table[name].implies if part not in _WHOLE} - gone
        stranded = {name for name in kept if not closure(kept, table).issuperset(table[name].requires)}
        if not broken | stranded:
            return frozenset(kept)
        gone |= stranded


def check(extensions: Iterable[str], allow_drafts: bool, table: Mapping[str, Extension] = EXTENSIONS) -> str | None:
    """What is wrong with a choice of extensions, as one sentence that says what to change; None if nothing is."""
    chosen = frozenset(extensions)
    ordered = [name for name in table if name in chosen]
    for name in sorted(chosen - set(table)):
        hint = f"write it in lower case, as {name.lower()!r}" if name.lower() in table else "remove it"
        return f"Unknown extension {name!r}: {hint}."
    present = closure(chosen, table)
    for name in ordered:
        row = table[name]
        if not row.ratified and not allow_drafts:
            return f"{row.display} {row.version} is a draft: remove {name!r} or set allow_drafts=True."
        for other in row.conflicts:
            if other in present:
                return f"{row.display} and {table[other].display} exclude each other: remove {name!r} or {other!r}."
        for other in row.requires:
            if other not in present:
                return f"{row.display} requires {table[other].display}: add {other!r} to extensions or remove {name!r}."
        if not row.implemented:
            return f"{row.display} is not implemented by this core yet: remove {name!r} from extensions."
        if name in _WHOLE and _WHOLE[name] not in chosen:
            return f"{row.display} is implemented only as part of {_WHOLE[name].upper()}: add {_WHOLE[name]!r}."
    for name in ALWAYS:
        if name in table and name not in chosen:
            return f"The core is always built with {table[name].display}: add {name!r} to extensions."
    return None


_LETTERS = "imafdqcbvph"  # canonical order of the single letters
_CATEGORIES = "imafdqlcbkjtvph"  # of the second letters of Z extensions


def _canonical(name: str) -> tuple[int, int, str]:
    if len(name) == 1:
        return (0, _LETTERS.index(name), name)
    if name[0] == "z":
        return (1, _CATEGORIES.index(name[1]), name)
    return (2 + ("ss", "sv", "sh", "sm").index(name[:2]), 0, name)


def device_tree_extensions(config: HasExtensions) -> list[str]:
    """Names for the device tree's `riscv,isa-extensions`, in canonical order.  What others imply is among them: Linux
    takes no Zcb, say, from a tree that has no Zca.  S and U are privilege modes, which are no part of it."""
    return sorted(closure(config.extensions) - {"s", "u"}, key=_canonical)


def isa_string(config: HasExtensions) -> str:
    """The ISA name string, e.g. "rv64imach_zicsr_zifencei" (unprivileged manual, "ISA Extension Naming
    Conventions")."""
    names = sorted(config.extensions - {"s", "u"}, key=_canonical)
    letters = "".join(name for name in names if len(name) == 1)
    return "_".join(["rv64" + letters, *(name for name in names if len(name) > 1)])


def misa(config: HasExtensions) -> int:
    """The 64-bit value of `misa`: MXL = 2 and a bit for each letter.  B stands for Zba, Zbb and Zbs together."""
    present = closure(config.extensions)
    letters = {name for name in present if len(name) == 1}
    if {"zba", "zbb", "zbs"} <= present:
        letters.add("b")
    return 2 << 62 | sum(1 << ord(letter) - ord("a") for letter in letters)
