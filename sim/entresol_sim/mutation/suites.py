"""Which tests guard which source, and what is known of them: how long they take, and how often they notice a mutant."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from .sites import Mutant

#: The tests that guard a package of the hardware.
GUARDS = {
    "privileged": (
        "tests/unit/privileged", "tests/programs/test_programs.py", "tests/programs/test_records.py", "tests/formal",
        "tests/bench/test_figures.py",
    ),
    "mmu": (
        "tests/unit/mmu", "tests/programs/test_programs.py", "tests/formal/test_permissions.py",
        "tests/bench/test_figures.py",
    ),
}
#: Of those, what is left out, by a part of the name: what does not run the simulated core, or does so once more.
EXCLUDED = ("test_on_qemu", "test_on_max", "[small-", "-small]", "[max-", "-max]", "test_prove.py")
#: Tests that run a compiled model, and its configuration.
COMPILED, CONFIG = ("tests/programs", "tests/bench"), "linux"

#: Seconds that a test is taken to need before it was run, by the beginning of its name.
_SECONDS = {"tests/programs": 1.0, "tests/bench": 5.0, "tests/formal": 20.0, "": 8.0}
#: A test may take so many times longer than usual, and so many seconds of CPU more, until its mutant counts as noticed.
_TIMES, _MORE = 5, 10
#: ... and so many if nothing is known of it.
UNKNOWN = 120.0
#: What tests of other files of a package count for.
_RELATED = 0.2
#: Parts of the names of tests that are likely to notice mutants of a package, and of programs that are not.
_LIKELY = {
    "privileged": ("traps", "interrupts", "csr", "xret", "worlds", "counters", "stateen", "overflow", "legality"),
    "mmu": ("sv39", "two_stage", "hlv", "pmp", "worlds", "modes", "translation", "walks", "random"),
}
_UNLIKELY = ("alu", "muldiv", "branches", "memory", "atomics", "compressed", "zb", "torture", "lrsc", "misaligned")


def directory(test: str) -> str:
    """The directory of a test."""
    return test.partition("::")[0].rpartition("/")[0]  # parameters have slashes, too


def digest(place: Path) -> str:
    """A name for the content of a file or directory."""
    result = hashlib.sha256()
    for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
        if path.is_file() and "__pycache__" not in path.parts:
            result.update(f"{path.name}:{path.stat().st_size}:".encode() + path.read_bytes())
    return result.hexdigest()[:12]


class Experience:
    """Puts the tests first that are likely to notice a mutant of a file soon."""

    def __init__(self, tests: Sequence[str]):
        self.tests = tests
        self.seconds: dict[str, float] = {}
        self._tried: dict[str, Counter[str]] = defaultdict(Counter)
        self._noticed: dict[str, Counter[str]] = defaultdict(Counter)

    def guards(self, mutant: Mutant) -> list[str]:
        """The tests that guard a mutant's file."""
        package = mutant.path.partition("/")[0]
        return [test for test in self.tests if test.startswith(GUARDS[package])]

    def learn(self, mutant: Mutant, passed: Iterable[str], failed: Iterable[str]) -> None:
        """What became of a mutant."""
        for key in (mutant.path, mutant.path.partition("/")[0]):
            self._tried[key].update([*passed, *failed])
            self._noticed[key].update(failed)

    def took(self, test: str, seconds: float) -> None:
        """How long a test takes that passes."""
        self.seconds[test] = max(seconds, self.seconds.get(test, 0.01))

    def expected(self, test: str) -> float:
        """Seconds of CPU that a test needs."""
        known = self.seconds.get(test)
        return known if known is not None else next(
            seconds for start, seconds in _SECONDS.items() if test.startswith(start))  # fmt: skip

    def limit(self, test: str) -> float:
        """Seconds of CPU that it may take."""
        return _TIMES * self.seconds[test] + _MORE if test in self.seconds else UNKNOWN

    def affordable(self, tests: Sequence[str], seconds: float) -> int:
        """How many of the tests to run in so many seconds of CPU, at least one."""
        for count, test in enumerate(tests, 1):
            seconds -= self.expected(test)
            if seconds <= 0:
                return count
        return len(tests)

    def order(self, mutant: Mutant, tests: Iterable[str]) -> list[str]:
        """The tests, the one first that is likely to notice most in a second."""
        path, package = mutant.path, mutant.path.partition("/")[0]
        stem = path.partition("/")[2].removesuffix(".py")

        def score(test: str) -> float:
            guess = 0.3 if stem in test or any(part in test for part in _LIKELY[package]) else 0.1
            if any(part in test for part in _UNLIKELY) and test.startswith("tests/programs"):
                guess = 0.01
            noticed = self._noticed[path][test] + _RELATED * self._noticed[package][test] + guess
            tried = self._tried[path][test] + _RELATED * self._tried[package][test] + 1
            return noticed / tried / self.expected(test)

        return sorted(tests, key=score, reverse=True)
