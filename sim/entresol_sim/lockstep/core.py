"""What the simulated core does, as steps."""

import struct
from collections.abc import Iterator
from pathlib import Path

from entresol.config import CoreConfig
from entresol.isa.csrs import csr_table

from ..build import Elaborated
from ..elf import Program
from ..progress import Progress
from ..simulator import BATCH, Outcome, Result, Simulator
from .steps import BLOCK, INTERRUPT, PREFIX, Step, Store

_RECORD = struct.Struct("<8QIHHBBBBBB2x")  # `Record` of harness/record.h
_TRAP, _INTERRUPT, _RD, _READ, _WRITE, _CSR, _CSR2 = 1, 2, 4, 8, 16, 32, 64
_CBO, _CBO_MASK = 0x200F, 0x707F
#: CSRs that an access in V=1 exchanges, by the name in the instruction.
SUBSTITUTES = {f"s{name}": f"vs{name}" for name in (
    "status", "ie", "ip", "tvec", "scratch", "epc", "cause", "tval", "atp", "timecmp")}  # fmt: skip
#: Cycles without a retired instruction (in WFI a hundred times as many) after which a program counts as ended.
_WATCHDOG = 2000
_FINISHER = 0x100  # page


class Core:
    """Runs programs on the simulated SoC of `config` with `ram_size` bytes of memory."""

    def __init__(self, config: CoreConfig, ram_size: int, progress: Progress | None = None):
        self.config = config
        self.ram_size = ram_size
        #: What `Simulator.build` gave, after `build`.
        self.built: tuple[Elaborated, Path] | None = None
        self._progress = progress
        self._names = {csr.address: csr.name for csr in csr_table(config).values()}

    def build(self) -> Path:
        """Build the model; returns its path."""
        if self.built is None:
            with Simulator(self.config, ram_size=self.ram_size, progress=self._progress) as simulator:
                self.built = simulator.build()
        return self.built[1]

    def run(self, program: Program, max_cycles: int) -> Iterator[Step]:
        """The steps of `program` from its entry point on, which it is sent to with every register but t0 holding 0,
        until it ends, waits for an interrupt that does not come, or `max_cycles` are over.

        Raises:
            UserError: the program cannot be loaded.
        """
        self.build()
        records: list[bytes] = []
        with Simulator(self.config, ram_size=self.ram_size, watchdog=_WATCHDOG, built=self.built) as simulator:
            # no device tree, which another machine has elsewhere
            simulator.device_tree(None)
            simulator.load_program(program)
            simulator.record(records.append)
            started = False
            outcome = Outcome(Result.CYCLE_LIMIT, 0, "")
            while outcome.result is Result.CYCLE_LIMIT and simulator.cycle < max_cycles:
                outcome = simulator.run(min(simulator.cycle + BATCH, max_cycles))
                for step in self.steps(b"".join(records)):
                    started = started or step.pc == program.entry
                    if started:
                        if any(store.paddr is not None and store.paddr >> 12 == _FINISHER for store in step.stores):
                            return
                        yield step
                records.clear()

    def steps(self, content: bytes) -> list[Step]:
        """Records of harness/record.h as steps."""
        names = self._names
        steps: list[Step] = []
        append = steps.append
        for (
            pc, tval, rd_data, vaddr, paddr, wdata, csr_data, csr2_data, raw, csr, csr2, mode, target, flags, cause, rd,
            size,
        ) in _RECORD.iter_unpack(content):  # fmt: skip
            step = Step(pc, mode, raw)
            if flags & _TRAP:
                step.trap = cause | (INTERRUPT if flags & _INTERRUPT else 0)
                step.tval = tval
                step.target = target
                prefix = PREFIX[target]
                code = cause - 1 if flags & _INTERRUPT and target == 5 and cause in (2, 6, 10) else cause
                step.csrs = {
                    f"{prefix}epc": pc,
                    f"{prefix}cause": code | (INTERRUPT if flags & _INTERRUPT else 0),
                    f"{prefix}tval": tval,
                }
            if flags & _RD:
                step.regs = {rd: rd_data}
            if flags & _READ:
                step.load = (paddr, size)
            if flags & _WRITE:
                if raw & _CBO_MASK == _CBO:  # only CBO.ZERO writes
                    step.stores = (Store(vaddr & -1 << BLOCK, paddr & -1 << BLOCK, BLOCK, 0),)
                else:
                    step.stores = (Store(vaddr, paddr, size, wdata),)
            if flags & _CSR:
                step.csrs = {names[csr]: csr_data}
                if flags & _CSR2:
                    step.csrs[names[csr2]] = csr2_data
            append(step)
        return steps
