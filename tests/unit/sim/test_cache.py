"""The cache: built once, by one process, complete or not at all."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from entresol_sim import Design, UserError, build

_CODE = """
    import signal, sys, time
    from pathlib import Path
    from amaranth.hdl import Module
    from amaranth.lib import wiring
    from amaranth.lib.wiring import In, Out
    from entresol_sim import Design, build

    # A job in the background of a shell is started with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)

    class Small(wiring.Component):
        a: In(1)
        b: Out(1)

        def elaborate(self, platform):
            m = Module()
            m.d.comb += self.b.eq(self.a)
            return m

    def make():
        with open(sys.argv[1], "a") as log:
            print("make", file=log)
        time.sleep(float(sys.argv[2]))
        return Small()

    print(build.elaborate(Design("tiny", make, "", [])).verilog)
"""


@pytest.fixture
def start(tmp_path, monkeypatch):
    """A function that starts a process that elaborates a design, which takes it so many seconds."""
    monkeypatch.setenv("ENTRESOL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    code = tmp_path / "code.py"
    code.write_text(textwrap.dedent(_CODE))
    started = []

    def start(seconds: float) -> subprocess.Popen:
        command = [sys.executable, str(code), str(tmp_path / "log"), str(seconds)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def made(tmp_path: Path) -> int:
    log = tmp_path / "log"
    return log.read_text().count("make") if log.exists() else 0


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_second_time_is_cached(start, tmp_path):
    paths = [start(0).communicate()[0] for _ in range(2)]
    assert paths[0] == paths[1] and "module tiny(" in Path(paths[0].strip()).read_text()
    assert made(tmp_path) == 1


def test_two_at_once(start, tmp_path):
    processes = [start(0.5) for _ in range(2)]
    paths = [process.communicate()[0] for process in processes]
    assert paths[0] == paths[1] and "module tiny(" in Path(paths[0].strip()).read_text()
    assert made(tmp_path) == 1


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_interrupted(start, tmp_path, how):
    process = start(60)
    wait_for(lambda: made(tmp_path) == 1)
    process.send_signal(how)
    assert process.wait() != 0
    path = start(0).communicate()[0]
    assert "module tiny(" in Path(path.strip()).read_text()
    assert made(tmp_path) == 2
    assert not list((tmp_path / "cache" / "verilog").glob("*.tmp-*"))


def test_waiting_process_takes_over(start, tmp_path):
    first = start(60)
    wait_for(lambda: made(tmp_path) == 1)
    second = start(0)
    first.kill()
    assert "design.v" in second.communicate()[0]
    assert made(tmp_path) == 2


def test_failed_build_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("ENTRESOL_CACHE", str(tmp_path))

    def make():
        raise RuntimeError("does not elaborate")

    with pytest.raises(RuntimeError):
        build.elaborate(Design("x", make, "", []))
    assert [path.suffix for path in (tmp_path / "verilog").iterdir()] == [".lock"]


def test_jobs_end_with_the_block(tmp_path, monkeypatch):
    monkeypatch.setenv("ENTRESOL_CACHE", str(tmp_path / "cache"))
    shell = "sleep 60 & echo $! $$ > pids; wait"
    with pytest.raises(KeyboardInterrupt), build.Jobs() as jobs:
        jobs.start(["sh", "-c", f"cd {tmp_path}; {shell}"])
        wait_for(lambda: (tmp_path / "pids").exists() and len((tmp_path / "pids").read_text().split()) == 2)
        raise KeyboardInterrupt
    for pid in (tmp_path / "pids").read_text().split():
        stat = Path(f"/proc/{pid}/stat")
        wait_for(lambda stat=stat: not stat.exists() or stat.read_text().split()[2] == "Z")


def test_failed_job_is_reported(tmp_path, monkeypatch):
    monkeypatch.setenv("ENTRESOL_CACHE", str(tmp_path / "cache"))
    with build.Jobs() as jobs, pytest.raises(UserError, match="status 3"):
        jobs.wait_for(jobs.start(["sh", "-c", "echo why; exit 3"]))
    assert "why" in (tmp_path / "cache" / "failed.log").read_text()


def test_sources_and_parameters_decide(tmp_path):
    source = tmp_path / "source.py"
    source.write_text("1")
    keys = {Design(name, object, text, [source]).key() for name in "ab" for text in "xy"}
    assert len(keys) == 4
    source.write_text("2")
    assert Design("a", object, "x", [source]).key() not in keys
