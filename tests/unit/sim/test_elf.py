"""Loading of programs: what is accepted, and what is refused with which words."""

import struct

import pytest

from entresol_sim import Simulator, UserError
from entresol_sim.elf import parse_elf

BASE = 0x8000_0000


def elf(segments, symbols=(), *, kind=2, machine=243, bits=2, order=1, entry=BASE) -> bytes:
    """An ELF file; `segments` are (address, content, memory size), `symbols` (name, value)."""
    header_size, segment_size = 64, 56
    offset = header_size + segment_size * len(segments)
    table, body = b"", b""
    for address, content, size in segments:
        table += struct.pack("<IIQQQQQQ", 1, 7, offset + len(body), 0xFFFF_0000, address, len(content), size, 8)
        body += content
    strings, symtab = b"\0", bytes(24)
    for name, value in symbols:
        symtab += struct.pack("<IBBHQQ", len(strings), 0, 0, 1, value, 0)
        strings += name.encode() + b"\0"
    symtab_at = offset + len(body)
    strings_at = symtab_at + len(symtab)
    sections_at = strings_at + len(strings)
    sections = bytes(64)
    sections += struct.pack("<IIQQQQIIQQ", 0, 2, 0, 0, symtab_at, len(symtab), 2, 0, 8, 24)
    sections += struct.pack("<IIQQQQIIQQ", 0, 3, 0, 0, strings_at, len(strings), 0, 0, 1, 0)
    identity = b"\x7fELF" + bytes([bits, order, 1]) + bytes(9)
    header = struct.pack("<16sHHIQQQIHHHHHH", identity, kind, machine, 1, entry, header_size, sections_at, 0, 64,
                         segment_size, len(segments), 64, 3, 0)  # fmt: skip
    return header + table + body + symtab + strings + sections


def test_program():
    program = parse_elf(elf([(BASE, b"code", 4), (BASE + 64, b"da", 100)], [("tohost", BASE + 64)]), "x")
    assert program.entry == BASE
    assert [(s.address, s.content, s.size) for s in program.segments] == [(BASE, b"code", 4), (BASE + 64, b"da", 100)]
    assert program.symbols == {"tohost": BASE + 64}


def test_position_independent_file_goes_to_ram():
    program = parse_elf(elf([(0, b"code", 4)], [("x", 8)], kind=3, entry=2), "x", BASE)
    assert (program.entry, program.segments[0].address, program.symbols["x"]) == (BASE + 2, BASE, BASE + 8)
    linked = parse_elf(elf([(BASE, b"code", 4)], kind=3), "x", BASE)
    assert (linked.entry, linked.segments[0].address) == (BASE, BASE)


@pytest.mark.parametrize("length", [4, 5, 20, 63, 64, 100, 119, 121, 200, 350])
def test_truncated(length):
    content = elf([(BASE, b"code", 4)], [("tohost", BASE)])
    assert length < len(content)
    with pytest.raises(UserError, match="truncated"):
        parse_elf(content[:length], "x")


def test_every_truncation_is_reported():
    content = elf([(BASE, b"code" * 8, 64)], [("tohost", BASE)])
    for length in range(len(content)):
        with pytest.raises(UserError):
            parse_elf(content[:length], "x")


@pytest.mark.parametrize(
    "change, message",
    [
        ({"bits": 1}, "32-bit"),
        ({"order": 2}, "big-endian"),
        ({"machine": 62}, "another processor"),
        ({"kind": 1}, "cannot be run"),
    ],
)
def test_foreign(change, message):
    with pytest.raises(UserError, match=message):
        parse_elf(elf([(BASE, b"code", 4)], **change), "x")


def test_not_elf():
    with pytest.raises(UserError, match="FILE@ADDR"):
        parse_elf(b"#!/bin/sh\n", "x")


def test_nothing_to_load():
    with pytest.raises(UserError, match="nothing to load"):
        parse_elf(elf([]), "x")


def test_file_larger_than_memory():
    with pytest.raises(UserError, match="truncated or damaged"):
        parse_elf(elf([(BASE, b"code", 2)]), "x")


@pytest.fixture
def simulator():
    with Simulator("small", ram_size=1 << 20) as simulator:
        yield simulator


def write(tmp_path, content, name="x.elf"):
    path = tmp_path / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("address, size", [(0x1000, 4), (BASE - 1, 4), (BASE + (1 << 20) - 2, 4), (BASE, (1 << 20) + 1),
                                           ((1 << 64) - 8, 4)])  # fmt: skip
def test_outside_ram(simulator, tmp_path, address, size):
    with pytest.raises(UserError, match="outside RAM"):
        simulator.load(write(tmp_path, elf([(address, b"code", size)])))


def test_exactly_all_ram(simulator, tmp_path):
    simulator.load(write(tmp_path, elf([(BASE, b"code", 1 << 20)])))
    assert simulator.memory.read(BASE, 5) == b"code\0"


def test_overlap(simulator, tmp_path):
    simulator.load(write(tmp_path, elf([(BASE, b"code", 64)])))
    with pytest.raises(UserError, match=r"would overwrite .*x.elf at 0x8000003f"):
        simulator.load(write(tmp_path, b"binary", "y.bin"), BASE + 63)
    simulator.load(tmp_path / "y.bin", BASE + 64)
    assert simulator.memory.read(BASE + 64, 6) == b"binary"


def test_binary(simulator, tmp_path):
    with pytest.raises(UserError, match="leave out @0x80000000"):
        simulator.load(write(tmp_path, elf([(BASE, b"code", 64)])), BASE)
    with pytest.raises(UserError, match="is empty"):
        simulator.load(write(tmp_path, b""), BASE)
    with pytest.raises(UserError, match="cannot be read"):
        simulator.load(tmp_path / "nothing")
