"""How groups of users fare, as values: one row per metric and attribute."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from recloop.errors import MissingError, nearest
from recloop.experiments.json_values import to_json
from recloop.metrics.online import OutcomeMetric
from recloop.stats import Effect, OneSample

Held = Literal["held", "breached", "unclear", ""]
Gap = Literal["apart", "open", "missing"]
FIFTHS = 0.8
"""Least over greatest that the four-fifths rule lets pass (EEOC 1978)."""


@dataclass(frozen=True, slots=True)
class GroupValue:
    """One group of users: its value under the treatment, and what the treatment changed for it.

    ``lift`` is None where there is no control. ``held`` says whether the group is worse by more than the loss that is
    tolerated: ``held`` (it is not), ``breached`` (it is), ``unclear`` (the data allow both).
    """

    group: str
    users: int
    value: float
    low: float
    high: float
    p_adjusted: float = math.nan
    lift: Effect | None = None
    held: Held = ""


@dataclass(frozen=True, slots=True)
class FairnessRow:
    """One metric over the groups of one attribute.

    Attributes:
        attribute: what makes the groups; ``sex × age`` where two do together.
        metric: id.
        title: of the metric.
        groups: those that are large enough, best first.
        small: groups that are too small to be shown.
        small_users: users in them.
        unknown: users of whom the attribute is not known.
        ratio: least value over greatest; by chance alone it is below 1.
        ratio_low: its interval, from intervals of the groups that hold together.
        ratio_high: likewise.
        p_value: that all groups have one value (Cochran's Q).
        p_adjusted: after Benjamini-Hochberg over all rows.
        worst: the group that fares worst.
        gap: it against all other users.
        gap_light: ``apart`` where the worst group differs from the others beyond doubt.
        lift_p: that the treatment does the same to all groups (interaction test); NaN without a control.
        lift_p_adjusted: after Benjamini-Hochberg over all rows.
        reason: why there is nothing, where there is nothing.
        sentence: the gap in words.
        lift_sentence: the treatment's parity in words.
    """

    attribute: str
    metric: str
    title: str
    groups: tuple[GroupValue, ...] = ()
    small: int = 0
    small_users: int = 0
    unknown: int = 0
    ratio: float = math.nan
    ratio_low: float = math.nan
    ratio_high: float = math.nan
    p_value: float = math.nan
    p_adjusted: float = math.nan
    worst: str = ""
    gap: Effect | None = None
    gap_light: Gap = "missing"
    lift_p: float = math.nan
    lift_p_adjusted: float = math.nan
    reason: str = ""
    sentence: str = ""
    lift_sentence: str = ""


@dataclass(frozen=True, slots=True)
class Fairness:
    """The rows, attribute by attribute.

    ``loss`` is how much worse, relative to the control, a group may fare for ``held``.
    """

    treatment: str
    control: str
    alpha: float
    loss: float
    users: int
    attributes: tuple[str, ...]
    rows: tuple[FairnessRow, ...]
    notes: tuple[str, ...] = ()
    metrics: Mapping[str, OutcomeMetric] = field(default_factory=dict, repr=False)

    def row(self, attribute: str, metric: str) -> FairnessRow:
        """The row of an attribute and a metric.

        Raises:
            MissingError: there is none; the nearest name is offered.
        """
        for one in self.rows:
            if (one.attribute, one.metric) == (attribute, metric):
                return one
        names = [f"{one.attribute} {one.metric}" for one in self.rows]
        raise MissingError(f"no row '{attribute} {metric}'", advice=nearest(f"{attribute} {metric}", names))

    def to_dict(self) -> dict[str, Any]:
        """JSON values; NaN and infinite become None."""
        found: dict[str, Any] = to_json(replace(self, metrics={}))
        del found["metrics"]
        return found


@dataclass(frozen=True, slots=True)
class Provider:
    """One kind of items: what it is shown of, and what it earns.

    Attributes:
        name: the kind.
        items: items of the catalogue.
        exposure: share of all exposure, a place counting 1 / log2(1 + place), with its interval over users.
        merit: share of what users took up.
        ratio: exposure over merit; 1 is as it earns, NaN without merit.
        ratio_low: its interval, from that of the exposure.
        ratio_high: likewise.
        opportunity: share of what users took up that they had been shown before, with its interval; None where nothing
            was taken up.
        starved: items with merit and next to no exposure.
        with_merit: items with merit.
    """

    name: str
    items: int
    exposure: OneSample
    merit: float
    ratio: float
    ratio_low: float
    ratio_high: float
    opportunity: OneSample | None
    starved: int
    with_merit: int

    @property
    def light(self) -> Literal["too little", "too much", "fair"]:
        """Beyond doubt and by more than a fifth away from what it earns, or not."""
        if self.ratio < FIFTHS and self.ratio_high < 1:
            return "too little"
        return "too much" if self.ratio > 1 / FIFTHS and self.ratio_low > 1 else "fair"


@dataclass(frozen=True, slots=True)
class ProviderFairness:
    """Exposure against merit for each kind of items, the greatest merit first.

    Attributes:
        column: what makes the kinds.
        variant: whose slates were read.
        providers: the kinds.
        ndkl: how far the kinds of the top places are from what they earn, 0 is not at all; with its interval.
        long_tail: share of exposure of items outside the head of the catalogue, with its interval.
        long_tail_merit: their share of merit.
        opportunity_gap: greatest less least opportunity of the kinds; NaN where fewer than two have one.
        starved: items with merit and next to no exposure, of all.
        with_merit: items with merit.
        sentence: what stands out.
    """

    column: str
    variant: str
    providers: tuple[Provider, ...]
    ndkl: OneSample
    long_tail: OneSample
    long_tail_merit: float
    opportunity_gap: float
    starved: int
    with_merit: int
    sentence: str

    @property
    def unfair(self) -> bool:
        """Whether a kind of items is far from what it earns, beyond doubt."""
        return any(one.light != "fair" for one in self.providers)

    def to_dict(self) -> dict[str, Any]:
        """JSON values; NaN and infinite become None."""
        found: dict[str, Any] = to_json(self)
        return found
