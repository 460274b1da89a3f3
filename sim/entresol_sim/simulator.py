"""The simulator as a Python API.

    from entresol_sim import Console, Simulator

    with Simulator("small") as simulator:
        simulator.load("program.elf")
        console = Console(b"typed input\\n")
        outcome = simulator.run(max_cycles=1_000_000, console=console)
        print(outcome.status, bytes(console.output), simulator.statistics()["ipc"])
"""

import enum
import struct
import time
from bisect import bisect, insort
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from entresol.config import ConfigError, CoreConfig, Region, get_config

from . import build, elf
from .design import Design, soc_design, soc_device_tree
from .errors import UserError
from .htif import Htif, HtifError
from .memory import Memory
from .native import Model, NativeModel, Setup, Statistics, Stop
from .progress import Progress
from .statistics import LOST, MODES, cause_name, summary
from .terminal import Console

#: Cycles simulated between looks at the console.
BATCH = 16384
#: Cycles that writing the caches back may take.
_FLUSH_LIMIT = 1_000_000
#: Console input that is handed to the UART's queue at once.
_INPUT_AHEAD = 64
_DTB_MAGIC = b"\xd0\x0d\xfe\xed"
_FW_DYNAMIC_MAGIC = 0x4942534F
_DISTURBED = {"": 0, "error": 1, "silence": 4}
_POWER_OFF, _FAIL = 0x5555, 0x3333


class Result(enum.Enum):
    """How a run ended; `status` is the command's exit status."""

    PASSED = 0
    FAILED = 1
    CYCLE_LIMIT = 3
    HUNG = 4
    LEFT = 130

    @property
    def status(self) -> int:
        return self.value


@dataclass(frozen=True)
class Outcome:
    """How a run ended, the code the program reported (0: none), and a sentence about it."""

    result: Result
    code: int
    text: str

    @property
    def status(self) -> int:
        return self.result.status


def find_config(config: str | CoreConfig) -> CoreConfig:
    """A configuration by name.  Raises `UserError`."""
    if isinstance(config, CoreConfig):
        return config
    try:
        return get_config(config)
    except ConfigError as error:
        raise UserError(str(error)) from error


def ram_region(config: CoreConfig) -> Region:
    """Where main memory may be."""
    return next(region for region in config.regions if region.name == "ram")


class Simulator:
    """A simulated SoC: load programs, then `run`.

    Parameters:
        config: name of a configuration, or a configuration.
        ram_size: bytes of main memory.
        mtime_divider: clock cycles for each tick of `mtime`.  The device tree says that mtime counts at 10 MHz, so 10
            makes the clock 100 MHz.
        ram_latency: cycles from the address of a memory read to its first data.
        watchdog: cycles without a retired instruction before `run` gives up (0: never).  Cycles in WFI count a
            hundredth, and nothing while console input may still come.
        trace: a VCD file for the waveforms of cycles `trace_from` to `trace_to`.
        backend: "verilator", or "amaranth" for Amaranth's own simulator, which is some thousand times slower.
        design: what to simulate instead of the SoC (see `Design`).
        built: what `build` of a simulator with the same configuration, design, `trace` and backend gave, so that it
            need not be looked for again.
        progress: told about the building of the model.

    Raises:
        UserError: a parameter is wrong.
    """

    def __init__(
        self,
        config: str | CoreConfig = "linux",
        *,
        ram_size: int = 128 << 20,
        mtime_divider: int = 10,
        ram_latency: int = 10,
        watchdog: int = 1_000_000,
        trace: str | Path | None = None,
        trace_from: int = 0,
        trace_to: int | None = None,
        backend: str = "verilator",
        design: Design | None = None,
        built: tuple[build.Elaborated, Path] | None = None,
        progress: Progress | None = None,
    ):
        self.config = find_config(config)
        region = ram_region(self.config)
        if not 4096 <= ram_size <= region.size or ram_size % 4096:
            raise UserError(
                f"RAM of {ram_size} bytes is not possible: choose a multiple of 4096 up to {region.size >> 20}M."
            )
        for value, what in ((mtime_divider, "mtime divider"), (ram_latency, "RAM latency")):
            if value < 1:
                raise UserError(f"The {what} is {value}: choose at least 1.")
        if backend not in ("verilator", "amaranth"):
            raise UserError(f"Unknown backend {backend!r}: choose verilator or amaranth.")
        if backend == "amaranth" and trace and (trace_from or trace_to is not None):
            raise UserError("Amaranth's simulator traces all cycles: leave out the range, or use the other backend.")
        self.memory = Memory(region.base, ram_size)
        self.symbols: dict[str, int] = {}
        self.seconds = 0.0
        self._design = design or soc_design(self.config)
        self._is_soc = design is None
        self._backend = backend
        self._progress = progress or Progress()
        self._trace = (Path(trace), trace_from, (1 << 64) - 1 if trace_to is None else trace_to) if trace else None
        self._setup = Setup(
            ram=self.memory.pointer, ram_base=region.base, ram_size=ram_size, ram_latency=ram_latency,
            mtime_divider=mtime_divider, watchdog=watchdog, boot_entry=region.base,
        )  # fmt: skip
        self._loaded: list[tuple[int, int, str]] = []
        self._model: Model | None = None
        self._last_cycle = 0
        self._htif: Htif | None = None
        self._console = Console()
        self._input = bytearray()
        self._uart_used = False
        self._ended: Outcome | None = None
        self._log: Path | None = None
        self._records: Callable[[bytes], None] | None = None
        self._device_tree: bytes | None = None
        self._next_entry: int | None = None
        self._built = built

    def __enter__(self) -> "Simulator":
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def close(self) -> None:
        """End the simulation and complete its files."""
        if self._model is not None:
            model, self._model = self._model, None
            self._last_cycle = model.cycle
            try:
                if self._log is not None:
                    model.close_log()
            finally:
                model.close()

    # -- before it runs ---------------------------------------------------------------------------------------------

    def load(self, path: str | Path, address: int | None = None) -> elf.Program:
        """Load an ELF file to its physical addresses, or a plain binary to `address`.  The first one is started.

        Raises:
            UserError: the file cannot be loaded.
        """
        program = elf.read_program(path, address, self.memory.base)
        self.load_program(program)
        return program

    def load_program(self, program: elf.Program) -> None:
        """Load a program; its symbols are added to `symbols`.  The first one is started."""
        for segment in program.segments:
            begin, end = segment.address, segment.address + segment.size
            if not self.memory.contains(begin, segment.size):
                raise UserError(
                    f"{program.name} has a segment at {begin:#x}..{end - 1:#x}, outside RAM ({self.memory.base:#x}.."
                    f"{self.memory.end - 1:#x}): enlarge --ram or link it elsewhere."
                )
            behind = bisect(self._loaded, begin, key=lambda other: other[1])
            for other_begin, _, other in self._loaded[behind : behind + 1]:
                if other_begin < end:
                    raise UserError(
                        f"{program.name} would overwrite {other} at {max(begin, other_begin):#x}: load one of them "
                        f"elsewhere."
                    )
        if not self._loaded:
            self._setup.boot_entry = program.entry
        elif self._next_entry is None:
            self._next_entry = program.entry
        for segment in program.segments:
            insort(self._loaded, (segment.address, segment.address + segment.size, program.name))
            self.memory.write(segment.address, segment.content)
        self.symbols = program.symbols | self.symbols

    def device_tree(self, blob: bytes | None, name: str = "that") -> None:
        """Pass this device tree on instead of the one that describes the SoC, or none.  Raises `UserError`, with the
        `name`."""
        if blob is not None and blob[:4] != _DTB_MAGIC:
            raise UserError(f"{name} is no device tree blob: compile the source with dtc, or leave out --dtb.")
        self._device_tree = blob or b""

    def boot(self, *, entry: int | None = None, a1: int | None = None, a2: int | None = None) -> None:
        """What the boot ROM jumps to (default: the entry of the first program) and passes on in a1 and a2."""
        for name, value in (("boot_entry", entry), ("boot_a1", a1), ("boot_a2", a2)):
            if value is not None:
                setattr(self._setup, name, value)

    def disturb(self, address: int, size: int, reads: str = "", writes: str = "") -> None:
        """Have memory misbehave at physical addresses `address` to `address + size - 1`: reads and writes (in whole
        doublewords) are answered with an "error", or with "silence" never.  For tests of what software is told."""
        self._setup.disturbed_base, self._setup.disturbed_size = address, size
        self._setup.disturbed_kinds = _DISTURBED[reads] | _DISTURBED[writes] << 1

    def commit_log(self, path: str | Path) -> None:
        """Write a line for each retired instruction to `path`, in the format of Spike's --log-commits."""
        self._log = Path(path)

    def record(self, take: Callable[[bytes], None]) -> None:
        """Have `take` called with records of what was committed (`Record` of harness/record.h) while `run` goes on."""
        self._records = take

    def build(self) -> tuple[build.Elaborated, Path]:
        """Build the model, or find it in the cache; otherwise the first `run` does it.

        Raises:
            UserError: it cannot be built.
        """
        if self._built is None:
            try:
                self._built = build.prepare(
                    self._design, verilated=self._backend == "verilator", trace=self._trace is not None,
                    progress=self._progress,
                )  # fmt: skip
            finally:
                self._progress.finish()
        return self._built

    def _start(self) -> Model:
        if self._model is not None:
            return self._model
        elaborated, library = self.build()
        self._place_device_tree()
        tohost = self.symbols.get("tohost")
        fromhost = self.symbols.get("fromhost")
        if tohost is not None and self.memory.contains(tohost, 8):
            if fromhost is not None and not self.memory.contains(fromhost, 8):
                fromhost = None
            self._setup.tohost, self._setup.fromhost = tohost, fromhost or 0
            self._htif = Htif(self.memory, tohost, fromhost, lambda content: self._console.write(content))
        if self._backend == "verilator":
            model: Any = NativeModel(library, self._setup)
            if self._trace is not None:
                model.trace(*self._trace)
        else:
            from .amaranth_backend import AmaranthModel

            vcd = self._trace[0] if self._trace is not None else None
            model = AmaranthModel(library, self._setup, self._design.make(), elaborated.ports, vcd)
        self._model = model
        if self._records is not None:
            model.record()
        if self._log is not None:
            from entresol.isa.csrs import csr_table

            model.open_log(self._log, {csr.address: csr.name for csr in csr_table(self.config).values()})
        return model

    def _place_device_tree(self) -> None:
        """Puts the device tree near the end of RAM, as QEMU does, and behind it what OpenSBI's fw_dynamic expects to
        find through a2: where the second program is to be started."""
        blob = self._device_tree
        if blob is None:
            if not self._is_soc:
                return
            from entresol.soc.device_tree import to_dtb

            blob = to_dtb(soc_device_tree(self.config, self.memory.size))
        elif not blob:
            return
        blob += bytes(-len(blob) % 8)
        next_at = len(blob)
        if self._next_entry is not None:
            blob += struct.pack("<6Q", _FW_DYNAMIC_MAGIC, 2, self._next_entry, 1, 0, 0)  # 1: next mode is S
        align = 2 << 20 if self.memory.size >= 32 << 20 else 4096
        address = (self.memory.end - len(blob)) // align * align
        entry = self._setup.boot_entry
        self.load_program(elf.binary(blob, "the device tree", address))
        self._setup.boot_entry = entry
        self._setup.boot_a1 = self._setup.boot_a1 or address
        if self._next_entry is not None:
            self._setup.boot_a2 = self._setup.boot_a2 or address + next_at

    # -- while it runs ----------------------------------------------------------------------------------------------

    @property
    def cycle(self) -> int:
        """The current cycle, counted from 0; after `close` the last one."""
        return self._model.cycle if self._model is not None else self._last_cycle

    def run(
        self,
        max_cycles: int | None = None,
        console: Console | None = None,
        each_batch: Callable[[], None] | None = None,
    ) -> Outcome:
        """Run until the program ends, cycle number `max_cycles` is reached, or the core hangs.

        Can be called again to go on.  `console` is what the UART and the HTIF console talk to; `each_batch` is called
        every few thousand cycles.

        Raises:
            UserError: the commit log cannot be written.
        """
        model = self._start()
        if console is not None:
            self._console = console
        begin = time.monotonic()
        try:
            outcome, self._ended = self._ended, None
            while outcome is None:
                self._pass_input(model)
                until = model.cycle + BATCH
                stop = model.run(until if max_cycles is None else min(until, max_cycles))
                if self._records is not None:
                    self._records(model.take_records())
                if output := model.take_output():
                    self._uart_used = True
                    self._console.write(output)
                outcome = self._stopped(model, stop, max_cycles)
                if each_batch is not None:
                    each_batch()
            return outcome
        finally:
            self.seconds += time.monotonic() - begin

    def _pass_input(self, model: Model) -> None:
        self._input += self._console.read()
        # a program that reads the HTIF console must not lose to the UART what is typed: wait until it uses either
        if self._input and self._htif is not None and self._htif.wants_input:
            model.request_flush()
        elif self._input and (self._htif is None or self._uart_used) and model.input_left < _INPUT_AHEAD:
            model.give_input(bytes(self._input))
            self._input.clear()
        model.set_input_open(self._console.is_open or bool(self._input) or model.input_left > 0)

    def _stopped(self, model: Model, stop: Stop, max_cycles: int | None) -> Outcome | None:
        """What follows from the model's stop; None to go on."""
        if stop is Stop.FINISHED:
            return _finisher_outcome(model.finish_code)
        if stop is Stop.TOHOST:
            assert self._htif is not None
            self._htif.finish(model.tohost)
        elif stop is Stop.FLUSHED and self._htif is not None and self._htif.exit_code is None:
            try:
                self._service(model, self._htif)
            except HtifError as error:
                return Outcome(Result.FAILED, 0, f"failed: {error}")
        elif stop is Stop.HUNG:
            return Outcome(Result.HUNG, 0, self._hang(model))
        elif stop is Stop.LOG_FAILED:
            path, self._log = self._log, None
            raise UserError(f"{path} could not be written: make space or choose another --commit-log.")
        if self._htif is not None and self._htif.exit_code is not None:
            code = self._htif.exit_code
            if code:
                return Outcome(Result.FAILED, code, f"failed with code {code} (tohost)")
            return Outcome(Result.PASSED, 0, "passed")
        if self._console.left:
            return Outcome(Result.LEFT, 0, "left by the user")
        if stop is Stop.CYCLES and max_cycles is not None and model.cycle >= max_cycles:
            return Outcome(Result.CYCLE_LIMIT, 0, f"reached the limit of {max_cycles} cycles")
        return None

    def _service(self, model: Model, htif: Htif) -> None:
        htif.service()
        while htif.wants_input and self._input:
            htif.give_input(self._input.pop(0))
            htif.service()
        model.tohost = 0
        if htif.wants_fromhost:
            model.watch_fromhost()

    def _hang(self, model: Model) -> str:
        counters = model.statistics
        idle = model.cycle - counters.last_cycle
        if counters.ends_with_trap and idle < BATCH:
            target = MODES.get(counters.last_trap_target, "?")
            waits = f"it takes the same traps over and over, last to {target}: {cause_name(counters.last_trap - 1)}"
        else:
            names = [name for bit, name in enumerate(self.events) if counters.last_events >> bit & 1]
            lost = [LOST[name] for name in names if name in LOST]
            waits = f"it waits for {lost[0] if lost else 'something unknown'}"
        return (
            f"hung: nothing retired for a long time, last pc {counters.last_pc:#x} in mode "
            f"{MODES.get(counters.last_mode, '?')} at cycle {counters.last_cycle}; {waits}"
        )

    def guest_interrupts(self, levels: int) -> None:
        """Drive the guest external interrupts from now on: bit n of `levels` is the level of number n, as in hgeip.

        Raises:
            UserError: the configuration has not so many, or none at all.
        """
        count = self.config.geilen if self._is_soc else 0
        if not count:
            raise UserError("There are no guest external interrupts: choose a configuration with geilen above 0.")
        if levels < 0 or levels & 1 or levels >> count + 1:
            raise UserError(f"{levels:#x} are no levels of {count} guest external interrupts: use bits 1 to {count}.")
        self._start().set_guest_interrupts(levels >> 1)

    def flush(self) -> None:
        """Have the caches written back, so that `memory` shows what the program wrote.

        Raises:
            TimeoutError: the core does not do it.
        """
        model = self._start()
        model.request_flush()
        limit = model.cycle + _FLUSH_LIMIT
        while (stop := model.run(limit)) is not Stop.FLUSHED:
            if stop is Stop.CYCLES:
                raise TimeoutError("the core did not write its caches back")
            self._ended = self._ended or self._stopped(model, stop, None)
        self._ended = self._ended or self._stopped(model, stop, None)

    # -- after it ran -----------------------------------------------------------------------------------------------

    @property
    def events(self) -> list[str]:
        """The names of the bits of the events port."""
        port = next(port for port in self.build()[0].ports if port.name == "events")
        return [field.name for field in port.fields]

    @property
    def counters(self) -> Statistics:
        """The raw counters behind `statistics`, which go on counting: cheap enough to look at in each batch."""
        return self._start().statistics

    def statistics(self) -> dict[str, Any]:
        """Everything counted so far (see `statistics.summary`)."""
        return {"config": self.config.name, **summary(self._start().statistics, self.events, self.seconds)}

    def signature(self, granularity: int = 4) -> str:
        """The memory between the symbols begin_signature and end_signature, in lines of `granularity` bytes, written
        as one little-endian hexadecimal number each.  Writes the caches back first.

        Raises:
            UserError: no program has these symbols, or they are not in RAM.
            TimeoutError: the core does not write its caches back.
        """
        begin, end = self.signature_range()
        self.flush()
        content = self.memory.read(begin, end - begin)
        lines = (content[at : at + granularity] for at in range(0, len(content), granularity))
        return "".join(line.ljust(granularity, b"\0")[::-1].hex() + "\n" for line in lines)

    def signature_range(self) -> tuple[int, int]:
        """The addresses that the signature begins at and ends before.  Raises `UserError`."""
        try:
            begin, end = self.symbols["begin_signature"], self.symbols["end_signature"]
        except KeyError as error:
            raise UserError(f"No program has a symbol {error}: leave out --signature.") from error
        if end < begin or not self.memory.contains(begin, end - begin):
            raise UserError(f"The signature at {begin:#x}..{end:#x} is not in RAM: enlarge --ram.")
        return begin, end


def _finisher_outcome(value: int) -> Outcome:
    kind, code = value & 0xFFFF, value >> 16
    if kind == _POWER_OFF:
        return Outcome(Result.PASSED, 0, "powered off")
    if kind == _FAIL:
        return Outcome(Result.FAILED, code, f"failed with code {code} (test finisher)")
    return Outcome(Result.FAILED, 0, "asked for a reset, which ends the simulation")
