"""Small pieces of machine code for testbenches."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import overload

from ..elf import parse_elf, read_file
from ..programs.build import build

_SCRIPT = "SECTIONS { . = 0x80000000; .text : { *(.text) } /DISCARD/ : { *(.eh_frame*) *(.debug*) } }\n"


@overload
def assemble(source: str) -> bytes: ...
@overload
def assemble(source: Mapping[str, str]) -> dict[str, bytes]: ...
def assemble(source: str | Mapping[str, str]) -> bytes | dict[str, bytes]:
    """Assemble a piece of code, or several by name (names as in C) in one call of the compiler.

    Code is position-independent: branches within a piece, no references to other places.  Instructions are not
    compressed unless the source says `.option rvc`.

    Raises:
        UserError: the assembler refused; its messages follow.
    """
    pieces = {"code": source} if isinstance(source, str) else source
    lines = [".text"]
    for name, text in pieces.items():
        lines += [".option push", ".option norvc", ".option norelax", ".balign 4", f"begin_{name}:", text]
        lines += [f"end_{name}:", ".option pop"]
    with tempfile.TemporaryDirectory() as scratch:
        path, script = Path(scratch) / "snippets.S", Path(scratch) / "snippets.ld"
        path.write_text("\n".join(lines) + "\n")
        script.write_text(_SCRIPT)
        elf = build([path], script, flags=("-Wl,--entry=0",))
    program = parse_elf(read_file(elf), elf.name)
    start, content = program.segments[0].address, program.segments[0].content
    result = {
        name: content[program.symbols[f"begin_{name}"] - start : program.symbols[f"end_{name}"] - start]
        for name in pieces
    }
    return result["code"] if isinstance(source, str) else result
