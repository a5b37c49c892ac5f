"""What a plan says of one metric."""

from typing import Literal, Self

import msgspec

from recloop.errors import SettingError, nearest
from recloop.metrics.metric import Direction
from recloop.metrics.online import OUTCOMES, Form


class EventSum(msgspec.Struct, frozen=True, kw_only=True):
    """A number per user made of events inside the attribution window.

    Attributes:
        kind: of the events.
        of: ``count`` of the events, ``sum`` of their values, or ``any`` (1 where there is one, else 0).
    """

    kind: str
    of: Literal["count", "sum", "any"] = "count"


Quantity = str | EventSum
"""A number per user: a column, or a sum over events."""


class MetricPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A metric: a mean over users, or a ratio of two sums.

    Attributes:
        outcome: id of one of recloop's own metrics (``slate_ctr``), whose numerator, denominator, title, direction,
            form and margin are taken; for tables that ``metrics.outcomes.user_table`` made.
        numerator: a column with one number per user, or ``{kind = ..., of = ...}`` over events; empty means the column
            named as the metric.
        denominator: likewise; None makes it a mean over users.
        covariates: columns known before the exposure, which explain part of the metric (CUPED).
        before_days: take the same numbers over the events of so many days before the exposure as covariates, too.
        winsorise: quantile at which the numerator is capped, one threshold for all variants; 1 leaves it alone.
        negative: whether values below zero are right. Where they are not, the plan's policy on bad data applies.
        title: name for people; empty means the metric's id.
        unit: of the value.
        direction: whether ``higher`` or ``lower`` is better.
        margin: largest loss that a guardrail on it tolerates by default.
        margin_scale: whether the margin is a fraction of the control's value or in the metric's unit.
        form: how to write a value: ``number``, ``percent`` or ``seconds``.
    """

    outcome: str = ""
    numerator: Quantity = ""
    denominator: Quantity | None = None
    covariates: tuple[str, ...] = ()
    before_days: float = 0.0
    winsorise: float = 1.0
    negative: bool = False
    title: str = ""
    unit: str = ""
    direction: Direction = "higher"
    margin: float = 0.05
    margin_scale: Literal["relative", "absolute"] = "relative"
    form: Form = "number"

    def defined(self) -> Self:
        """The same with what ``outcome`` stands for filled in.

        Raises:
            SettingError: there is no such metric; the nearest is offered.
        """
        if not self.outcome:
            return self
        if self.outcome not in OUTCOMES:
            raise SettingError(f"there is no outcome '{self.outcome}'", advice=nearest(self.outcome, OUTCOMES))
        known = OUTCOMES[self.outcome]
        taken = ("numerator", "denominator", "direction", "margin", "margin_scale", "form")
        words = {"title": self.title or known.title, "unit": self.unit or known.unit, "outcome": ""}
        return msgspec.structs.replace(self, **{name: getattr(known, name) for name in taken}, **words)

    @property
    def from_events(self) -> bool:
        """Whether any of its numbers are sums over events."""
        return isinstance(self.numerator, EventSum) or isinstance(self.denominator, EventSum)
