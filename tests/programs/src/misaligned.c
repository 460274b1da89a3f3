// Misaligned loads and stores: every size at every offset, inside lines and over the ends of lines and pages.
#include "test.h"

static u8 memory[2 * 4096] __attribute__((aligned(4096)));

static u64 expected(const u8 *at, int size) {
    u64 value = 0;
    for (int i = size - 1; i >= 0; i--) value = value << 8 | at[i];
    return value;
}

#define LOAD_AS(insn, value, address) __asm__ volatile(insn " %0, 0(%1)" : "=r"(value) : "r"(address) : "memory")
#define STORE_AS(insn, value, address) __asm__ volatile(insn " %0, 0(%1)" : : "r"(value), "r"(address) : "memory")

static void at(u64 offset) {
    u8 *p = memory + offset;
    u64 value;
    for (int i = -8; i < 16; i++) p[i] = 0x91 + 17 * i + offset;
    context("load at", offset, 0);
    LOAD_AS("lh", value, p);
    equal(value, (s64)(short)expected(p, 2));
    LOAD_AS("lhu", value, p);
    equal(value, expected(p, 2));
    LOAD_AS("lw", value, p);
    equal(value, (s64)(s32)expected(p, 4));
    LOAD_AS("lwu", value, p);
    equal(value, expected(p, 4));
    LOAD_AS("ld", value, p);
    equal(value, expected(p, 8));
    context("store at", offset, 0);
    u64 before = expected(p - 8, 8), pattern = 0xa1b2c3d4e5f60718 + offset;
    STORE_AS("sd", pattern, p);
    equal(expected(p, 8), pattern);
    u64 after = expected(p + 8, 8);
    STORE_AS("sw", ~pattern, p);
    equal(expected(p, 8), (pattern & ~0xfffffffful) | (~pattern & 0xffffffff));
    STORE_AS("sd", pattern, p);
    STORE_AS("sh", ~pattern, p);
    equal(expected(p, 8), (pattern & ~0xfffful) | (~pattern & 0xffff));
    // a load right behind the store sees it, also when it only overlaps
    STORE_AS("sd", pattern, p);
    LOAD_AS("lw", value, p + 2);
    equal(value, (s64)(s32)(pattern >> 16));
    equal(expected(p - 8, 8), before);
    equal(expected(p + 8, 8), after);
}

void main(void) {
    for (u64 offset = 64; offset < 72; offset++) at(offset);
    for (u64 offset = 120; offset < 128; offset++) at(offset);
    for (u64 offset = 4089; offset < 4096; offset++) at(offset);
    // devices take aligned accesses only
    if (!deviates(QEMU, "takes them") && !deviates(SPIKE, "takes some")) {
        context("device", 0, 0);
        struct trap *trap = probe_insn(M, LW, 0, 0x200bff9);
        equal(trap->cause, LOAD_ACCESS);
        equal(trap->tval, 0x200bff9);
        trap = probe_insn(M, SW, 0, 0x2004002);
        equal(trap->cause, STORE_ACCESS);
        equal(probe_insn(M, AMOADD_D, 0, 0x2004000)->cause, STORE_ACCESS);
        equal(probe_insn(M, LR_D, 0, 0x2004000)->cause, LOAD_ACCESS);
        equal(probe_insn(M, JALR_A1, 0, 0x2004000)->cause, INSTRUCTION_ACCESS);
    }
}
