// The demo's firmware: the least that a hypervisor needs below it.
//
// It runs in M-mode, keeps its own memory to itself with the PMP, delegates to HS-mode everything that it does not
// want, starts the payload in HS-mode, and from then on answers SBI calls and passes the machine timer's interrupts on.
// OpenSBI in its place does the same and much more.
#include "common.h"

#define FIRMWARE_BASE 0x80000000ul
#ifndef FIRMWARE_SIZE  // these can be given to the compiler: see Layout in entresol_sim.demo
#define FIRMWARE_SIZE 0x20000  // a power of two, for a NAPOT region
#define PAYLOAD 0x80200000
#endif

#define FINISHER (*(volatile u32 *)0x100000)
#define FINISHER_PASS 0x5555
#define FINISHER_FAIL 0x3333
#define MTIMECMP (*(volatile u64 *)0x2004000)
#define UART ((volatile u8 *)0x10000000)
#define UART_DATA 0
#define UART_LINE_STATUS 5
#define UART_CAN_SEND 0x20

#define PMP_RWX 0x07
#define PMP_NAPOT 0x18

static void put(char c) {
    if (c == '\n') put('\r');
    while (!(UART[UART_LINE_STATUS] & UART_CAN_SEND)) {
    }
    UART[UART_DATA] = c;
}

static void power_off(u64 code) {
    FINISHER = code ? FINISHER_FAIL | code << 16 : FINISHER_PASS;
    for (;;) {
    }
}

// ---- SBI ----------------------------------------------------------------------------------------------------------

// The argument registers of a call, as trap_entry stores them.
struct call {
    u64 a[8];
};

static u64 implemented(u64 extension) {
    return extension == SBI_BASE || extension == SBI_TIME || extension == SBI_CONSOLE || extension == SBI_RESET ||
           extension == SBI_LEGACY_PUTCHAR || extension == SBI_LEGACY_SHUTDOWN;
}

static struct sbi_result base(u64 function, u64 argument) {
    switch (function) {
        case SBI_BASE_SPEC_VERSION: return (struct sbi_result){SBI_OK, 2ul << 24};  // 2.0
        case SBI_BASE_IMPLEMENTATION: return (struct sbi_result){SBI_OK, 0};
        case SBI_BASE_PROBE: return (struct sbi_result){SBI_OK, implemented(argument)};
        default: return (struct sbi_result){SBI_OK, 0};  // versions and machine identity
    }
}

static struct sbi_result set_timer(u64 when) {
    MTIMECMP = when;
    csr_clear(mip, 1 << SUPERVISOR_TIMER);
    csr_set(mie, 1 << MACHINE_TIMER);
    return (struct sbi_result){SBI_OK, 0};
}

static struct sbi_result console_write(u64 length, u64 address) {
    if (address < FIRMWARE_BASE + FIRMWARE_SIZE) return (struct sbi_result){SBI_INVALID_PARAMETER, 0};
    for (u64 i = 0; i < length; i++) put(((const char *)address)[i]);
    return (struct sbi_result){SBI_OK, length};
}

static void answer(struct call *call) {
    struct sbi_result result = {SBI_NOT_SUPPORTED, 0};
    switch (call->a[7]) {
        case SBI_LEGACY_PUTCHAR:  // legacy calls return in a0 only
            put(call->a[0]);
            call->a[0] = 0;
            return;
        case SBI_LEGACY_SHUTDOWN: power_off(0);
        case SBI_BASE: result = base(call->a[6], call->a[0]); break;
        case SBI_TIME: result = set_timer(call->a[0]); break;
        case SBI_CONSOLE:
            if (call->a[6] == SBI_CONSOLE_WRITE) result = console_write(call->a[0], call->a[1]);
            break;
        case SBI_RESET:
            if (call->a[6] == 0 && call->a[0] == SBI_RESET_SHUTDOWN) power_off(call->a[1]);
            break;
    }
    call->a[0] = result.error;
    call->a[1] = result.value;
}

// ---- traps --------------------------------------------------------------------------------------------------------

void firmware_trap(struct call *call) {
    u64 cause = csr_read(mcause);
    if (cause == ECALL_FROM_HS) {
        answer(call);
        csr_write(mepc, csr_read(mepc) + 4);
    } else if (cause == (INTERRUPT | MACHINE_TIMER)) {
        // the timer is M-mode's: hand the interrupt on, and be quiet until it is set anew
        csr_clear(mie, 1 << MACHINE_TIMER);
        csr_set(mip, 1 << SUPERVISOR_TIMER);
    } else {
        print("firmware: cannot handle mcause ");
        print_hex(cause);
        print(" mepc ");
        print_hex(csr_read(mepc));
        print(" mtval ");
        print_hex(csr_read(mtval));
        print("\n");
        power_off(1);
    }
}

// ---- start --------------------------------------------------------------------------------------------------------

void firmware_main(void) {
    // The PMP's first entry that matches decides: nothing for others in here, everything for everybody elsewhere.
    csr_write(pmpaddr0, (FIRMWARE_BASE | (FIRMWARE_SIZE / 2 - 1ul)) >> 2);
    csr_write(pmpaddr1, -1);
    csr_write(pmpcfg0, (PMP_NAPOT | PMP_RWX) << 8 | PMP_NAPOT);

    // HS-mode gets every exception except its own calls, and every interrupt meant for it (those of VS-mode are
    // delegated by the hardware as soon as there is a hypervisor extension).
    csr_write(medeleg, ~(1ul << ECALL_FROM_HS));
    csr_write(mideleg, -1);

    // HS-mode reads cycle, time and instret without a trap, and the counters run.
    csr_write(mcounteren, 7);
    csr_write(mcountinhibit, 0);
    csr_write(mcycle, 0);

    MTIMECMP = -1;
    csr_write(mie, 0);
    print("firmware: M-mode; memory protected, traps delegated, starting ");
    print_hex(PAYLOAD);
    print(" in HS-mode\n");

    csr_write(mepc, PAYLOAD);
    csr_clear(mstatus, MSTATUS_MPP_MASK);
    csr_set(mstatus, MSTATUS_MPP_S);
    csr_write(satp, 0);
}
