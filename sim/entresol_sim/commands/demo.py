"""`entresol demo`: boots a guest under a small hypervisor (see `entresol_sim.demo`)."""

import argparse

from .common import add_config

_DESCRIPTION = """\
Boots three programs on the simulated SoC: a firmware in M-mode, a hypervisor in HS-mode, and its guest in VS-mode
with two stages of address translation.  The hypervisor maps the guest's memory on demand, emulates a console device
and the guest's firmware calls, injects timer interrupts, refuses what the guest may not do, and ends with a table of
exits and of the cycles spent in each mode.

The sources are compiled on the spot with the ziglang package; they are written to be read, in
sim/entresol_sim/programs/demo.
"""


def register(subparsers) -> None:
    parser = subparsers.add_parser("demo", help="boot a guest under a small hypervisor", description=_DESCRIPTION)
    parser.set_defaults(function=run)
    add_config(parser)
    parser.add_argument(
        "--firmware", metavar="FILE",
        help="run over this firmware, an ELF file, instead of the demo's own: OpenSBI's fw_jump or fw_dynamic",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    from ..demo import main

    return main(arguments)
