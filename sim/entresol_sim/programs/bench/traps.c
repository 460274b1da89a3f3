// Traps and interrupts: round trips through the shortest handlers and through ones that save all registers.
#include "bench.h"

#define OPERATIONS 16
u64 ecall_once(u64), virtual_once(u64), illegal_once(u64), load_once(u64), store_once(u64), software_interrupts(u64);
u64 interrupt_latency(u64);
void clear_software_interrupt(void);

// Pages beside mapped ones: all page-table entries are there, but the last is not valid.
#define NOWHERE (WINDOW + PAGE)           // of the first stage
#define NO_MEMORY (WINDOW + 2 * PAGE)     // of the G-stage

static u8 page[PAGE] __attribute__((aligned(4096)));

static void trips(const char *name, enum mode mode, u64 (*function)(u64), u64 argument) {
    result(name, OPERATIONS, enter(mode, function, argument));
}

static void to_m(void) {
    result("traps.ecall.u_to_m", OPERATIONS, enter_with_handler(U, ecall_once, 0, skip_from_m));
    csr_clear(medeleg, 1 << 10);
    result("traps.ecall.vs_to_m", OPERATIONS, enter_with_handler(VS, ecall_once, 0, skip_from_m));
    csr_set(medeleg, 1 << 10);
}

static u64 interrupts(u64 unused) {
    csr_write(sie, 2);
    csr_set(sstatus, 2);
    u64 cycles = software_interrupts(0);
    csr_clear(sstatus, 2);
    csr_write(sie, 0);
    return cycles;
}

// Without translation, and within the guest.
static void bare(void) {
    trips("traps.ecall.u_to_hs", U, ecall_once, 0);
    trips("traps.ecall.vs_to_hs.bare", VS, ecall_once, 0);
    csr_write(stvec, save_all_from_hs);
    trips("traps.ecall.vs_to_hs.bare.all_registers", VS, ecall_once, 0);
    csr_write(stvec, skip_from_s);
    csr_write(vstvec, skip_from_s);
    csr_write(hedeleg, 1 << 8);
    trips("traps.ecall.vu_to_vs", VU, ecall_once, 0);
    csr_write(hedeleg, 0);
    trips("traps.virtual_instruction.vs_to_hs.bare", VS, virtual_once, 0);
    trips("traps.illegal_instruction.vs_to_hs.bare", VS, illegal_once, 0);

    csr_write(mideleg, -1);
    csr_write(stvec, clear_software_interrupt);
    trips("traps.interrupt.hs", HS, interrupts, 0);
    csr_write(stvec, skip_from_s);
    csr_write(hideleg, -1);
    csr_write(vstvec, clear_software_interrupt);
    trips("traps.interrupt.vs", VS, interrupts, 0);

    csr_set(mip, 1 << 5);
    csr_write(mie, 1 << 5);
    result("traps.interrupt.hs.enabled_to_handler", 1, enter(HS, interrupt_latency, 0));
    csr_write(mie, 0);
    csr_clear(mip, 1 << 5);
    csr_write(hvip, 1 << 6);
    csr_write(hie, 1 << 6);
    result("traps.interrupt.vs.enabled_to_handler", 1, enter(VS, interrupt_latency, 0));
    csr_write(hie, 0);
    csr_write(hvip, 0);
}

static void native(void) {
    translate(SV39);
    map_window((u64)page, 1);
    trips("traps.page_fault.load.hs", HS, load_once, NOWHERE);
    trips("traps.page_fault.store.hs", HS, store_once, NOWHERE);
}

static void guest(void) {
    translate(GUEST_4K);
    map_window((u64)page, 1);
    trips("traps.ecall.vs_to_hs.two_stage", VS, ecall_once, 0);
    csr_write(stvec, save_all_from_hs);
    trips("traps.ecall.vs_to_hs.two_stage.all_registers", VS, ecall_once, 0);
    csr_write(stvec, skip_from_s);
    trips("traps.virtual_instruction.vs_to_hs.two_stage", VS, virtual_once, 0);
    trips("traps.illegal_instruction.vs_to_hs.two_stage", VS, illegal_once, 0);
    trips("traps.page_fault.load.vs_to_hs", VS, load_once, NOWHERE);
    trips("traps.page_fault.store.vs_to_hs", VS, store_once, NOWHERE);
    trips("traps.guest_page_fault.load.vs_to_hs", VS, load_once, NO_MEMORY);
    trips("traps.guest_page_fault.store.vs_to_hs", VS, store_once, NO_MEMORY);
    csr_write(hedeleg, 1 << 13 | 1 << 15);
    csr_write(vstvec, skip_from_s);
    trips("traps.page_fault.load.vs", VS, load_once, NOWHERE);
    trips("traps.page_fault.store.vs", VS, store_once, NOWHERE);
}

void benchmarks(u64 variant) {
    to_m();
    bare();
    native();
    guest();
}
