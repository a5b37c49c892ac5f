from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.progress import Progress
from recloop.strategies.base import Strategy, setting
from recloop.strategies.prior import answer_empty, popularity

GATHER = 2**21  # factors gathered at once: padded rows x length x factors stays below about this many floats


class IALS(Strategy):
    """Implicit matrix factorisation by alternating least squares; a new history is folded in, not looked up.

    Minimises, over user factors x and item factors y (Hu, Koren & Volinsky 2008, "Collaborative filtering for implicit
    feedback datasets"; weights and regularisation as in Rendle et al. 2022, "Revisiting the performance of iALS on
    item recommendation benchmarks", equations 1-3)::

        sum_seen w (x.y - 1)^2 + unobserved sum_all (x.y)^2
            + reg sum_u (n_u + unobserved n_items) |x_u|^2 + reg sum_i (n_i + unobserved n_users) |y_i|^2

    Only item factors are kept: any history gets its x by one least-squares solve.

    >>> from recloop.strategies.ials import IALS
    >>> IALS(factors=32).factors
    32
    """

    name: ClassVar[str] = "ials"
    summary: ClassVar[str] = "implicit matrix factorisation with fold-in; grows with the events only"

    factors: int = setting(64, "length of an item's vector", low=1, high=2048)
    iterations: int = setting(15, "how often both sides are solved", low=1, high=1000)
    unobserved: float = setting(0.1, "weight of the pairs without an event against those with one", low=1e-6, high=10)
    reg: float = setting(0.003, "how strongly vectors are drawn to zero", low=1e-9, high=1e6)
    seed: int = setting(0, "of the vectors that training starts from", low=0, high=2**31)

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        X = dataset.matrix()
        XT = sparse.csr_array(X.T)
        rng = np.random.default_rng(self.seed)
        scale = 0.1 / np.sqrt(self.factors)
        self._factors = (rng.standard_normal((dataset.n_items, self.factors)) * scale).astype(np.float32)
        with progress.task("ials", total=self.iterations) as advance:
            for _ in range(self.iterations):
                users = self._solve(X, self._factors)
                self._factors = self._solve(XT, users)
                advance(1)
        self._gram = self._factors.T @ self._factors
        self._prior = popularity(dataset)

    def _solve(self, rows: sparse.csr_array, other: NDArray[np.float32]) -> NDArray[np.float32]:
        return solve(rows, other, other.T @ other, self.unobserved, self.reg)

    def _score(self, histories: Histories) -> NDArray[np.float32]:
        users = solve(histories.matrix(), self._factors, self._gram, self.unobserved, self.reg)
        return answer_empty(users @ self._factors.T, histories, self._prior)

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {"factors": self._factors, "prior": self._prior}

    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        self._factors, self._prior = arrays["factors"], arrays["prior"]
        self._gram = self._factors.T @ self._factors


def solve(
    rows: sparse.csr_array, other: NDArray[np.float32], gram: NDArray[np.float32], unobserved: float, reg: float
) -> NDArray[np.float32]:
    """(n, d) float32: the least-squares vector of each row, given the other side's vectors."""
    n, d = rows.shape[0], other.shape[1]
    solved = np.zeros((n, d), dtype=np.float32)
    lengths = np.diff(rows.indptr)
    order = np.argsort(lengths, kind="stable")
    order = order[lengths[order] > 0]
    start = 0
    while start < len(order):
        room = np.arange(1, len(order) - start + 1) * lengths[order[start:]] * d
        stop = start + max(1, int(np.searchsorted(room, GATHER, side="right")))
        block = order[start:stop]
        longest = int(lengths[block[-1]])
        places = rows.indptr[block, None] + np.arange(longest)
        inside = np.arange(longest) < lengths[block, None]
        places = np.where(inside, places, 0)
        vectors = other[rows.indices[places]]
        weights = np.where(inside, rows.data[places], 0).astype(np.float32)[:, :, None]
        weighted = vectors * weights
        A = np.matmul(weighted.transpose(0, 2, 1), vectors) + unobserved * gram
        ridge = reg * (lengths[block] + unobserved * other.shape[0])
        A[:, np.arange(d), np.arange(d)] += ridge[:, None].astype(np.float32)
        solved[block] = np.linalg.solve(A, weighted.sum(axis=1)[:, :, None])[:, :, 0]
        start = stop
    return solved
