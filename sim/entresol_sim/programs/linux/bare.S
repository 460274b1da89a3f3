# A bare guest for the VMM: it prints through the SBI and through MMIO, then shuts down through the SBI.

    .section .text.init, "ax"
    .globl _start
_start:
    la      s0, through_sbi
1:  lbu     a0, 0(s0)
    beqz    a0, 2f
    li      a7, 0x01            # legacy console_putchar
    ecall
    addi    s0, s0, 1
    j       1b
2:  la      s0, through_mmio
    li      s1, 0x10000000      # the VMM's console register
3:  lbu     a0, 0(s0)
    beqz    a0, 4f
    sb      a0, 0(s1)           # guest page fault: the VMM's MMIO exit
    addi    s0, s0, 1
    j       3b
4:  li      a7, 0x53525354      # SRST
    li      a6, 0               # system_reset
    li      a0, 0               # shutdown
    li      a1, 0
    ecall
5:  j       5b

through_sbi:
    .asciz  "bare guest: hello through the SBI\n"
through_mmio:
    .asciz  "bare guest: hello through MMIO\n"
