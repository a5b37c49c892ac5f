"""Who speaks how loudly: a matrix of users and items, evened out before anything is learned from it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse


class Normalised(NamedTuple):
    """A matrix and the scale of its columns.

    Attributes:
        matrix: (n_users, n_items) float32, what to learn from.
        scale: (n_items,) float32: a history is brought to the same columns by ``x * scale``.
    """

    matrix: sparse.csr_array
    scale: NDArray[np.float32]


def normalise(X: sparse.csr_array, items: float, users: float) -> Normalised:
    """The matrix with entries ``x_ui / (n_u^(users/2) n_i^items)``, where n are sums of rows and columns.

    A user then weighs n_u^(1 - users) in a sum of squares instead of n_u, so that those who take everything say less;
    and popular items lead less. With both exponents 0 the matrix stays as it is. All is multiplied by one factor, such
    that the sum of squares stays what it was. (1, 1/2) is the symmetric normalisation of graph filters; exponents
    between, as in Park, Yoon, Choi & Lee 2025, "Why is normalization necessary for linear recommenders?", section 4,
    and Peng, Liu, Sugiyama & Mine 2024, "How powerful is graph filtering for recommendation", section 4.

    Args:
        X: (n_users, n_items) float32, at least 0.
        items: exponent of items, 0 to 1.
        users: exponent of the weights of users, 0 to 2.

    >>> X = sparse.csr_array(np.array([[1, 1], [1, 0]], dtype=np.float32))
    >>> normalise(X, items=0, users=2).matrix.toarray().astype(float).round(2).tolist()
    [[0.71, 0.71], [1.41, 0.0]]
    """
    rows, columns = _power(X @ np.ones(X.shape[1]), -users / 2), _power(X.T @ np.ones(X.shape[0]), -items)
    scaled = X.multiply(rows[:, None]).multiply(columns[None, :]).tocsr().astype(np.float32)
    before, after = float(np.square(X.data).sum()), float(np.square(scaled.data).sum())
    factor = np.float32(np.sqrt(before / after)) if after > 0 else np.float32(1)
    return Normalised(sparse.csr_array(scaled * factor), columns * factor)


def _power(sums: NDArray[np.floating], exponent: float) -> NDArray[np.float32]:
    """Sums to a power; 0 stays 0 where the exponent is negative."""
    powered: NDArray[np.float64] = np.power(sums, exponent, out=np.zeros(len(sums)), where=sums > 0, dtype=np.float64)
    return (powered if exponent else np.ones(len(sums))).astype(np.float32)
