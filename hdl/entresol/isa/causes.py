"""Exception and interrupt codes (privileged architecture, tables of `mcause` and `hedeleg`)."""

from amaranth.lib import enum


class Cause(enum.IntEnum, shape=6):
    """Synchronous exception codes, 6 bits, as written to `mcause`/`scause`/`vscause`."""

    INSTRUCTION_ADDRESS_MISALIGNED = 0
    INSTRUCTION_ACCESS_FAULT = 1
    ILLEGAL_INSTRUCTION = 2
    BREAKPOINT = 3
    LOAD_ADDRESS_MISALIGNED = 4
    LOAD_ACCESS_FAULT = 5
    STORE_ADDRESS_MISALIGNED = 6
    STORE_ACCESS_FAULT = 7
    ECALL_FROM_U = 8
    ECALL_FROM_HS = 9
    ECALL_FROM_VS = 10
    ECALL_FROM_M = 11
    INSTRUCTION_PAGE_FAULT = 12
    LOAD_PAGE_FAULT = 13
    STORE_PAGE_FAULT = 15
    INSTRUCTION_GUEST_PAGE_FAULT = 20
    LOAD_GUEST_PAGE_FAULT = 21
    VIRTUAL_INSTRUCTION = 22
    STORE_GUEST_PAGE_FAULT = 23


class Interrupt(enum.IntEnum, shape=6):
    """Interrupt codes, 6 bits: bit positions in `mip`/`mie` and codes in `mcause` with the top bit set."""

    SSI = 1
    VSSI = 2
    MSI = 3
    STI = 5
    VSTI = 6
    MTI = 7
    SEI = 9
    VSEI = 10
    MEI = 11
    SGEI = 12
    LCOFI = 13
