"""The holdout of a store: which one is in force, and what everybody else's slates did against it."""

import math

import polars as pl

from recloop.app.item_facts import Shown
from recloop.app.own_slates import decisions_of
from recloop.app.readout import Sentiment
from recloop.errors import DataError
from recloop.experience.surveys.weights import weighted_answers
from recloop.experiments import Experiment, Holdout, designs
from recloop.experiments.holdout import HoldoutReadout, comparison_of, read_holdout, sides
from recloop.experiments.interleaving import Interleaving
from recloop.metrics.outcomes import by_user, user_table, with_diversity
from recloop.store import Store

WHOLE = "recloop: every decision"  # no experiment has such a name, so that no variant of its own is kept


def holdout_in_force(store: Store) -> Holdout | None:
    """That of the experiment which was started last, whether or not it still runs; None where nobody is held out."""
    started = [one for one in store.experiments.all() if one.started is not None]
    for record in sorted(started, key=lambda one: one.started or 0.0, reverse=True):
        definition = designs.parse(record.definition)
        if not isinstance(definition, Interleaving):
            return definition.holdout
    return None


def read_launches(
    store: Store,
    name: str,
    now: float,
    *,
    since: float | None = None,
    until: float = math.inf,
    primary: str = "",
    planned_users: int = 10_000,
    shown: Shown | None = None,
    sentiment: Sentiment | None = None,
) -> HoldoutReadout:
    """The users that an experiment holds out, against everybody else.

    Args:
        store: decisions, events and feedback.
        name: of an experiment with a holdout; its metrics, window and error rate are taken.
        now: seconds since 1970.
        since: slates before are not counted; None is the first slate of any experiment with this holdout.
        until: slates from then on are not counted.
        primary: another metric to begin with.
        planned_users: at which the intervals are narrowest.
        shown: as for ``daily_table``.
        sentiment: as for ``daily_table``.

    Raises:
        MissingError: there is no such experiment.
        DataError: it holds nobody out, or no slate was served since.
    """
    definition = designs.parse(store.experiments.get(name).definition)
    if isinstance(definition, Interleaving) or not definition.holdout:
        raise DataError(
            f"'{name}' holds nobody out",
            allowed="held-out users are compared with everybody else",
            advice="give experiments a holdout: holdout = {share = 0.05}",
        )
    holdout = definition.holdout
    since = _first(store, holdout) if since is None else since
    decisions = decisions_of(store, WHOLE, since).filter(
        (pl.col("time") < until) & ~pl.col("user").str.contains("^(session|request) ")
    )
    if not decisions.height:
        raise DataError("no slate was served to a known user in this time", advice="name an earlier since")
    if shown is not None and shown.vectors is not None:
        decisions = with_diversity(decisions, shown.items, shown.vectors)
    of = sides(decisions["user"].unique().to_list(), holdout)
    decisions = decisions.drop("variant").join(of, on="user", how="left")
    daily = user_table(
        decisions,
        store.events(since=since),
        store.feedback(since=since),
        definition.window,
        sentiment=sentiment,
        daily=True,
    )
    daily = weighted_answers(daily, decisions)
    experiment = comparison_of(
        holdout,
        primary=primary or definition.primary,
        secondaries=definition.metrics,
        alpha=definition.alpha,
        window=definition.window,
        planned_users=planned_users,
    )
    return read_holdout(experiment, holdout, by_user(daily), now, since=since, until=until, daily=daily)


def _first(store: Store, holdout: Holdout) -> float:
    """When the first slate of an experiment with this holdout was served."""
    found = []
    for record in store.experiments.all():
        definition = designs.parse(record.definition)
        if isinstance(definition, Experiment) and definition.holdout == holdout:
            first = store.decisions(experiment=record.name)["time"].min()
            found += [float(first)] if isinstance(first, int | float) else []
    return min(found, default=math.inf)
