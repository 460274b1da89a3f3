// M-mode entry and trap entry of the demo's firmware.

    .section .text.start, "ax"
    .globl _start
_start:                             // reset: a0 = hart id, a1 = device tree; both go on to the payload
    la      sp, stack_top
    csrw    mscratch, sp            // mscratch holds the firmware's stack while anything less privileged runs
    la      t0, trap_entry
    csrw    mtvec, t0
    la      t0, bss_start
    la      t1, bss_end
1:  bgeu    t0, t1, 2f
    sd      zero, 0(t0)
    addi    t0, t0, 8
    j       1b
2:  mv      s0, a0
    mv      s1, a1
    call    firmware_main           // returns with mepc and mstatus ready
    mv      a0, s0
    mv      a1, s1
    mret

// Only what C may clobber is saved: the handler returns to the interrupted code with everything else in place.
    .balign 4
trap_entry:
    csrrw   sp, mscratch, sp
    addi    sp, sp, -128
    sd      ra, 0(sp)
    sd      t0, 8(sp)
    sd      t1, 16(sp)
    sd      t2, 24(sp)
    sd      t3, 32(sp)
    sd      t4, 40(sp)
    sd      t5, 48(sp)
    sd      t6, 56(sp)
    sd      a0, 64(sp)              // from here: struct call of firmware.c
    sd      a1, 72(sp)
    sd      a2, 80(sp)
    sd      a3, 88(sp)
    sd      a4, 96(sp)
    sd      a5, 104(sp)
    sd      a6, 112(sp)
    sd      a7, 120(sp)
    addi    a0, sp, 64
    call    firmware_trap
    ld      ra, 0(sp)
    ld      t0, 8(sp)
    ld      t1, 16(sp)
    ld      t2, 24(sp)
    ld      t3, 32(sp)
    ld      t4, 40(sp)
    ld      t5, 48(sp)
    ld      t6, 56(sp)
    ld      a0, 64(sp)
    ld      a1, 72(sp)
    ld      a2, 80(sp)
    ld      a3, 88(sp)
    ld      a4, 96(sp)
    ld      a5, 104(sp)
    ld      a6, 112(sp)
    ld      a7, 120(sp)
    addi    sp, sp, 128
    csrrw   sp, mscratch, sp
    mret

    .section .bss
    .balign 16
    .space  4096
stack_top:
