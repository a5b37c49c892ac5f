"""Whether groups of users fare alike: what each has, the worst against the rest, and what a treatment does to each."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from recloop.errors import DataError, MissingError, SettingError, nearest
from recloop.experience.fair.rows import Fairness, FairnessRow, GroupValue, Held
from recloop.experience.fair.words import say_gap, say_lifts
from recloop.experiments.arms import Arms
from recloop.experiments.checks import require_users, without_crossovers
from recloop.experiments.effects import once, plain
from recloop.experiments.segment_columns import UNKNOWN
from recloop.experiments.segments import Cells
from recloop.metrics.online import OUTCOMES, OutcomeMetric
from recloop.metrics.online.operations import OPERATIONS
from recloop.stats import Effect, Estimate, Moments, benjamini_hochberg, heterogeneity, one_sample
from recloop.stats.one_sample import always_valid_one_sample

LEAST_USERS = 100
"""Users that a group needs in each variant; smaller ones are counted, and not shown."""
LEAST_EVENTS = 20.0
"""Events that a group is expected to have where the metric is a share, if it were like all others."""
LOSS = 0.02


def fairness(
    table: pl.DataFrame,
    groups: pl.DataFrame,
    treatment: str,
    control: str = "",
    alpha: float = 0.05,
    *,
    metrics: Sequence[str],
    catalogue: Mapping[str, OutcomeMetric] = OUTCOMES,
    loss: float = LOSS,
    least_users: int = LEAST_USERS,
    least_events: float = LEAST_EVENTS,
    planned_users: int | None = None,
) -> Fairness:
    """Hold groups of users against each other.

    Differences between groups under one variant are what is (people differ); differences between the *lifts* of groups
    are what the treatment does. Both are told apart here. The unit is the user.

    Args:
        table: one row per (variant, user), as ``metrics.outcomes.user_table`` makes it. Users of several variants are
            left out.
        groups: one row per user: ``user`` and attributes as text, as ``groups.crossed_groups`` makes it.
        treatment: the variant whose users are looked at.
        control: what the lifts are held against; "" for none.
        alpha: the intervals' error rate, and the share of false findings accepted.
        metrics: ids.
        catalogue: where they are defined.
        loss: how much worse, relative to the control, a group may fare.
        least_users: users that a group needs in each variant.
        least_events: events that a group is expected to have, where the metric is a share.
        planned_users: of treatment and control together; with it lifts may be looked at any time.

    Source: the ratio of the least to the greatest value is the four-fifths rule's (EEOC, "Uniform guidelines on
    employee selection procedures", 1978, section 4D); the interaction test is Cochran's (see ``stats.heterogeneity``).

    Raises:
        DataError: a table is not one row per user.
        MissingError: a variant has no users.
        SettingError: a metric is not in the catalogue, or the loss is negative.

    >>> table = pl.DataFrame({"variant": "new", "user": [str(n) for n in range(800)], "slates": 10,
    ...     "clicked_slates": [n % 5 + (n % 2) for n in range(800)]})
    >>> groups = pl.DataFrame({"user": table["user"], "sex": ["f", "m"] * 400})
    >>> found = fairness(table, groups, "new", metrics=["slate_ctr"]).row("sex", "slate_ctr")
    >>> found.worst, round(found.ratio, 2), found.gap_light
    ('f', 0.67, 'apart')
    """
    require_users(table)
    for metric in metrics:
        if metric not in catalogue:
            raise SettingError(f"there is no metric '{metric}'", advice=nearest(metric, catalogue))
    if not 0 <= loss < 1:
        raise SettingError(f"the tolerated loss is {loss}", allowed="0 up to 1", advice="0.02 is two per cent")
    if groups["user"].n_unique() < groups.height:
        raise DataError("the groups repeat a user", allowed="one row per user")
    names = [treatment, control] if control else [treatment]
    kept, _ = without_crossovers(table.filter(pl.col("variant").is_in(names)))
    present = set(kept["variant"].unique())
    for name in names:
        if name not in present:
            raise MissingError(f"variant '{name}' has no users", advice=nearest(name, table["variant"].unique()))
    attributes = [name for name in groups.columns if name != "user"]
    known = kept.select("variant", "user", *{c for m in metrics for c in catalogue[m].columns if c in kept.columns})
    known = known.join(groups.with_columns(pl.col("user").cast(pl.String)), on="user", how="left")
    arms = Arms.of(known, [catalogue[metric] for metric in metrics])
    cells = Cells.read(arms, attributes, metrics)
    rules = _Rules(treatment, control, alpha, loss, least_users, least_events, planned_users)
    rows = [_row(arms, cells, attribute, metric, rules) for attribute in attributes for metric in metrics]
    gaps = benjamini_hochberg([row.p_value for row in rows]).tolist()
    lifts = benjamini_hochberg([row.lift_p for row in rows]).tolist()
    rows = [replace(row, p_adjusted=p, lift_p_adjusted=q) for row, p, q in zip(rows, gaps, lifts, strict=True)]
    return Fairness(
        treatment=treatment,
        control=control,
        alpha=alpha,
        loss=loss,
        users=kept.height,
        attributes=tuple(attributes),
        rows=tuple(_said(row, catalogue[row.metric], rules) for row in rows),
        notes=() if attributes else ("nothing is known of users: send a profile with the requests",),
        metrics={metric: catalogue[metric] for metric in metrics},
    )


@dataclass(frozen=True, slots=True)
class _Rules:
    treatment: str
    control: str
    alpha: float
    loss: float
    least_users: int
    least_events: float
    planned_users: int | None

    @property
    def names(self) -> tuple[str, ...]:
        return (self.treatment, self.control) if self.control else (self.treatment,)


def _row(arms: Arms, cells: Cells, attribute: str, metric: str, rules: _Rules) -> FairnessRow:
    found = arms.metrics[metric]
    row = FairnessRow(attribute, metric, found.title)
    if reason := next((why for name in rules.names if (why := arms.unknown(metric, name))), ""):
        return replace(row, reason=reason)
    by_value = {group: by for group, by in cells.of(metric).get(attribute, {}).items() if group != UNKNOWN}
    told = sum(part[name].n for part in by_value.values() for name in rules.names)
    unknown = sum(arms.moments[metric, name].n for name in rules.names) - told
    large = {group: by for group, by in by_value.items() if _large(by, arms, metric, rules)}
    small_users = told - sum(by[name].n for by in large.values() for name in rules.names)
    row = replace(row, small=len(by_value) - len(large), small_users=small_users, unknown=unknown)
    if len(large) < 2:
        return replace(row, reason=f"{len(large)} groups are large enough ({rules.least_users:,} users each variant)")
    return _compared(row, found, large, rules)


def _large(by: Mapping[str, Moments], arms: Arms, metric: str, rules: _Rules) -> bool:
    """Whether a group has users enough, and would have events enough if it were like everybody."""
    for name in rules.names:
        part, whole = by[name], arms.moments[metric, name]
        if part.n < rules.least_users or part.x_mean == 0:
            return False
        if arms.metrics[metric].form == "percent":
            per_user = whole.mean if whole.x_mean is None else abs(whole.ratio) * (part.x_mean or 0.0)
            if abs(per_user) * part.n < rules.least_events:
                return False
    return True


def _compared(
    row: FairnessRow, metric: OutcomeMetric, large: Mapping[str, Mapping[str, Moments]], rules: _Rules
) -> FairnessRow:
    own = {group: by[rules.treatment] for group, by in large.items()}
    estimates = {group: part.estimate() for group, part in own.items()}
    if not all(one.variance > 0 for one in estimates.values()):
        return replace(row, reason="every user of a group has the same value")
    rest = {group: sum((o for g, o in own.items() if g != group), Moments()) for group in own}
    gaps = {group: once(own[group], rest[group], rules.alpha) for group in own}
    ps = benjamini_hochberg([gap.p_value for gap in gaps.values()]).tolist()
    values = [_group(group, large[group], p, rules, len(large), metric) for group, p in zip(large, ps, strict=True)]
    values.sort(key=lambda one: -metric.sign * one.value)
    test = heterogeneity(list(estimates.values()))
    worst = values[-1]
    together = 1 - (1 - rules.alpha) ** (1 / len(values))  # Šidák: the groups are independent
    bounds = [one_sample(part, together) for part in own.values()]
    ratio, low, high = _ratio([one.value for one in values], [b.low for b in bounds], [b.high for b in bounds])
    lift_p = math.nan
    if rules.control:
        lifts = [
            Estimate(t.value - c.value, t.variance + c.variance, t.n + c.n)
            for by in large.values()
            for t, c in [(by[rules.treatment].estimate(), by[rules.control].estimate())]
        ]
        if all(one.variance > 0 for one in lifts):
            lift_p = heterogeneity(lifts, planned=rules.planned_users).p_value
    apart = worst.p_adjusted < rules.alpha and metric.sign * gaps[worst.group].estimate < 0
    return replace(
        row, groups=tuple(values), ratio=ratio, ratio_low=low, ratio_high=high, p_value=test.p_value,
        worst=worst.group, gap=gaps[worst.group], gap_light="apart" if apart else "open", lift_p=lift_p,
    )  # fmt: skip


def _ratio(values: Sequence[float], lows: Sequence[float], highs: Sequence[float]) -> tuple[float, float, float]:
    """Least over greatest, with what the groups' joint intervals allow; NaN where a value is not above zero."""
    if not min(values) >= 0 or not max(values) > 0:
        return math.nan, math.nan, math.nan
    low = max(min(lows), 0.0) / max(highs)
    high = min(min(highs) / max(lows), 1.0) if max(lows) > 0 else 1.0
    return min(values) / max(values), low, high


def _group(
    group: str, by: Mapping[str, Moments], p: float, rules: _Rules, groups: int, metric: OutcomeMetric
) -> GroupValue:
    own, planned = by[rules.treatment], rules.planned_users
    seen = always_valid_one_sample(own, rules.alpha, planned=max(planned // 2, 2)) if planned else None
    seen = seen or one_sample(own, rules.alpha)
    value = GroupValue(group, own.n, seen.estimate, seen.low, seen.high, p)
    if not rules.control:
        return value
    lifts = [
        both.sequential if planned else both.fixed
        for alpha in (rules.alpha, rules.alpha / groups)
        for both in [plain(own, by[rules.control], alpha, max((planned or 2) // groups, 2))]
    ]
    return replace(value, lift=lifts[0], held=_held(lifts[0], lifts[1], metric, rules.loss))


def _held(effect: Effect, strict: Effect, metric: OutcomeMetric, loss: float) -> Held:
    """That all are held needs no allowance for their number, since each must hold; a breach does (Bonferroni).

    Of how slates are answered the margin of the metric is tolerated where it is more than the loss: 2% of a few
    milliseconds are nothing.
    """
    if metric in OPERATIONS:
        most = max(loss * abs(effect.control), metric.margin)
        worst, least = (-effect.low, -strict.high) if metric.sign > 0 else (effect.high, strict.low)
        return "breached" if least > most else "held" if worst < most else "unclear"
    if not effect.bounded:
        return "unclear"
    worst = effect.relative_low if metric.sign > 0 else -effect.relative_high
    best = strict.relative_high if metric.sign > 0 else -strict.relative_low
    if strict.bounded and best < -loss:
        return "breached"
    return "held" if worst > -loss else "unclear"


def _said(row: FairnessRow, metric: OutcomeMetric, rules: _Rules) -> FairnessRow:
    return replace(row, sentence=say_gap(row, metric), lift_sentence=say_lifts(row, metric, rules.alpha))
