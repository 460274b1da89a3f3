// Sv39, as satp's for HS-mode and U-mode or (GUEST = 1) as vsatp's for VS-mode and VU-mode with a bare G-stage: what
// every combination of PTE bits permits, page sizes, malformed tables, address spaces and fences.
#include "test.h"

#ifndef GUEST
#define GUEST 0
#endif
#if GUEST
#define SUPERVISOR VS
#define USER VU
#define set_atp(value) csr_write(vsatp, value)
#define status_set(bits) csr_set(vsstatus, bits)
#define status_clear(bits) csr_clear(vsstatus, bits)
#define fence() hfence_vvma()
#define fence_by(address, id) __asm__ volatile("hfence.vvma %0, %1" : : "r"(address), "r"(id) : "memory")
#define fence_address(address) __asm__ volatile("hfence.vvma %0, zero" : : "r"(address) : "memory")
#define fence_id(id) __asm__ volatile("hfence.vvma zero, %0" : : "r"(id) : "memory")
#define GVA MSTATUS_GVA
#else
#define SUPERVISOR HS
#define USER U
#define set_atp(value) csr_write(satp, value)
#define status_set(bits) csr_set(mstatus, bits)
#define status_clear(bits) csr_clear(mstatus, bits)
#define fence() sfence()
#define fence_by(address, id) __asm__ volatile("sfence.vma %0, %1" : : "r"(address), "r"(id) : "memory")
#define fence_address(address) __asm__ volatile("sfence.vma %0, zero" : : "r"(address) : "memory")
#define fence_id(id) __asm__ volatile("sfence.vma zero, %0" : : "r"(id) : "memory")
#define GVA 0
#endif

enum access { READ, WRITE, EXECUTE };
static const u32 insns[] = {LD, SD, JALR_A1};
static const u64 page_faults[] = {LOAD_PAGE, STORE_PAGE, INSTRUCTION_PAGE};
static const u64 access_faults[] = {LOAD_ACCESS, STORE_ACCESS, INSTRUCTION_ACCESS};

static u64 data[3][512] __attribute__((aligned(PAGE)));  // three pages to map
static u64 *root;

static struct trap *try(enum mode mode, enum access access, u64 address) {
    code_offset = mode == USER ? USER_ALIAS : 0;
    return probe_insn(mode, insns[access], 0x1111, address);
}

static void expect_fault(enum mode mode, enum access access, u64 address, u64 cause) {
    struct trap *trap = try(mode, access, address);
    equal(trap->handler, M);
    equal(trap->cause, cause);
    equal(trap->tval, address);
    equal(trap->tval2, 0);
    equal(trap->epc, access == EXECUTE ? address : insn_address());
    equal(trap->status & MSTATUS_GVA, GVA);
}

static void expect_success(enum mode mode, enum access access, u64 address) {
    struct trap *trap = try(mode, access, address);
    equal(trap->cause, mode == USER ? ECALL_U : GUEST ? ECALL_VS : ECALL_HS);
    equal(trap->a7, DONE);
}

static void write_code(u64 *page) {
    *(u32 *)page = 0x4d200893;  // li a7, DONE
    *((u32 *)page + 1) = ECALL;
    __asm__ volatile("fence.i" : : : "memory");
}

static int permitted(u64 bits, enum mode mode, int sum, int mxr, enum access access) {
    if ((bits & (PTE_R | PTE_W)) == PTE_W) return 0;
    if (!(bits & (PTE_R | PTE_W | PTE_X))) return 0;  // a pointer at the last level
    if (mode == USER && !(bits & PTE_U)) return 0;
    if (mode == SUPERVISOR && (bits & PTE_U) && (access == EXECUTE || !sum)) return 0;
    if (access == READ) return bits & PTE_R || (mxr && bits & PTE_X);
    return !!(bits & (access == WRITE ? PTE_W : PTE_X));
}

static void permissions(void) {
    u64 *pte = pte_at(root, WINDOW, 0);
    for (int bits = 0; bits < 32; bits += 2) {  // R, W, X, U
        *pte = PTE(data[0], bits | PTE_V | PTE_AD);
        fence();
        for (int m = 0; m < 2; m++)
            for (int flags = 0; flags < 4; flags++)
                for (int access = 0; access < 3; access++) {
                    enum mode mode = m ? SUPERVISOR : USER;
                    if (access == EXECUTE && flags != 1) continue;  // neither matters to fetches
                    if (access == WRITE && flags & 2) continue;
                    status_clear(MSTATUS_SUM | MSTATUS_MXR);
                    status_set((flags & 1 ? MSTATUS_SUM : 0) | (flags & 2 ? MSTATUS_MXR : 0));
                    context("permissions, mode and access", bits, mode << 8 | flags << 4 | access);
                    write_code(data[0]);
                    if (permitted(bits, mode, flags & 1, flags >> 1, access)) {
                        expect_success(mode, access, WINDOW);
                        if (access == WRITE) equal(data[0][0], 0x1111);
                    } else {
                        expect_fault(mode, access, WINDOW, page_faults[access]);
                    }
                }
    }
    status_clear(MSTATUS_SUM | MSTATUS_MXR);
}

// Without hardware updating (Svade) a clear A, or D on a store, is a page fault.
static void accessed_and_dirty(void) {
    if (deviates(QEMU, "always updates A and D")) return;
    u64 *pte = pte_at(root, WINDOW, 0);
    for (int access = 0; access < 3; access++) {
        context("A clear", access, 0);
        *pte = PTE(data[0], PTE_V | PTE_RWX | PTE_D);
        fence();
        expect_fault(SUPERVISOR, access, WINDOW, page_faults[access]);
        equal(*pte, PTE(data[0], PTE_V | PTE_RWX | PTE_D));
    }
    context("D clear", 0, 0);
    *pte = PTE(data[0], PTE_V | PTE_RWX | PTE_A);
    fence();
    write_code(data[0]);
    expect_success(SUPERVISOR, READ, WINDOW);
    expect_success(SUPERVISOR, EXECUTE, WINDOW);
    expect_fault(SUPERVISOR, WRITE, WINDOW, STORE_PAGE);
    equal(*pte, PTE(data[0], PTE_V | PTE_RWX | PTE_A));
}

static void sizes(void) {
    u64 bits = PTE_V | PTE_RWX | PTE_AD;
    data[1][0] = 0x12345678;
    context("2 MiB page", 0, 0);
    u64 offset = (u64)data[1] & (MEGA - 1);
    *pte_at(root, WINDOW + 4 * MEGA, 1) = PTE((u64)data[1] & ~(MEGA - 1), bits);
    fence();
    equal(try(SUPERVISOR, READ, WINDOW + 4 * MEGA + offset)->a0, 0x12345678);
    context("1 GiB page", 0, 0);
    *pte_at(root, WINDOW + 2 * GIGA, 2) = PTE(0x80000000, bits);
    fence();
    equal(try(SUPERVISOR, READ, WINDOW + 2 * GIGA + ((u64)data[1] & (GIGA - 1)))->a0, 0x12345678);
    context("misaligned 2 MiB page", 0, 0);
    *pte_at(root, WINDOW + 4 * MEGA, 1) = PTE(((u64)data[1] & ~(MEGA - 1)) + PAGE, bits);
    fence();
    for (int access = 0; access < 3; access++) expect_fault(SUPERVISOR, access, WINDOW + 4 * MEGA, page_faults[access]);
    context("misaligned 1 GiB page", 0, 0);
    *pte_at(root, WINDOW + 2 * GIGA, 2) = PTE(0x80000000 + MEGA, bits);
    fence();
    expect_fault(SUPERVISOR, READ, WINDOW + 2 * GIGA, LOAD_PAGE);
    context("the upper half", 0, 0);
    root[511] = PTE(0x80000000, bits);
    fence();
    equal(try(SUPERVISOR, READ, -GIGA + ((u64)data[1] & (GIGA - 1)))->a0, 0x12345678);
}

static void malformed(void) {
    u64 *pte = pte_at(root, WINDOW, 0);
    u64 good = PTE(data[0], PTE_V | PTE_RWX | PTE_AD);
    for (int access = 0; access < 3; access++) {
        context("V clear", access, 0);
        *pte = good & ~(u64)PTE_V;
        fence();
        expect_fault(SUPERVISOR, access, WINDOW + 8, page_faults[access]);
        context("V clear above", access, 0);
        expect_fault(SUPERVISOR, access, WINDOW + 40 * MEGA, page_faults[access]);
        expect_fault(SUPERVISOR, access, WINDOW + 40 * GIGA, page_faults[access]);
        // bits 63 to 39 have to be copies of bit 38
        context("not canonical", access, 0);
        expect_fault(SUPERVISOR, access, BIT(39), page_faults[access]);
        expect_fault(SUPERVISOR, access, BIT(38) | 0x80000000, page_faults[access]);
        expect_fault(SUPERVISOR, access, BIT(63) | 0x80000000, page_faults[access]);
        expect_fault(SUPERVISOR, access, ~BIT(45) & -PAGE, page_faults[access]);
        context("pointer at the last level", access, 0);
        *pte = PTE(data[0], PTE_V);
        fence();
        expect_fault(SUPERVISOR, access, WINDOW, page_faults[access]);
        // bits that belong to extensions that are absent or off
        for (int bit = 54; bit < 64; bit++) {
            if (access != READ && bit != 60) continue;
            context("reserved bit", access, bit);
            *pte = good | BIT(bit);
            fence();
            if (deviates(QEMU, "does not look at some reserved bits")) continue;
            expect_fault(SUPERVISOR, access, WINDOW, page_faults[access]);
        }
        // tables and pages where there is nothing: access faults
        context("leads nowhere", access, 0);
        *pte = PTE(NOWHERE, PTE_V | PTE_RWX | PTE_AD);
        fence();
        expect_fault(SUPERVISOR, access, WINDOW, access_faults[access]);
        if (deviates(QEMU, "reads zeroes where there is no page table")) continue;
        root[7] = PTE(NOWHERE, PTE_V);
        fence();
        expect_fault(SUPERVISOR, access, 7 * GIGA, access_faults[access]);
    }
    *pte = good;
    fence();
}

// Translations of different address spaces do not mix; those of global pages are in all of them.
static void address_spaces(void) {
    u64 *other = new_table();
    u64 bits = PTE_V | PTE_R | PTE_W | PTE_AD;
    data[0][1] = 100;
    data[1][1] = 101;
    data[2][1] = 102;
    u64 *pte = pte_at(root, WINDOW, 0), *pte2 = pte_at(other, WINDOW, 0);
    *pte = PTE(data[0], bits);
    *pte2 = PTE(data[1], bits);
    fence();
    for (int i = 0; i < 3; i++) {
        context("address spaces", i, 0);
        set_atp(ATP_ID(root, 1));
        equal(try(SUPERVISOR, READ, WINDOW + 8)->a0, 100);
        set_atp(ATP_ID(other, 0xfffe));
        equal(try(SUPERVISOR, READ, WINDOW + 8)->a0, 101);
    }
    // each fence that names what has changed must make the change seen
    context("fences", 0, 0);
    *pte2 = PTE(data[2], bits);
    fence_by(WINDOW, 0xfffeul);
    equal(try(SUPERVISOR, READ, WINDOW + 8)->a0, 102);
    *pte2 = PTE(data[1], bits);
    fence_id(0xfffeul);
    equal(try(SUPERVISOR, READ, WINDOW + 8)->a0, 101);
    // the bits above those of an ASID do not count
    *pte2 = PTE(data[2], bits);
    fence_id(0xffff00000001fffeul);
    equal(try(SUPERVISOR, READ, WINDOW + 8)->a0, 102);
    *pte2 = PTE(data[1], bits);
    fence_by(WINDOW, 0x1fffeul);
    equal(try(SUPERVISOR, READ, WINDOW + 8)->a0, 101);
    *pte2 = PTE(data[2], bits);
    fence_address(WINDOW + 123);
    equal(try(SUPERVISOR, READ, WINDOW + 8)->a0, 102);
    *pte = PTE(data[1], bits);
    *pte2 = PTE(data[0], bits);
    fence_address(WINDOW);
    equal(try(SUPERVISOR, READ, WINDOW + 8)->a0, 100);
    set_atp(ATP_ID(root, 1));
    equal(try(SUPERVISOR, READ, WINDOW + 8)->a0, 101);
    // a fence of another space or address leaves a valid translation usable
    fence_by(WINDOW + PAGE, 1ul);
    fence_id(2ul);
    equal(try(SUPERVISOR, READ, WINDOW + 8)->a0, 101);
    // a table taken away: fences by address need not reach more than leaves, the others do
    context("fence of a table", 0, 0);
    u64 *table = pte_at(root, WINDOW, 1);
    u64 kept = *table;
    *table = 0;
    fence_id(1ul);
    expect_fault(SUPERVISOR, READ, WINDOW, LOAD_PAGE);
    *table = kept;
    fence();
    equal(try(SUPERVISOR, READ, WINDOW + 8)->a0, 101);
    *table = 0;
    fence();
    expect_fault(SUPERVISOR, READ, WINDOW, LOAD_PAGE);
    *table = kept;
    fence();
    // global pages
    context("global", 0, 0);
    *pte = PTE(data[2], bits | PTE_G);
    *pte2 = PTE(data[2], bits | PTE_G);
    fence();
    equal(try(SUPERVISOR, READ, WINDOW + 8)->a0, 102);
    set_atp(ATP_ID(other, 0xfffe));
    equal(try(SUPERVISOR, READ, WINDOW + 8)->a0, 102);
    *pte = PTE(data[0], bits | PTE_G);
    *pte2 = PTE(data[0], bits | PTE_G);
    fence_address(WINDOW);
    equal(try(SUPERVISOR, READ, WINDOW + 8)->a0, 100);
    set_atp(ATP_ID(root, 1));
    equal(try(SUPERVISOR, READ, WINDOW + 8)->a0, 100);
    // a fence of an address that is none
    context("fence of no address", 0, 0);
    code_offset = 0;
    check(completed(probe_insn(SUPERVISOR, SFENCE_VMA(A1, 0), 0, BIT(45))));
    check(completed(probe_insn(SUPERVISOR, SFENCE_VMA(A1, A0), 1, BIT(63) | WINDOW)));
    // the supervisor's own fence
    context("the mode's own fence", 0, 0);
    *pte = PTE(data[1], bits);
    code_offset = 0;
    probe_insn(SUPERVISOR, SFENCE_VMA(0, 0), 0, 0);
    equal(try(SUPERVISOR, READ, WINDOW + 8)->a0, 101);
    *pte = PTE(data[2], bits);
    probe_insn(SUPERVISOR, SFENCE_VMA(A1, A0), 1, WINDOW);
    equal(try(SUPERVISOR, READ, WINDOW + 8)->a0, 102);
    *pte = PTE(data[1], bits);
    probe_insn(SUPERVISOR, SFENCE_VMA(A1, 0), 0, WINDOW);
    equal(try(SUPERVISOR, READ, WINDOW + 8)->a0, 101);
}

// Writes with a mode that does not exist change nothing; the ASID has all its 16 bits.
static void register_fields(void) {
    context("atp fields", 0, 0);
#if GUEST
    code_offset = 0;
    set_atp(ATP_ID(root, 0x5555));
    probe_insn(VS, CSRW(0x180, A0), 7ul << 60 | 0x123, 0);
    equal(csr_read(vsatp), ATP_ID(root, 0x5555));
#else
    set_atp(ATP_ID(root, 0x5555));
    set_atp(7ul << 60 | 0x123);
    equal(csr_read(satp), ATP_ID(root, 0x5555));
#endif
    set_atp(ATP_ID(root, 0xffff));
#if GUEST
    equal(csr_read(vsatp), ATP_ID(root, 0xffff));
#else
    equal(csr_read(satp), ATP_ID(root, 0xffff));
#endif
    set_atp(0);
}

// Data accesses of M-mode with MPRV are translated as those of MPP and MPV.
CODE(modified, "csrs mstatus, a2\nld a0, 8(a1)");

static void modify_privilege(void) {
    context("MPRV", 0, 0);
    u64 *pte = pte_at(root, WINDOW, 0);
    data[0][1] = 100;
    set_atp(ATP(root));
    // MRET has left MPP = U and MPV = 0 to the code that is probed
    code_offset = 0;
    *pte = PTE(data[0], PTE_V | PTE_W | PTE_R | PTE_AD);
    fence();
    struct trap *trap = probe(M, (u64)modified, 0, WINDOW, MSTATUS_MPRV | (GUEST ? MSTATUS_MPV : 0), 0);
    if (!GUEST || !deviates(QEMU, "does not translate for MPV = 1, MPP = U")) equal(trap->cause, LOAD_PAGE);
    equal(trap->tval, WINDOW + 8);
    equal(trap->status & MSTATUS_MPP, MSTATUS_MPP);
    equal(trap->status & MSTATUS_MPV, 0);
    equal(trap->status & MSTATUS_GVA, GVA);
    trap = probe(M, (u64)modified, 0, WINDOW, MSTATUS_MPRV | 1 << 11 | (GUEST ? MSTATUS_MPV : 0), 0);
    check(completed(trap));
    equal(trap->a0, 100);
    // SUM counts for MPP = S
    *pte |= PTE_U;
    fence();
    for (int sum = 0; sum < 2; sum++) {
        if (GUEST && !sum && deviates(QEMU, "does not look at vsstatus.SUM")) continue;
        if (sum) status_set(MSTATUS_SUM);
        trap = probe(M, (u64)modified, 0, WINDOW, MSTATUS_MPRV | 1 << 11 | (GUEST ? MSTATUS_MPV : 0), 0);
        equal(trap->cause, sum ? ECALL_M : LOAD_PAGE);
    }
    status_clear(MSTATUS_SUM);
    // without translation neither SUM nor MXR matters
    context("SUM and MXR in Bare", 0, 0);
    set_atp(0);
    for (int flags = 0; flags < 4; flags++) {
        status_set((flags & 1 ? MSTATUS_SUM : 0) | (flags & 2 ? MSTATUS_MXR : 0));
        equal(try(SUPERVISOR, READ, (u64)&data[0][1])->a0, 100);
        status_clear(MSTATUS_SUM | MSTATUS_MXR);
    }
}

// Changes a mapping and fences at the end of a page; the loop keeps the front end from fetching ahead too early.
CODE(remap, "ld t0, 0(a0)\nld t1, 0(a1)\nli t2, 50\n1: addi t2, t2, -1\nbnez t2, 1b\n"
            "sd a2, 0(a1)\nsfence.vma\n.globl remap_end\nremap_end:");
extern u8 remap_end[];
CODE(load_again, "ld a0, 0(a0)");

// A fence counts although the next page's translation is just being looked for.
static void fence_during_a_walk(void) {
    enum { LONGEST = 12 };
    u8 *code = (u8 *)new_page(), *next = (u8 *)new_page();
    u64 at = WINDOW + 0x10000, value = WINDOW + 0x20000;
    *pte_at(root, at, 0) = PTE(code, PTE_V | PTE_R | PTE_X | PTE_AD);
    *pte_at(root, at + PAGE, 0) = PTE(next, PTE_V | PTE_R | PTE_X | PTE_AD);
    u64 *pte = pte_at(root, value, 0);
    for (int i = 0; i < 16; i++) next[i] = load_again[i];
    data[0][0] = 100;
    data[1][0] = 101;
    u64 size = remap_end - remap;
    for (int nops = 0; nops < LONGEST; nops++) {
        u64 begin = PAGE - size - 4 * nops;
        for (u64 i = 0; i < size; i++) code[begin + i] = remap[i];
        for (u64 i = begin + size; i < PAGE; i += 4) *(u32 *)(code + i) = NOP;
        __asm__ volatile("fence.i" : : : "memory");
        for (int to = 0; to < 2; to++) {
            context("fence, so many instructions before the end of a page", nops, to);
            *pte = PTE(data[1 - to], PTE_V | PTE_R | PTE_AD);
            fence();
            struct trap *trap = probe(SUPERVISOR, at + begin, value, (u64)pte, PTE(data[to], PTE_V | PTE_R | PTE_AD), 0);
            check(completed(trap));
            equal(trap->a0, 100 + to);
        }
    }
}

void main(void) {
    root = new_table();
    csr_write(medeleg, 0);
    set_atp(ATP(root));
    fence();
    permissions();
    accessed_and_dirty();
    fence_during_a_walk();
    sizes();
    malformed();
    address_spaces();
    register_fields();
    modify_privilege();
}
