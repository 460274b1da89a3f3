"""The console on a terminal: raw mode, the escape key, and what is left behind."""

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import textwrap
import time

import pytest

from entresol_sim.terminal import Console

_CODE = textwrap.dedent("""
    import os, time
    os.close(os.open(os.ttyname(0), os.O_RDWR))  # makes it the controlling terminal
    from entresol_sim.terminal import Terminal
    with Terminal() as console:
        console.write(b"ready\\n")
        while not console.left:
            content = console.read()
            if content:
                console.write(content.hex().encode() + b"\\n")
            time.sleep(0.01)
        {last}
    print("after")
""")


class Session:
    """A process with a terminal of its own."""

    def __init__(self, last: str):
        self.fd, ours = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", _CODE.format(last=last)], stdin=ours, stdout=ours, stderr=ours,
            start_new_session=True, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        self.before = termios.tcgetattr(self.fd)
        os.close(ours)
        self.output = b""

    def expect(self, text: bytes) -> None:
        end = time.monotonic() + 20
        while text not in self.output:
            assert time.monotonic() < end, self.output
            if select.select([self.fd], [], [], 0.1)[0]:
                self.output += os.read(self.fd, 1000)

    def type(self, keys: bytes) -> None:
        os.write(self.fd, keys)

    def attributes(self) -> list:
        return termios.tcgetattr(self.fd)


@pytest.fixture
def session():
    started = []

    def start(last: str = "pass") -> Session:
        started.append(Session(last))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.wait()
        os.close(each.fd)


def test_keys(session):
    terminal = session()
    terminal.expect(b"ready\r\n")  # line feeds still return the carriage
    terminal.type(b"a")
    terminal.expect(b"61\r\n")
    terminal.type(b"\x03")  # Ctrl-C goes to the program
    terminal.expect(b"03\r\n")
    terminal.type(b"\x01a")
    terminal.expect(b"01\r\n")
    terminal.type(b"\x01h")
    terminal.expect(b"Ctrl-A x")
    terminal.type(b"\x01x")
    terminal.expect(b"after\r\n")
    assert b"a\r\n61" not in terminal.output, "keys are echoed"


@pytest.mark.parametrize("last", ["pass", "raise SystemExit(3)", "raise KeyboardInterrupt", "1 / 0"])
def test_terminal_is_restored(session, last):
    terminal = session(last)
    terminal.expect(b"ready")
    assert terminal.attributes() != terminal.before
    terminal.type(b"\x01x")
    terminal.process.wait()
    assert terminal.attributes() == terminal.before


def test_terminal_is_restored_when_ended(session):
    terminal = session()
    terminal.expect(b"ready")
    terminal.process.terminate()
    assert terminal.process.wait() == 128 + signal.SIGTERM
    assert terminal.attributes() == terminal.before


def test_buffer():
    console = Console(b"typed")
    assert console.is_open and not console.left
    assert console.read() == b"typed" and console.read() == b""
    assert not console.is_open
    console.write(b"a")
    console.write(b"b")
    assert console.output == b"ab"
