"""Click models in which what was clicked above changes what is looked at below."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from recloop.data.slates import SlateLog
from recloop.errors import DataError, SettingError
from recloop.simulate.clicks.model import DRAWS, Chances, ClickModel, Estimate, Items
from recloop.simulate.clicks.position import STRENGTH


@dataclass(frozen=True, slots=True)
class DynamicBayesian(ClickModel):
    """The user goes from place to place, stops when a clicked item satisfies, and else goes on with one probability.

    Chapelle & Zhang 2009, "A dynamic Bayesian network click model for web search ranking".

    Attributes:
        continuation: the probability of going on after what did not satisfy.
        satisfies: (n_items,) the probability that an item satisfies once clicked; one number for all where it has
            length 1.
    """

    name: ClassVar[str] = "dynamic-bayesian"
    continuation: float
    satisfies: NDArray[np.float64]

    def __post_init__(self) -> None:
        if not 0 <= self.continuation <= 1 or not ((self.satisfies >= 0) & (self.satisfies <= 1)).all():
            raise SettingError(
                f"continuation is {self.continuation}, satisfaction {self.satisfies.min()} to {self.satisfies.max()}",
                allowed="probabilities are between 0 and 1",
            )

    def satisfied(self, items: Items) -> Chances:
        """(n, k) the probability that each item satisfies once clicked."""
        return self.satisfies[np.zeros_like(items) if len(self.satisfies) == 1 else items]

    def chances(self, items: Items, attraction: Chances) -> Chances:
        """(n, k) the probability of a click on each place."""
        on = self.continuation * (1 - attraction * self.satisfied(items))
        looked = np.concatenate([np.ones((len(items), 1)), np.cumprod(on, axis=1)[:, :-1]], axis=1)
        return np.where(items >= 0, looked * attraction, 0.0)

    def given(self, items: Items, attraction: Chances, clicks: NDArray[np.bool_]) -> Chances:
        """(n, k) the probability of a click on each place, given the clicks above."""
        satisfied, looked = self.satisfied(items), np.ones(len(items))
        found = np.zeros(items.shape)
        for place in range(items.shape[1]):  # over places, not over users
            chance = found[:, place] = np.where(items[:, place] >= 0, looked * attraction[:, place], 0.0)
            missed = looked * (1 - attraction[:, place]) / np.maximum(1 - chance, 1e-12)
            looked = self.continuation * np.where(clicks[:, place], 1 - satisfied[:, place], missed)
        return found

    def draw(self, items: Items, attraction: Chances, luck: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(n, k) clicks."""
        n, k = items.shape
        luck = luck[:, : DRAWS * k].reshape(n, DRAWS, k)
        wanted = (luck[:, 0] < attraction) & (items >= 0)
        stops = wanted & (luck[:, 1] < self.satisfied(items)) | (luck[:, 2] >= self.continuation)
        reached = np.concatenate([np.ones((n, 1), bool), ~np.logical_or.accumulate(stops, axis=1)[:, :-1]], axis=1)
        return np.asarray(wanted & reached)


@dataclass(frozen=True, slots=True)
class Cascade(ClickModel):
    """The user goes from the top down and stops at the first click (Craswell et al. 2008)."""

    name: ClassVar[str] = "cascade"

    @property
    def _as_dynamic(self) -> DynamicBayesian:
        return DynamicBayesian(1.0, np.ones(1))

    def chances(self, items: Items, attraction: Chances) -> Chances:
        """(n, k) the probability of the one click at each place."""
        return self._as_dynamic.chances(items, attraction)

    def given(self, items: Items, attraction: Chances, clicks: NDArray[np.bool_]) -> Chances:
        """(n, k) 0 below a click."""
        return self._as_dynamic.given(items, attraction, clicks)

    def draw(self, items: Items, attraction: Chances, luck: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(n, k) clicks, at most one a row."""
        return self._as_dynamic.draw(items, attraction, luck)


def fit_cascade(log: SlateLog, n_items: int) -> Estimate:
    """The cascade model: an item's attraction is its share of clicks down to the first click. Closed form.

    Raises:
        DataError: nothing was clicked.
    """
    _need_clicks(log)
    first = np.where(log.clicks.any(axis=1), log.clicks.argmax(axis=1), log.k)
    seen = (np.arange(log.k) <= first[:, None]) & (log.items >= 0)
    return Estimate(Cascade(), _rates(log.items, seen, log.clicks & seen, n_items))


def fit_dynamic_bayesian(
    log: SlateLog, n_items: int, *, rounds: int = 300, tolerance: float = 1e-6, per_item: bool = True
) -> Estimate:
    """The dynamic Bayesian network model by expectation maximisation.

    What is above the last click was looked at for certain; below it, a backward pass gives the probability that nothing
    more would be clicked, and with it what was looked at.

    Args:
        log: of slates.
        n_items: in the catalogue.
        rounds: at most.
        tolerance: the greatest change of continuation and mean satisfaction at which it ends.
        per_item: whether each item has a satisfaction of its own, or all have one.

    Raises:
        DataError: nothing was clicked.
    """
    _need_clicks(log)
    items, clicks, shown = log.items, log.clicks, log.items >= 0
    last = np.where(clicks.any(axis=1), log.k - 1 - clicks[:, ::-1].argmax(axis=1), -1)
    places = np.arange(log.k)
    above, at_last = places < last[:, None], places == last[:, None]
    width = shown.sum(axis=1)
    attraction = _rates(items, (places <= last[:, None]) & shown, clicks, n_items)
    satisfies, going = np.full(n_items if per_item else 1, 0.5), 0.8
    done = 0
    for step in range(rounds):
        done = step + 1
        pull, happy = np.where(shown, attraction[items], 0.0), satisfies[items if per_item else np.zeros_like(items)]
        # quiet[j]: no click from place j on, given that it is looked at
        quiet = np.ones((len(items), log.k + 1))
        for place in range(log.k - 1, -1, -1):
            going_on = np.where(place < width - 1, going * quiet[:, place + 1] + 1 - going, 1.0)
            quiet[:, place] = np.where(shown[:, place], (1 - pull[:, place]) * going_on, 1.0)
        inner = places < width[:, None] - 1
        after = np.where(inner, going * quiet[:, 1:] + 1 - going, 1.0)
        content = np.where(at_last, happy / (happy + (1 - happy) * after), 0.0)
        # the probability that each place was looked at, forward from the last click
        looked = np.where(places <= last[:, None], 1.0, 0.0)
        looked[last < 0, 0] = 1.0
        went = np.where(above, 1.0, 0.0)
        chance_on = np.where(inner, going * quiet[:, 1:] / np.maximum(after, 1e-12), 0.0)
        for place in range(log.k):
            open_ = looked[:, place] * np.where(at_last[:, place], 1 - content[:, place], 1.0)
            went[:, place] = np.where(above[:, place], 1.0, open_ * chance_on[:, place])
            if place + 1 < log.k:
                below = place >= last
                looked[:, place + 1] = np.where(below, went[:, place], looked[:, place + 1])
        could = np.where(above, 1.0, np.where(places >= last[:, None], looked * (1 - content), 0.0)) * inner
        attraction = _rates(items, looked * shown, clicks, n_items)
        new_going = float((went * inner).sum() / max(could.sum(), 1e-12))
        if per_item:
            new_satisfies = _rates(items, clicks.astype(np.float64), content, n_items)
        else:
            new_satisfies = np.array([content.sum() / clicks.sum()])
        change = max(abs(new_going - going), abs(float(new_satisfies.mean() - satisfies.mean())))
        going, satisfies = min(new_going, 1.0), np.clip(new_satisfies, 0.0, 1.0)
        if change < tolerance:
            break
    return Estimate(DynamicBayesian(going, satisfies), attraction, done)


def _need_clicks(log: SlateLog) -> None:
    if not log.clicks.any():
        raise DataError(f"none of the {len(log):,} slates of the log was clicked", advice="a click model needs clicks")


def _rates(items: Items, trials: NDArray[np.generic], hits: NDArray[np.generic], n_items: int) -> NDArray[np.float64]:
    """(n_items,) hits over trials, shrunk towards that of all."""
    rows, place = np.nonzero(items >= 0)
    what = items[rows, place]
    tried = np.bincount(what, trials[rows, place].astype(np.float64), n_items)
    won = np.bincount(what, hits[rows, place].astype(np.float64), n_items)
    mean = won.sum() / max(tried.sum(), 1e-12)
    return np.asarray(np.clip((won + STRENGTH * mean) / (tried + STRENGTH), 1e-6, 1 - 1e-6))
