"""Mutants that no test can notice, each with the reason why."""

_SELECT = "privileged/interrupt_select.py InterruptSelect.elaborate: "

_REASONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "Equivalent: an interrupt that goes to a higher mode is chosen before what this term keeps out, because "
        "whenever HS-level interrupts can be taken M-level ones can, and whenever VS-level ones can HS-level ones can. "
        "The proof of `tests/formal/test_selection.py` holds for the mutant.",
        (
            f"{_SELECT}ready & self.mideleg -> ready",
            f"{_SELECT}ready & self.mideleg & self.hideleg -> ready & self.mideleg",
        ),
    ),
    (
        "Equivalent: VS-mode is everywhere refused together with VU-mode, or in addition to it.",
        ("privileged/legality.py Legality.elaborate: (self.mode.priv == Priv.S) & self.mode.v -> self.mode.v",),
    ),
    (
        "Equivalent: only entries of a first stage that translates are fractured. Their addresses are canonical, so "
        "that the two uppermost bits agree.",
        ("mmu/l2tlb.py L2Tlb.elaborate: self.key.addr[-1] -> the one after self.key.addr[-1]",),
    ),
)

#: Why no test notices a mutant, by its name.
EXPLAINED: dict[str, str] = {name: reason for reason, names in _REASONS for name in names}
