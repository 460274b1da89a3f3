"""Who may execute cache-block operations, and what CBO.INVAL does there (unprivileged manual, "CSR controls for CMO
instructions"; hypervisor chapter, "Hypervisor Environment Configuration Register (henvcfg)")."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from ..isa.control import LsuOp
from ..isa.privilege import Mode, Priv

#: What it looks at, by register.
FIELDS = {register: ("cbie", "cbcfe", "cbze") for register in ("menvcfg", "henvcfg", "senvcfg")}


class Invalidate(enum.Enum, shape=2):
    """xenvcfg.CBIE, 2 bits: what CBO.INVAL does below."""

    TRAP = 0
    FLUSH = 1
    INVALIDATE = 3


class BlockControls(data.Struct):
    """The fields of menvcfg, henvcfg or senvcfg that concern cache blocks."""

    cbie: 2  # an `Invalidate`
    cbcfe: 1  # CBO.CLEAN and CBO.FLUSH are enabled
    cbze: 1  # CBO.ZERO is enabled


class BlockControl(wiring.Component):
    """Refuses cache-block operations; combinational, `illegal` and `virtual` never both, and neither for other
    operations.  `inval_flushes`, whatever `op`: CBO.INVAL is to be executed as CBO.FLUSH in `mode`."""

    op: In(LsuOp)
    mode: In(Mode)
    menvcfg: In(BlockControls)
    henvcfg: In(BlockControls)
    senvcfg: In(BlockControls)
    illegal: Out(1)
    virtual: Out(1)
    inval_flushes: Out(1)

    def elaborate(self, platform):
        m = Module()
        below_m, user = Signal(), Signal()
        m.d.comb += [below_m.eq(self.mode.priv != Priv.M), user.eq(self.mode.priv == Priv.U)]
        levels = ((self.menvcfg, below_m), (self.henvcfg, self.mode.v), (self.senvcfg, user))

        def refuse(enabled):
            """`enabled`, of menvcfg, henvcfg and senvcfg."""
            m.d.comb += [
                self.illegal.eq((below_m & ~enabled[0]) | (user & ~self.mode.v & ~enabled[2])),
                self.virtual.eq(self.mode.v & enabled[0] & (~enabled[1] | (user & ~enabled[2]))),
            ]

        with m.Switch(self.op):
            with m.Case(LsuOp.CBO_INVAL):
                refuse([level.cbie != Invalidate.TRAP.value for level, _ in levels])
            with m.Case(LsuOp.CBO_CLEAN, LsuOp.CBO_FLUSH):
                refuse([level.cbcfe for level, _ in levels])
            with m.Case(LsuOp.CBO_ZERO):
                refuse([level.cbze for level, _ in levels])
        for level, applies in levels:
            with m.If(applies & (level.cbie == Invalidate.FLUSH.value)):
                m.d.comb += self.inval_flushes.eq(1)
        return m
