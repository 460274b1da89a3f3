"""The second-level TLB against a list of what may be in it: fences never leave anything behind that they cover."""

import random

import pytest
from amaranth.sim import Simulator
from mmu_bench import make_config

from entresol.mmu.l2tlb import EPOCH_BITS, L2Tlb
from entresol.mmu.types import Fence, FenceOp

SFENCE, VVMA, GVMA, ALL = FenceOp


class Driver:
    """An L2Tlb and operations on it."""

    def __init__(self, **changes):
        self.config = make_config(**changes)
        self.dut = L2Tlb(self.config)

    def run(self, body):
        async def main(ctx):
            self.ctx = ctx
            await ctx.tick().repeat(self.config.l2tlb_entries // self.config.l2tlb_ways + 1)
            await body(self)

        sim = Simulator(self.dut)
        sim.add_clock(1e-6)
        sim.add_testbench(main)
        sim.run()

    async def write(self, space, gstage, level, addr, value, way=0):
        ctx, dut = self.ctx, self.dut
        ctx.set(dut.space, space)
        ctx.set(dut.key, {"gstage": gstage, "level": level, "addr": addr & (1 << self.config.va_bits + 1) - 1})
        ctx.set(dut.new, value)
        ctx.set(dut.way, way)
        ctx.set(dut.write_en, 1)
        await ctx.tick()
        ctx.set(dut.write_en, 0)

    async def probe(self, space, gstage, level, addr):
        ctx, dut = self.ctx, self.dut
        ctx.set(dut.space, space)
        ctx.set(dut.probe, {"gstage": gstage, "level": level, "addr": addr & (1 << self.config.va_bits + 1) - 1})
        ctx.set(dut.probe_en, 1)
        await ctx.tick()
        ctx.set(dut.probe_en, 0)
        await ctx.tick()
        assert ctx.get(dut.answered) and ctx.get(dut.level) == level
        return ctx.get(dut.value.ppn) if ctx.get(dut.found) else None

    async def fence(self, op, addr=None, id=None):
        ctx, dut = self.ctx, self.dut
        ctx.set(
            dut.fence,
            Fence.const(
                {"op": op, "by_addr": addr is not None, "by_id": id is not None, "addr": addr or 0, "id": id or 0}
            ),
        )
        ctx.set(dut.fence_en, 1)
        await ctx.tick()
        ctx.set(dut.fence_en, 0)


def space(v=0, s1=1, s2=0, asid=0, vmid=0):
    return {"v": v, "s1": s1, "s2": s2, "asid": asid, "vmid": vmid}


def covered(entry, op, addr, id):
    """Whether a fence must remove the entry (by the text, for what the entry holds)."""
    where, gstage, level, base, glob = entry
    if op == ALL:
        return True
    if op == GVMA:
        return bool(where["v"])
    if gstage or where["v"] != (op == VVMA):
        return False
    if id is not None and (glob or where["asid"] != id):
        return False
    return addr is None or addr >> 12 + 9 * level == base >> 12 + 9 * level


@pytest.mark.rule("sfence_vma_all_asid_va", "sfence_vma_asid_only", "sfence_vma_va_all_asid", "sfence_vma_va_asid")
@pytest.mark.parametrize("seed", range(2))
def test_random(seed):
    rng = random.Random(seed)
    kept = 0

    async def body(driver):
        nonlocal kept
        possible = {}  # key -> (value, entry)
        pages = [0, 1, 2, 0x200, 0x4_0000, 0x3FFF_FFFF, 0x3FFF_0000, 0x3FFC_0001]
        for step in range(1500):
            v = rng.randrange(2)
            gstage = v and rng.random() < 0.3
            where = space(v, rng.randrange(2), v and rng.randrange(2), rng.randrange(2), v and rng.randrange(2))
            if gstage:
                where.update(s1=0, s2=1, asid=0)
            level = rng.choice((0, 0, 1, 2))
            base = rng.choice(pages) << 12
            glob = bool(not gstage and where["s1"] and base >> 41 & 1)
            action = rng.random()
            alive = [entry for entries in possible.values() for _, entry in entries]
            if alive and action < 0.9 and rng.random() < 0.6:
                where, gstage, level, base, glob = rng.choice(alive)
            key = (*where.values(), gstage, level, base >> 12 + 9 * level)
            if action < 0.35:
                ppn = rng.randrange(1 << 18)
                await driver.write(
                    where,
                    gstage,
                    level,
                    base,
                    {
                        "glob": glob,
                        "fractured": not gstage and (level > 0 or rng.random() < 0.3),
                        "table": 0,
                        "perms": {},
                        "ppn": ppn,
                    },
                    rng.randrange(2),
                )
                possible.setdefault(key, []).append((ppn, (where, gstage, level, base, glob)))
            elif action < 0.9:
                ppn = await driver.probe(where, gstage, level, base)
                candidates = list(possible.get(key, ()))
                if glob:  # a global entry of any ASID
                    for asid in range(2):
                        other = dict(where, asid=asid)
                        candidates += possible.get((*other.values(), *key[5:]), ())
                if ppn is not None:
                    assert ppn in [value for value, _ in candidates], (step, key)
                    kept += 1
            else:
                op = rng.choice((SFENCE, SFENCE, VVMA, VVMA, GVMA, ALL))
                addr = rng.choice(pages) << 12 if rng.random() < 0.6 else None
                if addr is not None and addr >> 41 & 1:
                    addr |= (1 << 64) - (1 << 42)
                id = rng.randrange(2) if rng.random() < 0.5 else None
                await driver.fence(op, addr, id)
                plain = None if addr is None else addr & (1 << 42) - 1
                for entries in possible.values():
                    entries[:] = [e for e in entries if not covered(e[1], op, plain, id)]

    Driver(l2tlb_entries=32).run(body)
    assert kept > 100


@pytest.mark.parametrize("op", (SFENCE, VVMA, GVMA, ALL))
def test_epochs_come_round(op):
    """After as many fences as there are epochs nothing old reappears, and the TLB works again after the sweep."""

    async def body(driver):
        where = space(v=int(op in (VVMA, GVMA)))
        await driver.write(where, 0, 0, 0x1000, {"ppn": 5})
        assert await driver.probe(where, 0, 0, 0x1000) == 5
        for _ in range((1 << EPOCH_BITS) + 2):
            await driver.fence(op)
            assert await driver.probe(where, 0, 0, 0x1000) is None
        await driver.ctx.tick().repeat(20)
        await driver.write(where, 0, 0, 0x1000, {"ppn": 6})
        assert await driver.probe(where, 0, 0, 0x1000) == 6

    Driver(l2tlb_entries=32).run(body)


def test_nothing_is_found_while_the_last_row_is_swept():
    """A probe reads a row in the cycle in which the sweep erases it, and is answered when the sweep is over."""

    async def body(driver):
        ctx, dut, where = driver.ctx, driver.dut, space()
        await driver.write(where, 0, 0, 0xF000, {"ppn": 5})  # in the last of 16 sets
        for _ in range(1 << EPOCH_BITS):
            await driver.fence(SFENCE)
        assert await driver.probe(where, 0, 0, 0xF000) is None
        ctx.set(dut.probe_en, 1)
        for _ in range(24):
            await ctx.tick()
            assert not ctx.get(dut.found)

    Driver(l2tlb_entries=32).run(body)


def test_fences_keep_what_they_do_not_cover():
    async def body(driver):
        host, guest = space(), space(v=1, s2=1)
        await driver.write(host, 0, 0, 0x1000, {"ppn": 1})
        await driver.write(host, 0, 0, 0x2000, {"ppn": 2})
        await driver.write(host, 0, 0, 0x3000, {"ppn": 3, "glob": 1})
        await driver.write(host, 0, 1, (1 << 42) - 0x20_0000, {"ppn": 4, "fractured": 1}, 1)
        await driver.write(guest, 0, 0, 0x4000, {"ppn": 5})
        await driver.write(space(v=1, s1=0, s2=1), 1, 0, 0x5000, {"ppn": 6})
        await driver.fence(SFENCE, 0x1000)
        assert await driver.probe(host, 0, 0, 0x1000) is None
        assert await driver.probe(host, 0, 0, 0x2000) == 2
        assert await driver.probe(host, 0, 1, (1 << 42) - 0x20_0000) == 4  # the other half of the address space
        await driver.fence(SFENCE, None, 9)
        assert await driver.probe(host, 0, 0, 0x2000) is None
        assert await driver.probe(host, 0, 0, 0x3000) == 3
        await driver.fence(SFENCE)
        assert await driver.probe(host, 0, 0, 0x3000) is None
        assert await driver.probe(guest, 0, 0, 0x4000) == 5
        await driver.fence(VVMA)
        assert await driver.probe(guest, 0, 0, 0x4000) is None
        assert await driver.probe(space(v=1, s1=0, s2=1), 1, 0, 0x5000) == 6
        await driver.fence(GVMA)
        assert await driver.probe(space(v=1, s1=0, s2=1), 1, 0, 0x5000) is None

    Driver(l2tlb_entries=64).run(body)
