"""What reading a register gives when hardware has the register itself in use: copies, in memories."""

from amaranth.hdl import Cat, Module, ResetSignal, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ..config import CoreConfig
from ..isa.csrs import Csr, Kind, Otherwise, csr_table
from .trap_registers import readable

DEPTH = 16  # words of a memory


def copied(config: CoreConfig) -> list[dict[str, int]]:
    """Registers of some width that only software writes, and their words, by memory.

    Hardware looks at all of them all the time, so that they are registers nonetheless; but a multiplexer for reading
    them would need more wires than anything else in the core.
    """
    table = csr_table(config)
    names = ("satp", "vsatp", "mtvec", "stvec", "vstvec", "stimecmp", "vstimecmp", "htimedelta")
    groups = [{name: word for word, name in enumerate(names) if name in table}]
    for first in range(0, config.pmp_entries, DEPTH):
        groups.append({f"pmpaddr{first + word}": word for word in range(DEPTH)})
    for csr in (table[name] for group in groups for name in group):
        for field in csr.fields:
            # A write sets all of it, to what is written but for bits that do not exist, or nothing.
            assert field.kind is Kind.STORED and not field.reset and not field.gate and field.mask == -1
            assert field.legal is None or len(field.legal) == 1 << field.width or field.otherwise is Otherwise.DROP
    return groups


class CsrCopies(wiring.Component):
    """A memory of the registers `words`, by their word.

    With `access`, `rdata` (64 bits) is what `word` holds, 0 otherwise; `write` sets it to `wdata`.  Bits that a
    register does not have are left out when it is read.  A reset of `DEPTH` cycles makes all of it zero, as it does
    the registers.
    """

    def __init__(self, words: dict[int, Csr]):
        self._bits = {word: frozenset(bit for field in csr.fields for bit in range(field.low, field.low + field.width))
                      for word, csr in words.items()}  # fmt: skip
        super().__init__({
            "access": In(1), "word": In(range(DEPTH)), "rdata": Out(64), "write": In(1), "wdata": In(64),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        width = max(max(bits) for bits in self._bits.values()) + 1
        m.submodules.words = words = memory.Memory(shape=width, depth=DEPTH, init=[])
        read, write = words.read_port(domain="comb"), words.write_port()
        m.d.comb += [
            read.addr.eq(self.word),
            self.rdata.eq(Cat(readable(m, read.data, self.word, self.access, self._bits))),
            write.en.eq(self.write),
            write.addr.eq(self.word),
            write.data.eq(self.wdata),
        ]
        sweep = Signal(range(DEPTH), reset_less=True)
        with m.If(ResetSignal(allow_reset_less=True)):
            m.d.sync += sweep.eq(sweep + 1)
            m.d.comb += [write.en.eq(1), write.addr.eq(sweep), write.data.eq(0)]
        return m
