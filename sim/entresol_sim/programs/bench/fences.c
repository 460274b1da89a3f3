// Fences alone and with the first access behind them, which finds its translation gone.
#include "bench.h"

#define OPERATIONS 16
#define FENCE(name) u64 name(u64), name##_ld(u64), name##_hlv(u64);
FENCE(fence_rw)
FENCE(fence_i)
FENCE(sfence_vma)
FENCE(sfence_vma_addr)
FENCE(sfence_vma_asid)
FENCE(hfence_vvma)
FENCE(hfence_vvma_addr)
FENCE(hfence_gvma)
FENCE(hfence_gvma_addr)
FENCE(sfence_w_inval)
FENCE(sfence_inval_ir)
FENCE(sinval_vma)
FENCE(hinval_vvma)
FENCE(hinval_gvma)

// Away from the beginning of its page, where page tables are read most: caches are to be warm.
static u64 page[512] __attribute__((aligned(4096)));
#define cell (page + 336)

#define MEASURE(name, mode, function) result(name, OPERATIONS, enter(mode, function, (u64)cell))

enum { ORDINARY, SVINVAL };

void benchmarks(u64 variant) {
    if (variant == SVINVAL) {
        translate(SV39);
        MEASURE("svinval.sfence_w_inval.hs", HS, sfence_w_inval);
        MEASURE("svinval.sfence_inval_ir.hs", HS, sfence_inval_ir);
        MEASURE("svinval.sinval_vma.hs", HS, sinval_vma);
        MEASURE("svinval.sinval_vma.hs.ld", HS, sinval_vma_ld);
        translate(GUEST_4K);
        csr_set(hstatus, 1 << 8);
        MEASURE("svinval.sinval_vma.vs", VS, sinval_vma);
        MEASURE("svinval.sinval_vma.vs.ld", VS, sinval_vma_ld);
        MEASURE("svinval.hinval_vvma.hs", HS, hinval_vvma);
        MEASURE("svinval.hinval_vvma.hs.hlv", HS, hinval_vvma_hlv);
        MEASURE("svinval.hinval_gvma.hs", HS, hinval_gvma);
        MEASURE("svinval.hinval_gvma.hs.hlv", HS, hinval_gvma_hlv);
        return;
    }
    MEASURE("fences.fence_rw.m", M, fence_rw);
    MEASURE("fences.fence_i.m", M, fence_i);
    MEASURE("fences.sfence_vma.hs_bare", HS, sfence_vma);
    MEASURE("fences.hfence_vvma.hs_bare", HS, hfence_vvma);
    MEASURE("fences.hfence_gvma.hs_bare", HS, hfence_gvma);
    translate(SV39);
    MEASURE("fences.fence_i.hs_sv39", HS, fence_i);
    MEASURE("fences.sfence_vma.hs_sv39", HS, sfence_vma);
    MEASURE("fences.sfence_vma_addr.hs_sv39", HS, sfence_vma_addr);
    MEASURE("fences.sfence_vma.hs_sv39.ld", HS, sfence_vma_ld);
    MEASURE("fences.sfence_vma_addr.hs_sv39.ld", HS, sfence_vma_addr_ld);
    MEASURE("fences.sfence_vma_asid.hs_sv39.ld", HS, sfence_vma_asid_ld);
    translate(GUEST_4K);
    csr_set(hstatus, 1 << 8);
    MEASURE("fences.fence_i.vs_two_stage", VS, fence_i);
    MEASURE("fences.sfence_vma.vs_two_stage", VS, sfence_vma);
    MEASURE("fences.sfence_vma.vs_two_stage.ld", VS, sfence_vma_ld);
    MEASURE("fences.sfence_vma_addr.vs_two_stage.ld", VS, sfence_vma_addr_ld);
    MEASURE("fences.hfence_vvma.hs.hlv", HS, hfence_vvma_hlv);
    MEASURE("fences.hfence_vvma_addr.hs.hlv", HS, hfence_vvma_addr_hlv);
    MEASURE("fences.hfence_gvma.hs.hlv", HS, hfence_gvma_hlv);
    MEASURE("fences.hfence_gvma_addr.hs.hlv", HS, hfence_gvma_addr_hlv);
}
