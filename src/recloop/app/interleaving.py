"""An interleaving test on the live path: who gets it, and what the store knows of it."""

import polars as pl

from recloop.app.engine import Assign, Assignment
from recloop.experiments import Holdout
from recloop.experiments.assign import in_holdout
from recloop.experiments.interleaving import Interleaving, InterleavingReadout, read_out
from recloop.store import Store
from recloop.store.experiments import STOPPED
from recloop.types import Request

VARIANT = "interleaved"  # everybody who takes part is in it: the comparison is made inside each slate


def interleaved(test: Interleaving, holdout: Holdout | None = None) -> Assign:
    """The function that gives every user slates of all policies, but for those whom a ``holdout`` has.

    >>> assign = interleaved(Interleaving(name="home", policies=("a", "b")), Holdout(share=0.2, salt="2026-q4"))
    >>> [bool(assign(Request(user=user))) for user in ("u1", "u3", "")]
    [False, True, False]
    """
    assignment = Assignment(test.id, VARIANT, test.policy)
    held = Assignment("", "", holdout.policy) if holdout and holdout.policy else None

    def assign(request: Request) -> Assignment | None:
        if holdout and in_holdout(holdout, request.user or ""):
            return held
        return assignment if request.user else None

    return assign


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
