// Small extensions: Zicond, Zimop, Zcmop, Zcb.  With ABSENT, for a machine without them: every one of these is illegal.
#include "test.h"

static const enum mode modes[] = {M, HS, U, VS, VU};
static u64 data[8] __attribute__((aligned(64)));

// a0 and a1 before, a0 after
static void expect(const char *name, u32 insn, u64 a0, u64 a1, u64 result) {
    for (int i = 0; i < 5; i++) {
        context(name, modes[i], a0);
        struct trap *trap = probe_insn(modes[i], insn, a0, a1);
#ifdef ABSENT
        (void)result;
        equal(trap->cause, ILLEGAL);
        equal(trap->tval, insn);
#else
        check(completed(trap));
        equal(trap->a0, result);
#endif
    }
}

void main(void) {
    if (deviates(QEMU, "version 7.2 has none of them")) return;
    static const u64 values[] = {0, 1, -1, 0x80, 0x8000, 0x80000000, 0x123456789abcdef0, BIT(63)};
    for (int i = 0; i < 8; i++) {
        u64 a = values[i];
        for (int j = 0; j < 8; j++) {
            u64 b = values[j];
            expect("czero.eqz", 0x0eb55533, a, b, b ? a : 0);
            expect("czero.nez", 0x0eb57533, a, b, b ? 0 : a);
            expect("c.mul", 0x9d4d, a, b, a * b);
        }
        expect("c.zext.b", 0x9d61, a, 0, a & 0xff);
        expect("c.sext.b", 0x9d65, a, 0, (long)(signed char)a);
        expect("c.zext.h", 0x9d69, a, 0, a & 0xffff);
        expect("c.sext.h", 0x9d6d, a, 0, (long)(short)a);
        expect("c.zext.w", 0x9d71, a, 0, a & 0xffffffff);
        expect("c.not", 0x9d75, a, 0, ~a);
        // loads and stores of a0 at a1; offsets 0 to 3 and 0 or 2
        data[0] = a * 0x0101010101010101ul + 0x8070605040302010ul;
        for (int offset = 0; offset < 4; offset++) {
            u32 place = (offset & 1) << 6 | (offset >> 1) << 5;
            expect("c.lbu", 0x8188 | place, 0, (u64)data, ((u8 *)data)[offset]);
            expect("c.sb", 0x8988 | place, a, (u64)data + 8, a);
#ifndef ABSENT
            equal(((u8 *)data)[8 + offset], a & 0xff);
#endif
        }
        for (int offset = 0; offset < 4; offset += 2) {
            u32 place = (offset >> 1) << 5;
            expect("c.lhu", 0x8588 | place, 0, (u64)data, ((u16 *)data)[offset / 2]);
            expect("c.lh", 0x85c8 | place, 0, (u64)data, (long)((short *)data)[offset / 2]);
            expect("c.sh", 0x8d88 | place, a, (u64)data + 8, a);
#ifndef ABSENT
            equal(((u16 *)data)[4 + offset / 2], a & 0xffff);
#endif
        }
        data[1] = 0;
    }
    // may-be-operations: 32 that read a1, 8 that read a1 and a2, and 8 that write nothing
    for (u32 n = 0; n < 32; n++)
        expect("mop.r", 0x81c5c573 | (n & 3) << 20 | (n >> 2 & 3) << 26 | (n >> 4) << 30, 7, 9, 0);
    for (u32 n = 0; n < 8; n++) expect("mop.rr", 0x82c5c573 | (n & 3) << 26 | (n >> 2) << 30, 7, 9, 0);
    for (u32 n = 1; n < 16; n += 2) expect("c.mop", 0x6081 | (n >> 1) << 8, 7, 9, 7);
}
