"""recloop closes the recommender loop: train, judge, compose, serve, experiment, release, and train again.

The public names below are loaded on first use, so that ``import recloop`` costs milliseconds.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "AsyncClient": "recloop.client",
    "Client": "recloop.client",
    "Dataset": "recloop.data.dataset",
    "Decision": "recloop.types",
    "Event": "recloop.types",
    "Experiment": "recloop.experiments.definition",
    "Feedback": "recloop.types",
    "Plan": "recloop.loop.plan",
    "RecloopError": "recloop.errors",
    "Release": "recloop.loop.release",
    "Request": "recloop.types",
    "Slate": "recloop.types",
    "Store": "recloop.store",
    "Strategy": "recloop.strategies.base",
    "World": "recloop.simulate",
    "run": "recloop.loop.run",
}

__all__ = ["__version__", *_HOMES]  # noqa: PLE0604

if TYPE_CHECKING:
    from recloop.client import AsyncClient as AsyncClient
    from recloop.client import Client as Client
    from recloop.data.dataset import Dataset as Dataset
    from recloop.errors import RecloopError as RecloopError
    from recloop.experiments.definition import Experiment as Experiment
    from recloop.loop.plan import Plan as Plan
    from recloop.loop.release import Release as Release
    from recloop.loop.run import run as run
    from recloop.simulate import World as World
    from recloop.store import Store as Store
    from recloop.strategies.base import Strategy as Strategy
    from recloop.types import Decision as Decision
    from recloop.types import Event as Event
    from recloop.types import Feedback as Feedback
    from recloop.types import Request as Request
    from recloop.types import Slate as Slate


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'recloop' has no attribute '{name}'")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
