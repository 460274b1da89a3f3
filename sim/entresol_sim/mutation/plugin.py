"""A plugin of pytest that runs the tests against one mutant after the other, each in a process forked from this one.

So neither Python nor pytest starts anew, and tests are the ordinary ones, fixtures included.  The requests come through
a pipe, a line of JSON each: the mutant's number, the tests in their order, and how many seconds of CPU each may take.
"""

import json
import os
import signal
import time
import warnings
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol

from . import ENVIRONMENT, imports

imports.install()  # before any test imports the hardware


class Server:
    """Serves requests instead of running the tests once."""

    def __init__(self, plan: dict):
        self._numbers = plan["numbers"]
        self._built_in = plan["built_in"]
        self._excluded = tuple(plan["excluded"])
        self._requests = os.fdopen(plan["requests"], "r")
        self._answers = os.fdopen(plan["answers"], "w", buffering=1)

    def pytest_collection_modifyitems(self, config, items):
        items[:] = [item for item in items if not any(part in item.nodeid for part in self._excluded)]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session):
        if session.testsfailed:
            self._answer({"error": "the tests could not be collected"})
            return True
        if self._built_in:
            from . import machine

            machine.use(self._numbers)
        items = {item.nodeid: item for item in session.items}
        self._answer({"tests": list(items)})
        for line in self._requests:
            request = json.loads(line)
            order = [(items[name], limit) for name, limit in request["tests"]]
            self._answer(self._try(request["mutant"], order, request["stop"]))
        return True

    def _answer(self, answer: dict) -> None:
        self._answers.write(json.dumps(answer) + "\n")

    def _try(self, number: int, order: list, stop: bool) -> dict:
        """Run tests until one fails, or all of them unless `stop`."""
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            status = 1
            try:
                os.close(reading)
                _run(number, order, stop, writing)
                status = 0
            finally:
                os._exit(status)
        os.close(writing)
        answer: dict = {"mutant": number, "passed": {}, "skipped": [], "failed": []}
        running = None
        with os.fdopen(reading) as pipe:
            for line in pipe:
                what, name, seconds = json.loads(line)
                running = None
                if what == "begin":
                    running = name
                elif what == "passed":
                    answer["passed"][name] = seconds
                else:
                    answer[what].append(name)
        _, status = os.waitpid(child, 0)
        if status and running is not None:
            answer["failed"].append(running)
            timed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF
            answer["how"] = "too long" if timed else "crashed"
        elif status:
            answer["error"] = "the process that ran the tests ended unexpectedly"
        return answer


def _run(number: int, order: list, stop: bool, pipe: int) -> None:
    from . import machine, switch

    switch.turn_on(number)
    machine.turn_on(number)

    def tell(what: str, name: str, seconds: float = 0) -> None:
        os.write(pipe, json.dumps([what, name, seconds]).encode() + b"\n")

    for position, (item, limit) in enumerate(order):
        following = order[position + 1][0] if position + 1 < len(order) else None
        tell("begin", item.nodeid)
        signal.setitimer(signal.ITIMER_PROF, limit)
        begin = time.process_time()
        reports = runtestprotocol(item, nextitem=following, log=False)
        seconds = time.process_time() - begin
        signal.setitimer(signal.ITIMER_PROF, 0)
        if any(report.failed for report in reports):
            tell("failed", item.nodeid)
            if stop:
                return
        else:
            tell("skipped" if any(report.skipped for report in reports) else "passed", item.nodeid, seconds)


def pytest_configure(config):
    plan = json.loads(Path(os.environ[ENVIRONMENT]).read_text())
    warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*fork.*")
    config.pluginmanager.register(Server(plan))
