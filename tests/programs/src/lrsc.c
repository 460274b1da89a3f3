// LR and SC: success, failure, what ends a reservation; fetch-and-op loops as programs write them.
#include "test.h"

static u64 data[64] __attribute__((aligned(64)));

CODE(pair_w, "lr.w t0, (a0)\nsc.w a0, a1, (a0)");
CODE(pair_d, "lr.d t0, (a0)\nsc.d a0, a1, (a0)");
CODE(alone, "sc.d a0, a1, (a0)");
CODE(twice, "lr.d t0, (a0)\nsc.d t1, a1, (a0)\nsc.d t2, a1, (a0)\nslli a0, t1, 8\nor a0, a0, t2");
CODE(elsewhere, "lr.d t0, (a0)\naddi t0, a0, 256\nsc.d a0, a1, (t0)");
CODE(with_add, "lr.d t0, (a0)\nadd t0, t0, a1\nsc.d a0, t0, (a0)");
CODE(aqrl, "lr.d.aqrl t0, (a0)\nsc.d.aqrl a0, a1, (a0)");
CODE(count, "li t2, 20\n1: lr.w.aq t0, (a0)\naddi t0, t0, 3\nsc.w.rl t1, t0, (a0)\nbnez t1, 1b\naddi t2, t2, -1\n"
            "bnez t2, 1b");
CODE(after_trap, "lr.d t0, (a0)\n");
CODE(sign, "lr.w a0, (a0)");

CODE(return_from_trap, "lr.d t0, (a0)\ncsrw sepc, a2\ncsrs sstatus, a3\nsret");

void main(void) {
    // after reset there is no reservation
    u64 failed;
    __asm__ volatile("sc.d %0, zero, (%1)" : "=r"(failed) : "r"(data) : "memory");
    context("after reset", 0, 0);
    equal(failed, 1);
    static const enum mode modes[] = {M, HS, U, VS, VU};
    for (int m = 0; m < 5; m++) {
        enum mode mode = modes[m];
        context("LR/SC, mode", mode, 0);
        data[0] = 0x1122334455667788;
        equal(probe(mode, (u64)pair_w, (u64)data, 0xaabbccdd, 0, 0)->a0, 0);
        equal(data[0], 0x11223344aabbccdd);
        equal(probe(mode, (u64)pair_w, (u64)data + 4, 0x99887766, 0, 0)->a0, 0);
        equal(data[0], 0x99887766aabbccdd);
        equal(probe(mode, (u64)pair_d, (u64)data, 5, 0, 0)->a0, 0);
        equal(data[0], 5);
        equal(probe(mode, (u64)aqrl, (u64)data, 6, 0, 0)->a0, 0);
        equal(data[0], 6);
        // an SC without an LR, and a second one
        equal(probe(mode, (u64)alone, (u64)data, 7, 0, 0)->a0, 1);
        equal(data[0], 6);
        equal(probe(mode, (u64)twice, (u64)data, 8, 0, 0)->a0, 1);
        equal(data[0], 8);
        // another address, far enough to be outside of any reservation set
        equal(probe(mode, (u64)elsewhere, (u64)data, 9, 0, 0)->a0, 1);
        equal(data[0], 8);
        equal(data[32], 0);
        equal(probe(mode, (u64)with_add, (u64)data, 9, 0, 0)->a0, 0);
        equal(data[0], 17);
        equal(probe(mode, (u64)count, (u64)data, 0, 0, 0)->a7, DONE);
        equal(data[0], 77);
        data[1] = 0x80000001;
        equal(probe(mode, (u64)sign, (u64)(data + 1), 0, 0, 0)->a0, 0xffffffff80000001);
    }
    // a return from a trap ends the reservation, so that another context's SC cannot succeed with it
    context("reservation across a trap", 0, 0);
    if (!deviates(QEMU, "keeps it") && !deviates(SPIKE, "keeps it")) {
        probe(U, (u64)after_trap, (u64)data, 0, 0, 0);
        equal(probe(U, (u64)alone, (u64)data, 7, 0, 0)->a0, 1);
        equal(data[0], 77);
        equal(probe(HS, (u64)return_from_trap, (u64)data, 7, (u64)alone, MSTATUS_SPP)->a0, 1);
        equal(data[0], 77);
    }
}
