// Macros for measuring a few instructions.

    .option norvc

// u64 NAME(u64 argument): the cycles of OPERATIONS times OPERATION (a macro), where it runs.  Two straight lines with
// a different number of them are timed, and the difference of the times returned, so that what the measurement
// itself takes is not in it.  Three rounds before warm caches, TLBs and predictors.  OPERATION may use t0 to t6 and
// a6, a7 and finds in s0 the argument.
    .set    OPERATIONS, 16
    .macro  measured name, operation
    .section .measured.\name, "ax"
    .balign 4096
    .globl  \name
\name:
    mv      a5, s0
    mv      s0, a0
    mv      a4, ra
    li      a3, 4
1:  rdcycle a0
    .rept   4
    \operation
    .endr
    rdcycle a1
    sub     a1, a1, a0
    rdcycle a0
    .rept   4 + OPERATIONS
    \operation
    .endr
    rdcycle a2
    sub     a0, a2, a0
    sub     a0, a0, a1
    addi    a3, a3, -1
    bnez    a3, 1b
    mv      s0, a5
    jr      a4
    .endm
