"""Physical memory attributes, from the configuration's regions."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config import CoreConfig


class Pma(wiring.Component):
    """Attributes of the 4 KiB page `ppn` (combinational; `ppn` in pages, `config.bus_bits` - 12 bits).

    `memory`: main memory (cached, executable, may hold page tables); `io`: device; neither: an access fault.
    `large`: the same holds for the whole 2 MiB around the page.
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__(
            {
                "ppn": In(config.bus_bits - 12),
                "memory": Out(1),
                "io": Out(1),
                "large": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        for region in self._config.regions:
            low, high = region.base >> 12, region.end >> 12
            inside = (self.ppn >= low) & (self.ppn < high)
            with m.If(inside):
                m.d.comb += (self.io if region.io else self.memory).eq(1)
            first, last = -(-low // 512), high // 512
            if first < last:
                with m.If((self.ppn[9:] >= first) & (self.ppn[9:] < last)):
                    m.d.comb += self.large.eq(1)
        return m
