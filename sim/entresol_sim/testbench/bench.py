"""What runs inside the simulation: the core with its memory, and one experiment after another on it."""

import functools
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from entresol.config import CoreConfig, Region
from entresol.isa.csrs import csr_table
from entresol.observe import Retire

from ..errors import UserError
from ..ports import leaves
from .pages import PageTable
from .run import simulated_config
from .snippets import assemble

MODES = {"U": (0, 0), "HS": (1, 0), "M": (3, 0), "VU": (0, 1), "VS": (1, 1)}  # nominal privilege, V
_NAMES = {mode: name for name, mode in MODES.items()}
_PREFIX = {"M": "m", "HS": "s", "VS": "vs"}

#: What is read in M-mode when a run ends, as far as the configuration has it.
READ_BACK = (
    "mstatus", "mepc", "mcause", "mtval", "mtval2", "mtinst", "medeleg", "mideleg", "mie", "mip", "hstatus", "hedeleg",
    "hideleg", "htval", "htinst", "scause", "sepc", "stval", "vsstatus", "vscause", "vsepc", "vstval",
)  # fmt: skip

_REGISTERS = (
    "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", *(f"a{number}" for number in range(8)),
    *(f"s{number}" for number in range(2, 12)), "t3", "t4", "t5", "t6",
)  # fmt: skip
_BASE, _SCRATCH = _REGISTERS.index("t6"), _REGISTERS.index("t5")
_PAGE = 4096
_VECTORS = {"M": 0x000, "HS": 0x100, "VS": 0x200}  # tables of 64 jumps each, in the monitor
_MRET = 0x30200073
_MIE, _MPIE, _MPP, _MPV = 1 << 3, 1 << 7, 3 << 11, 1 << 39
_ILLEGAL, _ECALL = 0xFFFFFFFF, 0x00000073
_ILLEGAL_CAUSE, _ECALL_CAUSE = 2, {"U": 8, "VU": 8, "HS": 9, "VS": 10}
_CSRR_MASK, _CSRR = 0xFF07F, 0x02073  # csrrs rd, csr, x0

# t6 is the only register the monitor needs between runs; a run begins where the mailbox says.
_MONITOR = """
m_vectors:
    .rept 64
    j m_trap
    .endr
hs_vectors:
    .rept 64
    j hs_trap
    .endr
vs_vectors:
    .rept 64
    j vs_trap
    .endr
hs_trap:
    .word 0             # how to get to M-mode from here: written before each run
    j hs_trap
vs_trap:
    .word 0
    j vs_trap
m_trap:
{reads}
    csrw mstatus, zero  # MPRV would apply to the monitor
monitor:
    li t5, {mailbox}
1:  ld t6, 0(t5)
    beqz t6, 1b
    fence.i
    jr t6
"""


class TestbenchError(AssertionError):
    """The core did not do what an experiment needs, such as come back to M-mode."""


@dataclass(frozen=True)
class Retired:
    """A record of the retire port (`entresol.observe.Retire` describes the fields), modes by name."""

    pc: int
    raw: int
    mode: str
    trap: int
    interrupt: int
    cause: int
    tval: int
    target: str
    rd_we: int
    rd: int
    rd_data: int
    mem_read: int
    mem_write: int
    mem_vaddr: int
    mem_paddr: int
    mem_size: int
    mem_wdata: int
    csr_valid: int
    csr_addr: int
    csr_data: int
    csr2_valid: int
    csr2_addr: int
    csr2_data: int


@dataclass(frozen=True)
class Trap:
    """A trap as the retire port showed it, and its handler's first instruction.

    `handler` and `origin` are modes, `pc` is that of the instruction, `vector` the address at which the handler began.
    """

    handler: str
    origin: str
    interrupt: bool
    cause: int
    tval: int
    pc: int
    vector: int


@dataclass(frozen=True)
class Outcome:
    """What a run did.

    `trap` is the first trap, None if the code ran to its end.  `csrs` are the registers of `READ_BACK` as M-mode then
    found them: those of the handler's mode still say what the trap wrote, and so do all HS- and VS-level ones; M's own
    trap registers do so only for a trap to M-mode, otherwise they tell of the way back.  `retired` are the records
    from the first instruction in the mode on, up to the one that brought the hart back; `code` is the (virtual)
    address of the code.
    """

    trap: Trap | None
    csrs: dict[str, int]
    retired: list[Retired]
    code: int


@dataclass
class _Progress:
    """How far a run is: the records of its code, then what M-mode reads."""

    entered: bool = False
    records: list[Retired] = field(default_factory=list)
    csrs: dict[int, int] = field(default_factory=dict)


def csr(rd: int, number: int, rs1: int, write: bool) -> int:
    """The word of csrrw (`write`) or csrrs."""
    return number << 20 | rs1 << 15 | (1 if write else 2) << 12 | rd << 7 | 0x73


def load(rd: int, offset: int, base: int) -> int:
    """The word of ld rd, offset(base)."""
    return (offset & 0xFFF) << 20 | base << 15 | 3 << 12 | rd << 7 | 0x03


class Testbench:
    """The core with memory behind its AXI4 port, in M-mode in a monitor, ready to run experiments.

    `dut` is the handle of the simulation's top module: `clk`, `rst`, `axi_*`, the inputs `msi`, `mti`, `mei`, `sei`,
    `sgei` (bit i is guest external interrupt i+1) and `mtime`, and the fields of the retire port as `retire_*`.
    `memory` is the `cocotbext.axi.AxiRam` (all addresses of the core's bus), `config` the core's configuration.
    """

    __test__ = False  # pytest takes classes of this name for tests

    def __init__(self, dut: Any, config: CoreConfig | None = None):
        self.dut = dut
        self.config = config or simulated_config()
        self._csrs = csr_table(self.config)
        memories = [region for region in self.config.regions if not region.io]
        devices = [region for region in self.config.regions if region.io]
        if not devices:
            raise UserError("A testbench needs a region with io=True: add one to the configuration's regions.")
        self._ram: Region = max(memories, key=lambda region: region.size)
        self._mailbox = devices[0].base
        self._next = self._ram.base + 0x10_0000
        self._read_back = [name for name in READ_BACK if name in self._csrs]
        #: Addresses of the three modes' trap vectors, for mtvec, stvec and vstvec.
        self.vectors = {mode: self._ram.base + offset for mode, offset in _VECTORS.items()}
        self.memory: Any = None

    # --- beginning

    @classmethod
    async def start(cls, dut: Any, config: CoreConfig | None = None, period_ns: int = 10) -> "Testbench":
        """Start clock and memory, reset the core and wait for the monitor.

        Raises:
            UserError: cocotb or cocotbext-axi is not installed, or the configuration has no place for the monitor.
        """
        try:
            import logging

            from cocotb.clock import Clock
            from cocotb.triggers import ClockCycles, RisingEdge
            from cocotbext.axi import AxiBus, AxiRam
        except ImportError as error:
            raise UserError(
                "cocotb or cocotbext-axi is not installed: pip install 'entresol[test]' brings both."
            ) from error
        bench = cls(dut, config)
        logging.getLogger("cocotb.entresol_testbench.axi").setLevel(logging.WARNING)
        Clock(dut.clk, period_ns, unit="ns").start()
        bench.inputs()
        dut.flush_valid.value = 0
        dut.rst.value = 1
        bench.memory = AxiRam(AxiBus.from_prefix(dut, "axi"), dut.clk, dut.rst, size=1 << bench.config.bus_bits)
        for name in ("rid", "rdata", "rresp", "rlast", "bid", "bresp"):
            getattr(dut, f"axi_{name}").value = 0  # undefined ones would make rready undefined
        bench._edge = RisingEdge(dut.clk)
        bench._handles = {name: getattr(dut, f"retire_{name}") for name in _retire_fields()}
        bench._write_monitor()
        await ClockCycles(dut.clk, 4)
        dut.rst.value = 0
        initial = {f"{_PREFIX[mode]}tvec": address for mode, address in bench.vectors.items()}
        if bench.config.pmp_entries:
            initial |= {"pmpaddr0": (1 << 64) - 1, "pmpcfg0": 0x1F}  # everything is allowed
        await bench.run("M", "nop", csrs=initial)
        return bench

    def _write_monitor(self) -> None:
        reads = "\n".join(f"    csrr t0, {name}" for name in self._read_back)
        text = _MONITOR.format(reads=reads, mailbox=self._mailbox)
        pieces = {"monitor_image": text}
        image = _assembled(tuple(pieces.items()))["monitor_image"]
        self.memory.write(self._ram.base, image)
        self._hs_relay = self._ram.base + 0x300
        self._vs_relay = self._ram.base + 0x308
        self._m_trap = self._ram.base + 0x310
        self._monitor = self._m_trap + 4 * (len(self._read_back) + 1)
        start = _assembled((("start", f"li t0, {self._monitor}\njr t0"),))["start"]
        self.memory.write(self.config.reset_vector, start)
        self.memory.write(self._mailbox, bytes(8))

    # --- memory

    def allocate(self, size: int, align: int | None = None) -> int:
        """The physical address of `size` zeroed bytes that nothing has used before, aligned to `align` bytes (default:
        `size` rounded up to whole pages, a power of two)."""
        size = -(-size // _PAGE) * _PAGE
        align = align or 1 << (size - 1).bit_length()
        self._next = -(-self._next // align) * align
        address, self._next = self._next, self._next + size
        if self._next > self._ram.end:
            raise TestbenchError(f"The region {self._ram.name!r} is full: make it larger or start another test.")
        return address

    def load(self, address: int, content: bytes) -> None:
        """Write to memory behind the core's back.  What its data cache holds it does not see (see `flush`)."""
        self.memory.write(address, content)

    def write64(self, address: int, value: int) -> None:
        """Write 64 bits to memory, as `load`."""
        self.memory.write(address, struct.pack("<Q", value))

    def read64(self, address: int) -> int:
        """Read 64 bits of memory; what the core wrote may still be in its data cache (see `flush`)."""
        return struct.unpack("<Q", bytes(self.memory.read(address, 8)))[0]

    def page_table(self, guest: bool = False) -> PageTable:
        """A new page table for satp or vsatp, or for hgatp with `guest`."""
        return PageTable(self.allocate, self.write64, guest)

    async def flush(self) -> None:
        """Have the data cache written back and emptied."""
        self.dut.flush_valid.value = 1
        await self._edge
        while not self.dut.flush_done.value:
            await self._edge
        self.dut.flush_valid.value = 0
        await self._edge

    # --- inputs

    def inputs(self, **values: int) -> None:
        """Set the inputs: `msi`, `mti`, `mei`, `sei`, `sgei` and `mtime`; those not named become 0."""
        for name in ("msi", "mti", "mei", "sei", "mtime", *(["sgei"] if self.config.geilen else [])):
            getattr(self.dut, name).value = values.pop(name, 0)
        if values:
            raise UserError(f"The core has no input {next(iter(values))!r}: use msi, mti, mei, sei, sgei or mtime.")

    # --- runs

    async def run(
        self,
        mode: str,
        code: str | bytes,
        *,
        csrs: Mapping[str, int] | None = None,
        registers: Mapping[str, int] | None = None,
        inputs: Mapping[str, int] | None = None,
        alias: int = 0,
        on_retire: Callable[[Retired], Awaitable[None] | None] | None = None,
        max_cycles: int = 20_000,
    ) -> Outcome:
        """Execute `code` in `mode` ("M", "HS", "U", "VS" or "VU") until a trap, or to its end, and come back.

        `code` is assembly or machine code; it is put into fresh memory, and the pc is its address plus `alias` (for
        page tables that map it elsewhere).  Before, in M-mode, `csrs` are written in the order given and stay so
        afterwards; `mstatus` is what it shall be in the mode (MPP, MPV and MPIE aside, which MRET uses; default 0).
        `registers` are set by their ABI names; t5 and t6 are not kept.  `inputs` are set, as `inputs()` does, when the
        run begins, and become 0 when it ends.  `on_retire` is called for each record of the retire port in the mode and
        its handlers, to change inputs at a certain instruction, for instance.  All TLBs are flushed before.

        A trap to HS- or VS-mode ends there with an illegal instruction that brings the hart back to M-mode, or with an
        ECALL if medeleg delegates that; so does the end of `code`.

        Raises:
            UserError: unknown mode, CSR or register, or code that does not assemble.
            TestbenchError: a CSR could not be written, or the hart did not come back within `max_cycles`.
        """
        if mode not in MODES:
            raise UserError(f"Unknown mode {mode!r}: choose one of {', '.join(MODES)}.")
        content = _assembled((("code", code),))["code"] if isinstance(code, str) else code
        csrs = dict(csrs or {})
        self._medeleg = csrs.get("medeleg", getattr(self, "_medeleg", 0))
        address = self.allocate(_PAGE)
        entry = (address + alias) % (1 << 64)
        content += bytes(-len(content) % 2)
        self.load(address, content + struct.pack("<I", self._way_back(mode)))
        for place, where in (("HS", self._hs_relay), ("VS", self._vs_relay)):
            self.load(where, struct.pack("<I", self._way_back(place)))
        preparation = self._preparation(mode, entry, csrs, dict(registers or {}))
        self.inputs(**(inputs or {}))
        self.write64(self._mailbox, preparation)
        progress, valid, handles = _Progress(), self.dut.retire_valid, self._handles
        for _ in range(max_cycles):
            await self._edge
            if not valid.value:
                continue
            pc = int(handles["pc"].value)
            if not progress.entered:
                raw = int(handles["raw"].value)
                if handles["trap"].value:
                    raise TestbenchError(self._refused(raw, pc))
                if pc == preparation:
                    self.write64(self._mailbox, 0)
                progress.entered = raw == _MRET
            elif self._m_trap <= pc < self._monitor:
                raw = int(handles["raw"].value)
                if raw & _CSRR_MASK == _CSRR:
                    progress.csrs[raw >> 20] = int(handles["rd_data"].value)
            elif pc == self._monitor:
                break
            else:
                record = self._record()
                progress.records.append(record)
                if on_retire is not None:
                    waiting = on_retire(record)
                    if waiting is not None:
                        await waiting
        else:
            last = f", after {progress.records[-1]}" if progress.records else ""
            raise TestbenchError(
                f"The hart did not come back to M-mode within {max_cycles} cycles{last} (does medeleg delegate illegal "
                f"instructions and calls alike?)."
            )
        self.inputs()
        values = {name: progress.csrs[self._csrs[name].address] for name in self._read_back}
        return Outcome(self._trap(progress, entry + len(content)), values, progress.records, entry)

    def _way_back(self, mode: str) -> int:
        """The instruction that traps from `mode` to M-mode."""
        if mode == "M" or not self._medeleg >> _ILLEGAL_CAUSE & 1:
            return _ILLEGAL
        if not self._medeleg >> _ECALL_CAUSE[mode] & 1:
            return _ECALL
        return _ILLEGAL

    def _preparation(self, mode: str, entry: int, csrs: dict[str, int], registers: dict[str, int]) -> int:
        """Code that writes CSRs and registers and enters the mode; returns its address."""
        privilege, virtual = MODES[mode]
        status = csrs.pop("mstatus", 0)
        on = _MPIE if status & _MIE else 0
        csrs["mepc"] = entry
        csrs["mstatus"] = status & ~(_MIE | _MPIE | _MPP | _MPV) | on | privilege << 11 | (_MPV if virtual else 0)
        words, values = [], []
        slots = [(name, None) for name in csrs] + [(None, name) for name in registers]
        fences = [0x12000073, *([0x62000073, 0x22000073] if "h" in self.config.extensions else [])]
        length = 4 * (2 * len(csrs) + len(registers) + len(fences) + 1)
        literals = -(-length // 8) * 8
        if literals + 8 * len(slots) > 2048:
            raise UserError("Too many CSRs and registers for one run: write some of them in a run before.")
        for index, (csr_name, register) in enumerate(slots):
            offset = literals + 8 * index
            if csr_name is not None:
                if csr_name not in self._csrs:
                    raise UserError(f"The configuration {self.config.name!r} has no CSR {csr_name!r}.")
                values.append(csrs[csr_name])
                if index == len(csrs) - 1:
                    words += fences
                words += [load(_SCRATCH, offset, _BASE), csr(0, self._csrs[csr_name].address, _SCRATCH, True)]
            else:
                assert register is not None
                if register not in _REGISTERS[1:-2]:
                    raise UserError(f"{register!r} cannot be set: use ABI names other than zero, t5 and t6.")
                values.append(registers[register])
                words.append(load(_REGISTERS.index(register), offset, _BASE))
        words.append(_MRET)
        content = struct.pack(f"<{len(words)}I", *words)
        content += bytes(literals - len(content))
        content += b"".join(struct.pack("<Q", value % (1 << 64)) for value in values)
        address = self.allocate(_PAGE)
        self.load(address, content)
        return address

    def _refused(self, raw: int, pc: int) -> str:
        """What to say of a trap before the mode was entered."""
        names = {row.address: row.name for row in self._csrs.values()}
        what = f"writing {names[raw >> 20]}" if raw & 0x7F == 0x73 and raw >> 20 in names else f"{raw:#x} at {pc:#x}"
        return f"A trap in M-mode, before the run: {what}."

    def _record(self) -> Retired:
        values: dict[str, Any] = {name: int(handle.value) for name, handle in self._handles.items()}
        values.pop("valid")
        for name in ("target", "mode"):
            values[name] = _NAMES[values.pop(f"{name}_priv"), values.pop(f"{name}_v")]
        return Retired(**values)

    def _trap(self, progress: _Progress, end: int) -> Trap | None:
        for index, record in enumerate(progress.records):
            if not record.trap:
                continue
            if record.pc == end and not record.interrupt:
                return None
            vector = progress.records[index + 1].pc
            return Trap(
                record.target, record.mode, bool(record.interrupt), record.cause, record.tval, record.pc, vector
            )
        raise TestbenchError("The hart came to the monitor without a trap.")


@functools.cache
def _assembled(pieces: tuple[tuple[str, str], ...]) -> dict[str, bytes]:
    return assemble(dict(pieces))


@functools.cache
def _retire_fields() -> list[str]:
    return [leaf.name for leaf in leaves(Retire)]
