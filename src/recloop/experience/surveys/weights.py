"""Survey sums in which each answer counts for those who would have answered alike, and did not."""

import numpy as np
import polars as pl

from recloop.experience.surveys.answers import answer_chances
from recloop.experience.surveys.behaviour import behaviour
from recloop.metrics.outcomes import DAY, by_user

SUMS = ("surveys", "survey_sum", "survey_top")
ASKED = pl.col("details").str.json_path_match("$.survey.instrument").is_not_null()


def weighted_answers(table: pl.DataFrame, decisions: pl.DataFrame) -> pl.DataFrame:
    """The user table with weighted survey sums: their ratio is the mean answer of all users, not of the keen ones.

    An answer counts one over the number of days on which its user had slates, since on each of these days they were
    asked with the same chance, times one over the chance that they answer, which a logistic regression on what users of
    the variant did tells (``answer_chances``). The weights of a variant sum to its answers. A user whom no slate asked
    does not count. Where no slate carried a question at all, nobody knows who was asked: then all answers count alike.

    Args:
        table: from ``metrics.outcomes.user_table``, daily or not.
        decisions: variant, user, time, items, and ``details`` with the question that a slate carried; ``surface``
            where known.

    Source: Horvitz & Thompson 1952 for the chance of being asked; Little & Rubin 2002, "Statistical analysis with
    missing data", section 3.3, for that of answering.

    >>> table = pl.DataFrame({"variant": "a", "user": ["u", "v"], "slates": [1, 3], "surveys": [1, 1],
    ...     "survey_sum": [5.0, 1.0], "survey_top": [1, 0]})
    >>> decisions = pl.DataFrame({"variant": "a", "user": ["u", "v", "v", "v"], "time": [0.0, 0.0, 9e4, 18e4],
    ...     "items": [["x"]] * 4, "details": ['{"survey":{"instrument":"s"}}'] * 4})
    >>> found = weighted_answers(table, decisions)  # v had three times the chance to be asked
    >>> found["survey_sum"].sum() / found["surveys"].sum(), found["surveys"].sum()
    (4.0, 2.0)
    """
    if "details" not in decisions.columns or not set(SUMS) <= set(table.columns) or not table["surveys"].count():
        return table
    shown = decisions.filter(pl.col("variant") != "", pl.col("items").list.len() > 0)
    carried = shown.filter(ASKED)
    if not carried.height:
        return table
    if "surface" in shown.columns:
        shown = shown.filter(pl.col("surface").is_in(carried["surface"].unique().implode()))
    keys = ["variant", "user"]
    days = shown.group_by(keys).agg(days=(pl.col("time") / DAY).floor().n_unique())
    users = by_user(table) if "day" in table.columns else table
    asked = users.join(days, on=keys).join(carried.select(keys).unique(), on=keys).sort(keys)
    parts = [own.select(*keys, weight=_weights(own)) for own in asked.partition_by("variant")]
    told = table.join(pl.concat(parts), on=keys, how="left", maintain_order="left")
    weight = pl.col("weight").fill_null(0.0)
    return told.with_columns(pl.col(name) * weight for name in SUMS).drop("weight")


def _weights(own: pl.DataFrame) -> pl.Series:
    """Of the users of a variant who were asked; 0 for who did not answer."""
    given = own["surveys"].fill_null(0).to_numpy().astype(np.float64)
    raw = np.where(given > 0, 1 / (answer_chances(given > 0, behaviour(own)) * own["days"].to_numpy()), 0.0)
    return pl.Series(raw * (given.sum() / max(float(raw @ given), 1e-300)))
