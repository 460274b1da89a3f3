"""Radiona ULX3S: Lattice ECP5, 32 MiB SDRAM, USB serial through an FT231X (the port US1)."""

from amaranth_boards.ulx3s import ULX3S_85F_Platform

from .board import Board

BOARDS = (
    Board(
        name="ulx3s-85f",
        title="Radiona ULX3S 85F",
        device="LFE5U-85F-6BG381C",
        memory="256 KiB on the chip (the 32 MiB of SDRAM are not used)",
        platform=ULX3S_85F_Platform,
        oscillator="clk25",
        oscillator_frequency=25_000_000,
        clock=25_000_000,
        ram_size=256 << 10,
        leds=8,
    ),
)
