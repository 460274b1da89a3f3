// HLV, HLVX and HSV: widths, which privilege and which CSRs they use, their faults, and that nothing of them is left
// behind in the accesses that follow.
#include "test.h"

#define GUEST_PAGE 0x140000000ul
static u64 data[2][512] __attribute__((aligned(PAGE)));
static u64 *vs_root, *g_root, *vs, *g;
static u64 bits = PTE_V | PTE_RWX | PTE_AD;

static struct trap *try(enum mode mode, u32 insn, u64 value, u64 address) {
    code_offset = 0;
    return probe_insn(mode, insn, value, address);
}

static void privilege(int supervisor) {
    csr_clear(hstatus, HSTATUS_SPVP);
    if (supervisor) csr_set(hstatus, HSTATUS_SPVP);
}

static void widths(enum mode mode) {
    static const struct { u32 insn; u64 value; } loads[] = {
        {HLV_B, 0xffffffffffffff81}, {HLV_BU, 0x81}, {HLV_H, 0xffffffffffff8281}, {HLV_HU, 0x8281},
        {HLV_W, 0xffffffff84838281}, {HLV_WU, 0x84838281}, {HLV_D, 0x8887868584838281},
        {HLVX_HU, 0x8281}, {HLVX_WU, 0x84838281},
    };
    static const struct { u32 insn; u64 value; } stores[] = {
        {HSV_B, 0x88878685848382f8}, {HSV_H, 0x888786858483f7f8}, {HSV_W, 0x88878685f5f6f7f8},
        {HSV_D, 0xf1f2f3f4f5f6f7f8},
    };
    privilege(1);
    for (int i = 0; i < 9; i++) {
        data[0][1] = 0x8887868584838281;
        context("HLV, mode", i, mode);
        struct trap *trap = try(mode, loads[i].insn, 0, WINDOW + 8);
        check(completed(trap));
        equal(trap->a0, loads[i].value);
    }
    for (int i = 0; i < 4; i++) {
        data[0][1] = 0x8887868584838281;
        context("HSV, mode", i, mode);
        check(completed(try(mode, stores[i].insn, 0xf1f2f3f4f5f6f7f8, WINDOW + 8)));
        equal(data[0][1], stores[i].value);
    }
}

static void fault(enum mode mode, u32 insn, u64 address, u64 cause, u64 gpa, u64 tinst) {
    struct trap *trap = try(mode, insn, 0, address);
    if (deviates(QEMU, "reports HLVX faults as a fetch's, and no GVA for any of these")) return;
    equal(trap->handler, M);
    equal(trap->cause, cause);
    equal(trap->tval, address);
    equal(trap->tval2, gpa >> 2);
    if (trap->tinst || machine() == ENTRESOL) equal(trap->tinst, tinst);
    // the fault's address is the guest's, although the mode is not
    equal(trap->status & (MSTATUS_GVA | MSTATUS_MPV), MSTATUS_GVA);
}

static void success(enum mode mode, u32 insn, u64 address) { check(completed(try(mode, insn, 0, address))); }

static void permissions(void) {
    context("SPVP", 0, 0);
    *vs = PTE(GUEST_PAGE, bits | PTE_U);
    hfence_vvma();
    privilege(0);
    success(HS, HLV_D, WINDOW);
    success(HS, HSV_W, WINDOW);
    privilege(1);  // a user page: needs the guest's SUM, not the host's
    csr_set(mstatus, MSTATUS_SUM);
    fault(HS, HLV_D, WINDOW, LOAD_PAGE, 0, transformed(HLV_D));
    fault(M, HSV_W, WINDOW, STORE_PAGE, 0, transformed(HSV_W));
    csr_clear(mstatus, MSTATUS_SUM);
    csr_write(vsstatus, MSTATUS_SUM);
    success(HS, HLV_D, WINDOW);
    csr_write(vsstatus, 0);
    *vs = PTE(GUEST_PAGE, bits);
    hfence_vvma();
    success(HS, HLV_D, WINDOW);
    privilege(0);
    fault(HS, HLV_D, WINDOW, LOAD_PAGE, 0, transformed(HLV_D));
    fault(U, HLV_D, WINDOW, LOAD_PAGE, 0, transformed(HLV_D));
    privilege(1);

    // HLVX needs execute permission in place of read permission, at both stages, whatever MXR says
    context("HLVX", 0, 0);
    *vs = PTE(GUEST_PAGE, PTE_V | PTE_X | PTE_AD);
    *g = PTE(data[0], PTE_V | PTE_X | PTE_U | PTE_AD);
    fence_all();
    if (!deviates(QEMU, "needs read permission too")) success(HS, HLVX_WU, WINDOW);
    fault(HS, HLV_W, WINDOW, LOAD_PAGE, 0, transformed(HLV_W));
    *vs = PTE(GUEST_PAGE, bits);
    fence_all();
    fault(HS, HLV_W, WINDOW, LOAD_GUEST_PAGE, GUEST_PAGE, transformed(HLV_W));
    *g = PTE(data[0], PTE_V | PTE_R | PTE_W | PTE_U | PTE_AD);
    fence_all();
    success(HS, HLV_W, WINDOW);
    fault(HS, HLVX_HU, WINDOW, LOAD_GUEST_PAGE, GUEST_PAGE, transformed(HLVX_HU));
    *vs = PTE(GUEST_PAGE, PTE_V | PTE_R | PTE_AD);
    fence_all();
    fault(HS, HLVX_HU, WINDOW, LOAD_PAGE, 0, transformed(HLVX_HU));
    csr_set(mstatus, MSTATUS_MXR);
    fault(HS, HLVX_WU, WINDOW, LOAD_PAGE, 0, transformed(HLVX_WU));
    csr_clear(mstatus, MSTATUS_MXR);

    context("MXR", 0, 0);
    if (!deviates(QEMU, "MXR of the wrong stages")) {
        *vs = PTE(GUEST_PAGE, PTE_V | PTE_X | PTE_AD);
        fence_all();
        fault(HS, HLV_W, WINDOW, LOAD_PAGE, 0, transformed(HLV_W));
        csr_write(vsstatus, MSTATUS_MXR);
        success(HS, HLV_W, WINDOW);
        csr_write(vsstatus, 0);
        csr_set(mstatus, MSTATUS_MXR);
        success(HS, HLV_W, WINDOW);
        csr_clear(mstatus, MSTATUS_MXR);
    }

    context("guest page faults", 0, 0);
    *vs = PTE(GUEST_PAGE, bits);
    *g = 0;
    fence_all();
    fault(HS, HLV_D, WINDOW + 16, LOAD_GUEST_PAGE, GUEST_PAGE + 16, transformed(HLV_D));
    fault(M, HSV_B, WINDOW + 17, STORE_GUEST_PAGE, GUEST_PAGE + 17, transformed(HSV_B));
    fault(HS, HLVX_HU, WINDOW + 18, LOAD_GUEST_PAGE, GUEST_PAGE + 18, transformed(HLVX_HU));
    *g = PTE(NOWHERE, bits | PTE_U);
    fence_all();
    fault(HS, HLVX_HU, WINDOW, LOAD_ACCESS, 0, machine() == SPIKE ? 0 : transformed(HLVX_HU));

    // delegated to HS-mode: from HS-mode, about a guest
    context("delegated", 0, 0);
    csr_write(medeleg, BIT(LOAD_GUEST_PAGE));
    *g = 0;
    fence_all();
    csr_clear(hstatus, HSTATUS_SPV);
    struct trap *trap = try(HS, HLV_D, 0, WINDOW + 16);
    equal(trap->handler, HS);
    equal(trap->tval, WINDOW + 16);
    equal(trap->tval2, (GUEST_PAGE + 16) >> 2);
    if (!deviates(QEMU, "no GVA")) equal(trap->hstatus & (HSTATUS_GVA | HSTATUS_SPV), HSTATUS_GVA);
    equal(trap->hstatus & HSTATUS_SPVP, HSTATUS_SPVP);  // not changed: the trap came from V = 0
    csr_write(medeleg, 0);
    *g = PTE(data[0], bits | PTE_U);
    fence_all();
}

// An access through one world must not use or leave translations of the other.
CODE(alternate, "hlv.d t0, (a1)\nld t1, 0(a1)\nhlv.d t2, (a1)\nsub t2, t2, t0\nbnez t2, 1f\nmv a0, t1\n1:");
CODE(alternate_store, "li t1, 7\nhsv.d t1, (a1)\nli t1, 9\nsd t1, 0(a1)\nhlv.d a0, (a1)\nld t1, 0(a1)\nslli t1, t1, 8\n"
                      "or a0, a0, t1");
CODE(modified, "csrs mstatus, a2\nhlv.d a0, (a1)\ncsrc mstatus, a2");
static void nothing_left(void) {
    context("alternating", 0, 0);
    u64 *root = new_table();
    *pte_at(root, WINDOW, 0) = PTE(data[1], bits);
    data[0][0] = 1000;
    data[1][0] = 2000;
    csr_write(satp, ATP(root));
    fence_all();
    equal(probe(HS, (u64)alternate, 0, WINDOW, 0, 0)->a0, 2000);
    equal(probe(HS, (u64)alternate_store, 0, WINDOW, 0, 0)->a0, 0x907);
    equal(data[0][0], 7);
    equal(data[1][0], 9);
    // a page that only the guest has
    *pte_at(root, WINDOW, 0) = 0;
    fence_all();
    struct trap *trap = probe(HS, (u64)alternate, 0, WINDOW, 0, 0);
    equal(trap->cause, LOAD_PAGE);
    equal(trap->status & MSTATUS_GVA, 0);
    // a fetch walk right after: code in a page whose translation is not in the TLB yet
    *pte_at(root, WINDOW + PAGE, 0) = PTE(data[1], bits);
    ((u32 *)data[1])[0] = HLV_D;
    ((u32 *)data[1])[1] = 0x4d200893;  // li a7, DONE
    ((u32 *)data[1])[2] = ECALL;
    // the guest has something else there
    *pte_at(vs_root, WINDOW + PAGE, 0) = PTE(GUEST_PAGE, bits);
    __asm__ volatile("fence.i" : : : "memory");
    fence_all();
    trap = probe(HS, WINDOW + PAGE, 0, WINDOW, 0, 0);
    check(completed(trap));
    equal(trap->a0, 7);
    csr_write(satp, 0);
    sfence();
    // MPRV does not matter to them
    context("MPRV", 0, 0);
    trap = probe(M, (u64)modified, 0, WINDOW, MSTATUS_MPRV, 0);
    check(completed(trap));
    equal(trap->a0, 7);
}

// U-mode with hstatus.HU, and both stages bare.
static void plain(void) {
    context("bare", 0, 0);
    csr_write(vsatp, 0);
    csr_write(hgatp, 0);
    equal(try(HS, HLV_D, 0, (u64)&data[0][0])->a0, 7);
    fault(HS, HLV_D, NOWHERE, LOAD_ACCESS, 0, machine() == SPIKE ? 0 : transformed(HLV_D));
}

void main(void) {
    vs_root = new_table();
    g_root = new_guest_table();
    csr_write(vsatp, ATP(vs_root));
    csr_write(hgatp, ATP(g_root));
    csr_write(vsstatus, 0);
    csr_set(hstatus, HSTATUS_HU);
    vs = pte_at(vs_root, WINDOW, 0);
    g = pte_at(g_root, GUEST_PAGE, 0);
    *vs = PTE(GUEST_PAGE, bits);
    *g = PTE(data[0], bits | PTE_U);
    fence_all();
    widths(HS);
    widths(M);
    widths(U);
    permissions();
    nothing_left();
    plain();
}
