"""The measures of all slates together, of a treatment and against controls."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import polars as pl
from scipy.special import ndtri

from recloop.errors import MissingError, nearest
from recloop.experience.exposure import Shown, coverage, exposure_gini, personalisation
from recloop.experiments.json_values import to_json
from recloop.experiments.words import number_of
from recloop.metrics.metric import Direction
from recloop.stats import Effect, Estimate
from recloop.stats.effect import check_alpha, difference


@dataclass(frozen=True, slots=True)
class PopulationMetric:
    """A measure of all slates together.

    ``formula`` is TeX; ``direction`` says which way is better for users.
    """

    id: str
    title: str
    formula: str
    unit: str
    direction: Direction
    source: str
    compute: Callable[[Shown, int], Estimate]


POPULATION: Mapping[str, PopulationMetric] = MappingProxyType(
    {
        metric.id: metric
        for metric in (
            PopulationMetric(
                "coverage",
                "catalogue shown",
                r"\frac{1}{I} \sum_i \left(1 - \binom{U - u_i}{m} / \binom{U}{m}\right)",
                "share of the catalogue that m users are shown",
                "higher",
                "S. Hurlbert, Ecology 1971",
                coverage,
            ),
            PopulationMetric(
                "exposure_gini",
                "concentration of exposure",
                r"\frac{\sum_i (2 r_i - I - 1)\, e_i}{I \sum_i e_i}",
                "Gini, 0 is even",
                "lower",
                "D. Fleder, K. Hosanagar, Management Science 2009",
                lambda shown, _: exposure_gini(shown),
            ),
            PopulationMetric(
                "personalisation",
                "personalisation",
                r"1 - \frac{2}{U(U-1)} \sum_{u<v} \frac{|S_u \cap S_v|}{\sqrt{|S_u| |S_v|}}",
                "0 is one slate for all",
                "higher",
                "T. Zhou and others, PNAS 2010",
                lambda shown, _: personalisation(shown),
            ),
        )
    }
)
"""The measures of all slates together, by id."""


@dataclass(frozen=True, slots=True)
class PopulationRow:
    """A measure of the treatment's slates, against a control's where there is one.

    ``users`` is m of the formula for coverage: half of the users of the smaller variant. ``effect`` is None without
    a control, or where there is nothing to compare, for the ``reason``.
    """

    metric: str
    title: str
    unit: str
    control: str
    value: float
    low: float
    high: float
    users: int
    effect: Effect | None = None
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        found: dict[str, Any] = to_json(self)
        return found


def population(
    decisions: pl.DataFrame, treatment: str, controls: Sequence[str] = (), items: int = 0, alpha: float = 0.05
) -> list[PopulationRow]:
    """The measures of all slates together.

    Args:
        decisions: user, variant, items.
        treatment: whose slates.
        controls: what they are held against.
        items: size of the catalogue; that of what was shown where it is larger.
        alpha: one minus the coverage of the intervals.

    Raises:
        MissingError: a variant has no users.

    >>> log = pl.DataFrame({"user": list("abcd"), "variant": "new", "items": [["x"], ["x"], ["y"], ["x"]]})
    >>> [(row.metric, round(row.value, 2)) for row in population(log, "new", items=10)]
    [('coverage', 0.15), ('exposure_gini', 0.85), ('personalisation', 0.5)]
    """
    check_alpha(alpha)
    arms: dict[str, Shown] = {}
    for name in (treatment, *controls):
        mine = decisions.filter(pl.col("variant") == name)
        if not mine.height:
            raise MissingError(f"variant '{name}' has no slates", advice=nearest(name, decisions["variant"].unique()))
        arms[name] = Shown.of(mine, items)
    return [
        _row(metric, arms, treatment, control, alpha) for metric in POPULATION.values() for control in controls or ("",)
    ]


def _row(
    metric: PopulationMetric, arms: Mapping[str, Shown], treatment: str, control: str, alpha: float
) -> PopulationRow:
    names = (treatment, control) if control else (treatment,)
    fewest = min(arms[name].users for name in names)
    row = PopulationRow(metric.id, metric.title, metric.unit, control, math.nan, math.nan, math.nan, fewest // 2)
    if fewest < 4:
        return replace(row, reason=f"{number_of('user', fewest)} {'is' if fewest == 1 else 'are'} too few")
    found = [metric.compute(arms[name], fewest // 2) for name in names]
    own, half = found[0], -float(ndtri(alpha / 2)) * math.sqrt(found[0].variance)
    effect, reason = None, ""
    if control and found[0].variance + found[1].variance > 0:
        effect = difference(found[0], found[1], alpha, math.inf, "jackknife over users")
    elif control:
        reason = "every user's slates are alike"
    return replace(row, value=own.value, low=own.value - half, high=own.value + half, effect=effect, reason=reason)
