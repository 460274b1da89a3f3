"""The bus between the AXI4 bridge and the devices, and arithmetic on AXI4 burst addresses."""

from amaranth.hdl import Cat, Const, Mux, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config import Region
from ..memory.axi import Burst


class DeviceBus(wiring.Signature):
    """The bridge's view of a device that occupies `1 << addr_width` bytes.

    Every access takes two cycles, so that no device can hang the bus: `en` for one cycle, and from the next one on
    the device drives `rdata` and `error` and holds them until the next `en`.  Between two reads, or a write and a
    read, there are at least two cycles without `en`.

    `addr` is the offset in doublewords (8 bytes), `mask` the bytes of the doubleword that are accessed, for reads
    too (reads may have side effects); `wdata` and `rdata` are in their byte lanes.  `error` refuses the access,
    which then had no effect.
    """

    def __init__(self, addr_width: int):
        self.addr_width = addr_width
        super().__init__({
            "en": Out(1), "write": Out(1), "addr": Out(addr_width - 3), "mask": Out(8), "wdata": Out(64),
            "rdata": In(64), "error": In(1),
        })

    def __eq__(self, other):
        return isinstance(other, DeviceBus) and self.addr_width == other.addr_width

    def __repr__(self):
        return f"DeviceBus({self.addr_width})"


def region_bits(region: Region) -> int:
    """Bits of a byte offset within `region`."""
    return (region.size - 1).bit_length()


def in_region(addr: Value, region: Region) -> Value:
    """1 bit: whether the byte address `addr` lies in `region`."""
    bits = region_bits(region)
    if region.size == 1 << bits and region.base % region.size == 0:
        return addr[bits:] == region.base >> bits
    return (addr[12:] >= region.base >> 12) & (addr[12:] < region.end >> 12)


def region_offset(addr: Value, region: Region) -> Value:
    """Byte offset of `addr`, which lies in `region`, within it; `region_bits(region)` bits."""
    bits = region_bits(region)
    low = region.base & (1 << bits) - 1
    return (addr[:bits] - Const(low, bits))[:bits] if low else addr[:bits]


def next_address(addr: Value, size: Value, length: Value, burst: Value) -> Value:
    """Byte address of the beat after the one at `addr` (AMBA AXI specification, "Burst address").

    `size`, `length` and `burst` are AxSIZE (at most 3), AxLEN and AxBURST of the transaction.
    """
    step = Const(1, 4) << size[:2]
    below = (step - 1)[:3]
    following = (Cat(addr[:3] & ~below, addr[3:12]) + step)[:12]  # a burst does not cross a 4 KiB boundary
    # The container a WRAP burst stays in: at most 16 beats of 8 bytes.
    wrap = ((length[:4] << size[:2]) | below)[:7]
    low = Mux(burst == Burst.WRAP, (following[:7] & wrap) | (addr[:7] & ~wrap), following[:7])
    high = Mux(burst == Burst.WRAP, addr[7:12], following[7:])
    return Mux(burst == Burst.FIXED, addr, Cat(low, high, addr[12:]))
