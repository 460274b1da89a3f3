"""The user's cache directory, where compiled programs and models are kept."""

import os
import sys
from pathlib import Path

from .errors import UserError


def cache_dir(*parts: str) -> Path:
    """The directory `parts` inside the cache, created when missing.

    `ENTRESOL_CACHE` overrides the place; otherwise it is where the platform keeps caches.

    Raises:
        UserError: the directory cannot be created.
    """
    if override := os.environ.get("ENTRESOL_CACHE"):
        root = Path(override)
    elif sys.platform == "win32":
        root = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "entresol"
    elif sys.platform == "darwin":
        root = Path.home() / "Library" / "Caches" / "entresol"
    else:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "entresol"
    directory = root.joinpath(*parts)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"The cache directory {directory} cannot be created ({error.strerror}): set ENTRESOL_CACHE to a "
            f"directory that can be written."
        ) from error
    return directory
