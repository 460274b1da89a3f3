"""Mutants of a small component: each does what its description says, and without one nothing changes."""

import ast
import itertools
from collections import Counter

import pytest
from amaranth.hdl import Fragment
from amaranth.sim import Simulator

from entresol_sim import simulator as simulators
from entresol_sim.mutation import machine, sites, switch
from entresol_sim.mutation.explained import EXPLAINED
from entresol_sim.mutation.sample import choose

SOURCE = '''
"""A component."""
from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

class Pair(data.Struct):
    low: 2
    high: 2

class Part(wiring.Component):
    p: In(Pair)
    s: In(1)
    y: Out(4)
    z: Out(4)

    def elaborate(self, platform):
        m = Module()
        p, s, y, z = self.p, self.s, self.y, self.z
        stored = {}
        LINES
        return m
'''

#: lines of `elaborate`; the mutants of the last one with what then is in y, from low, high and s
CASES = {
    "m.d.comb += y.eq(p.low & p.high)": (
        lambda low, high, s: low & high,
        {
            "p.low & p.high -> p.low | p.high": lambda low, high, s: low | high,
            "p.low & p.high -> p.low": lambda low, high, s: low,
            "p.low & p.high -> p.high": lambda low, high, s: high,
            "p.low -> the field after p.low": lambda low, high, s: high,
            "p.high -> the field after p.high": lambda low, high, s: low,
            "y.eq(p.low & p.high) -> y.eq(0)": lambda low, high, s: 0,
            "y.eq(p.low & p.high) -> y.eq(-1)": lambda low, high, s: 15,
        },
    ),
    "m.d.comb += y.eq(Mux(s, p.low, 3))": (
        lambda low, high, s: low if s else 3,
        {
            "Mux(s, p.low, 3) -> Mux(s, 3, p.low)": lambda low, high, s: 3 if s else low,
            "Mux(s, p.low, 3) -> p.low": lambda low, high, s: low,
            "Mux(s, p.low, 3) -> 3": lambda low, high, s: 3,
        },
    ),
    "m.d.comb += y.eq(p.low - p.high)": (
        lambda low, high, s: low - high & 15,
        {
            "p.low - p.high -> p.low + p.high": lambda low, high, s: low + high,
            "y.eq(p.low - p.high) -> y.eq(0)": lambda low, high, s: 0,
        },
    ),
    "m.d.comb += y.eq(Cat(p.low == 1, p.low < p.high, ~s, p.as_value().any()))": (
        lambda low, high, s: (low == 1) | (low < high) << 1 | (1 - s) << 2 | bool(low or high) << 3,
        {
            "p.low == 1 -> p.low != 1": lambda low, high, s: (
                (low != 1) | (low < high) << 1 | (1 - s) << 2 | bool(low or high) << 3),
            "p.low == 1 -> p.low == 1 + 1": lambda low, high, s: (
                (low == 2) | (low < high) << 1 | (1 - s) << 2 | bool(low or high) << 3),
            "p.low < p.high -> p.low <= p.high": lambda low, high, s: (
                (low == 1) | (low <= high) << 1 | (1 - s) << 2 | bool(low or high) << 3),
            "~s -> s": lambda low, high, s: (low == 1) | (low < high) << 1 | s << 2 | bool(low or high) << 3,
            "p.as_value().any() -> p.as_value().all()": lambda low, high, s: (
                (low == 1) | (low < high) << 1 | (1 - s) << 2 | (low == high == 3) << 3),
        },
    ),
    "m.d.comb += y.eq(p.as_value()[1:3])": (
        lambda low, high, s: low >> 1 | (high & 1) << 1,
        {"p.as_value()[1:3] -> the one after p.as_value()[1:3]": lambda low, high, s: high},
    ),
    "m.d.comb += y.eq(p.low.matches(1, 2))": (
        lambda low, high, s: low in (1, 2),
        {
            "p.low.matches(1, 2) -> without the first pattern": lambda low, high, s: low == 2,
            "p.low.matches(1, 2) -> without the last pattern": lambda low, high, s: low == 1,
        },
    ),
    "stored['a.x'], stored['a.y'] = p.low, p.high; m.d.comb += y.eq(stored['a.x'])": (
        lambda low, high, s: low,
        {"stored['a.x'] -> the one after stored['a.x']": lambda low, high, s: high},
    ),
    "with m.If(s & p.low[0]): m.d.comb += y.eq(p.high)": (
        lambda low, high, s: high if s & low else 0,
        {
            "m.If(s & p.low[0]) -> not": lambda low, high, s: 0 if s & low else high,
            "m.If(s & p.low[0]) -> always": lambda low, high, s: high,
            "m.If(s & p.low[0]) -> never": lambda low, high, s: 0,
            "p.low[0] -> the one after p.low[0]": lambda low, high, s: high if s & low >> 1 else 0,
        },
    ),
    "with m.Switch(p.low), m.Case(2): m.d.comb += y.eq(p.high)": (
        lambda low, high, s: high if low == 2 else 0,
        {"m.Switch(p.low) -> m.Switch(p.low ^ 1)": lambda low, high, s: high if low == 3 else 0},
    ),
}
INPUTS = list(itertools.product(range(4), range(4), range(2)))


def part(lines: str):
    """The rewritten component, and its mutants."""
    text = SOURCE.replace("LINES", lines.replace("; ", "\n        "))
    tree, mutants = sites.rewrite(text, "part.py", 1)
    names: dict = {"__name__": "part"}
    exec(compile(tree, "part.py", "exec"), names)
    return names["Part"], mutants


def outputs(dut) -> list[int]:
    """y for each of `INPUTS`."""
    results = []

    async def testbench(ctx):
        for low, high, s in INPUTS:
            ctx.set(dut.p, {"low": low, "high": high})
            ctx.set(dut.s, s)
            results.append(ctx.get(dut.y))

    simulator = Simulator(dut)
    simulator.add_testbench(testbench)
    simulator.run()
    return results


@pytest.fixture(autouse=True)
def nothing_on():
    yield
    switch.turn_on(0)
    switch.build_in((), None)


@pytest.mark.parametrize("lines", CASES)
def test_mutants(lines):
    plain, expected = CASES[lines]
    component, mutants = part(lines)
    assert outputs(component()) == [int(plain(*each)) for each in INPUTS]
    by_name = {mutant.name.partition(": ")[2]: mutant for mutant in mutants}
    for name, function in expected.items():
        switch.turn_on(by_name[name].number)
        assert outputs(component()) == [int(function(*each)) & 15 for each in INPUTS], name


def test_many_mutants_in_one_design():
    """One of them is on, as an input says."""
    lines = next(iter(CASES))
    component, mutants = part(lines)
    dut = component()
    results: dict[int, int] = {}

    async def testbench(ctx):
        for number in (0, *(mutant.number for mutant in mutants)):
            ctx.set(dut.z, number)
            ctx.set(dut.p, {"low": 1, "high": 3})
            results[number] = ctx.get(dut.y)

    switch.build_in({mutant.number for mutant in mutants}, dut.z)
    simulator = Simulator(dut)
    simulator.add_testbench(testbench)
    simulator.run()
    plain, expected = CASES[lines]
    assert results[0] == plain(1, 3, 0)
    for mutant in mutants:
        if (name := mutant.name.partition(": ")[2]) in expected:
            assert results[mutant.number] == expected[name](1, 3, 0), name


def test_registers_and_states():
    """Assignments to registers and transitions can be missing."""
    lines = "with m.FSM():;     with m.State('A'):;         m.d.sync += y.eq(3);         m.next = 'B';     with m.State('B'):;         m.d.comb += z.eq(1)"  # noqa: E501
    component, mutants = part(lines)

    def run(number):
        switch.turn_on(number)
        dut = component()
        simulator = Simulator(dut)
        simulator.add_clock(1e-6)
        results = []

        async def testbench(ctx):
            await ctx.tick().repeat(2)
            results.append((ctx.get(dut.y), ctx.get(dut.z)))

        simulator.add_testbench(testbench)
        simulator.run()
        return results[0]

    assert run(0) == (3, 1)
    results = {mutant.name.partition(": ")[2]: run(mutant.number) for mutant in mutants}
    assert results["y.eq(3) -> (nothing)"] == (0, 1) and results["m.next = 'B' -> (nothing)"] == (3, 0)


def test_a_mutant_stays_on_whatever_is_passed_in_a2(monkeypatch):
    monkeypatch.setattr(simulators, "Setup", simulators.Setup)
    machine.turn_on(5)
    with simulators.Simulator("linux", ram_size=1 << 20) as simulated:
        assert simulated._setup.boot_a2 == 5 << 48
        simulated.boot(a2=3)
        assert simulated._setup.boot_a2 == 5 << 48 | 3


def test_constants_that_stay_are_no_mutants():
    component, mutants = part("m.d.comb += y.eq(0); m.d.comb += z.eq(15)")
    found = switch.search()
    try:
        Fragment.get(component(), None)
    finally:
        switch.stop_search()
    names = [mutant.name.partition(": ")[2] for mutant in mutants if mutant.number in found]
    assert names == ["y.eq(0) -> y.eq(-1)", "z.eq(15) -> z.eq(0)"]


def test_names_tell_mutants_apart_and_survive_moved_lines():
    _, mutants = part("m.d.comb += y.eq(s & ~s); m.d.comb += z.eq(s & ~s)")
    names = [mutant.name for mutant in mutants]
    assert len(set(names)) == len(names)
    _, moved = part("pass; m.d.comb += y.eq(s & ~s); m.d.comb += z.eq(s & ~s)")
    assert [mutant.name for mutant in moved] == names


def test_choice():
    _, mutants = sites.all_modules()
    chosen = choose(mutants, 1, 300)
    assert len({mutant.number for mutant in chosen}) == 300 and choose(mutants, 1, 300) == chosen
    assert choose(mutants, 2, 300) != chosen
    assert min(Counter(mutant.path for mutant in chosen).values()) >= 8


def test_all_source_can_be_rewritten_and_explanations_are_of_mutants_that_exist():
    trees, mutants = sites.all_modules()
    assert {mutant.path.partition("/")[0] for mutant in mutants} == set(sites.PACKAGES)
    assert all(isinstance(tree, ast.Module) for tree in trees.values())
    names = {mutant.name for mutant in mutants}
    assert len(names) == len(mutants)
    assert not EXPLAINED.keys() - names
