"""Tries mutants: which tests notice them, on several processors, to be continued after an interruption."""

import contextlib
import hashlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from ..errors import UserError
from ..progress import Progress
from . import ENVIRONMENT, suites
from .explained import EXPLAINED
from .sample import available, choose
from .sites import Mutant, files

FAILED = "failed"
#: Seconds of CPU that tests may need for a mutant before the next mutant is tried; most are noticed in less.  What is
#: left comes when all have had their turn, with the experience from all of them.
FIRST_TURN = 10


@dataclass
class Row:
    """What became of a mutant: the test that noticed it, and how; else all that did not."""

    name: str
    killed_by: str | None = None
    how: str | None = None
    left: int = 0  # tests to be tried yet
    passed: list[str] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)  # of the mutated file, and of the tests


@dataclass(frozen=True)
class Plan:
    """`count` mutants of the files in `paths` (all if empty), chosen with `seed`; `tests` restricts the tests to those
    that begin so.  `root` is the checkout, `output` where the journal is."""

    root: Path
    output: Path
    seed: int
    count: int
    paths: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()


def find_root() -> Path:
    """The checkout that this package is in.  Raises `UserError` if it is in none."""
    root = Path(__file__).parents[3]
    if not (root / "tests" / "conftest.py").exists():
        raise UserError("The tests are not here: mutants are tried in a checkout of Entresol, installed with pip -e.")
    return root


class Worker:
    """A pytest that waits for mutants (see `plugin`)."""

    def __init__(self, plan: Plan, numbers: Sequence[int], built_in: bool, tests: Sequence[str], log: Path):
        self.log = log
        to_worker, to_us = os.pipe(), os.pipe()
        self._directory = tempfile.TemporaryDirectory(prefix="entresol-")
        path = Path(self._directory.name) / "plan.json"
        path.write_text(json.dumps({
            "numbers": list(numbers), "built_in": built_in, "excluded": suites.EXCLUDED,
            "requests": to_worker[0], "answers": to_us[1],
        }))  # fmt: skip
        packages = [str(plan.root / name) for name in ("hdl", "sim", "boards")]
        environment = os.environ | {
            ENVIRONMENT: str(path), "PYTHONHASHSEED": "0",
            "PYTHONPATH": os.pathsep.join([*packages, os.environ.get("PYTHONPATH", "")]),
        }  # fmt: skip
        command = [sys.executable, "-m", "pytest", "-p", "entresol_sim.mutation.plugin", "-p", "no:cacheprovider",
                   "-q", "-s", "--tb=native", *tests]  # fmt: skip
        with open(log, "wb") as output:
            self._process = subprocess.Popen(
                command, cwd=plan.root, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                pass_fds=(to_worker[0], to_us[1]), process_group=0,
            )  # fmt: skip
        os.close(to_worker[0])
        os.close(to_us[1])
        self._requests: IO[str] = os.fdopen(to_worker[1], "w", buffering=1)
        self._answers: IO[str] = os.fdopen(to_us[0])
        self.tests: list[str] = self._read()["tests"]

    def _read(self) -> dict:
        line = self._answers.readline()
        answer = json.loads(line) if line else {"error": "pytest ended"}
        if "error" in answer:
            raise UserError(f"Mutants cannot be tried ({answer['error']}): see {self.log}.")
        return answer

    def run(self, number: int, tests: Sequence[tuple[str, float]], stop: bool = True) -> dict:
        """Run tests, each with a limit in seconds of CPU, against a mutant; 0: against none."""
        self._requests.write(json.dumps({"mutant": number, "tests": tests, "stop": stop}) + "\n")
        return self._read()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._requests.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, 9)
        self._process.wait()
        self._answers.close()
        self._directory.cleanup()


class Campaign:
    """Tries the mutants of a plan and keeps a journal, so that none is tried twice.  A result counts as long as the
    mutated file stays as it was and, for one that was noticed, the file of the test that did; for one that was not, as
    long as nothing changes where the tests are.

    Raises:
        UserError: the output directory cannot be used, or a file has no mutants.
    """

    def __init__(self, plan: Plan, progress: Progress | None = None):
        self.plan = plan
        self._progress = progress or Progress()
        try:
            plan.output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{plan.output} cannot be created ({error.strerror}): choose another --output.") from error
        self._progress.step("listing the mutants")
        everything = available()
        for path in plan.paths:
            if not any(mutant.path == path for mutant in everything):
                names = ", ".join(sorted({mutant.path for mutant in everything}))
                raise UserError(f"There are no mutants of {path!r}: choose among {names}.")
        self.possible = [mutant for mutant in everything if not plan.paths or mutant.path in plan.paths]
        self.mutants = choose(self.possible, plan.seed, plan.count)
        sources = {f"{path.parent.name}/{path.name}": path for _, path in files()}
        self._digests = {name: hashlib.sha256(path.read_bytes()).hexdigest()[:12] for name, path in sources.items()}
        self._journal = plan.output / "mutants.jsonl"
        self.rows: dict[str, Row] = {}
        if self._journal.exists():
            for line in self._journal.read_text().splitlines():
                try:
                    row = Row(**json.loads(line))
                except (ValueError, TypeError):
                    continue  # the last line of a process that was killed
                self.rows[row.name] = row
        for mutant in self.mutants:
            known = self.rows.get(mutant.name)
            if known is not None and known.digests.get(mutant.path) != self._digests[mutant.path]:
                del self.rows[mutant.name]
        self._progress.finish()

    # -- what is left to do

    def _selected(self) -> list[str]:
        """Files and directories of tests."""
        guards = {guard for mutant in self.mutants for guard in suites.GUARDS[mutant.path.partition("/")[0]]}
        if not self.plan.tests:
            return sorted(guards)
        return sorted(self.plan.tests)

    def _left(self, mutant: Mutant, guards: Sequence[str]) -> list[str]:
        """The tests that a mutant has not been tried with; none if it was noticed."""
        row = self.rows.get(mutant.name)
        if row is None:
            return list(guards)
        if row.killed_by is not None:
            file = row.killed_by.partition("::")[0]
            return [] if row.killed_by in guards and row.digests.get(file) == self._digest(file) else list(guards)
        return [test for test in guards if test not in row.passed or not self._is_same(row, suites.directory(test))]

    def _digest(self, path: str) -> str:
        if path not in self._digests:
            self._digests[path] = suites.digest(self.plan.root / path)
        return self._digests[path]

    def _is_same(self, row: Row, path: str) -> bool:
        """Whether a file or directory of tests is as it was when the row was made."""
        return row.digests.get(path) == self._digest(path)

    # -- doing it

    def run(self, jobs: int, told: Callable[[Mutant, Row], None]) -> None:
        """Try the mutants that were not yet tried with all tests that guard them; `told` hears of each."""
        numbers = sorted(mutant.number for mutant in self.mutants)
        selected = self._selected()
        compiled = any(test.startswith(suites.COMPILED) for test in selected)
        if compiled:
            self._build(numbers)
        self._progress.step("collecting the tests")
        workers: list[Worker] = []
        try:
            for job in range(jobs):
                log = self.plan.output / f"pytest-{job}.log"
                workers.append(Worker(self.plan, numbers, compiled, selected, log))
            self._try_all(workers, told)
        finally:
            self._progress.finish()
            for worker in workers:
                worker.close()

    def _build(self, numbers: Sequence[int]) -> None:
        """Build the compiled models, in a process of its own since the hardware is imported rewritten there."""
        self._progress.finish()
        command = [sys.executable, "-m", "entresol_sim.mutation.machine", suites.CONFIG]
        result = subprocess.run(command, input=json.dumps(list(numbers)), text=True)
        if result.returncode:
            raise UserError("The model with the mutants could not be built: see what it said above.")

    def _try_all(self, workers: Sequence[Worker], told: Callable[[Mutant, Row], None]) -> None:
        tests = workers[0].tests
        experience = suites.Experience(tests)
        by_name = {mutant.name: mutant for mutant in self.mutants}
        for row in self.rows.values():
            if row.name in by_name:
                failed = [row.killed_by] if row.killed_by is not None else []
                experience.learn(by_name[row.name], row.passed, failed)
        waiting: queue.SimpleQueue[tuple[Mutant, list[str], bool]] = queue.SimpleQueue()
        total = done = 0
        for mutant in self.mutants:
            left = self._left(mutant, experience.guards(mutant))
            total += 1
            if left:
                waiting.put((mutant, left, True))
            else:
                done += 1
        known = self.plan.output / "seconds.json"
        with contextlib.suppress(OSError, ValueError):
            experience.seconds.update(json.loads(known.read_text()))
        lock = threading.Lock()
        sound: set[str] = set()  # tests that pass without a mutant
        problems: list[BaseException] = []

        def check(worker: Worker, test: str) -> None:
            """See that a test passes without a mutant."""
            answer = worker.run(0, [(test, suites.UNKNOWN)])
            if answer["failed"]:
                raise UserError(f"{test} fails without any mutant: see {worker.log}, and repair it first.")
            with lock:
                sound.add(test)
                experience.took(test, answer["passed"].get(test, 0.0))

        def work(worker: Worker) -> None:
            nonlocal done
            try:
                while not problems:
                    try:
                        mutant, left, first = waiting.get_nowait()
                    except queue.Empty:
                        return
                    with lock:
                        order = experience.order(mutant, left)
                        count = experience.affordable(order, FIRST_TURN) if first else len(order)
                        limits = [(test, experience.limit(test)) for test in order[:count]]
                    answer = worker.run(mutant.number, limits)
                    failed = answer["failed"]
                    if failed and failed[0] not in sound:
                        check(worker, failed[0])
                    with lock:
                        for test, seconds in answer["passed"].items():
                            experience.took(test, seconds)
                        known.write_text(json.dumps(experience.seconds))
                        experience.learn(mutant, answer["passed"], failed)
                        row = self._row(mutant, answer, 0 if failed else len(order) - count)
                        journal.write(json.dumps(asdict(row)) + "\n")
                        journal.flush()
                        self.rows[mutant.name] = row
                        if row.left:
                            waiting.put((mutant, order[count:], False))
                            continue
                        done += 1
                        killed = sum(self.rows[each.name].killed_by is not None for each in self.mutants
                                     if each.name in self.rows)  # fmt: skip
                        self._progress.step(f"trying mutants, {killed} noticed", done, total)
                        told(mutant, row)
            except BaseException as error:
                problems.append(error)

        with open(self._journal, "a") as journal:
            threads = [threading.Thread(target=work, args=(worker,), daemon=True) for worker in workers]
            for thread in threads:
                thread.start()
            for thread in threads:
                while thread.is_alive():  # so that Ctrl-C is noticed
                    thread.join(0.2)
        if problems:
            raise problems[0]

    def _row(self, mutant: Mutant, answer: dict, left: int) -> Row:
        failed = answer["failed"]
        passed = {*answer["passed"], *answer["skipped"]}
        row = Row(mutant.name, left=left)
        if failed:
            row.killed_by, row.how = failed[0], answer.get("how", FAILED)
            places = {failed[0].partition("::")[0]}
        else:
            before = self.rows.get(mutant.name)
            if before is not None and before.killed_by is None:
                passed |= {test for test in before.passed if self._is_same(before, suites.directory(test))}
            row.passed = sorted(passed)
            places = {suites.directory(test) for test in passed}
        row.digests = {mutant.path: self._digests[mutant.path]}
        row.digests |= {place: self._digest(place) for place in sorted(places)}
        return row

    # -- what came of it

    def figures(self) -> dict:
        """The sums, and the survivors with what explains them."""
        tried = [mutant for mutant in self.mutants if mutant.name in self.rows and not self.rows[mutant.name].left]
        killed = [mutant for mutant in tried if self.rows[mutant.name].killed_by is not None]

        def counts(key: Callable[[Mutant], str]) -> dict[str, list[int]]:
            of, noticed = Counter(map(key, tried)), Counter(map(key, killed))
            return {name: [noticed[name], of[name]] for name in sorted(of)}

        noticing = Counter((self.rows[mutant.name].killed_by or "").partition("[")[0] for mutant in killed)
        return {
            "seed": self.plan.seed,
            "only_files": list(self.plan.paths),
            "only_tests": list(self.plan.tests),
            "possible": len(self.possible),
            "mutants": len(tried),
            "killed": len(killed),
            "how": dict(sorted(Counter(str(self.rows[mutant.name].how) for mutant in killed).items())),
            "files": counts(lambda mutant: mutant.path),
            "kinds": counts(lambda mutant: mutant.kind),
            "killing_tests": dict(noticing.most_common()),
            "survivors": [
                {"name": mutant.name, "kind": mutant.kind, "explained": EXPLAINED.get(mutant.name)}
                for mutant in sorted(tried, key=lambda mutant: mutant.name)
                if self.rows[mutant.name].killed_by is None
            ],
        }
