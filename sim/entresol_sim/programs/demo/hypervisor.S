// HS-mode entry, and the switch between the hypervisor and its guest.

#include "hypervisor.h"

#ifdef PAYLOAD                          // where to link to, if not to 0x80200000
    .globl  payload
    .equ    payload, PAYLOAD
#endif

    .section .text.start, "ax"
    .globl _start
_start:
    la      sp, stack_top
    la      t0, hypervisor_trap
    csrw    stvec, t0
    la      t0, bss_start
    la      t1, bss_end
1:  bgeu    t0, t1, 2f
    sd      zero, 0(t0)
    addi    t0, t0, 8
    j       1b
2:  tail    hypervisor_main

// void guest_run(struct vcpu *): run the guest until it traps to HS-mode.  sscratch points to the vcpu meanwhile.
//
// What the guest sees as its supervisor CSRs are vsstatus, vstvec... : nobody touches them here.  Of the HS-mode CSRs
// only sepc, sstatus.SPP and hstatus.SPV say where SRET goes, and the trap has left the right values in them.
    .globl guest_run
guest_run:
    addi    sp, sp, -112
    sd      ra, 0(sp)
    sd      s0, 8(sp)
    sd      s1, 16(sp)
    sd      s2, 24(sp)
    sd      s3, 32(sp)
    sd      s4, 40(sp)
    sd      s5, 48(sp)
    sd      s6, 56(sp)
    sd      s7, 64(sp)
    sd      s8, 72(sp)
    sd      s9, 80(sp)
    sd      s10, 88(sp)
    sd      s11, 96(sp)
    sd      sp, VCPU_HOST_SP(a0)
    csrw    sscratch, a0
    la      t0, guest_exit
    csrw    stvec, t0
    ld      t0, VCPU_PC(a0)
    csrw    sepc, t0
    rdcycle t0
    sd      t0, VCPU_ENTERED(a0)
    ld      x1, 1*8(a0)
    ld      x2, 2*8(a0)
    ld      x3, 3*8(a0)
    ld      x4, 4*8(a0)
    ld      x5, 5*8(a0)
    ld      x6, 6*8(a0)
    ld      x7, 7*8(a0)
    ld      x8, 8*8(a0)
    ld      x9, 9*8(a0)
    ld      x11, 11*8(a0)
    ld      x12, 12*8(a0)
    ld      x13, 13*8(a0)
    ld      x14, 14*8(a0)
    ld      x15, 15*8(a0)
    ld      x16, 16*8(a0)
    ld      x17, 17*8(a0)
    ld      x18, 18*8(a0)
    ld      x19, 19*8(a0)
    ld      x20, 20*8(a0)
    ld      x21, 21*8(a0)
    ld      x22, 22*8(a0)
    ld      x23, 23*8(a0)
    ld      x24, 24*8(a0)
    ld      x25, 25*8(a0)
    ld      x26, 26*8(a0)
    ld      x27, 27*8(a0)
    ld      x28, 28*8(a0)
    ld      x29, 29*8(a0)
    ld      x30, 30*8(a0)
    ld      x31, 31*8(a0)
    ld      x10, 10*8(a0)
    sret

    .balign 4
guest_exit:
    csrrw   a0, sscratch, a0
    sd      x5, 5*8(a0)
    rdcycle t0
    sd      t0, VCPU_LEFT(a0)
    sd      x1, 1*8(a0)
    sd      x2, 2*8(a0)
    sd      x3, 3*8(a0)
    sd      x4, 4*8(a0)
    sd      x6, 6*8(a0)
    sd      x7, 7*8(a0)
    sd      x8, 8*8(a0)
    sd      x9, 9*8(a0)
    sd      x11, 11*8(a0)
    sd      x12, 12*8(a0)
    sd      x13, 13*8(a0)
    sd      x14, 14*8(a0)
    sd      x15, 15*8(a0)
    sd      x16, 16*8(a0)
    sd      x17, 17*8(a0)
    sd      x18, 18*8(a0)
    sd      x19, 19*8(a0)
    sd      x20, 20*8(a0)
    sd      x21, 21*8(a0)
    sd      x22, 22*8(a0)
    sd      x23, 23*8(a0)
    sd      x24, 24*8(a0)
    sd      x25, 25*8(a0)
    sd      x26, 26*8(a0)
    sd      x27, 27*8(a0)
    sd      x28, 28*8(a0)
    sd      x29, 29*8(a0)
    sd      x30, 30*8(a0)
    sd      x31, 31*8(a0)
    csrr    t0, sscratch
    sd      t0, 10*8(a0)
    csrr    t0, sepc
    sd      t0, VCPU_PC(a0)
    la      t0, hypervisor_trap
    csrw    stvec, t0
    ld      sp, VCPU_HOST_SP(a0)
    ld      ra, 0(sp)
    ld      s0, 8(sp)
    ld      s1, 16(sp)
    ld      s2, 24(sp)
    ld      s3, 32(sp)
    ld      s4, 40(sp)
    ld      s5, 48(sp)
    ld      s6, 56(sp)
    ld      s7, 64(sp)
    ld      s8, 72(sp)
    ld      s9, 80(sp)
    ld      s10, 88(sp)
    ld      s11, 96(sp)
    addi    sp, sp, 112
    ret

// A trap of the hypervisor itself: a mistake in it.
    .balign 4
hypervisor_trap:
    la      sp, stack_top
    tail    hypervisor_panic

    .section .bss
    .balign 16
    .space  8192
stack_top:
