"""From decisions and events to all that is known of what users went through."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from recloop.errors import DataError, RecloopError
from recloop.experience.fair import ProviderFairness, crossed_groups, fairness, provider_fairness, tidy
from recloop.experience.health import log_health
from recloop.experience.reasons import Trust
from recloop.experience.result import MetricValue, UserExperience, family_of
from recloop.experience.scorecard import scorecard
from recloop.experience.together import population
from recloop.metrics.online import OUTCOMES, OutcomeMetric
from recloop.metrics.outcomes import ItemFacts
from recloop.stats import one_sample

PARITY = ("slate_ctr", "purchase_rate", "satisfaction", "abandonment", "repeat_exposure", "latency")
"""Metrics of which groups of users are held against each other, unless others are named."""
TASTE = "taste"


def user_experience(
    table: pl.DataFrame,
    decisions: pl.DataFrame,
    events: pl.DataFrame,
    treatment: str,
    controls: Sequence[str] = (),
    alpha: float = 0.05,
    *,
    groups: pl.DataFrame | None = None,
    facts: ItemFacts | None = None,
    columns: Sequence[str] = ("category",),
    parity: Sequence[str] = PARITY,
    loss: float = 0.02,
    against: str = "",
    planned_users: int | None = None,
    crossed: bool = False,
    now: float | None = None,
    trust: Trust | None = None,
    catalogue: Mapping[str, OutcomeMetric] = OUTCOMES,
    simulation: bool = False,
) -> UserExperience:
    """Measure what users went through under a treatment: the whole catalogue, fairness, all slates, the log.

    Args:
        table: one row per (variant, user), as ``metrics.outcomes.user_table`` makes it.
        decisions: id, user, variant, time, items, latency.
        events: user, item, kind, time, decision.
        treatment: the variant that is judged.
        controls: what it is held against; none for a log without an experiment.
        alpha: the intervals' error rate, and the share of false lights.
        groups: one row per user: ``user`` and attributes (see ``fair.told``); None where nothing is known.
        facts: what is known of items; its columns ``columns`` make kinds of items.
        columns: columns of the facts that make kinds of items; those that it lacks are passed over.
        parity: metrics of which groups of users are held against each other.
        loss: how much worse, relative to a control, a group may fare.
        against: that control; the first where empty.
        planned_users: of a treatment and a control; with it, intervals of effects may be looked at any time.
        crossed: users are seen in several variants by design.
        now: seconds since 1970, for how stale the log is.
        trust: what was found of reasons.
        catalogue: the metrics.
        simulation: whether the users are made up.

    Raises:
        DataError: a table lacks columns, or is not one row per user.
        MissingError: a variant has no users.

    >>> from recloop.metrics.outcomes import user_table
    >>> ids = [str(n) for n in range(400)]
    >>> log = pl.DataFrame({"id": ids, "user": ids, "variant": ["old", "new"] * 200, "time": 0.0,
    ...     "items": [["x", "y"]] * 400, "latency": 0.01, "fallback": ""})
    >>> clicks = log[:300].select("user", item=pl.lit("x"), kind=pl.lit("click"), value=pl.lit(1.0), time=pl.lit(5.0),
    ...     decision=pl.lit(""))
    >>> found = user_experience(user_table(log, clicks), log, clicks, "new", ["old"])
    >>> found.scorecard.row("slate_ctr", "old").light, found.fairness
    ('open', None)
    """
    mine = decisions.filter(pl.col("variant").is_in([treatment, *controls]))
    own = table.filter(pl.col("variant") == treatment)
    if not own.height:
        raise DataError(f"variant '{treatment}' has no users", allowed="one that was served")
    notes = list[str]()
    values = tuple(_value(metric, own, alpha) for metric in catalogue.values())
    card = None
    if controls:
        card = scorecard(
            table, treatment, controls, alpha, metrics=list(catalogue), catalogue=catalogue,
            planned_users=planned_users, crossed=crossed,
        )  # fmt: skip
    fair = None
    who = _groups(groups, table)
    if who is None:
        notes.append("nothing is known of users, so groups are not held against each other: send a profile")
    else:
        fair = fairness(
            table, crossed_groups(who), treatment, "" if crossed or not controls else against or controls[0], alpha,
            metrics=parity, catalogue=catalogue, loss=loss, planned_users=planned_users,
        )  # fmt: skip
    kinds = _providers(mine, events, facts, treatment, columns, alpha, notes)
    return UserExperience(
        treatment=treatment,
        controls=tuple(controls),
        users={str(name): count for name, count in table["variant"].value_counts().sort("variant").iter_rows()},
        values=values,
        scorecard=card,
        fairness=fair,
        providers=kinds,
        population=tuple(population(mine, treatment, controls, facts.items.height if facts else 0, alpha)),
        health=log_health(decisions, events, now, alpha=alpha),
        trust=trust,
        notes=tuple(notes),
        simulation=simulation,
        metrics=catalogue,
    )


def _value(metric: OutcomeMetric, own: pl.DataFrame, alpha: float) -> MetricValue:
    nothing = (float("nan"),) * 3
    family = family_of(metric.id)
    if reason := metric.missing(own):
        return MetricValue(metric.id, family, metric.title, *nothing, reason)
    moments = metric.moments(own)
    if moments.n < 2 or moments.x_mean == 0:
        why = f"{moments.n} users" if moments.n < 2 else f"none yet: it needs {metric.needs}"
        return MetricValue(metric.id, family, metric.title, *nothing, why)
    found = one_sample(moments, alpha)
    return MetricValue(metric.id, family, metric.title, found.estimate, found.low, found.high)


def _groups(groups: pl.DataFrame | None, table: pl.DataFrame) -> pl.DataFrame | None:
    """Attributes with few values, and the user's taste where it is known; None where there is none."""
    who = table.select("user").unique(maintain_order=True)
    if groups is not None:
        told = groups.with_columns(pl.col("user").cast(pl.String))
        who = who.join(tidy(told.select(_useful(told))), on="user", how="left")
    taste = taste_groups(table)
    if taste is not None:
        who = who.join(taste, on="user", how="left")
    return who if who.width > 1 else None


def _useful(groups: pl.DataFrame) -> list[str]:
    return [name for name in groups.columns if name == "user" or groups[name].drop_nulls().n_unique() > 1]


def taste_groups(table: pl.DataFrame) -> pl.DataFrame | None:
    """Users by how popular what they chose before was: the fifth with the rarest taste, the fifth with the commonest.

    Returns:
        user and ``taste``: niche, mixed or blockbuster; None where it is not known of at least five users.

    Source: H. Abdollahpouri, M. Mansoury, R. Burke, B. Mobasher, "The unfairness of popularity bias in
    recommendation" (2019), section 3.

    >>> table = pl.DataFrame({"user": list("abcde"), "own_popularity_sum": [1.0, 2, 3, 4, 5], "rated_popular": 10})
    >>> taste_groups(table)["taste"].to_list()
    ['niche', 'mixed', 'mixed', 'mixed', 'blockbuster']
    """
    needed = ("own_popularity_sum", "rated_popular")
    if not all(name in table.columns and table[name].count() for name in needed):
        return None
    users = table.group_by("user", maintain_order=True).agg(pl.col(needed).sum())
    own = users.filter(pl.col("own_popularity_sum") > 0).select(
        "user", own=pl.col("own_popularity_sum") / pl.col("rated_popular")
    )
    if own.height < 5:
        return None
    low, high = np.quantile(own["own"].to_numpy(), [0.2, 0.8])
    band = pl.when(pl.col("own") <= low).then(pl.lit("niche")).when(pl.col("own") > high).then(pl.lit("blockbuster"))
    return own.select("user", band.otherwise(pl.lit("mixed")).alias(TASTE))


def _providers(
    decisions: pl.DataFrame,
    events: pl.DataFrame,
    facts: ItemFacts | None,
    treatment: str,
    columns: Sequence[str],
    alpha: float,
    notes: list[str],
) -> tuple[ProviderFairness, ...]:
    if facts is None:
        notes.append("nothing is known of items, so exposure is not held against merit: name a release or a file")
        return ()
    found = []
    for column in columns:
        if not facts.has(column) or facts.items[column].drop_nulls().n_unique() < 2:
            continue
        try:
            found.append(provider_fairness(decisions, events, facts.items, treatment, column=column, alpha=alpha))
        except RecloopError as error:
            notes.append(f"exposure by {column}: {error}")
    return tuple(found)
