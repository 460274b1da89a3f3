// Cache-block operations: what they do to memory, who may execute them and what CBO.INVAL does below M-mode, and their
// faults.  The hints among them (PREFETCH) do nothing that a program can see.
#include "test.h"

#define CBO(operation) (0x0005a00fu | (u32)(operation) << 20)  // of the block at a1
enum { INVAL, CLEAN, FLUSH, ZERO = 4 };
#define PREFETCH(kind) (0x0005e013u | (u32)(kind) << 20)  // .i, .r, .w of a1

static const enum mode modes[] = {M, HS, U, VS, VU};
static u8 data[4096] __attribute__((aligned(4096)));
#define WORD(n) (((volatile u64 *)data)[n])

static void enable(u64 m, u64 h, u64 s) {
    csr_write(menvcfg, m);
    csr_write(henvcfg, h);
    csr_write(senvcfg, s);
}

// 0: allowed, else the cause, as the manual's pseudocode says; m, h, s: enabled by that register.
static u64 refusal(enum mode mode, int m, int h, int s) {
    if ((mode != M && !m) || (mode == U && !s)) return ILLEGAL;
    if ((mode == VS && !h) || (mode == VU && !(h && s))) return VIRTUAL;
    return 0;
}

static struct trap *expect(enum mode mode, u32 insn, u64 cause) {
    struct trap *trap = probe_insn(mode, insn, 0, (u64)data);
    equal(completed(trap), !cause);
    if (cause) {
        equal(trap->cause, cause);
        equal(trap->tval, insn);
    }
    return trap;
}

static void permissions(void) {
    static const u64 cbie[] = {0, 1, 3};
    for (int i = 0; i < 5; i++) {
        for (int n = 0; n < 27; n++) {
            u64 m = cbie[n % 3], h = cbie[n / 3 % 3], s = cbie[n / 9];
            context("CBO.INVAL, mode, CBIE", modes[i], m << 8 | h << 4 | s);
            enable(m << 4, h << 4, s << 4);
            u64 cause = refusal(modes[i], m, h, s);
            int flushes = (modes[i] != M && m == 1) || (modes[i] == U && s == 1) ||
                          (modes[i] >= VU && h == 1) || (modes[i] == VU && s == 1);
            // a new value in the cache over an old one in memory
            WORD(0) = 1;
            __asm__ volatile(".insn i 0x0f, 2, x0, %0, 2" : : "r"(data) : "memory");  // cbo.flush
            WORD(0) = 2;
            expect(modes[i], CBO(INVAL), cause);
            equal(WORD(0), cause || flushes ? 2 : 1);
        }
        for (int n = 0; n < 8; n++) {
            u64 m = n & 1, h = n >> 1 & 1, s = n >> 2;
            u64 cause = refusal(modes[i], m, h, s);
            context("CBO, mode, enables", modes[i], n);
            enable(m << 6, h << 6, s << 6);
            expect(modes[i], CBO(CLEAN), cause);
            expect(modes[i], CBO(FLUSH), cause);
            enable(m << 7, h << 7, s << 7);
            WORD(0) = 5;
            expect(modes[i], CBO(ZERO), cause);
            equal(WORD(0), cause ? 5 : 0);
        }
    }
    enable(0xf0, 0xf0, 0xf0);
}

static void zero(void) {
    for (int i = 0; i < 5; i++)
        for (u64 offset = 64; offset < 128; offset += 21) {
            context("CBO.ZERO, mode, offset", modes[i], offset);
            for (int n = 0; n < 32; n++) WORD(n) = ~n;
            check(completed(probe_insn(modes[i], CBO(ZERO), 0, (u64)data + offset)));
            for (int n = 0; n < 32; n++) equal(WORD(n), n / 8 == 1 ? 0 : ~n);
        }
}

static void management(void) {
    for (int step = 0; step < 3; step++)
        for (u64 offset = 0; offset < 64; offset += 9) {
            // 0: flushed, 1: cleaned, 2: neither; then what is left behind when the cached copy is dropped
            context("cleaned and invalidated", step, offset);
            for (int n = 0; n < 24; n++) WORD(n) = 1;
            for (int n = 0; n < 24; n += 8) probe_insn(M, CBO(FLUSH), 0, (u64)&data[8 * n]);
            for (int n = 0; n < 24; n++) WORD(n) = n + 100;
            if (step < 2) probe_insn(M, CBO(step ? CLEAN : FLUSH), 0, (u64)data + 64 + offset);
            for (int n = 0; n < 24; n++) equal(WORD(n), n + 100);
            probe_insn(M, CBO(INVAL), 0, (u64)data + 64 + offset);
            for (int n = 0; n < 24; n++) equal(WORD(n), step == 2 && n / 8 == 1 ? 1 : n + 100);
        }
}

// A load right behind sees what the operation did.
static void order(void) {
    for (int step = 0; step < 3; step++)
        for (int operation = INVAL; operation <= ZERO; operation += operation == FLUSH ? 2 : 1) {
            context("a load behind, step and operation", step, operation);
            u64 seen, address = (u64)data + 128 + 8 * step;
            *(volatile u64 *)address = 1;
            probe_insn(M, CBO(FLUSH), 0, address);
#define SEQUENCE(insn)                                                                                          \
    __asm__ volatile("mv a1, %1\nld %0, 0(a1)\nsd %2, 0(a1)\n.word " #insn "\nld %0, 0(a1)"                      \
                     : "=&r"(seen) : "r"(address), "r"(2ul) : "a1", "memory")
            switch (operation) {
                case INVAL: SEQUENCE(0x0005a00f); break;
                case CLEAN: SEQUENCE(0x0015a00f); break;
                case FLUSH: SEQUENCE(0x0025a00f); break;
                default: SEQUENCE(0x0045a00f);
            }
            equal(seen, operation == INVAL ? 1 : operation == ZERO ? 0 : 2);
        }
}

// Prefetches fetch nothing: what was not in the cache is missed as before, and a device does not notice.
static void no_prefetch(void) {
    csr_write(mcountinhibit, 0);
    csr_write(mhpmevent3, DCACHE_MISS);
    for (int kind = 0; kind < 4; kind++) {
        if (kind == 2) continue;
        for (int negative = 0; negative < 2; negative++) {
            context("no prefetch, kind", kind, negative);
            u64 place = (u64)data + 512, base = negative ? place + 64 : place - 64;
            u32 insn = PREFETCH(kind) | (negative ? -64u : 64u) << 20;
            WORD(64) = 3;
            probe_insn(M, CBO(FLUSH), 0, place);
            check(completed(probe_insn(M, insn, 0, base)));
            u64 before = csr_read(mhpmcounter3), value = WORD(64), after = csr_read(mhpmcounter3);
            equal(value, 3);
            equal(after - before, 1);
        }
    }
    // source 10 is pending, and a read would claim it
    volatile u32 *plic = (volatile u32 *)PLIC;
    plic[10] = 1;
    plic[0x2000 / 4] = BIT(10);
    ((volatile u8 *)UART)[1] = 2;
    for (int i = 0; i < 1000 && !(plic[0x1000 / 4] & BIT(10)); i++) {
    }
    for (int kind = 0; kind < 4; kind++)
        if (kind != 2) check(completed(probe_insn(M, PREFETCH(kind), 0, PLIC + 0x200000)));
    check(plic[0x1000 / 4] & BIT(10));
    ((volatile u8 *)UART)[1] = 0;
}

static void prefetches(void) {
    static const u64 places[] = {(u64)data, (u64)data + 1, 0, 8, NOWHERE, UART, -1};
    for (int i = 0; i < 5; i++)
        for (u64 place = 0; place < sizeof places / 8; place++)
            for (int kind = 0; kind < 4; kind++) {
                if (kind == 2) continue;  // not a prefetch
                context("PREFETCH, mode and kind, address", modes[i] << 4 | kind, places[place]);
                check(completed(probe_insn(modes[i], PREFETCH(kind), 0, places[place])));
            }
}

static void fault(enum mode mode, int operation, u64 address, u64 cause, u64 gpa, u64 tinst) {
    context("fault, mode and operation, address", mode << 4 | operation, address);
    struct trap *trap = probe_insn(mode, CBO(operation), 0, address);
    equal(trap->cause, cause);
    equal(trap->tval, address);
    equal(trap->tval2, gpa >> 2);
    equal(trap->tinst, tinst);
}

static void faults(void) {
    static const int operations[] = {INVAL, CLEAN, FLUSH, ZERO};
    u64 *root = new_table(), *guest = new_guest_table();
    *pte_at(root, WINDOW, 0) = PTE(data, PTE_V | PTE_R | PTE_AD);
    *pte_at(root, WINDOW + PAGE, 0) = PTE(data, PTE_V | PTE_R | PTE_W | PTE_AD);
    *pte_at(root, WINDOW + 2 * PAGE, 0) = PTE(data, PTE_V | PTE_X | PTE_AD);
    *pte_at(root, WINDOW + 3 * PAGE, 0) = PTE(WINDOW, PTE_V | PTE_R | PTE_W | PTE_AD);  // not in the guest's table
    u64 *clear = pte_at(root, WINDOW + 6 * PAGE, 0);
    for (int i = 0; i < 4; i++) {
        int op = operations[i];
        u32 form = CBO(op) & ~(31u << 15);  // the transformed instruction
        csr_write(satp, 0);
        csr_write(vsatp, 0);
        csr_write(hgatp, 0);
        fault(M, op, NOWHERE + 5, STORE_ACCESS, 0, form);
        // management does nothing where nothing is cached, whatever the memory's attributes
        if (op == ZERO) fault(HS, op, UART + 7, STORE_ACCESS, 0, form);
        else check(completed(probe_insn(HS, CBO(op), 0, UART + 7)));
        csr_write(satp, ATP(root));
        csr_write(vsatp, ATP(root));
        csr_write(hgatp, ATP(guest));
        fence_all();
        fault(HS, op, WINDOW + 5 * PAGE + 77, STORE_PAGE, 0, form);
        fault(VS, op, WINDOW + 5 * PAGE + 77, STORE_PAGE, 0, form);
        fault(VS, op, WINDOW + 3 * PAGE + 77, STORE_GUEST_PAGE, WINDOW + 77, form);
        // management wants leave to load or to store, CBO.ZERO to store
        for (enum mode mode = HS; mode <= VS; mode += VS - HS) {
            if (op == ZERO) fault(mode, op, WINDOW + 1, STORE_PAGE, 0, form);
            else check(completed(probe_insn(mode, CBO(op), 0, WINDOW + 1)));
            check(completed(probe_insn(mode, CBO(op), 0, WINDOW + PAGE + 1)));
            fault(mode, op, WINDOW + 2 * PAGE + 1, STORE_PAGE, 0, form);
        }
        // all look at A, and CBO.ZERO at D; prefetches at neither
        *clear = PTE(data, PTE_V | PTE_R | PTE_W);
        sfence();
        fault(HS, op, WINDOW + 6 * PAGE + 1, STORE_PAGE, 0, form);
        for (int kind = 0; kind < 4; kind++)
            if (kind != 2) check(completed(probe_insn(HS, PREFETCH(kind), 0, WINDOW + 6 * PAGE)));
        equal(*clear, PTE(data, PTE_V | PTE_R | PTE_W));
        *clear = PTE(data, PTE_V | PTE_R | PTE_W | PTE_A);
        sfence();
        if (op == ZERO) fault(HS, op, WINDOW + 6 * PAGE + 1, STORE_PAGE, 0, form);
        else check(completed(probe_insn(HS, CBO(op), 0, WINDOW + 6 * PAGE + 1)));
    }
    csr_write(satp, 0);
    csr_write(vsatp, 0);
    csr_write(hgatp, 0);
}

// PMP that splits a page: every block is judged by itself, and one that it splits cannot be accessed.
static void pmp_splits(void) {
    static const int operations[] = {INVAL, CLEAN, FLUSH, ZERO};
    csr_write(pmpaddr1, -1);
    csr_write(pmpaddr0, ((u64)data + 2048 + 132) >> 2);
    csr_write(pmpcfg0, 0x1f << 8 | 0x10);  // nothing in four bytes, everything elsewhere
    for (int i = 0; i < 4; i++)
        for (u64 block = 2048; block < 2048 + 256; block += 64)
            for (u64 offset = 0; offset < 64; offset += 21) {
                u64 address = (u64)data + block + offset;
                u32 insn = CBO(operations[i]);
                if (block == 2048 + 128) {
                    fault(HS, operations[i], address, STORE_ACCESS, 0, insn & ~(31u << 15));
                } else {
                    WORD(block / 8) = 7;
                    context("PMP, operation, address", operations[i], address);
                    check(completed(probe_insn(HS, insn, 0, address)));
                    if (operations[i] != INVAL) equal(WORD(block / 8), operations[i] == ZERO ? 0 : 7);
                }
            }
    csr_write(pmpcfg0, 0x1f);
    csr_write(pmpaddr0, -1);
}

void main(void) {
    if (deviates(QEMU, "version 7.2 has no Zicbom and Zicboz")) return;
    enable(0xf0, 0xf0, 0xf0);
    permissions();
    zero();
    management();
    order();
    prefetches();
    no_prefetch();
    faults();
    pmp_splits();
}
