"""Reads programs: ELF files for RV64 and plain binaries."""

import stat
import struct
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from .errors import UserError

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_EXEC, _DYN, _RISCV, _LOAD, _SYMTAB = 2, 3, 243, 1, 2


@dataclass(frozen=True)
class Segment:
    """`content` goes to physical address `address`, followed by zeros up to `size` bytes."""

    address: int
    content: bytes
    size: int


@dataclass(frozen=True)
class Program:
    """Something to load: where it starts, what goes where, and the addresses of its symbols."""

    name: str
    entry: int
    segments: list[Segment]
    symbols: dict[str, int] = field(default_factory=dict)


def read_file(path: str | Path) -> bytes:
    """The content of a file.  Raises `UserError`."""
    try:
        mode = Path(path).stat().st_mode
        if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):  # which may have no end
            raise UserError(f"{path} is a device: name a file.")
        return Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): check the path.") from error


def is_elf(content: bytes) -> bool:
    return content[:4] == b"\x7fELF"


def read_program(path: str | Path, address: int | None = None, base: int = 0) -> "Program":
    """The program in an ELF file (see `parse_elf` for `base`), or in a plain binary that goes to `address`.

    Raises:
        UserError: the file cannot be read, or is not what it should be.
    """
    content = read_file(path)
    if address is None:
        return parse_elf(content, str(path), base)
    if is_elf(content):
        raise UserError(f"{path} is an ELF file, which says itself where it goes: leave out @{address:#x}.")
    return binary(content, str(path), address)


def parse_elf(content: bytes, name: str, base: int = 0) -> Program:
    """The program in an ELF file; `base` is added to addresses of a position-independent file linked at 0.

    Raises:
        UserError: the file is truncated, not an ELF file for 64-bit little-endian RISC-V, or not executable.
    """
    truncated = UserError(f"{name} is truncated or damaged: build or copy it again.")
    if not is_elf(content):
        raise UserError(f"{name} is not an ELF file: give an address with FILE@ADDR if it is a plain binary.")
    if len(content) < 6:
        raise truncated
    if content[4] == 1:
        raise UserError(f"{name} is a 32-bit ELF file: Entresol runs 64-bit programs, build it for rv64.")
    if content[5] == 2:
        raise UserError(f"{name} is a big-endian ELF file: Entresol is little-endian, build it for riscv64.")
    if len(content) < _HEADER.size:
        raise truncated
    _, kind, machine, _, entry, segment_at, section_at, _, _, segment_size, segments, section_size, sections, _ = (
        _HEADER.unpack_from(content)
    )
    if machine != _RISCV:
        raise UserError(f"{name} is an ELF file for another processor (machine {machine}): build it for riscv64.")
    if kind not in (_EXEC, _DYN):
        raise UserError(f"{name} is an ELF file that cannot be run (an object file?): link it first.")
    loaded: list[Segment] = []
    taken = 0
    for index in range(segments):
        if segment_size < _SEGMENT.size or segment_at + (index + 1) * segment_size > len(content):
            raise truncated
        what, _, offset, _, address, file_size, memory_size, _ = _SEGMENT.unpack_from(
            content, segment_at + index * segment_size
        )
        if what == _LOAD and memory_size:
            if offset + file_size > len(content) or file_size > memory_size:
                raise truncated
            taken += file_size
            if taken > len(content):  # the same again and again
                raise truncated
            loaded.append(Segment(address, content[offset : offset + file_size], memory_size))
    if not loaded:
        raise UserError(f"{name} has nothing to load: link it as an executable.")
    for low, high in pairwise(sorted(loaded, key=lambda segment: segment.address)):
        if low.address + low.size > high.address:
            raise UserError(f"{name} has segments that overlap at {high.address:#x}: link it again.")
    move = base if kind == _DYN and min(segment.address for segment in loaded) < base else 0
    symbols = _symbols(content, section_at, section_size, sections, truncated)
    return Program(
        name,
        entry + move,
        [Segment(segment.address + move, segment.content, segment.size) for segment in loaded],
        {symbol: address + move for symbol, address in symbols.items()},
    )


def _symbols(content: bytes, section_at: int, section_size: int, sections: int, truncated: UserError) -> dict[str, int]:
    if not sections:
        return {}
    if section_size < _SECTION.size or section_at + sections * section_size > len(content):
        raise truncated
    table = [_SECTION.unpack_from(content, section_at + index * section_size) for index in range(sections)]
    symbols = {}
    tables = [row for row in table if row[1] == _SYMTAB]
    for _, _, _, _, offset, size, link, *_ in tables[:1]:  # there is one at most
        if link >= sections or offset + size > len(content):
            raise truncated
        strings_at, strings_size = table[link][4:6]
        strings = content[strings_at : strings_at + strings_size]
        whole = content[offset : offset + size // _SYMBOL.size * _SYMBOL.size]
        for name, _, _, section, value, _ in _SYMBOL.iter_unpack(whole):
            if section:
                symbols[strings[name : strings.find(b"\0", name)].decode(errors="replace")] = value
    symbols.pop("", None)
    return symbols


def binary(content: bytes, name: str, address: int) -> Program:
    """A plain binary that goes to `address` and starts there."""
    if not content:
        raise UserError(f"{name} is empty: check the path.")
    return Program(name, address, [Segment(address, content, len(content))])
