import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from recloop.errors import SettingError

RATING = "rating"
"""The kind whose value is a rating. The values of other kinds (money, seconds) are not."""


@dataclass(frozen=True)
class Kinds:
    """What an event of each kind is worth. Kinds and weights are configuration, not code.

    ``weights`` maps kind → weight; a kind that is not named weighs ``default``; weight 0 keeps the event in the log
    and out of training. ``minimum`` maps kind → the least value that counts (``{"rating": 4}``: lower ratings
    weigh 0).

    Raises:
        SettingError: a weight is negative, or a number is NaN or infinite.

    >>> k = Kinds(weights={"view": 0.2}, minimum={"rating": 4})
    >>> k.weight("view"), k.weight("rating", 3.0), k.weight("rating", 5.0)
    (0.2, 0.0, 1.0)
    """

    weights: Mapping[str, float] = field(default_factory=dict)
    minimum: Mapping[str, float] = field(default_factory=dict)
    default: float = 1.0

    def __post_init__(self) -> None:
        for name, weight in {**self.weights, "default": self.default}.items():
            if not 0 <= weight < math.inf:
                raise SettingError(
                    f"the kind '{name}' weighs {weight}",
                    allowed="a weight is a number of at least 0",
                    advice="0 keeps its events out of training",
                )
        for name, floor in self.minimum.items():
            if not math.isfinite(floor):
                raise SettingError(f"the minimum of the kind '{name}' is {floor}", allowed="it must be a finite number")

    def weight(self, kind: str, value: float | None = None) -> float:
        """The weight of one event."""
        floor = self.minimum.get(kind)
        if floor is not None and (value is None or not value >= floor):
            return 0.0
        return float(self.weights.get(kind, self.default))

    def expression(self) -> pl.Expr:
        """The weight as a Polars expression over the columns ``kind`` and ``value``."""
        kind, value = pl.col("kind").cast(pl.String), pl.col("value")
        weight = kind.replace_strict(dict(self.weights), default=self.default, return_dtype=pl.Float64)
        for name, floor in self.minimum.items():
            weight = pl.when((kind == name) & (value.is_null() | ~(value >= floor))).then(0.0).otherwise(weight)
        return weight.cast(pl.Float32)
