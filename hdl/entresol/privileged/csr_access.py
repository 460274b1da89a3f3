"""Address decoding of the CSRs and who may access which (privileged architecture, "CSR Address Mapping Conventions";
hypervisor chapter, "Trap Cause Codes")."""

from collections.abc import Iterable, Mapping
from functools import reduce
from operator import or_

from amaranth.hdl import C, Cat, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..config import CoreConfig
from ..isa.csrs import Csr, Field, Kind, Scope, csr_table
from ..isa.privilege import Mode, Priv
from .csr_copies import copied
from .event_counters import event_counters
from .trap_registers import TRAP_WORDS


def any_of(values: Iterable[Value]) -> Value:
    """1 if any of the one-bit values is; 0 for none."""
    return reduce(or_, values, C(0, 1))


def address_in(address: Value, addresses: Iterable[int]) -> Value:
    """Whether a 12-bit address is one of `addresses`.  Groups those with the same low digits, which costs few LUTs."""
    digits: dict[int, set[int]] = {}
    for number in addresses:
        digits.setdefault(number >> 4, set()).add(number & 15)
    groups: dict[frozenset[int], list[int]] = {}
    for upper, lower in digits.items():
        groups.setdefault(frozenset(lower), []).append(upper)
    return any_of(address[4:12].matches(*uppers) & address[0:4].matches(*sorted(lower))
                  for lower, uppers in groups.items())


def controls(table: Mapping[str, Csr]) -> dict[str, Field]:
    """The fields that gates look at, by "register.field"."""
    found = {}
    for csr in table.values():
        for gate in csr.gates:
            register, name = gate.control.split(".")
            found[gate.control] = next((field for field in table[register].fields if field.name == name), None)
    return {control: field for control, field in sorted(found.items()) if field is not None}


def classes(config: CoreConfig) -> list[frozenset[int]]:
    """Sets of addresses that decide who may access a CSR: first those that are no CSR of `config`'s, then those behind
    each gate."""
    table = csr_table(config)
    implemented = frozenset(csr.address for csr in table.values())
    found: dict[frozenset[int], None] = {frozenset(range(1 << 12)) - implemented: None}
    for scope in Scope:
        found |= dict.fromkeys(_gated(table, scope).values())
    return list(found)


def _gated(table: Mapping[str, Csr], scope: Scope) -> dict[tuple[str, int] | None, frozenset[int]]:
    """Addresses that gates of `scope` refuse when a field, by "register.field", has a value; those with None always."""
    fields = controls(table)
    found: dict[tuple[str, int] | None, set[int]] = {}
    for csr in table.values():
        for gate in csr.gates:
            if gate.scope is not scope:
                continue
            field = fields.get(gate.control)
            if field is None or field.kind is Kind.CONSTANT:
                if gate.blocking == (0 if field is None else field.reset):
                    found.setdefault(None, set()).add(csr.address)
            else:
                found.setdefault((gate.control, gate.blocking), set()).add(csr.address)
    return {condition: frozenset(addresses) for condition, addresses in found.items()}


def interrupting(config: CoreConfig) -> frozenset[str]:
    """The registers through which a write can change which interrupts are pending, enabled for themselves, or
    delegated."""
    table = csr_table(config)

    def register(csr: Csr, field: Field) -> tuple[str, str]:
        """The one that holds a field."""
        while field.kind is Kind.VIEW:
            name, bits = field.of.split(".")
            csr, field = table[name], table[name].field(bits)
        return csr.name, field.name

    holders = {"mip", "mie", "mideleg", "hideleg", "hvip", "hgeie", "stimecmp", "vstimecmp"}
    return frozenset(csr.name for csr in table.values() for field in csr.fields if field.writable and (
        register(csr, field)[0] in holders or register(csr, field) == ("hstatus", "vgein")))


def csr_permission(config: CoreConfig) -> data.StructLayout:
    """What decides who may access a CSR: the lowest level that may, whether it is read-only, and in which of the
    `classes` it is."""
    return data.StructLayout({"level": 2, "read_only": 1, "classes": len(classes(config))})


def decoded_csr(config: CoreConfig) -> data.StructLayout:
    """Which CSR an address means, in the mode that it was decoded for: one-hot by the names of the table; whether it is
    in the memory of trap registers or one of those with copies, and its word there; whether it is a counter of events,
    and its number; whether any write makes the pipeline refetch, whether it is the PMP's, and whether it is
    `interrupting`.  Where MRET and SRET have the address of a CSR, `word` is that of the pc that they return to."""
    return data.StructLayout({
        "select": data.StructLayout({name: 1 for name in csr_table(config)}), "trap": 1, "copies": len(copied(config)),
        "word": 4, "event": 1, "number": 5, "flush": 1, "pmp": 1, "interrupting": 1,
    })


#: What MRET and SRET have in place of the address of a CSR; the second with V=1, after substitution.
_RETURNS = {0x302: "mepc", 0x102: "sepc", 0x202: "vsepc"}


class CsrDecoder(wiring.Component):
    """Decodes the address of a CSR; combinational.  It belongs to the stage before the access.

    `addr` is 0, which is no CSR's, where there is nothing to decode.  With `v`, the mode's V, what the address names is
    replaced by `Csr.substitute`; `permission` is of the address itself.
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__({"addr": In(12), "v": In(1), "decoded": Out(decoded_csr(config)),
                          "permission": Out(csr_permission(config))})

    def elaborate(self, platform):
        m = Module()
        none, *gated = classes(self._config)
        table = csr_table(self._config)
        words = {table[name].address: word for name, word in TRAP_WORDS.items() if name in table}
        assert words.keys().isdisjoint(_RETURNS)
        copies = [{table[name].address: word for name, word in group.items()} for group in copied(self._config)]
        words_read = reduce(or_, copies, words | {address: TRAP_WORDS[name] for address, name in _RETURNS.items()})
        events = [table[f"{prefix}hpmcounter{number}"].address for number in event_counters(self._config)
                  for prefix in ("m", "") if f"{prefix}hpmcounter{number}" in table]
        m.d.comb += [
            self.permission.level.eq(self.addr[8:10]),
            self.permission.read_only.eq(self.addr[10:12].all()),
            self.permission.classes.eq(Cat(~address_in(self.addr, sorted(frozenset(range(1 << 12)) - none)),
                                           *(address_in(self.addr, sorted(addresses)) for addresses in gated))),
        ]
        addr, replaced = Signal(12), Signal()
        substituted = [csr for csr in table.values() if csr.substitute]
        assert all(table[csr.substitute].address == csr.address + 0x100 and csr.address >> 8 == 1
                   for csr in substituted)
        m.d.comb += [
            replaced.eq(self.v & address_in(self.addr, sorted({0x102, *(csr.address for csr in substituted)}))),
            addr.eq(Cat(self.addr[:8], self.addr[8] & ~replaced, self.addr[9] | replaced, self.addr[10:])),
        ]
        m.d.comb += [
            self.decoded.trap.eq(address_in(addr, sorted(words))),
            self.decoded.copies.eq(Cat(address_in(addr, sorted(group)) for group in copies)),
            self.decoded.word.eq(Cat(
                address_in(addr, sorted(address for address, word in words_read.items() if word >> bit & 1))
                for bit in range(4))),
            self.decoded.event.eq(address_in(addr, sorted(events))),
            self.decoded.number.eq(addr[:5]),
            self.decoded.flush.eq(address_in(addr, sorted(
                csr.address for csr in table.values() if csr.flush == -1))),
            self.decoded.pmp.eq(address_in(addr, sorted(
                csr.address for csr in table.values() if csr.name.startswith("pmp")))),
            self.decoded.interrupting.eq(address_in(addr, sorted(
                table[name].address for name in interrupting(self._config)))),
        ]
        low, middle, high = digits = [Signal(16, name=f"digit{digit}") for digit in range(3)]
        with m.If(self.addr.any()):  # a simulator then has nothing to do for other instructions
            m.d.comb += [one_hot.eq(C(1, 16) << addr.word_select(digit, 4)) for digit, one_hot in enumerate(digits)]
            m.d.comb += [
                self.decoded.select[csr.name].eq(
                    high[csr.address >> 8] & middle[csr.address >> 4 & 15] & low[csr.address & 15])
                for csr in table.values()
            ]
        return m


class CsrAccess(wiring.Component):
    """Refuses accesses to CSRs; combinational, `illegal` and `virtual` never both.

    `write` says that the instruction writes; without `valid` there is no access.  Besides the members below there is
    an input of one bit for every field that gates accesses, called "register_field".
    """

    def __init__(self, config: CoreConfig):
        self._table = csr_table(config)
        self._classes = classes(config)
        self.controls = controls(self._table)
        super().__init__({
            "valid": In(1),
            "csr": In(csr_permission(config)),
            "write": In(1),
            "mode": In(Mode),
            **{control.replace(".", "_"): In(1) for control in self.controls},
            "illegal": Out(1),
            "virtual": Out(1),
        })

    def _blocked(self, scope: Scope) -> Value:
        """Whether a gate of this scope refuses the access."""
        terms = []
        for condition, addresses in _gated(self._table, scope).items():
            term = self.csr.classes[self._classes.index(addresses)]
            if condition is not None:
                control, blocking = condition
                term = term & (getattr(self, control.replace(".", "_")) == blocking)
            terms.append(term)
        return any_of(terms)

    def elaborate(self, platform):
        m = Module()
        below_m, user, v = Signal(), Signal(), Signal()
        level = self.csr.level
        unqualified, hs_refused, v_refused = Signal(), Signal(), Signal()
        user_refused = Signal()
        with m.If(self.valid):
            m.d.comb += [
                below_m.eq(self.mode.priv != Priv.M),
                user.eq(self.mode.priv == Priv.U),
                v.eq(self.mode.v),
                user_refused.eq(user & ((level == 1) | self._blocked(Scope.USER))),
                # not even valid in HS-mode (with TVM=0)
                unqualified.eq(self.csr.classes[0] | (self.write & self.csr.read_only)
                               | (below_m & (level.all() | self._blocked(Scope.BELOW_M)))),
                hs_refused.eq(user_refused | (user & (level == 2)) | (below_m & ~user & self._blocked(Scope.HS))),
                v_refused.eq((level == 2) | user_refused | self._blocked(Scope.VIRTUAL)
                             | (~user & self._blocked(Scope.VS))),
                self.illegal.eq(unqualified | (~v & hs_refused)),
                self.virtual.eq(~unqualified & v & v_refused),
            ]
        return m
