// The demo's hypervisor: runs one guest in VS-mode, with the guest's own Sv39 page tables over Sv39x4.
//
// It runs in HS-mode over any firmware that offers the SBI.  The guest owns the processor until something makes it
// exit; every exit is a trap to HS-mode and comes back from guest_run():
//
//   guest page fault     memory that the guest touches for the first time gets a page; an access to the console device
//                        is emulated from the instruction in htinst; anything else is outside the guest's memory
//   environment call     the guest's SBI calls, forwarded to the firmware
//   virtual instruction  the guest, which believes that it is in S-mode, tried what only a hypervisor may
//   timer interrupt      the guest's timer has run out: becomes a virtual interrupt (hvip.VSTIP)
#include "hypervisor.h"

#include "common.h"

// Where the guest's memory seems to be and how much there is; where its image really lies.
#define GUEST_BASE 0x80000000ul
#define GUEST_SIZE 0x400000ul
#ifndef GUEST_IMAGE  // can be given to the compiler: see Layout in entresol_sim.demo
#define GUEST_IMAGE 0x80400000
#define POOL_PAGES 128
#endif
#define GUEST_MAGIC 0x7473657567  // "guest"
struct guest_image {
    u64 magic, size, entry;
};

// The guest's console: the two registers of a 16550 UART that sending takes, where QEMU's `virt` has its own.
#define CONSOLE_BASE 0x10000000ul
#define CONSOLE_DATA 0
#define CONSOLE_LINE_STATUS 5
#define CONSOLE_CAN_SEND 0x60

struct vcpu {
    u64 x[32];
    u64 pc;
    u64 host_sp;
    u64 entered, left;  // cycle counter when the guest was entered and left last
};
_Static_assert(__builtin_offsetof(struct vcpu, pc) == VCPU_PC, "hypervisor.h");
_Static_assert(__builtin_offsetof(struct vcpu, host_sp) == VCPU_HOST_SP, "hypervisor.h");
_Static_assert(__builtin_offsetof(struct vcpu, entered) == VCPU_ENTERED, "hypervisor.h");
_Static_assert(__builtin_offsetof(struct vcpu, left) == VCPU_LEFT, "hypervisor.h");

extern void guest_run(struct vcpu *);

static struct vcpu vcpu;
static int guest_ended;
static u64 guest_exit_code;

static u64 guest_cycles, firmware_cycles;
static u64 pages_mapped, device_accesses;

static struct exit_kind {
    u64 cause;
    const char *name;
    u64 count, cycles;
} exit_kinds[] = {
    {FETCH_GUEST_PAGE_FAULT, "guest page fault, fetch"}, {LOAD_GUEST_PAGE_FAULT, "guest page fault, load"},
    {STORE_GUEST_PAGE_FAULT, "guest page fault, store"}, {ECALL_FROM_VS, "environment call"},
    {VIRTUAL_INSTRUCTION, "virtual instruction"},        {INTERRUPT | SUPERVISOR_TIMER, "timer interrupt"},
};
#define EXIT_KINDS (sizeof exit_kinds / sizeof exit_kinds[0])

// ---- firmware -----------------------------------------------------------------------------------------------------

static struct sbi_result firmware(u64 extension, u64 function, u64 x, u64 y, u64 z) {
    u64 start = csr_read(cycle);
    struct sbi_result result = sbi_call(extension, function, x, y, z);
    firmware_cycles += csr_read(cycle) - start;
    return result;
}

static int firmware_has(u64 extension) { return firmware(SBI_BASE, SBI_BASE_PROBE, extension, 0, 0).value != 0; }

// Console output goes out line by line: one call for each with the debug console extension, one for each character with
// firmware that only has the legacy call.
static char line[128];
static u64 line_length;
static int has_debug_console;

static void put(char c) {
    line[line_length++] = c;
    if (c != '\n' && line_length < sizeof line) return;
    if (has_debug_console)
        firmware(SBI_CONSOLE, SBI_CONSOLE_WRITE, line_length, (u64)line, 0);
    else
        for (u64 i = 0; i < line_length; i++) firmware(SBI_LEGACY_PUTCHAR, 0, line[i], 0, 0);
    line_length = 0;
}

static void shut_down(u64 reason) {
    firmware(SBI_RESET, 0, SBI_RESET_SHUTDOWN, reason, 0);
    firmware(SBI_LEGACY_SHUTDOWN, 0, 0, 0, 0);  // firmware without the reset extension
    for (;;) {
    }
}

void hypervisor_panic(void) {
    print("\nhypervisor: trapped itself, scause ");
    print_hex(csr_read(scause));
    print(" sepc ");
    print_hex(csr_read(sepc));
    print(" stval ");
    print_hex(csr_read(stval));
    print("\n");
    shut_down(SBI_REASON_FAILURE);
}

// ---- the guest's memory -------------------------------------------------------------------------------------------

// Sv39x4: four pages of root table
static u64 g_stage_root[4 * 512] __attribute__((aligned(4 * PAGE), section(".bss.root")));
static u64 pool[POOL_PAGES][512] __attribute__((aligned(PAGE), section(".bss.pool")));
static u64 pool_used;

static u64 *take_page(void) {
    if (pool_used == POOL_PAGES) {
        print("hypervisor: out of pages\n");
        shut_down(SBI_REASON_FAILURE);
    }
    u64 *page = pool[pool_used++];
    for (int i = 0; i < 512; i++) page[i] = 0;  // nothing of another's may be seen in it
    return page;
}

// The lowest-level G-stage entry for a guest physical address; missing tables are made.
static u64 *g_stage_entry(u64 address) {
    u64 *entry = &g_stage_root[address >> 30 & 0x7ff];
    for (int level = 1; level >= 0; level--) {
        if (!(*entry & PTE_V)) *entry = pte((u64)take_page(), 0);
        entry = (u64 *)pte_address(*entry) + (address >> (12 + 9 * level) & 0x1ff);
    }
    return entry;
}

static int is_guest_memory(u64 address) { return address - GUEST_BASE < GUEST_SIZE; }

// Give the guest the page it missed: out of its image, where it lies, or an empty one.
static void map_page(u64 address) {
    const struct guest_image *image = (const struct guest_image *)GUEST_IMAGE;
    u64 offset = (address - GUEST_BASE) & ~(PAGE - 1);
    u64 page = offset < image->size ? GUEST_IMAGE + offset : (u64)take_page();
    *g_stage_entry(address) = pte(page, PTE_R | PTE_W | PTE_X | PTE_U | PTE_A | PTE_D);
    // an entry that was not valid may have been cached as such
    __asm__ volatile("hfence.gvma %0, zero" : : "r"(address >> 2) : "memory");
    pages_mapped++;
}

// The real address of guest memory, for the calls that pass pointers; 0 when it is not the guest's.
static u64 real_address(u64 address) {
    if (!is_guest_memory(address)) return 0;
    u64 entry = *g_stage_entry(address);
    if (!(entry & PTE_V)) {
        map_page(address);
        entry = *g_stage_entry(address);
    }
    return pte_address(entry) | (address & (PAGE - 1));
}

// ---- traps into the guest -----------------------------------------------------------------------------------------

// Make the guest take an exception as the hardware would: through vstvec, in VS-mode.
static void inject(u64 cause, u64 value) {
    u64 status = csr_read(vsstatus);
    u64 was_supervisor = csr_read(sstatus) & SSTATUS_SPP;
    u64 was_enabled = status & SSTATUS_SIE ? SSTATUS_SPIE : 0;
    status &= ~(SSTATUS_SPP | SSTATUS_SPIE | SSTATUS_SIE);
    csr_write(vsstatus, status | was_supervisor | was_enabled);
    csr_write(vscause, cause);
    csr_write(vsepc, vcpu.pc);
    csr_write(vstval, value);
    csr_set(sstatus, SSTATUS_SPP);
    vcpu.pc = csr_read(vstvec);
}

// ---- the guest's console ------------------------------------------------------------------------------------------

// The instruction that trapped, as htinst describes it: a load or store with the bits gone that say where from or to,
// and bit 1 clear when it was a compressed one.  Machines may leave htinst zero: then read the instruction, with the
// guest's own right to execute it.
static u32 trapped_instruction(void) {
    u64 instruction = csr_read(htinst);
    if (instruction) return instruction;
    u64 low, high;
    __asm__ volatile("hlvx.hu %0, (%1)" : "=r"(low) : "r"(vcpu.pc) : "memory");
    if ((low & 3) == 3) {
        __asm__ volatile("hlvx.hu %0, (%1)" : "=r"(high) : "r"(vcpu.pc + 2) : "memory");
        return high << 16 | low;
    }
    // c.lw, c.ld, c.sw and c.sd: put the register and the width where the long forms have them
    u32 data = 8 + (low >> 2 & 7), width = low >> 13 & 1 ? 3 : 2;
    if ((low & 3) != 0 || !(low >> 14 & 1)) return 0;
    return low >> 15 ? data << 20 | width << 12 | 0x21 : width << 12 | data << 7 | 0x01;
}

static int console_access(u64 address) {
    u32 instruction = trapped_instruction();
    switch (instruction >> 2 & 0x1f) {
        case 0x00: {  // load
            u64 value = address - CONSOLE_BASE == CONSOLE_LINE_STATUS ? CONSOLE_CAN_SEND : 0;
            u32 rd = instruction >> 7 & 0x1f;
            if (rd) vcpu.x[rd] = value;  // small enough to be right for every width, signed or not
            break;
        }
        case 0x08:  // store
            if (address - CONSOLE_BASE == CONSOLE_DATA) put(vcpu.x[instruction >> 20 & 0x1f]);
            break;
        default: return 0;
    }
    vcpu.pc += instruction & 2 ? 4 : 2;
    device_accesses++;
    return 1;
}

// ---- exits --------------------------------------------------------------------------------------------------------

static void guest_page_fault(u64 cause) {
    // htval has the guest physical address without its two lowest bits, stval the virtual one with them
    u64 address = csr_read(htval) << 2 | (csr_read(stval) & 3);
    if (is_guest_memory(address)) {
        map_page(address);
        return;
    }
    if (address - CONSOLE_BASE < PAGE && cause != FETCH_GUEST_PAGE_FAULT && console_access(address)) return;
    print("hypervisor: the guest reached for ");
    print_hex(address);
    print(", outside its memory: access fault\n");
    // an access fault has the number of the page fault less 16 for loads and stores (5, 7), less 19 for fetches (1)
    inject(cause == FETCH_GUEST_PAGE_FAULT ? 1 : cause - 16, csr_read(stval));
}

static void environment_call(void) {
    u64 *x = vcpu.x;
    u64 extension = x[17], function = x[16];
    struct sbi_result result = {SBI_NOT_SUPPORTED, 0};
    vcpu.pc += 4;
    switch (extension) {
        case SBI_LEGACY_PUTCHAR:
            put(x[10]);
            x[10] = 0;
            return;
        case SBI_LEGACY_SHUTDOWN: guest_ended = 1; return;
        case SBI_RESET:
            guest_ended = 1;
            guest_exit_code = x[11];
            return;
        case SBI_TIME:
            // the guest's timer is ours: a new time takes back the interrupt that the old one raised
            csr_clear(hvip, 1 << VIRTUAL_SUPERVISOR_TIMER);
            csr_set(sie, 1 << SUPERVISOR_TIMER);
            result = firmware(extension, function, x[10], 0, 0);
            break;
        case SBI_BASE: result = firmware(extension, function, x[10], 0, 0); break;
        case SBI_CONSOLE:
            if (!has_debug_console || function != SBI_CONSOLE_WRITE) break;
            // as much as lies in one page: the guest calls again for the rest
            u64 address = real_address(x[11]), length = PAGE - (address & (PAGE - 1));
            if (address)
                result = firmware(extension, function, x[10] < length ? x[10] : length, address, 0);
            else
                result.error = SBI_INVALID_ADDRESS;
            break;
    }
    x[10] = result.error;
    x[11] = result.value;
}

static void virtual_instruction(void) {
    print("hypervisor: the guest may not execute ");
    print_hex(csr_read(stval));
    print(": illegal instruction\n");
    inject(ILLEGAL_INSTRUCTION, csr_read(stval));
}

static void handle_exit(u64 cause) {
    switch (cause) {
        case FETCH_GUEST_PAGE_FAULT:
        case LOAD_GUEST_PAGE_FAULT:
        case STORE_GUEST_PAGE_FAULT: guest_page_fault(cause); break;
        case ECALL_FROM_VS: environment_call(); break;
        case VIRTUAL_INSTRUCTION: virtual_instruction(); break;
        case INTERRUPT | SUPERVISOR_TIMER:
            // pending until the firmware is given a new time, so look away from it until the guest gives one
            csr_clear(sie, 1 << SUPERVISOR_TIMER);
            csr_set(hvip, 1 << VIRTUAL_SUPERVISOR_TIMER);
            break;
        default:
            print("hypervisor: unexpected exit, scause ");
            print_hex(cause);
            print(" at ");
            print_hex(vcpu.pc);
            print("\n");
            guest_ended = 1;
            guest_exit_code = SBI_REASON_FAILURE;
    }
}

// ---- the table ----------------------------------------------------------------------------------------------------

static void print_row(const char *name, u64 number, u64 second, const char *unit) {
    int width = 0;
    print("  ");
    for (; name[width]; width++) put(name[width]);
    for (; width < 26; width++) put(' ');
    print_number(number, 10);
    print_number(second, 10);
    print(unit);
}

static void print_table(u64 start, u64 end, u64 in_firmware) {
    u64 hypervisor_cycles = end - start - guest_cycles - in_firmware, exits = 0, cycles = 0;
    print("\n  exits from the guest           count  cycles each\n");
    for (u64 i = 0; i < EXIT_KINDS; i++) {
        struct exit_kind *kind = &exit_kinds[i];
        exits += kind->count;
        cycles += kind->cycles;
        print_row(kind->name, kind->count, kind->count ? kind->cycles / kind->count : 0, "\n");
    }
    print_row("all", exits, exits ? cycles / exits : 0, "\n");
    print("\n  where the time went           cycles      share\n");
    print_row("guest", guest_cycles, guest_cycles * 100 / end, " %\n");
    print_row("hypervisor", hypervisor_cycles, hypervisor_cycles * 100 / end, " %\n");
    print_row("firmware", start + in_firmware, (start + in_firmware) * 100 / end, " %\n");
    print("\n  ");
    print_number(pages_mapped, 0);
    print(" pages mapped on demand, ");
    print_number(device_accesses, 0);
    print(" device accesses emulated\n");
}

// ---- start --------------------------------------------------------------------------------------------------------

// Exceptions that the guest handles itself, without an exit: those of its own user mode and its own page tables.
#define GUEST_EXCEPTIONS                                                                             \
    (1 << 0 | 1 << ILLEGAL_INSTRUCTION | 1 << 3 | 1 << 4 | 1 << 6 | 1 << ECALL_FROM_U | 1 << 12 | \
     1 << 13 | 1 << 15)
#define GUEST_INTERRUPTS (1 << 2 | 1 << VIRTUAL_SUPERVISOR_TIMER | 1 << 10)

void hypervisor_main(void) {
    u64 start = csr_read(cycle);  // everything before was firmware
    const struct guest_image *image = (const struct guest_image *)GUEST_IMAGE;
    has_debug_console = firmware_has(SBI_CONSOLE);
    print("hypervisor: HS-mode; starting the guest in VS-mode, Sv39 over Sv39x4\n");
    if (image->magic != GUEST_MAGIC) {
        print("hypervisor: there is no guest image at ");
        print_hex(GUEST_IMAGE);
        print("\n");
        shut_down(SBI_REASON_FAILURE);
    }

    csr_write(hgatp, ATP_MODE_SV39 | 1ul << 44 | (u64)g_stage_root >> 12);  // VMID 1
    __asm__ volatile("hfence.gvma" : : : "memory");
    csr_write(hedeleg, GUEST_EXCEPTIONS);
    csr_write(hideleg, GUEST_INTERRUPTS);
    csr_write(hcounteren, 7);  // the guest reads cycle, time and instret by itself
    csr_write(htimedelta, 0);
    csr_write(hvip, 0);
    csr_write(vsstatus, 0);
    csr_write(vsatp, 0);
    csr_write(vsie, 0);
    csr_write(sie, 0);
    csr_write(hstatus, HSTATUS_VSXL_64 | HSTATUS_SPV);  // SRET goes to V=1 ...
    csr_set(sstatus, SSTATUS_SPP);                      // ... and there to VS-mode
    vcpu.pc = image->entry;

    while (!guest_ended) {
        guest_run(&vcpu);
        guest_cycles += vcpu.left - vcpu.entered;
        u64 cause = csr_read(scause);
        u64 before = vcpu.left;
        handle_exit(cause);
        for (u64 i = 0; i < EXIT_KINDS; i++)
            if (exit_kinds[i].cause == cause) {
                exit_kinds[i].count++;
                exit_kinds[i].cycles += csr_read(cycle) - before;
            }
    }
    u64 end = csr_read(cycle), in_firmware = firmware_cycles;  // printing takes time there
    if (line_length) put('\n');
    print(guest_exit_code ? "hypervisor: the guest failed\n" : "hypervisor: the guest has shut down\n");
    print_table(start, end, in_firmware);
    shut_down(guest_exit_code ? SBI_REASON_FAILURE : SBI_REASON_NONE);
}
