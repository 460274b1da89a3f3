# amaranth: UnusedElaboratable=no
"""The whole SoC around a stand-in for the core: an AXI4 manager."""

import random
from dataclasses import replace

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from soc_bench import AxiManager, AxiMemory, monitor, simulate

from entresol.config import ConfigError, get_config
from entresol.memory.axi import Axi4, Burst, Resp
from entresol.observe import Events, Retire
from entresol.soc.soc import Soc

CONFIG = get_config("linux")
BASE = {region.name: region.base for region in CONFIG.regions}


class StandIn(wiring.Component):
    """The ports of a core; the test drives them."""

    def __init__(self, config):
        super().__init__({
            "axi": Out(Axi4(config.bus_bits)), "msi": In(1), "mti": In(1), "mei": In(1), "sei": In(1), "time": In(64),
            "retire": Out(Retire), "events": Out(Events), "flush_valid": In(1), "flush_done": Out(1),
            "sgei": In(config.geilen),
        })

    def elaborate(self, platform):
        return Module()


def run(bench, stall=0.0, config=CONFIG, **parameters):
    """Runs `bench(ctx, soc, core, manager)`."""
    core = StandIn(config)
    soc = Soc(config, core=core, **parameters)
    rng = random.Random("soc")
    manager, memory = AxiManager(core.axi, rng, stall), AxiMemory(soc.mem, rng, stall)

    async def main(ctx):
        await bench(ctx, soc, core, manager)

    simulate(soc, main, background=[*manager.benches, *memory.benches, monitor(core.axi), monitor(soc.mem)])


@pytest.mark.parametrize("stall", [0.0, 0.3])
def test_boot_rom_is_read_in_cache_lines(stall):
    """In wrapping bursts from any doubleword on."""

    async def bench(ctx, soc, core, manager):
        ctx.set(soc.boot_entry, 0x1111)
        ctx.set(soc.boot_a1, 0x2222)
        ctx.set(soc.boot_a2, 0x3333)
        straight = manager.read(BASE["boot"], length=7)
        await manager.wait(ctx, straight)
        assert straight.data[4:7] == [0x1111, 0x2222, 0x3333]
        for first in range(8):
            line = manager.read(BASE["boot"] + 8 * first, length=7, burst=Burst.WRAP, ident=first % 4)
            await manager.wait(ctx, line)
            assert line.data == straight.data[first:] + straight.data[:first]
            assert line.resp == [Resp.OKAY] * 8
        assert await manager.store(ctx, BASE["boot"], 3, 0) == Resp.SLVERR

    run(bench, stall)


def test_main_memory():
    async def bench(ctx, soc, core, manager):
        write = manager.write(BASE["ram"] + 0x1000, list(range(100, 108)))
        await manager.wait(ctx, write)
        read = manager.read(BASE["ram"] + 0x1018, length=7, burst=Burst.WRAP)
        await manager.wait(ctx, read)
        assert read.data == [103, 104, 105, 106, 107, 100, 101, 102]

    run(bench, 0.3)


def test_nowhere_is_an_error():
    async def bench(ctx, soc, core, manager):
        for addr in (0x0, 0x1_0000, 0x0020_0000, 0x0C60_0000, BASE["virtio"], 0x7FFF_FFF8):
            for size in range(4):
                assert (await manager.load(ctx, addr, size))[1] == Resp.DECERR
                assert await manager.store(ctx, addr, size, 0) == Resp.DECERR

    run(bench)


def test_uart_byte_by_byte():
    async def bench(ctx, soc, core, manager):
        uart = BASE["uart"]
        for byte in b"hello":
            assert await manager.store(ctx, uart, 0, byte) == Resp.OKAY
        ctx.set(soc.uart_tx.ready, 1)
        for byte in b"hello":
            assert ctx.get(soc.uart_tx.valid) and ctx.get(soc.uart_tx.payload) == byte
            await ctx.tick()
        assert not ctx.get(soc.uart_tx.valid)
        ctx.set(soc.uart_tx.ready, 0)
        assert await manager.load(ctx, uart + 5, 0) == (0x60, Resp.OKAY)
        ctx.set(soc.uart_rx.payload, 0x41)
        ctx.set(soc.uart_rx.valid, 1)
        await ctx.tick()
        ctx.set(soc.uart_rx.valid, 0)
        ctx.set(soc.uart_overrun, 1)
        await ctx.tick()
        ctx.set(soc.uart_overrun, 0)
        assert await manager.load(ctx, uart + 5, 0) == (0x63, Resp.OKAY)
        assert await manager.load(ctx, uart, 0) == (0x41, Resp.OKAY)
        assert (await manager.load(ctx, uart, 2))[1] == Resp.SLVERR
        await manager.store(ctx, uart + 3, 0, 0x80)
        await manager.store(ctx, uart + 0, 0, 0x16)
        assert ctx.get(soc.uart_divisor) == 0x16

    run(bench)


def test_interrupts_reach_the_core():
    async def bench(ctx, soc, core, manager):
        plic, clint, uart = BASE["plic"], BASE["clint"], BASE["uart"]
        ctx.set(soc.rtc_tick, 1)
        await ctx.tick().repeat(100)
        ctx.set(soc.rtc_tick, 0)
        time, _ = await manager.load(ctx, clint + 0xBFF8, 3)
        assert time == ctx.get(core.time) == 100
        assert await manager.store(ctx, clint + 0x4000, 2, 50) == Resp.OKAY
        assert not ctx.get(core.mti)
        assert await manager.store(ctx, clint + 0x4004, 2, 0) == Resp.OKAY
        assert ctx.get(core.mti) and not ctx.get(core.msi)
        assert await manager.store(ctx, clint, 2, 1) == Resp.OKAY
        assert ctx.get(core.msi)

        for number in (3, 10, 17):
            await manager.store(ctx, plic + 4 * number, 2, 1)
        await manager.store(ctx, plic + 0x2080, 2, 1 << 10 | 1 << 3)  # context 1: S-mode
        await manager.store(ctx, plic + 0x2000, 2, 1 << 17)
        await manager.store(ctx, uart + 1, 0, 2)
        await ctx.tick().repeat(4)
        assert ctx.get(core.sei) and not ctx.get(core.mei)
        assert await manager.load(ctx, plic + 0x201004, 2) == (10, Resp.OKAY)
        await ctx.tick().repeat(2)
        assert not ctx.get(core.sei)
        ctx.set(soc.interrupts, 0b10)
        await ctx.tick().repeat(4)
        assert ctx.get(core.mei) and not ctx.get(core.sei)
        ctx.set(soc.interrupts, 0b01)
        await ctx.tick().repeat(4)
        assert ctx.get(core.sei)
        assert await manager.load(ctx, plic + 0x201004, 2) == (3, Resp.OKAY)

    run(bench, interrupt_lines=(3, 17))


def test_guest_external_interrupts_come_from_outside():
    async def bench(ctx, soc, core, manager):
        for levels in (0b101, 0b010):
            ctx.set(soc.guest_interrupts, levels)
            await ctx.tick()
            assert ctx.get(core.sgei) == levels

    run(bench, config=replace(CONFIG, geilen=3))


def test_finish():
    async def bench(ctx, soc, core, manager):
        assert not ctx.get(soc.finish_valid)
        assert await manager.store(ctx, BASE["finisher"], 2, 0x0007_3333) == Resp.OKAY
        assert ctx.get(soc.finish_valid) and ctx.get(soc.finish_code) == 0x0007_3333

    run(bench)


def test_observation_and_flush_pass_through():
    async def bench(ctx, soc, core, manager):
        ctx.set(core.retire, {"valid": 1, "pc": 0x8000_0000})
        ctx.set(core.events, {"branch": 1})
        ctx.set(soc.flush_valid, 1)
        assert ctx.get(core.flush_valid) and not ctx.get(soc.flush_done)
        ctx.set(core.flush_done, 1)
        assert ctx.get(soc.flush_done)
        assert ctx.get(soc.retire.pc) == 0x8000_0000 and ctx.get(soc.events.branch)

    run(bench)


def test_contradictions_are_refused():
    without = replace(CONFIG, regions=tuple(region for region in CONFIG.regions if region.name != "uart"))
    with pytest.raises(ConfigError, match="uart"):
        Soc(without)
    for parameters in ({"interrupt_lines": (10,)}, {"interrupt_lines": (32,)}, {"interrupt_lines": (5, 5)},
                       {"interrupt_lines": (0,)}, {"interrupt_sources": 9}):
        with pytest.raises(ConfigError, match="Interrupt source"):
            Soc(CONFIG, **parameters)
