"""What several commands share: kinds of arguments, and outputs."""

import argparse
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

from entresol.config import CONFIGS, CoreConfig
from entresol.isa.extensions import EXTENSIONS

from ..errors import UserError

#: What counts cycles, or things that take some, is smaller.
_LIMIT = 1 << 48
_UNITS = {"": 0, "k": 10, "m": 20, "g": 30}


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add --config."""
    parser.add_argument(
        "--config", metavar="NAME", default="linux",
        help=f"configuration of the core: {', '.join(CONFIGS)} (default: %(default)s)",
    )  # fmt: skip


def add_without(parser: argparse.ArgumentParser) -> None:
    """Add --without."""
    parser.add_argument(
        "--without", metavar="EXTENSION", action="append", default=[],
        help="leave an extension out of the configuration, with what needs it: h, say (can be repeated)",
    )  # fmt: skip


def without(config: CoreConfig, names: list[str]) -> CoreConfig:
    """The configuration less the extensions of --without.  Raises `UserError`."""
    for name in names:
        if name.lower() not in EXTENSIONS or not config.has(name.lower()):
            raise UserError(f"{config.name} has no extension {name!r}: entresol info shows what it has.")
    return config.without(*(name.lower() for name in names)) if names else config


def number(text: str) -> int:
    """A decimal or 0x hexadecimal number."""
    try:
        return int(text, 0)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number: write 123 or 0x7b") from None


def address(text: str) -> int:
    """A physical address."""
    value = number(text)
    if not 0 <= value < 1 << 64:
        raise argparse.ArgumentTypeError(f"{text} is no address: choose one of 64 bits")
    return value


def _limited(value: int, text: str) -> int:
    if value >= _LIMIT:
        raise argparse.ArgumentTypeError(f"{text} is too large: choose less than {_LIMIT:#x}")
    return value


def positive(text: str) -> int:
    """A number of at least 1."""
    value = number(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is too small: choose at least 1")
    return _limited(value, text)


def up_to(most: int) -> Callable[[str], int]:
    """A number of at least 1 and at most `most`."""

    def count(text: str) -> int:
        value = positive(text)
        if value > most:
            raise argparse.ArgumentTypeError(f"{text} is too large: choose at most {most}")
        return value

    return count


def natural(text: str) -> int:
    """A number of at least 0."""
    value = number(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative: choose at least 0")
    return _limited(value, text)


def size(text: str) -> int:
    """A size in bytes, with a unit K, M or G (powers of 1024) if wanted."""
    match = re.fullmatch(r"(0x[0-9a-f]+|\d+)([kmg]?)(i?b)?", text.lower())
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: write 64M, 1G or a number of bytes")
    return int(match[1], 0) << _UNITS[match[2]]


def placed(text: str) -> tuple[str, int | None]:
    """FILE or FILE@ADDR."""
    path, separator, address = text.rpartition("@")
    if not separator or os.path.exists(text):
        return text, None
    try:
        return path, int(address, 0)
    except ValueError:
        raise UserError(f"{address!r} in {text} is no address: write FILE@0x80200000, say.") from None


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


def write_bytes(path: str, content: bytes, option: str) -> None:
    """Write an output file.  Raises `UserError`."""
    try:
        Path(path).write_bytes(content)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}): choose another {option}.") from error
