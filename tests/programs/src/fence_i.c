// FENCE.I: code that is written is what is executed, again and again, on lines that are in the caches already.
#include "test.h"

static u32 code[64] __attribute__((aligned(64)));

// Runs what it has just written: the store, the fence and the jump one behind the other.
CODE(write_and_run, "sw a1, 0(a0)\nsw a2, 4(a0)\nfence.i\njr a0");
// Overwrites the instruction that follows the fence.
CODE(overwrite, "lla t0, 1f\nsw a1, 0(t0)\nfence.i\n1: addi a0, a0, 1");

#define ADDI(rd, rs1, imm) (0x13u | (rd) << 7 | (rs1) << 15 | (u32)(imm) << 20)

void main(void) {
    typedef u64 function(u64);
    static const enum mode modes[] = {M, HS, U, VS, VU};
    for (int i = 0; i < 30; i++) {
        int at = i % 3 * 16 + i % 5;  // several lines and offsets
        code[at] = ADDI(A0, A0, i);
        code[at + 1] = 0x00008067;  // ret
        __asm__ volatile("fence.i" : : : "memory");
        context("function", i, at);
        equal(((function *)&code[at])(100), 100 + i);
    }
    // over the end of a line
    for (int i = 0; i < 4; i++) {
        code[15] = ADDI(A0, A0, 7 * i);
        code[16] = ADDI(A0, A0, i);
        code[17] = 0x00008067;
        __asm__ volatile("fence.i" : : : "memory");
        context("two lines", i, 0);
        equal(((function *)&code[15])(0), 8 * i);
    }
    for (int m = 0; m < 5; m++)
        for (int i = 0; i < 3; i++) {
            context("write and run, mode", modes[m], i);
            struct trap *trap = probe(modes[m], (u64)write_and_run, (u64)(code + 8), ADDI(17, 0, DONE), ECALL, 0);
            check(completed(trap));
            equal(trap->epc, code + 9);
            trap = probe(modes[m], (u64)write_and_run, (u64)(code + 8), ADDI(17, 0, i + 1), ECALL, 0);
            equal(trap->a7, i + 1);
            trap = probe(modes[m], (u64)overwrite, 50, ADDI(A0, A0, 20 + i), 0, 0);
            check(completed(trap));
            equal(trap->a0, 70 + i);
        }
}
