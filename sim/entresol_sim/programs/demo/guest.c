// The demo's guest: a very small kernel for S-mode that knows nothing of a hypervisor.
//
// Everything in here is what a kernel does on a real machine; in VS-mode part of it takes place without any exit (page
// tables, user mode, system calls, taking the timer's interrupt) and part of it makes the hypervisor act.
#include "common.h"

#define UART ((volatile u8 *)0x10000000)
#define UART_DATA 0
#define UART_LINE_STATUS 5
#define UART_CAN_SEND 0x20

#define MEMORY_BASE 0x80000000ul
#define MEMORY_SIZE 0x400000ul

static void put(char c) {
    while (!(UART[UART_LINE_STATUS] & UART_CAN_SEND)) {
    }
    UART[UART_DATA] = c;
}

static void shut_down(u64 reason) {
    sbi_call(SBI_RESET, 0, SBI_RESET_SHUTDOWN, reason, 0);
    for (;;) {
    }
}

// Print through the SBI: the debug console when there is one, else character by character.
static void sbi_print(const char *text) {
    if (sbi_call(SBI_BASE, SBI_BASE_PROBE, SBI_CONSOLE, 0, 0).value) {
        u64 length = 0;
        while (text[length]) length++;
        while (length) {
            struct sbi_result written = sbi_call(SBI_CONSOLE, SBI_CONSOLE_WRITE, length, (u64)text, 0);
            if (written.error) return;
            text += written.value;
            length -= written.value;
        }
    } else {
        while (*text) sbi_call(SBI_LEGACY_PUTCHAR, 0, *text++, 0, 0);
    }
}

// ---- memory -------------------------------------------------------------------------------------------------------

#define KERNEL_PAGE (PTE_R | PTE_W | PTE_X | PTE_A | PTE_D)
#define USER_PROGRAM 0x100000000ul
#define USER_STACK 0x100200000ul
#define HEAP 0x140000000ul
#define HEAP_PAGES 32

extern u8 memory_free[], user_program[];  // guest.ld
static u64 root[512] __attribute__((aligned(PAGE)));
static u64 next_page;

static u64 allocate(void) {
    u64 page = next_page;
    next_page += PAGE;
    return page;
}

static void map(u64 virtual, u64 physical, u64 bits) {
    u64 *table = root;
    for (int level = 2; level > 0; level--) {
        u64 *entry = &table[virtual >> (12 + 9 * level) & 0x1ff];
        if (!(*entry & PTE_V)) *entry = pte(allocate(), 0);
        table = (u64 *)pte_address(*entry);
    }
    table[virtual >> 12 & 0x1ff] = pte(physical, bits);
}

static void start_paging(void) {
    next_page = (u64)memory_free;
    root[0] = pte(0, PTE_R | PTE_W | PTE_A | PTE_D);        // 1 GiB of devices
    root[MEMORY_BASE >> 30] = pte(MEMORY_BASE, KERNEL_PAGE);  // 1 GiB of memory, of which we have less
    csr_write(satp, ATP_MODE_SV39 | 1ul << 44 | (u64)root >> 12);
    __asm__ volatile("sfence.vma" : : : "memory");
}

// Fill pages that lie scattered in memory, and read them back.
static void use_memory(void) {
    for (u64 i = 0; i < HEAP_PAGES; i++) {
        u64 scattered = MEMORY_BASE + MEMORY_SIZE / 2 + (i * 7 % HEAP_PAGES) * PAGE;
        map(HEAP + i * PAGE, scattered, PTE_R | PTE_W | PTE_A | PTE_D);
    }
    __asm__ volatile("sfence.vma" : : : "memory");
    for (u64 i = 0; i < HEAP_PAGES; i++)
        for (u64 offset = 0; offset < PAGE; offset += 512) *(volatile u64 *)(HEAP + i * PAGE + offset) = i + offset;
    for (u64 i = 0; i < HEAP_PAGES; i++)
        for (u64 offset = 0; offset < PAGE; offset += 512)
            if (*(volatile u64 *)(HEAP + i * PAGE + offset) != i + offset) {
                print("guest: memory does not hold what was written\n");
                shut_down(SBI_REASON_FAILURE);
            }
}

// ---- traps --------------------------------------------------------------------------------------------------------

struct call {
    u64 a[8];
};

extern u64 user_run(u64 entry, u64 stack);
extern void user_exit(u64 value);

#define TICK 500  // in units of the time CSR
static volatile u64 ticks;
static volatile u64 last_fault;

static void next_tick(void) { sbi_call(SBI_TIME, 0, csr_read(time) + TICK, 0, 0); }

static void system_call(struct call *call) {
    if (call->a[7] == 1) {
        csr_set(sstatus, SSTATUS_SUM);
        for (u64 i = 0; i < call->a[1]; i++) put(((const char *)call->a[0])[i]);
        csr_clear(sstatus, SSTATUS_SUM);
    } else if (call->a[7] == 2) {
        user_exit(call->a[0]);
    }
}

void guest_trap(struct call *call) {
    u64 cause = csr_read(scause), pc = csr_read(sepc);
    switch (cause) {
        case INTERRUPT | SUPERVISOR_TIMER:
            ticks++;
            next_tick();
            break;
        case ECALL_FROM_U:
            csr_write(sepc, pc + 4);
            system_call(call);
            break;
        case ILLEGAL_INSTRUCTION:
        case LOAD_ACCESS_FAULT:
        case STORE_ACCESS_FAULT:
            // those that this kernel provokes are uncompressed instructions
            last_fault = cause;
            csr_write(sepc, pc + 4);
            break;
        default:
            print("guest: unexpected scause ");
            print_hex(cause);
            print(" at ");
            print_hex(pc);
            print("\n");
            shut_down(SBI_REASON_FAILURE);
    }
}

static void expect_fault(u64 cause, const char *what) {
    print("guest: ");
    print(what);
    print(last_fault == cause ? " was refused\n" : " was NOT refused\n");
    if (last_fault != cause) shut_down(SBI_REASON_FAILURE);
    last_fault = 0;
}

// ---- start --------------------------------------------------------------------------------------------------------

void guest_main(void) {
    print("guest: this text leaves through a UART that does not exist\n");
    sbi_print("guest: and this through the firmware\n");

    start_paging();
    use_memory();
    print("guest: paging is on, ");
    print_number(HEAP_PAGES, 0);
    print(" pages used\n");

    map(USER_PROGRAM, (u64)user_program, PTE_R | PTE_X | PTE_U | PTE_A | PTE_D);
    map(USER_STACK, allocate(), PTE_R | PTE_W | PTE_U | PTE_A | PTE_D);
    __asm__ volatile("sfence.vma" : : : "memory");
    u64 sum = user_run(USER_PROGRAM, USER_STACK + PAGE);
    print("guest: user mode returned ");
    print_number(sum, 0);
    print("\n");
    if (sum != 5050) shut_down(SBI_REASON_FAILURE);

    csr_set(sie, 1 << SUPERVISOR_TIMER);
    csr_set(sstatus, SSTATUS_SIE);
    next_tick();
    while (ticks < 3) __asm__ volatile("wfi");
    csr_clear(sie, 1 << SUPERVISOR_TIMER);
    print("guest: 3 timer interrupts\n");

    // hstatus, a CSR of the hypervisor: by its number, as a kernel without the extension would have to
    __asm__ volatile("csrr t0, 0x600" : : : "t0");
    expect_fault(ILLEGAL_INSTRUCTION, "reading hstatus");
    u64 end = MEMORY_BASE + MEMORY_SIZE;
    __asm__ volatile(".option push; .option norvc; ld t0, 0(%0); .option pop" : : "r"(end) : "t0");
    expect_fault(LOAD_ACCESS_FAULT, "reading past the end of memory");

    shut_down(SBI_REASON_NONE);
}
