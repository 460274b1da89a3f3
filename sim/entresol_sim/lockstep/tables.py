"""Random page tables for random programs."""

import random
from dataclasses import dataclass, field

from .layout import CODE, DATA, DATA_SIZE, TABLES, USER_CODE

V, R, W, X, U, G, A, D = (1 << bit for bit in range(8))
_N, _NC = 1 << 63, 1 << 61  # Svnapot; Svpbmt: not cached
_PAGE = 4096
_MEGA, _GIGA = 2 << 20, 1 << 30
#: Translation modes: the number in satp or hgatp, and the levels of tables.
MODES = {"sv39": (8, 3), "sv48": (9, 4), "sv57": (10, 5)}
#: Memory that user modes, and that other modes can access through every table, by its own address: without these,
#: they would hardly ever get to do anything but trap.
USER_WINDOW, WINDOW, WINDOW_SIZE = 0x80A0_0000, 0x80C0_0000, _MEGA
#: Where leaves of three sizes may lead; 1 GiB ones are misaligned or lead to all of RAM.
#: Indices of the table of 1 GiB entries that get something random; entry 2 has the code.  Where devices have their
#: physical addresses there is nothing, as an untranslated access would reach them.
_ROOT = (3, 4, 5, 6, 254, 255, 256, 257, 510, 511)


@dataclass
class Tables:
    """Builds page tables in `words` (by physical address).

    `addresses` collects virtual addresses that lead somewhere, or nearly; `entries` the addresses of entries that a
    program may change, `kept` pages of tables on which the mapping of code depends."""

    random: random.Random
    words: dict[int, int]
    avoided: frozenset[str]  # deviations of the reference to stay clear of
    napot: bool = False
    pbmt: bool = False
    next: int = TABLES
    addresses: list[int] = field(default_factory=list)
    guest_addresses: list[int] = field(default_factory=list)
    entries: list[int] = field(default_factory=list)
    guest_entries: list[int] = field(default_factory=list)
    kept: set[int] = field(default_factory=set)
    loose_pages: list[int] = field(default_factory=list)

    def allocate(self, pages: int = 1) -> int:
        size = pages * _PAGE
        address = -(-self.next // size) * size
        self.next = address + size
        if self.next > USER_CODE:
            raise ValueError("there is no room for so many page tables")
        for page in range(pages):
            self.words.setdefault(address + page * _PAGE, 0)
        return address

    def flags(self, guest: bool) -> int:
        """Permissions of a leaf: mostly sensible ones."""
        rng = self.random
        flags = V | rng.choice((R | W, R | W, R | W, R, R | W | X, R | X, X, R | W | X))
        flags |= A | D
        if guest:
            flags |= U if rng.random() < 0.95 else 0
        else:
            flags |= U if rng.random() < 0.5 else 0
        chance = rng.random()
        if "page tables" in self.avoided:
            return flags | (rng.getrandbits(2) << 8)
        if chance < 0.06:
            flags &= ~D
        elif chance < 0.10:
            flags &= ~(A | D)
        elif chance < 0.14:
            flags &= ~V
        elif chance < 0.16:
            flags = flags & ~R | W  # reserved
        return flags | rng.getrandbits(2) << 8

    def leaf(self, guest: bool, size: int) -> int:
        rng = self.random
        flags = self.flags(guest)
        chance = rng.random()
        if size == _PAGE:
            target = DATA + rng.randrange(DATA_SIZE // _PAGE) * _PAGE
        elif size == _MEGA:
            target = DATA if chance > 0.08 else DATA + rng.randrange(1, 64) * _PAGE  # misaligned
        else:
            target = 0x8000_0000 if chance > 0.08 else 0x8020_0000
            flags &= ~(W | X)  # code and tables are in there
            flags |= R
        entry = target >> 12 << 10 | flags
        if "page tables" not in self.avoided:
            if chance > 0.985:
                entry |= 1 << rng.randrange(54, 61)  # reserved bits
            elif self.pbmt and 0.94 < chance < 0.97:
                entry |= rng.choice((_NC, _NC, _NC, 3 << 61))
        return entry

    def code(self, guest: bool, user: bool, stage1: bool) -> int:
        """Flags of a leaf for code."""
        flags = V | R | X | A | D
        return flags | (U if user or guest else 0) | (W if guest else 0)

    def root(self, guest: bool, levels: int) -> int:
        """A complete set of tables of so many levels; returns the address of the root."""
        rng = self.random
        top = _PAGE * (4 if guest else 1)
        if levels == 3:
            return self.gigabytes(guest, 0, top, code=True, signed=not guest)
        table = self.gigabytes(guest, 0, _PAGE, code=True)
        for level in range(3, levels):
            last = level == levels - 1
            above = self.allocate(4 if guest and last else 1)
            self.kept.add(above)
            self.words[above] = table >> 12 << 10 | V
            indices = [1, 255, 256, 511, rng.randrange(2, 511)]
            if guest and last and "root entries" not in self.avoided:
                indices += [512, 2047]
            for index in rng.sample(indices, 2):
                base = index << 9 * level + 12
                if not guest and last and index >> 8:
                    base |= -1 << 9 * level + 21 & (1 << 64) - 1
                if rng.random() < 0.4:  # a leaf for all of memory, or a misaligned one
                    flags = self.flags(guest) & ~(W | X) | R
                    self.words[above + index * 8] = flags | (0x8000_0000 >> 12 << 10 if rng.random() < 0.1 else 0)
                    (self.guest_addresses if guest else self.addresses).append(base + DATA + rng.randrange(64) * _PAGE)
                else:
                    below = self.gigabytes(guest, base, _PAGE)
                    for _ in range(level - 3):
                        between = self.allocate()
                        self.words[between] = below >> 12 << 10 | V
                        below = between
                    self.words[above + index * 8] = below >> 12 << 10 | V
            table = above
        return table

    def gigabytes(self, guest: bool, below: int, size: int, code: bool = False, signed: bool = False) -> int:
        """A table of `size` bytes, each entry for 1 GiB, the first of them for address `below`."""
        rng = self.random
        addresses = self.guest_addresses if guest else self.addresses
        root = self.allocate(size // _PAGE)
        if code:
            self.kept.add(root)
            self.words[root + 2 * 8] = self.ram(guest) >> 12 << 10 | V
        for index in rng.sample(_ROOT, 4 if code else 2):
            if size > _PAGE and rng.random() < 0.3 and "root entries" not in self.avoided:
                index = rng.choice((512, 1024, 2047, 5))
            base = below + (index << 30)
            if signed and index >> 8:
                base |= -1 << 39 & (1 << 64) - 1
            at = root + index * 8
            chance = rng.random()
            if chance < 0.25:
                self.words[at] = self.leaf(guest, _GIGA)
                addresses.append(base + DATA - 0x8000_0000 + rng.randrange(64) * _PAGE)
            else:
                self.words[at] = self.middle(guest, base) >> 12 << 10 | V
                if chance > 0.97 and "page tables" not in self.avoided:
                    self.words[at] |= rng.choice((A, D, U))  # reserved in entries that are no leaves
        return root

    def ram(self, guest: bool) -> int:
        """The table for the 1 GiB with RAM in it."""
        rng = self.random
        addresses = self.guest_addresses if guest else self.addresses
        entries = self.guest_entries if guest else self.entries
        main = self.allocate()
        self.kept.add(main)
        for index, base in ((0, CODE), (1, USER_CODE)):
            flags = self.code(guest, base == USER_CODE, not guest)
            if rng.random() < 0.5:
                self.words[main + index * 8] = base >> 12 << 10 | flags
                continue
            table = self.allocate()
            self.kept.add(table)
            self.words[main + index * 8] = table >> 12 << 10 | V
            for page in range(512):
                self.words[table + page * 8] = (base >> 12) + page << 10 | flags
            if guest and base == CODE:
                # how the guest's own tables may be accessed: those for code always
                for loose in self.loose_pages:
                    if rng.random() < 0.15:
                        page = (loose - CODE) >> 12
                        change = rng.choice((W, R | W, V, X))
                        self.words[table + page * 8] &= ~change
        # data at its own address
        if rng.random() < 0.3:
            self.words[main + 2 * 8] = self.leaf(guest, _MEGA)
            entries.append(main + 2 * 8)
            addresses += [DATA, DATA + 0x1000, DATA + 0x3FFF8]
        else:
            self.words[main + 2 * 8] = self.last(guest, DATA) >> 12 << 10 | V
        for index in rng.sample(range(3, 512), 3):
            self.words[main + index * 8] = self.leaf(guest, _MEGA)
            entries.append(main + index * 8)
            addresses.append(0x8000_0000 + index * _MEGA + rng.randrange(64) * _PAGE)
        for window, user in ((USER_WINDOW, U), (WINDOW, U if guest else 0)):
            self.words[main + (window >> 21 & 511) * 8] = self.window(window, V | R | W | A | D | user)
        return main

    def window(self, address: int, flags: int) -> int:
        """The entry for memory that can be accessed: a leaf, or a table, if so with blocks of 64 KiB."""
        if self.random.random() < 0.5:
            return address >> 12 << 10 | flags
        table = self.allocate()
        for page in range(512):
            entry = (address >> 12) + page << 10 | flags
            if self.napot and page < 256:
                entry = entry & ~(15 << 10) | 8 << 10 | _N
            self.words[table + page * 8] = entry
        return table >> 12 << 10 | V

    def middle(self, guest: bool, base: int) -> int:
        rng = self.random
        addresses = self.guest_addresses if guest else self.addresses
        entries = self.guest_entries if guest else self.entries
        table = self.allocate()
        self.loose_pages.append(table)
        for _ in range(3):
            index = rng.choice((0, 1, 2, 3, 511, rng.randrange(512)))
            at = table + index * 8
            if rng.random() < 0.4:
                self.words[at] = self.leaf(guest, _MEGA)
                addresses.append(base + index * _MEGA + rng.randrange(64) * _PAGE)
                entries.append(at)
            else:
                self.words[at] = self.last(guest, base + index * _MEGA) >> 12 << 10 | V
        return table

    def last(self, guest: bool, base: int) -> int:
        rng = self.random
        addresses = self.guest_addresses if guest else self.addresses
        entries = self.guest_entries if guest else self.entries
        table = self.allocate()
        self.loose_pages.append(table)
        for index in {*rng.sample(range(64), 10), *rng.sample(range(200, 480), 2)}:
            self.words[table + index * 8] = self.leaf(guest, _PAGE)
            addresses.append(base + index * _PAGE)
            entries.append(table + index * 8)
        if self.napot and rng.random() < 0.5:
            block = rng.choice((64, 128, 496))  # where nothing else is, as all 16 have to be the same
            entry = (self.leaf(guest, _PAGE) & ~(15 << 10)) | _N | (8 << 10 if rng.random() < 0.9 else 1 << 10)
            for index in range(block, block + 16):
                self.words[table + index * 8] = entry
                addresses.append(base + index * _PAGE)
        return table

