"""The generated parts of the documentation: `python -m entresol_sim.pages` writes them into a checkout.

Everything comes from the tables of `entresol.isa` and from the configurations, and whole pages from what `entresol
bench`, `entresol mutate`, `entresol fuzz`, proofs and tests recorded; tests compare what is checked in.
"""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from entresol.config import CONFIGS
from entresol.isa.csrs import HPM_EVENTS, Csr, Scope, csr_table
from entresol.isa.extensions import EXTENSIONS
from entresol.isa.instructions import INSTRUCTIONS

from . import verification
from .bench.report import page as performance_page
from .fpga import page as fpga_page
from .lockstep.deviations import DEVIATIONS
from .mutation.report import page as mutation_page


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _bits(low: int, width: int) -> str:
    return str(low) if width == 1 else f"{low + width - 1}:{low}"


def extensions() -> str:
    """Every extension that some configuration has, with version, status and where it is."""
    rows = []
    for name, row in EXTENSIONS.items():
        having = [config.name for config in CONFIGS.values() if config.has(name)]
        if having:
            rows.append((row.display, row.version, row.status, row.description, ", ".join(having)))
    return _table(("extension", "version", "status", "what it is", "configurations"), rows)


#: Whom a gate refuses, and how.
_REFUSED = {
    Scope.BELOW_M: "illegal below M",
    Scope.HS: "illegal in HS",
    Scope.VIRTUAL: "virtual in VS and VU",
    Scope.VS: "virtual in VS",
    Scope.USER: "illegal in U, virtual in VU",
}


def _refusals(csr: Csr) -> str:
    """What refuses accesses to a register besides its privilege and a write of a read-only one."""
    gates: dict[Scope, list[str]] = {}
    for gate in csr.gates:
        gates.setdefault(gate.scope, []).append(f"{gate.control}={gate.blocking}")
    return "; ".join(f"{_REFUSED[scope]}: {' or '.join(controls)}" for scope, controls in gates.items())


def csrs() -> str:
    """The CSRs of the default configuration: fields with their bits, what refuses accesses."""
    rows = []
    for csr in csr_table(CONFIGS["linux"]).values():
        fields = ", ".join(f"{field.name}[{_bits(field.low, field.width)}]" for field in csr.fields)
        rows.append((f"{csr.address:#05x}", f"`{csr.name}`", csr.extension, csr.description, fields, _refusals(csr)))
    return _table(("address", "CSR", "extension", "what it is", "fields", "refused further"), rows)


def events() -> str:
    """What the event counters can count, by the number that selects it in mhpmevent."""
    rows = [(str(number), f"`{name}`") for number, name in enumerate(HPM_EVENTS) if name]
    return _table(("event", "what is counted"), rows)


def instructions() -> str:
    """The 32-bit instructions by extension."""
    by_extension: dict[str, list[str]] = {}
    for row in INSTRUCTIONS:
        for extension in row.extensions:
            by_extension.setdefault(extension, []).append(row.name)
    known = [name for name in EXTENSIONS if name in by_extension]
    return _table(("extension", "implemented", "instructions"), [
        (EXTENSIONS[name].display, "yes" if EXTENSIONS[name].implemented else "not yet",
         ", ".join(f"`{row}`" for row in by_extension[name]))
        for name in known
    ])  # fmt: skip


def configurations() -> str:
    """The named configurations side by side."""
    facts: dict[str, Callable] = {
        "translation modes": lambda c: ", ".join(sorted(c.vm_modes)),
        "L1 instruction cache": lambda c: f"{c.icache.size >> 10} KiB, {c.icache.ways} ways",
        "L1 data cache": lambda c: f"{c.dcache.size >> 10} KiB, {c.dcache.ways} ways",
        "L1 TLB entries (instruction, data)": lambda c: f"{c.itlb_entries}, {c.dtlb_entries}",
        "second-level TLB entries": lambda c: str(c.l2tlb_entries),
        "branch targets, directions, return addresses": lambda c: f"{c.btb_entries}, {c.bht_entries}, {c.ras_entries}",
        "PMP entries": lambda c: str(c.pmp_entries),
        "ASID, VMID bits": lambda c: f"{c.asid_bits}, {c.vmid_bits}",
        "event counters": lambda c: str(c.hpm_counters),
        "guest external interrupts": lambda c: str(c.geilen),
    }
    return _table(("", *(f"`{name}`" for name in CONFIGS)),
                  [(fact, *(of(config) for config in CONFIGS.values())) for fact, of in facts.items()])


def deviations() -> str:
    """Where the references of comparisons are known to differ, and the rule that decides."""
    references = {name: {row.name for row in rows} for name, rows in DEVIATIONS.items()}
    rows = {row.name: row for rows in DEVIATIONS.values() for row in rows}
    return _table(("deviation", "of", "what it does", "what the text says", "rules", "avoided"), [
        (row.name, ", ".join(name for name, known in references.items() if row.name in known), row.what, row.decides,
         ", ".join(f"`{rule}`" for rule in row.rules), "yes" if row.avoided else "")
        for row in rows.values()
    ])  # fmt: skip


#: Which generated part stands where, by the name in its markers.
PARTS: dict[str, dict[str, Callable[[], str]]] = {
    "README.md": {"extensions": extensions},
    "docs/reference/README.md": {"configurations": configurations, "extensions": extensions},
    "docs/reference/csrs.md": {"csrs": csrs, "events": events},
    "docs/reference/instructions.md": {"instructions": instructions},
    "docs/user/lockstep.md": {"deviations": deviations},
}


def generate(text: str, parts: dict[str, Callable[[], str]]) -> str:
    """`text` with what stands between the markers of each part made anew.

    Raises:
        ValueError: a part has no markers in the text.
    """
    for name, part in parts.items():
        begin = f"<!-- generated by `python -m entresol_sim.pages`: {name} -->\n"
        pattern = re.compile(re.escape(begin) + r".*?(?=<!-- end -->)", re.DOTALL)
        if not pattern.search(text):
            raise ValueError(f"no marker for {name!r}")
        text = pattern.sub(lambda _, begin=begin, part=part: begin + "\n" + part() + "\n\n", text)
    return text


def whole_pages(root: Path) -> dict[Path, str]:
    """The pages of a checkout that are generated as a whole, by their path in it."""
    reference = Path("docs/reference")

    def recorded(name: str):
        return json.loads((root / reference / name).read_text())

    results = json.loads((root / "boards" / "entresol_boards" / "results.json").read_text())
    pages = {
        reference / "fpga.md": fpga_page.page(results, recorded("area.json")),
        fpga_page.PICTURE: fpga_page.picture(recorded("area.json")),
        reference / "performance.md": performance_page(recorded("performance.json")),
        verification.PAGE: verification.page(root),
    }
    if (root / verification.RECORDED / "mutation.json").exists():
        pages[reference / "mutation.md"] = mutation_page(recorded("verification/mutation.json"))
    return pages


def main() -> None:
    root = Path(__file__).parents[2]
    for path, parts in PARTS.items():
        page = root / path
        page.write_text(generate(page.read_text(), parts))
    for whole, text in whole_pages(root).items():
        (root / whole).write_text(text)


if __name__ == "__main__":
    main()
