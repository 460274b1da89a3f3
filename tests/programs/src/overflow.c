// Event counters with Sscofpmf: real events, modes that are not counted, and the overflow interrupt from any mode to
// M-, HS- or VS-mode.
#include "test.h"

enum { LCOFI = 13 };
#define OF BIT(63)
// numbers of events: see docs/reference/csrs.md
#ifndef CYCLE
#error "defined by the catalog"
#endif

static const enum mode modes[] = {M, HS, U, VS, VU};
static const u64 inhibits[] = {BIT(62), BIT(61), BIT(60), BIT(59), BIT(58)};
static u64 data[8192] __attribute__((aligned(4096)));

CODE(spin, "li a0, 100\n1: addi a0, a0, -1\nbnez a0, 1b");

void main(void) {
    if (deviates(QEMU, "has other events")) return;
    csr_write(mcountinhibit, 0);
    for (int i = 0; i < 5; i++) {
        // instructions of one mode: 202 and what the framework adds
        context("counting in mode", modes[i], 0);
        csr_write(mhpmevent3, INSTRET);
        for (int j = 0; j < 5; j++)
            if (j != i) csr_set(mhpmevent3, inhibits[j]);
        csr_write(mhpmevent4, INSTRET | inhibits[i]);
        csr_write(mhpmcounter3, 0);
        csr_write(mhpmcounter4, 0);
        probe(modes[i], (u64)spin, 0, 0, 0, 0);
        u64 counted = csr_read(mhpmcounter3), others = csr_read(mhpmcounter4);
        if (modes[i] == M) {
            check(counted > 202 && others <= 2);
        } else {
            check(counted >= 200 && counted <= 206);
            check(others > 20 && others < 200);
        }
    }
    csr_write(mhpmevent4, 0);

    // where the interrupt goes
    for (int i = 0; i < 5; i++)
        for (int delegation = 0; delegation < 4; delegation++) {
            context("interrupt in mode, delegation", modes[i], delegation);
            int v = modes[i] >= VU;
            csr_write(mideleg, delegation & 1 ? BIT(LCOFI) : 0);
            csr_write(hideleg, delegation & 2 ? BIT(LCOFI) : 0);
            csr_write(mie, BIT(LCOFI));
            csr_clear(mip, BIT(LCOFI));
            csr_set(mstatus, MSTATUS_MPIE);
            csr_set(sstatus, MSTATUS_SIE);
            csr_set(vsstatus, MSTATUS_SIE);
            csr_write(mhpmevent3, CYCLE | (modes[i] == M ? 0 : BIT(62)));
            csr_write(mhpmcounter3, -150);
            struct trap *trap = probe(modes[i], (u64)spin, 0, 0, 0, 0);
            csr_write(mie, 0);
            csr_clear(mstatus, MSTATUS_MIE | MSTATUS_SIE);
            csr_write(vsstatus, 0);
            int handler = !(delegation & 1) ? M : delegation & 2 ? (v ? VS : 0) : modes[i] == M ? 0 : HS;
            if (handler) {
                equal(trap->handler, handler);
                equal(trap->cause, INTERRUPT | LCOFI);
                if (modes[i] != M) check(trap->a0 && trap->a0 < 100);
            } else {
                check(completed(trap));
            }
            check(csr_read(mip) & BIT(LCOFI));
            check(csr_read(mhpmevent3) & OF);
            csr_write(mcounteren, 0);
            equal(probe_insn(HS, CSRR(A0, 0xda0), 1, 0)->a0, 0);
            csr_write(mcounteren, 8);
            csr_write(hcounteren, 0);
            equal(probe_insn(HS, CSRR(A0, 0xda0), 1, 0)->a0, 8);
            equal(probe_insn(VS, CSRR(A0, 0xda0), 1, 0)->a0, 0);
            csr_write(hcounteren, 8);
            equal(probe_insn(VS, CSRR(A0, 0xda0), 1, 0)->a0, 8);
        }
    csr_clear(mip, BIT(LCOFI));

    // every kind of event that can be provoked from here
    context("misses", 0, 0);
    csr_write(mhpmevent3, DCACHE_MISS);
    csr_write(mhpmevent4, BRANCH);
    csr_write(mhpmcounter3, 0);
    csr_write(mhpmcounter4, 0);
    u64 sum = 0;
    for (int i = 0; i < 8192; i += 8) sum += *(volatile u64 *)&data[i];
    u64 misses = csr_read(mhpmcounter3), branches = csr_read(mhpmcounter4);
    check(sum == 0 && misses >= 512 && misses < 1200);
    check(branches >= 1000 && branches < 3000);
    csr_write(mhpmcounter3, 0);
    for (int i = 0; i < 100; i++) sum += *(volatile u64 *)&data[8191];
    check(csr_read(mhpmcounter3) < 20);
    csr_write(mhpmevent3, 0);
    csr_write(mhpmevent4, 0);
}
