"""What users went through under a treatment, against each control: one traffic light per metric."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from recloop.errors import MissingError, SettingError, nearest
from recloop.experiments.arms import Arms
from recloop.experiments.checks import require_users, without_crossovers
from recloop.experiments.json_values import to_json
from recloop.experiments.words import lift
from recloop.metrics.online import FAMILIES, OUTCOMES, OutcomeMetric, unknown_metric
from recloop.stats import Effect, benjamini_hochberg

Light = Literal["better", "worse", "open", "missing"]

EXPERIENCE = (
    "slate_ctr",
    "purchase_rate",
    "satisfaction",
    "sentiment",
    "abandonment",
    "diversity",
    "repeat_exposure",
    "latency",
)
"""The metrics of the scorecard, in its order."""


@dataclass(frozen=True, slots=True)
class ScorecardRow:
    """One metric of a treatment against one control.

    ``light`` knows the direction of the metric: ``better`` and ``worse`` mean so for users, ``open`` that the data
    allow both, ``missing`` that there is nothing to compare, for the ``reason``. It hangs on ``p_adjusted``, the
    p-value after Benjamini-Hochberg over the whole scorecard; the effect's interval is that of this row alone.
    """

    metric: str
    title: str
    control: str
    treatment_value: float
    control_value: float
    effect: Effect | None
    p_adjusted: float
    light: Light
    reason: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Scorecard:
    """The rows, metric by metric, each against every control."""

    treatment: str
    controls: tuple[str, ...]
    alpha: float
    users: Mapping[str, int]
    crossovers: int
    rows: tuple[ScorecardRow, ...]

    def row(self, metric: str, control: str) -> ScorecardRow:
        """The row of a metric against a control.

        Raises:
            MissingError: there is none; the nearest name is offered.
        """
        for one in self.rows:
            if (one.metric, one.control) == (metric, control):
                return one
        names = [f"{one.metric} {one.control}" for one in self.rows]
        raise MissingError(
            f"no row '{metric} {control}' on the scorecard", advice=nearest(f"{metric} {control}", names)
        )

    def by_family(self) -> dict[str, tuple[ScorecardRow, ...]]:
        """The rows by what they are about (engagement, effort and frustration …), without empty families."""
        families = {name: {metric.id for metric in family} for name, family in FAMILIES.items()}
        known = set().union(*families.values())
        found = {name: tuple(row for row in self.rows if row.metric in ids) for name, ids in families.items()}
        found["own"] = tuple(row for row in self.rows if row.metric not in known)
        return {name: rows for name, rows in found.items() if rows}

    def to_dict(self) -> dict[str, Any]:
        """JSON values; NaN and infinite become None."""
        found: dict[str, Any] = to_json(self)
        return found


def scorecard(
    table: pl.DataFrame,
    treatment: str,
    controls: Sequence[str],
    alpha: float = 0.05,
    *,
    metrics: Sequence[str] = EXPERIENCE,
    catalogue: Mapping[str, OutcomeMetric] = OUTCOMES,
    planned_users: int | None = None,
    crossed: bool = False,
) -> Scorecard:
    """Score what users experienced.

    Args:
        table: one row per (variant, user), as ``metrics.outcomes.user_table`` makes it. Users of several variants are
            left out.
        treatment: the variant that is judged.
        controls: the variants that it is held against, such as ``random`` and ``popular``.
        alpha: share of false lights among the lights that is accepted; the intervals' error rate.
        metrics: ids, in the order of the rows.
        catalogue: where they are defined.
        planned_users: users of a treatment and a control together that the experiment was planned for; with it, every
            interval may be looked at any time. Without, they are made for one look.
        crossed: users are seen in several variants by design, since sessions or requests were assigned.

    Raises:
        DataError: the table is not one row per user.
        MissingError: a variant has no users.
        SettingError: a metric is not in the catalogue, or there is no control.

    >>> table = pl.DataFrame({
    ...     "variant": ["popular", "blend"] * 200, "user": [f"u{i}" for i in range(400)],
    ...     "slates": [2] * 400, "clicked_slates": [0, 1, 1, 2] * 100})
    >>> card = scorecard(table, "blend", ["popular"], metrics=["slate_ctr", "satisfaction"])
    >>> for row in card.rows:
    ...     print(row.light, "|", row.sentence)
    better | click rate: 75.0% against 25.0% under popular, better (+200%, between +161% and +251%)
    missing | satisfaction: not measured: it needs ratings (events or feedback), and there are none
    """
    require_users(table)
    if not controls:
        raise SettingError("no control is named", advice="hold it against 'random' and 'popular'")
    for metric in metrics:
        if metric not in catalogue:
            raise unknown_metric(metric, catalogue)
    shown = table.filter(pl.col("variant").is_in([treatment, *controls]))
    kept, crossovers = (shown, 0) if crossed else without_crossovers(shown)
    users = dict(kept["variant"].value_counts().iter_rows())
    for name in (treatment, *controls):
        if name not in users:
            raise MissingError(f"variant '{name}' has no users", advice=nearest(name, table["variant"].unique()))
    arms = Arms.of(kept, [catalogue[metric] for metric in metrics], crossed=crossed)
    places = [(metric, control) for metric in metrics for control in controls]
    effects = [_effect(arms, metric, treatment, control, alpha, planned_users) for metric, control in places]
    adjusted = benjamini_hochberg([effect.p_value if effect else float("nan") for effect in effects]).tolist()
    return Scorecard(
        treatment=treatment,
        controls=tuple(controls),
        alpha=alpha,
        users={name: users[name] for name in (treatment, *controls)},
        crossovers=crossovers,
        rows=tuple(
            _row(arms, metric, treatment, control, effect, p, alpha)
            for (metric, control), effect, p in zip(places, effects, adjusted, strict=True)
        ),
    )


def _effect(
    arms: Arms, metric: str, treatment: str, control: str, alpha: float, planned_users: int | None
) -> Effect | None:
    if arms.incomparable(metric, treatment, control):
        return None
    effects = arms.effects(metric, treatment, control, alpha, planned_users or 2)
    return effects.sequential if planned_users else effects.fixed


def _row(
    arms: Arms, metric: str, treatment: str, control: str, effect: Effect | None, p_adjusted: float, alpha: float
) -> ScorecardRow:
    found = arms.metrics[metric]
    reason = arms.incomparable(metric, treatment, control)
    light: Light = "missing"
    sentence = f"{found.title}: {reason}"
    if arms.equal(metric, treatment, control):
        light = "open"
    if effect:
        light = "open"
        if p_adjusted < alpha:
            light = "better" if effect.estimate * found.sign > 0 else "worse"
        word: str = light if light != "open" else "no clear difference"
        if light == "open" and effect.p_value < alpha:
            word = f"no clear difference once the other rows are allowed for, p = {p_adjusted:.2g}"
        values = f"{found.say(effect.treatment)} against {found.say(effect.control)} under {control}"
        sentence = f"{found.title}: {values}, {word} ({lift(found, effect)})"
    return ScorecardRow(
        metric=metric,
        title=found.title,
        control=control,
        treatment_value=arms.value(metric, treatment),
        control_value=arms.value(metric, control),
        effect=effect,
        p_adjusted=p_adjusted,
        light=light,
        reason=reason,
        sentence=sentence,
    )
