"""Spike as a reference: its commit log read as steps.  The user brings it; see `Spike.COMMAND`."""

import contextlib
import os
import re
import select
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from entresol.config import CoreConfig

from ..elf import Program
from ..errors import UserError
from ..processes import die_with_parent
from .assembler import elf
from .steps import INTERRUPT, Step, Store

COMMAND = "spike"
_MIP = 0x344
#: Names of extensions in Spike's ISA string, in its order.
_SINGLE = "imafdcvh"
_IMPLIED = {"zaamo", "zalrsc", "zca", "s", "u"}

_CAUSES = {
    "instruction_address_misaligned": 0, "instruction_access_fault": 1, "illegal_instruction": 2, "breakpoint": 3,
    "load_address_misaligned": 4, "load_access_fault": 5, "store_address_misaligned": 6, "store_access_fault": 7,
    "user_ecall": 8, "supervisor_ecall": 9, "virtual_supervisor_ecall": 10, "machine_ecall": 11,
    "instruction_page_fault": 12, "load_page_fault": 13, "store_page_fault": 15, "instruction_guest_page_fault": 20,
    "load_guest_page_fault": 21, "virtual_instruction": 22, "store_guest_page_fault": 23,
}  # fmt: skip
#: A commit, with the effects that most have in their order; an exception; or what follows one.
_LINE = re.compile(
    rb"core   0: (?:(\d) 0x([0-9a-f]+) \(0x([0-9a-f]+)\)"
    rb"(?: x(\d+) +0x([0-9a-f]+))?(?: mem 0x([0-9a-f]+)(?: 0x([0-9a-f]+))?)?([^\n]*)"
    rb"|exception (?:interrupt #(\d+)|(?:trap_)?(\w+)), epc 0x([0-9a-f]+)| +tval 0x([0-9a-f]+))\n"
)
_EFFECT = re.compile(rb" (?:x(\d+) +0x([0-9a-f]+)|c\d+_(\w+) 0x([0-9a-f]+)|mem 0x([0-9a-f]+)(?: 0x([0-9a-f]+))?)")
_CHUNK = 1 << 18
_PATIENCE = 10  # seconds

_UNSUPPORTED = re.compile(r"unsupported extension: (\w+)")


def _isa(path: str, config: CoreConfig) -> tuple[str, frozenset[str]]:
    """The ISA string of what this Spike has of the configuration's extensions, and those that it does not know."""
    single = "".join(name for name in _SINGLE if config.has(name))
    rest = sorted(name for name in config.extensions if len(name) > 1 and name not in _IMPLIED)
    missing: set[str] = set()
    while True:
        isa = "_".join([f"rv64{single}", *(name for name in rest if name not in missing)])
        command = [path, f"--isa={isa}", "--dump-dts", "/dev/null"]
        match = _UNSUPPORTED.search(subprocess.run(command, capture_output=True, text=True, check=False).stderr)
        if match is None or match[1] in missing:
            return isa, frozenset(missing)
        missing.add(match[1])


class Spike:
    """Runs programs in Spike with the extensions of `config`.

    Raises:
        UserError: there is no Spike on PATH.
    """

    name = "spike"
    sparse = True

    def __init__(self, config: CoreConfig, ram_size: int):
        path = shutil.which(COMMAND)
        if path is None:
            raise UserError(f"There is no {COMMAND} on PATH: put yours there, or use another --reference.")
        self._path = path
        self.version: tuple[int, ...] = (1, 1)
        self._ram_size = ram_size
        self._isa, self.missing = _isa(path, config)

    @contextlib.contextmanager
    def run(self, program: Program) -> Iterator[Iterator[Step]]:
        """The steps of `program`, from its entry point on, without end if the program has none."""
        with contextlib.ExitStack() as stack:
            file = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="entresol-"))) / "program.elf"
            file.write_bytes(elf(program))
            reading, writing = os.pipe()
            output = stack.enter_context(open(reading, "rb", buffering=0))
            command = [
                self._path, f"--isa={self._isa}", f"-m0x80000000:{self._ram_size:#x}", "--triggers=0",
                "--log-commits", "-l", f"--log=/proc/self/fd/{writing}", str(file),
            ]  # fmt: skip
            # what the program writes to the UART goes to the standard output
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                pass_fds=(writing,), preexec_fn=die_with_parent,
            )  # fmt: skip
            os.close(writing)
            try:
                yield self._steps(output, program.entry, process.terminate)
            finally:
                process.kill()
                process.wait()

    @staticmethod
    def _steps(output, entry: int, stop: Callable[[], None]) -> Iterator[Step]:
        """The steps from the first at `entry` on.  `stop` has Spike write what it holds back, and end."""
        started = False
        trap: Step | None = None
        rest = b""
        stopped = False
        while True:
            # a machine that waits for an interrupt forever logs nothing more
            ready, _, _ = select.select([output], [], [], _PATIENCE)
            if not ready:
                if stopped:
                    return
                stopped = True
                stop()
                continue
            chunk = output.read(_CHUNK)
            if not chunk:
                return
            end = chunk.rfind(b"\n") + 1
            lines, rest = rest + chunk[:end], chunk[end:] if end else rest + chunk
            for (
                mode, pc, raw, rd, value, vaddr, stored, effects, interrupt, exception, epc, tval
            ) in _LINE.findall(lines) if end else ():  # fmt: skip
                if trap is not None:
                    if tval:
                        trap.tval = int(tval, 16)
                    yield trap
                    trap = None
                if mode:
                    address = int(pc, 16)
                    started = started or address == entry
                    if not started:
                        continue
                    step = Step(address, None, int(raw, 16))
                    if rd:
                        step.regs = {int(rd): int(value, 16)}
                    if stored:
                        step.stores = (_store(vaddr, stored),)
                    if effects:
                        _more(step, effects)
                    yield step
                elif started and epc:
                    cause = int(interrupt) | INTERRUPT if interrupt else _CAUSES[exception.decode()]
                    trap = Step(int(epc, 16), trap=cause)


def _store(address: bytes, value: bytes) -> Store:
    return Store(int(address, 16), None, (len(value) // 2).bit_length() - 1, int(value, 16))


def _more(step: Step, effects: bytes) -> None:
    """Add the effects that come in another order."""
    csrs: dict[str, int | None] = {}
    for rd, value, csr, csr_value, address, stored in _EFFECT.findall(effects):
        if rd:
            step.regs[int(rd)] = int(value, 16)
        elif csr and (csr != b"mip" or (step.raw or 0) >> 20 == _MIP):
            # of mip it shows only what another register's write changed
            csrs[csr.decode()] = int(csr_value, 16)
        elif stored:
            step.stores = (*step.stores, _store(address, stored))
    step.csrs = csrs
