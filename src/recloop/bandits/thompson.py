"""Thompson sampling without features: beliefs as sums, probabilities by quadrature."""

from typing import Annotated, Literal

import numpy as np
from msgspec import Meta

from recloop.bandits.beta_prior import learned_prior
from recloop.bandits.counted import Counted
from recloop.bandits.normal_best import chance_of_greatest
from recloop.bandits.state import Array, State
from recloop.stats.adaptive.best_arm import probability_best, probability_best_mean

_TINY = 1e-9


class BetaThompson(Counted, frozen=True, kw_only=True, tag="beta"):
    """Each arm with the probability that its rate is the greatest, where rates are believed to be Beta.

    The probability is computed by quadrature (``probability_best``), not drawn: propensities are exact to 1e-8.
    Source: W. R. Thompson, Biometrika 25 (1933); O. Chapelle, L. Li, "An empirical evaluation of Thompson sampling"
    (NeurIPS 2011), algorithm 2, and their section 3 for ``width`` ("posterior reshaping").

    Attributes:
        prior: ``learned`` from all arms by marginal likelihood (``learned_prior``), or ``fixed``.
        prior_successes, prior_failures: of the Beta prior of every arm, where it is fixed.
        width: what the standard deviations of the beliefs are multiplied by, nearly: Beta(a, b) is taken as
            Beta(a / width², b / width²). Below 1 explores less, which earns more on average and now and then holds on
            to a worse arm.

    >>> from recloop.bandits import Outcomes
    >>> bandit = BetaThompson(prior="fixed")
    >>> state = bandit.update(bandit.initial(["a", "b"]), Outcomes(["a", "b"], [1.0, 0.0]))
    >>> bandit.propensities(state).round(6).tolist()  # P(Beta(2, 1) > Beta(1, 2)) = 5/6
    [[0.833333, 0.166667]]
    """

    rates = True

    prior: Literal["fixed", "learned"] = "learned"
    prior_successes: Annotated[float, Meta(gt=0.0)] = 1.0
    prior_failures: Annotated[float, Meta(gt=0.0)] = 1.0
    width: Annotated[float, Meta(gt=0.0)] = 1.0

    def posterior(self, state: State) -> tuple[Array, Array]:
        """(n_offered,) a and b of what is believed of each arm's rate."""
        won, pulls = state.array("total"), state.array("pulls")
        lost = np.maximum(pulls - won, 0.0)
        a, b = self.prior_successes, self.prior_failures
        if self.prior == "learned":
            a, b = learned_prior(tuple(won.tolist()), tuple(lost.tolist()))
        return won + a, lost + b

    def _compared(self, state: State) -> tuple[Array, Array]:
        """(n_offered,) a and b of the beliefs by which arms are compared: the posterior, reshaped by ``width``."""
        a, b = self.posterior(state)
        return a * self.width**-2, b * self.width**-2

    def _share(self, state: State, features: Array | None) -> Array:  # noqa: ARG002
        a, b = self._compared(state)
        if state.less is None:
            return probability_best(a, b)[None]
        mean = a / (a + b)  # what costs something is compared by normal beliefs of the same mean and variance
        deviation = np.sqrt(mean * (1 - mean) / (a + b + 1))
        return chance_of_greatest(mean - state.less, np.broadcast_to(deviation, state.less.shape))

    def _draws(self, state: State, features: Array | None, n: int, rng: np.random.Generator) -> Array | None:  # noqa: ARG002
        a, b = self._compared(state)
        return rng.beta(a, b, (n, len(a)))


class GaussianThompson(Counted, frozen=True, kw_only=True, tag="gaussian"):
    """Each arm with the probability that its mean is the greatest, where means are believed to be normal.

    The noise of one reward is the pooled standard deviation within arms, with one reward's worth of ``noise`` in
    advance. Source: S. Agrawal, N. Goyal, "Further optimal regret bounds for Thompson sampling" (AISTATS 2013),
    algorithm 2, with a proper prior and a noise that is learned.

    Attributes:
        prior_mean, prior_deviation: of the normal prior of every arm's mean.
        noise: standard deviation of a reward before any was seen.
        width: what the standard deviations of the beliefs are multiplied by; below 1 explores less.
    """

    prior_mean: float = 0.0
    prior_deviation: Annotated[float, Meta(gt=0.0)] = 1.0
    noise: Annotated[float, Meta(gt=0.0)] = 1.0
    width: Annotated[float, Meta(gt=0.0)] = 1.0

    def posterior(self, state: State) -> tuple[Array, Array]:
        """(n_offered,) means and standard deviations of what is believed of each arm's mean."""
        pulls, total, squares = (state.array(name) for name in ("pulls", "total", "squares"))
        within = np.maximum(squares - total**2 / np.maximum(pulls, _TINY), 0.0).sum()
        spare = np.maximum(pulls - 1, 0.0).sum()
        noise = (self.noise**2 + within) / (1 + spare)
        precision = self.prior_deviation**-2 + pulls / noise
        mean = (self.prior_mean * self.prior_deviation**-2 + total / noise) / precision
        return mean, precision**-0.5

    def _share(self, state: State, features: Array | None) -> Array:  # noqa: ARG002
        mean, deviation = self.posterior(state)
        deviation = self.width * deviation
        if state.less is None:
            return probability_best_mean(mean, deviation)[None]
        return chance_of_greatest(mean - state.less, np.broadcast_to(deviation, state.less.shape))

    def _draws(self, state: State, features: Array | None, n: int, rng: np.random.Generator) -> Array | None:  # noqa: ARG002
        mean, deviation = self.posterior(state)
        return rng.normal(mean, self.width * deviation, (n, len(mean)))


class TopTwo(BetaThompson, frozen=True, kw_only=True, tag="top-two"):
    """Top-two Thompson sampling: for finding the best arm soon, rather than for earning while at it.

    With chance ``leader`` the arm that Thompson sampling draws, else the first other one that it draws. In closed form
    of the probabilities p of Thompson sampling: ``p_i (β + (1 - β) Σ_{j≠i} p_j / (1 - p_j))``.
    Source: D. Russo, "Simple Bayesian algorithms for best-arm identification", Operations Research 68 (2020), section
        3.

    Attributes:
        leader: β; a half is nearly the best whatever the rates are.
    """

    leader: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.5

    def _share(self, state: State, features: Array | None) -> Array:
        return top_two(BetaThompson._share(self, state, features), self.leader)  # noqa: SLF001

    def _draws(self, state: State, features: Array | None, n: int, rng: np.random.Generator) -> Array | None:  # noqa: ARG002
        return None


def top_two(best: Array, leader: float) -> Array:
    """(n, k) chances of top-two sampling from those of being the best.

    >>> top_two(np.array([[0.8, 0.2]]), 0.5).round(6).tolist()  # of two arms, each in half of the choices
    [[0.5, 0.5]]
    """
    if best.shape[1] == 1:
        return best
    odds = best / np.maximum(1 - best, _TINY)
    challenger = best * (odds.sum(axis=1, keepdims=True) - odds)
    total = challenger.sum(axis=1, keepdims=True)
    # where one arm is as good as certain, nothing is known of the order of the others: they get even chances
    even = (1 - best) / (best.shape[1] - 1)
    challenger = np.where(total > 1 - 1e-3, challenger / np.maximum(total, _TINY), even)
    share = leader * best + (1 - leader) * challenger
    return np.asarray(share / share.sum(axis=1, keepdims=True))
