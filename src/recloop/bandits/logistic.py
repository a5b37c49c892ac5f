"""Thompson sampling for yes-or-no rewards whose log-odds are linear in the features."""

from typing import Annotated

import numpy as np
from msgspec import Meta
from scipy import special

from recloop.bandits.contract import Bandit
from recloop.bandits.normal_best import chance_of_greatest
from recloop.bandits.outcomes import Checked
from recloop.bandits.state import Array, State, Value

_STEPS, _ENOUGH = 25, 1e-9


class LogisticThompson(Bandit, frozen=True, kw_only=True, tag="logistic"):
    """Each arm with the probability that its log-odds are the greatest, under Laplace's approximation of the beliefs.

    A batch is fitted by Newton's method with the beliefs before it as the prior, and their precision grows by the
    curvature there. One batch of many outcomes is therefore nearer to the exact answer than many batches of one, and
    the two differ a little. Source: O. Chapelle, L. Li, "An empirical evaluation of Thompson sampling" (NeurIPS 2011),
    algorithm 3, with the whole precision instead of its diagonal.

    Attributes:
        ridge: precision of the prior of every weight.
        width: what the standard deviations of the beliefs are multiplied by; below 1 explores less.

    >>> from recloop.bandits import Outcomes
    >>> bandit, seen = LogisticThompson(), np.ones((40, 1))
    >>> came = Outcomes(["a"] * 20 + ["b"] * 20, [1.0] * 15 + [0.0] * 5 + [1.0] * 5 + [0.0] * 15, seen)
    >>> state = bandit.update(bandit.initial(["a", "b"], features=1), came)
    >>> bandit.posterior(state)[0].round(2).tolist()  # the log-odds of 15:5 are 1.10, held back by the prior
    [[0.88], [-0.88]]
    """

    contextual = True
    rates = True

    ridge: Annotated[float, Meta(gt=0.0)] = 1.0
    width: Annotated[float, Meta(gt=0.0)] = 1.0

    def _fresh(self, features: int) -> dict[str, Array]:
        return {"pulls": np.zeros(()), "mean": np.zeros(features), "precision": self.ridge * np.eye(features)}

    def n_features(self, state: State) -> int:
        """How many features the state was made for."""
        return len(state.per_arm["mean"][0])

    def posterior(self, state: State) -> tuple[Array, Array]:
        """(k, d) means and (k, d, d) covariances of the weights of every arm in ``state.arms``."""
        found = state.derived.get("covariance")
        if found is None:
            found = state.derived["covariance"] = np.linalg.inv(np.asarray(state.per_arm["precision"]))
        return np.asarray(state.per_arm["mean"]), found

    def _beliefs(self, state: State, features: Array) -> tuple[Array, Array]:
        mean, covariance = self.posterior(state)
        offered = list(state.offered)
        middle = features @ mean[offered].T
        variance = np.einsum("nd,kde,ne->nk", features, covariance[offered], features, optimize=True)
        return middle, self.width * np.sqrt(np.maximum(variance, 0.0))

    def _share(self, state: State, features: Array | None) -> Array:
        assert features is not None
        return chance_of_greatest(*self._beliefs(state, features))

    def _draws(self, state: State, features: Array | None, n: int, rng: np.random.Generator) -> Array | None:  # noqa: ARG002
        assert features is not None
        return rng.normal(*self._beliefs(state, features))

    def _learn(self, state: State, came: Checked) -> State:
        places, rewards, features = came.places, came.rewards, came.features
        assert features is not None
        means, precisions = list(state.per_arm["mean"]), list(state.per_arm["precision"])
        for arm in np.unique(places).tolist():
            rows = places == arm
            means[arm], precisions[arm] = laplace(means[arm], precisions[arm], features[rows], rewards[rows])
        pulls = np.asarray(state.per_arm["pulls"]) + np.bincount(places, minlength=len(state.arms))
        per_arm: dict[str, Value] = {"pulls": pulls, "mean": tuple(means), "precision": tuple(precisions)}
        return State(state.bandit, state.arms, state.offered, per_arm, state.common)


def laplace(mean: Array, precision: Array, features: Array, rewards: Array) -> tuple[Array, Array]:
    """The mode of a logistic model's weights, and the precision there, from a normal prior and some rewards.

    Args:
        mean: (d,) of the prior.
        precision: (d, d) of the prior.
        features: (n, d).
        rewards: (n,) in [0, 1].

    Returns:
        The mode (d,), by Newton's method, and the precision (d, d).

    >>> mode, precision = laplace(np.zeros(1), np.eye(1) * 1e-9, np.ones((4, 1)), np.array([1.0, 1.0, 1.0, 0.0]))
    >>> float(mode[0].round(4)), float(precision[0, 0].round(4))  # ln 3, 4 * 3/4 * 1/4
    (1.0986, 0.75)
    """
    weights = mean
    for _ in range(_STEPS):
        rate = special.expit(features @ weights)
        slope = precision @ (weights - mean) - features.T @ (rewards - rate)
        curve = precision + (features * (rate * (1 - rate))[:, None]).T @ features
        step = np.linalg.solve(curve, slope)
        # a long step would leave the region in which the curve holds
        weights = weights - step / max(1.0, float(np.abs(features @ step).max(initial=0.0)) / 4.0)
        if np.abs(step).max() < _ENOUGH:
            break
    rate = special.expit(features @ weights)
    return weights, precision + (features * (rate * (1 - rate))[:, None]).T @ features
