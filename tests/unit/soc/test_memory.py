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


def test_a_ram_that_cannot_be_is_refused():
    for arguments in ((BASE, 100, 32), (0x1000, 0x4000, 32), (BASE, 0x1000, 32, bytes(0x1001))):
        with pytest.raises(ValueError, match="RAM"):
            AxiRam(*arguments)
