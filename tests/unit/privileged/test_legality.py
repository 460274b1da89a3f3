"""Which SYSTEM instructions may be executed: exhaustively, against the text's sentences."""

import itertools

import pytest
from amaranth.sim import Simulator

from entresol.isa.control import SysOp
from entresol.isa.privilege import Priv
from entresol.privileged.legality import Legality

MODES = {"U": (Priv.U, 0), "HS": (Priv.S, 0), "M": (Priv.M, 0), "VU": (Priv.U, 1), "VS": (Priv.S, 1)}
FLAGS = ("tvm", "tw", "tsr", "vtvm", "vtw", "vtsr", "hu")


def expected(op, mode, s):
    """"ok", "illegal" or "virtual", sentence by sentence."""
    if mode == "M":
        return "ok"
    if op == "MRET":
        return "illegal"
    if op == "SRET":
        return {"U": "illegal", "HS": "illegal" if s["tsr"] else "ok", "VU": "virtual",
                "VS": "virtual" if s["vtsr"] else "ok"}[mode]
    if op == "WFI":
        if mode == "U" or s["tw"]:
            return "illegal"
        return {"HS": "ok", "VU": "virtual", "VS": "virtual" if s["vtw"] else "ok"}[mode]
    if op in ("SFENCE_VMA", "SINVAL_VMA"):
        return {"U": "illegal", "HS": "illegal" if s["tvm"] else "ok", "VU": "virtual",
                "VS": "virtual" if s["vtvm"] else "ok"}[mode]
    if op in ("SFENCE_W_INVAL", "SFENCE_INVAL_IR"):
        return {"U": "illegal", "HS": "ok", "VU": "virtual", "VS": "ok"}[mode]
    if op in ("HFENCE_VVMA", "HINVAL_VVMA"):
        return {"U": "illegal", "HS": "ok", "VU": "virtual", "VS": "virtual"}[mode]
    if op in ("HFENCE_GVMA", "HINVAL_GVMA"):
        return {"U": "illegal", "HS": "illegal" if s["tvm"] else "ok", "VU": "virtual", "VS": "virtual"}[mode]
    return "ok"  # ECALL, EBREAK, FENCE, FENCE.I, and WRS, which never waits long


def outcome(illegal, virtual):
    assert not (illegal and virtual)
    return "illegal" if illegal else "virtual" if virtual else "ok"


@pytest.mark.rule(
    "hstatus_vtsr_op", "hstatus_vtw_op", "VTW_VIRTINSTR", "hstatus_vtvm_op", "hstatus_hu_op", "hlsv_mode",
    "hlsv_virtinst", "hlsv_illegalinst", "hfence-vvma_mode", "hfence-vvma_tvm", "hfence-vvma_hfence-gvma_exceptions",
    "H_virtinst_vu_vs_hinst", "H_virtinst_vu_wfi_tw0", "H_virtinst_vu_sret_sfence", "H_virtinst_wfi_vtw1_tw0",
    "H_virtinst_vs_sret_vtsr1", "H_virtinst_vs_sfence_sinval_satp_vtvm1", "mstatus_modes", "mstatus_tvm_hs",
    "MSTATUS_TVM_WARL", "mstatus_tvm_op", "mstatus_tw_op", "mstatus_tw_umode_op", "mstatus_tsr_op",
    "sret_ill_inst_exc_rst", "sret_in_M_mode", "mret_in_S_mode", "mret_in_U_mode", "sret_in_U_mode",
    "Svinval_illegal_instruction_u_mode", "Svinval_illegal_instruction_tvm", "Svinval_virtual_instruction_vu_vs",
    "Svinval_virtual_instruction_vtvms", "Svinval_sfence_w_inval_inval_u_mode", "Svinval_sfence_w_inval_inval_vu_mode",
    "Svinval_sfence_w_inval_inval_s_vs_mode", "MSTATUS_TW_TIME_LIMIT", "MSTATUS_TW_ALWAYS_ILLEGAL",
    "wfi_all_privileged_modes", "WFI_OPT_U_MODE", "wfi_ill_exc",
)
def test_every_instruction_in_every_mode():
    dut = Legality()

    async def testbench(ctx):
        for values in itertools.product((0, 1), repeat=len(FLAGS)):
            state = dict(zip(FLAGS, values, strict=True))
            for name, value in state.items():
                ctx.set(getattr(dut, name), value)
            for mode, (priv, v) in MODES.items():
                ctx.set(dut.mode, {"priv": priv, "v": v})
                for op in SysOp:
                    ctx.set(dut.op, op)
                    got = outcome(ctx.get(dut.sys_illegal), ctx.get(dut.sys_virtual))
                    assert got == expected(op.name, mode, state), (op, mode, state)
                hlsv = outcome(ctx.get(dut.hlsv_illegal), ctx.get(dut.hlsv_virtual))
                assert hlsv == {"M": "ok", "HS": "ok", "U": "ok" if state["hu"] else "illegal", "VS": "virtual",
                                "VU": "virtual"}[mode]

    sim = Simulator(dut)
    sim.add_testbench(testbench)
    sim.run()
