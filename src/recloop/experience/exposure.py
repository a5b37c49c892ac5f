"""How much of the catalogue is shown, how evenly, and how alike users' slates are.

These belong to nobody: no user has a coverage. Their variance comes from leaving out one user at a time (jackknife),
in closed form: no resampling loop is needed, and slates of one user may be alike.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import gammaln

from recloop.errors import DataError
from recloop.stats import Estimate, Moments
from recloop.stats.ranks import average_ranks


@dataclass(frozen=True, slots=True)
class Shown:
    """Who was shown what: one entry per user and item.

    Attributes:
        user: (n,) codes from 0.
        item: (n,) codes from 0.
        count: (n,) how often.
        users: number of users.
        items: size of the catalogue.
    """

    user: NDArray[np.int64]
    item: NDArray[np.int64]
    count: NDArray[np.float64]
    users: int
    items: int

    @classmethod
    def of(cls, decisions: pl.DataFrame, items: int = 0) -> "Shown":
        """From decisions (user, items); the catalogue has at least the items that were shown.

        >>> Shown.of(pl.DataFrame({"user": ["a", "b"], "items": [["x", "x"], ["y"]]})).count.tolist()
        [2.0, 1.0]
        """
        rows = decisions.select("user", item="items").explode("item").drop_nulls("item")
        pairs = rows.group_by("user", "item").len().sort("user", "item")
        user, item = (pairs[name].rank("dense").to_numpy().astype(np.int64) - 1 for name in ("user", "item"))
        users, different = (int(one.max()) + 1 if one.size else 0 for one in (user, item))
        return cls(user, item, pairs["len"].to_numpy().astype(np.float64), users, max(items, different))


def coverage(shown: Shown, users: int) -> Estimate:
    """Share of the catalogue that ``users`` users drawn at random are shown: comparable between arms of any size.

    With all users it is the plain coverage. The expectation over draws is exact (rarefaction).

    Source: S. H. Hurlbert, "The nonconcept of species diversity: a critique and alternative parameters", Ecology 52
    (1971); variance by the jackknife, B. Efron, C. Stein, Annals of Statistics 9 (1981), which is not too small.

    Raises:
        DataError: there are fewer than 3 users, or ``users`` is not between 1 and one less than there are.

    >>> both = Shown.of(pl.DataFrame({"user": ["a", "b", "c"], "items": [["x", "y"], ["x"], ["x", "z"]]}), 4)
    >>> round(coverage(both, 1).value, 4)  # five exposures, three users, four items
    0.4167
    """
    n = shown.users
    if not 1 <= users < n or n < 3:
        raise DataError(f"coverage of {users} users of {n}", allowed="1 to one less than there are, of at least 3")
    had = np.bincount(shown.item, minlength=shown.items)
    whole = _found(had, n, users)
    less = _found(had, n - 1, users)
    lost = _found(np.maximum(had - 1, 0), n - 1, users) - less
    left = (less.sum() + np.bincount(shown.user, lost[shown.item], n)) / shown.items
    return Estimate(float(whole.sum()) / shown.items, _jackknife(left), n)


def _found(had: NDArray[np.integer], users: int, drawn: int) -> NDArray[np.float64]:
    """Chance that an item which so many of the users have is among what the drawn ones have."""
    rest = users - had - drawn
    miss = gammaln(users - had + 1) - gammaln(np.maximum(rest, 0) + 1) - gammaln(users + 1) + gammaln(users - drawn + 1)
    return np.where(rest >= 0, 1 - np.exp(miss), 1.0)


def exposure_gini(shown: Shown) -> Estimate:
    """Gini coefficient of exposures over the whole catalogue: 0 is even, towards 1 a few items have all.

    The coefficient is linear in the exposures given their ranks, and the ranks do not move it to first order: so it is
    a ratio of two sums over users, and the delta method gives its variance.

    Source: C. Gini, "Variabilità e mutabilità" (1912); as a measure of recommendations D. Fleder, K. Hosanagar,
    Management Science 55 (2009).

    Raises:
        DataError: there are fewer than 2 users.

    >>> ten = Shown.of(pl.DataFrame({"user": ["a", "b"], "items": [list("wxxyy"), list("yzzzz")]}))
    >>> exposure_gini(ten).value
    0.25
    """
    seen = np.bincount(shown.item, shown.count, shown.items)
    weight = (2 * average_ranks(seen) - shown.items - 1) / shown.items
    y = np.bincount(shown.user, weight[shown.item] * shown.count, shown.users)
    return Moments.of(y, np.bincount(shown.user, shown.count, shown.users)).estimate()


def personalisation(shown: Shown) -> Estimate:
    """1 minus the mean likeness of the items of two users (cosine of their sets): 0 is one slate for all.

    Source: T. Zhou and others, PNAS 107 (2010), "personalization"; no pair of users is ever formed.

    Raises:
        DataError: there are fewer than 3 users.

    >>> personalisation(Shown.of(pl.DataFrame({"user": ["a", "b", "c"], "items": [["x"], ["x"], ["y"]]}))).value
    0.6666666666666667
    """
    n = shown.users
    if n < 3:
        raise DataError(f"{n} users are too few", allowed="likeness of users needs at least 3")
    length = 1 / np.sqrt(np.bincount(shown.user, minlength=n))
    part = length[shown.user]
    total = np.bincount(shown.item, part, shown.items)
    square = float(total @ total)
    own = np.bincount(shown.user, total[shown.item] * part, n)
    left = (square - 2 * own + 1 - (n - 1)) / ((n - 1) * (n - 2))
    return Estimate(1 - (square - n) / (n * (n - 1)), _jackknife(left), n)


def _jackknife(left: NDArray[np.float64]) -> float:
    return float(np.square(left - left.mean()).sum() * (left.size - 1) / left.size)
