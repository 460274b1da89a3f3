"""The fetch queue: groups of 8 bytes in, instructions out."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import CoreConfig
from ..isa.compressed import RvcExpander
from ..isa.decoder import SourceDecoder
from .predictor import TARGET_BITS
from .types import FetchedInstr


class FetchGroup(data.Struct):
    """Up to four halfwords of an aligned 8 bytes, on the path that fetching takes."""

    data: 64
    pc: 64  # address of the first halfword
    last: 2  # position of the last halfword in the 8 bytes
    taken: 1  # the path goes on at `target`, not behind `last`
    target: TARGET_BITS - 1  # address bits [36:1]; those above are the pc's
    fault: 1  # the first halfword, which is also the last, could not be fetched


class FetchQueue(wiring.Component):
    """Queue of fetch groups and the alignment of instructions in them.

    `push` takes a group when `room`; its instructions are offered from the next cycle on.  The queue's memories are
    read without a clock, an entry behind the head as well, so an instruction may lie in two groups.  (A second lane
    would begin where the first one ends, and needs the whole of the second entry.)

    `alias` reports that the head is not offered because the prediction that fetched it is nonsense: the path goes on
    elsewhere in the middle of an instruction, or behind one that is no control transfer.  It must be fetched again
    without prediction; `instr.payload.pc` says where, `alias_rvc` that the claimed branch ends in the first halfword.
    """

    DEPTH = 4

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__({
            "flush": In(1),
            "push": In(1),
            "group": In(FetchGroup),
            "room": Out(1),
            "instr": Out(stream.Signature(FetchedInstr)),
            "alias": Out(1),
            "alias_rvc": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        instr = self.instr.payload
        group = self.group

        tail, head = Signal(range(self.DEPTH)), Signal(range(self.DEPTH))
        count = Signal(range(self.DEPTH + 1))
        behind, third = Signal(range(self.DEPTH)), Signal(range(self.DEPTH))
        m.d.comb += [
            behind.eq(head + 1),
            third.eq(head + 2),
            self.room.eq(count != self.DEPTH),
        ]
        m.d.sync += [tail.eq(tail + self.push), count.eq(count + self.push)]

        def column(name, value, *addresses, push=self.push, tail=tail):
            """A memory for `value` of all entries; returns what it holds at `addresses`."""
            m.submodules[name] = column = memory.Memory(shape=value.shape(), depth=self.DEPTH, init=[])
            write = column.write_port()
            m.d.comb += [write.en.eq(push), write.addr.eq(tail), write.data.eq(value)]
            reads = [column.read_port(domain="comb") for _ in addresses]
            m.d.comb += [read.addr.eq(address) for read, address in zip(reads, addresses, strict=True)]
            return [read.data for read in reads]

        class Entry(data.Struct):
            first: 2
            last: 2
            taken: 1
            fault: 1

        pushed = Signal(Entry)
        m.d.comb += [
            pushed.first.eq(group.pc[1:3]),
            pushed.last.eq(group.last),
            pushed.taken.eq(group.taken),
            pushed.fault.eq(group.fault),
        ]
        halves = [group.data.word_select(i, 16) for i in range(4)]
        this, after = column("entries", pushed, head, behind)
        firsts = column("firsts", group.pc[1:3], third)
        base, = column("bases", group.pc[3:], head)
        half0, next0 = column("halves0", halves[0], head, behind)
        half1, = column("halves1", halves[1], head)
        half2, next2 = column("halves2", halves[2], head, behind)
        half3, = column("halves3", halves[3], head)

        # --- targets of the groups that are left by a taken branch, in a queue of their own
        target_tail, target_head = Signal(range(self.DEPTH)), Signal(range(self.DEPTH))
        push_target = Signal()
        m.d.comb += push_target.eq(self.push & group.taken)
        m.d.sync += target_tail.eq(target_tail + push_target)
        target, = column("targets", group.target, target_head, push=push_target, tail=target_tail)

        # --- the instruction at the head
        position = Signal(2)  # in its group; known from the cycle before, because all else follows from it
        low, high = Signal(16), Signal(16)
        long, at_end, crosses = Signal(), Signal(), Signal()
        m.d.comb += [
            at_end.eq(position == this.last),
            low.eq(Array([half0, half1, half2, half3])[position]),
            # A group that continues another begins at its start, or at its second word when pieces are narrow.
            high.eq(Mux(at_end, Mux(after.first[1], next2, next0), Array([half1, half2, half3, half3])[position])),
            long.eq(low[:2] == 3),
            crosses.eq(long & at_end & ~this.fault),
        ]
        end = Signal(2)  # position of the instruction's last halfword when it does not cross
        m.d.comb += end.eq(position + long)

        m.submodules.expander = expander = RvcExpander(self._config)
        m.submodules.sources = sources = SourceDecoder(self._config)
        predicted, transfer = Signal(), Signal()
        m.d.comb += [
            expander.compressed.eq(low),
            sources.insn.eq(Cat(low, high)),
            instr.rs1_en.eq(Mux(long, sources.rs1_en, expander.rs1_en)),
            instr.rs2_en.eq(Mux(long, sources.rs2_en, expander.rs2_en)),
            instr.pc.eq(Cat(0, position, base)),
            instr.rvc.eq(~long),
            instr.raw.eq(Mux(long, Cat(low, high), low)),
            instr.insn.eq(Mux(long, Cat(low, high), expander.expanded)),
            predicted.eq(Mux(crosses, after.taken & (after.first == after.last), this.taken & (end == this.last))),
            instr.pred_taken.eq(predicted),
            instr.pred_target.eq(Cat(0, target, instr.pc[TARGET_BITS:])),
            instr.fault.eq(this.fault | (crosses & after.fault)),
            instr.fault_high.eq(crosses),
        ]
        with m.Switch(low[:2]):
            with m.Case(0b11):  # BRANCH, JALR, JAL
                m.d.comb += transfer.eq(low[4:7] == 0b110)
            with m.Case(0b10):  # C.JR, C.JALR
                m.d.comb += transfer.eq((low[13:] == 0b100) & (low[2:7] == 0))
            with m.Case(0b01):  # C.J, C.BEQZ, C.BNEZ
                m.d.comb += transfer.eq((low[13:] == 0b101) | (low[14:] == 0b11))

        complete, broken = Signal(), Signal()
        m.d.comb += [
            broken.eq(crosses & this.taken),
            complete.eq((count > 1) | ((count == 1) & ~crosses)),
            self.alias.eq((complete & ~instr.fault & predicted & ~transfer) | ((count != 0) & broken)),
            self.alias_rvc.eq(broken | ~long),
            self.instr.valid.eq(complete & ~self.alias),
        ]

        # --- consume it
        ends_group, pop = Signal(), Signal(2)
        next_first = Signal(2)  # of the group that is the head when this one is left, if there is one
        m.d.comb += [
            ends_group.eq(Mux(crosses, after.first == after.last, end == this.last)),
            next_first.eq(Mux(crosses, Mux(count == 2, group.pc[1:3], firsts[0]),
                              Mux(count == 1, group.pc[1:3], after.first))),
            pop.eq(crosses + ends_group),
        ]
        with m.If(self.instr.valid & self.instr.ready):  # known late: what follows from it is there already
            m.d.sync += [
                head.eq(head + pop),
                count.eq(count + self.push - pop),
                position.eq(Mux(ends_group, next_first, Mux(crosses, after.first, end) + 1)),
                target_head.eq(target_head + predicted),
            ]
        with m.If(count == 0):
            m.d.sync += position.eq(group.pc[1:3])
        with m.If(self.flush):
            m.d.sync += [tail.eq(0), head.eq(0), count.eq(0), target_tail.eq(0), target_head.eq(0)]
        return m
