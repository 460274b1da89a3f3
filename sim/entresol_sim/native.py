"""The compiled harness, called through ctypes: `NativeModel` runs a Verilator model, cycle by cycle in C++."""

import ctypes
import enum
import os
from collections.abc import Mapping
from ctypes import POINTER, byref, c_char_p, c_int, c_uint8, c_uint32, c_uint64, c_void_p
from pathlib import Path

from .errors import UserError

MODES = 8
CAUSES = 128


class Setup(ctypes.Structure):
    """`Setup` of harness/simulation.h, which describes the fields."""

    _fields_ = [
        ("ram", c_void_p), ("ram_base", c_uint64), ("ram_size", c_uint64), ("ram_latency", c_uint64),
        ("mtime_divider", c_uint64), ("boot_entry", c_uint64), ("boot_a1", c_uint64), ("boot_a2", c_uint64),
        ("watchdog", c_uint64), ("tohost", c_uint64), ("fromhost", c_uint64),
        ("disturbed_base", c_uint64), ("disturbed_size", c_uint64), ("disturbed_kinds", c_uint64),
    ]  # fmt: skip


class Statistics(ctypes.Structure):
    """`Statistics` of harness/statistics.h, which describes the fields."""

    _fields_ = [
        ("cycles", c_uint64), ("instructions", c_uint64),
        ("mode_cycles", c_uint64 * MODES), ("mode_instructions", c_uint64 * MODES),
        ("traps", c_uint64 * CAUSES * MODES * MODES), ("events", c_uint64 * 64),
        ("bursts_read", c_uint64), ("beats_read", c_uint64), ("bursts_written", c_uint64), ("beats_written", c_uint64),
        ("last_pc", c_uint64), ("last_cycle", c_uint64), ("last_mode", c_uint64), ("last_trap", c_uint64),
        ("last_trap_pc", c_uint64), ("last_trap_cycle", c_uint64), ("last_trap_mode", c_uint64),
        ("last_trap_target", c_uint64), ("last_events", c_uint64),
    ]  # fmt: skip

    @property
    def ends_with_trap(self) -> bool:
        """Whether the last commit was a trap."""
        return bool(self.last_trap) and self.last_trap_cycle == self.last_cycle


class Stop(enum.IntEnum):
    """Why a model stopped, as `Stop` of harness/simulation.h."""

    CYCLES = 0
    FINISHED = 1
    TOHOST = 2
    FLUSHED = 3
    HUNG = 4
    LOG_FAILED = 5


class Model:
    """A design with the harness around it, at the beginning or in the middle of a cycle.

    `library` is a shared library of `build`.  What differs between the simulators is in the subclasses.
    """

    def __init__(self, library: Path, setup: Setup):
        self._lib = lib = ctypes.CDLL(str(library))
        for name, result, *arguments in (
            ("sizes", c_uint64),
            ("create", c_void_p, POINTER(Setup)),
            ("destroy", None, c_void_p),
            ("cycle", c_uint64, c_void_p),
            ("finish_code", c_uint32, c_void_p),
            ("statistics", POINTER(Statistics), c_void_p),
            ("output", c_uint64, c_void_p, POINTER(POINTER(c_uint8))),
            ("output_taken", None, c_void_p),
            ("input", None, c_void_p, c_char_p, c_uint64),
            ("input_left", c_uint64, c_void_p),
            ("input_open", None, c_void_p, c_int),
            ("request_flush", None, c_void_p),
            ("guest_interrupts", None, c_void_p, c_uint64),
            ("tohost", c_uint64, c_void_p),
            ("set_tohost", None, c_void_p, c_uint64),
            ("watch_fromhost", None, c_void_p),
            ("open_log", c_int, c_void_p, c_char_p, POINTER(c_char_p)),
            ("close_log", c_int, c_void_p),
            ("record", None, c_void_p),
            ("records", c_uint64, c_void_p, POINTER(c_void_p)),
            ("records_taken", None, c_void_p),
        ):
            function = getattr(lib, f"entresol_{name}")
            function.restype, function.argtypes = result, arguments
        assert lib.entresol_sizes() == ctypes.sizeof(Setup) << 32 | ctypes.sizeof(Statistics)
        self._model = lib.entresol_create(byref(setup))

    def close(self) -> None:
        """Free the model; nothing else may be called then."""
        if self._model:
            self._lib.entresol_destroy(self._model)
            self._model = None

    def run(self, until: int) -> Stop:
        """Simulate until the beginning of cycle `until`, or until there is a reason to stop in the middle of one."""
        raise NotImplementedError

    @property
    def cycle(self) -> int:
        return self._lib.entresol_cycle(self._model)

    @property
    def finish_code(self) -> int:
        """What was written to the test finisher."""
        return self._lib.entresol_finish_code(self._model)

    @property
    def statistics(self) -> Statistics:
        """The counters, which go on counting."""
        return self._lib.entresol_statistics(self._model).contents

    def take_output(self) -> bytes:
        """What the UART sent since the last call."""
        data = POINTER(c_uint8)()
        size = self._lib.entresol_output(self._model, byref(data))
        if not size:
            return b""
        content = ctypes.string_at(data, size)
        self._lib.entresol_output_taken(self._model)
        return content

    def give_input(self, content: bytes) -> None:
        """Bytes for the UART to receive, as soon as it takes them."""
        self._lib.entresol_input(self._model, content, len(content))

    @property
    def input_left(self) -> int:
        """How many of them the UART has not taken yet."""
        return self._lib.entresol_input_left(self._model)

    def set_input_open(self, is_open: bool) -> None:
        """Whether console input may still come; then a core that waits in WFI is not hung."""
        self._lib.entresol_input_open(self._model, is_open)

    def request_flush(self) -> None:
        """Have the caches written back: `run` will stop with `Stop.FLUSHED`."""
        self._lib.entresol_request_flush(self._model)

    def set_guest_interrupts(self, levels: int) -> None:
        """Drive the guest external interrupts from the next cycle on: bit i is number i+1."""
        self._lib.entresol_guest_interrupts(self._model, levels)

    @property
    def tohost(self) -> int:
        """What the program last wrote to tohost."""
        return self._lib.entresol_tohost(self._model)

    @tohost.setter
    def tohost(self, value: int) -> None:
        self._lib.entresol_set_tohost(self._model, value)

    def watch_fromhost(self) -> None:
        """Flush (see `request_flush`) when the program next writes to fromhost."""
        self._lib.entresol_watch_fromhost(self._model)

    def open_log(self, path: Path, csr_names: Mapping[int, str]) -> None:
        """Write the commit log to `path` from now on."""
        names = (c_char_p * 4096)(*(csr_names[csr].encode() if csr in csr_names else None for csr in range(4096)))
        error = self._lib.entresol_open_log(self._model, os.fsencode(path), names)
        if error:
            raise UserError(f"{path} cannot be written ({os.strerror(error)}): choose another --commit-log.")

    def record(self) -> None:
        """Keep a record of each commit from now on (see `take_records`)."""
        self._lib.entresol_record(self._model)

    def take_records(self) -> bytes:
        """The records since the last call, each a `Record` of harness/record.h."""
        records = c_void_p()
        size = self._lib.entresol_records(self._model, byref(records))
        content = ctypes.string_at(records, size) if size else b""
        self._lib.entresol_records_taken(self._model)
        return content

    def close_log(self) -> None:
        if self._lib.entresol_close_log(self._model):
            raise UserError("The commit log could not be written: make space or choose another --commit-log.")


class NativeModel(Model):
    """A Verilator model."""

    def __init__(self, library: Path, setup: Setup):
        super().__init__(library, setup)
        self._lib.entresol_run.restype, self._lib.entresol_run.argtypes = c_int, [c_void_p, c_uint64]

    def run(self, until: int) -> Stop:
        return Stop(self._lib.entresol_run(self._model, until))

    def trace(self, path: Path, first: int, last: int) -> None:
        """Write waveforms of cycles `first` to `last` to a VCD file (models built with `trace`).

        Cycle `n` begins at 2 n ps, with a rising edge of the clock.
        """
        function = self._lib.entresol_trace
        function.restype, function.argtypes = c_int, [c_void_p, c_char_p, c_uint64, c_uint64]
        if not function(self._model, os.fsencode(path), first, last):
            raise UserError(f"{path} cannot be written: choose another --trace.")
