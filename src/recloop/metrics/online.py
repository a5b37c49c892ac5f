"""What users did with slates, as values: each metric is a sum over a sum, or a mean over users."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.errors import DataError, nearest
from recloop.metrics.metric import Direction
from recloop.stats import Moments

Form = Literal["percent", "number", "seconds"]
Scale = Literal["relative", "absolute"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeMetric:
    """A metric of live users, computed from one row of sums per user.

    Args:
        id: short name, as configuration and columns use it.
        title: name for people, lower case as inside a sentence.
        formula: TeX; u runs over users, d over decisions.
        unit: of the value.
        needs: what must have been sent for the metric to exist, as a sentence names it.
        numerator: column of the user table.
        denominator: column of the user table, or None for a mean over users.
        direction: whether ``higher`` or ``lower`` is better.
        margin: largest loss that a guardrail on it tolerates by default.
        margin_scale: whether the margin is a fraction of the control's value or in the metric's unit.
        form: how to write a value.
        of_items: whether it counts only what is shown or what happens to it: under a policy that shows nothing, such
            a metric is zero or has no value.
        source: where the definition comes from.
    """

    id: str
    title: str
    formula: str
    unit: str
    needs: str
    numerator: str
    denominator: str | None = None
    direction: Direction = "higher"
    margin: float = 0.05
    margin_scale: Scale = "relative"
    form: Form = "number"
    of_items: bool = False
    source: str = ""

    @property
    def sign(self) -> int:
        """+1 where higher is better, -1 where lower is."""
        return 1 if self.direction == "higher" else -1

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the user table that it reads."""
        return (self.numerator,) if self.denominator is None else (self.numerator, self.denominator)

    def missing(self, table: pl.DataFrame) -> str:
        """Why it cannot be computed from this table, or an empty string where it can."""
        if all(c in table.columns and table[c].null_count() < max(table.height, 1) for c in self.columns):
            return ""
        return f"not measured: it needs {self.needs}, and there are none"

    def values(self, table: pl.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        """Numerator and denominator (None where it is a mean over users) of each row (user).

        Raises:
            DataError: a column is missing, holds text, NaN or infinite values, or is empty for some users only.
        """
        y, *x = (_numbers(table, column, self.id) for column in self.columns)
        return y, x[0] if x else None

    def moments(self, table: pl.DataFrame) -> Moments:
        """The moments of its columns over the rows (users) of a table."""
        return Moments.of(*self.values(table))

    def say(self, value: float) -> str:
        """The value as people read it.

        >>> OUTCOMES["slate_ctr"].say(0.1234), OUTCOMES["latency"].say(0.0123), OUTCOMES["satisfaction"].say(3.9)
        ('12.3%', '12.3 ms', '3.90')
        """
        if self.form == "percent":
            return f"{value:.1%}" if abs(value) >= 0.02 or value == 0 else f"{value:.2%}"
        if self.form == "seconds":
            return f"{value * 1000:.1f} ms" if abs(value) < 1 else f"{value:.2f} s"
        return f"{value:,.2f}" if abs(value) >= 0.1 or value == 0 else f"{value:.3g}"


def _numbers(table: pl.DataFrame, column: str, metric: str) -> NDArray[np.float64]:
    rule = "a metric reads one number per user: 0 where nothing happened"
    if column not in table.columns:
        raise DataError(f"the metric '{metric}' reads '{column}'", allowed=nearest(column, table.columns))
    values = table[column]
    if not (values.dtype.is_numeric() or values.dtype == pl.Boolean):
        raise DataError(f"column '{column}' holds {values.dtype}", allowed=rule)
    numbers = values.cast(pl.Float64).fill_null(math.nan).to_numpy()
    bad = int((~np.isfinite(numbers)).sum())
    if bad:
        raise DataError(f"column '{column}' is empty, NaN or infinite for {bad:,} users", allowed=rule)
    return numbers


def _catalogue(*metrics: OutcomeMetric) -> Mapping[str, OutcomeMetric]:
    return MappingProxyType({metric.id: metric for metric in metrics})


OUTCOMES: Mapping[str, OutcomeMetric] = _catalogue(
    OutcomeMetric(
        id="slate_ctr",
        title="click rate",
        formula=r"\frac{\sum_u \#\{d : \text{an item of } d \text{ was clicked}\}}{\sum_u \#d}",
        unit="share of slates",
        needs="click events",
        numerator="clicked_slates",
        denominator="slates",
        form="percent",
        source="A. Deng, U. Knoblich, J. Lu, KDD 2018",
        of_items=True,
    ),
    OutcomeMetric(
        id="ctr",
        title="clicks per item shown",
        formula=r"\frac{\sum_u \sum_d \#\{\text{clicked items of } d\}}{\sum_u \sum_d |d|}",
        unit="share of items shown",
        needs="click events",
        numerator="clicks",
        denominator="shown",
        form="percent",
        source="A. Deng, U. Knoblich, J. Lu, KDD 2018",
        of_items=True,
    ),
    OutcomeMetric(
        id="purchase_rate",
        title="purchase rate",
        formula=r"\frac{\#\{u : \text{bought an item shown}\}}{\#u}",
        unit="share of users",
        needs="purchase events",
        numerator="buyer",
        form="percent",
        of_items=True,
    ),
    OutcomeMetric(
        id="purchases_per_slate",
        title="purchases per slate",
        formula=r"\frac{\sum_u \#\text{purchases}}{\sum_u \#d}",
        unit="per slate",
        needs="purchase events",
        numerator="purchases",
        denominator="slates",
        of_items=True,
    ),
    OutcomeMetric(
        id="revenue_per_user",
        title="revenue per user",
        formula=r"\frac{\sum_u \text{value of purchases of items shown}}{\#u}",
        unit="money per user",
        needs="purchase events with a value",
        numerator="revenue",
        of_items=True,
    ),
    OutcomeMetric(
        id="orders_per_user",
        title="orders per user",
        formula=r"\frac{\sum_u \#\text{purchases of any item}}{\#u}",
        unit="per user",
        needs="purchase events",
        numerator="orders",
    ),
    OutcomeMetric(
        id="spend_per_user",
        title="spend per user",
        formula=r"\frac{\sum_u \text{value of purchases of any item}}{\#u}",
        unit="money per user",
        needs="purchase events with a value",
        numerator="spend",
    ),
    OutcomeMetric(
        id="satisfaction",
        title="satisfaction",
        formula=r"\frac{\sum_u \sum \text{ratings}}{\sum_u \#\text{ratings}}",
        unit="mean rating",
        needs="ratings (events or feedback)",
        numerator="rating_sum",
        denominator="ratings",
        margin=0.02,
    ),
    OutcomeMetric(
        id="survey",
        title="survey answers",
        formula=r"\frac{\sum_u \sum \text{answers}}{\sum_u \#\text{answers}}",
        unit="mean answer",
        needs="survey answers",
        numerator="survey_sum",
        denominator="surveys",
        margin=0.02,
    ),
    OutcomeMetric(
        id="sentiment",
        title="sentiment of comments",
        formula=r"\frac{\sum_u \sum_c s(c)}{\sum_u \#c},\quad s \in [-1, 1]",
        unit="-1 to 1",
        needs="comments with a sentiment",
        numerator="sentiment_sum",
        denominator="comments",
        margin=0.05,
        margin_scale="absolute",
    ),
    OutcomeMetric(
        id="abandonment",
        title="abandonment",
        formula=(
            r"\frac{\sum_u \#\{d : \text{no click, no purchase, and no slate after } d \text{ in the session}\}}"
            r"{\sum_u \#d}"
        ),
        unit="share of slates",
        needs="click events",
        numerator="abandoned",
        denominator="slates",
        of_items=True,
        direction="lower",
        form="percent",
        margin=0.02,
        margin_scale="absolute",
        source="J. Li, S. Huffman, A. Tokuda, SIGIR 2009 (good abandonment is not told apart)",
    ),
    OutcomeMetric(
        id="diversity",
        title="diversity of slates",
        formula=r"\frac{1}{\#d} \sum_d \frac{2}{|d|(|d|-1)} \sum_{i<j \in d} (1 - \cos(v_i, v_j))",
        unit="mean distance, 0 to 2",
        needs="item vectors for the slates",
        numerator="diversity_sum",
        denominator="diversity_slates",
        margin=0.10,
        source="B. Smyth, P. McClave, ICCBR 2001",
        of_items=True,
    ),
    OutcomeMetric(
        id="repeat_exposure",
        title="repeated items",
        formula=r"\frac{\sum_u \#\{\text{items shown to } u \text{ before}\}}{\sum_u \sum_d |d|}",
        unit="share of items shown",
        needs="decisions with items",
        numerator="repeats",
        denominator="shown",
        direction="lower",
        form="percent",
        margin=0.05,
        margin_scale="absolute",
        of_items=True,
    ),
    OutcomeMetric(
        id="latency",
        title="answer time",
        formula=r"\frac{\sum_u \sum_d \text{seconds}}{\sum_u \#d}",
        unit="seconds",
        needs="decisions with a latency",
        numerator="latency_sum",
        denominator="slates",
        direction="lower",
        form="seconds",
        margin=0.05,
        margin_scale="absolute",
    ),
    OutcomeMetric(
        id="fallback_rate",
        title="fallback answers",
        formula=r"\frac{\sum_u \#\{d : \text{a fallback answered}\}}{\sum_u \#d}",
        unit="share of slates",
        needs="decisions",
        numerator="fallbacks",
        denominator="slates",
        direction="lower",
        form="percent",
        margin=0.01,
        margin_scale="absolute",
    ),
)
"""Every metric of live users by id."""
