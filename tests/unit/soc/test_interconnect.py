"""Demux and bridge: bursts, narrow beats, errors, order, no hang."""

import random
from functools import partial

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In
from soc_bench import AxiManager, AxiMemory, beats, lanes, monitor, random_burst, simulate

from entresol.config import Region
from entresol.memory.axi import Burst, Resp
from entresol.soc.bus import DeviceBus
from entresol.soc.interconnect import AxiBridge, AxiDemux

LOW = Region("low", 0x1000, 0xF000, False)  # base not aligned to its power of two
HIGH = Region("high", 0x4000_0000, 0x2000, True)
MEMORY = Region("ram", 0x8000_0000, 0x8000_0000, False)
REFUSED = 0x400  # bytes at the start of every 4 KiB


class Scratch(wiring.Component):
    """A device with bytes in Python's hands; refuses the first REFUSED bytes of a page."""

    def __init__(self, addr_width):
        super().__init__({"bus": In(DeviceBus(addr_width))})
        self.bytes = {}
        self.reads = []  # (doubleword offset, mask)

    def elaborate(self, platform):
        return Module()

    async def serve(self, ctx):
        bus = self.bus
        idle = 2
        while True:
            _, _, en, write, addr, mask, wdata = await ctx.tick().sample(
                bus.en, bus.write, bus.addr, bus.mask, bus.wdata)
            if not en:
                idle += 1
                continue
            assert write or idle >= 1, "reads follow each other too closely"
            idle = 0
            refused = addr * 8 % 4096 < REFUSED
            ctx.set(bus.error, refused)
            ctx.set(bus.rdata, sum(self.bytes.get(addr * 8 + lane, 0) << 8 * lane for lane in range(8)))
            if not write:
                self.reads.append((addr, mask))
            elif not refused:
                self.bytes |= {addr * 8 + lane: wdata >> 8 * lane & 0xFF for lane in range(8) if mask >> lane & 1}


def make_bridge():
    m = Module()
    m.submodules.bridge = bridge = AxiBridge([LOW, HIGH], 32)
    m.submodules.low = low = Scratch(16)
    m.submodules.high = high = Scratch(13)
    wiring.connect(m, bridge.low, low.bus)
    wiring.connect(m, bridge.high, high.bus)
    return m, bridge, {LOW: low, HIGH: high}


def find(addr):
    return next((region for region in (LOW, HIGH) if region.base <= addr < region.end), None)


@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_bridge_random_bursts(stall):
    m, bridge, devices = make_bridge()
    rng = random.Random(f"bridge {stall}")
    manager = AxiManager(bridge.axi, rng, stall)
    model = {}

    def expected(addr):
        region = find(addr)
        return Resp.DECERR if region is None else Resp.SLVERR if (addr - region.base) % 4096 < REFUSED else Resp.OKAY

    async def bench(ctx):
        for _ in range(120):
            base, span = rng.choice([(0x1000, 0xF000), (0x13C0, 0x80), (0x4000_0000, 0x2000), (0x4000_13A0, 0xC0),
                                     (0x0, 0x1000), (0x10000, 0x1000), (0x4000_2000, 0x1000), (0xFFFF_F000, 0x1000)])
            addr, size, length, burst = random_burst(rng, base, span)
            addresses = beats(addr, size, length, burst)
            if rng.random() < 0.5:
                data = [rng.getrandbits(64) for _ in addresses]
                strobes = [sum(rng.getrandbits(1) << lane for lane in lanes(beat, size)) for beat in addresses]
                transaction = manager.write(addr, data, strobes, size, burst, rng.randrange(4))
                await manager.wait(ctx, transaction)
                assert transaction.resp == [max((expected(beat) for beat in addresses), key=lambda resp: resp.value)]
                for beat, value, strobe in zip(addresses, data, strobes, strict=True):
                    if expected(beat) == Resp.OKAY:
                        model.update({(beat & -8) + lane: value >> 8 * lane & 0xFF
                                      for lane in range(8) if strobe >> lane & 1})
            else:
                for device in devices.values():
                    device.reads.clear()
                transaction = manager.read(addr, size, length, burst, rng.randrange(4))
                await manager.wait(ctx, transaction)
                assert transaction.resp == [expected(beat) for beat in addresses]
                for beat, value, resp in zip(addresses, transaction.data, transaction.resp, strict=True):
                    for lane in lanes(beat, size):
                        if resp == Resp.OKAY:
                            assert value >> 8 * lane & 0xFF == model.get((beat & -8) + lane, 0)
                if region := find(addr):
                    assert devices[region].reads == [
                        ((beat - region.base) // 8, sum(1 << lane for lane in lanes(beat, size)))
                        for beat in addresses]

    simulate(m, bench, background=[*manager.benches, monitor(bridge.axi), *(d.serve for d in devices.values())])


def test_bridge_reads_and_writes_in_turn():
    """Neither kind starves the other."""
    m, bridge, devices = make_bridge()
    manager = AxiManager(bridge.axi, random.Random(1))

    async def bench(ctx):
        reads = [manager.read(0x4000_0800) for _ in range(10)]
        writes = [manager.write(0x4000_0800, [0]) for _ in range(10)]
        await manager.wait(ctx, reads[4], writes[4])
        assert sum(transaction.done for transaction in reads + writes) <= 11

    simulate(m, bench, background=[*manager.benches, *(d.serve for d in devices.values())])


def test_bridge_latency():
    """Read data three cycles after the address, write response three cycles after address and data."""
    m, bridge, devices = make_bridge()
    manager = AxiManager(bridge.axi, random.Random(1))

    async def bench(ctx):
        await ctx.tick().repeat(3)
        for start in (partial(manager.read, 0x4000_0800), partial(manager.write, 0x4000_0800, [0])):
            transaction = start()
            await manager.wait(ctx, transaction)
            assert transaction.done_at - transaction.started_at == 3
        line = manager.read(0x1838, length=7, burst=Burst.WRAP)
        await manager.wait(ctx, line)
        assert line.done_at - line.started_at == 24

    simulate(m, bench, background=[*manager.benches, *(d.serve for d in devices.values())])


@pytest.mark.parametrize("stall", [0.0, 0.4])
def test_demux_random(stall):
    """Several IDs, both targets, any delays: every transaction reaches its target and ends, IDs stay in order
    (the manager matches responses by ID), and each target's data comes back."""
    dut = AxiDemux(MEMORY, 32)
    rng = random.Random(f"demux {stall}")
    manager = AxiManager(dut.axi, rng, stall)
    mem, other = AxiMemory(dut.mem, rng, stall), AxiMemory(dut.other, rng, stall)
    spans = ((0x8000_0000, 0x1000), (0xFFFF_F000, 0x1000), (0x0, 0x1000), (0x7FFF_F000, 0x1000))
    for base, span in spans:
        (mem if base >= MEMORY.base else other).bytes.update(
            {base + offset: rng.randrange(256) for offset in range(span)})
    model = mem.bytes | other.bytes
    most = 0

    async def bench(ctx):
        nonlocal most
        for _ in range(12):
            reads, writes = [], []
            for _ in range(8):
                base, span = rng.choice(spans)
                addr, size, length, burst = random_burst(rng, base, span // 2)
                reads.append(manager.read(addr, size, length, burst, rng.randrange(4)))
            for _ in range(3):
                base, span = rng.choice(spans)
                addr, size, length, burst = random_burst(rng, base + span // 2, span // 2)
                data = [rng.getrandbits(64) for _ in range(length + 1)]
                writes.append(manager.write(addr, data, None, size, burst, rng.randrange(4)))
            while not all(transaction.done for transaction in reads + writes):
                most = max(most, ctx.get(dut.mem.arvalid) + len(mem._reads))
                await ctx.tick()
            for transaction in reads:
                addresses = beats(transaction.addr, transaction.size, transaction.length, transaction.burst)
                for beat, value in zip(addresses, transaction.data, strict=True):
                    assert value == sum(model[(beat & -8) + lane] << 8 * lane for lane in range(8))
            for transaction in writes:
                addresses = beats(transaction.addr, transaction.size, transaction.length, transaction.burst)
                for beat, value, strobe in zip(addresses, transaction.data, transaction.strobes, strict=True):
                    model.update({(beat & -8) + lane: value >> 8 * lane & 0xFF
                                  for lane in range(8) if strobe >> lane & 1})
        assert mem.bytes | other.bytes == model
        assert all(addr >= MEMORY.base for addr in mem.seen) and all(addr < MEMORY.base for addr in other.seen)
        assert most > 2, "reads of main memory do not overlap"

    simulate(dut, bench, background=[*manager.benches, *mem.benches, *other.benches, monitor(dut.axi), monitor(dut.mem),
                                     monitor(dut.other)])


def test_demux_counts_outstanding_reads():
    """However many are asked for, and when the memory answers late: reads elsewhere come after them."""
    dut = AxiDemux(MEMORY, 32)
    manager = AxiManager(dut.axi, random.Random(1))
    mem, other = AxiMemory(dut.mem, random.Random(2)), AxiMemory(dut.other, random.Random(3))
    mem.bytes = {0x8000_0000 + 8 * index: index for index in range(20)}
    other.bytes = {0x100: 99}

    async def bench(ctx):
        mem.hold = True
        reads = [manager.read(0x8000_0000 + 8 * index) for index in range(20)]
        reads.append(manager.read(0x100))
        await ctx.tick().repeat(50)
        assert len(mem.seen) == AxiDemux.MAX_READS and not other.seen
        mem.hold = False
        await manager.wait(ctx, *reads)
        assert [read.data for read in reads] == [[index] for index in range(20)] + [[99]]

    simulate(dut, bench, background=[*manager.benches, *mem.benches, *other.benches, monitor(dut.axi)])
