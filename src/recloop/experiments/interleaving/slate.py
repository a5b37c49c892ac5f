"""A slate made of several rankings, with what a click on each of its places is worth to each of them."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from recloop.errors import SettingError

Ranking = Sequence[Hashable]
FIGURES = 6  # decimals of a credit that travel in a decision


@dataclass(frozen=True, slots=True, eq=False)
class Interleaved:
    """A slate of m rankings, and its ballot: the credits that clicks will hand out.

    Every method keeps one promise: whatever the probability that a place is clicked, if it does not depend on the item
    there, no ranking earns more than another on average over the slates that could have been shown.

    Attributes:
        items: the slate, best place first.
        teams: place in ``rankings`` of the one that put each item there; -1 where nobody can tell.
        credits: (k, m) what a click on each place earns each ranking; or (k, k, m) what it earns that one place was
            clicked and the other was not. Rows sum to zero over the rankings, and places before the first
            disagreement of the rankings earn nothing.
        propensity: the probability of this slate.
    """

    items: tuple[Any, ...]
    teams: tuple[int, ...]
    credits: NDArray[np.float64]
    propensity: float

    def ballot(self) -> str:
        """The credits as a JSON text: what a decision carries until its clicks come."""
        return msgspec.json.encode((self.credits.round(FIGURES) + 0.0).tolist()).decode()

    def score(self, clicked: Sequence[int]) -> NDArray[np.float64]:
        """(m,) what the clicks on these places earn each ranking.

        >>> made = Interleaved(("a", "b"), (0, 1), np.array([[0.5, -0.5], [-0.5, 0.5]]), 0.5)
        >>> made.score([0]).tolist(), made.score([0, 1]).tolist()
        ([0.5, -0.5], [0.0, 0.0])
        """
        clicks = np.zeros(len(self.items), dtype=bool)
        clicks[list(clicked)] = True
        earned: NDArray[np.float64]
        if self.credits.ndim == 2:
            earned = self.credits[clicks].sum(axis=0)
            return earned
        passed = ~clicks & (np.arange(clicks.size) <= clicks.nonzero()[0].max(initial=-2) + 1)
        earned = self.credits[np.ix_(clicks, passed)].sum(axis=(0, 1))
        return earned


def agreement(rankings: Sequence[Ranking]) -> int:
    """How many items all rankings begin with: there the slate holds the same whatever the coin says.

    >>> agreement(["abcd", "abdc", "abc"]), agreement(["ab", "ab"]), agreement(["ab", "abc"])
    (2, 2, 2)
    """
    for place, items in enumerate(zip(*rankings, strict=False)):
        if len(set(items)) > 1:
            return place
    return shallowest(rankings)


def ranks(items: Sequence[Hashable], rankings: Sequence[Ranking]) -> NDArray[np.int64]:
    """(k, m) rank of each item in each ranking, from 1; what a ranking lacks stands right below its end.

    >>> ranks("ca", ["abc", "ab"]).tolist()
    [[3, 3], [1, 1]]
    """
    places = [{item: place for place, item in enumerate(ranking, 1)} for ranking in rankings]
    return np.array([[of.get(item, len(of) + 1) for of in places] for item in items], dtype=np.int64).reshape(
        len(items), len(rankings)
    )


def centred(worth: NDArray[np.float64], agreed: int) -> NDArray[np.float64]:
    """The credits less their mean over the rankings, and none on the places that all agree on."""
    found: NDArray[np.float64] = worth - worth.mean(axis=-1, keepdims=True)
    found[:agreed] = 0.0
    if found.ndim == 3:
        found[:, :agreed] = 0.0
    return found


def shallowest(rankings: Sequence[Ranking]) -> int:
    """Places that every ranking can fill, whatever the others took: below them the longer one would win by its length.

    >>> shallowest(["abc", "de"])
    2
    """
    return min(len(ranking) for ranking in rankings)


def check_rankings(rankings: Sequence[Ranking], k: int, *, most: int | None = None) -> None:
    """Raises SettingError where the rankings cannot be interleaved."""
    if len(rankings) < 2:
        raise SettingError(f"{len(rankings)} rankings came to be interleaved", allowed="two or more")
    if most is not None and len(rankings) > most:
        raise SettingError(
            f"{len(rankings)} rankings came to be interleaved",
            allowed=f"this method takes {most}",
            advice="use team-draft or pairwise for more",
        )
    if k < 1:
        raise SettingError(f"k is {k}", allowed="k must be at least 1")
    for place, ranking in enumerate(rankings):
        if len(set(ranking)) < len(ranking):
            raise SettingError(f"ranking {place} holds an item twice", allowed="each item once")
