"""Drivers for the tests of the SoC: a device bus, an AXI4 manager and an AXI4 memory with random delays, and a monitor
of the AXI4 handshake rules."""

from collections import deque
from dataclasses import dataclass, field
from functools import partial

from amaranth.sim import Simulator

from entresol.memory.axi import Burst, Resp

ADDRESS = ("addr", "id", "len", "size", "burst")


def simulate(dut, *testbenches, background=(), limit=50_000):
    """Runs `testbenches` to their end, which must come within `limit` cycles, `background` beside them."""

    async def deadline(ctx):
        for _ in range(limit):
            await ctx.tick()
        raise AssertionError(f"does not end within {limit} cycles")

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    for testbench in testbenches:
        sim.add_testbench(testbench)
    for testbench in (*background, deadline):
        sim.add_testbench(testbench, background=True)
    sim.run()


async def until(ctx, signal):
    """Ticks up to the end of a cycle in which `signal` is set.  (`TickTrigger.until` complains when the simulation
    ends while a background testbench waits in it.)"""
    value = 0
    while not value:
        *_, value = await ctx.tick().sample(signal)


class DeviceDriver:
    """Accesses a `DeviceBus` as the bridge does."""

    def __init__(self, bus):
        self.bus = bus

    async def _access(self, ctx, offset, width, data=None):
        """(rdata of `width` bytes, error)"""
        lane = offset % 8
        ctx.set(self.bus.en, 1)
        ctx.set(self.bus.write, data is not None)
        ctx.set(self.bus.addr, offset // 8)
        ctx.set(self.bus.mask, ((1 << width) - 1) << lane)
        ctx.set(self.bus.wdata, (data or 0) << 8 * lane)
        await ctx.tick()
        ctx.set(self.bus.en, 0)
        ctx.set(self.bus.wdata, 0xDEAD_BEEF_DEAD_BEEF)
        await ctx.tick().repeat(2)  # the answer is held
        return ctx.get(self.bus.rdata) >> 8 * lane & (1 << 8 * width) - 1, ctx.get(self.bus.error)

    async def read(self, ctx, offset, width):
        value, error = await self._access(ctx, offset, width)
        assert not error, f"read of {offset:#x} refused"
        return value

    async def write(self, ctx, offset, width, data):
        _, error = await self._access(ctx, offset, width, data)
        assert not error, f"write of {offset:#x} refused"

    async def refused(self, ctx, offset, width, data=None):
        return bool((await self._access(ctx, offset, width, data))[1])


def beats(addr, size, length, burst):
    """The byte addresses of a burst's beats (AXI specification, "Pseudocode description of the transfers")."""
    number, count = 1 << size, length + 1
    aligned = addr // number * number
    result = [addr]
    lower = addr // (number * count) * (number * count)
    for n in range(1, count):
        following = aligned + n * number
        if burst == Burst.FIXED:
            following = addr
        elif burst == Burst.WRAP and following >= lower + number * count:
            following -= number * count
        result.append(following)
    return result


def lanes(addr, size):
    """Byte lanes of an 8-byte bus that a beat at `addr` uses."""
    top = (addr // (1 << size) + 1) * (1 << size)
    return range(addr % 8, addr % 8 + top - addr)


def random_burst(rng, base, span, narrow=True):
    """(addr, size, length, burst) of a legal burst within [base, base + span)."""
    burst = rng.choice([Burst.INCR, Burst.INCR, Burst.WRAP, Burst.FIXED])
    size = rng.randrange(4) if narrow else 3
    length = rng.choice([1, 3, 7, 15] if burst == Burst.WRAP else [0, 0, 1, 2, 7, 15, rng.randrange(16)])
    while True:
        addr = base + rng.randrange(span)
        if burst == Burst.WRAP or rng.random() < 0.7:
            addr &= -(1 << size)
        end = (addr & -(1 << size)) + ((length + 1) << size)
        if burst != Burst.INCR or ((end - 1) // 4096 == addr // 4096 and end <= base + span):
            return addr, size, length, burst


@dataclass(eq=False)
class Transaction:
    ident: int
    addr: int
    size: int
    length: int
    burst: Burst
    data: list = field(default_factory=list)  # of 64 bits a beat
    strobes: list = field(default_factory=list)
    resp: list = field(default_factory=list)  # of each beat of a read, one of a write
    done: bool = False
    started_at: int = 0  # cycle in which the address was first offered
    done_at: int = 0  # cycle of the last response


class AxiManager:
    """Queues reads and writes and carries them out on an `Axi4` port that is its to drive.  `stall` is the probability
    that a channel pauses for a cycle.  `benches` are to be added to the simulator."""

    def __init__(self, axi, rng, stall=0.0):
        self.axi, self.rng, self.stall = axi, rng, stall
        self.cycle = 0
        self._queues = {"ar": deque(), "aw": deque(), "w": deque()}
        self._reads, self._writes = {}, {}  # by ID, in order
        self.benches = [self._clock, partial(self._address, channel="ar"), partial(self._address, channel="aw"),
                        self._data, self._read_responses, self._write_responses]

    def read(self, addr, size=3, length=0, burst=Burst.INCR, ident=0):
        transaction = Transaction(ident, addr, size, length, burst)
        self._queues["ar"].append(transaction)
        self._reads.setdefault(ident, deque()).append(transaction)
        return transaction

    def write(self, addr, data, strobes=None, size=3, burst=Burst.INCR, ident=0):
        transaction = Transaction(ident, addr, size, len(data) - 1, burst, list(data),
                                  strobes or [sum(1 << lane for lane in lanes(beat, size))
                                              for beat in beats(addr, size, len(data) - 1, burst)])
        self._queues["aw"].append(transaction)
        self._queues["w"].append(transaction)
        self._writes.setdefault(ident, deque()).append(transaction)
        return transaction

    async def wait(self, ctx, *transactions, limit=5000):
        for _ in range(limit):
            if all(transaction.done for transaction in transactions):
                return
            await ctx.tick()
        raise AssertionError(f"hangs: {transactions}")

    async def load(self, ctx, addr, size):
        """One beat: (value, response)."""
        transaction = self.read(addr, size)
        await self.wait(ctx, transaction)
        return transaction.data[0] >> 8 * (addr % 8) & (1 << (8 << size)) - 1, transaction.resp[0]

    async def store(self, ctx, addr, size, value):
        transaction = self.write(addr, [value << 8 * (addr % 8)], size=size)
        await self.wait(ctx, transaction)
        return transaction.resp[0]

    async def _clock(self, ctx):
        while True:
            await ctx.tick()
            self.cycle += 1

    def _pause(self):
        return self.rng.random() < self.stall

    async def _address(self, ctx, channel):
        def get(name):
            return getattr(self.axi, channel + name)

        while True:
            if not self._queues[channel] or self._pause():
                await ctx.tick()
                continue
            transaction = self._queues[channel].popleft()
            transaction.started_at = self.cycle
            values = (transaction.addr, transaction.ident, transaction.length, transaction.size, transaction.burst)
            for name, value in zip(ADDRESS, values, strict=True):
                ctx.set(get(name), value)
            ctx.set(get("valid"), 1)
            await until(ctx, get("ready"))
            ctx.set(get("valid"), 0)

    async def _data(self, ctx):
        axi = self.axi
        while True:
            if not self._queues["w"] or self._pause():
                await ctx.tick()
                continue
            transaction = self._queues["w"].popleft()
            for index, (value, strobes) in enumerate(zip(transaction.data, transaction.strobes, strict=True)):
                while self._pause():
                    await ctx.tick()
                ctx.set(axi.wdata, value)
                ctx.set(axi.wstrb, strobes)
                ctx.set(axi.wlast, index == transaction.length)
                ctx.set(axi.wvalid, 1)
                await until(ctx, axi.wready)
                ctx.set(axi.wvalid, 0)

    async def _read_responses(self, ctx):
        axi = self.axi
        while True:
            ctx.set(axi.rready, not self._pause())
            _, _, valid, ready, ident, value, resp, last = await ctx.tick().sample(
                axi.rvalid, axi.rready, axi.rid, axi.rdata, axi.rresp, axi.rlast)
            if valid and ready:
                transaction = self._reads[ident][0]
                transaction.data.append(value)
                transaction.resp.append(resp)
                assert last == (len(transaction.data) == transaction.length + 1)
                if last:
                    self._reads[ident].popleft()
                    transaction.done, transaction.done_at = True, self.cycle - 1

    async def _write_responses(self, ctx):
        axi = self.axi
        while True:
            ctx.set(axi.bready, not self._pause())
            _, _, valid, ready, ident, resp = await ctx.tick().sample(axi.bvalid, axi.bready, axi.bid, axi.bresp)
            if valid and ready:
                transaction = self._writes[ident].popleft()
                transaction.resp.append(resp)
                transaction.done, transaction.done_at = True, self.cycle - 1


class AxiMemory:
    """Subordinate on a port that its owner drives as a manager: a dictionary of bytes, random delays, reads of
    different IDs in any order and interleaved.  It may want to see write data before it takes an address, or the
    reverse."""

    def __init__(self, axi, rng, stall=0.0):
        self.axi, self.rng, self.stall = axi, rng, stall
        self.bytes = {}
        self.seen = []  # addresses of transactions
        self.hold = False  # answers no reads meanwhile
        self._reads = []  # (ident, [beat addresses])
        self._writes = deque()
        self._data = deque()
        self._answers = deque()
        self.benches = [self._addresses, self._read_data, self._write_data, self._write_answers]

    def _pause(self):
        return self.rng.random() < self.stall

    async def _addresses(self, ctx):
        axi = self.axi
        while True:
            ctx.set(axi.arready, not self._pause())
            ctx.set(axi.awready, 0 if self._pause() or (self.stall and not ctx.get(axi.wvalid) and not self._data
                                                       and self.rng.random() < 0.8) else 1)
            values = await ctx.tick().sample(*(getattr(axi, channel + name) for channel in ("ar", "aw")
                                               for name in ("valid", "ready", *ADDRESS)))
            for offset, queue in ((2, self._reads), (9, self._writes)):
                valid, ready, addr, ident, length, size, burst = values[offset:offset + 7]
                if valid and ready:
                    self.seen.append(addr)
                    queue.append((ident, beats(addr, size, length, burst)))

    async def _read_data(self, ctx):
        axi = self.axi
        while True:
            idents = [ident for ident, _ in self._reads]
            if not idents or self.hold or self._pause():
                ctx.set(axi.rvalid, 0)
                await ctx.tick()
                continue
            index = idents.index(self.rng.choice(idents))
            ident, addresses = self._reads[index]
            addr = addresses.pop(0) & -8
            if not addresses:
                self._reads.pop(index)
            ctx.set(axi.rid, ident)
            ctx.set(axi.rlast, not addresses)
            ctx.set(axi.rdata, sum(self.bytes.get(addr + lane, 0) << 8 * lane for lane in range(8)))
            ctx.set(axi.rvalid, 1)
            await until(ctx, axi.rready)
            ctx.set(axi.rvalid, 0)

    async def _write_data(self, ctx):
        axi = self.axi
        while True:
            ctx.set(axi.wready, not self._pause())
            _, _, valid, ready, value, strobes, last = await ctx.tick().sample(
                axi.wvalid, axi.wready, axi.wdata, axi.wstrb, axi.wlast)
            if valid and ready:
                self._data.append((value, strobes, last))
            if self._writes and sum(last for *_, last in self._data):
                ident, addresses = self._writes.popleft()
                for addr in addresses:
                    value, strobes, last = self._data.popleft()
                    for lane in range(8):
                        if strobes >> lane & 1:
                            self.bytes[(addr & -8) + lane] = value >> 8 * lane & 0xFF
                assert last
                self._answers.append(ident)

    async def _write_answers(self, ctx):
        axi = self.axi
        while True:
            if not self._answers or self._pause():
                await ctx.tick()
                continue
            ctx.set(axi.bid, self._answers.popleft())
            ctx.set(axi.bresp, Resp.OKAY)
            ctx.set(axi.bvalid, 1)
            await until(ctx, axi.bready)
            ctx.set(axi.bvalid, 0)


def monitor(axi):
    """A testbench that checks that no channel of `axi` takes back or changes what it offers."""
    channels = {
        "ar": ADDRESS, "aw": ADDRESS, "w": ("data", "strb", "last"), "r": ("id", "data", "resp", "last"),
        "b": ("id", "resp"),
    }
    signals, groups = [], []
    for channel, names in channels.items():
        groups.append((channel, len(signals), len(signals) + 2 + len(names)))
        signals += [getattr(axi, channel + name) for name in ("valid", "ready", *names)]

    async def watch(ctx):
        offered = {}
        while True:
            _, _, *values = await ctx.tick().sample(*signals)
            for channel, low, high in groups:
                valid, ready, *payload = values[low:high]
                if channel in offered:
                    assert valid and payload == offered[channel], f"{channel} changed while waiting"
                offered.pop(channel, None)
                if valid and not ready:
                    offered[channel] = payload

    return watch
