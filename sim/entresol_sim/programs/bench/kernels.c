// Runs one kernel natively (HS-mode, Sv39 with 4 KiB pages), or as a guest with 2 MiB or 4 KiB G-stage pages below
// 4 KiB pages of its own.
#include "kernels.h"

static u64 cycles, instructions;
static const struct kernel *kernel;

static u64 timed(u64 unused) {
    if (kernel->prepare) kernel->prepare();
    u64 warm = kernel->run(kernel->work);
    u64 instructions_before = csr_read(instret), cycles_before = csr_read(cycle);
    u64 sum = kernel->run(kernel->work);
    cycles = csr_read(cycle) - cycles_before;
    instructions = csr_read(instret) - instructions_before;
    return warm == sum ? sum : 0;
}

// `variant`: number of the kernel, and from bit 8 on the regime.
void benchmarks(u64 variant) {
    enum regime regime = variant >> 8;
    kernel = &kernels[variant & 255];
    if (regime != BARE) translate(regime);
    u64 sum = enter(regime_mode(regime), timed, 0);
    if (!sum) {
        print("kernel answered differently the second time\n");
        finish(1);
    }
    result_instructions(kernel->name, kernel->work, cycles, instructions);
    result("checksum", 1, sum >> 1);
}
