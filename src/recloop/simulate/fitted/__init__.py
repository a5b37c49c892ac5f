"""A simulator fitted to a behaviour log, and policies that are tried on it in process."""

from recloop.simulate.fitted.compare import Comparison, Line, compare
from recloop.simulate.fitted.drive import Ran, run_policy
from recloop.simulate.fitted.fidelity import Fidelity, fidelity
from recloop.simulate.fitted.server import InProcess, Nothing, OverHttp, Server
from recloop.simulate.fitted.settings import Simulate
from recloop.simulate.fitted.world import FittedWorld, Known, fit_world

__all__ = [
    "Comparison",
    "Fidelity",
    "FittedWorld",
    "InProcess",
    "Known",
    "Line",
    "Nothing",
    "OverHttp",
    "Ran",
    "Server",
    "Simulate",
    "compare",
    "fidelity",
    "fit_world",
    "run_policy",
]
