"""Reports what a build is doing."""

import sys
import time


class Progress:
    """Where a build reports to; this one is silent."""

    def step(self, text: str, done: int = 0, total: int = 0) -> None:
        """`text` says what is being done now; `done` of `total` parts are complete when `total` is not 0."""

    def finish(self) -> None:
        """The build is complete or given up; afterwards other things are printed."""


class ConsoleProgress(Progress):
    """Reports to standard error: one line that changes on a terminal, a line for each step elsewhere."""

    def __init__(self):
        self._begin = time.monotonic()
        self._live = None
        self._last = ""

    def step(self, text: str, done: int = 0, total: int = 0) -> None:
        if not sys.stderr.isatty():
            count = f" ({done}/{total})" if total else ""
            if text + count != self._last:
                print(f"entresol: [{time.monotonic() - self._begin:3.0f} s] {text}{count}", file=sys.stderr, flush=True)
                self._last = text + count
            return
        if self._live is None:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as Live

            self._live = Live(SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24),
                              MofNCompleteColumn(), TimeElapsedColumn(), console=Console(stderr=True),
                              transient=True)  # fmt: skip
            self._task = self._live.add_task(text)
            self._live.start()
        self._live.update(self._task, description=text, completed=done, total=total or None)

    def finish(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
