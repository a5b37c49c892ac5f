"""How satisfied users are, by the answers in a store and what all of them did."""

import time
from collections.abc import Callable

import numpy as np
import polars as pl

from recloop.app.comments import comment_reader
from recloop.app.item_facts import Shown
from recloop.app.own_slates import decisions_of
from recloop.errors import DataError
from recloop.experience.satisfaction import Satisfaction, satisfaction
from recloop.experience.surveys import Survey
from recloop.experience.surveys.answers import answer_chances, asked_users
from recloop.experience.surveys.behaviour import behaviour
from recloop.experience.surveys.slate_texts import slate_texts
from recloop.metrics.outcomes import DAY, user_table, with_diversity
from recloop.store import Store

EVERYBODY = "all users"


def satisfaction_in_store(
    store: Store,
    survey: Survey,
    *,
    experiment: str = "",
    days: float = 28.0,
    seed: int = 0,
    shown: Shown | None = None,
    clock: Callable[[], float] = time.time,
) -> dict[str, Satisfaction]:
    """The mean satisfaction of all users, or of each arm of an experiment.

    Args:
        store: decisions, events and feedback.
        survey: what was asked.
        experiment: its arms are told apart; "" for all users together.
        days: how far to look back.
        seed: of the cross-fitting.
        shown: the release whose items were shown: the texts of slates may tell how satisfied users are.
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
    served = decisions_of(store, experiment, since).join(known, on="id", how="semi")
    served = served.filter(pl.col("variant") != "") if experiment else served.with_columns(variant=pl.lit(EVERYBODY))
    if shown is not None and shown.vectors is not None:
        served = with_diversity(served, shown.items, shown.vectors)
    feedback = store.feedback(since=since)
    if not served.height:
        raise DataError("nobody was served in these days", advice="look back further: --days")
    table = user_table(served, store.events(since=since), feedback, sentiment=comment_reader())
    asked = asked_users(served, feedback, survey)
    people = table.join(asked, on="user").sort("variant", "user")
    found = {}
    for (arm,), own in people.group_by(["variant"], maintain_order=True):
        features = behaviour(own)
        if shown is not None and shown.vectors is not None:
            slates = served.filter(pl.col("variant") == arm)
            texts = slate_texts(slates, own["user"], shown.items, shown.vectors)
            features = np.hstack([features, texts])
        answers = own["answer"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        there = own["asked"].to_numpy()
        chance = own["chance"].to_numpy().copy()
        # who was not asked has no answer: how likely they are to give one is of no account
        chance[there] *= answer_chances(~np.isnan(answers[there]), features[there])
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
