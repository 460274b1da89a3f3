"""Page tables for directed tests of the MMU."""

from mmu_bench import RAM, Bench, TranslationConfig, make_config, make_machine
from mmu_reference import UBIT, V_, A, Atp, D, R, W, X

ALL = V_ | R | W | X | A | D
TABLES = RAM >> 12  # physical pages for tables
DATA = (RAM >> 12) + 0x1000


class Tables:
    """Page tables in a machine's memory."""

    def __init__(self, machine, first_page=TABLES, mode=8):
        self.machine = machine
        self.next_page = first_page
        self.mode = mode  # as in satp.MODE: 8, 9 or 10

    def page(self, count=1):
        self.next_page = -(-self.next_page // count) * count + count
        return self.next_page - count

    def write(self, address, value):
        self.machine.memory[address] = value

    def read(self, address):
        return self.machine.memory.get(address, 0)

    def map(self, atp, va, ppn, flags=ALL, level=0, table_flags=V_):
        """Map one page; returns the address of the leaf's entry."""
        root = atp.mode - 6
        table = atp.ppn << 12
        for i in range(root, level - 1, -1):
            entry = table + (va >> 12 + 9 * i & (0x7FF if atp.gstage and i == root else 0x1FF)) * 8
            if i == level:
                self.write(entry, ppn << 10 | flags)
                return entry
            if not self.read(entry):
                self.write(entry, self.page() << 10 | table_flags)
            table = (self.read(entry) >> 10) << 12

    def space(self, id=0, gstage=False):
        atp = Atp(self.mode, self.page(4 if gstage else 1), id)
        atp.gstage = gstage
        return atp


class GuestTables(Tables):
    """VS-stage page tables in guest physical memory, mapped at GPA + `OFFSET` by a G-stage."""

    OFFSET = 0x1_0000_0000  # guest physical addresses of supervisor physical RAM

    def __init__(self, machine, host, gstage, flags=ALL | UBIT, mode=8):
        super().__init__(machine, self.OFFSET + RAM + 0x80_0000 >> 12, mode)
        self.host, self.gstage, self.flags = host, gstage, flags
        self.gleaves = {}

    def page(self, count=1):
        page = super().page(count)
        for i in range(count):
            gpa = page + i << 12
            self.gleaves[page + i] = self.host.map(self.gstage, gpa, gpa - self.OFFSET >> 12, self.flags)
        return page

    def write(self, address, value):
        self.machine.memory[address - self.OFFSET] = value

    def read(self, address):
        return self.machine.memory.get(address - self.OFFSET, 0)


def native(mode=8, **changes):
    """A machine and tables for satp, by default Sv39's."""
    config = make_config(**changes)
    machine = make_machine(config)
    tables = Tables(machine, mode=mode)
    machine.satp = tables.space(1)
    return config, machine, tables


def guest(cls=TranslationConfig, mode=8, gmode=8, **changes):
    """A machine with a guest, by default Sv39 on Sv39x4.  Returns (config, machine, host tables, guest tables)."""
    config = make_config(cls, **changes)
    machine = make_machine(config)
    host = Tables(machine, mode=gmode)
    machine.satp = host.space(1)
    machine.hgatp = host.space(3, gstage=True)
    tables = GuestTables(machine, host, machine.hgatp, mode=mode)
    machine.vsatp = tables.space(2)
    return config, machine, host, tables


def guest_map(machine, host, tables, va, ppn, flags=ALL, gflags=ALL | UBIT):
    """Map a guest page to a guest physical one and that to `ppn`; returns both leaf entries' physical addresses."""
    gpa = GuestTables.OFFSET + (ppn << 12)
    vs = tables.map(machine.vsatp, va, gpa >> 12, flags)
    return vs - GuestTables.OFFSET, host.map(machine.hgatp, gpa, ppn, gflags)


def simulate(config, machine, **options):
    """Decorator: run an async test body, given the bench, to its end."""

    def decorate(body):
        bench = Bench(config, machine, **options)

        async def main(ctx):
            await body(bench)

        bench.run(main)
        return bench

    return decorate
