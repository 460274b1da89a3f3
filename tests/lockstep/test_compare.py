"""The comparison itself, with made-up steps."""

import pytest

from entresol.config import get_config
from entresol.isa.csrs import csr_table
from entresol_sim.lockstep.assembler import encode
from entresol_sim.lockstep.compare import Comparator, Deviation, side_by_side
from entresol_sim.lockstep.steps import BLOCK, INTERRUPT, M, Step, Store

TABLE = csr_table(get_config("linux"))
ADDI = encode("addi", rd=6, rs1=7, imm=1)
ALWAYS = ((0,), (9,))


def compare(core, reference, deviations=(), sparse=False):
    return Comparator(TABLE, deviations, (1,), sparse).compare(core, iter(reference))


def step(pc=0x80000000, raw=ADDI, **fields) -> Step:
    return Step(pc, M, raw, **fields)


DIFFERENT = {
    "pc": step(pc=0x80000002),
    "mode": Step(0x80000000, 1, ADDI),
    "trap": step(trap=2),
    "interrupt": step(trap=INTERRUPT | 5),
    "register": step(regs={6: 2}),
    "another register": step(regs={6: 1, 8: 5}),
    "csr": step(regs={6: 1}, csrs={"mscratch": 7}),
    "nothing stored": step(regs={6: 1}, csrs={"mscratch": 3}),
    "address": step(regs={6: 1}, csrs={"mscratch": 3}, stores=(Store(16, 16, 3, 4),)),
    "physical address": step(regs={6: 1}, csrs={"mscratch": 3}, stores=(Store(8, 24, 3, 4),)),
    "size": step(regs={6: 1}, csrs={"mscratch": 3}, stores=(Store(8, 8, 2, 4),)),
    "value": step(regs={6: 1}, csrs={"mscratch": 3}, stores=(Store(8, 8, 3, 5),)),
}
SAME = step(regs={6: 1}, csrs={"mscratch": 3}, stores=(Store(8, 8, 3, 4),))


def test_equal_steps():
    unknown = Step(0x80000000, regs={6: 1}, csrs={"mscratch": 3}, stores=(Store(8, None, 3, None),))
    for other in (SAME, unknown):
        result = compare([SAME], [other])
        assert not result.failed and result.compared == 1


@pytest.mark.parametrize("what", DIFFERENT)
def test_every_difference_is_found(what):
    result = compare([SAME], [DIFFERENT[what]])
    assert result.failed and result.compared == 0
    assert "core" in side_by_side(result.pairs, {}, "reference")


PLAIN = {
    "pc": step(pc=0x80000002, regs={6: 1}),
    "mode": Step(0x80000000, 1, ADDI, regs={6: 1}),
    "register": step(regs={6: 2}),
    "another register": step(regs={6: 1, 8: 5}),
    "trap": step(regs={6: 1}, trap=2),
    "csr": step(regs={6: 1}, csrs={"mtvec": 4}),
    "store": step(regs={6: 1}, stores=(Store(8, 8, 3, 4),)),
}


@pytest.mark.parametrize("what", PLAIN)
def test_differences_of_plain_steps(what):
    """With all registers known and nothing to be accounted for."""
    begin = [step(regs=dict.fromkeys((5, 10, 11, 12), 0)), step(csrs={"mtvec": 0}), step(regs={6: 7})]
    assert compare([*begin, step(regs={6: 1})], [*begin, step(regs={6: 1})]).compared == 4
    result = compare([*begin, step(regs={6: 1})], [*begin, PLAIN[what]])
    assert result.failed and result.compared == 3


CAUSE = Deviation("cause", "", (), "", ALWAYS, lambda difference, context: context.reference.trap == 2)


def test_traps_of_different_causes_to_the_same_mode():
    def trap(cause, csr="m", **fields):
        return step(trap=cause, target=M, csrs={f"{csr}epc": 0x80000000, f"{csr}cause": cause}, **fields)

    cause = step(pc=0x100, raw=encode("csrrs", rd=6, csr=0x342), regs={6: 22})
    its_cause = step(pc=0x100, regs={6: 2})
    plain = step(pc=0x104, regs={7: 1})
    result = compare([trap(22), cause, plain], [trap(2), its_cause, plain], [CAUSE])
    assert not result.failed and result.ended_by is None and result.compared == 3
    # whatever else differs
    assert compare([trap(22), cause, plain], [trap(2), its_cause, step(pc=0x104, regs={7: 2})], [CAUSE]).failed
    # and if they went to different modes
    elsewhere = compare([trap(22), cause], [trap(2, "s"), step(pc=0x200, regs={6: 2})], [CAUSE])
    assert not elsewhere.failed and elsewhere.ended_by == "cause" and elsewhere.compared == 1


def test_cache_blocks():
    def zero(*stores):
        return step(raw=encode("cbo.zero", rs1=6), stores=stores)

    block = zero(Store(64, 64, BLOCK, 0))
    singly = [Store(64 + index, None, 0, 0) for index in range(64)]
    assert not compare([block, block], [zero(), zero(*singly)]).failed
    assert compare([block], [zero(*singly[:-1])]).failed
    assert compare([block], [zero(*singly[:-1], Store(127, None, 0, 1))]).failed


def test_a_reference_that_ends_early():
    assert compare([SAME, SAME], [SAME]).differences[0].kind == "end"


def test_a_change_that_only_the_reference_makes():
    write = step(csrs={"mscratch": 3})
    later = step(csrs={"mscratch": 4})
    assert compare([write, step()], [write, later]).failed
    # of registers that nobody told about nothing can be said
    assert not compare([step()], [step(csrs={"stvec": 4})]).failed


def test_a_csr_written_before_an_interrupt_is_compared_behind_it():
    core = [step(csrs={"mscratch": 3}), step(trap=INTERRUPT | 5, csrs={"mcause": INTERRUPT | 5})]
    good = [step(csrs=None), step(trap=INTERRUPT | 5, csrs={"mscratch": 3, "mcause": INTERRUPT | 5})]
    bad = [step(csrs=None), step(trap=INTERRUPT | 5, csrs={"mscratch": 4, "mcause": INTERRUPT | 5})]
    assert not compare(core, good).failed
    assert compare(core, bad).failed


BIT = Deviation("bit", "", (), "", ALWAYS, bits={"mscratch": 4})


def test_a_deviation_is_followed_through_registers():
    read = encode("csrrs", rd=6, csr=0x340)
    core = [
        step(csrs={"mscratch": 3}),
        step(raw=read, regs={6: 3}),
        step(raw=encode("add", rd=8, rs1=6, rs2=7), regs={8: 3}),
        step(raw=encode("addi", rd=8, imm=0), regs={8: 0}),
        step(raw=encode("addi", rd=6, imm=0), regs={6: 0}),
        step(raw=encode("add", rd=9, rs1=6, rs2=8), regs={9: 1}),
    ]
    reference = [
        step(csrs={"mscratch": 7}),
        step(regs={6: 7}),
        step(regs={8: 7}),
        step(regs={8: 0}),
        step(regs={6: 0}),
    ]
    result = compare(core, [*reference, step(regs={9: 1})], [BIT])
    assert not result.failed and result.accounted == {"bit": 1} and result.ended_by is None
    # nothing depends on it any more: this is another one
    assert compare(core, [*reference, step(regs={9: 2})], [BIT]).failed
    # without the deviation, or in another bit
    assert compare(core[:1], reference[:1]).failed
    assert compare(core[:1], [step(csrs={"mscratch": 11})], [BIT]).failed


def test_a_deviation_stays_where_bits_are_set_unseen():
    deviation = Deviation("bit", "", (), "", ALWAYS, bits={"vstval": 4})
    begin, there = [step(csrs={"vstval": 4})], [step(csrs={"vstval": 0}), step(csrs={"vstval": None})]
    begin += [step()]
    shown = [step(), step(csrs={"vstval": 3})]
    for name in ("csrrs", "csrrsi", "csrrc"):
        wrote = step(raw=encode(name, rs1=7, csr=0x243), csrs={"vstval": 5})
        assert not compare([*begin, wrote, step()], [*there, *shown], [deviation]).failed
    # what is written as a whole is the same again
    wrote = step(raw=encode("csrrw", rs1=7, csr=0x243), csrs={"vstval": 5})
    assert compare([*begin, wrote, step()], [*there, *shown], [deviation]).failed
    # unless it is a value that differs
    read, its = step(raw=encode("csrrs", rd=7, csr=0x243), regs={7: 4}), step(regs={7: 0})
    assert not compare([*begin, read, wrote, step()], [*there, its, *shown], [deviation]).failed
    # and by a trap
    trap = step(trap=2, target=5, csrs={"vsepc": 0, "vscause": 2, "vstval": 7})
    assert compare([*begin, trap], [*there, step(trap=2, csrs={"vstval": 6})], [deviation]).failed


def test_memory_may_differ_for_a_while():
    load, store = encode("ld", rd=8, rs1=9), encode("sd", rs1=9, rs2=6)
    begin = [step(csrs={"mscratch": 3}), step(raw=encode("csrrs", rd=6, csr=0x340), regs={6: 3})]
    there = [step(csrs={"mscratch": 7}), step(regs={6: 7})]
    stored, its = step(raw=store, stores=(Store(16, 16, 3, 3),)), step(stores=(Store(16, 16, 3, 7),))
    loaded, its_load = step(raw=load, load=(16, 3), regs={8: 3}), step(regs={8: 7})
    result = compare([*begin, stored, loaded, step(regs={9: 1})], [*there, its, its_load, step(regs={9: 1})], [BIT])
    assert not result.failed and result.compared == 5 and result.ended_by is None
    # other memory, and the same after it was written again
    elsewhere = step(raw=load, load=(24, 3), regs={8: 3})
    again = step(raw=store, stores=(Store(16, 16, 3, 1),))
    assert compare([*begin, stored, elsewhere], [*there, its, its_load], [BIT]).failed
    assert compare([*begin, stored, again, loaded], [*there, its, again, its_load], [BIT]).failed
    # beyond a page, nobody knows where
    crossing = compare([*begin, step(raw=store, stores=(Store(4092, 4092, 3, 3),))],
                       [*there, step(stores=(Store(4092, 4092, 3, 7),))], [BIT])  # fmt: skip
    assert not crossing.failed and crossing.ended_by == "bit"


def test_what_depends_on_a_deviation_ends_the_comparison():
    branch = encode("beq", rs1=6, rs2=7, imm=8)
    store = encode("sd", rs1=7, rs2=6)
    begin = [step(csrs={"mscratch": 3}), step(raw=encode("csrrs", rd=6, csr=0x340), regs={6: 3})]
    there = [step(csrs={"mscratch": 7}), step(regs={6: 7})]
    jumped = compare([*begin, step(raw=branch), step(pc=8)], [*there, step(), step(pc=4)], [BIT])
    # which also holds of an instruction that gives the register a new value
    swap = step(raw=encode("amoswap.d", rd=6, rs1=7, rs2=6), regs={6: 0}, stores=(Store(4095, 4095, 3, 3),))
    swapped = compare([*begin, swap], [*there, step(regs={6: 0}, stores=(Store(4095, 4095, 3, 7),))], [BIT])
    # and where the reference does not tell what was stored
    untold = step(stores=(Store(4092, None, 3, None),))
    unknown = compare([*begin, step(raw=store, stores=(Store(4092, 4092, 3, 3),))], [*there, untold], [BIT])
    for result in (jumped, swapped, unknown):
        assert not result.failed and result.ended_by == "bit"


def test_counters_and_identity_are_not_compared():
    read = encode("csrrs", rd=6, csr=0xC00)
    assert not compare([step(raw=read, regs={6: 5})], [step(regs={6: 9})]).failed
    for address, failed in ((0x200_BFF8, False), (0x201_0000, True), (0x1000, False), (0x1_0000, True)):
        load = step(raw=encode("ld", rd=6, rs1=7), load=(address, 3), regs={6: 5})
        assert compare([load], [step(regs={6: 9})]).failed == failed


def test_a_sparse_reference_is_not_asked_about_traps():
    core = [step(csrs={"mepc": 4}), step(trap=2, tval=0, csrs={"mepc": 0x80000000, "mcause": 2, "mtval": 0})]
    reference = [step(csrs={"mepc": 4}), step(trap=2, tval=0)]
    assert not compare(core, reference, sparse=True).failed
    assert compare(core, [reference[0], step(trap=2, tval=8)], sparse=True).failed
