"""Comparing two sequences of steps."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from entresol.isa.csrs import Csr

from .assembler import csr_of, decode, show, sources
from .core import SUBSTITUTES
from .steps import BLOCK, HS, INTERRUPT, MODE_NAMES, PREFIX, M, Step, Store

#: CSRs that count, or depend on what counts, or name the implementation: two sides need not agree.
UNCOMPARED = frozenset(
    (
        *("mcycle", "minstret", "mvendorid", "marchid", "mimpid", "time", "cycle", "instret"),
        *(f"{prefix}hpmcounter{number}" for prefix in ("m", "") for number in range(3, 32)),
    )
)
#: Where what is loaded is each machine's own: the boot ROM; the time and mtimecmp.
_OWN = (range(0x1000, 0x1_0000), range(0x200_0000, 0x201_0000))
#: Registers that show parts of the same bits: after a write to one, what is known of the others is outdated.
_GROUPS = (
    {"mstatus", "sstatus"}, {"mie", "sie", "hie", "vsie"}, {"mip", "sip", "hip", "hvip", "vsip"},
)  # fmt: skip
_GROUP = {name: group for group in _GROUPS for name in group}
_STATUS = ("mstatus", "sstatus", "hstatus", "vsstatus")
#: What else traps write, by the mode that takes them.
_TRAP_VALUES = {M: ("mtval2", "mtinst"), HS: ("htval", "htinst")}
#: What hardware can change at any time; what is known of it is good for one step only.
_VOLATILE = _GROUP["mip"]
_MRET, _SRET = 0x30200073, 0x10200073
#: Registers that reset and boot code may leave different.
_BOOT = (5, 10, 11, 12)
_NOTHING: dict[str, int | None] = {}
_HISTORY = 24


class Difference(NamedTuple):
    """Something in which a step differs: `kind` is "pc", "mode", "trap", "reg", "csr", "store" or "end", `name` which
    register or CSR."""

    kind: str
    name: str | int
    core: object
    reference: object

    def __str__(self) -> str:
        name = f"x{self.name}" if self.kind == "reg" else self.name or self.kind
        return f"{name}: {_value(self.core)} here, {_value(self.reference)} in the reference"


def _value(value: object) -> str:
    return f"{value:#x}" if isinstance(value, int) else str(value)


@dataclass(slots=True)
class Context:
    """Where a difference was found: what a deviation is recognised by."""

    core: Step
    reference: Step
    before: Step | None  # the core's step before
    row: str  # the instruction's name, "" if it is none or was not fetched
    csr: str  # the CSR that it accesses, as named after substitution in V=1
    csrs: dict[str, int]  # what is known of the core's CSRs
    trap: Step | None  # the core's last trap before
    version: tuple[int, ...]
    operand: int = 0  # what the instruction's first source register holds now


class Deviation(NamedTuple):
    """A way in which a reference is known to differ from the specification (see `deviations`).

    `applies` recognises a difference that comes from it; alternatively `bits` names bits of CSRs, by CSR, in which
    values written or read may differ.  After a difference in a register or CSR the comparison goes on, without that
    register until it is written again, unless the deviation `ends` it; after any other it ends.  Random programs stay
    clear of those `avoided`.  One that is only there `without` an extension is not looked for in cores that have it.
    """

    name: str
    what: str
    rules: tuple[str, ...]
    decides: str
    versions: tuple[tuple[int, ...], tuple[int, ...]]
    applies: Callable[[Difference, Context], bool] | None = None
    bits: dict[str, int] = {}
    ends: bool = False
    avoided: bool = False
    without: str = ""

    def explains(self, difference: Difference, context: Context) -> bool:
        """Whether `difference` comes from this deviation."""
        if self.applies is not None and self.applies(difference, context):
            return True
        bits = self.bits.get(_csr_of(difference, context), 0)
        return bits != 0 and not _different_bits(difference) & ~bits


def responsible(deviations: Sequence[Deviation], difference: Difference, context: Context) -> list[Deviation]:
    """Those of `deviations` that `difference` comes from: one, several that each account for some of the bits, or
    none."""
    for deviation in deviations:
        if deviation.explains(difference, context):
            return [deviation]
    name = _csr_of(difference, context)
    found = []
    if any(name in deviation.bits for deviation in deviations):
        different = _different_bits(difference)
        found = [deviation for deviation in deviations if deviation.bits.get(name, 0) & different]
        for deviation in found:
            different &= ~deviation.bits[name]
        if different:
            return []
    return found


def _csr_of(difference: Difference, context: Context) -> str:
    """The CSR whose value differs, if it is one: itself or in a register that it was read to."""
    return str(difference.name) if difference.kind == "csr" else context.csr if difference.kind == "reg" else ""


def _different_bits(difference: Difference) -> int:
    return difference.core ^ difference.reference  # type: ignore[operator]


@dataclass
class Result:
    """What a comparison found.

    `compared` steps agreed, apart from differences `accounted` for (number by name of the deviation).  `ended_by` is
    the deviation after which nothing more could be compared; `differences` are those of the step that nothing
    explains.  `pairs` are the last steps of both sides.
    """

    compared: int = 0
    instructions: int = 0
    accounted: Counter[str] = field(default_factory=Counter)
    ended_by: str | None = None
    differences: list[Difference] = field(default_factory=list)
    modes: Counter[int] = field(default_factory=Counter)
    traps: Counter[str] = field(default_factory=Counter)
    switches: int = 0
    pairs: deque[tuple[Step | None, Step | None]] = field(default_factory=lambda: deque(maxlen=_HISTORY))

    @property
    def failed(self) -> bool:
        return bool(self.differences)


class Comparator:
    """Compares steps of a core that has the CSRs of `table` with those of a reference of `version`, whose ways are
    `deviations`.  A `sparse` reference tells only what instructions write to CSRs, not what traps do."""

    def __init__(
        self, table: dict[str, Csr], deviations: Sequence[Deviation] = (), version: tuple[int, ...] = (0,),
        sparse: bool = False,
    ):  # fmt: skip
        self._names = {csr.address: csr.name for csr in table.values()}
        self._deviations = [d for d in deviations if d.versions[0] <= version < d.versions[1]]
        self._version = version
        self._sparse = sparse

    def compare(self, core: Iterable[Step], reference: Iterator[Step]) -> Result:
        """Compare until `core` ends, or the first step that cannot be explained."""
        comparison = _Comparison(self._names, self._deviations, self._version, self._sparse)
        same, different = comparison.same, comparison.different
        pairs = comparison.result.pairs
        for step in core:
            other = next(reference, None)
            pairs.append((step, other))
            if not same(step, other) and different(step, other):
                break
        return comparison.result


class _Comparison:
    """The state of a comparison."""

    def __init__(
        self, names: dict[int, str], deviations: Sequence[Deviation], version: tuple[int, ...], sparse: bool
    ):  # fmt: skip
        self._csr_names, self._deviations, self._version, self._sparse = names, deviations, version, sparse
        self.result = Result()
        self._x = [0] * 32  # registers
        self._rx = [0] * 32  # the reference's
        self._csrs: dict[str, int] = {}  # what is known of the core's
        self._rcsrs: dict[str, int] = {}
        self._loose: dict[int, str] = dict.fromkeys(_BOOT, "boot")  # registers that may differ, and by which deviation
        self._loose_csrs: dict[str, str] = {}
        self._loose_memory: dict[int, str] = {}  # by physical address of the byte
        self._waiting: set[str] = set()  # written by the core while the reference's values were not known
        self._before: Step | None = None
        self._trap: Step | None = None
        self._tainted: str | None = None  # the step before depended on something loose

    def same(self, step: Step, other: Step | None) -> bool:
        """Take a step that is plainly the same on both sides, as most are.  Returns False, and leaves it, if that
        needs to be looked at closely."""
        if (
            other is None or step.pc != other.pc or self._loose or self._waiting or step.csrs or other.csrs != _NOTHING
            or step.trap is not None or other.trap is not None or step.raw == _MRET or step.raw == _SRET
            or (step.mode != other.mode and other.mode is not None)
            or (self._loose_memory and (step.load is not None or step.stores))
            or (step.stores != other.stores and self._stores(step, other))
        ):  # fmt: skip
            return False
        if step.regs or other.regs:
            x, rx = self._x, self._rx
            for number, value in step.regs.items():
                x[number] = value
            for number, value in other.regs.items():
                rx[number] = value
            if x != rx:
                return False
        self._tainted = None
        self._count(step)
        return True

    def _count(self, step: Step) -> None:
        result = self.result
        result.compared += 1
        if step.trap is None:
            result.instructions += 1
            result.modes[step.mode or 0] += 1
        else:
            result.traps[f"{MODE_NAMES[step.mode or 0]} to {MODE_NAMES[step.target or 0]}"] += 1
            self._trap = step
        if self._before is not None and self._before.mode != step.mode:
            result.switches += 1
        self._before = step

    def different(self, step: Step, other: Step | None) -> bool:
        """Look at a step closely.  Returns whether the comparison ends with it."""
        result = self.result
        if other is None:
            result.differences = [Difference("end", "", "goes on", "ends")]
            return True
        depends = self._depends(step)  # on what was before it
        leaves = self._leaves(step)
        found: list[Difference] = []
        if step.trap != other.trap:
            found.append(Difference("trap", "", _trap(step.trap), _trap(other.trap)))
        if step.pc != other.pc:
            found.append(Difference("pc", "", step.pc, other.pc))
        if other.mode is not None and step.mode != other.mode:
            found.append(Difference("mode", "", _mode(step.mode), _mode(other.mode)))
        self._registers(step, other, found)
        if step.stores or other.stores:
            found += self._stores(step, other)
        if step.csrs or other.csrs is None or other.csrs or self._waiting or step.raw in (_MRET, _SRET):
            if self._sparse:
                self._rcsrs.clear()
            self._compare_csrs(step, other, found, leaves)
        if step.tval != other.tval and other.tval is not None:
            found.append(Difference("tval", "tval", step.tval, other.tval))
        for store in step.stores if self._loose_memory else ():
            for byte in _bytes(store):
                self._loose_memory.pop(byte, None)
        untold = depends is not None and any(store.value is None for store in other.stores)
        if untold and not self._loosen_memory(step, depends or ""):
            result.ended_by = depends
            return True
        consequence = None
        if found:
            reason = self._explain(found, step, other, depends)
            if reason is not None:
                if reason:
                    result.ended_by = reason
                else:
                    result.differences = found
                return True
            if found[0].kind == "trap":  # both trapped, but not for the same cause: maybe not to the same mode
                consequence = self._loose_csrs[f"{PREFIX[step.target or 0]}cause"]
        self._tainted = consequence or depends
        self._count(step)
        return False

    def _registers(self, step: Step, other: Step, found: list[Difference]) -> None:
        x, rx, loose = self._x, self._rx, self._loose
        for number, value in step.regs.items():
            x[number] = value
        for number, value in other.regs.items():
            rx[number] = value
        for number in step.regs.keys() | other.regs.keys():
            if x[number] != rx[number]:
                if number not in loose or number in step.regs:
                    found.append(Difference("reg", number, x[number], rx[number]))
            elif number in loose:
                del loose[number]

    @staticmethod
    def _stores(step: Step, other: Step) -> list[Difference]:
        ours, theirs = step.stores, other.stores
        if ours and ours[0].size == BLOCK and theirs[:1] != ours:
            # a reference may tell each byte of a cache block, or nothing
            block = [Store(ours[0].vaddr + index, None, 0, 0) for index in range(1 << BLOCK)]
            if not theirs or sorted(theirs) == block:
                return []
        if len(ours) != len(theirs):
            return [Difference("store", "memory", ours or "nothing written", theirs or "nothing written")]
        for mine, its in zip(ours, theirs, strict=True):
            if (mine.vaddr, mine.size) != (its.vaddr, its.size) or any(
                None not in (a, b) and a != b for a, b in ((mine.paddr, its.paddr), (mine.value, its.value))
            ):
                return [Difference("store", "memory", mine, its)]
        return []

    def _compare_csrs(self, step: Step, other: Step, found: list[Difference], unseen: str | None) -> None:
        """Bring up to date what is known of CSRs, and compare; `unseen` is why those written may differ of which the
        reference does not tell."""
        csrs, rcsrs, waiting = self._csrs, self._rcsrs, self._waiting
        if step.trap is not None or step.raw in (_MRET, _SRET):
            for name in _STATUS:
                csrs.pop(name, None)
        if step.trap is not None:
            for name in _TRAP_VALUES.get(step.target or 0, ()):
                csrs.pop(name, None)
        written = step.csrs or {}
        for name in written:
            for alias in _GROUP.get(name, ()):
                csrs.pop(alias, None)
                waiting.discard(alias)
            if name in ("mideleg", "hideleg", "menvcfg"):
                for group in _GROUPS[1:]:
                    for alias in group:
                        csrs.pop(alias, None)
                csrs.pop("henvcfg", None)
        csrs.update((name, value) for name, value in written.items() if value is not None)
        waiting |= written.keys()
        if other.csrs is not None:
            rcsrs.update((name, value) for name, value in other.csrs.items() if value is not None)
            for name, value in other.csrs.items():
                if value is None:
                    rcsrs.pop(name, None)
        for name in written:
            if unseen is not None and name not in rcsrs:
                self._loose_csrs[name] = unseen
            else:
                self._loose_csrs.pop(name, None)
        if other.csrs is not None:
            for name in waiting | other.csrs.keys():
                if name in csrs and name not in UNCOMPARED and name not in self._loose_csrs:
                    known = rcsrs.get(name)
                    if known is not None and known != csrs[name]:
                        found.append(Difference("csr", name, csrs[name], known))
            waiting.clear()
            for name in _VOLATILE:
                csrs.pop(name, None)

    def _depends(self, step: Step) -> str | None:
        """The deviation, if any, that left a difference in something that the step's instruction reads."""
        if not (self._loose or self._loose_csrs or self._loose_memory):
            return None
        if step.raw is None or (step.trap or 0) & INTERRUPT:
            return None
        for number in sources(step.raw):
            if number in self._loose:
                return self._loose[number]
        if step.load is not None and self._loose_memory:
            address, size = step.load
            found = range(address, address + (1 << size))
            if found[-1] >> 12 != address >> 12:  # where the other page lies is not known
                return next(iter(self._loose_memory.values()))
            for byte in found:
                if byte in self._loose_memory:
                    return self._loose_memory[byte]
        csr = self._csr_name(step)
        if step.raw == _MRET:
            csr = "mepc"
        elif step.raw == _SRET:
            csr = "vsepc" if step.mode and step.mode & 4 else "sepc"
        return self._loose_csrs.get(csr)

    def _leaves(self, step: Step) -> str | None:
        """The deviation, if any, on which depends what the step's instruction leaves in a CSR."""
        if step.raw is None or step.trap is not None or not (self._loose or self._loose_csrs):
            return None
        row, word = decode(step.raw)
        if row is None or not row.name.startswith("csrr"):
            return None
        if not row.name.endswith("i") and (word >> 15 & 31) in self._loose:
            return self._loose[word >> 15 & 31]
        return self._loose_csrs.get(self._csr_name(step)) if row.name[4] != "w" else None

    def _loosen_memory(self, step: Step, deviation: str) -> bool:
        """What the step stored may differ from now on.  Returns False if it is not known where all of it lies."""
        for store in step.stores:
            if store.paddr is None or _bytes(store)[-1] >> 12 != store.paddr >> 12:
                return False
            self._loose_memory |= dict.fromkeys(_bytes(store), deviation)
        return True

    def _csr_name(self, step: Step) -> str:
        address = csr_of(step.raw) if step.raw is not None else None
        name = self._csr_names.get(address, "") if address is not None else ""
        return SUBSTITUTES.get(name, name) if (step.mode or HS) & 4 else name

    def _explain(
        self, found: list[Difference], step: Step, other: Step, depends: str | None
    ) -> str | None:  # fmt: skip
        """Account for the differences: None to go on, the deviation that ends the comparison, "" if there is none."""
        row, word = decode(step.raw) if step.raw is not None else (None, 0)
        context = Context(step, other, self._before, row.name if row else "", self._csr_name(step), self._csrs,
                          self._trap, self._version, self._x[word >> 15 & 31])  # fmt: skip
        # what traps write follows from their causes, so that only the flow can tell more
        both_trap = found[0].kind == "trap" and step.trap is not None and other.trap is not None
        both_trap = both_trap and not (step.trap ^ other.trap) & INTERRUPT  # type: ignore[operator]
        ends = None
        for difference in found:
            kind = difference.kind
            consequence = self._tainted if kind in ("pc", "mode") else depends
            if consequence is None and kind in ("trap", "csr", "store") and any(d.kind == "pc" for d in found):
                consequence = self._tainted
            if kind == "reg" and context.csr in UNCOMPARED:
                consequence = "counter"
            elif kind == "reg" and step.load is not None and any(step.load[0] in area for area in _OWN):
                consequence = "device"
            if consequence is None and both_trap and kind in ("csr", "tval"):
                consequence = self._loose_csrs.get(f"{PREFIX[step.target or 0]}cause")
            if consequence is None:
                found_by = responsible(self._deviations, difference, context)
                if not found_by:
                    return ends or ""
                consequence = found_by[0].name
                for deviation in found_by:
                    self.result.accounted[deviation.name] += 1
                    if deviation.ends:
                        ends = deviation.name
            if kind == "reg":
                self._loose[difference.name] = consequence  # type: ignore[index]
            elif kind == "csr":
                self._loose_csrs[difference.name] = consequence  # type: ignore[index]
            elif kind == "tval" and step.trap is not None and other.trap is not None:
                self._loose_csrs[f"{PREFIX[step.target or 0]}tval"] = consequence
            elif kind == "trap" and both_trap:
                target = step.target or 0
                names = (f"{PREFIX[target]}cause", f"{PREFIX[target]}tval", *_TRAP_VALUES.get(target, ()))
                self._loose_csrs |= dict.fromkeys(names, consequence)
            elif kind == "store" and _same_places(step, other) and self._loosen_memory(step, consequence):
                pass
            else:
                ends = consequence
        return ends


def _bytes(store: Store) -> range:
    """Where a store of the core wrote; one that crosses a page shows the address of the first part only."""
    address = store.paddr or 0
    return range(address, address + (1 << store.size))


def _same_places(step: Step, other: Step) -> bool:
    return [(store.vaddr, store.size) for store in step.stores] == [
        (store.vaddr, store.size) for store in other.stores
    ] and all(its.paddr in (None, mine.paddr) for mine, its in zip(step.stores, other.stores, strict=True))


def _mode(mode: int | None) -> str:
    return MODE_NAMES.get(mode, str(mode)) if mode is not None else "?"


def _trap(cause: int | None) -> str:
    from ..statistics import cause_name

    if cause is None:
        return "no trap"
    return cause_name((cause & 63) + (64 if cause & INTERRUPT else 0))


def describe(step: Step | None, csr_names: dict[int, str], raw: int | None = None) -> list[str]:
    """A step in words: the instruction, then its effects.  `raw` is the instruction where the step does not tell."""
    if step is None:
        return ["-"]
    word = step.raw if step.raw is not None else raw
    text = show(word, step.pc, csr_names) if word is not None else ""
    lines = [f"{_mode(step.mode):2} {step.pc:08x} {text}"]
    if step.trap is not None:
        to = f" to {_mode(step.target)}" if step.target is not None else ""
        lines.append(f"   trap{to}: {_trap(step.trap)}")
    lines += [f"   {'x' + str(number)} = {value:#x}" for number, value in sorted(step.regs.items())]
    lines += [f"   {name} = {value:#x}" for name, value in (step.csrs or {}).items() if value is not None]
    for store in step.stores:
        value = f"{store.value:#x}" if store.value is not None else "?"
        where = f" ({store.paddr:#x})" if store.paddr is not None else ""
        lines.append(f"   [{store.vaddr:#x}]{where} = {value}, {1 << store.size} bytes")
    return lines


def side_by_side(pairs: Iterable[tuple[Step | None, Step | None]], csr_names: dict[int, str], reference: str) -> str:
    """Both traces as two columns."""
    rows = [("core", reference)]
    for ours, theirs in pairs:
        same = ours is not None and theirs is not None and ours.pc == theirs.pc
        left = describe(ours, csr_names)
        right = describe(theirs, csr_names, ours.raw if ours is not None and same else None)
        rows += [
            (left[index] if index < len(left) else "", right[index] if index < len(right) else "")
            for index in range(max(len(left), len(right)))
        ]
    width = max(len(left) for left, _ in rows)
    return "\n".join(f"{left:{width}} | {right}".rstrip() for left, right in rows) + "\n"
