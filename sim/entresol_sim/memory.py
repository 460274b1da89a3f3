"""The RAM of a simulation, as the host sees it."""

import ctypes
import mmap

from .errors import UserError


class Memory:
    """Main memory at physical address `base`, `size` bytes, zero at first.  The operating system provides a page
    when it is first touched.

    While a program runs, caches may hold newer data: see `Simulator.flush`.
    """

    def __init__(self, base: int, size: int):
        self.base = base
        self.size = size
        try:
            self._map = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        except (OSError, ValueError, OverflowError) as error:
            raise UserError(f"{size} bytes of RAM cannot be allocated ({error}): choose a smaller --ram.") from error
        self.pointer = ctypes.addressof(ctypes.c_char.from_buffer(self._map))

    @property
    def end(self) -> int:
        return self.base + self.size

    def contains(self, address: int, size: int) -> bool:
        """Whether all of the `size` bytes at `address` are in RAM."""
        return self.base <= address and address + size <= self.end

    def read(self, address: int, size: int) -> bytes:
        """`size` bytes at `address`.  Raises IndexError outside RAM."""
        return self._map[self._slice(address, size)]

    def write(self, address: int, content: bytes) -> None:
        """Store `content` at `address`.  Raises IndexError outside RAM."""
        self._map[self._slice(address, len(content))] = content

    def read_word(self, address: int) -> int:
        """The little-endian 64-bit word at `address`."""
        return int.from_bytes(self.read(address, 8), "little")

    def write_word(self, address: int, value: int) -> None:
        """Store a little-endian 64-bit word at `address`."""
        self.write(address, value.to_bytes(8, "little"))

    def _slice(self, address: int, size: int) -> slice:
        if size < 0 or not self.contains(address, size):
            raise IndexError(f"{size} bytes at {address:#x} are not in RAM ({self.base:#x} to {self.end:#x})")
        return slice(address - self.base, address - self.base + size)
