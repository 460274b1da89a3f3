// Which CSR accesses are allowed, illegal or virtual instructions: by privilege, by read-only addresses, by the counter
// enables, by TVM, TSR, TW and their hypervisor counterparts; and what V = 1 substitutes.
#include "test.h"

enum outcome { OK, ILL, VIRT };

static const enum mode modes[] = {M, HS, U, VS, VU};

static enum outcome outcome(struct trap *trap) {
    if (completed(trap)) return OK;
    if (trap->cause == ILLEGAL) return ILL;
    if (trap->cause == VIRTUAL) return VIRT;
    return 99;
}

static void reset(void) {
    csr_clear(mstatus, MSTATUS_TVM | MSTATUS_TSR | MSTATUS_TW | MSTATUS_SPP);
    csr_clear(hstatus, HSTATUS_VTVM | HSTATUS_VTSR | HSTATUS_VTW | HSTATUS_HU | HSTATUS_SPV);
    csr_write(mcounteren, 0);
    csr_write(hcounteren, 0);
    csr_write(scounteren, 0);
}

static const u16 machine_csrs[] = {
    0x300, 0x301, 0x302, 0x303, 0x304, 0x305, 0x306, 0x30a, 0x320, 0x323, 0x33f, 0x340, 0x341, 0x342, 0x343, 0x344,
    0x34a, 0x34b, 0x3a0, 0x3a2, 0x3b0, 0x3bf, 0xb00, 0xb02, 0xb03, 0xb1f, 0xf11, 0xf12, 0xf13, 0xf14, 0xf15,
};
static const u16 hypervisor_csrs[] = {
    0x600, 0x602, 0x603, 0x604, 0x605, 0x606, 0x607, 0x60a, 0x643, 0x644, 0x645, 0x64a, 0x680, 0xe12,
    0x200, 0x204, 0x205, 0x240, 0x241, 0x242, 0x243, 0x244, 0x280,
};
static const u16 supervisor_csrs[] = {0x100, 0x104, 0x105, 0x106, 0x10a, 0x140, 0x141, 0x142, 0x143, 0x144, 0x180};
static const u16 absent_csrs[] = {0x000, 0x123, 0x5ff, 0x7b0, 0x800, 0xcff, 0xfff, 0x6ff, 0x3f0, 0x2ff, 0xdc0, 0xf16};

static enum outcome read(enum mode mode, u32 csr) { return outcome(probe_insn(mode, CSRR(A0, csr), 0, 0)); }

static void by_privilege(void) {
    reset();
    for (int m = 0; m < 5; m++) {
        enum mode mode = modes[m];
        for (u64 i = 0; i < sizeof machine_csrs / 2; i++) {
            context("machine CSR", machine_csrs[i], mode);
            if (machine_csrs[i] == 0xb1f && deviates(QEMU, "has no counters above mhpmcounter18")) continue;
            equal(read(mode, machine_csrs[i]), mode == M ? OK : ILL);
        }
        for (u64 i = 0; i < sizeof hypervisor_csrs / 2; i++) {
            context("hypervisor CSR", hypervisor_csrs[i], mode);
            if (mode == VU && deviates(QEMU, "VU")) continue;
            equal(read(mode, hypervisor_csrs[i]), mode >= VU ? VIRT : mode == U ? ILL : OK);
        }
        for (u64 i = 0; i < sizeof supervisor_csrs / 2; i++) {
            context("supervisor CSR", supervisor_csrs[i], mode);
            if (mode == VU && deviates(QEMU, "VU")) continue;
            equal(read(mode, supervisor_csrs[i]), mode == VU ? VIRT : mode == U ? ILL : OK);
        }
        for (u64 i = 0; i < sizeof absent_csrs / 2; i++) {
            if (absent_csrs[i] == 0x7b0 && deviates(SPIKE, "has debug CSRs") && mode == M) continue;
            context("absent CSR", absent_csrs[i], mode);
            equal(read(mode, absent_csrs[i]), ILL);
        }
    }
}

// Writing: CSRs whose address begins with 11 are read-only for everybody; an access without a write is not one.
static void read_only(void) {
    reset();
    context("read-only", 0, 0);
    csr_write(mcounteren, 7);
    csr_write(hcounteren, 7);
    csr_write(scounteren, 7);
    for (int m = 0; m < 5; m++) {
        context("read-only", modes[m], 0);
        equal(outcome(probe_insn(modes[m], CSRW(0xc00, A0), 0, 0)), ILL);
        if (!deviates(QEMU, "takes CSRRS of a register that holds 0 for a read"))
            equal(outcome(probe_insn(modes[m], CSRS(0xc00, A0), 0, 0)), ILL);
        equal(outcome(probe_insn(modes[m], CSRR(A0, 0xc00), 0, 0)), OK);
        equal(outcome(probe_insn(modes[m], 0xc0007073, 0, 0)), OK);   // csrci cycle, 0
        equal(outcome(probe_insn(modes[m], 0xc000f073, 0, 0)), ILL);  // csrci cycle, 1
    }
    context("read-only", M, 0);
    equal(outcome(probe_insn(M, CSRW(0xf14, A0), 0, 0)), ILL);
    equal(outcome(probe_insn(HS, CSRW(0xe12, A0), 0, 0)), ILL);
    // a read-only hypervisor CSR from V = 1: it is not there to be written for HS-mode either
    if (!deviates(QEMU, "checks the mode first")) equal(outcome(probe_insn(VS, CSRW(0xe12, A0), 0, 0)), ILL);
}

// cycle, time and instret, as mcounteren, hcounteren and scounteren allow.
static void counters(void) {
    static const u16 csrs[] = {0xc00, 0xc01, 0xc02};
    for (int bit = 0; bit < 3; bit++) {
        if (csrs[bit] == 0xc01 && deviates(SPIKE, "has no time CSR")) continue;
        for (int m = 0; m < 5; m++)
            for (int enables = 0; enables < 8; enables++) {
                enum mode mode = modes[m];
                int me = enables & 1, he = enables >> 1 & 1, se = enables >> 2 & 1;
                reset();
                csr_write(mcounteren, me ? BIT(bit) : ~BIT(bit));
                csr_write(hcounteren, he ? BIT(bit) : ~BIT(bit));
                csr_write(scounteren, se ? BIT(bit) : ~BIT(bit));
                enum outcome expected = OK;
                if (mode != M && !me) expected = ILL;
                else if (mode == U && !se) expected = ILL;
                else if (mode == VS && !he) expected = VIRT;
                else if (mode == VU && !(he && se)) expected = VIRT;
                context("counter, mode and enables", bit, mode | enables << 4);
                equal(read(mode, csrs[bit]), expected);
            }
    }
}

// mstatus.TVM, TSR, TW and hstatus.VTVM, VTSR, VTW, HU.
static void traps_on_request(void) {
    context("TVM", 0, 0);
    reset();
    csr_set(mstatus, MSTATUS_TVM);
    equal(read(M, 0x180), OK);
    equal(read(HS, 0x180), ILL);
    equal(outcome(probe_insn(HS, SFENCE_VMA(0, 0), 0, 0)), ILL);
    if (!deviates(QEMU, "TVM does not gate hgatp")) equal(read(HS, 0x680), ILL);
    equal(outcome(probe_insn(HS, HFENCE_GVMA(0, 0), 0, 0)), ILL);
    equal(outcome(probe_insn(HS, HFENCE_VVMA(0, 0), 0, 0)), OK);
    equal(read(HS, 0x280), OK);  // vsatp is not affected
    if (!deviates(QEMU, "TVM gates satp and SFENCE.VMA in VS-mode")) {
        equal(read(VS, 0x180), OK);
        equal(outcome(probe_insn(VS, SFENCE_VMA(0, 0), 0, 0)), OK);
    }
    reset();
    equal(outcome(probe_insn(HS, SFENCE_VMA(0, 0), 0, 0)), OK);
    equal(outcome(probe_insn(HS, HFENCE_GVMA(0, 0), 0, 0)), OK);
    equal(outcome(probe_insn(U, SFENCE_VMA(0, 0), 0, 0)), ILL);
    equal(outcome(probe_insn(U, HFENCE_VVMA(0, 0), 0, 0)), ILL);
    equal(outcome(probe_insn(U, HFENCE_GVMA(0, 0), 0, 0)), ILL);
    equal(outcome(probe_insn(VS, HFENCE_VVMA(0, 0), 0, 0)), VIRT);
    equal(outcome(probe_insn(VS, HFENCE_GVMA(0, 0), 0, 0)), VIRT);
    if (!deviates(QEMU, "VU")) {
        equal(outcome(probe_insn(VU, HFENCE_VVMA(0, 0), 0, 0)), VIRT);
        equal(outcome(probe_insn(VU, SFENCE_VMA(0, 0), 0, 0)), VIRT);
    }

    context("VTVM", 0, 0);
    csr_set(hstatus, HSTATUS_VTVM);
    if (!deviates(QEMU, "VTVM does not gate satp")) equal(read(VS, 0x180), VIRT);
    equal(outcome(probe_insn(VS, SFENCE_VMA(0, 0), 0, 0)), VIRT);
    equal(read(HS, 0x180), OK);
    equal(outcome(probe_insn(HS, SFENCE_VMA(0, 0), 0, 0)), OK);

    context("TSR", 0, 0);
    reset();
    csr_set(mstatus, MSTATUS_TSR);
    equal(outcome(probe_insn(HS, SRET, 0, 0)), ILL);
    equal(outcome(probe_insn(U, SRET, 0, 0)), ILL);
    context("VTSR", 0, 0);
    reset();
    csr_set(hstatus, HSTATUS_VTSR);
    equal(outcome(probe_insn(VS, SRET, 0, 0)), VIRT);

    // WFI waits unless it traps: with something pending (and not enabled here) it goes on
    context("WFI", 0, 0);
    reset();
    csr_write(mideleg, 0);
    csr_write(mie, 0);
    MSIP = 1;
    csr_write(mie, BIT(MSI));
    equal(outcome(probe_insn(M, WFI, 0, 0)), OK);
    // in the other modes an interrupt for M-mode would be taken: wake with one for HS-mode
    MSIP = 0;
    csr_write(mideleg, BIT(SSI));
    csr_write(mie, BIT(SSI));
    csr_set(mip, BIT(SSI));
    csr_clear(mstatus, MSTATUS_SIE);
    equal(outcome(probe_insn(HS, WFI, 0, 0)), OK);
    csr_write(mie, 0);
    csr_clear(mip, BIT(SSI));
    csr_set(mstatus, MSTATUS_TW);
    equal(outcome(probe_insn(HS, WFI, 0, 0)), ILL);
    equal(outcome(probe_insn(VS, WFI, 0, 0)), ILL);
    equal(outcome(probe_insn(U, WFI, 0, 0)), ILL);
    if (!deviates(QEMU, "a virtual instruction, although TW = 1")) equal(outcome(probe_insn(VU, WFI, 0, 0)), ILL);
    csr_clear(mstatus, MSTATUS_TW);
    // with TW = 0 WFI may trap at U-level after a time; with an S-mode it does
    equal(outcome(probe_insn(VU, WFI, 0, 0)), VIRT);
    csr_set(hstatus, HSTATUS_VTW);
    equal(outcome(probe_insn(VS, WFI, 0, 0)), VIRT);
    equal(outcome(probe_insn(VU, WFI, 0, 0)), VIRT);

    context("HU", 0, 0);
    reset();
    equal(outcome(probe_insn(U, HLV_D, 0, 0x80000000)), ILL);
    equal(outcome(probe_insn(U, HSV_B, 0, (u64)&last_trap.a7)), ILL);
    equal(outcome(probe_insn(VS, HLV_D, 0, 0x80000000)), VIRT);
    equal(outcome(probe_insn(VU, HLV_D, 0, 0x80000000)), VIRT);
    equal(outcome(probe_insn(VS, HSV_D, 0, 0x80000000)), VIRT);
    equal(outcome(probe_insn(VU, HLVX_HU, 0, 0x80000000)), VIRT);
    csr_set(hstatus, HSTATUS_HU);
    equal(outcome(probe_insn(U, HLV_D, 0, 0x80000000)), OK);
    equal(outcome(probe_insn(HS, HLV_D, 0, 0x80000000)), OK);
    equal(outcome(probe_insn(M, HLV_D, 0, 0x80000000)), OK);
}

// In VS-mode the supervisor CSRs' addresses are the VS CSRs, and the others are out of reach.  (sscratch and
// vsscratch are the framework's and show it themselves.)
static void substitution(void) {
    static const struct { u16 s, vs; u64 value; } pairs[] = {
        {0x141, 0x241, 0x80001230}, {0x142, 0x242, 0x3f},
        {0x143, 0x243, 0xfedcba0987654321}, {0x105, 0x205, 0x80004560},
    };
    reset();
    for (u64 i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        context("substitution", pairs[i].s, 0);
        probe_insn(M, CSRW(pairs[i].s, A0), 0x10, 0);
        equal(outcome(probe_insn(VS, CSRW(pairs[i].s, A0), pairs[i].value, 0)), OK);
        equal(probe_insn(M, CSRR(A0, pairs[i].vs), 0, 0)->a0, pairs[i].value);
        equal(probe_insn(VS, CSRR(A0, pairs[i].s), 0, 0)->a0, pairs[i].value);
        equal(probe_insn(M, CSRR(A0, pairs[i].s), 0, 0)->a0, 0x10);
    }
    csr_write(stvec, (u64)supervisor_trap);
    csr_write(vstvec, (u64)guest_trap);
    context("vsstatus", 0, 0);
    csr_clear(mstatus, MSTATUS_SUM | MSTATUS_MXR | MSTATUS_SPIE);
    csr_write(vsstatus, 0);
    equal(outcome(probe_insn(VS, CSRS(0x100, A0), MSTATUS_SUM | MSTATUS_MXR | MSTATUS_SPIE, 0)), OK);
    equal(csr_read(vsstatus) & (MSTATUS_SUM | MSTATUS_MXR | MSTATUS_SPIE), MSTATUS_SUM | MSTATUS_MXR | MSTATUS_SPIE);
    equal(csr_read(sstatus) & (MSTATUS_SUM | MSTATUS_MXR | MSTATUS_SPIE), 0);
    csr_write(vsstatus, 0);
}

void main(void) {
    by_privilege();
    read_only();
    counters();
    traps_on_request();
    substitution();
}
