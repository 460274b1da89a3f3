"""An Mmu with memory behind it, in Amaranth's simulator."""

from contextlib import contextmanager
from dataclasses import dataclass

from amaranth.sim import Simulator
from mmu_reference import M, Machine

from entresol.config import CoreConfig, Region
from entresol.mmu.mmu import Mmu
from entresol.mmu.types import Fence, FenceOp, MmuContext, PmpEntry, TlbLookup

RAM = 0x8000_0000
REGIONS = (
    Region("rom", 0x1000, 0xF000, False),
    Region("device", 0x1000_0000, 0x40_0000, True),
    Region("ram", RAM, 0x1000_0000, False),
)


class TranslationConfig(CoreConfig):
    """A configuration with all translation extensions, whatever the rest of the core makes of them yet."""

    def has(self, extension):
        return extension in {"svnapot", "svpbmt", "svadu"} or super().has(extension)


def make_config(cls=CoreConfig, modes=("sv39", "sv39x4"), hypervisor=True, **changes):
    """A small configuration for the MMU alone."""
    extensions = {"i", "m", "a", "c", "zicsr", "zifencei", "zicntr", "s", "u"} | ({"h"} if hypervisor else set())
    settings = {
        "itlb_entries": 4, "dtlb_entries": 4, "l2tlb_entries": 32, "l2tlb_ways": 2, "regions": REGIONS,
        "pmp_entries": 0,
    }  # fmt: skip
    return cls("mmu-test", frozenset(extensions), vm_modes=frozenset(modes), **(settings | changes))


def make_machine(config, **changes):
    """The reference machine for a configuration."""
    return Machine(
        regions=[(region.base, region.end, region.io) for region in config.regions],
        svnapot=config.has("svnapot"),
        svpbmt=config.has("svpbmt"),
        **changes,
    )


@dataclass
class Answer:
    """What the Mmu said.  `cycles` in which walk_valid was set (0: L1 hit), `reads` of page-table entries."""

    paddr: int = 0
    io: int = 0
    nc: int = 0
    narrow: int = 0
    line: int = 0
    cause: int | None = None
    gpa: int = 0
    implicit: int = 0
    vaddr: int = 0
    v: int = 0
    cycles: int = 0
    reads: int = 0


class Bench:
    """Drives an Mmu from the state of a `Machine`, whose memory it shares.

    `latency`: cycles that a page-table access takes, a number or a function without arguments.
    """

    def __init__(self, config, machine, latency=2):
        self.config, self.machine = config, machine
        self.dut = Mmu(config)
        self.latency = latency if callable(latency) else lambda: latency
        self.reads = []
        self.updates = []
        self.before_update = None  # called before an update is compared: another agent's store
        self.events = dict.fromkeys(
            ("itlb_miss", "dtlb_miss", "l2tlb_miss", "walk_read", "walk_vs_stage", "walk_g_stage"), 0
        )
        self.count_events = False

    @contextmanager
    def _simulator(self, testbench):
        sim = Simulator(self.dut)
        sim.add_clock(1e-6)
        sim.add_testbench(testbench)
        sim.add_testbench(self._memory, background=True)
        sim.add_testbench(self._events, background=True)
        yield sim

    def run(self, main):
        """Run `async main(ctx)` to its end."""

        async def testbench(ctx):
            self.ctx = ctx
            self.apply()
            await ctx.tick().repeat(self.config.l2tlb_entries // self.config.l2tlb_ways + 2)  # sweep after reset
            await main(ctx)

        with self._simulator(testbench) as sim:
            sim.run()

    async def _events(self, ctx):
        while self.count_events:
            await ctx.tick()
            for name in self.events:
                self.events[name] += ctx.get(getattr(self.dut, name))

    async def _memory(self, ctx):
        dut = self.dut
        while True:
            while not ctx.get(dut.ptw_valid):
                await ctx.tick()
            update, address = ctx.get(dut.ptw_update), ctx.get(dut.ptw_addr)
            for _ in range(self.latency() - 1):
                await ctx.tick()
                assert ctx.get(dut.ptw_valid) and ctx.get(dut.ptw_addr) == address, "a request was taken back"
            assert self.machine.pma(address) is False and address % 8 == 0
            memory = self.machine.memory
            error = mismatch = 0
            if address in self.machine.bus_errors:
                error = 1
            elif update:
                if self.before_update:
                    self.before_update(address)
                mismatch = memory.get(address, 0) != ctx.get(dut.ptw_expected)
                if not mismatch:
                    memory[address] = ctx.get(dut.ptw_data)
                self.updates.append(address)
            else:
                self.reads.append(address)
            ctx.set(dut.ptw_rdata, memory.get(address, 0))
            ctx.set(dut.ptw_error, error)
            ctx.set(dut.ptw_mismatch, mismatch)
            ctx.set(dut.ptw_done, 1)
            await ctx.tick()
            ctx.set(dut.ptw_done, 0)
            ctx.set(dut.ptw_rdata, 0)

    def apply(self):
        """Present the machine's CSRs to the Mmu."""
        x = self.machine
        self.ctx.set(
            self.dut.ctx,
            MmuContext.const(
                {
                    "satp": {"ppn": x.satp.ppn, "asid": x.satp.id, "mode": x.satp.mode},
                    "vsatp": {"ppn": x.vsatp.ppn, "asid": x.vsatp.id, "mode": x.vsatp.mode},
                    "hgatp": {"ppn": x.hgatp.ppn, "vmid": x.hgatp.id, "mode": x.hgatp.mode},
                    "mxr": x.mxr,
                    "sum": x.sum,
                    "vmxr": x.vmxr,
                    "vsum": x.vsum,
                    "m_adue": x.m_adue,
                    "h_adue": x.h_adue,
                    "m_pbmte": x.m_pbmte,
                    "h_pbmte": x.h_pbmte,
                }
            ),
        )
        for i, entry in enumerate(x.pmp):
            self.ctx.set(
                self.dut.pmp[i],
                PmpEntry.const(
                    {
                        "r": entry.perm & 1,
                        "w": entry.perm >> 1 & 1,
                        "x": entry.perm >> 2,
                        "a": entry.a,
                        "l": entry.locked,
                        "addr": entry.addr,
                    }
                ),
            )

    async def lookup(self, va, access, priv, v=0, hlvx=0, size=3, side=None):
        """Ask an L1 TLB (by default the I side for fetches) and step to the cycle of the answer."""
        port = self.port(access, side)
        self.ctx.set(
            port.lookup,
            TlbLookup.const(
                {"vaddr": va, "access": access, "mode": {"priv": priv, "v": v}, "hlvx": hlvx, "size": size}
            ),
        )
        self.ctx.set(port.lookup_en, 1)
        await self.ctx.tick()
        self.ctx.set(port.lookup_en, 0)
        return self.ctx.get(port.tlb.hit)

    def port(self, access, side=None):
        """The requester's port."""
        return self.dut.i if (side or ("i" if access == 2 else "d")) == "i" else self.dut.d

    async def translate(self, va, access, priv, v=0, hlvx=0, size=3, same_cycle=True):
        """A complete translation: lookup, walk, and the repeated lookup, which must hit.

        `same_cycle`: the lookup is repeated in the cycle of walk_done rather than in the next one.
        """
        ctx, port = self.ctx, self.port(access)
        answer = Answer()
        reads = len(self.reads)
        if not await self.lookup(va, access, priv, v, hlvx, size):
            ctx.set(port.walk_valid, 1)
            while not ctx.get(port.walk_done):
                await ctx.tick()
                answer.cycles += 1
                assert answer.cycles < 5000, "the walk never ends"
            answer.reads = len(self.reads) - reads
            if ctx.get(port.walk_faulted):
                fault = port.walk_fault
                answer.cause, answer.gpa = ctx.get(fault.cause), ctx.get(fault.gpa)
                answer.implicit, answer.vaddr = ctx.get(fault.implicit).value, ctx.get(fault.vaddr)
                answer.v = ctx.get(fault.v)
                await ctx.tick()
                ctx.set(port.walk_valid, 0)
                return answer
            if not same_cycle:
                await ctx.tick()
                ctx.set(port.walk_valid, 0)
            again = self.lookup(va, access, priv, v, hlvx, size)
            hit = await again
            ctx.set(port.walk_valid, 0)
            assert hit, "the repeated lookup misses"
        answer.paddr, answer.io = ctx.get(port.tlb.paddr), ctx.get(port.tlb.io)
        answer.nc, answer.narrow = ctx.get(port.tlb.nc), ctx.get(port.tlb.narrow)
        answer.line = ctx.get(port.tlb.line)
        return answer

    async def fence(self, op, addr=None, id=None):
        """A fence; None for rs1 = x0 or rs2 = x0.  Returns the cycles it took."""
        ctx, dut = self.ctx, self.dut
        ctx.set(
            dut.fence,
            Fence.const(
                {"op": op, "by_addr": addr is not None, "by_id": id is not None, "addr": addr or 0, "id": id or 0}
            ),
        )
        ctx.set(dut.fence_valid, 1)
        ctx.set(dut.fence_likely, 1)
        cycles = 1
        while not ctx.get(dut.fence_done):
            await ctx.tick()
            cycles += 1
        await ctx.tick()
        ctx.set(dut.fence_valid, 0)
        ctx.set(dut.fence_likely, 0)
        return cycles

    async def fence_all(self):
        """What a PMP write does."""
        await self.fence(FenceOp.ALL)


__all__ = ["RAM", "Answer", "Bench", "M", "TranslationConfig", "make_config", "make_machine"]
