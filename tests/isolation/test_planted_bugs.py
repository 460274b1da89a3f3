"""The isolation bugs of docs/developer/isolation.md, built in one at a time: their tests notice each."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WALKS = "tests/unit/mmu/test_walks.py::"
PRIVILEGED = "tests/unit/privileged/"


@dataclass(frozen=True)
class Bug:
    """`test` fails when `right`, which is once in `file`, is replaced by `wrong`."""

    name: str
    file: str
    right: str
    wrong: str
    test: str


BUGS = (
    Bug("HLV: entries of both virtualization modes match", "mmu/tlb.py",
        "(owner_i.as_value() == owner) & (tag",
        "((owner_i.as_value() == owner) | (owner_i != Class.M) & (owner != Class.M)) & (tag",
        WALKS + "test_hlv_leaves_no_state_behind"),
    Bug("HLV: SUM of either level counts", "mmu/permissions.py",
        "Mux(mode.v, ctx.vsum, ctx.sum)", "(ctx.vsum | ctx.sum)", WALKS + "test_hlv_leaves_no_state_behind"),
    Bug("fetch walk with the V of a data access", "mmu/walker.py",
        "v = asked.mode.v if", "v = Mux(self.d_valid, self.d_asked.mode.v, asked.mode.v) if",
        WALKS + "test_fetch_walk_during_hlv_uses_its_own_stage"),
    Bug("tables want the access's own permission", "mmu/walker.py",
        "(purpose == Implicit.WRITE) | (purpose == Implicit.NONE) & (asked.access == Access.STORE)",
        "asked.access == Access.STORE", WALKS + "test_store_through_read_only_table_page"),
    Bug("guest page fault as access fault", "mmu/walker.py",
        "refuse(Mux(stage2, Refusal.GUEST_PAGE, Refusal.PAGE))\n                with m.Elif(~is_leaf):",
        "refuse(Mux(stage2, Mux(purpose == Implicit.NONE, Refusal.GUEST_PAGE, Refusal.ACCESS), Refusal.PAGE))\n"
        "                with m.Elif(~is_leaf):",
        WALKS + "test_guest_page_fault_on_table"),
    Bug("access fault as guest page fault", "mmu/walker.py",
        "self.ptw_error)):\n                        refuse(Refusal.ACCESS)",
        "self.ptw_error)):\n                        refuse(Mux(s2, Refusal.GUEST_PAGE, Refusal.ACCESS))",
        WALKS + "test_access_fault_on_table_is_not_a_guest_page_fault"),
    Bug("hgatp with an unsupported MODE is dropped", "isa/csrs.py",
        'self.atp("x4", Otherwise.KEEP)', 'self.atp("x4", Otherwise.DROP)',
        PRIVILEGED + "test_csr_values.py::test_modes_of_translation"),
    Bug("hgatp takes an unsupported MODE", "isa/csrs.py",
        "4, legal=modes, otherwise=otherwise))\n        return", "4))\n        return",
        PRIVILEGED + "test_csr_values.py::test_modes_of_translation"),
    Bug("hedeleg without illegal instructions", "isa/csrs.py",
        "for bit in (0, 1, 2, 3,", "for bit in (0, 1, 3,", PRIVILEGED + "test_csr_values.py::test_ones_and_zeros"),
    Bug("htval is the table's page", "mmu/walker.py",
        "self.fault.gpa.eq(gpa)", "self.fault.gpa.eq(Mux(purpose == Implicit.NONE, gpa, gpa & ~0xFFF))",
        WALKS + "test_guest_page_fault_on_table"),
    Bug("VGEIN selects the next guest's interrupt", "privileged/csr_file.py",
        "pending = Cat(C(0, 1), self.sgei)", "pending = self.sgei",
        PRIVILEGED + "test_interrupts.py::test_guest_external_interrupts"),
    Bug("hgeie keeps an interrupt from its guest", "privileged/csr_file.py",
        "pending = Cat(C(0, 1), self.sgei)", 'pending = Cat(C(0, 1), self.sgei & self._store["hgeie.value"])',
        PRIVILEGED + "test_interrupts.py::test_guest_external_interrupts"),
    Bug("SGEIP shows interrupts that hgeie does not select", "privileged/csr_file.py",
        '(self.sgei & self._store["hgeie.value"]).any()', "self.sgei.any()",
        PRIVILEGED + "test_interrupts.py::test_guest_external_interrupts"),
)  # fmt: skip


def planted(bug: Bug) -> str:
    """The text of the file with the bug."""
    text = (ROOT / "hdl/entresol" / bug.file).read_text()
    assert text.count(bug.right) == 1, f"{bug.file} has changed: say anew how to build in {bug.name!r}"
    return text.replace(bug.right, bug.wrong)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_can_be_planted(bug):
    compile(planted(bug), bug.file, "exec")


@pytest.mark.nightly
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_is_noticed(bug, tmp_path):
    shutil.copytree(ROOT / "hdl", tmp_path / "hdl", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "hdl/entresol" / bug.file).write_text(planted(bug))
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", bug.test,
               "-o", f"pythonpath={tmp_path / 'hdl'} sim boards"]  # fmt: skip
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == pytest.ExitCode.TESTS_FAILED, result.stdout
    assert "AssertionError" in result.stdout or "assert " in result.stdout, result.stdout
