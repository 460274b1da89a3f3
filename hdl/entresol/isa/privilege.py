"""Privilege modes and access types (privileged architecture, sections "Privilege Levels" and
"Hypervisor Extension: Privilege Modes")."""

from amaranth.lib import data, enum


class Priv(enum.Enum, shape=2):
    """Nominal privilege, 2 bits, encoded as in `mstatus.MPP`.  2 is reserved."""

    U = 0
    S = 1
    M = 3


class Mode(data.Struct):
    """A complete privilege mode: nominal privilege and the virtualization mode V (3 bits).

    M: (M, 0); HS: (S, 0); U: (U, 0); VS: (S, 1); VU: (U, 1).
    """

    priv: Priv
    v: 1


class Access(enum.Enum, shape=2):
    """What a memory access wants; AMOs, SC and CBO.ZERO count as STORE."""

    LOAD = 0
    STORE = 1
    FETCH = 2
