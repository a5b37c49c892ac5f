from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.progress import Progress
from recloop.strategies.base import setting
from recloop.strategies.interactions import strongest
from recloop.strategies.normalised import normalise
from recloop.strategies.prior import popularity, share
from recloop.strategies.vectors import VectorStrategy

NOTHING = 1e-5  # of the greatest singular value: below it is rounding
STEPS = 7  # of the Krylov space: values then agree with exact ones to a thousandth
SPARE = 8  # columns more than are asked for


class Graph(VectorStrategy):
    """A low-pass filter on the graph of users and items, in closed form: what graph networks learn, without training.

    With the normalised matrix ``R = D_u^(-user_norm/2) X D_i^(-item_norm)`` and its ``factors`` greatest singular
    values s and right singular vectors V, a history x scores ``x D_i^(-item_norm) V diag(s^power) V'``. Smooth signals
    on the graph are those of great s; the rest is noise and is cut off. LightGCN is such a filter with learned parts
    (Shen et al. 2021, "How powerful is graph convolution for recommendation?",
    section 4). Exponents between the usual 0 and 1/2, and a filter that falls with s where theirs is flat: Peng et al.
    2024, "How powerful is graph filtering for recommendation", sections 3 and 4.

    >>> from recloop.strategies.graph import Graph
    >>> Graph(factors=64).factors
    64
    """

    name: ClassVar[str] = "graph"
    summary: ClassVar[str] = "low-pass filter on the graph of users and items, in closed form; items x factors"

    factors: int = setting(
        128, "singular vectors kept: how fine a taste is told apart", low=1, high=4096, search=(32, 512, "log")
    )
    power: float = setting(
        1.0, "of singular values: 0 keeps all alike, 2 is one step along the graph", low=0, high=4, search=(0.4, 2.0)
    )
    item_norm: float = setting(
        0.4, "how far popular items are damped: items are divided by n^item_norm", low=0, high=1, search=(0.0, 0.6)
    )
    user_norm: float = setting(
        0.75, "how far busy users are damped: users count n^-user_norm each", low=0, high=2, search=(0.0, 1.0)
    )

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        with progress.task("graph", total=2) as advance:
            R, self._scale = normalise(strongest(dataset.histories()), self.item_norm, self.user_norm)
            advance(1)
            values, vectors = right_singular(R, self.factors)
            advance(1)
        gain = share(values) ** self.power
        self._factors = np.ascontiguousarray(vectors * np.sqrt(gain), np.float32)
        self._prior = popularity(dataset)

    def fold_in(self, histories: Histories) -> NDArray[np.float32]:
        """(n, factors) float32: the vector of each history, zeros where it is empty."""
        folded: NDArray[np.float32] = strongest(histories) @ (self._factors * self._scale[:, None])
        return folded

    def _queries(self, histories: Histories) -> NDArray[np.float32]:
        return self.fold_in(histories)

    def _item_vectors(self) -> NDArray[np.float32]:
        return self._factors


def right_singular(X: sparse.csr_array, k: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The k greatest singular values, descending, and their right vectors; fewer where the matrix has fewer.

    From the dense Gram matrix of the shorter side where that is small, else by a block Krylov space from a fixed random
    start (Musco & Musco 2015, "Randomized block Krylov methods for stronger and faster approximate singular value
    decomposition", algorithm 2): products of the sparse matrix with tall blocks, and equal values do not mislead it.

    Returns:
        (m,) values, (n, m) vectors; m is at most k.
    """
    short = min(X.shape)
    if (k + SPARE) * (STEPS + 1) < short:
        return _krylov(X, k)
    wide = X.shape[0] < X.shape[1]
    gram = (X @ X.T if wide else X.T @ X).toarray().astype(np.float64)
    squares, sides = np.linalg.eigh(gram)
    keep = slice(None, -min(k, short) - 1, -1)
    values, sides = np.sqrt(np.maximum(squares[keep], 0)), sides[:, keep]
    if wide:  # from the left vectors to the right ones
        sides = X.T @ sides / np.where(values > NOTHING * values[0], values, np.inf)
    return values.astype(np.float32), sides.astype(np.float32)


def _krylov(X: sparse.csr_array, k: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    transposed = sparse.csr_array(X.T)
    start = np.random.default_rng(0).standard_normal((X.shape[1], k + SPARE)).astype(np.float32)
    blocks = [np.linalg.qr(start)[0]]
    for _ in range(STEPS):
        blocks.append(np.linalg.qr(transposed @ (X @ blocks[-1]))[0])
    width = k + SPARE
    basis = np.linalg.qr(np.hstack(blocks))[0]
    image = np.hstack([transposed @ (X @ basis[:, at : at + width]) for at in range(0, basis.shape[1], width)])
    squares, turn = np.linalg.eigh((basis.T @ image).astype(np.float64))
    values = np.sqrt(np.maximum(squares[: -k - 1 : -1], 0)).astype(np.float32)
    return values, basis @ turn[:, : -k - 1 : -1].astype(np.float32)
