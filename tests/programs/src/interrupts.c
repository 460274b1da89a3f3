// Interrupts: where each goes from each mode, what enables it, the order of several, vectored handlers, the VS
// aliases of sip and sie, injection through hvip, the CLINT's two.
#include "test.h"

// runs until an interrupt, but not for ever
CODE(wait, "li a0, 300\n1: addi a0, a0, -1\nbnez a0, 1b");

static const enum mode modes[] = {M, HS, U, VS, VU};
#define PRIV(mode) ((u64)(mode) & 3)
#define V(mode) ((mode) >= VU)
#define VS_BITS (BIT(VSSI) | BIT(VSTI) | BIT(VSEI))

static void reset(void) {
    csr_write(mie, 0);
    csr_write(mip, 0);
    csr_write(hvip, 0);
    csr_write(mideleg, 0);
    csr_write(hideleg, 0);
    csr_clear(mstatus, MSTATUS_MIE | MSTATUS_MPIE | MSTATUS_SIE | MSTATUS_SPIE);
    csr_write(vsstatus, 0);
    MSIP = 0;
    MTIMECMP = -1;
}

static void raise(int interrupt) {
    switch (interrupt) {
        case MSI: MSIP = 1; break;
        case MTI: MTIMECMP = 0; break;
        case VSSI:
        case VSTI:
        case VSEI: csr_set(hvip, BIT(interrupt)); break;
        default: csr_set(mip, BIT(interrupt));
    }
    // the wire from the CLINT takes its time
    for (int i = 0; i < 100 && !(csr_read(mip) & BIT(interrupt)); i++) {
    }
    check(csr_read(mip) & BIT(interrupt));
}

// Which handler an interrupt gets in `mode`; 0 when none is taken.
static u64 expected_handler(int interrupt, enum mode mode, int delegated, int hdelegated, int mie, int sie, int vsie) {
    int vs_level = interrupt == VSSI || interrupt == VSTI || interrupt == VSEI;
    if (!delegated) return mode != M || mie ? M : 0;
    if (vs_level && hdelegated) return V(mode) && (mode == VU || vsie) ? VS : 0;
    return mode == M ? 0 : mode == HS && !sie ? 0 : HS;
}

static void one(int interrupt, enum mode mode, int delegated, int hdelegated, int mie, int sie, int vsie) {
    reset();
    int vs_level = BIT(interrupt) & VS_BITS ? 1 : 0;
    csr_write(mideleg, delegated ? -1 : 0);
    csr_write(hideleg, hdelegated ? -1 : 0);
    csr_write(mie, BIT(interrupt));
    raise(interrupt);
    if (mie) csr_set(mstatus, MSTATUS_MPIE);
    if (sie) csr_set(mstatus, MSTATUS_SIE);
    if (vsie) csr_set(vsstatus, MSTATUS_SIE);
    context("interrupt, mode", interrupt, mode);
    struct trap *trap = probe(mode, (u64)wait, 0, 0, 0, 0);
    int machine_level = interrupt == MSI || interrupt == MTI;
    u64 handler =
        expected_handler(interrupt, mode, vs_level || (delegated && !machine_level), hdelegated, mie, sie, vsie);
    if (!handler) {
        check(completed(trap));
        return;
    }
    equal(trap->handler, handler);
    equal(trap->cause, INTERRUPT | (handler == VS ? interrupt - 1 : interrupt));
    equal(trap->tval, 0);
    equal(trap->tval2, 0);
    equal(trap->tinst, 0);
    if (handler == M) {
        equal(trap->status & MSTATUS_MPP, PRIV(mode) << 11);
        equal(!!(trap->status & MSTATUS_MPV), V(mode));
        equal(!!(trap->status & MSTATUS_MPIE), mie);
        equal(trap->status & (MSTATUS_MIE | MSTATUS_GVA), 0);
    } else {
        equal(trap->status & MSTATUS_SPP, PRIV(mode) << 8);
        equal(!!(trap->status & MSTATUS_SPIE), handler == VS ? vsie : sie);
        equal(trap->status & MSTATUS_SIE, 0);
    }
    if (handler == HS) {
        equal(!!(trap->hstatus & HSTATUS_SPV), V(mode));
        equal(trap->hstatus & HSTATUS_GVA, 0);
    }
}

static void routing(void) {
    static const int interrupts[] = {SSI, VSSI, MSI, STI, VSTI, MTI, SEI, VSEI};
    for (int i = 0; i < 8; i++)
        for (int m = 0; m < 5; m++)
            for (int deleg = 0; deleg < 3; deleg++) {  // none, to HS, to HS and VS
                one(interrupts[i], modes[m], deleg > 0, deleg > 1, 0, 0, 0);
                one(interrupts[i], modes[m], deleg > 0, deleg > 1, 1, 1, 1);
            }
}

// Of several that are pending the one of the highest priority is taken: first by the mode it goes to, then
// MEI, MSI, MTI, SEI, SSI, STI, SGEI, VSEI, VSSI, VSTI.
static void order(void) {
    static const int interrupts[] = {MSI, MTI, SEI, SSI, STI, VSEI, VSSI, VSTI};
    for (int first = 0; first < 8; first++) {
        reset();
        for (int i = first; i < 8; i++) raise(interrupts[i]);
        csr_write(mie, -1);
        context("order, all to M or HS", first, 0);
        u64 handler = first < 5 ? M : HS;  // those of VS-level cannot go to M
        equal(probe(U, (u64)wait, 0, 0, 0, 0)->cause, INTERRUPT | interrupts[first]);
        equal(last_trap.handler, handler);
    }
    for (int first = 2; first < 8; first++) {
        reset();
        for (int i = first; i < 8; i++) raise(interrupts[i]);
        csr_write(mie, -1);
        csr_write(mideleg, -1);
        context("order, all to HS", first, 0);
        equal(probe(VU, (u64)wait, 0, 0, 0, 0)->cause, INTERRUPT | interrupts[first]);
        equal(last_trap.handler, HS);
    }
    for (int first = 5; first < 8; first++) {
        reset();
        for (int i = first; i < 8; i++) raise(interrupts[i]);
        csr_write(mie, -1);
        csr_write(hideleg, -1);
        context("order, all to VS", first, 0);
        equal(probe(VU, (u64)wait, 0, 0, 0, 0)->cause, INTERRUPT | (interrupts[first] - 1));
        equal(last_trap.handler, VS);
    }
    // the mode comes first: STI to M before SEI to HS, SSI to HS before VSEI to VS
    reset();
    csr_write(mie, -1);
    csr_write(mideleg, BIT(SEI));
    raise(SEI);
    raise(STI);
    context("order, modes", 0, 0);
    equal(probe(VU, (u64)wait, 0, 0, 0, 0)->cause, INTERRUPT | STI);
    equal(last_trap.handler, M);
    reset();
    csr_write(mie, -1);
    csr_write(mideleg, -1);
    csr_write(hideleg, -1);
    raise(VSEI);
    raise(SSI);
    equal(probe(VU, (u64)wait, 0, 0, 0, 0)->cause, INTERRUPT | SSI);
    equal(last_trap.handler, HS);
}

// sip and sie of VS-mode are vsip and vsie: the VS-level bits, one place lower, as far as hideleg gives them.
static void aliases(void) {
    reset();
    context("aliases", 0, 0);
    csr_write(mideleg, -1);
    equal(csr_read(mideleg) & VS_BITS, VS_BITS);
    csr_write(mideleg, 0);
    equal(csr_read(mideleg) & VS_BITS, VS_BITS);  // read-only one
    csr_write(hideleg, -1);
    equal(csr_read(hideleg), VS_BITS);
    csr_write(hvip, -1);
    equal(csr_read(hvip), VS_BITS);
    equal(csr_read(hip) & VS_BITS, VS_BITS);
    equal(csr_read(mip) & VS_BITS, VS_BITS);
    equal(csr_read(sip) & VS_BITS, 0);
    if (!deviates(QEMU, "vsip shows VSSIP only")) equal(csr_read(vsip), VS_BITS >> 1);
    csr_write(hie, -1);
    equal(csr_read(hie) & ~BIT(SGEI), VS_BITS);
    equal(csr_read(mie) & VS_BITS, VS_BITS);
    equal(csr_read(sie) & VS_BITS, 0);
    equal(csr_read(vsie), VS_BITS >> 1);
    csr_write(vsie, 0);
    equal(csr_read(hie) & VS_BITS, 0);
    csr_write(vsie, BIT(STI));
    equal(csr_read(hie) & VS_BITS, BIT(VSTI));
    equal(csr_read(mie) & VS_BITS, BIT(VSTI));
    // VSSIP can be written through vsip, the others only in hvip
    csr_write(vsip, 0);
    if (!deviates(QEMU, "vsip shows VSSIP only")) equal(csr_read(vsip), (VS_BITS & ~BIT(VSSI)) >> 1);
    equal(csr_read(hvip), VS_BITS & ~BIT(VSSI));
    csr_write(hvip, 0);
    csr_write(vsip, -1);
    equal(csr_read(hvip), BIT(VSSI));
    csr_write(vsip, 0);
    // through hip and mip only VSSIP
    csr_write(hip, -1);
    equal(csr_read(hvip), BIT(VSSI));
    csr_write(hip, 0);
    equal(csr_read(hvip), 0);
    csr_set(mip, BIT(VSSI));
    equal(csr_read(hvip), BIT(VSSI));
    csr_clear(mip, BIT(VSSI));
    equal(csr_read(hvip), 0);
    // what hideleg keeps back is not there
    csr_write(hideleg, BIT(VSTI));
    csr_write(hvip, -1);
    csr_write(hie, -1);
    if (!deviates(QEMU, "vsip shows VSSIP only")) equal(csr_read(vsip), BIT(STI));
    equal(csr_read(vsie), BIT(STI));
    csr_write(vsie, 0);
    equal(csr_read(hie) & VS_BITS, VS_BITS & ~BIT(VSTI));
    // from VS-mode itself
    csr_write(hideleg, -1);
    csr_write(mie, 0);
    csr_write(hvip, BIT(VSTI));
    if (!deviates(QEMU, "vsip shows VSSIP only")) equal(probe_insn(VS, CSRR(A0, 0x144), 0, 0)->a0, BIT(STI));
    equal(probe_insn(VS, CSRW(0x104, A0), -1, 0)->a7, DONE);
    equal(csr_read(hie) & VS_BITS, VS_BITS);
    reset();
    // HS-mode's own: without delegation sip and sie are empty
    csr_write(mie, -1);
    csr_set(mip, BIT(SSI) | BIT(STI) | BIT(SEI));
    equal(csr_read(sie), 0);
    equal(csr_read(sip), 0);
    csr_write(mideleg, BIT(STI));
    equal(csr_read(sie), BIT(STI));
    equal(csr_read(sip), BIT(STI));
    csr_write(sie, 0);
    check(!(csr_read(mie) & BIT(STI)));
    check(csr_read(mie) & BIT(SSI));
    csr_write(mideleg, -1);
    csr_write(sip, 0);  // only SSIP is writable there
    equal(csr_read(mip) & (BIT(SSI) | BIT(STI) | BIT(SEI)), BIT(STI) | BIT(SEI));
}

__asm__(
    ".text\n.balign 256\nmachine_vectors:\n.option push\n.option norvc\n"
    ".rept 7\nj 1f\n.endr\nj 2f\n.rept 10\nj 1f\n.endr\n"
    "1: li a7, 0\ntail machine_trap\n2: li a7, 77\ntail machine_trap\n.option pop");
extern u8 machine_vectors[];

// Vectored handlers: base + 4 * code for interrupts, base for exceptions.
__asm__(
    ".text\n.balign 256\nvectors:\n.option push\n.option norvc\n"
    "j 1f\n.rept 4\nj 1f\n.endr\nj 2f\n.rept 10\nj 1f\n.endr\n"
    "1: li a7, 0\nj 3f\n2: li a7, 77\n3: csrr a0, scause\ntail supervisor_trap\n.option pop");
extern u8 vectors[];

static void vectored(void) {
    reset();
    context("vectored", 0, 0);
    csr_write(mideleg, -1);
    csr_write(mie, BIT(STI));
    csr_write(stvec, (u64)vectors + 1);
    equal(csr_read(stvec), (u64)vectors + 1);
    raise(STI);
    equal(probe(U, (u64)wait, 0, 0, 0, 0)->a7, 77);
    equal(last_trap.cause, INTERRUPT | STI);
    reset();
    csr_write(medeleg, BIT(ECALL_U));
    equal(probe(U, (u64)wait, 0, 0, 0, 0)->a7, 0);
    equal(last_trap.cause, ECALL_U);
    csr_write(stvec, (u64)supervisor_trap);
    csr_write(medeleg, 0);
    // M-mode
    csr_write(mtvec, (u64)machine_vectors + 1);
    equal(csr_read(mtvec), (u64)machine_vectors + 1);
    equal(probe(HS, (u64)wait, 0, 0, 0, 0)->a7, 0);
    equal(last_trap.cause, ECALL_HS);
    csr_write(mie, BIT(MTI));
    raise(MTI);
    equal(probe(HS, (u64)wait, 0, 0, 0, 0)->a7, 77);
    equal(last_trap.cause, INTERRUPT | MTI);
    csr_write(mtvec, (u64)machine_trap);
    reset();
    // VS-mode: vscause has the supervisor's number, and so the vector
    csr_write(hideleg, -1);
    csr_write(mie, BIT(VSTI));
    csr_write(vstvec, (u64)vectors + 1);
    raise(VSTI);
    // the vectors lead to the supervisor's handler, whose CSRs of H are not for VS-mode: hstatus traps on
    probe(VU, (u64)wait, 0, 0, 0, 0);
    equal(csr_read(vscause), INTERRUPT | STI);
    equal(last_trap.a7, 77);
    csr_write(vstvec, (u64)guest_trap);
    csr_write(medeleg, 0);
}

void main(void) {
    routing();
    if (!deviates(QEMU, "without AIA takes the lowest number first")) order();
    aliases();
    vectored();
}
