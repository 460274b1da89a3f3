// The guest's kernel entry, its trap entry, and its user program.  It does not know that it is a guest.

    .section .header, "a"
    .dword  0x7473657567            // "guest", for the hypervisor
    .dword  image_end - header
    .dword  _start
    .equ    header, 0x80000000

    .text
    .globl _start
_start:
    la      sp, stack_top
    csrw    sscratch, zero          // zero while the kernel runs, the kernel's stack while the user program does
    la      t0, trap_entry
    csrw    stvec, t0
    call    guest_main

    .balign 4
trap_entry:
    csrrw   sp, sscratch, sp
    bnez    sp, 1f
    csrr    sp, sscratch            // from the kernel: go on with its own stack
1:  addi    sp, sp, -144
    sd      ra, 0(sp)
    sd      t0, 8(sp)
    sd      t1, 16(sp)
    sd      t2, 24(sp)
    sd      t3, 32(sp)
    sd      t4, 40(sp)
    sd      t5, 48(sp)
    sd      t6, 56(sp)
    sd      a0, 64(sp)              // from here: struct call of guest.c
    sd      a1, 72(sp)
    sd      a2, 80(sp)
    sd      a3, 88(sp)
    sd      a4, 96(sp)
    sd      a5, 104(sp)
    sd      a6, 112(sp)
    sd      a7, 120(sp)
    csrrw   t0, sscratch, zero      // the interrupted stack
    sd      t0, 128(sp)
    addi    a0, sp, 64
    call    guest_trap
    csrr    t0, sstatus
    andi    t0, t0, 0x100           // SPP: back to the kernel?
    bnez    t0, 2f
    addi    t0, sp, 144
    csrw    sscratch, t0
2:  ld      ra, 0(sp)
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
    ld      sp, 128(sp)
    sret

// u64 user_run(entry, stack): run the user program until it calls exit; returns what it passed.
    .globl user_run
user_run:
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
    csrci   sstatus, 2              // no interrupt between here and sret
    csrw    sscratch, sp
    la      t0, kernel_stack
    sd      sp, 0(t0)
    csrw    sepc, a0
    li      t0, 0x100
    csrc    sstatus, t0             // SPP = user
    li      t0, 0x20
    csrs    sstatus, t0             // SPIE: interrupts on from there
    mv      sp, a1
    sret

// user_exit(value): the other end of user_run, called from the trap handler.
    .globl user_exit
user_exit:
    ld      sp, kernel_stack
    csrw    sscratch, zero
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
    csrsi   sstatus, 2
    ret

// The user program (VU-mode), in a page of its own that is mapped elsewhere, so it is position-independent.
// Calls of the kernel: a7 = 1 print a0 (length a1), a7 = 2 exit with a0.
    .section .user, "ax"
    .globl user_program
user_program:
    addi    sp, sp, -16
    li      a7, 1
    lla     a0, message
    li      a1, message_end - message
    ecall
    li      t0, 100                 // the sum of 1..100, through the stack
    sd      zero, 0(sp)
1:  ld      t1, 0(sp)
    add     t1, t1, t0
    sd      t1, 0(sp)
    addi    t0, t0, -1
    bnez    t0, 1b
    ld      a0, 0(sp)
    li      a7, 2
    ecall
message:
    .ascii  "user: hello from VU-mode\n"
message_end:

    .section .bss
    .balign 16
    .space  4096
stack_top:
kernel_stack:
    .space  8
