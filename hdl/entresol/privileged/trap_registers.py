"""The registers that only traps and CSR instructions touch, in a memory: xscratch, xepc, xtval, mtval2, htval, mtinst
and htinst."""

from collections.abc import Iterator, Mapping
from functools import reduce
from itertools import groupby
from operator import or_

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ..config import CoreConfig
from ..isa.csrs import csr_table
from ..isa.privilege import Mode, Priv

#: The registers by their word.  A mode has four words, in the order of bits 9:8 of addresses; user mode has no traps,
#: and so its words hold what only traps to M- and HS-mode write.
TRAP_WORDS = {
    "mtval2": 0, "htval": 1, "mtinst": 2, "htinst": 3,
    **{prefix + name: 4 * level + word for prefix, level in (("s", 1), ("vs", 2), ("m", 3))
       for name, word in (("scratch", 0), ("epc", 1), ("tval", 3))},
}


def readable(m: Module, data: Value, word: Value, valid: Value, bits: Mapping[int, frozenset[int]]) -> Iterator[Value]:
    """`data`, from bit 0 upwards, with `valid` and of what `word` has according to `bits`; else zeros."""
    absent = [tuple(word for word, present in bits.items() if bit not in present) for bit in range(len(data))]
    low = 0
    for without, run in groupby(absent):
        high = low + len(list(run))
        enable = Signal(name=f"enable{low}")
        m.d.comb += enable.eq(valid & ~word.matches(*without))
        yield Mux(enable, data[low:high], 0)
        low = high


class TrapRegisters(wiring.Component):
    """A memory of 16 words of 64 bits, which has one port where registers would have a multiplexer each way.

    With `access`, `rdata` is what `word` holds, 0 otherwise; `write` sets it to `wdata`.  `pc` is the word as an
    address of an instruction.  In the cycle after a write `seen` is what a read gives.  Bits that a register does not
    have are left out when it is read.

    `trap_valid` writes the values of a trap to `target`, one in each of the four cycles that follow; with `held` those
    of `tval`, `gpa` and `tinst` in the cycle before.  The handler's
    first instruction does not read them before the fifth: it takes three to be fetched and one to execute.
    """

    def __init__(self, config: CoreConfig):
        self._table = csr_table(config)
        super().__init__({
            "access": In(1),
            "word": In(4),
            "rdata": Out(64),
            "pc": Out(64),
            "write": In(1),
            "wdata": In(64),
            "seen": Out(64),
            "trap_valid": In(1),
            "held": In(1),
            "target": In(Mode),
            "epc": In(64),
            "tval": In(64),
            "gpa": In(62),  # >> 2
            "tinst": In(32),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.words = words = memory.Memory(shape=64, depth=16, init=[])
        read, seen, write = words.read_port(domain="comb"), words.read_port(domain="comb"), words.write_port()
        fields = {word: self._table[name].field("value") for name, word in TRAP_WORDS.items() if name in self._table}
        bits = {word: frozenset(range(field.low, field.low + field.width)) for word, field in fields.items()}
        low = self._table["mepc"].field("value").low
        m.d.comb += [
            read.addr.eq(self.word),
            self.rdata.eq(Cat(readable(m, read.data, self.word, self.access, bits))),
            self.pc.eq(Cat(C(0, low), read.data[low:])),
            self.seen.eq(Cat(readable(m, seen.data, seen.addr, C(1, 1), bits))),
        ]
        m.d.sync += seen.addr.eq(self.word)

        # --- the values of a trap
        epc, tval, gpa, tinst = Signal(64), Signal(64), Signal(62), Signal(32)
        to_m, v = Signal(), Signal()
        turn = Signal(4)
        m.d.sync += turn.eq(Cat(self.trap_valid, turn[:3 if "mtval2" in self._table else 1]))
        with m.If(~turn.any()):
            m.d.sync += [epc.eq(self.epc), to_m.eq(self.target.priv == Priv.M), v.eq(self.target.v)]
            with m.If(~self.held):
                m.d.sync += [tval.eq(self.tval), gpa.eq(self.gpa), tinst.eq(self.tinst)]

        # --- software writes, or one of these is written; never both
        written = [(self.write, self.wdata), *zip(turn, (epc, tval, gpa, tinst), strict=True)]
        m.d.comb += [
            write.en.eq(self.write | turn[:2].any() | (turn[2:].any() & ~v)),
            write.addr.eq(self.word),
            write.data.eq(reduce(or_, (Mux(chosen, value, 0) for chosen, value in written))),
        ]
        with m.If(turn[:2].any()):
            m.d.comb += write.addr.eq(Cat(1, turn[1], ~v, to_m | v))
        with m.If(turn[2:].any()):
            m.d.comb += write.addr.eq(Cat(~to_m, turn[3], C(0, 2)))
        return m
