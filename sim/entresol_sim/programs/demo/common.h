// What firmware, hypervisor and guest share: the bits of CSRs, the numbers of the SBI, and printing.
#pragma once

#include "machine.h"

// xstatus
#define SSTATUS_SIE (1ul << 1)
#define SSTATUS_SPIE (1ul << 5)
#define SSTATUS_SPP (1ul << 8)
#define SSTATUS_SUM (1ul << 18)
#define MSTATUS_MPP_S (1ul << 11)
#define MSTATUS_MPP_MASK (3ul << 11)
#define HSTATUS_SPV (1ul << 7)
#define HSTATUS_VSXL_64 (2ul << 32)

// interrupts, as bits of xip and xie and as codes of xcause
#define INTERRUPT (1ul << 63)
#define SUPERVISOR_TIMER 5
#define VIRTUAL_SUPERVISOR_TIMER 6
#define MACHINE_TIMER 7

// exceptions, as codes of xcause
#define ILLEGAL_INSTRUCTION 2
#define LOAD_ACCESS_FAULT 5
#define STORE_ACCESS_FAULT 7
#define ECALL_FROM_U 8
#define ECALL_FROM_HS 9
#define ECALL_FROM_VS 10
#define FETCH_GUEST_PAGE_FAULT 20
#define LOAD_GUEST_PAGE_FAULT 21
#define VIRTUAL_INSTRUCTION 22
#define STORE_GUEST_PAGE_FAULT 23

// ---- page tables ---------------------------------------------------------------------------------------------------

#define PAGE 4096ul
#define PTE_V (1ul << 0)
#define PTE_R (1ul << 1)
#define PTE_W (1ul << 2)
#define PTE_X (1ul << 3)
#define PTE_U (1ul << 4)
#define PTE_A (1ul << 6)
#define PTE_D (1ul << 7)
#define ATP_MODE_SV39 (8ul << 60)  // satp and vsatp: Sv39; hgatp: Sv39x4

static inline u64 pte(u64 address, u64 bits) { return address >> 12 << 10 | bits | PTE_V; }
static inline u64 pte_address(u64 entry) { return entry << 10 >> 20 << 12; }

// ---- the SBI: extensions, functions, errors ------------------------------------------------------------------------

#define SBI_LEGACY_PUTCHAR 0x01
#define SBI_LEGACY_SHUTDOWN 0x08
#define SBI_BASE 0x10
#define SBI_BASE_SPEC_VERSION 0
#define SBI_BASE_IMPLEMENTATION 1
#define SBI_BASE_PROBE 3
#define SBI_TIME 0x54494D45
#define SBI_CONSOLE 0x4442434E  // "DBCN"
#define SBI_CONSOLE_WRITE 0
#define SBI_RESET 0x53525354  // "SRST"
#define SBI_RESET_SHUTDOWN 0
#define SBI_REASON_NONE 0
#define SBI_REASON_FAILURE 1
#define SBI_OK 0
#define SBI_NOT_SUPPORTED (-2)
#define SBI_INVALID_PARAMETER (-3)
#define SBI_INVALID_ADDRESS (-5)

struct sbi_result {
    s64 error;
    u64 value;
};

static inline struct sbi_result sbi_call(u64 extension, u64 function, u64 x, u64 y, u64 z) {
    register u64 a0 __asm__("a0") = x;
    register u64 a1 __asm__("a1") = y;
    register u64 a2 __asm__("a2") = z;
    register u64 a6 __asm__("a6") = function;
    register u64 a7 __asm__("a7") = extension;
    __asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a6), "r"(a7) : "memory");
    return (struct sbi_result){(s64)a0, a1};
}

// ---- printing; each program defines put() ---------------------------------------------------------------------------

static void put(char c);

static inline void print(const char *text) {
    while (*text) put(*text++);
}

// A number, right-aligned in `width` columns.
static inline void print_number(u64 number, int width) {
    char digits[20];
    int count = 0;
    do digits[count++] = '0' + number % 10;
    while (number /= 10);
    for (; width > count; width--) put(' ');
    while (count) put(digits[--count]);
}

static inline void print_hex(u64 number) {
    int shift = 60;
    print("0x");
    while (shift && !(number >> shift)) shift -= 4;
    for (; shift >= 0; shift -= 4) put("0123456789abcdef"[number >> shift & 15]);
}
