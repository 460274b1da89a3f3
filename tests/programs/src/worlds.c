// What belongs to the other world has no effect: with V = 0 the VS CSRs, with V = 1 the supervisor CSRs that they
// replace.  Which exception comes first.  Instructions of absent or disabled units are illegal, never virtual.
#include "test.h"

static u64 data[2][512] __attribute__((aligned(PAGE)));
static u64 *root, *vs_root, *g_root;
static u64 bits = PTE_V | PTE_RWX | PTE_AD;

#define PERMISSIONS (MSTATUS_SUM | MSTATUS_MXR)
#define STACK (MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP)
#define FS (3ul << 13)
#define VEC (3ul << 9)

CODE(done, "");
CODE(return_to, "csrw sepc, a0\ncsrw sstatus, a1\nsret");

// HS-mode and U-mode, Sv39, while the guest's CSRs hold what would break everything.
static void guest_does_not_matter(void) {
    context("VS CSRs with V = 0", 0, 0);
    csr_write(satp, ATP(root));
    csr_write(vsatp, ATP(NOWHERE));
    csr_write(hgatp, ATP(NOWHERE));
    csr_write(vsstatus, PERMISSIONS | STACK);
    csr_write(vstvec, NOWHERE);
    csr_write(vsepc, NOWHERE);
    csr_write(vscause, LOAD_PAGE);
    csr_write(vstval, NOWHERE);
    csr_write(medeleg, BIT(LOAD_PAGE) | BIT(ECALL_U));
    csr_write(hedeleg, -1);
    csr_clear(mstatus, PERMISSIONS | STACK);
    u64 vsstatus = csr_read(vsstatus);
    *pte_at(root, WINDOW, 0) = PTE(data[0], bits);
    *pte_at(root, WINDOW + PAGE, 0) = PTE(data[0], bits | PTE_U);
    *pte_at(root, WINDOW + 2 * PAGE, 0) = PTE(data[0], (bits | PTE_U) & ~(PTE_R | PTE_W));
    sfence();
    data[0][0] = 0x4711;
    code_offset = 0;
    equal(probe_insn(HS, LD, 0, WINDOW)->a0, 0x4711);
    check(completed(probe_insn(HS, SD, 0x4712, WINDOW)));
    equal(data[0][0], 0x4712);
    // vsstatus.SUM and MXR would let these pass
    struct trap *trap = probe_insn(HS, LD, 0, WINDOW + PAGE);
    equal(trap->handler, HS);
    equal(trap->cause, LOAD_PAGE);
    equal(trap->tval, WINDOW + PAGE);
    code_offset = USER_ALIAS;
    equal(probe_insn(U, LD, 0, WINDOW + PAGE)->a0, 0x4712);
    equal(last_trap.handler, HS);
    equal(probe_insn(U, LD, 0, WINDOW + 2 * PAGE)->cause, LOAD_PAGE);
    csr_set(mstatus, MSTATUS_MXR);
    equal(probe_insn(U, LD, 0, WINDOW + 2 * PAGE)->a0, 0x4712);
    csr_clear(mstatus, MSTATUS_MXR);
    code_offset = 0;
    // SRET goes where sepc and sstatus say
    csr_clear(hstatus, HSTATUS_SPV);
    trap = probe(HS, (u64)return_to, (u64)done, MSTATUS_SPP, 0, 0);
    check(completed(trap));
    equal(trap->cause, ECALL_HS);
    equal(csr_read(vsstatus), vsstatus);
    equal(csr_read(vstvec), NOWHERE);
    equal(csr_read(vsepc), NOWHERE);
    equal(csr_read(vscause), LOAD_PAGE);
    equal(csr_read(vstval), NOWHERE);
    equal(csr_read(vsatp), ATP(NOWHERE));
    csr_write(medeleg, 0);
    csr_write(hedeleg, 0);
    csr_write(vstvec, (u64)guest_trap);
}

// VS-mode and VU-mode while the host's CSRs hold what would break everything.
static void host_does_not_matter(void) {
    context("HS CSRs with V = 1", 0, 0);
    csr_write(satp, ATP(NOWHERE));
    csr_write(vsatp, ATP(vs_root));
    csr_write(hgatp, ATP(g_root));
    csr_write(stvec, NOWHERE);
    csr_write(sepc, NOWHERE);
    csr_write(scause, STORE_PAGE);
    csr_write(stval, 0x77);
    csr_write(medeleg, BIT(LOAD_PAGE));
    csr_write(hedeleg, BIT(LOAD_PAGE));
    csr_write(vsstatus, 0);
    csr_clear(mstatus, PERMISSIONS | STACK);
    csr_set(mstatus, MSTATUS_SUM | MSTATUS_SIE | MSTATUS_SPP);
    *pte_at(vs_root, WINDOW, 0) = PTE(data[0], bits);
    *pte_at(vs_root, WINDOW + PAGE, 0) = PTE(data[0], bits | PTE_U);
    fence_all();
    data[0][0] = 0x4711;
    code_offset = 0;
    equal(probe_insn(VS, LD, 0, WINDOW)->a0, 0x4711);
    // sstatus.SUM would let this pass
    struct trap *trap = probe_insn(VS, LD, 0, WINDOW + PAGE);
    equal(trap->handler, VS);
    equal(trap->cause, LOAD_PAGE);
    csr_write(vsstatus, MSTATUS_SUM);
    csr_clear(mstatus, MSTATUS_SUM);
    equal(probe_insn(VS, LD, 0, WINDOW + PAGE)->a0, 0x4711);
    csr_write(vsstatus, 0);
    code_offset = USER_ALIAS;
    equal(probe_insn(VU, LD, 0, WINDOW + PAGE)->a0, 0x4711);
    code_offset = 0;
    trap = probe(VS, (u64)return_to, (u64)done, MSTATUS_SPP, 0, 0);
    check(completed(trap));
    equal(trap->cause, ECALL_VS);
    equal(trap->status & (MSTATUS_SIE | MSTATUS_SPP), MSTATUS_SIE | MSTATUS_SPP);
    equal(csr_read(satp), ATP(NOWHERE));
    equal(csr_read(stvec), NOWHERE);
    equal(csr_read(sepc), NOWHERE);
    equal(csr_read(scause), STORE_PAGE);
    equal(csr_read(stval), 0x77);
    csr_write(medeleg, 0);
    csr_write(hedeleg, 0);
    csr_write(stvec, (u64)supervisor_trap);
    csr_write(satp, 0);
    csr_clear(mstatus, STACK);
    sfence();
}

// Of several exceptions the one that is found first on the way of an instruction.
static void priority(void) {
    context("priority", 0, 0);
    csr_write(vsatp, ATP(vs_root));
    csr_write(hgatp, ATP(g_root));
    csr_write(vsstatus, 0);
    csr_clear(hstatus, HSTATUS_HU);
    fence_all();
    u64 unmapped = WINDOW + 40 * PAGE;
    code_offset = 0;
    // an instruction that may not be executed makes no access
    equal(probe_insn(VS, HLV_D, 0, unmapped)->cause, VIRTUAL);
    equal(probe_insn(VS, HSV_D, 0, unmapped)->cause, VIRTUAL);
    equal(probe_insn(U, HLV_D, 0, unmapped)->cause, ILLEGAL);
    // misaligned LR, SC and AMO: before translation
    if (!deviates(QEMU, "translates first") && !deviates(SPIKE, "translates first")) {
        equal(probe_insn(VS, LR_W, 0, unmapped + 2)->cause, LOAD_MISALIGNED);
        equal(probe_insn(VS, AMOADD_D, 0, unmapped + 4)->cause, STORE_MISALIGNED);
    }
    // VS-stage before G-stage before what lies there
    *pte_at(vs_root, WINDOW, 0) = PTE(5 * GIGA, PTE_V | PTE_X | PTE_AD);
    *pte_at(g_root, 5 * GIGA, 0) = 0;
    hfence_vvma();
    hfence_gvma();
    equal(probe_insn(VS, LD, 0, WINDOW)->cause, LOAD_PAGE);
    *pte_at(vs_root, WINDOW, 0) = PTE(5 * GIGA, bits);
    hfence_vvma();
    equal(probe_insn(VS, LD, 0, WINDOW)->cause, LOAD_GUEST_PAGE);
    equal(probe_insn(VS, JALR_A1, 0, WINDOW)->cause, INSTRUCTION_GUEST_PAGE);
    *pte_at(g_root, 5 * GIGA, 0) = PTE(NOWHERE, (bits | PTE_U) & ~PTE_R & ~PTE_W);
    hfence_gvma();
    equal(probe_insn(VS, LD, 0, WINDOW)->cause, LOAD_GUEST_PAGE);
    *pte_at(g_root, 5 * GIGA, 0) = PTE(NOWHERE, bits | PTE_U);
    hfence_gvma();
    equal(probe_insn(VS, LD, 0, WINDOW)->cause, LOAD_ACCESS);
    equal(probe_insn(VS, JALR_A1, 0, WINDOW)->cause, INSTRUCTION_ACCESS);
    // the fetch comes before what would have been fetched
    *(u32 *)data[1] = 0xffffffff;
    *pte_at(vs_root, WINDOW, 0) = PTE(data[1], bits & ~PTE_X);
    hfence_vvma();
    equal(probe_insn(VS, JALR_A1, 0, WINDOW)->cause, INSTRUCTION_PAGE);
    *pte_at(vs_root, WINDOW, 0) = PTE(data[1], bits);
    hfence_vvma();
    __asm__ volatile("fence.i" : : : "memory");
    equal(probe_insn(VS, JALR_A1, 0, WINDOW)->cause, ILLEGAL);
    csr_write(vsatp, 0);
    csr_write(hgatp, 0);
}

// Floating-point and vector instructions and CSRs with FS and VS off, at either level.
static void units_that_are_off(void) {
    static const u32 floats[] = {
        0x0005a007, 0x0005b007, 0x00a5a027, 0x00000053, 0x02000053, 0x0005c187 & ~0x180, CSRR(A0, 1), CSRR(A0, 3),
    };
    static const u32 vectors[] = {0x00007057, 0x02058007, 0x02000057, CSRR(A0, 8), CSRR(A0, 0xc20)};
    static const enum mode modes[] = {M, HS, U, VS, VU};
    for (int off = 0; off < 3; off++)  // both, the host's, the guest's; where the fields do not exist all are the same
        for (int m = 0; m < 5; m++) {
            enum mode mode = modes[m];
            if (off == 2 && mode < VU) continue;
            csr_clear(mstatus, FS | VEC);
            csr_write(vsstatus, off == 1 ? FS | VEC : 0);
            if (off == 2) csr_set(mstatus, FS | VEC);
            context("units, mode", off, mode);
            for (u64 i = 0; i < sizeof floats / 4; i++) {
                struct trap *trap = probe_insn(mode, floats[i], 0, (u64)data);
                equal(trap->cause, ILLEGAL);
                equal(trap->tval, floats[i]);
            }
            for (u64 i = 0; i < sizeof vectors / 4; i++) {
                struct trap *trap = probe_insn(mode, vectors[i], 0, (u64)data);
                equal(trap->cause, ILLEGAL);
                equal(trap->tval, vectors[i]);
            }
        }
    csr_clear(mstatus, FS | VEC);
    csr_write(vsstatus, 0);
}

// An HLV that is only guessed to be executed sets no A bit in the guest's tables.
CODE(guess, "li t2, 8\n1: ld t0, 0(a0)\nbnez t0, 2f\nhlv.d t1, (a1)\n2: addi t2, t2, -1\nbnez t2, 1b\nmv a0, t1");
static void no_speculative_a_bit(void) {
    context("A bit", 0, 0);
    csr_set(menvcfg, BIT(61));
    if (!(csr_read(menvcfg) & BIT(61))) return;  // no hardware updating
    csr_set(henvcfg, BIT(61));
    u64 *pte = pte_at(vs_root, WINDOW, 0);
    *pte = PTE(data[0], bits & ~(PTE_A | PTE_D));
    csr_write(vsatp, ATP(vs_root));
    csr_write(hgatp, ATP(g_root));
    csr_set(hstatus, HSTATUS_SPVP);
    fence_all();
    data[1][0] = 1;
    data[0][0] = 0x4713;
    for (int i = 0; i < 4; i++) check(completed(probe(HS, (u64)guess, (u64)data[1], WINDOW, 0, 0)));
    equal(*pte & PTE_A, 0);
    data[1][0] = 0;
    equal(probe(HS, (u64)guess, (u64)data[1], WINDOW, 0, 0)->a0, 0x4713);
    equal(*pte & (PTE_A | PTE_D), PTE_A);
    csr_clear(menvcfg, BIT(61));
    csr_write(vsatp, 0);
    csr_write(hgatp, 0);
}

void main(void) {
    csr_write(mie, 0);
    root = new_table();
    vs_root = new_table();
    g_root = new_guest_table();
    guest_does_not_matter();
    host_does_not_matter();
    priority();
    units_that_are_off();
    no_speculative_a_bit();
}
