"""Faults planted in a component, to see that a proof finds them."""

import inspect
import textwrap
from collections.abc import Callable
from types import ModuleType
from typing import NamedTuple

import pytest
from amaranth.lib import wiring
from prove import Refuted, prove


class Bug(NamedTuple):
    """`wrong` in the place of `right`, which stands once in the source of `component`'s `method` (or of a module's
    function); `claim` fails."""

    component: type | ModuleType
    right: str
    wrong: str
    claim: str
    method: str = "elaborate"

    def plant(self, monkeypatch) -> None:
        source = textwrap.dedent(inspect.getsource(getattr(self.component, self.method)))
        assert source.count(self.right) == 1, f"{self.component.__name__} does not say {self.right!r} once"
        namespace = dict(vars(inspect.getmodule(self.component)))
        exec(source.replace(self.right, self.wrong), namespace)
        monkeypatch.setattr(self.component, self.method, namespace[self.method])

    def is_found(self, monkeypatch, design: Callable[[], wiring.Component], induction: bool = False) -> None:
        """Plants it, and sees the proof of the claim fail for what `design` makes then."""
        self.plant(monkeypatch)
        with pytest.raises(Refuted, match=f"refuted: {self.claim}\n"):
            prove(design(), induction=induction, only=self.claim)
