"""Page tables that a testbench writes into memory."""

from collections.abc import Callable

_LEVELS = 3  # Sv39 and Sv39x4
V, R, W, X, U, G, A, D = (1 << bit for bit in range(8))


class PageTable:
    """A page table for `satp`, `vsatp` (Sv39) or, with `guest`, `hgatp` (Sv39x4), at first empty.

    `allocate(size)` gives zeroed memory, aligned to its size in bytes, and `write(address, value)` writes 64 bits:
    `Testbench.page_table` fills both in.  Entries are written at once; the core sees them unless it has them in a
    TLB or in its data cache already, so make tables before they are used.
    """

    R, W, X, U, G, A, D = R, W, X, U, G, A, D
    #: Read, write and execute, accessed and dirty.
    RWX = R | W | X | A | D

    def __init__(self, allocate: Callable[[int], int], write: Callable[[int, int], None], guest: bool = False):
        self._allocate, self._write = allocate, write
        self._guest = guest
        self.root = allocate(16384 if guest else 4096)
        self._tables: dict[int, int] = {}  # entry that points to it -> next table

    def entry(self, address: int, level: int = 0) -> int:
        """Physical address of the entry for virtual `address` at `level` (0: 4 KiB, 1: 2 MiB, 2: 1 GiB); tables
        above it are made when they are missing."""
        table = self.root
        for above in range(_LEVELS - 1, level, -1):
            at = table + 8 * self._index(address, above)
            if at not in self._tables:
                self._tables[at] = self._allocate(4096)
                self._write(at, self._tables[at] >> 12 << 10 | V)
            table = self._tables[at]
        return table + 8 * self._index(address, level)

    def _index(self, address: int, level: int) -> int:
        mask = 0x7FF if self._guest and level == _LEVELS - 1 else 0x1FF
        return address >> (12 + 9 * level) & mask

    def map(self, address: int, physical: int, flags: int, level: int = 0) -> None:
        """Map the page of `level` at `address` to `physical`; `flags` are R, W, X, U, G, A and D, V is added."""
        self._write(self.entry(address, level), physical >> 12 << 10 | flags | V)

    def point(self, address: int, table: int, level: int) -> None:
        """Make the entry of `level` (1 or 2) for `address` point to a table at `table`, wherever that is."""
        self._write(self.entry(address, level), table >> 12 << 10 | V)

    def atp(self, identifier: int = 0) -> int:
        """The value for satp, vsatp or hgatp, with an ASID or VMID."""
        return 8 << 60 | identifier << 44 | self.root >> 12
