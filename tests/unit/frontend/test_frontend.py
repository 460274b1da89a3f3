"""The front end against a model of everything around it: memory of random halfwords, a bus, a TLB with its walker, the
data cache's clean port, and the stages behind it, which follow the true path and redirect when it was left."""

import random

import pytest
from amaranth.hdl import Module
from amaranth.sim import Simulator

from entresol.config import get_config
from entresol.frontend.frontend import Frontend
from entresol.frontend.types import BranchKind
from entresol.isa.causes import Cause
from entresol.isa.compressed import RvcExpander
from entresol.isa.privilege import Access

M64 = (1 << 64) - 1
PAGE, LINE = 4096, 64
M_MODE, S_MODE, VS_MODE = 0b011, 0b001, 0b101  # Mode: priv in the low two bits, then V
NOP, RET = 0x0001, 0x8082  # c.nop, c.jr ra


def noise(*key):
    """A hash of `key` that is the same in every run, 32 bits."""
    value = 0x9E3779B9
    for part in key:
        while True:
            value = (value ^ (part & 0xFFFFFFFF)) * 0x85EBCA6B & 0xFFFFFFFF
            value ^= value >> 15
            part >>= 32
            if not part:
                break
    return value * 0xC2B2AE35 & 0xFFFFFFFF


def is_transfer(raw):
    """Whether an instruction is a control transfer, by its opcode."""
    if raw & 3 == 3:
        return raw & 0x7F in (0x63, 0x67, 0x6F, 0x6B)
    if raw & 3 == 1:
        return raw >> 13 in (5, 6, 7)
    return raw & 3 == 2 and raw >> 13 == 4 and not raw >> 2 & 0x1F


class World:
    """Surroundings of a `Frontend`, one call of `cycle` per clock cycle.

    `memory` maps physical halfword addresses to values (missing ones read as `c.nop`).  `translate` and `path` are
    to be replaced: the address space and the program.
    """

    def __init__(self, config, seed=0, slow=False):
        self.config, self.random, self.slow = config, random.Random(seed), slow
        self.frontend = Frontend(config)
        self.memory, self.bad_lines = {}, set()
        self.mode, self.now = M_MODE, 0
        self.tlb, self.transient, self.looked_up = {}, None, None
        self.walk_left, self.refusals = None, 0
        self.bursts, self.cleaned, self.clean_left = [], None, None
        self.events = {"miss": 0, "walk": 0, "lookup": 0}

    # --- to be replaced

    def translate(self, mode, vaddr):
        """Physical address and whether only 4 bytes were permitted, or a (cause, gpa, implicit) to fault with."""
        return vaddr & (1 << self.config.bus_bits) - 1, False

    async def behind(self, ctx):
        """What the stages behind the front end do in this cycle."""
        raise NotImplementedError

    # --- the rest

    def halfword(self, paddr):
        return self.memory.get(paddr, NOP)

    def instruction(self, mode, pc):
        """What is at `pc`: (raw, None), or (None, (address of the faulting part, fault))."""
        raw = 0
        for part in range(2):
            vaddr = pc + 2 * part & M64
            answer = self.translate(mode, vaddr)
            if len(answer) == 3:
                return None, (vaddr, answer)
            if answer[0] // LINE in self.bad_lines:
                return None, (vaddr, (Cause.INSTRUCTION_ACCESS_FAULT, 0, 0))
            raw |= self.halfword(answer[0]) << 16 * part
            if raw & 3 != 3:
                break
        return raw, None

    def serve_tlb(self, ctx):
        """The TLB's answer to the lookup of an earlier cycle, and the walker."""
        f = self.frontend
        hit = paddr = narrow = 0
        if self.looked_up is not None:
            key, vaddr, mode, transient = self.looked_up
            if transient or self.tlb.get(key):
                answer = self.translate(mode, vaddr)
                if len(answer) == 2:
                    hit, (paddr, narrow) = 1, answer
                    assert transient or not narrow
        ctx.set(f.tlb, {"hit": hit, "paddr": paddr, "narrow": narrow, "io": 0})

        ctx.set(f.walk_done, 0)
        if not ctx.get(f.walk_valid):
            self.walk_left = None
            return
        assert not hit and self.looked_up is not None
        if self.walk_left is None:
            self.events["walk"] += 1
            self.walk_left = self.random.randrange(12) if self.slow else 2
        if self.walk_left:
            self.walk_left -= 1
            return
        key, vaddr, mode, _ = self.looked_up
        answer = self.translate(mode, vaddr)
        ctx.set(f.walk_done, 1)
        ctx.set(f.walk_faulted, len(answer) == 3)
        if len(answer) == 3:
            cause, gpa, implicit = answer
            ctx.set(f.walk_fault, {"cause": cause, "vaddr": vaddr, "gpa": gpa, "implicit": implicit, "v": mode >> 2})
        else:
            ctx.set(f.walk_fault, {"cause": 63, "vaddr": M64, "gpa": M64, "implicit": 2, "v": 1})
            if answer[1]:
                self.transient = (vaddr, mode)
            else:
                if len(self.tlb) >= self.config.itlb_entries:
                    del self.tlb[self.random.choice(list(self.tlb))]
                self.tlb[key] = True
        self.walk_left = None

    def after_tlb(self, ctx):
        """The lookup at the end of this cycle."""
        f = self.frontend
        if ctx.get(f.lookup_en):
            self.events["lookup"] += 1
            lookup = ctx.get(f.lookup)
            assert lookup.access == Access.FETCH and not lookup.hlvx
            mode = lookup.mode.priv.value | lookup.mode.v << 2
            assert mode == self.mode
            vaddr = lookup.vaddr
            self.looked_up = ((mode, vaddr // PAGE), vaddr, mode, self.transient == (vaddr, mode))
            self.transient = None

    def serve_bus(self, ctx):
        """One outstanding burst and the clean port."""
        f, r = self.frontend, self.random
        assert not ctx.get(f.axi.awvalid) and not ctx.get(f.axi.wvalid) and ctx.get(f.axi.rready)
        ctx.set(f.clean_done, 0)
        if ctx.get(f.clean_valid):
            if self.clean_left is None:
                self.clean_left = r.randrange(6) if self.slow else 0
            if not self.clean_left:
                ctx.set(f.clean_done, 1)
                self.cleaned, self.clean_left = ctx.get(f.clean_addr), None
                assert self.cleaned % LINE == 0
            else:
                self.clean_left -= 1
        else:
            self.clean_left = None

        ready = not self.bursts and (not self.slow or r.random() < 0.3)
        ctx.set(f.axi.arready, ready)
        ctx.set(f.axi.rvalid, 0)
        if self.bursts and self.bursts[0][0] <= self.now and (not self.slow or r.random() < 0.6):
            addr = self.bursts[0][1].pop(0)
            word = sum(self.halfword(addr + 2 * i) << 16 * i for i in range(4))
            ctx.set(f.axi.rvalid, 1)
            ctx.set(f.axi.rdata, word)
            ctx.set(f.axi.rresp, 2 if addr // LINE in self.bad_lines else 0)
            ctx.set(f.axi.rlast, not self.bursts[0][1])
            if not self.bursts[0][1]:
                self.bursts.clear()
        if ready and ctx.get(f.axi.arvalid):
            addr = ctx.get(f.axi.araddr)
            assert addr % 8 == 0 and addr // LINE * LINE == self.cleaned
            assert (ctx.get(f.axi.arlen), ctx.get(f.axi.arsize), ctx.get(f.axi.arburst).value) == (7, 3, 2)
            line = addr // LINE * LINE
            self.bursts.append((self.now + (r.randrange(1, 15) if self.slow else 4),
                                [line + (addr + 8 * i) % LINE for i in range(8)]))
            self.cleaned = None

    async def cycle(self, ctx):
        f = self.frontend
        self.serve_tlb(ctx)
        self.serve_bus(ctx)
        await self.behind(ctx)
        self.events["miss"] += ctx.get(f.icache_miss)
        self.after_tlb(ctx)
        await ctx.tick()
        self.now += 1

    def redirect(self, ctx, pc, mode=None, invalidate=False):
        ctx.set(self.frontend.redirect_valid, 1)
        ctx.set(self.frontend.redirect_pc, pc)
        ctx.set(self.frontend.invalidate, invalidate)
        self.next_mode = self.mode if mode is None else mode
        # whatever X says, M wins
        ctx.set(self.frontend.branch_valid, noise(self.now) & 1)
        ctx.set(self.frontend.branch_pc, pc ^ noise(self.now, 1) << 1)

    def redirect_branch(self, ctx, pc):
        ctx.set(self.frontend.branch_valid, 1)
        ctx.set(self.frontend.branch_pc, pc)

    def no_redirect(self, ctx):
        ctx.set(self.frontend.redirect_valid, 0)
        ctx.set(self.frontend.branch_valid, 0)
        ctx.set(self.frontend.invalidate, 0)

    def run(self, bench):
        m = Module()
        m.submodules.frontend = self.frontend
        m.submodules.expander = self.expander = RvcExpander(self.config)
        simulator = Simulator(m)
        simulator.add_clock(1e-6)
        simulator.add_testbench(bench)
        simulator.run()


class Follower(World):
    """A world with stages D and X.  An instruction taken in cycle t is in X in t+1; when the path goes on elsewhere
    than predicted, X redirects at the end of t+1, and the update comes in t+2 (or t+1 if `early_update`).

    `outcome(pc, raw)` is the program: (kind, target) for a transfer that is taken, (kind, None) for a branch that is
    not; it is asked once for each instruction in program order.
    """

    def __init__(self, *args, early_update=False, **kwargs):
        super().__init__(*args, **kwargs)
        self.early_update = early_update
        self.pc = self.config.reset_vector
        self.in_x, self.update = None, None
        self.stall = self.trap = 0.0
        self.instructions = self.transfers = self.mispredicted = self.faults = self.faults_high = 0
        self.jump = (self.pc, self.mode, False)  # a redirect to be made from M
        self.waiting = self.idle = 0
        self.next_mode = self.mode

    def outcome(self, pc, raw):
        raise NotImplementedError

    def where(self):
        """Where a trap goes: pc, mode, invalidate."""
        raise NotImplementedError

    def after_fault(self, vaddr, fault):
        return self.where()

    def set_update(self, ctx, update):
        names = ("pc", "rvc", "kind", "taken", "target", "mispredicted")
        value = {"valid": 0} if update is None else {"valid": 1} | dict(zip(names, update, strict=True))
        value["redirected"] = value.get("mispredicted", 0)
        ctx.set(self.frontend.update, value)

    async def behind(self, ctx):
        f, r = self.frontend, self.random
        self.mode = self.next_mode
        ctx.set(f.mode, {"priv": self.mode & 3, "v": self.mode >> 2})
        self.no_redirect(ctx)
        update, self.update = self.update, None

        # M: traps, which win over X
        flushed = False
        if self.jump is not None:
            self.pc, mode, invalidate = self.jump
            self.redirect(ctx, self.pc, mode, invalidate)
            self.jump, self.in_x, flushed = None, None, True

        # X: resolve what was taken in the cycle before
        if self.in_x is not None:
            resolved, redirect = self.in_x
            self.in_x = None
            if self.early_update:
                update = resolved
            else:
                self.update = resolved
            if redirect is not None:
                self.redirect_branch(ctx, redirect)
                flushed = True
        self.set_update(ctx, update)

        # D
        ready = r.random() >= self.stall and not self.waiting
        ctx.set(f.instr.ready, ready)
        self.idle += ready
        assert self.idle < 300, "no instruction comes"
        if self.waiting:
            self.waiting -= 1
            if not self.waiting:
                self.jump = self.after_fault(*self.fault)
        elif ready and not flushed and ctx.get(f.instr.valid):
            self.deliver(ctx)
            if not self.waiting and r.random() < self.trap:
                self.jump, self.in_x = self.where(), None
        elif flushed:
            self.waiting = 0

    def deliver(self, ctx):
        self.idle = 0
        got = ctx.get(self.frontend.instr.payload)
        raw, fault = self.instruction(self.mode, self.pc)
        assert got.pc == self.pc, f"{got.pc:x} instead of {self.pc:x}"
        assert got.fault == (fault is not None), f"{self.pc:x}: {fault}"
        if fault is not None:
            vaddr, (cause, gpa, implicit) = fault
            reported = ctx.get(self.frontend.fault)
            assert (reported.cause, reported.vaddr, reported.gpa) == (cause, vaddr, gpa)
            assert (reported.implicit.value, reported.v) == (implicit, self.mode >> 2)
            assert got.fault_high == (vaddr != self.pc)
            self.faults += 1
            self.faults_high += got.fault_high
            self.waiting, self.fault = 3, fault
            return
        self.instructions += 1
        rvc = raw & 3 != 3
        assert (got.raw & (0xFFFF if rvc else 0xFFFFFFFF), got.rvc) == (raw, rvc)
        if rvc:
            ctx.set(self.expander.compressed, raw)
            assert got.insn == ctx.get(self.expander.expanded)
        else:
            assert got.insn == raw
        link = self.pc + (2 if rvc else 4) & M64
        transfer = is_transfer(raw)
        kind, target = self.outcome(self.pc, raw) if transfer else (None, None)
        following = link if target is None else target
        predicted = got.pred_target if got.pred_taken else link
        assert transfer or not got.pred_taken
        wrong = predicted != following
        if transfer:
            self.transfers += 1
            self.mispredicted += wrong
            update = (self.pc, rvc, kind, target is not None, noise(self.pc) if target is None else target, wrong)
            self.in_x = (update, following if wrong else None)
        self.pc = following


# --------------------------------------------------------------------------------------------- random programs


class RandomWorld(Follower):
    """Random halfwords in a few pages, with random outcomes that mostly follow patterns."""

    SPREAD = [0x8000_0000, 0x8000_1000, 0x8000_2000, 0x1F_FFFF_F000, 0x20_0000_0000, 0x20_0000_1000, M64 - PAGE + 1,
              0, 0xFFFF_FFE0_0000_0000]

    def __init__(self, config, seed, faults=True, **kwargs):
        super().__init__(config, seed, **kwargs)
        r = self.random
        self.pages, self.tick = {}, 0
        self.calls = []
        frames = list(range(0x80010, 0x80010 + 3 * len(self.SPREAD)))
        for mode in (M_MODE, S_MODE, VS_MODE):
            for page in self.SPREAD:
                fault = None
                if faults and r.random() < 0.12:
                    fault = r.choice([(12, 0, 0), (1, 0, 0), (20, r.getrandbits(40) & ~1, r.randrange(3))])
                self.pages[mode, page // PAGE] = (r.choice(frames), faults and r.random() < 0.15, fault)
        for frame in frames:
            for addr in range(frame * PAGE, (frame + 1) * PAGE, 2):
                self.memory[addr] = self.random_halfword(addr % PAGE == PAGE - 2)
        if faults:
            self.bad_lines = {r.choice(frames) * PAGE // LINE + r.randrange(64) for _ in range(6)}
        self.trap = 0.01
        self.jump = self.where()

    def random_halfword(self, end=False):
        r = self.random
        choice = r.random()
        if end and choice < 0.5:  # instructions across the end of a page
            return r.getrandbits(16) | 3
        if choice < 0.1:
            return r.getrandbits(16) & 0xFF80 | r.choice([0x63, 0x67, 0x6F])
        if choice < 0.2:
            return r.getrandbits(13) & 0x1FFC | r.choice([5, 6, 7]) << 13 | 1
        if choice < 0.23:
            return RET
        return r.getrandbits(16)

    def translate(self, mode, vaddr):
        frame, narrow, fault = self.pages.get((mode, vaddr // PAGE), (0, False, (12, 0, 0)))
        if narrow and noise(vaddr // 4, mode) % 16 == 0:
            fault = (1, 0, 0)
        return fault if fault is not None else (frame * PAGE + vaddr % PAGE, narrow)

    def place(self, key):
        page = self.SPREAD[noise(key, 1) % len(self.SPREAD)]
        # mostly few places, so that branches are met again; ends of pages are of interest
        offset = noise(key, 2) % PAGE if noise(key, 3) % 4 == 0 else 4096 - 256 + noise(key, 2) % 256
        return page + offset & ~1

    def where(self):
        return (self.place(self.random.getrandbits(3) if self.random.random() < 0.8 else self.random.getrandbits(16)),
                self.random.choice([M_MODE, S_MODE, VS_MODE]), self.random.random() < 0.1)

    def after_fault(self, vaddr, fault):
        for line in list(self.bad_lines):  # repaired one by one
            if self.random.random() < 0.05:
                self.bad_lines.remove(line)
        return self.where()

    def outcome(self, pc, raw):
        self.tick += 1
        length = 2 if raw & 3 != 3 else 4
        key = noise(pc, raw)
        if (raw & 3 == 3 and raw & 0x7F == 0x6F) or key % 8 == 1:
            self.calls = [*self.calls[-8:], pc + length & M64]
            return BranchKind.CALL, self.place(key)
        if raw == RET and self.calls:
            return BranchKind.RETURN, self.calls.pop()
        if (raw & 3 == 3 and raw & 0x7F == 0x63) or raw >> 13 in (6, 7):
            taken = self.random.random() < 0.5 if key % 4 == 0 else key % 4 == 1 or self.tick % (key % 7 + 2) == 0
            near = pc + (key >> 8) % 64 - 24 & M64 & ~1
            return BranchKind.BRANCH, near if taken else None
        return BranchKind.JUMP, self.place(key + self.tick // 50 % 2)

    def change_code(self):
        """Overwrites memory, as a loader would; what is in no cache is what counts."""
        for _ in range(200):
            self.memory[self.random.choice(list(self.memory))] = self.random_halfword()


CASES = [("small", 1, {}), ("small", 2, {"slow": True}), ("linux", 3, {"early_update": True}),
         ("linux", 4, {"faults": False}), ("small", 5, {"faults": False, "slow": True})]


@pytest.mark.rule("pc_rst", "RST_ADDR", "endianness_inst_fetch_little", "sstatus_ube_implicit")
@pytest.mark.parametrize(("name", "seed", "options"), CASES)
def test_random_programs(name, seed, options):
    world = RandomWorld(get_config(name), seed, **options)

    async def bench(ctx):
        cycles = 3200
        for cycle in range(cycles):
            if cycle % 500 == 0:
                world.stall = world.random.choice([0, 0, 0.3, 0.8])
                world.trap = world.random.choice([0, 0.005, 0.05])
            if cycle % 1500 == 1400:  # change the code, then FENCE.I
                await quiesce(ctx, world)
                world.change_code()
                world.jump = (*world.where()[:2], True)
            await world.cycle(ctx)
        await quiesce(ctx, world)

    world.run(bench)
    assert world.instructions > 300 and world.transfers > 50
    assert world.events["walk"] > 10
    if options.get("faults", True):
        assert world.faults > (0 if world.slow else 10)


async def quiesce(ctx, world):
    """Wait until nothing reads memory, with D stalled: the model has no memory of what was fetched when."""
    stall, trap = world.stall, world.trap
    world.stall, world.trap = 1.0, 0
    for _ in range(150):
        await world.cycle(ctx)
    world.stall, world.trap = stall, trap


# ----------------------------------------------------------------------------------------- programs with a purpose


class Program(Follower):
    """A program of (pc: (raw, outcome)) lines in S-mode; an outcome is a callable that gives (kind, target)."""

    def __init__(self, config, lines, start, **kwargs):
        super().__init__(config, **kwargs)
        self.lines = lines
        self.load()
        self.jump = (start, S_MODE, False)
        self.start = start
        self.valid_at = []  # cycles in which an instruction was taken

    def load(self):
        for pc, (raw, _) in self.lines.items():
            for i in range(1 if raw & 3 != 3 else 2):
                self.memory[self.translate(S_MODE, pc + 2 * i)[0]] = raw >> 16 * i & 0xFFFF

    def outcome(self, pc, raw):
        return self.lines[pc][1]()

    def deliver(self, ctx):
        self.valid_at.append((self.now, self.pc))
        super().deliver(ctx)


BEQ, JAL, JALR, ADD = 0x0000_0063, 0x0000_006F, 0x0000_8067, 0x0000_0033
C_J, C_BEQZ = 0xA001, 0xC001
BASE = 0x8000_0000


def counted(trips, target):
    """A loop's branch: taken `trips - 1` times, then not."""
    state = [0]

    def outcome():
        state[0] = (state[0] + 1) % trips
        return BranchKind.BRANCH, target if state[0] else None
    return outcome


def always(kind, target):
    return lambda: (kind, target)


def test_redirect_to_instruction_takes_three_cycles():
    lines = {BASE + 2 * i: (NOP, None) for i in range(64)}
    world = Program(get_config("small"), lines, BASE)
    redirected = {}

    async def bench(ctx):
        for _ in range(60):
            await world.cycle(ctx)
        for i, start in enumerate((BASE, BASE + 2, BASE + 6, BASE + 0x1E, BASE + 0x3C)):
            world.jump = (start, S_MODE, False)
            redirected[start] = world.now
            first = len(world.valid_at)
            for _ in range(12 + i):
                await world.cycle(ctx)
            # the redirect is seen by the end of cycle t: first instruction in t + 3, then one per cycle
            assert [when for when, _ in world.valid_at[first:]][:9] == [redirected[start] + 3 + n for n in range(9)]
            assert world.valid_at[first][1] == start

    world.run(bench)


@pytest.mark.parametrize("early", [False, True])
def test_mispredicted_branch_costs_what_a_redirect_does(early):
    """Taken in D in cycle t, resolved in X in t+1: the target is offered in t+4."""
    target = BASE + 0x18
    lines = {BASE + 2 * i: (NOP, None) for i in range(4)} | {BASE + 8: (C_J, always(BranchKind.JUMP, target))}
    lines |= {target + 2 * i: (NOP, None) for i in range(16)}
    world = Program(get_config("small"), lines, BASE, early_update=early)

    async def bench(ctx):
        for expected in (4, 1, 1):
            for _ in range(40):
                await world.cycle(ctx)
            when = {pc: now for now, pc in world.valid_at}
            if expected != 4 or world.events["miss"] == 1:
                assert when[target] - when[BASE + 8] == expected
            world.valid_at.clear()
            world.jump = (BASE, S_MODE, False)

    world.run(bench)
    assert world.mispredicted == 1


@pytest.mark.parametrize("kind", [BranchKind.JUMP, BranchKind.BRANCH])
def test_taken_branches_every_cycle(kind):
    """A ring of jumps, one per group and each at another position, runs at one instruction per cycle."""
    places = [BASE + 16 * i + 2 * (i % 4) for i in range(6)]
    lines = {place: (C_J, always(kind, following))
             for place, following in zip(places, places[1:] + places[:1], strict=True)}
    world = Program(get_config("small"), lines, places[0])

    async def bench(ctx):
        for _ in range(120):
            await world.cycle(ctx)
        world.valid_at.clear()
        for _ in range(60):
            await world.cycle(ctx)

    world.run(bench)
    assert len(world.valid_at) == 60


def test_straddling_jumps_every_cycle():
    """32-bit jumps that lie in two groups need two groups each: one instruction every two cycles."""
    places = [BASE + 0x20 * i + 6 for i in range(4)]
    lines = {place: (JAL, always(BranchKind.JUMP, following))
             for place, following in zip(places, places[1:] + places[:1], strict=True)}
    world = Program(get_config("small"), lines, places[0])

    async def bench(ctx):
        for _ in range(120):
            await world.cycle(ctx)
        world.valid_at.clear()
        for _ in range(60):
            await world.cycle(ctx)

    world.run(bench)
    assert len(world.valid_at) == 30


def test_icache_miss_forwards_the_wanted_word_first():
    """With a bus that answers 4 cycles after the address and then every cycle, code runs behind the words coming in."""
    lines = {BASE + 4 * i: (ADD, None) for i in range(16)}
    world = Program(get_config("small"), lines, BASE + 0x28)

    async def bench(ctx):
        world.tlb[S_MODE, BASE // PAGE] = True
        for _ in range(30):
            await world.cycle(ctx)

    world.run(bench)
    (first, pc), rest = world.valid_at[0], world.valid_at[1:5]
    assert pc == BASE + 0x28
    # redirect in 0, F1 and the miss in 2, clean 3, address 4, first word in 8
    assert first == 9
    assert [when for when, _ in rest] == [10, 11, 12, 13]


def test_hits_go_on_during_a_refill():
    """A redirect away from a missing line reaches a cached one as if nothing was on the way."""
    lines = {BASE + 2 * i: (NOP, None) for i in range(256)}
    world = Program(get_config("small"), lines, BASE)

    async def bench(ctx):
        for _ in range(60):
            await world.cycle(ctx)
        missing = BASE + 0x140
        world.jump = (missing, S_MODE, False)
        before = world.events["miss"]
        while world.events["miss"] == before:
            await world.cycle(ctx)
        world.valid_at.clear()
        world.jump, redirected = (BASE + 8, S_MODE, False), world.now
        for _ in range(20):
            await world.cycle(ctx)
        assert world.valid_at[:5] == [(redirected + 3 + i, BASE + 8 + 2 * i) for i in range(5)]
        # and the line came in
        world.jump, redirected = (missing, S_MODE, False), world.now
        world.valid_at.clear()
        for _ in range(8):
            await world.cycle(ctx)
        assert world.valid_at[0] == (redirected + 3, missing)

    world.run(bench)


def test_invalidate_drops_lines_and_refills_on_the_way():
    lines = {BASE + 2 * i: (NOP, None) for i in range(64)}
    world = Program(get_config("small"), lines, BASE)

    async def bench(ctx):
        for _ in range(20):
            await world.cycle(ctx)
        # New code, and a FENCE.I at any time of a refill with the old one.
        for delay in range(3, 20):
            world.jump = (BASE, S_MODE, True)
            for _ in range(delay):
                await world.cycle(ctx)
            for i in range(64):  # c.li a0, delay
                world.memory[BASE + 2 * i] = 0x4501 | delay << 2
            for start, invalidate in ((BASE + 0x40, True), (BASE, False)):
                world.jump = (start, S_MODE, invalidate)
                for _ in range(24):
                    await world.cycle(ctx)

    world.run(bench)
    assert world.events["miss"] > 40


class Faulty(Program):
    """A program in a space with a page that faults, and one that is narrow."""

    NARROW, GOOD, BAD = BASE, BASE + PAGE, BASE + 2 * PAGE
    GUEST_FAULT = (Cause.INSTRUCTION_GUEST_PAGE_FAULT, 0x1_2345_6004, 1)

    def translate(self, mode, vaddr):
        if vaddr // PAGE == self.BAD // PAGE:
            return self.GUEST_FAULT
        return vaddr, vaddr // PAGE == self.NARROW // PAGE

    def after_fault(self, vaddr, fault):
        self.seen.append((self.pc, vaddr))
        return self.start, VS_MODE, False


@pytest.mark.rule("ziccif_fetch_mechanism", "ziccif_pma_application")
@pytest.mark.parametrize("last", [NOP, ADD])
def test_fault_at_the_end_of_a_page(last):
    """An instruction that ends with the page comes, one that crosses faults at its second half."""
    lines = {Faulty.BAD - 4: (NOP, None), Faulty.BAD - 2: (last, None)}
    world = Faulty(get_config("small"), lines, Faulty.BAD - 4)
    world.seen = []

    async def bench(ctx):
        for _ in range(90):
            await world.cycle(ctx)

    world.run(bench)
    assert len(world.seen) > 2
    assert set(world.seen) == {(Faulty.BAD - 2 if last == ADD else Faulty.BAD, Faulty.BAD)}


@pytest.mark.rule("ziccif_fetch_mechanism")
def test_narrow_pages_deliver_every_instruction():
    """Where only four bytes are permitted at a time, instructions of both sizes and at any place come, one by one."""
    places, pc = {}, Faulty.GOOD - 0x30
    for raw in (NOP, ADD, NOP, ADD, ADD, ADD, NOP, NOP, ADD, ADD, NOP, ADD, NOP, ADD):
        places[pc] = (raw, None)
        pc += 2 if raw == NOP else 4
    world = Faulty(get_config("small"), places | {pc: (C_J, always(BranchKind.JUMP, Faulty.GOOD - 0x2E))},
                   Faulty.GOOD - 0x30)

    async def bench(ctx):
        for _ in range(500):
            await world.cycle(ctx)

    world.run(bench)
    assert {pc for _, pc in world.valid_at} == set(world.lines)
    assert world.mispredicted == 1 and world.instructions > 45


class Changing(Follower):
    """Code that somebody else writes all the time: at any moment each word is one of two instructions."""

    WORDS = (0x0000_0033, 0xFFF5_8513)
    part = 4  # bytes that change as a whole

    def halfword(self, paddr):
        if paddr % self.part == 0:
            self.word = self.random.choice(self.WORDS)
        return self.word >> 8 * (paddr % 4) & 0xFFFF

    def where(self):
        return BASE + 4 * self.random.randrange(64), S_MODE, self.random.random() < 0.5

    def deliver(self, ctx):
        got = ctx.get(self.frontend.instr.payload)
        assert got.pc == self.pc and got.raw in self.WORDS, f"{got.raw:08x} at {got.pc:x}"
        self.idle = 0
        self.instructions += 1
        self.pc += 4


@pytest.mark.rule("ziccif_if_atomicity")
@pytest.mark.parametrize("slow", [False, True])
def test_aligned_words_are_fetched_whole(slow):
    def play(world):
        world.trap, world.stall = 0.1, 0.2
        world.jump = world.where()

        async def bench(ctx):
            for _ in range(700):
                await world.cycle(ctx)

        world.run(bench)

    world = Changing(get_config("small"), slow=slow)
    play(world)
    assert world.instructions > 50 and world.events["miss"] > 10
    # were it halves that change, that would be seen
    world = Changing(get_config("small"), slow=slow)
    world.part = 2
    with pytest.raises(AssertionError, match="at 8000"):
        play(world)


def test_bus_error_faults_the_fetch_and_is_not_cached():
    lines = {BASE + 2 * i: (NOP, None) for i in range(64)}
    world = Program(get_config("small"), lines, BASE + 0x38)
    world.bad_lines = {BASE // LINE + 1}
    world.after_fault = lambda vaddr, fault: (world.bad_lines.clear(), (BASE + 0x3E, S_MODE, False))[1]

    async def bench(ctx):
        for _ in range(90):
            await world.cycle(ctx)

    world.run(bench)
    assert world.faults == 1 and world.instructions > 30


def test_branch_across_the_end_of_a_target_region():
    """Targets are stored without their high bits, which a branch across 2**37 would give to another region."""
    start = (1 << 37) - 2
    lines = {start: (JAL, always(BranchKind.JUMP, start - 0x40)),
             start - 0x40: (C_J, always(BranchKind.JUMP, start))}
    world = Program(get_config("small"), lines, start)

    async def bench(ctx):
        for _ in range(150):
            await world.cycle(ctx)

    world.run(bench)
    assert world.mispredicted > 10  # never predicted: slow, but right


def test_nonsense_predictions_are_forgotten():
    """Code that replaces branches is delivered truly, and at full speed once its predecessor's branches are gone."""
    lines = {BASE: (NOP, None), BASE + 2: (C_J, always(BranchKind.JUMP, BASE + 0x10)),
             BASE + 0x10: (NOP, None), BASE + 0x12: (NOP, None), BASE + 0x14: (NOP, None),
             BASE + 0x16: (JAL, always(BranchKind.JUMP, BASE))}
    other = {BASE: (NOP, None), BASE + 2: (ADD, None), BASE + 6: (NOP, None), BASE + 8: (ADD, None),
             BASE + 0xC: (ADD, None), BASE + 0x10: (ADD, None), BASE + 0x14: (ADD, None), BASE + 0x18: (ADD, None),
             BASE + 0x1C: (JAL, always(BranchKind.JUMP, BASE))}
    world = Program(get_config("small"), lines, BASE)

    async def bench(ctx):
        for _ in range(60):
            await world.cycle(ctx)
        world.stall = 1.0
        for _ in range(30):
            await world.cycle(ctx)
        world.lines, world.stall = other, 0.0
        world.load()
        world.jump = (BASE, S_MODE, True)
        for _ in range(120):
            await world.cycle(ctx)
        before = len(world.valid_at)
        for _ in range(45):
            await world.cycle(ctx)
        assert len(world.valid_at) - before == 45

    world.run(bench)


# ------------------------------------------------------------------------------------------------ accuracy


def accuracy(config, lines, start, instructions, warm_up):
    world = Program(config, lines, start)

    async def bench(ctx):
        while world.instructions < warm_up:
            await world.cycle(ctx)
        before = (world.transfers, world.mispredicted, world.now, world.instructions)
        while world.instructions < warm_up + instructions:
            await world.cycle(ctx)
        world.measured = [now - then for now, then in
                          zip((world.transfers, world.mispredicted, world.now, world.instructions), before,
                              strict=True)]

    world.run(bench)
    return world.measured


@pytest.mark.parametrize("name", ["small", "linux"])
def test_accuracy_nested_loops(name):
    """8 x 5 iterations: the inner exit is learnt, as the path history holds the whole inner loop."""
    inner, outer = BASE + 8, BASE + 0x20
    lines = {
        BASE: (ADD, None), BASE + 4: (NOP, None), BASE + 6: (NOP, None),
        inner: (ADD, None), inner + 4: (ADD, None), inner + 8: (BEQ, counted(5, inner)),
        inner + 12: (NOP, None), inner + 14: (NOP, None), inner + 16: (NOP, None), inner + 18: (NOP, None),
        inner + 20: (NOP, None), inner + 22: (NOP, None),
        outer: (C_BEQZ, counted(8, BASE)), outer + 2: (C_J, always(BranchKind.JUMP, BASE)),
    }
    transfers, mispredicted, _, _ = accuracy(get_config(name), lines, BASE, 1000, 1200)
    assert mispredicted / transfers < 0.05


@pytest.mark.parametrize("name", ["small", "linux"])
def test_accuracy_calls_and_returns(name):
    """A function called from three places, which itself calls a leaf from two."""
    function, leaf = BASE + 0x120, BASE + 0x23E
    calls = []

    def call(target, link):
        def outcome():
            calls.append(link)
            return BranchKind.CALL, target
        return outcome

    def back():
        return BranchKind.RETURN, calls.pop()

    lines = {}
    for i in range(3):
        at = BASE + 0x12 * i
        lines |= {at: (ADD, None), at + 4: (JAL, call(function, at + 8)), at + 8: (ADD, None), at + 12: (NOP, None),
                  at + 14: (NOP, None), at + 16: (NOP, None)}
    lines[BASE + 0x36] = (C_J, always(BranchKind.JUMP, BASE))
    for i in range(2):
        at = function + 0xA * i
        lines |= {at: (ADD, None), at + 4: (JAL, call(leaf, at + 8)), at + 8: (NOP, None)}
    lines |= {function + 0x14: (RET, back), leaf: (ADD, None), leaf + 4: (RET, back)}
    _, mispredicted, cycles, instructions = accuracy(get_config(name), lines, BASE, 400, 250)
    assert mispredicted == 0
    assert cycles <= 1.05 * instructions


def test_accuracy_two_branches_in_a_group():
    """Both are taken sometimes: they have entries of their own."""
    lines = {BASE: (C_BEQZ, counted(3, BASE + 8)), BASE + 2: (NOP, None), BASE + 4: (NOP, None),
             BASE + 6: (C_J, always(BranchKind.JUMP, BASE + 0x20)),
             BASE + 8: (NOP, None), BASE + 10: (C_J, always(BranchKind.JUMP, BASE + 0x20)),
             BASE + 0x20: (NOP, None), BASE + 0x22: (C_J, always(BranchKind.JUMP, BASE))}
    transfers, mispredicted, _, _ = accuracy(get_config("linux"), lines, BASE, 500, 600)
    assert mispredicted / transfers < 0.05
