"""Prediction of the directions of conditional branches, from tables indexed by the path that led to them."""

from functools import reduce
from operator import xor

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..config import CoreConfig
from ..execute.bits import equal_pairs, kept

#: The tables are block RAM, however small: as distributed RAM they cost more logic than all of the prediction.
#: What a read gives in the cycle of a write to the same row does not matter to a hint.
BLOCK = {"ram_style": "block", "no_rw_check": 1}
#: Bits of the path history that one taken control transfer shifts in.  Four bits of its address are mixed in.
EVENT_BITS, ADDRESS_BITS = 3, 4
#: Taken control transfers in the histories of the tagged tables.  Measured on list sorting, matrix, text parsing and
#: CRC loops (see `DirectionPredictor`).
EVENTS = (7, 16)
PATH_BITS = EVENT_BITS * max(EVENTS)
TAG_BITS = 8
#: Bits of group addresses that take part.
GROUP_BITS = 34


def base_bits(config: CoreConfig) -> int:
    """Bits of an index of the table without path."""
    return exact_log2(config.bht_entries // 4)


def tagged_bits(config: CoreConfig) -> int:
    """Bits of an index of the tables with path."""
    return exact_log2(config.bht_entries // 2)


def longer(path, group):
    """The path with one more taken control transfer at its end: an instruction that ends in `group`."""
    return ((path << EVENT_BITS) ^ group[:ADDRESS_BITS])[:PATH_BITS]


def fold(value: Value, bits: int) -> Value:
    """`value` hashed to `bits` bits by exclusive or."""
    return reduce(xor, (value[low:low + bits] for low in range(0, len(value), bits)), Const(0, bits))


def hash_of(group: Value, bits: int) -> Value:
    """A group's part in `index_of`."""
    return group[:bits] ^ group[bits:2 * bits]


def index_of(group: Value, path: Value, bits: int) -> Value:
    """Index of a table of 2**bits entries for a group and a piece of path."""
    return fold(path, bits) ^ hash_of(group, bits)


def path_tag(path: Value, bits: int) -> Value:
    """A path's part in `tag_of`.  The path of a loop repeats itself, and folds to nothing at widths that divide its
    period; so the tag folds it at another width than the index."""
    return (fold(path, bits - 2) << 1)[:TAG_BITS]


def tag_of(group: Value, path: Value, bits: int) -> Value:
    """Tag to go with `index_of`."""
    return path_tag(path, bits) ^ group[:TAG_BITS]


class DirectionPredictor(wiring.Component):
    """Two-bit counters in three tables: one indexed by address, with a counter for each halfword of a group, and two
    indexed and tagged by address and path, for 7 and 16 taken control transfers.  The tagged table with the longer
    path wins (the idea of A. Seznec and P. Michaud, "A case for (partially) tagged geometric history length branch
    prediction", JILP 8, 2006).  `config.bht_entries` counters in the first, half as many entries in each of the others.

    Mispredicted branches of a CoreMark-like program, `linux` sizes: 5 %, where gshare over the same path has 12 % and
    the first table alone 10 %.

    `next_*` ask for the predictions of the next cycle (kept while `next_en` is 0): where they are in the tables, by
    `index_of`, and the path for the tags, which is `redirect_path` if `redirect`.  There, `taken` are those for the
    branches of `group` that end at `position`.
    `train_*` is the outcome of a branch, with the path as at its prediction.
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__({
            "next_en": In(1),
            "next_base": In(base_bits(config)),
            "next_tagged": In(data.ArrayLayout(tagged_bits(config), len(EVENTS))),
            "next_path": In(PATH_BITS),
            "redirect": In(1),
            "redirect_path": In(PATH_BITS),
            "group": In(TAG_BITS),  # the lowest bits
            "position": In(data.ArrayLayout(2, 2)),
            "taken": Out(2),
            "train": In(1),
            "train_group": In(GROUP_BITS),
            "train_path": In(PATH_BITS),
            "train_position": In(2),
            "train_taken": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        bits, bits_of_base = tagged_bits(self._config), base_bits(self._config)

        # The outcome is worked into the entries in the cycle after they were read.
        trained, position, outcome = Signal(), Signal(2), Signal()
        m.d.sync += [trained.eq(self.train), position.eq(self.train_position), outcome.eq(self.train_taken)]

        def stepped(counter):
            """A counter after the outcome."""
            return Mux(outcome, Mux(counter == 3, 3, counter + 1), Mux(counter == 0, 0, counter - 1))

        m.submodules.base = base = memory.Memory(shape=data.ArrayLayout(2, 4), depth=1 << bits_of_base,
                                                 init=[[2] * 4] * (1 << bits_of_base), attrs=BLOCK)
        base_read, base_old, base_new = base.read_port(), base.read_port(), base.write_port()
        m.d.comb += [
            base_read.addr.eq(self.next_base), base_read.en.eq(self.next_en),
            base_old.addr.eq(index_of(self.train_group, self.train_path[:0], bits_of_base)), base_old.en.eq(self.train),
        ]
        m.d.sync += base_new.addr.eq(base_old.addr)

        # --- predictions, the longest path last
        predictions = [base_read.data[self.position[way]][1] for way in range(2)]
        layout = data.StructLayout({"tag": TAG_BITS, "position": 2, "counter": 2, "useful": 1})
        olds, news, hits, tags = [], [], [], []
        for number, events in enumerate(EVENTS):
            m.submodules[f"tagged{number}"] = table = memory.Memory(
                shape=layout, depth=1 << bits, init=[], attrs=BLOCK)
            read, old, new = table.read_port(), table.read_port(), table.write_port()
            length = events * EVENT_BITS
            tag, old_tag = Signal(TAG_BITS, name=f"tag{number}"), Signal(TAG_BITS, name=f"old_tag{number}")
            own_tag = kept(m, f"own_tag{number}", tag ^ self.group)
            same_tag = kept(m, f"same_tag{number}", equal_pairs(m, f"tag_pair{number}_", read.data.tag, own_tag))
            m.d.comb += [
                read.addr.eq(self.next_tagged[number]), read.en.eq(self.next_en),
                old.addr.eq(index_of(self.train_group, self.train_path[:length], bits)), old.en.eq(self.train),
            ]
            with m.If(self.next_en):  # the group's part follows when it is there
                m.d.sync += tag.eq(Mux(self.redirect, path_tag(self.redirect_path[:length], bits),
                                       path_tag(self.next_path[:length], bits)))
            m.d.sync += [
                old_tag.eq(tag_of(self.train_group, self.train_path[:length], bits)),
                new.addr.eq(old.addr),
            ]
            for way in range(2):
                same_position = kept(m, f"same_position{number}_{way}", read.data.position == self.position[way])
                shorter = kept(m, f"shorter{number}_{way}", predictions[way])
                predictions[way] = Mux(same_tag & same_position, read.data.counter[1], shorter)
            olds.append(old.data)
            news.append(new)
            tags.append(old_tag)
            hits.append(equal_pairs(m, f"old_tag_pair{number}_", old.data.tag, old_tag)
                        & kept(m, f"old_position{number}", old.data.position == position))
        for way in range(2):
            m.d.comb += self.taken[way].eq(kept(m, f"prediction{way}", predictions[way]))

        # --- training: the counter that predicted learns; if it was wrong, a longer path gets an entry
        short_hit, long_hit, wrong = Signal(), Signal(), Signal()
        base_counter = kept(m, "base_counter", base_old.data[position])
        short, long = olds
        short_says = kept(m, "short_says", Mux(short_hit, short.counter[1], base_counter[1]))
        m.d.comb += [
            short_hit.eq(kept(m, "short_known", hits[0])),
            long_hit.eq(kept(m, "long_known", hits[1])),
            wrong.eq(kept(m, "mistaken", Mux(long_hit, long.counter[1], short_says) != outcome)),
            base_new.en.eq(trained & ~short_hit & ~long_hit),
            news[0].en.eq(trained),
            news[1].en.eq(trained),
            news[0].data.eq(short),
            news[1].data.eq(long),
        ]
        m.d.comb += [base_new.data.eq(base_old.data), base_new.data[position].eq(stepped(base_counter))]

        def allocate(number):
            return [
                news[number].data.tag.eq(tags[number]), news[number].data.position.eq(position),
                news[number].data.counter.eq(Mux(outcome, 2, 1)), news[number].data.useful.eq(0),
            ]

        with m.If(long_hit):
            m.d.comb += news[1].data.counter.eq(stepped(long.counter))
            with m.If(long.counter[1] != short_says):
                m.d.comb += news[1].data.useful.eq(~wrong)
        with m.Else():
            with m.If(short_hit):
                m.d.comb += news[0].data.counter.eq(stepped(short.counter))
                with m.If(short.counter[1] != base_counter[1]):
                    m.d.comb += news[0].data.useful.eq(~wrong)
            with m.If(wrong):
                with m.If(~short_hit & ~short.useful):
                    m.d.comb += allocate(0)
                with m.Else():
                    with m.If(~short_hit):
                        m.d.comb += news[0].data.useful.eq(0)
                    with m.If(~long.useful):
                        m.d.comb += allocate(1)
                    with m.Else():
                        m.d.comb += news[1].data.useful.eq(0)
        return m
