"""Slates that are read from the top: what stands above the click was seen, what stands below was not."""

from typing import Annotated

import numpy as np
from msgspec import Meta

from recloop.bandits.counted import Counted
from recloop.bandits.indices import kl_ucb_index
from recloop.bandits.outcomes import Places
from recloop.bandits.state import Array, State
from recloop.bandits.thompson import BetaThompson
from recloop.errors import SettingError


class CascadeThompson(BetaThompson, frozen=True, kw_only=True, tag="cascade-beta"):
    """The k items whose drawn rates are the greatest, in that order.

    Source: W. C. Cheung, V. Tan, Z. Zhong, "A Thompson sampling algorithm for cascading bandits" (AISTATS 2019), with
    Beta beliefs. Learn with ``read_from_the_top`` from what was clicked.
    """

    def slates(self, state: State, n: int, k: int, rng: np.random.Generator) -> Places:
        """(n, k) places in ``state.arms``, best first."""
        _fits(k, state)
        a, b = self._compared(state)
        return top(rng.beta(a, b, (n, len(a))), k, state)

    def place_propensities(self, state: State, k: int, rng: np.random.Generator, draws: int = 4096) -> Array:
        """(k, n_offered) the estimated chance of each item at each place.

        They are shares of ``draws`` slates: the standard error of a chance p is ``sqrt(p (1 - p) / draws)``, at most
        .008.
        """
        shown = self.slates(state, draws, k, rng)
        column = np.full(len(state.arms), -1)
        column[list(state.offered)] = np.arange(len(state.offered))
        counts = np.zeros((k, len(state.offered)))
        np.add.at(counts, (np.broadcast_to(np.arange(k), shown.shape), column[shown]), 1.0)
        return counts / draws


class CascadeKLUCB(Counted, frozen=True, kw_only=True, tag="cascade-kl-ucb"):
    """The k items whose KL-UCB indices are the greatest, in that order; items that tie in an order drawn alike.

    Source: B. Kveton et al., "Cascading bandits: learning to rank in the cascade model" (ICML 2015), algorithm 1,
    CascadeKL-UCB.

    Attributes:
        slack: c of ln n + c ln ln n; 3 in the source, 0 explores less.
    """

    rates = True

    slack: Annotated[float, Meta(ge=0.0)] = 3.0

    def slates(self, state: State, n: int, k: int, rng: np.random.Generator) -> Places:
        """(n, k) places in ``state.arms``, best first."""
        _fits(k, state)
        index = kl_ucb_index(state.array("pulls"), state.array("total"), self._outcomes(state), slack=self.slack)
        order = rng.random((n, len(index)))
        return np.array(state.offered)[np.lexsort((order, np.broadcast_to(-index, order.shape)), axis=1)[:, :k]]


def top(scores: Array, k: int, state: State) -> Places:
    """(n, k) the places in ``state.arms`` of the k greatest scores of each row, greatest first."""
    first = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(scores, first, axis=1), axis=1)
    return np.array(state.offered)[np.take_along_axis(first, order, axis=1)]


def read_from_the_top(slates: Places, clicked: Places) -> tuple[Places, Array]:
    """What slates that are read from the top tell of items: (items, rewards), as ``Outcomes`` wants them.

    Those above the click were seen and not wanted, the clicked one was; of those below nothing is known. Without a
    click all were seen. Source: N. Craswell et al., "An experimental comparison of click position-bias models" (WSDM
    2008).

    Args:
        slates: (n, k) items.
        clicked: (n,) the place of the first click, k where there is none.

    >>> items, rewards = read_from_the_top(np.array([[4, 7, 2], [7, 4, 2]]), np.array([1, 3]))
    >>> items.tolist(), rewards.tolist()
    ([4, 7, 7, 4, 2], [0.0, 1.0, 0.0, 0.0, 0.0])
    """
    place = np.arange(slates.shape[1])
    seen = place <= clicked[:, None]
    return slates[seen], (place == clicked[:, None])[seen].astype(np.float64)


def _fits(k: int, state: State) -> None:
    if not 1 <= k <= len(state.offered):
        raise SettingError(f"a slate of {k} is asked for", allowed=f"1 to {len(state.offered)} items are on offer")
