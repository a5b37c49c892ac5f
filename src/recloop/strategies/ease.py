from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.errors import DataError
from recloop.progress import Progress
from recloop.strategies.base import Strategy, setting
from recloop.strategies.prior import answer_empty, popularity


class Ease(Strategy):
    """The linear item-to-item model with zero diagonal, solved in closed form.

    W minimises ``|X - X W|^2 + reg |W|^2`` with ``diag(W) = 0``. With P = (X'X + reg I)^-1 it is
    ``W[i, j] = -P[i, j] / P[j, j]`` off the diagonal (Steck 2019, "Embarrassingly shallow autoencoders for sparse
    data", equation 8). A history x scores ``x W``. The inverse is made by Cholesky in float32, in place: memory is 4 n_items^2 bytes, time n_items^3.

    >>> from recloop.strategies.ease import Ease
    >>> Ease(reg=1000).reg
    1000
    """

    name: ClassVar[str] = "ease"
    summary: ClassVar[str] = "linear item-to-item model in closed form; for catalogues of up to some 30,000 items"

    reg: float = setting(500.0, "how strongly weights are drawn to zero: more for less data", low=1e-3, high=1e9)
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
        X = dataset.matrix()
        with progress.task("ease", total=3) as advance:
            G = np.asfortranarray((X.T @ X).toarray(), dtype=np.float32)
            G[np.diag_indices(n)] += self.reg
            advance(1)
            factor, failed = lapack.spotrf(G, lower=True, overwrite_a=True)
            advance(1)
            P, failed_too = lapack.spotri(factor, lower=True, overwrite_c=True)
            if failed or failed_too:
                raise DataError(
                    f"strategy 'ease': the matrix is not positive definite with reg = {self.reg}", advice="raise reg"
                )
            P = np.tril(P) + np.tril(P, -1).T
            W = P / -np.diag(P)
            np.fill_diagonal(W, 0)
            advance(1)
        self._weights = np.ascontiguousarray(W, dtype=np.float32)
        self._prior = popularity(dataset)

    def _score(self, histories: Histories) -> NDArray[np.float32]:
        return answer_empty(histories.matrix() @ self._weights, histories, self._prior)

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {"weights": self._weights, "prior": self._prior}

    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        self._weights, self._prior = arrays["weights"], arrays["prior"]
