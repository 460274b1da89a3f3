"""From the core's AXI4 port to main memory and to the devices (AMBA AXI and ACE protocol specification, AXI4)."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from ..config import Region
from ..memory.axi import Axi4, Burst, Resp
from .bus import DeviceBus, in_region, next_address, region_bits, region_offset


class AxiDemux(wiring.Component):
    """Sends transactions for the `memory` region to `mem` and all others to `other`, without adding a cycle.

    Responses stay in order: a read at `other` begins when those at `mem` have ended, and answers of `mem` wait
    until it has ended; one write is under way at a time.  `addr_width`, `id_width` in bits.
    """

    MAX_READS = 7  # outstanding at `mem`; `other` gets one at a time

    def __init__(self, memory: Region, addr_width: int, id_width: int = 2):
        self._memory = memory
        axi = Axi4(addr_width, id_width)
        super().__init__({"axi": In(axi), "mem": Out(axi), "other": Out(axi)})

    def elaborate(self, platform):
        m = Module()
        axi, mem, other = self.axi, self.mem, self.other
        for port in (mem, other):
            m.d.comb += [getattr(port, channel + name).eq(getattr(axi, channel + name))
                         for channel in ("ar", "aw")
                         for name in ("addr", "id", "len", "size", "burst", "lock", "cache", "prot")]
            m.d.comb += [port.wdata.eq(axi.wdata), port.wstrb.eq(axi.wstrb), port.wlast.eq(axi.wlast)]

        # --- reads
        mem_reads = Signal(range(self.MAX_READS + 1))
        other_read = Signal()
        to_mem = in_region(axi.araddr, self._memory)
        mem_may = to_mem & (mem_reads != self.MAX_READS)
        other_may = ~to_mem & ~other_read & (mem_reads == 0)
        m.d.comb += [
            mem.arvalid.eq(axi.arvalid & mem_may),
            other.arvalid.eq(axi.arvalid & other_may),
            axi.arready.eq((mem_may & mem.arready) | (other_may & other.arready)),
            axi.rvalid.eq(Mux(other_read, other.rvalid, mem.rvalid)),
            axi.rid.eq(Mux(other_read, other.rid, mem.rid)),
            axi.rdata.eq(Mux(other_read, other.rdata, mem.rdata)),
            axi.rresp.eq(Mux(other_read, other.rresp, mem.rresp)),
            axi.rlast.eq(Mux(other_read, other.rlast, mem.rlast)),
            mem.rready.eq(axi.rready & ~other_read),
            other.rready.eq(axi.rready & other_read),
        ]
        begins = mem.arvalid & mem.arready
        ends = mem.rvalid & mem.rready & mem.rlast
        m.d.sync += mem_reads.eq(mem_reads + begins - ends)
        with m.If(other.arvalid & other.arready):
            m.d.sync += other_read.eq(1)
        with m.Elif(other.rvalid & other.rready & other.rlast):
            m.d.sync += other_read.eq(0)

        # --- writes: data may be offered before, with or after the address is taken
        address_done = Signal()
        data_done = Signal()
        was_mem = Signal()
        write_mem = Mux(address_done, was_mem, in_region(axi.awaddr, self._memory))
        known = address_done | axi.awvalid
        m.d.comb += [
            mem.awvalid.eq(axi.awvalid & ~address_done & write_mem),
            other.awvalid.eq(axi.awvalid & ~address_done & ~write_mem),
            axi.awready.eq(~address_done & Mux(write_mem, mem.awready, other.awready)),
            mem.wvalid.eq(axi.wvalid & known & ~data_done & write_mem),
            other.wvalid.eq(axi.wvalid & known & ~data_done & ~write_mem),
            axi.wready.eq(known & ~data_done & Mux(write_mem, mem.wready, other.wready)),
            axi.bvalid.eq(address_done & data_done & Mux(was_mem, mem.bvalid, other.bvalid)),
            axi.bid.eq(Mux(was_mem, mem.bid, other.bid)),
            axi.bresp.eq(Mux(was_mem, mem.bresp, other.bresp)),
            mem.bready.eq(axi.bready & address_done & data_done & was_mem),
            other.bready.eq(axi.bready & address_done & data_done & ~was_mem),
        ]
        with m.If(axi.awvalid & axi.awready):
            m.d.sync += [address_done.eq(1), was_mem.eq(write_mem)]
        with m.If(axi.wvalid & axi.wready & axi.wlast):
            m.d.sync += data_done.eq(1)
        with m.If(axi.bvalid & axi.bready):
            m.d.sync += [address_done.eq(0), data_done.eq(0)]
        return m


class _State(enum.Enum, shape=3):
    IDLE = 0
    READ = 1
    READ_DEVICE = 2
    READ_RESPONSE = 3
    WRITE = 4
    WRITE_DEVICE = 5
    WRITE_RESPONSE = 6


class AxiBridge(wiring.Component):
    """AXI4 subordinate for a number of devices, each on a `DeviceBus` port named like its region.

    One transaction at a time, reads and writes in turn.  All bursts are accepted: a read takes three cycles a beat, a
    write one; the first read data comes three cycles after the address was taken.  What devices are asked comes from
    registers, because the core tells some of it late.  A beat outside every region is
    answered DECERR, one that its device refuses SLVERR (a write burst with the worst of its beats).  Exclusive
    accesses are answered OKAY, that is, as not supported.
    """

    def __init__(self, regions: Sequence[Region], addr_width: int, id_width: int = 2):
        self._regions = tuple(regions)
        super().__init__(
            {"axi": In(Axi4(addr_width, id_width))}
            | {region.name: Out(DeviceBus(region_bits(region))) for region in self._regions})

    def elaborate(self, platform):
        m = Module()
        axi = self.axi
        devices = [getattr(self, region.name) for region in self._regions]
        state = Signal(_State)
        prefer_write = Signal()
        addr = Signal.like(axi.araddr)
        ident = Signal.like(axi.arid)
        length = Signal(8)
        size = Signal(2)
        burst = Signal(Burst)
        left = Signal(8)  # beats after the current one
        first = Signal()

        # --- towards the devices, a cycle late
        en = Signal()
        write = Signal()
        lanes = Signal(8)  # of a read: the rest of the aligned container the address lies in
        selected = Signal(len(devices))
        asking = Signal()
        asked = Signal(len(devices))
        answering = Signal(len(devices))
        asked_write, asked_addr, asked_mask, asked_data = Signal(), Signal.like(addr), Signal(8), Signal(64)
        m.d.comb += [
            lanes.eq(Cat((((addr[:3] ^ lane) >> size) == 0) & (addr[:3] <= lane) for lane in range(8))),
            write.eq(state == _State.WRITE),
            en.eq((state == _State.READ) | (write & axi.wvalid)),
        ]
        m.d.sync += [asking.eq(en), asked.eq(selected & en.replicate(len(devices)))]
        with m.If(en):
            m.d.sync += [
                asked_write.eq(write),
                asked_addr.eq(addr),
                asked_mask.eq(Mux(write, axi.wstrb, lanes)),
                asked_data.eq(axi.wdata),
                addr.eq(next_address(addr, size, length, burst)),
            ]
        for index, (region, device) in enumerate(zip(self._regions, devices, strict=True)):
            m.d.comb += [
                selected[index].eq(in_region(addr, region)),
                device.en.eq(asked[index]),
                device.write.eq(asked_write),
                device.addr.eq(region_offset(asked_addr, region)[3:]),
                device.mask.eq(asked_mask),
                device.wdata.eq(asked_data),
            ]

        # --- the answer to the last `en`
        resp = Signal(Resp)
        earlier = Signal(2)  # worst of the beats of this write before that; OKAY 0, SLVERR 2, DECERR 3: bitwise or
        with m.If(answering == 0):
            m.d.comb += resp.eq(Resp.DECERR)
        with m.Elif(Cat(device.error & answering[index] for index, device in enumerate(devices)).any()):
            m.d.comb += resp.eq(Resp.SLVERR)
        for index, device in enumerate(devices):
            with m.If(answering[index]):
                m.d.comb += axi.rdata.eq(device.rdata)
        m.d.comb += [
            axi.rvalid.eq(state == _State.READ_RESPONSE),
            axi.rid.eq(ident),
            axi.rresp.eq(resp),
            axi.rlast.eq(left == 0),
            axi.wready.eq(write),
            axi.bvalid.eq(state == _State.WRITE_RESPONSE),
            axi.bid.eq(ident),
            axi.bresp.eq(resp.as_value() | earlier),
        ]
        with m.If(asking):
            m.d.sync += [
                answering.eq(asked),
                first.eq(0),
                earlier.eq(Mux(first, Resp.OKAY.value, resp.as_value() | earlier)),
            ]

        def take(channel: str):
            return [register.eq(getattr(axi, channel + name)) for register, name in (
                (addr, "addr"), (ident, "id"), (length, "len"), (left, "len"), (size, "size"), (burst, "burst"))]

        with m.Switch(state):
            with m.Case(_State.IDLE):
                m.d.sync += first.eq(1)
                with m.If(axi.awvalid & (prefer_write | ~axi.arvalid)):
                    m.d.comb += axi.awready.eq(1)
                    m.d.sync += [*take("aw"), prefer_write.eq(0), state.eq(_State.WRITE)]
                with m.Elif(axi.arvalid):
                    m.d.comb += axi.arready.eq(1)
                    m.d.sync += [*take("ar"), prefer_write.eq(1), state.eq(_State.READ)]
            with m.Case(_State.READ):
                m.d.sync += state.eq(_State.READ_DEVICE)
            with m.Case(_State.READ_DEVICE):
                m.d.sync += state.eq(_State.READ_RESPONSE)
            with m.Case(_State.READ_RESPONSE), m.If(axi.rready):
                m.d.sync += [left.eq(left - 1), state.eq(Mux(left == 0, _State.IDLE, _State.READ))]
            with m.Case(_State.WRITE), m.If(axi.wvalid & axi.wlast):
                m.d.sync += state.eq(_State.WRITE_DEVICE)
            with m.Case(_State.WRITE_DEVICE):
                m.d.sync += state.eq(_State.WRITE_RESPONSE)
            with m.Case(_State.WRITE_RESPONSE), m.If(axi.bready):
                m.d.sync += state.eq(_State.IDLE)
        return m
