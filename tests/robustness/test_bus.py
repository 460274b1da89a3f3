"""Whatever the bus answers, software is told of it as documented: an access fault for an error, wherever it comes, and
the watchdog's report when no answer comes at all."""

import random

import pytest

from entresol.config import get_config
from entresol_sim import Simulator
from entresol_sim.lockstep.core import Core
from entresol_sim.lockstep.generate import Generator
from entresol_sim.lockstep.layout import CODE, Block, Image, Label, Op, load_immediate
from entresol_sim.lockstep.steps import VS, M, Step
from entresol_sim.simulator import Outcome, Result

RAM_SIZE = 16 << 20
FETCH, LOAD, STORE = 1, 5, 7
MEPC, MTVEC, MSTATUS, SATP, VSATP, HGATP = 0x341, 0x305, 0x300, 0x180, 0x280, 0x680
PMPADDR0, PMPCFG0, HSTATUS = 0x3B0, 0x3A0, 0x600
MPRV, MPP_S, MPV, SPVP = 1 << 17, 1 << 11, 1 << 39, 1 << 8
#: A line of memory that misbehaves, a region that no device has, one of I/O, and one of main memory without memory.
BAD, NOWHERE, NO_DEVICE, NO_MEMORY = 0x8060_0000, 0x4000_0000, 0x1000_2000, 0xC000_0000
_PASS = [*load_immediate(5, 0x10_0000), *load_immediate(6, 0x5555), Op("sw", rs1=5, rs2=6), Op("jal")]


@pytest.fixture(scope="module")
def core() -> Core:
    core = Core(get_config("linux"), RAM_SIZE)
    core.build()
    return core


@pytest.fixture
def run(core):
    """A function that runs instructions in M-mode: how that ended, and what was done.  A trap ends the program."""

    def run(ops: list[Op], words: dict[int, int] | None = None, **disturbed) -> tuple[Outcome, list[Step]]:
        begin = [Op("la", rd=5, target=Label(2)), Op("csrrw", rs1=5, csr=MTVEC)]
        blocks = [Block(0, [*begin, *ops, Op("jal", target=Label(1))]), Block(1, _PASS), Block(2, _PASS)]
        records: list[bytes] = []
        with Simulator("linux", ram_size=RAM_SIZE, watchdog=3000, built=core.built) as simulator:
            simulator.load_program(Image("bus", blocks, words or {}).program())
            simulator.record(records.append)
            if disturbed:
                simulator.disturb(**disturbed)
            outcome = simulator.run(100_000)
        return outcome, core.steps(b"".join(records))

    return run


def traps(steps: list[Step]) -> list[tuple[int | None, int | None]]:
    """Cause and xtval of each trap."""
    return [(step.trap, step.tval) for step in steps if step.trap is not None]


def li(rd: int, value: int) -> list[Op]:
    return load_immediate(rd, value)


#: What accesses the address in x7, and the fault that it may have.
ACCESSES = {
    "load": ([Op("ld", rd=6, rs1=7)], LOAD),
    "store": ([Op("sd", rs1=7, rs2=0)], STORE),
    "byte": ([Op("sb", rs1=7, rs2=0)], STORE),
    "amo": ([Op("amoadd.d", rd=6, rs1=7, rs2=5)], STORE),
    "lr": ([Op("lr.d", rd=6, rs1=7)], LOAD),
    "fetch": ([Op("jalr", rs1=7)], FETCH),
}


@pytest.mark.parametrize("place", [NOWHERE, NO_DEVICE, NO_MEMORY], ids=["nowhere", "no device", "no memory"])
@pytest.mark.parametrize("access", ACCESSES)
def test_access_to_nowhere(run, access, place):
    ops, cause = ACCESSES[access]
    _, steps = run([*li(7, place), *ops])
    assert traps(steps) == [(cause, place)]


@pytest.mark.parametrize("beat", range(8))
@pytest.mark.parametrize("access", ACCESSES)
def test_error_in_the_doubleword_of_the_access(run, access, beat):
    ops, cause = ACCESSES[access]
    address = BAD + 8 * beat
    outcome, steps = run([*li(7, address), *ops], {BAD + 8 * n: 0x13_0000_0013 for n in range(8)}, address=address,
                         size=8, reads="error")  # fmt: skip
    assert traps(steps) == [(cause, address)] and outcome.result is Result.PASSED


@pytest.mark.parametrize("beat", range(1, 8))
@pytest.mark.parametrize("access", ["load", "store", "amo"])
def test_error_in_another_beat_of_the_line(run, access, beat):
    """Who needs the line is told of it; a load that has got what it needs is not."""
    ops, cause = ACCESSES[access]
    _, steps = run([*li(7, BAD), *ops], {BAD: 77}, address=BAD + 8 * beat, size=8, reads="error")
    if access == "load":
        # when a line fails, nothing of it is kept
        assert not traps(steps) and any(step.regs == {6: 77} for step in steps)
    else:
        assert traps(steps) == [(cause, BAD)]


@pytest.mark.parametrize("beat", range(1, 8))
def test_fetches_run_into_an_error(run, beat):
    """Everything in front of the beat is executed, and nothing behind it."""
    nops = {BAD + 8 * n: 0x13_0000_0013 for n in range(8)}
    _, steps = run([*li(7, BAD), Op("jalr", rs1=7)], nops, address=BAD + 8 * beat, size=8, reads="error")
    executed = [step.pc for step in steps if step.pc >> 6 == BAD >> 6 and step.trap is None]
    assert executed == [BAD + 4 * n for n in range(2 * beat)]
    assert traps(steps) == [(FETCH, BAD + 8 * beat)]


@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize("access", ["load", "store"])
def test_error_in_one_half_of_a_crossing_access(run, access, part):
    ops, cause = ACCESSES[access]
    address = BAD + 0x1000 - 4
    place = BAD + 0xFF8 + 8 * part
    _, steps = run([*li(7, address), *ops], address=place, size=8, reads="error")
    assert traps(steps) == [(cause, address if part == 0 else BAD + 0x1000)]


# Tables for both stages: 1 GiB and 2 MiB entries, and in the first stage 4 KiB ones.  Code and tables are in the first
# 2 MiB of RAM, for which the G-stage has another entry than for the data.
_ROOT, _MIDDLE, _LAST, _GROOT, _GMIDDLE = 0x8010_0000, 0x8010_1000, 0x8010_2000, 0x8010_4000, 0x8010_8000
_DATA, _V, _LEAF, _U = 0x8040_0000, 1, 0xCF, 0x10


def _pte(address: int, flags: int) -> int:
    return address >> 12 << 10 | flags


TABLES = {
    _ROOT + 16: _pte(_MIDDLE, _V), _MIDDLE: _pte(CODE, _LEAF), _MIDDLE + 16: _pte(_LAST, _V), _LAST: _pte(_DATA, _LEAF),
    _GROOT + 16: _pte(_GMIDDLE, _V), _GMIDDLE: _pte(CODE, _LEAF | _U), _GMIDDLE + 16: _pte(_DATA, _LEAF | _U),
}  # fmt: skip
_SV39 = 8 << 60
_OPEN = [*li(5, (1 << 53) - 1), Op("csrrw", rs1=5, csr=PMPADDR0), *li(5, 0x1F), Op("csrrw", rs1=5, csr=PMPCFG0)]
ONE_STAGE = [*li(5, _SV39 | _ROOT >> 12), Op("csrrw", rs1=5, csr=SATP), *li(5, MPRV | MPP_S),
             Op("csrrs", rs1=5, csr=MSTATUS)]  # fmt: skip
TWO_STAGES = [*li(5, _SV39 | _ROOT >> 12), Op("csrrw", rs1=5, csr=VSATP), *li(5, _SV39 | _GROOT >> 12),
              Op("csrrw", rs1=5, csr=HGATP), *li(5, SPVP), Op("csrrs", rs1=5, csr=HSTATUS)]  # fmt: skip
GUEST = {"load": [Op("hlv.d", rd=6, rs1=7)], "store": [Op("hsv.d", rs1=7, rs2=0)]}


@pytest.mark.parametrize("entry", [_ROOT + 16, _MIDDLE + 16, _LAST], ids=["1G", "2M", "4K"])
@pytest.mark.parametrize("access", ["load", "store", "amo"])
def test_error_in_a_walk(run, access, entry):
    ops, cause = ACCESSES[access]
    program = [*_OPEN, *li(7, _DATA), *ONE_STAGE, *ops, *li(5, MPRV), Op("csrrc", rs1=5, csr=MSTATUS)]
    assert not traps(run(program, TABLES)[1])
    _, steps = run(program, TABLES, address=entry, size=8, reads="error")
    assert traps(steps) == [(cause, _DATA)]


@pytest.mark.parametrize(
    "entry", [_ROOT + 16, _MIDDLE + 16, _LAST, _GROOT + 16, _GMIDDLE, _GMIDDLE + 16],
    ids=["VS 1G", "VS 2M", "VS 4K", "G 1G", "G 2M of tables", "G 2M of data"],
)  # fmt: skip
@pytest.mark.parametrize("access", GUEST)
def test_error_in_a_walk_of_two_stages(run, access, entry):
    program = [*_OPEN, *li(7, _DATA), *TWO_STAGES, *GUEST[access]]
    assert not traps(run(program, TABLES)[1])
    _, steps = run(program, TABLES, address=entry, size=8, reads="error")
    assert traps(steps) == [(ACCESSES[access][1], _DATA)]


@pytest.mark.parametrize("entry", [_ROOT + 16, _MIDDLE, _GROOT + 16, _GMIDDLE], ids=["VS 1G", "VS 2M", "G 1G", "G 2M"])
def test_error_in_the_walk_of_a_fetch(run, entry):
    program = [
        *_OPEN, *TWO_STAGES, *li(5, MPP_S | MPV), Op("csrrs", rs1=5, csr=MSTATUS), Op("la", rd=7, target=Label(1)),
        Op("csrrw", rs1=7, csr=MEPC), Op("mret"),
    ]  # fmt: skip
    _, steps = run(program, TABLES, address=entry, size=8, reads="error")
    trap = next(step for step in steps if step.trap is not None)
    assert (trap.trap, trap.tval, trap.mode, trap.target) == (FETCH, trap.pc, VS, M)


def test_error_of_a_write_back_is_lost(run):
    """The store retired long before."""
    ops = [*li(7, BAD), Op("sd", rs1=7, rs2=7), Op("cbo.flush", rs1=7), Op("ld", rd=6, rs1=7)]
    outcome, steps = run(ops, {BAD: 5}, address=BAD, size=64, writes="error")
    assert not traps(steps) and outcome.result is Result.PASSED
    assert any(step.regs == {6: 5} for step in steps)


SILENT = {
    "load": (ACCESSES["load"][0], "the data cache or the bus"),
    "store": (ACCESSES["store"][0], "the data cache or the bus"),
    "amo": (ACCESSES["amo"][0], "the data cache or the bus"),
    "fetch": (ACCESSES["fetch"][0], "the next instruction"),
}


@pytest.mark.parametrize("access", SILENT)
def test_no_answer_is_reported(run, access):
    ops, what = SILENT[access]
    outcome, steps = run([*li(7, BAD), *ops], address=BAD, size=64, reads="silence")
    assert outcome.result is Result.HUNG and what in outcome.text
    assert f"last pc {steps[-1].pc:#x} in mode M" in outcome.text


@pytest.mark.parametrize("entry, what", [(_ROOT + 16, "VS-stage"), (_GROOT + 16, "G-stage")])
def test_no_answer_to_a_walk_is_reported(run, entry, what):
    program = [*_OPEN, *li(7, _DATA), *TWO_STAGES, *GUEST["load"]]
    outcome, _ = run(program, TABLES, address=entry, size=8, reads="silence")
    assert outcome.result is Result.HUNG and f"a translation (page tables of the {what}" in outcome.text


def test_no_answer_to_a_write_back_is_reported(run):
    ops = [*li(7, BAD), Op("sd", rs1=7, rs2=7), Op("cbo.flush", rs1=7), Op("ld", rd=6, rs1=7)]
    outcome, _ = run(ops, address=BAD, size=64, writes="silence")
    assert outcome.result is Result.HUNG and "the data cache or the bus" in outcome.text


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(300))
def test_random_programs_on_bad_memory(core, seed):
    """No error makes the core stand still, unless its trap handler is gone; and no silence goes unreported."""
    rng = random.Random(seed)
    program = Generator(core.config).generate(seed, 60).program()
    segment = rng.choice(program.segments)
    size = rng.choice((8, 64, 4096))
    address = (segment.address + rng.randrange(segment.size)) // size * size
    reads, writes = rng.choice((("error", ""), ("", "error"), ("error", "error"), ("silence", ""), ("", "silence")))
    with Simulator("linux", ram_size=RAM_SIZE, watchdog=20_000, built=core.built) as simulator:
        simulator.load_program(program)
        simulator.disturb(address, size, reads, writes)
        outcome = simulator.run(1_000_000)
    if outcome.result is Result.HUNG and "silence" not in (reads, writes):
        assert "the same traps over and over" in outcome.text or "an interrupt (WFI)" in outcome.text
    assert outcome.result in (Result.PASSED, Result.HUNG, Result.CYCLE_LIMIT)
