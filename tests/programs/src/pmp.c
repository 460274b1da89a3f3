// PMP: matching (NA4, NAPOT, TOR), order, permissions for each kind of access, locks, MPRV, page-table accesses.
#include "test.h"

enum access { READ, WRITE, EXECUTE };
static const u32 insns[] = {LD, SD, JALR_A1};
static const u64 faults[] = {LOAD_ACCESS, STORE_ACCESS, INSTRUCTION_ACCESS};
enum { R = 1, W = 2, X = 4, TOR = 8, NA4 = 16, NAPOT = 24, L = 128 };

static u64 data[1024] __attribute__((aligned(8192)));

// Entry 15 permits everything to everybody; the tests use entries 0 to 3.
static void configure(u64 config) { csr_write(pmpcfg0, config); }
#define CONFIG(e0, e1, e2, e3) ((u64)(e0) | (u64)(e1) << 8 | (u64)(e2) << 16 | (u64)(e3) << 24)

static struct trap *try(enum mode mode, enum access access, u64 address) {
    return probe_insn(mode, insns[access], 0x55, address);
}

static void refused(enum mode mode, enum access access, u64 address) {
    struct trap *trap = try(mode, access, address);
    equal(trap->cause, faults[access]);
    equal(trap->tval, address);
}

static void allowed(enum mode mode, enum access access, u64 address) { check(completed(try(mode, access, address))); }

// A misaligned load or store may be left to software, but not be called an access fault.
static void not_refused(enum mode mode, u64 address) {
    for (enum access access = READ; access <= WRITE; access++) {
        struct trap *trap = try(mode, access, address);
        check(completed(trap) || trap->cause == (access == READ ? LOAD_MISALIGNED : STORE_MISALIGNED));
    }
}

static void write_code(u64 *at) {
    ((u32 *)at)[0] = 0x4d200893;  // li a7, DONE
    ((u32 *)at)[1] = ECALL;
    __asm__ volatile("fence.i" : : : "memory");
}

static void permissions(void) {
    static const enum mode modes[] = {HS, U, VS, VU};
    csr_write(pmpaddr0, (u64)data >> 2 | 0x1ff);  // 4 KiB
    for (int bits = 0; bits < 8; bits++) {
        if ((bits & (R | W)) == W) continue;  // reserved
        configure(CONFIG(bits | NAPOT, 0, 0, 0));
        for (int m = 0; m < (deviates(QEMU, "reports guest page faults for V = 1") ? 2 : 4); m++)
            for (int access = 0; access < 3; access++) {
                context("permissions, mode and access", bits, modes[m] << 4 | access);
                write_code(data + 8);
                if (bits >> access & 1)
                    allowed(modes[m], access, (u64)(data + 8));
                else
                    refused(modes[m], access, (u64)(data + 8));
            }
        context("M-mode", bits, 0);
        for (int access = 0; access < 3; access++) {
            write_code(data + 8);
            allowed(M, access, (u64)(data + 8));
        }
    }
}

static void matching(void) {
    u64 base = (u64)data;
    context("NA4", 0, 0);
    configure(0);
    csr_write(pmpaddr0, (base + 4) >> 2);
    configure(CONFIG(NA4, 0, 0, 0));
    struct trap *trap = probe_insn(HS, LW, 0, base + 4);
    equal(trap->cause, LOAD_ACCESS);
    check(completed(probe_insn(HS, LW, 0, base)));
    check(completed(probe_insn(HS, LW, 0, base + 8)));
    check(completed(probe_insn(HS, LB, 0, base + 3)));
    equal(probe_insn(HS, LB, 0, base + 7)->cause, LOAD_ACCESS);
    // an access that lies only partly in the matching region fails
    refused(HS, READ, base);
    equal(probe_insn(HS, LH, 0, base + 8)->a7, DONE);
    context("NA4 that permits", 0, 0);
    configure(CONFIG(NA4 | R, 0, 0, 0));
    check(completed(probe_insn(HS, LW, 0, base + 4)));
    refused(HS, READ, base);
    refused(M, READ, base);  // whatever the entry permits

    context("misaligned beside it", 0, 0);
    configure(CONFIG(NA4, 0, 0, 0));
    csr_write(pmpaddr0, base >> 2);
    refused(HS, READ, base + 1);
    if (!deviates(QEMU, "checks more than what is accessed")) {
        not_refused(HS, base + 4);
        not_refused(HS, base + 7);
        not_refused(M, base + 4);
        csr_write(pmpaddr0, (base + 4096 + 4) >> 2);
        not_refused(HS, base + 4096 - 4);  // only the first word of the second page is read
    }

    context("NAPOT of 8 bytes", 0, 0);
    configure(0);
    csr_write(pmpaddr0, base >> 2);
    configure(CONFIG(NAPOT, 0, 0, 0));
    refused(HS, READ, base);
    allowed(HS, READ, base + 8);
    context("NAPOT of 64 bytes", 0, 0);
    csr_write(pmpaddr0, base >> 2 | 7);
    refused(HS, READ, base + 56);
    allowed(HS, READ, base + 64);

    context("TOR", 0, 0);
    configure(0);
    csr_write(pmpaddr0, (base + 64) >> 2);
    csr_write(pmpaddr1, (base + 128) >> 2);
    configure(CONFIG(0, TOR, 0, 0));
    allowed(HS, WRITE, base + 56);
    refused(HS, WRITE, base + 64);
    refused(HS, WRITE, base + 120);
    allowed(HS, WRITE, base + 128);
    context("TOR of entry 0 begins at 0", 0, 0);
    configure(CONFIG(TOR, 0, 0, 0));
    csr_write(pmpaddr0, 0x1000);  // up to 16 KiB: boot memory
    refused(HS, READ, 0x1000);
    context("empty TOR", 0, 0);
    configure(0);
    csr_write(pmpaddr0, (base + 128) >> 2);
    csr_write(pmpaddr1, (base + 64) >> 2);
    configure(CONFIG(0, TOR, 0, 0));
    allowed(HS, READ, base + 64);
    allowed(HS, READ, base + 120);

    context("order", 0, 0);
    configure(0);
    csr_write(pmpaddr0, base >> 2 | 7);     // 64 bytes
    csr_write(pmpaddr1, base >> 2 | 0x1ff);  // 4 KiB around it
    configure(CONFIG(NAPOT | R, NAPOT | R | W, 0, 0));
    allowed(HS, READ, base + 8);
    refused(HS, WRITE, base + 8);
    allowed(HS, WRITE, base + 64);
    configure(CONFIG(NAPOT | R | W, NAPOT, 0, 0));
    allowed(HS, WRITE, base + 8);
    refused(HS, READ, base + 64);
    allowed(HS, READ, base + 4096);

    // instructions, 4 bytes each and on both sides of a border
    context("fetches", 0, 0);
    configure(0);
    write_code(data);
    write_code(data + 1);
    csr_write(pmpaddr0, (base + 8) >> 2);
    configure(CONFIG(NA4, 0, 0, 0));
    allowed(HS, EXECUTE, base);
    refused(HS, EXECUTE, base + 8);
    // 32 bits at 4n + 2, of which the second half is forbidden: the fault is at the instruction, its address that
    // half's
    ((u16 *)data)[3] = 0x0893;
    ((u16 *)data)[4] = 0x4d20;
    __asm__ volatile("fence.i" : : : "memory");
    if (!deviates(QEMU, "executes it")) {
        struct trap *fetch = try(HS, EXECUTE, base + 6);
        equal(fetch->cause, INSTRUCTION_ACCESS);
        equal(fetch->epc, base + 6);
        equal(fetch->tval, base + 8);
    }

    context("AMO and LR", 0, 0);
    configure(0);
    csr_write(pmpaddr0, base >> 2 | 7);
    configure(CONFIG(NAPOT | R, 0, 0, 0));
    if (!deviates(QEMU, "checks nothing for an SC without a reservation")) {
        equal(probe_insn(HS, AMOADD_D, 1, base)->cause, STORE_ACCESS);
        equal(probe_insn(HS, SC_D, 1, base)->cause, STORE_ACCESS);
    }
    check(completed(probe_insn(HS, LR_D, 1, base)));
    configure(CONFIG(NAPOT, 0, 0, 0));
    equal(probe_insn(HS, LR_D, 1, base)->cause, LOAD_ACCESS);
}

CODE(modified, "csrs mstatus, a2\nld a0, 0(a1)");

static void modify_privilege(void) {
    context("MPRV", 0, 0);
    configure(0);
    csr_write(pmpaddr0, (u64)data >> 2 | 0x1ff);
    configure(CONFIG(NAPOT | X, 0, 0, 0));
    // the code runs in M-mode with MPP = U
    struct trap *trap = probe(M, (u64)modified, 0, (u64)data, MSTATUS_MPRV, 0);
    equal(trap->cause, LOAD_ACCESS);
    equal(trap->tval, data);
    check(completed(probe(M, (u64)modified, 0, (u64)data + PAGE, MSTATUS_MPRV, 0)));
    check(completed(probe(M, (u64)modified, 0, (u64)data, 0, 0)));
}

// Page tables are read with S-mode's rights: no read permission is an access fault of the access' own kind.
static void page_tables(void) {
    configure(0);
    u64 *root = new_table();
    u64 *pte = pte_at(root, WINDOW, 0);
    *pte = PTE(data, PTE_V | PTE_RWX | PTE_AD);
    csr_write(pmpaddr0, (u64)pte >> 2 | 0x1ff);
    configure(CONFIG(NAPOT | X, 0, 0, 0));
    csr_write(satp, ATP(root));
    sfence();
    for (int access = 0; access < 3; access++) {
        context("page tables", access, 0);
        refused(HS, access, WINDOW);
    }
    // MXR and SUM are about page-table entries: they do not make a region readable
    context("MXR and SUM", 0, 0);
    csr_write(pmpaddr0, (u64)data >> 2 | 0x1ff);
    configure(CONFIG(NAPOT | X, 0, 0, 0));
    csr_set(mstatus, MSTATUS_MXR | MSTATUS_SUM);
    sfence();
    refused(HS, READ, WINDOW);
    csr_clear(mstatus, MSTATUS_MXR | MSTATUS_SUM);
    csr_write(pmpaddr0, (u64)pte >> 2 | 0x1ff);
    configure(CONFIG(NAPOT | R, 0, 0, 0));
    sfence();
    write_code(data);
    allowed(HS, READ, WINDOW);
    allowed(HS, EXECUTE, WINDOW);
    csr_write(satp, 0);
    sfence();
    // with two stages: VS-stage tables in forbidden memory are access faults too
    u64 *guest = new_guest_table();
    csr_write(vsatp, ATP(root));
    csr_write(hgatp, ATP(guest));
    fence_all();
    context("page tables of a guest", 0, 0);
    allowed(VS, READ, WINDOW);
    configure(CONFIG(NAPOT | W | R, 0, 0, 0));
    allowed(VS, READ, WINDOW);
    configure(CONFIG(NAPOT, 0, 0, 0));
    fence_all();
    refused(VS, READ, WINDOW);
    csr_write(vsatp, 0);
    csr_write(hgatp, 0);
    fence_all();
}

// Locked entries bind M-mode too, and cannot be changed until reset.  Last: there is no way back.
static void locks(void) {
    u64 base = (u64)data + 4096;
    configure(0);
    context("locks", 0, 0);
    csr_write(pmpaddr0, base >> 2 | 7);
    csr_write(pmpaddr1, (base + 64) >> 2);
    csr_write(pmpaddr2, (base + 128) >> 2);
    configure(CONFIG(NAPOT | R | L, 0, TOR | L, 0));
    allowed(M, READ, base);
    refused(M, WRITE, base);
    refused(HS, WRITE, base);
    refused(M, READ, base + 64);
    allowed(M, READ, base + 128);
    csr_write(pmpaddr0, 0);
    equal(csr_read(pmpaddr0), base >> 2 | 7);
    configure(0);
    equal(csr_read(pmpcfg0) & 0xff, NAPOT | R | L);
    // the address below a locked TOR is locked with it
    csr_write(pmpaddr1, 0);
    equal(csr_read(pmpaddr1), (base + 64) >> 2);
    refused(M, WRITE, base);
    csr_write(pmpaddr3, 0x1234);
    equal(csr_read(pmpaddr3), 0x1234);
}

void main(void) {
    csr_write(pmpaddr15, -1);
    csr_write(pmpcfg2, (u64)(R | W | X | NAPOT) << 56);
    configure(0);
    permissions();
    matching();
    modify_privilege();
    page_tables();
    locks();
}
