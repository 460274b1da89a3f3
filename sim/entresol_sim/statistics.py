"""What is counted during a simulation, as a dictionary for JSON."""

from collections.abc import Sequence
from typing import Any

from .native import CAUSES, Statistics

#: Modes by their index in `Statistics`: nominal privilege + 4 * V.
MODES = {3: "M", 1: "HS", 0: "U", 5: "VS", 4: "VU"}
#: Those with V=1.
VIRTUAL = {"VS", "VU"}

#: What a core that retires nothing waits for, by event.
LOST = {
    "lost_frontend": "the next instruction",
    "lost_branch": "instructions behind a branch",
    "lost_trap": "instructions behind a trap or return",
    "lost_serial": "a serialising instruction",
    "lost_hazard": "an operand",
    "lost_dcache": "the data cache or the bus",
    "lost_tlb": "a translation (second-level TLB)",
    "lost_walk_vs": "a translation (page tables of the VS-stage, or of the only stage)",
    "lost_walk_g": "a translation (page tables of the G-stage)",
    "lost_divide": "a division",
    "lost_wfi": "an interrupt (WFI)",
}


def cause_name(index: int) -> str:
    """The name of a cause, given its code (+ 64 for an interrupt), in words."""
    from entresol.isa.causes import Cause, Interrupt

    code = index % 64
    if index >= 64:
        names = {int(value): f"{name} interrupt" for name, value in Interrupt.__members__.items()}
    else:
        names = {int(value): name.lower().replace("_", " ") for name, value in Cause.__members__.items()}
    return names.get(code, f"{'interrupt' if index >= 64 else 'exception'} {code}")


def summary(counters: Statistics, events: Sequence[str], seconds: float) -> dict[str, Any]:
    """All counters by name.  `events` names the bits of the events port, `seconds` is the time they took.

    A cycle counts to the mode of the commit (instruction or trap) that it leads to, those after the last commit to
    the mode that was then reached.
    """
    cycles = counters.cycles
    mode_cycles = list(counters.mode_cycles)
    reached = counters.last_trap_target if counters.ends_with_trap else counters.last_mode
    mode_cycles[reached] += cycles - sum(mode_cycles)
    pulses = {name: counters.events[bit] for bit, name in enumerate(events)}
    traps = [
        {
            "from": source_name,
            "target": name,
            "kind": "interrupt" if cause >= 64 else "exception",
            "code": cause % 64,
            "name": cause_name(cause),
            "count": counters.traps[source][mode][cause],
        }
        for mode, name in MODES.items()
        for source, source_name in MODES.items()
        for cause in range(CAUSES)
        if counters.traps[source][mode][cause]
    ]
    return {
        "cycles": cycles,
        "instructions": counters.instructions,
        "ipc": round(counters.instructions / cycles, 4) if cycles else 0.0,
        "modes": {
            name: {"cycles": mode_cycles[mode], "instructions": counters.mode_instructions[mode]}
            for mode, name in MODES.items()
        },
        "traps": traps,
        "events": {name: count for name, count in pulses.items() if not name.startswith("lost_")},
        "lost_cycles": {
            name.removeprefix("lost_"): count for name, count in pulses.items() if name.startswith("lost_")
        },
        "memory": {
            "read_bursts": counters.bursts_read,
            "read_beats": counters.beats_read,
            "write_bursts": counters.bursts_written,
            "write_beats": counters.beats_written,
        },
        "wall_seconds": round(seconds, 3),
        "cycles_per_second": round(cycles / seconds) if seconds else 0,
    }
