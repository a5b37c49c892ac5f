from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.progress import Progress
from recloop.strategies.base import Strategy, setting
from recloop.strategies.fitted_q.choice import fit_choice, utilities
from recloop.strategies.fitted_q.features import Features, fit_features
from recloop.strategies.fitted_q.slate import best_slates
from recloop.strategies.logged import Steps, steps_of

BLOCK_BYTES = 64 * 2**20
CONVERGED = 1e-4  # the change of values, relative to their spread, at which iteration ends


class FittedQ(Strategy):
    """What an item is worth to this session in the long run, learned from slates that were shown.

    Q(s, i) is the reward of taking item i in session s and all that follows, each later slate worth ``discount`` of
    the one before. With SlateQ's decomposition (Ie et al. 2019, "SlateQ", section 4) a slate is worth the mean of its
    items' Q and of taking nothing, by how likely each is: a conditional logit says that. Fitted Q iteration (Ernst,
    Geurts & Wehenkel 2005, "Tree-based batch mode reinforcement learning") solves one ridge regression again and again,
    each time with rewards plus the value of the best slate at the next step. With ``discount = 0`` it is myopic.

    >>> from recloop.strategies.fitted_q.strategy import FittedQ
    >>> FittedQ(discount=0.9).discount
    0.9
    """

    name: ClassVar[str] = "fitted-q"
    summary: ClassVar[str] = "long-term value of items by fitted Q iteration over logged slates"
    by_default: ClassVar[bool] = False

    discount: float = setting(0.97, "what the next slate counts of this one; 0: myopic", low=0.0, high=0.999)
    iterations: int = setting(60, "rounds of fitted Q iteration, at most", low=1, high=10_000)
    factors: int = setting(8, "numbers of an item beyond its outcomes", low=0, high=256, search=(2, 32))
    width: int = setting(0, "random units that make sessions curved", low=0, high=2048)
    reg: float = setting(10.0, "how strongly Q is drawn to its mean, in observations", low=1e-6, high=1e6)
    window: int = setting(50, "how many of the last events are read", low=1, high=1000)
    away: float = setting(7.0, "days without a slate, to the end of the log, that mean a user has left", low=0.0)
    places: int | None = setting(None, "items of a slate; null: as in the log", low=1, high=200)
    slates: int = setting(50_000, "slates that are learned from, at most", low=1)
    seed: int = setting(0, "of the random units", low=0, high=2**31)

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        steps = steps_of(dataset, self.name, window=self.window, away=self.away, most=self.slates)
        rng = np.random.default_rng(self.seed)
        returns = steps.returns(self.discount or 0.9)
        features = fit_features(dataset, steps, returns, factors=self.factors, width=self.width, rng=rng)
        plain = features.plain(steps.before)
        self._keep(features)
        self._choice = fit_choice(features, plain, steps, rng)
        self._places = np.array([self.places or steps.log.k])
        self._q, self._q0 = self._iterate(features, plain, features.plain(steps.after), steps, progress)

    def _keep(self, features: Features) -> None:
        self._items, self._mean, self._scale = features.items, features.mean, features.scale
        self._low, self._high = features.low, features.high
        self._directions, self._shifts = features.directions, features.shifts

    def _iterate(
        self,
        features: Features,
        before: NDArray[np.float64],
        after: NDArray[np.float64],
        steps: Steps,
        progress: Progress,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(1 + c + width, 1 + outcomes) weights of Q(s, i), and (1 + c + width,) of taking nothing."""
        log, rewards = steps.log, steps.rewards
        rows, places = np.nonzero(log.clicks)
        now, later = features.curved(before), features.curved(after)
        items = features.valued
        taken = (now[rows][:, :, None] * items[log.items[rows, places]][:, None, :]).reshape(len(rows), -1)
        silent = np.flatnonzero(~log.clicks.any(axis=1))
        solve_q, solve_0 = _ridge(taken, self.reg), _ridge(now[silent], self.reg)
        shape = now.shape[1], items.shape[1]
        attraction = np.exp(utilities(features, after, self._choice))
        q: NDArray[np.float64] = np.zeros(shape)
        q0: NDArray[np.float64] = np.zeros(shape[0])
        worth = np.zeros(len(log))
        low, high = _bounds(rewards, self.discount)
        with progress.task(self.name, total=self.iterations) as advance:
            for _ in range(self.iterations):
                target = rewards + self.discount * np.where(steps.ended, 0.0, worth)
                q, q0 = solve_q(target[rows]).reshape(shape), solve_0(target[silent])
                # no value beyond what rewards allow: a regression may not run away with itself
                found = np.clip(_values(later, q, items, attraction, later @ q0, int(self._places[0])), low, high)
                change, worth = np.abs(found - worth).max(initial=0.0), found
                advance(1)
                if not self.discount or change < CONVERGED * (1e-9 + float(np.ptp(worth))):
                    break
        return q, q0

    def _score(self, histories: Histories) -> NDArray[np.float32]:
        features = Features(self._items, self._mean, self._scale, self._low, self._high, self._directions, self._shifts)
        plain = features.plain(histories.recent(self.window))
        session = features.curved(plain)
        attraction = np.exp(utilities(features, plain, self._choice))
        value = session @ self._q @ features.valued.T
        worth = best_slates(attraction, value, session @ self._q0, int(self._places[0]))
        return (attraction * (value - worth[:, None])).astype(np.float32)


def _values(
    session: NDArray[np.float64],
    q: NDArray[np.float64],
    items: NDArray[np.float64],
    attraction: NDArray[np.float64],
    nothing: NDArray[np.float64],
    k: int,
) -> NDArray[np.float64]:
    """(n,) what the best slate is worth in each session, in blocks of rows."""
    step = max(1, BLOCK_BYTES // (8 * len(items)))
    parts = [
        best_slates(attraction[low : low + step], session[low : low + step] @ q @ items.T, nothing[low : low + step], k)
        for low in range(0, len(session), step)
    ]
    return np.concatenate(parts) if parts else np.zeros(0)


class _ridge:  # noqa: N801  used as a function
    """Least squares drawn to the mean of the targets, with the matrix factored once."""

    def __init__(self, x: NDArray[np.float64], reg: float) -> None:
        from scipy.linalg import cho_factor

        self._x = x
        gram = x.T @ x
        scale = np.maximum(np.diag(gram), 1e-9) / max(1, len(x))
        gram[np.diag_indices_from(gram)] += reg * np.maximum(scale, 1.0)
        self._factor = cho_factor(gram)

    def __call__(self, target: NDArray[np.float64]) -> NDArray[np.float64]:
        from scipy.linalg import cho_solve

        mean = float(target.mean()) if len(target) else 0.0
        found = np.asarray(cho_solve(self._factor, self._x.T @ (target - mean)))
        found[0] += mean  # the first column is 1
        return found


def _bounds(rewards: NDArray[np.float64], discount: float) -> tuple[float, float]:
    """The least and the greatest value that any course can have."""
    low, high = min(0.0, float(rewards.min(initial=0.0))), max(0.0, float(rewards.max(initial=0.0)))
    return low / (1 - discount), high / (1 - discount)
