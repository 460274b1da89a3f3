// State enables: who may access senvcfg, henvcfg, hstateen and sstateen, and what of them is read-only zero.
#include "test.h"

static const enum mode modes[] = {M, HS, U, VS, VU};
enum { SENVCFG = 0x10a, HENVCFG = 0x60a, SSTATEEN = 0x10c, HSTATEEN = 0x60c };
#define SE BIT(63)
#define ENVCFG BIT(62)

static void set(int number, u64 m, u64 h) {
    probe_insn(M, CSRW(0x30c + number, A0), m, 0);
    probe_insn(M, CSRW(HSTATEEN + number, A0), h, 0);
}

// 0: allowed, else the cause.
static u64 refusal(enum mode mode, int hypervisor_only, u64 m, u64 h) {
    if (mode == M) return 0;
    if (mode == U) return ILLEGAL;
    if (!m) return ILLEGAL;
    if (mode == HS) return 0;
    return mode == VU || hypervisor_only || !h ? VIRTUAL : 0;
}

static void expect(enum mode mode, u32 csr, u64 cause) {
    u32 forms[] = {CSRR(A0, csr), CSRW(csr, A0), CSRS(csr, A0)};
    for (int i = 0; i < 3; i++) {
        struct trap *trap = probe_insn(mode, forms[i], 0, 0);
        equal(completed(trap) ? 0 : trap->cause, cause);
        if (cause) equal(trap->tval, forms[i]);
    }
}

void main(void) {
    if (deviates(QEMU, "version 7.2 has no Smstateen unless asked")) return;
    for (int i = 0; i < 5; i++)
        for (int bits = 0; bits < 4; bits++) {
            u64 m = bits & 1, h = bits >> 1;
            context("mode, bits", modes[i], bits);
            set(0, m ? ENVCFG : SE, h ? ENVCFG : SE);
            expect(modes[i], SENVCFG, refusal(modes[i], 0, m, h));
            expect(modes[i], HENVCFG, refusal(modes[i], 1, m, h));
            for (int number = 0; number < 4; number++) {
                set(number, m ? SE : ENVCFG, h ? SE : ENVCFG);
                expect(modes[i], SSTATEEN + number, refusal(modes[i], 0, m, h));
                set(number, m ? SE : ENVCFG, h ? SE : ENVCFG);  // writing from M-mode has changed hstateen
                expect(modes[i], HSTATEEN + number, refusal(modes[i], 1, m, h));
            }
        }
    for (int number = 0; number < 4; number++) {
        context("read-only zeros", number, 0);
        u64 all = number ? SE : SE | ENVCFG;
        set(number, -1, -1);
        equal(probe_insn(M, CSRR(A0, 0x30c + number), 0, 0)->a0, all);
        equal(probe_insn(HS, CSRR(A0, HSTATEEN + number), 0, 0)->a0, all);
        probe_insn(HS, CSRW(SSTATEEN + number, A0), -1, 0);
        equal(probe_insn(HS, CSRR(A0, SSTATEEN + number), 0, 0)->a0, 0);
        // zero in mstateen: read-only zero in hstateen, and there again when it is one again
        set(number, 0, 0);
        equal(probe_insn(M, CSRR(A0, HSTATEEN + number), 0, 0)->a0, 0);
        equal(probe_insn(HS, CSRW(HSTATEEN + number, A0), -1, 0)->cause, ILLEGAL);
        set(number, SE, -1);
        equal(probe_insn(M, CSRR(A0, HSTATEEN + number), 0, 0)->a0, SE);
    }
}
