# amaranth: UnusedElaboratable=no
"""The system in one chip: what it refuses.  What it does, the demonstration on a board shows (tests/programs)."""

import pytest

from entresol.config import ConfigError, get_config
from entresol.soc.system import OnChipSystem


@pytest.mark.parametrize(("clock", "baud", "message"), [
    (10_000_000, 115_200, "10 MHz is too slow for the UART: choose at least 14.7456 MHz"),
    (40_000_000, 100_000, "cannot send 100000 bit/s: choose 921600 divided by a whole number"),
    (40_000_000, 1_000_000, "cannot send 1000000 bit/s"),
    (40_000_000, 0, "cannot send 0 bit/s"),
])  # fmt: skip
def test_refusals(clock: int, baud: int, message: str):
    with pytest.raises(ConfigError, match=message):
        OnChipSystem(get_config("small"), clock=clock, ram_size=4096, baud=baud)
