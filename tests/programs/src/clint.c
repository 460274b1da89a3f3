// CLINT: mtime, mtimecmp, msip; access widths; the interrupts they raise.
#include "test.h"

static int pending(int interrupt) {
    // the wire takes its time
    for (volatile int i = 0; i < 20; i++) {
    }
    return !!(csr_read(mip) & BIT(interrupt));
}

CODE(sleep, "wfi");

void main(void) {
    context("msip", 0, 0);
    csr_write(mie, 0);
    MSIP = 0;
    equal(pending(MSI), 0);
    MSIP = 1;
    equal(MSIP, 1);
    equal(pending(MSI), 1);
    MSIP = 0xfffffffe;  // only bit 0 exists
    equal(MSIP, 0);
    equal(pending(MSI), 0);

    context("mtimecmp", 0, 0);
    MTIMECMP = -1;
    equal(MTIMECMP, -1);
    equal(pending(MTI), 0);
    MTIMECMP = 0;
    equal(pending(MTI), 1);
    MTIMECMP = -1;
    equal(pending(MTI), 0);
    // halves
    volatile u32 *halves = (volatile u32 *)0x2004000;
    halves[0] = 0x12345678;
    halves[1] = 0x7fffffff;
    equal(MTIMECMP, 0x7fffffff12345678);
    equal(halves[0], 0x12345678);
    equal(halves[1], 0x7fffffff);

    context("mtime", 0, 0);
    u64 before = MTIME;
    while (MTIME == before) {
    }
    check(MTIME - before < 100000);
    if (!deviates(SPIKE, "cannot be written") && !deviates(QEMU, "keeps an offset only")) {
        MTIME = 0x100000000;
        check(MTIME - 0x100000000 < 100000);
    }
    volatile u32 *time = (volatile u32 *)0x200bff8;
    u32 high = time[1];
    check(high == MTIME >> 32 || high + 1 == MTIME >> 32);

    // accesses to CSRs and to devices take effect in program order
    if (!deviates(SPIKE, "its time is another")) {
        context("order", 0, 0);
        for (int i = 0; i < 300; i++) {
            u64 first, second, third, last;
            __asm__ volatile("csrr %0, time\nld %1, 0(%4)\ncsrr %2, time\nld %3, 0(%4)"
                             : "=&r"(first), "=&r"(second), "=&r"(third), "=&r"(last) : "r"(&MTIME) : "memory");
            check(first <= second && second <= third && third <= last);
            for (int j = 0; j < i % 10; j++) __asm__ volatile("");
        }
    }

    // asleep until the timer
    context("wfi", 0, 0);
    u64 wake = MTIME + 20;
    MTIMECMP = wake;
    csr_write(mie, BIT(MTI));
    csr_clear(mstatus, MSTATUS_MIE | MSTATUS_MPIE);
    struct trap *trap = probe(M, (u64)sleep, 0, 0, 0, 0);
    check(completed(trap));  // interrupts are off: it goes on
    if (!deviates(SPIKE, "does not wait")) check(MTIME >= wake);
    MTIMECMP = MTIME + 20;
    csr_set(mstatus, MSTATUS_MPIE);
    trap = probe(M, (u64)sleep, 0, 0, 0, 0);
    equal(trap->cause, INTERRUPT | MTI);
    equal(trap->epc, (u64)sleep + 4);
    MTIMECMP = MTIME + 20;
    trap = probe(HS, (u64)sleep, 0, 0, 0, 0);
    equal(trap->cause, INTERRUPT | MTI);
    csr_write(mie, 0);
    MTIMECMP = -1;
}
