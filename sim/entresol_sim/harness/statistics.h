// Counters over the whole run.  Plain data: the Python side reads the same structure (entresol_sim.native.Statistics).
#pragma once

#include <cstdint>

constexpr unsigned MODES = 8;    // index: nominal privilege + 4 * V
constexpr unsigned CAUSES = 128; // index: code + 64 for interrupts

struct Statistics {
    uint64_t cycles;
    uint64_t instructions;
    uint64_t mode_cycles[MODES];       // a cycle counts to the mode of the commit it leads to
    uint64_t mode_instructions[MODES];
    uint64_t traps[MODES][MODES][CAUSES]; // by the mode they are taken in, the mode that handles them, and cause
    uint64_t events[64];               // in the order of the fields of `events`
    uint64_t bursts_read, beats_read, bursts_written, beats_written;  // of 64-bit beats at the memory port
    uint64_t last_pc;                  // of the last commit
    uint64_t last_cycle;               // of the last commit
    uint64_t last_mode;                // of the last commit, an index as above
    uint64_t last_trap;                // 0, or 1 + index of the cause of the last trap
    uint64_t last_trap_pc;             // of the last trap, as for the last commit
    uint64_t last_trap_cycle;
    uint64_t last_trap_mode;
    uint64_t last_trap_target;         // the mode that handles it
    uint64_t last_events;              // the event pulses of the last cycle
};
