"""Both sides' reads on one bus: nothing gets lost, mixed up or changed while it waits."""

from amaranth.sim import Simulator

from entresol.memory.arbiter import AxiArbiter


class Reader:
    """Makes random line reads on a side of the arbiter, one outstanding at a time, and checks what comes back."""

    def __init__(self, lsu, rng, side):
        self.lsu, self.rng, self.side = lsu, rng, side
        self.address, self.beat, self.asked, self.done = None, 0, False, 0

    def drive(self, pins):
        if self.address is None and self.rng.random() < 0.5:
            self.address, self.beat, self.asked = 0x8000_0000 + 8 * self.rng.randrange(512), 0, True
        pins[f"{self.side}__arvalid"] = self.asked
        pins[f"{self.side}__araddr"] = self.address or 0
        pins[f"{self.side}__arlen"], pins[f"{self.side}__arsize"], pins[f"{self.side}__arburst"] = 7, 3, 2
        pins[f"{self.side}__rready"] = self.rng.random() < 0.7

    def observe(self, pins):
        if self.asked and pins[f"{self.side}__arready"]:
            self.asked = False
        if pins[f"{self.side}__rvalid"] and pins[f"{self.side}__rready"]:
            assert self.address is not None and not self.asked
            line = self.address & ~63
            where = line + (self.address + 8 * self.beat) % 64
            assert pins[f"{self.side}__rdata"] == self.lsu.pattern(where)
            self.beat += 1
            assert pins[f"{self.side}__rlast"] == (self.beat == 8)
            if self.beat == 8:
                self.address = None
                self.done += 1


def test_reads_of_both_sides_interleave(lsu):
    import random

    rng = random.Random(3)
    pins = lsu.Pins(AxiArbiter(lsu.config()))
    bus = lsu.AxiMemory(rng, interleave=True)
    sides = [Reader(lsu, rng, "fetch"), Reader(lsu, rng, "data")]

    async def testbench(ctx):
        overlapping = 0
        for _ in range(3000):
            bus.drive(pins, "bus")
            for side in sides:
                side.drive(pins)
            pins.settle(ctx)
            bus.observe(pins, "bus")
            for side in sides:
                side.observe(pins)
            overlapping += all(side.address is not None and not side.asked for side in sides)
            await ctx.tick()
        assert overlapping > 100
        assert min(side.done for side in sides) > 30

    sim = Simulator(pins.top)
    sim.add_clock(1e-6)
    sim.add_testbench(testbench)
    sim.run()


def test_writes_pass_through(lsu):
    pins = lsu.Pins(AxiArbiter(lsu.config()))

    async def testbench(ctx):
        values = {"awvalid": 1, "awaddr": 0x8000_1240, "awlen": 7, "awsize": 3, "awburst": 1, "wvalid": 1,
                  "wdata": 0x1234, "wstrb": 0x5A, "wlast": 1, "bready": 1}
        for name, value in values.items():
            pins[f"data__{name}"] = value
        back = {"awready": 1, "wready": 1, "bvalid": 1, "bresp": 2}
        for name, value in back.items():
            pins[f"bus__{name}"] = value
        pins.settle(ctx)
        assert {name: pins[f"bus__{name}"] for name in values} == values
        assert {name: pins[f"data__{name}"] for name in back} == back

    sim = Simulator(pins.top)
    sim.add_testbench(testbench)
    sim.run()
