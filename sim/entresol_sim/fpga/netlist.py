"""Changes to the netlist (RTLIL, yosys's text format) before synthesis."""

import re

_MEMORY = re.compile(r"((?:^ *attribute [^\n]*\n)*)^ *memory (?:width \d+ |size \d+ )*(\S+)\n", re.MULTILINE)
_READ_PORT = re.compile(r"^ *cell \$memrd_v2 .*?^ *end$", re.MULTILINE | re.DOTALL)


def allow_collisions(rtlil: str) -> str:
    """Say at the synchronous read ports of memories with the attribute `no_rw_check` that what they read is undefined
    while the same row is written.

    Yosys obeys the attribute when it finds such ports itself, but not at those that Amaranth has made already: these
    would get registers and multiplexers that give the old data.
    """
    return "".join(_allow_in_module(module) for module in re.split(r"(?m)^(?=module )", rtlil))


def _allow_in_module(module: str) -> str:
    free = {name.removeprefix("\\") for attributes, name in _MEMORY.findall(module) if "\\no_rw_check 1" in attributes}
    if not free:
        return module

    def change(match: re.Match) -> str:
        cell = match[0]
        memory = re.search(r'parameter \\MEMID "\\\\([^"]+)"', cell)
        if memory is None or memory[1] not in free or "parameter \\CLK_ENABLE 1\n" not in cell:
            return cell
        return re.sub(r"(parameter \\COLLISION_X_MASK )(\d+)'[01]+",
                      lambda found: f"{found[1]}{found[2]}'{'1' * int(found[2])}", cell)  # fmt: skip

    return _READ_PORT.sub(change, module)


def plain_names(rtlil: str) -> str:
    """Rename signals whose names yosys confuses with others when it puts logic back that it has optimized: \\$5, which
    becomes the same as its own kind of name $5, and \\x[2], which becomes the same as a bit of a vector x.  It gives
    up then ("Assert count_id(wire->name) == 0 failed", or sizes that differ).
    """
    return _SIGNAL.sub(lambda found: "\\" + _UNNAMED.sub("unnamed$", found[1]).translate(_BRACKETS), rtlil)


_SIGNAL = re.compile(r"(?<= )\\(\$\S+|\S*\[\S*)")
_UNNAMED = re.compile(r"^\$")
_BRACKETS = str.maketrans("[]", "__")
