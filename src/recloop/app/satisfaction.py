"""How satisfied users are, by the answers in a store and what all of them did."""

import time
from collections.abc import Callable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.app.comments import comment_reader
from recloop.app.own_slates import decisions_of
from recloop.errors import DataError
from recloop.experience.satisfaction import Satisfaction, satisfaction
from recloop.experience.surveys import Survey
from recloop.experience.surveys.answers import answer_chances, asked_users
from recloop.metrics.outcomes import DAY, user_table
from recloop.store import Store

EVERYBODY = "all users"
# what may tell how satisfied a user is: sums over slates, and sums of what is rated over its count
PER_SLATE = ("clicks", "clicked_slates", "abandoned", "purchases", "repeats", "fallbacks", "latency_sum")
MEANS = (("rating_sum", "ratings"), ("sentiment_sum", "comments"), ("diversity_sum", "diversity_slates"))
AMOUNTS = ("slates", "revenue", "spend")


def satisfaction_in_store(
    store: Store,
    survey: Survey,
    *,
    experiment: str = "",
    days: float = 28.0,
    seed: int = 0,
    clock: Callable[[], float] = time.time,
) -> dict[str, Satisfaction]:
    """The mean satisfaction of all users, or of each arm of an experiment.

    Args:
        store: decisions, events and feedback.
        survey: what was asked.
        experiment: its arms are told apart; "" for all users together.
        days: how far to look back.
        seed: of the cross-fitting.
        clock: seconds since 1970.

    Raises:
        MissingError: there is no such experiment.
        DataError: there are too few answers.
    """
    now = clock()
    since = now - days * DAY
    if experiment:
        store.experiments.get(experiment)
    known = store.decisions(since=since).filter(pl.col("user") != "").select("id")  # nobody asks guests
    shown = decisions_of(store, experiment, since).join(known, on="id", how="semi")
    shown = shown.filter(pl.col("variant") != "") if experiment else shown.with_columns(variant=pl.lit(EVERYBODY))
    feedback = store.feedback(since=since)
    if not shown.height:
        raise DataError("nobody was served in these days", advice="look back further: --days")
    table = user_table(shown, store.events(since=since), feedback, sentiment=comment_reader())
    asked = asked_users(shown, feedback, survey)
    people = table.join(asked, on="user").sort("variant", "user")
    found = {}
    for (arm,), own in people.group_by(["variant"], maintain_order=True):
        features = _features(own)
        answers = own["answer"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        there = own["asked"].to_numpy()
        chance = own["chance"].to_numpy().copy()
        # who was not asked has no answer: how likely they are to give one is of no account
        chance[there] *= answer_chances(~np.isnan(answers[there]), np.nan_to_num(features[there]))
        ages = now - own["answered"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        try:
            found[str(arm)] = satisfaction(
                answers,
                features,
                chance.clip(1e-6, 1.0),
                np.random.default_rng(seed),
                satisfied=_satisfied(survey),
                ages=ages,
            )
        except DataError as error:
            raise DataError(
                f"{arm}: {error.given}", allowed=error.allowed, advice="ask more users, or longer"
            ) from error
    return found


def _satisfied(survey: Survey) -> float:
    """Three quarters up the scale: 4 of 1 to 5."""
    return survey.low + 0.75 * (survey.high - survey.low)


def _features(table: pl.DataFrame) -> NDArray[np.float64]:
    """(users, d); NaN where nothing is known."""
    there = set(table.columns)
    columns = [pl.col(name) / pl.col("slates") for name in PER_SLATE if name in there]
    columns += [pl.col(total) / pl.when(pl.col(n) > 0).then(pl.col(n)) for total, n in MEANS if {total, n} <= there]
    columns += [pl.col(name).cast(pl.Float64).clip(0).log1p() for name in AMOUNTS if name in there]
    frame = table.select(
        column.cast(pl.Float64).fill_null(float("nan")).alias(str(i)) for i, column in enumerate(columns)
    )
    return frame.to_numpy()
