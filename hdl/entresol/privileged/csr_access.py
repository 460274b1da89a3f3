"""Address decoding of the CSRs and who may access which (privileged architecture, "CSR Address Mapping Conventions";
hypervisor chapter, "Trap Cause Codes")."""

from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from operator import or_

from amaranth.hdl import C, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config import CoreConfig
from ..isa.csrs import Csr, Field, Gate, Kind, Scope, csr_table
from ..isa.privilege import Mode, Priv


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


class CsrAccess(wiring.Component):
    """Refuses accesses to CSRs; combinational, `illegal` and `virtual` never both.

    `write` says that the instruction writes; without `valid` there is no access.  Besides the members below there is
    an input of one bit for every field that gates accesses, called "register_field".
    """

    def __init__(self, config: CoreConfig):
        self._table = csr_table(config)
        self.controls = controls(self._table)
        super().__init__({
            "valid": In(1),
            "addr": In(12),
            "write": In(1),
            "mode": In(Mode),
            **{control.replace(".", "_"): In(1) for control in self.controls},
            "illegal": Out(1),
            "virtual": Out(1),
        })

    def _blocked(self, scope: Scope, chosen: Callable[[Gate], bool] = lambda gate: True) -> Value:
        """Whether a gate of this scope refuses `addr`."""
        always: list[int] = []
        gated: dict[tuple[str, int], list[int]] = {}
        for csr in self._table.values():
            for gate in csr.gates:
                if gate.scope is not scope or not chosen(gate):
                    continue
                field = self.controls.get(gate.control)
                if field is None or field.kind is Kind.CONSTANT:
                    value = 0 if field is None else field.reset
                    if value == gate.blocking:
                        always.append(csr.address)
                else:
                    gated.setdefault((gate.control, gate.blocking), []).append(csr.address)
        terms = [address_in(self.addr, always)]
        for (control, blocking), addresses in gated.items():
            terms.append(address_in(self.addr, addresses) & (getattr(self, control.replace(".", "_")) == blocking))
        return any_of(terms)

    def elaborate(self, platform):
        m = Module()
        below_m, user, v = Signal(), Signal(), Signal()
        level = self.addr[8:10]
        unqualified, hs_refused, v_refused = Signal(), Signal(), Signal()
        user_refused = Signal()
        with m.If(self.valid):
            m.d.comb += [
                below_m.eq(self.mode.priv != Priv.M),
                user.eq(self.mode.priv == Priv.U),
                v.eq(self.mode.v),
                user_refused.eq(user & ((level == 1) | self._blocked(Scope.USER))),
                # not even valid in HS-mode (with TVM=0)
                unqualified.eq(~address_in(self.addr, (csr.address for csr in self._table.values()))
                               | (self.write & self.addr[10:12].all())
                               | (below_m & (level.all() | self._blocked(Scope.BELOW_M)))),
                hs_refused.eq(user_refused | (user & (level == 2)) | (below_m & ~user & self._blocked(Scope.HS))),
                v_refused.eq((level == 2) | user_refused | self._blocked(Scope.VIRTUAL)
                             | (~user & self._blocked(Scope.VS))),
                self.illegal.eq(unqualified | (~v & hs_refused)),
                self.virtual.eq(~unqualified & v & v_refused),
            ]
        return m
