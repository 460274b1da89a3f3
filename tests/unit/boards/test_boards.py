# amaranth: UnusedElaboratable=no
"""The boards, their clocks, and what is put into them."""

import re

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from entresol.config import get_config
from entresol.observe import Retire
from entresol.soc.system import UART_CLOCK
from entresol_boards.board import boards
from entresol_boards.ecp5 import ClockReset, dividers
from entresol_boards.top import BoardTop

BOARDS = list(boards().values())


class Echo(wiring.Component):
    """In the place of the system: what is received is sent."""

    def __init__(self):
        super().__init__({
            "txd": Out(1, init=1), "rxd": In(1, init=1), "finish_valid": Out(1), "finish_code": Out(32),
            "retire": Out(Retire),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.txd.eq(self.rxd)
        return m


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_what_is_said_of_a_board_is_what_its_platform_has(board):
    platform = board.platform()
    assert board.device.startswith(f"{platform.device}-{platform.speed}")
    assert platform.lookup(board.oscillator).clock.frequency == board.oscillator_frequency
    assert {"rx", "tx"} <= {pin.name for pin in platform.lookup("uart").ios}
    assert len([number for name, number in platform.resources if name == "led"]) == board.leds
    assert dividers(board.oscillator_frequency, board.clock) and board.clock >= UART_CLOCK
    # the rest of the FPGA's block RAM is for the core
    assert board.ram_size % 4096 == 0 and board.ram_size <= 256 << 10


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_top(board):
    plan = board.platform().prepare(BoardTop(board, Echo(), board.clock), "top", debug_verilog=False)
    constraints = plan.files["top.lpf"]
    constraints = constraints.decode() if isinstance(constraints, bytes) else constraints
    for resource in ("uart_0__rx", "uart_0__tx", f"{board.oscillator}_0", f"led_{board.leds - 1}"):
        assert f'LOCATE COMP "{resource}__io"' in constraints
    assert f'FREQUENCY PORT "{board.oscillator}_0__io" {board.oscillator_frequency:.1f} HZ' in constraints
    netlist = plan.files["top.il"]
    netlist = netlist.decode() if isinstance(netlist, bytes) else netlist
    assert re.search(r"cell \\EHXPLLL ", netlist) and re.search(r"cell \\SGSR ", netlist)


@pytest.mark.parametrize("clock", [15, 20, 25, 30, 40, 48, 50, 60, 62.5, 75, 100])
@pytest.mark.parametrize("reference", [12, 25, 48, 100])
def test_dividers_keep_to_the_limits(reference: float, clock: float):
    found = dividers(int(reference * 1e6), int(clock * 1e6))
    if found is None:
        # there is nothing in between: no divider of the input gives something that the clock is a multiple of
        assert not any(
            reference / divider >= 3.125 and clock * divider % reference == 0 and clock * divider / reference <= 80
            for divider in range(1, 129)
        )
        return
    compared = reference / found.reference
    assert 3.125 <= compared <= 400
    assert compared * found.feedback == pytest.approx(clock)
    assert 400 <= clock * found.output <= 800
    assert 1 <= found.feedback <= 80 and 1 <= found.output <= 128


def test_an_impossible_clock_is_refused():
    assert dividers(25_000_000, 33_333_333) is None
    assert dividers(25_000_000, 500_000_000) is None
    with pytest.raises(ValueError, match="cannot make 33333333 Hz"):
        ClockReset(25_000_000, 33_333_333)


def test_every_configuration_of_the_results_exists():
    from entresol_sim.fpga.results import recorded

    for row in recorded():
        assert row["board"] in boards()
        name, *without = row["config"].split("-")
        assert get_config(name).without(*without).name == row["config"]
