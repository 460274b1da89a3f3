"""What leaves the core for a guest goes where its translation led, and in time."""

import pytest
from fetch_requests import FetchRequests
from lsu_requests import LsuRequests
from pipeline import Pipeline
from planting import Bug

from entresol.config import CONFIGS
from entresol.core import Core
from entresol.execute.execute_stage import ExecuteStage
from entresol.frontend.frontend import Frontend
from entresol.frontend.icache import ICache
from entresol.memory.arbiter import AxiArbiter
from entresol.memory.dcache import WriteChannel
from entresol.memory.lsu import Lsu
from entresol.privileged.commit import Commit
from entresol.privileged.csr_file import CsrFile
from entresol.privileged.exceptions import Exceptions

CONFIGURATIONS = [pytest.param(name, marks=() if name == "linux" else pytest.mark.nightly) for name in CONFIGS]


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_loads_and_stores(name, proven):
    proven("loads, stores and page-table accesses for a guest go where its translation led", LsuRequests(CONFIGS[name]),
           name, induction=True)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_fetches(name, proven):
    proven("fetches for a guest go where its translation led", FetchRequests(CONFIGS[name]), name, induction=True)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_pipeline(name, proven):
    proven("accesses have the mode of the text, and none is under way when CSRs that matter to it change",
           Pipeline(CONFIGS[name]), name, induction=True)


BUGS = {
    "untranslated": Bug(Lsu, "addr.eq(Cat(m_low, self.tlb.paddr[_PAGE_BITS:bus]))", "addr.eq(Cat(m_low, m_page))",
                        "decides_where"),
    "refused_all_the_same": Bug(Lsu, "with m.Elif(walking):", "with m.Elif(0):", "address"),
    "hits_without_translation": Bug(Lsu, "name(complete & self.tlb.hit & ~self.tlb.io",
                                    "name(complete & ~self.tlb.io", "stored_by_guest0"),
    "second_page_in_anothers_mode": Bug(Lsu, "Mux(look_now, req.mode, self.x.mode)", "self.x.mode", "looked_up_for_m"),
    "second_page_as_a_load": Bug(Lsu, "Mux(look_now, access(req.op), access(self.x.op))",
                                 "Mux(look_now, Access.LOAD, access(self.x.op))", "looked_up_for_m"),
    "stale_tags": Bug(Lsu, "name(m_valid & ~stale & ~collided", "name(m_valid & ~collided", "read_by_guest0"),
    "evicted_lines_stay": Bug(Lsu, "cache.tag_ways.eq(Mux(drop, evict_way, 0))", "cache.tag_ways.eq(0)",
                              "being_filled0"),
    "write_back_elsewhere": Bug(Lsu, "writer.line_addr.eq(Cat(geometry.set_of(addr),",
                                "writer.line_addr.eq(Cat(geometry.set_of(req.vaddr),", "written_back0"),
    "walks_into_the_data_of_m": Bug(Lsu, "m.d.sync += [job.eq(_Job.PTW), addr.eq(self.ptw_addr)]",
                                    "m.d.sync += job.eq(_Job.PTW)", "walk_page"),
    "updates_of_another_line": Bug(Lsu, "m.d.sync += [way.eq(addr_hits), ptw_whole", "m.d.sync += [ptw_whole",
                                   "found0"),
    "walks_for_the_last_lookup": Bug(Lsu, "self.lookup_en.eq(by_hit(self.x_fire | look_now,",
                                     "self.lookup_en.eq(by_hit(self.x_fire,", "not_void"),
    "words_to_the_last_line": Bug(WriteChannel, "Mux(single, self.single_addr, Cat(Const(0, LINE_BITS), self.line))",
                                  "Cat(Const(0, LINE_BITS), self.line)", "write_by_guest"),
    "fetched_untranslated": Bug(Frontend, "icache.paddr.eq(self.tlb.paddr)", "icache.paddr.eq(f1_pc)", "address"),
    "fetched_without_translation": Bug(Frontend, "icache.request.eq(answered & self.tlb.hit)",
                                       "icache.request.eq(answered)", "address"),
    "fetched_in_the_old_mode": Bug(Frontend, "flushed.eq(flush)", "flushed.eq(0)", "mode"),
    "line_of_another_time": Bug(ICache, "self.axi.araddr.eq(Cat(Const(0, 3), fill_addr[3:]))",
                                "self.axi.araddr.eq(Cat(Const(0, 3), self.paddr[3:]))", "request"),
    "fires_behind_a_trap": Bug(Core, "lsu.x_flush.eq(commit.redirect_valid | commit.x_refused)",
                               "lsu.x_flush.eq(commit.x_refused)", "redirects_stop"),
    "hlv_in_the_mode_of_loads": Bug(ExecuteStage, "Mux(control.hlsv, self.hlsv_mode, self.data_mode)",
                                    "self.data_mode", "explicit_mode"),
    "interrupts_kill_late": Bug(Commit, "stopped.eq(self.m_valid & self.m_first & csr.interrupt_valid)",
                                "stopped.eq(self.m_valid & csr.interrupt_valid)", "killed_at_once"),
    "fences_do_not_redirect": Bug(Commit, "serialises.eq(is_fence_i | is_fence |", "serialises.eq(is_fence_i |",
                                  "fence_redirects"),
    "csrs_do_not_redirect": Bug(Commit, "csr.csr_flush)", "csr.csr_flush & 0)", "hgatp_alone"),
    "fires_refused": Bug(Core, "lsu.x_flush.eq(commit.redirect_valid | commit.x_refused)",
                         "lsu.x_flush.eq(commit.redirect_valid)", "in_m"),
    "refused_goes_on": Bug(ExecuteStage, "(control.unit == unit) & ~fetched.fault & ~self.refused",
                           "(control.unit == unit) & ~fetched.fault", "units"),
    "returns_do_not_redirect": Bug(Commit, "(is_xret | (serialises", "((serialises", "units"),
    "delegated_from_hs": Bug(Exceptions, "early.to_vs.eq(self.to_vs[code.value])", "early.to_vs.eq(1)", "delegated"),
    "mprv_without_mpv": Bug(CsrFile, 'self.data_mode.v.eq(self._get("mstatus.mpv")', "self.data_mode.v.eq(self.mode.v",
                            "explicit_mode"),
    "bus_of_the_other": Bug(AxiArbiter, "bus.arid.eq(Mux(pick_fetch, FETCH_ID, DATA_ID))", "bus.arid.eq(DATA_ID)",
                            "ar_of_whom"),
}
DESIGNS = {Lsu: LsuRequests, WriteChannel: LsuRequests, Frontend: FetchRequests, ICache: FetchRequests}
QUICK = ("refused_all_the_same", "fetched_without_translation")


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=() if name in QUICK else pytest.mark.nightly) for name in BUGS])
def test_bugs_are_found(name, monkeypatch):
    bug = BUGS[name]
    design = DESIGNS.get(bug.component, Pipeline)
    bug.is_found(monkeypatch, lambda: design(CONFIGS["linux"]), induction=True)
