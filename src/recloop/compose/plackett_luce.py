"""Slates drawn at random, better candidates more often, with the exact chance of each place and of the whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recloop.data.splitmix import STEP, mixed, unit
from recloop.errors import SettingError

PROPENSITIES = "propensities"
"""Where a decision's details hold the chance of the item at each place."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """Slates that were drawn.

    Attributes:
        places: (n, k) int64 columns of the candidates, in the order of the slate; -1 where none was left.
        chances: (n, k) float64, the chance of each place's item given those above it; NaN in padding.
    """

    places: NDArray[np.int64]
    chances: NDArray[np.float64]

    @property
    def slate(self) -> NDArray[np.float64]:
        """(n,) the chance of the whole slate in this order: the product of its places'."""
        whole: NDArray[np.float64] = np.where(np.isnan(self.chances), 1.0, self.chances).prod(axis=1)
        return whole


def utilities(scores: NDArray[np.floating], temperature: float) -> NDArray[np.float64]:
    """(n, m) scores in spreads of their own row, over the temperature; -inf in padding.

    So a temperature of 1 means on every data set: an item one standard deviation better is e times as likely.

    Raises:
        SettingError: the temperature is not above 0.

    >>> utilities(np.array([[2.0, 0.0, -np.inf]]), 1.0).tolist()
    [[0.0, -2.0, -inf]]
    """
    if not 0.0 < temperature < float("inf"):
        raise SettingError(f"the temperature is {temperature}", allowed="it must be a number above 0")
    held = np.isfinite(scores)
    values = np.where(held, scores, 0.0).astype(np.float64)
    count = np.maximum(held.sum(axis=1, keepdims=True), 1)
    mean = values.sum(axis=1, keepdims=True) / count
    spread = np.sqrt((np.where(held, values - mean, 0.0) ** 2).sum(axis=1, keepdims=True) / count)
    top = np.where(held, values, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
    scaled = (values - np.where(np.isfinite(top), top, 0.0)) / (np.where(spread > 0, spread, 1.0) * temperature)
    return np.where(held, scaled, -np.inf)


def draw(scores: NDArray[np.floating], k: int, uniform: NDArray[np.float64], *, temperature: float = 1.0) -> Drawn:
    r"""Slates by the Plackett-Luce model: place after place, each candidate left with chance exp(u) / Σ exp(u).

    Drawn by adding Gumbel noise and sorting (Yellott 1977; Kool, van Hoof & Welling 2019, "Stochastic beams and where
    to find them", section 2), which gives exactly these chances: they are computed, not estimated. (Plackett 1975; Luce
    1959.)

    Args:
        scores: (n, m), -inf in padding; brought to one scale by ``utilities``.
        k: places.
        uniform: (n,) in [0, 1), the only randomness: the noise of a row is made of its number.
        temperature: of the draw: near 0 the order of the scores, great: any order alike.

    Raises:
        SettingError: the temperature is not above 0.

    >>> drawn = draw(np.array([[1.0, 0.0]]), 2, np.array([0.5]), temperature=1.0)
    >>> sorted(drawn.places[0].tolist()), bool(np.isin(drawn.chances[0, 0].round(3), [0.881, 0.119]))
    ([0, 1], True)
    """
    value = utilities(scores, temperature)
    n, m = value.shape
    if not m:
        return Drawn(np.full((n, k), -1, np.int64), np.full((n, k), np.nan))
    state = (uniform * 2.0**53).astype(np.uint64)
    steps = np.arange(1, m + 1, dtype=np.uint64) * STEP
    # scrambled once before the columns part: neighbouring uniform numbers must not share noise
    noise = unit(mixed(mixed(state)[:, None] + steps[None, :])) + 2.0**-54
    perturbed = value - np.log(-np.log(noise))
    order = np.argsort(-perturbed, axis=1, kind="stable")
    places = order[:, :k]
    chances = place_chances(value, order)[:, :k]
    if m < k:
        places = np.pad(places, ((0, 0), (0, k - m)))
        chances = np.pad(chances, ((0, 0), (0, k - m)), constant_values=np.nan)
    there = ~np.isnan(chances)
    return Drawn(np.where(there, places, -1).astype(np.int64), chances)


def place_chances(value: NDArray[np.float64], order: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n, m) the chance of each place of a full order, given the places above; NaN for padding.

    Args:
        value: (n, m) utilities, -inf in padding.
        order: (n, m) all columns, padding last.

    >>> place_chances(np.log([[3.0, 1.0]]), np.array([[1, 0]])).round(6).tolist()
    [[0.25, 1.0]]
    """
    ranked = np.take_along_axis(value, order, axis=1)
    # what is left at a place is a sum from the back: no difference of nearly equal numbers
    left = np.logaddexp.accumulate(ranked[:, ::-1], axis=1)[:, ::-1]
    there = np.isfinite(ranked)
    return np.where(there, np.exp(np.where(there, ranked, 0.0) - np.where(there, left, 0.0)), np.nan)


def with_propensities(
    details: Sequence[Mapping[str, Any]] | None, items: NDArray[np.int32], chances: NDArray[np.float64]
) -> list[Mapping[str, Any]]:
    """Details of decisions with the chance of each filled place, given the places above; the product is the slate's.

    What a rule pinned and what the fallback filled in is certain: 1.

    >>> with_propensities(None, np.array([[4, 7, -1]], np.int32), np.array([[0.5, 0.25, np.nan]]))
    [{'propensities': [0.5, 0.25]}]
    """
    certain = np.where(np.isnan(chances), 1.0, chances)
    rows = [
        {PROPENSITIES: row[:length]}
        for row, length in zip(certain.tolist(), (items >= 0).sum(axis=1).tolist(), strict=True)
    ]
    return [{**told, **row} for told, row in zip(details or [{}] * len(rows), rows, strict=True)]
