from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories, Rows
from recloop.progress import Progress
from recloop.strategies.base import setting
from recloop.strategies.factors import descend, solve, to_eigenbasis
from recloop.strategies.prior import popularity
from recloop.strategies.vectors import VectorStrategy

STEPS = 2  # of conjugate gradients per row and iteration, from where the last iteration ended


class IALS(VectorStrategy):
    """Implicit matrix factorisation by alternating least squares; a new history is folded in, not looked up.

    Minimises, over user factors x and item factors y (Hu, Koren & Volinsky 2008, "Collaborative filtering for implicit
    feedback datasets"; weights and regularisation as in Rendle et al. 2022, "Revisiting the performance of iALS on
    item recommendation benchmarks", equations 1-3)::

        sum_seen w (x.y - 1)^2 + a sum_all (x.y)^2
            + reg sum_u (n_u + a n_items) |x_u|^2 + reg sum_i (n_i + a n_users) |y_i|^2

    where a = unobserved sum_seen w / (n_users n_items), counting users and items with events: all pairs together weigh
    ``unobserved`` times what the events weigh together, in dense data and in sparse (for the weight of all missing data
    as one constant see He et al. 2016, "Fast matrix factorization for online recommendation with implicit feedback",
    section 4.1).

    Each side is improved by a few steps of preconditioned conjugate gradients from where it stood (Takacs, Pilaszy &
    Tikk 2011, "Applications of the conjugate gradient method for implicit feedback collaborative filtering").
    Only item factors are kept: any history gets its x by solving its own least squares to convergence.

    >>> from recloop.strategies.ials import IALS
    >>> IALS(factors=32).factors
    32
    """

    name: ClassVar[str] = "ials"
    summary: ClassVar[str] = "implicit matrix factorisation with fold-in; grows with the events only"

    factors: int = setting(64, "length of an item's vector", low=1, high=2048, search=(16, 256, "log"))
    iterations: int = setting(15, "how often both sides are solved", low=1, high=1000)
    unobserved: float = setting(
        16.0,
        "what all pairs of user and item weigh together, as a multiple of what all events weigh",
        low=1e-3,
        high=1e6,
        search=(2.0, 128.0, "log"),
    )
    reg: float = setting(0.003, "how strongly vectors are drawn to zero", low=1e-9, high=1e6, search=(1e-4, 0.1, "log"))
    seed: int = setting(0, "of the vectors that training starts from", low=0, high=2**31)

    def _fit(self, dataset: Dataset, progress: Progress) -> None:
        X = dataset.matrix()
        XT = sparse.csr_array(X.T)
        rng = np.random.default_rng(self.seed)
        items = (rng.standard_normal((dataset.n_items, self.factors)) * 0.1 / np.sqrt(self.factors)).astype(np.float32)
        users = np.zeros((dataset.n_users, self.factors), np.float32)
        whole = self.unobserved * float(X.data.sum(dtype=np.float64))  # what all pairs weigh together
        per_user, per_item = (whole / max(1, int(np.count_nonzero(np.diff(side.indptr)))) for side in (X, XT))
        pair = per_user * per_item / whole if whole else 0.0
        with progress.task("ials", total=self.iterations) as advance:
            for _ in range(self.iterations):
                items, users = self._improve(X, items, users, pair, per_user)
                users, items = self._improve(XT, users, items, pair, per_item)
                advance(1)
        self._factors, spectrum, _ = to_eigenbasis(items)
        self._spectrum = np.float32(pair) * spectrum
        self._unseen = np.array([per_user], np.float32)
        self._prior = popularity(dataset)

    def _improve(
        self,
        rows: sparse.csr_array,
        given: NDArray[np.float32],
        sought: NDArray[np.float32],
        pair: float,
        per_row: float,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Both sides in the eigenbasis of the given one, and the sought one a few steps nearer to its optimum.

        ``pair`` is what one pair weighs without an event, ``per_row`` what all pairs of a row weigh together.
        """
        given, spectrum, basis = to_eigenbasis(given)
        ridges = self._ridges(rows, np.float32(per_row))
        return given, descend(rows, given, np.float32(pair) * spectrum, ridges, sought @ basis, STEPS)

    def _ridges(self, rows: sparse.csr_array | Rows, per_row: np.float32) -> NDArray[np.float32]:
        return (self.reg * (np.diff(rows.indptr) + per_row)).astype(np.float32)

    def fold_in(self, histories: Histories) -> NDArray[np.float32]:
        """(n, factors) float32: the vector of each history, zeros where it is empty."""
        rows = histories.summed()
        return solve(rows, self._factors, self._spectrum, self._ridges(rows, self._unseen[0]))

    def _queries(self, histories: Histories) -> NDArray[np.float32]:
        return self.fold_in(histories)

    def _item_vectors(self) -> NDArray[np.float32]:
        return self._factors
