"""What the outside can observe of the core: the retire port and the event pulses.  Tracing, lockstep, statistics,
formal and cocotb all use these; left unconnected they cost nothing."""

from amaranth.lib import data

from .isa.privilege import Mode


class CsrChange(data.Struct):
    """A CSR that an instruction changed."""

    data: 64  # what a read of it gives afterwards
    addr: 12
    valid: 1


class Retire(data.Struct):
    """One commit: an instruction that retired, or a trap that was taken (`trap`) in its place.  Valid for one cycle."""

    # wide fields first: where they begin at a multiple of 32 bits, a compiled model reads them with one access
    pc: 64
    tval: 64  # with trap: the value for xtval
    rd_data: 64
    mem_vaddr: 64
    mem_wdata: 64  # value written to memory, right-aligned
    raw: 32  # as fetched; upper half 0 when compressed
    mem_paddr: 56
    valid: 1
    trap: 1  # the instruction (or, for an interrupt, the point before it) trapped and did not retire
    interrupt: 1  # with trap: an interrupt rather than an exception
    cause: 6  # with trap: exception or interrupt code
    target: Mode  # with trap: the mode that handles it
    mode: Mode  # mode the instruction executed in
    rd_we: 1  # wrote rd (never x0)
    rd: 5
    mem_read: 1  # loads, LR, AMOs
    mem_write: 1  # stores, successful SC, AMOs
    mem_size: 2  # log2(bytes)
    csr: CsrChange  # the CSR that holds the bits: mstatus for a write to sstatus, or an MRET
    csr2: CsrChange  # another one: hstatus, by an SRET; hvip, whose VSSIP is held by mip


class Events(data.Struct):
    """Pulses of one cycle each; also the sources of the hardware performance counters (Zihpm)."""

    icache_miss: 1
    dcache_miss: 1
    dcache_writeback: 1
    itlb_miss: 1  # L1 I-TLB lookups that went to the second level
    dtlb_miss: 1
    l2tlb_miss: 1  # that went on to the page tables
    walk_read: 1  # page-table entries read
    walk_vs_stage: 1  # of these, VS-stage or single-stage ones
    walk_g_stage: 1
    branch: 1  # control transfers resolved
    mispredict: 1
    # lost commit slots: exactly one of these in a cycle in which nothing retires
    lost_frontend: 1  # nothing to execute: fetch (I$ miss)
    lost_branch: 1  # refilling the pipeline behind a mispredicted branch
    lost_trap: 1  # refilling behind a trap or xRET
    lost_serial: 1  # refilling behind a serialising instruction (CSR write, fence)
    lost_hazard: 1  # waiting for an operand (load-use, multiply-use, CSR-use)
    lost_dcache: 1  # M stage waiting for the D$ or the bus
    lost_tlb: 1  # a fetch, or the M stage, waiting for a translation: second-level lookup and what surrounds walks
    lost_walk_vs: 1  # ... while page tables of the VS-stage, or of the only one, are walked
    lost_walk_g: 1  # ... while those of the G-stage are
    lost_divide: 1
    lost_wfi: 1
