"""The best items by dot product, found from vectors of one byte per number, and exact all the same."""

import numpy as np
from numpy.typing import NDArray

from recloop.data.compiled import compiled
from recloop.data.rankings import Rankings

KERNELS = "recloop.strategies.rounded_kernel"
PEAK = 127  # of a code
PIECE = 64  # numbers that the kernel multiplies without a branch: codes and levels are padded to a multiple
ROWS = 65_536  # items rounded at a time

Floats = NDArray[np.float32]


class Rounded:
    """Finds what scoring every item finds, from a quarter of the bytes.

    A vector v is kept as v' = scale x whole numbers of one byte, a query q is rounded to q' in two bytes. By Cauchy and
    Schwarz |q.v - q'.v'| <= |q'| |v - v'| + |q - q'| |v|, so a scan in whole numbers says of each item the least and
    the most that its score can be. Only items whose most is not below the k-th greatest least are scored exactly: one
    and a half times k of them, where vectors are those of a trained model. Items are looked at in the order of their
    lengths, and no longer once |q| |v| cannot reach the best. Whatever the vectors, the answer is that of exact scores,
    and of equal scores the lower index comes first.

    Args:
        vectors: (n_items, d) float32, finite.

    >>> vectors = np.array([[0, 3], [1, 1], [1, 1]], np.float32)
    >>> found = Rounded(vectors).search(np.array([[2, 1]], np.float32), 2)
    >>> found.items.tolist(), found.scores.tolist()
    ([[0, 1]], [[3.0, 3.0]])
    """

    def __init__(self, vectors: Floats) -> None:
        self._round(vectors)

    def _round(self, vectors: Floats) -> None:
        n, d = vectors.shape
        pieces = -(-d // PIECE)
        norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
        self._order = np.argsort(-norms, kind="stable").astype(np.int32)
        self._norms = norms[self._order].astype(np.float32)
        self._vectors = np.ascontiguousarray(vectors, np.float32)
        self._scales, self._margins = np.empty(n, np.float32), np.empty(n, np.float32)
        # no sum of products of codes and levels leaves 32 bits
        self._most = min(2**15 - 1, (2**31 - 1) // (PEAK * pieces * PIECE))
        off = np.sqrt(d) / 2 / self._most  # |q - q'| / |q|, at most
        spare = off + 1e-6 + 2e-7 * d  # and sums in float32 are rounded, here and where exact
        codes = np.zeros((n, pieces * PIECE), np.int8)
        for at in range(0, n, ROWS):
            rows = slice(at, at + ROWS)
            part = self._vectors[self._order[rows]]
            self._scales[rows], codes[rows, :d] = _rounded(part, PEAK)
            lost = np.linalg.norm(part - codes[rows, :d] * self._scales[rows, None], axis=1)
            self._margins[rows] = (1 + off) * (1 + 1e-5) * lost + spare * self._norms[rows]
        self._codes = codes.reshape(n, pieces, PIECE)

    def __len__(self) -> int:
        return len(self._vectors)

    def search(self, queries: Floats, k: int, allowed: NDArray[np.bool_] | None = None) -> Rankings:
        """See ``Index.search``."""
        n, d = queries.shape
        queries = np.ascontiguousarray(queries, np.float32)
        levels = np.zeros((n, *self._codes.shape[1:]), np.int16)
        steps, levels.reshape(n, -1)[:, :d] = _rounded(queries, self._most)
        lengths = np.sqrt(np.einsum("ij,ij->i", queries, queries)) * np.float32(1 + 1e-5)
        ranked = Rankings(np.empty((n, k), np.int32), np.empty((n, k), np.float32))
        compiled(KERNELS, work=float("inf")).search(
            self._codes, self._scales, self._margins, self._norms, self._order, self._vectors,
            levels, steps, lengths, queries,
            np.empty(0, bool) if allowed is None else allowed, ranked.items, ranked.scores,
        )  # fmt: skip
        return ranked

    def scores(self, query: Floats, items: NDArray[np.integer]) -> Floats:
        """See ``Index.scores``."""
        found: Floats = self._vectors[items] @ query
        return found

    def add(self, vectors: Floats) -> None:
        """See ``Index.add``; all are rounded anew, which takes two seconds for a million."""
        self._round(np.concatenate([self._vectors, vectors]))


def _rounded(rows: Floats, most: int) -> tuple[Floats, Floats]:
    """A scale for each row, and whole numbers of at most ``most`` that give about the row when scaled."""
    scales = np.abs(rows).max(axis=1, initial=0) / np.float32(most)
    return scales, np.rint(rows / np.where(scales > 0, scales, np.float32(1))[:, None])
