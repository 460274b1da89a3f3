#include "measure.h"

    .macro  csr name
    .macro  read_\name
    csrr    t0, \name
    .endm
    .macro  write_\name
    csrw    \name, s0
    .endm
    measured csr_read_\name, read_\name
    measured csr_write_\name, write_\name
    .endm

#define CSR(name) csr name;
#include "csr_list.h"

    .macro  read_cycle
    csrr    t0, cycle
    .endm
    measured csr_read_cycle, read_cycle
    .macro  read_time
    csrr    t0, time
    .endm
    measured csr_read_time, read_time
