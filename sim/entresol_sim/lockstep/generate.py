"""Random programs that move between all modes, change how addresses are translated and who handles traps.

A program is a sequence of blocks.  Each begins by pointing s11 at the next one; trap handlers read the CSRs of their
mode and go on there, in their own mode or (bit 0 of s11) in the one that trapped.  So whatever a block does, the
program gets to its end, and no generator needs to know in which mode a block will run.

What would make two correct machines differ is left out: counters are read only into x0, timers are set to expire at
once or never, interrupts come from bits that software sets, and what is changed in page tables, PMP and the bits that
govern walks is followed by the fences that the text demands, in a block that is left at its first instruction by any
mode that could not complete it.
"""

import random
from collections.abc import Callable

from entresol.config import CoreConfig
from entresol.isa.compressed import configured as configured_compressed
from entresol.isa.control import Unit
from entresol.isa.csrs import Csr, Kind, csr_table
from entresol.isa.instructions import Instruction, Operands, configured

from .assembler import ROWS, expand
from .deviations import FURTHER_PMP
from .layout import CODE, DATA, DATA_SIZE, ROUNDS, USER_OFFSET, Block, Image, Label, Op, load_immediate
from .steps import HS, VS, M
from .tables import MODES, USER_WINDOW, WINDOW, WINDOW_SIZE, Tables

#: Registers of the handlers (s8, s9) and of the way through the program (s11).
_H1, _H2, _NEXT = 24, 25, 27
#: Counts the turns of a loop.
_COUNT = 26
_POINTERS = (2, 10, 11, 12, 13)
_VALUES = tuple(n for n in range(1, 32) if n not in (_H1, _H2, _NEXT, _COUNT, *_POINTERS))
_T0, _T1, _T2 = 5, 6, 7
_FINISHER, _PASS, _MTIMECMP = 0x10_0000, 0x5555, 0x200_4000
_ONES = (1 << 64) - 1
#: A time that does not come: further away, some machines lose count.
_NEVER = 1 << 50
_CORNERS = (0, 1, 2, _ONES, 1 << 63, (1 << 63) - 1, 1 << 31, (1 << 31) - 1, 0xFFFF_FFFF, 0x8000_0000_8000_0000)
_COUNTERS = frozenset(
    (
        *("cycle", "time", "instret", "mcycle", "minstret"),
        *(f"{prefix}hpmcounter{number}" for prefix in ("m", "") for number in range(3, 32)),
    )
)
_IDENTITY = frozenset(("mvendorid", "marchid", "mimpid"))
#: Registers that steer the program, which blocks of their own write.
_STEERING = frozenset(("misa", "mtvec", "stvec", "vstvec", "satp", "vsatp", "hgatp", "stimecmp", "vstimecmp", "menvcfg",
                       "henvcfg"))  # fmt: skip
#: Exceptions, as bits, that some references take for each other.
_CONFUSED = (1 << 2 | 1 << 22, 1 << 4 | 1 << 6, 0xB0B0A2)
#: FS, VS and SD, which without such extensions an implementation may have or not.
_EXTENSION_STATE = 3 << 13 | 3 << 9 | 1 << 63


def _absent_counter(name: str, config: CoreConfig) -> bool:
    """Whether `name` is a counter, or its event, that only reads as zero, or about such."""
    number = name.removeprefix("m").removeprefix("hpmcounter").removeprefix("hpmevent")
    return (
        number.isdigit() and name.startswith(("hpm", "mhpm")) and int(number) >= 3 + config.hpm_counters
    ) or name == "scountovf"


class Generator:
    """Makes the program of a seed for `config`, without instructions of the extensions in `missing`.

    `avoid` names deviations of the reference that programs should seldom run into.
    """

    def __init__(self, config: CoreConfig, missing: frozenset[str] = frozenset(), avoid: frozenset[str] = frozenset()):
        self.config = config
        self.avoided = avoid
        present = config.extensions - missing
        self.csrs = {name: csr for name, csr in csr_table(config).items() if csr.extension not in missing}
        self.has = present.__contains__
        rows = configured(present)
        self.alu = [
            row
            for row in rows
            if row.control.get("unit") in (None, Unit.MUL, Unit.DIV)
            and row.operands.value.startswith("rd")
            and "target" not in row.operands.value
        ]
        # the core has these gated by state enables
        self.gated = {"henvcfg", "senvcfg"} if "smstateen" in missing and config.has("smstateen") else set()
        named = {row.name for row in rows}
        self.loads = [n for n in ("lb", "lh", "lw", "ld", "lbu", "lhu", "lwu") if n in named]
        self.stores = ["sb", "sh", "sw", "sd"]
        self.amos = [n for n in named if n.startswith("amo")]
        self.amos.sort()
        self.hlv = sorted(n for n in named if n.startswith(("hlv", "hlvx")))
        self.hsv = sorted(n for n in named if n.startswith("hsv"))
        if "HLVX" in avoid:
            self.hlv = [n for n in self.hlv if not n.startswith("hlvx")]
        self.fences = sorted(n for n in named if n.startswith(("sfence", "hfence", "sinval", "hinval")))
        # CBO.INVAL may lose what was written
        self.block_operations = [n for n in ("cbo.zero", "cbo.clean", "cbo.flush") if n in named]
        self.vm_modes = [MODES[name] for name in MODES if name in config.vm_modes]
        self.guest_vm_modes = [MODES[name] for name in MODES if f"{name}x4" in config.vm_modes]
        self.compressed = [
            row for row in configured_compressed(present)
            if row.target not in ("jal", "jalr", "beq", "bne", "ebreak")
        ]  # fmt: skip
        if "triggers" in avoid:
            self.csrs = {name: csr for name, csr in self.csrs.items() if csr.address >> 4 != 0x7A}
        if "absent counters" in avoid:
            self.csrs = {name: csr for name, csr in self.csrs.items() if not _absent_counter(name, config)}
        if "PMP entries" in avoid:
            self.csrs = {name: csr for name, csr in self.csrs.items() if name not in FURTHER_PMP}
        self.masks = {csr.name: self._mask(csr) for csr in self.csrs.values()}
        for name in ("mstatus", "sstatus", "vsstatus"):
            if "MXR" in avoid and name in self.masks:
                self.masks[name] &= ~(1 << 19)
            if "MPRV" in avoid and name == "mstatus":
                self.masks[name] &= ~(1 << 17)
            if "TSR" in avoid and name == "mstatus":
                self.masks[name] &= ~(1 << 22)
            if name in self.masks:
                self.masks[name] &= ~_EXTENSION_STATE
        for name in ("mideleg", "hideleg", "mie", "sie", "hie", "vsie", "mip", "sip", "hip", "hvip", "vsip"):
            if "LCOFI" in avoid and name in self.masks:
                self.masks[name] &= ~(1 << 13)
        if "guest interrupt files" in avoid and "hstatus" in self.masks:
            self.masks["hstatus"] &= ~(0x3F << 12)
            self.masks["hgeie"] = 0
        if "ssnpm" in missing and "hstatus" in self.masks:
            self.masks["hstatus"] &= ~(3 << 48)
        if "hedeleg bits" in avoid and "hedeleg" in self.masks:
            self.masks["hedeleg"] &= ~(3 << 18)
        for name in ("menvcfg", "henvcfg", "senvcfg"):
            if "FIOM" in avoid and name in self.masks:
                self.masks[name] &= ~1
            if missing & {"zicbom", "zicboz"} and name in self.masks:
                self.masks[name] &= ~0xF0
            if missing & {"smnpm", "ssnpm"} and name in self.masks:
                self.masks[name] &= ~(3 << 32)
        for name in ("mstatus", "hstatus"):
            if "TVM" in avoid and name in self.masks:
                self.masks[name] &= ~(1 << 20)

    def _mask(self, csr: Csr) -> int:
        """The bits that software can write."""
        mask = 0
        for field in csr.fields:
            rule = field
            owner = csr
            while rule.kind is Kind.VIEW:
                register, name = rule.of.split(".")
                owner = self.csrs[register]
                rule = owner.field(name)
            if field.writable:
                mask |= (rule.mask & (1 << field.width) - 1) << field.low
        return mask

    def generate(self, seed: int, blocks: int) -> Image:
        """The program of `seed` with about so many random blocks."""
        return _Program(self, random.Random(f"{self.config.name} {seed}"), f"seed {seed}", blocks).image


class _Program:
    """One program in the making."""

    def __init__(self, generator: Generator, rng: random.Random, name: str, count: int):
        self.g = generator
        self.rng = rng
        self.has = generator.has
        self.words: dict[int, int] = {ROUNDS: rng.choice((1, 2, 4, 8))}
        for index in range(0, 16 * 4096, 8 * 61):
            self.words[DATA + index] = self.value()
        for page in range(DATA_SIZE // 4096):
            self.words.setdefault(DATA + page * 4096, self.value())
        self._tables()
        # numbers of blocks: 0 prologue, 1..count, then the end, handlers
        self.end, self.final, self.handlers = count + 1, count + 2, {M: count + 3, HS: count + 4, VS: count + 5}
        kinds = self._kinds()
        body = []
        for number in range(1, count + 1):
            make = rng.choices([kind for kind, _ in kinds], [weight for _, weight in kinds])[0]
            body.append(Block(number, self._lead(number + 1, rng.random() < 0.7) + make()))
        blocks = [
            # the handlers in front, where no compressed instruction can leave them misaligned
            Block(0, [*self._prologue(), Op("jal", target=Label(1))], removable=False),
            *(Block(number, self._handler(mode), removable=False) for mode, number in self.handlers.items()),
            *body,
            *self._end(),
        ]
        self.image = Image(name, blocks, self.words)

    # -- values -----------------------------------------------------------------------------------------------------

    def value(self) -> int:
        rng = self.rng
        chance = rng.random()
        if chance < 0.3:
            return rng.choice(_CORNERS)
        if chance < 0.5:
            return rng.getrandbits(12)
        if chance < 0.6:
            return 1 << rng.randrange(64)
        if chance < 0.75:
            return rng.getrandbits(32)
        return rng.getrandbits(64)

    def avoids(self, deviation: str) -> bool:
        """Whether to stay clear of something in which the reference is wrong."""
        return deviation in self.g.avoided

    def reg(self) -> int:
        return self.rng.choice(_VALUES)

    def source(self) -> int:
        return self.rng.choice((*_VALUES, *_POINTERS, 0, _NEXT))

    def address(self) -> int:
        """An address worth to be accessed."""
        rng = self.rng
        chance = rng.random()
        if chance < 0.1:
            base = self.window()
        elif chance < 0.25:
            base = DATA + rng.randrange(DATA_SIZE // 4096) * 4096
        elif chance < 0.7:
            base = rng.choice(self.tables.addresses)
        elif chance < 0.9 and self.tables.guest_addresses:
            base = rng.choice(self.tables.guest_addresses)
        elif chance < 0.95:
            base = rng.choice((0x40_0000_0000, 0xFFFF_FF80_0000_0000, 1 << 39, 1 << 41, 1 << 62, 0xC000_0000))
            if base >> 38 == 0 and self.avoids("absent memory"):
                base = DATA
        else:
            base = self.value() & ~0xFFF
            if not CODE + DATA_SIZE <= base < CODE + (64 << 20):
                base |= 1 << 50
        offset = rng.choice((0, 8, 16, 64, 0xFF8, 0xFF0, 0x7F8, rng.randrange(512) * 8))
        return base + offset & _ONES

    def window(self) -> int:
        """The address of a page that some modes can access whatever the tables."""
        return self.rng.choice((USER_WINDOW, WINDOW)) + self.rng.randrange(WINDOW_SIZE // 4096) * 4096

    def _tables(self) -> None:
        rng = self.rng
        self.tables = tables = Tables(rng, self.words, self.g.avoided, self.has("svnapot"), self.has("svpbmt"))
        #: What satp and hgatp have, less the ASID or VMID.
        self.roots: list[int] = []
        self.guest_roots: list[int] = []
        for guest, modes, roots in (
            (True, self.g.guest_vm_modes * self.has("h"), self.guest_roots), (False, self.g.vm_modes, self.roots),
        ):  # fmt: skip
            for _ in range((2 if guest else 3) if modes else 0):
                number, levels = rng.choice(modes)
                roots.append(number << 60 | tables.root(guest, levels) >> 12)

    def satp(self) -> int:
        number = self.rng.randrange(len(self.roots) + 1)
        if number == 0:
            return 0
        return number << 44 | self.roots[number - 1]

    def hgatp(self) -> int:
        number = self.rng.randrange(len(self.guest_roots) + 1)
        if number == 0:
            return 0
        return number << 44 | self.guest_roots[number - 1]

    # -- pieces -----------------------------------------------------------------------------------------------------

    def _lead(self, following: int, return_: bool) -> list[Op]:
        return [Op("la", rd=_NEXT, target=Label(following, int(return_)))]

    def li(self, rd: int, value: int) -> list[Op]:
        return load_immediate(rd, value)

    def csr(self, name: str) -> int:
        return self.g.csrs[name].address

    def csrw(self, name: str, rs1: int = 0) -> Op:
        return Op("csrrw", rs1=rs1, csr=self.csr(name))

    def csrr(self, rd: int, name: str) -> Op:
        return Op("csrrs", rd=rd, csr=self.csr(name))

    def set_csr(self, name: str, value: int) -> list[Op]:
        return [*self.li(_T0, value), self.csrw(name, _T0)]

    def machine_only(self) -> Op:
        """What every mode but M traps at."""
        return self.csrr(_T0, "mscratch")

    def fence_all(self) -> list[Op]:
        ops = [Op("sfence.vma")]
        if self.has("h"):
            ops += [Op("hfence.gvma"), Op("hfence.vvma")]
            self.rng.shuffle(ops)
        return ops

    # -- fixed parts ------------------------------------------------------------------------------------------------

    def _prologue(self) -> list[Op]:
        ops: list[Op] = []
        for mode, name in ((M, "mtvec"), (HS, "stvec"), (VS, "vstvec")):
            if name in self.g.csrs:
                ops += [Op("la", rd=_T0, target=Label(self.handlers[mode])), self.csrw(name, _T0)]
        ops += [*self.li(_T0, _MTIMECMP), *self.li(_T1, _NEVER), Op("sd", rs1=_T0, rs2=_T1)]
        for name in ("stimecmp", "vstimecmp"):
            if name in self.g.csrs:
                ops.append(self.csrw(name, _T1))
        ops += [*self.set_csr("pmpaddr15", 0x1FFF_FFFF), *self.set_csr("pmpcfg2", 0x1F << 56)]
        ops += [self.csrw("pmpcfg0"), *(self.csrw(f"pmpaddr{entry}") for entry in range(15))]
        for name in ("medeleg", "mideleg", "hedeleg", "hideleg"):
            if name in self.g.csrs:
                ops += self.set_csr(name, self._csr_value(name))
        ops += self._counter_enables()
        if "menvcfg" in self.g.csrs:
            ops += self._environment()
        ops += self.set_csr("satp", self.satp())
        if self.has("h"):
            ops += [*self.set_csr("vsatp", self.satp()), *self.set_csr("hgatp", self.hgatp())]
        ops += self.fence_all()
        for number in range(1, 32):
            ops += self.li(number, self.address() if number in _POINTERS else self.value())
        return ops

    def _counter_enables(self) -> list[Op]:
        ops = []
        for name in ("mcounteren", "scounteren", "hcounteren"):
            if name in self.g.csrs:
                ops += self.set_csr(name, self.rng.choice((7, self._csr_value(name))))
        return ops

    def _handler(self, mode: int) -> list[Op]:
        rng = self.rng
        prefix = "m" if mode == M else "s"
        names = [f"{prefix}epc", f"{prefix}tval"]
        if self.has("h"):
            names += {M: ["mtval2", "mtinst"], HS: ["htval", "htinst", "hstatus"], VS: []}[mode]
        names += [f"{prefix}status"]
        rng.shuffle(names)
        names = names[: rng.randrange(2, len(names) + 1)]
        clear = [f"{prefix}ie"]
        if self.has("h") and mode == HS:
            clear.append("hie")
        if self.has("h") and mode != VS:
            clear.append("hvip")
        start = Label(0)
        back = [
            self.csrr(_H2, f"{prefix}status"),
            Op("srli", rd=_H2, rs1=_H2, imm=11 if mode == M else 8),
            Op("andi", rd=_H2, rs1=_H2, imm=3 if mode == M else 1),
            Op("beq", rs1=_H2, rs2=0, skip=2),
            Op("la", rd=_H2, target=start),
            Op("jal", skip=1),
            Op("la", rd=_H2, target=Label(0, USER_OFFSET)),
            Op("add", rd=_H1, rs1=_H1, rs2=_H2),
            Op("andi", rd=_H1, rs1=_H1, imm=-2),
            Op("andi", rd=_NEXT, rs1=_NEXT, imm=-2),  # should the return trap, stay
            self.csrw(f"{prefix}epc", _H1),
            Op("mret" if mode == M else "sret"),
        ]
        stay = [
            Op("la", rd=_H2, target=start),
            Op("add", rd=_H1, rs1=_H1, rs2=_H2),
            Op("jalr", rs1=_H1),
        ]
        return [
            *(self.csrr(_H2, name) for name in names),
            self.csrr(_H1, f"{prefix}cause"),
            Op("bge", rs1=_H1, rs2=0, skip=len(clear)),
            *(self.csrw(name) for name in clear),
            Op("slli", rd=_H1, rs1=_NEXT, imm=43),
            Op("srli", rd=_H1, rs1=_H1, imm=43),
            Op("andi", rd=_H2, rs1=_NEXT, imm=1),
            Op("bne", rs1=_H2, rs2=0, skip=len(stay)),
            *stay,
            *back,
        ]

    def _end(self) -> list[Block]:
        """Goes up to M-mode, then shows all CSRs and ends."""
        up = [*self._lead(self.final, False), Op("ecall")]
        show = [*self._lead(self.end, False), self.machine_only(), self.csrw("mie")]
        show += [*self.li(_T0, 1 << 17), Op("csrrc", rs1=_T0, csr=self.csr("mstatus"))]
        show += [*self.li(_T0, ROUNDS), Op("ld", rd=_T1, rs1=_T0), Op("addi", rd=_T1, rs1=_T1, imm=-1)]
        show += [Op("sd", rs1=_T0, rs2=_T1), Op("bge", rs1=0, rs2=_T1, skip=1), Op("jal", target=Label(1))]
        for name, csr in self.g.csrs.items():
            hidden = name in _COUNTERS | _IDENTITY
            show.append(self.csrr(0 if hidden else 10, csr.name))
        show += [*self.li(_T0, _FINISHER), *self.li(_T1, _PASS), Op("sw", rs1=_T0, rs2=_T1), Op("jal")]
        return [Block(self.end, up, removable=False), Block(self.final, show, removable=False)]

    # -- random blocks ----------------------------------------------------------------------------------------------

    def _kinds(self) -> list[tuple[Callable[[], list[Op]], int]]:
        kinds: list[tuple[Callable[[], list[Op]], int]] = [
            (self._compute, 6), (self._memory, 12), (self._atomics, 5), (self._branches, 3), (self._csr_accesses, 10),
            (self._down_from_m, 14), (self._down_from_s, 14), (self._calls, 6), (self._fences, 4), (self._loop, 20),
            (self._translation, 6), (self._entry, 4), (self._protection, 4), (self._delegation, 4),
            (self._interrupts, 7), (self._modify_code, 2), (self._wait, 2), (self._status, 5), (self._crossing, 4),
        ]  # fmt: skip
        if self.g.block_operations:
            kinds.append((self._cache_blocks, 4))
        if "PMP" in self.g.avoided:
            kinds = [kind for kind in kinds if kind[0] != self._protection]
        if "menvcfg" in self.g.csrs:
            kinds.append((lambda: [self.machine_only(), *self._environment()], 3))
        if self.has("h"):
            kinds.append((self._guest_translation, 6))
            kinds.append((self._hypervisor_memory, 2 if self.avoids("HLV and HSV faults") else 10))
        return kinds

    def _compute(self) -> list[Op]:
        ops = []
        for _ in range(self.rng.randrange(3, 10)):
            if self.rng.random() < 0.3 and self.g.compressed:
                ops.append(self._compressed())
            else:
                ops.append(self._alu(self.rng.choice(self.g.alu)))
        return ops

    def _alu(self, row: Instruction) -> Op:
        rng = self.rng
        imm = 0
        if row.operands is Operands.RD_RS1_IMM:
            imm = rng.randrange(-2048, 2048)
        elif row.operands is Operands.RD_RS1_SHAMT5:
            imm = rng.randrange(32)
        elif row.operands is Operands.RD_RS1_SHAMT6:
            imm = rng.randrange(64)
        elif row.operands is Operands.RD_UPPER:
            imm = rng.getrandbits(20)
        rd = 0 if rng.random() < 0.03 else self.reg()
        return Op(row.name, rd=rd, rs1=self.source(), rs2=self.source(), imm=imm)

    def _compressed(self) -> Op:
        """A random compressed instruction that leaves the reserved registers alone."""
        rng = self.rng
        while True:
            row = rng.choice(self.g.compressed)
            cube = rng.choice(row.cubes)
            half = rng.getrandbits(16) & ~cube.mask | cube.value
            expansion = expand(half)
            if expansion is None or expansion[0] is not row:
                continue
            word = expansion[1]
            target = ROWS[row.target]
            if target.control.get("rd_en") and word >> 7 & 31 not in (*_VALUES, 0):
                continue
            memory = "(rs1)" in target.operands.value
            if memory and word >> 15 & 31 not in _POINTERS:
                continue
            return Op(".half", raw=half)

    def _pointer(self) -> tuple[int, list[Op]]:
        register = self.rng.choice(_POINTERS)
        return register, self.li(register, self.address()) if self.rng.random() < 0.7 else []

    def _memory(self) -> list[Op]:
        rng = self.rng
        pointer, ops = self._pointer()
        for _ in range(rng.randrange(1, 5)):
            imm = rng.choice((0, 0, 8, 16, -8, rng.randrange(-64, 64) * 8))
            if rng.random() < 0.2:
                imm += rng.randrange(8)
            if rng.random() < 0.5:
                ops.append(Op(rng.choice(self.g.loads), rd=self.reg(), rs1=pointer, imm=imm))
            else:
                ops.append(Op(rng.choice(self.g.stores), rs1=pointer, rs2=self.source(), imm=imm))
            if rng.random() < 0.1:
                ops.append(Op("fence"))
        return ops

    def _atomics(self) -> list[Op]:
        rng = self.rng
        address = self.address()
        if rng.random() < 0.04 and not self.avoids("misaligned atomics"):
            address += rng.randrange(8)
        pointer = rng.choice(_POINTERS)
        ops = self.li(pointer, address)
        for _ in range(rng.randrange(1, 4)):
            ordering = rng.getrandbits(2)
            if rng.random() < 0.35:
                size = rng.choice("wd")
                ops.append(Op(f"lr.{size}", rd=self.reg(), rs1=pointer, ordering=ordering & 2))
                ops += [self._alu(rng.choice(self.g.alu)) for _ in range(rng.randrange(2))]
                ops.append(Op(f"sc.{size}", rd=self.reg(), rs1=pointer, rs2=self.source(), ordering=ordering))
            else:
                ops.append(Op(rng.choice(self.g.amos), rd=self.reg(), rs1=pointer, rs2=self.source(),
                              ordering=ordering))  # fmt: skip
        return ops

    def _crossing(self) -> list[Op]:
        """Misaligned accesses around the end of a page."""
        rng = self.rng
        pointer = rng.choice(_POINTERS)
        ops = self.li(pointer, (self.address() & ~0xFFF) + 0x1000 & _ONES)
        for _ in range(rng.randrange(2, 6)):
            imm = -rng.randrange(1, 8)
            if rng.random() < 0.5:
                ops.append(Op(rng.choice(self.g.loads), rd=self.reg(), rs1=pointer, imm=imm))
            else:
                ops.append(Op(rng.choice(self.g.stores), rs1=pointer, rs2=self.source(), imm=imm))
        return ops

    def _cache_blocks(self) -> list[Op]:
        rng = self.rng
        pointer, ops = self._pointer()
        for _ in range(rng.randrange(1, 4)):
            ops.append(Op(rng.choice(self.g.block_operations), rs1=pointer))
            ops.append(Op(rng.choice(self.g.loads), rd=self.reg(), rs1=pointer, imm=rng.randrange(8) * 8))
            ops.append(Op(rng.choice(self.g.stores), rs1=pointer, rs2=self.source(), imm=rng.randrange(8) * 8))
        return ops

    def _loop(self) -> list[Op]:
        """Some turns of a loop that works on memory which can be accessed in many modes."""
        rng = self.rng
        pointer = rng.choice(_POINTERS)
        ops = [*self.li(pointer, self.window() + rng.randrange(256) * 8)]
        if rng.random() < 0.3:
            ops += self.li(rng.choice(_POINTERS), self.window())
        ops.append(Op("addi", rd=_COUNT, imm=rng.randrange(2, 20)))
        body: list[Op] = []
        for _ in range(rng.randrange(3, 9)):
            chance = rng.random()
            imm = rng.randrange(-32, 32) * 8
            if rng.random() < 0.15:
                imm += rng.randrange(8)
            if chance < 0.25:
                body.append(Op(rng.choice(self.g.loads), rd=self.reg(), rs1=pointer, imm=imm))
            elif chance < 0.45:
                body.append(Op(rng.choice(self.g.stores), rs1=pointer, rs2=self.source(), imm=imm))
            elif chance < 0.5 and self.g.amos:
                body.append(Op(rng.choice(self.g.amos), rd=self.reg(), rs1=pointer, rs2=self.source()))
            elif chance < 0.6:
                kind = rng.choice(("beq", "bne", "blt", "bge", "bltu", "bgeu"))
                body.append(Op(kind, rs1=self.reg(), rs2=self.source(), skip=1))
                body.append(self._alu(rng.choice(self.g.alu)))
            elif chance < 0.75 and self.g.compressed:
                body.append(self._compressed())
            else:
                body.append(self._alu(rng.choice(self.g.alu)))
        body += [Op("addi", rd=pointer, rs1=pointer, imm=rng.choice((8, 16, 64, 256, 2040)))]
        body += [Op("addi", rd=_COUNT, rs1=_COUNT, imm=-1)]
        back = -sum(op.size for op in body)
        return [*ops, *body, Op("blt", rs1=0, rs2=_COUNT, imm=back)]

    def _hypervisor_memory(self) -> list[Op]:
        rng = self.rng
        pointer, ops = self._pointer()
        if rng.random() < 0.3:
            ops.append(Op(rng.choice(("csrrs", "csrrc")), rs1=_T1, csr=self.csr("hstatus")))
            ops[-1:-1] = self.li(_T1, rng.choice((1 << 8, 1 << 9)))  # SPVP, HU
        for _ in range(rng.randrange(1, 4)):
            if rng.random() < 0.6:
                ops.append(Op(rng.choice(self.g.hlv), rd=self.reg(), rs1=pointer))
            else:
                ops.append(Op(rng.choice(self.g.hsv), rs1=pointer, rs2=self.source()))
            if rng.random() < 0.4:  # what must not depend on the access before
                ops.append(Op(rng.choice(self.g.loads), rd=self.reg(), rs1=pointer))
        return ops

    def _branches(self) -> list[Op]:
        rng = self.rng
        ops = []
        for _ in range(rng.randrange(2, 6)):
            kind = rng.choice(("beq", "bne", "blt", "bge", "bltu", "bgeu", "jal"))
            rd = rng.choice((0, 1, 5)) if kind == "jal" else 0
            ops.append(Op(kind, rd=rd, rs1=self.source(), rs2=self.source(), skip=rng.randrange(1, 4)))
            ops.append(self._compressed() if rng.random() < 0.4 else self._alu(rng.choice(self.g.alu)))
        return ops

    def _csr_value(self, name: str) -> int:
        """A value to write: only bits that can be written, as what the others do differs between implementations."""
        rng = self.rng
        value = rng.choice((0, _ONES, rng.getrandbits(64), rng.getrandbits(64), 1 << rng.randrange(64)))
        mask = self.g.masks[name]
        if name == "medeleg":
            mask &= ~(1 << 9)  # the way from HS to M has to stay
        if name.endswith("edeleg") and self.avoids("virtual instruction") and rng.random() < 0.9:
            # where the reference has other causes, the same mode takes the trap all the same
            for group in _CONFUSED:
                value = value | group if value & group & -group and name == "medeleg" else value & ~group
        elif name == "mstatus" and value >> 11 & 3 == 2:
            value ^= 1 << 11
        elif name in ("stimecmp", "vstimecmp"):
            return _NEVER
        elif name == "htimedelta":
            mask &= _NEVER - 1 >> 2
        elif name.endswith("cause"):
            code = rng.choice((*range(8), *range(8, 16), 20, 21, 22, 23))
            return code | (rng.getrandbits(1) << 63 if code < 16 else 0)
        return value & mask

    def _csr_accesses(self) -> list[Op]:
        rng = self.rng
        ops = []
        for _ in range(rng.randrange(1, 4)):
            csr = rng.choice(list(self.g.csrs.values()))
            while csr.name.startswith(("pmp", "mhpm", "hpm")) and rng.random() < 0.9:
                csr = rng.choice(list(self.g.csrs.values()))
            name = csr.name
            rd = 0 if name in _COUNTERS | _IDENTITY else rng.choice((0, self.reg()))
            if name in self.g.gated or (name == "mip" and self.avoids("mip and hvip")):
                continue
            if name in _STEERING or name.startswith(("pmp", "mhpmevent")) or rng.random() < 0.3:
                ops.append(Op("csrrs", rd=rd, csr=csr.address))
                continue
            if name in _COUNTERS and not csr.read_only:
                ops.append(Op("csrrs", csr=csr.address))
                continue
            if csr.read_only and rng.random() < 0.8:
                ops.append(Op("csrrs", rd=rd, csr=csr.address))
                continue
            # set and clear with what may be set; bits that are 1 already stay in what they can be
            kind = rng.choice(("csrrw", "csrrw", "csrrs", "csrrc", "csrrwi", "csrrsi", "csrrci"))
            if kind.endswith("i"):
                mask = self.g.masks[name] & 31
                if name.endswith("cause") and kind != "csrrci":
                    kind = "csrrci"
                ops.append(Op(kind, rd=rd, rs1=rng.getrandbits(5) & mask, csr=csr.address))
            else:
                if name.endswith("cause"):
                    kind = "csrrw"
                value = self._csr_value(name)
                if csr.read_only and self.avoids("write of nothing"):
                    kind = "csrrw"
                if name == "mstatus" and kind != "csrrw":
                    value &= ~(3 << 11)
                ops += [*self.li(_T1, value), Op(kind, rd=rd, rs1=_T1, csr=csr.address)]
        return ops

    def _status(self) -> list[Op]:
        """Bits that decide on accesses and on what is legal."""
        rng = self.rng
        name = rng.choice([n for n in ("mstatus", "sstatus", "hstatus", "vsstatus") if n in self.g.csrs])
        bits = {
            "mstatus": (17, 17, 18, 19, 20, 21, 22, 1, 3, 39), "sstatus": (18, 19, 1), "hstatus": (8, 9, 20, 21, 22),
            "vsstatus": (18, 19, 1),
        }[name]  # fmt: skip
        value = 0
        for _ in range(rng.randrange(1, 4)):
            value |= 1 << rng.choice(bits)
        return [*self.li(_T1, value & self.g.masks[name]), Op(rng.choice(("csrrs", "csrrc")), rs1=_T1,
                csr=self.csr(name)), *self._memory()]  # fmt: skip

    def _go(self, following: Label, user: bool) -> list[Op]:
        return [Op("la", rd=_T0, target=Label(following.block, USER_OFFSET if user else 0))]

    def _down_from_m(self) -> list[Op]:
        """MRET to a random mode."""
        rng = self.rng
        priv = rng.choice((0, 0, 1, 1, 1, 3))
        value = rng.getrandbits(64) & self.g.masks["mstatus"] & ~(3 << 11) | priv << 11
        if rng.random() < 0.5:
            value &= ~(7 << 20)  # seldom TVM, TW, TSR
        if self.has("h"):
            value = value & ~(1 << 39) | rng.getrandbits(1) << 39
            if priv == 3 and self.avoids("MPV"):
                value &= ~(1 << 39)
        return [
            self.machine_only(),
            *self._target(priv == 0), self.csrw("mepc", _T0), *self.li(_T1, value), self.csrw("mstatus", _T1),
            Op("mret"),
        ]  # fmt: skip

    def _target(self, user: bool) -> list[Op]:
        """The address of the next block, in the copy of the code for user modes or for others, into t0."""
        low = [Op("slli", rd=_T0, rs1=_NEXT, imm=43), Op("srli", rd=_T0, rs1=_T0, imm=43),
               Op("andi", rd=_T0, rs1=_T0, imm=-2)]  # fmt: skip
        return [*low, *self.li(_T1, CODE + (USER_OFFSET if user else 0)), Op("add", rd=_T0, rs1=_T0, rs2=_T1)]

    def _down_from_s(self) -> list[Op]:
        """SRET to a random mode."""
        rng = self.rng
        spp = rng.getrandbits(1)
        value = rng.getrandbits(64) & self.g.masks["sstatus"] & ~(1 << 8) | spp << 8
        ops = [*self._target(spp == 0), self.csrw("sepc", _T0)]
        if self.has("h") and rng.random() < 0.6:
            hstatus = rng.getrandbits(64) & self.g.masks["hstatus"] & ~(1 << 7) | rng.getrandbits(1) << 7
            if rng.random() < 0.5:
                hstatus &= ~(7 << 20)
            ops += self.set_csr("hstatus", hstatus)
        ops += [*self.li(_T1, value), self.csrw("sstatus", _T1), Op("sret")]
        if rng.random() < 0.1:
            ops.insert(-1, Op("sret"))
        return ops

    def _calls(self) -> list[Op]:
        rng = self.rng
        kind = rng.randrange(9)
        if kind < 4:
            return [Op("ecall")]
        if kind == 4:
            return [rng.choice((Op("ebreak"), Op(".half", raw=0x9002)))]
        if kind == 5:
            return [Op(".word", raw=rng.choice((0xFFFFFFFF, 0x0000007F, 0x30200073 ^ 1 << 20, 0x30300073)))]
        if kind == 6:
            return [Op(".half", raw=0)]
        # a jump to somewhere
        ops = self.li(_T0, self.address() & ~1)
        if kind == 7:
            return [*ops, Op("jalr", rd=rng.choice((0, 1)), rs1=_T0)]
        return [*ops, self.csrw("sepc", _T0), Op("sret")]

    def _fences(self) -> list[Op]:
        rng = self.rng
        ops = []
        for _ in range(rng.randrange(1, 3)):
            rs1 = rng.choice((0, *_POINTERS))
            rs2 = rng.choice((0, _T1))
            name = rng.choice(self.g.fences)
            if name in ("sfence.w.inval", "sfence.inval.ir"):
                rs1 = rs2 = 0
                if self.avoids("Svinval in user mode"):
                    ops.append(self.csrr(_T0, "sscratch"))  # where user modes stop
            ops += [*self.li(_T1, rng.randrange(4)), Op(name, rs1=rs1, rs2=rs2)]
        return [*ops, *(self._memory() if rng.random() < 0.5 else [])]

    def _translation(self) -> list[Op]:
        """satp, or vsatp in VS-mode: each root has its own ASID, so no fence is needed."""
        return [*self.set_csr("satp", self.satp()), *self._memory()]

    def _guest_translation(self) -> list[Op]:
        rng = self.rng
        name = rng.choice(("vsatp", "hgatp"))
        value = self.hgatp() if name == "hgatp" else self.satp()
        return [*self.set_csr(name, value), *(self._hypervisor_memory() if rng.random() < 0.5 else [])]

    def _entry(self) -> list[Op]:
        """Changes an entry of a page table, and fences."""
        rng = self.rng
        guest = bool(self.guest_roots) and rng.random() < 0.5
        at = rng.choice(self.tables.guest_entries if guest else self.tables.entries)
        old = self.words[at]
        if rng.random() < 0.5 and not self.avoids("page tables"):
            value = old ^ 1 << rng.choice((0, 1, 2, 3, 4, 6, 7))
            if value & 0xE == 0 and value & 1:
                value |= 2  # a leaf stays one
        else:
            value = self.tables.leaf(guest, 4096)
        ops = [self.machine_only(), Op("csrrc", rs1=_T1, csr=self.csr("mstatus"))]
        ops[1:1] = self.li(_T1, 1 << 17)
        return [*ops, *self.li(_T0, at), *self.li(_T1, value), Op("sd", rs1=_T0, rs2=_T1), *self.fence_all()]

    def _protection(self) -> list[Op]:
        """A PMP entry for a piece of the data."""
        rng = self.rng
        entry = rng.randrange(8)
        base = DATA + rng.randrange(16) * 4096
        mode = rng.choice((0, 1, 2, 3, 3))
        value = base >> 2
        if mode == 3:
            value |= (1 << rng.randrange(0, 10)) - 1
        config = mode << 3 | rng.choice((0, 1, 3, 4, 5, 7, 7))
        ops = [self.machine_only()]
        ops += [*self.li(_T0, value), self.csrw(f"pmpaddr{entry}", _T0)]
        if mode == 1 and entry:  # from the entry before
            ops += [*self.li(_T0, base - rng.choice((4, 64, 4096, 8192)) >> 2), self.csrw(f"pmpaddr{entry - 1}", _T0)]
        ops += [*self.li(_T0, config << 8 * entry), self.csrw("pmpcfg0", _T0)]
        return [*ops, *self.fence_all()]

    def _delegation(self) -> list[Op]:
        rng = self.rng
        ops = []
        for name in ("medeleg", "hedeleg"):
            if name in self.g.csrs and rng.random() < 0.7:
                ops += self.set_csr(name, self._csr_value(name))
        return [*ops, *self._counter_enables()] if rng.random() < 0.3 else ops

    def _interrupts(self) -> list[Op]:
        """Delegates, enables, and makes pending."""
        rng = self.rng
        ops = []
        for name in ("mideleg", "hideleg"):
            if name in self.g.csrs and rng.random() < 0.5:
                ops += self.set_csr(name, self._csr_value(name))
        single = self.avoids("interrupt order")
        if self.has("h"):
            bits = 1 << rng.choice((2, 6, 10)) if single else rng.choice((0x4, 0x40, 0x400, 0x444, 0x404))
            ops += self.set_csr("hvip", bits)
        else:
            bits = 0
        if not single or rng.random() < 0.3:
            if single and self.has("h"):
                ops.append(self.csrw("hvip"))
            machine = rng.choice((2, 0x200, 0x202, 0) if not single else (2, 0x200))
            if rng.random() < 0.5:
                ops += self.set_csr("mip", machine)
            else:
                ops += [*self.li(_T0, machine), Op(rng.choice(("csrrs", "csrrw")), rs1=_T0, csr=self.csr("sip"))]
        names = ["mie", "sie", *(["hie", "vsie"] if self.has("h") else [])]
        for name in rng.sample(names, rng.randrange(1, len(names) + 1)):
            ops += self.set_csr(name, rng.choice((_ONES, rng.getrandbits(16))) & self.g.masks[name])
        status = rng.choice([n for n in ("mstatus", "sstatus", "vsstatus") if n in self.g.csrs])
        bit = 1 << rng.choice((1, 3)) if status == "mstatus" else 2
        return [*ops, *self.li(_T1, bit), Op("csrrs", rs1=_T1, csr=self.csr(status)), *self._compute()[:3]]

    def _environment(self) -> list[Op]:
        """xenvcfg with fences; timers expire never or at once, with their interrupts disabled while that changes."""
        rng = self.rng
        ops = [self.csrw("mie")]
        stce = self.avoids("envcfg")
        for name in ("menvcfg", "henvcfg", "senvcfg"):
            if name in self.g.csrs and rng.random() < 0.8:
                value = self._csr_value(name)
                ops += self.set_csr(name, value & ~(1 << 63) if stce else value)
        for name in ("stimecmp", "vstimecmp"):
            if name in self.g.csrs and rng.random() < 0.4:
                if self.avoids("hvip.VSTIP") and self.has("h"):
                    ops.append(self.csrw("hvip"))
                ops += self.set_csr(name, 0 if rng.random() < 0.3 and not self.avoids("timers") else _NEVER)
        return [*ops, *self.fence_all()]

    def _modify_code(self) -> list[Op]:
        """Writes an instruction and executes it."""
        rng = self.rng
        from .assembler import encode

        word = encode("addi", rd=self.reg(), rs1=self.source(), imm=rng.randrange(-2048, 2048))
        ops = [self.machine_only(), *self.li(_T1, 1 << 17), Op("csrrc", rs1=_T1, csr=self.csr("mstatus")),
               *self.li(_T1, word)]  # fmt: skip
        # t0 = address of the instruction behind: of AUIPC + 4 + SW 4 + FENCE.I 4
        return [*ops, Op("auipc", rd=_T0), Op("sw", rs1=_T0, rs2=_T1, imm=12), Op("fence.i"), Op("addi", rd=self.reg())]

    def _wait(self) -> list[Op]:
        """WFI with something to wake up for, in M-mode; elsewhere only where it traps for sure."""
        ops = [self.machine_only(), *self.set_csr("mie", 2), *self.set_csr("mip", 2), Op("wfi")]
        if self.has("h") and self.avoids("mip and hvip"):
            ops.insert(1, self.csrw("hvip"))
        return [*ops, self.csrw("mie"), self.csrw("mip")]
