"""`entresol demo`: the demonstration."""

from ..demo import main
from .common import add_config

_DESCRIPTION = """\
Boots a guest under a small hypervisor: the guest in VS-mode with its own Sv39 page tables over the hypervisor's Sv39x4,
the hypervisor in HS-mode, firmware in M-mode.  At the end the hypervisor prints why the guest exited to it, and where
the cycles went.

The sources, written to be read, are in sim/entresol_sim/programs/demo.
"""

_EPILOG = """\
examples
  entresol demo
  entresol demo --firmware /usr/lib/riscv64-linux-gnu/opensbi/generic/fw_jump.elf    # Debian package opensbi
"""


def register(subparsers) -> None:
    parser = subparsers.add_parser(
        "demo", help="boot a guest under a small hypervisor", description=_DESCRIPTION, epilog=_EPILOG
    )
    parser.set_defaults(function=main)
    add_config(parser)
    parser.add_argument("--firmware", metavar="PATH", help="ELF file of other firmware, OpenSBI's fw_jump for example")
