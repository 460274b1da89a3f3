"""Whatever is given to the command, it answers with a result or one line: no traceback, hang or unbounded memory."""

import os
import resource
import struct
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entresol_sim import UserError, cli
from entresol_sim.elf import parse_elf
from entresol_sim.lockstep.assembler import elf
from entresol_sim.lockstep.layout import CODE, Block, Image, Op
from entresol_sim.simulator import Outcome, Result, Simulator

SHORT = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
LONG = settings(SHORT, max_examples=20_000)
#: What a single input may take.
SECONDS, BYTES = 5, 256 << 20
PROGRAM = elf(Image("x", [Block(0, [Op("addi")] * 4 + [Op("jal")])], {CODE + 0x10000: 5}).program())
_WORDS = st.one_of(
    st.sampled_from([0, 1, 2, 63, 64, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 63, (1 << 64) - 1, CODE, CODE - 1,
                     CODE + (16 << 20), len(PROGRAM)]),
    st.integers(0, (1 << 64) - 1),
)  # fmt: skip


class Limits:
    """A block that may not take long nor much memory."""

    def __enter__(self):
        self._begin = time.process_time()
        self._limit = resource.getrlimit(resource.RLIMIT_AS)
        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + BYTES, self._limit[1]))

    def __exit__(self, *exception):
        resource.setrlimit(resource.RLIMIT_AS, self._limit)
        assert time.process_time() - self._begin < SECONDS


@st.composite
def files(draw) -> bytes:
    """ELF files with some fields of headers replaced, pieces cut out or put in; or anything."""
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return draw(st.binary(max_size=300))
    content = bytearray(PROGRAM)
    for _ in range(draw(st.integers(1, 4))):
        header = draw(st.integers(0, 6))
        if header == 0:  # a field of the file's header
            at, size = draw(st.sampled_from([(16, 2), (18, 2), (24, 8), (32, 8), (40, 8), (54, 2), (56, 2), (58, 2),
                                             (60, 2), (4, 1), (5, 1)]))  # fmt: skip
        elif header == 1:  # anywhere
            at, size = draw(st.integers(0, max(0, len(content) - 8))), draw(st.sampled_from([1, 2, 4, 8]))
        else:  # of a segment's
            field, size = draw(st.sampled_from([(0, 4), (8, 8), (16, 8), (24, 8), (32, 8), (40, 8)]))
            at = 64 + 56 * draw(st.integers(0, 2)) + field
        content[at : at + size] = draw(_WORDS).to_bytes(8, "little")[:size]
    if kind == 1:
        del content[draw(st.integers(0, len(content))) :]
    return bytes(content)


def check_file(content: bytes) -> None:
    with Limits():
        try:
            program = parse_elf(content, "x", CODE)
            with Simulator("small", ram_size=16 << 20) as simulator:
                simulator.load_program(program)
        except UserError as error:
            assert str(error).count("\n") == 0


@SHORT
@given(files())
def test_program_files(content):
    check_file(content)


@pytest.mark.nightly
@LONG
@given(files())
def test_many_program_files(content):
    check_file(content)


def _header(segments: int, sections: int, size: int) -> bytes:
    return struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, 243, 1, CODE, 64, 64, 0, 64, 56, segments, 64,
                       sections, 0) + bytes(size)  # fmt: skip


def test_headers_that_take_the_same_content_again_and_again():
    """65535 segments that each load all of the file, and as many symbol tables of all of it."""
    count, size = 65535, 56 * 65535
    segment = struct.pack("<IIQQQQQQ", 1, 7, 0, CODE, CODE, size, size, 1)
    with Limits(), pytest.raises(UserError):
        parse_elf(_header(count, 0, 0) + segment * count, "x")
    section = struct.pack("<IIQQQQIIQQ", 0, 2, 0, 0, 0, 64 * 60000, 0, 0, 8, 24)
    one = struct.pack("<IIQQQQQQ", 1, 7, 0, CODE, CODE, 8, 8, 1)
    content = bytearray(_header(1, 60000, 0) + section * 60000 + one)
    struct.pack_into("<Q", content, 32, len(content) - 56)
    with Limits():
        assert parse_elf(bytes(content), "x").entry == CODE


def test_many_small_segments(tmp_path):
    """Looking for overlaps takes no time that grows with the square."""
    count = 65000
    def many(base: int) -> bytes:
        return _header(count, 0, 0) + b"".join(
            struct.pack("<IIQQQQQQ", 1, 7, 0, base + 16 * index, base + 16 * index, 0, 8, 1) for index in range(count)
        )  # fmt: skip

    with Simulator("small", ram_size=16 << 20) as simulator:
        begin = time.process_time()
        simulator.load_program(parse_elf(many(CODE), "a"))
        simulator.load_program(parse_elf(many(CODE + 8), "b"))
        assert time.process_time() - begin < SECONDS


@pytest.mark.parametrize(
    "segments, message",
    [
        ([(CODE, 1 << 62)], "outside RAM"),
        ([((1 << 64) - 8, 16)], "outside RAM"),
        ([(CODE, 64), (CODE + 32, 64)], "overlap"),
        ([(CODE, 64), (CODE, 64)], "overlap"),
        ([(0, 64)], "outside RAM"),
    ],
)
def test_where_segments_cannot_be(segments, message):
    rows = b"".join(struct.pack("<IIQQQQQQ", 1, 7, 0, at, at, 0, size, 1) for at, size in segments)
    with Limits(), Simulator("small", ram_size=16 << 20) as simulator, pytest.raises(UserError, match=message):
        simulator.load_program(parse_elf(_header(len(segments), 0, 0) + rows, "x"))


@pytest.fixture
def no_model(monkeypatch):
    """Everything but the simulation itself."""
    monkeypatch.setattr(Simulator, "build", lambda self: None)
    monkeypatch.setattr(Simulator, "run", lambda self, *rest: Outcome(Result.PASSED, 0, "passed"))
    monkeypatch.setattr(Simulator, "statistics", lambda self: {
        "modes": {}, "cycles": 1, "instructions": 1, "wall_seconds": 1, "cycles_per_second": 1,
    } | {"modes": {name: {"cycles": 0} for name in ("M", "HS", "U", "VS", "VU")}})  # fmt: skip


_NUMBERS = st.one_of(
    st.sampled_from(["0", "1", "-1", "0x10", "1e9", "", " ", "٣", "0x", "9" * 5000, str(1 << 64), str((1 << 64) - 1),
                     str(1 << 48), "10", "64M", "1G", "4096", "99999999999G", "0b1", "1_000", "nan"]),
    st.integers().map(str), st.text(max_size=6),
)  # fmt: skip
_PATHS = st.sampled_from(["good.elf", "bad.elf", "empty", "missing", ".", "/dev/full", "/dev/zero", "good.elf@1",
                          "empty@", "@0", "good.dtb", "no/such/place", "-", "x" * 300, "locked"])  # fmt: skip
_OPTIONS = {
    "run": {"--ram": _NUMBERS, "--entry": _NUMBERS, "--mtime-div": _NUMBERS, "--memory-latency": _NUMBERS,
            "--max-cycles": _NUMBERS, "--watchdog": _NUMBERS, "--load": _PATHS, "--dtb": _PATHS, "--stats": _PATHS,
            "--commit-log": _PATHS, "--signature": _PATHS, "--signature-granularity": _NUMBERS, "--trace": _PATHS,
            "--trace-from": _NUMBERS, "--trace-to": _NUMBERS, "--config": st.sampled_from(["small", "", "x", "max"]),
            "--backend": st.sampled_from(["verilator", "x"])},
    "dts": {"--ram": _NUMBERS, "--bootargs": st.text(max_size=40), "-o": _PATHS,
            "--config": st.sampled_from(["small", "linux", "x"])},
    "info": {"--config": st.sampled_from(["small", "linux", "x", "\x00"])},
}  # fmt: skip


@st.composite
def commands(draw) -> list[str]:
    name = draw(st.sampled_from(sorted(_OPTIONS)))
    arguments = [name]
    for option, values in sorted(_OPTIONS[name].items()):
        if draw(st.integers(0, 4)) == 0:
            arguments += [option, draw(values)]
    if name == "run":
        arguments += draw(st.lists(_PATHS, min_size=1, max_size=2))
    if name == "dts" and draw(st.booleans()):
        arguments.append("--blob")
    # what a command line cannot hold
    return [text.replace("\0", "").encode("utf-8", "ignore").decode() for text in arguments]


def check_command(arguments: list[str], capfd) -> None:
    with Limits():
        try:
            status = cli.main(arguments)
        except SystemExit as error:
            status = error.code
    captured = capfd.readouterr()
    assert status in (0, 2), captured
    if status == 2:
        assert captured.err.startswith("entresol") and captured.err.count("\n") == 1, captured.err


@pytest.fixture
def nothing_typed(monkeypatch):
    with open(os.devnull) as file:
        monkeypatch.setattr("sys.stdin", file)
        yield


@pytest.fixture
def place(tmp_path, monkeypatch, nothing_typed):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.elf").write_bytes(PROGRAM)
    (tmp_path / "bad.elf").write_bytes(PROGRAM[:100])
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "good.dtb").write_bytes(b"\xd0\x0d\xfe\xed" + bytes(60))
    (tmp_path / "locked").write_bytes(b"")
    os.chmod(tmp_path / "locked", 0)


@SHORT
@given(arguments=commands())
def test_options(arguments, capfd, place, no_model):
    check_command(arguments, capfd)


@pytest.mark.nightly
@LONG
@given(arguments=commands())
def test_many_options(arguments, capfd, place, no_model):
    check_command(arguments, capfd)


def check_tree(blob: bytes) -> None:
    """Device trees are passed on as they are: only their size and beginning matter."""
    with Limits(), Simulator("small", ram_size=1 << 20) as simulator:
        try:
            simulator.load_program(parse_elf(PROGRAM, "x"))
            simulator.device_tree(blob, "tree")
            simulator._place_device_tree()
        except UserError as error:
            assert str(error).count("\n") == 0
        else:
            assert blob[:4] == b"\xd0\x0d\xfe\xed"
            assert simulator.memory.read(simulator._setup.boot_a1, len(blob)) == blob


@SHORT
@given(
    st.one_of(st.binary(max_size=200), st.binary(max_size=200).map(lambda rest: b"\xd0\x0d\xfe\xed" + rest)),
    st.sampled_from([0, 1, 4096, 1 << 20, 1 << 24]),
)
def test_device_trees(blob, more):
    check_tree(blob + bytes(more) if blob else blob)


@pytest.mark.parametrize(
    "arguments",
    [
        ["dts", "--config", "small", "-o", "/dev/full"], ["dts", "--config", "small", "--blob", "-o", "/dev/full"],
        ["run", "good.elf", "--stats", "/dev/full", "--config", "small"],
    ],
)  # fmt: skip
def test_full_disk(arguments, capfd, place, no_model):
    assert cli.main(arguments) == 2
    error = capfd.readouterr().err
    assert "No space left" in error and error.count("\n") == 1
