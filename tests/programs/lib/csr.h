// The fields of CSRs that the tests use.
#pragma once

#include "machine.h"

#define BIT(n) (1ul << (n))

#define MSTATUS_SIE BIT(1)
#define MSTATUS_MIE BIT(3)
#define MSTATUS_SPIE BIT(5)
#define MSTATUS_MPIE BIT(7)
#define MSTATUS_SPP BIT(8)
#define MSTATUS_MPP (3ul << 11)
#define MSTATUS_MPRV BIT(17)
#define MSTATUS_SUM BIT(18)
#define MSTATUS_MXR BIT(19)
#define MSTATUS_TVM BIT(20)
#define MSTATUS_TW BIT(21)
#define MSTATUS_TSR BIT(22)
#define MSTATUS_GVA BIT(38)
#define MSTATUS_MPV BIT(39)
#define HSTATUS_GVA BIT(6)
#define HSTATUS_SPV BIT(7)
#define HSTATUS_SPVP BIT(8)
#define HSTATUS_HU BIT(9)
#define HSTATUS_VTVM BIT(20)
#define HSTATUS_VTW BIT(21)
#define HSTATUS_VTSR BIT(22)

#define INTERRUPT BIT(63)
enum interrupt { SSI = 1, VSSI = 2, MSI = 3, STI = 5, VSTI = 6, MTI = 7, SEI = 9, VSEI = 10, MEI = 11, SGEI = 12 };
enum cause {
    INSTRUCTION_MISALIGNED = 0, INSTRUCTION_ACCESS = 1, ILLEGAL = 2, BREAKPOINT = 3, LOAD_MISALIGNED = 4,
    LOAD_ACCESS = 5, STORE_MISALIGNED = 6, STORE_ACCESS = 7, ECALL_U = 8, ECALL_HS = 9, ECALL_VS = 10, ECALL_M = 11,
    INSTRUCTION_PAGE = 12, LOAD_PAGE = 13, STORE_PAGE = 15, INSTRUCTION_GUEST_PAGE = 20, LOAD_GUEST_PAGE = 21,
    VIRTUAL = 22, STORE_GUEST_PAGE = 23,
};

// devices, as QEMU's `virt` has them
#define FINISHER 0x100000ul
#define MSIP (*(volatile unsigned *)0x2000000ul)
#define MTIMECMP (*(volatile unsigned long *)0x2004000ul)
#define MTIME (*(volatile unsigned long *)0x200bff8ul)
#define PLIC 0xc000000ul
#define UART 0x10000000ul
#define NOWHERE 0x800000ul  // no memory, no device
