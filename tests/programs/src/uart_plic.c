// UART and PLIC: registers, the transmitter's interrupt through both of the PLIC's contexts, priorities, thresholds,
// claims.
#include "test.h"

#define UART_REG(n) (((volatile u8 *)UART)[n])
enum { DATA = 0, IER = 1, IIR = 2, FCR = 2, LCR = 3, MCR = 4, LSR = 5, SCR = 7 };
#define PLIC_REG(offset) (*(volatile u32 *)(PLIC + (offset)))
#define PRIORITY(source) PLIC_REG(4 * (source))
#define PENDING PLIC_REG(0x1000)
#define ENABLE(context) PLIC_REG(0x2000 + 0x80 * (context))
#define THRESHOLD(context) PLIC_REG(0x200000 + 0x1000 * (context))
#define CLAIM(context) PLIC_REG(0x200004 + 0x1000 * (context))
enum { MACHINE = 0, SUPERVISOR = 1 };

static u32 source;

static void settle(void) {
    for (volatile int i = 0; i < 20; i++) {
    }
}

static int pending(int interrupt) {
    settle();
    return !!(csr_read(mip) & BIT(interrupt));
}

static void uart(void) {
    context("uart", 0, 0);
    UART_REG(LCR) = 0x83;  // 8n1, and the divisor in place of data and IER
    UART_REG(DATA) = 0x12;
    UART_REG(IER) = 0x34;
    equal(UART_REG(DATA), 0x12);
    equal(UART_REG(IER), 0x34);
    UART_REG(DATA) = 1;
    UART_REG(IER) = 0;
    UART_REG(LCR) = 0x03;
    equal(UART_REG(LCR), 0x03);
    UART_REG(IER) = 0;
    equal(UART_REG(IER), 0);
    UART_REG(SCR) = 0x5a;
    equal(UART_REG(SCR), 0x5a);
    UART_REG(FCR) = 0x07;  // FIFOs on and empty
    equal(UART_REG(IIR) & 0xc1, 0xc1);  // and no interrupt
    equal(UART_REG(LSR) & 0x61, 0x60);  // nothing received, nothing to be sent
    // something sent: without anybody looking, so that it is not part of any output
    UART_REG(DATA) = '\n';
    for (int i = 0; i < 10000 && !(UART_REG(LSR) & 0x20); i++) {
    }
    equal(UART_REG(LSR) & 0x20, 0x20);
}

CODE(wait, "li a0, 300\n1: addi a0, a0, -1\nbnez a0, 1b");

static void plic(void) {
    context("plic", 0, 0);
    csr_write(mie, 0);
    PRIORITY(source) = 3;
    equal(PRIORITY(source), 3);
    equal(PRIORITY(0), 0);
    PRIORITY(0) = 5;
    equal(PRIORITY(0), 0);
    ENABLE(MACHINE) = 0;
    ENABLE(SUPERVISOR) = 0;
    THRESHOLD(MACHINE) = 0;
    THRESHOLD(SUPERVISOR) = 0;
    equal(CLAIM(MACHINE), 0);
    equal(pending(MEI), 0);
    equal(pending(SEI), 0);

    context("transmitter empty", 0, 0);
    UART_REG(IER) = 2;
    settle();
    equal(PENDING >> source & 1, 1);
    equal(pending(MEI), 0);
    ENABLE(MACHINE) = BIT(source);
    equal(ENABLE(MACHINE), BIT(source));
    THRESHOLD(MACHINE) = 0;  // QEMU does not look at enables until something else happens
    equal(pending(MEI), 1);
    equal(pending(SEI), 0);
    context("threshold", 0, 0);
    THRESHOLD(MACHINE) = 3;
    equal(THRESHOLD(MACHINE), 3);
    equal(pending(MEI), 0);
    THRESHOLD(MACHINE) = 2;
    equal(pending(MEI), 1);
    PRIORITY(source) = 2;
    equal(pending(MEI), 0);
    PRIORITY(source) = 0;
    THRESHOLD(MACHINE) = 0;
    equal(pending(MEI), 0);  // priority 0 never interrupts
    PRIORITY(source) = 1;
    equal(pending(MEI), 1);
    context("the other context", 0, 0);
    ENABLE(SUPERVISOR) = BIT(source);
    THRESHOLD(SUPERVISOR) = 0;
    equal(pending(SEI), 1);
    check(csr_read(sip) == 0);  // not delegated
    csr_write(mideleg, BIT(SEI));
    check(csr_read(sip) & BIT(SEI));

    context("claim", 0, 0);
    equal(CLAIM(SUPERVISOR), source);
    equal(PENDING >> source & 1, 0);
    equal(pending(MEI), 0);
    equal(pending(SEI), 0);
    equal(CLAIM(MACHINE), 0);
    settle();
    equal(PENDING >> source & 1, 0);  // until it is completed, although the line is still up
    CLAIM(SUPERVISOR) = source;
    if (!deviates(QEMU, "remembers edges")) {
        equal(pending(SEI), 1);
        equal(CLAIM(SUPERVISOR), source);
    }
    equal(UART_REG(IIR) & 0xf, 2);  // reading it takes the interrupt back
    equal(UART_REG(IIR) & 0xf, 1);
    CLAIM(SUPERVISOR) = source;
    equal(pending(SEI), 0);
    equal(pending(MEI), 0);
    equal(PENDING >> source & 1, 0);

    // taken: by the machine, by the supervisor; and the guest does not get it
    static const enum mode modes[] = {M, HS, U, VS, VU};
    UART_REG(IER) = 0;
    UART_REG(IER) = 2;
    csr_set(mstatus, MSTATUS_MPIE | MSTATUS_SIE);
    csr_write(mie, BIT(MEI));
    for (int m = 0; m < 5; m++) {
        context("external interrupt, mode", modes[m], 0);
        csr_set(mstatus, MSTATUS_MPIE);
        struct trap *trap = probe(modes[m], (u64)wait, 0, 0, 0, 0);
        equal(trap->handler, M);
        equal(trap->cause, INTERRUPT | MEI);
    }
    csr_write(mie, BIT(SEI));
    csr_write(hideleg, -1);
    for (int m = 1; m < 5; m++) {
        context("external interrupt, mode", modes[m], 1);
        csr_set(mstatus, MSTATUS_SIE);
        struct trap *trap = probe(modes[m], (u64)wait, 0, 0, 0, 0);
        equal(trap->handler, HS);
        equal(trap->cause, INTERRUPT | SEI);
    }
    UART_REG(IER) = 0;
    settle();
    if (CLAIM(MACHINE)) CLAIM(MACHINE) = source;
    csr_write(mie, 0);
}

// mip.SEIP is the PLIC's line or the bit that software writes; a read-modify-write uses the latter alone.
static void software_bit(void) {
    context("SEIP", 0, 0);
    ENABLE(MACHINE) = 0;
    PRIORITY(source) = 1;
    csr_clear(mip, BIT(SEI));
    equal(pending(SEI), 0);
    csr_set(mip, BIT(SEI));
    equal(pending(SEI), 1);
    csr_clear(mip, BIT(SEI));
    equal(pending(SEI), 0);
    UART_REG(IER) = 2;
    equal(pending(SEI), 1);
    csr_clear(mip, BIT(SEI));
    equal(pending(SEI), 1);
    csr_set(mip, BIT(SSI));  // reads SEIP as one, but does not write it back
    UART_REG(IIR);
    UART_REG(IER) = 0;
    if (CLAIM(SUPERVISOR)) CLAIM(SUPERVISOR) = source;
    equal(pending(SEI), 0);
}

void main(void) {
    source = 10;
    if (deviates(SPIKE, "has little of a UART and of a PLIC")) return;
    uart();
    plic();
    if (!deviates(QEMU, "has one bit for both")) software_bit();
}
