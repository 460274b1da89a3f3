// Every synchronous cause that needs no translation, from every mode it can come from, delegated to every mode that can
// handle it: where the trap goes and everything it writes.
#include "test.h"

enum value { ZERO, INSN, ADDRESS, PC };

static const struct {
    const char *name;
    u32 insn;
    u64 cause;
    u8 modes;          // bit m: applies to mode m
    u64 a1;            // address
    enum value tval;
} cases[] = {
#define ALL (BIT(M) | BIT(HS) | BIT(U) | BIT(VS) | BIT(VU))
    {"illegal", 0xffffffff, ILLEGAL, ALL, 0, INSN},
    {"illegal16", 0x0000, ILLEGAL, ALL, 0, INSN},
    {"ebreak", EBREAK, BREAKPOINT, ALL, 0, PC},
    {"c.ebreak", 0x9002, BREAKPOINT, ALL, 0, PC},
    {"load access", LD, LOAD_ACCESS, ALL, NOWHERE + 8, ADDRESS},
    {"load access to x0", LD & ~0xf80u, LOAD_ACCESS, ALL, NOWHERE + 8, ADDRESS},
    {"store access", SW, STORE_ACCESS, ALL, NOWHERE + 16, ADDRESS},
    {"fetch access", JALR_A1, INSTRUCTION_ACCESS, ALL, NOWHERE, ADDRESS},
    {"amo access", AMOADD_D, STORE_ACCESS, ALL, NOWHERE, ADDRESS},
    {"lr misaligned", LR_W, LOAD_MISALIGNED, ALL, 0x80000002, ADDRESS},
    {"sc misaligned", SC_D, STORE_MISALIGNED, ALL, 0x80000004, ADDRESS},
    {"amo misaligned", AMOSWAP_W, STORE_MISALIGNED, ALL, 0x80000001, ADDRESS},
    {"ecall", ECALL, ECALL_U, BIT(U) | BIT(VU), 0, ZERO},
    {"ecall", ECALL, ECALL_HS, BIT(HS), 0, ZERO},
    {"ecall", ECALL, ECALL_VS, BIT(VS), 0, ZERO},
    {"ecall", ECALL, ECALL_M, BIT(M), 0, ZERO},
    {"hypervisor CSR", CSRR(A0, 0x600), VIRTUAL, BIT(VS) | BIT(VU), 0, INSN},
    {"supervisor CSR", CSRR(A0, 0x100), VIRTUAL, BIT(VU), 0, INSN},
    {"machine CSR", CSRR(A0, 0x300), ILLEGAL, ALL & ~BIT(M), 0, INSN},
    {"hfence", HFENCE_GVMA(0, 0), VIRTUAL, BIT(VS) | BIT(VU), 0, INSN},
    {"sret", SRET, VIRTUAL, BIT(VU), 0, INSN},
    {"mret", MRET, ILLEGAL, ALL & ~BIT(M), 0, INSN},
};
#define CASES (sizeof cases / sizeof cases[0])

static const enum mode modes[] = {M, HS, U, VS, VU};
#define CANARY 0x1555
#define CAUSE_CANARY LOAD_PAGE    // xcause need only hold causes that exist; this one does not occur here
#define TINST_CANARY 0x3000  // a value that a trap can write
#define STATUS_STACK (MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP)
#define PRIV(mode) ((u64)(mode) & 3)
#define V(mode) ((mode) >= VU)

// What fault-like traps say of the instruction; elsewhere it is 0.
static u64 expected_tinst(u64 cause, u32 insn) {
    return cause >= LOAD_MISALIGNED && cause <= STORE_ACCESS ? transformed(insn) : 0;
}

static void one(int i, enum mode mode, enum mode handler, int enabled) {
    u32 insn = cases[i].insn;
    u64 cause = cases[i].cause;
    if ((insn == AMOADD_D || insn == AMOSWAP_W) && deviates(QEMU, "an AMO's load half faults first")) return;
    if (mode == VU && cause == VIRTUAL && insn != CSRR(A0, 0x600) &&
        deviates(QEMU, "raises illegal instructions for those that VU-mode may not execute in VS-mode's stead"))
        return;
    if ((cause == LOAD_MISALIGNED || cause == STORE_MISALIGNED) && deviates(SPIKE, "with Zicclsm: access faults"))
        return;
    if (insn == SC_D && deviates(QEMU, "an SC without a reservation checks nothing")) return;
    csr_write(medeleg, handler == M ? 0 : BIT(cause));
    csr_write(hedeleg, handler == VS ? BIT(cause) : 0);
    relay_by_illegal = cause == ECALL_HS;
    // canaries: a trap writes the CSRs of the mode it goes to, and no others
    csr_write(scause, CAUSE_CANARY);
    csr_write(sepc, CANARY + 1);
    csr_write(stval, CANARY);
    csr_write(htval, CANARY);
    csr_write(htinst, TINST_CANARY);
    csr_write(mtval2, CANARY);
    csr_write(mtinst, TINST_CANARY);
    csr_write(vscause, CAUSE_CANARY);
    csr_write(vsepc, CANARY + 1);
    csr_write(vstval, CANARY);
    csr_clear(mstatus, STATUS_STACK | MSTATUS_MPIE | MSTATUS_MIE | MSTATUS_GVA);
    csr_write(vsstatus, 0);
    csr_clear(hstatus, HSTATUS_SPV | HSTATUS_SPVP | HSTATUS_GVA);
    if (enabled) {
        csr_set(mstatus, MSTATUS_SIE | MSTATUS_MPIE);
        csr_set(vsstatus, MSTATUS_SIE);
    } else {
        // the opposite of what the trap is to write
        csr_set(mstatus, MSTATUS_SPIE | (PRIV(mode) == 1 ? 0 : MSTATUS_SPP));
        csr_write(vsstatus, MSTATUS_SPIE | (PRIV(mode) == 1 ? 0 : MSTATUS_SPP));
        csr_set(hstatus, V(mode) ? 0 : HSTATUS_SPV | HSTATUS_GVA);
    }
    u64 hstatus_before = csr_read(hstatus);

    context(cases[i].name, mode, handler);
    struct trap *trap = probe_insn(mode, insn, 0, cases[i].a1);
    u64 epc = cases[i].cause == INSTRUCTION_ACCESS ? cases[i].a1 : insn_address();
    equal(trap->handler, handler);
    // deviates: takes exception codes for those of VS-level interrupts
    int renumbered = machine() == QEMU && handler == VS && (cause == ILLEGAL || cause == STORE_MISALIGNED);
    equal(trap->cause, renumbered ? cause - 1 : cause);
    equal(trap->epc, epc);
    u64 gva = 0;
    switch (cases[i].tval) {
        case ZERO: equal(trap->tval, 0); break;
        case INSN: equal(trap->tval, insn); break;
        case ADDRESS:
            equal(trap->tval, cases[i].a1);
            gva = V(mode);
            break;
        case PC:
            // zero is as good
            if (trap->tval) {
                equal(trap->tval, epc);
                gva = V(mode);
            }
            break;
    }
    if (machine() == QEMU && V(mode) && cases[i].tval != ADDRESS) gva = -1;  // sets GVA for any tval of V=1

    equal(trap->tval2, 0);
    if (handler != VS && !deviates(SPIKE, "leaves mtinst and htinst zero except for guest page faults") &&
        trap->tinst)
        equal(trap->tinst, expected_tinst(cause, insn));
    if (machine() == ENTRESOL && handler != VS) equal(trap->tinst, expected_tinst(cause, insn));
    if (handler == M) {
        equal(trap->status & MSTATUS_MPP, PRIV(mode) << 11);
        equal(!!(trap->status & MSTATUS_MPV), V(mode));
        equal(!!(trap->status & MSTATUS_MPIE), enabled && mode == M ? 1 : enabled ? 1 : 0);
        equal(trap->status & MSTATUS_MIE, 0);
        if (gva != -1ul) equal(!!(trap->status & MSTATUS_GVA), gva);
        equal(trap->hstatus, hstatus_before);
    } else {
        equal(trap->status & MSTATUS_SPP, PRIV(mode) << 8);
        equal(!!(trap->status & MSTATUS_SPIE), enabled);
        equal(trap->status & MSTATUS_SIE, 0);
    }
    if (handler == HS) {
        equal(!!(trap->hstatus & HSTATUS_SPV), V(mode));
        // SPVP is only written by traps from V=1
        equal(!!(trap->hstatus & HSTATUS_SPVP), V(mode) ? PRIV(mode) : 0);
        if (gva != -1ul) equal(!!(trap->hstatus & HSTATUS_GVA), gva);
    } else {
        equal(csr_read(scause), CAUSE_CANARY);
        equal(csr_read(sepc), CANARY + 1);
        equal(csr_read(stval), CANARY);
        if (!deviates(QEMU, "writes htval and htinst on traps to other modes, and cannot be made to hold values")) {
            equal(csr_read(htval), CANARY);
            equal(csr_read(htinst), TINST_CANARY);
        }
        if (handler == VS) equal(csr_read(hstatus), hstatus_before);
    }
    if (handler != VS) {
        equal(csr_read(vscause), CAUSE_CANARY);
        equal(csr_read(vsepc), CANARY + 1);
        equal(csr_read(vstval), CANARY);
        equal(!!(csr_read(vsstatus) & MSTATUS_SIE), enabled);
    }
}

void main(void) {
    for (u64 i = 0; i < CASES; i++)
        for (int m = 0; m < 5; m++) {
            enum mode mode = modes[m];
            u64 cause = cases[i].cause;
            if (!(cases[i].modes & BIT(mode))) continue;
            one(i, mode, M, 1);
            if (mode != M && cause != ECALL_M) one(i, mode, HS, m & 1);
            // what hedeleg may hold: not calls from HS or VS, nor virtual instructions
            if (V(mode) && cause != ECALL_VS && cause != VIRTUAL) one(i, mode, VS, ~m & 1);
        }
    // delegated traps from M-mode stay in M-mode
    csr_write(medeleg, -1);
    csr_write(hedeleg, -1);
    context("not delegated from M", 0, 0);
    equal(probe_insn(M, 0xffffffff, 0, 0)->handler, M);
    // and those from HS-mode in HS-mode
    csr_write(medeleg, BIT(ILLEGAL));
    context("not delegated from HS", 0, 0);
    equal(probe_insn(HS, 0xffffffff, 0, 0)->handler, HS);
}
