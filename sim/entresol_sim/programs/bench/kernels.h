// Benchmarks of ordinary code.  A kernel does `work` units of its kind of work and returns a checksum.
#pragma once
#include "bench.h"

struct kernel {
    const char *name;
    u64 (*prepare)(void);          // once, untimed; 0 if there is nothing to prepare
    u64 (*run)(u64 work);
    u64 work;                      // units; what a unit is stands in entresol_sim.bench.catalog
};
extern const struct kernel kernels[];

static inline u32 next_random(u32 *state) {
    u32 x = *state;
    x ^= x << 13, x ^= x >> 17, x ^= x << 5;
    return *state = x;
}
