"""The walk of both stages is that of the text."""

import pytest
from aiger import Unrolling
from amaranth.back import rtlil
from planting import Bug
from prove import COVER, PREFIX, REASON, SOLVER, circuit
from whole_walk import WholeWalk

from entresol.config import CONFIGS
from entresol.isa.privilege import Access, Priv
from entresol.mmu.tlb import L1Tlb
from entresol.mmu.types import MmuContext, TlbLookup
from entresol.mmu.walker import Walker

NIGHTLY = [pytest.param(name, marks=() if name == "small" else pytest.mark.nightly) for name in CONFIGS]
POINTER, LEAF = 0x01, 0xDF  # V; V, R, W, X, U, A, D
RAM = 0x8_0000  # page number


@pytest.mark.parametrize("name", NIGHTLY)
def test_walks_are_those_of_the_text(name, proven):
    proven("a walk of both stages reads and grants what the text says", WholeWalk(CONFIGS[name]), name, induction=True)


@pytest.mark.parametrize("name", NIGHTLY)
def test_walks_come_to_an_end(name):
    """That the claims are not true for want of hits: a run from reset, with constant inputs but for the TLBs'
    memories, keeps to the assumptions and reaches a hit."""
    solvers = pytest.importorskip("pysat.solvers", reason=REASON)
    graph = circuit(rtlil.convert(WholeWalk(CONFIGS[name])))
    claims = [literal for output, literal in graph.outputs.items() if output.startswith(PREFIX)]
    asked, hit = graph.outputs[COVER + "asked"], graph.outputs[COVER + "hit"]
    roots = [*claims, asked, hit, *(following for following, _ in graph.latches.values())]
    ctx = MmuContext.const({"vsatp": {"mode": 8, "ppn": RAM}, "hgatp": {"mode": 8, "ppn": RAM}}).as_bits()
    for data_side in (0, 1):
        for leaf_level, reads in ((0, 15), (1, 8)):
            access = Access.STORE if data_side else Access.FETCH
            lookup = TlbLookup.const({"vaddr": 0x12_3456_7000, "access": access,
                                      "mode": {"priv": Priv.U, "v": 1}}).as_bits()
            given = {"rst": 0, "ctx": ctx, "lookup": lookup, "data_side": data_side,
                     "ptw_error": 0, "ptw_done": 0, "ptw_rdata": 0,
                     **{name: 0 for name in graph.names if name.startswith("l2_way")}}
            with solvers.Solver(SOLVER) as solver:
                run, done, number = Unrolling(graph, solver), 0, 0
                for _ in range(100):
                    if done:
                        stage = "g" if run.known(-1, "model_gstage") else "vs"
                        leaf = run.known(-1, f"model_{stage}_level") == leaf_level
                        given["ptw_rdata"] = RAM << 10 | (LEAF if leaf else POINTER)
                    given["ptw_done"] = done
                    number += done
                    cycle = run.add(roots, initial=True, given=given)
                    for output in claims:
                        solver.add_clause([run.literal(cycle, output)])
                    if run.literal(cycle, hit) != 1 and solver.solve([run.literal(cycle, hit)]):
                        break
                    done = int(not done and run.literal(cycle, asked) == -1)
                else:
                    pytest.fail("There is no hit within 100 cycles.")
            assert number == reads


BUGS = {
    "superpage_offset_too_wide": Bug(
        Walker, "leaf_address[12 : 12 + 9 * i].eq(address[12 : 12 + 9 * i])",
        "leaf_address[12 : 21 + 9 * i].eq(address[12 : 21 + 9 * i])", "last_leaf"),
    "roots_of_one_page": Bug(Walker, "offset[9:] & widened.replicate(2)", "offset[9:] & 0", "reading"),
    "superpages_in_small_ones": Bug(
        Walker, "final.fill.large.eq(leaf1.large & leaf2.large", "final.fill.large.eq(leaf1.large", "fill"),
    "superpages_without_offset": Bug(
        L1Tlb, "Cat(Mux(found.fill.large, self.asked.vaddr[12:21], found.ppn[:9]), found.ppn[9:])", "found.ppn", "hit"),
}


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=() if name == "superpages_without_offset" else pytest.mark.nightly) for name in BUGS])
def test_bugs_are_found(name, monkeypatch):
    BUGS[name].is_found(monkeypatch, lambda: WholeWalk(CONFIGS["small"]), induction=True)
