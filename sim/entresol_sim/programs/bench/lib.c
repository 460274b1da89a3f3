#include "bench.h"

static int has_h;

// ---- output --------------------------------------------------------------------------------------------------------

static void put(char c) {
    volatile u8 *uart = (volatile u8 *)0x10000000ul;
    while (!(uart[5] & 0x20)) {
    }
    uart[0] = c;
}

void print(const char *text) {
    while (*text) put(*text++);
}

static void print_decimal(u64 value) {
    if (value >= 10) print_decimal(value / 10);
    put('0' + value % 10);
}

static void print_hex(u64 value) {
    for (int shift = 60; shift >= 0; shift -= 4) put("0123456789abcdef"[value >> shift & 15]);
}

void result_instructions(const char *name, u64 count, u64 cycles, u64 instructions) {
    print("result ");
    print(name);
    put(' ');
    print_decimal(count);
    put(' ');
    if ((s64)cycles < 0) {
        put('-');
        cycles = -cycles;
    }
    print_decimal(cycles);
    put(' ');
    print_decimal(instructions);
    put('\n');
}

void result(const char *name, u64 count, u64 cycles) { result_instructions(name, count, cycles, 0); }

void unexpected_trap(u64 cause, u64 epc, u64 tval) {
    print("unexpected trap: mcause ");
    print_hex(cause);
    print(" mepc ");
    print_hex(epc);
    print(" mtval ");
    print_hex(tval);
    print("\n");
}

// ---- translation ---------------------------------------------------------------------------------------------------

const char *const regime_names[REGIMES] = {"bare", "sv39", "vs_only", "g_only", "guest_1g", "guest_2m", "guest_4k"};

extern u8 end_of_program[];
static u64 next_page;

static u64 *new_pages(u64 count, u64 align) {
    if (!next_page) next_page = ((u64)end_of_program + 0x3fff) & ~0x3ffful;
    next_page = (next_page + align - 1) & -align;
    u64 *page = (u64 *)next_page;
    next_page += count * PAGE;
    return page;
}

// Maps with pages of `level` (0: 4 KiB, 1: 2 MiB, 2: 1 GiB).
static void map(u64 *root, u64 address, u64 physical, int level, u64 bits) {
    u64 *table = root;
    for (int at = 2; at > level; at--) {
        // a G-stage root has two index bits more; none of our addresses is that large for the others
        u64 *entry = &table[address >> (12 + 9 * at) & (at == 2 ? 0x7ff : 0x1ff)];
        if (!*entry) *entry = (u64)new_pages(1, PAGE) >> 12 << 10 | PTE_V;
        table = (u64 *)(*entry >> 10 << 12);
    }
    table[address >> (12 + 9 * level) & (level == 2 ? 0x7ff : 0x1ff)] = physical >> 12 << 10 | bits;
}

#define LEAF (PTE_V | PTE_R | PTE_W | PTE_X | PTE_A | PTE_D)
#define MEMORY 0x80000000ul
// The program with its data, and its page tables, which the G-stage translates too.
#define MAPPED ((u64)end_of_program - MEMORY + (512 << 10))

static enum regime current;
static u64 *first, *second;  // the root tables of both stages

static int g_level(enum regime regime) { return regime == GUEST_GIGA ? 2 : regime == GUEST_MEGA ? 1 : 0; }

enum mode regime_mode(enum regime regime) { return regime == BARE ? M : regime == SV39 ? HS : VS; }

static void fence_all(void) {
    if (has_h) __asm__ volatile("hfence.gvma; hfence.vvma" : : : "memory");
    __asm__ volatile("sfence.vma" : : : "memory");
}

void translate(enum regime regime) {
    current = regime;
    first = second = 0;
    if (regime != BARE && regime != G_ONLY) {
        first = new_pages(1, PAGE);
        for (u64 at = 0; at < MAPPED; at += PAGE) map(first, MEMORY + at, MEMORY + at, 0, LEAF);
    }
    if (regime >= G_ONLY) {
        second = new_pages(4, 4 * PAGE);
        int level = g_level(regime);
        u64 size = PAGE << 9 * level;
        for (u64 at = 0; at < MAPPED; at += size) map(second, MEMORY + at, MEMORY + at, level, LEAF | PTE_U);
    }
    u64 root = first ? 8ul << 60 | (u64)first >> 12 : 0;
    csr_write(satp, regime == SV39 ? root : 0);
    if (has_h) {
        csr_write(vsatp, regime == SV39 ? 0 : root);
        csr_write(hgatp, second ? 8ul << 60 | (u64)second >> 12 : 0);
    }
    fence_all();
}

void map_first(u64 address, u64 physical) {
    map(first, address, physical, 0, LEAF);
    fence_all();
}

void map_window(u64 physical, u64 pages) {
    for (u64 at = 0; at < pages * PAGE; at += PAGE) {
        u64 target = physical;
        if (second && g_level(current) == 0) {
            map(second, WINDOW + at, physical, 0, LEAF | PTE_U);
            target = WINDOW + at;
        }
        if (first) map(first, WINDOW + at, target, 0, LEAF);
    }
    fence_all();
}

// ---- all programs --------------------------------------------------------------------------------------------------

void begin(u64 variant) {
    has_h = csr_read(misa) >> 7 & 1;
    csr_write(mcounteren, -1);
    csr_write(scounteren, -1);
    if (has_h) {
        csr_write(hcounteren, -1);
        csr_write(hedeleg, 0);
    }
    // everything goes to HS-mode but breakpoints, by which `enter` comes back
    csr_write(medeleg, 0xf0b5f7 & ~(1ul << 9));
    extern u8 saved_registers[];
    csr_write(sscratch, saved_registers);
    csr_write(stvec, skip_from_s);
    *(volatile u64 *)0x2004000ul = -1;
    benchmarks(variant);
}
