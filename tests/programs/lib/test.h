// The framework of the self-checking programs.
//
// main() runs in M-mode.  It sets the machine up, calls probe() or probe_insn() to execute something in some mode
// until it traps, and checks what the trap left behind.  Checks go on after a failure; each failure is printed with
// its line, and the program ends with the line number of the first.
#pragma once

#include "csr.h"

// Modes as numbers: nominal privilege, and 4 for V = 1.
enum mode { U = 0, HS = 1, M = 3, VU = 4, VS = 5 };

// A trap as its handler found it.
struct trap {
    u64 handler;           // mode that handled it: M, HS or VS
    u64 cause, epc, tval;  // its xcause, xepc, xtval
    u64 status;            // its xstatus
    u64 tval2, tinst;      // mtval2 and mtinst, htval and htinst
    u64 hstatus;           // when M or HS
    u64 a0, a7;            // registers
    u64 t5;
};

// Execute from `entry` in `mode` until a trap.
extern struct trap last_trap;
struct trap *probe(enum mode mode, u64 entry, u64 a0, u64 a1, u64 a2, u64 a3);

// Execute one instruction (16 bits when its two lowest are not 11) and then `done`.
struct trap *probe_insn(enum mode mode, u32 insn, u64 a0, u64 a1);

// Where the last probe_insn() instruction is, as the probed mode sees it.
u64 insn_address(void);

// Added by probe_insn() to the instruction's address: the user's alias of memory when translation is on.
extern u64 code_offset;

// A small piece of code that ends with `done`; `name` becomes an array of bytes.
#define CODE(name, text)                                                                                \
    __asm__(".section .text\n.balign 4\n.globl " #name "\n" #name ":\n.option push\n.option norvc\n" text \
            "\nli a7, 1234\necall\n.option pop\n.previous\n");                                                       \
    extern u8 name[]

#define DONE 1234  // in a7 with an ecall: nothing else has trapped

static inline int completed(const struct trap *trap) {
    return trap->a7 == DONE && trap->cause >= 8 && trap->cause <= 11;
}

// ---- checks -------------------------------------------------------------------------------------------------------

void check_failed(int line, const char *what, u64 got, u64 expected);

// A value; `where` names the case in a loop.
#define equal(got, expected) equal_at(#got, got, expected)
#define equal_at(what, got, expected)                                      \
    do {                                                                   \
        u64 got_ = (u64)(got), expected_ = (u64)(expected);                \
        if (got_ != expected_) check_failed(__LINE__, what, got_, expected_); \
    } while (0)
#define check(condition) equal_at(#condition, !!(condition), 1)

// Text and numbers printed before the next failures: which case of a loop it is.
void context(const char *text, u64 first, u64 second);

// Which of the known machines this is: some deviate from the text in known points.
enum machine { ENTRESOL, SPIKE, QEMU };
enum machine machine(void);

// if (deviates(QEMU, "why")) skips checks there.
#define deviates(which, why) (machine() == (which))

void finish(u64 code) __attribute__((noreturn));
void print(const char *text);
void print_hex(u64 value);
extern u32 relay_by_illegal;

extern u8 machine_trap[], supervisor_trap[], guest_trap[];

// ---- instructions -------------------------------------------------------------------------------------------------

#define A0 10
#define A1 11
#define CSRR(rd, csr) (0x00002073u | (rd) << 7 | (u32)(csr) << 20)
#define CSRW(csr, rs1) (0x00001073u | (rs1) << 15 | (u32)(csr) << 20)
#define CSRS(csr, rs1) (0x00002073u | (rs1) << 15 | (u32)(csr) << 20)
#define CSRRW(rd, csr, rs1) (0x00001073u | (rd) << 7 | (rs1) << 15 | (u32)(csr) << 20)
#define NOP 0x00000013u
#define ECALL 0x00000073u
#define EBREAK 0x00100073u
#define SRET 0x10200073u
#define MRET 0x30200073u
#define WFI 0x10500073u
#define FENCE_I 0x0000100fu
#define SFENCE_VMA(rs1, rs2) (0x12000073u | (rs1) << 15 | (rs2) << 20)
#define HFENCE_VVMA(rs1, rs2) (0x22000073u | (rs1) << 15 | (rs2) << 20)
#define HFENCE_GVMA(rs1, rs2) (0x62000073u | (rs1) << 15 | (rs2) << 20)
// memory through a1, data in a0
#define LOAD(width) (0x00058503u | (width) << 12)     // lX a0, 0(a1)
#define STORE(width) (0x00a58023u | (width) << 12)    // sX a0, 0(a1)
#define LB LOAD(0)
#define LH LOAD(1)
#define LW LOAD(2)
#define LD LOAD(3)
#define LBU LOAD(4)
#define LHU LOAD(5)
#define LWU LOAD(6)
#define SB STORE(0)
#define SH STORE(1)
#define SW STORE(2)
#define SD STORE(3)
#define AMO(funct5, width) (0x00a5852fu | (width) << 12 | (u32)(funct5) << 27)  // amoX a0, a0, (a1)
#define AMOADD_D AMO(0, 3)
#define AMOSWAP_W AMO(1, 2)
#define LR_W 0x1005a52fu  // lr.w a0, (a1)
#define LR_D 0x1005b52fu
#define SC_W AMO(3, 2)
#define SC_D AMO(3, 3)
#define HLV_B 0x6005c573u  // hlv.b a0, (a1)
#define HLV_BU 0x6015c573u
#define HLV_H 0x6405c573u
#define HLV_HU 0x6415c573u
#define HLVX_HU 0x6435c573u
#define HLV_W 0x6805c573u
#define HLV_WU 0x6815c573u
#define HLVX_WU 0x6835c573u
#define HLV_D 0x6c05c573u
#define HSV_B 0x62a5c073u  // hsv.b a0, (a1)
#define HSV_H 0x66a5c073u
#define HSV_W 0x6aa5c073u
#define HSV_D 0x6ea5c073u
// What mtinst or htinst says of a memory instruction that faulted at its own address: the transformed instruction.
u32 transformed(u32 insn);

#define JALR_A1 0x000580e7u  // jalr ra, 0(a1)

// ---- page tables --------------------------------------------------------------------------------------------------

#define PAGE 4096ul
#define MEGA (1ul << 21)
#define GIGA (1ul << 30)
enum { PTE_V = 1, PTE_R = 2, PTE_W = 4, PTE_X = 8, PTE_U = 16, PTE_G = 32, PTE_A = 64, PTE_D = 128 };
#define PTE_AD (PTE_A | PTE_D)
#define PTE_RWX (PTE_R | PTE_W | PTE_X)
#define PTE(address, bits) ((u64)(address) >> 12 << 10 | (bits))
#define SV39 (8ul << 60)
#define ATP(root) (SV39 | (u64)(root) >> 12)
#define ATP_ID(root, id) (SV39 | (u64)(id) << 44 | (u64)(root) >> 12)

// Memory as every page table made by new_table() maps it (gigabyte pages): at its address for S-mode, and at this
// distance for U-mode.  Devices are where they are, for S-mode.
#define USER_ALIAS 0x40000000ul
// From here on page tables are the tests' own: address 4 GiB and above.
#define WINDOW 0x100000000ul

u64 *new_page(void);                        // a zeroed page out of a pool
void release_pages(void);                   // all of them
u64 *new_table(void);                       // a root table for satp or vsatp, with memory and devices mapped as above
u64 *new_guest_table(void);                 // a root table for hgatp (16 KiB): memory and devices at their addresses
// The entry that maps `address` at `level` (0: 4 KiB, 1: 2 MiB, 2: 1 GiB); tables above it are made.
u64 *pte_at(u64 *root, u64 address, int level);
// The same for other modes than Sv39: root tables of 3, 4 or 5 levels, and their entries (levels 3: 512 GiB, 4: 256 TiB).
u64 *new_root(int levels, int guest);
u64 *entry_at(u64 *root, int levels, u64 address, int level);

#ifdef SINVAL  // the same programs with Svinval's instructions in place of the fences
__asm__(".macro sfence.vma address=zero, asid=zero\nsfence.w.inval\nsinval.vma \\address, \\asid\nsfence.inval.ir\n.endm\n"
        ".macro hfence.vvma address=zero, asid=zero\nsfence.w.inval\nhinval.vvma \\address, \\asid\nsfence.inval.ir\n.endm\n"
        ".macro hfence.gvma address=zero, vmid=zero\nsfence.w.inval\nhinval.gvma \\address, \\vmid\nsfence.inval.ir\n.endm");
#endif

static inline void sfence(void) { __asm__ volatile("sfence.vma" : : : "memory"); }
static inline void hfence_vvma(void) { __asm__ volatile("hfence.vvma" : : : "memory"); }
static inline void hfence_gvma(void) { __asm__ volatile("hfence.gvma" : : : "memory"); }
static inline void fence_all(void) {
    sfence();
    hfence_gvma();
    hfence_vvma();
}
