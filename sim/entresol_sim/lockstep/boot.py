"""What boot code hands over to firmware, as part of a program, so that every machine does the same."""

from entresol.config import CoreConfig
from entresol.soc.device_tree import to_dtb

from ..design import soc_device_tree
from ..elf import Program, Segment
from ..errors import UserError
from .assembler import encode
from .layout import Op, load_immediate

#: How far from the end of RAM the code and the device tree are.
_ROOM = 1 << 20
_A1, _T0 = 11, 5


def with_device_tree(program: Program, config: CoreConfig, ram_size: int) -> Program:
    """`program` entered with the address of the SoC's device tree in a1.

    Raises:
        UserError: it leaves no room at the end of RAM.
    """
    base = program.entry & ~0x7FFF_FFFF
    at = base + ram_size - _ROOM
    if any(segment.address + segment.size > at for segment in program.segments):
        raise UserError(f"{program.name} leaves no room for a device tree: choose a larger --ram.")
    ops = [*load_immediate(_A1, at + 4096), *load_immediate(_T0, program.entry), Op("jalr", rs1=_T0)]
    code = b"".join(encode(op.name, rd=op.rd, rs1=op.rs1, imm=op.imm).to_bytes(4, "little") for op in ops)
    tree = to_dtb(soc_device_tree(config, ram_size))
    segments = [Segment(at, code, len(code)), Segment(at + 4096, tree, len(tree))]
    return Program(program.name, at, [*program.segments, *segments])
