from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from recloop.data.slates import SlateLog

Items = NDArray[np.integer]
Chances = NDArray[np.float64]
DRAWS = 3  # uniform numbers per place
TINY = 1e-9


class ClickModel(ABC):
    """How a user goes along a slate. What each item attracts comes in; what is clicked comes out.

    Everywhere ``items`` is (n, k) with -1 for an empty place, and ``attraction`` (n, k) is the probability of a click
    on what is looked at; an empty place attracts nobody.
    """

    name: ClassVar[str]

    @abstractmethod
    def chances(self, items: Items, attraction: Chances) -> Chances:
        """(n, k) the probability of a click on each place."""

    @abstractmethod
    def given(self, items: Items, attraction: Chances, clicks: NDArray[np.bool_]) -> Chances:
        """(n, k) the probability of a click on each place, given what was clicked above it."""

    @abstractmethod
    def draw(self, items: Items, attraction: Chances, luck: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(n, k) clicks; ``luck`` is (n, 3 k) uniform numbers, and the only randomness."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A click model as estimated from a log.

    Attributes:
        model: how users go along a slate.
        attraction: (n_items,) the probability of a click on each item that is looked at. Few impressions leave it near
            the mean of all items.
        rounds: of expectation maximisation, 0 where there is a closed form.
    """

    model: ClickModel
    attraction: NDArray[np.float64]
    rounds: int = 0

    def of(self, items: Items) -> Chances:
        """(n, k) the attraction of the items of slates; 0 at empty places."""
        return np.where(items >= 0, self.attraction[items], 0.0)


def perplexity(estimate: Estimate, log: SlateLog) -> NDArray[np.float64]:
    """(k,) how unsure a model is of each place, given the clicks above: 1 is certain, 2 is a coin.

    2 to the power of minus the mean log2-likelihood of what happened at the place. Chuklin, Markov & de Rijke 2015,
    "Click models for web search", section 5.1.2. NaN for a place that no slate fills.

    >>> from recloop.simulate.clicks.position import PositionBased
    >>> log = SlateLog(np.zeros(2, np.int32), np.zeros(2), np.zeros((2, 1), np.int32), np.array([[True], [False]]),
    ...                np.zeros((2, 1), np.float32))
    >>> perplexity(Estimate(PositionBased((1.0,)), np.array([0.5])), log).tolist()
    [2.0]
    """
    chance = np.clip(estimate.model.given(log.items, estimate.of(log.items), log.clicks), TINY, 1 - TINY)
    likelihood = np.log2(np.where(log.clicks, chance, 1 - chance))
    shown = log.items >= 0
    counts = shown.sum(axis=0)
    mean = np.divide(np.where(shown, likelihood, 0.0).sum(axis=0), counts, out=np.full(log.k, np.nan), where=counts > 0)
    return np.asarray(2.0**-mean)


def curve(log: SlateLog) -> NDArray[np.float64]:
    """(k,) the share of clicks among what was shown at each place; NaN where nothing was."""
    shown = (log.items >= 0).sum(axis=0)
    return np.asarray(np.divide(log.clicks.sum(axis=0), shown, out=np.full(log.k, np.nan), where=shown > 0))
