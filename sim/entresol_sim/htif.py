"""The host-target interface of Spike's front-end server: a program talks to the host through `tohost` and `fromhost`.

`tohost` holds a command: device in bits 63:56, command in 55:48, payload in 47:0.  Device 0 is the system-call proxy:
an odd payload is a test result (1: passed), an even one the address of eight words, system-call number and arguments,
of which the first becomes the result.  Device 1 is the console: command 0 reads a character, 1 writes one.  Command
255 of both asks for their names.  A response goes to `fromhost` when that is 0.
"""

import errno
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from .memory import Memory

_MASK48 = (1 << 48) - 1
_SYS_WRITE, _SYS_EXIT = 64, 93
_DEVICES = {0: ("syscall_proxy", {0: "syscall"}), 1: ("bcd", {0: "read", 1: "write"})}
_IDENTITY = 255
_IDENTITY_SIZE = 64


class HtifError(Exception):
    """The program asked for something that cannot be done; the message says what."""


@dataclass
class Htif:
    """The host's side.  `memory` is coherent while `service` runs.

    `write` takes console output; `exit_code` is set when the program has ended, 0 if it passed.
    """

    memory: Memory
    tohost: int
    fromhost: int | None
    write: Callable[[bytes], None]
    exit_code: int | None = None

    def __post_init__(self) -> None:
        self._responses: deque[int] = deque()
        self._reads: deque[int] = deque()

    @property
    def wants_input(self) -> bool:
        """Whether the program waits for a console character."""
        return bool(self._reads)

    @property
    def wants_fromhost(self) -> bool:
        """Whether there are responses that wait for the program to clear `fromhost`."""
        return bool(self._responses)

    def finish(self, command: int) -> None:
        """Take a test result, as it was written to `tohost`."""
        self.exit_code = (command & _MASK48) >> 1

    def give_input(self, character: int) -> None:
        """Answer the oldest read; the response is delivered by the next `service`."""
        self._respond(self._reads.popleft(), 0x100 | character)

    def service(self) -> None:
        """Carry out the command in `tohost`, if there is one, and deliver a response.

        Raises:
            HtifError: the program gave an address outside RAM or made an unknown system call.
        """
        try:
            command = self.memory.read_word(self.tohost)
            if command:
                self.memory.write_word(self.tohost, 0)
                self._handle(command)
            if self._responses and self.fromhost is not None and not self.memory.read_word(self.fromhost):
                self.memory.write_word(self.fromhost, self._responses.popleft())
        except IndexError as error:
            raise HtifError(f"the program passed a bad address to the host: {error}") from error

    def _respond(self, command: int, value: int) -> None:
        if self.fromhost is not None:
            self._responses.append(command >> 48 << 48 | value & _MASK48)

    def _handle(self, command: int) -> None:
        device, operation, payload = command >> 56, command >> 48 & 0xFF, command & _MASK48
        if operation == _IDENTITY and device in _DEVICES:
            name, commands = _DEVICES[device]
            number = payload & 0xFF
            text = name if number == _IDENTITY else commands.get(number, "")
            self.memory.write(payload >> 8, text.encode().ljust(_IDENTITY_SIZE, b"\0"))
            self._respond(command, 1)
        elif device == 0 and operation == 0:
            if payload & 1:
                self.finish(command)
            else:
                self._system_call(payload)
                self._respond(command, 1)
        elif device == 1 and operation == 0:
            self._reads.append(command)
        elif device == 1 and operation == 1:
            self.write(bytes([payload & 0xFF]))

    def _system_call(self, address: int) -> None:
        number, *arguments = (self.memory.read_word(address + 8 * index) for index in range(8))
        result = 0
        if number == _SYS_EXIT:
            self.exit_code = arguments[0] & 0x7FFFFFFF
        elif number == _SYS_WRITE:
            descriptor, buffer, length = arguments[:3]
            if descriptor in (1, 2):
                self.write(self.memory.read(buffer, length))
                result = length
            else:
                result = -errno.EBADF
        else:
            raise HtifError(f"the program made system call {number}: only write (64) and exit (93) are proxied")
        self.memory.write_word(address, result & (1 << 64) - 1)
