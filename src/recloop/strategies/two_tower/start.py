"""Where the towers begin: the best linear ones in closed form, before any gradient."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import svds

from recloop.data.histories import Histories
from recloop.progress import SILENT, Progress
from recloop.strategies.two_tower.blocks import Block
from recloop.strategies.two_tower.regression import Foretold, foretell
from recloop.strategies.two_tower.towers import Towers

PRIOR_USERS = 20.0  # an item's own vector and the foretold one count alike when it has so many users
SOME = 1000  # histories and items whose scores tell how large scores are
SMOOTHING = 5.0  # users that each item is given before its popularity is judged


@dataclass(frozen=True, eq=False)
class Start:
    """Vectors of all items, from behaviour and from features.

    Attributes:
        own: (n_items, d) float32, of the items that somebody touched, from behaviour; zeros for the others.
        foretold: (n_items, d) float32, from features alone, as if nobody had touched the item.
        users: (n_items,) float64, how many touched it.
        level: (n_items,) float32, log of users + ``SMOOTHING``, as foretold from features alone.
        scales: (blocks,) float64, see ``Foretold``.
        error: see ``Foretold``.
    """

    own: NDArray[np.float32]
    foretold: NDArray[np.float32]
    users: NDArray[np.float64]
    level: NDArray[np.float32]
    scales: NDArray[np.float64]
    error: float


def begin(
    taken: sparse.csr_array,
    blocks: Sequence[Block],
    n_items: int,
    factors: int,
    damping: float,
    *,
    rng: np.random.Generator,
    progress: Progress = SILENT,
) -> Start:
    """Behaviour as vectors, and those vectors foretold from features.

    With D = diag((users + 5) ** -damping), the columns of ``taken`` D are ``U S V'`` (truncated singular value
    decomposition: Cremonesi, Koren & Turrin 2010, "Performance of recommender algorithms on top-N recommendation
    tasks", section 3.2). Row i of V is the item's own vector; the regression foretells rows of V S and log popularity.
    Items that nobody touched are no examples of an unwanted item: they may be new.

    Args:
        taken: (n_users, n_items), what each user took.
        blocks: features of the items.
        n_items: size of the catalogue.
        factors: the length of a vector, at most.
        damping: how far popular items are made smaller before the decomposition.
        rng: draws samples.
        progress: who watches.
    """
    users = np.bincount(taken.indices[taken.data > 0], minlength=n_items).astype(np.float64)
    known = np.flatnonzero(users)
    if not len(known):
        nothing = np.zeros((n_items, 1), np.float32)
        return Start(nothing, nothing, users, nothing[:, 0], np.zeros(len(blocks)), 1.0)
    X = sparse.csr_array(taken[:, known].astype(np.float64) * ((users[known] + SMOOTHING) ** -damping)[None, :])
    V, size = _directions(X, factors, rng)
    level = np.log(users[known] + SMOOTHING)
    found = _foretell(blocks, np.c_[V * size, level], known, n_items, rng, progress)
    own = np.zeros((n_items, V.shape[1]), np.float32)
    own[known] = V
    foretold = (found.unseen[:, :-1] / size).astype(np.float32)
    return Start(own, foretold, users, found.unseen[:, -1], found.scales, found.error)


def meet(
    start: Start, damping: float, *, ids: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """What having an item says, what wanting it is measured by, and log popularity: the linear towers.

    v is the foretold vector, or with ``ids`` the mean of it and the item's own, weighed by the item's users. Histories
    sum v users^-damping, and scores are products with v users^damping, so that popularity, which was damped to learn
    taste, comes back; where there are no users it is the foretold one.

    Returns:
        (n_items, d) float32, (n_items, d) float32, (n_items,) float32.
    """
    trust = (start.users / (start.users + PRIOR_USERS))[:, None] * ids
    vectors = trust * start.own + (1 - trust) * start.foretold
    level = np.where((start.users > 0) & ids, np.log(start.users + SMOOTHING), start.level)
    reach = np.exp(damping * level)[:, None]
    return (vectors / reach).astype(np.float32), (vectors * reach).astype(np.float32), level.astype(np.float32)


def loudness(
    events: NDArray[np.float32],
    items: NDArray[np.float32],
    histories: Histories,
    known: NDArray[np.bool_],
    half_life: float | None,
) -> tuple[np.float32, np.float32]:
    """Two factors for both towers, so that pooled histories have a mean square of 1 and scores one of 2.

    Products keep their order; a softmax that starts from them is neither flat nor sure.
    """
    towers = Towers.plain(events, items, np.zeros(len(items), np.float32), half_life)
    some = histories.take(np.flatnonzero(histories.lengths)[:SOME])
    pooled = towers.history_vectors(some)
    scores = pooled @ items[np.flatnonzero(known)[:SOME]].T
    size = np.sqrt(np.mean(pooled**2)) or 1.0
    spread = np.sqrt(np.mean((scores - scores.mean(axis=1, keepdims=True)) ** 2)) / size or 1.0
    return np.float32(1 / size), np.float32(np.sqrt(2) / spread)


def _foretell(
    blocks: Sequence[Block],
    targets: NDArray[np.float64],
    known: NDArray[np.integer],
    n_items: int,
    rng: np.random.Generator,
    progress: Progress,
) -> Foretold:
    """The regression, with the level at the weight of all vectors together."""
    spread = targets.std(axis=0)
    weight = np.ones(targets.shape[1])
    weight[-1] = np.sqrt((spread[:-1] ** 2).sum() / targets.shape[1]) / spread[-1] if spread[-1] > 0 else 1.0
    weight[-1] = weight[-1] or 1.0  # one item only: nothing varies
    found = foretell(blocks, n_items, targets * weight, known, rng=rng, progress=progress)
    return Foretold(
        (found.values / weight).astype(np.float32),
        (found.unseen / weight).astype(np.float32),
        found.scales,
        found.ridge,
        found.error,
    )


def _directions(
    X: sparse.csr_array, factors: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(items, d) right singular vectors and (d,) singular values, greatest first; signs fixed."""
    most = min(X.shape)
    size: NDArray[Any]
    V: NDArray[Any]
    if factors < most / 2:
        _, size, rows = svds(X, k=factors, v0=rng.standard_normal(most), return_singular_vectors="vh")  # type: ignore[arg-type]
        size, V = size.real, rows.T.real
    else:  # by the squares of the shorter side, which is short
        wide = X.shape[0] < X.shape[1]
        squares, V = np.linalg.eigh((X @ X.T if wide else X.T @ X).toarray())
        size = np.sqrt(np.maximum(squares, 0))
        V = np.asarray(X.T @ V) / np.maximum(size, 1e-12) if wide else V
    best = np.argsort(size)[::-1][:factors]
    best = best[size[best] > 1e-6 * size.max()]
    size, V = size[best], V[:, best]
    return V * np.sign(V[np.abs(V).argmax(axis=0), np.arange(len(best))]), size
