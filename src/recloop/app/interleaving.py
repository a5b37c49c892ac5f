"""An interleaving test on the live path: who gets it, and what the store knows of it."""

import polars as pl

from recloop.app.engine import Assign, Assignment
from recloop.experiments.interleaving import Interleaving, InterleavingReadout, read_out
from recloop.store import Store
from recloop.store.experiments import STOPPED

VARIANT = "interleaved"  # everybody is in it: the comparison is made inside each slate


def interleaved(test: Interleaving) -> Assign:
    """The function that gives every user slates of all policies."""
    assignment = Assignment(test.id, VARIANT, test.policy)
    return lambda request: assignment if request.user else None


def read_interleaving(store: Store, name: str, now: float) -> InterleavingReadout:
    """An interleaving test as the store knows it.

    Args:
        store: decisions and events.
        name: of the test.
        now: seconds since 1970.

    Raises:
        MissingError: there is no such test.
    """
    record = store.experiments.get(name)
    first = store.decisions(experiment=name)["time"].min()
    since = float(first) if isinstance(first, int | float) else float("inf")
    ballot = pl.when(pl.col("experiment") == name).then(pl.col("arm"))
    decisions = store.decisions(since=since).with_columns(arm=ballot)
    test = Interleaving.parse(record.definition)
    return read_out(test, decisions, store.events(since=since), now, stopped=record.state == STOPPED)
