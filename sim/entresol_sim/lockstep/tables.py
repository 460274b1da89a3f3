"""Random page tables for random programs."""

import random
from dataclasses import dataclass, field

from .layout import CODE, DATA, DATA_SIZE, TABLES, USER_CODE

V, R, W, X, U, G, A, D = (1 << bit for bit in range(8))
_PAGE = 4096
_MEGA, _GIGA = 2 << 20, 1 << 30
SV39, SV39X4 = 8, 8
#: Where leaves of three sizes may lead; 1 GiB ones are misaligned or lead to all of RAM.
#: Indices of the root's entries that get something random; entry 2 has the code.  Where devices have their physical
#: addresses there is nothing, as an untranslated access would reach them.
_ROOT = (3, 4, 5, 6, 254, 255, 256, 257, 510, 511)


@dataclass
class Tables:
    """Builds page tables in `words` (by physical address).

    `addresses` collects virtual addresses that lead somewhere, or nearly; `entries` the addresses of entries that a
    program may change, `kept` pages of tables on which the mapping of code depends."""

    random: random.Random
    words: dict[int, int]
    avoided: frozenset[str]  # deviations of the reference to stay clear of
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
        if chance > 0.985 and "page tables" not in self.avoided:
            entry |= 1 << rng.randrange(54, 61)  # reserved bits
        return entry

    def code(self, guest: bool, user: bool, stage1: bool) -> int:
        """Flags of a leaf for code."""
        flags = V | R | X | A | D
        return flags | (U if user or guest else 0) | (W if guest else 0)

    def root(self, guest: bool) -> int:
        """A complete set of tables; returns the address of the root."""
        rng = self.random
        addresses = self.guest_addresses if guest else self.addresses
        entries = self.guest_entries if guest else self.entries
        root = self.allocate(4 if guest else 1)
        main = self.allocate()
        self.kept |= {root, main}
        self.words[root + 2 * 8] = main >> 12 << 10 | V
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
        for index in rng.sample(_ROOT, 4):
            if guest and rng.random() < 0.3 and "root entries" not in self.avoided:
                index = rng.choice((512, 1024, 2047, 5))
            base = _canonical(index << 30, guest)
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
        for index in {*rng.sample(range(64), 10), *rng.sample(range(512), 2)}:
            self.words[table + index * 8] = self.leaf(guest, _PAGE)
            addresses.append(base + index * _PAGE)
            entries.append(table + index * 8)
        return table


def _canonical(address: int, guest: bool) -> int:
    if not guest and address >> 38 & 1:
        address |= -1 << 39 & (1 << 64) - 1
    return address
