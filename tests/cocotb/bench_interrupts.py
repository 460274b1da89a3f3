"""Every interrupt in every mode, with every value of its bits of mideleg, hideleg and mie and of the three global
enables; and several at once, where priority decides."""

import itertools
import random
import zlib

import cocotb
import model
from checks import VGEIN, Report, Scenario, chosen
from model import MEI, MSI, MTI, SEI, SGEI, SSI, STI, VSEI, VSSI, VSTI

from entresol_sim.testbench import Testbench

ALL = ("M", "HS", "U", "VS", "VU")
NOW, NEVER = 0x1234_5678, (1 << 64) - 1
STCE = 1 << 63  # menvcfg and henvcfg: stimecmp and vstimecmp make STIP and VSTIP

#: Ways to make each interrupt pending: inputs and CSRs.  Guest external interrupt 2 is the one selected by VGEIN.
SOURCES: dict[int, tuple[tuple[dict[str, int], dict[str, int]], ...]] = {
    SSI: (({}, {"mip": 1 << SSI}),),
    MSI: (({"msi": 1}, {}),),
    STI: (({}, {"mip": 1 << STI}), ({"mtime": NOW}, {"menvcfg": STCE, "stimecmp": NOW})),
    MTI: (({"mti": 1}, {}),),
    SEI: (({"sei": 1}, {}), ({}, {"mip": 1 << SEI})),
    MEI: (({"mei": 1}, {}),),
    VSSI: (({}, {"hvip": 1 << VSSI}),),
    VSTI: (
        ({}, {"hvip": 1 << VSTI}),
        ({"mtime": NOW}, {"menvcfg": STCE, "henvcfg": STCE, "vstimecmp": NOW}),
    ),
    VSEI: (({}, {"hvip": 1 << VSEI}), ({"sgei": 0b10}, {"hstatus": 2 * VGEIN})),
    SGEI: (({"sgei": 0b01}, {"hgeie": 0b10}),),
}
CODE = "nop\nnop\nnop\nnop"


def bit(*codes: int) -> int:
    return sum(1 << code for code in codes)


def pend(codes, generator) -> tuple[dict[str, int], dict[str, int]]:
    """Inputs and CSRs that make interrupts pending, each in one of its ways."""
    inputs: dict[str, int] = {}
    csrs: dict[str, int] = {"menvcfg": 0, "henvcfg": 0, "htimedelta": 0, "stimecmp": NEVER, "vstimecmp": NEVER}
    for code in codes:
        lines, registers = generator.choice(SOURCES[code])
        for store, more in ((inputs, lines), (csrs, registers)):
            for name, value in more.items():
                held = store.get(name, 0)
                store[name] = value if name in ("mtime", "stimecmp", "vstimecmp") else held | value
    if csrs["menvcfg"]:  # then mip.STIP is the comparison alone
        csrs["mip"] = csrs.get("mip", 0) & ~bit(STI)
        if STI in codes:
            csrs["stimecmp"], inputs["mtime"] = NOW, NOW
    return inputs, csrs


async def one(bench, label, mode, codes, enables, mideleg, hideleg, mie) -> list[str]:
    generator = random.Random(zlib.crc32(label.encode()))
    inputs, csrs = pend(codes, generator)
    hstatus = csrs.pop("hstatus", 0)
    scenario = Scenario(bench, mode, generator, mideleg=mideleg, hideleg=hideleg, **csrs)
    # STIP can be written while STCE is 0 only, which the run before may have left at 1
    scenario.csrs = {"menvcfg": scenario.csrs["menvcfg"], **scenario.csrs, "mie": mie}
    scenario.csrs["hstatus"] |= hstatus
    for name, field in (("mstatus", model.MIE), ("mstatus", model.SIE), ("vsstatus", model.SIE)):
        scenario.csrs[name] &= ~field
    machine, supervisor, guest = enables
    scenario.csrs["mstatus"] |= machine * model.MIE | supervisor * model.SIE
    scenario.csrs["vsstatus"] |= guest * model.SIE
    outcome = await bench.run(mode, CODE, csrs=scenario.csrs, inputs=inputs)
    state = scenario.state(outcome.csrs, mip=bit(*codes))
    wrong = scenario.compare(outcome, state, model.interrupt(state), outcome.code)
    if outcome.csrs["mip"] != bit(*codes):
        wrong.append(f"mip is {outcome.csrs['mip']:#x}, expected {bit(*codes):#x}")
    if outcome.csrs["mie"] != mie:
        wrong.append(f"mie is {outcome.csrs['mie']:#x}, expected {mie:#x}")
    return wrong


@cocotb.test()
@cocotb.parametrize(mode=list(ALL))
async def interrupts_in(dut, mode):
    bench = await Testbench.start(dut)
    report = Report()
    flags = (0, 1)
    every = bit(*model.INTERRUPTS)
    for code, first, second, enabled, *enables in chosen(
        list(itertools.product(model.INTERRUPTS, flags, flags, flags, flags, flags, flags))
    ):
        label = f"{code} in {mode}, mideleg {first}, hideleg {second}, mie {enabled}, MIE, SIE, vsSIE {enables}"
        # the other interrupts' bits must not matter
        rest = every & ~bit(code) if zlib.crc32(label.encode()) & 1 else 0
        registers = [rest | flag << code for flag in (first, second, enabled)]
        report.add(label, await one(bench, label, mode, [code], enables, *registers))
    report.check()


@cocotb.test()
@cocotb.parametrize(mode=list(ALL))
async def priorities_in(dut, mode):
    """Each pair of interrupts, and larger sets, with all global enables on and delegations drawn."""
    bench = await Testbench.start(dut)
    report = Report()
    generator = random.Random(f"priorities in {mode}")
    sets = [list(pair) for pair in itertools.combinations(model.INTERRUPTS, 2)]
    sets += [generator.sample(model.INTERRUPTS, generator.randint(3, 10)) for _ in range(40)]
    for number, codes in enumerate(chosen(sets)):
        mideleg = generator.choice((0, bit(*model.INTERRUPTS), generator.getrandbits(13)))
        hideleg = generator.choice((0, bit(VSSI, VSTI, VSEI), generator.getrandbits(13)))
        label = f"{codes} in {mode}, mideleg {mideleg:#x}, hideleg {hideleg:#x} ({number})"
        report.add(label, await one(bench, label, mode, codes, (1, 1, 1), mideleg, hideleg, bit(*model.INTERRUPTS)))
    report.check()


@cocotb.test()
async def interrupt_between_instructions(dut):
    """An interrupt that arrives while a program runs is taken between two instructions: all before it have retired,
    and xepc is the first that has not."""
    bench = await Testbench.start(dut)
    report = Report()
    cases = [case for case in itertools.product(ALL, ("msi", "sei"), (1, 2, 3, 5)) if case[:2] != ("M", "sei")]
    for mode, line, after in chosen(cases):
        csrs = {"mie": bit(MSI, SEI), "mideleg": bit(SEI), "mstatus": model.MIE | model.SIE}
        count = 0

        def arrive(record, line=line, after=after):
            nonlocal count
            count += 1
            if count == after:
                bench.inputs(**{line: 1})

        outcome = await bench.run(mode, "1: addi a0, a0, 1\nj 1b", csrs=csrs, registers={"a0": 0}, on_retire=arrive)
        wrong = []
        trap, before = outcome.trap, outcome.retired
        taken = next((index for index, record in enumerate(before) if record.trap), None)
        if trap is None or taken is None or not trap.interrupt or trap.cause != (MSI if line == "msi" else SEI):
            wrong.append(f"trap {trap}")
        else:
            following = outcome.code + (4 if before[taken - 1].pc == outcome.code else 0)
            if trap.pc != following or outcome.csrs["mepc" if trap.handler == "M" else "sepc"] != following:
                wrong.append(f"{trap}, expected pc {following:#x}")
        report.add((mode, line, after), wrong)
    report.check()
