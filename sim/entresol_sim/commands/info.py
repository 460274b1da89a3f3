"""`entresol info`: shows what a configuration is made of."""

import argparse

from entresol.config import Cache, CoreConfig
from entresol.isa.extensions import EXTENSIONS, isa_string

from ..simulator import find_config
from .common import add_config

_DESCRIPTION = """\
Shows what a configuration of the core is made of: the ISA string, every extension with its version and whether it is
ratified, the sizes of caches, TLBs and predictors, and the memory map.
"""


def register(subparsers) -> None:
    parser = subparsers.add_parser("info", help="show what a configuration is made of", description=_DESCRIPTION)
    parser.set_defaults(function=run)
    add_config(parser)


def run(arguments: argparse.Namespace) -> int:
    print("\n".join(_lines(find_config(arguments.config))))
    return 0


def _lines(config: CoreConfig):
    yield f"Configuration {config.name}"
    yield f"ISA           {isa_string(config)}"
    modes = ", ".join(sorted(config.vm_modes))
    yield f"Translation   {modes}; {config.asid_bits}-bit ASID, {config.vmid_bits}-bit VMID; mmu-type {config.mmu_type}"
    yield ""
    yield "Extensions"
    for name, row in EXTENSIONS.items():
        if config.has(name):
            yield f"  {row.display:<12} {row.version:<5} {row.status:<9} {row.description}"
    yield ""
    yield "Sizes"
    rows = {
        "L1 instruction cache": _cache(config.icache),
        "L1 data cache": f"{_cache(config.dcache)}, write-back",
        "L1 TLBs": f"{config.itlb_entries} instruction, {config.dtlb_entries} data entries",
        "L2 TLB": f"{config.l2tlb_entries} entries, {config.l2tlb_ways} ways, page-walk caches included",
        "branch prediction": f"{config.btb_entries} targets, {config.bht_entries} directions, "
                             f"{config.ras_entries} return addresses",
        "PMP": f"{config.pmp_entries} entries",
        "event counters": f"{config.hpm_counters}",
        "guest interrupts": f"{config.geilen} external",
    }  # fmt: skip
    for name, text in rows.items():
        yield f"  {name:<21} {text}"
    yield ""
    yield "Memory map"
    for region in sorted(config.regions, key=lambda region: region.base):
        kind = "I/O, uncached" if region.io else "memory, cached"
        yield f"  {region.base:#012x} .. {region.end - 1:#012x}  {region.name:<9} {kind}"


def _cache(cache: Cache) -> str:
    return f"{cache.size >> 10} KiB, {cache.ways} ways, {Cache.LINE}-byte lines"
