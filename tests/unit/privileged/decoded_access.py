"""Permission to access CSRs, by their addresses."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from entresol.config import CoreConfig
from entresol.privileged.csr_access import CsrAccess, CsrDecoder


class Access(wiring.Component):
    """`CsrAccess` behind the decoder of addresses, `addr`."""

    def __init__(self, config: CoreConfig):
        self._decoder, self._access = CsrDecoder(config), CsrAccess(config)
        self.controls = self._access.controls
        members = dict(self._access.signature.members)
        del members["csr"]
        super().__init__({**members, "addr": In(12)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.decoder, m.submodules.access = decoder, access = self._decoder, self._access
        m.d.comb += [decoder.addr.eq(self.addr), access.csr.eq(decoder.permission)]
        for name, member in self.signature.members.items():
            if member.flow == Out:
                m.d.comb += getattr(self, name).eq(getattr(access, name))
            elif name != "addr":
                m.d.comb += getattr(access, name).eq(getattr(self, name))
        return m
