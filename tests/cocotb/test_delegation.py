"""Delegation of traps, on the Verilog of the core, with cocotb."""

import dataclasses
from pathlib import Path

import pytest

from entresol.config import get_config
from entresol_sim import testbench
from entresol_sim.testbench.run import missing

#: The smallest core with everything that delegation involves.
SMALL = get_config("small")
CONFIG = dataclasses.replace(
    SMALL, name="delegation", extensions=SMALL.extensions | {"sstc"}, geilen=2, pmp_entries=0, l2tlb_entries=32,
    itlb_entries=2, dtlb_entries=2, btb_entries=16, bht_entries=64, ras_entries=2,
)  # fmt: skip
#: Runs in each test function: all, or as many as Icarus does in reasonable time.
ALL, FEW = "0", "6"
WHERE = [("verilator", ALL), ("icarus", FEW)]


def simulate(monkeypatch, module, simulator, cases, config=CONFIG, testcase=None):
    if problem := missing(simulator):
        pytest.skip(problem)
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    environment = {"ENTRESOL_CASES": cases}
    testbench.run(module, simulator=simulator, config=config, environment=environment, testcase=testcase).check()


@pytest.mark.rule(
    "H_trap_deleg", "H_trap_m_csrwrites", "H_trap_hs_csrwrites", "H_trap_vs_csrwrites", "hedeleg_op", "hedeleg_acc",
    "medeleg_when_rd0", "medeleg_16_no_rd0", "medeleg_no_rd1", "trap_def_M_mode", "trap_never_trans_lower",
    "trap_horiz", "trap_del_S_mode_op", "hstatus_spv_op", "hstatus_spvp_op", "hstatus_gva_op", "mstatus_mpv_op",
    "mstatus_gva_op", "htval_op", "mtval2_op", "HTVAL_TRAPVAL", "MTVAL2_TRAPVAL", "htinst_op", "mtinst_op",
    "H_trap_xtinst", "H_trap_xtinst_val", "H_trap_xtinst_exception", "H_trap_xtinst_guestpage",
    "mtval2_htval_virtaddr", "H_virtinst_xtval", "H_virtinst_vu_vs_hinst", "H_virtinst_vu_sret_sfence",
    "H_virtinst_vu_wfi_tw0", "H_cause_ecall", "mstatus_xie_trap_op", "mstatus_xpie_trap_op", "mstatus_xpp_trap_op",
    "sepc_op_trap_write", "mepc_op", "mtvec_mode_direct_op", "shtvala_htval_faulting_gpa",
)  # fmt: skip
@pytest.mark.parametrize("simulator, cases", WHERE)
def test_exceptions(monkeypatch, simulator, cases):
    simulate(monkeypatch, "bench_exceptions", simulator, cases)


@pytest.mark.rule(
    "H_trap_deleg", "H_trap_m_csrwrites", "H_trap_hs_csrwrites", "H_trap_vs_csrwrites", "hideleg_op", "hideleg_acc",
    "hideleg_trans", "hideleg_hs", "mideleg_acc_h", "mideleg_no_rd1", "trap_del_intr_priv_lvl",
    "mstatus_xie_intr_en_dis", "s_interrupt_priority", "mtvec_mode_vectored_op", "H_trap_xtinst_interrupt",
    "hip_vssip_vssie_op", "hip_vstip_vstie_op", "hip_vseip_vseie_op", "hip_sgeip_sgeie_op", "hgeie_op",
)  # fmt: skip
@pytest.mark.parametrize("simulator, cases", WHERE)
def test_interrupts(monkeypatch, simulator, cases):
    simulate(monkeypatch, "bench_interrupts", simulator, cases)


#: Every test function, for each mode: some minutes each under Icarus.
PARTS = [
    *((module, f"{function}/mode={mode}")
      for module, function in (("bench_exceptions", "exceptions_from"), ("bench_interrupts", "interrupts_in"),
                               ("bench_interrupts", "priorities_in"))
      for mode in ("M", "HS", "U", "VS", "VU")),
    ("bench_interrupts", "interrupt_between_instructions"),
]  # fmt: skip


@pytest.mark.nightly
@pytest.mark.parametrize("module, testcase", PARTS, ids=[name for _, name in PARTS])
def test_everything_on_icarus(monkeypatch, module, testcase):
    simulate(monkeypatch, module, "icarus", ALL, testcase=testcase)


@pytest.mark.nightly
def test_exceptions_without_compressed_instructions(monkeypatch):
    """Then instruction addresses can be misaligned."""
    simulate(monkeypatch, "bench_exceptions", "verilator", ALL, CONFIG.without("c"))
