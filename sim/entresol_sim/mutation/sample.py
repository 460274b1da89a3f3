"""Which mutants of all that there are a campaign tries."""

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ..cache import cache_dir
from ..errors import UserError
from .sites import Mutant, all_modules, files

#: The configuration that has all there is: a mutant counts if it is in this one.
CONFIG = "max"
#: So many mutants of each file are tried at least.
LEAST = 8


def source_key() -> str:
    """A name for the sources that are mutated and for how."""
    digest = hashlib.sha256()
    here = Path(__file__)
    for path in [*(path for _, path in files()), *map(here.with_name, ("sites.py", "switch.py", "sample.py"))]:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:24]


def available() -> list[Mutant]:
    """All mutants that change something in the configuration `CONFIG`.

    Raises:
        UserError: the hardware cannot be elaborated.
    """
    _, mutants = all_modules()
    path = cache_dir("mutants") / f"{source_key()}.json"
    if not path.exists():
        # in a process of its own, since the modules are imported rewritten
        result = subprocess.run([sys.executable, "-m", __name__], capture_output=True, text=True)
        if result.returncode:
            last = (result.stderr.strip().splitlines() or ["no message"])[-1]
            raise UserError(f"The mutants could not be listed: {last}")
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.write_text(result.stdout)
        fresh.replace(path)
    numbers = set(json.loads(path.read_text()))
    return [mutant for mutant in mutants if mutant.number in numbers]


def choose(mutants: Sequence[Mutant], seed: int, count: int) -> list[Mutant]:
    """`count` of the mutants: `LEAST` of each file, the others at random; the same for the same seed."""

    def order(mutant: Mutant) -> str:  # does not depend on which others there are
        return hashlib.sha256(f"{seed} {mutant.name}".encode()).hexdigest()

    taken: Counter[str] = Counter()
    first: list[Mutant] = []
    others: list[Mutant] = []
    for mutant in sorted(mutants, key=order):
        (first if taken[mutant.path] < LEAST else others).append(mutant)
        taken[mutant.path] += 1
    return sorted((first + others)[:count], key=order)


def _main() -> None:
    from . import imports, switch

    imports.install()
    from amaranth.hdl import Fragment

    from entresol.config import get_config
    from entresol.mmu.mmu import Mmu
    from entresol.privileged.commit import Commit

    found = switch.search()
    config = get_config(CONFIG)
    for component in (Commit(config), Mmu(config)):
        Fragment.get(component, None)
    print(json.dumps(sorted(found)))


if __name__ == "__main__":
    _main()
