"""Choosing by an index: epsilon-greedy, UCB1 and KL-UCB."""

from typing import Annotated

import numpy as np
from msgspec import Meta

from recloop.bandits.counted import Counted, Indexed, greatest
from recloop.bandits.state import Array, State

_STEPS = 40


class EpsilonGreedy(Counted, frozen=True, kw_only=True, tag="epsilon-greedy"):
    """The arm with the greatest mean, and in a share of the choices any arm alike.

    With ``decay`` the share falls as ``min(1, epsilon * k * n ** -decay)`` over n outcomes and k arms.
    Source: P. Auer, N. Cesa-Bianchi, P. Fischer, "Finite-time analysis of the multiarmed bandit problem", Machine
    Learning 47 (2002), figure 3 (their ε_n is this with decay 1).

    Attributes:
        epsilon: the share; with ``decay`` its factor.
        decay: 0 keeps the share as it is.

    >>> bandit = EpsilonGreedy(epsilon=0.2)
    >>> from recloop.bandits import Outcomes
    >>> state = bandit.update(bandit.initial(["a", "b"]), Outcomes(["a", "b"], [1.0, 0.0]))
    >>> bandit.propensities(state).round(3).tolist()
    [[0.9, 0.1]]
    """

    epsilon: Annotated[float, Meta(ge=0.0, le=100.0)] = 0.1
    decay: Annotated[float, Meta(ge=0.0, le=2.0)] = 0.0

    def _share(self, state: State, features: Array | None) -> Array:  # noqa: ARG002
        pulls, total = state.array("pulls"), state.array("total")
        mean = np.where(pulls > 0, total / np.maximum(pulls, 1e-300), np.inf)[None]
        best = greatest(mean if state.less is None else mean - state.less)
        share = self.epsilon
        if self.decay:
            share *= len(pulls) * max(self._outcomes(state), 1.0) ** -self.decay
        share = min(share, 1.0)
        return np.asarray((1 - share) * best + share / len(pulls))


class UCB1(Indexed, frozen=True, kw_only=True, tag="ucb1"):
    """The greatest mean plus its width: ``mean + sqrt(width * ln(n) / n_a)``; an arm that was never tried comes first.

    Source: Auer, Cesa-Bianchi & Fischer 2002, figure 1, with width 2.

    Attributes:
        width: 2 in the source; less explores less.
    """

    width: Annotated[float, Meta(ge=0.0)] = 2.0

    def _index(self, state: State) -> Array:
        return ucb1_index(state.array("pulls"), state.array("total"), self._outcomes(state), self.width)


class KLUCB(Indexed, frozen=True, kw_only=True, tag="kl-ucb"):
    """The greatest rate that the rewards of an arm in [0, 1] do not rule out; ``kl_ucb_index``.

    Source: A. Garivier, O. Cappé, "The KL-UCB algorithm for bounded stochastic bandits and beyond" (COLT 2011),
    algorithm 1. ``plus`` divides n by the arm's own outcomes, as KL-UCB+ of their section 5 does.

    Attributes:
        slack: c of ln n + c ln ln n; 0 is advised by the source.
        plus: whether to explore less where an arm was tried often.
    """

    rates = True

    slack: Annotated[float, Meta(ge=0.0)] = 0.0
    plus: bool = False

    def _index(self, state: State) -> Array:
        return kl_ucb_index(
            state.array("pulls"), state.array("total"), self._outcomes(state), slack=self.slack, plus=self.plus
        )


def ucb1_index(pulls: Array, total: Array, outcomes: float, width: float = 2.0) -> Array:
    """(k,) the indices of UCB1, infinite where an arm was never tried.

    Args:
        pulls: (k,) outcomes of each arm.
        total: (k,) sums of their rewards.
        outcomes: of all arms together.
        width: of the bound.

    >>> ucb1_index(np.array([10.0, 40.0]), np.array([5.0, 24.0]), 50.0).round(4).tolist()
    [1.3845, 1.0423]
    """
    tried = np.maximum(pulls, 1e-300)
    return np.where(pulls > 0, total / tried + np.sqrt(width * np.log(max(outcomes, 1.0)) / tried), np.inf)


def kl_ucb_index(pulls: Array, total: Array, outcomes: float, *, slack: float = 0.0, plus: bool = False) -> Array:
    """(k,) the greatest q with ``n_a kl(mean_a, q) <= ln n + slack ln ln n``, by bisection to 1e-12.

    Args:
        pulls: (k,) outcomes of each arm.
        total: (k,) sums of their rewards, each in [0, 1].
        outcomes: of all arms together.
        slack: of the bound.
        plus: whether n is divided by n_a.

    >>> kl_ucb_index(np.array([10.0, 40.0]), np.array([5.0, 24.0]), 50.0).round(4).tolist()
    [0.8683, 0.7944]
    """
    tried = np.maximum(pulls, 1e-300)
    mean = np.clip(total / tried, 0.0, 1.0)
    n = np.maximum(outcomes / tried, 1.0) if plus else np.full(len(pulls), max(outcomes, 1.0))
    log = np.log(n)
    allowed = (log + slack * np.log(np.maximum(log, 1.0))) / tried
    return np.where(pulls > 0, kl_upper(mean, allowed), np.inf)


def kl_upper(mean: Array, allowed: Array) -> Array:
    """(k,) the greatest q in [mean, 1] with ``kl(mean, q) <= allowed``, by bisection to 1e-12.

    >>> kl_upper(np.array([0.5]), np.array([0.143841])).round(4).tolist()
    [0.75]
    """
    low, high = mean.copy(), np.ones(len(mean))
    for _ in range(_STEPS):  # halving [mean, 1] forty times reaches 1e-12
        middle = (low + high) / 2
        inside = bernoulli_divergence(mean, middle) <= allowed
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return low


def bernoulli_divergence(p: Array, q: Array) -> Array:
    """The Kullback-Leibler divergence of rates p from q, with 0 ln 0 = 0.

    >>> bernoulli_divergence(np.array([0.5, 0.0]), np.array([0.25, 0.5])).round(6).tolist()
    [0.143841, 0.693147]
    """
    p, q = np.clip(p, 1e-300, 1 - 1e-16), np.clip(q, 1e-16, 1 - 1e-16)
    return np.asarray(p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q)))
