"""No access of a guest and no walk for one leaves what the G-stage's tables grant it."""

import pytest
from isolation import Isolation
from l1_tlb import Alone
from planting import Bug

from entresol.config import CONFIGS
from entresol.mmu.l2tlb import L2Tlb
from entresol.mmu.mmu import Mmu
from entresol.mmu.tlb import L1Tlb
from entresol.mmu.walker import Walker

BUGS = {
    "lookups_forget_v": Bug(
        L1Tlb, "owner.eq(address_space(self.lookup))",
        "owner.eq(Mux(self.lookup.mode.priv == Priv.M, Class.M, Class.V0))", "dtlb_matched"),
    "fills_take_v_for_granted": Bug(
        L1Tlb, "owner_i.eq(address_space(self.asked))", "owner_i.eq(Class.V1)", "dtlb_owner1"),
    "l1_of_another_guest": Bug(Mmu, "current[v].eq(held[v] == now[v])", "current[v].eq(1)", "dtlb_matched"),
    "l2_forgets_v": Bug(
        L2Tlb, "candidate.space.as_value()[:3] == self.space.as_value()[:3]",
        "candidate.space.s1 == self.space.s1", "answer"),
    "l2_forgets_vmid": Bug(L2Tlb, "candidate.space.vmid == self.space.vmid,", "1,", "answer"),
    "l2_write_of_wrong_kind": Bug(Walker, "l2.key.gstage.eq(stage2)", "l2.key.gstage.eq(0)", "l2_way0"),
    "l2_write_at_wrong_level": Bug(Walker, "l2.key.level.eq(level + 1)", "l2.key.level.eq(level)", "l2_way0"),
    "vs_superpages_untranslated": Bug(
        Walker, "with m.Elif(~stage2 & s2):", "with m.Elif(~stage2 & s2 & ~leaf.large):", "finish"),
    "superpage_offset_too_wide": Bug(
        Walker, "leaf_address[12 : 12 + 9 * i].eq(address[12 : 12 + 9 * i])",
        "leaf_address[12 : 21 + 9 * i].eq(address[12 : 21 + 9 * i])", "finish"),
    "misaligned_superpages": Bug(Walker, "misaligned.eq(1)", "misaligned.eq(0)", "leaf"),
    "gstage_without_u": Bug(Walker, "Mux(pte.u, needs.may_u, needs.may_not_u)", "1", "finish"),
    "gstage_needs_no_u": Bug(Walker, "~stage2 & user_allowed(0, 1", "user_allowed(0, 1", "needs"),
    "walks_begin_without_gstage": Bug(Walker, "s2.eq(begins_s2)", "s2.eq(0)", "walk_stages"),
    "walks_begin_outside": Bug(Walker, "va_ok.eq(begins_ok)", "va_ok.eq(1)", "walk_may_begin"),
    "gstage_rights_forgotten": Bug(
        Walker, "fold(leaf1, leaf2, s1,", "fold(leaf1, leaf1, s1,", "fill"),
    "vs_tables_without_w": Bug(
        Walker, "with m.Elif(s2 & ~stage2 & ~writable):", "with m.Elif(0):", "update_allowed"),
    "walks_outlive_hgatp": Bug(
        Walker, "live.eq(alive & wanted & ~self.fence_waits)", "live.eq(alive & ~self.fence_waits)", "table"),
    "updates_of_the_page_number": Bug(
        Walker, "updated.a.eq(1)", "updated.ppn.eq(pa[12:])", "update"),
    "fills_leave_the_old_entry": Bug(L1Tlb, "match_q & (index_q == i)", "0", "apart1_0"),
    "large_fills_leave_what_they_overlap": Bug(
        L1Tlb, "Mux(self.fill.fill.large, overlap_q[i], match_q", "Mux(0, 0, match_q", "apart1_0"),
    "offsets_of_the_next_lookup": Bug(
        L1Tlb, "Cat(self.asked.vaddr[:12], page)", "Cat(self.lookup.vaddr[:12], page)", "answers_stay"),
}
NEEDS_SVADU = ("update", "update_allowed")
OF_ONE_TLB = ("apart1_0", "answers_stay")
QUICK = ("lookups_forget_v", "l2_forgets_vmid", "vs_superpages_untranslated")


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=() if name == "linux" else pytest.mark.nightly) for name in CONFIGS])
def test_guests_are_isolated(name, proven):
    what = "no access of a guest, nor a walk for one, leaves what the G-stage grants it"
    proven(what, Isolation(CONFIGS[name]), name, induction=True)


@pytest.mark.parametrize("name, number", [
    pytest.param(name, number, marks=() if name == "linux" else pytest.mark.nightly)
    for name in CONFIGS for number in sorted({CONFIGS[name].itlb_entries, CONFIGS[name].dtlb_entries})])
def test_one_entry_answers(name, number, proven):
    what = f"at most one of the {number} entries of an L1 TLB answers, and answers stay"
    proven(what, Alone(CONFIGS[name], number), name, induction=True)


@pytest.mark.parametrize("bug", [
    pytest.param(bug, marks=() if bug in QUICK else pytest.mark.nightly) for bug in BUGS])
def test_bugs_are_found(bug, monkeypatch):
    claim = BUGS[bug].claim

    def design():
        if claim in OF_ONE_TLB:
            return Alone(CONFIGS["small"], 4)
        return Isolation(CONFIGS["linux" if claim in NEEDS_SVADU else "small"])

    BUGS[bug].is_found(monkeypatch, design, induction=True)
