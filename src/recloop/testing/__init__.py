"""What a stranger's strategy or policy must pass; each is a class for pytest, loaded on first use."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOMES = {"PolicyContract": "recloop.testing.policy", "StrategyContract": "recloop.testing.strategy"}

__all__ = ["PolicyContract", "StrategyContract"]

if TYPE_CHECKING:
    from recloop.testing.policy import PolicyContract
    from recloop.testing.strategy import StrategyContract


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'recloop.testing' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
