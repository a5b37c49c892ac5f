"""What a session is, and what an item is, in numbers that Q is a function of."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import svds

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.strategies.logged import Steps

DECAYS = (0.5, 0.8, 0.95)
OUTCOMES = 3  # the first numbers of an item: what Q is a function of
EDGES = (0.01, 0.99)  # quantiles of the log
STRENGTH = 5.0  # observations that each item starts with, at the mean of all


@dataclass(frozen=True)
class Features:
    """Item vectors, and how sessions are made of them.

    A session is the decayed sums of its items' vectors, the newest first, at three speeds, and its length. Q sees the
    outcomes of items alone: factors of taste say what is clicked and are noise to what comes of it. Random units make
    a session curved (Rahimi & Recht 2009, "Weighted sums of random kitchen sinks"), so that Q may be any smooth
    function of it and is still solved in closed form.

    Attributes:
        items: (n_items, d), outcomes first.
        mean, scale: (m,) of the sessions' numbers in training; ``low``, ``high``: (m,) their edges, standardised.
        directions: (c, width), c the numbers that Q sees; shifts: (width,) of the random units.
    """

    items: NDArray[np.float64]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    directions: NDArray[np.float64]
    shifts: NDArray[np.float64]

    def plain(self, histories: Histories) -> NDArray[np.float64]:
        """(n, m) the session's numbers, standardised; beyond what the log held they count as its edge.

        Under another policy sessions go where the log hardly was, and a regression must not follow its slope there.
        """
        return np.clip((sums(histories, self.items) - self.mean) / self.scale, self.low, self.high)

    def curved(self, plain: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 1 + c + width) 1, the numbers that Q sees, and their random units."""
        d = self.items.shape[1]
        seen = [plain[:, place * d : place * d + OUTCOMES] for place in range(len(DECAYS))]
        core = np.concatenate([*seen, plain[:, -1:]], axis=1)
        return np.concatenate([np.ones((len(plain), 1)), core, np.tanh(core @ self.directions + self.shifts)], axis=1)

    @property
    def valued(self) -> NDArray[np.float64]:
        """(n_items, 1 + OUTCOMES) 1 and the outcomes."""
        return np.concatenate([np.ones((len(self.items), 1)), self.items[:, :OUTCOMES]], axis=1)


def sums(histories: Histories, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 3 d + 1) decayed sums of item vectors, (1 - g) sum_j g^j e_(newest - j), and the log of the length."""
    n, d = len(histories), vectors.shape[1]
    rows = histories.rows
    back = histories.indptr[1:][rows] - 1 - np.arange(len(rows))
    found = np.zeros((n, len(DECAYS) * d + 1))
    filled = np.flatnonzero(histories.lengths)
    if len(filled):
        starts = histories.indptr[:-1][filled]
        for place, decay in enumerate(DECAYS):
            weighted = ((1 - decay) * decay**back)[:, None] * vectors[histories.items]
            found[filled, place * d : (place + 1) * d] = np.add.reduceat(weighted, starts, axis=0)
    found[:, -1] = np.log1p(histories.lengths)
    return found


def fit_features(
    dataset: Dataset, steps: Steps, returns: NDArray[np.float64], *, factors: int, width: int, rng: np.random.Generator
) -> Features:
    """Features from a log.

    An item's vector is its share of clicks among what was shown, what it earned and how its users fared afterwards
    (both over its clicks, each against the mean and shrunk), and factors of who took what.
    """
    items = np.concatenate([outcomes(steps, returns, dataset.n_items), _factors(dataset, factors)], axis=1)
    raw = sums(steps.before, items)
    scale = raw.std(axis=0)
    scale = np.where(scale > 1e-9, scale, 1.0)
    m, mean = len(DECAYS) * OUTCOMES + 1, raw.mean(axis=0)
    low, high = np.quantile((raw - mean) / scale, EDGES, axis=0)
    return Features(
        items=items,
        mean=mean,
        scale=scale,
        low=low,
        high=high,
        directions=rng.standard_normal((m, width)) * (1.5 / np.sqrt(m)),
        shifts=rng.standard_normal(width),
    )


def outcomes(steps: Steps, returns: NDArray[np.float64], n_items: int) -> NDArray[np.float64]:
    """(n_items, 3) how each item is clicked, what it earns, and what its users earn afterwards; standardised."""
    log = steps.log
    shown, hit = np.nonzero(log.items >= 0), np.nonzero(log.clicks)
    what, taken = log.items[shown], log.items[hit]
    later = (returns - steps.rewards)[hit[0]]
    columns = [
        _shrunk(what, log.clicks[shown].astype(np.float64), n_items),
        _shrunk(taken, log.rewards[hit].astype(np.float64), n_items),
        _shrunk(taken, later, n_items),
    ]
    found = np.stack(columns, axis=1)
    spread = found.std(axis=0)
    return np.asarray(found / np.where(spread > 1e-9, spread, 1.0))


def _shrunk(items: NDArray[np.integer], values: NDArray[np.float64], n_items: int) -> NDArray[np.float64]:
    """(n_items,) mean of the values of each item less that of all, shrunk to 0."""
    mean = float(values.mean()) if len(values) else 0.0
    return np.bincount(items, values - mean, n_items) / (np.bincount(items, minlength=n_items) + STRENGTH)


def _factors(dataset: Dataset, factors: int) -> NDArray[np.float64]:
    X = dataset.matrix().astype(np.float64)
    k = min(factors, min(X.shape) - 1)
    if k < 1 or not X.nnz:
        return np.zeros((dataset.n_items, 0))
    busy = np.maximum(np.sqrt(np.asarray(X.sum(axis=1)).ravel()), 1.0)
    known = np.maximum(np.sqrt(np.asarray(X.sum(axis=0)).ravel()), 1.0)
    X.data /= busy[np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))] * known[X.indices]
    start = np.ones(min(X.shape)) / np.sqrt(min(X.shape))
    _, _, right = svds(X, k=k, v0=start)
    signs = np.sign(right[np.arange(k), np.abs(right).argmax(axis=1)])
    return np.asarray(right.T * signs * np.sqrt(dataset.n_items))
