"""Mutants that no test can notice, each with the reason why."""

_SELECT = "privileged/interrupt_select.py InterruptSelect.elaborate: "
_COMMIT = "privileged/commit.py Commit.elaborate: "

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
    (
        "Equivalent: what is probed beyond the last level, or where nothing from the second level is to be used, is "
        "answered after the state has been left, and cancelled.",
        (
            "mmu/walker.py Walker.elaborate: l2.probe_en.eq((probe_level <= limit) & ~careful) -> l2.probe_en.eq(-1)",
            "mmu/walker.py Walker.elaborate: (probe_level <= limit) & ~careful -> (probe_level <= limit) | ~careful",
        ),
    ),
    (
        "Right, but a waste of entries: the second level would keep 4 KiB pieces of large pages as well, marked as "
        "fractured like all pieces, so that fences reach them.",
        ("mmu/walker.py Walker.elaborate: final.fill.large -> the field after final.fill.large",),
    ),
    (
        "Right, but slower: reading a PMP register would empty the TLBs, as writing it has to.",
        (f"{_COMMIT}csr_writes & csr.csr_fence -> csr.csr_fence",),
    ),
    (
        "Equivalent: what has been probed after the entry that serves is answered while nobody looks.",
        ("mmu/walker.py Walker.elaborate: l2.cancel.eq(1) -> l2.cancel.eq(0) #2",),
    ),
    (
        "Equivalent: fences by ASID or VMID reach the translations of all, and no part looks at the number.",
        (f"{_COMMIT}self.fence.id.eq(i.id) -> self.fence.id.eq(0)",),
    ),
    (
        "Right: each page of a NAPOT range has its own entry, and a fence by address concerns that of the address "
        "alone. The core removes what it has of the others, too.",
        ("mmu/walker.py Walker.elaborate: (level != 0) | pte.n -> level != 0",),
    ),
    (
        "Equivalent: the entry for one repetition only is gone before another is filled, since every fill is asked for "
        "by a lookup, and the first lookup ends it.",
        ("mmu/tlb.py L1Tlb.elaborate: m.If(slot == 0) -> always",),
    ),
    (
        "Equivalent: MRET does not exist where V = 1.",
        ("privileged/csr_file.py CsrFile._xret: self.xret_valid & ~is_mret -> self.xret_valid #2",),
    ),
    (
        "Right, but a waste of entries: the second level would keep root tables, too, under the level after the "
        "greatest: of Sv39 none is looked for there; of Sv48 it is level 0, below which the root's own entry is read.",
        ("mmu/walker.py Walker.elaborate: ~table_known & ~cached & (level != top) -> ~table_known & ~cached",),
    ),
)

#: Why no test notices a mutant, by its name.
EXPLAINED: dict[str, str] = {name: reason for reason, names in _REASONS for name in names}
