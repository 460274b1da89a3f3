// WRS.NTO and WRS.STO: they stall while there is a reservation and nothing to do, in bounded time, so that nothing
// refuses them; PAUSE and the other hints do nothing.
#include "test.h"

static u64 data[8] __attribute__((aligned(64)));
static const enum mode modes[] = {M, HS, U, VS, VU};

#define WAIT(name, reserve, wrs) \
    CODE(name, reserve "\ncsrr t0, cycle\n.word " wrs "\ncsrr t1, cycle\nsub a0, t1, t0")
WAIT(with_nto, "lr.d t0, (a0)", "0x00d00073");
WAIT(with_sto, "lr.d t0, (a0)", "0x01d00073");
WAIT(without_nto, "sc.d t0, t0, (a0)", "0x00d00073");
WAIT(without_sto, "sc.d t0, t0, (a0)", "0x01d00073");
CODE(hints, "li a0, 5\n.word 0x0100000f\n"                               // pause
            "add x0, x0, x2\nadd x0, x0, x3\nadd x0, x0, x4\nadd x0, x0, x5");  // NTL

// NTL before every kind of access: loads, stores, AMOs, blocks, prefetches; and in a loop of LR and SC, which ends.
#define NTL "add x0, x0, x2\n"
CODE(accesses, NTL "ld t0, 0(a0)\naddi t0, t0, 1\n" NTL "sd t0, 0(a0)\n" NTL "amoadd.d t1, t0, (a0)\n"
               NTL ".word 0x0025200f\n" NTL ".word 0x00156013\n"  // cbo.flush, prefetch.r
               NTL "ld a0, 0(a0)");
CODE(loop, "1: " NTL "lr.d t0, (a0)\naddi t0, t0, 3\nadd x0, x0, x5\nsc.d t1, t0, (a0)\nbnez t1, 1b\n"
           "addi a1, a1, -1\nbnez a1, 1b");

void main(void) {
    if (deviates(QEMU, "version 7.2 has no Zawrs")) return;
    csr_write(mcounteren, 1);
    csr_write(hcounteren, 1);
    csr_write(scounteren, 1);
    csr_write(mideleg, BIT(SSI));
    csr_write(menvcfg, 0xf0);  // block operations
    csr_write(henvcfg, 0xf0);
    csr_write(senvcfg, 0xf0);
    for (int i = 0; i < 5; i++)
        for (int refused = 0; refused < 4; refused++) {
            context("mode, TW and VTW", modes[i], refused);
            csr_clear(mstatus, MSTATUS_TW | MSTATUS_SIE);
            csr_clear(hstatus, HSTATUS_VTW);
            if (refused & 1) csr_set(mstatus, MSTATUS_TW);
            if (refused & 2) csr_set(hstatus, HSTATUS_VTW);
            u64 here = (u64)data, cycles;
            csr_write(mie, 0);
            cycles = probe(modes[i], (u64)with_nto, here, 0, 0, 0)->a0;
            check(completed(&last_trap) && cycles > 100 && cycles < 1000);
            cycles = probe(modes[i], (u64)with_sto, here, 0, 0, 0)->a0;
            check(completed(&last_trap) && cycles > 100 && cycles < 1000);
            cycles = probe(modes[i], (u64)without_nto, here, 0, 0, 0)->a0;
            check(completed(&last_trap) && cycles < 60);
            cycles = probe(modes[i], (u64)without_sto, here, 0, 0, 0)->a0;
            check(completed(&last_trap) && cycles < 60);
            // pending and enabled here, though not taken
            if (modes[i] == M || modes[i] == HS) {
                csr_write(mie, BIT(SSI));
                csr_set(mip, BIT(SSI));
                cycles = probe(modes[i], (u64)with_nto, here, 0, 0, 0)->a0;
                check(completed(&last_trap) && cycles < 60);
                cycles = probe(modes[i], (u64)with_sto, here, 0, 0, 0)->a0;
                check(completed(&last_trap) && cycles < 60);
                // pending, but not enabled
                csr_write(mie, 0);
                cycles = probe(modes[i], (u64)with_nto, here, 0, 0, 0)->a0;
                check(completed(&last_trap) && cycles > 100);
                csr_clear(mip, BIT(SSI));
            }
            equal(probe(modes[i], (u64)hints, 0, 0, 0, 0)->a0, 5);
            check(completed(&last_trap));
            data[0] = 20;
            equal(probe(modes[i], (u64)accesses, here, 0, 0, 0)->a0, 42);
            check(completed(&last_trap));
            probe(modes[i], (u64)loop, here, 10, 0, 0);
            check(completed(&last_trap));
            equal(data[0], 72);
        }
}
