#include "measure.h"

// Each of these is to find its own address in memory at its address, so that the next depends on it.
    .macro  load_add
    ld      t0, 0(s0)
    add     s0, t0, zero
    .endm
    measured ld_add, load_add

    .macro  hlv_add
    hlv.d   t0, (s0)
    add     s0, t0, zero
    .endm
    measured hlv_d_add, hlv_add

    .macro  hlvx_add
    hlvx.wu t0, (s0)
    add     s0, t0, zero
    .endm
    measured hlvx_wu_add, hlvx_add

    .macro  load
    ld      t0, 0(s0)
    .endm
    measured ld_alone, load

    .macro  hypervisor_load
    hlv.d   t0, (s0)
    .endm
    measured hlv_d_alone, hypervisor_load

    .macro  hypervisor_fetch
    hlvx.wu t0, (s0)
    .endm
    measured hlvx_wu_alone, hypervisor_fetch

    .macro  store
    sd      s0, 0(s0)
    .endm
    measured sd_alone, store

    .macro  hypervisor_store
    hsv.d   s0, (s0)
    .endm
    measured hsv_d_alone, hypervisor_store

    .macro  store_load
    sd      s0, 0(s0)
    ld      t0, 0(s0)
    .endm
    measured sd_ld_same, store_load

    .macro  load_misaligned
    ld      t0, 1(s0)
    .endm
    measured ld_misaligned, load_misaligned

    .macro  atomic_add
    amoadd.d t0, zero, (s0)
    .endm
    measured amoadd_d, atomic_add

    .macro  reserve_store
    lr.d    t0, (s0)
    sc.d    t1, t0, (s0)
    .endm
    measured lr_sc_d, reserve_store
