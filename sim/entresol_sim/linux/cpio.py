"""Archives for the kernel's initramfs, in cpio's "newc" format (Documentation/driver-api/early-userspace of Linux)."""

import stat
from collections.abc import Iterable
from dataclasses import dataclass

_MAGIC = b"070701"
_TRAILER = "TRAILER!!!"


@dataclass(frozen=True)
class Entry:
    """A file with its `mode` (type and permissions); `device` is major and minor number of a device node."""

    name: str
    mode: int
    content: bytes = b""
    device: tuple[int, int] = (0, 0)


def directory(name: str) -> Entry:
    return Entry(name, stat.S_IFDIR | 0o755)


def program(name: str, content: bytes) -> Entry:
    return Entry(name, stat.S_IFREG | 0o755, content)


def regular(name: str, content: bytes) -> Entry:
    return Entry(name, stat.S_IFREG | 0o644, content)


def character_device(name: str, major: int, minor: int) -> Entry:
    return Entry(name, stat.S_IFCHR | 0o600, device=(major, minor))


def archive(entries: Iterable[Entry]) -> bytes:
    """All entries, owned by root and without times: the same entries always give the same bytes."""
    result = bytearray()
    for number, entry in enumerate([*entries, Entry(_TRAILER, 0)], 1):
        name = entry.name.encode() + b"\0"
        links = 2 if stat.S_ISDIR(entry.mode) else 1
        fields = (number, entry.mode, 0, 0, links, 0, len(entry.content), 0, 0, *entry.device, len(name), 0)
        result += _MAGIC + b"".join(b"%08X" % field for field in fields) + name
        result += bytes(-len(result) % 4)
        result += entry.content
        result += bytes(-len(result) % 4)
    return bytes(result)
