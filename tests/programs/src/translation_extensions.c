// Svadu, Svnapot and Svpbmt in both stages: what hardware writes into page tables, what it reports when it may not, and
// what memory types and contiguous pages make of an access.
#include "test.h"

#define ADUE BIT(61)
#define PBMTE BIT(62)
#define NC BIT(61)
#define IO BIT(62)
#define N BIT(63)
#define GUEST_PAGE 0x140000000ul    // guest physical address of the page under test; WINDOW is its virtual one
#define GUEST_TABLE 0x180000000ul   // guest physical address of the last VS-stage table
#define PSEUDO_READ 0x3000
#define PSEUDO_WRITE 0x3020

enum access { READ, WRITE, EXECUTE, AMO };
static const u32 insns[] = {LD, SD, JALR_A1, AMOADD_D};
static const u64 page_faults[] = {LOAD_PAGE, STORE_PAGE, INSTRUCTION_PAGE, STORE_PAGE};
static const u64 guest_page_faults[] = {LOAD_GUEST_PAGE, STORE_GUEST_PAGE, INSTRUCTION_GUEST_PAGE, STORE_GUEST_PAGE};
static const u64 access_faults[] = {LOAD_ACCESS, STORE_ACCESS, INSTRUCTION_ACCESS, STORE_ACCESS};
static const u64 bits = PTE_V | PTE_RWX | PTE_AD;

static u64 data[32][512] __attribute__((aligned(65536)));
static u64 *root, *vs_root, *g_root;
static u64 *vs_table;  // the last VS-stage table, which the guest has at GUEST_TABLE

static struct trap *try(enum mode mode, enum access access, u64 address) {
    code_offset = 0;
    return probe_insn(mode, insns[access], 0x1111, address);
}

static void expect_success(enum mode mode, enum access access, u64 address) {
    check(completed(try(mode, access, address)));
}

static void expect_fault(enum mode mode, enum access access, u64 address, u64 cause, u64 gpa, u64 tinst) {
    struct trap *trap = try(mode, access, address);
    equal(trap->cause, cause);
    equal(trap->tval, address);
    equal(trap->tval2, gpa >> 2);
    if (trap->tinst || machine() == ENTRESOL) equal(trap->tinst, tinst);
}

static u64 explicit(enum access access) { return access == EXECUTE ? 0 : transformed(insns[access]); }

static void write_code(void) {
    for (int page = 0; page < 32; page++) {
        *(u32 *)data[page] = 0x4d200893;  // li a7, DONE
        *((u32 *)data[page] + 1) = ECALL;
    }
    __asm__ volatile("fence.i" : : : "memory");
}

static int is_write(enum access access) { return access == WRITE || access == AMO; }

// ---- Svadu

static void update_one_stage(void) {
    u64 *pte = pte_at(root, WINDOW, 0);
    csr_write(satp, ATP(root));
    for (int access = READ; access <= AMO; access++)
        for (int missing = 0; missing < 4; missing++) {
            context("A and D missing, access", missing, access);
            u64 full = PTE(data[0], bits), clear = full & ~(u64)(missing * PTE_A);
            write_code();
            csr_write(menvcfg, ADUE);
            *pte = clear;
            sfence();
            expect_success(HS, access, WINDOW);
            equal(*pte, clear | PTE_A | (is_write(access) ? PTE_D : 0));
            // without ADUE: page faults
            csr_write(menvcfg, 0);
            write_code();
            *pte = clear;
            sfence();
            if ((missing & 1) || (missing && is_write(access)))
                expect_fault(HS, access, WINDOW, page_faults[access], 0, explicit(access));
            else
                expect_success(HS, access, WINDOW);
            equal(*pte, clear);
        }
    csr_write(menvcfg, ADUE);
    // an access that is refused updates nothing
    context("refused", 0, 0);
    *pte = PTE(data[0], (bits & ~(PTE_AD | PTE_W)));
    sfence();
    expect_fault(HS, WRITE, WINDOW, STORE_PAGE, 0, explicit(WRITE));
    equal(*pte, PTE(data[0], (bits & ~(PTE_AD | PTE_W))));
    // a store to a page that has been read before, and the other software bits stay
    context("read, then written", 0, 0);
    *pte = PTE(data[0], (bits & ~PTE_AD)) | 3 << 8 | PTE_G;
    sfence();
    expect_success(HS, READ, WINDOW);
    equal(*pte, PTE(data[0], (bits & ~PTE_D)) | 3 << 8 | PTE_G);
    expect_success(HS, WRITE, WINDOW);
    equal(*pte, PTE(data[0], bits) | 3 << 8 | PTE_G);
    // tables that S-mode may only read: the update is an access fault of the original access
    context("PMP forbids to write the table", 0, 0);
    u64 table = (u64)pte & -PAGE;
    csr_write(pmpaddr1, -1);
    csr_write(pmpaddr0, table >> 2 | 0x1ff);
    csr_write(pmpcfg0, 0x1f19);
    for (int access = READ; access <= AMO; access++) {
        *pte = PTE(data[0], bits & ~PTE_AD);
        sfence();
        expect_fault(HS, access, WINDOW, access_faults[access], 0, explicit(access));
        equal(*pte, PTE(data[0], bits & ~PTE_AD));
    }
    csr_write(pmpaddr0, -1);
    csr_write(pmpcfg0, 0x1f);
    csr_write(menvcfg, 0);
    csr_write(satp, 0);
    *pte = PTE(data[0], bits);
    sfence();
}

static void update_two_stages(void) {
    u64 *vs = vs_table, *g = pte_at(g_root, GUEST_PAGE, 0), *g_table = pte_at(g_root, GUEST_TABLE, 0);
    u64 table = (u64)vs_table, entry = GUEST_TABLE;
    csr_write(vsatp, ATP(vs_root));
    csr_write(hgatp, ATP(g_root));
    // henvcfg.ADUE is only there with menvcfg's
    context("henvcfg.ADUE", 0, 0);
    csr_write(menvcfg, 0);
    csr_write(henvcfg, ADUE);
    equal(csr_read(henvcfg) & ADUE, 0);
    csr_write(menvcfg, ADUE);
    equal(csr_read(henvcfg) & ADUE, 0);
    csr_write(henvcfg, ADUE);
    equal(csr_read(henvcfg) & ADUE, ADUE);
    for (int access = READ; access <= AMO; access++)
        for (int enabled = 0; enabled < 4; enabled++) {  // 1: G-stage, 2: VS-stage, which needs the other
            context("enables, access", enabled, access);
            if (enabled == 2) continue;
            csr_write(menvcfg, enabled ? ADUE : 0);
            csr_write(henvcfg, enabled & 2 ? ADUE : 0);
            write_code();
            u64 need = PTE_A | (is_write(access) ? PTE_D : 0);
            u64 full = PTE(GUEST_PAGE, bits), g_full = PTE(data[0], bits | PTE_U), t_full = PTE(table, bits | PTE_U);
            // only the leaf of the guest
            *vs = full & ~(u64)PTE_AD;
            *g = g_full;
            *g_table = t_full & ~(u64)PTE_D;
            fence_all();
            if (enabled & 2) {
                expect_success(VS, access, WINDOW);
                equal(*vs, (full & ~(u64)PTE_AD) | need);
                equal(*g_table, t_full);  // its own page has been written
            } else {
                expect_fault(VS, access, WINDOW, page_faults[access], 0, explicit(access));
                equal(*vs, full & ~(u64)PTE_AD);
                equal(*g_table, t_full & ~(u64)PTE_D);
            }
            // only the hypervisor's
            write_code();
            *vs = full;
            *g = g_full & ~(u64)PTE_AD;
            fence_all();
            if (enabled & 1) {
                expect_success(VS, access, WINDOW);
                equal(*g, (g_full & ~(u64)PTE_AD) | need);
            } else {
                expect_fault(VS, access, WINDOW, guest_page_faults[access], GUEST_PAGE, explicit(access));
                equal(*g, g_full & ~(u64)PTE_AD);
            }
            // the hypervisor's of the guest's table: read for, not written
            write_code();
            *g = g_full;
            *g_table = t_full & ~(u64)PTE_AD;
            fence_all();
            if (enabled & 1) {
                expect_success(VS, access, WINDOW);
                equal(*g_table, t_full & ~(u64)PTE_D);
            } else {
                expect_fault(VS, access, WINDOW, guest_page_faults[access], entry, PSEUDO_READ);
                equal(*g_table, t_full & ~(u64)PTE_AD);
            }
            // a guest's table that the hypervisor write-protects: fine, until the walk itself has to write
            write_code();
            *g_table = PTE(table, PTE_V | PTE_R | PTE_U | PTE_A);
            fence_all();
            expect_success(VS, access, WINDOW);
            *vs = full & ~need;
            fence_all();
            if (enabled & 2)
                expect_fault(VS, access, WINDOW, guest_page_faults[access], entry, PSEUDO_WRITE);
            else
                expect_fault(VS, access, WINDOW, page_faults[access], 0, explicit(access));
            equal(*vs, full & ~need);
            *g_table = t_full;
        }
    // HLV and HSV do the same
    context("HSV", 0, 0);
    csr_write(menvcfg, ADUE);
    csr_write(henvcfg, ADUE);
    csr_set(hstatus, HSTATUS_SPVP);
    *vs = PTE(GUEST_PAGE, bits & ~PTE_AD);
    *g = PTE(data[0], (bits & ~PTE_AD) | PTE_U);
    fence_all();
    code_offset = 0;
    check(completed(probe_insn(HS, HLV_D, 0, WINDOW)));
    equal(*vs, PTE(GUEST_PAGE, bits & ~PTE_D));
    equal(*g, PTE(data[0], (bits & ~PTE_D) | PTE_U));
    check(completed(probe_insn(HS, HSV_D, 0, WINDOW)));
    equal(*vs, PTE(GUEST_PAGE, bits));
    equal(*g, PTE(data[0], bits | PTE_U));
    *g_table = PTE(table, PTE_V | PTE_R | PTE_U | PTE_A);
    *vs = PTE(GUEST_PAGE, bits & ~PTE_D);
    fence_all();
    struct trap *trap = probe_insn(HS, HSV_D, 0, WINDOW);
    equal(trap->cause, STORE_GUEST_PAGE);
    equal(trap->tval, WINDOW);
    equal(trap->tval2, entry >> 2);
    equal(trap->tinst, PSEUDO_WRITE);
    equal(trap->status & (MSTATUS_GVA | MSTATUS_MPV), MSTATUS_GVA);
    // delegated to HS-mode
    csr_write(medeleg, BIT(STORE_GUEST_PAGE));
    trap = try(VS, WRITE, WINDOW + 8);
    equal(trap->handler, HS);
    equal(trap->tval, WINDOW + 8);
    equal(trap->tval2, entry >> 2);
    equal(trap->tinst, PSEUDO_WRITE);
    csr_write(medeleg, 0);
    csr_write(menvcfg, 0);
    *vs = PTE(GUEST_PAGE, bits);
    *g_table = PTE(table, bits | PTE_U);
    fence_all();
}

// ---- Svnapot: 64 KiB of sixteen entries

static void contiguous(void) {
    u64 *entries = vs_table, *g_entries = pte_at(g_root, GUEST_PAGE, 0);
    for (int page = 0; page < 16; page++) data[page][2] = 100 + page;
    for (int stage = 0; stage < 2; stage++) {
        context("contiguous pages, stage", stage, 0);
        for (int page = 0; page < 16; page++) {
            entries[page] = stage ? PTE(GUEST_PAGE + page * PAGE, bits) : PTE(GUEST_PAGE, bits) | N | 8 << 10;
            g_entries[page] = stage ? PTE(data, bits | PTE_U) | N | 8 << 10 : PTE(data[page], bits | PTE_U);
        }
        fence_all();
        for (int page = 0; page < 16; page++) equal(try(VS, READ, WINDOW + page * PAGE + 16)->a0, 100 + page);
        expect_success(VS, WRITE, WINDOW + 3 * PAGE + 24);
        equal(data[3][3], 0x1111);
        u64 *entry = stage ? &g_entries[5] : &entries[5];
        for (int low = 0; low < 16; low++) {
            if (low == 8) continue;
            context("contiguous pages, reserved", stage, low);
            *entry = (*entry & ~(15ul << 10)) | low << 10;
            fence_all();
            u64 address = WINDOW + 5 * PAGE, gpa = stage ? GUEST_PAGE + 5 * PAGE : 0;
            expect_fault(VS, READ, address, stage ? LOAD_GUEST_PAGE : LOAD_PAGE, gpa, explicit(READ));
        }
    }
    entries[0] = PTE(GUEST_PAGE, bits);
    g_entries[0] = PTE(data, bits | PTE_U);
    fence_all();
}

// ---- Svpbmt

static void memory_type(u64 vs_type, u64 g_type) {
    for (int page = 0; page < 2; page++) {
        vs_table[page] = PTE(GUEST_PAGE + page * PAGE, bits) | vs_type;
        *pte_at(g_root, GUEST_PAGE + page * PAGE, 0) = PTE(data[page], bits | PTE_U) | g_type;
    }
    fence_all();
}

// Misaligned accesses and atomics as the type lets them; M-mode sees the same memory cached.
static void expect_type(u64 type) {
    write_code();
    for (int i = 0; i < 8; i++) {
        data[0][64 + i] = 0x100 + i;
        equal(try(VS, READ, WINDOW + 512 + 8 * i)->a0, 0x100 + i);
        expect_success(VS, WRITE, WINDOW + 512 + 8 * i);
        equal(data[0][64 + i], 0x1111);
    }
    if (type == 0) {
        expect_success(VS, AMO, WINDOW + 512);
        equal(data[0][64], 0x2222);
    } else {
        expect_fault(VS, AMO, WINDOW + 512, STORE_ACCESS, 0, explicit(AMO));
    }
    u64 causes[] = {type == NC ? LOAD_MISALIGNED : LOAD_ACCESS, type == NC ? STORE_MISALIGNED : STORE_ACCESS};
    for (int access = READ; access <= WRITE; access++)
        for (int offset = 1; offset < PAGE; offset += 4092)
            if (type) expect_fault(VS, access, WINDOW + offset, causes[access], 0, explicit(access));
            else expect_success(VS, access, WINDOW + offset);
    write_code();
    if (type == IO) expect_fault(VS, EXECUTE, WINDOW, INSTRUCTION_ACCESS, 0, 0);
    else expect_success(VS, EXECUTE, WINDOW);
}

static void memory_types(void) {
    static const u64 types[] = {0, NC, IO, NC | IO};
    for (int enabled = 0; enabled < 4; enabled++) {
        if (enabled == 2) continue;
        csr_write(menvcfg, enabled ? PBMTE : 0);
        csr_write(henvcfg, PBMTE);
        equal(csr_read(henvcfg) & PBMTE, enabled ? PBMTE : 0);
        csr_write(henvcfg, enabled & 2 ? PBMTE : 0);
        for (int vs = 0; vs < 4; vs++)
            for (int g = 0; g < 4; g++) {
                context("memory types, enables", vs << 4 | g, enabled);
                memory_type(types[vs], types[g]);
                if (vs == 3 || (vs && !(enabled & 2)))
                    expect_fault(VS, READ, WINDOW, LOAD_PAGE, 0, explicit(READ));
                else if (g == 3 || (g && !enabled))
                    expect_fault(VS, READ, WINDOW, LOAD_GUEST_PAGE, GUEST_PAGE, explicit(READ));
                else if (enabled == 3)
                    expect_type(types[vs ? vs : g]);
            }
    }
    // an access that only begins or ends in an uncached page
    context("half of an access", 0, 0);
    memory_type(0, 0);
    vs_table[1] |= IO;
    fence_all();
    struct trap *trap = try(VS, READ, WINDOW + PAGE - 4);
    equal(trap->cause, LOAD_ACCESS);
    equal(trap->tval, WINDOW + PAGE);
    equal(trap->tinst, explicit(READ) | 4 << 15);
    // tables that the hypervisor maps uncached are walked right after they have been written
    context("uncached tables", 0, 0);
    u64 *g_table = pte_at(g_root, GUEST_TABLE, 0);
    data[0][1] = 5;
    data[1][1] = 6;
    for (int i = 0; i < 4; i++) {
        *g_table = PTE(vs_table, bits | PTE_U) | (i & 1 ? NC : IO);
        vs_table[16] = PTE(GUEST_TABLE, bits);  // for the guest to write its table through
        fence_all();
        u64 entry = PTE(GUEST_PAGE + (i & 2 ? PAGE : 0), bits);
        code_offset = 0;
        check(completed(probe_insn(VS, SD, entry, WINDOW + 16 * PAGE)));
        probe_insn(VS, SFENCE_VMA(0, 0), 0, 0);
        equal(try(VS, READ, WINDOW + 8)->a0, i & 2 ? 6 : 5);
        equal(vs_table[0], entry);
    }
}

void main(void) {
    csr_write(medeleg, 0);
    csr_write(menvcfg, ADUE | PBMTE);
    if (csr_read(menvcfg) != (ADUE | PBMTE) && deviates(QEMU, "7.2 has no Svadu")) return;
    equal(csr_read(menvcfg), ADUE | PBMTE);
    root = new_table();
    vs_root = new_table();
    g_root = new_guest_table();
    vs_table = pte_at(vs_root, WINDOW, 0);
    *pte_at(vs_root, WINDOW, 1) = PTE(GUEST_TABLE, PTE_V);
    update_one_stage();
    update_two_stages();
    contiguous();
    memory_types();
}
