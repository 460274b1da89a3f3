"""Prediction of control transfers: branch target buffer, direction predictor and return stack.

Predictions are hints.  They cost time when wrong, so nothing here needs to be exact, flushed or reset.
"""

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..config import CoreConfig
from .types import BranchKind, BranchUpdate

#: Predicted targets are in the same aligned 2**TARGET_BITS bytes as the branch.  37 bits reach from an executable to
#: its libraries in every Sv39 process, and the 36 of them that are stored are the width of an ECP5 block RAM.
TARGET_BITS = 37
#: Bits of the tags of the branch target buffer; aliases among addresses are possible and only cost time.
TAG_BITS = 10
#: Halves of a group, each with a branch of its own in the target buffer.
WAYS = 2


class Predictor(wiring.Component):
    """Predicts for each group (aligned 8 bytes) where fetching goes on behind it.

    `next_pc` is where the group of the next cycle begins, if `next_en`; the prediction for it is there in the next
    cycle and as long as `next_en` is not set: `taken`, the position `last` of the branch's last halfword in the group,
    and the low bits [36:1] of the target.  `taken` is for a branch at or behind `pc`'s position in the group.
    `advance` (with `next_en`) says that the path goes on as predicted, `restore` that it does not: the speculative
    history and return stack go back to those of the resolved path.

    `update` trains.  `forget` (taken when no update is valid) removes the branch at `forget_pc`: there is none.

    The target buffer is indexed by group and has a way for each half of a group, so an update needs no lookup to know
    where to write.  Conditional branches are predicted by two-bit counters, a pair for the halves of a group, indexed
    by the group's address and a hash of the path: the addresses of the last taken control transfers.  The path needs
    nothing to be carried along with an instruction to be known when it is resolved, unlike a history of outcomes, in
    which branches unknown to the target buffer are missing.  A group that was jumped to is indexed without that jump;
    so neither the prediction's own result nor the resolution that redirected is in the path to the counters' address.
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__({
            "next_pc": In(64),
            "next_en": In(1),
            "pc": In(64),
            "taken": Out(1),
            "last": Out(2),
            "target": Out(TARGET_BITS - 1),
            "advance": In(1),
            "restore": In(1),
            "update": In(BranchUpdate),
            "forget": In(1),
            "forget_pc": In(64),
            "forget_rvc": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        config, update = self._config, self.update
        set_bits = exact_log2(config.btb_entries // WAYS)
        row_bits = exact_log2(config.bht_entries // WAYS)
        path_bits = 2 * row_bits

        def tag_of(group):
            return group[set_bits:set_bits + TAG_BITS] ^ group[set_bits + TAG_BITS:set_bits + 2 * TAG_BITS]

        def row_of(group, path):
            return group[:row_bits] ^ path[:row_bits] ^ path[row_bits:]

        def longer(path, group):
            """The path with one more taken control transfer, which ends in `group`."""
            return ((path << 2) ^ group[:4])[:path_bits]

        # --- what was resolved: the address of the last halfword says group and position
        resolved, resolved_rvc = Signal(TARGET_BITS - 1), Signal()
        last_half = Signal(TARGET_BITS - 1)  # address bits [36:1]
        forget = Signal()
        m.d.comb += [
            forget.eq(self.forget & ~update.valid),
            resolved.eq(Mux(forget, self.forget_pc[1:TARGET_BITS], update.pc[1:TARGET_BITS])),
            resolved_rvc.eq(Mux(forget, self.forget_rvc, update.rvc)),
            last_half.eq(resolved + ~resolved_rvc),
        ]
        group = last_half[2:]
        half = last_half[1]

        # --- path history and return stack depth, of the resolved and of the predicted path
        path, path_before = Signal(path_bits), Signal(path_bits)  # all taken transfers, all but the last
        last_target = Signal(8)  # the group that the last one led to
        path_next = Signal(path_bits)
        train_path = Signal(path_bits)
        spec_path, spec_path_base = Signal(path_bits), Signal(path_bits)
        m.d.comb += [
            path_next.eq(path),
            train_path.eq(Mux(group[:8] == last_target, path_before, path)),
        ]
        with m.If(update.valid & update.taken):
            m.d.comb += path_next.eq(longer(path, group))
            m.d.sync += [path.eq(path_next), path_before.eq(path), last_target.eq(update.target[3:])]

        depth, depth_next = Signal(range(config.ras_entries)), Signal(range(config.ras_entries))
        spec_depth, spec_depth_base = Signal.like(depth), Signal.like(depth)
        m.d.comb += depth_next.eq(depth)
        with m.If(update.valid & (update.kind == BranchKind.CALL)):
            m.d.comb += depth_next.eq(depth + 1)
        with m.If(update.valid & (update.kind == BranchKind.RETURN)):
            m.d.comb += depth_next.eq(depth - 1)
        m.d.sync += depth.eq(depth_next)

        restore = Signal()  # an update that comes after its redirect restores once more
        m.d.comb += [
            restore.eq(self.restore | (update.valid & update.mispredicted)),
            spec_path_base.eq(Mux(restore, path_next, spec_path)),
            spec_depth_base.eq(Mux(restore, depth_next, spec_depth)),
        ]

        # --- branch target buffer
        entry_layout = data.StructLayout({"valid": 1, "kind": BranchKind, "position": 1, "tag": TAG_BITS})
        next_group, this_group = self.next_pc[3:], self.pc[3:]
        entries, targets = [], []
        for way in range(WAYS):
            m.submodules[f"btb{way}"] = entry_memory = memory.Memory(shape=entry_layout, depth=1 << set_bits, init=[])
            m.submodules[f"targets{way}"] = target_memory = memory.Memory(
                shape=TARGET_BITS - 1, depth=1 << set_bits, init=[])
            entry_read, target_read = entry_memory.read_port(), target_memory.read_port()
            entry_write, target_write = entry_memory.write_port(), target_memory.write_port()
            m.d.comb += [
                entry_read.addr.eq(next_group[:set_bits]), entry_read.en.eq(self.next_en),
                target_read.addr.eq(next_group[:set_bits]), target_read.en.eq(self.next_en),
                entry_write.addr.eq(group[:set_bits]),
                entry_write.en.eq((half == way) & ((update.valid & update.mispredicted) | forget)),
                entry_write.data.valid.eq(~forget),
                entry_write.data.kind.eq(update.kind),
                entry_write.data.position.eq(last_half[0]),
                entry_write.data.tag.eq(tag_of(group)),
                target_write.addr.eq(group[:set_bits]),
                target_write.en.eq((half == way) & update.valid & update.mispredicted & update.taken),
                target_write.data.eq(update.target[1:TARGET_BITS]),
            ]
            entries.append(entry_read.data)
            targets.append(target_read.data)

        # --- directions: two-bit counters, 0 to 3, 2 and 3 mean taken
        counters = data.ArrayLayout(2, WAYS)
        m.submodules.directions = directions = memory.Memory(
            shape=counters, depth=1 << row_bits, init=[[2] * WAYS] * (1 << row_bits))
        predict, train, trained = directions.read_port(), directions.read_port(), directions.write_port()
        m.d.comb += [
            predict.addr.eq(row_of(next_group, spec_path_base)),
            predict.en.eq(self.next_en),
            train.addr.eq(row_of(group, train_path)),
            train.en.eq(1),
        ]
        train_half, train_taken = Signal(), Signal()
        m.d.sync += [
            trained.addr.eq(train.addr),
            trained.en.eq(update.valid & (update.kind == BranchKind.BRANCH)),
            train_half.eq(half),
            train_taken.eq(update.taken),
        ]
        for way in range(WAYS):
            counter, result = train.data[way], trained.data[way]
            m.d.comb += result.eq(counter)
            with m.If(train_half == way):
                with m.If(train_taken & (counter != 3)):
                    m.d.comb += result.eq(counter + 1)
                with m.If(~train_taken & (counter != 0)):
                    m.d.comb += result.eq(counter - 1)

        # --- return stack: addresses [36:1] of the last halfwords of calls
        m.submodules.returns = returns = memory.Memory(shape=TARGET_BITS - 1, depth=config.ras_entries, init=[])
        top, push = returns.read_port(domain="comb"), returns.write_port()
        m.d.comb += top.addr.eq(spec_depth)

        # --- the prediction: the first half with a taken branch
        way_taken = []
        for way, entry in enumerate(entries):
            taken = Signal(name=f"taken{way}")
            behind = (self.pc[2] < way) | ((self.pc[2] == way) & (self.pc[1] <= entry.position))
            m.d.comb += taken.eq(entry.valid & (entry.tag == tag_of(this_group)) & behind
                                 & ((entry.kind != BranchKind.BRANCH) | predict.data[way][1]))
            way_taken.append(taken)
        way = ~way_taken[0]
        position = Signal()
        kind = Signal(BranchKind)
        m.d.comb += [
            self.taken.eq(Cat(way_taken).any()),
            position.eq(Mux(way, entries[1].position, entries[0].position)),
            kind.eq(Mux(way, entries[1].kind, entries[0].kind)),
            self.last.eq(Cat(position, way)),
            self.target.eq(Array(targets)[way]),
        ]
        with m.If(kind == BranchKind.RETURN):
            m.d.comb += self.target.eq(top.data + 1)

        # --- follow it
        go_on = Signal()
        m.d.comb += [
            go_on.eq(self.advance & self.taken),
            push.en.eq(go_on & (kind == BranchKind.CALL)),
            push.addr.eq(spec_depth_base + 1),
            push.data.eq(Cat(self.last, this_group)),
        ]
        m.d.sync += [spec_path.eq(spec_path_base), spec_depth.eq(spec_depth_base)]
        with m.If(go_on):
            m.d.sync += spec_path.eq(longer(spec_path_base, this_group))
            with m.If(kind == BranchKind.CALL):
                m.d.sync += spec_depth.eq(spec_depth_base + 1)
            with m.If(kind == BranchKind.RETURN):
                m.d.sync += spec_depth.eq(spec_depth_base - 1)
        # A call that was not predicted has not been pushed.
        with m.If(update.valid & update.mispredicted & (update.kind == BranchKind.CALL)):
            m.d.comb += [push.en.eq(1), push.addr.eq(depth_next), push.data.eq(last_half)]
        return m
