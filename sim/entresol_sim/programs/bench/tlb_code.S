    .option norvc

// u64 touch_loads(struct walk *): how long it takes to load from `pages` addresses `stride` bytes apart, `rounds`
// times; the time of the last round counts.
    .macro  touch name, access:vararg
    .section .measured.\name, "ax"
    .balign 4096
    .globl  \name
\name:
    ld      a1, 0(a0)                   // first address
    ld      a2, 8(a0)                   // stride
    ld      a3, 16(a0)                  // pages
    ld      a4, 24(a0)                  // rounds
1:  mv      t0, a1
    mv      t1, a3
    rdcycle t2
2:  \access
    add     t0, t0, a2
    addi    t1, t1, -1
    bnez    t1, 2b
    rdcycle a0
    sub     a0, a0, t2
    addi    a4, a4, -1
    bnez    a4, 1b
    ret
    .endm
    touch   touch_loads, ld t3, 0(t0)
    touch   touch_stores, sd t3, 0(t0)

// u64 touch_code(struct walk *): the same for fetching: a jump from page to page, each of which has the code below.
    .section .measured.touch_code, "ax"
    .balign 4096
    .globl  touch_code
touch_code:
    mv      a5, ra
    ld      a1, 0(a0)
    ld      a3, 16(a0)
    ld      a4, 24(a0)
1:  mv      t1, a3
    rdcycle t2
    jalr    a1
    rdcycle a0
    sub     a0, a0, t2
    addi    a4, a4, -1
    bnez    a4, 1b
    jr      a5

    .section .measured.hop, "ax"
    .balign 4096
    .globl  hop_on, hop_here
hop_on:                                 // in the next page
    addi    t1, t1, -1
    beqz    t1, 1f
    j       hop_on + 4096
1:  ret
    .balign 64
hop_here:                               // the same without leaving the page
    addi    t1, t1, -1
    beqz    t1, 1f
    j       hop_here
1:  ret
