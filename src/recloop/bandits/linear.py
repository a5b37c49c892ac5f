"""Bandits whose expected reward is linear in the features of the choice, with weights of each arm's own."""

import math
from typing import Annotated

import numpy as np
from msgspec import Meta
from scipy.linalg.blas import dger

from recloop.bandits.contract import Bandit
from recloop.bandits.counted import greatest
from recloop.bandits.evidence import Spectrum, ridge_and_noise
from recloop.bandits.normal_best import chance_of_greatest
from recloop.bandits.outcomes import Checked, Places, faded
from recloop.bandits.posterior import Posterior
from recloop.bandits.state import Array, State

_FIRST, _GROWTH = 8.0, math.sqrt(2.0)
_SEEN = 2  # place in the prior: ridge, variance of the noise, outcomes, those at which it is learned again (0: never)


class Linear(Bandit, frozen=True, kw_only=True):
    """Keeps of each arm the sums of products of (features, reward, 1): all that ridge regression needs.

    They add, so the order of outcomes does not matter to them.

    Attributes:
        ridge: what is added to the diagonal of the Gram matrix; 0 learns it, and the noise, from all arms together by
            marginal likelihood, each time the outcomes have grown by 41% (``ridge_and_noise``).
        noise: standard deviation of a reward around its line, before it is learned; where ``ridge`` is given, for good.
        discount: what each decision leaves of the weight of all before it; 1 forgets nothing.
            Source: Y. Russac, C. Vernade, O. Cappé, "Weighted linear bandits for non-stationary environments" (NeurIPS
            2019), with one covariance rather than their two.
    """

    contextual = True

    ridge: Annotated[float, Meta(ge=0.0)] = 0.0
    noise: Annotated[float, Meta(gt=0.0)] = 0.5
    discount: Annotated[float, Meta(gt=0.0, le=1.0)] = 1.0

    def _fresh(self, features: int) -> dict[str, Array]:
        return {"sums": np.zeros((features + 2, features + 2))}

    def _common(self, features: int) -> dict[str, Array]:  # noqa: ARG002
        return {"prior": np.array([self.ridge or 1.0, self.noise**2, 0.0, 0.0 if self.ridge else _FIRST])}

    def n_features(self, state: State) -> int:
        """How many features the state was made for."""
        return len(state.per_arm["sums"][0]) - 2

    def _outcomes(self, state: State) -> float:
        return float(state.common["prior"][_SEEN])

    def posterior(self, state: State) -> Posterior:
        """What is believed of the weights of every arm in ``state.arms``."""
        held, at = self._held(state)
        copied = Posterior(held.whole.copy(), held.noise)
        return copied if held.moves[0] == at else self._solved(state)

    def _held(self, state: State) -> tuple[Posterior, int]:
        """The beliefs that the state holds, to be read only, and how often they were moved until then.

        An update takes them over, and moves them in place, because to copy them would cost more than all else. Who read
        them compares ``moves`` afterwards, and where they were moved meanwhile makes them anew (``_solved``).
        """
        found: tuple[Posterior, int] | None = state.derived.get("posterior")
        if found is None:
            found = state.derived["posterior"] = (self._solved(state), 0)
        return found

    def _solved(self, state: State) -> Posterior:
        """The beliefs made of the sums."""
        ridge, noise = state.common["prior"][:_SEEN].tolist()
        sums = np.asarray(state.per_arm["sums"])
        inverse = np.linalg.inv(sums[:, :-2, :-2] + ridge * np.eye(sums.shape[1] - 2))
        return Posterior.of((inverse @ sums[:, :-2, -2, None])[:, :, 0], inverse, noise)

    def _learn(self, state: State, came: Checked) -> State:
        places, rewards, features, _, order = came
        assert features is not None
        n, start = len(places), 0
        while start < n:  # as far as the next moment at which the prior is learned again
            _, _, seen, due = state.common["prior"].tolist()
            if n == 1 and self.discount == 1:
                state, start = self._add_one(state, int(places[0]), float(rewards[0]), features[0]), 1
            else:
                stop = int(min(n, start + due - seen)) if due else n
                part = slice(start, stop)
                numbers = None if order is None else order[part]
                state, start = self._add(state, places[part], rewards[part], features[part], numbers), stop
            if due and state.common["prior"][_SEEN] >= due:
                state = self._refit(state)
        return state

    def _add(self, state: State, places: Places, rewards: Array, features: Array, order: Array | None) -> State:
        n = len(places)
        sort = np.argsort(places, kind="stable")
        bounds = np.searchsorted(places[sort], np.arange(len(state.arms) + 1))
        rows = np.column_stack([features, rewards, np.ones(n)])[sort]
        weighted, left, common = rows, 1.0, _counted(state, n)
        if self.discount < 1:
            weights, left, common["clock"] = faded(state, self.discount, order, n)
            weighted = rows * weights[sort, None]
        sums = [one if left == 1 else left * one for one in state.per_arm["sums"]]
        for arm in np.flatnonzero(np.diff(bounds)).tolist():
            part = slice(bounds[arm], bounds[arm + 1])
            sums[arm] = sums[arm] + weighted[part].T @ rows[part]
        return State(state.bandit, state.arms, state.offered, {"sums": tuple(sums)}, common)

    def _add_one(self, state: State, arm: int, reward: float, features: Array) -> State:
        row = np.empty(len(features) + 2)
        row[:-2] = features
        row[-2:] = reward, 1.0
        sums = list(state.per_arm["sums"])
        sums[arm] = dger(1.0, row, row, a=sums[arm].T).T  # a copy, and one pass instead of two
        held, at = state.derived.pop("posterior", (None, 0))  # one thread gets it; the old state makes it anew if asked
        derived = {}
        if held is not None and held.moves[0] == at:
            held.move(arm, features, reward)
            derived["posterior"] = (held, held.moves[0])
        return State(state.bandit, state.arms, state.offered, {"sums": tuple(sums)}, _counted(state, 1), derived)

    def _refit(self, state: State) -> State:
        sums = np.asarray(state.per_arm["sums"])
        spectrum = Spectrum.of(sums[:, :-2, :-2], sums[:, :-2, -2])
        ridge, noise = ridge_and_noise(spectrum, sums[:, -1, -1], sums[:, -2, -2], self.noise)
        seen = float(state.common["prior"][_SEEN])
        common = {**state.common, "prior": np.array([ridge, noise, seen, math.ceil(seen * _GROWTH)])}
        inverse, mean = spectrum.solved(ridge)
        derived = {"posterior": (Posterior.of(mean, inverse, noise), 0)}
        return State(state.bandit, state.arms, state.offered, state.per_arm, common, derived)

    def _beliefs(self, state: State, features: Array) -> tuple[Array, Array]:
        """(n, n_offered) means and variances of the expected rewards."""
        held, at = self._held(state)
        mean, variance = held.beliefs(features)
        if held.moves[0] != at:
            mean, variance = self._solved(state).beliefs(features)
        if not state.all_offered:
            mean, variance = mean[:, list(state.offered)], variance[:, list(state.offered)]
        return (mean if state.less is None else mean - state.less), variance


def _counted(state: State, outcomes: int) -> dict[str, Array]:
    prior = state.common["prior"].copy()
    prior[_SEEN] += outcomes
    return {"prior": prior}


class LinUCB(Linear, frozen=True, kw_only=True, tag="lin-ucb"):
    """The arm whose expected reward plus ``width`` standard deviations is the greatest.

    Source: L. Li, W. Chu, J. Langford, R. Schapire, "A contextual-bandit approach to personalized news article
    recommendation" (WWW 2010), algorithm 1; their α is ``width * noise`` here.

    Attributes:
        width: standard deviations; 0 is greedy.
    """

    ties = True

    width: Annotated[float, Meta(ge=0.0)] = 1.0

    def bounds(self, state: State, features: Array) -> Array:
        """(n, n_offered) the upper bounds that are compared."""
        mean, width = self._beliefs(state, features)
        np.sqrt(width, out=width)
        if self.width != 1:
            width *= self.width
        width += mean
        return width

    def _share(self, state: State, features: Array | None) -> Array:
        assert features is not None
        return greatest(self.bounds(state, features))

    def _draws(self, state: State, features: Array | None, n: int, rng: np.random.Generator) -> Array | None:  # noqa: ARG002
        assert features is not None
        return self.bounds(state, features)


class LinTS(Linear, frozen=True, kw_only=True, tag="lin-ts"):
    """Each arm with the probability that its expected reward is the greatest, under normal beliefs about its weights.

    The arms' weights are independent, so the probability is one integral, and is computed by quadrature for each
    choice (``chance_of_greatest``); ``choose`` draws from the beliefs, which is the same. Source: S. Agrawal, N. Goyal,
    "Thompson sampling for contextual bandits with linear payoffs" (ICML 2013), algorithm 1; their v is ``width *
    noise``.

    Attributes:
        width: what the standard deviations of the beliefs are multiplied by; below 1 explores less.
    """

    width: Annotated[float, Meta(gt=0.0)] = 1.0

    def _share(self, state: State, features: Array | None) -> Array:
        assert features is not None
        mean, variance = self._beliefs(state, features)
        return chance_of_greatest(mean, self.width * np.sqrt(variance))

    def _draws(self, state: State, features: Array | None, n: int, rng: np.random.Generator) -> Array | None:  # noqa: ARG002
        assert features is not None
        mean, variance = self._beliefs(state, features)
        return np.asarray(mean + self.width * np.sqrt(variance) * rng.standard_normal(mean.shape))
