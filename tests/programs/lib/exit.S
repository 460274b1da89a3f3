// void finish(u64 code): end the simulation; 0 is success.  First as Spike's HTIF has it, which a machine without it
// takes for an ordinary store, then through the finisher of QEMU's `virt`, which a machine without it never gets to.
// With NO_TOHOST the program has no HTIF, so that the finisher itself is tested.

    .text
    .globl finish
finish:
#ifndef NO_TOHOST
    slli    t0, a0, 1
    ori     t0, t0, 1
    la      t1, tohost
    sd      t0, 0(t1)
    fence
#endif
    li      t2, 0x5555
    beqz    a0, 1f
    slli    a0, a0, 48              // the finisher has 16 bits for the code
    srli    a0, a0, 32
    li      t2, 0x3333
    or      t2, t2, a0
1:  li      t1, 0x100000
    la      t0, 2f
    csrw    mtvec, t0
    csrwi   mie, 0
    .balign 4
2:  nop
    li      t3, 200                 // a host that looks at tohost now and then gets its chance
3:  addi    t3, t3, -1
    bnez    t3, 3b
    sw      t2, 0(t1)
4:  j       4b

#ifndef NO_TOHOST
    .section .tohost, "aw"
    .balign 64
    .globl  tohost, fromhost
tohost:
    .dword  0
    .balign 64
fromhost:
    .dword  0
#endif
