"""The pipeline and the core's wiring: what load/store unit, front end and MMU are told of each other and of CSRs.

The proofs of those three (`lsu_requests.py`, `fetch_requests.py`, `isolation.py`) assume what is claimed here.
"""

import legal
from amaranth.hdl import Assume, Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from inside import Anything, Inside
from prove import claim

from entresol.config import CoreConfig
from entresol.core import Core
from entresol.execute.types import Executed
from entresol.isa.control import CsrOp, SysOp, Unit
from entresol.isa.privilege import Priv
from entresol.memory.arbiter import DATA_ID, FETCH_ID
from entresol.privileged import block_control
from entresol.privileged import legality as legality_of
from entresol.privileged.block_control import BlockControl
from entresol.privileged.csr_access import CsrAccess, CsrDecoder
from entresol.privileged.exceptions import FETCH_FAULTS
from entresol.privileged.legality import Legality

MPRV, MPP, MPV, SPVP = 17, 11, 39, 8  # bits of mstatus and hstatus


class Pipeline(wiring.Component):
    """The core of `config` around load/store unit, front end and MMU, which are left out (they may do anything), as
    are the decoder, multiplier and divider."""

    def __init__(self, config: CoreConfig):
        self._config = config
        self._core = core = Inside(Core(config))
        self._execute = core.part("execute")
        self._commit = core.part("commit")
        self._csr = self._commit.part("csr").component
        self._cut = {name: core.cut(name)
                     for name in ("frontend", "decode", "lsu", "mmu", "multiplier", "divider")}
        self._anything = Anything(**self._cut)
        members = {name: member for name, member in core.component.signature.members.items()
                   if name != "retire" and name != "events"}
        self._ports = list(members)
        super().__init__({**members, **self._anything.members})

    def elaborate(self, platform):
        m = Module()
        m.submodules.core = self._core.module
        self._anything.drive(m, self)
        self._core.join(m, self, self._ports)
        # proven in `test_csr_values.py`
        previous = self._csr._register("mstatus")[MPP : MPP + 2]
        m.d.comb += [
            *(Assume(condition) for condition in legal.mode(self._csr.mode).values()),
            Assume(previous != 2),
        ]
        self._load_store(m)
        self._changes(m)
        self._modes(m)
        self._wiring(m)
        return m

    def _load_store(self, m):
        """The load/store unit's place in stage M."""
        lsu, held, csr = self._cut["lsu"], self._execute.component, self._csr
        self._first, self._in_m = first, in_m = Signal(name="first"), Signal(name="in_m")
        fire = lsu.x_fire | lsu.x_fire_if_hit & lsu.m_hit
        fires = fire & ~lsu.x_flush
        m.d.sync += [first.eq(fires), in_m.eq(fires | in_m & ~lsu.m_done & ~lsu.m_kill)]
        # proven in `lsu_requests.py`
        m.d.comb += [Assume(~lsu.m_faulted | lsu.m_done), Assume(~lsu.m_done | in_m),
                     Assume(lsu.m_done == (lsu.m_done_anyway | lsu.m_done_if_hit & lsu.m_hit)),
                     Assume(~lsu.m_done_if_hit | in_m & ~lsu.m_faulted)]
        claim(m, "killed_at_once", ~lsu.m_kill | first | ~in_m)
        claim(m, "one_at_a_time", ~fire | ~in_m | lsu.m_done & (~lsu.m_kill | lsu.x_flush))
        claim(m, "flushed_when_done", ~self._commit.component.redirect_valid | ~in_m | lsu.m_done | lsu.m_kill)
        instr = held.m
        assert instr.shape() is Executed
        units = {Unit.LSU: instr.is_lsu, Unit.DIV: instr.is_div, Unit.CSR: instr.is_csr, Unit.SYSTEM: instr.is_system}
        m.submodules.decoder = decoder = CsrDecoder(self._config)
        m.d.comb += [decoder.addr.eq(instr.insn[20:32]), decoder.v.eq(csr.mode.v)]
        refused = self._refused(m, instr, decoder)
        sound = ~instr.fault & ~refused
        claim(m, "units", ~held.m_valid | Cat(told == (sound & (instr.control.unit == unit))
                                              for unit, told in units.items()).all())
        claim(m, "refused_traps", ~held.m_valid | sound | instr.early.valid)
        early = instr.early
        known = ~instr.fault | early.cause.matches(*FETCH_FAULTS)
        claim(m, "delegated", ~(held.m_valid & early.valid & known) | (Cat(early.below_m, early.to_vs) == Cat(
            vector.bit_select(early.cause, 1) for vector in (csr.exception_below_m, csr.exception_to_vs))))
        killed = self._commit["interrupt"] | self._commit["faulted"]  # a cycle before
        claim(m, "in_m", in_m == held.m_valid & instr.is_lsu & ~killed)
        claim(m, "first", ~in_m | (first == held.m_first))
        claim(m, "first_in_m", ~first | in_m)
        claim(m, "no_jump", ~in_m | ~instr.misaligned)
        claim(m, "decoded_csr", ~(held.m_valid & (instr.control.unit == Unit.CSR)) | (
            held.m_csr.as_value() == decoder.decoded.as_value()))
        returns = instr.is_system & instr.control.op.matches(SysOp.MRET, SysOp.SRET)
        claim(m, "decoded_return", ~(held.m_valid & returns) | (held.m_csr.word == decoder.decoded.word))

    def _refused(self, m, instr, decoder):
        """Whether the instruction in M must not be executed, by what the registers hold while it is there: X decides,
        and nothing changes that before M."""
        csr = self._csr
        m.submodules.access = access = CsrAccess(self._config)
        m.submodules.legality = legality = Legality()
        m.submodules.blocks = blocks = BlockControl()  # of its first operation, a load, nothing is said
        writes = Signal(name="writes")
        m.d.comb += [
            writes.eq((instr.control.op == CsrOp.RW) | (instr.insn[15:20] != 0)),
            access.valid.eq(instr.control.unit == Unit.CSR),
            access.csr.eq(decoder.permission),
            access.write.eq(writes),
            access.mode.eq(csr.mode),
            *(getattr(access, control.replace(".", "_")).eq(csr._get(control)) for control in access.controls),
            legality.op.eq(instr.control.op),
            legality.mode.eq(csr.mode),
            *(getattr(legality, name).eq(csr._get(f"{register}.{name}"))
              for register, names in legality_of.FIELDS.items() for name in names),
        ]
        if self._config.has("zicbom") or self._config.has("zicboz"):  # without, the decoder knows no such operation
            m.d.comb += [
                blocks.op.eq(instr.control.op),
                blocks.mode.eq(csr.mode),
                *(getattr(blocks, register)[name].eq(csr._get(f"{register}.{name}"))
                  for register, names in block_control.FIELDS.items() for name in names),
            ]
        claim(m, "writes_csr", ~self._execute.component.m_valid | (instr.writes_csr == writes))
        is_lsu, hlsv = instr.control.unit == Unit.LSU, instr.control.hlsv
        return (instr.control.illegal | access.illegal | access.virtual
                | (instr.control.unit == Unit.SYSTEM) & (legality.sys_illegal | legality.sys_virtual)
                | is_lsu & (blocks.illegal | blocks.virtual
                            | hlsv & (legality.hlsv_illegal | legality.hlsv_virtual)))

    def _changes(self, m):
        """What changes CSRs leaves nothing under way."""
        frontend, lsu, mmu = (self._cut[name] for name in ("frontend", "lsu", "mmu"))
        csr = self._csr
        started, redirected = Signal(), Signal(init=1)
        m.d.sync += [started.eq(1), redirected.eq(frontend.redirect_valid)]

        def changed(name: str, value) -> Value:
            value = Value.cast(value)
            before = Signal(len(value), name=f"{name}_before")
            m.d.sync += before.eq(value)
            return started & (before != value)

        for name, value in (("satp", mmu.ctx.satp), ("vsatp", mmu.ctx.vsatp), ("hgatp", mmu.ctx.hgatp),
                            ("ctx", mmu.ctx), ("pmp", mmu.pmp)):
            claim(m, f"{name}_alone", ~changed(name, value) | redirected & ~self._in_m)
        claim(m, "mode_alone", ~changed("mode", frontend.mode) | redirected & ~self._in_m)
        for name, mode in (("data_mode", csr.data_mode), ("hlsv_mode", csr.hlsv_mode)):
            claim(m, f"{name}_alone", ~changed(name, mode) | ~self._in_m)
        claim(m, "fence_alone", ~mmu.fence_valid | ~self._in_m)
        claim(m, "fence_likely", ~mmu.fence_valid | mmu.fence_likely)
        claim(m, "fence_redirects", ~(mmu.fence_valid & mmu.fence_done) | frontend.redirect_valid)
        claim(m, "redirect_at_first", started | frontend.redirect_valid)
        claim(m, "redirects_stop", ~self._commit.component.redirect_valid | lsu.x_flush)

    def _modes(self, m):
        """Whose accesses they are."""
        lsu, frontend = self._cut["lsu"], self._cut["frontend"]
        csr = self._csr
        mstatus, hstatus = csr._register("mstatus"), csr._register("hstatus")
        priv, v = Signal(2, name="explicit_priv"), Signal(name="explicit_v")
        previous = mstatus[MPP : MPP + 2]
        with m.If(self._cut["decode"].x.control.hlsv):
            # "Hypervisor Virtual-Machine Load and Store Instructions"
            m.d.comb += [priv.eq(hstatus[SPVP]), v.eq(1)]
        with m.Elif(mstatus[MPRV]):
            # "Effect of MPRV on the translation and protection of explicit memory accesses"
            m.d.comb += [priv.eq(previous), v.eq(mstatus[MPV] & (previous != Priv.M.value))]
        with m.Else():
            m.d.comb += [priv.eq(csr.mode.priv), v.eq(csr.mode.v)]
        fire = lsu.x_fire | lsu.x_fire_if_hit
        claim(m, "explicit_mode", ~fire | (Cat(lsu.x.mode.priv.as_value(), lsu.x.mode.v) == Cat(priv, v)))
        claim(m, "fetch_mode", frontend.mode == csr.mode)

    def _wiring(self, m):
        """The ports between MMU, requesters and bus."""
        frontend, lsu, mmu = (self._cut[name] for name in ("frontend", "lsu", "mmu"))
        csr = self._csr
        for name, client, side in (("fetch", frontend, mmu.i), ("data", lsu, mmu.d)):
            to_mmu = ("lookup_en", "lookup", "walk_valid")
            claim(m, f"{name}_asks", Cat(getattr(client, each) for each in to_mmu)
                  == Cat(getattr(side, each) for each in to_mmu))
            from_mmu = ("tlb", "walk_done", "walk_faulted", "walk_fault")
            claim(m, f"{name}_is_answered", Cat(getattr(client, each) for each in from_mmu)
                  == Cat(getattr(side, each) for each in from_mmu))
        asks = ("ptw_valid", "ptw_update", "ptw_addr", "ptw_expected", "ptw_data")
        claim(m, "walker_asks", Cat(getattr(lsu, name) for name in asks) == Cat(getattr(mmu, name) for name in asks))
        answers = ("ptw_done", "ptw_rdata", "ptw_error", "ptw_mismatch")
        claim(m, "walker_is_answered",
              Cat(getattr(lsu, name) for name in answers) == Cat(getattr(mmu, name) for name in answers))
        for name in ("satp", "vsatp", "hgatp"):
            claim(m, f"{name}_in_force", mmu.ctx[name].as_value() == csr._register(name))

        axi = self.axi
        for channel in ("ar", "aw"):
            def same(side, channel=channel):
                return Cat(getattr(axi, channel + part) == getattr(side.axi, channel + part)
                           for part in ("addr", "len", "size", "burst")).all() & getattr(side.axi, f"{channel}valid")

            whose = getattr(axi, f"{channel}id")
            claim(m, f"{channel}_of_whom", ~getattr(axi, f"{channel}valid") | Mux(
                whose == DATA_ID, same(lsu), (whose == FETCH_ID) & same(frontend) & (channel == "ar")))
