"""The command line: bad input gives one line and status 2."""

import os
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from entresol_sim import cli
from entresol_sim.simulator import Simulator


def _elf_module():
    spec = spec_from_file_location("test_elf", Path(__file__).with_name("test_elf.py"))
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def no_model(monkeypatch):
    """Mistakes are found before a model is built."""

    def build(self):
        raise AssertionError("a model is built")

    monkeypatch.setattr(Simulator, "build", build)


@pytest.fixture
def program(tmp_path):
    elf = _elf_module()
    path = tmp_path / "program.elf"
    path.write_bytes(elf.elf([(elf.BASE, bytes(64), 64)], [("begin_signature", elf.BASE), ("end_signature", 0)]))
    return str(path)


def refused(capsys, *arguments) -> str:
    """The line that the command prints."""
    try:
        status = cli.main(arguments)
    except SystemExit as error:
        status = error.code
    captured = capsys.readouterr()
    assert status == 2
    assert captured.out == ""
    assert captured.err.count("\n") == 1 and captured.err.startswith("entresol")
    return captured.err


@pytest.mark.parametrize(
    "options, message",
    [
        (["--config", "huge"], "choose one of small, linux"),
        (["--ram", "3"], "multiple of 4096"),
        (["--ram", "4G"], "up to 2048M"),
        (["--ram", "64X"], "write 64M"),
        (["--max-cycles", "0"], "at least 1"),
        (["--max-cycles", "many"], "no number"),
        (["--mtime-div", "0"], "at least 1"),
        (["--watchdog", "-1"], "at least 0"),
        (["--load", "/etc/hostname"], "has no address"),
        (["--load", "/no/such@0x80100000"], "cannot be read"),
        (["--load", "program@here"], "'here'"),
        (["--dtb", "/etc/passwd"], "no device tree blob"),
        (["--trace-from", "5"], "without --trace"),
        (["--trace", "x.vcd", "--trace-from", "5", "--trace-to", "4"], "exchange them"),
        (["--trace", "x.vcd", "--trace-to", "4", "--backend", "amaranth"], "traces all cycles"),
        (["--signature-granularity", "8"], "without --signature"),
        (["--signature", "x"], "not in RAM"),
        (["--stats", "/no/such/place"], "choose another --stats"),
        (["--commit-log", "/no/such/place"], "choose another --commit-log"),
        (["--trace", "/no/such/place"], "choose another --trace"),
        (["--stats", "same", "--commit-log", "same"], "name the same file"),
        (["--frobnicate"], "unrecognized arguments"),
    ],
)
def test_run(capsys, monkeypatch, tmp_path, program, options, message):
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, "run", program, *options)


def test_missing_file(capsys):
    assert "check the path" in refused(capsys, "run", "/no/such/file.elf")


def test_no_symbols(capsys, tmp_path):
    elf = _elf_module()
    path = tmp_path / "program.elf"
    path.write_bytes(elf.elf([(elf.BASE, bytes(64), 64)]))
    assert "leave out --signature" in refused(capsys, "run", str(path), "--signature", str(tmp_path / "x"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write everywhere")
def test_unwritable(capsys, tmp_path, program):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    assert "Permission denied" in refused(capsys, "run", program, "--stats", str(locked / "x"))


def test_unusable_cache(capsys, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("ENTRESOL_CACHE", str(tmp_path / "file"))
    assert "set ENTRESOL_CACHE" in refused(capsys, "verilog", "-o", str(tmp_path / "out.v"))


@pytest.mark.parametrize("arguments", [[], ["frobnicate"], ["verilog"], ["verilog", "-o", "/no/such/place"],
                                       ["dts", "--blob"], ["dts", "--config", "huge"], ["info", "x"]])  # fmt: skip
def test_usage(capsys, arguments):
    refused(capsys, *arguments)


@pytest.mark.parametrize("command", [[], *([name] for name in cli.COMMANDS)])
def test_help(capsys, command):
    with pytest.raises(SystemExit) as exit:
        cli.main([*command, "--help"])
    assert exit.value.code == 0
    assert len(capsys.readouterr().out) > 300


def test_info(capsys):
    assert cli.main(["info", "--config", "small"]) == 0
    output = capsys.readouterr().out
    assert "rv64imach_" in output
    assert "1.0   ratified  hypervisor" in output
    assert "0x0080000000" in output


def test_dts(capsys, tmp_path):
    assert cli.main(["dts", "--ram", "64M"]) == 0
    assert "reg = <0 0x80000000 0 0x4000000>" in capsys.readouterr().out
    blob = tmp_path / "x.dtb"
    assert cli.main(["dts", "--blob", "--output", str(blob)]) == 0
    assert blob.read_bytes()[:4] == b"\xd0\x0d\xfe\xed"


def test_verilog_for_event_driven_simulators(capsys, tmp_path):
    path = tmp_path / "core.v"
    assert cli.main(["verilog", "--config", "small", "--event-driven", "-o", str(path)]) == 0
    text = path.read_text()
    assert "module entresol_core(" in text and "always @(posedge clk)" in text
    assert "always_comb" not in text and "always @*" not in text


@pytest.mark.parametrize("command", [["run"], ["lockstep"], ["build", "ulx3s-85f"]])
def test_files_may_follow_options(command, program, capsys):
    files = [] if command[0] == "build" else [program]
    error = refused(capsys, *command, *files, "--config", "small", "missing.elf")
    assert "missing.elf" in error and "unrecognized" not in error
