// Entry, and the machinery of probe(): run a few instructions in any mode until they trap, and tell all about the trap.

#include "offsets.h"

    .section .text.start, "ax"
    .globl _start
_start:
    la      sp, stack_top
    csrw    mscratch, zero          // zero outside probe(): a trap there is a failure
    la      t0, 1f                  // state enables, where there are any: otherwise this traps to what follows
    csrw    mtvec, t0
    li      t0, -1
    csrw    0x30c, t0               // mstateen0
    csrw    0x60c, t0               // hstateen0
    .balign 4
1:  la      t0, machine_trap
    csrw    mtvec, t0
    la      t0, supervisor_trap
    csrw    stvec, t0
    la      t0, guest_trap
    csrw    vstvec, t0
    li      t0, -1                  // without PMP entries lesser modes have no memory
    csrw    pmpaddr0, t0
    li      t0, 0x1f
    csrw    pmpcfg0, t0
    call    main
    call    report
    tail    finish

// struct trap *probe(mode, entry, a0, a1, a2, a3)
    .globl probe
probe:
    la      t0, probe_context
    sd      ra, 0(t0)
    sd      sp, 8(t0)
    sd      gp, 16(t0)
    sd      tp, 24(t0)
    sd      s0, 32(t0)
    sd      s1, 40(t0)
    sd      s2, 48(t0)
    sd      s3, 56(t0)
    sd      s4, 64(t0)
    sd      s5, 72(t0)
    sd      s6, 80(t0)
    sd      s7, 88(t0)
    sd      s8, 96(t0)
    sd      s9, 104(t0)
    sd      s10, 112(t0)
    sd      s11, 120(t0)
    la      t0, last_trap
    sd      zero, TRAP_HANDLER(t0)
    csrw    mscratch, t0
    csrw    sscratch, t0
    csrw    vsscratch, t0
    li      t1, 3 << 11
    csrc    mstatus, t1
    andi    t2, a0, 3               // nominal privilege -> MPP
    slli    t2, t2, 11
    csrs    mstatus, t2
    li      t1, 1
    slli    t1, t1, 39
    csrc    mstatus, t1
    srli    t2, a0, 2               // V -> MPV
    slli    t2, t2, 39
    csrs    mstatus, t2
    csrw    mepc, a1
    mv      a0, a2
    mv      a1, a3
    mv      a2, a4
    mv      a3, a5
    li      a7, 0
    mret

    .balign 4
    .globl machine_trap
machine_trap:
    csrrw   t6, mscratch, t6
    beqz    t6, unexpected
    sd      t5, TRAP_T5(t6)
    ld      t5, TRAP_HANDLER(t6)
    bnez    t5, 1f                  // a lesser handler has recorded it and only comes back through here
    sd      a0, TRAP_A0(t6)
    sd      a7, TRAP_A7(t6)
    li      t5, 3
    sd      t5, TRAP_HANDLER(t6)
    csrr    t5, mcause
    sd      t5, TRAP_CAUSE(t6)
    csrr    t5, mepc
    sd      t5, TRAP_EPC(t6)
    csrr    t5, mtval
    sd      t5, TRAP_TVAL(t6)
    csrr    t5, mstatus
    sd      t5, TRAP_STATUS(t6)
    csrr    t5, mtval2
    sd      t5, TRAP_TVAL2(t6)
    csrr    t5, mtinst
    sd      t5, TRAP_TINST(t6)
    csrr    t5, hstatus
    sd      t5, TRAP_HSTATUS(t6)
1:  csrw    mscratch, zero
    li      t0, 0x20000             // MPRV has done its work
    csrc    mstatus, t0
    mv      a0, t6
    la      t0, probe_context
    ld      ra, 0(t0)
    ld      sp, 8(t0)
    ld      gp, 16(t0)
    ld      tp, 24(t0)
    ld      s0, 32(t0)
    ld      s1, 40(t0)
    ld      s2, 48(t0)
    ld      s3, 56(t0)
    ld      s4, 64(t0)
    ld      s5, 72(t0)
    ld      s6, 80(t0)
    ld      s7, 88(t0)
    ld      s8, 96(t0)
    ld      s9, 104(t0)
    ld      s10, 112(t0)
    ld      s11, 120(t0)
    ret

unexpected:
    csrr    a0, mcause
    csrr    a1, mepc
    csrr    a2, mtval
    la      sp, stack_top
    call    unexpected_trap
    li      a0, 0x7fff
    tail    finish

    .balign 4
    .globl supervisor_trap
supervisor_trap:
    csrrw   t6, sscratch, t6
    sd      t5, TRAP_T5(t6)
    ld      t5, TRAP_HANDLER(t6)
    bnez    t5, 1f
    sd      a0, TRAP_A0(t6)
    sd      a7, TRAP_A7(t6)
    li      t5, 1
    sd      t5, TRAP_HANDLER(t6)
    csrr    t5, scause
    sd      t5, TRAP_CAUSE(t6)
    csrr    t5, sepc
    sd      t5, TRAP_EPC(t6)
    csrr    t5, stval
    sd      t5, TRAP_TVAL(t6)
    csrr    t5, sstatus
    sd      t5, TRAP_STATUS(t6)
    csrr    t5, htval
    sd      t5, TRAP_TVAL2(t6)
    csrr    t5, htinst
    sd      t5, TRAP_TINST(t6)
    csrr    t5, hstatus
    sd      t5, TRAP_HSTATUS(t6)
    // back to M-mode: by a call, and where the test delegates that to HS-mode too, by what it leaves to M-mode
1:  lw      t5, relay_by_illegal
    bnez    t5, 2f
    ecall
2:  csrr    t5, mscratch

    .balign 4
    .globl guest_trap
guest_trap:                         // in VS-mode these are vsscratch, vscause...
    csrrw   t6, sscratch, t6
    sd      a0, TRAP_A0(t6)
    sd      a7, TRAP_A7(t6)
    sd      t5, TRAP_T5(t6)
    li      t5, 5
    sd      t5, TRAP_HANDLER(t6)
    csrr    t5, scause
    sd      t5, TRAP_CAUSE(t6)
    csrr    t5, sepc
    sd      t5, TRAP_EPC(t6)
    csrr    t5, stval
    sd      t5, TRAP_TVAL(t6)
    csrr    t5, sstatus
    sd      t5, TRAP_STATUS(t6)
    sd      zero, TRAP_TVAL2(t6)
    sd      zero, TRAP_TINST(t6)
    sd      zero, TRAP_HSTATUS(t6)
    ecall

    .section .bss
    .balign 16
    .space  4096
stack_top:
probe_context:
    .space  16*8
    .globl  last_trap
last_trap:
    .space  TRAP_SIZE
