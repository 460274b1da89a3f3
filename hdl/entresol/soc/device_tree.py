"""Device trees: a small tree of nodes, written as a blob (DTB, version 17) or as source text (DTS), after the
Devicetree Specification 0.4, chapters "Flattened Devicetree (DTB) Format" and "Devicetree Source (DTS) Format"."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias


class Cells(tuple):
    """A property made of 32-bit numbers; a `Node` among them stands for that node's phandle."""

    def __new__(cls, *values: "int | Node"):
        return super().__new__(cls, values)


def cells64(*values: int) -> Cells:
    """64-bit numbers, two cells each."""
    return Cells(*(half for value in values for half in (value >> 32, value & 0xFFFF_FFFF)))


#: True is a property without a value; a list of strings is a string list.
Property: TypeAlias = bool | str | list[str] | bytes | Cells


@dataclass(eq=False)
class Node:
    """A node; `label` is what the source text calls it and needs to be there when others refer to the node."""

    name: str
    properties: dict[str, Property] = field(default_factory=dict)
    children: "list[Node]" = field(default_factory=list)
    label: str = ""

    def walk(self) -> "Iterator[Node]":
        """This node and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()


def _phandles(root: Node) -> dict[Node, int]:
    """Numbers for the nodes that others refer to."""
    wanted = {value for node in root.walk() for prop in node.properties.values() if isinstance(prop, Cells)
              for value in prop if isinstance(value, Node)}
    return {node: number for number, node in enumerate((node for node in root.walk() if node in wanted), 1)}


_BEGIN_NODE, _END_NODE, _PROP, _END = 1, 2, 3, 9
_MAGIC, _VERSION, _LAST_COMPATIBLE = 0xD00DFEED, 17, 16


def to_dtb(root: Node) -> bytes:
    """The flattened device tree blob.  Numbers that nodes refer to each other by become `phandle` properties."""
    phandles = _phandles(root)
    names: dict[str, int] = {}  # offset of each property name in the strings block
    strings = bytearray()
    structure = bytearray()

    def pad():
        structure.extend(b"\0" * (-len(structure) % 4))

    def write(node: Node):
        structure.extend(struct.pack(">I", _BEGIN_NODE) + node.name.encode() + b"\0")
        pad()
        properties = dict(node.properties)
        if node in phandles:
            properties["phandle"] = Cells(phandles[node])
        for name, value in properties.items():
            if value is False:
                continue
            if name not in names:
                names[name] = len(strings)
                strings.extend(name.encode() + b"\0")
            content = _encode(value, phandles)
            structure.extend(struct.pack(">III", _PROP, len(content), names[name]) + content)
            pad()
        for child in node.children:
            write(child)
        structure.extend(struct.pack(">I", _END_NODE))

    write(root)
    structure.extend(struct.pack(">I", _END))
    reservations = bytes(16)  # the list's end only
    reservations_at = 40
    structure_at = reservations_at + len(reservations)
    strings_at = structure_at + len(structure)
    header = struct.pack(">10I", _MAGIC, strings_at + len(strings), structure_at, strings_at, reservations_at, _VERSION,
                         _LAST_COMPATIBLE, 0, len(strings), len(structure))
    return header + reservations + bytes(structure) + bytes(strings)


def _encode(value: Property, phandles: dict[Node, int]) -> bytes:
    if isinstance(value, bool):
        return b""
    if isinstance(value, bytes):
        return value
    if isinstance(value, Cells):
        return b"".join(struct.pack(">I", phandles[cell] if isinstance(cell, Node) else cell) for cell in value)
    return b"".join(text.encode() + b"\0" for text in ([value] if isinstance(value, str) else value))


def to_dts(root: Node) -> str:
    """The source text, which `dtc` compiles to an equivalent of `to_dtb`."""
    lines = ["/dts-v1/;", ""]

    def write(node: Node, name: str, indent: str):
        label = f"{node.label}: " if node.label else ""
        lines.append(f"{indent}{label}{name} {{")
        for key, value in node.properties.items():
            if not isinstance(value, bool):
                lines.append(f"{indent}\t{key} = {_text(key, value)};")
            elif value:
                lines.append(f"{indent}\t{key};")
        for child in node.children:
            if lines[-1].endswith(";"):
                lines.append("")
            write(child, child.name, indent + "\t")
        lines.append(f"{indent}}};")

    write(root, "/", "")
    return "\n".join(lines) + "\n"


def _text(key: str, value: str | list[str] | bytes | Cells) -> str:
    if isinstance(value, bytes):
        return f"[{value.hex(' ')}]"
    if isinstance(value, Cells):
        decimal = key.endswith("-frequency")
        return "<" + " ".join(f"&{cell.label}" if isinstance(cell, Node) else
                              str(cell) if decimal or cell < 256 else hex(cell) for cell in value) + ">"
    return ", ".join(_quoted(text) for text in ([value] if isinstance(value, str) else value))


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
