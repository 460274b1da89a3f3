"""Trap entry and return: scenarios, and random sequences against a model written from the text."""

import random

import pytest

from entresol.isa.control import SysOp

ONES = (1 << 64) - 1
MSTATUS, HSTATUS, VSSTATUS = 0x300, 0x600, 0x200
PRIV = {"U": 0, "VU": 0, "HS": 1, "VS": 1, "M": 3}
GUEST_PAGE_FAULTS = (20, 21, 23)


class Model:
    """mstatus, hstatus and vsstatus as fields, and the trap registers of the three modes."""

    def __init__(self):
        self.mode = "M"
        self.f = dict.fromkeys(("mie", "mpie", "mpp", "mpv", "mgva", "mprv", "sie", "spie", "spp", "spv", "spvp",
                                "hgva", "vsie", "vspie", "vspp"), 0)
        self.regs = {mode: dict.fromkeys(("epc", "cause", "tval", "tval2", "tinst"), 0) for mode in ("M", "HS", "VS")}

    @property
    def v(self):
        return int(self.mode in ("VS", "VU"))

    def trap(self, target, cause, interrupt, epc, tval, gpa, tinst, gva):
        f, previous, v = self.f, PRIV[self.mode], self.v
        if interrupt:
            tval = gpa = tinst = gva = 0
        regs = self.regs[target]
        code = {2: 1, 6: 5, 10: 9}.get(cause, cause) if interrupt and target == "VS" else cause
        regs.update(epc=epc & ~1, cause=interrupt << 63 | code, tval=tval,
                    tval2=gpa >> 2 if cause in GUEST_PAGE_FAULTS and not interrupt else 0, tinst=tinst)
        if target == "M":
            f.update(mpp=previous, mpv=v, mpie=f["mie"], mie=0, mgva=gva)
        elif target == "HS":
            f.update(spp=previous, spv=v, spie=f["sie"], sie=0, hgva=gva)
            if v:
                f["spvp"] = previous
        else:
            f.update(vspp=previous, vspie=f["vsie"], vsie=0)
        self.mode = target

    def xret(self, op):
        f = self.f
        if op == "MRET":
            v = f["mpv"] if f["mpp"] != 3 else 0
            self.mode = "M" if f["mpp"] == 3 else (("U", "HS"), ("VU", "VS"))[v][f["mpp"]]
            if f["mpp"] != 3:
                f["mprv"] = 0
            f.update(mpv=0, mpp=0, mie=f["mpie"], mpie=1)
            return self.regs["M"]["epc"]
        if self.v:
            self.mode = ("VU", "VS")[f["vspp"]]
            f.update(vspp=0, vsie=f["vspie"], vspie=1)
            return self.regs["VS"]["epc"]
        self.mode = (("U", "HS"), ("VU", "VS"))[f["spv"]][f["spp"]]
        f.update(spv=0, spp=0, sie=f["spie"], spie=1, mprv=0)
        return self.regs["HS"]["epc"]

    def mstatus(self):
        f = self.f
        return (f["sie"] << 1 | f["mie"] << 3 | f["spie"] << 5 | f["mpie"] << 7 | f["spp"] << 8 | f["mpp"] << 11
                | f["mprv"] << 17 | f["mgva"] << 38 | f["mpv"] << 39)

    def check(self, b, *modes):
        """Mode and status, and the trap registers of `modes`."""
        f = self.f
        assert b.mode == self.mode
        assert b.read(MSTATUS) & ~(0xF << 32) == self.mstatus()
        assert b.read(HSTATUS) & ~(3 << 32) == f["hgva"] << 6 | f["spv"] << 7 | f["spvp"] << 8
        assert b.read(VSSTATUS) & ~(3 << 32) == f["vsie"] << 1 | f["vspie"] << 5 | f["vspp"] << 8
        base = {"M": {"epc": 0x341, "cause": 0x342, "tval": 0x343, "tval2": 0x34B, "tinst": 0x34A},
                "HS": {"epc": 0x141, "cause": 0x142, "tval": 0x143, "tval2": 0x643, "tinst": 0x64A},
                "VS": {"epc": 0x241, "cause": 0x242, "tval": 0x243}}
        for mode in modes:
            for name, address in base[mode].items():
                assert b.read(address) == self.regs[mode][name], (mode, name)


@pytest.mark.rule(
    "H_trap_m_csrwrites", "H_trap_hs_csrwrites", "H_trap_vs_csrwrites", "hstatus_spv_op", "hstatus_spv_sret",
    "hstatus_spvp_op", "hstatus_gva_op", "mstatus_mpv_op", "mstatus_gva_op", "HTVAL_TRAPVAL", "MTVAL2_TRAPVAL",
    "mret_h", "sret_h", "sret_v0", "sret_v1", "mstatus_xpie_trap_op", "mstatus_xie_trap_op", "mstatus_xpp_trap_op",
    "mstatus_xie_xret_op", "mstatus_xpie_xret_op", "mstatus_xpp_xret_op", "mstatus_mprv_xret_op",
    "mstatus_mprv_clr_mret_sret_less_priv", "hideleg_trans", "sstatus_spp_acc", "sstatus_spp_op", "sstatus_spie_acc",
    "sstatus_spie_op", "sepc_op_trap_write", "mepc_op", "mcause_op", "mcause_intr_op", "mret_op", "sret_op",
    "trap_del_S_mode_op", "trap_del_S_mode_no_M_mode", "H_trap_xtinst_interrupt", "scause_interrupt_op", "hstatus_op",
    "htval_op", "htinst_op", "mtval2_op", "mtinst_op", "mstatus_xpp_enc", "mstatus_spp_sz", "mcause_exccode_op",
    "mtval_op", "mret_presence", "sret_presence", "scause_op", "stval_op", "stvec_op",
)
def test_random_traps_and_returns(bench):
    generator = random.Random(5)

    async def scenario(b):
        model = Model()
        medeleg, hedeleg = 0xF0_B5FE, 0x0_B14C
        await b.write(0x302, medeleg)
        await b.write(0x602, hedeleg)
        await b.write(0x303, 0x222)
        await b.write(0x603, 0x044)
        seen = set()
        for _ in range(250):
            choice = generator.randrange(4)
            if choice == 0 and model.mode == "M":
                # anything software could leave in the status registers
                for name in model.f:
                    model.f[name] = generator.getrandbits(1)
                model.f["mpp"] = generator.choice((0, 1, 3))
                f = model.f
                await b.write(MSTATUS, model.mstatus())
                await b.write(HSTATUS, f["hgva"] << 6 | f["spv"] << 7 | f["spvp"] << 8)
                await b.write(VSSTATUS, f["vsie"] << 1 | f["vspie"] << 5 | f["vspp"] << 8)
            elif choice < 2:
                ops = {"M": ("MRET", "SRET"), "HS": ("SRET",), "VS": ("SRET",)}.get(model.mode, ())
                if ops:
                    op = generator.choice(ops)
                    seen.add((op, model.mode))
                    assert await b.xret(SysOp[op]) == model.xret(op)
            else:
                interrupt = generator.getrandbits(1)
                if interrupt:
                    causes = {"M": (3, 7, 11), "HS": (3, 1, 5, 9, 10), "U": (3, 1, 9, 10)}
                    cause = generator.choice(causes.get(model.mode, (3, 7, 1, 5, 9, 2, 6, 10)))
                    delegated, further = 0x666 >> cause & 1, 0x044 >> cause & 1
                else:
                    cause = generator.choice([c for c in range(24) if c not in (14, 16, 17, 18, 19)])
                    delegated, further = medeleg >> cause & 1, hedeleg >> cause & 1
                target = ("VS" if model.v and further else "HS") if model.mode != "M" and delegated else "M"
                details = {"epc": generator.getrandbits(64), "tval": generator.getrandbits(64),
                           "gpa": generator.getrandbits(64), "tinst": generator.getrandbits(32),
                           "gva": generator.getrandbits(1)}
                if interrupt:
                    details = dict.fromkeys(details, 0) | {"epc": details["epc"]}
                elif cause not in GUEST_PAGE_FAULTS:
                    details["gpa"] = 0
                seen.add((model.mode, target))
                await b.trap(cause, interrupt, **details)
                model.trap(target, cause, interrupt, **details)
                model.check(b, target)
                continue
            model.check(b)
        await b.trap(11)
        model.trap("M", 11, 0, 0, 0, 0, 0, 0)
        model.check(b, "M", "HS", "VS")
        assert len(seen) == 4 + 11  # every return, and every pair of modes a trap can connect

    bench.run(scenario)


@pytest.mark.rule(
    "mtvec_mode_direct_op", "mtvec_mode_vectored_op", "stvec_op", "stvec_sz_base", "mtvec_mode_enc", "mtvec_enc",
)
def test_vectors(bench):
    async def scenario(b):
        await b.write(0x302, ONES)
        await b.write(0x602, ONES)
        await b.write(0x303, ONES)
        await b.write(0x603, ONES)
        vectors = {0x305: 0xFFFF_FFFF_FFFF_FFF0, 0x105: 0x8000_0104, 0x205: 0x40_0000_0FFC}
        for mode in (0, 1):
            for address, base in vectors.items():
                await b.write(address, base | mode)
            handlers = {"M": (0x305, 11, 7), "HS": (0x105, 8, 5), "VS": (0x205, 8, 10)}
            for target, (address, exception, interrupt) in handlers.items():
                await b.go({"M": "U", "HS": "U", "VS": "VU"}[target])
                assert await b.trap(exception) == vectors[address]
                assert b.mode == target
                await b.go({"M": "U", "HS": "U", "VS": "VU"}[target])
                # a VS-level interrupt is numbered as its supervisor counterpart
                number = interrupt - 1 if target == "VS" else interrupt
                assert await b.trap(interrupt, 1) == vectors[address] + 4 * mode * number & ONES
                assert b.mode == target
                await b.go("M")

    bench.run(scenario)


@pytest.mark.rule("mstatus_mprv_ldst_op", "mstatus_mprv_hypervisor", "mstatus_mprv_hlsv", "hlsv_priv")
def test_modes_of_memory_accesses(bench):
    async def scenario(b):
        def modes():
            return tuple((mode.priv.value, mode.v) for mode in (b.get("data_mode"), b.get("hlsv_mode")))

        assert modes() == ((3, 0), (0, 1))
        await b.write(HSTATUS, 1 << 8)
        for mpp, mpv, effective in ((0, 0, (0, 0)), (1, 0, (1, 0)), (3, 0, (3, 0)), (0, 1, (0, 1)), (1, 1, (1, 1)),
                                    (3, 1, (3, 0))):
            await b.write(MSTATUS, mpp << 11 | mpv << 39)
            assert modes() == ((3, 0), (1, 1))
            await b.write(MSTATUS, mpp << 11 | mpv << 39 | 1 << 17)
            assert modes() == (effective, (1, 1))
        await b.write(HSTATUS, 0)
        assert modes()[1] == (0, 1)
        await b.write(MSTATUS, 0)
        for mode in ("U", "VU", "HS", "VS"):
            await b.go(mode)
            assert modes()[0] == (PRIV[mode], int(mode[0] == "V"))

    bench.run(scenario)
