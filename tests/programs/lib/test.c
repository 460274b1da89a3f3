#include "test.h"

#include "offsets.h"

_Static_assert(__builtin_offsetof(struct trap, handler) == TRAP_HANDLER, "offsets.h");
_Static_assert(__builtin_offsetof(struct trap, hstatus) == TRAP_HSTATUS, "offsets.h");
_Static_assert(__builtin_offsetof(struct trap, t5) == TRAP_T5, "offsets.h");
_Static_assert(sizeof(struct trap) == TRAP_SIZE, "offsets.h");

u32 relay_by_illegal;

// ---- output -------------------------------------------------------------------------------------------------------

static void put(char c) {
    volatile u8 *uart = (volatile u8 *)UART;
    while (!(uart[5] & 0x20)) {
    }
    uart[0] = c;
}

void print(const char *text) {
    while (*text) put(*text++);
}

void print_hex(u64 value) {
    print("0x");
    for (int shift = 60; shift >= 0; shift -= 4)
        if (value >> shift || !shift) put("0123456789abcdef"[value >> shift & 15]);
}

static void print_decimal(u64 value) {
    if (value >= 10) print_decimal(value / 10);
    put('0' + value % 10);
}

// ---- checks -------------------------------------------------------------------------------------------------------

static int first_failure;
static int failures;
static const char *context_text;
static u64 context_first, context_second;

void context(const char *text, u64 first, u64 second) {
    context_text = text;
    context_first = first;
    context_second = second;
}

void check_failed(int line, const char *what, u64 got, u64 expected) {
    if (!first_failure) first_failure = line;
    if (++failures > 20) return;
    print("line ");
    print_decimal(line);
    if (context_text) {
        print(" [");
        print(context_text);
        put(' ');
        print_hex(context_first);
        put(' ');
        print_hex(context_second);
        print("]");
    }
    print(": ");
    print(what);
    print(" is ");
    print_hex(got);
    print(", not ");
    print_hex(expected);
    print("\n");
}

u64 report(void) { return first_failure; }

void unexpected_trap(u64 cause, u64 epc, u64 tval) {
    print("unexpected trap: mcause ");
    print_hex(cause);
    print(" mepc ");
    print_hex(epc);
    print(" mtval ");
    print_hex(tval);
    print("\n");
    check_failed(0, "trap", 1, 0);
}

enum machine machine(void) {
    u64 architecture = csr_read(marchid);
    if (architecture == 5) return SPIKE;
    // QEMU puts its version into both
    return architecture && architecture == csr_read(mimpid) ? QEMU : ENTRESOL;
}

// ---- probing ------------------------------------------------------------------------------------------------------

u64 code_offset;
static u16 code[8] __attribute__((aligned(16)));

u64 insn_address(void) { return (u64)code + code_offset; }

struct trap *probe_insn(enum mode mode, u32 insn, u64 a0, u64 a1) {
    int i = 0;
    code[i++] = insn;
    if ((insn & 3) == 3) code[i++] = insn >> 16;
    code[i++] = 0x0893;  // li a7, DONE
    code[i++] = DONE << 4;
    code[i++] = 0x0073;  // ecall
    code[i++] = 0x0000;
    __asm__ volatile("fence.i" : : : "memory");
    return probe(mode, insn_address(), a0, a1, 0, 0);
}

u32 transformed(u32 insn) {
    u32 no_rs1 = insn & ~(31u << 15);
    switch (insn & 0x7f) {
        case 0x03: return no_rs1 & 0xfffff;                   // loads: no offset
        case 0x23: return no_rs1 & ~(0x7fu << 25 | 31u << 7);  // stores: no offset
        default: return no_rs1;
    }
}

// ---- page tables --------------------------------------------------------------------------------------------------

static u64 pool[64][512] __attribute__((aligned(16384)));
static int pool_used = 0;

u64 *new_page(void) {
    u64 *page = pool[pool_used++];
    if (pool_used > 64) {
        print("out of pages\n");
        finish(0x7ffe);
    }
    for (int i = 0; i < 512; i++) page[i] = 0;
    return page;
}

void release_pages(void) { pool_used = 0; }

u64 *new_root(int levels, int guest) {
    u64 user = guest ? PTE_U : 0;
    u64 *table = 0;
    for (int level = 2; level < levels; level++) {
        u64 *below = table;
        int wide = guest && level == levels - 1;
        while (wide && pool_used % 4) new_page();
        table = new_page();
        for (int i = 1; wide && i < 4; i++) new_page();
        if (below) {
            table[0] = PTE(below, PTE_V);
        } else {
            table[0] = PTE(0, PTE_V | PTE_R | PTE_W | PTE_AD | user);
            table[2] = PTE(0x80000000ul, PTE_V | PTE_RWX | PTE_AD | user);
            if (!guest) table[3] = PTE(0x80000000ul, PTE_V | PTE_RWX | PTE_U | PTE_AD);
        }
    }
    return table;
}

u64 *new_table(void) { return new_root(3, 0); }

u64 *new_guest_table(void) { return new_root(3, 1); }

u64 *pte_at(u64 *root, u64 address, int level) { return entry_at(root, 3, address, level); }

u64 *entry_at(u64 *root, int levels, u64 address, int level) {
    u64 *entry = &root[address >> (9 * levels + 3) & 0x7ff];
    for (int at = levels - 1; at > level; at--) {
        if (!(*entry & PTE_V)) *entry = PTE(new_page(), PTE_V);
        entry = (u64 *)(*entry >> 10 << 12) + (address >> (12 + 9 * (at - 1)) & 0x1ff);
    }
    return entry;
}
