"""The memories of the data cache, and the engine that writes lines and single words to the bus."""

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..config import Cache
from ..execute.bits import kept
from .axi import Axi4, Burst, Resp

LINE_BITS = ceil_log2(Cache.LINE)  # of a byte address: position in the line


class Geometry:
    """How a cache cuts up a physical address: widths in bits."""

    def __init__(self, cache: Cache, bus_bits: int):
        self.ways = cache.ways
        self.sets = cache.sets
        self.set_bits = ceil_log2(cache.sets)
        self.index_bits = self.set_bits + LINE_BITS - 3  # of a doubleword in a way
        self.tag_bits = bus_bits - self.set_bits - LINE_BITS

    def set_of(self, address):
        """The set, from a byte address (virtual or physical: it lies within the page offset)."""
        return address[LINE_BITS : LINE_BITS + self.set_bits]

    def index_of(self, address):
        """The doubleword in a way, from a byte address."""
        return address[3 : LINE_BITS + self.set_bits]

    def tag_of(self, address):
        """The tag, from a physical byte address of `bus_bits`."""
        return address[LINE_BITS + self.set_bits :]

    @property
    def tag_layout(self) -> data.StructLayout:
        return data.StructLayout({"valid": 1, "tag": self.tag_bits})


class BlockRam(wiring.Component):
    """A block RAM with one read and one write port.

    A read in the cycle in which the same row is written gives nothing to rely on: users avoid it or read again.
    (Synthesis must be told, or builds logic to give the old data: see COLLISION_X_MASK of yosys's $memrd_v2.)
    The output holds while `read_en` is low.
    """

    def __init__(self, shape, depth: int, granularity: int | None = None):
        self._memory = Memory(shape=shape, depth=depth, init=[], attrs={"ram_style": "block", "no_rw_check": 1})
        enables = 1 if granularity is None else shape // granularity
        self._granularity = granularity
        super().__init__({
            "read_en": In(1), "read_addr": In(ceil_log2(depth)), "read_data": Out(shape),
            "write_en": In(enables), "write_addr": In(ceil_log2(depth)), "write_data": In(shape),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = self._memory
        read, write = memory.read_port(), memory.write_port(granularity=self._granularity)
        m.d.comb += [
            read.en.eq(self.read_en), read.addr.eq(self.read_addr), self.read_data.eq(read.data),
            write.en.eq(self.write_en), write.addr.eq(self.write_addr), write.data.eq(self.write_data),
        ]
        return m


class DCacheMemories(wiring.Component):
    """Tags, data, dirty bits and replacement state of the data cache.

    Tags and data of all ways are read together, one doubleword at `read_index`, with the result in the next cycle and
    held until the next `read_en`.  `write_*` writes bytes of a doubleword in the ways `write_ways`; `tag_*` a tag.
    A read in the cycle of a write to the same row is undefined in the ways written.

    `dirty` and `victim` are combinational from `meta_set`; `victim` is one-hot.  In the set `meta_set`, at the end of
    the cycle: `dirty_en` writes `dirty_new`; `touch`, which may be known late, marks that way (one-hot) as used;
    `clear` forgets both.
    Replacement: a way not used since all the others were (one bit per way, arbitrary number of ways).
    """

    def __init__(self, cache: Cache, bus_bits: int):
        self.geometry = geometry = Geometry(cache, bus_bits)
        ways = geometry.ways
        super().__init__({
            "read_en": In(1), "read_index": In(geometry.index_bits),
            "tags": Out(data.ArrayLayout(geometry.tag_layout, ways)), "data": Out(data.ArrayLayout(64, ways)),
            "write_ways": In(ways), "write_mask": In(8), "write_index": In(geometry.index_bits), "write_data": In(64),
            "tag_ways": In(ways), "tag_set": In(geometry.set_bits), "tag_new": In(geometry.tag_layout),
            "meta_set": In(geometry.set_bits), "dirty": Out(ways), "victim": Out(ways),
            "dirty_en": In(1), "dirty_new": In(ways), "touch": In(ways), "clear": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        geometry = self.geometry
        for way in range(geometry.ways):
            m.submodules[f"tags{way}"] = tags = BlockRam(geometry.tag_layout.size, geometry.sets)
            m.submodules[f"data{way}"] = words = BlockRam(64, geometry.sets * Cache.LINE // 8, granularity=8)
            m.d.comb += [
                tags.read_en.eq(self.read_en),
                tags.read_addr.eq(self.read_index[LINE_BITS - 3 :]),
                self.tags[way].as_value().eq(tags.read_data),
                tags.write_en.eq(self.tag_ways[way]),
                tags.write_addr.eq(self.tag_set),
                tags.write_data.eq(self.tag_new),
                words.read_en.eq(self.read_en),
                words.read_addr.eq(self.read_index),
                self.data[way].eq(words.read_data),
                words.write_en.eq(Mux(self.write_ways[way], self.write_mask, 0)),
                words.write_addr.eq(self.write_index),
                words.write_data.eq(self.write_data),
            ]

        # Small and read at once: distributed RAM.
        def state(name: str):
            m.submodules[name] = memory = Memory(shape=geometry.ways, depth=geometry.sets, init=[])
            read, write = memory.read_port(domain="comb"), memory.write_port()
            m.d.comb += [read.addr.eq(self.meta_set), write.addr.eq(self.meta_set)]
            return read.data, write

        dirty, dirty_write = state("dirty_bits")
        m.d.comb += [
            self.dirty.eq(dirty),
            dirty_write.en.eq(self.dirty_en | self.clear),
            dirty_write.data.eq(Mux(self.clear, 0, self.dirty_new)),
        ]
        if geometry.ways == 1:
            m.d.comb += self.victim.eq(1)
        else:
            used, used_write = state("used_bits")
            m.d.comb += [
                self.victim.eq(~used & (used + 1)[: geometry.ways]),  # the lowest way not used
                used_write.en.eq(self.touch.any() | self.clear),
                # Nothing is touched while all is cleared.
                used_write.data.eq(
                    reduce(or_, (Mux(self.touch[way], _with(m, used, way), 0) for way in range(geometry.ways)))
                ),
            ]
        return m


def _with(m: Module, used: Value, way: int) -> Value:
    """What is used when `way` is as well: if that is all, it is this way alone."""
    others = used | (1 << way)
    return kept(m, f"used_with{way}", Mux(others.all(), 1 << way, others))


class WriteChannel(wiring.Component):
    """Everything the core writes to the bus: lines out of a buffer of one line, and single I/O writes.

    A line: `line_start` for a cycle (only while not `busy`) with its address; from the next cycle on `put_en` stores
    its eight doublewords in rising order, one a cycle or slower than the bus may take them, but never slower than one
    a cycle.  `busy` from the next cycle on, and `line` stays, until the write response has come.  An error response
    is dropped, since nobody waits for it: whoever wrote the data has retired long ago.

    A single write: `single_valid` is held, with `single_*` stable, until `single_done` tells that the response has
    come, in the same cycle as `single_error` tells whether it was an error.
    """

    def __init__(self, bus_bits: int):
        super().__init__({
            "line_start": In(1), "line_addr": In(bus_bits - LINE_BITS), "busy": Out(1),
            "line": Out(bus_bits - LINE_BITS), "put_en": In(1), "put_index": In(3), "put_data": In(64),
            "single_valid": In(1), "single_addr": In(bus_bits), "single_size": In(2), "single_data": In(64),
            "single_strb": In(8), "single_done": Out(1), "single_error": Out(1), "axi": Out(Axi4(bus_bits)),
        })

    def elaborate(self, platform):
        m = Module()
        axi = self.axi
        m.submodules.buffer = buffer = Memory(shape=64, depth=8, init=[])
        read, write = buffer.read_port(domain="comb"), buffer.write_port()
        single = Signal()
        address_todo = Signal()
        data_todo = Signal()
        count = Signal(3)
        m.d.comb += [
            write.en.eq(self.put_en),
            write.addr.eq(self.put_index),
            write.data.eq(self.put_data),
            read.addr.eq(count),
            axi.awvalid.eq(address_todo),
            axi.awaddr.eq(Mux(single, self.single_addr, Cat(Const(0, LINE_BITS), self.line))),
            axi.awlen.eq(Mux(single, 0, 7)),
            axi.awsize.eq(Mux(single, self.single_size, 3)),
            axi.awburst.eq(Burst.INCR),
            axi.awcache.eq(Mux(single, 0, 0b1111)),
            axi.wvalid.eq(data_todo),
            axi.wdata.eq(Mux(single, self.single_data, read.data)),
            axi.wstrb.eq(Mux(single, self.single_strb, 0xFF)),
            axi.wlast.eq(single | (count == 7)),
            self.single_error.eq(axi.bresp != Resp.OKAY),
        ]
        with m.If(axi.awready):
            m.d.sync += address_todo.eq(0)
        with m.If(axi.wvalid & axi.wready):
            m.d.sync += count.eq(count + 1)
            with m.If(axi.wlast):
                m.d.sync += data_todo.eq(0)
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [count.eq(0), single.eq(0)]
                with m.If(self.line_start):
                    m.d.sync += [self.line.eq(self.line_addr), address_todo.eq(1)]
                    m.next = "LINE"
                with m.Elif(self.single_valid):
                    m.d.sync += [address_todo.eq(1), data_todo.eq(1), single.eq(1)]
                    m.next = "SINGLE"
            with m.State("LINE"):
                m.d.comb += [self.busy.eq(1), axi.bready.eq(1)]
                with m.If(self.put_en & (self.put_index == 0)):
                    m.d.sync += data_todo.eq(1)
                with m.If(axi.bvalid):
                    m.next = "IDLE"
            with m.State("SINGLE"):
                m.d.comb += [axi.bready.eq(1), self.single_done.eq(axi.bvalid)]
                with m.If(axi.bvalid):
                    m.d.sync += single.eq(0)
                    m.next = "IDLE"
        return m
