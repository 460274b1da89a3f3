"""Named configurations of the core.  Every field is a user-visible choice; a configuration that contradicts
itself is refused at construction with a `ConfigError` that says what to change."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise


class ConfigError(ValueError):
    """A configuration that cannot be built; the message is one sentence that says what to do."""


@dataclass(frozen=True)
class Cache:
    """A set-associative cache: `size` in bytes, `ways`.  Lines are 64 bytes.  A way may not be larger than a
    4 KiB page, because caches are indexed with the page offset (VIPT without aliases)."""

    size: int
    ways: int

    LINE = 64

    def __post_init__(self):
        if self.size % (self.ways * self.LINE) or self.sets & (self.sets - 1):
            raise ConfigError(f"A cache of {self.size} bytes cannot have {self.ways} ways of a power of two of "
                              f"64-byte lines: change size or ways.")
        if self.size // self.ways > 4096:
            raise ConfigError(f"A cache way of {self.size // self.ways} bytes is larger than a 4 KiB page: give the "
                              f"{self.size}-byte cache at least {self.size // 4096} ways.")

    @property
    def sets(self) -> int:
        return self.size // self.ways // self.LINE


@dataclass(frozen=True)
class Region:
    """A range of physical addresses with its attributes (PMA).  `base` and `size` in bytes, multiples of 4096.
    `io` regions are uncached, strongly ordered, not executable, and take only naturally aligned accesses without
    atomics; the others are cached main memory."""

    name: str
    base: int
    size: int
    io: bool

    @property
    def end(self) -> int:
        return self.base + self.size


#: QEMU `virt`'s map, as far as the SoC has it.  An access outside every region is an access fault.
VIRT_REGIONS = (
    Region("boot", 0x0000_1000, 0xF000, False),
    Region("finisher", 0x0010_0000, 0x1000, True),
    Region("clint", 0x0200_0000, 0x1_0000, True),
    Region("plic", 0x0C00_0000, 0x60_0000, True),
    Region("uart", 0x1000_0000, 0x1000, True),
    Region("virtio", 0x1000_1000, 0x8000, True),
    Region("ram", 0x8000_0000, 0x8000_0000, False),
)


@dataclass(frozen=True)
class CoreConfig:
    """All parameters of a core.

    `extensions` holds names from `entresol.isa.extensions`; drafts are refused unless `allow_drafts`.
    `vm_modes` lists VS/S-stage and G-stage translation modes ("sv39", "sv39x4", ...).
    TLB sizes are in entries, `issue_width` in instructions per cycle, `geilen` in guest external interrupts.
    """

    name: str
    extensions: frozenset[str]
    vm_modes: frozenset[str] = frozenset({"sv39", "sv39x4"})
    icache: Cache = field(default=Cache(16384, 4))
    dcache: Cache = field(default=Cache(16384, 4))
    itlb_entries: int = 8
    dtlb_entries: int = 16
    l2tlb_entries: int = 1024  # translations and what walks found on their way, in one RAM
    l2tlb_ways: int = 2
    btb_entries: int = 1024  # as many as the block RAMs of 512 have room for
    bht_entries: int = 1024
    ras_entries: int = 8
    pmp_entries: int = 16
    asid_bits: int = 16
    vmid_bits: int = 14
    geilen: int = 0
    hpm_counters: int = 8  # implemented mhpmcounter3.. (the rest read as zero)
    issue_width: int = 1
    reset_vector: int = 0x1000
    regions: tuple[Region, ...] = VIRT_REGIONS
    allow_drafts: bool = False

    def __post_init__(self):
        from .isa.extensions import check  # the table needs nothing of this module, this module its names

        problem = check(self.extensions, self.allow_drafts)
        if problem:
            raise ConfigError(problem)
        for what, least in (("itlb_entries", 2), ("dtlb_entries", 2), ("l2tlb_entries", 2), ("btb_entries", 2),
                            ("bht_entries", 16), ("ras_entries", 2)):
            count = getattr(self, what)
            if count < least or count & (count - 1):
                raise ConfigError(f"{what} is {count}: make it a power of two of at least {least}.")
        if self.issue_width != 1:
            raise ConfigError(f"issue_width is {self.issue_width}: only 1 is implemented.")
        if self.pmp_entries not in (0, 16, 64):
            raise ConfigError(f"pmp_entries is {self.pmp_entries}: the specification allows 0, 16 or 64.")
        if not 0 <= self.asid_bits <= 16 or not 0 <= self.vmid_bits <= 14:
            raise ConfigError("asid_bits is at most 16 and vmid_bits at most 14.")
        unknown = self.vm_modes - {"sv39", "sv48", "sv57", "sv39x4", "sv48x4", "sv57x4"}
        if unknown:
            raise ConfigError(f"Unknown translation mode {sorted(unknown)[0]!r}: use sv39, sv48, sv57, sv39x4, sv48x4 "
                              f"or sv57x4.")
        for mode in sorted(self.vm_modes):
            below = {"sv48": "sv39", "sv57": "sv48", "sv48x4": "sv39x4", "sv57x4": "sv48x4"}.get(mode)
            if below and below not in self.vm_modes:
                raise ConfigError(f"{mode} requires {below}: add it to vm_modes.")
            if self.has("shgatpa") and not mode.endswith("x4") and mode + "x4" not in self.vm_modes:
                raise ConfigError(f"Shgatpa requires {mode}x4 with {mode}: add it to vm_modes or remove 'shgatpa'.")
        for extension in ("svnapot", "svpbmt"):
            if self.has(extension) and "sv39" not in self.vm_modes:
                raise ConfigError(f"{extension.capitalize()} requires Sv39: add 'sv39' to vm_modes or remove "
                                  f"{extension!r}.")
        if not 0 <= self.hpm_counters <= 29:
            raise ConfigError(f"hpm_counters is {self.hpm_counters}: there can be 0 to 29.")
        if not 0 <= self.geilen <= 63:
            raise ConfigError(f"geilen is {self.geilen}: there can be 0 to 63 guest external interrupts.")
        if self.geilen and not self.has("h"):
            raise ConfigError("Guest external interrupts need the H extension: add 'h' to extensions or make geilen 0.")
        if any(mode.endswith("x4") for mode in self.vm_modes) and not self.has("h"):
            raise ConfigError("G-stage translation modes need the H extension: add 'h' to extensions or drop the "
                              "x4 modes.")
        regions = sorted(self.regions, key=lambda region: region.base)
        for low, high in pairwise(regions):
            if low.end > high.base:
                raise ConfigError(f"Memory regions {low.name} and {high.name} overlap: move one.")
        if any(region.base % 4096 or region.size % 4096 for region in regions):
            raise ConfigError("Memory regions begin and end on 4 KiB boundaries.")

    def has(self, extension: str) -> bool:
        """Whether the configuration has `extension` (lower-case name as in `isa.extensions`), by name or as part of
        another."""
        return extension in self.present

    @cached_property
    def present(self) -> frozenset[str]:
        """`extensions` and everything they imply."""
        from .isa.extensions import closure

        return closure(self.extensions)

    @property
    def bus_bits(self) -> int:
        """Width in bits of the physical addresses that can lead anywhere; accesses above are access faults."""
        return max(region.end - 1 for region in self.regions).bit_length()

    @property
    def mmu_type(self) -> str:
        """The widest translation mode of one stage, as device trees name it: "riscv,sv48"."""
        return "riscv," + max((mode for mode in self.vm_modes if not mode.endswith("x4")), default="none")

    @property
    def va_bits(self) -> int:
        """Bits of the widest virtual or guest physical address (59 for Sv57x4), at least `bus_bits`."""
        widths = {"sv39": 39, "sv48": 48, "sv57": 57, "sv39x4": 41, "sv48x4": 50, "sv57x4": 59}
        return max([self.bus_bits, *(widths[mode] for mode in self.vm_modes)])

    def without(self, *extensions: str) -> "CoreConfig":
        """This configuration less some extensions, and less what needs or only serves them."""
        from .isa.extensions import without

        kept = without(self.extensions, extensions)
        h = "h" in kept
        return replace(self, extensions=kept, geilen=self.geilen if h else 0,
                       vm_modes=frozenset(mode for mode in self.vm_modes if h or not mode.endswith("x4")),
                       name=self.name + "".join(f"-{extension}" for extension in extensions))


_BASE = frozenset({
    "i", "m", "a", "c", "zicsr", "zifencei", "zicntr", "zihpm", "s", "u", "h",
    # properties that every configuration has
    "zic64b", "ziccamoa", "ziccif", "ziccrse", "za64rs", "zicclsm", "zicbop", "zihintntl", "zihintpause", "zkt",
    "svade", "svbare", "svvptc", "ssccptr", "sscounterenw", "sstvala", "sstvecd", "ssu64xl",
    "shcounterenw", "shgatpa", "shtvala", "shvsatpa", "shvstvala", "shvstvecd",
})

_LINUX = _BASE | {
    "b", "zba", "zbb", "zbs", "zcb", "zcmop", "zicond", "zimop", "zawrs", "zicbom", "zicboz", "sha", "smstateen",
    "ssstateen", "sscofpmf", "shlcofideleg", "sstc", "svinval", "svnapot", "svpbmt", "svadu",
}

CONFIGS = {
    "small": CoreConfig(
        "small", _BASE, icache=Cache(4096, 1), dcache=Cache(4096, 1), itlb_entries=4, dtlb_entries=8,
        l2tlb_entries=128, btb_entries=256, bht_entries=256, ras_entries=4, hpm_counters=0),
    "linux": CoreConfig("linux", _LINUX, vm_modes=frozenset({"sv39", "sv48", "sv39x4", "sv48x4"})),
    "max": CoreConfig(
        "max", _LINUX | {"smmpm", "smnpm", "ssnpm"},
        vm_modes=frozenset({"sv39", "sv48", "sv57", "sv39x4", "sv48x4", "sv57x4"}), pmp_entries=64, geilen=8,
        hpm_counters=29),
}


def get_config(name: str) -> CoreConfig:
    """The configuration called `name`.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in CONFIGS:
        raise ConfigError(f"Unknown configuration {name!r}: choose one of {', '.join(CONFIGS)}.")
    return CONFIGS[name]
