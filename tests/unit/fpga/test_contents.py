"""What the RAM of a board holds."""

import pytest

from entresol.config import get_config
from entresol.soc.device_tree import to_dtb
from entresol_boards.board import boards
from entresol_sim.design import soc_device_tree
from entresol_sim.elf import binary
from entresol_sim.errors import UserError
from entresol_sim.fpga.contents import demo, ram_contents

BASE = 0x8000_0000


@pytest.mark.parametrize("board", boards().values(), ids=lambda board: board.name)
def test_the_demo_fits(board):
    config = get_config("linux")
    programs = demo(config)
    contents = ram_contents(config, board.ram_size, 115_200, programs)
    assert len(contents.data) == board.ram_size and contents.entry == BASE
    for program in programs:
        for segment in program.segments:
            offset = segment.address - BASE
            assert contents.data[offset : offset + len(segment.content)] == segment.content
    firmware, hypervisor, guest = programs
    end_of_firmware = max(segment.address + segment.size for segment in firmware.segments)
    protected = min(segment.address for segment in [*hypervisor.segments, *guest.segments]) - BASE
    assert protected & (protected - 1) == 0 and end_of_firmware <= BASE + protected  # as its PMP entry has it


def test_the_device_tree_tells_of_this_board():
    config, size = get_config("small"), 64 << 10
    contents = ram_contents(config, size, 921_600, [binary(b"\x6f\0\0\0", "stop", BASE + 0x100)])
    assert contents.entry == BASE + 0x100
    tree = soc_device_tree(config, size, clock_frequency=14_745_600, timebase=10_000_000, baud=921_600,
                           interrupt_sources=10)  # fmt: skip
    blob = to_dtb(tree)
    offset = contents.a1 - BASE
    assert offset % 8 == 0 and contents.data[offset : offset + len(blob)] == blob
    uart = next(node for node in tree.walk() if node.name.startswith("serial@"))
    assert uart.properties["current-speed"] == (921_600,) and uart.properties["clock-frequency"] == (14_745_600,)


def test_what_does_not_fit_is_refused():
    config = get_config("small")
    too_large = binary(bytes(4096), "large", BASE + 0xF800)
    with pytest.raises(UserError, match="large needs 0x8000f800 to 0x800107ff, but the board has RAM"):
        ram_contents(config, 64 << 10, 115_200, [too_large])
    with pytest.raises(UserError, match="the device tree would overwrite last"):
        ram_contents(config, 64 << 10, 115_200, [binary(bytes(16), "last", BASE + 0xFFF0)])
