from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import expit

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.progress import Progress
from recloop.strategies.base import Strategy, setting
from recloop.strategies.interactions import strongest
from recloop.strategies.prior import answer_empty, popularity

Floats = NDArray[np.float32]
TINY = np.float32(1e-6)  # what Adagrad starts from


class BPR(Strategy):
    """Item vectors learned from pairs: what a user took is to score above what the user did not take.

    Maximises ``sum ln sigma(z_ui - z_uj)`` over items i that u took and items j drawn at random from the others, less
    ``reg`` times the squares of the parameters of both (Rendle et al. 2009, "BPR: Bayesian personalized ranking from
    implicit feedback", equation 4). No user has a vector of its own. With weights w and vectors q of the history h
    without i, and vectors p and biases b of what is scored (Kabbur, Ning & Karypis 2013, "FISM: factored item
    similarity models for top-N recommender systems", section 4.2)::

        z_ui = b_i + p_i . sum_h w q / (sum_h w)^spread

    That is how any history, new or old, is scored, so that it is served as it was trained. Learning goes by Adagrad
    (Duchi, Hazan & Singer 2011), with one step size for each vector, over batches of whole users.

    >>> from recloop.strategies.bpr import BPR
    >>> BPR(factors=32).factors
    32
    """

    name: ClassVar[str] = "bpr"
    summary: ClassVar[str] = "item vectors learned from pairs of taken and not taken; grows with the events only"
    by_default: ClassVar[bool] = False

    factors: int = setting(64, "length of an item's vectors", low=1, high=2048, search=(16, 256, "log"))
    epochs: int = setting(30, "how often every event is learned from", low=1, high=10_000, search=(10, 100, "log"))
    rate: float = setting(0.1, "step size of Adagrad", low=1e-6, high=10, search=(0.02, 0.5, "log"))
    reg: float = setting(
        0.001, "how strongly vectors are drawn to zero at each pair", low=0, high=10, search=(1e-4, 0.03, "log")
    )
    spread: float = setting(0.5, "0 adds up a history, 1 averages it", low=0, high=1, search=(0.0, 1.0))
    batch: int = setting(8192, "about how many pairs make a step", low=1, high=10**7)
    seed: int = setting(0, "of the start, the order and the items drawn", low=0, high=2**31)

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        X = strongest(dataset.histories())
        X.sort_indices()
        rng = np.random.default_rng(self.seed)
        shape = (dataset.n_items, self.factors)
        self._given, self._scored = (
            (rng.standard_normal(shape) * 0.1 / np.sqrt(self.factors)).astype(np.float32) for _ in range(2)
        )
        self._biases = np.zeros((dataset.n_items, 1), np.float32)
        self._prior = popularity(dataset)
        parameters = (self._given, self._scored, self._biases)
        speeds = [np.full((dataset.n_items, 1), TINY) for _ in parameters]
        with progress.task("bpr", total=self.epochs) as advance:
            for _ in range(self.epochs):
                for block in self._batches(X, rng):
                    for place, gradient in enumerate(self._ascent(block, rng)):
                        speeds[place] += np.square(gradient).mean(axis=1, keepdims=True)
                        parameters[place][:] += np.float32(self.rate) * gradient / np.sqrt(speeds[place])
                advance(1)

    def _batches(self, X: sparse.csr_array, rng: np.random.Generator) -> Iterator[sparse.csr_array]:
        """The users in a new order, in blocks of about ``batch`` events."""
        order = rng.permutation(np.flatnonzero(np.diff(X.indptr)))
        block = np.cumsum(np.diff(X.indptr)[order]) // self.batch
        for users in np.split(order, np.flatnonzero(np.diff(block)) + 1):
            if len(users):
                yield X[users]

    def _ascent(self, X: sparse.csr_array, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
        """Gradients of the objective over a block of users, each event against one drawn item."""
        n = X.shape[1]
        users = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
        drawn = rng.integers(n, size=X.nnz)
        new = ~_among(users * n + drawn, users * n + X.indices)  # an item that the user took says nothing
        users, taken, drawn, weights = users[new], X.indices[new], drawn[new], X.data[new]

        sums = np.maximum(X.sum(axis=1)[users] - weights, 0)
        shrink = np.divide(1, sums**self.spread, out=np.zeros(len(sums), np.float32), where=sums > 0)
        tastes = ((X @ self._given)[users] - weights[:, None] * self._given[taken]) * shrink[:, None]
        gaps = self._scored[taken] - self._scored[drawn]
        margin = (tastes * gaps).sum(axis=1) + (self._biases[taken] - self._biases[drawn])[:, 0]
        pull = (weights * expit(-margin)).astype(np.float32)

        up, down = _gather(taken, n), _gather(drawn, n)
        tastes *= pull[:, None]
        gaps *= (pull * shrink)[:, None]
        given = X.T @ (_gather(users, X.shape[0]) @ gaps) - up @ (weights[:, None] * gaps)
        scored = up @ tastes - down @ tastes
        biases = (up @ pull - down @ pull)[:, None]
        decay = np.float32(self.reg) * (np.bincount(taken, minlength=n) + np.bincount(drawn, minlength=n))
        decay = decay.astype(np.float32)[:, None]
        return given - decay * self._given, scored - decay * self._scored, biases - decay * self._biases

    def fold_in(self, histories: Histories) -> Floats:
        """(n, factors) float32: the vector of each history, zeros where it is empty."""
        X = strongest(histories)
        sums = X.sum(axis=1)
        shrink = np.divide(1, sums**self.spread, out=np.zeros(len(sums), np.float32), where=sums > 0)
        folded: Floats = (X @ self._given) * shrink[:, None]
        return folded

    def _score(self, histories: Histories) -> Floats:
        scores = self.fold_in(histories) @ self._scored.T
        scores += self._biases.T
        return answer_empty(scores, histories, self._prior)


def _gather(places: NDArray[np.integer], n: int) -> sparse.csr_array:
    """(n, m) that adds up rows of an (m, d) array by their place."""
    m = len(places)
    return sparse.csc_array((np.ones(m, np.float32), places, np.arange(m + 1)), shape=(n, m)).tocsr()


def _among(codes: NDArray[np.int64], known: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which codes are among the known ones, which ascend."""
    places = np.minimum(np.searchsorted(known, codes), len(known) - 1)
    found: NDArray[np.bool_] = known[places] == codes
    return found
