"""The compiled simulator of Entresol, as a Python API; the command `entresol` is in `entresol_sim.cli`."""

from .design import Design, core_design, soc_design
from .errors import UserError
from .simulator import Outcome, Result, Simulator
from .terminal import Console

__all__ = ["Console", "Design", "Outcome", "Result", "Simulator", "UserError", "core_design", "soc_design"]
