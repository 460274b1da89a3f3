"""Circuits as and-inverter graphs in the AIGER 1.9 format, and their encoding for a SAT solver.

A literal of the graph is 2 * variable + inverted; variable 0 is the constant 0.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class Aiger:
    """A sequential circuit: its inputs, latches, and-gates, assertions, assumptions (`constraints`), named outputs."""

    inputs: list[int] = field(default_factory=list)
    latches: dict[int, tuple[int, int | None]] = field(default_factory=dict)  # by variable: next literal, first value
    ands: dict[int, tuple[int, int]] = field(default_factory=dict)  # by variable, in topological order
    bad: list[int] = field(default_factory=list)  # of every assertion: that it fails
    constraints: list[int] = field(default_factory=list)
    outputs: dict[str, int] = field(default_factory=dict)  # of 1 bit, without those that are constant
    names: dict[str, dict[int, int]] = field(default_factory=dict)  # of inputs and latches: literals by bit

    @classmethod
    def parse(cls, text: bytes, symbols: str) -> "Aiger":
        """Reads the binary format, and the list of names that yosys writes with `-map`."""
        graph = cls()
        position = text.index(b"\n")
        header = [int(number) for number in text[:position].split()[1:]]
        _, inputs, latches, outputs, ands, bad, constraints, *_ = [*header, 0, 0]
        lines = iter(text[position + 1 :].split(b"\n", latches + outputs + bad + constraints))
        graph.inputs = list(range(1, inputs + 1))
        for variable in range(inputs + 1, inputs + latches + 1):
            following, *first = map(int, next(lines).split())
            value = first[0] if first else 0
            graph.latches[variable] = following, None if value == 2 * variable else value
        out = [int(next(lines)) for _ in range(outputs)]
        graph.bad = [int(next(lines)) for _ in range(bad)]
        graph.constraints = [int(next(lines)) for _ in range(constraints)]
        data = next(lines)
        position = 0

        def delta() -> int:
            nonlocal position
            value = shift = 0
            while True:
                byte = data[position]
                position += 1
                value |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    return value

        for variable in range(inputs + latches + 1, inputs + latches + ands + 1):
            left = 2 * variable - delta()
            graph.ands[variable] = left, left - delta()
        for kind, number, bit, name in re.findall(r"^(\w+) (\d+) (-?\d+) \\?(.*)$", symbols, re.M):
            if kind == "output":
                graph.outputs[name] = out[int(number)]
            elif kind in ("input", "latch", "invlatch"):
                literal = 2 * (int(number) + 1 + (0 if kind == "input" else inputs)) ^ (kind == "invlatch")
                graph.names.setdefault(name, {})[int(bit)] = literal
        return graph

    def cone(self, roots) -> set[int]:
        """The variables that the literals `roots` depend on combinationally."""
        seen = {0}
        todo = [literal >> 1 for literal in roots]
        while todo:
            variable = todo.pop()
            if variable not in seen:
                seen.add(variable)
                todo += [literal >> 1 for literal in self.ands.get(variable, ())]
        return seen


class Unrolling:
    """Clock cycles of a circuit one after the other, as clauses in `solver` (of PySAT)."""

    def __init__(self, graph: Aiger, solver):
        self.graph = graph
        self.solver = solver
        self.frames: list[dict[int, int]] = []  # for every cycle: the solver's literal of a variable
        self._last = 1
        solver.add_clause([-1])  # the constant 0

    def fresh(self) -> int:
        """Another literal."""
        self._last += 1
        return self._last

    def _and(self, a: int, b: int) -> int:
        """The literal of `a` and `b`; initial values make many of them constant."""
        if a == 1 or b == 1 or a == -b:
            return 1
        if a == -1 or a == b:
            return b
        if b == -1:
            return a
        c = self.fresh()
        self.solver.add_clause([-c, a])
        self.solver.add_clause([-c, b])
        self.solver.add_clause([c, -a, -b])
        return c

    def literal(self, cycle: int, literal: int) -> int:
        """The solver's literal for one of the graph in `cycle`."""
        found = self.frames[cycle][literal >> 1]
        return -found if literal & 1 else found

    def add(self, roots, *, initial: bool = False, given: Mapping[str, int] | None = None) -> int:
        """Adds a cycle with what `roots` (literals) and the constraints depend on, and demands the constraints.

        The first one begins with `initial` values, or else with any.  `given` are the values of inputs, by name.
        Returns: the number of the cycle.
        """
        cycle = len(self.frames)
        graph = self.graph
        frame = {0: 1}
        self.frames.append(frame)
        cone = graph.cone([*roots, *graph.constraints])
        for name, value in (given or {}).items():
            for bit, literal in graph.names.get(name, {}).items():
                frame[literal >> 1] = -1 if value >> bit & 1 else 1
        for variable in graph.inputs:
            if variable in cone and variable not in frame:
                frame[variable] = self.fresh()
        for variable, (following, first) in graph.latches.items():
            if variable in cone:
                if cycle:
                    frame[variable] = self.literal(cycle - 1, following)
                elif initial and first is not None:
                    frame[variable] = -1 if first else 1
                else:
                    frame[variable] = self.fresh()
        for variable, (left, right) in graph.ands.items():
            if variable in cone:
                frame[variable] = self._and(self.literal(cycle, left), self.literal(cycle, right))
        for constraint in graph.constraints:
            self.solver.add_clause([self.literal(cycle, constraint)])
        return cycle

    def known(self, cycle: int, name: str) -> int:
        """The value of an input or register in `cycle`, which follows from initial and given ones."""
        value = 0
        for bit, literal in self.graph.names[name].items():
            found = self.literal(cycle, literal)
            assert abs(found) == 1, f"{name} is not known"
            value |= (found < 0) << bit
        return value

    def values(self, model: list[int], cycle: int) -> dict[str, int | None]:
        """Inputs and registers of the cycle, by name; None for what is of no account."""
        frame = self.frames[cycle]
        result = {}
        for name, bits in self.graph.names.items():
            if any(literal >> 1 in frame for literal in bits.values()):
                value = 0
                for bit, literal in bits.items():
                    if literal >> 1 in frame:
                        found = self.literal(cycle, literal)
                        value |= (model[abs(found) - 1] * found > 0) << bit
                result[name] = value
        return result
