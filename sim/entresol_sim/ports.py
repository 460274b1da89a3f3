"""What the C++ harness needs to know of a design's ports: names, widths, and where the fields of structures lie."""

from dataclasses import asdict, dataclass

#: Ports that the harness uses; a design to be simulated has all of them (more are welcome).
REQUIRED = (
    *(f"mem__a{c}{name}" for c in "rw" for name in ("valid", "ready", "addr", "id", "len", "size", "burst")),
    *(f"mem__r{name}" for name in ("valid", "ready", "id", "data", "resp", "last")),
    *(f"mem__w{name}" for name in ("valid", "ready", "data", "strb")),
    *(f"mem__b{name}" for name in ("valid", "ready", "id", "resp")),
    *(f"uart_{way}__{name}" for way in ("tx", "rx") for name in ("valid", "ready", "payload")),
    "rtc_tick", "boot_entry", "boot_a1", "boot_a2", "finish_valid", "finish_code",
    "retire", "events", "flush_valid", "flush_done",
)  # fmt: skip

#: Inputs that the harness drives where a design has them.
OPTIONAL = ("guest_interrupts",)


@dataclass(frozen=True)
class Field:
    """A leaf of a structure: lowest bit and width in bits; nested names are joined with "_"."""

    name: str
    low: int
    width: int


@dataclass(frozen=True)
class Port:
    """A port: whether the harness drives it, its width in bits, and its fields if it is a structure."""

    name: str
    driven: bool
    width: int
    fields: tuple[Field, ...] = ()


def describe(component) -> list[Port]:
    """The ports of an Amaranth component."""
    from amaranth.hdl import Value
    from amaranth.lib import data, wiring

    ports = []
    for path, member, value in component.signature.flatten(component):
        width = len(Value.cast(value))
        if width:
            fields = ()
            if isinstance(value, data.View):
                fields = tuple(leaves(value.shape()))
            ports.append(Port("__".join(map(str, path)), member.flow == wiring.In, width, fields))
    return ports


def missing(ports: list[Port]) -> list[str]:
    """The ports that the harness uses and a design does not have."""
    return sorted(set(REQUIRED) - {port.name for port in ports})


def leaves(layout, prefix="", low=0):
    """The fields of a structure (its shape)."""
    from amaranth.hdl import Shape
    from amaranth.lib import data

    for key, field in data.Layout.cast(layout):
        name, offset = f"{prefix}{key}", low + field.offset
        try:
            inner = data.Layout.cast(field.shape)
        except TypeError:
            yield Field(name, offset, Shape.cast(field.shape).width)
        else:
            yield from leaves(inner, f"{name}_", offset)


def to_json(ports: list[Port]) -> list[dict]:
    return [asdict(port) for port in ports]


def from_json(rows: list[dict]) -> list[Port]:
    return [Port(**{**row, "fields": tuple(Field(**field) for field in row["fields"])}) for row in rows]


def storage_bits(width: int) -> int:
    """Bits of the C++ type that holds a port: 8, 16, 32 or 64, or 0 for an array of 32-bit words."""
    return next((bits for bits in (8, 16, 32, 64) if width <= bits), 0)


def header(ports: list[Port], verilated: bool) -> str:
    """The text of dut.h: the type `Dut`, an accessor `port::NAME` for each port and `PORT::FIELD` for fields, and
    functions `drive::NAME` for optional inputs, which do nothing where there is no such input.

    `verilated` chooses between the class that Verilator makes and a plain structure of the same ports.
    """
    lines = ["// Generated from the ports of the design.", "#pragma once", '#include "bits.h"']
    if verilated:
        lines += ['#include "Vdut.h"', "using Dut = Vdut;"]
    else:
        lines += ["struct Dut {"]
        for port in ports:
            bits = storage_bits(port.width)
            kind, array = (f"uint{bits}_t", "") if bits else ("uint32_t", f"[{(port.width + 31) // 32}]")
            lines.append(f"    {kind} {port.name}{array};")
        lines += ["};"]
    lines += ["namespace port {"]
    for name in [*(port.name for port in ports), *(["clk"] if verilated else [])]:
        # Verilator spells two underscores in a row differently
        member = name.replace("__", "___05F") if verilated else name
        lines.append(f"inline auto& {name}(Dut& dut) {{ return dut.{member}; }}")
    lines += ["} // namespace port", "namespace drive {"]
    for name in OPTIONAL:
        there = any(port.name == name for port in ports)
        body = f"port::{name}(dut) = value;" if there else ""
        lines.append(f"inline void {name}(Dut& dut, uint64_t value) {{ {body} }}")
    lines += ["} // namespace drive"]
    for port in ports:
        if port.fields:
            lines += [f"namespace {port.name} {{"]
            value = f"port::{port.name}(dut)"
            if storage_bits(port.width):
                lines += [f"inline uint64_t all(Dut& dut) {{ return {value}; }}", "namespace bit {"]
                lines += [f"constexpr unsigned {field.name} = {field.low};" for field in port.fields]
                lines += ["} // namespace bit"]
            elif verilated:
                value += ".data()"
            lines += [
                f"inline uint64_t {field.name}(Dut& dut) {{ return bits<{field.low}, {field.width}>({value}); }}"
                for field in port.fields
                if field.width <= 64
            ]
            lines += [f"}} // namespace {port.name}"]
    return "\n".join(lines) + "\n"


def wrapper(ports: list[Port], name: str) -> str:
    """SystemVerilog of a module `top` around the design `name`, with registers at all inputs.

    The harness decides on the inputs of a cycle before the clock edge that begins it, so these are not its delays but
    only where its registers are.  Verilator is spared to evaluate what depends on inputs apart from the rest, which
    nearly halves the work.
    """
    lines = ["module top (", "  input clk,"]
    lines += [f"  {'input' if port.driven else 'output'} [{port.width - 1}:0] {port.name}," for port in ports]
    lines[-1] = lines[-1].removesuffix(",")
    lines += [");"]
    driven = [port for port in ports if port.driven]
    lines += [f"  reg [{port.width - 1}:0] {port.name}_q = 0;" for port in driven]
    lines += ["  always @(posedge clk) begin"]
    lines += [f"    {port.name}_q <= {port.name};" for port in driven]
    lines += ["  end", f"  \\{name} \\{name}  (", "    .clk(clk),", "    .rst(1'b0),"]
    lines += [f"    .{port.name}({port.name}{'_q' if port.driven else ''})," for port in ports]
    lines[-1] = lines[-1].removesuffix(",")
    return "\n".join([*lines, "  );", "endmodule", ""])
