"""The RISC-V compiler wrapper: what it builds, its cache, its messages."""

from pathlib import Path

import pytest

from entresol_sim.elf import parse_elf
from entresol_sim.errors import UserError
from entresol_sim.programs.build import build

LINK = "SECTIONS { . = 0x80000000; .text : { *(.text .text.*) } }"


@pytest.fixture
def sources(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("ENTRESOL_CACHE", str(tmp_path / "cache"))
    (tmp_path / "link.ld").write_text(LINK)
    (tmp_path / "number.h").write_text("#define NUMBER 5\n")
    (tmp_path / "a.c").write_text('#include "number.h"\nint _start(void) { return NUMBER; }\n')
    return tmp_path


def test_builds_for_the_core(sources: Path):
    path = build([sources / "a.c"], sources / "link.ld")
    program = parse_elf(path.read_bytes(), "a", 0)
    assert program.entry == 0x8000_0000
    assert program.segments[0].content[:4] == bytes.fromhex("15458280")  # c.li a0, 5; c.jr ra


def test_same_content_is_not_built_again(sources: Path):
    path = build([sources / "a.c"], sources / "link.ld")
    before = path.stat().st_mtime_ns
    assert build([sources / "a.c"], sources / "link.ld") == path
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize("change", ["source", "header", "script", "define", "extension"])
def test_any_change_is_another_result(sources: Path, change: str):
    path = build([sources / "a.c"], sources / "link.ld")
    defines, extensions = {}, ["m", "a", "c", "h"]
    if change == "define":
        defines["OTHER"] = 1
    elif change == "extension":
        extensions.append("zba")
    else:
        name = {"source": "a.c", "header": "number.h", "script": "link.ld"}[change]
        (sources / name).write_text((sources / name).read_text() + "\n")
    assert build([sources / "a.c"], sources / "link.ld", defines=defines, extensions=extensions) != path


def test_hypervisor_instructions_assemble(sources: Path):
    text = ".globl _start\n_start: hlvx.hu a0, (a1)\n hfence.gvma a0, a1\n csrr a0, htinst\n csrw hvip, a0\n"
    (sources / "h.S").write_text(text)
    content = parse_elf(build([sources / "h.S"], sources / "link.ld").read_bytes(), "h", 0).segments[0].content
    # HVIP is 0x645 and HTINST 0x64A
    assert [int.from_bytes(content[i : i + 4], "little") >> 20 for i in (8, 12)] == [0x64A, 0x645]


def test_messages(sources: Path):
    with pytest.raises(UserError, match=r"missing\.c cannot be read"):
        build([sources / "missing.c"], sources / "link.ld")
    (sources / "a.c").write_text("int _start(void) { return nothing; }\n")
    with pytest.raises(UserError, match=r"^a\.c cannot be compiled.*\n.*undeclared identifier 'nothing'") as error:
        build([sources / "a.c"], sources / "link.ld")
    assert "Traceback" not in str(error.value)
    assert not list((sources / "cache" / "programs").iterdir())  # nothing half done is left
