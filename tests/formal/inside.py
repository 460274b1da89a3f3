"""Looks inside a component, so that claims can speak of its registers and parts can be left out."""

from collections.abc import Iterable

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out


class Inside:
    """A component taken to pieces: `module` goes among the submodules in place of `component`.

    `inside["name"]` is the signal of that name which the component drives, or the state register of its state
    machine ("fsm_state").
    """

    def __init__(self, component: wiring.Component):
        self.component = component
        component._MustUse__used = True
        self.module: Module = component.elaborate(None)
        self.module._flush()
        self._fsm = self.module._generated.get("fsm")

    def __getitem__(self, name: str) -> Signal:
        if name == "fsm_state":
            return self._fsm._data["signal"]
        found = [signal for signal in self.module._driving if signal.name == name]
        if len(found) != 1:
            raise KeyError(f"{type(self.component).__name__} drives {len(found)} signals called {name!r}")
        return found[0]

    def ongoing(self, *states: str):
        """Whether the state machine is in one of `states` (1 bit)."""
        unknown = set(states) - set(self._fsm.encoding)
        if unknown:
            raise KeyError(f"{type(self.component).__name__} has no states {unknown}")
        return self["fsm_state"].matches(*(self._fsm.encoding[state] for state in states))

    def state_exists(self):
        """Whether the state machine is in any of its states (1 bit)."""
        return self["fsm_state"] < len(self._fsm.encoding)

    def part(self, name: str) -> "Inside":
        """Opens a submodule in its turn."""
        component, where = self.module._named_submodules[name]
        inside = Inside(component)
        self.module._named_submodules[name] = (inside.module, where)
        return inside

    def cut(self, name: str) -> wiring.Component | Memory:
        """Leaves a submodule out: what it drove is for the caller to drive."""
        component, _ = self.module._named_submodules.pop(name)
        component._MustUse__used = True
        return component

    def join(self, m: Module, owner: wiring.Component, names: Iterable[str]) -> None:
        """Makes these ports of the component, which is inside `owner`, the owner's of the same names."""
        for name in names:
            ours, its = getattr(owner, name), getattr(self.component, name)
            member = owner.signature.members[name]
            if member.is_signature:
                wiring.connect(m, wiring.flipped(ours), its)
            elif member.flow == In:
                m.d.comb += its.eq(ours)
            else:
                m.d.comb += ours.eq(its)


class Anything:
    """Inputs that stand for all that components drive which have been cut out: `members` for the signature of the
    component that cuts them out, in which `drive` connects them."""

    def __init__(self, **components: wiring.Component):
        self._driven = {}
        for name, component in components.items():
            for path, member, signal in component.signature.flatten(component):
                if member.flow is Out:
                    self._driven["_".join(map(str, (name, *path)))] = signal
        self.members = {name: In(Value.cast(signal).shape()) for name, signal in self._driven.items()}

    def drive(self, m: Module, owner: wiring.Component) -> None:
        m.d.comb += [Value.cast(signal).eq(getattr(owner, name)) for name, signal in self._driven.items()]
