"""The fetch queue: groups of 8 bytes in, instructions out."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import CoreConfig
from ..execute.bits import kept
from ..isa.compressed import RvcExpander
from .predictor import TARGET_BITS
from .types import FetchedInstr


class FetchGroup(data.Struct):
    """Up to four halfwords of an aligned 8 bytes, on the path that fetching takes."""

    data: 64
    begin: 32  # its first two halfwords (one, if it is the fourth), the first of them at the bottom
    long: 1  # the lowest two of `begin` are ones: an instruction of 4 bytes
    pc: 64  # address of the first halfword
    last: 2  # position of the last halfword in the 8 bytes
    taken: 1  # the path goes on at `target`, not behind `last`
    target: TARGET_BITS - 1  # address bits [36:1]; those above are the pc's
    fault: 1  # the first halfword, which is also the last, could not be fetched


class FetchQueue(wiring.Component):
    """Queue of fetch groups and the alignment of instructions in them.

    `push` takes a group when `room`; its instructions are offered from the next cycle on.  `flush` drops everything; it
    comes without `push`, and nothing is offered in its cycle.

    The instruction offered is in a register, so that its decoding takes no more than its own time: the next one is
    prepared beside it from the groups at the head and behind it, or from the group that comes in, as far as the queue
    does not have them yet.  The queue's memories are read without a clock, so an instruction may lie in two groups.  (A
    second lane would begin where the first one ends, and needs the whole of the second entry.)

    `alias` reports that the instruction in the register is not offered because the prediction that fetched it is
    nonsense: the path goes on elsewhere in the middle of an instruction, or behind one that is no control transfer.  It
    must be fetched again without prediction; `instr.payload.pc` says where, `alias_rvc` that the claimed branch ends in
    the first halfword.
    """

    DEPTH = 4
    #: Rows of the memories: the instruction offered still needs what is said of its group when that has left the queue.
    ROWS = 2 * DEPTH

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

        tail, head = Signal(range(self.ROWS)), Signal(range(self.ROWS))
        count = Signal(range(self.DEPTH + 1))
        behind, third = Signal(range(self.ROWS)), Signal(range(self.ROWS))
        none, one, two = Signal(), Signal(), Signal()
        m.d.comb += [
            behind.eq(head + 1),
            third.eq(head + 2),
            none.eq(count == 0),
            one.eq(count == 1),
            two.eq(count == 2),
            self.room.eq(count != self.DEPTH),
        ]
        m.d.sync += tail.eq(tail + self.push)

        def column(name, value, *addresses, push=self.push, tail=tail):
            """A memory for `value` of all entries; returns what it holds at `addresses`."""
            m.submodules[name] = column = memory.Memory(shape=value.shape(), depth=self.ROWS, init=[])
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
        row = Signal(range(self.ROWS))  # of the instruction offered
        this, after_stored = column("entries", pushed, head, behind)
        firsts = column("firsts", group.pc[1:3], third)
        base, = column("bases", group.pc[3:], row)
        half0, next0 = column("halves0", halves[0], head, behind)
        half1, = column("halves1", halves[1], head)
        half2, next2 = column("halves2", halves[2], head, behind)
        half3, = column("halves3", halves[3], head)

        # --- targets of the groups that are left by a taken branch, in a queue of their own
        target_tail, target_head = Signal(range(self.ROWS)), Signal(range(self.ROWS))
        push_target = Signal()
        m.d.comb += push_target.eq(self.push & group.taken)
        m.d.sync += target_tail.eq(target_tail + push_target)
        target, = column("targets", group.target, target_head, push=push_target, tail=target_tail)

        # --- the next instruction, if its first half is in the queue
        class Next(data.Struct):
            low: 16
            high: 16
            position: 2  # of its first half in its group
            predicted: 1
            fault: 1
            fault_high: 1  # if `fault`
            broken: 1

        position = Signal(2)  # in its group; known from the cycle before, because all else follows from it
        after = Signal(Entry)  # the group behind
        long, at_end, crosses = Signal(), Signal(), Signal()
        end = Signal(2)  # position of the instruction's last halfword when it does not cross
        queued = Signal(Next)
        with m.If(one):
            m.d.comb += after.eq(pushed)
        with m.Else():
            m.d.comb += after.eq(after_stored)
        m.d.comb += [
            at_end.eq(position == this.last),
            queued.low.eq(Array([half0, half1, half2, half3])[position]),
            # A group that continues another begins at its start, or at its second word when pieces are narrow.
            # One that comes in just now is late, and left out here.
            queued.high.eq(Mux(at_end, Mux(after_stored.first[1], next2, next0),
                               Array([half1, half2, half3, half3])[position])),
            long.eq(queued.low[:2] == 3),
            crosses.eq(long & at_end & ~this.fault),
            end.eq(position + long),
            queued.position.eq(position),
            queued.predicted.eq(Mux(crosses, after.taken & (after.first == after.last),
                                    this.taken & (end == this.last))),
            queued.fault.eq(this.fault | (crosses & after.fault)),
            queued.fault_high.eq(crosses),
            queued.broken.eq(crosses & this.taken),
        ]
        ends_group = Signal()
        next_first = Signal(2)  # of the group that is the head when this one is left, if there is one
        m.d.comb += [
            ends_group.eq(Mux(crosses, after.first == after.last, end == this.last)),
            next_first.eq(Mux(crosses, Mux(two, pushed.first, firsts[0]), after.first)),
        ]

        # --- the next instruction, if it is the first of the group that comes in.  How long it is is known late, as are
        # its bits and `push`, and last `take`: what follows from them is there for either value, and chosen in turn.
        incoming_at_end, follows_end, incoming_crosses = Signal(), Signal(), Signal()
        m.d.comb += [
            incoming_at_end.eq(pushed.first == pushed.last),
            follows_end.eq(pushed.last == pushed.first + 1),
            incoming_crosses.eq(incoming_at_end & ~pushed.fault),  # if it is long
        ]

        def by_length(name, if_long, if_short):
            return Mux(group.long, kept(m, f"{name}_if_long", if_long), kept(m, f"{name}_if_short", if_short))

        # --- the register
        slot, slot_valid = Signal(Next), Signal()
        take = Signal()
        waits = Signal()  # for the group that comes in, if none does
        high_stored, high_joins = Signal(16), Signal()
        m.d.comb += [
            waits.eq(one & crosses),
            high_joins.eq(~none & one & at_end),
            high_stored.eq(queued.high & (~none & ~high_joins).replicate(16)),
            take.eq(kept(m, "take_anyway", ~slot_valid) | (self.instr.ready & kept(m, "may_take", ~self.alias))),
        ]
        # Out of what is under `take`, which is known later.
        next_valid = Mux(self.push, by_length("valid", ~none | ~incoming_crosses | (incoming_at_end & pushed.taken), 1),
                         kept(m, "valid_queued", ~none & (~waits | queued.broken)))
        next_high = (kept(m, "high_stored", high_stored)
                     | (group.begin[16:] & none.replicate(16)) | (group.begin[:16] & high_joins.replicate(16)))
        next_predicted = by_length("predicted", Mux(none, pushed.taken & follows_end, queued.predicted),
                                   Mux(none, pushed.taken & incoming_at_end, queued.predicted))
        next_broken = by_length("broken", Mux(none, incoming_at_end & pushed.taken, queued.broken),
                                ~none & queued.broken)
        with m.If(take):
            m.d.sync += [
                slot_valid.eq(next_valid),
                slot.low.eq(Mux(none, group.begin[:16], queued.low)),
                slot.high.eq(next_high),
                slot.position.eq(Mux(none, pushed.first, queued.position)),
                slot.predicted.eq(next_predicted),
                slot.fault.eq(Mux(none, pushed.fault, queued.fault)),
                slot.fault_high.eq(~none & queued.fault_high),
                slot.broken.eq(next_broken),
                row.eq(Mux(none, tail, head)),
            ]

        # --- what is left behind it
        def by_end(name, if_ends, otherwise):
            """By whether the next instruction ends its group, which is known later than whether it crosses into
            another."""
            return Mux(ends_group, kept(m, f"{name}_if_ends", if_ends), kept(m, f"{name}_if_not", otherwise))

        def rest(name, if_long, if_short, queued, unpushed, stays, kept_pushed, kept_unpushed):
            """What comes next, if something is taken and a group comes in, by the length of its first instruction, or
            `queued` if there are others before it; if none comes in, `unpushed`, or `stays` if nothing is left; and if
            nothing is taken.  Of `queued` and `unpushed` there are two each, as in `by_end`."""
            pushed = by_length(name, *(by_end(f"{name}_{length}", *(Mux(none, value, other) for other in queued))
                                       for length, value in (("long", if_long), ("short", if_short))))
            unpushed = by_end(f"{name}_unpushed", *(Mux(none | waits, stays, other) for other in unpushed))
            taken = kept(m, f"{name}_taken", Mux(self.push, pushed, kept(m, f"{name}_none_pushed", unpushed)))
            not_taken = kept(m, f"{name}_not_taken", Mux(self.push, kept_pushed, kept_unpushed))
            # In a form that synthesis does not make a clock enable of.
            return (taken & take.replicate(len(taken))) | (not_taken & (~take).replicate(len(not_taken)))

        more, less, two_less = ((count + difference)[:len(count)] for difference in (1, -1, -2))
        next_position = (next_first, (Mux(crosses, after.first, end) + 1)[:2])
        next_head = (Mux(crosses, third, behind), Mux(crosses, behind, head))
        unmoved = Mux(none, pushed.first, position)
        m.d.sync += [
            head.eq(rest("head", (head + follows_end)[:len(head)], (head + incoming_at_end)[:len(head)],
                         next_head, next_head, head, head, head)),
            count.eq(rest("count", ~follows_end, ~incoming_at_end,
                          (Mux(crosses, less, count), Mux(crosses, count, more)),
                          (Mux(crosses, two_less, less), Mux(crosses, less, count)), count, more, count)),
            position.eq(rest("position", Mux(incoming_crosses, pushed.first, pushed.first + 2)[:2],
                             (pushed.first + 1)[:2], next_position, next_position, position, unmoved, unmoved)),
        ]

        # --- offer it
        m.submodules.expander = expander = RvcExpander(self._config)
        rvc, transfer, offers = Signal(), Signal(), Signal()
        m.d.comb += [
            offers.eq(slot_valid & ~self.flush),
            rvc.eq(slot.low[:2] != 3),
            expander.compressed.eq(slot.low),
            instr.pc.eq(Cat(0, slot.position, base)),
            instr.rvc.eq(rvc),
            instr.raw.eq(Cat(slot.low, slot.high)),
            instr.insn.eq(Mux(rvc, expander.expanded, Cat(slot.low, slot.high))),
            instr.pred_taken.eq(slot.predicted),
            instr.pred_target.eq(Cat(0, target, instr.pc[TARGET_BITS:])),
            instr.fault.eq(slot.fault),
            instr.fault_high.eq(slot.fault_high),
            self.alias.eq(offers & (slot.broken | (~slot.fault & slot.predicted & ~transfer))),
            self.alias_rvc.eq(slot.broken | rvc),
            self.instr.valid.eq(offers & ~self.alias),
        ]
        with m.Switch(slot.low[:2]):
            with m.Case(0b11):  # BRANCH, JALR, JAL
                m.d.comb += transfer.eq(slot.low[4:7] == 0b110)
            with m.Case(0b10):  # C.JR, C.JALR
                m.d.comb += transfer.eq((slot.low[13:] == 0b100) & (slot.low[2:7] == 0))
            with m.Case(0b01):  # C.J, C.BEQZ, C.BNEZ
                m.d.comb += transfer.eq((slot.low[13:] == 0b101) | (slot.low[14:] == 0b11))
        with m.If(self.instr.ready & slot_valid & slot.predicted):
            m.d.sync += target_head.eq(target_head + 1)

        with m.If(self.flush):
            m.d.sync += [tail.eq(0), head.eq(0), count.eq(0), target_tail.eq(0), target_head.eq(0), slot_valid.eq(0)]
        return m
