"""Control and status registers: one table, from which the CSR file, the documentation and tests come.

`csr_table(config)` gives the registers a configuration has, with everything that depends on the configuration
resolved.  Sources: privileged architecture, chapters "Control and Status Registers", "Machine-Level ISA",
"Supervisor-Level ISA", "H Extension for Hypervisor Support", "Smstateen and Ssstateen", "Sstc".

Which privilege an access needs and whether a register can be written at all follow from its address.  What else can
refuse an access is a `Gate`; what an access does in V=1 instead is `Csr.substitute`.
"""

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from ..config import CoreConfig
from ..observe import Events
from .causes import Cause, Interrupt
from .extensions import closure, misa


class Kind(enum.Enum):
    """Where the bits of a field live."""

    STORED = enum.auto()  # flip-flops of their own, which software writes (and, for some, traps and counters)
    VIEW = enum.auto()  # those of another register's field (`Field.of`)
    CONSTANT = enum.auto()  # always `Field.reset`
    LIVE = enum.auto()  # computed by hardware; writes are ignored
    DIRTY = enum.auto()  # SD: set while FS or VS of the same register is Dirty (3)
    MIXED = enum.auto()  # a stored part that software writes, and a signal that hardware adds when it is read


class Otherwise(enum.Enum):
    """What a write of a value outside `Field.legal` does."""

    KEEP = enum.auto()  # the field keeps its value, the others of the register are written
    ZERO = enum.auto()  # the field becomes 0
    DROP = enum.auto()  # the whole write has no effect


class Lock(enum.Enum):
    """Fields of the PMP, whose legalisation depends on other registers: locked entries keep their values."""

    CONFIG = enum.auto()  # one entry's byte of pmpcfg; the reserved R=0, W=1 becomes W=0
    ADDRESS = enum.auto()  # pmpaddr; written address bits beyond the implemented ones set the topmost of these


@dataclass(frozen=True)
class Field:
    """A field of a register.

    `low` is its lowest bit and `width` its size in bits; bits in no field read as zero and ignore writes.
    `mask` holds a one for every implemented bit (default: all).  `legal` are the values software can write, `None`
    for all.  A VIEW shows `of` ("register.field") and, unless `read_only`, writes it; the field reads as zero and
    ignores writes while the one-bit field `gate` is 0.
    """

    name: str
    low: int
    width: int = 1
    kind: Kind = Kind.STORED
    reset: int = 0
    mask: int = -1
    legal: tuple[int, ...] | None = None
    otherwise: Otherwise = Otherwise.KEEP
    of: str = ""
    read_only: bool = False
    gate: str = ""
    lock: Lock | None = None

    @property
    def writable(self) -> bool:
        """Whether a write through this register can change the field."""
        return self.kind in (Kind.STORED, Kind.MIXED) or (self.kind is Kind.VIEW and not self.read_only)


class Scope(enum.Enum):
    """Whom a gate refuses, and how."""

    BELOW_M = enum.auto()  # every mode but M: illegal instruction
    HS = enum.auto()  # HS-mode: illegal instruction
    VIRTUAL = enum.auto()  # VS- and VU-mode: virtual instruction
    VS = enum.auto()  # VS-mode: virtual instruction
    USER = enum.auto()  # U-mode: illegal instruction; VU-mode: virtual instruction


@dataclass(frozen=True)
class Gate:
    """A control that refuses accesses made in `scope` while the one-bit field `control` equals `blocking`."""

    control: str  # "register.field"
    scope: Scope
    blocking: int = 0


class Level(enum.IntEnum):
    """Lowest privilege that can access a register: bits 9:8 of its address."""

    USER = 0
    SUPERVISOR = 1
    HYPERVISOR = 2
    MACHINE = 3


@dataclass(frozen=True)
class Csr:
    """A register.  `substitute` names the one an access in V=1 goes to; `flush` has ones at the bits whose change
    makes the pipeline refetch what follows (-1: any write does)."""

    address: int
    name: str
    description: str
    extension: str
    fields: tuple[Field, ...]
    substitute: str = ""
    gates: tuple[Gate, ...] = ()
    flush: int = 0

    @property
    def level(self) -> Level:
        """Lowest privilege that can access it."""
        return Level(self.address >> 8 & 3)

    @property
    def read_only(self) -> bool:
        """Whether writing it is an illegal instruction (bits 11:10 of the address)."""
        return self.address >> 10 == 3

    @property
    def changes(self) -> tuple[str, ...]:
        """The registers that hold what a write can change, itself last: `mstatus` for `sstatus`, `mip` and `hvip` for
        `hvip`."""
        names = {field.of.split(".")[0] if field.kind is Kind.VIEW else self.name
                 for field in self.fields if field.writable}
        return tuple(sorted(names, key=lambda name: (name == self.name, name)))

    def field(self, name: str) -> Field:
        """The field called `name`.

        Raises:
            KeyError: it has none of that name.
        """
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(f"{self.name}.{name}")


#: Event selectors of mhpmevent: 0 counts nothing, n the n-th of these: the members of `Events`, and what mcycle and
#: minstret count, for sampling by overflow interrupts.
HPM_EVENTS = (None, *Events.as_shape().members, "cycle", "instret")

#: Sscofpmf's bits of mhpmevent that inhibit counting in a mode.
INHIBITS = {"minh": 62, "sinh": 61, "uinh": 60, "vsinh": 59, "vuinh": 58}

_S_INTERRUPTS = (Interrupt.SSI, Interrupt.STI, Interrupt.SEI)
_VS_INTERRUPTS = (Interrupt.VSSI, Interrupt.VSTI, Interrupt.VSEI)
_M_INTERRUPTS = (Interrupt.MSI, Interrupt.MTI, Interrupt.MEI)
_SATP_MODES = {"sv39": 8, "sv48": 9, "sv57": 10}
_FLAGS_SUM_MXR = 1 << 18 | 1 << 19
_FLAGS_MPRV = 1 << 17 | 3 << 11 | 1 << 39  # MPRV, and MPP and MPV, which it makes effective


def _const(name: str, low: int, width: int, value: int) -> Field:
    return Field(name, low, width, Kind.CONSTANT, reset=value)


def _live(name: str, low: int, width: int = 1) -> Field:
    return Field(name, low, width, Kind.LIVE)


def _view(name: str, low: int, of: str, width: int = 1, **fields) -> Field:
    return Field(name, low, width, Kind.VIEW, of=of, **fields)


def _pmm(name: str, low: int) -> Field:
    """A field that says how many bits pointer masking masks."""
    return Field(name, low, 2, legal=(0, 2, 3), otherwise=Otherwise.ZERO)


def _whole(width: int = 64, low: int = 0) -> tuple[Field, ...]:
    return (Field("value", low, width),)


class _Builder:
    """Makes the rows of one configuration."""

    def __init__(self, config: CoreConfig):
        self.config = config
        self.present = closure(config.extensions)
        self.h = "h" in self.present
        self.sstc = "sstc" in self.present
        self.sscofpmf = "sscofpmf" in self.present
        self.paged = any(mode in config.vm_modes for mode in _SATP_MODES)
        self.counters = (0, 2, *range(3, 3 + config.hpm_counters))  # implemented ones

    def has(self, *extensions: str) -> bool:
        return any(extension in self.present for extension in extensions)

    def rows(self) -> Iterator[Csr]:
        yield from self.machine()
        yield from self.pmp()
        yield from self.machine_counters()
        yield from self.supervisor()
        if self.h:
            yield from self.hypervisor()
            yield from self.virtual_supervisor()
        if self.sstc:
            yield from self.timers()
        if self.has("ssstateen"):
            yield from self.state_enables()
        if self.sscofpmf:
            yield Csr(0xDA0, "scountovf", "counters that overflowed", "sscofpmf",
                      tuple(_live(f"of{number}", number) for number in self.counters[2:]))
        yield from self.user_counters()

    # -- shared pieces ----------------------------------------------------------------------------------------------

    def interrupts(self, codes, suffix: str, make) -> tuple[Field, ...]:
        return tuple(make(code.name.lower() + suffix, int(code)) for code in codes)

    @property
    def s_interrupts(self):
        """What can be delegated to S-mode and seen in sip."""
        return (*_S_INTERRUPTS, Interrupt.LCOFI) if self.sscofpmf else _S_INTERRUPTS

    def extension_status(self) -> tuple[Field, ...]:
        """FS and VS, which software may use to emulate F and V where they are not implemented.  XS is zero."""
        return (Field("vs", 9, 2), Field("fs", 13, 2), Field("sd", 63, kind=Kind.DIRTY))

    def tvec(self) -> tuple[Field, ...]:
        """Direct and Vectored: bit 1 of MODE is read-only zero."""
        return (Field("mode", 0), Field("base", 2, 62))

    def epc(self) -> tuple[Field, ...]:
        """An address at which an instruction can be."""
        low = 1 if self.has("c", "zca") else 2
        return _whole(64 - low, low)

    def cause(self) -> tuple[Field, ...]:
        return (Field("code", 0, 6), Field("interrupt", 63))

    def atp(self, suffix: str, otherwise: Otherwise) -> tuple[Field, ...]:
        modes = (0, *(number for name, number in _SATP_MODES.items() if name + suffix in self.config.vm_modes))
        if suffix:  # the root table is 16 KiB large and aligned
            return (Field("ppn", 0, 44, mask=-4), Field("vmid", 44, self.config.vmid_bits),
                    Field("mode", 60, 4, legal=modes, otherwise=otherwise))
        return (Field("ppn", 0, 44), Field("asid", 44, self.config.asid_bits),
                Field("mode", 60, 4, legal=modes, otherwise=otherwise))

    def counter_enable(self) -> tuple[Field, ...]:
        """A bit for every counter that exists, TM included."""
        return (Field("cy", 0), Field("tm", 1), Field("ir", 2),
                *(Field(f"hpm{number}", number) for number in self.counters[2:]))

    def environment(self, parent: str = "") -> tuple[Field, ...]:
        """menvcfg, or henvcfg with `parent` "menvcfg": what is zero there is read-only zero here."""

        def gated(name: str, low: int) -> Field:
            return Field(name, low, gate=f"{parent}.{name}" if parent else "")

        fields = list(self.user_environment())
        if self.has("ssnpm" if parent else "smnpm"):
            fields.append(_pmm("pmm", 32))
        if self.has("svadu"):
            fields.append(gated("adue", 61))
        if self.has("svpbmt"):
            fields.append(gated("pbmte", 62))
        if self.sstc:
            fields.append(gated("stce", 63))
        return tuple(fields)

    def user_environment(self) -> tuple[Field, ...]:
        fields = [Field("fiom", 0)]
        if self.has("zicbom"):
            fields += [Field("cbie", 4, 2, legal=(0, 1, 3), otherwise=Otherwise.ZERO), Field("cbcfe", 6)]
        if self.has("zicboz"):
            fields.append(Field("cbze", 7))
        return tuple(fields)

    def stateen_gates(self, bit: str, number: int = 0, *, virtual: bool) -> tuple[Gate, ...]:
        gates = []
        if self.has("smstateen"):
            gates.append(Gate(f"mstateen{number}.{bit}", Scope.BELOW_M))
        if virtual and self.h and self.has("ssstateen"):
            gates.append(Gate(f"hstateen{number}.{bit}", Scope.VIRTUAL))
        return tuple(gates)

    # -- machine ----------------------------------------------------------------------------------------------------

    def machine(self) -> Iterator[Csr]:
        h = self.h

        def row(address, name, description, fields, **more):
            return Csr(address, name, description, more.pop("extension", "zicsr"), fields, **more)

        yield row(0xF11, "mvendorid", "vendor", (_const("value", 0, 32, 0),))
        yield row(0xF12, "marchid", "architecture", (_const("value", 0, 64, 0),))
        yield row(0xF13, "mimpid", "implementation", (_const("value", 0, 64, 0),))
        yield row(0xF14, "mhartid", "hardware thread", (_const("value", 0, 64, 0),))
        yield row(0xF15, "mconfigptr", "pointer to the configuration data structure", (_const("value", 0, 64, 0),))
        # There are no triggers.  tdata1.type = 0 says so to debuggers and tests that do not expect these to trap.
        for address, name in enumerate(("tselect", "tdata1", "tdata2", "tdata3"), 0x7A0):
            yield row(address, name, "debug trigger: none exists", (_const("value", 0, 64, 0),))

        status = [Field("sie", 1), Field("mie", 3), Field("spie", 5), Field("mpie", 7), Field("spp", 8),
                  Field("mpp", 11, 2, legal=(0, 1, 3), otherwise=Otherwise.ZERO), Field("mprv", 17),
                  *self.extension_status()]
        if self.paged:
            status += [Field("sum", 18), Field("mxr", 19), Field("tvm", 20)]
        status += [Field("tw", 21), Field("tsr", 22), _const("uxl", 32, 2, 2), _const("sxl", 34, 2, 2)]
        if h:
            status += [Field("gva", 38), Field("mpv", 39)]
        yield row(0x300, "mstatus", "status", tuple(status), flush=_FLAGS_MPRV | _FLAGS_SUM_MXR)
        yield row(0x301, "misa", "ISA and extensions", (_const("value", 0, 64, misa(self.config)),))

        # what cannot happen below M-mode is read-only zero: ECALL from M, and misaligned fetches with IALIGN=16
        delegable = [Cause.INSTRUCTION_ACCESS_FAULT, Cause.ILLEGAL_INSTRUCTION, Cause.BREAKPOINT,
                     Cause.LOAD_ADDRESS_MISALIGNED, Cause.LOAD_ACCESS_FAULT, Cause.STORE_ADDRESS_MISALIGNED,
                     Cause.STORE_ACCESS_FAULT, Cause.ECALL_FROM_U, Cause.ECALL_FROM_HS, Cause.INSTRUCTION_PAGE_FAULT,
                     Cause.LOAD_PAGE_FAULT, Cause.STORE_PAGE_FAULT]
        if not self.has("c", "zca"):
            delegable.append(Cause.INSTRUCTION_ADDRESS_MISALIGNED)
        if h:
            delegable += [Cause.ECALL_FROM_VS, Cause.INSTRUCTION_GUEST_PAGE_FAULT, Cause.LOAD_GUEST_PAGE_FAULT,
                          Cause.VIRTUAL_INSTRUCTION, Cause.STORE_GUEST_PAGE_FAULT]
        yield row(0x302, "medeleg", "exceptions delegated to HS-mode",
                  tuple(Field(cause.name.lower(), int(cause)) for cause in delegable), extension="s")
        always = [_const(code.name.lower(), int(code), 1, 1) for code in _VS_INTERRUPTS] if h else []
        if h and self.config.geilen:
            always.append(_const("sgei", Interrupt.SGEI, 1, 1))
        yield row(0x303, "mideleg", "interrupts delegated to HS-mode",
                  (*self.interrupts(self.s_interrupts, "", Field), *always), extension="s")
        codes = [*self.s_interrupts, *_M_INTERRUPTS]
        if h:
            codes += _VS_INTERRUPTS
            if self.config.geilen:
                codes.append(Interrupt.SGEI)
        yield row(0x304, "mie", "interrupt enables", self.interrupts(codes, "e", Field))
        pending = [Field("ssip", 1), Field("stip", 5, kind=Kind.MIXED if self.sstc else Kind.STORED),
                   Field("seip", 9, kind=Kind.MIXED), *self.interrupts(_M_INTERRUPTS, "p", _live)]
        if self.sscofpmf:
            pending.append(Field("lcofip", 13))
        if h:
            pending += [Field("vssip", 2), _live("vstip", 6), _live("vseip", 10)]
            if self.config.geilen:
                pending.append(_live("sgeip", 12))
        yield row(0x344, "mip", "interrupts pending", tuple(pending))
        yield row(0x305, "mtvec", "trap vector", self.tvec())
        yield row(0x306, "mcounteren", "counter enables", self.counter_enable())
        yield row(0x320, "mcountinhibit", "counter inhibits",
                  tuple(field for field in self.counter_enable() if field.name != "tm"))
        yield row(0x340, "mscratch", "scratch", _whole())
        yield row(0x341, "mepc", "exception program counter", self.epc())
        yield row(0x342, "mcause", "trap cause", self.cause())
        yield row(0x343, "mtval", "trap value", _whole())
        yield row(0x30A, "menvcfg", "environment configuration", self.environment(), flush=-1)
        if self.has("smmpm"):
            yield row(0x747, "mseccfg", "security configuration", (_pmm("pmm", 32),), flush=-1, extension="smmpm")
        if h:
            yield row(0x34A, "mtinst", "trap instruction", _whole(32), extension="h")
            yield row(0x34B, "mtval2", "second trap value: guest physical address >> 2", _whole(62), extension="h")

    def pmp(self) -> Iterator[Csr]:
        entries = self.config.pmp_entries
        for index in range(0, entries, 8):
            fields = tuple(Field(f"cfg{index + byte}", 8 * byte, 8, mask=0x9F, lock=Lock.CONFIG) for byte in range(8))
            yield Csr(0x3A0 + index // 4, f"pmpcfg{index // 4}", f"configuration of PMP entries {index} to {index + 7}",
                      "zicsr", fields, flush=-1)
        # One bit more than physical addresses have, so that a range can end where they do.
        width = min(54, self.config.bus_bits - 1)
        for index in range(entries):
            yield Csr(0x3B0 + index, f"pmpaddr{index}", f"address of PMP entry {index}", "zicsr",
                      (Field("value", 0, width, lock=Lock.ADDRESS),), flush=-1)

    def machine_counters(self) -> Iterator[Csr]:
        yield Csr(0xB00, "mcycle", "cycles", "zicsr", _whole())
        yield Csr(0xB02, "minstret", "instructions retired", "zicsr", _whole())
        for number in range(3, 32):
            there = number in self.counters
            yield Csr(0xB00 + number, f"mhpmcounter{number}", f"event counter {number}", "zicsr",
                      _whole() if there else ())
            event = [Field("event", 0, (len(HPM_EVENTS) - 1).bit_length(), legal=tuple(range(len(HPM_EVENTS))),
                           otherwise=Otherwise.ZERO)]
            if self.sscofpmf:
                event += [Field(name, low) for name, low in INHIBITS.items() if self.h or not name.startswith("v")]
                event.append(Field("of", 63))
            yield Csr(0x320 + number, f"mhpmevent{number}", f"event that counter {number} counts", "zicsr",
                      tuple(event) if there else ())

    # -- supervisor -------------------------------------------------------------------------------------------------

    def supervisor(self) -> Iterator[Csr]:
        def row(address, name, description, fields, **more):
            if more.pop("replaced", False) and self.h:
                more["substitute"] = "v" + name
            return Csr(address, name, description, "s", fields, **more)

        *extensions, dirty = self.extension_status()
        status = [Field("sie", 1), Field("spie", 5), Field("spp", 8), *extensions]
        if self.paged:
            status += [Field("sum", 18), Field("mxr", 19)]
        yield row(0x100, "sstatus", "status",
                  (*(_view(field.name, field.low, f"mstatus.{field.name}", field.width) for field in status), dirty,
                   _const("uxl", 32, 2, 2)), replaced=True, flush=_FLAGS_SUM_MXR)
        yield row(0x104, "sie", "interrupt enables",
                  self.interrupts(self.s_interrupts, "e", lambda name, low: _view(
                      name, low, f"mie.{name}", gate=f"mideleg.{name[:-1]}")), replaced=True)
        yield row(0x144, "sip", "interrupts pending",
                  self.interrupts(self.s_interrupts, "p", lambda name, low: _view(
                      name, low, f"mip.{name}", gate=f"mideleg.{name[:-1]}",
                      read_only=name not in ("ssip", "lcofip"))), replaced=True)
        yield row(0x105, "stvec", "trap vector", self.tvec(), replaced=True)
        yield row(0x106, "scounteren", "counter enables", self.counter_enable())
        pmm = (_pmm("pmm", 32),) if self.has("ssnpm") else ()
        yield row(0x10A, "senvcfg", "environment configuration", self.user_environment() + pmm, flush=-1,
                  gates=self.stateen_gates("envcfg", virtual=True))
        yield row(0x140, "sscratch", "scratch", _whole(), replaced=True)
        yield row(0x141, "sepc", "exception program counter", self.epc(), replaced=True)
        yield row(0x142, "scause", "trap cause", self.cause(), replaced=True)
        yield row(0x143, "stval", "trap value", _whole(), replaced=True)
        gates = []
        if self.paged:
            gates.append(Gate("mstatus.tvm", Scope.HS, 1))
        if self.h:
            gates.append(Gate("hstatus.vtvm", Scope.VS, 1))
        yield row(0x180, "satp", "address translation and protection", self.atp("", Otherwise.DROP), replaced=True,
                  gates=tuple(gates), flush=-1)

    # -- hypervisor -------------------------------------------------------------------------------------------------

    def hypervisor(self) -> Iterator[Csr]:
        geilen = self.config.geilen

        def row(address, name, description, fields, **more):
            return Csr(address, name, description, "h", fields, **more)

        status = [Field("gva", 6), Field("spv", 7), Field("spvp", 8), Field("hu", 9)]
        if geilen:
            status.append(Field("vgein", 12, geilen.bit_length(), legal=tuple(range(geilen + 1))))
        status += [Field("vtvm", 20), Field("vtw", 21), Field("vtsr", 22), _const("vsxl", 32, 2, 2)]
        flush = 1 << 8
        if self.has("ssnpm"):
            status.append(_pmm("hupmm", 48))
            flush |= 3 << 48
        yield row(0x600, "hstatus", "status", tuple(status), flush=flush)
        # Table "Bits of hedeleg that must be writable or must be read-only zero"; bit 0 only with IALIGN=32.
        bits = [bit for bit in (0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 13, 15, 18, 19) if bit or not self.has("c", "zca")]
        names = {18: "software_check", 19: "hardware_error"}
        yield row(0x602, "hedeleg", "exceptions delegated to VS-mode",
                  tuple(Field(names[bit] if bit in names else Cause(bit).name.lower(), bit) for bit in bits))
        delegable = [Field(code.name.lower(), int(code)) for code in _VS_INTERRUPTS]
        if self.has("shlcofideleg"):
            delegable.append(Field("lcofi", Interrupt.LCOFI, gate="mideleg.lcofi"))
        yield row(0x603, "hideleg", "interrupts delegated to VS-mode", tuple(delegable))
        hs_codes = [*_VS_INTERRUPTS, *([Interrupt.SGEI] if geilen else [])]
        yield row(0x604, "hie", "interrupt enables",
                  self.interrupts(hs_codes, "e", lambda name, low: _view(name, low, f"mie.{name}")))
        yield row(0x644, "hip", "interrupts pending",
                  self.interrupts(hs_codes, "p", lambda name, low: _view(
                      name, low, f"mip.{name}", read_only=name != "vssip")))
        yield row(0x645, "hvip", "virtual interrupts pending",
                  (_view("vssip", 2, "mip.vssip"), Field("vstip", 6), Field("vseip", 10)))
        guests = ((Field("value", 1, geilen),), (_live("value", 1, geilen),)) if geilen else ((), ())
        yield row(0x607, "hgeie", "guest external interrupt enables", guests[0])
        yield row(0xE12, "hgeip", "guest external interrupts pending", guests[1])
        yield row(0x606, "hcounteren", "counter enables", self.counter_enable())
        yield row(0x60A, "henvcfg", "environment configuration", self.environment("menvcfg"), flush=-1,
                  gates=self.stateen_gates("envcfg", virtual=False))
        yield row(0x605, "htimedelta", "difference of time in V=1", _whole())
        yield row(0x643, "htval", "trap value: guest physical address >> 2", _whole(62))
        yield row(0x64A, "htinst", "trap instruction", _whole(32))
        yield row(0x680, "hgatp", "guest address translation and protection", self.atp("x4", Otherwise.KEEP), flush=-1,
                  gates=(Gate("mstatus.tvm", Scope.HS, 1),) if self.paged else ())

    def virtual_supervisor(self) -> Iterator[Csr]:
        def row(address, name, description, fields, **more):
            return Csr(address, name, description, "h", fields, **more)

        yield row(0x200, "vsstatus", "status in V=1",
                  (Field("sie", 1), Field("spie", 5), Field("spp", 8), Field("sum", 18), Field("mxr", 19),
                   *self.extension_status(), _const("uxl", 32, 2, 2)), flush=_FLAGS_SUM_MXR)
        # VS-level interrupts appear one bit lower, as supervisor interrupts; LCOFI is HS-level's own
        overflow = {suffix: [_view("lcofi" + suffix, Interrupt.LCOFI, f"si{suffix}.lcofi{suffix}",
                                   gate="hideleg.lcofi")] if self.has("shlcofideleg") else [] for suffix in "ep"}
        yield row(0x204, "vsie", "interrupt enables in V=1",
                  (*(_view(code.name.lower() + "e", int(code), f"mie.v{code.name.lower()}e",
                           gate=f"hideleg.v{code.name.lower()}") for code in _S_INTERRUPTS), *overflow["e"]))
        yield row(0x244, "vsip", "interrupts pending in V=1",
                  (*(_view(code.name.lower() + "p", int(code), f"mip.v{code.name.lower()}p",
                           gate=f"hideleg.v{code.name.lower()}", read_only=code is not Interrupt.SSI)
                     for code in _S_INTERRUPTS), *overflow["p"]))
        yield row(0x205, "vstvec", "trap vector in V=1", self.tvec())
        yield row(0x240, "vsscratch", "scratch in V=1", _whole())
        yield row(0x241, "vsepc", "exception program counter in V=1", self.epc())
        yield row(0x242, "vscause", "trap cause in V=1", self.cause())
        yield row(0x243, "vstval", "trap value in V=1", _whole())
        # In V=0 the text leaves the choice between this and ordinary WARL fields, in V=1 it does not.
        yield row(0x280, "vsatp", "address translation and protection in V=1", self.atp("", Otherwise.DROP), flush=-1)

    # -- extensions -------------------------------------------------------------------------------------------------

    def timers(self) -> Iterator[Csr]:
        """Sstc.  menvcfg.STCE gates `vstimecmp` as well: with STCE=0 all of the extension is absent below M-mode."""
        gates = (Gate("mcounteren.tm", Scope.BELOW_M), Gate("menvcfg.stce", Scope.BELOW_M))
        if self.h:
            virtual = (Gate("hcounteren.tm", Scope.VIRTUAL), Gate("henvcfg.stce", Scope.VIRTUAL))
            yield Csr(0x14D, "stimecmp", "timer compare", "sstc", _whole(), substitute="vstimecmp",
                      gates=gates + virtual)
            yield Csr(0x24D, "vstimecmp", "timer compare in V=1", "sstc", _whole(), gates=gates)
        else:
            yield Csr(0x14D, "stimecmp", "timer compare", "sstc", _whole(), gates=gates)

    def state_enables(self) -> Iterator[Csr]:
        """Smstateen and Ssstateen: of what the bits control, this core has only xenvcfg and the CSRs themselves."""
        names = (("envcfg", 62), ("se", 63))
        for number in range(4):
            bits = names if number == 0 else names[1:]
            machine = self.has("smstateen")
            if machine:
                yield Csr(0x30C + number, f"mstateen{number}", "state enables", "smstateen",
                          tuple(Field(name, bit) for name, bit in bits))
            if self.h:
                yield Csr(0x60C + number, f"hstateen{number}", "state enables for V=1", "ssstateen",
                          tuple(Field(name, bit, gate=f"mstateen{number}.{name}" if machine else "")
                                for name, bit in bits), gates=self.stateen_gates("se", number, virtual=False))
            yield Csr(0x10C + number, f"sstateen{number}", "state enables for user mode", "ssstateen", (),
                      gates=self.stateen_gates("se", number, virtual=True))

    def user_counters(self) -> Iterator[Csr]:
        """Zicntr and Zihpm.  A counter without an enable bit can only be read in M-mode."""
        rows: list[tuple[int, str, str, str, tuple[Field, ...]]] = []
        if self.has("zicntr"):
            rows += [(0, "cycle", "cy", "zicntr", (_view("value", 0, "mcycle.value", 64),)),
                     (1, "time", "tm", "zicntr", (_live("value", 0, 64),)),
                     (2, "instret", "ir", "zicntr", (_view("value", 0, "minstret.value", 64),))]
        if self.has("zihpm"):
            for number in range(3, 32):
                exists = number in self.counters
                fields: tuple[Field, ...] = (_view("value", 0, f"mhpmcounter{number}.value", 64),) if exists else ()
                rows.append((number, f"hpmcounter{number}", f"hpm{number}", "zihpm", fields))
        for number, name, bit, extension, fields in rows:
            gates = [Gate(f"mcounteren.{bit}", Scope.BELOW_M), Gate(f"scounteren.{bit}", Scope.USER)]
            if self.h:
                gates.append(Gate(f"hcounteren.{bit}", Scope.VIRTUAL))
            description = f"event counter {number}" if number > 2 else name
            yield Csr(0xC00 + number, name, description, extension, fields, gates=tuple(gates))


@cache
def csr_table(config: CoreConfig) -> dict[str, Csr]:
    """Every register that `config` has, by name.  Do not change the dictionary."""
    return {csr.name: csr for csr in _Builder(config).rows()}
