"""What must survive: events, decisions, feedback, experiments, releases, keys, audit lines, policy states."""

from recloop.store.store import Appended, Store

__all__ = ["Appended", "Store"]
