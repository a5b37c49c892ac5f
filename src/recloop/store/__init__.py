"""What must survive: events, decisions, feedback, experiments, releases, keys, audit lines, policy states."""

from recloop.store.backend import Appended
from recloop.store.store import Store

__all__ = ["Appended", "Store"]
