"""Benches for the load/store unit: an AXI memory with faults and protocol checks, a TLB with a slow walker behind it,
and a reference that executes accesses on a byte array as they complete.

Everything is in lockstep with the clock: `Bench.cycle` sets the inputs of a cycle, looks at the outputs once they have
settled, and ticks.
"""

import functools
import random
from collections import deque
from dataclasses import dataclass, field

import pytest
from amaranth.hdl import Cat, Module, Mux, Shape, Signal, Value
from amaranth.lib import data
from amaranth.sim import Simulator

from entresol.config import Cache, CoreConfig, get_config
from entresol.isa.control import LsuOp
from entresol.isa.privilege import Access
from entresol.memory import dcache
from entresol.memory.lsu import Lsu

RAM = 0x8000_0000
MASK = (1 << 64) - 1
AMOS = (LsuOp.AMOSWAP, LsuOp.AMOADD, LsuOp.AMOXOR, LsuOp.AMOAND, LsuOp.AMOOR, LsuOp.AMOMIN, LsuOp.AMOMAX,
        LsuOp.AMOMINU, LsuOp.AMOMAXU)
MANAGEMENT = (LsuOp.CBO_CLEAN, LsuOp.CBO_FLUSH, LsuOp.CBO_INVAL)
BLOCK = (*MANAGEMENT, LsuOp.CBO_ZERO)


@dataclass(frozen=True)
class AnyConfig(CoreConfig):
    """A configuration with extensions of which the rest of the core is not ready."""

    def __post_init__(self):
        pass


def config(size: int = 4096, ways: int = 1) -> CoreConfig:
    small = get_config("small")
    return AnyConfig("test", small.extensions | {"svadu", "svpbmt", "zicbom", "zicboz"}, dcache=Cache(size, ways))


def pattern(address: int) -> int:
    """What memory holds before anything is written: a doubleword."""
    return (address * 0x9E37_79B9_7F4A_7C15 ^ address >> 3) & MASK


class GarblingRam(dcache.BlockRam):
    """A block RAM that really gives nonsense for a read in the cycle of a write to the same row."""

    def elaborate(self, platform):
        inner = super().elaborate(platform)
        m = Module()
        m.submodules.inner = inner
        clash = Signal()
        with m.If(self.read_en):
            m.d.sync += clash.eq(self.write_en.any() & (self.read_addr == self.write_addr))
        read = next(iter(self._memory.read_ports))
        garbled = Mux(clash, ~read.data, read.data)
        inner.d.comb += self.read_data.eq(garbled)  # the later assignment counts
        return m


class Pins:
    """All ports of a component as two wide signals, since every access to a signal costs the simulator a settling.

    `pins[name] = value` and `pins[name]` address ports by path ("axi__arvalid") and, for structures, field
    ("tlb.hit"); `settle` makes the inputs set since effective and samples the outputs.
    """

    def __init__(self, dut):
        self.dut = dut
        self.inputs, self.outputs = {}, {}
        self.top = Module()
        self.top.submodules.dut = dut
        ports = {"In": [], "Out": []}
        for path, member, value in dut.signature.flatten(dut):
            ports[member.flow.name].append(("__".join(map(str, path)), Value.cast(value), member.shape))
        for kind, table in (("In", self.inputs), ("Out", self.outputs)):
            base = 0
            for name, value, shape in ports[kind]:
                self._fields(table, name, shape, base)
                base += len(value)
        self._in = Signal(max(1, sum(len(value) for _, value, _ in ports["In"])))
        self._out = Signal(sum(len(value) for _, value, _ in ports["Out"]))
        base = 0
        for _, value, _ in ports["In"]:
            self.top.d.comb += value.eq(self._in[base : base + len(value)])
            base += len(value)
        self.top.d.comb += self._out.eq(Cat(value for _, value, _ in ports["Out"]))
        self._driven = self._sampled = 0

    def _fields(self, table, name, shape, base):
        table[name] = (base, Shape.cast(shape).width)
        if isinstance(shape, type) and issubclass(shape, data.Struct):
            shape = data.Layout.cast(shape)
        if isinstance(shape, data.Layout):
            for key, member in shape:
                self._fields(table, f"{name}.{key}", member.shape, base + member.offset)

    def __setitem__(self, name, value):
        base, width = self.inputs[name]
        mask = (1 << width) - 1
        self._driven = self._driven & ~(mask << base) | (int(value) & mask) << base

    def __getitem__(self, name):
        if name in self.inputs:
            base, width = self.inputs[name]
            return self._driven >> base & (1 << width) - 1
        base, width = self.outputs[name]
        return self._sampled >> base & (1 << width) - 1

    def settle(self, ctx):
        ctx.set(self._in, self._driven)
        self._sampled = ctx.get(self._out)


@dataclass
class AxiMemory:
    """The bus: main memory (a dictionary of doublewords) and I/O, with random readiness and latencies.

    `read_latency`/`write_latency` in cycles from the address handshake to the first data beat/the response;
    `stall` is the probability that a ready or valid is held back for a cycle.  `bad(address)` tells whether a
    doubleword answers with an error.  `io(address)` tells I/O addresses, whose accesses go to `io_log`.  With
    `interleave`, beats of different IDs come mixed.
    Breaches of the protocol are assertion errors.
    """

    rng: random.Random
    read_latency: tuple[int, int] = (0, 12)
    write_latency: tuple[int, int] = (0, 12)
    stall: float = 0.3
    bad: object = lambda address: False
    io: object = lambda address: False
    interleave: bool = False
    memory: dict = field(default_factory=dict)
    io_log: list = field(default_factory=list)
    reads: int = 0
    writes: int = 0

    def __post_init__(self):
        self.now = 0
        self.beats = deque()  # (id, data, resp, last, earliest)
        self.outstanding = 0
        self.addresses = deque()  # of writes
        self.words = deque()
        self.responses = deque()
        self.io_reads = 0
        self.before = {}  # channel -> payload that has to stay
        self.shown = None

    def load(self, address: int) -> int:
        address &= ~7
        return self.memory.get(address, pattern(address))

    def io_value(self, count: int) -> int:
        return pattern(0x1234_5678 + 8 * count)

    def drive(self, pins, bus):
        """Set the inputs of the cycle."""
        self.now += 1

        def ready():
            return self.rng.random() >= self.stall

        pins[f"{bus}__arready"] = ready()
        pins[f"{bus}__awready"] = ready()
        pins[f"{bus}__wready"] = ready()
        if self.shown is None and self.beats and ready():
            self.shown = self._next_beat()
        pins[f"{bus}__rvalid"] = self.shown is not None
        ident, value, resp, last, _ = self.shown or (0, 0xBAD0_BAD0_BAD0_BAD0, 2, 0, 0)
        pins[f"{bus}__rid"] = ident
        pins[f"{bus}__rdata"] = value
        pins[f"{bus}__rresp"] = resp
        pins[f"{bus}__rlast"] = last
        response = self.responses[0] if self.responses and self.responses[0][2] <= self.now else None
        pins[f"{bus}__bvalid"] = response is not None
        pins[f"{bus}__bid"] = response[0] if response else 0
        pins[f"{bus}__bresp"] = response[1] if response else 0

    def observe(self, pins, bus):
        """Look at the outputs of the cycle."""
        for channel in ("ar", "aw"):
            names = ("addr", "id", "len", "size", "burst", "lock", "cache", "prot")
            payload = tuple(pins[f"{bus}__{channel}{name}"] for name in names) \
                if pins[f"{bus}__{channel}valid"] else None
            self._stable(channel, payload, pins[f"{bus}__{channel}ready"])
            if payload is not None and pins[f"{bus}__{channel}ready"]:
                self._address(channel, *payload[:5])
        word = (pins[f"{bus}__wdata"], pins[f"{bus}__wstrb"], pins[f"{bus}__wlast"]) if pins[f"{bus}__wvalid"] else None
        self._stable("w", word, pins[f"{bus}__wready"])
        if word is not None and pins[f"{bus}__wready"]:
            self.words.append(word)
        self._write()
        if self.shown is not None and pins[f"{bus}__rready"]:
            self.shown = None
        if pins[f"{bus}__bvalid"] and pins[f"{bus}__bready"]:
            self.responses.popleft()

    def _next_beat(self):
        """The first beat that may be shown: with `interleave`, of any ID."""
        for number, beat in enumerate(self.beats):
            overtakes = any(earlier[0] == beat[0] for earlier in list(self.beats)[:number])
            if beat[4] <= self.now and not overtakes and (number == 0 or (self.interleave and self.rng.random() < 0.5)):
                del self.beats[number]
                return beat
        return None

    def _stable(self, channel, payload, ready):
        before = self.before.get(channel)
        assert before is None or payload == before, f"{channel} changed from {before} to {payload} before it was taken"
        self.before[channel] = None if ready else payload

    def _address(self, channel, address, ident, length, size, burst):
        nbytes = 1 << size
        assert address % nbytes == 0, "unaligned"
        if self.io(address):
            assert length == 0
        elif length:  # of main memory single beats are read and written only where it is not to be cached
            assert (length, size) == (7, 3), f"{channel}: {length} {size}"
            assert burst == 2 or (burst == 1 and address % 64 == 0)
        start, total = address, nbytes * (length + 1)
        if burst == 2:
            start = address // total * total
        assert start // 4096 == (start + total - 1) // 4096, "burst crosses a 4 KiB boundary"
        addresses = [start + (address - start + nbytes * beat) % total for beat in range(length + 1)]
        if channel == "aw":
            assert ident is not None
            self.addresses.append((ident, addresses, size))
            return
        self.reads += 1
        earliest = self.now + 1 + self.rng.randint(*self.read_latency)
        for beat, where in enumerate(addresses):
            if self.io(where):
                value = self.io_value(self.io_reads)
                self.io_reads += 1
                self.io_log.append(("r", where, size, None))
            else:
                value = self.load(where)
            self.beats.append((ident, value, 2 if self.bad(where) else 0, beat == length, earliest))

    def _write(self):
        if not self.addresses or len(self.words) < len(self.addresses[0][1]):
            return
        ident, addresses, size = self.addresses.popleft()
        self.writes += 1
        failed = False
        for beat, where in enumerate(addresses):
            value, strobe, last = self.words.popleft()
            assert last == (beat == len(addresses) - 1)
            lanes = ((1 << (1 << size)) - 1) << where % 8
            assert strobe & ~lanes == 0 and strobe, "strobes outside the lanes of the access"
            if self.bad(where):
                failed = True
            elif self.io(where):
                assert strobe == lanes
                data = value >> 8 * (where % 8) & (1 << (8 << size)) - 1
                self.io_log.append(("w", where, size, data))
            else:
                mask = sum(0xFF << 8 * lane for lane in range(8) if strobe >> lane & 1)
                self.memory[where & ~7] = self.load(where) & ~mask | value & mask
        self.responses.append((ident, 2 if failed else 0, self.now + 1 + self.rng.randint(*self.write_latency)))


@dataclass(frozen=True)
class Page:
    """A virtual page: physical page number, rights, uncached, nevertheless main memory, whether PMP splits it."""

    ppn: int
    read: bool = True
    write: bool = True
    io: bool = False
    nc: bool = False
    narrow: bool = False
    line: bool = False  # with narrow: but the lines accessed are uniform


@dataclass
class Tlb:
    """The D side of an MMU.  Virtual page numbers missing in `pages` fault.  An entry vanishes with probability
    `forget` at each lookup."""

    rng: random.Random
    pages: dict
    forget: float = 0.0
    walk_time: tuple[int, int] = (1, 8)
    held: set = field(default_factory=set)
    answer: tuple = (0, 0, 0, 0, 0, 0)
    asked: tuple | None = None
    timer: int | None = None
    retry: tuple | None = None
    walks: int = 0
    killed: bool = False  # the access in M is dropped in this cycle, and its walk abandoned if it asks for one

    def _permitted(self, page, access):
        return page is not None and (page.write if access == Access.STORE else page.read)

    def drive(self, pins):
        for name, value in zip(("hit", "paddr", "io", "nc", "narrow", "line"), self.answer, strict=True):
            pins[f"tlb.{name}"] = value
        done = self.timer == 0
        pins["walk_done"] = done
        faulted = 0
        fault = {"cause": 0, "vaddr": 0, "gpa": 0, "implicit": 0, "v": 0}
        if done:
            vaddr, access, v = self.asked
            page = self.pages.get(vaddr >> 12)
            faulted = not self._permitted(page, access)
            if faulted:
                fault = {"cause": 15 if access == Access.STORE else 13, "vaddr": vaddr, "gpa": vaddr ^ 0x5000,
                         "implicit": 1, "v": v}
            else:
                self.held.add(vaddr >> 12)
                self.retry = (vaddr, access)
        pins["walk_faulted"] = faulted
        for name, value in fault.items():
            pins[f"walk_fault.{name}"] = value
        self.done = done

    def observe(self, pins):
        if pins["walk_valid"] and self.killed:
            assert self.timer is None, "an access that waits for a walk is not killed"
        elif pins["walk_valid"]:
            assert self.asked is not None
            if self.timer is None:
                assert not self.answer[0], "a walk although the lookup hit"
                self.timer = self.rng.randint(*self.walk_time)
                self.walks += 1
            elif self.timer > 0:
                self.timer -= 1
        else:
            assert self.timer is None, "walk_valid has to be held until done"
        if self.done:
            self.timer = None
        if pins["lookup_en"]:
            vaddr, access = pins["lookup.vaddr"], Access(pins["lookup.access"])
            self.asked = (vaddr, access, pins["lookup.mode.v"])
            if self.rng.random() < self.forget and self.retry != (vaddr, access):
                self.held.discard(vaddr >> 12)
            page = self.pages.get(vaddr >> 12)
            hit = vaddr >> 12 in self.held and self._permitted(page, access)
            noise = self.rng.getrandbits(32)
            found = hit and (1, page.ppn << 12 | vaddr & 0xFFF, page.io, page.nc, page.narrow, page.line)
            self.answer = found or (0, noise, 1, 1, 1, noise & 1)
            self.retry = None


@dataclass(frozen=True)
class Op:
    """One access, as the pipeline makes it."""

    op: LsuOp
    vaddr: int
    size: int = 3
    data: int = 0
    unsigned: bool = False
    v: int = 0
    kill: bool = False
    pmm: int = 0
    physical: bool = False


@dataclass
class Outcome:
    """What the load/store unit made of it; `cycles` in M."""

    cycles: int
    faulted: bool
    cause: int
    fault_vaddr: int
    gpa: int
    rdata: int
    wrote: bool
    wdata: int
    paddr: int
    v: int = 0


def sign_extend(value: int, bits: int) -> int:
    return (value ^ 1 << bits - 1) - (1 << bits - 1)


class Reference:
    """Executes operations on a byte array (kept in doublewords), in the order in which they complete."""

    def __init__(self, bus: AxiMemory, pages: dict):
        self.bus = bus
        self.pages = pages
        self.words = {}
        self.reservation = None
        self.io_reads = 0
        self.io_log = []

    def load(self, address: int) -> int:
        return self.words.get(address & ~7, pattern(address & ~7))

    def store(self, address: int, value: int, mask: int = MASK):
        self.words[address & ~7] = self.load(address) & ~mask | value & mask

    @staticmethod
    def _masked(op: Op, address: int) -> int:
        """What pointer masking makes of `address` (which `op.vaddr` has been through already)."""
        width = 64 - {0: 0, 2: 7, 3: 16}[op.pmm]
        address &= (1 << width) - 1
        return address if op.physical else sign_extend(address, width) & MASK

    def _line_bad(self, address: int) -> bool:
        return any(self.bus.bad((address & ~63) + 8 * beat) for beat in range(8))

    def execute(self, op: Op):
        """(cause or None, faulting vaddr, gpa, rdata or None, value written or None, paddr)."""
        nbytes = 1 << op.size
        is_load = op.op in (LsuOp.LOAD, LsuOp.LR)
        store_class = 0 if is_load else 2
        plain = op.op in (LsuOp.LOAD, LsuOp.STORE)
        access = Access.LOAD if is_load or op.op in MANAGEMENT else Access.STORE
        unaligned = op.vaddr % nbytes != 0 and op.op not in BLOCK

        def fault(cause, vaddr=op.vaddr, gpa=0):
            return cause, vaddr, gpa, None, None, None

        if unaligned and not plain:
            return fault(4 | store_class)
        parts = [op.vaddr]
        if plain and op.vaddr % 8 + nbytes > 8:
            parts.append(self._masked(op, (op.vaddr & ~7) + 8))
        physical = []
        for part in parts:
            if part is not op.vaddr and part % 4096:
                physical.append(physical[0] - physical[0] % 8 + 8)
                continue
            page = self.pages.get(part >> 12)
            if page is None or not (page.write if access == Access.STORE else page.read):
                cause = 15 if access == Access.STORE or op.op in MANAGEMENT else 13
                return fault(cause, part, part ^ 0x5000)
            physical.append(page.ppn << 12 | part & 0xFFF)
            if page.io and op.op not in MANAGEMENT:
                if not plain or (unaligned and not page.nc):
                    return fault(5 | store_class, part)
                if unaligned:
                    return fault(4 | store_class)
                continue
            if page.narrow:
                if op.op in BLOCK and not page.line:
                    return fault(5 | store_class)
                if unaligned and op.vaddr % 4 + nbytes > 4:
                    return fault(4 | store_class)
        paddr = physical[0]
        data = op.data & (1 << 8 * nbytes) - 1
        page = self.pages[op.vaddr >> 12]
        device = self.bus.io(paddr)
        if page.io and plain and not device and self.bus.bad(paddr):
            return fault(5 | store_class)
        if device and op.op not in MANAGEMENT:
            bad = self.bus.bad(paddr)
            if is_load:
                value = self.bus.io_value(self.io_reads) >> 8 * (paddr % 8)
                self.io_reads += 1
                self.io_log.append(("r", paddr, op.size, None))
                if bad:
                    return fault(5)
                return None, 0, 0, self._extend(value, op), None, paddr
            if bad:
                return fault(7)
            self.io_log.append(("w", paddr, op.size, data))
            return None, 0, 0, None, data, paddr
        if op.op in MANAGEMENT:
            if op.op == LsuOp.CBO_INVAL:  # whatever the cache held is lost
                for beat in range(8):
                    where = (paddr & ~63) + 8 * beat
                    self.words[where] = self.bus.load(where)
            return None, 0, 0, None, None, paddr
        if op.op == LsuOp.CBO_ZERO:
            for beat in range(8):
                self.words[(paddr & ~63) + 8 * beat] = 0
            return None, 0, 0, None, 0, paddr
        if op.op == LsuOp.SC and self.reservation != paddr >> 2:
            self.reservation = None
            return None, 0, 0, 1, None, paddr
        # A load is told of an error in its own doubleword; whatever needs the line, of any (crossing loads too).
        for part, where in reversed([*zip(parts, physical, strict=True)]):
            if self.bus.bad(where & ~7) if is_load and len(parts) == 1 else self._line_bad(where):
                return fault(5 | store_class, part)
        low = self.load(physical[0])
        high = self.load(physical[1]) if len(physical) == 2 else 0
        shift = 8 * (paddr % 8)
        old = (high << 64 | low) >> shift
        result = self._extend(old, op)
        if is_load:
            if op.op == LsuOp.LR:
                self.reservation = paddr >> 2
            return None, 0, 0, result, None, paddr
        if op.op == LsuOp.SC:
            self.reservation = None
            result = 0
        elif op.op in AMOS:
            data = self._amo(op, old, data)
        else:
            result = None
        mask = (1 << 8 * nbytes) - 1 << shift
        self.store(physical[0], data << shift & MASK, mask & MASK)
        if len(physical) == 2:
            self.store(physical[1], data << shift >> 64, mask >> 64)
        return None, 0, 0, result, data, paddr

    @staticmethod
    def _extend(value, op):
        bits = 8 << op.size
        value &= (1 << bits) - 1
        return value if op.unsigned else sign_extend(value, bits) & MASK

    @staticmethod
    def _amo(op, old, operand):
        bits = 8 << op.size
        mask = (1 << bits) - 1
        old &= mask
        a, b = sign_extend(old, bits), sign_extend(operand, bits)
        return {
            LsuOp.AMOSWAP: operand, LsuOp.AMOADD: old + operand, LsuOp.AMOXOR: old ^ operand,
            LsuOp.AMOAND: old & operand, LsuOp.AMOOR: old | operand,
            LsuOp.AMOMIN: min(a, b), LsuOp.AMOMAX: max(a, b),
            LsuOp.AMOMINU: min(old, operand), LsuOp.AMOMAXU: max(old, operand),
        }[op.op] & mask


class Model:
    """A simulator of one configuration, to be used again and again, because making one takes seconds."""

    def __init__(self, cfg: CoreConfig):
        plain = dcache.BlockRam
        dcache.BlockRam = GarblingRam
        try:
            self.pins = Pins(Lsu(cfg))
            self._sim = Simulator(self.pins.top)
        finally:
            dcache.BlockRam = plain
        self._sim.add_clock(1e-6)
        self._sim.add_testbench(self._testbench)
        self._used = False

    async def _testbench(self, ctx):
        await self._scenario(ctx)

    def run(self, scenario):
        """Reset, then run `scenario(ctx)`."""
        if self._used:
            self._sim.reset()
        self._used = True
        self._scenario = scenario
        self._sim.run()


@functools.cache
def _model(cfg: CoreConfig) -> Model:
    return Model(cfg)


class Bench:
    """A load/store unit with everything around it.  Scenarios are coroutines; they call `await bench.cycle()` or the
    helpers that do.  Operations given to `run` are checked against the reference as they complete."""

    def __init__(self, cfg: CoreConfig | None = None, seed: int = 1, pages: dict | None = None, walk_time=(1, 8),
                 **bus):
        self.rng = random.Random(seed)
        self.by_hit = random.Random(seed)  # how an access is started in the cycle of a hit
        self.config = cfg or config()
        self.bus = AxiMemory(self.rng, **bus)
        self.pages = pages if pages is not None else {0x10 + n: Page((RAM >> 12) + n) for n in range(16)}
        self.tlb = Tlb(self.rng, self.pages, walk_time=walk_time)
        self.reference = Reference(self.bus, self.pages)
        self.model = _model(self.config)
        self.pins = self.model.pins
        self.queue = deque()
        self.outcomes = []
        self.gap = 0.0  # probability that an operation is not ready to fire
        self.vain = 0.0  # probability of one that is taken back, where one may fire
        self.current = None
        self.age = 0
        self.ptw_job = None  # (update, addr, expected, data)
        self.ptw_wait = 0
        self.ptw_jobs = deque()
        self.ptw_log = []
        self.clean_job = None
        self.clean_done = 0
        self.flush = False
        self.flushed = False
        self.misses = self.writebacks = 0
        self.now = 0
        self.check = True

    def __call__(self, scenario, cycles_limit=4_000_000):
        async def testbench(ctx):
            self.ctx = ctx
            await scenario(self)

        self.limit = cycles_limit
        self.model.run(testbench)
        return self

    async def cycle(self):
        pins = self.pins
        self.now += 1
        assert self.now < self.limit, "no end"
        self.bus.drive(pins, "axi")
        self.tlb.drive(pins)
        kill = self.current is not None and self.age == 0 and self.current.kill
        pins["m_kill"] = self.tlb.killed = kill
        if self.ptw_job is None and self.ptw_jobs:
            self.ptw_job = self.ptw_jobs.popleft()
            self.ptw_wait = 0
        pins["ptw_valid"] = pins["ptw_likely"] = self.ptw_job is not None
        if self.ptw_job is not None:
            update, addr, expected, value = self.ptw_job
            pins["ptw_update"] = update
            pins["ptw_addr"] = addr
            pins["ptw_expected"] = expected
            pins["ptw_data"] = value
        pins["clean_valid"] = self.clean_job is not None
        pins["clean_addr"] = self.clean_job or 0
        pins["flush_valid"] = self.flush

        pins["x_fire"] = pins["x_fire_if_hit"] = 0
        pins.settle(self.ctx)
        if self.ptw_job is not None:
            self.ptw_wait += 1
            if pins["ptw_done"]:
                self._ptw()
        else:
            assert not pins["ptw_done"]
        if pins["clean_done"]:
            assert self.clean_job is not None
            line = self.clean_job & ~63
            for address in range(line, line + 64, 8):
                assert self.bus.load(address) == self.reference.load(address), f"{address:#x} not cleaned"
            self.clean_job = None
            self.clean_done += 1
        if pins["flush_done"]:
            assert self.flush
            self.flush = False
            self.flushed = True
            self.reference.reservation = None

        done = bool(pins["m_done"])
        ending = False
        if self.current is not None:
            self.age += 1
            if kill:
                ending = True
            elif done:
                self._complete()
                ending = True
        else:
            assert not done
        fire = None
        if (self.current is None or (ending and not kill)) and self.queue and self.rng.random() >= self.gap:
            fire = self.queue.popleft()
        vain = fire is None and (self.current is None or done) and self.vain and self.rng.random() < self.vain
        fires = fire is not None or vain
        pins["x_fire_if_hit"] = self.by_hit.random() < 0.5 and (fires or not pins["m_hit"])
        pins["x_fire"] = fires and not (pins["x_fire_if_hit"] and pins["m_hit"])
        pins["x_flush"] = vain or (fire is None and self.by_hit.random() < 0.5)  # nothing without a request
        shown = fire or (self.queue[0] if vain and self.queue else Op(LsuOp.LOAD, self.rng.getrandbits(64)))
        pins["x.op"], pins["x.size"], pins["x.unsigned"] = shown.op.value, shown.size, shown.unsigned
        pins["x.vaddr"], pins["x.data"] = shown.vaddr, shown.data
        pins["x.mode.priv"], pins["x.mode.v"] = 1, shown.v
        pins["x.masking.pmm"], pins["x.masking.physical"] = shown.pmm, shown.physical
        pins.settle(self.ctx)
        self.bus.observe(pins, "axi")
        self.tlb.observe(pins)
        self.misses += pins["dcache_miss"]
        self.writebacks += pins["dcache_writeback"]
        if ending:
            self.current = None
        if fire is not None:
            self.current = fire
            self.age = 0
        await self.ctx.tick()

    def _ptw(self):
        pins = self.pins
        update, addr, expected, value = self.ptw_job
        error = bool(pins["ptw_error"])
        read = pins["ptw_rdata"]
        line = [(addr & ~63) + 8 * beat for beat in range(8)]
        bad = any(map(self.bus.bad, line)) if update else self.bus.bad(addr)
        assert error == bad
        if not error:
            now = self.reference.load(addr)
            assert read == now, f"walker read {read:#x} instead of {now:#x} at {addr:#x}"
            assert pins["ptw_mismatch"] == (update and now != expected)
            if update and now == expected:
                self.reference.store(addr, value)
        self.ptw_log.append((self.ptw_wait, read, error))
        self.ptw_job = None

    def _complete(self):
        pins, op = self.pins, self.current
        outcome = Outcome(
            cycles=self.age, faulted=bool(pins["m_faulted"]), cause=pins["m_fault.cause"],
            fault_vaddr=pins["m_fault.vaddr"], gpa=pins["m_fault.gpa"], rdata=pins["m_rdata"],
            wrote=bool(pins["m_wrote"]), wdata=pins["m_wdata"], paddr=pins["m_paddr"],
            v=pins["m_fault.v"])
        self.outcomes.append(outcome)
        if not self.check:
            return
        cause, vaddr, gpa, rdata, written, paddr = self.reference.execute(op)
        got = f"{op}: {outcome}"
        assert outcome.faulted == (cause is not None), f"{got}; expected cause {cause}"
        if cause is not None:
            assert (outcome.cause, outcome.fault_vaddr, outcome.gpa) == (cause, vaddr, gpa), \
                f"{got}; expected {cause} at {vaddr:#x}"
            assert outcome.v == op.v
            assert not outcome.wrote
            return
        if rdata is not None:
            assert outcome.rdata == rdata, f"{got}; expected {rdata:#x}"
        assert outcome.paddr == paddr, f"{got}; expected {paddr:#x}"
        assert outcome.wrote == (written is not None), got
        if written is not None:
            assert outcome.wdata == written, f"{got}; expected {written:#x}"

    async def idle(self, cycles: int):
        for _ in range(cycles):
            await self.cycle()

    async def ready(self):
        """Until the memories are initialised."""
        await self.idle(self.config.dcache.sets + 2)

    async def run(self, *ops: Op) -> list[Outcome]:
        """Execute operations back to back; their outcomes (not of killed ones)."""
        first = len(self.outcomes)
        self.queue.extend(ops)
        while self.queue or self.current is not None:
            await self.cycle()
        return self.outcomes[first:]

    async def ptw(self, address: int, update: tuple[int, int] | None = None) -> tuple[int, int, bool]:
        """One access of the walker: (cycles with valid, value, error)."""
        self.ptw_jobs.append((update is not None, address, *(update or (0, 0))))
        before = len(self.ptw_log)
        while len(self.ptw_log) == before:
            await self.cycle()
        return self.ptw_log[-1]

    async def clean(self, address: int) -> int:
        """Clean a line; how many cycles that took."""
        start = self.now
        self.clean_job = address
        while self.clean_job is not None:
            await self.cycle()
        return self.now - start

    async def flush_all(self) -> int:
        """Flush; then memory has to be what the reference has.  How many cycles that took."""
        start = self.now
        self.flush, self.flushed = True, False
        while not self.flushed:
            await self.cycle()
        took = self.now - start
        for address in self.bus.memory.keys() | self.reference.words.keys():
            if not self.bus.bad(address):
                assert self.bus.load(address) == self.reference.load(address), f"{address:#x} differs after the flush"
        return took


@pytest.fixture
def bench():
    """The class of benches, to be made with what a test needs."""
    return Bench


@pytest.fixture
def lsu():
    """Everything else of this module."""
    import sys

    return sys.modules[__name__]
