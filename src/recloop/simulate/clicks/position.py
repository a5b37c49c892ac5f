from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from recloop.data.slates import SlateLog
from recloop.errors import DataError, SettingError
from recloop.simulate.clicks.model import Chances, ClickModel, Estimate, Items

STRENGTH = 2.0  # impressions that each item starts with, at the mean of all


@dataclass(frozen=True, slots=True)
class PositionBased(ClickModel):
    """Place j is looked at with a probability of its own, whatever is there and whatever was clicked.

    Craswell, Zoeter, Taylor & Ramsey 2008, "An experimental comparison of click position-bias models".

    Attributes:
        look: (k,) that probability, the first usually 1. Places beyond it are looked at like the last.
    """

    name: ClassVar[str] = "position-based"
    look: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.look or not all(0 <= chance <= 1 for chance in self.look):
            raise SettingError(f"the places are looked at with {self.look}", allowed="probabilities, at least one")

    @classmethod
    def falling(cls, power: float, k: int) -> "PositionBased":
        """Attention that falls as (1 + j) ** -power: what is assumed where no log tells.

        >>> [round(chance, 2) for chance in PositionBased.falling(1.0, 3).look]
        [1.0, 0.5, 0.33]
        """
        return cls(tuple(float((1 + place) ** -power) for place in range(k)))

    def _look(self, k: int) -> NDArray[np.float64]:
        known = np.asarray(self.look)
        return known[np.minimum(np.arange(k), len(known) - 1)]

    def chances(self, items: Items, attraction: Chances) -> Chances:
        """(n, k) look times attraction."""
        return np.where(items >= 0, self._look(items.shape[1]) * attraction, 0.0)

    def given(self, items: Items, attraction: Chances, clicks: NDArray[np.bool_]) -> Chances:  # noqa: ARG002
        """(n, k) the same: places are independent."""
        return self.chances(items, attraction)

    def draw(self, items: Items, attraction: Chances, luck: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(n, k) clicks."""
        return np.asarray(luck[:, : items.shape[1]] < self.chances(items, attraction))


def fit_position_based(log: SlateLog, n_items: int, *, rounds: int = 500, tolerance: float = 1e-7) -> Estimate:
    """The position-based model by expectation maximisation, with the first place looked at always.

    Chuklin, Markov & de Rijke 2015, "Click models for web search", section 4.2. Look and attraction are told apart by
    items that were shown at several places. A log that always shows an item at one place cannot tell them apart.

    Args:
        log: of slates.
        n_items: in the catalogue.
        rounds: at most.
        tolerance: the greatest change of a look at which it ends.

    Raises:
        DataError: no item was shown at two places, or nothing was clicked.
    """
    n, k = log.items.shape
    place, item, clicked = _flat(log)
    cells = np.unique(place * n_items + item)
    if k > 1 and len(cells) == len(np.unique(item)):
        raise DataError(
            "every item of the slate log was always shown at the same place",
            allowed="look and attraction can be told apart only where items change places",
            advice="keep the default attention, or shuffle a share of the slates",
        )
    if not clicked.any():
        raise DataError(f"none of the {n:,} slates of the log was clicked", advice="a click model needs clicks")
    # all that counts: how often each item was shown and clicked at each place
    cell = place * n_items + item
    cells, inverse = np.unique(cell, return_inverse=True)
    at, what = cells // n_items, cells % n_items
    shown = np.bincount(inverse).astype(np.float64)
    hits = np.bincount(inverse, clicked)
    mean = hits.sum() / shown.sum()
    per_place, per_item = np.bincount(at, shown, k), np.bincount(what, shown, n_items)
    look = np.clip(np.bincount(at, hits, k) / np.maximum(per_place, 1), 1e-4, 1) ** 0.5
    look /= look[0]
    look = np.clip(look, 1e-3, 1)
    attraction = np.full(n_items, min(0.5, 2 * mean))
    done = 0
    for step in range(rounds):
        done = step + 1
        none = 1 - look[at] * attraction[what]
        looked = hits + (shown - hits) * look[at] * (1 - attraction[what]) / none
        drawn = hits + (shown - hits) * attraction[what] * (1 - look[at]) / none
        new = np.bincount(at, looked, k) / np.maximum(per_place, 1)
        attraction = np.bincount(what, drawn, n_items)
        attraction = (attraction + STRENGTH * drawn.sum() / shown.sum()) / (per_item + STRENGTH)
        scale = new[0]
        new, attraction = np.minimum(new / scale, 1.0), np.minimum(attraction * scale, 1 - 1e-6)
        change = np.abs(new - look).max()
        look = np.clip(new, 1e-6, 1)
        if change < tolerance:
            break
    return Estimate(PositionBased(tuple(look.tolist())), attraction, done)


def harvest(log: SlateLog, n_items: int) -> PositionBased:
    """What places are looked at by ratios alone: the clicks of items that were shown both here and at the first place.

    Items weigh by how often they were at the rarer of the two places. No model of the items is needed, only that their
    places do not hang on what they are worth to the user at hand: shuffled slates, or several policies at once.
    Agarwal, Zaitsev, Wang, Li, Najork & Joachims 2019, "Estimating position bias without intrusive interventions".

    Raises:
        DataError: no item was shown both at the first place and at another one, or nothing was clicked there.
    """
    k = log.k
    place, item, clicked = _flat(log)
    shown = np.bincount(place * n_items + item, minlength=k * n_items).reshape(k, n_items).astype(np.float64)
    hits = np.bincount(place * n_items + item, clicked, k * n_items).reshape(k, n_items)
    rate = np.divide(hits, shown, out=np.zeros_like(hits), where=shown > 0)
    weight = np.minimum(shown, shown[0])
    above, here = (weight * rate[0]).sum(axis=1), (weight * rate).sum(axis=1)
    if not (above > 0).all():
        where = int(np.flatnonzero(above <= 0)[0]) + 1
        raise DataError(
            f"no clicked item of the slate log was shown both at place 1 and at place {where}",
            advice="estimate by expectation maximisation, or shuffle a share of the slates",
        )
    return PositionBased(tuple(np.clip(here / above, 0, 1).tolist()))


def _flat(log: SlateLog) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Place, item and click of everything shown."""
    rows, place = np.nonzero(log.items >= 0)
    return place, log.items[rows, place].astype(np.int64), log.clicks[rows, place]
