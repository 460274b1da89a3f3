"""No access of a guest and no walk for one leaves what the G-stage's tables grant it."""

import inspect
import textwrap

import pytest
from isolation import Isolation
from prove import Refuted, prove

from entresol.config import CONFIGS
from entresol.mmu.l2tlb import L2Tlb
from entresol.mmu.mmu import Mmu
from entresol.mmu.tlb import L1Tlb
from entresol.mmu.walker import Walker

BUGS = {
    "lookups_forget_v": (
        L1Tlb, "owner.eq(address_space(self.lookup))",
        "owner.eq(Mux(self.lookup.mode.priv == Priv.M, Class.M, Class.V0))", "dtlb_matched"),
    "fills_take_v_for_granted": (
        L1Tlb, "owner_i.eq(address_space(self.asked))", "owner_i.eq(Class.V1)", "dtlb_owner1"),
    "fills_leave_the_old_entry": (L1Tlb, "match_q & (index_q == i)", "0", "dtlb_alone1"),
    "l1_of_another_guest": (Mmu, "current[v].eq(held[v] == now[v])", "current[v].eq(1)", "dtlb_matched"),
    "l2_forgets_v": (
        L2Tlb, "candidate.space.as_value()[:3] == self.space.as_value()[:3]",
        "candidate.space.s1 == self.space.s1", "answer"),
    "l2_forgets_vmid": (L2Tlb, "candidate.space.vmid == self.space.vmid,", "1,", "answer"),
    "l2_write_of_wrong_kind": (Walker, "l2.key.gstage.eq(stage2)", "l2.key.gstage.eq(0)", "l2_way0"),
    "l2_write_at_wrong_level": (Walker, "l2.key.level.eq(level + 1)", "l2.key.level.eq(level)", "l2_way0"),
    "vs_superpages_untranslated": (
        Walker, "with m.Elif(~stage2 & s2):", "with m.Elif(~stage2 & s2 & ~leaf.large):", "finish"),
    "superpage_offset_too_wide": (
        Walker, "leaf_address[12 : 12 + 9 * i].eq(address[12 : 12 + 9 * i])",
        "leaf_address[12 : 21 + 9 * i].eq(address[12 : 21 + 9 * i])", "finish"),
    "misaligned_superpages": (Walker, "misaligned.eq(1)", "misaligned.eq(0)", "leaf"),
    "gstage_without_u": (Walker, "Mux(stage2, pte.u, user_allowed", "Mux(stage2, 1, user_allowed", "finish"),
    "gstage_rights_forgotten": (
        Walker, "fold(leaf1, leaf2, s1,", "fold(leaf1, leaf1, s1,", "dtlb_word"),
    "vs_tables_without_w": (
        Walker, "with m.Elif(s2 & ~stage2 & ~writable):", "with m.Elif(0):", "update_allowed"),
    "walks_outlive_hgatp": (
        Walker, "live.eq(alive & wanted & ~self.fence_likely)", "live.eq(alive & ~self.fence_likely)", "table"),
    "updates_of_the_page_number": (
        Walker, "updated.a.eq(1)", "updated.ppn.eq(pa[12:])", "update"),
}
NIGHTLY = ("linux", "max")
NEEDS_SVADU = ("update", "update_allowed")
QUICK = ("lookups_forget_v", "l2_forgets_vmid", "vs_superpages_untranslated")


@pytest.mark.parametrize("name", ["small", *(pytest.param(name, marks=pytest.mark.nightly) for name in NIGHTLY)])
def test_guests_are_isolated(name, proven):
    what = "no access of a guest, nor a walk for one, leaves what the G-stage grants it"
    proven(what, Isolation(CONFIGS[name]), name, induction=True)


@pytest.mark.parametrize("bug", [
    pytest.param(bug, marks=() if bug in QUICK else pytest.mark.nightly) for bug in BUGS])
def test_bugs_are_found(bug, monkeypatch):
    component, right, wrong, claim = BUGS[bug]
    source = textwrap.dedent(inspect.getsource(component.elaborate))
    assert source.count(right) == 1, f"{component.__name__} does not say {right!r} once"
    namespace = dict(vars(inspect.getmodule(component)))
    exec(source.replace(right, wrong), namespace)
    monkeypatch.setattr(component, "elaborate", namespace["elaborate"])
    with pytest.raises(Refuted, match=f"refuted: {claim}\n"):
        prove(Isolation(CONFIGS["linux" if claim in NEEDS_SVADU else "small"]), induction=True, only=claim)
