"""Who was asked, with which chance, and who answered."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.experience.surveys.survey import DAY, Survey
from recloop.language.labels.softmax import SoftmaxHead

LEAST = 0.05  # a chance of answering is not taken for lower: one answer would count for too many users
FEWEST = 20  # users who answer, and who do not, from which their chances are told apart


def asked_users(decisions: pl.DataFrame, feedback: pl.DataFrame, survey: Survey) -> pl.DataFrame:
    """One row per user with a slate: whether they were asked, what they answered, and the chance of being asked.

    The chance that a user was asked on any of the days on which they had slates is exact: ``Survey.asks`` draws the
    day of the cycle evenly and each cycle by itself. Of several answers of a user the last counts; one outside the
    scale, or to a decision that did not ask, does not.

    Args:
        decisions: as ``Store.decisions`` gives them.
        feedback: as ``Store.feedback`` gives it.
        survey: what was asked.

    Returns:
        user, chance, asked, answer (null where there is none), answered (seconds since 1970).
    """
    shown = decisions.filter((pl.col("user") != "") & (pl.col("items").list.len() > 0))
    if survey.surfaces:
        shown = shown.filter(pl.col("surface").is_in(survey.surfaces))
    day = (pl.col("time") / DAY).floor().cast(pl.Int64)
    each = survey.rate * survey.cooldown
    # cycles in which a user had slates on a day of the cycle, day by day of it
    chances = (
        shown.select("user", slot=day % survey.cooldown, cycle=day // survey.cooldown)
        .unique()
        .group_by("user", "slot")
        .agg(cycles=pl.len())
        .group_by("user")
        .agg(chance=(1 - (1 - pl.lit(each)).pow(pl.col("cycles"))).sum() / survey.cooldown)
    )
    carried = shown.filter(pl.col("details").str.json_path_match("$.survey.instrument") == survey.instrument)
    offers = carried.select("user", decision="id")
    answers = (
        feedback.filter((pl.col("kind") == "survey") & pl.col("value").is_between(survey.low, survey.high))
        .join(offers, on=["user", "decision"])
        .sort("time")
        .group_by("user")
        .agg(answer=pl.col("value").last(), answered=pl.col("time").last())
    )
    told = chances.join(offers.select("user").unique().with_columns(asked=True), on="user", how="left")
    return told.join(answers, on="user", how="left").with_columns(pl.col("asked").fill_null(value=False)).sort("user")


def answer_chances(
    answered: NDArray[np.bool_], features: NDArray[np.floating], ridge: float = 1.0
) -> NDArray[np.float64]:
    """(n,) how likely each user who was asked is to answer, by a logistic regression on what is known of them.

    Never below 0.05. With fewer than 20 users who answered, or who did not, all get the same chance. What the features
    do not tell stays: a mean weighted by these chances is right where, among users with like features, those who answer
    are like those who do not (Rosenbaum & Rubin 1983; Little & Rubin 2002, section 3.3, weighting-class adjustment).

    Args:
        answered: (m,) bool of those who were asked.
        features: (m, d) of the same users; NaN is the mean.
        ridge: of the regression, on features of unit variance.

    >>> rng = np.random.default_rng(0)
    >>> keen = rng.normal(size=(4000, 1))
    >>> found = answer_chances(rng.random(4000) < 1 / (1 + np.exp(-keen[:, 0])), keen)
    >>> bool(abs(found[keen[:, 0] > 1].mean() - 0.81) < 0.03)
    True
    """
    n = len(answered)
    share = float(answered.mean()) if n else 1.0
    if min(answered.sum(), (~answered).sum()) < FEWEST or not features.shape[1]:
        return np.full(n, max(share, LEAST))
    seen = ~np.isnan(features)
    centre = np.where(seen, features, 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    moved = np.where(seen, features - centre, 0.0)
    spread = moved.std(axis=0)
    scaled = moved / np.where(spread > 1e-12, spread, np.inf)
    head = SoftmaxHead.fit(scaled, answered.astype(np.int64), 2, ridge=ridge, balance=0.0)
    return np.maximum(head.probabilities(scaled)[:, 1], LEAST)
