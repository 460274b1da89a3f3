"""The same harness around a design in Amaranth's own simulator: slow, for debugging.

The devices are the same C++ code as with Verilator, so both give the same results cycle by cycle.
"""

import ctypes
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from amaranth.hdl import Value
from amaranth.sim import Simulator

from .native import Model, Setup, Stop
from .ports import Port, storage_bits


class AmaranthModel(Model):
    """`component` in Amaranth's simulator, with the harness of `library` (see `build.build_host`)."""

    def __init__(self, library: Path, setup: Setup, component: Any, ports: list[Port], vcd: Path | None = None):
        super().__init__(library, setup)
        lib = self._lib
        for name, result in (("ports", ctypes.c_void_p), ("ports_size", ctypes.c_uint64), ("sample", ctypes.c_int),
                             ("advance", None)):  # fmt: skip
            function = getattr(lib, f"entresol_{name}")
            function.restype, function.argtypes = result, [] if name == "ports_size" else [ctypes.c_void_p]

        class Pins(ctypes.Structure):
            _fields_ = [(port.name, _ctype(port.width)) for port in ports]

        assert ctypes.sizeof(Pins) == lib.entresol_ports_size()
        self._pins = Pins.from_address(lib.entresol_ports(self._model))
        values = {
            "__".join(map(str, path)): Value.cast(value) for path, _, value in component.signature.flatten(component)
        }
        self._inputs = [(port.name, values[port.name]) for port in ports if port.driven]
        self._outputs = [(port.name, values[port.name], port.width) for port in ports if not port.driven]
        self._settled = False  # the outputs of this cycle are sampled
        self._stop = -1
        self._simulator = Simulator(component)
        # inputs change with the clock edge, outputs are sampled 1 ns later
        self._simulator.add_clock(4e-9)
        self._simulator.add_testbench(self._testbench)
        self._resources = ExitStack()
        if vcd is not None:
            self._resources.enter_context(self._simulator.write_vcd(str(vcd)))

    def close(self) -> None:
        self._resources.close()
        super().close()

    async def _testbench(self, ctx):
        while True:
            for name, value in self._inputs:
                ctx.set(value, getattr(self._pins, name))
            self._settled = False
            await ctx.delay(1e-9)
            for name, value, width in self._outputs:
                content = ctx.get(value)
                if width > 64:
                    content = (ctypes.c_uint32 * ((width + 31) // 32)).from_buffer_copy(
                        content.to_bytes((width + 31) // 32 * 4, "little")
                    )
                setattr(self._pins, name, content)
            self._stop = self._lib.entresol_sample(self._model)
            self._settled = True
            await ctx.tick()
            self._lib.entresol_advance(self._model)

    def run(self, until: int) -> Stop:
        while True:
            if self._settled:
                cycle = self.cycle
                while self.cycle == cycle:
                    self._simulator.advance()
            if self.cycle >= until:
                return Stop.CYCLES
            while not self._settled:
                self._simulator.advance()
            if self._stop >= 0:
                return Stop(self._stop)


def _ctype(width: int):
    bits = storage_bits(width)
    if not bits:
        return ctypes.c_uint32 * ((width + 31) // 32)
    return {8: ctypes.c_uint8, 16: ctypes.c_uint16, 32: ctypes.c_uint32, 64: ctypes.c_uint64}[bits]
