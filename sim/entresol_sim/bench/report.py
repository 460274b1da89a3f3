"""Tables of what was measured, and the page docs/reference/performance.md."""

from collections.abc import Mapping, Sequence
from typing import Any

from .catalog import GROUPS, KERNELS, PLACES, TLB_PAGES, TLB_PAGES_LARGE, TLB_REGIMES, csr_names, jobs

Figures = Mapping[str, Mapping[str, Any]]

_METHOD = """\
Cycles of the clock, measured by programs on the simulated SoC with the `cycle` CSR, with nothing else running. What is
simulated is the design itself; main memory answers a read after {latency} cycles and then gives 8 bytes a cycle.
Simulation is deterministic: the same command gives the same figures.

- **Traps, CSRs, loads and stores, fences**: a straight line of 20 operations is timed and one of 4; the difference,
  divided by 16, is the figure. So neither loops nor the measurement itself are in it. Three rounds go before, which
  warm caches, TLBs and predictors.
- **Round trips** are from one operation to the next: the trap, a handler of four instructions (read `xepc`, add 4,
  write it, return), and the instruction itself. With *all registers saved and restored* the handler saves 31 registers
  to memory, reads `scause`, `stval`, `htval`, `hstatus` and `sepc`, and restores them. Page faults are found at the
  last level of the page table, whose other entries are in use; nothing remembers that they fault, so each one walks.
- **TLB misses**: a loop accesses a page after the other, and again the same ones; the same loop staying in one page is
  subtracted. All pages are the same physical page, so that the data cache hits; guest physical pages are different
  ones, but for G-stage superpages. A fetch is a jump to the next page, mispredicted ones included when there are more
  jumps than the branch target buffer holds.
- **Programs** run in HS-mode under Sv39 with 4 KiB pages (*native*), and in VS-mode with the same page tables as their
  VS-stage and a G-stage of 2 MiB or 4 KiB pages. They run once before they are measured. Compiled with {compiler}, -O2,
  for RV64IMAC.
- *no translation*: `satp`, `vsatp` and `hgatp` are Bare. *two-stage*: Sv39 with 4 KiB pages on Sv39x4 with 4 KiB pages.
"""


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, its columns aligned for those who read it as text."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        first, *others = (cell.ljust(width) if index == 0 else cell.rjust(width)
                          for index, (cell, width) in enumerate(zip(cells, widths, strict=True)))  # fmt: skip
        return "| " + " | ".join((first, *others)) + " |"

    rule = "| " + " | ".join("-" * width if index == 0 else "-" * (width - 1) + ":"
                             for index, width in enumerate(widths)) + " |"  # fmt: skip
    return "\n".join((line(header), rule, *map(line, rows)))


def _cell(figures: Figures, name: str) -> str:
    return f"{figures[name]['value']:g}" if name in figures else ""


def _simple(group: str, figures: Figures) -> str:
    rows = [
        (figure.title, _cell(figures, figure.name))
        for job in jobs()
        if job.group == group
        for figure in job.figures
        if figure.name in figures
    ]
    return _table(("operation", "cycles"), rows) if rows else ""


def _csr(figures: Figures) -> str:
    rows = []
    for suffix, where in (("", "HS"), (".vs", "VS")):
        for name in dict.fromkeys((*csr_names(), "cycle", "time")):
            cells = [_cell(figures, f"csr.{access}.{name}{suffix}") for access in ("read", "write")]
            if any(cells):
                rows.append((f"`{name}` in {where}", *cells))
    return _table(("cycles for", "reading", "writing"), rows) if rows else ""


def _tlb(figures: Figures, sizes: Sequence[int]) -> str:
    rows = []
    for access in ("load", "store", "fetch"):
        for regime, where in TLB_REGIMES.items():
            cells = [_cell(figures, f"tlb.{regime}.{access}.{pages}") for pages in sizes]
            if any(cells):
                rows.append((f"{access}: {where}", *cells))
    return _table(("cycles more than a hit for each", *(f"{pages} pages" for pages in sizes)), rows) if rows else ""


def _loss(figures: Figures, name: str, place: str) -> str:
    native, guest = (figures.get(f"{name}.{where}") for where in ("native", place))
    return f"{100 * (guest['cycles'] / native['cycles'] - 1):.1f} %" if native and guest else ""


def _kernels(program: str, figures: Figures) -> str:
    rows = []
    for kernel, (title, unit) in KERNELS[program].items():
        name = f"{program}.{kernel}"
        if not any(f"{name}.{place}" in figures for place in PLACES):
            continue
        native = figures.get(f"{name}.native")
        ipc = f"{native['instructions'] / native['cycles']:.3f}" if native else ""
        rows.append((
            title, unit, _cell(figures, f"{name}.native"), ipc, _cell(figures, f"{name}.guest_2m"),
            _loss(figures, name, "guest_2m"), _cell(figures, f"{name}.guest_4k"), _loss(figures, name, "guest_4k"),
        ))  # fmt: skip
    header = ("program", "cycles for each", "native", "IPC", "guest, 2M", "loss", "guest, 4K", "loss")
    return _table(header, rows) if rows else ""


def tables(report: Mapping[str, Any]) -> str:
    """All that was measured, as Markdown."""
    figures = report["figures"]
    parts = []
    for group, title in GROUPS.items():
        if group == "csr":
            text = _csr(figures)
        elif group in ("tlb", "tlb_large"):
            text = _tlb(figures, TLB_PAGES if group == "tlb" else TLB_PAGES_LARGE)
        elif group in KERNELS:
            text = _kernels(group, figures)
        else:
            text = _simple(group, figures)
        if text:
            parts.append(f"## {title}\n\n{text}\n")
    return "\n".join(parts)


def speed(report: Mapping[str, Any]) -> str:
    """The simulation speed, in a sentence."""
    simulation = report["simulation"]
    return (f"{simulation['cycles'] / 1e6:.1f} million cycles in {simulation['seconds']:.1f} s of one processor: "
            f"{simulation['cycles_per_second'] / 1000:.0f} kcycles/s ({simulation['machine']}).")  # fmt: skip


def configuration(report: Mapping[str, Any]) -> str:
    """What was measured on, as a list."""
    config = report["config"]

    def cache(name: str) -> str:
        return f"{config[name]['size'] >> 10} KiB, {config[name]['ways']} way(s), 64-byte lines"

    facts = (
        ("configuration", f"`{config['name']}`, as in [the table of configurations](README.md#configurations)"),
        ("translation modes", ", ".join(config["vm_modes"])),
        ("L1 instruction cache, data cache", f"{cache('icache')}; {cache('dcache')}, write-back"),
        ("L1 TLBs", f"{config['itlb_entries']} instruction entries, {config['dtlb_entries']} data entries"),
        ("second-level TLB", f"{config['l2tlb_entries']} entries, {config['l2tlb_ways']} way(s), with tables found by "
                             f"walks"),
        ("branch prediction", f"{config['btb_entries']} targets, {config['bht_entries']} directions, "
                              f"{config['ras_entries']} return addresses"),
        ("instructions a cycle", str(config["issue_width"])),
        ("memory", f"{report['memory_latency']} cycles to the first data, AXI4 of 64 bits, no second-level cache"),
    )  # fmt: skip
    return "\n".join(f"- {name}: {text}" for name, text in facts)


def page(report: Mapping[str, Any]) -> str:
    """The reference page."""
    method = _METHOD.format(latency=report["memory_latency"], compiler=report["compiler"])
    return f"""\
# Performance

<!-- Generated by `entresol bench --markdown`; the figures are those of performance.json beside it. -->

What traps, translation, fences and programs cost, in cycles. To quote or to compare with: here is what was measured, on
what, and how; `entresol bench` measures it again, on any configuration.

## What was measured

{configuration(report)}

## How

{method}
{tables(report)}
## Simulation speed

{speed(report)}
"""
