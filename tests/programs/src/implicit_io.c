// Nothing implicit is read from I/O, where reading may have effects: neither instructions nor page tables.  The PLIC's
// claim registers are such a place.
#include "test.h"

#define UART_IER (((volatile u8 *)UART)[1])
#define PLIC_REG(offset) (*(volatile u32 *)(PLIC + (offset)))
#define PENDING PLIC_REG(0x1000)
#define CLAIM (PLIC + 0x200000)  // the page with threshold and, in the upper half of the doubleword, claim
enum { SOURCE = 10 };

static void still_pending(void) { equal(PENDING >> SOURCE & 1, 1); }

static void expect(const struct trap *trap, u64 cause, u64 tval, u64 tval2) {
    equal(trap->cause, cause);
    equal(trap->tval, tval);
    equal(trap->tval2, tval2);
    still_pending();
}

void main(void) {
    if (deviates(QEMU, "reads page tables anywhere") || deviates(SPIKE, "has little of a PLIC")) return;
    csr_write(medeleg, 0);
    PLIC_REG(4 * SOURCE) = 1;
    PLIC_REG(0x2000) = BIT(SOURCE);
    PLIC_REG(0x200000) = 0;
    UART_IER = 2;
    for (int i = 0; i < 1000 && !(PENDING >> SOURCE & 1); i++) {
    }
    still_pending();

    static const enum mode modes[] = {M, HS, U, VS, VU};
    for (int m = 0; m < 5; m++) {
        context("instructions, mode", modes[m], 0);
        expect(probe(modes[m], CLAIM, 0, 0, 0, 0), INSTRUCTION_ACCESS, CLAIM, 0);
        expect(probe(modes[m], CLAIM + 4, 0, 0, 0, 0), INSTRUCTION_ACCESS, CLAIM + 4, 0);
    }
    u64 *root = new_table(), *guest = new_guest_table();
    root[4] = PTE(CLAIM, PTE_V);  // a table whose first entry it is
    guest[4] = PTE(CLAIM, PTE_V);
    for (int i = 0; i < 3; i++) {
        static const u32 insns[] = {LD, SD, JALR_A1};
        static const u64 causes[] = {LOAD_ACCESS, STORE_ACCESS, INSTRUCTION_ACCESS};
        context("page tables", i, 0);
        csr_write(satp, ATP(root));
        csr_write(vsatp, 0);
        csr_write(hgatp, 0);
        fence_all();
        expect(probe_insn(HS, insns[i], 0, WINDOW), causes[i], WINDOW, 0);
        csr_write(vsatp, ATP(root));
        fence_all();
        expect(probe_insn(VS, insns[i], 0, WINDOW), causes[i], WINDOW, 0);
        csr_write(hgatp, ATP(guest));
        fence_all();
        expect(probe_insn(VS, insns[i], 0, WINDOW), causes[i], WINDOW, 0);  // VS-stage
        csr_write(vsatp, 0);
        fence_all();
        expect(probe_insn(VS, insns[i], 0, WINDOW), causes[i], WINDOW, 0);  // G-stage
        csr_write(satp, 0);
    }
    equal(*(volatile u32 *)(CLAIM + 4), SOURCE);  // an explicit read claims it
    equal(PENDING >> SOURCE & 1, 0);
    *(volatile u32 *)(CLAIM + 4) = SOURCE;
    UART_IER = 0;
}
