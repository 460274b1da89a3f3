// Entry, and the ways from M-mode to another mode and back.

    .option norvc
    .section .text.start, "ax"
    .globl _start
_start:
    la      sp, stack_top
    la      t0, machine_trap
    csrw    mtvec, t0
    csrw    mie, zero
    li      t0, -1                      // without PMP entries lesser modes have no memory
    csrw    pmpaddr0, t0
    li      t0, 0x1f
    csrw    pmpcfg0, t0
    csrw    mcountinhibit, zero
    mv      a0, a2
    call    begin
    li      a0, 0

    .globl finish
finish:                                 // through the test finisher
    li      t0, 0x5555
    beqz    a0, 1f
    slli    t0, a0, 16
    li      t1, 0x3333
    or      t0, t0, t1
1:  li      t1, 0x100000
    sw      t0, 0(t1)
2:  j       2b

// u64 enter_with_handler(mode, function, argument, handler)
    .globl  enter_with_handler
enter_with_handler:
    // A handler of few instructions cannot tell who comes to stay: those raise the timer interrupt of M-mode instead,
    // which has an entry of its own in vectored mode, 28 bytes behind that of exceptions.
    ori     a3, a3, 1
    csrw    mtvec, a3
    li      t0, 1 << 7
    csrw    mie, t0
    la      t2, raise_timer
    j       1f

// u64 enter(mode, function, argument)
    .globl  enter
enter:
    la      t2, break_out
1:  la      t0, frame
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
    csrw    mepc, a1
    mv      ra, t2
    li      t1, 0x1888                  // MPP, MPIE, MIE
    csrc    mstatus, t1
    andi    t2, a0, 3
    slli    t2, t2, 11
    csrs    mstatus, t2
    li      t1, 1
    slli    t1, t1, 39                  // MPV
    csrc    mstatus, t1
    srli    t2, a0, 2
    slli    t2, t2, 39
    csrs    mstatus, t2
    mv      a0, a2
    mret

break_out:
    ebreak

raise_timer:
    li      t0, 0x2004000               // mtimecmp
    sd      zero, 0(t0)
1:  j       1b

    .balign 4
machine_trap:
    csrr    t0, mcause
    addi    t0, t0, -3
    bnez    t0, unexpected
back:
    la      t0, frame
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

    .globl  timer_in_m
timer_in_m:
    li      t0, 0x2004000
    li      t1, -1
    sd      t1, 0(t0)
    csrw    mie, zero
    la      t0, machine_trap
    csrw    mtvec, t0
    j       back

unexpected:
    csrr    a0, mcause
    csrr    a1, mepc
    csrr    a2, mtval
    la      sp, stack_top
    call    unexpected_trap
    li      a0, 1
    j       finish

// ---- handlers ------------------------------------------------------------------------------------------------------

    // At the end of a page, for measured code is at the beginning: a cache of one way is to hold both.
    .section .measured.handlers, "ax"
    .balign 4096
    .zero   0xc00
    .globl  skip_from_m
skip_from_m:
    csrr    t6, mepc
    addi    t6, t6, 4
    csrw    mepc, t6
    mret
    .zero   12
    j       timer_in_m                  // cause 7 of vectored interrupts

    .balign 64
    .globl  skip_from_s
skip_from_s:
    csrr    t6, sepc
    addi    t6, t6, 4
    csrw    sepc, t6
    sret

    .balign 64
    .globl  save_all_from_hs
save_all_from_hs:
    csrrw   sp, sscratch, sp            // what it points to is ours
    sd      x1, 8(sp)
    sd      x3, 24(sp)
    sd      x4, 32(sp)
    sd      x5, 40(sp)
    sd      x6, 48(sp)
    sd      x7, 56(sp)
    sd      x8, 64(sp)
    sd      x9, 72(sp)
    sd      x10, 80(sp)
    sd      x11, 88(sp)
    sd      x12, 96(sp)
    sd      x13, 104(sp)
    sd      x14, 112(sp)
    sd      x15, 120(sp)
    sd      x16, 128(sp)
    sd      x17, 136(sp)
    sd      x18, 144(sp)
    sd      x19, 152(sp)
    sd      x20, 160(sp)
    sd      x21, 168(sp)
    sd      x22, 176(sp)
    sd      x23, 184(sp)
    sd      x24, 192(sp)
    sd      x25, 200(sp)
    sd      x26, 208(sp)
    sd      x27, 216(sp)
    sd      x28, 224(sp)
    sd      x29, 232(sp)
    sd      x30, 240(sp)
    sd      x31, 248(sp)
    csrr    x5, sscratch
    sd      x5, 16(sp)
    csrr    x6, scause
    csrr    x7, stval
    csrr    x8, htval
    csrr    x9, hstatus
    csrr    x5, sepc
    addi    x5, x5, 4
    csrw    sepc, x5
    ld      x5, 16(sp)
    csrw    sscratch, x5
    ld      x1, 8(sp)
    ld      x3, 24(sp)
    ld      x4, 32(sp)
    ld      x5, 40(sp)
    ld      x6, 48(sp)
    ld      x7, 56(sp)
    ld      x8, 64(sp)
    ld      x9, 72(sp)
    ld      x10, 80(sp)
    ld      x11, 88(sp)
    ld      x12, 96(sp)
    ld      x13, 104(sp)
    ld      x14, 112(sp)
    ld      x15, 120(sp)
    ld      x16, 128(sp)
    ld      x17, 136(sp)
    ld      x18, 144(sp)
    ld      x19, 152(sp)
    ld      x20, 160(sp)
    ld      x21, 168(sp)
    ld      x22, 176(sp)
    ld      x23, 184(sp)
    ld      x24, 192(sp)
    ld      x25, 200(sp)
    ld      x26, 208(sp)
    ld      x27, 216(sp)
    ld      x28, 224(sp)
    ld      x29, 232(sp)
    ld      x30, 240(sp)
    ld      x31, 248(sp)
    csrrw   sp, sscratch, sp
    sret

    .section .bss
    .balign 16
    .space  16384
stack_top:
frame:
    .space  128
    .balign 64
    .globl  saved_registers
saved_registers:
    .space  256
