#include "measure.h"

    .macro  fence_op name, instruction:vararg
    .macro  only_\name
    \instruction
    .endm
    .macro  load_\name
    \instruction
    ld      t0, 0(s0)
    add     t1, t0, zero
    .endm
    .macro  guest_load_\name
    \instruction
    hlv.d   t0, (s0)
    add     t1, t0, zero
    .endm
    measured \name, only_\name
    measured \name\()_ld, load_\name
    measured \name\()_hlv, guest_load_\name
    .endm

    fence_op fence_rw, fence rw, rw
    fence_op fence_i, fence.i
    fence_op sfence_vma, sfence.vma
    fence_op sfence_vma_addr, sfence.vma s0
    fence_op sfence_vma_asid, sfence.vma x0, s0
    fence_op hfence_vvma, hfence.vvma
    fence_op hfence_vvma_addr, hfence.vvma s0
    fence_op hfence_gvma, hfence.gvma
    fence_op hfence_gvma_addr, hfence.gvma s1
    // Svinval, in numbers: not every configuration has it
    fence_op sfence_w_inval, .word 0x18000073
    fence_op sfence_inval_ir, .word 0x18100073
    fence_op sinval_vma, .word 0x16040073
    fence_op hinval_vvma, .word 0x26040073
    fence_op hinval_gvma, .word 0x66000073
