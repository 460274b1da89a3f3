"""The system on chip: a core and QEMU `virt`'s devices around it, and the device tree that describes them."""

from collections.abc import Sequence

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import Cache, ConfigError, CoreConfig, Region
from ..isa.causes import Interrupt
from ..isa.csrs import HPM_EVENTS
from ..isa.extensions import device_tree_extensions, isa_string
from ..memory.axi import Axi4
from ..observe import Events, Retire
from .aclint import Aclint
from .boot_rom import BootRom
from .bus import region_bits
from .device_tree import Cells, Node, Property, cells64
from .finisher import POWER_OFF, RESET, Finisher
from .interconnect import AxiBridge, AxiDemux
from .plic import Plic
from .uart import Uart

#: Events that firmware is asked for by number (SBI, "Performance Monitoring Unit Extension"), as far as there are
#: counters of exactly that.
_SBI_EVENTS = {1: "cycle", 2: "instret", 5: "branch", 6: "mispredict", 0x10009: "icache_miss", 0x10021: "itlb_miss"}


def _pmu(config: CoreConfig) -> Node:
    """The event counters, as the binding "riscv,pmu" tells firmware of them."""
    event_counters = ((1 << config.hpm_counters) - 1) << 3
    fixed = {1: 1 << 0, 2: 1 << 2}  # mcycle and minstret
    selectors, where = [], []
    for number, name in _SBI_EVENTS.items():
        selectors += [number, 0, HPM_EVENTS.index(name)]
        where += [number, number, event_counters | fixed.get(number, 0)]
    width = (len(HPM_EVENTS) - 1).bit_length()
    return Node("pmu", {
        "compatible": "riscv,pmu",
        "riscv,event-to-mhpmevent": Cells(*selectors),
        "riscv,event-to-mhpmcounters": Cells(*where),
        "riscv,raw-event-to-mhpmcounters": Cells(0, 0, 0xFFFF_FFFF, 0xFFFF_FFFF << width & 0xFFFF_FFFF, event_counters),
    })


#: The regions of a configuration that the SoC puts something into.
_DEVICES = ("boot", "finisher", "clint", "plic", "uart")

UART_INTERRUPT = 10  # source of the PLIC, as in QEMU `virt`


class Soc(wiring.Component):
    """A core with boot ROM, timer, interrupt controller, UART and test finisher at the addresses that the regions
    of `config` give; the "ram" region is outside, at the AXI4 manager port `mem`.

    Parameters: `interrupt_sources` of the PLIC (at least 10: the UART's number); `interrupt_lines`, numbers of the
    sources that come from outside, bit n of the input `interrupts` being the level of the n-th of them;
    `uart_divisor`, of the serial line until software sets another; `core`, a component with the ports of `Core`, for
    tests.

    Ports: `guest_interrupts`, levels of the guest external interrupts 1 to `config.geilen`, for an interrupt
    controller that has guest interrupt files (the PLIC has none); `uart_tx`, `uart_rx` streams of bytes,
    `uart_overrun` (pulse: the sender of `uart_rx` lost a byte), `uart_divisor` (for a serializer: cycles of the
    UART's reference clock in a 16th of a bit); `rtc_tick`: mtime counts the cycles in which it is set; `boot_entry`,
    `boot_a1`, `boot_a2`: where the boot ROM jumps, with what in a1 and a2 (a0 is mhartid); `finish_valid`: software
    ended the run, `finish_code` the value it wrote (see `finisher`); `retire`, `events`, `flush_valid`, `flush_done`
    as the core's.

    Raises:
        ConfigError: a region is missing, or an interrupt number is out of range or taken.
    """

    def __init__(self, config: CoreConfig, *, interrupt_sources: int = 31, interrupt_lines: Sequence[int] = (),
                 uart_divisor: int = 1, core: wiring.Component | None = None):
        self.config = config
        self._core = core
        self._sources = interrupt_sources
        self._lines = tuple(interrupt_lines)
        self._uart_divisor = uart_divisor
        regions = {region.name: region for region in config.regions}
        for name in (*_DEVICES, "ram"):
            if name not in regions:
                raise ConfigError(f"The SoC needs a memory region called {name!r}: add it to regions.")
        self._regions: dict[str, Region] = regions
        taken = [UART_INTERRUPT, *self._lines]
        for number in taken:
            if not 1 <= number <= interrupt_sources or taken.count(number) > 1:
                raise ConfigError(f"Interrupt source {number} does not exist or is used twice: choose other numbers "
                                  f"from 1 to {interrupt_sources}.")
        super().__init__({
            "mem": Out(Axi4(config.bus_bits)),
            "uart_tx": Out(stream.Signature(8)),
            "uart_rx": In(stream.Signature(8)),
            "uart_overrun": In(1),
            "uart_divisor": Out(16),
            "interrupts": In(len(self._lines)),
            "guest_interrupts": In(config.geilen),
            "rtc_tick": In(1),
            "boot_entry": In(64),
            "boot_a1": In(64),
            "boot_a2": In(64),
            "finish_valid": Out(1),
            "finish_code": Out(32),
            "retire": Out(Retire),
            "events": Out(Events),
            "flush_valid": In(1),
            "flush_done": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        core = self._core
        if core is None:
            from ..core import Core  # here, so that a device tree does not need the whole core

            core = Core(self.config)
        m.submodules.core = core
        bits = {name: region_bits(self._regions[name]) for name in _DEVICES}
        m.submodules.demux = demux = AxiDemux(self._regions["ram"], self.config.bus_bits)
        m.submodules.bridge = bridge = AxiBridge([self._regions[name] for name in _DEVICES], self.config.bus_bits)
        m.submodules.boot = boot = BootRom(bits["boot"])
        m.submodules.finisher = finisher = Finisher(bits["finisher"])
        m.submodules.clint = clint = Aclint(bits["clint"])
        m.submodules.plic = plic = Plic(bits["plic"], self._sources)
        m.submodules.uart = uart = Uart(bits["uart"], reset_divisor=self._uart_divisor)

        wiring.connect(m, core.axi, demux.axi)
        wiring.connect(m, demux.mem, wiring.flipped(self.mem))
        wiring.connect(m, demux.other, bridge.axi)
        for name, device in (("boot", boot), ("finisher", finisher), ("clint", clint), ("plic", plic), ("uart", uart)):
            wiring.connect(m, getattr(bridge, name), device.bus)
        wiring.connect(m, uart.tx, wiring.flipped(self.uart_tx))
        wiring.connect(m, wiring.flipped(self.uart_rx), uart.rx)
        m.d.comb += [
            boot.entry.eq(self.boot_entry),
            boot.a1.eq(self.boot_a1),
            boot.a2.eq(self.boot_a2),
            self.finish_valid.eq(finisher.finish_valid),
            self.finish_code.eq(finisher.finish_code),
            clint.tick.eq(self.rtc_tick),
            uart.rx_overrun.eq(self.uart_overrun),
            self.uart_divisor.eq(uart.divisor),
            plic.lines[UART_INTERRUPT].eq(uart.interrupt),
            *(plic.lines[number].eq(self.interrupts[index]) for index, number in enumerate(self._lines)),
            core.time.eq(clint.mtime),
            core.msi.eq(clint.msi),
            core.mti.eq(clint.mti),
            core.mei.eq(plic.interrupts[0]),
            core.sei.eq(plic.interrupts[1]),
            *([core.sgei.eq(self.guest_interrupts)] if self.config.geilen else []),
            self.retire.eq(core.retire),
            self.events.eq(core.events),
            core.flush_valid.eq(self.flush_valid),
            self.flush_done.eq(core.flush_done),
        ]
        return m

    def device_tree(self, ram_size: int, *, bootargs: str | None = None, initrd: tuple[int, int] | None = None,
                    timebase: int = 10_000_000, clock_frequency: int = 3_686_400, baud: int | None = None,
                    rng_seed: bytes | None = None) -> Node:
        """The device tree of this SoC, for `device_tree.to_dtb` or `to_dts`.

        Parameters: `ram_size` in bytes, from the beginning of the "ram" region; `initrd`, first address and the one
        after the last; `timebase`, ticks of `rtc_tick` a second; `clock_frequency`, of the UART's reference in Hz;
        `baud`, the rate that its serial line has at reset in bit/s, if it has one; `rng_seed`, entropy for the kernel.

        Raises:
            ConfigError: the RAM does not fit into its region, or the initrd not into the RAM.
        """
        config = self.config
        ram = self._regions["ram"]
        if not 0 < ram_size <= ram.size:
            raise ConfigError(f"{ram_size} bytes of RAM do not fit into the region of {ram.size} bytes: choose less.")
        if initrd is not None and not ram.base <= initrd[0] <= initrd[1] <= ram.base + ram_size:
            raise ConfigError(f"The initrd at {initrd[0]:#x} to {initrd[1]:#x} is outside RAM: load it elsewhere.")

        intc = Node("interrupt-controller", {
            "compatible": "riscv,cpu-intc",
            "#interrupt-cells": Cells(1),
            "#address-cells": Cells(0),
            "interrupt-controller": True,
        }, label="cpu0_intc")
        cpu = Node("cpu@0", {
            "device_type": "cpu",
            "reg": Cells(0),
            "status": "okay",
            "compatible": ["entresol,core", "riscv"],
            "riscv,isa": isa_string(config),
            "riscv,isa-base": "rv64i",
            "riscv,isa-extensions": device_tree_extensions(config),
            "mmu-type": config.mmu_type,
        }, [intc])
        for extension in ("zicbom", "zicbop", "zicboz"):
            if config.has(extension):
                cpu.properties[f"riscv,{extension[2:]}-block-size"] = Cells(Cache.LINE)
        for side, cache in (("i", config.icache), ("d", config.dcache)):
            cpu.properties |= {
                f"{side}-cache-size": Cells(cache.size),
                f"{side}-cache-sets": Cells(cache.sets),
                f"{side}-cache-block-size": Cells(Cache.LINE),
            }

        clint = self._node("clint", "clint", {
            "compatible": ["sifive,clint0", "riscv,clint0"],
            "interrupts-extended": Cells(intc, Interrupt.MSI, intc, Interrupt.MTI),
        })
        plic = self._node("plic", "interrupt-controller", {
            "compatible": ["sifive,plic-1.0.0", "riscv,plic0"],
            "#interrupt-cells": Cells(1),
            "#address-cells": Cells(0),
            "interrupt-controller": True,
            "interrupts-extended": Cells(intc, Interrupt.MEI, intc, Interrupt.SEI),
            "riscv,ndev": Cells(self._sources),
        })
        uart = self._node("uart", "serial", {
            "compatible": "ns16550a",
            "clock-frequency": Cells(clock_frequency),
            "interrupt-parent": Cells(plic),
            "interrupts": Cells(UART_INTERRUPT),
            **({"current-speed": Cells(baud)} if baud else {}),
        })
        finisher = self._node("finisher", "test", {"compatible": ["sifive,test1", "sifive,test0", "syscon"]})
        soc = Node("soc", {
            "#address-cells": Cells(2),
            "#size-cells": Cells(2),
            "compatible": "simple-bus",
            "ranges": True,
        }, [finisher, clint, plic, uart])

        chosen = Node("chosen", {"stdout-path": f"/{soc.name}/{uart.name}"})
        if bootargs is not None:
            chosen.properties["bootargs"] = bootargs
        if initrd is not None:
            chosen.properties |= {"linux,initrd-start": cells64(initrd[0]), "linux,initrd-end": cells64(initrd[1])}
        if rng_seed is not None:
            chosen.properties["rng-seed"] = rng_seed
        memory = Node(f"memory@{ram.base:x}", {"device_type": "memory", "reg": cells64(ram.base, ram_size)})
        cpus = Node("cpus", {
            "#address-cells": Cells(1),
            "#size-cells": Cells(0),
            "timebase-frequency": Cells(timebase),
        }, [cpu])
        counters = [_pmu(config)] if config.has("zihpm") and config.hpm_counters else []
        power = [Node(action, {
            "compatible": f"syscon-{action}",
            "regmap": Cells(finisher),
            "offset": Cells(0),
            "value": Cells(value),
        }) for action, value in (("poweroff", POWER_OFF), ("reboot", RESET))]
        return Node("", {
            "#address-cells": Cells(2),
            "#size-cells": Cells(2),
            "compatible": "entresol,soc",
            "model": f"Entresol, configuration {config.name}",
        }, [chosen, memory, cpus, *counters, soc, *power])

    def _node(self, region_name: str, kind: str, properties: dict[str, Property]) -> Node:
        """The node of the device in a region."""
        region = self._regions[region_name]
        return Node(f"{kind}@{region.base:x}", {**properties, "reg": cells64(region.base, region.size)},
                    label=region_name)
