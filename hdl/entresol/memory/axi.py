"""AXI4 signature (AMBA AXI and ACE protocol specification, AXI4), 64-bit data."""

from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out


class Burst(enum.Enum, shape=2):
    """AxBURST."""

    FIXED = 0
    INCR = 1
    WRAP = 2


class Resp(enum.Enum, shape=2):
    """xRESP."""

    OKAY = 0
    EXOKAY = 1
    SLVERR = 2
    DECERR = 3


class Axi4(wiring.Signature):
    """An AXI4 manager's view (flip it for a subordinate).

    Parameters: `addr_width` bits of byte address, `id_width` bits of transaction ID; data is 64 bits wide.
    """

    def __init__(self, addr_width: int, id_width: int = 2):
        self.addr_width = addr_width
        self.id_width = id_width
        address = {
            "valid": Out(1), "ready": In(1), "addr": Out(addr_width), "id": Out(id_width),
            "len": Out(8), "size": Out(3), "burst": Out(Burst), "lock": Out(1), "cache": Out(4), "prot": Out(3),
        }
        members = {f"{channel}{name}": shape for channel in ("aw", "ar") for name, shape in address.items()}
        members |= {
            "wvalid": Out(1), "wready": In(1), "wdata": Out(64), "wstrb": Out(8), "wlast": Out(1),
            "bvalid": In(1), "bready": Out(1), "bid": In(id_width), "bresp": In(Resp),
            "rvalid": In(1), "rready": Out(1), "rid": In(id_width), "rdata": In(64), "rresp": In(Resp), "rlast": In(1),
        }
        super().__init__(members)

    def __eq__(self, other):
        return isinstance(other, Axi4) and (self.addr_width, self.id_width) == (other.addr_width, other.id_width)

    def __repr__(self):
        return f"Axi4({self.addr_width}, {self.id_width})"
