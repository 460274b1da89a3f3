"""Prediction of control transfers: branch target buffer, directions, indirect targets and return stack.

Predictions are hints.  They cost time when wrong, so nothing here needs to be exact, flushed or reset.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..config import CoreConfig
from ..execute.bits import equal_pairs, kept
from . import direction
from .direction import BLOCK, EVENT_BITS, GROUP_BITS, PATH_BITS, DirectionPredictor, longer
from .types import BranchKind, BranchUpdate

#: Predicted targets are in the same aligned 2**TARGET_BITS bytes as the branch.  37 bits reach from an executable to
#: its libraries in every Sv39 process, and the 36 of them that are stored are the width of an ECP5 block RAM.
TARGET_BITS = GROUP_BITS + 3
#: Bits of the tags of the branch target buffer; aliases among addresses are possible and only cost time.
TAG_BITS = 10
WAYS = 2
#: Table of indirect targets: its entries, and the taken control transfers of the path that indexes it.
INDIRECT_ENTRIES, INDIRECT_EVENTS = 64, 4


class Predictor(wiring.Component):
    """Predicts for each group (aligned 8 bytes) where fetching goes on behind it.

    `next_pc` is where the group of the next cycle begins, if `next_en`: by the prediction if `advance`, or at
    `forget_pc` if `forget`; but at `redirect_pc` if `redirect`, and else at `branch_pc` if `branch`.  These are known
    late, like which prediction counts, and so what addresses the tables is made of every candidate before one is
    chosen.  The prediction for the group is there in the next cycle and as long as `next_en` is not set: `taken`, the
    position `last` of the branch's last halfword in the group, and the low bits [36:1] of the target.  `taken` is for a
    branch at or behind `pc`'s position in the group, and not without `allowed`; `sequential` is the next group.

    `advance` (with `next_en`) says that the path goes on as predicted, `redirect` or `branch` (even with it) or
    `forget` (never with it) that it does not: the speculative history and return stack go back to those of the resolved
    path.

    `update` trains, and its `redirected` corrects the speculative history once more, by the branch that has redirected.
    `forget` (taken when no update is valid) removes the branch at `forget_pc`: there is none.

    The target buffer is indexed by group and has two ways, so two branches of a group can be in it.  Directions, and
    targets of indirect jumps, are predicted by the path: the addresses of the last taken control transfers.  The path
    needs nothing to be carried along with an instruction to be known when it is resolved, unlike a history of outcomes,
    in which branches unknown to the target buffer are missing.  A group that was jumped to is indexed without that
    jump; so neither the prediction's own result nor the resolution that redirected is on the way to the address of a
    table.
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        super().__init__({
            "next_pc": Out(64),
            "sequential": Out(64 - 3),
            "next_en": In(1),
            "redirect": In(1),
            "redirect_pc": In(64),
            "branch": In(1),
            "branch_pc": In(64),
            "pc": In(64),
            "allowed": In(1),
            "taken": Out(1),
            "last": Out(2),
            "target": Out(TARGET_BITS - 1),
            "advance": In(1),
            "update": In(BranchUpdate),
            "forget": In(1),
            "forget_pc": In(64),
            "forget_rvc": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        config, update = self._config, self.update
        set_bits, indirect_bits = exact_log2(config.btb_entries // WAYS), exact_log2(INDIRECT_ENTRIES)
        this_group = self.pc[3:TARGET_BITS]

        def set_of(group):
            return direction.hash_of(group, set_bits)

        def tag_of(group):
            return group[set_bits:set_bits + TAG_BITS] ^ group[set_bits + TAG_BITS:set_bits + 2 * TAG_BITS]

        # --- what was resolved: the address of the last halfword says group and position
        resolved, resolved_rvc = Signal(TARGET_BITS - 1), Signal()
        last_half = Signal(TARGET_BITS - 1)  # address bits [36:1]
        forget = Signal()
        learn = Signal()
        m.d.comb += [
            forget.eq(self.forget & ~update.valid),
            learn.eq(update.valid & update.mispredicted),
            resolved.eq(Mux(forget, self.forget_pc[1:TARGET_BITS], update.pc[1:TARGET_BITS])),
            resolved_rvc.eq(Mux(forget, self.forget_rvc, update.rvc)),
            last_half.eq(resolved + ~resolved_rvc),
        ]
        group, ending = last_half[2:], last_half[:2]

        # --- path and return stack depth, of the resolved and of the predicted path
        path_before = Signal(PATH_BITS)  # without the last transfer,
        last_source = Signal(direction.ADDRESS_BITS)  # which came from this group
        source = Signal(2 + direction.ADDRESS_BITS)  # the low bits of `last_half`
        last_target = Signal(8)  # and led to that one
        path, path_next, train_path = Signal(PATH_BITS), Signal(PATH_BITS), Signal(PATH_BITS)
        spec_path, now_path, next_path, resolved_path = (Signal(PATH_BITS) for _ in range(4))
        m.d.comb += [
            path.eq(longer(path_before, last_source)),
            # with the transfer that `update` tells of (`group` is the same, but may be what is to be forgotten)
            source.eq(update.pc[1:] + ~update.rvc),
            path_next.eq(Mux(update.taken, longer(path, source[2:]), path)),
            train_path.eq(Mux(group[:8] == last_target, path_before, path)),
        ]
        with m.If(update.valid & update.taken):
            m.d.sync += [path_before.eq(path), last_source.eq(group), last_target.eq(update.target[3:])]

        depth, depth_next = Signal(range(config.ras_entries)), Signal(range(config.ras_entries))
        spec_depth, now_depth, next_depth, resolved_depth = (Signal.like(depth) for _ in range(4))
        m.d.comb += depth_next.eq(depth)
        with m.If(update.kind == BranchKind.CALL):
            m.d.comb += depth_next.eq(depth + 1)
        with m.If(update.kind == BranchKind.RETURN):
            m.d.comb += depth_next.eq(depth - 1)
        with m.If(update.valid):
            m.d.sync += depth.eq(depth_next)

        # What was followed in the last cycle was known late, and comes in from registers.  A redirection goes back to
        # what is resolved; one by a branch to what that makes of it, a cycle later.  A trap may come in between.
        followed, follows_call, follows_return, restored = Signal(), Signal(), Signal(), Signal()
        followed_group = Signal(direction.ADDRESS_BITS)
        m.d.comb += [
            resolved_path.eq(Mux(update.valid, path_next, path)),
            resolved_depth.eq(Mux(update.valid, depth_next, depth)),
            now_path.eq(Mux(followed, longer(spec_path, followed_group), spec_path)),
            now_depth.eq(spec_depth),
            next_path.eq(now_path),
            next_depth.eq(now_depth),
        ]
        with m.If(restored):  # what was resolved in the last cycle
            m.d.comb += [now_path.eq(path), now_depth.eq(depth)]
        with m.Elif(follows_call):
            m.d.comb += now_depth.eq(spec_depth + 1)
        with m.Elif(follows_return):
            m.d.comb += now_depth.eq(spec_depth - 1)
        with m.If(self.forget):
            m.d.comb += [next_path.eq(resolved_path), next_depth.eq(resolved_depth)]
        with m.Elif(update.redirected):
            m.d.comb += [next_path.eq(path_next), next_depth.eq(depth_next)]
        m.d.sync += [spec_path.eq(next_path), spec_depth.eq(next_depth), restored.eq(self.redirect | self.branch)]

        # --- branch target buffer.  What is learnt is looked up first, to be written to the way that has it.
        entry_layout = data.StructLayout({"valid": 1, "kind": BranchKind, "position": 2, "tag": TAG_BITS})
        new_entry = Signal(entry_layout)
        new_set, new_target = Signal(set_bits), Signal(TARGET_BITS - 1)
        write_entry, write_target = Signal(), Signal()
        victim = Signal()  # the way for a branch that is in none, by turns
        m.d.sync += [
            new_entry.valid.eq(~forget),
            new_entry.kind.eq(update.kind),
            new_entry.position.eq(ending),
            new_entry.tag.eq(tag_of(group)),
            new_set.eq(set_of(group)),
            new_target.eq(update.target[1:TARGET_BITS]),
            write_entry.eq(learn | forget),
            write_target.eq(learn & update.taken),
            victim.eq(victim ^ write_target),
        ]
        next_set = Signal(set_bits)
        entries, targets = [], []
        known = Signal(WAYS)
        for way in range(WAYS):
            m.submodules[f"btb{way}"] = entry_memory = memory.Memory(
                shape=entry_layout, depth=1 << set_bits, init=[], attrs=BLOCK)
            m.submodules[f"targets{way}"] = target_memory = memory.Memory(
                shape=TARGET_BITS - 1, depth=1 << set_bits, init=[], attrs=BLOCK)
            entry_read, target_read = entry_memory.read_port(), target_memory.read_port()
            entry_old = entry_memory.read_port()
            entry_write, target_write = entry_memory.write_port(), target_memory.write_port()
            chosen = known[way] | (~known.any() & new_entry.valid & (victim == way))
            m.d.comb += [
                entry_read.addr.eq(next_set), entry_read.en.eq(self.next_en),
                target_read.addr.eq(next_set), target_read.en.eq(self.next_en),
                entry_old.addr.eq(set_of(group)), entry_old.en.eq(learn | forget),
                known[way].eq(entry_old.data.valid & (entry_old.data.tag == new_entry.tag)
                              & (entry_old.data.position == new_entry.position)),
                entry_write.addr.eq(new_set), entry_write.data.eq(new_entry), entry_write.en.eq(write_entry & chosen),
                target_write.addr.eq(new_set), target_write.data.eq(new_target),
                target_write.en.eq(write_target & chosen),
            ]
            entries.append(entry_read.data)
            targets.append(target_read.data)

        # --- directions
        m.submodules.direction = directions = DirectionPredictor(config)
        m.d.comb += [
            directions.next_en.eq(self.next_en),
            directions.next_path.eq(next_path),
            directions.redirect.eq(self.redirect | self.branch),
            directions.redirect_path.eq(resolved_path),
            directions.group.eq(this_group),
            *(directions.position[way].eq(entry.position) for way, entry in enumerate(entries)),
            directions.train.eq(update.valid & (update.kind == BranchKind.BRANCH)),
            directions.train_group.eq(group),
            directions.train_path.eq(train_path),
            directions.train_position.eq(ending),
            directions.train_taken.eq(update.taken),
        ]

        # --- targets that depend on the path; direct jumps get in as well when they are new, and do no harm
        indirect_layout = data.StructLayout({"valid": 1, "tag": direction.TAG_BITS, "target": TARGET_BITS - 1})
        indirect_path = slice(0, INDIRECT_EVENTS * EVENT_BITS)
        m.submodules.indirect = indirect = memory.Memory(
            shape=indirect_layout, depth=INDIRECT_ENTRIES, init=[], attrs=BLOCK)
        indirect_read, indirect_write = indirect.read_port(), indirect.write_port()
        indirect_tag = Signal(direction.TAG_BITS)
        m.d.comb += [
            indirect_read.en.eq(self.next_en),
            indirect_write.en.eq(learn & ((update.kind == BranchKind.JUMP) | (update.kind == BranchKind.CALL))),
            indirect_write.addr.eq(direction.index_of(group, train_path[indirect_path], indirect_bits)),
            indirect_write.data.valid.eq(1),
            indirect_write.data.tag.eq(direction.tag_of(group, train_path[indirect_path], indirect_bits)),
            indirect_write.data.target.eq(update.target[1:TARGET_BITS]),
        ]
        with m.If(self.next_en):  # the group's part follows when it is there
            m.d.sync += indirect_tag.eq(Mux(
                self.redirect | self.branch, direction.path_tag(resolved_path[indirect_path], indirect_bits),
                direction.path_tag(next_path[indirect_path], indirect_bits)))

        # --- return stack: addresses [36:1] behind calls
        m.submodules.returns = returns = memory.Memory(shape=TARGET_BITS - 1, depth=config.ras_entries, init=[])
        # Pushed a cycle late, so that what is late to forbid it is not on the way to the memory.
        top, push = returns.read_port(domain="comb"), returns.write_port()
        top_return = Signal(TARGET_BITS - 1)
        push_resolved, push_last = Signal(), Signal(TARGET_BITS - 1)
        m.d.comb += [
            top.addr.eq(now_depth),
            push.en.eq(push_resolved | (follows_call & ~restored)),
            push.data.eq(push_last + 1),
            top_return.eq(Mux(push.en & (push.addr == now_depth), push.data, top.data)),
        ]

        # --- the prediction: the first taken branch
        indirect_tag_now = kept(m, "indirect_tag_now", indirect_tag ^ this_group[:direction.TAG_BITS])
        may_take, this_tag = kept(m, "may_take", self.allowed & ~self.forget), kept(m, "this_tag", tag_of(this_group))
        indirect_hit = kept(m, "indirect_hit", equal_pairs(
            m, "indirect_pair", indirect_read.data.tag, indirect_tag_now))
        way_taken, way_returns, way_indirect = [], [], []
        for way, entry in enumerate(entries):
            certain = kept(m, f"certain{way}", entry.kind != BranchKind.BRANCH)
            here = kept(m, f"here{way}", entry.position >= self.pc[1:3])
            low = kept(m, f"same_low{way}", equal_pairs(m, f"low_pair{way}_", entry.tag[:6], this_tag[:6]) & here)
            high = kept(m, f"same_high{way}", equal_pairs(m, f"high_pair{way}_", entry.tag[6:], this_tag[6:])
                        & entry.valid & may_take)
            way_taken.append(kept(m, f"way_taken{way}", low & high & (certain | directions.taken[way])))
            way_returns.append(entry.kind == BranchKind.RETURN)
            way_indirect.append(kept(m, f"way_indirect{way}", indirect_hit & indirect_read.data.valid & (
                (entry.kind == BranchKind.JUMP) | (entry.kind == BranchKind.CALL))))
        first_wins = kept(m, "first_wins", entries[0].position < entries[1].position)  # if both are taken
        second = Signal()
        m.d.comb += [
            second.eq(way_taken[1] & ~(way_taken[0] & first_wins)),
            self.taken.eq(way_taken[0] | way_taken[1]),
            self.last.eq(Mux(second, entries[1].position, entries[0].position)),
        ]

        # --- where it goes on: a function of the address bits [36:1] of every candidate is worked out before one is
        # chosen, by whether the first branch is taken, the second one, `redirect` and `branch`
        stays = Signal(TARGET_BITS - 1)  # if no branch is taken
        m.d.comb += [
            self.sequential.eq(self.pc[3:] + 1),
            stays.eq(Mux(self.forget, self.forget_pc[1:TARGET_BITS], Cat(0, 0, self.sequential[:GROUP_BITS]))),
        ]

        # The path's part in an index comes in with the choice by the first branch.
        def predicted(name, function, path=None):
            def indexed(address):
                return address if path is None else address ^ path

            candidates = []
            for way in range(WAYS):
                direct = kept(m, f"{name}_direct{way}", Mux(
                    way_returns[way], kept(m, f"{name}_returned{way}", function(top_return)),
                    kept(m, f"{name}_target{way}", function(targets[way]))))
                indirect = kept(m, f"{name}_indirect{way}", function(indirect_read.data.target))
                candidates.append(kept(m, f"{name}_candidate{way}", Mux(way_indirect[way], indirect, direct)))
            first, last = candidates
            neither = kept(m, f"{name}_neither", function(stays))
            both = kept(m, f"{name}_both", Mux(first_wins, first, last))
            return Mux(way_taken[1], kept(m, f"{name}_second", indexed(Mux(way_taken[0], both, last))),
                       kept(m, f"{name}_first", indexed(Mux(way_taken[0], first, neither))))

        def unless_asked(name, redirected, resolved, predicted):
            """X's redirection is known last."""
            otherwise = kept(m, f"{name}_otherwise", Mux(self.redirect, redirected, predicted))
            return Mux(self.branch & ~self.redirect, resolved, otherwise)

        def asked(name, function, bits=0, length=0):
            """`function` of the address, and of `length` bits of the path as part of an index of `bits` bits."""
            next_part, resolved_part = (
                kept(m, f"{name}_{what}_path", direction.fold(path[:length], bits)) if length else Const(0, 0)
                for what, path in (("next", next_path), ("resolved", resolved_path)))
            redirected, resolved = (kept(m, f"{name}_{what}", function(pc[1:TARGET_BITS]) ^ resolved_part)
                                    for what, pc in (("redirected", self.redirect_pc), ("resolved", self.branch_pc)))
            return unless_asked(name, redirected, resolved, predicted(name, function, next_part if length else None))

        def hashed(bits):
            return lambda address: direction.hash_of(address[2:], bits)

        tagged_bits, base_bits = direction.tagged_bits(config), direction.base_bits(config)
        m.d.comb += [
            self.target.eq(predicted("target", lambda address: address)),
            next_set.eq(asked("set", lambda address: set_of(address[2:]))),
            indirect_read.addr.eq(asked("indirect", hashed(indirect_bits), indirect_bits, indirect_path.stop)),
            directions.next_base.eq(asked("base", hashed(base_bits))),
            *(directions.next_tagged[number].eq(asked(f"tagged{number}", hashed(tagged_bits), tagged_bits,
                                                      events * EVENT_BITS))
              for number, events in enumerate(direction.EVENTS)),
        ]
        # Above, in a form that synthesis does not make a clock enable of.
        upper = kept(m, "upper_taken", self.pc[TARGET_BITS:])
        upper_stays = kept(m, "upper_stays", Mux(self.forget, self.forget_pc[TARGET_BITS:],
                                                 self.sequential[TARGET_BITS - 3:]))
        goes_on = kept(m, "goes_on", Cat(0, self.target, (upper & self.taken.replicate(len(upper)))
                                         | (upper_stays & (~self.taken).replicate(len(upper)))))
        m.d.comb += self.next_pc.eq(unless_asked("pc", self.redirect_pc, self.branch_pc, goes_on))

        # --- follow it, from the next cycle on
        calls = Cat(entry.kind == BranchKind.CALL for entry in entries)
        m.d.sync += [
            followed.eq(self.advance & self.taken),
            follows_call.eq(self.advance & self.taken & Mux(second, calls[1], calls[0])),
            follows_return.eq(self.advance & self.taken & Mux(second, *reversed(way_returns))),
            followed_group.eq(this_group),
            push.addr.eq(next_depth + 1),
            push_last.eq(Cat(self.last, this_group)),
            push_resolved.eq(0),
        ]
        # A call that was not predicted has not been pushed.
        with m.If(update.redirected & (update.kind == BranchKind.CALL)):
            m.d.sync += [push_resolved.eq(1), push.addr.eq(depth_next), push_last.eq(last_half)]
        return m
