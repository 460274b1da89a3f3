// Two stages: Sv39 over Sv39x4.  Which faults are the guest's (page faults) and which the hypervisor's (guest page
// faults), with everything that tells about them: xtval, xtval2 (the guest physical address), xtinst, GVA.
#include "test.h"

enum access { READ, WRITE, EXECUTE };
static const u32 insns[] = {LW, SW, JALR_A1};
static const u64 page_faults[] = {LOAD_PAGE, STORE_PAGE, INSTRUCTION_PAGE};
static const u64 guest_page_faults[] = {LOAD_GUEST_PAGE, STORE_GUEST_PAGE, INSTRUCTION_GUEST_PAGE};
static const u64 access_faults[] = {LOAD_ACCESS, STORE_ACCESS, INSTRUCTION_ACCESS};
#define PSEUDO_READ 0x3000

#define GUEST_PAGE 0x140000000ul  // guest physical address of the page under test; WINDOW is its virtual one
#define GUEST_TABLES 0x180000000ul  // guest physical addresses for VS-stage tables, apart from the identity of memory

static u64 data[2][512] __attribute__((aligned(PAGE)));
static u64 *vs_root, *g_root;

static struct trap *try(enum mode mode, enum access access, u64 address) {
    code_offset = mode == VU ? USER_ALIAS : 0;
    return probe_insn(mode, insns[access], 0x1111, address);
}

static void write_code(void) {
    *(u32 *)data[0] = 0x4d200893;  // li a7, DONE
    *((u32 *)data[0] + 1) = ECALL;
    __asm__ volatile("fence.i" : : : "memory");
}

// xtinst of a fault that the access itself raises.
static u64 explicit(enum access access) { return access == EXECUTE ? 0 : transformed(insns[access]); }

static void expect_fault(enum mode mode, enum access access, u64 address, u64 cause, u64 gpa, u64 tinst) {
    struct trap *trap = try(mode, access, address);
    equal(trap->handler, M);
    equal(trap->cause, cause);
    equal(trap->tval, address);
    equal(trap->tval2, gpa >> 2);
    if (cause < INSTRUCTION_GUEST_PAGE && machine() == SPIKE) tinst = 0;
    if (trap->tinst || machine() == ENTRESOL) equal(trap->tinst, tinst);
    equal(trap->status & (MSTATUS_GVA | MSTATUS_MPV), MSTATUS_GVA | MSTATUS_MPV);
}

// A guest page fault of the access itself.
static void expect_guest_fault(enum mode mode, enum access access, u64 address, u64 gpa) {
    expect_fault(mode, access, address, guest_page_faults[access], gpa,
                 explicit(access));
}

static void expect_success(enum mode mode, enum access access, u64 address) {
    check(completed(try(mode, access, address)));
}

static u64 bits = PTE_V | PTE_RWX | PTE_AD;

static int permitted(u64 bits, int mxr, enum access access) {
    if ((bits & (PTE_R | PTE_W)) == PTE_W || !(bits & (PTE_R | PTE_W | PTE_X)) || !(bits & PTE_U)) return 0;
    if (access == READ) return bits & PTE_R || (mxr && bits & PTE_X);
    return !!(bits & (access == WRITE ? PTE_W : PTE_X));
}

// The G-stage's permissions, for a page that the VS-stage permits everything on.
static void g_stage_permissions(void) {
    u64 *pte = pte_at(g_root, GUEST_PAGE, 0);
    *pte_at(vs_root, WINDOW, 0) = PTE(GUEST_PAGE, bits);
    for (int g_bits = 0; g_bits < 32; g_bits += 2)
        for (int flags = 0; flags < 3; flags++) {  // none, mstatus.MXR, vsstatus.MXR: which does not count here
            if (flags && deviates(QEMU, "applies vsstatus.MXR to both stages and mstatus.MXR to neither")) break;
            csr_clear(mstatus, MSTATUS_MXR);
            csr_write(vsstatus, flags == 2 ? MSTATUS_MXR : 0);
            if (flags == 1) csr_set(mstatus, MSTATUS_MXR);
            *pte = PTE(data[0], g_bits | PTE_V | PTE_AD);
            hfence_gvma();
            for (int access = 0; access < (flags ? 1 : 3); access++) {
                context("G-stage permissions, access", g_bits, flags << 4 | access);
                write_code();
                if (permitted(g_bits, flags == 1, access))
                    expect_success(VS, access, WINDOW);
                else
                    expect_guest_fault(VS, access, WINDOW, GUEST_PAGE);
            }
        }
    csr_clear(mstatus, MSTATUS_MXR);
    csr_write(vsstatus, 0);
}

// A page that is executable only at the VS-stage: readable with either MXR; at both stages: only with mstatus'.
static void execute_only(void) {
    if (deviates(QEMU, "applies vsstatus.MXR to both stages and mstatus.MXR to neither")) return;
    u64 *vs = pte_at(vs_root, WINDOW, 0), *g = pte_at(g_root, GUEST_PAGE, 0);
    *vs = PTE(GUEST_PAGE, PTE_V | PTE_X | PTE_AD);
    *g = PTE(data[0], bits | PTE_U);
    fence_all();
    context("execute-only", 0, 0);
    expect_fault(VS, READ, WINDOW, LOAD_PAGE, 0, transformed(LW));
    csr_write(vsstatus, MSTATUS_MXR);
    expect_success(VS, READ, WINDOW);
    *g = PTE(data[0], PTE_V | PTE_X | PTE_U | PTE_AD);
    fence_all();
    expect_guest_fault(VS, READ, WINDOW, GUEST_PAGE);
    csr_write(vsstatus, 0);
    csr_set(mstatus, MSTATUS_MXR);
    expect_success(VS, READ, WINDOW);
    csr_clear(mstatus, MSTATUS_MXR);
    expect_fault(VS, READ, WINDOW, LOAD_PAGE, 0, transformed(LW));
}

static void accessed_and_dirty(void) {
    if (deviates(QEMU, "always updates A and D")) return;
    u64 *vs = pte_at(vs_root, WINDOW, 0), *g = pte_at(g_root, GUEST_PAGE, 0);
    *vs = PTE(GUEST_PAGE, bits);
    for (int access = 0; access < 3; access++) {
        context("G-stage A clear", access, 0);
        *g = PTE(data[0], (bits & ~PTE_A) | PTE_U);
        fence_all();
        expect_guest_fault(VS, access, WINDOW, GUEST_PAGE);
    }
    context("G-stage D clear", 0, 0);
    *g = PTE(data[0], (bits & ~PTE_D) | PTE_U);
    fence_all();
    write_code();
    expect_success(VS, READ, WINDOW);
    expect_success(VS, EXECUTE, WINDOW);
    expect_guest_fault(VS, WRITE, WINDOW, GUEST_PAGE);
    context("VS-stage D clear", 0, 0);
    *vs = PTE(GUEST_PAGE, bits & ~PTE_D);
    *g = PTE(data[0], bits | PTE_U);
    fence_all();
    expect_success(VS, READ, WINDOW);
    expect_fault(VS, WRITE, WINDOW, STORE_PAGE, 0, transformed(SW));
}

static void addresses(void) {
    u64 *vs = pte_at(vs_root, WINDOW, 0), *g = pte_at(g_root, GUEST_PAGE, 0);
    *vs = PTE(GUEST_PAGE, bits);
    *g = 0;
    fence_all();
    for (int access = 0; access < 3; access++) {
        context("not mapped at the G-stage", access, 0);
        expect_guest_fault(VS, access, WINDOW, GUEST_PAGE);
        expect_guest_fault(VS, access, WINDOW + 0x124, GUEST_PAGE + 0x124);
        context("not mapped at the VS-stage", access, 0);
        expect_fault(VS, access, WINDOW + PAGE, page_faults[access], 0, explicit(access));
    }
    // a user page, from VU-mode
    *vs = PTE(GUEST_PAGE, bits | PTE_U);
    fence_all();
    context("from VU", 0, 0);
    for (int access = 0; access < 3; access++) expect_guest_fault(VU, access, WINDOW + 8, GUEST_PAGE + 8);
    // neither stage permits: the VS-stage comes first
    context("both stages", 0, 0);
    expect_fault(VS, READ, WINDOW, LOAD_PAGE, 0, transformed(LW));
    // G-stage leads nowhere, or its table does
    for (int access = 0; access < 3; access++) {
        context("G-stage leads nowhere", access, 0);
        *vs = PTE(GUEST_PAGE, bits);
        *g = PTE(NOWHERE, bits | PTE_U);
        fence_all();
        expect_fault(VS, access, WINDOW, access_faults[access], 0, explicit(access));
        if (deviates(QEMU, "reads zeroes where there is no page table")) continue;
        *vs = PTE(9 * GIGA, bits);
        g_root[9] = PTE(NOWHERE, PTE_V);
        fence_all();
        expect_fault(VS, access, WINDOW, access_faults[access], 0, explicit(access));
    }
    // guest physical addresses have 41 bits
    context("guest physical address of 42 bits", 0, 0);
    *vs = PTE(BIT(41) | 0x80000000, bits);
    fence_all();
    if (!deviates(QEMU, "writes 0 to mtval2"))
        for (int access = 0; access < 3; access++) expect_guest_fault(VS, access, WINDOW, BIT(41) | 0x80000000);
    context("guest physical address of 41 bits", 0, 0);
    g_root[0x402] = g_root[2];
    *vs = PTE(BIT(40) | (u64)data[0], bits);
    fence_all();
    data[0][1] = 0x4321;
    if (!deviates(QEMU, "does not translate these")) equal(try(VS, READ, WINDOW + 8)->a0, 0x4321);
    // a bare VS-stage
    context("bare VS-stage", 0, 0);
    csr_write(vsatp, 0);
    equal(try(VS, READ, (u64)&data[0][1])->a0, 0x4321);
    expect_guest_fault(VS, READ, GUEST_PAGE + PAGE, GUEST_PAGE + PAGE);
    expect_guest_fault(VS, WRITE, WINDOW + 0x24, WINDOW + 0x24);
    if (!deviates(QEMU, "writes 0 to mtval2")) {
        expect_guest_fault(VS, READ, BIT(41), BIT(41));
        expect_guest_fault(VS, READ, BIT(63) | 0x80000000, BIT(63) | 0x80000000);
    }
    csr_write(vsatp, ATP(vs_root));
    g_root[0x402] = 0;
    *vs = PTE(GUEST_PAGE, bits);
    fence_all();
}

// VS-stage tables at guest physical addresses that the G-stage does not map, at each level in turn.
static void implicit_accesses(void) {
    u64 *g = pte_at(g_root, GUEST_TABLES, 0);
    for (int level = 2; level >= 0; level--) {
        // the table of this level is also seen at GUEST_TABLES; the others are at their own addresses
        u64 *entry = pte_at(vs_root, WINDOW, level);
        u64 table = (u64)entry & -PAGE, kept = 0;
        if (level == 2) {
            csr_write(vsatp, ATP(GUEST_TABLES));
        } else {
            kept = *pte_at(vs_root, WINDOW, level + 1);
            *pte_at(vs_root, WINDOW, level + 1) = PTE(GUEST_TABLES, PTE_V);
        }
        u64 gpa = GUEST_TABLES + (u64)entry - table;
        for (int access = 0; access < 3; access++) {
            context("table not mapped: level, access", level, access);
            if (level < 2 && access != READ && deviates(QEMU, "reports guest page faults of all walks as a load's"))
                continue;
            *g = 0;
            fence_all();
            // with the root gone there are no instructions to probe with: only a fetch fault, of the first
            u64 address = WINDOW;
            if (level == 2) {
                struct trap *trap = try(VS, READ, WINDOW);
                if (!deviates(QEMU, "reports loads")) equal(trap->cause, INSTRUCTION_GUEST_PAGE);
                equal(trap->tval, insn_address());
                equal(trap->tval2, (GUEST_TABLES + 2 * 8) >> 2);
                equal(trap->tinst, PSEUDO_READ);
                break;
            }
            expect_fault(VS, access, address, guest_page_faults[access], gpa, PSEUDO_READ);
            // no read permission for the table is no better
            *g = PTE(table, PTE_V | PTE_X | PTE_U | PTE_AD);
            fence_all();
            expect_fault(VS, access, address, guest_page_faults[access], gpa, PSEUDO_READ);
            // read-only tables are fine: only the walk's own writes would need more
            context("table read-only: level, access", level, access);
            *g = PTE(table, PTE_V | PTE_R | PTE_U | PTE_A);
            *pte_at(g_root, GUEST_PAGE, 0) = PTE(data[0], bits | PTE_U);
            fence_all();
            write_code();
            expect_success(VS, access, address);
            context("table leads nowhere: level, access", level, access);
            *g = PTE(NOWHERE, PTE_V | PTE_R | PTE_U | PTE_A);
            fence_all();
            if (!deviates(QEMU, "reads zeroes where there is no page table"))
                expect_fault(VS, access, address, access_faults[access], 0,
                             explicit(access));
        }
        if (level == 2)
            csr_write(vsatp, ATP(vs_root));
        else
            *pte_at(vs_root, WINDOW, level + 1) = kept;
        fence_all();
    }
    *g = 0;
}

static void sizes(void) {
    u64 *vs = pte_at(vs_root, WINDOW, 0);
    data[1][1] = 0x6789;
    context("G-stage 2 MiB", 0, 0);
    *pte_at(g_root, GUEST_PAGE + 8 * MEGA, 1) = PTE((u64)data[1] & -MEGA, bits | PTE_U);
    *vs = PTE(GUEST_PAGE + 8 * MEGA + ((u64)data[1] & (MEGA - 1)), bits);
    fence_all();
    equal(try(VS, READ, WINDOW + 8)->a0, 0x6789);
    context("G-stage 2 MiB, misaligned", 0, 0);
    *pte_at(g_root, GUEST_PAGE + 8 * MEGA, 1) = PTE(((u64)data[1] & -MEGA) + PAGE, bits | PTE_U);
    fence_all();
    expect_guest_fault(VS, READ, WINDOW + 8, GUEST_PAGE + 8 * MEGA + ((u64)data[1] & (MEGA - 1)) + 8);
    context("VS-stage 2 MiB over 4 KiB", 0, 0);
    *pte_at(vs_root, WINDOW + 8 * MEGA, 1) = PTE(GUEST_PAGE, bits);
    *pte_at(g_root, GUEST_PAGE, 0) = PTE(data[0], bits | PTE_U);
    *pte_at(g_root, GUEST_PAGE + PAGE, 0) = PTE(data[1], bits | PTE_U);
    *pte_at(g_root, GUEST_PAGE + 2 * PAGE, 0) = 0;
    data[0][1] = 0x1234;
    fence_all();
    equal(try(VS, READ, WINDOW + 8 * MEGA + 8)->a0, 0x1234);
    equal(try(VS, READ, WINDOW + 8 * MEGA + PAGE + 8)->a0, 0x6789);
    expect_guest_fault(VS, READ, WINDOW + 8 * MEGA + 2 * PAGE + 8, GUEST_PAGE + 2 * PAGE + 8);
    // after which the hypervisor maps the page, and the guest's fence is not needed
    *pte_at(g_root, GUEST_PAGE + 2 * PAGE, 0) = PTE(data[1], bits | PTE_U);
    __asm__ volatile("hfence.gvma %0, zero" : : "r"((GUEST_PAGE + 2 * PAGE) >> 2) : "memory");
    equal(try(VS, READ, WINDOW + 8 * MEGA + 2 * PAGE + 8)->a0, 0x6789);
    // the guest's fence by address reaches the fragments of its large page
    *pte_at(vs_root, WINDOW + 8 * MEGA, 1) = 0;
    code_offset = 0;
    probe_insn(VS, SFENCE_VMA(A1, 0), 0, WINDOW + 8 * MEGA);
    expect_fault(VS, READ, WINDOW + 8 * MEGA, LOAD_PAGE, 0, transformed(LW));
    expect_fault(VS, READ, WINDOW + 8 * MEGA + PAGE + 8, LOAD_PAGE, 0, transformed(LW));
}

// Misaligned accesses over the end of a page: each half has its own translation; the fault is that of the missing one.
static void over_two_pages(void) {
    *pte_at(vs_root, WINDOW, 0) = PTE(GUEST_PAGE, bits);
    *pte_at(vs_root, WINDOW + PAGE, 0) = PTE(GUEST_PAGE + PAGE, bits);
    *pte_at(g_root, GUEST_PAGE, 0) = PTE(data[0], bits | PTE_U);
    *pte_at(g_root, GUEST_PAGE + PAGE, 0) = PTE(data[1], bits | PTE_U);
    data[0][511] = 0xaabb000000000000;
    data[1][0] = 0xccdd;
    fence_all();
    context("over two pages", 0, 0);
    equal((u32)try(VS, READ, WINDOW + PAGE - 2)->a0, 0xccddaabb);
    *pte_at(g_root, GUEST_PAGE + PAGE, 0) = 0;
    fence_all();
    for (int access = 0; access < 2; access++) {
        struct trap *trap = try(VS, access, WINDOW + PAGE - 2);
        equal(trap->cause, guest_page_faults[access]);
        equal(trap->tval, WINDOW + PAGE);
        equal(trap->tval2, (GUEST_PAGE + PAGE) >> 2);
        // the address offset takes the place of rs1
        if (trap->tinst || machine() == ENTRESOL) equal(trap->tinst, transformed(insns[access]) | 2 << 15);
    }
    if (!deviates(SPIKE, "has stored the first half, as is allowed")) equal(data[0][511], 0xaabb000000000000);
    *pte_at(g_root, GUEST_PAGE, 0) = 0;
    fence_all();
    struct trap *trap = try(VS, WRITE, WINDOW + PAGE - 2);
    equal(trap->cause, STORE_GUEST_PAGE);
    equal(trap->tval, WINDOW + PAGE - 2);
    equal(trap->tval2, (GUEST_PAGE + PAGE - 2) >> 2);
}

// Instructions over the end of a page.
static void fetch_over_two_pages(void) {
    context("instruction over two pages", 0, 0);
    *pte_at(g_root, GUEST_PAGE, 0) = PTE(data[0], bits | PTE_U);
    *pte_at(g_root, GUEST_PAGE + PAGE, 0) = PTE(data[1], bits | PTE_U);
    // divisions, during which the next page is looked for
    for (int i = 1020; i < 1024; i++) ((u32 *)data[0])[i] = 0x02a5c633;  // div a2, a1, a0
    ((u32 *)data[1])[0] = 0x4d200893;                                    // li a7, DONE
    ((u32 *)data[1])[1] = ECALL;
    __asm__ volatile("fence.i" : : : "memory");
    fence_all();
    expect_success(VS, EXECUTE, WINDOW + PAGE - 16);
    ((u16 *)data[0])[2047] = 0x0893;  // li a7, DONE
    ((u16 *)data[1])[0] = DONE << 4;
    ((u16 *)data[1])[1] = 0x0073;  // ecall
    ((u16 *)data[1])[2] = 0;
    __asm__ volatile("fence.i" : : : "memory");
    fence_all();
    expect_success(VS, EXECUTE, WINDOW + PAGE - 2);
    *pte_at(g_root, GUEST_PAGE + PAGE, 0) = 0;
    fence_all();
    struct trap *trap = try(VS, EXECUTE, WINDOW + PAGE - 2);
    equal(trap->cause, INSTRUCTION_GUEST_PAGE);
    equal(trap->epc, WINDOW + PAGE - 2);
    equal(trap->tval, WINDOW + PAGE);
    equal(trap->tval2, (GUEST_PAGE + PAGE) >> 2);
    *pte_at(vs_root, WINDOW + PAGE, 0) = 0;
    fence_all();
    trap = try(VS, EXECUTE, WINDOW + PAGE - 2);
    equal(trap->cause, INSTRUCTION_PAGE);
    equal(trap->epc, WINDOW + PAGE - 2);
    equal(trap->tval, WINDOW + PAGE);
}

// Compressed instructions: transformed from their long forms, with bit 1 clear.
static void compressed(void) {
    *pte_at(vs_root, WINDOW, 0) = PTE(GUEST_PAGE, bits);
    *pte_at(g_root, GUEST_PAGE, 0) = 0;
    fence_all();
    context("compressed", 0, 0);
    code_offset = 0;
    struct trap *trap = probe_insn(VS, 0x418c | 3 << 7, 0, WINDOW);  // c.lw a1, 0(a1)
    equal(trap->cause, LOAD_GUEST_PAGE);
    if (trap->tinst || machine() == ENTRESOL) equal(trap->tinst, 0x00002581);
    trap = probe_insn(VS, 0xe188, 0, WINDOW);  // c.sd a0, 0(a1)
    equal(trap->cause, STORE_GUEST_PAGE);
    if (trap->tinst || machine() == ENTRESOL) equal(trap->tinst, 0x00a03021);
    // AMOs keep everything but rs1
    context("AMO", 0, 0);
    trap = probe_insn(VS, AMOADD_D, 0, WINDOW);
    if (!deviates(QEMU, "an AMO's load half faults first")) equal(trap->cause, STORE_GUEST_PAGE);
    equal(trap->tval2, GUEST_PAGE >> 2);
    if (trap->tinst || machine() == ENTRESOL) equal(trap->tinst, transformed(AMOADD_D));
    trap = probe_insn(VS, LR_D, 0, WINDOW);
    equal(trap->cause, LOAD_GUEST_PAGE);
    if (trap->tinst || machine() == ENTRESOL) equal(trap->tinst, transformed(LR_D));
}

// The same faults, delegated.
static void delegated(void) {
    csr_write(medeleg, ~BIT(ECALL_HS));
    csr_write(hedeleg, -1);
    context("delegated", 0, 0);
    for (int access = 0; access < 3; access++) {
        struct trap *trap = try(VS, access, WINDOW + 0x208);
        equal(trap->handler, HS);
        equal(trap->cause, guest_page_faults[access]);
        equal(trap->tval, WINDOW + 0x208);
        equal(trap->tval2, (GUEST_PAGE + 0x208) >> 2);
        if (trap->tinst || machine() == ENTRESOL)
            equal(trap->tinst, explicit(access));
        equal(trap->hstatus & (HSTATUS_GVA | HSTATUS_SPV | HSTATUS_SPVP), HSTATUS_GVA | HSTATUS_SPV | HSTATUS_SPVP);
        trap = try(VS, access, WINDOW + 50 * MEGA);
        equal(trap->handler, VS);
        equal(trap->cause, page_faults[access]);
        equal(trap->tval, WINDOW + 50 * MEGA);
    }
    csr_write(medeleg, 0);
    csr_write(hedeleg, 0);
}

// Two guests: the VMID keeps their translations apart.
static void virtual_machines(void) {
    u64 *other = new_guest_table();
    *pte_at(g_root, GUEST_PAGE, 0) = PTE(data[0], bits | PTE_U);
    *pte_at(other, GUEST_PAGE, 0) = PTE(data[1], bits | PTE_U);
    data[0][1] = 11;
    data[1][1] = 22;
    csr_write(hgatp, ATP_ID(g_root, 1));
    fence_all();
    for (int i = 0; i < 3; i++) {
        context("virtual machines", i, 0);
        csr_write(hgatp, ATP_ID(g_root, 1));
        equal(try(VS, READ, WINDOW + 8)->a0, 11);
        csr_write(hgatp, ATP_ID(other, 0x2001));
        equal(try(VS, READ, WINDOW + 8)->a0, 22);
    }
    // fences that name what has changed
    *pte_at(other, GUEST_PAGE, 0) = PTE(data[0], bits | PTE_U);
    __asm__ volatile("hfence.gvma %0, %1" : : "r"(GUEST_PAGE >> 2), "r"(0x2001ul) : "memory");
    equal(try(VS, READ, WINDOW + 8)->a0, 11);
    *pte_at(other, GUEST_PAGE, 0) = PTE(data[1], bits | PTE_U);
    __asm__ volatile("hfence.gvma zero, %0" : : "r"(0x2001ul) : "memory");
    equal(try(VS, READ, WINDOW + 8)->a0, 22);
    *pte_at(other, GUEST_PAGE, 0) = PTE(data[0], bits | PTE_U);
    __asm__ volatile("hfence.gvma %0, zero" : : "r"(GUEST_PAGE >> 2) : "memory");
    equal(try(VS, READ, WINDOW + 8)->a0, 11);
    // the bits above those of a VMID do not count
    *pte_at(other, GUEST_PAGE, 0) = PTE(data[1], bits | PTE_U);
    __asm__ volatile("hfence.gvma zero, %0" : : "r"(0xffff000000006001ul) : "memory");
    equal(try(VS, READ, WINDOW + 8)->a0, 22);
    *pte_at(other, GUEST_PAGE, 0) = PTE(data[0], bits | PTE_U);
    __asm__ volatile("hfence.gvma %0, %1" : : "r"(GUEST_PAGE >> 2), "r"(0x6001ul) : "memory");
    equal(try(VS, READ, WINDOW + 8)->a0, 11);
    // the other guest's is still right
    csr_write(hgatp, ATP_ID(g_root, 1));
    equal(try(VS, READ, WINDOW + 8)->a0, 11);
    // VS-stage fences reach only the current guest's translations, but those surely
    *pte_at(vs_root, WINDOW, 0) = PTE(&data[1], bits);
    __asm__ volatile("hfence.vvma %0, zero" : : "r"(WINDOW) : "memory");
    equal(try(VS, READ, WINDOW + 8)->a0, 22);
    // a new mode for the same VMID, with the fence that makes it known
    context("mode of a VMID", 0, 0);
    *pte_at(vs_root, WINDOW, 0) = PTE(&data[0], bits);
    *pte_at(g_root, (u64)data[0], 2) = 0;
    for (int page = 0; page < 2; page++) {
        csr_write(hgatp, ATP_ID(g_root, 1));
        __asm__ volatile("hfence.gvma zero, %0" : : "r"(1ul) : "memory");
        equal(try(VS, READ, WINDOW + 8)->cause,
              deviates(QEMU, "reports guest page faults of all walks as a load's") ? LOAD_GUEST_PAGE
                                                                                   : INSTRUCTION_GUEST_PAGE);
        csr_write(hgatp, 1ul << 44);
        __asm__ volatile("hfence.gvma zero, %0" : : "r"(1ul) : "memory");
        equal(try(VS, READ, WINDOW + 8)->a0, 11);
    }
    *pte_at(g_root, (u64)data[0], 2) = PTE(0x80000000ul, bits | PTE_U);
    // G in a G-stage entry means nothing: the mapping is still that of its own VMID
    context("G at the G-stage", 0, 0);
    *pte_at(vs_root, WINDOW, 0) = PTE(GUEST_PAGE, bits);
    *pte_at(g_root, GUEST_PAGE, 0) = PTE(data[0], bits | PTE_U | PTE_G);
    *pte_at(other, GUEST_PAGE, 0) = PTE(data[1], bits | PTE_U | PTE_G);
    csr_write(hgatp, ATP_ID(g_root, 1));
    fence_all();
    equal(try(VS, READ, WINDOW + 8)->a0, 11);
    csr_write(hgatp, ATP_ID(other, 0x2001));
    equal(try(VS, READ, WINDOW + 8)->a0, 22);
    *pte_at(other, GUEST_PAGE, 0) = PTE(data[0], bits | PTE_U | PTE_G);
    __asm__ volatile("hfence.gvma zero, %0" : : "r"(0x2001ul) : "memory");
    equal(try(VS, READ, WINDOW + 8)->a0, 11);
    // nor does it make the translation one of all address spaces of the guest
    *pte_at(other, GUEST_PAGE + PAGE, 0) = PTE(data[1], bits | PTE_U | PTE_G);
    csr_write(vsatp, ATP_ID(vs_root, 1));
    fence_all();
    equal(try(VS, READ, WINDOW + 8)->a0, 11);
    *pte_at(vs_root, WINDOW, 0) = PTE(GUEST_PAGE + PAGE, bits);  // ASID 2 has not used the old entry
    csr_write(vsatp, ATP_ID(vs_root, 2));
    equal(try(VS, READ, WINDOW + 8)->a0, 22);
    csr_write(vsatp, ATP(vs_root));
    *pte_at(vs_root, WINDOW, 0) = PTE(GUEST_PAGE, bits);
    fence_all();
    // what is global for a guest is not so for another one, and goes with the guest's other translations
    *pte_at(vs_root, WINDOW, 0) = PTE(GUEST_PAGE, bits | PTE_G);
    static const u64 ids[] = {0, 1, 0x2001};
    for (int i = 0; i < 9; i++) {
        u64 first = ids[i / 3], second = ids[i % 3];
        if (first == second) continue;
        context("global pages, VMIDs", first, second);
        *pte_at(g_root, GUEST_PAGE, 0) = PTE(data[0], bits | PTE_U);
        *pte_at(other, GUEST_PAGE, 0) = PTE(data[1], bits | PTE_U);
        csr_write(hgatp, ATP_ID(g_root, first));
        fence_all();
        equal(try(VS, READ, WINDOW + 8)->a0, 11);
        csr_write(hgatp, ATP_ID(other, second));
        equal(try(VS, READ, WINDOW + 8)->a0, 22);
        *pte_at(other, GUEST_PAGE, 0) = PTE(data[0], bits | PTE_U);
        __asm__ volatile("hfence.gvma zero, %0" : : "r"(second) : "memory");
        equal(try(VS, READ, WINDOW + 8)->a0, 11);
        *pte_at(other, GUEST_PAGE, 0) = PTE(data[1], bits | PTE_U);
        __asm__ volatile("hfence.gvma %0, %1" : : "r"(GUEST_PAGE >> 2), "r"(second) : "memory");
        equal(try(VS, READ, WINDOW + 8)->a0, 22);
    }
    *pte_at(vs_root, WINDOW, 0) = PTE(GUEST_PAGE, bits);
    fence_all();
    // hgatp: the root is aligned to 16 KiB, the VMID has 14 bits
    context("hgatp", 0, 0);
    csr_write(hgatp, SV39 | 0x3ffful << 44 | 0x80003);
    if (!deviates(QEMU, "does not align the root")) equal(csr_read(hgatp), SV39 | 0x3ffful << 44 | 0x80000);
    csr_write(hgatp, 0);
    equal(csr_read(hgatp), 0);
    // a mode that does not exist is not taken, but unlike with satp the write is not ignored for that
    csr_write(hgatp, 7ul << 60 | 5ul << 44 | 0x80004);
    if (!deviates(QEMU, "takes it") && !deviates(SPIKE, "ignores the write")) {
        equal(csr_read(hgatp) << 4, (5ul << 44 | 0x80004) << 4);
        check(csr_read(hgatp) >> 60 == 0);
    }
    csr_write(hgatp, 0);
}

void main(void) {
    vs_root = new_table();
    g_root = new_guest_table();
    csr_write(vsatp, ATP(vs_root));
    csr_write(hgatp, ATP(g_root));
    csr_write(vsstatus, 0);
    fence_all();
    g_stage_permissions();
    execute_only();
    accessed_and_dirty();
    addresses();
    implicit_accesses();
    sizes();
    over_two_pages();
    fetch_over_two_pages();
    compressed();
    delegated();
    virtual_machines();
}
