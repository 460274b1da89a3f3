"""Boots the stack: `entresol linux`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from entresol.config import CoreConfig
from entresol.soc.device_tree import to_dtb

from .. import elf
from ..design import soc_device_tree
from ..errors import UserError
from ..progress import Progress
from ..simulator import Outcome, Result, Simulator
from ..statistics import MODES, VIRTUAL, cause_name
from ..terminal import Console
from . import images
from .milestones import FOREIGN, GUESTS, Watch
from .prepare import prepared
from .symbols import Symbols

#: Offsets in RAM: OpenSBI's fw_jump starts its payload at the first and puts the device tree at the second.
KERNEL, _TREE, INITRD = 0x20_0000, 0x220_0000, 0x300_0000
#: Bytes of RAM unless told otherwise.
RAM_SIZE = 64 << 20
#: Cycles without output, more than the host's or the guest's quiet boot takes, after which a run is given up.
PATIENCE = 50_000_000


class Boot:
    """A simulator with firmware, kernel, initramfs and device tree in its memory.

    Parameters:
        config: name of a configuration, or a configuration.
        guest: what the host does: "none" powers off at once, "bare" and "linux" run a guest, "shell" reads commands.
        firmware: ELF file or plain binary that starts 0x80200000 in S-mode.
        kernel: Linux Image.
        initrd: initramfs instead of our own; what the host does is then its business.
        dtb: device tree blob instead of that of the SoC; what it says of the initrd must fit.
        append: added to the kernel's command line.
        symbols: System.map or vmlinux of the kernel; default: one beside it.
        ram_size, mtime_divider, progress: as `Simulator`.

    Without firmware or kernel, those of `prepare` are used.

    Raises:
        UserError: a file is missing or no such thing, or does not fit.
    """

    def __init__(
        self,
        config: str | CoreConfig = "linux",
        *,
        guest: str = "linux",
        firmware: Path | None = None,
        kernel: Path | None = None,
        initrd: Path | None = None,
        dtb: Path | None = None,
        append: str = "",
        symbols: Path | None = None,
        ram_size: int = RAM_SIZE,
        mtime_divider: int = 10,
        progress: Progress | None = None,
    ):
        progress = progress or Progress()
        if firmware is None or kernel is None:
            found = prepared()
            firmware, kernel = firmware or found.firmware, kernel or found.kernel
        own = initrd is None and dtb is None
        self.watch = Watch(GUESTS.get(guest, FOREIGN) if own else FOREIGN)
        self._must_reach = own and guest in GUESTS
        self.simulator = Simulator(
            config, ram_size=ram_size, mtime_divider=mtime_divider, progress=progress
        )  # fmt: skip
        base = self.simulator.memory.base
        image = elf.read_file(kernel)
        size = images.kernel_size(image, str(kernel))
        if KERNEL + size > _TREE:
            raise UserError(f"{kernel} needs {size >> 20} MiB, but there are {_TREE - KERNEL >> 20}: choose a smaller "
                            "kernel.")  # fmt: skip
        content = elf.read_file(firmware)
        if images.is_kernel(content):
            raise UserError(f"{firmware} is a Linux Image, which needs firmware: give it as --kernel.")
        self.simulator.load(firmware, None if elf.is_elf(content) else base)
        self.simulator.load_program(elf.binary(image, str(kernel), base + KERNEL))
        if dtb is not None:
            self.simulator.device_tree(elf.read_file(dtb), str(dtb))
        self._symbols = _find_symbols(symbols, kernel, base + KERNEL)
        if initrd is not None:
            files = elf.read_file(initrd)
        else:
            with_guest = guest in ("linux", "shell")
            if guest == "linux" and size > images.GUEST_KERNEL_SIZE:
                raise UserError(f"{kernel} is too large for the guest ({images.GUEST_KERNEL_SIZE >> 20} MiB): choose "
                                "--guest bare, or your own --initrd.")  # fmt: skip
            progress.step("compiling the programs")
            files = images.host_initramfs(self.simulator.config, image if with_guest else None)
            progress.finish()
        self.simulator.load_program(elf.binary(files, str(initrd or "the initramfs"), base + INITRD))
        if dtb is None:
            tree = soc_device_tree(
                self.simulator.config, ram_size, f"console=hvc0 quiet panic=-1 entresol={guest} {append}".rstrip(),
                initrd=(base + INITRD, base + INITRD + len(files)), rng_seed=images.RNG_SEED,
            )  # fmt: skip
            self.simulator.device_tree(to_dtb(tree))

    def __enter__(self) -> "Boot":
        return self

    def __exit__(self, *exception) -> None:
        self.simulator.close()

    def run(self, console: Console, max_cycles: int | None = None, patience: int = PATIENCE) -> Outcome:
        """Run to the end, to cycle `max_cycles`, or until there is no output for `patience` cycles (0: never mind)."""
        counters = self.simulator.counters
        watched = _Watched(console, self.watch)
        while True:
            limits = [*([max_cycles] if max_cycles else []), *([self.watch.last_sign + patience] if patience else [])]
            outcome = self.simulator.run(min(limits, default=None), watched, lambda: self.watch.look(counters))
            if outcome.result is not Result.CYCLE_LIMIT or self.simulator.cycle == max_cycles:
                break
            if self.simulator.cycle >= self.watch.last_sign + patience:
                outcome = Outcome(Result.HUNG, 0, f"hung: the console is silent for {patience} cycles")
                break
        if outcome.result is Result.PASSED:
            self.watch.powered_off(counters)
            if self._must_reach and self.watch.missing:
                outcome = Outcome(Result.FAILED, 0, f"powered off without {', '.join(self.watch.missing)}")
        return outcome

    def where(self) -> str:
        """Where the core stands, in words."""
        counters = self.simulator.counters
        mode = MODES.get(counters.last_mode, "?")
        text = f"{self._pc(counters.last_pc, mode)} in mode {mode}; last trap: "
        if counters.last_trap:
            mode, target = (MODES.get(number, "?") for number in (counters.last_trap_mode, counters.last_trap_target))
            ago = counters.cycles - counters.last_trap_cycle
            text += (
                f"{cause_name(counters.last_trap - 1)} from {mode} to {target}, {ago:,} cycles ago, "
                f"{self._pc(counters.last_trap_pc, mode)}"
            )
        else:
            text += "none"
        reached = self.watch.reached[-1].name if self.watch.reached else "none"
        return f"{text}; last milestone: {reached}"

    def _pc(self, pc: int, mode: str) -> str:
        symbol = self._symbols.name(pc) if self._symbols and mode in ("HS", "VS") else None
        return f"pc {pc:#x}{f' ({symbol})' if symbol else ''}"

    def statistics(self) -> dict[str, Any]:
        """As `Simulator.statistics`, and the milestones."""
        milestones = [vars(reached) for reached in self.watch.reached]
        return {**self.simulator.statistics(), "milestones": milestones}


def _find_symbols(path: Path | None, kernel: Path, load: int) -> Symbols | None:
    """The symbols given, or those beside the kernel or at the top of its tree."""
    if path is not None:
        return Symbols.read(path, load)
    directories = [kernel.parent, *kernel.resolve().parents[3:4]]
    candidates = [directory / "System.map" for directory in directories]
    return next((Symbols.read(candidate, load) for candidate in candidates if candidate.is_file()), None)


class _Watched(Console):
    """A console whose output is also watched."""

    def __init__(self, console: Console, watch: Watch):
        super().__init__()
        self._console, self._watch = console, watch

    def write(self, content: bytes) -> None:
        self._watch.wrote(content)
        self._console.write(content)

    def read(self) -> bytes:
        return self._console.read()

    @property
    def is_open(self) -> bool:
        return self._console.is_open

    @property
    def left(self) -> bool:
        return self._console.left


def summary(statistics: Mapping[str, Any]) -> str:
    """Tables of milestones, modes, traps and losses, from `Boot.statistics`."""
    lines = [f"{'milestone':28}{'cycles':>14}{'instructions':>14}"]
    for reached in statistics["milestones"]:
        lines.append(f"{reached['name']:28}{reached['cycles']:14,}{reached['instructions']:14,}")
    lines += ["", f"{'mode':28}{'cycles':>14}{'instructions':>14}{'CPI':>8}"]
    for name, counted in statistics["modes"].items():
        lines.append(_with_cpi(name, counted))
    lines += [_with_cpi("all", statistics), "", f"{'lost to':28}{'cycles':>14}"]
    for name, cycles in sorted(statistics["lost_cycles"].items(), key=lambda item: -item[1]):
        if cycles:
            lines.append(f"{name:28}{cycles:14,}{cycles / statistics['cycles']:8.1%}")
    exits = [trap for trap in statistics["traps"] if trap["from"] in VIRTUAL and trap["target"] == "HS"]
    others = [trap for trap in statistics["traps"] if trap not in exits]
    for title, traps in (("exit from the guest", exits), ("other trap", others)):
        if traps:
            lines += ["", f"{title:28}{'from':>8}{'to':>6}{'count':>14}"]
        for trap in sorted(traps, key=lambda trap: -trap["count"]):
            lines.append(f"{trap['name']:28}{trap['from']:>8}{trap['target']:>6}{trap['count']:14,}")
        if traps:
            lines.append(f"{'all':42}{sum(trap['count'] for trap in traps):14,}")
    return "\n".join(lines) + "\n"


def _with_cpi(name: str, counted: Mapping[str, Any]) -> str:
    cycles, instructions = counted["cycles"], counted["instructions"]
    cpi = f"{cycles / instructions:8.2f}" if instructions else f"{'-':>8}"
    return f"{name:28}{cycles:14,}{instructions:14,}{cpi}"
