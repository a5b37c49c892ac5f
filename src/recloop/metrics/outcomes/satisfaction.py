"""Sums of what users said: ratings, survey answers, thumbs, comments."""

import numpy as np
import polars as pl

from recloop.metrics.outcomes.log import Log, Part

TOP = 4.0
"""An answer of at least so much, of five, is one of the two best; of another scale, three quarters of the way up."""


def satisfaction(log: Log) -> list[Part]:
    """Ratings from events and feedback; answers, thumbs, comments and votes on reasons from feedback."""
    said, kinds = log.said, set[str]()
    rates = pl.col("kind").is_in(log.kinds.rating) & pl.col("value").is_not_null()
    ratings = log.done.filter(rates).select("decision", "value")
    if said is not None:
        kinds = set(said.filter(pl.col("value").is_not_null())["kind"])
        told = said.lazy().filter(pl.col("kind") == "rating", pl.col("value").is_not_null())
        ratings = pl.concat([ratings, told.select("decision", "value")])
    rated = ratings.group_by("decision").agg(ratings=pl.len(), rating_sum=pl.col("value").sum())
    sent = log.valued("rating") or "rating" in kinds
    found = [Part(rated, ("ratings",), ("rating_sum",), () if sent else ("ratings", "rating_sum"))]
    found.append(_answers(log, "survey" in kinds))
    found.append(_comments(log))
    if said is not None:
        found += [
            _votes(said, kind, good) for kind, good in (("thumbs", "thumbs_up"), ("helpful", "helped")) if kind in kinds
        ]
    return found


def _answers(log: Log, sent: bool) -> Part:
    if log.said is None or not sent:
        return Part(unsent=("surveys", "survey_sum"))
    answers = log.said.lazy().filter(pl.col("kind") == "survey", pl.col("value").is_not_null())
    top = pl.lit(TOP)
    if "details" in log.slates.collect_schema():
        answers = answers.join(log.slates.select("decision", "details"), on="decision", how="left")
        low, high = (
            pl.col("details").str.json_path_match(f"$.survey.{end}").cast(pl.Float64) for end in ("low", "high")
        )
        answers = answers.filter(pl.col("value").is_between(low, high).fill_null(value=True))  # what is on the scale
        top = (low + 0.75 * (high - low)).fill_null(TOP)
    each = answers.group_by("decision").agg(
        surveys=pl.len(), survey_sum=pl.col("value").sum(), survey_top=(pl.col("value") >= top).sum()
    )
    return Part(each, ("surveys", "survey_top"), ("survey_sum",))


def _votes(said: pl.DataFrame, kind: str, good: str) -> Part:
    """Votes for and against: a value above zero is for."""
    votes = said.lazy().filter(pl.col("kind") == kind, pl.col("value").is_not_null()).group_by("decision")
    asked = f"{kind}_given"
    return Part(votes.agg(pl.len().alias(asked), (pl.col("value") > 0).sum().alias(good)), (asked, good))


def _comments(log: Log) -> Part:
    columns = ("comments",), ("sentiment_sum",)
    if log.said is None or log.sentiment is None:
        return Part(unsent=columns[0] + columns[1])
    written = log.said.filter(pl.col("text").fill_null("") != "")
    if not written.height:
        return Part(unsent=columns[0] + columns[1])
    score = np.asarray(log.sentiment(written["text"].to_list()), dtype=np.float64)
    each = written.lazy().with_columns(score=pl.Series(score)).group_by("decision")
    return Part(each.agg(comments=pl.len(), sentiment_sum=pl.col("score").sum()), *columns)
