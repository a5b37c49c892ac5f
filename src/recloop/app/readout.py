"""An experiment read from the store: the same for the service, the commands and the report."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from recloop.data.vocabulary import Vocabulary
from recloop.experience.scorecard import scorecard
from recloop.experiments import Experiment, decide, read_out
from recloop.experiments.counted import without_forced
from recloop.metrics.outcomes import user_table, with_diversity
from recloop.report.report import Trial
from recloop.store import Store
from recloop.store.experiments import STOPPED

Sentiment = Callable[[Sequence[str]], ArrayLike]


class Shown(Protocol):
    """What a readout needs of the release whose items were shown."""

    @property
    def items(self) -> Vocabulary:
        """The catalogue, in the order of the vectors."""
        ...

    @property
    def vectors(self) -> NDArray[np.float32] | None:
        """(n_items, d), or None where there are none; then the diversity of slates is not measured."""
        ...


def experiment_table(store: Store, name: str, *, shown: Shown | None, sentiment: Sentiment | None) -> pl.DataFrame:
    """What each user of an experiment was shown and did so far: one row per variant and user, as sums.

    Args:
        store: decisions, events and feedback.
        name: of the experiment.
        shown: the release whose items were shown.
        sentiment: texts to numbers in [-1, 1], for comments; None leaves them unread.

    Raises:
        MissingError: there is no such experiment.
    """
    record = store.experiments.get(name)
    # by the clock of the requests, which a client may set, not by that of the store
    first = store.decisions(experiment=name)["time"].min()
    since = float(first) if isinstance(first, int | float) else float("inf")
    mine = pl.when(pl.col("experiment") == name).then(pl.col("variant")).otherwise(pl.lit(""))
    # who is anonymous is one user per session, or per request: all of them together are nobody
    someone = pl.when(pl.col("user") != "").then(pl.col("user"))
    guest = pl.when(pl.col("session") != "").then("session " + pl.col("session")).otherwise("request " + pl.col("id"))
    decisions = store.decisions(since=since).with_columns(mine.alias("variant"), someone.otherwise(guest).alias("user"))
    if shown is not None and shown.vectors is not None:
        decisions = with_diversity(decisions, shown.items, shown.vectors)
    return user_table(
        decisions,
        store.events(since=since),
        store.feedback(since=since),
        Experiment.parse(record.definition).window,
        sentiment=sentiment,
    )


def read_trial(
    store: Store, name: str, now: float, *, shown: Shown | None = None, sentiment: Sentiment | None = None
) -> Trial:
    """An experiment with its numbers, its verdict and its scorecard (None where nothing may be read yet).

    Args:
        store: decisions, events and feedback.
        name: of the experiment.
        now: seconds since 1970.
        shown: as for ``experiment_table``.
        sentiment: as for ``experiment_table``.

    Raises:
        MissingError: there is no such experiment.
    """
    record = store.experiments.get(name)
    experiment = Experiment.parse(record.definition)
    table = experiment_table(store, name, shown=shown, sentiment=sentiment)
    readout = read_out(experiment, table, now)
    verdict = decide(experiment, readout, stopped=record.state == STOPPED)
    treatment = verdict.treatment or experiment.treatments[0]
    counted = all(readout.users[arm] for arm in (treatment, *experiment.controls))
    card = None
    if counted and not readout.hidden:
        planned = experiment.planned_for(treatment, experiment.controls[0]) if readout.basis == "always valid" else None
        card = scorecard(
            without_forced(table)[0],
            treatment,
            experiment.controls,
            experiment.alpha,
            planned_users=planned,
            crossed=experiment.unit != "user",
        )
    return Trial(experiment, readout, verdict, card)
