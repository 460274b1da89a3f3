"""The platform-level interrupt controller (RISC-V PLIC specification 1.0.0, with SiFive's register layout)."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .bus import DeviceBus

PRIORITY = 0x00_0000  # offsets in bytes; 4 for each source
PENDING = 0x00_1000
ENABLE = 0x00_2000  # 0x80 for each context
CONTEXT = 0x20_0000  # 0x1000 for each context: threshold, claim/complete
PRIORITY_BITS = 3


class Plic(wiring.Component):
    """`sources` interrupt sources (1 to 1023), `contexts` targets, priorities 0 to 7.

    Bit n of `lines` is the level of source n; source 0 does not exist.  A gateway forwards a high level once, then
    waits for the completion.  Bit c of `interrupts` is set while an enabled source with a priority above the
    threshold of context c is pending.  A claim returns the enabled pending source of the highest priority (the
    lowest number among equals), whatever the threshold; priority 0 never interrupts.  A completion for a source that
    is not enabled for the context is ignored.

    `interrupts` follows registers and gateways after two cycles; a claim is never stale, because the bus leaves
    enough time between accesses.  Registers take aligned 32-bit accesses, others are refused; reserved offsets read
    as zero and ignore writes.
    """

    def __init__(self, addr_width: int, sources: int = 31, contexts: int = 2):
        if not 1 <= sources <= 1023:
            raise ValueError(f"A PLIC has 1 to 1023 sources, not {sources}.")
        self.sources = sources
        self._contexts = contexts
        super().__init__({
            "bus": In(DeviceBus(addr_width)),
            "lines": In(sources + 1),
            "interrupts": Out(contexts),
        })

    def elaborate(self, platform):
        m = Module()
        bus = self.bus
        count = self.sources + 1
        id_bits = (count - 1).bit_length()
        words = -(-count // 32)
        exists = Const((1 << count) - 2, count)  # every source but 0

        planes = [Signal(count, name=f"priority{bit}") for bit in range(PRIORITY_BITS)]  # a bit of all priorities each
        pending = Signal(count)
        in_flight = Signal(count)  # forwarded by the gateway, not yet completed
        enable = [Signal(count, name=f"enable{context}") for context in range(self._contexts)]
        threshold = [Signal(PRIORITY_BITS, name=f"threshold{context}") for context in range(self._contexts)]
        best = [Signal(id_bits, name=f"best{context}") for context in range(self._contexts)]

        # --- selection, one priority bit at a time from the top: whoever has it stays, if anybody has
        for context in range(self._contexts):
            candidates = pending & enable[context] & (planes[0] | planes[1] | planes[2])
            highest = []
            for plane in reversed(planes):
                having = Signal(count, name=f"having{context}_{len(highest)}")
                left = Signal(count, name=f"left{context}_{len(highest)}")
                m.d.comb += [having.eq(candidates & plane), left.eq(Mux(having.any(), having, candidates))]
                highest.insert(0, having.any())
                candidates = left
            lowest = Signal(count, name=f"lowest{context}")  # one-hot
            m.d.comb += lowest.eq(candidates & -candidates)
            m.d.sync += [
                best[context].eq(Cat((lowest & _numbers_with_bit(bit, count)).any() for bit in range(id_bits))),
                self.interrupts[context].eq(Cat(highest) > threshold[context]),
            ]

        # --- registers: 32 bits wide, two to a doubleword
        upper = bus.mask[4]
        apt = (bus.mask == 0x0F) | (bus.mask == 0xF0)
        addr = Cat(upper, bus.addr)  # in words
        rdata = Signal(32)
        wdata = Signal(32)
        m.d.comb += wdata.eq(Mux(upper, bus.wdata[32:], bus.wdata[:32]))
        read = bus.en & apt & ~bus.write
        write = bus.en & apt & bus.write
        number = Signal(id_bits)  # the source that the access is about, and the same one-hot
        chosen = Signal(count)
        claimed = Signal(count)
        completed = Signal(count)
        m.d.comb += [number.eq(addr), chosen.eq((1 << number) & exists)]

        def at(offset: int, low: int):
            """Whether the access lies within the 1 << low bytes at `offset`."""
            return addr[low - 2:] == offset >> low

        for index in range(words):
            part = slice(32 * index, 32 * index + 32)
            with m.If(at(PENDING + 4 * index, 2)):
                m.d.comb += rdata.eq(pending[part])
            for context in range(self._contexts):
                with m.If(at(ENABLE + 0x80 * context + 4 * index, 2)):
                    m.d.comb += rdata.eq(enable[context][part])
                    with m.If(write):
                        m.d.sync += enable[context][part].eq(wdata & exists[part])
        with m.If(at(PRIORITY, id_bits + 2)):
            for bit, plane in enumerate(planes):
                m.d.comb += rdata[bit].eq((plane & chosen).any())
                with m.If(write):
                    m.d.sync += plane.eq(Mux(wdata[bit], plane | chosen, plane & ~chosen))
        for context in range(self._contexts):
            with m.If(at(CONTEXT + 0x1000 * context, 2)):
                m.d.comb += rdata.eq(threshold[context])
                with m.If(write):
                    m.d.sync += threshold[context].eq(wdata)
            with m.If(at(CONTEXT + 0x1000 * context + 4, 2)):
                m.d.comb += rdata.eq(best[context])
                with m.If(read):
                    m.d.comb += [number.eq(best[context]), claimed.eq(chosen)]
                with m.If(write & (wdata < count)):
                    m.d.comb += [number.eq(wdata), completed.eq(chosen & enable[context])]
        with m.If(bus.en):
            m.d.sync += [bus.rdata.eq(rdata.replicate(2)), bus.error.eq(~apt)]

        # --- gateways
        forwarded = self.lines & ~in_flight & exists
        m.d.sync += [
            pending.eq((pending | forwarded) & ~claimed),
            in_flight.eq((in_flight | forwarded) & ~completed),
        ]
        return m


def _numbers_with_bit(bit: int, count: int) -> int:
    """The set of those numbers below `count` that have `bit` set, as a mask."""
    return sum(1 << number for number in range(count) if number >> bit & 1)
