#include "measure.h"

    .macro  environment_call
    ecall
    .endm
    measured ecall_once, environment_call

    .macro  virtual_instruction
    csrr    t0, hstatus
    .endm
    measured virtual_once, virtual_instruction

    .macro  illegal_instruction
    .word   0
    .endm
    measured illegal_once, illegal_instruction

    .macro  load
    ld      t0, 0(s0)
    .endm
    measured load_once, load

    .macro  store
    sd      t0, 0(s0)
    .endm
    measured store_once, store

    .macro  software_interrupt
    csrsi   sip, 2
    .endm
    measured software_interrupts, software_interrupt

    .section .measured.clear_software_interrupt, "ax"
    .balign 4096
    .zero   0xc00                       // as the handlers of start.S
    .globl  clear_software_interrupt
clear_software_interrupt:
    csrci   sip, 2
    sret

// u64 interrupt_latency(void): an interrupt is pending and enabled but for sstatus.SIE.  From the instruction that
// sets that to the first one of the handler, in cycles.
    .section .measured.interrupt_latency, "ax"
    .balign 4096
    .globl  interrupt_latency
interrupt_latency:
    csrci   sstatus, 2
    csrr    a5, stvec
    la      t0, 2f
    csrw    stvec, t0
    li      a3, 4
1:  rdcycle a0
    csrsi   sstatus, 2
    .rept   32                          // more than are fetched behind it
    nop
    .endr
    ebreak
    .balign 64
2:  rdcycle a1
    addi    a3, a3, -1
    bnez    a3, 1b                      // SIE is clear again
    csrw    stvec, a5
    sub     a0, a1, a0
    addi    a0, a0, -1                  // from the CSR write, not from the reading of the counter before it
    ret
