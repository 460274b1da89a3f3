// cycle, time and instret: what they count, writing them, stopping them, and what the guest sees.
#include "test.h"

CODE(ten, "csrr a0, instret\n.rept 8\naddi a1, a1, 1\n.endr\ncsrr t0, instret\nsub a0, t0, a0");

CODE(trap_ecall, "ecall");
CODE(trap_ebreak, "ebreak");
CODE(trap_illegal, ".word 0xffffffff");

void main(void) {
    csr_write(mcounteren, 7);
    csr_write(hcounteren, 7);
    csr_write(scounteren, 7);
    csr_write(mcountinhibit, 0);
    context("instret", 0, 0);
    // QEMU counts instructions only with -icount, Spike by the batch
    if (machine() == ENTRESOL) {
        static const enum mode modes[] = {M, HS, U, VS, VU};
        for (int m = 0; m < 5; m++) equal(probe(modes[m], (u64)ten, 0, 0, 0, 0)->a0, 9);
        // a write replaces the count that the writing instruction itself would make
        u64 value;
        __asm__ volatile("li t0, 1000\ncsrw minstret, t0\ncsrr %0, minstret" : "=r"(value) : : "t0");
        equal(value, 1000);
        __asm__ volatile("li t0, 1000\ncsrw minstret, t0\nnop\ncsrr %0, minstret" : "=r"(value) : : "t0");
        equal(value, 1001);
        // instructions that trap do not retire; the handler's instructions do
        context("traps", 0, 0);
        u8 *const entries[] = {trap_ecall, trap_ebreak, trap_illegal};
        u64 counts[3];
        for (volatile int i = 0; i < 3; i++) {
            u64 entry = (u64)entries[i];
            u64 before = csr_read(minstret);
            probe(M, entry, 0, 0, 0, 0);
            counts[i] = csr_read(minstret) - before;
        }
        equal(counts[0], counts[2]);
        equal(counts[1], counts[2]);
    }
    context("cycle", 0, 0);
    u64 first = csr_read(mcycle), second = csr_read(cycle);
    check(second > first && second - first < 1000000);
    csr_write(mcycle, 0x123456789abcdef0);
    check(csr_read(mcycle) - 0x123456789abcdef0 < 10000);
    // stopped
    if (!deviates(QEMU, "ignores mcountinhibit for reads") && !deviates(SPIKE, "cannot be stopped")) {
        context("mcountinhibit", 0, 0);
        csr_write(mcountinhibit, 5);
        equal(csr_read(mcountinhibit), 5);
        first = csr_read(mcycle);
        u64 instructions = csr_read(minstret);
        for (volatile int i = 0; i < 10; i++) {
        }
        equal(csr_read(mcycle), first);
        equal(csr_read(minstret), instructions);
        csr_write(mcountinhibit, 0);
        check(csr_read(mcycle) - first < 1000);
        // a counter that stands still can be read
        csr_write(mcountinhibit, 5);
        equal(probe_insn(U, CSRR(A0, 0xc00), 0, 0)->a0, csr_read(mcycle));
        csr_write(mcountinhibit, 0);
    }
    // one that may not be read goes on
    context("mcounteren", 0, 0);
    csr_write(mcounteren, 0);
    first = csr_read(mcycle);
    equal(probe_insn(HS, CSRR(A0, 0xc00), 0, 0)->cause, ILLEGAL);
    check(csr_read(mcycle) - first > 10);
    csr_write(mcounteren, 7);
    if (!deviates(SPIKE, "has no time CSR")) {
        context("time", 0, 0);
        // the CSR is the CLINT's mtime
        first = MTIME;
        u64 time = csr_read(time);
        second = MTIME;
        check(first <= time && time <= second);
        // and in V = 1 that plus htimedelta
        csr_write(htimedelta, 0x1000000000);
        time = probe_insn(VS, CSRR(A0, 0xc01), 0, 0)->a0;
        check(time - second >= 0x1000000000 && time - second < 0x1000100000);
        time = probe_insn(VU, CSRR(A0, 0xc01), 0, 0)->a0;
        check(time - second >= 0x1000000000 && time - second < 0x1000100000);
        time = probe_insn(U, CSRR(A0, 0xc01), 0, 0)->a0;
        check(time - second < 0x100000);
        csr_write(htimedelta, -1);
        csr_write(htimedelta, 0);
    }
}
