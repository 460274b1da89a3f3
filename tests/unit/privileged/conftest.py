"""A bench around the CSR file that tests drive from the M stage's point of view."""

import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator

from entresol.config import CoreConfig, get_config
from entresol.isa.control import CsrOp, SysOp
from entresol.isa.privilege import Priv
from entresol.privileged.csr_access import CsrDecoder
from entresol.privileged.csr_file import CsrFile

sys.path.insert(0, str(Path(__file__).parent))  # some tests use the models of others

MODES = {"U": (Priv.U, 0), "HS": (Priv.S, 0), "M": (Priv.M, 0), "VU": (Priv.U, 1), "VS": (Priv.S, 1)}
MODE_NAMES = {(priv.value, v): name for name, (priv, v) in MODES.items()}
ECALL_FROM_M = 11  # never delegated

# Addresses that the bench itself needs.
MSTATUS, MIDELEG = 0x300, 0x303


@dataclass(frozen=True)
class AnyConfig(CoreConfig):
    """A configuration with extensions of which the rest of the core is not ready."""

    def __post_init__(self):
        pass


def everything() -> CoreConfig:
    """Every extension that has CSRs, and guest external interrupts."""
    base = get_config("small")
    extensions = base.extensions | {"sstc", "svadu", "svade", "svpbmt", "zicbom", "zicboz", "smstateen", "ssstateen",
                                    "svinval", "sscofpmf", "shlcofideleg", "smmpm", "smnpm", "ssnpm"}
    return AnyConfig("everything", extensions, geilen=3, hpm_counters=2,
                     vm_modes=frozenset({"sv39", "sv48", "sv39x4", "sv48x4"}))


class Bench:
    """Drives a `CsrFile`; scenarios are coroutines that get the bench."""

    def __init__(self, config: CoreConfig):
        self.config = config
        self.dut = CsrFile(config)
        self.csr_addr = Signal(12)
        self._scenario: Callable[[Bench], Awaitable[None]] | None = None
        m = Module()
        m.submodules.dut = self.dut
        m.submodules.decoder = decoder = CsrDecoder(config)
        m.d.comb += [
            decoder.addr.eq(self.csr_addr), decoder.v.eq(self.dut.mode.v), self.dut.csr.eq(decoder.decoded),
            self.dut.x_csr_valid.eq(self.dut.csr_valid), self.dut.x_csr.eq(decoder.permission),
            self.dut.x_csr_write.eq(self.dut.csr_write),
        ]
        self.sim = Simulator(m)
        self.sim.add_clock(1e-6)
        self.sim.add_testbench(self._testbench)

    async def _testbench(self, ctx):
        self.ctx = ctx
        await self._scenario(self)

    def run(self, scenario):
        """Reset, then run `scenario(self)`."""
        if self._scenario is not None:
            self.sim.reset()
        self._scenario = scenario
        self.sim.run()

    def set(self, **values):
        """Drive inputs of the CSR file, or `csr_addr`, the address of the CSR that is accessed."""
        for name, value in values.items():
            self.ctx.set(self.csr_addr if name == "csr_addr" else getattr(self.dut, name), value)

    def get(self, name):
        """An output of the CSR file."""
        return self.ctx.get(getattr(self.dut, name))

    async def tick(self, cycles=1):
        for _ in range(cycles):
            await self.ctx.tick()

    @property
    def mode(self) -> str:
        mode = self.get("mode")
        return MODE_NAMES[mode.priv.value, mode.v]

    def attempt(self, address, write=False, op=CsrOp.RW, operand=0) -> str:
        """"ok", "illegal" or "virtual": what an access would give."""
        self.set(csr_valid=1, csr_addr=address, csr_write=write, csr_op=op, csr_operand=operand)
        illegal, virtual = self.get("csr_illegal"), self.get("csr_virtual")
        assert not (illegal and virtual)
        return "illegal" if illegal else "virtual" if virtual else "ok"

    def read(self, address) -> int:
        self.set(csr_valid=1, csr_addr=address, csr_write=0, csr_op=CsrOp.RS, csr_operand=0)
        return self.get("csr_rdata")

    async def write(self, address, value, op=CsrOp.RW) -> int:
        """Write and give what was read; checks what the bench sees of it against the next read."""
        self.set(csr_valid=1, csr_addr=address, csr_write=1, csr_op=op, csr_operand=value & (1 << 64) - 1,
                 csr_commit=1)
        old = self.get("csr_rdata")
        assert not self.get("csr_illegal") and not self.get("csr_virtual"), hex(address)
        await self.ctx.tick()
        self.set(csr_commit=0, csr_write=0)
        changed = self.get("changed")
        assert not changed.valid or changed.addr != address or changed.data == self.read(address), hex(address)
        return old

    async def modify(self, address, **fields):
        """Set fields given as name=(low, width, value)."""
        value = self.read(address)
        for low, width, field in fields.values():
            value = value & ~(((1 << width) - 1) << low) | field << low
        await self.write(address, value)

    async def trap(self, cause, interrupt=0, epc=0, tval=0, gpa=0, tinst=0, gva=0) -> int:
        """Take a trap; gives the handler's address."""
        if interrupt:
            self.set(trap_interrupt_cause=cause)
            await self.tick()
        self.set(trap_valid=1, trap_cause=cause, trap_interrupt=interrupt, trap_epc=epc, trap_tval=tval, trap_gpa=gpa,
                 trap_tinst=tinst, trap_gva=gva)
        if interrupt:
            target = self.get("interrupt_target")
        else:
            below_m, to_vs = (self.get(f"exception_{name}") >> cause & 1 for name in ("below_m", "to_vs"))
            target = {"priv": Priv.S if below_m else Priv.M, "v": to_vs}
        self.set(trap_target=target)
        pc = self.get("trap_pc")
        await self.ctx.tick()
        self.set(trap_valid=0)
        await self.tick(4)  # at least, until the handler's first instruction is there
        return pc

    async def xret(self, op) -> int:
        """MRET or SRET; gives the address returned to."""
        self.set(csr_valid=0, csr_addr={SysOp.MRET: 0x302, SysOp.SRET: 0x102}[op], xret_valid=1, xret_op=op)
        pc = self.get("xret_pc")
        await self.ctx.tick()
        self.set(xret_valid=0)
        return pc

    async def go(self, mode):
        """Enter `mode` by way of M-mode; changes mstatus MPP, MPV, MIE and MPIE, MPRV and the machine trap CSRs."""
        await self.trap(ECALL_FROM_M)
        if mode != "M":
            priv, v = MODES[mode]
            fields = {"mpp": (11, 2, priv.value)}
            if self.config.has("h"):
                fields["mpv"] = (39, 1, v)
            await self.modify(MSTATUS, **fields)
            await self.xret(SysOp.MRET)
        assert self.mode == mode


@pytest.fixture(scope="session")
def bench() -> Bench:
    """With everything there is."""
    return Bench(everything())


@pytest.fixture(scope="session")
def small_bench() -> Bench:
    return Bench(get_config("small"))


@pytest.fixture(scope="session")
def bare_bench(bare_config) -> Bench:
    return Bench(bare_config)


@pytest.fixture(scope="session")
def everything_config() -> CoreConfig:
    return everything()


@pytest.fixture(scope="session")
def bare_config() -> CoreConfig:
    """Without the hypervisor extension."""
    return replace(get_config("small").without("h"), hpm_counters=0)
