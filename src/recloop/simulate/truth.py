"""What a policy is truly worth in a world: in closed form from the click model, without sampling."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recloop.errors import SettingError, nearest
from recloop.simulate.behaviour import Behaviour, Chances, Slates, Users
from recloop.simulate.memory import Memory

Rank = Callable[[NDArray[np.int64]], NDArray[np.integer]]
"""Users (n,) to slates (n, k): what ``truth`` asks of a policy."""
BLOCK = 4096


class Worth(NamedTuple):
    """What one slate is expected to bring, (n,) each."""

    slate_ctr: NDArray[np.float64]
    ctr: NDArray[np.float64]
    purchases_per_slate: NDArray[np.float64]
    revenue_per_slate: NDArray[np.float64]


class Truth:
    """Expected outcomes of slates and policies, by the names of the metrics that an experiment reads.

    ``slate_ctr`` is the probability of at least one click, ``ctr`` the expected clicks per item shown,
    ``purchases_per_slate`` and ``revenue_per_slate`` are expectations. Given the user's memory, places are
    independent in the click model, hence P(a click) = 1 - prod_j (1 - look_j attraction_j).
    """

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour

    def worth(self, users: Users, slates: Slates, memory: Memory | None = None) -> Worth:
        """The expected outcomes of each slate.

        Args:
            users: (n,) user indices.
            slates: (n, k) item indices, -1 for an empty place.
            memory: what users have seen and bought; nothing where None.
        """
        chances = self._behaviour.chances(users, slates, memory)
        buys = chances.click * chances.buy
        shown = np.maximum((slates >= 0).sum(axis=1), 1)
        return Worth(
            slate_ctr=at_least_one(chances),
            ctr=chances.click.sum(axis=1) / shown,
            purchases_per_slate=buys.sum(axis=1),
            revenue_per_slate=(buys * self._behaviour.shop.price[slates]).sum(axis=1),
        )

    def expected_click_rate(self, users: Users, slates: Slates, memory: Memory | None = None) -> NDArray[np.float64]:
        """(n,) the probability of at least one click on each slate."""
        return self.worth(users, slates, memory).slate_ctr

    def value(
        self, rank: Rank, metric: str = "slate_ctr", *, users: Users | None = None, memory: Memory | None = None
    ) -> float:
        """What a policy is worth per slate: the mean over users, weighted by how often they come.

        Args:
            rank: user indices (n,) to slates (n, k).
            metric: one of ``Worth``.
            users: over whom; everybody where None.
            memory: what users have lived through; nothing where None.

        Raises:
            SettingError: the metric is not known.
        """
        if metric not in Worth._fields:
            raise SettingError(f"the world knows no true '{metric}'", allowed=nearest(metric, Worth._fields))
        everyone = np.arange(len(self._behaviour.people)) if users is None else np.asarray(users, dtype=np.int64)
        total = np.concatenate(
            [
                getattr(self.worth(part, np.asarray(rank(part)), memory), metric)
                for part in np.array_split(everyone, max(1, -(-len(everyone) // BLOCK)))
            ]
        )
        return float(np.average(total, weights=self._behaviour.people.activity[everyone]))

    def lift(
        self,
        treatment: Rank,
        control: Rank,
        metric: str = "slate_ctr",
        *,
        users: Users | None = None,
        memory: Memory | None = None,
    ) -> float:
        """The true relative difference: treatment over control, minus 1."""
        base = self.value(control, metric, users=users, memory=memory)
        return self.value(treatment, metric, users=users, memory=memory) / base - 1 if base > 0 else float("nan")


def at_least_one(chances: Chances) -> NDArray[np.float64]:
    """(n,) the probability of at least one click."""
    return np.asarray(1.0 - np.prod(1.0 - chances.click, axis=1))


def values(truth: Truth, ranks: Mapping[str, Rank], metric: str = "slate_ctr") -> dict[str, float]:
    """The true value of each of several policies."""
    return {name: truth.value(rank, metric) for name, rank in ranks.items()}
