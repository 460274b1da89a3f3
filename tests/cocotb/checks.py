"""What the delegation benches share: the state before a run, the comparison with the model, the choice of cases."""

import os
import random

import model

#: Read-only fields of the status registers: SXL, UXL and VSXL are 2.
MSTATUS_XL, HSTATUS_XL, VSSTATUS_XL = 0xA << 32, 2 << 32, 2 << 32
HU, VGEIN = 1 << 9, 1 << 12
#: Values that trap registers have before a run; a trap writes those of its handler's mode and no others.
CANARIES = {
    "scause": 13, "sepc": 0x1110, "stval": 0x1111, "htval": 0x1112, "htinst": 0x3020,
    "vscause": 15, "vsepc": 0x2220, "vstval": 0x2221,
}  # fmt: skip
STATUS = model.MIE | model.SIE | model.SPIE | model.SPP


def chosen(cases: list) -> list:
    """All cases, or as many of them as ENTRESOL_CASES says, always the same."""
    limit = int(os.environ.get("ENTRESOL_CASES", "0"))
    return random.Random(0).sample(cases, limit) if 0 < limit < len(cases) else cases


class Scenario:
    """The CSRs of one run and the model's state that they make.

    The status bits that traps move, and which vectors are vectored, are drawn from `generator`.
    """

    def __init__(self, bench, mode: str, generator: random.Random, **csrs: int):
        self.bench, self.mode = bench, mode
        draw = generator.getrandbits
        self.csrs = {
            "mtvec": bench.vectors["M"] | draw(1),
            "stvec": bench.vectors["HS"] | draw(1),
            "vstvec": bench.vectors["VS"] | draw(1),
            "mstatus": draw(64) & STATUS,
            "hstatus": draw(64) & (model.H_GVA | model.H_SPV | model.H_SPVP) | HU,
            "vsstatus": draw(64) & (model.SIE | model.SPIE | model.SPP),
            "medeleg": 0, "mideleg": 0, "hedeleg": 0, "hideleg": 0, "mie": 0, "mip": 0, "hvip": 0, "hgeie": 0,
            "satp": 0, "vsatp": 0, "hgatp": 0,
            **CANARIES, **csrs,
        }  # fmt: skip

    def state(self, csrs: dict[str, int], **changes: int) -> model.State:
        """The state when the code begins; the delegation registers as they were read back."""
        fields = {
            # MRET leaves MPIE=1, MPP=U and MPV=0
            "mstatus": self.csrs["mstatus"] & ~(model.MPP | model.MPV) | model.MPIE | MSTATUS_XL,
            "hstatus": self.csrs["hstatus"] | HSTATUS_XL,
            "vsstatus": self.csrs["vsstatus"] | VSSTATUS_XL,
            "medeleg": csrs["medeleg"],
            "mideleg": csrs["mideleg"],
            "hedeleg": csrs["hedeleg"],
            "hideleg": csrs["hideleg"],
            "mie": self.csrs["mie"],
            "mip": 0,
        }
        tvec = {"M": self.csrs["mtvec"], "HS": self.csrs["stvec"], "VS": self.csrs["vstvec"]}
        return model.State(self.mode, **(fields | changes), tvec=tvec)

    def delegation(self, csrs: dict[str, int]) -> list[str]:
        """What is wrong with the delegation registers as they were read back."""
        wrong = []
        for name, ones, zeros, writable in (
            ("medeleg", 0, 1 << 11 | 1 << 16, 0),  # the rest is the implementation's choice
            ("hedeleg", 0, model.HEDELEG_ZERO, model.HEDELEG_WRITABLE),
            ("mideleg", model.MIDELEG_ONES, 0, 0),
            ("hideleg", 0, 0xFFFF & ~model.HIDELEG_WRITABLE, model.HIDELEG_WRITABLE),
        ):
            got, wrote = csrs[name], self.csrs[name]
            if got & zeros or ~got & ones or (got ^ wrote) & writable or got & ~(wrote | ones):
                wrong.append(f"{name} reads as {got:#x} after {wrote:#x} was written")
        return wrong

    def compare(self, outcome, state: model.State, event: model.Event | None, epc: int) -> list[str]:
        """The differences between what happened and what the model says; `event` is None where nothing traps."""
        wrong = self.delegation(outcome.csrs)
        trap = outcome.trap
        if event is None or trap is None:
            if (event is None) != (trap is None):
                wrong.append(f"trap {trap}, expected {event}")
            return wrong
        target = model.handler(state, event)
        written = model.entry(state, event, epc)
        expected = CANARIES | written
        got = dict(outcome.csrs)
        if target != "M":
            # the way back to M-mode wrote M's fields; of these MIE, now MPIE, is still to be seen
            ours = model.SIE | model.SPIE | model.SPP
            expected["mstatus"] = expected["mstatus"] & ours | (model.MPIE if state.mstatus & model.MIE else 0)
            got["mstatus"] &= ours | model.MPIE
        pairs = {name: (got[name], value) for name, value in expected.items()}
        pairs |= {
            "handler": (trap.handler, target),
            "origin": (trap.origin, self.mode),
            "vector": (trap.vector, model.vector(state, target, event)),
            "retire port: interrupt": (trap.interrupt, event.interrupt),
            "retire port: cause": (trap.cause, event.cause),
            "retire port: tval": (trap.tval, event.tval),
            "retire port: pc": (trap.pc, epc),
        }
        for name, (value, right) in pairs.items():
            if value != right:
                shown = [f"{item:#x}" if type(item) is int else str(item) for item in (value, right)]
                wrong.append(f"{name} is {shown[0]}, expected {shown[1]}")
        return wrong


class Report:
    """Collects what is wrong, so that one difference does not hide the others."""

    def __init__(self):
        self.lines: list[str] = []
        self.failed = self.runs = 0

    def add(self, case: object, wrong: list[str]) -> None:
        self.runs += 1
        self.failed += bool(wrong)
        if wrong and self.failed <= 8:
            self.lines.append(f"{case}: " + "; ".join(wrong))

    def check(self) -> None:
        assert self.runs
        assert not self.failed, f"{self.failed} of {self.runs} runs differ:\n" + "\n".join(self.lines)
