"""The control and status registers, the privilege mode, and what traps and returns do to them.

Generated from `isa.csrs` where the table says all there is to say (storage, decoding, reading, legalisation, aliases,
who may access what); written out where hardware takes part: interrupt signals, counters, timers, traps and returns.
"""

from collections.abc import Iterable
from functools import reduce
from operator import or_

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..config import CoreConfig
from ..isa.control import CsrOp, LsuOp, SysOp
from ..isa.csrs import Csr, Field, Kind, Lock, Otherwise, csr_table
from ..isa.privilege import Mode, Priv
from ..memory.types import PointerMasking
from ..mmu.types import MmuContext, PmpEntry
from ..observe import CsrChange, Events
from .block_control import FIELDS as BLOCK_FIELDS
from .block_control import BlockControl
from .csr_access import CsrAccess, any_of, csr_permission, decoded_csr
from .csr_copies import CsrCopies, copied
from .event_counters import EventCounters, event_counters
from .interrupt_select import InterruptSelect
from .legality import FIELDS as LEGALITY_FIELDS
from .legality import Legality
from .trap_registers import TRAP_WORDS, TrapRegisters
from .trap_select import EXCEPTIONS, INTERRUPTS, Delegation, TrapSelect

_PMP_TOR = 1


def _or_tree(values: list[Value]) -> Value:
    """OR of many values as a balanced tree."""
    while len(values) > 1:
        values = [reduce(or_, values[index:index + 2]) for index in range(0, len(values), 2)]
    return values[0] if values else C(0, 64)


class CsrFile(wiring.Component):
    """CSRs, mode, trap and interrupt decisions of one hart.

    Everything is combinational from registers and the inputs of the M stage; effects happen at the end of the cycle
    in which `csr_commit`, `trap_valid` or `xret_valid` is set (at most one of them).

    CSR access, with `csr_valid`: `csr` is the decoded address (see `CsrDecoder`), `csr_operand` is rs1 or the
    immediate, `csr_write` says that the instruction writes.  `csr_rdata` is the value read.  An access must not be
    committed while `csr_busy`.  `csr_flush`: the write changes how the following instructions are fetched, or their
    loads and stores executed; `csr_fence`: the PMP was written, so that every translation that was checked against it
    must go.

    What is refused is told in the stage before M, when the instruction is about to enter it: `csr_illegal` and
    `csr_virtual` of the access that `x_csr_valid`, `x_csr` and `x_csr_write` describe, `sys_*` of the SYSTEM
    instruction `sys_op` (see `Legality`), `block_*` of the cache-block operation `block_op` (see `BlockControl`),
    `hlsv_*` of HLV, HLVX and HSV.  What M does meanwhile cannot change it, nor `exception_below_m` and
    `exception_to_vs`, unless it changes the mode: no mode has a register that decides what it may do itself.

    The cycle after a write or an xRET shows what it did: `changed` and `changed2` (as in `Retire`).

    Traps: `trap_interrupt` says whether it is the interrupt that was `trap_interrupt_cause` in the cycle before, or
    the exception `trap_cause`; `trap_target` has to be `interrupt_target`, or what `exception_below_m` and
    `exception_to_vs` (see `Delegation`) say of the exception. `trap_gpa` (bytes) is zero but for guest page faults,
    and for interrupts `trap_tval`, `trap_tinst` and `trap_gva` are as well. With `trap_held` the values of
    `trap_tval`, `trap_gpa` and `trap_tinst` are those of the cycle before. `trap_pc` is that of the trap presented.

    Interrupts: `interrupt_valid` and `interrupt_cause` follow what decides about an interrupt in the same cycle, but
    for pending and enable bits and delegation, which they and `wfi_wake` follow a cycle late: behind a write of what is
    `interrupting` M has to stay empty for a cycle.

    `mode` is the current privilege mode, `data_mode` the effective one of loads and stores (MPRV), `hlsv_mode` that
    of HLV, HLVX and HSV; `data_masking` and `hlsv_masking` are their pointer masking.  `time` is the
    platform's mtime; `msi`, `mti`, `mei`, `sei` and `sgei` (bit i is guest external interrupt i+1) are levels.
    `retired` pulses for every instruction that retires.
    """

    def __init__(self, config: CoreConfig):
        self._config = config
        self._table = csr_table(config)
        members = {
            "csr_valid": In(1),
            "csr": In(decoded_csr(config)),
            "csr_op": In(CsrOp),
            "csr_operand": In(64),
            "csr_write": In(1),
            "csr_commit": In(1),
            "csr_busy": Out(1),
            "csr_rdata": Out(64),
            "csr_flush": Out(1),
            "csr_fence": Out(1),
            "changed": Out(CsrChange),
            "changed2": Out(CsrChange),
            "x_csr_valid": In(1),
            "x_csr": In(csr_permission(config)),
            "x_csr_write": In(1),
            "csr_illegal": Out(1),
            "csr_virtual": Out(1),
            "sys_op": In(SysOp),
            "sys_illegal": Out(1),
            "sys_virtual": Out(1),
            "hlsv_illegal": Out(1),
            "hlsv_virtual": Out(1),
            "block_op": In(LsuOp),
            "block_illegal": Out(1),
            "block_virtual": Out(1),
            "inval_flushes": Out(1),
            "trap_valid": In(1),
            "trap_held": In(1),
            "trap_interrupt": In(1),
            "trap_cause": In(6),
            "trap_target": In(Mode),
            "trap_interrupt_cause": In(6),
            "interrupt_target": Out(Mode),
            "exception_below_m": Out(EXCEPTIONS),
            "exception_to_vs": Out(EXCEPTIONS),
            "trap_epc": In(64),
            "trap_tval": In(64),
            "trap_gpa": In(64),
            "trap_tinst": In(32),
            "trap_gva": In(1),
            "trap_pc": Out(64),
            "xret_valid": In(1),
            "xret_op": In(SysOp),
            "xret_pc": Out(64),
            "mode": Out(Mode, init={"priv": Priv.M, "v": 0}),
            "data_mode": Out(Mode),
            "hlsv_mode": Out(Mode),
            "data_masking": Out(PointerMasking),
            "hlsv_masking": Out(PointerMasking),
            "interrupt_valid": Out(1),
            "interrupt_cause": Out(6),
            "wfi_wake": Out(1),
            "msi": In(1),
            "mti": In(1),
            "mei": In(1),
            "sei": In(1),
            "time": In(64),
            "retired": In(1),
            "events": In(Events),
            "mmu": Out(MmuContext),
            "pmp": Out(data.ArrayLayout(PmpEntry, config.pmp_entries)),
        }
        if config.geilen:
            members["sgei"] = In(config.geilen)
        super().__init__(members)

    # --- values of registers and fields

    def _find(self, key: str) -> tuple[Csr, Field]:
        register, name = key.split(".")
        return self._table[register], self._table[register].field(name)

    def _root(self, csr: Csr, field: Field) -> str:
        """Key of the storage behind a field."""
        while field.kind is Kind.VIEW:
            csr, field = self._find(field.of)
        return f"{csr.name}.{field.name}"

    def _stored(self, csr: Csr, field: Field) -> Value:
        return self._store[self._root(csr, field)]

    def _value(self, csr: Csr, field: Field) -> Value:
        """What reading the field gives."""
        key = f"{csr.name}.{field.name}"
        match field.kind:
            case Kind.CONSTANT:
                value: Value = C(field.reset, field.width)
            case Kind.LIVE:
                value = self._live[key]
            case Kind.DIRTY:
                value = any_of(self._value(csr, csr.field(name)).all() for name in ("fs", "vs"))
            case Kind.MIXED:
                value = self._mixed[key](self._store[key])
            case Kind.VIEW:
                value = self._value(*self._find(field.of))
            case _:
                value = self._store[key]
        if field.gate:
            value = value & self._get(field.gate).replicate(field.width)
        return value

    def _get(self, key: str) -> Value:
        """Value of "register.field"; 0 if the configuration does not have it."""
        register, name = key.split(".")
        if register not in self._table:
            return C(0, 1)
        csr = self._table[register]
        for field in csr.fields:
            if field.name == name:
                return self._value(csr, field)
        return C(0, 1)

    @staticmethod
    def _assemble(fields: Iterable[tuple[int, Value]], width: int = 64) -> Value:
        """A register of `width` bits from (lowest bit, value)."""
        parts: list[Value] = []
        top = 0
        for low, value in sorted(fields, key=lambda item: item[0]):
            parts += [C(0, low - top), value]
            top = low + len(value)
        return Cat(*parts, C(0, width - top))

    def _register(self, name: str, width: int = 64) -> Value:
        """Value of a register, cut to `width` bits; 0 if the configuration does not have it."""
        if name not in self._table:
            return C(0, width)
        csr = self._table[name]
        return self._assemble((field.low, self._value(csr, field)) for field in csr.fields)[:width]

    # --- writes

    def _legalise(self, csr: Csr, field: Field, wdata: Value) -> tuple[Value, Value]:
        """Whether a write through `csr` changes the field at all, and what it writes."""
        value = wdata[field.low:field.low + field.width]
        changes: Value = C(1, 1)
        rule = field
        while rule.kind is Kind.VIEW:  # what any register on the way hides cannot be written
            _, rule = self._find(rule.of)
            if rule.gate:
                changes = changes & self._get(rule.gate)
        if rule.mask != -1:
            value = value & C(rule.mask & ((1 << field.width) - 1), field.width)
        if rule.legal is not None and len(rule.legal) < 1 << field.width:
            legal = value.matches(*rule.legal)
            if rule.otherwise is Otherwise.ZERO:
                value = Mux(legal, value, 0)
            else:
                changes = changes & legal
        if field.lock is Lock.CONFIG:
            value = Cat(value[0], value[0] & value[1], value[2:])
            changes = ~self._stored(csr, field)[7]
        elif field.lock is Lock.ADDRESS:
            entry = int(csr.name.removeprefix("pmpaddr"))
            top = field.width - 1
            value = Cat(value[:top], wdata[top:54].any())
            changes = ~self._pmp_config(entry)[7]
            if entry + 1 < self._config.pmp_entries:
                following = self._pmp_config(entry + 1)
                changes &= ~(following[7] & (following[3:5] == _PMP_TOR))
        if field.gate:
            changes = changes & self._get(field.gate)
        if csr.name == "mip" and field.name == "stip" and "stimecmp" in self._table:
            changes = changes & ~self._get("menvcfg.stce")  # read-only while it shows stimecmp
        return changes, value

    def _pmp_config(self, entry: int) -> Value:
        return self._store[f"pmpcfg{entry // 8 * 2}.cfg{entry}"]

    # --- the circuit

    def elaborate(self, platform):
        m = Module()
        table, config = self._table, self._config
        v = self.mode.v
        has_h = config.has("h")

        counters = {f"mhpmcounter{number}" for number in event_counters(config)}
        in_memory = counters | TRAP_WORDS.keys()
        groups = copied(config)
        copies = [CsrCopies({word: table[name] for name, word in group.items()}) for group in groups]
        copied_names = set().union(*groups)
        self._store = {
            f"{csr.name}.{field.name}": Signal(field.width, init=field.reset, name=f"{csr.name}_{field.name}")
            for csr in table.values() if csr.name not in in_memory
            for field in csr.fields if field.kind in (Kind.STORED, Kind.MIXED)
        }
        store = self._store
        m.submodules.traps = self._traps = TrapRegisters(config)
        m.submodules.events = self._events = EventCounters(config)
        self._signals(m)
        self._next_mode = Signal(Mode)
        m.d.comb += self._next_mode.eq(self.mode)
        m.d.sync += self.mode.eq(self._next_mode)

        # Whatever only an access needs is under `csr_valid`: a simulator then has nothing to do for it in other cycles.
        select = {name: self.csr.select[name] for name in table}

        def selected(names: Iterable[str]) -> Value:
            return any_of(select[name] for name in names)

        # --- reading.  Shadows of whole registers (cycle of mcycle) share the term of what they show.
        shown: dict[str, list[str]] = {}
        for csr in table.values():
            if len(csr.fields) == 1 and csr.fields[0].kind is Kind.VIEW and csr.read_only:
                shown.setdefault(self._find(csr.fields[0].of)[0].name, []).append(csr.name)
            elif any(field.kind is not Kind.CONSTANT or field.reset for field in csr.fields):
                shown.setdefault(csr.name, []).append(csr.name)
        terms = [Mux(select["time"] & v, self._guest_time, 0)] if "time" in table else []
        terms += [self._traps.rdata, Mux(self.csr.event, self._events.rdata, 0), *(copy.rdata for copy in copies)]
        for name, readers in shown.items():
            if name in in_memory or name in copied_names:
                continue
            chosen = selected(readers)
            if name == "time":
                chosen = chosen & ~v
            terms.append(Mux(chosen, self._register(name), 0))
        with m.If(self.csr_valid):
            m.d.comb += self.csr_rdata.eq(_or_tree(terms))

        # --- writing.  CSRRS and CSRRC work on the stored part of MIXED fields (the software-writable bit of SEIP).
        old, wdata = Signal(64), Signal(64)
        write = Signal()
        op = Value.cast(self.csr_op)[:2]  # all that tells them apart
        with m.If(self.csr_valid):
            m.d.comb += [old.eq(self.csr_rdata), write.eq(self.csr_commit & self.csr_write)]
            for csr in table.values():
                for field in csr.fields:
                    if field.kind is Kind.MIXED:
                        with m.If(select[csr.name]):
                            m.d.comb += old[field.low].eq(self._stored(csr, field))
            with m.Switch(op):
                with m.Case(CsrOp.RS.value):
                    m.d.comb += wdata.eq(old | self.csr_operand)
                with m.Case(CsrOp.RC.value):
                    m.d.comb += wdata.eq(old & ~self.csr_operand)
                with m.Default():
                    m.d.comb += wdata.eq(self.csr_operand)

        def written(csr: Csr) -> Value:
            """Whether a write has an effect at all."""
            drops = [field for field in csr.fields if field.otherwise is Otherwise.DROP]
            return self._legalise(csr, drops[-1], wdata)[0] if drops else C(1, 1)

        # by field and lowest bit of the write data: the same bits of several registers can share a multiplexer
        self._writes: dict[str, dict[int, tuple[Value, list[Value]]]] = {key: {} for key in store}
        for csr in table.values():
            accepted = written(csr)
            for field in csr.fields:
                if field.writable and not csr.read_only and self._root(csr, field) in store:
                    changes, value = self._legalise(csr, field, wdata)
                    _, enables = self._writes[self._root(csr, field)].setdefault(field.low, (value, []))
                    enables.append(select[csr.name] & changes & accepted)

        for index, (group, copy) in enumerate(zip(groups, copies, strict=True)):
            m.submodules[f"copies{index}"] = copy
            changed, value = Signal(name=f"copy_changed{index}"), wdata
            whole = [(table[name], table[name].fields[0]) for name in group]
            m.d.comb += changed.eq(any_of(
                select[csr.name] & written(csr) & self._legalise(csr, field, wdata)[0] for csr, field in whole))
            if all(field.lock is Lock.ADDRESS for _, field in whole):
                value = self._legalise(*whole[0], wdata)[1]
            m.d.comb += [
                copy.access.eq(self.csr_valid & self.csr.copies[index]),
                copy.word.eq(self.csr.word),
                copy.write.eq(write & changed),
                copy.wdata.eq(value),
            ]

        # Which bits a write changes is told from the bits themselves: by way of `csr_rdata` it would end the longest
        # path there is to the front end.
        operand = self.csr_operand
        sets, clears = Signal(), Signal()
        m.d.comb += [sets.eq(op == CsrOp.RS.value), clears.eq(op == CsrOp.RC.value)]
        flushes = [self.csr.flush]
        masks: dict[int, list[str]] = {}
        for csr in table.values():
            for bit in range(64 if csr.flush > 0 else 0):
                if csr.flush >> bit & 1:
                    masks.setdefault(bit, []).append(csr.name)
        for bit, names in masks.items():
            for name in names:
                flushes.append(select[name] & Mux(self._register(name)[bit], Mux(operand[bit], clears, ~sets & ~clears),
                                                  operand[bit] & ~clears))
        with m.If(self.csr_valid):
            m.d.comb += [
                self.csr_flush.eq(any_of(flushes)),
                self.csr_fence.eq(self.csr.pmp),
            ]

        # --- permission
        m.submodules.access = access = CsrAccess(config)
        m.d.comb += [
            access.valid.eq(self.x_csr_valid),
            access.csr.eq(self.x_csr),
            access.write.eq(self.x_csr_write),
            access.mode.eq(self.mode),
            *(getattr(access, control.replace(".", "_")).eq(self._get(control)) for control in access.controls),
            self.csr_illegal.eq(access.illegal),
            self.csr_virtual.eq(access.virtual),
        ]
        m.submodules.legality = legality = Legality()
        m.d.comb += [
            legality.op.eq(self.sys_op),
            legality.mode.eq(self.mode),
            *(getattr(legality, name).eq(self._get(f"{register}.{name}"))
              for register, names in LEGALITY_FIELDS.items() for name in names),
            self.sys_illegal.eq(legality.sys_illegal),
            self.sys_virtual.eq(legality.sys_virtual),
            self.hlsv_illegal.eq(legality.hlsv_illegal),
            self.hlsv_virtual.eq(legality.hlsv_virtual),
        ]
        if config.has("zicbom") or config.has("zicboz"):
            m.submodules.blocks = blocks = BlockControl()
            m.d.comb += [
                blocks.op.eq(self.block_op),
                blocks.mode.eq(self.mode),
                *(getattr(blocks, register)[name].eq(self._get(f"{register}.{name}"))
                  for register, names in BLOCK_FIELDS.items() for name in names),
                self.block_illegal.eq(blocks.illegal),
                self.block_virtual.eq(blocks.virtual),
                self.inval_flushes.eq(blocks.inval_flushes),
            ]

        # --- interrupts
        m.submodules.interrupts = interrupts = InterruptSelect(delayed=True)
        m.d.comb += [
            interrupts.pending.eq(self._register("mip", INTERRUPTS)),
            interrupts.enable.eq(self._register("mie", INTERRUPTS)),
            interrupts.mideleg.eq(self._register("mideleg", INTERRUPTS)),
            interrupts.hideleg.eq(self._register("hideleg", INTERRUPTS)),
            interrupts.mode.eq(self._next_mode),
            interrupts.mie.eq(store["mstatus.mie"]),
            interrupts.sie.eq(store["mstatus.sie"]),
            interrupts.vsie.eq(self._get("vsstatus.sie")),
            self.interrupt_valid.eq(interrupts.valid),
            self.interrupt_cause.eq(interrupts.cause),
            self.wfi_wake.eq(interrupts.wake),
        ]

        self._trap(m, wdata, write, select)
        self._xret(m)
        self._counters(m, wdata, write, select)

        # Software's writes; where traps write too, `_trap` has taken them.
        with m.If(write):
            for key, writes in self._writes.items():
                for value, enables in writes.values():
                    with m.If(any_of(enables)):
                        m.d.sync += store[key].eq(value)
        if "mip.lcofip" in store:  # an overflow is not lost to a write of the same cycle
            with m.If(self._overflow):
                m.d.sync += store["mip.lcofip"].eq(1)
        self._observe(m, write, select)

        # --- modes of memory accesses, and what translation depends on
        spvp = self._get("hstatus.spvp")
        m.d.comb += [
            self.data_mode.eq(self.mode),
            self.hlsv_mode.priv.eq(Mux(spvp, Priv.S, Priv.U)),
            self.hlsv_mode.v.eq(1),
        ]
        with m.If(store["mstatus.mprv"]):
            m.d.comb += [
                self.data_mode.priv.eq(Priv(store["mstatus.mpp"])),
                self.data_mode.v.eq(self._get("mstatus.mpv") & (store["mstatus.mpp"] != Priv.M.value)),
            ]
        m.d.comb += [
            self.mmu.satp.eq(self._register("satp")),
            self.mmu.vsatp.eq(self._register("vsatp")),
            self.mmu.hgatp.eq(self._register("hgatp")),
            self.mmu.mxr.eq(self._get("mstatus.mxr")),
            self.mmu.sum.eq(self._get("mstatus.sum")),
            self.mmu.vmxr.eq(self._get("vsstatus.mxr")),
            self.mmu.vsum.eq(self._get("vsstatus.sum")),
            self.mmu.m_adue.eq(self._get("menvcfg.adue")),
            self.mmu.h_adue.eq(self._get("henvcfg.adue")),
            self.mmu.m_pbmte.eq(self._get("menvcfg.pbmte")),
            self.mmu.h_pbmte.eq(self._get("henvcfg.pbmte")),
        ]
        self._pointer_masking(m)
        for entry in range(config.pmp_entries):
            m.d.comb += self.pmp[entry].eq(Cat(self._pmp_config(entry), store[f"pmpaddr{entry}.value"]))
        if not has_h:
            m.d.comb += self.hlsv_mode.v.eq(0)
        return m

    def _pointer_masking(self, m: Module) -> None:
        """Pointer masking of loads and stores.  A cycle late, which no instruction can notice: whatever changes it
        makes the pipeline refetch."""

        def pmm(key: str) -> Value:
            value = self._get(key)
            return value if len(value) == 2 else C(0, 2)

        def state(mode, user: Value) -> Value:
            atp = Mux(mode.v, self.mmu.vsatp.mode, self.mmu.satp.mode)
            supervisor = Mux(mode.v, pmm("henvcfg.pmm"), pmm("menvcfg.pmm"))
            mxr = self.mmu.mxr | mode.v & self.mmu.vmxr
            machine = mode.priv == Priv.M
            below_m = Mux(mode.priv == Priv.U, user, supervisor) & (~mxr).replicate(2)
            return Cat(Mux(machine, pmm("mseccfg.pmm"), below_m), machine | ~atp.any())

        if not any(self._config.has(extension) for extension in ("smmpm", "smnpm", "ssnpm")):
            return
        hlsv_user = Mux(self.mode.priv == Priv.U, pmm("hstatus.hupmm"), pmm("senvcfg.pmm"))
        m.d.sync += [
            self.data_masking.eq(state(self.data_mode, pmm("senvcfg.pmm"))),
            self.hlsv_masking.eq(state(self.hlsv_mode, hlsv_user)),
        ]

    def _signals(self, m: Module) -> None:
        """Values that hardware computes: LIVE and MIXED fields."""
        sstc = "stimecmp" in self._table
        has_h = self._config.has("h")
        guest_time: Value = self.time
        if has_h:
            # A cycle late, which no instruction can notice: the mode changes between a write of htimedelta and a
            # read of time that it affects.
            delayed = Signal(64)
            m.d.sync += delayed.eq(self.time + self._store["htimedelta.value"])
            guest_time = delayed
        self._guest_time = guest_time
        self._live = {
            "mip.msip": self.msi,
            "mip.mtip": self.mti,
            "mip.meip": self.mei,
            "time.value": self.time,  # in V=0
        }
        for field in self._table["scountovf"].fields if "scountovf" in self._table else ():
            enabled = f"counteren.hpm{field.low}"
            seen = self._get(f"m{enabled}") & (~self.mode.v | self._get(f"h{enabled}"))
            self._live[f"scountovf.{field.name}"] = (
                self._store[f"mhpmevent{field.low}.of"] & ((self.mode.priv == Priv.M) | seen))
        self._mixed = {"mip.seip": lambda stored: stored | self.sei}
        if sstc:
            due = Signal()
            m.d.sync += due.eq(self.time >= self._store["stimecmp.value"])
            self._mixed["mip.stip"] = lambda stored: Mux(self._get("menvcfg.stce"), due, stored)
        if has_h:
            external: Value = self._store["hvip.vseip"]
            timer: Value = self._store["hvip.vstip"]
            if sstc:
                guest_due = Signal()
                m.d.sync += guest_due.eq(guest_time >= self._store["vstimecmp.value"])
                timer = timer | (guest_due & self._get("henvcfg.stce"))
            if self._config.geilen:
                pending = Cat(C(0, 1), self.sgei)
                external = external | pending.bit_select(self._store["hstatus.vgein"], 1)
                self._live["hgeip.value"] = self.sgei
                self._live["mip.sgeip"] = (self.sgei & self._store["hgeie.value"]).any()
            self._live |= {"mip.vseip": external, "mip.vstip": timer}

    def _trap(self, m: Module, wdata: Value, write: Value, select: dict[str, Value]) -> None:
        """Trap entry."""
        store = self._store
        has_h = self._config.has("h")
        m.submodules.exceptions = exceptions = Delegation(EXCEPTIONS)
        m.submodules.interrupt_target = target = TrapSelect()
        mideleg, hideleg = self._register("mideleg", INTERRUPTS), self._register("hideleg", INTERRUPTS)
        m.d.comb += [
            exceptions.mode.eq(self.mode),
            exceptions.first.eq(self._register("medeleg", EXCEPTIONS)),
            exceptions.second.eq(self._register("hedeleg", EXCEPTIONS)),
            self.exception_below_m.eq(exceptions.below_m),
            self.exception_to_vs.eq(exceptions.to_vs),
            target.interrupt.eq(1),
            target.cause.eq(self.trap_interrupt_cause),
            target.mode.eq(self.mode),
            target.mideleg.eq(mideleg),
            target.hideleg.eq(hideleg),
        ]
        # An interrupt is taken in the cycle after it was chosen: where it goes is known then.
        cause = Signal(6)
        m.d.sync += [cause.eq(self.trap_interrupt_cause), self.interrupt_target.eq(target.target)]
        prefixes = ["m", "s", "vs"] if has_h else ["m", "s"]

        def chosen(name: str, modes: list[Value]) -> Value:
            values = [store[f"{prefix}tvec.{name}"] for prefix in prefixes]
            return _or_tree([value & mode.replicate(len(value)) for value, mode in zip(values, modes, strict=True)])

        to_m, to_hs, to_vs = Signal(), Signal(), Signal()
        m.d.comb += [
            to_m.eq(self.trap_target.priv == Priv.M),
            to_vs.eq(self.trap_target.v),
            to_hs.eq(~to_m & ~to_vs),
        ]
        to = [to_m, to_hs, to_vs][:len(prefixes)]
        targets = list(zip(prefixes, to, strict=True))

        # VS-level interrupts (2, 6, 10) are numbered as supervisor interrupts (1, 5, 9) in VS-mode; in 13, the other
        # interrupt that can get there, the low bits are those anyway.
        interrupt, code = Signal(6), Signal(6)
        m.d.comb += [
            interrupt.eq(Cat(Mux(self.interrupt_target.v, 1, cause[:2]), cause[2:])),
            code.eq(Mux(self.trap_interrupt, interrupt, self.trap_cause)),
        ]

        # Only interrupts are vectored, and theirs is known early.
        then, to_m_then = self.interrupt_target, self.interrupt_target.priv == Priv.M
        modes = [to_m_then, ~to_m_then & ~then.v, then.v][:len(prefixes)]
        vectored_pc = Signal(62)
        m.d.comb += [
            vectored_pc.eq(chosen("base", modes) + Mux(chosen("mode", modes), interrupt, 0)),
            self.trap_pc.eq(Cat(C(0, 2), Mux(self.trap_interrupt, vectored_pc,
                                             chosen("base", to)))),
        ]

        code_of = {f"{prefix}cause": chosen for prefix, chosen in targets}
        for name, trap_value in (("code", code), ("interrupt", self.trap_interrupt)):
            field = self._table["mcause"].field(name)
            value = Signal(field.width, name=f"next_{name}")
            with m.If(self.trap_valid | write):
                m.d.comb += value.eq(Mux(self.trap_valid, trap_value, wdata[field.low:field.low + field.width]))
                for register, chosen in code_of.items():
                    key = f"{register}.{name}"
                    self._writes[key].clear()
                    with m.If((write & select[register]) | (self.trap_valid & chosen)):
                        m.d.sync += store[key].eq(value)

        # What does not decide where the hart goes on is in a memory.  In V=1 the words of VS-mode replace S-mode's.
        traps = self._traps
        m.d.comb += [
            traps.word.eq(self.csr.word),
            traps.access.eq(self.csr_valid & self.csr.trap),
            traps.write.eq(write & self.csr.trap),
            traps.wdata.eq(wdata),
            traps.trap_valid.eq(self.trap_valid),
            traps.target.eq(self.trap_target),
            traps.epc.eq(self.trap_epc),
            traps.held.eq(self.trap_held),
            traps.tval.eq(self.trap_tval),
            traps.gpa.eq(self.trap_gpa[2:]),
            traps.tinst.eq(self.trap_tinst),
        ]

        # Status.  These assignments come before software's in the netlist, but never happen in the same cycle.
        supervisor = self.mode.priv != Priv.U  # as SPP holds it
        with m.If(self.trap_valid):
            m.d.comb += self._next_mode.eq(self.trap_target)
            with m.If(to_m):
                m.d.sync += [
                    store["mstatus.mpp"].eq(self.mode.priv),
                    store["mstatus.mpie"].eq(store["mstatus.mie"]),
                    store["mstatus.mie"].eq(0),
                ]
                if has_h:
                    m.d.sync += [
                        store["mstatus.mpv"].eq(self.mode.v),
                        store["mstatus.gva"].eq(self.trap_gva),
                    ]
            with m.If(to_hs):
                m.d.sync += [
                    store["mstatus.spp"].eq(supervisor),
                    store["mstatus.spie"].eq(store["mstatus.sie"]),
                    store["mstatus.sie"].eq(0),
                ]
                if has_h:
                    m.d.sync += [
                        store["hstatus.spv"].eq(self.mode.v),
                        store["hstatus.gva"].eq(self.trap_gva),
                    ]
                    with m.If(self.mode.v):
                        m.d.sync += store["hstatus.spvp"].eq(supervisor)
            if has_h:
                with m.If(to_vs):
                    m.d.sync += [
                        store["vsstatus.spp"].eq(supervisor),
                        store["vsstatus.spie"].eq(store["vsstatus.sie"]),
                        store["vsstatus.sie"].eq(0),
                    ]

    def _xret(self, m: Module) -> None:
        """MRET and SRET."""
        store = self._store
        has_h = self._config.has("h")
        is_mret = self.xret_op == SysOp.MRET
        m.d.comb += self.xret_pc.eq(self._traps.pc)
        with m.If(self.xret_valid & is_mret):
            m.d.comb += self._next_mode.priv.eq(Priv(store["mstatus.mpp"]))
            m.d.sync += [
                store["mstatus.mie"].eq(store["mstatus.mpie"]),
                store["mstatus.mpie"].eq(1),
                store["mstatus.mpp"].eq(Priv.U),
            ]
            with m.If(store["mstatus.mpp"] != Priv.M.value):
                m.d.sync += store["mstatus.mprv"].eq(0)
            if has_h:
                m.d.comb += self._next_mode.v.eq(store["mstatus.mpv"] & (store["mstatus.mpp"] != Priv.M.value))
                m.d.sync += store["mstatus.mpv"].eq(0)

        def sret(status: str) -> None:
            m.d.comb += self._next_mode.priv.eq(Mux(store[f"{status}.spp"], Priv.S, Priv.U))
            m.d.sync += [
                store["mstatus.mprv"].eq(0),
                store[f"{status}.sie"].eq(store[f"{status}.spie"]),
                store[f"{status}.spie"].eq(1),
                store[f"{status}.spp"].eq(0),
            ]

        with m.If(self.xret_valid & ~is_mret & ~self.mode.v):
            sret("mstatus")
            if has_h:
                m.d.comb += self._next_mode.v.eq(store["hstatus.spv"])
                m.d.sync += store["hstatus.spv"].eq(0)
        if has_h:
            with m.If(self.xret_valid & ~is_mret & self.mode.v):
                sret("vsstatus")

    def _observe(self, m: Module, write: Value, select: dict[str, Value]) -> None:
        """What a write or an xRET did, read from the registers a cycle later."""
        table = self._table
        counters = {f"mhpmcounter{number}" for number in event_counters(self._config)}
        for position, change in enumerate((self.changed, self.changed2)):
            by_name: dict[str, Value] = {}
            for csr in table.values():
                if len(csr.changes) > position:
                    name = csr.changes[position]
                    by_name[name] = by_name.get(name, C(0, 1)) | (write & select[csr.name])
            is_sret = self.xret_valid & (self.xret_op == SysOp.SRET)
            returns = {"hstatus": is_sret & ~self.mode.v} if position else {
                "mstatus": self.xret_valid & ~(is_sret & self.mode.v), "vsstatus": is_sret & self.mode.v}
            for name, happens in returns.items():
                if name in table:
                    by_name[name] = by_name.get(name, C(0, 1)) | happens
            valid, addr = Signal(), Signal(12)
            m.d.sync += valid.eq(0)
            with m.If(write | self.xret_valid):
                for name, happens in by_name.items():
                    with m.If(happens):
                        m.d.sync += [valid.eq(1), addr.eq(table[name].address)]
            m.d.comb += [change.valid.eq(valid), change.addr.eq(addr)]
            with m.If(valid), m.Switch(addr):
                for name in by_name:
                    with m.Case(table[name].address):
                        m.d.comb += change.data.eq(
                            self._traps.seen if name in TRAP_WORDS else
                            self._events.seen if name in counters else self._register(name))

    def _counters(self, m: Module, wdata: Value, write: Value, select: dict[str, Value]) -> None:
        """Counters; a write by software wins over the count of the same cycle, its own retirement included."""

        def counter(name: str, count: Value) -> None:
            register = self._store[f"{name}.value"]
            with m.If(count):
                m.d.sync += register.eq(register + 1)

        # That an instruction retires is known late: it counts a cycle later, and who asks how many have waits for it.
        counters = self._events
        retired, counts = Signal(), Signal()
        m.d.sync += [
            retired.eq(self.retired),
            counts.eq(~self._get("mcountinhibit.ir") & ~(write & select["minstret"])),
        ]
        counter("mcycle", ~self._get("mcountinhibit.cy"))
        counter("minstret", retired & counts)
        asked = any_of(select[csr.name] for csr in self._table.values() if csr.name == "minstret" or any(
            field.of == "minstret.value" for field in csr.fields))
        # Pulses come from all over the core, and some late.
        events = Signal(Events)
        m.d.sync += events.eq(self.events)
        others = Cat(C(0, 1), events.as_value(), C(1, 1), retired)
        here = {
            "minh": self.mode.priv == Priv.M,
            "sinh": (self.mode.priv == Priv.S) & ~self.mode.v,
            "uinh": (self.mode.priv == Priv.U) & ~self.mode.v,
            "vsinh": (self.mode.priv == Priv.S) & self.mode.v,
            "vuinh": (self.mode.priv == Priv.U) & self.mode.v,
        }
        m.d.comb += [
            counters.number.eq(self.csr.number),
            counters.write.eq(write & self.csr.event),
            counters.wdata.eq(wdata),
            self.csr_busy.eq((self.csr.event & counters.busy) | (asked & retired & counts)),
        ]
        overflows = []
        for index, number in enumerate(event_counters(self._config)):
            event = f"mhpmevent{number}"
            chosen = self._store[f"{event}.event"]
            allowed = Signal(name=f"counting{number}")
            inhibited = self._get(f"mcountinhibit.hpm{number}") | any_of(
                self._get(f"{event}.{name}") & mode for name, mode in here.items())
            m.d.sync += allowed.eq((chosen != 0) & ~inhibited)
            with m.If(allowed):
                m.d.comb += counters.count[index].eq(others.bit_select(chosen, 1))
            if self._config.has("sscofpmf"):
                overflow = counters.overflow[index]
                overflows.append(overflow & ~self._store[f"{event}.of"])
                with m.If(overflow):
                    m.d.sync += self._store[f"{event}.of"].eq(1)
        self._overflow = any_of(overflows)
