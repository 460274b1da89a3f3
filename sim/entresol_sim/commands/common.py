"""What several commands share: kinds of arguments, and outputs."""

import argparse
import os
import re
import sys
from pathlib import Path

from entresol.config import CONFIGS

from ..errors import UserError

_UNITS = {"": 0, "k": 10, "m": 20, "g": 30}


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add --config."""
    parser.add_argument(
        "--config", metavar="NAME", default="linux",
        help=f"configuration of the core: {', '.join(CONFIGS)} (default: %(default)s)",
    )  # fmt: skip


def number(text: str) -> int:
    """A decimal or 0x hexadecimal number."""
    try:
        return int(text, 0)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number: write 123 or 0x7b") from None


def positive(text: str) -> int:
    """A number of at least 1."""
    value = number(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is too small: choose at least 1")
    return value


def natural(text: str) -> int:
    """A number of at least 0."""
    value = number(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative: choose at least 0")
    return value


def size(text: str) -> int:
    """A size in bytes, with a unit K, M or G (powers of 1024) if wanted."""
    match = re.fullmatch(r"(0x[0-9a-f]+|\d+)([kmg]?)(i?b)?", text.lower())
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: write 64M, 1G or a number of bytes")
    return int(match[1], 0) << _UNITS[match[2]]


def check_outputs(outputs: dict[str, str | None]) -> None:
    """See that all output files (by option) can be written, before any long work.  Raises `UserError`."""
    seen: dict[str, str] = {}
    for option, path in outputs.items():
        if path is None:
            continue
        try:
            with open(path, "a"):
                pass
        except OSError as error:
            raise UserError(f"{path} cannot be written ({error.strerror}): choose another {option}.") from error
        real = os.path.realpath(path)
        if real in seen and os.path.isfile(real):
            raise UserError(f"{seen[real]} and {option} name the same file {path}: choose two.")
        seen[real] = option


def write_text(path: str, text: str, option: str) -> None:
    """Write an output file; "-" is standard output.  Raises `UserError`."""
    if path == "-":
        sys.stdout.write(text)
        return
    try:
        Path(path).write_text(text)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}): choose another {option}.") from error
