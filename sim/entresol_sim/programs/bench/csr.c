// CSR accesses from HS-mode, and those of a guest to its own.  Written is what was in the CSR before.
#include "bench.h"

#define OPERATIONS 16
#define CSR(name) u64 csr_read_##name(u64), csr_write_##name(u64);
#include "csr_list.h"
#undef CSR
u64 csr_read_cycle(u64), csr_read_time(u64);

void benchmarks(u64 variant) {
    translate(SV39);
#define CSR(name)                                                                            \
    result("csr.read." #name, OPERATIONS, enter(HS, csr_read_##name, 0));                    \
    result("csr.write." #name, OPERATIONS, enter(HS, csr_write_##name, csr_read(name)));
#include "csr_list.h"
    result("csr.read.cycle", OPERATIONS, enter(HS, csr_read_cycle, 0));
    result("csr.read.time", OPERATIONS, enter(HS, csr_read_time, 0));
    translate(GUEST_4K);
    result("csr.read.sstatus.vs", OPERATIONS, enter(VS, csr_read_sstatus, 0));
    result("csr.write.sstatus.vs", OPERATIONS, enter(VS, csr_write_sstatus, csr_read(vsstatus)));
    result("csr.read.satp.vs", OPERATIONS, enter(VS, csr_read_satp, 0));
    result("csr.write.satp.vs", OPERATIONS, enter(VS, csr_write_satp, csr_read(vsatp)));
    result("csr.read.time.vs", OPERATIONS, enter(VS, csr_read_time, 0));
}
