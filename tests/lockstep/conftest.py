"""What the tests of comparisons share."""

import shutil

import pytest

from entresol.config import get_config
from entresol_sim.lockstep.layout import RAM_SIZE
from entresol_sim.lockstep.qemu import COMMAND
from entresol_sim.lockstep.references import Lockstep


def _lockstep(config: str, strict: bool = False) -> Lockstep:
    if shutil.which(COMMAND) is None:
        pytest.skip(f"{COMMAND} is not installed (Debian: qemu-system-misc)")
    return Lockstep(get_config(config), "qemu", RAM_SIZE, strict=strict)


@pytest.fixture(scope="session")
def qemu() -> Lockstep:
    """Comparisons of the default configuration with QEMU."""
    return _lockstep("linux")


@pytest.fixture(scope="session")
def strict_qemu() -> Lockstep:
    """Comparisons as for random programs."""
    return _lockstep("linux", strict=True)


@pytest.fixture(scope="session")
def small_qemu() -> Lockstep:
    """Those of the small one, of whose extensions QEMU lacks none."""
    return _lockstep("small")
