"""What users did with slates, as values: each metric is a sum over a sum, or a mean over users."""

import math
from dataclasses import dataclass
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

        >>> from recloop.metrics.online import OUTCOMES
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
