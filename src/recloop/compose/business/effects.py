"""What a rule did: the slates with it beside those without it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recloop.compose.business.settings import AnyRule


@dataclass(frozen=True, slots=True)
class Effect:
    """What one rule did to the slates of some requests, against all other rules without it.

    Attributes:
        rule: its name.
        does: its kind, such as ``pin``.
        requests: how many were looked at.
        slates: how many of them it changed.
        places: mean number of places whose item it changed.
        exposure: mean share of a slate's exposure that it moved from some items to others, 0 to 1.
    """

    rule: str
    does: str
    requests: int
    slates: int
    places: float
    exposure: float


def moved(items: NDArray[np.int32], without: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """How far two slates of each request lie apart.

    A place has the exposure 1 / log2(1 + place), over the sum of the slate's (the discount of NDCG: Järvelin &
    Kekäläinen 2002). What moved is half the sum of the differences over items: 0 for the same slate, 1 for slates that
    share nothing.

    Args:
        items: (n, k) item indices, -1 in padding.
        without: (n, k) the other slates.

    Returns:
        (n,) places that hold something else, and (n,) the exposure that moved.

    >>> places, exposure = moved(np.array([[0, 1]], np.int32), np.array([[1, 0]], np.int32))
    >>> places.tolist(), exposure.round(4).tolist()
    ([2], [0.2263])
    """
    places = np.count_nonzero(items != without, axis=1)
    mine, others = _exposure(items), _exposure(without)
    same = (items[:, :, None] == without[:, None, :]) & (items >= 0)[:, :, None]
    there = np.einsum("nij,nj->ni", same, others)
    gone = others - np.einsum("nij,nj->nj", same, others)
    return places, (np.abs(mine - there).sum(axis=1) + gone.sum(axis=1)) / 2


def summed_up(rules: Sequence[AnyRule], places: NDArray[np.int64], exposure: NDArray[np.float64]) -> list[Effect]:
    """What each rule did, over requests.

    Args:
        rules: r of them.
        places: (r, n) from ``moved``.
        exposure: (r, n).
    """
    n = max(1, places.shape[1])
    return [
        Effect(
            rule.name,
            str(rule.__struct_config__.tag),
            places.shape[1],
            int(np.count_nonzero(changed)),
            float(changed.sum() / n),
            float(shifted.sum() / n),
        )
        for rule, changed, shifted in zip(rules, places, exposure, strict=True)
    ]


def measured_rules(details: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """The rules whose effect on one slate was measured, from ``Decision.details``, those of its slots by their name.

    >>> did = {"places": 2, "exposure": 0.1}
    >>> measured_rules({"slots": [{"slot": "row", "rules": {"ad": did, "off": {"skipped": 1}}}]})
    [('row: ad', {'places': 2, 'exposure': 0.1})]
    """
    own = [(name, did) for name, did in details.get("rules", {}).items() if "places" in did]
    for slot in details.get("slots", ()):
        own += [(f"{slot['slot']}: {name}", did) for name, did in measured_rules(slot)]
    return own


def _exposure(items: NDArray[np.int32]) -> NDArray[np.float64]:
    worth = np.where(items >= 0, 1 / np.log2(np.arange(items.shape[1]) + 2), 0.0)
    total = worth.sum(axis=1, keepdims=True)
    exposed: NDArray[np.float64] = worth / np.where(total > 0, total, 1)
    return exposed
