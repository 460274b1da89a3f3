"""Names for addresses in a kernel."""

import pytest

from entresol_sim.errors import UserError
from entresol_sim.linux.symbols import Symbols

MAP = """\
ffffffff80000000 T _start
ffffffff80001000 T start_kernel
ffffffff80001080 t do_one
0000000000000040 A an_offset
ffffffff80009000 B _end
"""
LOAD = 0x8020_0000


@pytest.fixture
def symbols(tmp_path):
    path = tmp_path / "System.map"
    path.write_text(MAP)
    return Symbols.read(path, LOAD)


@pytest.mark.parametrize(
    "pc, name",
    [
        (0xFFFF_FFFF_8000_1000, "start_kernel+0x0"),
        (0xFFFF_FFFF_8000_107E, "start_kernel+0x7e"),
        (0xFFFF_FFFF_8000_8FFE, "do_one+0x7f7e"),
        (0x8020_0010, "_start+0x10"),
        (0x8020_9000, None),
        (0xFFFF_FFFF_8000_9000, None),
        (0x801F_FFFE, None),
        (0x48, None),
    ],
)
def test_name(symbols, pc, name):
    assert symbols.name(pc) == name


def test_no_map(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("nothing of the kind\n")
    with pytest.raises(UserError, match="neither a System"):
        Symbols.read(path, LOAD)
