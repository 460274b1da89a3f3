// MRET and SRET: where they go and what they do to the status registers; MPRV.
#include "test.h"

CODE(done, "");
CODE(do_mret, "csrw mepc, a0\ncsrw mstatus, a1\nmret");
CODE(do_sret, "csrw sepc, a0\ncsrw sstatus, a1\nsret");
CODE(do_sret_virtual, "csrw sepc, a0\ncsrw sstatus, a1\ncsrw hstatus, a2\nsret");
CODE(do_sret_m, "csrw sepc, a0\ncsrw mstatus, a1\ncsrw hstatus, a2\nsret");

static u64 cause_of(enum mode mode) {
    return mode == M ? ECALL_M : mode == HS ? ECALL_HS : mode == VS ? ECALL_VS : ECALL_U;
}

static void mret(void) {
    static const enum mode modes[] = {M, HS, U, VS, VU};
    for (int m = 0; m < 5; m++)
        for (int mpie = 0; mpie < 2; mpie++) {
            enum mode to = modes[m];
            u64 before = csr_read(mstatus) & ~(MSTATUS_MPP | MSTATUS_MPV | MSTATUS_MPIE | MSTATUS_MIE);
            u64 status = before | (u64)(to & 3) << 11 | (mpie ? MSTATUS_MPIE : 0) | (to >= VU ? MSTATUS_MPV : 0);
            context("mret to", to, mpie);
            csr_write(mie, 0);
            // SRET's fields are none of its business
            status |= MSTATUS_MPRV | MSTATUS_SPIE | MSTATUS_SPP;
            struct trap *trap = probe(M, (u64)do_mret, (u64)done, status, 0, 0);
            check(completed(trap));
            equal(trap->cause, cause_of(to));
            equal(trap->status & MSTATUS_MPP, (u64)(to & 3) << 11);
            equal(!!(trap->status & MSTATUS_MPV), to >= VU);
            equal(!!(trap->status & MSTATUS_MPIE), mpie);  // it was MIE between
            if (!deviates(QEMU, "leaves MPRV alone")) equal(!!(trap->status & MSTATUS_MPRV), to == M);
            equal(trap->status & (MSTATUS_SPP | MSTATUS_SPIE), MSTATUS_SPP | MSTATUS_SPIE);
        }
    // MPV does nothing for a return to M-mode, and is cleared like the rest
    context("mret to M with MPV", 0, 0);
    struct trap *trap = probe(M, (u64)do_mret, (u64)done, csr_read(mstatus) | MSTATUS_MPP | MSTATUS_MPV, 0, 0);
    equal(trap->cause, ECALL_M);
    if (!deviates(QEMU, "leaves MPV alone")) equal(trap->status & MSTATUS_MPV, 0);
    // MPP 2 is no mode: the field keeps a legal value
    context("MPP", 0, 0);
    csr_clear(mstatus, MSTATUS_MPP);
    csr_set(mstatus, 1ul << 11);
    csr_write(mstatus, (csr_read(mstatus) & ~MSTATUS_MPP) | 2ul << 11);
    if (!deviates(QEMU, "holds anything")) check((csr_read(mstatus) & MSTATUS_MPP) != 2ul << 11);
}

static void sret(void) {
    csr_write(medeleg, 0);
    for (int to_supervisor = 0; to_supervisor < 2; to_supervisor++)
        for (int spie = 0; spie < 2; spie++)
            for (int spv = 0; spv < 2; spv++)
                for (int from_machine = 0; from_machine < 2; from_machine++) {
                    u64 status = (to_supervisor ? MSTATUS_SPP : 0) | (spie ? MSTATUS_SPIE : 0);
                    if (from_machine)
                        status |= (csr_read(mstatus) & ~(MSTATUS_SPP | MSTATUS_SPIE | MSTATUS_SIE)) | MSTATUS_MPRV;
                    u64 hstatus = csr_read(hstatus) & ~(HSTATUS_SPV | HSTATUS_SPVP);
                    if (spv) hstatus |= HSTATUS_SPV;
                    context("sret to S, SPIE, SPV, from M", to_supervisor | spie << 4, spv | from_machine << 4);
                    struct trap *trap = from_machine ? probe(M, (u64)do_sret_m, (u64)done, status, hstatus, 0)
                                                     : probe(HS, (u64)do_sret_virtual, (u64)done, status, hstatus, 0);
                    check(completed(trap));
                    equal(trap->cause, to_supervisor ? (spv ? ECALL_VS : ECALL_HS) : ECALL_U);
                    equal(!!(trap->status & MSTATUS_MPV), spv);
                    equal(!!(trap->status & MSTATUS_SIE), spie);
                    equal(!!(trap->status & MSTATUS_SPIE), 1);
                    equal(trap->status & MSTATUS_SPP, 0);
                    if (!deviates(QEMU, "leaves MPRV alone")) equal(trap->status & MSTATUS_MPRV, 0);
                    equal(trap->hstatus & HSTATUS_SPV, 0);
                }
    // in VS-mode it is vsstatus' business, and V stays
    for (int to_supervisor = 0; to_supervisor < 2; to_supervisor++)
        for (int spie = 0; spie < 2; spie++) {
            context("sret in VS, to S, SPIE", to_supervisor, spie);
            csr_clear(mstatus, MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP);
            csr_clear(hstatus, HSTATUS_SPV);
            u64 status = (to_supervisor ? MSTATUS_SPP : 0) | (spie ? MSTATUS_SPIE : 0);
            struct trap *trap = probe(VS, (u64)do_sret, (u64)done, status, 0, 0);
            check(completed(trap));
            equal(trap->cause, to_supervisor ? ECALL_VS : ECALL_U);
            check(trap->status & MSTATUS_MPV);
            equal(csr_read(vsstatus) & (MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP),
                  (spie ? MSTATUS_SIE : 0) | MSTATUS_SPIE);
            equal(trap->status & (MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP), 0);
        }
}

// xepc holds any even address; where only 32-bit instructions exist bit 1 would read as zero, which is not here.
static void epc(void) {
    context("epc", 0, 0);
    if (deviates(QEMU, "holds odd addresses")) return;
    csr_write(mepc, -1);
    equal(csr_read(mepc), -2);
    csr_write(sepc, 0x123456789abcdef);
    equal(csr_read(sepc), 0x123456789abcdee);
    csr_write(vsepc, 3);
    equal(csr_read(vsepc), 2);
}

void main(void) {
    mret();
    sret();
    epc();
}
