"""Consoles: where the bytes of the simulated UART come from and go to."""

import atexit
import contextlib
import os
import select
import signal
import sys
import termios
import tty

_ESCAPE = 0x01  # Ctrl-A
_HELP = b"\r\nCtrl-A x  leave\r\nCtrl-A a  send Ctrl-A\r\n"


class Console:
    """A console without input that keeps what is written to it in `output`."""

    def __init__(self, text: bytes = b""):
        """`text` is what the program can read."""
        self.output = bytearray()
        self._input = text

    def write(self, content: bytes) -> None:
        """Show what the program sent."""
        self.output += content

    def read(self) -> bytes:
        """What was typed since the last call."""
        content, self._input = self._input, b""
        return content

    @property
    def is_open(self) -> bool:
        """Whether input may still come."""
        return bool(self._input)

    @property
    def left(self) -> bool:
        """Whether the user asked to leave."""
        return False


class Terminal(Console):
    """Standard input and output.

    A terminal is put into raw mode inside the `with` block, so that every key reaches the program; Ctrl-A x leaves.
    Input from a pipe or file is passed on as it comes.
    """

    def __init__(self):
        super().__init__()
        self._in, self._out = sys.stdin.fileno() if sys.stdin else -1, sys.stdout.fileno()
        # a terminal that belongs to others (we run in the background) must not be touched
        self._raw = self._in >= 0 and os.isatty(self._in) and os.tcgetpgrp(self._in) == os.getpgrp()
        self._open = self._in >= 0 and (self._raw or not os.isatty(self._in))
        self._escaped = False
        self._left = False

    def __enter__(self) -> "Terminal":
        sys.stdout.flush()
        if self._raw:
            self._saved = termios.tcgetattr(self._in)
            atexit.register(self._restore)
            tty.setraw(self._in)
            attributes = termios.tcgetattr(self._in)
            attributes[1] = self._saved[1]  # output as before: a line feed also returns the carriage
            termios.tcsetattr(self._in, termios.TCSADRAIN, attributes)
            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, lambda number, frame: sys.exit(128 + number))
        return self

    def __exit__(self, *exception) -> None:
        if self._raw:
            self._restore()
            atexit.unregister(self._restore)

    def _restore(self) -> None:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(self._in, termios.TCSADRAIN, self._saved)

    def write(self, content: bytes) -> None:
        while content:
            content = content[os.write(self._out, content) :]

    def read(self) -> bytes:
        if not self._open or not select.select([self._in], [], [], 0)[0]:
            return b""
        try:
            content = os.read(self._in, 4096)
        except OSError:
            content = b""
        if not content:
            self._open = False
        return self._typed(content) if self._raw else content

    def _typed(self, content: bytes) -> bytes:
        """Takes the escape sequences out of what was typed."""
        passed = bytearray()
        for key in content:
            if self._escaped:
                self._escaped = False
                if key in b"xX":
                    self._left = True
                elif key in (ord("a"), _ESCAPE):
                    passed.append(_ESCAPE)
                else:
                    self.write(_HELP)
            elif key == _ESCAPE:
                self._escaped = True
            else:
                passed.append(key)
        return bytes(passed)

    @property
    def is_open(self) -> bool:
        return self._open

    @property
    def left(self) -> bool:
        return self._left
