// What the benchmark programs share: results, modes, translation.  See docs/developer/benchmarks.md.
#pragma once

#include "machine.h"

#define PAGE 4096ul
#define MEGA (1ul << 21)
#define GIGA (1ul << 30)
enum { PTE_V = 1, PTE_R = 2, PTE_W = 4, PTE_X = 8, PTE_U = 16, PTE_A = 64, PTE_D = 128 };

// ---- results -------------------------------------------------------------------------------------------------------

// One line on the console: `count` operations took `cycles` cycles beyond what the measurement itself takes.
void result(const char *name, u64 count, u64 cycles);
// The same with the instructions that were retired.
void result_instructions(const char *name, u64 count, u64 cycles, u64 instructions);
void print(const char *text);
// Ends the program, with 0 for success.
void finish(u64 code) __attribute__((noreturn));

// ---- modes ---------------------------------------------------------------------------------------------------------

enum mode { U = 0, HS = 1, M = 3, VU = 4, VS = 5 };  // nominal privilege + 4 * V

// Call `function` in a mode and return what it returns.  It has the caller's stack, and comes back by returning.
u64 enter(enum mode mode, u64 (*function)(u64), u64 argument);
// The same for functions that are to trap to M-mode: there the handler of the traps is `handler`, aligned to 64 bytes
// and at most 28 bytes long.  Without translation, and not from M-mode.
u64 enter_with_handler(enum mode mode, u64 (*function)(u64), u64 argument, void (*handler)(void));

// ---- translation ---------------------------------------------------------------------------------------------------

enum regime {
    BARE,         // no translation
    SV39,         // HS-mode: satp, 4 KiB pages
    VS_ONLY,      // VS-mode: vsatp with 4 KiB pages, no G-stage
    G_ONLY,       // VS-mode: hgatp with 4 KiB pages, no VS-stage
    GUEST_GIGA,   // VS-mode: 4 KiB pages, of G-stage gigapages
    GUEST_MEGA,   // VS-mode: 4 KiB pages, of 2 MiB G-stage pages
    GUEST_4K,     // VS-mode: 4 KiB pages of both stages
    REGIMES
};
extern const char *const regime_names[REGIMES];
// The mode in which a regime's code runs.
enum mode regime_mode(enum regime regime);

// Sets a regime up, with the program and its data mapped at their own addresses.  Only once in a program for each regime.
void translate(enum regime regime);
// Maps `pages` pages from WINDOW on, in the regime set up last, to the same physical page; the guest physical
// addresses are those of the window too, unless the G-stage has only superpages.
#define WINDOW (4ul << 30)
void map_window(u64 physical, u64 pages);

// Maps one page of the first stage alone.
void map_first(u64 address, u64 physical);

// ---- building blocks in assembly -----------------------------------------------------------------------------------

// Handlers of four instructions that return behind the trapping instruction, if that has 4 bytes.
void skip_from_m(void), skip_from_s(void);
// Saves and restores 31 registers, and reads five CSRs, as a hypervisor or a kernel does.
void save_all_from_hs(void);

// The program's own part.
void benchmarks(u64 variant);
