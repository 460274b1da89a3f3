"""No write, trap or return leaves a register with a value that it may not have."""

import legal
import pytest
from amaranth.hdl import Assume, Cat, Mux, Signal
from planting import Bug
from prove import claim

from entresol.config import CONFIGS
from entresol.isa.privilege import Priv
from entresol.privileged.csr_file import CsrFile
from entresol.privileged.trap_registers import TRAP_WORDS

_STATUS = (1, 5, 8, 9, 10, 13, 14, 18, 19, 32, 33, 63)  # SIE, SPIE, SPP, VS, FS, SUM, MXR, UXL, SD
_MODES = {"sv39": 8, "sv48": 9, "sv57": 10}  # "Encoding of satp MODE field"


class Legal(CsrFile):
    """The CSR file with claims about what its registers read as."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        config, get = self._config, self._register
        h = config.has("h")
        # The target of a trap comes back in as it went out (`Commit`).
        below_m, to_vs = (vector.bit_select(self.trap_cause, 1) for vector in (self.exception_below_m,
                                                                               self.exception_to_vs))
        exception_target = Cat(Mux(below_m, Priv.S, Priv.M), to_vs)
        m.d.comb += Assume(self.trap_target.as_value() == Mux(
            self.trap_interrupt, self.interrupt_target.as_value(), exception_target))

        def is_one_of(value, choices):
            return value.matches(*choices)

        mstatus = get("mstatus")
        conditions = legal.mode(self.mode) | legal.delegation(get("mideleg"), get("hideleg"), get("mie")) | {
            "virtual_only_with_h": ~(self.mode.v | self.interrupt_target.v) | h,
            **{f"interrupt_{name}": holds for name, holds in legal.mode(self.interrupt_target).items()},
            "mpp": is_one_of(mstatus[11:13], (0, 1, 3)),
            "sxl": mstatus[34:36] == 2,
            "mstatus_reserved": legal.only(
                mstatus, *_STATUS, 3, 7, 11, 12, 17, 20, 21, 22, 34, 35, *((38, 39) if h else ())),
            "sstatus_reserved": legal.only(get("sstatus"), *_STATUS),
            "vsstatus_reserved": legal.only(get("vsstatus"), *_STATUS),
            # 11 cannot happen below M-mode, 16 (double trap) is not delegatable, 0 does not exist with IALIGN=16
            "medeleg_reserved": legal.only(
                get("medeleg"), 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 15, *((10, 20, 21, 22, 23) if h else ())),
            # "Bits of hedeleg that must be writable or must be read-only zero"
            "hedeleg_reserved": legal.only(get("hedeleg"), 1, 2, 3, 4, 5, 6, 7, 8, 12, 13, 15, 18, 19),
            "mcountinhibit_tm": legal.only(get("mcountinhibit"), 0, *range(2, 32)),
            "hgatp_alignment": legal.none(get("hgatp"), 0, 1, 58, 59),
        }
        for name in ("mstatus", "sstatus", *(["vsstatus"] if h else [])):
            value = get(name)
            conditions[f"{name}_uxl"] = value[32:34] == 2
            conditions[f"{name}_sd"] = value[63] == (value[13:15] == 3) | (value[9:11] == 3)
        if h:
            hstatus = get("hstatus")
            conditions["vsxl"] = hstatus[32:34] == 2
            conditions["vgein"] = hstatus[12:18] <= config.geilen
            conditions["hstatus_reserved"] = legal.only(hstatus, 6, 7, 8, 9, *range(12, 18), 20, 21, 22, 32, 33, 48, 49)
            conditions["hupmm"] = hstatus[48:50] != 1
            conditions["mideleg_vs_level_one"] = get("mideleg").matches("-" * 53 + "1---1---1--")
            conditions["mideleg_sgei"] = get("mideleg")[12] == bool(config.geilen)
            conditions["henvcfg_within_menvcfg"] = ~(get("henvcfg")[61:] & ~get("menvcfg")[61:]).any()
        for name, suffix in (("satp", ""), ("vsatp", ""), ("hgatp", "x4")):
            modes = [number for mode, number in _MODES.items() if mode + suffix in config.vm_modes]
            conditions[f"{name}_mode"] = is_one_of(get(name)[60:], (0, *modes))
        for name in ("mtvec", "stvec", "vstvec"):
            conditions[f"{name}_mode"] = ~get(name)[1]
        traps = self._traps
        words_of_epc = [TRAP_WORDS[name] for name in ("mepc", "sepc", "vsepc")]
        conditions["xepc_alignment"] = ~(traps.word.matches(*words_of_epc) & traps.rdata[0])
        conditions["xret_alignment"] = ~self.xret_pc[0]
        for name in ("menvcfg", "henvcfg", "senvcfg"):
            conditions[f"{name}_cbie"] = get(name)[4:6] != 2
            conditions[f"{name}_pmm"] = get(name)[32:34] != 1
            high = () if name == "senvcfg" else (61, 62, 63)  # ADUE, PBMTE, STCE
            conditions[f"{name}_reserved"] = legal.only(get(name), 0, 4, 5, 6, 7, 32, 33, *high)
        for name, condition in conditions.items():
            claim(m, name, condition)
        self._pmp(m)
        return m

    def _pmp(self, m):
        """R=0 with W=1 is reserved; what is locked stays until reset."""
        number = self._config.pmp_entries
        configs = [self._register(f"pmpcfg{i // 8 * 2}").word_select(i % 8, 8) for i in range(number)]
        locks = [config[7] for config in configs]
        tors = [config[7] & (config[3:5] == 1) for config in configs[1:]] + [0]
        for i, config in enumerate(configs):
            address = self._register(f"pmpaddr{i}")
            config_before, address_before, held = Signal(8), Signal(64), Signal()
            m.d.sync += [config_before.eq(config), address_before.eq(address), held.eq(locks[i] | tors[i])]
            claim(m, f"pmpcfg_entry{i}", (config[0] | ~config[1]) & ~config[5:7].any())
            claim(m, f"pmpaddr{i}", ~address[54:].any())
            claim(m, f"pmpcfg_entry{i}_locked", ~config_before[7] | (config == config_before))
            claim(m, f"pmpaddr{i}_locked", ~held | (address == address_before))


@pytest.mark.rule(
    "warl_rst", "MSTATUS_XPP_WARL", "MENVCFG_CBIE_WARL", "HENVCFG_CBIE_WARL", "SENVCFG_CBIE_WARL", "PMPCFG_WARL",
    "HGATP_MODE_WARL", "hideleg_acc", "mideleg_acc_h", "mideleg_hroz", "pmp_l_bit_write_protection",
)
@pytest.mark.parametrize("name", [
    pytest.param(name, marks=() if name == "linux" else pytest.mark.nightly) for name in CONFIGS])
def test_registers_stay_legal(name, proven):
    proven("no CSR ever has a value it may not have", Legal(CONFIGS[name]), name, induction=True)


BUGS = {
    "modes_that_are_not_there": Bug(CsrFile, "changes = changes & legal", "pass", "satp_mode", "_legalise"),
    "bits_that_read_as_zero": Bug(CsrFile, "value = value & C(rule.mask & ((1 << field.width) - 1), field.width)",
                                   "pass", "hgatp_alignment", "_legalise"),
    "pmp_w_without_r": Bug(CsrFile, "Cat(value[0], value[0] & value[1], value[2:])", "value", "pmpcfg_entry3",
                           "_legalise"),
    "unlocked_configuration": Bug(CsrFile, "changes = ~self._stored(csr, field)[7]", "pass", "pmpcfg_entry3_locked",
                                  "_legalise"),
    "unlocked_bottom_of_tor": Bug(CsrFile, "changes &= ~(following[7] & (following[3:5] == _PMP_TOR))", "pass",
                                  "pmpaddr3_locked", "_legalise"),
    "mret_to_virtual_m": Bug(CsrFile, 'store["mstatus.mpv"] & (store["mstatus.mpp"] != Priv.M.value)',
                             'store["mstatus.mpv"]', "no_virtual_m", "_xret"),
}


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=() if name == "mret_to_virtual_m" else pytest.mark.nightly) for name in BUGS])
def test_bugs_are_found(name, monkeypatch):
    BUGS[name].is_found(monkeypatch, lambda: Legal(CONFIGS["small"]), induction=True)
