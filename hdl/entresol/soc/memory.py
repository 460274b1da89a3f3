"""On-chip main memory."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In

from ..config import Region
from ..memory.axi import Axi4, Burst, Resp
from .bus import in_region, next_address


class AxiRam(wiring.Component):
    """RAM in block RAM behind an AXI4 subordinate port: `size` bytes at `base`, first filled with `init`.

    `size` is a multiple of 4096, and `base` of the power of two that holds `size`.  Reads and writes go on side by
    side, one beat a cycle, except that a read waits while its doubleword is written; the first read data comes two
    cycles after the address was taken.  Accesses beyond the RAM are answered DECERR.

    Raises:
        ValueError: the size does not fit, or `init` is longer than it.
    """

    def __init__(self, base: int, size: int, addr_width: int, init: bytes = b"", id_width: int = 2):
        if size <= 0 or size % 4096 or base % (1 << (size - 1).bit_length()):
            raise ValueError(f"A RAM of {size} bytes at {base:#x}: make the size a multiple of 4096 and align the base "
                             f"to the power of two that holds it.")
        if len(init) > size:
            raise ValueError(f"The initial contents of {len(init)} bytes do not fit into a RAM of {size} bytes.")
        self._region = Region("ram", base, size, False)
        self._init = [int.from_bytes(init[offset:offset + 8], "little") for offset in range(0, len(init), 8)]
        super().__init__({"axi": In(Axi4(addr_width, id_width))})

    def elaborate(self, platform):
        m = Module()
        axi = self.axi
        depth = self._region.size // 8
        # A read and a write of the same row never meet (see `collides`): synthesis need not provide for that.
        m.submodules.memory = memory = Memory(shape=64, depth=depth, init=self._init,
                                              attrs={"ram_style": "block", "no_rw_check": 1})
        read_port = memory.read_port()
        write_port = memory.write_port(granularity=8)

        def outcome(addr):
            return Mux(in_region(addr, self._region), Resp.OKAY, Resp.DECERR)

        # --- reads: one beat is being addressed, the one before it is in the read port's register
        beat = Signal.like(axi.araddr)
        ident = Signal.like(axi.arid)
        length = Signal(8)
        left = Signal(8)  # beats after this one
        size = Signal(2)
        burst = Signal(Burst)
        addressing = Signal()
        advance = Signal()
        # A block RAM gives neither the old nor the new data of a row that is being written, but a read must give one of
        # them: it waits for a cycle.
        collides = Signal()
        m.d.comb += [
            advance.eq(addressing & (~axi.rvalid | axi.rready) & ~collides),
            axi.arready.eq(~addressing | (advance & (left == 0))),
            read_port.addr.eq(beat[3:]),
            read_port.en.eq(advance),
            axi.rdata.eq(read_port.data),
        ]
        with m.If(axi.rready):
            m.d.sync += axi.rvalid.eq(0)
        with m.If(advance):
            m.d.sync += [
                axi.rvalid.eq(1), axi.rid.eq(ident), axi.rresp.eq(outcome(beat)), axi.rlast.eq(left == 0),
                beat.eq(next_address(beat, size, length, burst)), left.eq(left - 1),
            ]
        with m.If(axi.arready):
            m.d.sync += [
                addressing.eq(axi.arvalid), beat.eq(axi.araddr), ident.eq(axi.arid), length.eq(axi.arlen),
                left.eq(axi.arlen), size.eq(axi.arsize), burst.eq(axi.arburst),
            ]

        # --- writes, into the memory a cycle after they were taken: the core tells data late
        writing = Signal()
        written = Signal(8)  # bytes of the row `row` that `data` is written to
        row, data = Signal.like(write_port.addr), Signal(64)
        write_beat = Signal.like(axi.awaddr)
        write_length = Signal(8)
        write_size = Signal(2)
        write_burst = Signal(Burst)
        m.d.comb += [
            collides.eq(written.any() & (row == read_port.addr)),
            axi.awready.eq(~writing & ~axi.bvalid),
            axi.wready.eq(writing),
            write_port.addr.eq(row),
            write_port.data.eq(data),
            write_port.en.eq(written),
        ]
        m.d.sync += written.eq(0)
        with m.If(axi.awvalid & axi.awready):
            m.d.sync += [
                writing.eq(1), write_beat.eq(axi.awaddr), write_length.eq(axi.awlen), write_size.eq(axi.awsize),
                write_burst.eq(axi.awburst), axi.bid.eq(axi.awid), axi.bresp.eq(Resp.OKAY),
            ]
        with m.If(axi.wvalid & axi.wready):
            m.d.sync += [
                write_beat.eq(next_address(write_beat, write_size, write_length, write_burst)),
                row.eq(write_beat[3:]),
                data.eq(axi.wdata),
            ]
            with m.If(in_region(write_beat, self._region)):
                m.d.sync += written.eq(axi.wstrb)
            with m.Else():
                m.d.sync += axi.bresp.eq(Resp.DECERR)
            with m.If(axi.wlast):
                m.d.sync += [writing.eq(0), axi.bvalid.eq(1)]
        with m.If(axi.bvalid & axi.bready):
            m.d.sync += axi.bvalid.eq(0)
        return m
