// What the extensions that add nothing but a promise promise: of trap values, trap vectors, counters, translation modes,
// atomics in memory, and time that does not depend on data.
#include "test.h"

#define REGISTER(number) csr_number(number, 0, 0)
static u64 csr_number(u32 number, int write, u64 value) {
    return probe_insn(M, write ? CSRRW(A0, number, A0) : CSRR(A0, number), value, 0)->a0;
}
static void put(u32 number, u64 value) { csr_number(number, 1, value); }

enum { SSTATUS = 0x100, STVEC = 0x105, SCOUNTEREN = 0x106, STVAL = 0x143, SATP = 0x180, VSTVEC = 0x205, VSTVAL = 0x243,
       VSATP = 0x280, HCOUNTEREN = 0x606, HGATP = 0x680, MHPMCOUNTER = 0xb00, MSTATUS = 0x300 };

static u64 data[512] __attribute__((aligned(4096)));

static void registers(void) {
    context("UXL", 0, 0);
    equal(REGISTER(SSTATUS) >> 32 & 3, 2);  // Ssu64xl
    // Sstvecd, Shvstvecd: Direct, and any address that is a multiple of four
    static const u32 vectors[] = {STVEC, VSTVEC};
    for (int i = 0; i < 2; i++) {
        u64 before = REGISTER(vectors[i]);
        for (int bit = 2; bit < 64; bit++) {
            context("trap vector, bit", vectors[i], bit);
            put(vectors[i], BIT(bit));
            equal(REGISTER(vectors[i]), BIT(bit));
            put(vectors[i], ~BIT(bit) & ~3ul);
            equal(REGISTER(vectors[i]), ~BIT(bit) & ~3ul);
        }
        put(vectors[i], before);
    }
    // Sscounterenw, Shcounterenw: a bit for every counter that is not read-only zero; cycle, time and instret are not
    csr_write(mcountinhibit, -1);
    for (int n = 0; n < 32; n++) {
        context("counter", n, 0);
        int there = n < 3;
        if (n >= 3) {
            put(MHPMCOUNTER + n, 1);
            there = REGISTER(MHPMCOUNTER + n) == 1;
        }
        static const u32 enables[] = {SCOUNTEREN, HCOUNTEREN};
        for (int i = 0; i < 2; i++) {
            put(enables[i], BIT(n));
            if (there) equal(REGISTER(enables[i]), BIT(n));
            put(enables[i], 0);
            equal(REGISTER(enables[i]), 0);
        }
    }
    csr_write(mcountinhibit, 0);
    // Svbare, Shgatpa, Shvsatpa: Bare everywhere, and each mode of satp in vsatp and, as Svxxx4, in hgatp
    for (u64 mode = 0; mode < 16; mode++) {
        context("translation mode", mode, 0);
        put(SATP, 0);
        put(VSATP, 0);
        put(HGATP, 0);
        equal(REGISTER(SATP) | REGISTER(VSATP) | REGISTER(HGATP), 0);
        put(SATP, mode << 60);
        put(VSATP, mode << 60);
        put(HGATP, mode << 60);
        if (REGISTER(SATP) >> 60 == mode) {
            equal(REGISTER(VSATP) >> 60, mode);
            equal(REGISTER(HGATP) >> 60, mode);
        }
        put(SATP, SV39);
        equal(REGISTER(SATP) >> 60, 8);
    }
    put(SATP, 0);
    put(VSATP, 0);
    put(HGATP, 0);
}

// Sstvala, Shvstvala: the trap value of a trap to `handler` from `mode`, which gets there by delegation.
static void value(enum mode mode, enum mode handler, u32 insn, u64 a1, u64 cause, u64 expected) {
    csr_write(medeleg, ~(BIT(ECALL_HS) | BIT(ECALL_VS)));  // by which handlers go back
    csr_write(hedeleg, handler == VS ? -1 : 0);
    struct trap *trap = probe_insn(mode, insn, 0, a1);
    context("mode and handler, instruction", mode << 4 | handler, insn);
    equal(trap->handler, handler);
    equal(trap->cause, cause);
    equal(trap->tval, expected);
}

static void trap_values(void) {
    u64 *root = new_table(), *guest = new_guest_table();
    *pte_at(root, WINDOW, 0) = PTE(data, PTE_V | PTE_R | PTE_AD);
    *pte_at(root, WINDOW + PAGE, 0) = PTE(WINDOW, PTE_V | PTE_RWX | PTE_AD);  // no such guest physical page
    for (int v = 0; v < 2; v++) {
        enum mode mode = v ? VS : HS, handler = mode;
        csr_write(satp, 0);
        csr_write(vsatp, 0);
        csr_write(hgatp, 0);
        value(mode, handler, CSRR(A0, 0xfff), 0, ILLEGAL, CSRR(A0, 0xfff));
        value(mode, handler, 0xffffffff, 0, ILLEGAL, 0xffffffff);
        value(mode, handler, 0, 0, ILLEGAL, 0);
        value(mode, handler, 0x9c79, 0, ILLEGAL, 0x9c79);
        value(mode, handler, LD, NOWHERE + 8, LOAD_ACCESS, NOWHERE + 8);
        value(mode, handler, SD, NOWHERE + 8, STORE_ACCESS, NOWHERE + 8);
        value(mode, handler, JALR_A1, NOWHERE + 8, INSTRUCTION_ACCESS, NOWHERE + 8);
        value(mode, handler, LR_D, (u64)data + 4, LOAD_MISALIGNED, (u64)data + 4);
        value(mode, handler, SC_W, (u64)data + 2, STORE_MISALIGNED, (u64)data + 2);
        csr_write(satp, ATP(root));
        csr_write(vsatp, ATP(root));
        csr_write(hgatp, ATP(guest));
        fence_all();
        value(mode, handler, LW, WINDOW + 5 * PAGE + 12, LOAD_PAGE, WINDOW + 5 * PAGE + 12);
        value(mode, handler, SB, WINDOW + 77, STORE_PAGE, WINDOW + 77);
        value(mode, handler, JALR_A1, WINDOW + 4, INSTRUCTION_PAGE, WINDOW + 4);
        value(mode, handler, LW, BIT(63) | 4, LOAD_PAGE, BIT(63) | 4);
        if (v) {  // Sstvala for traps from a guest; Shtvala: and htval
            value(VS, HS, HLV_D, 0, VIRTUAL, HLV_D);
            value(VS, HS, CSRR(A0, 0x600), 0, VIRTUAL, CSRR(A0, 0x600));
            value(VS, HS, LW, WINDOW + PAGE + 20, LOAD_GUEST_PAGE, WINDOW + PAGE + 20);
            equal(last_trap.tval2, (WINDOW + 20) >> 2);
            value(VS, HS, SH, WINDOW + PAGE + 6, STORE_GUEST_PAGE, WINDOW + PAGE + 6);
            equal(last_trap.tval2, (WINDOW + 6) >> 2);
            value(VS, HS, JALR_A1, WINDOW + PAGE + 8, INSTRUCTION_GUEST_PAGE, WINDOW + PAGE + 8);
            equal(last_trap.tval2, (WINDOW + 8) >> 2);
        }
    }
    csr_write(satp, 0);
    csr_write(vsatp, 0);
    csr_write(hgatp, 0);
    csr_write(medeleg, 0);
    csr_write(hedeleg, 0);
}

// Svvptc: what was not there when it was first needed is found without a fence once it is.
static void new_entries(void) {
    u64 *root = new_table();
    u64 *leaf = pte_at(root, WINDOW, 0);
    csr_write(satp, ATP(root));
    fence_all();
    data[0] = 0x1234;
    for (int i = 0; i < 3; i++) {
        context("new entry", i, 0);
        u64 place = WINDOW + i * PAGE;
        equal(probe_insn(HS, LD, 0, place)->cause, LOAD_PAGE);
        leaf[i] = PTE(data, PTE_V | PTE_R | PTE_AD);
        equal(probe_insn(HS, LD, 0, place)->a0, 0x1234);
        check(completed(&last_trap));
    }
    // a table that was not there
    context("new table", 0, 0);
    equal(probe_insn(HS, LD, 0, WINDOW + GIGA)->cause, LOAD_PAGE);
    *pte_at(root, WINDOW + GIGA, 0) = PTE(data, PTE_V | PTE_R | PTE_AD);
    equal(probe_insn(HS, LD, 0, WINDOW + GIGA)->a0, 0x1234);
    csr_write(satp, 0);
}

// Ziccamoa: every AMO in memory, of both widths; Ziccrse, Za64rs: LR and SC anywhere in it, and reservations that an SC
// 64 bytes away does not meet.
CODE(pair, "lr.d t0, (a0)\nsc.d a0, a1, (a0)");
CODE(apart, "lr.d t0, (a0)\nsc.d a0, a1, (a2)");

static void atomics(void) {
    static const u32 functions[] = {0, 1, 4, 8, 12, 16, 20, 24, 28};
    for (u64 i = 0; i < 9; i++)
        for (int width = 2; width < 4; width++)
            for (u64 place = 0; place < 512; place += 73) {
                context("AMO, width", functions[i], width);
                data[place] = 0x0123456789abcdef;
                struct trap *trap = probe_insn(U, AMO(functions[i], width), 5, (u64)&data[place]);
                check(completed(trap));
                equal(trap->a0, width == 3 ? 0x0123456789abcdef : 0xffffffff89abcdef);
            }
    for (u64 place = 0; place + 8 < 512; place += 37) {
        context("LR and SC", place, 0);
        equal(probe(U, (u64)pair, (u64)&data[place], place, 0, 0)->a0, 0);
        equal(data[place], place);
        check(probe(U, (u64)apart, (u64)&data[place], place, (u64)&data[place + 8], 0)->a0 != 0);
    }
}

// Zkt (and Zicond's part of it): the instructions take the same time with any data.  `body` works on t1 and t2.
#define TIMED(name, body)                                                                          \
    CODE(name, ".option push\n.option norvc\nmv t1, a0\nmv t2, a1\ncsrr t0, cycle\n.rept 16\n" body \
               "\n.endr\ncsrr a0, cycle\nsub a0, a0, t0\n.option pop")
TIMED(time_add, "add t3, t1, t2\nsub t4, t1, t2\naddw t3, t1, t2\nsubw t4, t1, t2");
TIMED(time_logic, "xor t3, t1, t2\nand t4, t1, t2\nor t5, t1, t2\nslt t3, t1, t2\nsltu t4, t1, t2");
TIMED(time_shift, "sll t3, t1, t2\nsrl t4, t1, t2\nsra t5, t1, t2\nsllw t3, t1, t2\nsrlw t4, t1, t2\nsraw t5, t1, t2");
TIMED(time_mul, "mul t3, t1, t2\nmulh t4, t1, t2\nmulhu t5, t1, t2\nmulhsu t3, t1, t2\nmulw t4, t1, t2\nadd t5, t4, t3");
TIMED(time_zbb, ".word 0x40736e33\n.word 0x40734e33\n.word 0x60731e33\n.word 0x60735e33");  // orn, xnor, rol, ror
TIMED(time_zicond, ".word 0x0e735e33\n.word 0x0e737e33");  // czero.eqz and .nez t3, t1, t2

static void times(int bits, int conditional) {
    static u8 *const codes[] = {time_add, time_logic, time_shift, time_mul, time_zbb, time_zicond};
    static const u64 values[] = {0, 1, -1, BIT(63), 0x5555555555555555, 0xdeadbeef12345678, 63, 0x80000000};
    csr_write(mcounteren, 1);
    for (int code = 0; code < 6; code++) {
        if ((code == 4 && !bits) || (code == 5 && !conditional)) continue;
        for (int i = 0; i < 8; i++) probe(M, (u64)codes[code], 1, 2, 0, 0);  // into the caches, predictors too
        u64 first = probe(M, (u64)codes[code], 1, 2, 0, 0)->a0;
        for (int i = 0; i < 8; i++)
            for (int j = 0; j < 8; j++) {
                context("time of", code, values[i]);
                equal(probe(M, (u64)codes[code], values[i], values[j], 0, 0)->a0, first);
                check(completed(&last_trap));
            }
    }
}

void main(void) {
    if (!deviates(QEMU, "many")) {
        registers();
        trap_values();
        new_entries();
        atomics();
        times(completed(probe_insn(M, 0x60b51533, 1, 1)), completed(probe_insn(M, 0x0eb55533, 1, 1)));  // rol, czero.eqz
    }
}
