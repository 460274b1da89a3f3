"""Names for addresses in a Linux kernel."""

import bisect
import re
from pathlib import Path

from .. import elf
from ..errors import UserError

_LINE = re.compile(r"([0-9a-f]{16}) \w (\S+)")


class Symbols:
    """The symbols of a kernel whose Image starts at physical address `load`.

    Before it turns translation on the kernel runs at physical addresses: those are found, too.
    """

    def __init__(self, addresses: dict[str, int], load: int):
        self._sorted = sorted((address, name) for name, address in addresses.items())
        self._start, self._end = addresses.get("_start", 0), addresses.get("_end", 0)
        self._load = load

    @classmethod
    def read(cls, path: Path, load: int) -> "Symbols":
        """From a System.map or a vmlinux.  Raises `UserError`."""
        content = elf.read_file(path)
        if elf.is_elf(content):
            return cls(elf.parse_elf(content, str(path)).symbols, load)
        lines = [_LINE.fullmatch(line) for line in content.decode(errors="replace").splitlines()]
        addresses = {match[2]: int(match[1], 16) for match in lines if match}
        if not addresses:
            raise UserError(f"{path} is neither a System.map nor a vmlinux: give another --symbols.")
        return cls(addresses, load)

    def name(self, pc: int) -> str | None:
        """The symbol before `pc`, with the distance from it; None outside the kernel."""
        if self._load <= pc < self._load + self._end - self._start:
            pc += self._start - self._load
        if not self._start <= pc < self._end:
            return None
        index = bisect.bisect_right(self._sorted, (pc, "\U0010ffff")) - 1
        address, name = self._sorted[index]
        return f"{name}+{pc - address:#x}"
