"""What an experiment can find, day by day: from what is known of the users before it starts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl

from recloop.errors import DataError, SettingError
from recloop.experiments.definition import Experiment
from recloop.experiments.json_values import to_json
from recloop.experiments.planned_looks import planned_design, planned_futility
from recloop.metrics.online import OutcomeMetric
from recloop.stats import detectable_change, sequential_inflation
from recloop.stats.duration import LONGEST, users_by_day
from recloop.stats.many_treatments import dunnett, per_comparison

DAY = 86_400.0
Adjustment = Literal["bonferroni", "dunnett"]


@dataclass(frozen=True, slots=True)
class Pilot:
    """What is known of a metric before the start.

    Attributes:
        metric: what is measured.
        baseline: its value.
        variances: what one user adds (``Moments.unit_variance``) after 1, 2, … days; the last one holds from then on.
            A user who was here for a week says more about a click rate, and may have bought more, than one of a day.
        new_users: on each day from the start.
        users: that it was learned from; 0 where it was given.
        said: where it comes from, as a sentence.
    """

    metric: OutcomeMetric
    baseline: float
    variances: tuple[float, ...]
    new_users: tuple[float, ...]
    users: int = 0
    said: str = ""

    def __post_init__(self) -> None:
        if not self.variances or not all(math.isfinite(v) and v >= 0 for v in self.variances):
            raise DataError(
                f"the variance of {self.metric.title} is {self.variances}",
                allowed="a number of at least 0 for each day",
            )

    @classmethod
    def of(cls, metric: OutcomeMetric, tables: Sequence[pl.DataFrame], said: str = "") -> "Pilot":
        """From user tables after 1, 2, … days of a history; a single one stands for every day.

        The last table has ``first``, the time of each user's first slate: it says how many new users each day brings.
        Of a single table the last day is left out, since it may be but a part of one.

        Raises:
            DataError: there are too few users, the metric is not measured, or nobody knows when users came.

        >>> from recloop.metrics.online import OUTCOMES
        >>> users = pl.DataFrame({"user": ["a", "b", "c", "d"], "first": [0.0, 10.0, 9e4, 2e5],
        ...     "slates": [2, 1, 4, 1], "clicked_slates": [1, 0, 2, 1]})
        >>> found = Pilot.of(OUTCOMES["slate_ctr"], [users])
        >>> found.baseline, found.new_users
        (0.5, (2.0, 1.0))
        """
        last = tables[-1]
        if missing := metric.missing(last):
            raise DataError(f"{metric.title} is {missing}", advice="name another metric, or another history")
        moments = [metric.moments(table) for table in tables]
        # a day on which hardly anybody came says nothing of its own
        known = [m.unit_variance if m.n >= 2 and m.x_mean != 0 else math.nan for m in moments]
        if not math.isfinite(known[-1]):
            raise DataError(f"{last.height} users are too few to plan with", allowed="a variance needs at least 2")
        filled = pl.Series(known).fill_nan(None).fill_null(strategy="backward").to_list()
        return cls(
            metric, moments[-1].estimate().value, tuple(filled), _new_users(last, len(tables)), last.height, said
        )


@dataclass(frozen=True, slots=True)
class Design:
    """What an experiment asks of its users.

    Attributes:
        alpha: error rate of all comparisons together.
        power: chance to find the change where it is there.
        comparisons: pairs of a treatment and a control.
        share: the treatment's share of the users of its pair.
        pair: the pair's share of the users who take part.
        traffic: share of all users that takes part.
        rule: ``fixed`` for a single look, ``sequential`` for one at any time, ``group-sequential`` for planned looks.
        looks: of the group-sequential rule: rising shares of the users, or how many that are evenly spread.
        spending: how these looks spend alpha, as in an experiment's definition.
        futility: how they spend the chance to miss the change, likewise; empty where they do not end as futile.
        correlation: of the metric with a covariate from before the start.
        adjustment: how the comparisons share alpha. Experiments are decided by Holm, of which ``bonferroni`` is the
            first step; ``dunnett`` is for several treatments against one control.
    """

    alpha: float = 0.05
    power: float = 0.8
    comparisons: int = 1
    share: float = 0.5
    pair: float = 1.0
    traffic: float = 1.0
    rule: Literal["fixed", "sequential", "group-sequential"] = "sequential"
    looks: tuple[float, ...] | int = 5
    spending: str = "obrien-fleming"
    futility: str = ""
    correlation: float = 0.0
    adjustment: Adjustment = "bonferroni"

    @classmethod
    def even(cls, treatments: int = 1, **settings: Any) -> "Design":
        """One control and several treatments, all of one size.

        >>> Design.even(3).pair
        0.5
        """
        if treatments < 1:
            raise SettingError(f"{treatments} treatments", allowed="at least 1")
        return cls(comparisons=treatments, pair=2 / (treatments + 1), **settings)

    @classmethod
    def of(cls, experiment: Experiment, **settings: Any) -> "Design":
        """That of an experiment, for its pair with the fewest users. ``settings`` go before what it says."""
        weights, held = experiment.weights, experiment.holdout.share if experiment.holdout else 0.0
        treatment, control = min(experiment.pairs, key=lambda pair: weights[pair[0]] + weights[pair[1]])
        both = weights[treatment] + weights[control]
        own = {
            "alpha": experiment.alpha,
            "comparisons": len(experiment.pairs),
            "share": weights[treatment] / both,
            "pair": both / sum(weights.values()),
            "traffic": experiment.traffic * (1 - held),
            "rule": experiment.rule,
            "looks": experiment.looks,
            "spending": experiment.spending,
            "futility": experiment.futility,
        }
        return cls(**{**own, **settings})

    @property
    def alpha_each(self) -> float:
        """What one comparison may spend."""
        if self.adjustment == "dunnett":
            return dunnett(self.alpha, self.comparisons, self.share)
        return per_comparison(self.alpha, self.comparisons)

    @property
    def looks_at(self) -> tuple[float, ...]:
        """Shares of the users at which the group-sequential rule looks."""
        if isinstance(self.looks, int):
            return tuple((look + 1) / self.looks for look in range(self.looks))
        return self.looks

    @property
    def inflation(self) -> float:
        """Users over those of a single look."""
        if self.rule == "sequential":
            return sequential_inflation(self.alpha_each, self.power)
        if self.rule == "group-sequential":
            if self.futility:
                plan = (self.looks_at, self.spending, self.alpha_each, self.futility, self.power)
                return max(planned_futility(*plan).inflation, 1.0)
            design = planned_design(self.looks_at, self.spending, self.alpha_each)
            return max(design.inflation(self.power), 1.0)  # of one look it is 1 up to the chance of a win the wrong way
        return 1.0


@dataclass(frozen=True, slots=True)
class Day:
    """What can be found at the end of a day.

    Attributes:
        day: from 1.
        users: who take part so far.
        change: the smallest true change that is found with the wanted power, in the metric's unit.
        relative: the same as a fraction of the baseline; NaN where that is zero.
    """

    day: int
    users: int
    change: float
    relative: float


@dataclass(frozen=True, slots=True)
class Sizing:
    """What an experiment can find, and what a wanted change needs.

    ``wanted`` is the change asked for, in the metric's unit, ``needed`` the first day on which it can be found; None
    where none was asked for, or where no day of ten years is enough.
    """

    pilot: Pilot
    design: Design
    days: tuple[Day, ...]
    wanted: float | None = None
    needed: Day | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON values; NaN becomes None."""
        found: dict[str, Any] = to_json(self)
        found["pilot"]["metric"] = self.pilot.metric.id
        return found | {"alpha_each": self.design.alpha_each, "inflation": self.design.inflation}


def size(pilot: Pilot, design: Design, *, days: int = 42, change: float | None = None) -> Sizing:
    """The smallest change that can be found, by day; and when a wanted one can be.

    Args:
        pilot: what is known of the users.
        design: what is asked of them.
        days: how many are told.
        change: to find, in the metric's unit.

    Raises:
        SettingError: a setting is out of range.

    >>> from recloop.metrics.online import OUTCOMES
    >>> pilot = Pilot(OUTCOMES["purchase_rate"], 0.10, (0.09,), (1000.0,))
    >>> found = size(pilot, Design(rule="fixed"), days=7, change=0.02)
    >>> found.needed.day, found.needed.users, round(found.days[-1].relative, 3)
    (8, 8000, 0.201)
    """
    if change is not None and not (math.isfinite(change) and change):
        raise SettingError(f"the change to find is {change}", allowed="a number that is not zero")
    come = users_by_day(pilot.new_users, LONGEST) * design.traffic
    both = come * design.pair
    if both[0] < 2 and both[-1] < 2:
        raise SettingError("nobody takes part", allowed="some users come, and some of them take part")
    variance = np.full(LONGEST, pilot.variances[-1])
    variance[: len(pilot.variances)] = pilot.variances[:LONGEST]
    # of one user with variance one: what it costs does not depend on the day
    unit = detectable_change(
        1.0,
        1_000_000,
        alpha=design.alpha_each,
        power=design.power,
        share=design.share,
        correlation=design.correlation,
        inflation=design.inflation,
    ) * math.sqrt(1_000_000)
    found = unit * np.sqrt(variance / np.maximum(both, 1e-9))

    def told(place: int) -> Day:
        relative = found[place] / abs(pilot.baseline) if pilot.baseline else math.nan
        return Day(place + 1, round(come[place]), float(found[place]), float(relative))

    needed = None
    if change is not None and (enough := np.flatnonzero(found <= abs(change))).size:
        needed = told(int(enough[0]))
    return Sizing(pilot, design, tuple(told(place) for place in range(min(days, LONGEST))), change, needed)


def _new_users(table: pl.DataFrame, days: int) -> tuple[float, ...]:
    if "first" not in table.columns or not table.height:
        raise DataError("nobody knows when users came", allowed="the table has 'first', the time of the first slate",
                        advice="say how many come: --users-per-day")  # fmt: skip
    first = table["first"].to_numpy()
    found = np.bincount(((first - first.min()) // DAY).astype(np.int64), minlength=days).astype(float)
    return tuple(found[: days if days > 1 else max(found.size - 1, 1)].tolist())
