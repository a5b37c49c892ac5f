"""What a multi-task ranker learns from: candidates as rows, with what came of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recloop.compose.objectives.labels import Labels

RATED = 200  # candidates with a rating, below which ratings are not learned
CONVERTED = 50  # with a conversion, below which conversions are not learned
CLICKED = 50
ROWS = 150_000  # that are learned from: of candidates without a click a share is drawn, and weighs more


@dataclass(frozen=True, eq=False)
class Lesson:
    """Rows of features with outcomes.

    Attributes:
        x: (r, f) float32, NaN where unknown.
        click, convert: (r,) 0 or 1; convert is None where it is not learned.
        rating: (r,) stars, NaN where none; None where it is not learned.
        weight: (r,) how many candidates a row stands for.
    """

    x: NDArray[np.float32]
    click: NDArray[np.float64]
    convert: NDArray[np.float64] | None
    rating: NDArray[np.float64] | None
    weight: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        features: NDArray[np.float32],
        labels: Labels,
        held: NDArray[np.bool_],
        rng: np.random.Generator | None = None,
        rows: int = ROWS,
    ) -> "Lesson":
        """The candidates of some requests as rows.

        Args:
            features: (n, m, f).
            labels: of the same candidates.
            held: (n, m) where there is a candidate.
            rng: draws the candidates without a click that stay, where there are more than ``rows``; None keeps all.
            rows: see there.
        """
        clicked = int((labels.click & held).sum())
        plain = int(held.sum()) - clicked
        keep, share = held, 1.0
        if rng is not None and clicked + plain > rows:
            share = min(1.0, max(rows - clicked, rows // 10) / max(plain, 1))
            keep = held & (labels.click | (rng.random(held.shape) < share))
        click = labels.click[keep].astype(np.float64)
        return cls(
            x=features[keep],
            click=click,
            convert=None if labels.convert is None else labels.convert[keep].astype(np.float64),
            rating=None if labels.rating is None else labels.rating[keep],
            weight=np.where(click > 0, 1.0, 1.0 / share),
        )

    def rated(self) -> tuple[NDArray[np.float32], NDArray[np.float64]] | None:
        """The rows with a rating, and their stars; None where they are too few to learn from."""
        if self.rating is None:
            return None
        there = np.isfinite(self.rating)
        return (self.x[there], self.rating[there]) if there.any() else None

    def only(self, *, convert: bool, rating: bool) -> "Lesson":
        """The same without what is not to be learned."""
        return Lesson(
            self.x,
            self.click,
            self.convert if convert else None,
            self.rating if rating else None,
            self.weight,
        )
