"""The instruction cache: virtually indexed, physically tagged, filled by bursts with the wanted word first."""

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..config import CoreConfig
from ..execute.bits import equal_or, equal_pairs, kept
from ..memory.axi import Axi4, Burst

#: 8-byte words in a line.
WORDS = 8


class ICache(wiring.Component):
    """Instruction cache of `config.icache`, read 8 bytes at a time, one read per cycle.

    A read is asked with `read_en` and the page offset, and answered from the next cycle on until the next read, for
    the physical address then given with `request`:

    - `hit`: `data` holds the aligned 8 bytes, `begin` those from the halfword `position` on, and `long` says that the
      lowest two bits of these are ones.  This may last for one cycle only (a word on its way into a line).  It is
      `request` and `tagged`, which is known late, or `hit_early`, which is for the line that came last.
    - `error`: the bus refuses the line (one cycle, to be noted).
    - `stale`: the word has come in since it was read: read again.
    - none of them: the line is being fetched, wait.

    A line is fetched only when the load/store unit has written back what it may hold of it (`clean_*`), and is put in
    place when all of it came without error.  Hits go on meanwhile, also of the words of that line which are in.
    `invalidate` drops everything at the end of the cycle; the requester must drop its read in the same cycle.
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__({
            "read_en": In(1),
            "read_offset": In(12),  # bytes, address within the page
            "request": In(1),
            "paddr": In(config.bus_bits),
            "hit": Out(1),
            "hit_early": Out(1),
            "tagged": Out(1),
            "error": Out(1),
            "stale": Out(1),
            "data": Out(64),
            "position": In(2),
            "begin": Out(32),
            "long": Out(1),
            "invalidate": In(1),
            "clean_valid": Out(1),
            "clean_addr": Out(config.bus_bits),
            "clean_done": In(1),
            "axi": Out(Axi4(config.bus_bits)),
            "miss": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config = self._config.icache
        ways = config.ways
        set_bits = exact_log2(config.sets)
        line = slice(6, None)
        tag = slice(6 + set_bits, None)

        read_set = self.read_offset[6:6 + set_bits]
        read_word = self.read_offset[3:6]

        # --- the line being fetched, or fetched last
        active = Signal()  # `fill_addr` is a line on its way in or in the cache
        fill_addr = Signal(self._config.bus_bits)
        fill_way = Signal(range(ways))
        fill_word = Signal(3)  # of the beat that comes next
        filled = Signal(WORDS)  # words that are in
        failed = Signal()
        beat, last_beat = Signal(), Signal()
        install = Signal()

        present = Signal()  # what is wanted is in that line, as is the word

        # --- memories.  What is read while it is written is not used: until a line is valid, `filled` says what is in.
        way_data, way_tagged, way_fills, way_selected, way_valid = [], [], [], [], []
        for way in range(ways):
            m.submodules[f"data{way}"] = data = memory.Memory(
                shape=64, depth=config.sets * WORDS, init=[], attrs={"no_rw_check": 1})
            m.submodules[f"tags{way}"] = tags = memory.Memory(
                shape=self._config.bus_bits - 6 - set_bits, depth=config.sets, init=[],
                attrs={"ram_style": "block", "no_rw_check": 1})
            data_write, tag_write = data.write_port(), tags.write_port()
            data_read, tag_read = data.read_port(), tags.read_port()
            valid = Signal(config.sets, name=f"valid{way}")
            valid_read = Signal(name=f"valid_read{way}")
            m.d.comb += [
                data_read.en.eq(self.read_en),
                data_read.addr.eq(Cat(read_word, read_set)),
                tag_read.en.eq(self.read_en),
                tag_read.addr.eq(read_set),
                data_write.en.eq(beat & (fill_way == way)),
                data_write.addr.eq(Cat(fill_word, fill_addr[6:6 + set_bits])),
                data_write.data.eq(self.axi.rdata),
                tag_write.en.eq(install & (fill_way == way)),
                tag_write.addr.eq(fill_addr[6:6 + set_bits]),
                tag_write.data.eq(fill_addr[tag]),
            ]
            with m.If(self.read_en):
                m.d.sync += valid_read.eq(valid.bit_select(read_set, 1))
            # Which way's tag it is decides what goes on, and which way's data it is has many loads.
            fills = kept(m, f"fills{way}", present & (fill_way == way))
            tagged, selected = equal_or(m, tag_read.data, self.paddr[tag], valid_read, f"hit{way}", fills)
            way_tagged.append(tagged)
            way_fills.append(fills)
            way_selected.append(selected)
            way_data.append(data_read.data)
            way_valid.append((valid, valid_read))

        # --- the answer
        same_line, arrives, arriving = Signal(), Signal(), Signal()
        filled_read = Signal()  # the word was in when it was read
        with m.If(self.read_en):
            m.d.sync += filled_read.eq(filled.bit_select(read_word, 1))
        m.d.comb += [
            # The lowest bits of the page come out of a multiplexer, by the page's size.
            same_line.eq(kept(
                m, "same_line", kept(m, "same_offset", active & (self.paddr[6:12] == fill_addr[6:12]))
                & Cat(kept(m, f"same_page{bit}", self.paddr[bit] == fill_addr[bit]) for bit in range(12, 21)).all()
                & equal_pairs(m, "same_high", self.paddr[21:], fill_addr[21:]))),
            present.eq(same_line & filled_read),
            arrives.eq(beat & (fill_word == self.paddr[3:6])),
            arriving.eq(same_line & arrives),
            self.tagged.eq(kept(m, "any_tagged", Cat(way_tagged).any())),
            self.hit_early.eq(kept(m, "early", self.request & same_line
                                   & kept(m, "is_in", filled_read | (arrives & ~self.axi.rresp.as_value()[1])))),
            self.hit.eq(self.hit_early | (self.request & self.tagged)),
            self.error.eq(self.request & arriving & self.axi.rresp.as_value()[1]),
            self.stale.eq(self.request & same_line & ~present & filled.bit_select(self.paddr[3:6], 1)),
        ]
        # Which way it is comes late: so each is aligned by itself.  No two of these are selected at once.
        sources = [(arriving, self.axi.rdata), *zip(way_selected, way_data, strict=True)]
        words, begins, longs = [], [], []
        for index, (select, word) in enumerate(sources):
            begin = kept(m, f"begin{index}", word.bit_select(self.position << 4, 32))
            words.append(word & select.replicate(64))
            begins.append(begin & select.replicate(32))
            longs.append(kept(m, f"long{index}", begin[:2].all()))
        # What depends on the length goes on for long, and begins at the tags themselves.
        long_early = (arriving & longs[0]) | Cat(
            fills & long for fills, long in zip(way_fills, longs[1:], strict=True)).any()
        m.d.comb += [
            self.data.eq(reduce(or_, words)),
            self.begin.eq(reduce(or_, begins)),
            self.long.eq(kept(m, "long_early", long_early) | Cat(
                tagged & long for tagged, long in zip(way_tagged, longs[1:], strict=True)).any()),
        ]

        # --- fetching a line
        victim, turn = Signal(range(ways)), Signal(range(ways))
        m.d.comb += victim.eq(turn)
        for way, (_, valid_read) in reversed(list(enumerate(way_valid))):
            with m.If(~valid_read):
                m.d.comb += victim.eq(way)

        m.d.comb += [
            self.clean_addr.eq(Cat(Const(0, 6), fill_addr[line])),
            self.axi.araddr.eq(Cat(Const(0, 3), fill_addr[3:])),
            self.axi.arlen.eq(WORDS - 1),
            self.axi.arsize.eq(3),
            self.axi.arburst.eq(Burst.WRAP),
            self.axi.arcache.eq(0b1111),
            self.axi.arprot.eq(0b100),
            self.axi.rready.eq(1),
        ]
        with m.FSM():
            with m.State("idle"), m.If(kept(m, "may_miss", self.request & ~same_line) & ~self.tagged):
                m.d.comb += self.miss.eq(1)
                m.d.sync += [
                    active.eq(1), failed.eq(0), filled.eq(0), filled_read.eq(0),
                    fill_addr.eq(self.paddr), fill_word.eq(self.paddr[3:6]), fill_way.eq(victim),
                    turn.eq(turn + 1),
                ]
                m.next = "clean"
            with m.State("clean"):
                m.d.comb += self.clean_valid.eq(1)
                for way, (valid, _) in enumerate(way_valid):
                    with m.If(fill_way == way):
                        m.d.sync += valid.bit_select(fill_addr[6:6 + set_bits], 1).eq(0)
                with m.If(self.clean_done):
                    m.next = "address"
            with m.State("address"):
                m.d.comb += self.axi.arvalid.eq(1)
                with m.If(self.axi.arready):
                    m.next = "data"
            with m.State("data"), m.If(self.axi.rvalid):
                m.d.comb += [beat.eq(1), last_beat.eq(self.axi.rlast)]
                m.d.sync += fill_word.eq(fill_word + 1)
                with m.If(self.axi.rresp.as_value()[1]):
                    m.d.sync += failed.eq(1)
                with m.Else():
                    m.d.sync += filled.bit_select(fill_word, 1).eq(1)
                with m.If(self.axi.rlast):
                    m.next = "idle"

        m.d.comb += install.eq(last_beat & active & ~failed & ~self.axi.rresp.as_value()[1])
        with m.If(last_beat & ~install):
            m.d.sync += active.eq(0)
        for way, (valid, _) in enumerate(way_valid):
            with m.If(install & (fill_way == way)):
                m.d.sync += valid.bit_select(fill_addr[6:6 + set_bits], 1).eq(1)
        with m.If(self.invalidate):
            m.d.sync += active.eq(0)
            for valid, _ in way_valid:
                m.d.sync += valid.eq(0)
        return m
