"""The PMP checker against the reference model."""

import random

import pytest
from amaranth.sim import Simulator
from mmu_bench import RAM, make_config, make_machine
from mmu_reference import M, Pmp, S

from entresol.mmu.pmp import Granule, PmpChecker
from entresol.mmu.types import PmpEntry

ALL_MEMORY = Pmp(7, 3, False, (1 << 54) - 1)


class Checker:
    """A PmpChecker and the reference beside it."""

    def __init__(self, count=16):
        self.config = make_config(pmp_entries=count)
        self.dut = PmpChecker(self.config)
        self.machine = make_machine(self.config)

    def run(self, body):
        async def main(ctx):
            self.ctx = ctx
            await body(self)

        sim = Simulator(self.dut)
        sim.add_clock(1e-6)
        sim.add_testbench(main)
        sim.run()

    def present(self, entries):
        self.machine.pmp = entries
        for i, entry in enumerate(entries):
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

    async def configure(self, entries):
        self.present(entries)
        self.ctx.set(self.dut.flush, 1)
        await self.ctx.tick()
        self.ctx.set(self.dut.flush, 0)
        await self.ctx.tick()

    async def check(self, address, priv, size):
        """Compare one verdict; returns (granule, cycles)."""
        ctx, dut = self.ctx, self.dut
        ctx.set(dut.addr, address)
        ctx.set(dut.machine, priv == M)
        ctx.set(dut.size, size)
        ctx.set(dut.valid, 1)
        cycles = 1
        while not ctx.get(dut.done):
            await ctx.tick()
            cycles += 1
            assert cycles < 300
        verdict = ctx.get(dut.verdict)
        await ctx.tick()
        ctx.set(dut.valid, 0)
        length = 1 << size
        blocks = {Granule.WORD: length, Granule.LINE: 64, Granule.PAGE: 4096, Granule.LARGE: 1 << 21}
        block = blocks[verdict.granule]
        base = address & -block
        probes = {address & -length}
        if block > 8:  # the verdict must hold everywhere in the block
            probes |= {base, base + block - length}
            for entry in self.machine.pmp:
                for edge in (entry.addr << 2, (entry.addr & entry.addr + 1) << 2):
                    probes |= {e & -length for e in (edge - 4, edge, edge + 4) if base <= e < base + block}
        for at in probes:
            expected = [self.machine.pmp_allows(at, length, want, priv) for want in (1, 2, 4)]
            assert [verdict.r, verdict.w, verdict.x] == expected, (hex(address), hex(at), priv, size, verdict)
        return verdict.granule, cycles


@pytest.mark.rule(
    "pmp_a_field_encoding",
    "pmp_a_field_off",
    "pmp_a_field_napot_na4",
    "pmp_a_field_tor",
    "pmp_napot_encoding_low_bits",
    "pmp_entry_priority",
    "pmp_full_match_required",
    "pmp_rwx_check",
    "pmp_l_bit_m_mode_enforcement",
    "pmp_no_entry_match",
    "pmp_cfg_permissions",
)
@pytest.mark.parametrize("seed", range(4))
def test_random(seed):
    rng = random.Random(seed)
    seen = set()

    async def body(checker):
        for _ in range(40):
            page = RAM >> 12
            entries = []
            for _ in range(16):
                near = (page + rng.choice((0, 0, 0, 1, 2, 511, 512, 1024)) << 10) + rng.choice(
                    (0, 1, 2, 3, 0x101, 0x1FF, 0x200, 0x3FF, 0x3FFFF, 0x7FFFF, 0xFF)
                )
                addr = rng.choice((near, near, near, near, near, (1 << 54) - 1, (1 << 53) - 1, 1 << 50, 0))
                entries.append(
                    Pmp(rng.choice((0, 1, 3, 4, 5, 7)), rng.choice((0, 0, 0, 1, 2, 3)), rng.random() < 0.3, addr)
                )
            if rng.random() < 0.2:
                for entry in entries:
                    entry.locked = False
            await checker.configure(entries)
            for _ in range(15):
                edge = (rng.choice(entries).addr << 2) + rng.choice((-8, -4, 0, 4, 8))
                address = edge if rng.random() < 0.7 else RAM + rng.randrange(1 << 23)
                if not 0 <= address < 1 << 32:
                    address = RAM
                size = rng.randrange(4)
                granule, _ = await checker.check(address & -(1 << size), rng.choice((M, S)), size)
                seen.add(granule)

    Checker().run(body)
    assert len(seen) == 4


def test_without_entries_everything_is_allowed():
    dut = PmpChecker(make_config(pmp_entries=0))

    async def main(ctx):
        for machine in (0, 1):
            ctx.set(dut.machine, machine)
            assert not ctx.get(dut.done)
            ctx.set(dut.valid, 1)
            await ctx.tick()
            assert ctx.get(dut.done)
            verdict = ctx.get(dut.verdict)
            assert (verdict.r, verdict.w, verdict.x, verdict.granule) == (1, 1, 1, Granule.LARGE)
            await ctx.tick()
            ctx.set(dut.valid, 0)

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(main)
    sim.run()


def test_known_blocks_and_unlocked_m_mode_take_two_cycles():
    async def body(checker):
        await checker.configure([Pmp(0, 3, False, (RAM >> 2) + 0xFFFF), *[Pmp()] * 14, ALL_MEMORY])
        _, first = await checker.check(RAM + 0x40_0000, S, 3)
        assert first <= 18
        assert await checker.check(RAM + 0x40_5678, S, 3) == (Granule.LARGE, 2)
        assert await checker.check(RAM + 0x40_5678, M, 3) == (Granule.LARGE, 2)
        for locked in (Pmp(0, 3, True, (1 << 54) - 1), Pmp(0, 2, False, RAM + 0x40_5678 >> 2)):
            await checker.configure([locked, *[Pmp()] * 15])
            await checker.check(RAM + 0x40_5678, S, 3)
            await checker.check(RAM + 0x40_5678, M, 3)

    Checker().run(body)


@pytest.mark.parametrize("late", (False, True))
def test_a_check_right_behind_a_change(late):
    """CSRs change at the end of the cycle that flushes, or of the one before."""

    async def body(checker):
        for _ in range(2):
            await checker.configure([Pmp()] * 16)
            await checker.check(RAM, M, 3)
            changed = [Pmp(0, 3, True, (1 << 54) - 1), *[Pmp()] * 15]
            if late:
                checker.present(changed)
            checker.ctx.set(checker.dut.flush, 1)
            await checker.ctx.tick()
            checker.ctx.set(checker.dut.flush, 0)
            checker.present(changed)
            await checker.check(RAM, M, 3)

    Checker().run(body)


@pytest.mark.rule("PMP_ENTRY_COUNT")
def test_64_entries():
    async def body(checker):
        entries = [Pmp(7, 3, False, (RAM + i * 0x1000 >> 2) + 0x1FF) for i in range(64)]
        entries[63].perm = 1
        await checker.configure(entries)
        for i in (0, 31, 63, 64):
            granule, _ = await checker.check(RAM + i * 0x1000, S, 3)
            assert granule == Granule.PAGE

    Checker(64).run(body)
