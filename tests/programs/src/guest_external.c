// Guest external interrupts: hgeip, hgeie, hstatus.VGEIN, what becomes of them (SGEI for the hypervisor, VSEI for the
// guest), and guests that wait for them.  The lines are driven from outside, as the program asks on the console.
#include "test.h"

#define LINES 8
#define ALL (BIT(LINES + 1) - 2)
#define VGEIN (0x3ful << 12)

CODE(spin, "1: addi a0, a0, -1\nbnez a0, 1b");
CODE(sleep, "wfi\n1: addi a0, a0, -1\nbnez a0, 1b");
#define SOON 300      // iterations within which a pending interrupt is taken
#define LONG 1000000  // and those within which one comes that was asked for

static const enum mode modes[] = {M, HS, U, VS, VU};
#define V(mode) ((mode) >= VU)

static void request(u64 levels) {
    static const char digits[] = "0123456789abcdef";
    char text[] = {2, digits[levels >> 5 & 15], digits[levels >> 1 & 15], 0};
    print(text);
}

static void set_lines(u64 levels) {
    request(levels);
    for (int i = 0; i < LONG && csr_read(hgeip) != levels; i++) {
    }
    equal(csr_read(hgeip), levels);
}

static void reset(void) {
    csr_write(mie, 0);
    csr_write(hvip, 0);
    csr_write(hgeie, 0);
    csr_write(hideleg, 0);
    csr_clear(hstatus, VGEIN);
    csr_clear(mstatus, MSTATUS_MIE | MSTATUS_MPIE | MSTATUS_SIE | MSTATUS_SPIE);
    csr_write(vsstatus, 0);
}

static void select(u64 number) {
    csr_clear(hstatus, VGEIN);
    csr_set(hstatus, number << 12);
}

static void registers(void) {
    reset();
    context("registers", 0, 0);
    csr_write(hgeie, -1);
    equal(csr_read(hgeie), ALL);
    csr_write(hgeie, 0x55);
    equal(csr_read(hgeie), 0x54);
    csr_write(hgeie, 0);
    equal(csr_read(hgeie), 0);
    for (u64 number = 0; number < 64; number++) {
        context("VGEIN", number, 0);
        select(number);
        u64 got = (csr_read(hstatus) & VGEIN) >> 12;
        if (number <= LINES) equal(got, number);
        else check(got <= LINES);
    }
    equal(probe_insn(M, CSRW(0xe12, A0), 0, 0)->cause, ILLEGAL);
    equal(probe_insn(HS, CSRW(0xe12, A0), 0, 0)->cause, ILLEGAL);
    check(csr_read(mideleg) & BIT(SGEI));
    csr_write(mideleg, 0);
    check(csr_read(mideleg) & BIT(SGEI));
    csr_write(hideleg, -1);
    check(!(csr_read(hideleg) & BIT(SGEI)));
}

// What a level makes pending; no register but hgeie and VGEIN has a say in it.
static void pending(u64 levels) {
    reset();
    set_lines(levels);
    csr_write(hideleg, -1);
    for (u64 number = 0; number <= LINES; number++) {
        context("levels, VGEIN and hgeie", levels, number);
        select(number);
        u64 vsei = number && levels & BIT(number) ? BIT(VSEI) : 0;
        for (int enabled = 0; enabled < 3; enabled++) {  // none, this one, the others
            u64 enables = enabled == 1 ? BIT(number) & ALL : enabled == 2 ? ALL & ~BIT(number) : 0;
            csr_write(hgeie, enables);
            u64 expected = vsei | (levels & enables ? BIT(SGEI) : 0);
            csr_write(hip, ~expected & ~BIT(VSSI));  // read-only there
            csr_write(mip, ~expected & ~BIT(VSSI));
            equal(csr_read(hip), expected);
            equal(csr_read(mip) & (BIT(VSEI) | BIT(SGEI)), expected);
            equal(csr_read(vsip), vsei >> 1);
            equal(csr_read(hvip), 0);
            equal(csr_read(hgeip), levels);
            csr_write(hvip, BIT(VSEI));
            equal(csr_read(hip), expected | BIT(VSEI));
            csr_write(hvip, 0);
        }
    }
    csr_write(mip, 0);
}

// An interrupt that is pending: where it goes from `mode`, 0 for nowhere.
static void expect(int interrupt, enum mode mode, u64 handler) {
    struct trap *trap = probe(mode, (u64)spin, SOON, 0, 0, 0);
    if (!handler) {
        check(completed(trap));
        return;
    }
    equal(trap->handler, handler);
    equal(trap->cause, INTERRUPT | (handler == VS ? interrupt - 1 : interrupt));
    equal(trap->tval, 0);
    if (handler == HS) {
        equal(trap->tval2, 0);
        equal(trap->tinst, 0);
        equal(!!(trap->hstatus & HSTATUS_SPV), V(mode));
    }
}

static void routing(void) {
    for (int m = 0; m < 5; m++)
        for (int n = 0; n < 32; n++) {
            enum mode mode = modes[m];
            int enabled = n & 1, sie = n >> 1 & 1, vsie = n >> 2 & 1, hideleg = n >> 3 & 1, which = n >> 4;
            int interrupt = which ? VSEI : SGEI;
            context("interrupt and mode, enables", (u64)interrupt << 4 | mode, n);
            reset();
            csr_write(mie, enabled ? BIT(interrupt) : ~BIT(interrupt) & ~(BIT(MTI) | BIT(MSI)));
            csr_write(hideleg, hideleg ? -1 : 0);
            if (which) select(5);
            else csr_write(hgeie, BIT(5));
            csr_set(mstatus, MSTATUS_MPIE | (sie ? MSTATUS_SIE : 0));
            csr_write(vsstatus, vsie ? MSTATUS_SIE : 0);
            u64 handler = mode == M || (mode == HS && !sie) ? 0 : HS;
            if (which && hideleg) handler = mode == VU || (mode == VS && vsie) ? VS : 0;
            expect(interrupt, mode, enabled ? handler : 0);
        }
    // both at once: the hypervisor's comes first, wherever the other one goes
    for (int hideleg = 0; hideleg < 2; hideleg++) {
        context("order, hideleg", hideleg, 0);
        reset();
        csr_write(hideleg, hideleg ? -1 : 0);
        csr_write(mie, BIT(SGEI) | BIT(VSEI));
        select(5);
        csr_write(hgeie, BIT(5));
        expect(SGEI, VU, HS);
        csr_write(hgeie, 0);
        expect(VSEI, VU, hideleg ? VS : HS);
    }
}

// Two guests with a line each: the one that runs is interrupted itself, the other one by way of the hypervisor.
static void two_guests(void) {
    for (u64 line = 1; line <= 2; line++)
        for (int waits = 0; waits < 2; waits++)
            for (enum mode mode = VU; mode <= VS; mode++) {
                if (waits && mode == VU) continue;  // WFI is not for users
                context("line, guest and how", line, waits << 4 | mode);
                reset();
                csr_write(mie, BIT(SGEI) | BIT(VSEI));
                csr_write(hideleg, BIT(VSEI));
                csr_write(vsstatus, MSTATUS_SIE);
                select(1);
                csr_write(hgeie, BIT(2));
                set_lines(0);
                request(BIT(line));  // which comes while the guest runs
                struct trap *trap = probe(mode, (u64)(waits ? sleep : spin), LONG, 0, 0, 0);
                equal(trap->handler, line == 1 ? VS : HS);
                equal(trap->cause, INTERRUPT | (line == 1 ? SEI : SGEI));
                check(trap->a0 > 1);
                equal(csr_read(hgeip), BIT(line));
                // the hypervisor schedules the guest whose line it is
                select(line);
                csr_write(hgeie, BIT(3 - line));
                csr_write(vsstatus, MSTATUS_SIE);
                expect(VSEI, mode, VS);
                // and a level that has gone is no interrupt any more
                set_lines(0);
                equal(csr_read(hip), 0);
                csr_write(vsstatus, MSTATUS_SIE);
                expect(VSEI, mode, 0);
            }
    // the hypervisor itself sleeps until one comes, also when it will not be taken
    for (int sie = 0; sie < 2; sie++) {
        context("the hypervisor waits", sie, 0);
        reset();
        csr_write(mie, BIT(SGEI));
        csr_write(hgeie, BIT(3));
        if (sie) csr_set(mstatus, MSTATUS_SIE);
        set_lines(0);
        request(BIT(3));
        struct trap *trap = probe(HS, (u64)sleep, SOON, 0, 0, 0);
        if (sie) equal(trap->cause, INTERRUPT | SGEI);
        else check(completed(trap));
        equal(csr_read(hgeip), BIT(3));
    }
}

void main(void) {
    csr_write(medeleg, 0);
    csr_write(hgeie, -1);
    if (deviates(QEMU, "GEILEN is 0 without an IMSIC")) return;
    registers();
    for (u64 number = 1; number <= LINES; number++) pending(BIT(number));
    pending(ALL);
    pending(0);
    set_lines(BIT(5));
    routing();
    two_guests();
    set_lines(0);
}
