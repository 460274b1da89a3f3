"""What the block RAM of a board holds when the FPGA is configured: programs and the device tree."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from entresol.config import CoreConfig
from entresol.soc.device_tree import to_dtb
from entresol.soc.soc import UART_INTERRUPT
from entresol.soc.system import TIMEBASE, UART_CLOCK

from ..demo import Layout, program
from ..design import soc_device_tree
from ..elf import Program, Segment, parse_elf
from ..errors import UserError
from ..simulator import ram_region

_PAGE = 4096
_GUEST_LINKED = 0x8040_0000  # where the guest's image is when nobody moves it
#: Pages for the demo's guest and its page tables: as many as it touches, and one for luck.
_POOL_PAGES = 46


@dataclass(frozen=True)
class Contents:
    """`data` from the beginning of RAM; what the boot ROM jumps to and passes on in a1, the device tree."""

    data: bytes
    entry: int
    a1: int


def demo(config: CoreConfig) -> list[Program]:
    """The demo's firmware, hypervisor and guest, closer together than in the simulator's large RAM."""
    base = ram_region(config).base
    guest = parse_elf(program("guest").read_bytes(), "guest")
    # as an image in a file: what it expects to be zero gets pages of its own
    image = [segment for segment in guest.segments if segment.content]
    firmware_size = 2 * _PAGE
    guest_image = base + firmware_size
    hypervisor = guest_image + _pages(max(segment.address + segment.size for segment in image) - _GUEST_LINKED)
    layout = Layout(firmware_size, hypervisor, guest_image, _POOL_PAGES)
    moved = [dataclasses.replace(segment, address=segment.address - _GUEST_LINKED + guest_image) for segment in image]
    return [
        parse_elf(program("firmware", layout).read_bytes(), "firmware"),
        parse_elf(program("hypervisor", layout).read_bytes(), "hypervisor"),
        Program("guest", guest.entry, moved),
    ]


def ram_contents(config: CoreConfig, ram_size: int, baud: int, programs: Sequence[Program]) -> Contents:
    """RAM of `ram_size` bytes with `programs`, of which the first one is started, and the device tree at its end.

    Raises:
        UserError: they do not fit into the RAM, or into it together.
    """
    base = ram_region(config).base
    tree = soc_device_tree(config, ram_size, clock_frequency=UART_CLOCK, timebase=TIMEBASE, baud=baud,
                           interrupt_sources=UART_INTERRUPT)  # fmt: skip
    blob = to_dtb(tree)
    tree_at = (base + ram_size - len(blob)) & -8
    parts = [*programs, Program("the device tree", 0, [Segment(tree_at, blob, len(blob))])]
    data = bytearray(ram_size)
    taken: list[tuple[int, int, str]] = []
    for part in parts:
        for segment in part.segments:
            begin, end = segment.address - base, segment.address - base + segment.size
            if begin < 0 or end > ram_size:
                raise UserError(
                    f"{part.name} needs {segment.address:#x} to {segment.address + segment.size - 1:#x}, but the board "
                    f"has RAM from {base:#x} to {base + ram_size - 1:#x}: make it smaller or link it elsewhere."
                )
            for other_begin, other_end, other in taken:
                if begin < other_end and other_begin < end:
                    raise UserError(
                        f"{part.name} would overwrite {other} at {base + max(begin, other_begin):#x}: link or load one "
                        f"of them elsewhere."
                    )
            taken.append((begin, end, part.name))
            data[begin : begin + len(segment.content)] = segment.content
    return Contents(bytes(data), programs[0].entry, tree_at)


def _pages(size: int) -> int:
    """`size` rounded up to whole pages."""
    return -(-size // _PAGE) * _PAGE
