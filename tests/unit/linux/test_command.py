"""The command line: bad input gives one line and status 2."""

import pytest

from entresol_sim import cli
from entresol_sim.errors import UserError
from entresol_sim.linux import boot as boot_module
from entresol_sim.simulator import Simulator


@pytest.fixture(autouse=True)
def surroundings(tmp_path, monkeypatch):
    """Mistakes are found before a model is built."""

    def build(self):
        raise AssertionError("a model is built")

    monkeypatch.setattr(Simulator, "build", build)
    monkeypatch.setenv("ENTRESOL_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fw.bin").write_bytes(bytes(64))
    header = bytes(16) + (40 << 20).to_bytes(8, "little") + bytes(32) + b"RSC\x05" + bytes(8)
    (tmp_path / "Image").write_bytes(header)
    (tmp_path / "small").write_bytes(bytes(56) + b"RSC\x05" + bytes(8))
    (tmp_path / "empty").touch()


OWN = ["--firmware", "fw.bin", "--kernel", "Image"]


@pytest.mark.parametrize(
    "options, message",
    [
        ([], "entresol linux prepare"),
        (["--guest", "windows"], "choose from"),
        (["--guest", "bare", "--interactive"], "leave out --guest"),
        (["--guest", "bare", "--initrd", "x"], "leave out --initrd"),
        (["--interactive", "--dtb", "x"], "leave out --dtb"),
        (["--dtb", "x", "--append", "y"], "leave out --append or --dtb"),
        (["--ram", "32M"], "at least 64M"),
        (["--config", "huge", *OWN], "choose one of small, linux"),
        (["--max-cycles", "0"], "at least 1"),
        (["--firmware", "fw.bin", "--kernel", "missing"], "missing cannot be read"),
        (["--firmware", "fw.bin", "--kernel", "fw.bin"], "no Linux Image"),
        (OWN, "Image needs 40 MiB"),
        (["--firmware", "small", "--kernel", "small"], "give it as --kernel"),
        (["--firmware", "fw.bin", "--kernel", "small", "--dtb", "small"], "small is no device tree blob"),
        (["--firmware", "fw.bin", "--kernel", "small", "--initrd", "empty"], "empty is empty"),
        (["prepare", "--source", "missing", "--jobs", "2"], "unrecognized arguments"),
    ],
)
def test_refused(capsys, options, message):
    try:
        status = cli.main(["linux", *options])
    except SystemExit as error:
        status = error.code
    captured = capsys.readouterr()
    assert status == 2
    assert captured.out == ""
    assert captured.err.count("\n") == 1 and captured.err.startswith("entresol")
    assert message in captured.err


@pytest.mark.parametrize(
    "options, divider", [([], 10), (["--interactive"], 1), (["--interactive", "--mtime-div", "3"], 3)]
)
def test_time_passes_faster_for_those_who_wait(monkeypatch, options, divider):
    given = {}

    def boot(config, **options):
        given.update(options)
        raise UserError("stop")

    monkeypatch.setattr(boot_module, "Boot", boot)
    assert cli.main(["linux", *options]) == 2
    assert given["mtime_divider"] == divider
