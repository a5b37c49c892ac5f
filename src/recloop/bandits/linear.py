"""Bandits whose expected reward is linear in the features of the choice, with weights of each arm's own."""

import math
from typing import Annotated

import numpy as np
from msgspec import Meta

from recloop.bandits.contract import Bandit, Places
from recloop.bandits.counted import greatest
from recloop.bandits.evidence import Spectrum, ridge_and_noise
from recloop.bandits.normal_best import chance_of_greatest
from recloop.bandits.posterior import Posterior
from recloop.bandits.state import Array, State

_FIRST, _GROWTH = 8.0, math.sqrt(2.0)


class Linear(Bandit, frozen=True, kw_only=True):
    """Keeps of each arm the sums of ridge regression: they add, so the order of outcomes does not matter to them.

    Attributes:
        ridge: what is added to the diagonal of the Gram matrix; 0 learns it, and the noise, from all arms together by
            marginal likelihood, each time the outcomes have grown by 41% (``ridge_and_noise``).
        noise: standard deviation of a reward around its line, before it is learned; where ``ridge`` is given, for good.
        discount: what each outcome leaves of the weight of all before it; 1 forgets nothing.
            Source: Y. Russac, C. Vernade, O. Cappé, "Weighted linear bandits for non-stationary environments" (NeurIPS
            2019), with one covariance rather than their two.
    """

    contextual = True

    ridge: Annotated[float, Meta(ge=0.0)] = 0.0
    noise: Annotated[float, Meta(gt=0.0)] = 0.5
    discount: Annotated[float, Meta(gt=0.0, le=1.0)] = 1.0

    def _fresh(self, features: int) -> dict[str, Array]:
        return {
            "pulls": np.zeros(()),
            "squares": np.zeros(()),
            "moment": np.zeros(features),
            "gram": np.zeros((features, features)),
        }

    def _common(self, features: int) -> dict[str, Array]:  # noqa: ARG002
        return {"prior": np.array([self.ridge or 1.0, self.noise**2]), "seen": np.zeros(1)}

    def n_features(self, state: State) -> int:
        """How many features the state was made for."""
        return len(state.per_arm["moment"][0])

    def posterior(self, state: State) -> Posterior:
        """What is believed of the weights of every arm in ``state.arms``."""
        found = state.derived.get("posterior")
        if found is None:
            ridge, noise = state.common["prior"].tolist()
            gram = np.asarray(state.per_arm["gram"])
            inverse = np.linalg.inv(gram + ridge * np.eye(gram.shape[1]))
            mean = (inverse @ np.asarray(state.per_arm["moment"])[:, :, None])[:, :, 0]
            found = state.derived["posterior"] = Posterior.of(mean, inverse, noise)
        return found  # type: ignore[no-any-return]

    def _learn(
        self, state: State, places: Places, rewards: Array, features: Array | None, propensities: Array | None
    ) -> State:
        assert features is not None
        n, seen = len(places), float(state.common["seen"][0])
        if self.ridge:
            return self._add(state, places, rewards, features)
        start = 0
        while start < n:  # as far as the next moment at which the prior is learned again
            stop = min(n, start + max(1, math.ceil(_checkpoint(seen) - seen)))
            part = slice(start, stop)
            reached = seen + (stop - start) >= _checkpoint(seen)
            state = self._add(state, places[part], rewards[part], features[part])
            seen += stop - start
            if reached:
                state = self._refit(state)
            start = stop
        return state

    def _add(self, state: State, places: Places, rewards: Array, features: Array) -> State:
        if len(places) == 1 and self.discount == 1:
            return self._add_one(state, int(places[0]), float(rewards[0]), features[0])
        k, n = len(state.arms), len(places)
        d = features.shape[1]
        order = np.argsort(places, kind="stable")
        bounds = np.searchsorted(places[order], np.arange(k + 1))
        x, y = features[order], rewards[order]
        left = self.discount**n
        weight = np.ones(n) if self.discount == 1 else (self.discount ** np.arange(n - 1, -1, -1.0))[order]
        grams, moments = list(state.per_arm["gram"]), list(state.per_arm["moment"])
        if left < 1:
            grams, moments = [left * one for one in grams], [left * one for one in moments]
        for arm in np.unique(places).tolist():
            rows = slice(bounds[arm], bounds[arm + 1])
            weighted = x[rows] * weight[rows, None]
            grams[arm] = grams[arm] + weighted.T @ x[rows]
            moments[arm] = moments[arm] + weighted.T @ y[rows]
        per_arm = {
            "pulls": left * state.per_arm["pulls"] + np.bincount(places[order], weights=weight, minlength=k),
            "squares": left * state.per_arm["squares"] + np.bincount(places[order], weights=weight * y * y, minlength=k),
            "moment": tuple(moments),
            "gram": tuple(grams),
        }
        assert grams[0].shape == (d, d)
        common = {**state.common, "seen": state.common["seen"] + n}
        return State(state.bandit, state.arms, state.offered, per_arm, common)

    def _add_one(self, state: State, arm: int, reward: float, features: Array) -> State:
        old = state.per_arm
        pulls, squares = old["pulls"].copy(), old["squares"].copy()  # type: ignore[union-attr]
        pulls[arm] += 1.0
        squares[arm] += reward * reward
        grams, moments = list(old["gram"]), list(old["moment"])
        grams[arm] = grams[arm] + np.multiply.outer(features, features)
        moments[arm] = moments[arm] + features * reward
        per_arm = {"pulls": pulls, "squares": squares, "moment": tuple(moments), "gram": tuple(grams)}
        common = {**state.common, "seen": state.common["seen"] + 1.0}
        known = state.derived.get("posterior")
        derived = {} if known is None else {"posterior": known.after(arm, features, reward)}
        return State(state.bandit, state.arms, state.offered, per_arm, common, derived)

    def _refit(self, state: State) -> State:
        per_arm = state.per_arm
        spectrum = Spectrum.of(np.asarray(per_arm["gram"]), np.asarray(per_arm["moment"]))
        ridge, noise = ridge_and_noise(spectrum, np.asarray(per_arm["pulls"]), np.asarray(per_arm["squares"]), self.noise)
        common = {**state.common, "prior": np.array([ridge, noise])}
        inverse, mean = spectrum.solved(ridge)
        derived = {"posterior": Posterior.of(mean, inverse, noise)}
        return State(state.bandit, state.arms, state.offered, per_arm, common, derived)

    def _beliefs(self, state: State, features: Array) -> tuple[Array, Array]:
        """(n, n_offered) means and variances of the expected rewards."""
        posterior = self.posterior(state)
        mean, variance = posterior.values(features), posterior.variances(features)
        if not state.all_offered:
            mean, variance = mean[:, list(state.offered)], variance[:, list(state.offered)]
        return mean, variance


def _checkpoint(seen: float) -> float:
    """The next number of outcomes at which the prior is learned, after so many."""
    if seen < _FIRST:
        return _FIRST
    steps = math.floor(math.log(seen / _FIRST) / math.log(_GROWTH) + 1e-9) + 1
    return math.ceil(_FIRST * _GROWTH**steps - 1e-9)


class LinUCB(Linear, frozen=True, kw_only=True, tag="lin-ucb"):
    """The arm whose expected reward plus ``width`` standard deviations is the greatest.

    Source: L. Li, W. Chu, J. Langford, R. Schapire, "A contextual-bandit approach to personalized news article
    recommendation" (WWW 2010), algorithm 1; their α is ``width * noise`` here.

    Attributes:
        width: standard deviations; 0 is greedy.
    """

    width: Annotated[float, Meta(ge=0.0)] = 1.0

    def bounds(self, state: State, features: Array) -> Array:
        """(n, n_offered) the upper bounds that are compared."""
        mean, variance = self._beliefs(state, features)
        return np.asarray(mean + self.width * np.sqrt(variance))

    def _share(self, state: State, features: Array | None) -> Array:
        assert features is not None
        return greatest(self.bounds(state, features))

    def choose(self, state: State, features: Array, rng: np.random.Generator) -> Places:  # type: ignore[override]
        """(n,) the arm that each choice gets, as places in ``state.arms``, drawn with its propensity."""
        if self.floor or self.mixture:
            return super().choose(state, features, rng)
        seen, n = self._seen(state, features)
        assert seen is not None
        bounds = self.bounds(state, seen)
        best = bounds.argmax(axis=1)
        if n == 1:
            row = bounds[0]
            tied = int(np.count_nonzero(row == row[best[0]])) > 1
        else:
            tied = bool(((bounds == bounds[np.arange(n), best][:, None]).sum(axis=1) > 1).any())
        if tied:
            return super().choose(state, features, rng)
        return best if state.all_offered else np.array(state.offered, dtype=np.intp)[best]


class LinTS(Linear, frozen=True, kw_only=True, tag="lin-ts"):
    """Each arm with the probability that its expected reward is the greatest, under normal beliefs about its weights.

    The arms' weights are independent, so the probability is one integral, and is computed by quadrature for each
    choice (``chance_of_greatest``); ``choose`` draws from the beliefs, which is the same. Source: S. Agrawal, N. Goyal,
    "Thompson sampling for contextual bandits with linear payoffs" (ICML 2013), algorithm 1; their v is ``width * noise``.

    Attributes:
        width: what the standard deviations of the beliefs are multiplied by; below 1 explores less.
    """

    width: Annotated[float, Meta(gt=0.0)] = 1.0

    def _share(self, state: State, features: Array | None) -> Array:
        assert features is not None
        mean, variance = self._beliefs(state, features)
        return chance_of_greatest(mean, self.width * np.sqrt(variance))

    def choose(self, state: State, features: Array, rng: np.random.Generator) -> Places:  # type: ignore[override]
        """(n,) the arm that each choice gets, as places in ``state.arms``, drawn with its propensity."""
        if self.floor or self.mixture:
            return super().choose(state, features, rng)
        seen, _ = self._seen(state, features)
        assert seen is not None
        mean, variance = self._beliefs(state, seen)
        best = (mean + self.width * np.sqrt(variance) * rng.standard_normal(mean.shape)).argmax(axis=1)
        return best if state.all_offered else np.array(state.offered, dtype=np.intp)[best]
