from collections.abc import Iterator
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import lapack

from recloop.data.compiled import compiled
from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.data.rankings import Rankings
from recloop.errors import DataError
from recloop.progress import Progress
from recloop.strategies.base import BLOCK_BYTES, Strategy, setting
from recloop.strategies.interactions import strongest
from recloop.strategies.neighbours import KERNELS, rank_sparse
from recloop.strategies.normalised import normalise
from recloop.strategies.prior import answer_empty, popularity

DENSITIES = (0.02, 0.05, 0.1, 0.2)  # shares of the weights that a smaller model keeps


class Ease(Strategy):
    """The linear item-to-item model with zero diagonal, solved in closed form.

    W minimises ``|X - X W|^2 + reg |W|^2`` with ``diag(W) = 0``. With P = (X'X + reg I)^-1 it is
    ``W[i, j] = -P[i, j] / P[j, j]`` off the diagonal (Steck 2019, "Embarrassingly shallow autoencoders for sparse
    data", equation 8). A history x scores ``x W``. The inverse is made by Cholesky in float32, in place: memory is
    about 4 n_items^2 bytes, time n_items^3.

    X may be evened out first (``normalise``): users count n_u^-user_norm in the squared loss, and columns are divided
    by n_i^item_norm, in the history, too. On the columns of X the ridge is then reg n_i^(2 item_norm): a step towards
    dropout, whose ridge grows with n_i (Steck 2020, "Autoencoders that don't overfit towards the identity", section 3).

    >>> from recloop.strategies.ease import Ease
    >>> Ease(reg=1000).reg
    1000
    """

    name: ClassVar[str] = "ease"
    summary: ClassVar[str] = "linear item-to-item model in closed form; for catalogues of up to some 30,000 items"

    reg: float = setting(
        500.0,
        "how strongly weights are drawn to zero: more for less data",
        low=1e-3,
        high=1e9,
        search=(1.0, 10_000.0, "log"),
    )
    item_norm: float = setting(
        0.0, "how far popular items are damped: items are divided by n^item_norm", low=0, high=1, search=(0.0, 0.6)
    )
    user_norm: float = setting(
        0.0, "how far busy users are damped: users count n^-user_norm each", low=0, high=2, search=(0.0, 1.0)
    )
    max_gb: float = setting(4.0, "refuse to fit where the weights need more than so many GB", low=1e-6, high=1e6)

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        n = dataset.n_items
        needed = 4 * n * n
        if needed > self.max_gb * 1e9:
            raise DataError(
                f"strategy 'ease' needs {needed:,} bytes for the weights between {n:,} items",
                allowed=f"max_gb = {self.max_gb:g} allows {int(self.max_gb * 1e9):,} bytes",
                advice="raise max_gb where the memory is there, leave out rare items, or use 'item-knn' or 'ials', "
                "whose memory grows with the items and not with their square",
            )
        X, scale = normalise(strongest(dataset.histories()), self.item_norm, self.user_norm)
        step = max(1, BLOCK_BYTES // (4 * n))
        blocks = [slice(start, min(start + step, n)) for start in range(0, n, step)]
        with progress.task("ease", total=3) as advance:
            W = _gram(X, blocks)
            W[np.diag_indices(n)] += self.reg
            advance(1)
            # W is symmetric, so that its transpose is the same matrix in the order of LAPACK: no copy is made
            _, failed = lapack.spotrf(W.T, lower=True, clean=False, overwrite_a=True)
            _, failed_too = lapack.spotri(W.T, lower=True, overwrite_c=True)
            if failed or failed_too:
                raise DataError(
                    f"strategy 'ease': the matrix cannot be inverted in float32 with reg = {self.reg}",
                    advice="raise reg, or use 'item-knn' or 'ials'",
                )
            advance(1)
            for rows in blocks:  # the other triangle
                W[rows.stop :, rows] = W[rows, rows.stop :].T
                W[rows, rows] = np.triu(W[rows, rows]) + np.triu(W[rows, rows], 1).T
            W /= -np.diag(W).copy()
            np.fill_diagonal(W, 0)
            W *= scale[:, None]
            advance(1)
        self._weights: NDArray[np.float32] | sparse.csr_array = W
        self._prior = popularity(dataset)

    def _score(self, histories: Histories) -> NDArray[np.float32]:
        scores = strongest(histories) @ self._weights
        return answer_empty(scores.toarray() if sparse.issparse(scores) else scores, histories, self._prior)

    def _rank_block(
        self, histories: Histories, k: int, *, hide_seen: bool, allowed: NDArray[np.bool_] | None
    ) -> Rankings:
        work = len(histories) * histories.n_items
        weights = self._weights
        if not sparse.issparse(weights) or not histories.lengths.all() or compiled(KERNELS, work=work) is None:
            return super()._rank_block(histories, k, hide_seen=hide_seen, allowed=allowed)
        seen = histories if hide_seen else None
        return rank_sparse(strongest(histories), weights, np.zeros_like(self._prior), k, seen, allowed)

    def _compressed(self, dataset: Dataset, progress: Progress) -> Iterator[Self]:  # noqa: ARG002
        """Only the weights that are farthest from zero (magnitude pruning: Han et al. 2015, "Learning both weights and
        connections for efficient neural networks", section 3).
        """
        if sparse.issparse(self._weights):
            return
        size = np.abs(self._weights)
        for density in DENSITIES:
            count = max(1, int(density * size.size))
            kept = sparse.csr_array(np.where(size >= np.partition(size, -count, axis=None)[-count], self._weights, 0))
            yield self._with({**_sparse_arrays(kept), "_prior": self._prior})

    def _arrays(self) -> dict[str, NDArray[Any]]:
        if not sparse.issparse(self._weights):
            return super()._arrays()
        return {**_sparse_arrays(self._weights), "_prior": self._prior}

    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        if "data" not in arrays:
            super()._restore(arrays)
            return
        self._prior = arrays["_prior"]
        n = len(self._prior)
        entries = (arrays["data"].astype(np.float32), arrays["indices"].astype(np.int32), arrays["indptr"])
        self._weights = sparse.csr_array(entries, shape=(n, n))


def _sparse_arrays(weights: sparse.csr_array) -> dict[str, NDArray[Any]]:
    return {
        "data": weights.data.astype(np.float16),
        "indices": weights.indices.astype(np.uint16 if weights.shape[1] <= 2**16 else np.int32),
        "indptr": weights.indptr,
    }


def _gram(X: sparse.csr_array, blocks: list[slice]) -> NDArray[np.float32]:
    """(n_items, n_items) dense X'X, made in blocks: as one sparse product it would need three times as much."""
    transposed = sparse.csr_array(X.T)
    G = np.empty((X.shape[1], X.shape[1]), dtype=np.float32)
    for rows in blocks:
        G[rows] = (transposed[rows] @ X).toarray()
    return G
