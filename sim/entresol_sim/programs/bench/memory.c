// Loads and stores that hit, of an ordinary kind and a hypervisor's for its guest.
#include "bench.h"

#define OPERATIONS 16
u64 ld_add(u64), hlv_d_add(u64), hlvx_wu_add(u64), ld_alone(u64), hlv_d_alone(u64), hlvx_wu_alone(u64), sd_alone(u64),
    hsv_d_alone(u64), sd_ld_same(u64), ld_misaligned(u64), amoadd_d(u64), lr_sc_d(u64);

// Away from the beginning of its page, where page tables are read most: caches are to be warm.
static u64 page[512] __attribute__((aligned(4096)));
#define cell (page + 336)

static void measure(const char *name, enum mode mode, u64 (*function)(u64)) {
    cell[0] = (u64)cell;
    result(name, OPERATIONS, enter(mode, function, (u64)cell));
}

void benchmarks(u64 variant) {
    translate(GUEST_4K);
    csr_set(hstatus, 1 << 8);  // HLV and HSV act as the guest's supervisor
    measure("memory.ld_add.hs", HS, ld_add);
    measure("memory.ld_add.vs", VS, ld_add);
    measure("memory.hlv_d_add.hs", HS, hlv_d_add);
    measure("memory.hlvx_wu_add.hs", HS, hlvx_wu_add);
    measure("memory.ld.hs", HS, ld_alone);
    measure("memory.ld.vs", VS, ld_alone);
    measure("memory.hlv_d.hs", HS, hlv_d_alone);
    measure("memory.hlvx_wu.hs", HS, hlvx_wu_alone);
    measure("memory.sd.hs", HS, sd_alone);
    measure("memory.sd.vs", VS, sd_alone);
    measure("memory.hsv_d.hs", HS, hsv_d_alone);
    measure("memory.sd_ld_same.hs", HS, sd_ld_same);
    measure("memory.ld_misaligned.hs", HS, ld_misaligned);
    measure("memory.amoadd_d.hs", HS, amoadd_d);
    measure("memory.lr_sc_d.hs", HS, lr_sc_d);
}
