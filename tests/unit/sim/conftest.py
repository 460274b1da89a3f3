"""A small machine with the ports of the SoC, to test the simulator without the core.

Its instructions are 32 bytes long, read in one burst: operation (bits 7:0) and argument (63:8) in the first
doubleword, then two operands `a` and `b`.  It holds its last store back until the next load or store, or a flush,
as a write-back cache would.
"""

import enum
from pathlib import Path

import pytest
from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from entresol.memory.axi import Axi4, Burst
from entresol.observe import Events, Retire
from entresol_sim import Design, Simulator


class Op(enum.IntEnum):
    FINISH = 0  # write the argument to the finisher
    PUT = 1  # send the byte in the argument
    STORE = 2  # b to address a, log2(bytes) in the argument
    SLEEP = 3  # as long as the argument, waiting for "an interrupt" when a is not 0
    ECHO = 4  # receive a byte and send it
    TRAP = 5  # argument: cause, then interrupt (bit 6), target mode (9:7)
    MODE = 6  # go on in the mode in the argument
    AWAIT = 7  # load address a until it reads b
    READ = 8  # burst at a; argument: len (7:0), burst (9:8), expected response (11:10); b: expected fold of the data
    TICKS = 10  # wait until rtc_tick was there so many times since reset
    CSR = 9  # retire as a write of a to the CSR in the argument (11:0), and of b to register x (16:12)


class Machine(wiring.Component):
    def __init__(self):
        super().__init__({
            "mem": Out(Axi4(32)),
            "uart_tx": Out(stream.Signature(8)),
            "uart_rx": In(stream.Signature(8)),
            "rtc_tick": In(1),
            "boot_entry": In(64), "boot_a1": In(64), "boot_a2": In(64),
            "finish_valid": Out(1), "finish_code": Out(32),
            "retire": Out(Retire), "events": Out(Events),
            "flush_valid": In(1), "flush_done": Out(1),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        mem, retire = self.mem, self.retire
        time = Signal(64)
        m.d.sync += time.eq(time + self.rtc_tick)

        started = Signal()
        pc, words, beat = Signal(64), [Signal(64, name=f"word{i}") for i in range(4)], Signal(2)
        op, arg, a, b = words[0][:8], words[0][8:], words[1], words[2]
        mode = Signal(3, init=3)
        count, fold, response, byte = Signal(56), Signal(64), Signal(2), Signal(8)
        dirty, dirty_addr, dirty_data, dirty_strobe = Signal(), Signal(32), Signal(64), Signal(8)
        address_done, data_done = Signal(), Signal()
        m.d.comb += [
            mem.arsize.eq(3), mem.awsize.eq(3), mem.wlast.eq(1), mem.rready.eq(1), mem.bready.eq(1),
            mem.arburst.eq(Burst.INCR), mem.awburst.eq(Burst.INCR), mem.arid.eq(1), mem.awid.eq(2),
            mem.awaddr.eq(dirty_addr), mem.wdata.eq(dirty_data), mem.wstrb.eq(dirty_strobe),
            retire.pc.eq(pc), retire.mode.eq(mode), retire.raw.eq(words[0]),
            self.uart_tx.payload.eq(Mux(op == Op.PUT, arg, byte)),
        ]  # fmt: skip

        def next_instruction():
            m.d.comb += retire.valid.eq(1)
            m.d.sync += pc.eq(pc + 32)
            m.next = "fetch"

        def fail(code):
            m.d.sync += [self.finish_valid.eq(1), self.finish_code.eq(code << 16 | 0x3333)]
            m.next = "stuck"

        with m.FSM():
            with m.State("fetch"):
                with m.If(~started & (self.boot_entry != 0)):
                    m.d.sync += [started.eq(1), pc.eq(self.boot_entry)]
                with m.Elif(~started):
                    pass
                with m.Elif(self.flush_valid & dirty):
                    m.next = "write back"
                with m.Elif(self.flush_valid):
                    m.d.comb += self.flush_done.eq(1)
                with m.Else():
                    m.d.comb += [mem.arvalid.eq(1), mem.araddr.eq(pc), mem.arlen.eq(3)]
                    with m.If(mem.arready):
                        m.d.sync += beat.eq(0)
                        m.next = "fetched"
            with m.State("fetched"):
                m.d.comb += self.events.lost_frontend.eq(1)
                with m.If(mem.rvalid):
                    for index, word in enumerate(words):
                        with m.If(beat == index):
                            m.d.sync += word.eq(mem.rdata)
                    m.d.sync += beat.eq(beat + 1)
                    with m.If(mem.rlast):
                        m.d.sync += count.eq(0)
                        m.next = "execute"
            with m.State("execute"), m.Switch(op):
                with m.Case(Op.FINISH):
                    m.d.comb += retire.valid.eq(1)
                    m.d.sync += [self.finish_valid.eq(1), self.finish_code.eq(arg)]
                    m.next = "stuck"
                with m.Case(Op.PUT):
                    m.d.comb += self.uart_tx.valid.eq(1)
                    with m.If(self.uart_tx.ready):
                        next_instruction()
                with m.Case(Op.STORE, Op.AWAIT, Op.READ):
                    m.next = "access"
                    with m.If(dirty):
                        m.next = "write back"
                with m.Case(Op.SLEEP):
                    m.d.sync += count.eq(count + 1)
                    m.d.comb += self.events.lost_wfi.eq(a != 0)
                    m.d.comb += self.events.lost_dcache.eq(a == 0)
                    with m.If(count == arg):
                        next_instruction()
                with m.Case(Op.TICKS), m.If(time == arg):
                    next_instruction()
                with m.Case(Op.ECHO):
                    m.d.comb += self.uart_rx.ready.eq(1)
                    with m.If(self.uart_rx.valid):
                        m.d.sync += byte.eq(self.uart_rx.payload)
                        m.next = "echo"
                with m.Case(Op.TRAP):
                    m.d.comb += [retire.trap.eq(1), retire.cause.eq(arg[:6]), retire.interrupt.eq(arg[6]),
                                 retire.target.eq(arg[7:10])]
                    next_instruction()
                with m.Case(Op.MODE):
                    m.d.sync += mode.eq(arg)
                    next_instruction()
                with m.Case(Op.CSR):
                    m.d.comb += [retire.csr.valid.eq(1), retire.csr.addr.eq(arg), retire.csr.data.eq(a),
                                 retire.rd_we.eq(arg[12:17] != 0), retire.rd.eq(arg[12:17]), retire.rd_data.eq(b)]
                    next_instruction()
                with m.Default():
                    fail(99)
            with m.State("echo"):
                m.d.comb += self.uart_tx.valid.eq(1)
                with m.If(self.uart_tx.ready):
                    next_instruction()
            with m.State("write back"):
                m.d.comb += [mem.awvalid.eq(~address_done), mem.wvalid.eq(~data_done), self.events.lost_dcache.eq(1)]
                m.d.sync += [address_done.eq(address_done | mem.awready), data_done.eq(data_done | mem.wready)]
                with m.If(mem.bvalid):
                    m.d.comb += self.events.dcache_writeback.eq(1)
                    m.d.sync += [dirty.eq(0), address_done.eq(0), data_done.eq(0)]
                    m.next = "access"
                    with m.If(self.flush_valid):
                        m.next = "fetch"
            with m.State("access"):
                with m.If(op == Op.STORE):
                    strobe = ((Const(1) << (Const(1) << arg[:2])) - 1)[:8]
                    m.d.sync += [dirty.eq(1), dirty_addr.eq(a & ~7), dirty_data.eq(b << (a[:3] << 3)),
                                 dirty_strobe.eq(strobe << a[:3])]
                    m.d.comb += [retire.mem_write.eq(1), retire.mem_vaddr.eq(a), retire.mem_paddr.eq(a),
                                 retire.mem_size.eq(arg), retire.mem_wdata.eq(b)]
                    next_instruction()
                with m.Else():
                    m.d.comb += [mem.arvalid.eq(1), mem.araddr.eq(a), mem.arlen.eq(Mux(op == Op.READ, arg[:8], 0))]
                    with m.If(op == Op.READ):
                        m.d.comb += mem.arburst.eq(arg[8:10])
                    m.d.sync += [fold.eq(0), response.eq(0)]
                    with m.If(mem.arready):
                        m.next = "read"
            with m.State("read"), m.If(mem.rvalid):
                m.d.sync += fold.eq(Cat(Const(0, 1), fold) ^ mem.rdata)
                m.d.sync += response.eq(response | mem.rresp.as_value())
                with m.If(mem.rlast):
                    m.next = "check"
            with m.State("check"):
                m.d.comb += [retire.mem_read.eq(1), retire.mem_vaddr.eq(a), retire.mem_paddr.eq(a),
                             retire.rd_we.eq(1), retire.rd.eq(10), retire.rd_data.eq(fold)]
                with m.If(op == Op.AWAIT):
                    with m.If(fold == b):
                        next_instruction()
                    with m.Elif(self.flush_valid):
                        m.d.sync += pc.eq(pc)
                        m.next = "fetch"
                    with m.Else():
                        m.next = "access"
                with m.Elif((fold == b) & (response == arg[10:12])):
                    next_instruction()
                with m.Else():
                    fail(7)
            with m.State("stuck"):
                with m.If(self.flush_valid & dirty):
                    m.next = "write back"
                with m.Elif(self.flush_valid):
                    m.d.comb += self.flush_done.eq(1)
        return m


DESIGN = Design("machine", Machine, "", [Path(__file__)])
BASE = 0x8000_0000


def instruction(op: Op, arg: int = 0, a: int = 0, b: int = 0) -> bytes:
    return b"".join((word & (1 << 64) - 1).to_bytes(8, "little") for word in (op | arg << 8, a, b, 0))


def assemble(*instructions: tuple) -> bytes:
    return b"".join(instruction(*each) for each in instructions)


@pytest.fixture
def machine():
    """A function that returns a simulator of the machine with a program loaded at the beginning of RAM."""
    opened = []

    def make(*instructions: tuple, **parameters) -> Simulator:
        simulator = Simulator("small", design=DESIGN, **{"ram_size": 1 << 20, **parameters})
        opened.append(simulator)
        simulator.memory.write(BASE, assemble(*instructions))
        return simulator

    yield make
    for simulator in opened:
        simulator.close()


@pytest.fixture
def ops():
    return Op
