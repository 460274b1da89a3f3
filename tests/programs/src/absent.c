// What a machine does not have is not there: instructions and registers of extensions that were left out are illegal
// instructions in every mode, their fields read-only zero.  With MASKING only that is missing which masks pointers.
#include "test.h"

static const enum mode modes[] = {M, HS, U, VS, VU};
static u64 data[8] __attribute__((aligned(64)));

static void illegal(const char *name, u32 insn) {
    for (int i = 0; i < 5; i++) {
        context(name, modes[i], insn);
        data[0] = 5;
        struct trap *trap = probe_insn(modes[i], insn, 7, (u64)data);
        equal(trap->handler, M);
        equal(trap->cause, ILLEGAL);
        equal(trap->tval, insn);
        equal(trap->a0, 7);
        equal(data[0], 5);
    }
}

static void no_register(const char *name, u32 csr) {
    illegal(name, CSRR(A0, csr));
    illegal(name, CSRW(csr, A0));
}

#define PMM (3ul << 32)
#define HUPMM (3ul << 48)
#define LCOFI BIT(13)

static void masking(void) {
    no_register("mseccfg", 0x747);
    context("fields of pointer masking", 0, 0);
    csr_write(menvcfg, -1);
    csr_write(henvcfg, -1);
    csr_write(senvcfg, -1);
    csr_set(hstatus, HUPMM);
    equal(csr_read(menvcfg) & PMM, 0);
    equal(csr_read(henvcfg) & PMM, 0);
    equal(csr_read(senvcfg) & PMM, 0);
    equal(csr_read(hstatus) & HUPMM, 0);
    for (int i = 0; i < 5; i++)
        for (int bit = 48; bit < 64; bit++) {
            context("tagged address, mode and bit", modes[i], bit);
            u64 address = (u64)data | BIT(bit);
            struct trap *trap = probe_insn(modes[i], LD, 0, address);
            equal(trap->cause, LOAD_ACCESS);
            equal(trap->tval, address);
        }
}

#ifndef MASKING
#define RD_RS1 (A0 << 7 | A1 << 15)

static const struct { const char *name; u32 form; u32 insns[26]; } groups[] = {
    {"Zba", RD_RS1, {0x20002033, 0x20004033, 0x20006033, 0x2000203b, 0x2000403b, 0x2000603b, 0x0800003b, 0x0800101b}},
    {"Zbb", RD_RS1, {0x40007033, 0x40006033, 0x40004033, 0x0a006033, 0x0a007033, 0x0a004033, 0x0a005033, 0x60001033,
                     0x60005033, 0x6000103b, 0x6000503b, 0x0800403b, 0x60005013, 0x6000501b, 0x60001013, 0x6000101b,
                     0x60101013, 0x6010101b, 0x60201013, 0x6020101b, 0x60401013, 0x60501013, 0x28705013, 0x6b805013}},
    {"Zbs", RD_RS1, {0x48001033, 0x48005033, 0x68001033, 0x28001033, 0x48001013, 0x48005013, 0x68001013, 0x28001013}},
    {"Zicbom", A1 << 15, {0x0000200f, 0x0010200f, 0x0020200f}},
    {"Zicboz", A1 << 15, {0x0040200f}},
    {"Zawrs", 0, {0x00d00073, 0x01d00073}},
    {"Svinval", 0, {0x18000073, 0x18100073, 0x16000073, 0x26000073, 0x66000073}},
};

static void everything(void) {
    for (u64 group = 0; group < sizeof groups / sizeof *groups; group++)
        for (const u32 *insn = groups[group].insns; *insn; insn++)
            illegal(groups[group].name, *insn | groups[group].form);
    no_register("stimecmp", 0x14d);
    no_register("vstimecmp", 0x24d);
    no_register("scountovf", 0xda0);
    for (int n = 0; n < 4; n++) {
        no_register("mstateen", 0x30c + n);
        no_register("hstateen", 0x60c + n);
        no_register("sstateen", 0x10c + n);
    }
    context("fields", 0, 0);
    equal(csr_read(menvcfg), 1);  // FIOM, see above
    equal(csr_read(henvcfg), 1);
    equal(csr_read(senvcfg), 1);
    csr_write(mideleg, -1);
    csr_write(hideleg, -1);
    csr_write(mie, -1);
    csr_set(mip, LCOFI);
    equal((csr_read(mideleg) | csr_read(hideleg) | csr_read(mie) | csr_read(mip)) & LCOFI, 0);
    equal((csr_read(sie) | csr_read(sip) | csr_read(vsie) | csr_read(vsip)) & LCOFI, 0);
    csr_write(mie, 0);
}

// What is illegal can be done in software: CPOP, by its trap.
CODE(counts, ".word 0x60259513\nadd a0, a0, a0");  // cpop a0, a1

static void emulation(void) {
    context("emulation", 0, 0);
    u64 value = 0x8000000012345671, count = 0;
    struct trap *trap = probe(U, (u64)counts, 0, value, 0, 0);
    equal(trap->cause, ILLEGAL);
    equal(trap->tval, 0x60259513);
    for (u64 left = value; left; left &= left - 1) count++;
    equal(probe(U, trap->epc + 4, count, value, 0, 0)->a0, 2 * count);
    check(completed(&last_trap));
}
#endif

void main(void) {
    csr_write(medeleg, 0);
    if (deviates(QEMU, "has most of it")) return;
    masking();
#ifndef MASKING
    everything();
    emulation();
#endif
}
