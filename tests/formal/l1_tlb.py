"""An L1 TLB by itself: at most one of its entries answers, and answers stay."""

from amaranth.hdl import Assume, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In
from inside import Inside
from prove import claim

from entresol.config import CoreConfig
from entresol.isa.privilege import Priv
from entresol.mmu.tlb import Class, L1Tlb


def canonical(config: CoreConfig, lookup) -> Value:
    """Whether an address is sign-extended, or zero-extended, from the width of guest physical addresses."""
    upper = lookup.vaddr[config.va_bits :]
    return upper.all() | ~upper.any()


class Entries:
    """The entries of an opened `L1Tlb`."""

    def __init__(self, tlb: Inside, number: int):
        self.valid, self.large = tlb["valid"], tlb["large"]
        self.tags = [tlb[f"tag{i}"] for i in range(number)]
        self.classes = [tlb[f"class{i}"] for i in range(number)]

    def apart(self, i: int, j: int) -> Value:
        """Whether no address can match both entries."""
        overlap = (self.classes[i] == self.classes[j]) & (self.tags[i][9:] == self.tags[j][9:]) & (
            self.large[i] | self.large[j] | (self.tags[i][:9] == self.tags[j][:9]))
        return ~(self.valid[i] & self.valid[j] & overlap)


class Alone(wiring.Component):
    """An `L1Tlb` with `number` entries that is filled only for what has been looked up, once."""

    def __init__(self, config: CoreConfig, number: int):
        self._config, self._number = config, number
        self._tlb = Inside(L1Tlb(config, number))
        self._memory = self._tlb.cut("entries")
        members = self._tlb.component.signature.members
        self._ports = [name for name in members]
        super().__init__({**members, "found": In(self._memory.shape)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.tlb = self._tlb.module
        tlb, part, number = self._tlb, self._tlb.component, self._number
        for name in self._ports:
            ours, its = getattr(self, name), getattr(part, name)
            m.d.comb += its.eq(ours) if self.signature.members[name].flow == In else ours.eq(its)
        (read,), (write,) = self._memory.read_ports, self._memory.write_ports
        m.d.comb += read.data.eq(self.found)

        # `isolation.py` proves it of the MMU
        filled, known = Signal(), Signal()
        with m.If(self.fill_en):
            m.d.sync += filled.eq(1)
        with m.If(self.lookup_en):
            m.d.sync += [filled.eq(0), known.eq(1)]
        m.d.comb += Assume(~self.fill_en | known & ~filled & ~self.lookup_en & canonical(self._config, part.asked))

        # The memory, as far as answers go: the same word until something is written
        word, written = Signal.like(read.data), Signal(init=1)
        index = Signal.like(read.addr)
        m.d.sync += [word.eq(read.data), written.eq(write.en), index.eq(read.addr)]
        m.d.comb += Assume(written | (index != read.addr) | (word.as_value() == Value.cast(read.data)))
        answer, ctx = Signal.like(self.result), Signal.like(self.ctx)
        settled = Signal()
        m.d.sync += [answer.eq(self.result), ctx.eq(self.ctx), settled.eq(~self.fill_en & ~self.lookup_en)]
        claim(m, "answers_stay", ~settled | (ctx != self.ctx) | (answer.as_value() == self.result.as_value()))

        entries = Entries(tlb, number)
        page = part.asked.vaddr[12 : self._config.va_bits + 1]
        own_class = Mux(part.asked.mode.priv == Priv.M, Class.M, Mux(part.asked.mode.v, Class.V1, Class.V0))
        for i in range(number):
            for j in range(i):
                claim(m, f"apart{i}_{j}", entries.apart(i, j))
            near = entries.valid[i] & (entries.classes[i] == own_class) & (entries.tags[i][9:] == page[9:])
            near &= canonical(self._config, part.asked)
            same = near & (entries.large[i] | (entries.tags[i][:9] == page[:9]))
            going = tlb["spent"] if i == 0 else 0  # it will be gone before anything is filled
            claim(m, f"known{i}", filled | ~known | going | (
                (~near | tlb["overlap_q"][i]) & (~same | (tlb["match_q"] & (tlb["index_q"] == i)))))
        return m
