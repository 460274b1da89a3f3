"""The core: the assembly of its parts."""

from amaranth.hdl import Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .config import CoreConfig
from .execute.bits import kept
from .execute.decode_stage import DecodeStage
from .execute.divider import Divider
from .execute.execute_stage import ExecuteStage
from .execute.multiplier import Multiplier
from .execute.types import Bubble
from .frontend.frontend import Frontend
from .isa.control import Unit
from .memory.arbiter import AxiArbiter
from .memory.axi import Axi4
from .memory.lsu import Lsu
from .mmu.mmu import Mmu
from .observe import Events, Retire
from .privileged.commit import Commit


class Core(wiring.Component):
    """A RISC-V hart with one AXI4 manager port.

    `time` is the platform's counter (read by the `time` CSR), the interrupt lines are levels; `flush_valid` held
    until `flush_done` writes the data cache back and empties it, so that somebody else may access memory.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        super().__init__({
            "axi": Out(Axi4(config.bus_bits, id_width=2)),
            "msi": In(1),
            "mti": In(1),
            "mei": In(1),
            "sei": In(1),
            "sgei": In(config.geilen),
            "time": In(64),
            "retire": Out(Retire),
            "events": Out(Events),
            "flush_valid": In(1),
            "flush_done": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.frontend = frontend = Frontend(config)
        m.submodules.decode = decode = DecodeStage(config)
        m.submodules.execute = execute = ExecuteStage(config)
        m.submodules.multiplier = multiplier = Multiplier()
        m.submodules.divider = divider = Divider()
        m.submodules.lsu = lsu = Lsu(config)
        m.submodules.mmu = mmu = Mmu(config)
        m.submodules.commit = commit = Commit(config)
        m.submodules.arbiter = arbiter = AxiArbiter(config)
        csr = commit.csr

        # --- where to go on
        m.d.comb += [
            frontend.redirect_valid.eq(commit.redirect_valid),
            frontend.redirect_pc.eq(commit.redirect_pc),
            frontend.branch_valid.eq(execute.redirect_valid),
            frontend.branch_pc.eq(execute.redirect_pc),
            frontend.invalidate.eq(commit.invalidate_icache),
            frontend.mode.eq(csr.mode),
            frontend.update.eq(execute.update),
        ]

        # --- D
        wiring.connect(m, frontend.instr, decode.instr)
        with m.If(frontend.walk_valid):
            m.d.comb += decode.no_instr.eq(Mux(mmu.walking_g, Bubble.WALK_G, Mux(mmu.walking_vs, Bubble.WALK_VS,
                                                                                Bubble.TLB)))
        with m.Else():
            m.d.comb += decode.no_instr.eq(Bubble.FRONTEND)
        m.d.comb += [
            decode.m_free_anyway.eq(commit.free_anyway),
            decode.m_free_if_done.eq(commit.free_if_done),
            decode.m_done_if_hit.eq(lsu.m_done_if_hit),
            decode.m_hit.eq(lsu.m_hit),
            decode.flush.eq(commit.redirect_valid),
            decode.flush_d.eq(execute.redirect_valid),
            decode.refill.eq(Mux(commit.redirect_valid, commit.redirect_reason, Bubble.BRANCH)),
            decode.from_x.eq(execute.bypass),
            decode.from_m.eq(commit.bypass),
            decode.write_en.eq(commit.rd_we),
            decode.write_addr.eq(commit.bypass.rd),
            decode.write_data.eq(commit.rd_data),
            decode.from_m_loads.eq(execute.m.control.unit == Unit.LSU),
            decode.load_data.eq(lsu.m_found),
        ]

        # --- X
        m.d.comb += [
            execute.x_valid.eq(decode.x_valid),
            execute.x.eq(decode.x),
            execute.x_bubble.eq(decode.x_bubble),
            execute.m_free_anyway.eq(commit.free_anyway),
            execute.m_free_if_done.eq(commit.free_if_done),
            execute.m_done_if_hit.eq(lsu.m_done_if_hit),
            execute.m_hit.eq(lsu.m_hit),
            execute.m_leaves.eq(commit.leaves),
            execute.v.eq(csr.mode.v),
            execute.early.eq(commit.x_early),
            execute.refused.eq(commit.x_refused),
            commit.x_control.eq(decode.x.control),
            commit.x_fault.eq(decode.x.fetched.fault),
            commit.x_misaligned.eq(execute.misaligned),
            csr.x_csr_valid.eq(execute.csr_access),
            csr.x_csr.eq(execute.csr_permission),
            csr.x_csr_write.eq(execute.csr_writes),
            execute.flush.eq(commit.redirect_valid),
            execute.flush_reason.eq(commit.redirect_reason),
            execute.data_mode.eq(csr.data_mode),
            execute.hlsv_mode.eq(csr.hlsv_mode),
            execute.inval_flushes.eq(csr.inval_flushes),
            execute.data_masking.eq(csr.data_masking),
            execute.hlsv_masking.eq(csr.hlsv_masking),
            lsu.x_fire.eq(execute.lsu_valid & commit.free_anyway),
            lsu.x_fire_if_hit.eq(kept(m, "lsu_fires_if_done", execute.lsu_valid & commit.free_if_done)
                                 & lsu.m_done_if_hit),
            lsu.x_flush.eq(commit.redirect_valid | commit.x_refused),
            lsu.x.eq(execute.lsu),
            multiplier.en.eq(execute.mul_en),
            multiplier.op.eq(execute.mul_op),
            divider.load.eq(execute.div_load),
            divider.start.eq(execute.m_valid & execute.m_first & execute.m.is_div),
            divider.op.eq(execute.div_op),
            divider.kill.eq(commit.div_kill),
        ]
        for unit in (multiplier, divider):
            m.d.comb += [
                unit.word.eq(decode.x.control.word),
                unit.a.eq(decode.x.rs1),
                unit.b.eq(decode.x.rs2),
            ]

        # --- M
        m.d.comb += [
            commit.m_valid.eq(execute.m_valid),
            commit.m_first.eq(execute.m_first),
            commit.m.eq(execute.m),
            commit.m_csr.eq(execute.m_csr),
            commit.m_bubble.eq(execute.m_bubble),
            commit.fetch_fault.eq(frontend.fault),
            lsu.m_kill.eq(commit.lsu_kill),
            commit.lsu_hit.eq(lsu.m_hit),
            commit.lsu_done_if_hit.eq(lsu.m_done_if_hit),
            commit.lsu_done_anyway.eq(lsu.m_done_anyway),
            commit.lsu_faulted.eq(lsu.m_faulted),
            commit.lsu_fault.eq(lsu.m_fault),
            commit.lsu_found.eq(lsu.m_found),
            commit.lsu_given.eq(lsu.m_given),
            commit.lsu_wrote.eq(lsu.m_wrote),
            commit.lsu_wdata.eq(lsu.m_wdata),
            commit.lsu_paddr.eq(lsu.m_paddr),
            commit.lsu_waiting_walk.eq(lsu.m_missed),
            commit.walking_vs.eq(mmu.walking_vs),
            commit.walking_g.eq(mmu.walking_g),
            lsu.reservation_clear.eq(commit.reservation_clear),
            commit.lsu_reserved.eq(lsu.reserved),
            commit.mul_result.eq(multiplier.result),
            commit.div_done.eq(divider.done),
            commit.div_result.eq(divider.result),
            csr.msi.eq(self.msi),
            csr.mti.eq(self.mti),
            csr.mei.eq(self.mei),
            csr.sei.eq(self.sei),
            csr.time.eq(self.time),
            csr.events.eq(self.events),
        ]
        if config.geilen:
            m.d.comb += csr.sgei.eq(self.sgei)

        # --- translation
        m.d.comb += [
            mmu.ctx.eq(csr.mmu),
            mmu.pmp.eq(csr.pmp),
            mmu.fence_valid.eq(commit.fence_valid),
            mmu.fence_likely.eq(commit.fence_likely),
            mmu.fence.eq(commit.fence),
            commit.fence_done.eq(mmu.fence_done),
        ]
        for side, client in ((mmu.i, frontend), (mmu.d, lsu)):
            m.d.comb += [
                side.lookup_en.eq(client.lookup_en),
                side.lookup.eq(client.lookup),
                client.tlb.eq(side.tlb),
                side.walk_valid.eq(client.walk_valid),
                client.walk_done.eq(side.walk_done),
                client.walk_faulted.eq(side.walk_faulted),
                client.walk_fault.eq(side.walk_fault),
            ]
        m.d.comb += [
            lsu.ptw_valid.eq(mmu.ptw_valid),
            lsu.ptw_likely.eq(mmu.ptw_likely),
            lsu.ptw_update.eq(mmu.ptw_update),
            lsu.ptw_addr.eq(mmu.ptw_addr),
            lsu.ptw_expected.eq(mmu.ptw_expected),
            lsu.ptw_data.eq(mmu.ptw_data),
            mmu.ptw_done.eq(lsu.ptw_done),
            mmu.ptw_rdata.eq(lsu.ptw_rdata),
            mmu.ptw_error.eq(lsu.ptw_error),
            mmu.ptw_mismatch.eq(lsu.ptw_mismatch),
        ]

        # --- memory
        m.d.comb += [
            lsu.clean_valid.eq(frontend.clean_valid),
            lsu.clean_addr.eq(frontend.clean_addr),
            frontend.clean_done.eq(lsu.clean_done),
            lsu.flush_valid.eq(self.flush_valid),
            self.flush_done.eq(lsu.flush_done),
        ]
        wiring.connect(m, frontend.axi, arbiter.fetch)
        wiring.connect(m, lsu.axi, arbiter.data)
        wiring.connect(m, arbiter.bus, wiring.flipped(self.axi))

        # --- observation
        m.d.comb += [
            self.retire.eq(commit.retire),
            self.events.eq(commit.lost),
            self.events.icache_miss.eq(frontend.icache_miss),
            self.events.dcache_miss.eq(lsu.dcache_miss),
            self.events.dcache_writeback.eq(lsu.dcache_writeback),
            self.events.branch.eq(execute.update.valid),
            self.events.mispredict.eq(execute.update.valid & execute.update.mispredicted),
        ]
        for name in ("itlb_miss", "dtlb_miss", "l2tlb_miss", "walk_read", "walk_vs_stage", "walk_g_stage"):
            m.d.comb += self.events[name].eq(getattr(mmu, name))
        return m
