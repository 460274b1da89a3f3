# amaranth: UnusedElaboratable=no
"""On-chip RAM against a byte model."""

import random

import pytest
from soc_bench import AxiManager, beats, lanes, monitor, random_burst, simulate

from entresol.memory.axi import Burst, Resp
from entresol.soc.memory import AxiRam

BASE, SIZE = 0x8000_0000, 0x3000  # not a power of two


@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_random_bursts(stall):
    rng = random.Random(f"ram {stall}")
    contents = rng.randbytes(5003)
    dut = AxiRam(BASE, SIZE, 32, contents)
    manager = AxiManager(dut.axi, rng, stall)
    model = bytearray(contents.ljust(SIZE + 0x2000, b"\0"))

    async def bench(ctx):
        for _ in range(150):
            addr, size, length, burst = random_burst(rng, BASE, SIZE + 0x1000)
            addresses = beats(addr, size, length, burst)
            ident = rng.randrange(4)
            resp = [Resp.OKAY if beat < BASE + SIZE else Resp.DECERR for beat in addresses]
            if rng.random() < 0.5:
                data = [rng.getrandbits(64) for _ in addresses]
                strobes = [sum(rng.getrandbits(1) << lane for lane in lanes(beat, size)) for beat in addresses]
                transaction = manager.write(addr, data, strobes, size, burst, ident)
                await manager.wait(ctx, transaction)
                assert transaction.resp == [max(resp, key=lambda value: value.value)]
                for beat, value, strobe in zip(addresses, data, strobes, strict=True):
                    for lane in range(8):
                        if strobe >> lane & 1 and beat < BASE + SIZE:
                            model[(beat & -8) - BASE + lane] = value >> 8 * lane & 0xFF
            else:
                transaction = manager.read(addr, size, length, burst, ident)
                await manager.wait(ctx, transaction)
                assert transaction.resp == resp
                for beat, value in zip(addresses, transaction.data, strict=True):
                    if beat < BASE + SIZE:
                        offset = (beat & -8) - BASE
                        assert value == int.from_bytes(model[offset:offset + 8], "little")

    simulate(dut, bench, background=[*manager.benches, monitor(dut.axi)])


def test_a_beat_each_cycle():
    dut = AxiRam(BASE, SIZE, 32)
    manager = AxiManager(dut.axi, random.Random(1))

    async def bench(ctx):
        await ctx.tick().repeat(3)
        lines = [manager.read(BASE + 64 * index + 8 * index, length=7, burst=Burst.WRAP) for index in range(4)]
        write = manager.write(BASE + 0x1000, list(range(8)))
        await manager.wait(ctx, *lines, write)
        assert lines[0].done_at - lines[0].started_at == 9
        assert [line.done_at - lines[0].done_at for line in lines] == [0, 8, 16, 24]
        assert write.done_at - write.started_at == 9

    simulate(dut, bench, background=manager.benches)


@pytest.mark.parametrize("delay", range(-2, 3))
def test_a_row_is_never_read_while_it_is_written(delay):
    """Then a block RAM's data would be undefined."""
    dut = AxiRam(BASE, SIZE, 32, bytes(range(64)))
    axi = dut.axi
    manager = AxiManager(axi, random.Random(1))
    read_at, written_at = [], []

    async def watch(ctx):
        cycle = 0
        while True:
            *_, rvalid, wvalid, wready = await ctx.tick().sample(axi.rvalid, axi.wvalid, axi.wready)
            if rvalid:
                read_at.append(cycle - 1)  # addressed in the cycle before
            if wvalid and wready:
                written_at.append(cycle + 1)  # into the memory in the next cycle
            cycle += 1

    async def bench(ctx):
        await ctx.tick().repeat(3)
        new = [~index & 0xFFFF_FFFF_FFFF_FFFF for index in range(8)]
        if delay <= 0:
            line = manager.read(BASE, length=7)
            if delay:
                await ctx.tick().repeat(-delay)
            write = manager.write(BASE, new)
        else:
            write = manager.write(BASE, new)
            await ctx.tick().repeat(delay)
            line = manager.read(BASE, length=7)
        await manager.wait(ctx, line, write)
        for index, value in enumerate(line.data):
            old = int.from_bytes(bytes(range(8 * index, 8 * index + 8)), "little")
            assert value == (old if read_at[index] < written_at[index] else new[index])

    simulate(dut, bench, background=[*manager.benches, watch])
    assert len(read_at) == len(written_at) == 8
    assert not any(read == write for read, write in zip(read_at, written_at, strict=True))


def test_a_ram_that_cannot_be_is_refused():
    for arguments in ((BASE, 100, 32), (0x1000, 0x4000, 32), (BASE, 0x1000, 32, bytes(0x1001))):
        with pytest.raises(ValueError, match="RAM"):
            AxiRam(*arguments)
