"""QEMU as a reference: `qemu-system-riscv64`, one instruction per translation block, its log read as steps."""

import contextlib
import fcntl
import hashlib
import os
import re
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

from entresol.config import CoreConfig
from entresol.isa.extensions import EXTENSIONS

from ..cache import cache_dir
from ..elf import Program
from ..errors import UserError
from ..processes import die_with_parent
from .steps import INTERRUPT, Step, Store

COMMAND = "qemu-system-riscv64"
_PLUGIN = Path(__file__).with_name("qemu_plugin.c")
_PIPE = 1 << 20
_PATIENCE = 10  # seconds
_MPRV = 1 << 17
_VSSTATUS = 0x3_000C_0122  # UXL, MXR, SUM, SPP, SPIE, SIE
_V = len(" V      =   ")  # where a dump has V
_SWAPPED = ("stvec", "sscratch", "sepc", "scause", "stval", "satp")
_HIDDEN = ("vsatp", "vsscratch", "vstval"), ("mstatus",)  # what it shows nowhere while V=0, and V=1
_COLUMN = 26  # characters that a register takes in a dump: its names in 10, the value in 16
_LINE = 4 * _COLUMN + 1
_REGISTERS = 8 * _LINE
_LINES = [(line, slice(line * _LINE, (line + 1) * _LINE)) for line in range(8)]
_PRIV = (0, 1, 1, 3)  # nominal privilege by QEMU's index of an address space; 2: S with SUM
#: Properties of QEMU's processor without counterpart in `entresol.isa.extensions` that are on by default.
_OFF = ("debug", "sdtrig", "smaia", "ssaia", "sscofpmf", "zfa", "zawrs", "zcmp", "zcmt", "zvfh", "v")
#: Extensions that need no property: QEMU always has them.
_ALWAYS = {"zicsr", "zifencei", "zicntr", "zihpm", "zicclsm", "zihintpause", "zaamo", "zalrsc", "zca", "sv39", "svade"}
_INTERRUPTED = re.compile(rb"riscv_cpu_do_interrupt: hart:0, async:([01]), cause:([0-9a-f]+), epc:0x([0-9a-f]+)")


class Qemu:
    """Runs programs in QEMU's `virt` machine with what QEMU has of the extensions of `config`.

    Raises:
        UserError: QEMU is not installed, or cannot tell what is needed.
    """

    name = "qemu"
    sparse = False

    def __init__(self, config: CoreConfig, ram_size: int):
        path = shutil.which(COMMAND)
        if path is None:
            raise UserError(f"{COMMAND} is not installed: install it (Debian: qemu-system-misc) for a reference.")
        self._path = path
        self.version = _version(path)
        self._ram_size = ram_size
        properties = _properties(path)
        wanted = set(config.extensions)
        options = ["rv64"]
        for name in sorted(properties):
            key = name.lower()
            if key in _OFF or (key in EXTENSIONS and key not in wanted and key not in _ALWAYS):
                options.append(f"{name}=false")
            elif key in wanted:
                options.append(f"{name}=true")
        if "pmu-num" in properties:
            options.append(f"pmu-num={config.hpm_counters}")
        elif "pmu-mask" in properties:
            options.append(f"pmu-mask={(1 << config.hpm_counters) - 1 << 3:#x}")
        self._cpu = ",".join(options)
        #: Extensions of the configuration that this QEMU does not have.
        self.missing = frozenset(
            name for name in wanted if name not in _ALWAYS and name not in {key.lower() for key in properties}
        )
        self._plugin = _plugin(self.version)

    @contextlib.contextmanager
    def run(self, program: Program) -> Iterator[Iterator[Step]]:
        """The steps of `program`, from its entry point on, without end if the program has none; and afterwards
        memory: see `memory`."""
        with contextlib.ExitStack() as stack:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="entresol-", dir=_shared())))
            loads = []
            for index, segment in enumerate(program.segments):
                file = scratch / f"segment{index}"
                file.write_bytes(segment.content)
                loads += ["-device", f"loader,file={file},addr={segment.address:#x},force-raw=on"]
            reading, writing = os.pipe()
            output = stack.enter_context(open(reading, "rb", buffering=0))
            with contextlib.suppress(OSError):
                fcntl.fcntl(reading, fcntl.F_SETPIPE_SZ, _PIPE)
            base = program.segments[0].address & ~0x7FFF_FFFF
            command = [
                self._path, "-M", "virt,memory-backend=ram", "-m", f"{self._ram_size >> 20}M",
                "-object", f"memory-backend-file,id=ram,size={self._ram_size},mem-path={scratch / 'ram'},share=on",
                "-cpu", self._cpu, "-bios", "none", *loads, "-device", f"loader,addr={program.entry:#x},cpu-num=0",
                *(["-singlestep"] if self.version < (8, 1) else ["-accel", "tcg,one-insn-per-tb=on"]),
                "-plugin", f"{self._plugin},ram={scratch / 'ram'},base={base:#x},size={self._ram_size:#x}",
                "-d", "cpu,exec,int,nochain,plugin", "-D", f"/proc/self/fd/{writing}",
                "-display", "none", "-serial", "null", "-monitor", "none", "-net", "none",
            ]  # fmt: skip
            errors = stack.enter_context(tempfile.TemporaryFile())
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, pass_fds=(writing,),
                preexec_fn=die_with_parent,
            )  # fmt: skip
            os.close(writing)
            try:
                yield _Log(output).steps()
            finally:
                process.kill()
                process.wait()
            if process.returncode > 0:
                errors.seek(0)
                message = errors.read().decode(errors="replace").strip().splitlines()
                raise UserError(f"QEMU cannot run this: {message[-1] if message else 'no reason given'}")


class _Layout:
    """Where the first part of a dump has what.  QEMU leaves registers out that the mode may not read."""

    def __init__(self, head: bytes):
        places = {}
        at = 0
        for line in head.splitlines(keepends=True):
            words = line.split()
            if len(words) == 2:
                places[words[0].decode()] = at + line.index(words[1])
            at += len(line)
        self.pc, self.mstatus = places.pop("pc"), places["mstatus"]
        places.pop("mhartid", None)
        # In V=1, QEMU has the registers of HS-mode put away, and those of VS-mode in their places.
        swapped = {name: f"v{name}" for name in places if name in _SWAPPED}
        hidden = {"mstatus", "vsstatus", *swapped.values()}
        self.csrs = (
            list(places.items()),
            [("vsstatus", self.mstatus)]
            + [(swapped.get(name, name), at) for name, at in places.items() if name not in hidden],
        )


class _Log:
    """Reads QEMU's log: the state before each instruction, and what happened between."""

    def __init__(self, file):
        self._file = file
        self._layouts: dict[int, _Layout] = {}  # by length of the part in front of the registers
        self._known: dict[str, bytes] = {}

    def steps(self) -> Iterator[Step]:
        previous: tuple[int, int | None, bytes, bytes] | None = None
        events: list[bytes] = []
        first: dict[str, int | None] = {}  # as the program finds them
        for flags, head, registers, tail in self._blocks():
            layout = self._layouts.get(len(head)) or self._layouts.setdefault(len(head), _Layout(head))
            mprv = int(head[layout.mstatus : layout.mstatus + 16], 16) & _MPRV
            virtual = head[_V] == 49  # "1"
            mode = None if mprv else _PRIV[flags & 3] | virtual << 2
            pc = int(head[layout.pc : layout.pc + 16], 16)
            if previous is not None:
                if previous == (pc, mode, head, registers) and not events:
                    continue  # QEMU began the instruction anew
                csrs: dict[str, int | None] = {}
                if previous[2][:_V] != head[:_V] or previous[2][layout.pc + 16 :] != head[layout.pc + 16 :]:
                    csrs = self._changed_csrs(head, layout.csrs[virtual])
                    if previous[2][_V] != head[_V]:
                        for name in _HIDDEN[virtual]:
                            self._known.pop(name, None)
                            csrs[name] = None
                yield from self._between(previous, registers, first | csrs, events)
                first = {}
            else:
                first = self._changed_csrs(head, layout.csrs[virtual])
            previous, events = (pc, mode, head, registers), tail

    def _blocks(self) -> Iterator[tuple[int, bytes, bytes, list[bytes]]]:
        """QEMU's flags, the dump up to the registers, the registers, and the lines that follow."""
        rest = b""
        while True:
            # a machine that waits for an interrupt forever logs nothing more
            ready, _, _ = select.select([self._file], [], [], _PATIENCE)
            # and one that traps at its trap vector nothing but that
            chunk = self._file.read(_PIPE) if ready and len(rest) < _PIPE else b""
            blocks = (rest + chunk).split(b"Trace ")
            rest = blocks.pop() if chunk else b""
            for block in blocks:
                if b" x28/" not in block:  # before the first, or cut off with the end of QEMU
                    continue
                begin = block.index(b"\n") + 1
                first = block.index(b" x0/zero")
                end = first + _REGISTERS
                flags = int(block[block.index(b"[", 0, begin) + 1 : begin].split(b"/")[2], 16)
                yield flags, block[begin:first], block[first:end], block[end:].splitlines() if end < len(block) else []
            if not chunk:
                return

    def _changed_csrs(self, head: bytes, places: list[tuple[str, int]]) -> dict[str, int | None]:
        changed: dict[str, int | None] = {}
        known = self._known
        for name, at in places:
            text = head[at : at + 16]
            if name == "vsstatus":
                text = b"%016x" % (int(text, 16) & _VSSTATUS)
            if known.get(name) != text:
                known[name] = text
                changed[name] = int(text, 16)
        return changed

    @staticmethod
    def _between(
        before: tuple[int, int | None, bytes, bytes], after: bytes, csrs: dict[str, int | None], events: list[bytes]
    ) -> Iterator[Step]:
        """The steps from one dump to the next."""
        pc, mode, _, registers = before
        regs = {}
        if registers != after:
            for line, place in _LINES:
                if registers[place] != after[place]:
                    for column in range(4):
                        at = line * _LINE + column * _COLUMN + 10
                        if registers[at : at + 16] != after[at : at + 16]:
                            regs[4 * line + column] = int(after[at : at + 16], 16)
        stores = []
        traps = []
        for event in events:
            if event.startswith(b"M "):
                _, vaddr, paddr, size, value = event.split()
                known = value[:1] == b"="
                where, content = (int(paddr, 16), int(value[1:], 16)) if known else (None, None)
                stores.append(Store(int(vaddr, 16), where, int(size), content))
            elif match := _INTERRUPTED.match(event):
                traps.append((match[1] == b"1", int(match[2], 16), int(match[3], 16)))
        if not traps:
            yield Step(pc, mode, regs=regs, csrs=csrs, stores=tuple(stores))
            return
        trapped = not traps[0][0] and traps[0][2] == pc
        first = Step(pc, mode, regs=regs, csrs=csrs if trapped and len(traps) == 1 else None, stores=tuple(stores))
        if trapped:
            first.trap = traps.pop(0)[1]
        yield first
        for index, (interrupt, cause, epc) in enumerate(traps, 1):
            yield Step(epc, trap=cause | (INTERRUPT if interrupt else 0), csrs=csrs if index == len(traps) else None)


@cache
def _version(path: str) -> tuple[int, ...]:
    text = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    match = re.search(r"version (\d+)\.(\d+)\.(\d+)", text)
    if not match:
        raise UserError(f"{path} --version tells no version: reinstall QEMU.")
    return tuple(map(int, match.groups()))


@cache
def _properties(path: str) -> frozenset[str]:
    """The options of QEMU's generic 64-bit processor."""
    command = [path, "-M", "none", "-device", "rv64-riscv-cpu,help"]
    text = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return frozenset(re.findall(r"^\s+([A-Za-z0-9_-]+)=", text, re.MULTILINE))


@cache
def _plugin(qemu: tuple[int, ...]) -> Path:
    """The plugin, compiled for this version of QEMU."""
    number = 1 if qemu < (9,) else 2  # of the interface
    key = hashlib.sha256(_PLUGIN.read_bytes() + f"{number} {version('ziglang')}".encode()).hexdigest()[:16]
    directory = cache_dir("qemu")
    target = directory / f"stores-{key}.so"
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=directory) as scratch:
            fresh = Path(scratch) / "plugin.so"
            command = [
                sys.executable, "-m", "ziglang", "cc", "-shared", "-fPIC", "-O2", f"-DPLUGIN_VERSION={number}",
                str(_PLUGIN), "-o", str(fresh),
            ]  # fmt: skip
            result = subprocess.run(command, capture_output=True, text=True, check=False)
            if result.returncode:
                raise UserError(f"The plugin for QEMU cannot be compiled: {result.stderr.strip()}")
            fresh.replace(target)
    return target


def _shared() -> str | None:
    """A directory in memory, if there is one: QEMU keeps guest memory in a file."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
