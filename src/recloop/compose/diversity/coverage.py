"""Diversity by categories: those that a user cares for are covered, or shown in proportion."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from recloop.compose.diversity.categories import checked
from recloop.compose.diversity.walking import Floats, Taken, gathered, in_blocks, relevance, share, walk
from recloop.data.rankings import Rankings

TINY = np.float32(1e-30)
SMOOTHED = 0.01  # of the taste that is mixed into a slate's distribution, so that its divergence is finite
Pick = Callable[[Rankings, Floats, Floats, int, float], NDArray[np.int64]]


def explicit_aspects(
    rankings: Rankings, shares: Floats, wanted: Floats, k: int, *, diversity: float
) -> NDArray[np.int64]:
    """Which candidates to show, in order: relevant, and of categories that nothing above them covers (xQuAD).

    Place after place, the candidate with the greatest
    (1 − λ) · relevance + λ · Σ_g p(g|u) p(g|i) Π_{j above} (1 − p(g|j)). Santos, Macdonald & Ounis, "Exploiting query
    reformulations for web search result diversification", WWW 2010, with categories as aspects, as in Vargas,
    Castells & Vallet, "Explicit relevance models in intent-oriented information retrieval diversification", SIGIR 2012.

    Args:
        rankings: (n, m) candidates, best first.
        shares: (n_items, c) p(g|i), from ``Categories``.
        wanted: (n, c) p(g|u).
        k: places of the slate.
        diversity: λ in [0, 1]; 0 keeps the order.

    Returns:
        (n, k) int64 columns of ``rankings``; -1 where a row has no candidate left.

    Raises:
        SettingError: ``diversity`` is not in [0, 1], or ``wanted`` does not fit.

    >>> r = Rankings(np.array([[0, 1, 2]], np.int32), np.array([[1.0, 0.9, 0.5]], np.float32))
    >>> shares = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    >>> explicit_aspects(r, shares, np.array([[0.5, 0.5]], np.float32), 3, diversity=0.7).tolist()
    [[0, 2, 1]]
    """
    return _chosen(_xquad, 4, rankings, shares, wanted, k, diversity)


def _xquad(rankings: Rankings, shares: Floats, wanted: Floats, k: int, diversity: float) -> NDArray[np.int64]:
    base = relevance(rankings)
    base *= np.float32(1.0 - diversity)
    covers = gathered(shares, rankings)
    flat = covers.reshape(-1, covers.shape[2])
    weigh, left = _weighing(covers), wanted * np.float32(diversity)

    def step(taken: Taken, worth: Floats) -> None:
        np.multiply(left, 1 - flat[taken], out=left)
        weigh(left, worth)

    first = np.empty_like(base)
    weigh(left, first)
    return walk(base, k, step, first)


def proportional(rankings: Rankings, shares: Floats, wanted: Floats, k: int, *, diversity: float) -> NDArray[np.int64]:
    """Which candidates to show, in order: each place goes to the category furthest behind its share (PM-2).

    For each place the quotient of a category is p(g|u) / (2 s_g + 1), with s_g the places that it holds (the highest
    averages of Sainte-Laguë); the candidate with the greatest λ · q_{g*} P(i|g*) + (1 − λ) Σ_{g ≠ g*} q_g P(i|g) is
    shown, g* being the category with the greatest quotient, and its place is shared by its categories. Dang & Croft,
    "Diversity by proportionality", SIGIR 2012. P(i|g) is relevance · p(g|i).

    Args:
        rankings: (n, m) candidates, best first.
        shares: (n_items, c) p(g|i), from ``Categories``.
        wanted: (n, c) p(g|u).
        k: places of the slate.
        diversity: λ in [0, 1]: what the category whose turn it is counts beside the others.

    Returns:
        (n, k) int64 columns of ``rankings``; -1 where a row has no candidate left. Candidates that serve no category
        follow in order of relevance.

    Raises:
        SettingError: ``diversity`` is not in [0, 1], or ``wanted`` does not fit.

    >>> r = Rankings(np.array([[0, 1, 2, 3]], np.int32), np.array([[1.0, 0.9, 0.5, 0.0]], np.float32))
    >>> shares = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32)
    >>> proportional(r, shares, np.array([[0.5, 0.5]], np.float32), 3, diversity=1.0).tolist()
    [[0, 2, 1]]
    """
    return _chosen(_pm2, 4, rankings, shares, wanted, k, diversity)


def _pm2(rankings: Rankings, shares: Floats, wanted: Floats, k: int, diversity: float) -> NDArray[np.int64]:
    relevant = relevance(rankings)
    n, m = relevant.shape
    held = relevant > -np.inf
    covers = gathered(shares, rankings)
    flat = covers.reshape(-1, covers.shape[2])
    rest = relevant if held.all() else np.where(held, relevant, np.float32(0))
    each = np.arange(n) if n > 1 else 0
    weighed = _weighing(covers)
    mine, others = np.float32(diversity), np.float32(1.0 - diversity)
    seats = np.zeros_like(wanted)

    def weigh(worth: Floats) -> None:
        quotient = wanted / (2 * seats + 1)
        turn = quotient.argmax(axis=1) if n > 1 else quotient.argmax()
        top = quotient[each, turn]
        quotient *= others
        quotient[each, turn] = mine * top
        weighed(quotient, worth)
        np.multiply(worth, rest, out=worth)

    def step(taken: Taken, worth: Floats) -> None:
        seat = flat[taken]
        total = seat.sum(axis=-1, keepdims=True)
        np.add(seats, seat / np.maximum(total, TINY), out=seats)
        weigh(worth)

    base = np.where(held, np.float32(0), np.float32(-np.inf))
    first = np.empty_like(base)
    if n and m:
        weigh(first)
    return walk(base, k, step, first)


def calibrated(rankings: Rankings, shares: Floats, wanted: Floats, k: int, *, diversity: float) -> NDArray[np.int64]:
    """Which candidates to show, in order: the categories of the slate in proportion to those of the history.

    Place after place, the candidate with which (1 − λ) · Σ relevance − λ · KL(p || q̃) of the slate is greatest, where p
    is the taste, q what the slate is of, each place alike, and q̃ = (1 − α) q + α p with α = 0.01. Steck, "Calibrated
    recommendations", RecSys 2018, equations 3, 4 and 6, and its greedy algorithm, whose value is at least 1 − 1/e of
    the best. Relevance is in [0, 1] over the candidates.

    Args:
        rankings: (n, m) candidates, best first.
        shares: (n_items, c) p(g|i), from ``Categories``.
        wanted: (n, c) p(g|u); a row of zeros, for a user without a history, keeps the order.
        k: places of the slate.
        diversity: λ in [0, 1]; 0 keeps the order.

    Returns:
        (n, k) int64 columns of ``rankings``; -1 where a row has no candidate left.

    Raises:
        SettingError: ``diversity`` is not in [0, 1], or ``wanted`` does not fit.

    >>> r = Rankings(np.array([[0, 1, 2, 3]], np.int32), np.array([[1.0, 0.9, 0.8, 0.7]], np.float32))
    >>> shares = np.array([[1, 0], [1, 0], [1, 0], [0, 1]], np.float32)
    >>> calibrated(r, shares, np.array([[0.7, 0.3]], np.float32), 3, diversity=0.9).tolist()
    [[0, 3, 1]]
    """
    return _chosen(_steck, 8, rankings, shares, wanted, k, diversity)


def _steck(rankings: Rankings, shares: Floats, wanted: Floats, k: int, diversity: float) -> NDArray[np.int64]:
    base = relevance(rankings)
    base *= np.float32(1.0 - diversity)
    covers = gathered(shares, rankings)
    flat = covers.reshape(-1, covers.shape[2])
    shown = np.zeros_like(wanted)
    floor = np.float32(SMOOTHED) * wanted + TINY
    pulled = np.float32(diversity) * wanted
    mixed = np.empty_like(covers)
    weighed = _weighing(mixed)
    filled = 0

    def weigh(worth: Floats) -> None:
        each = np.float32((1.0 - SMOOTHED) / (filled + 1))
        np.multiply(covers, each, out=mixed)
        np.add(mixed, (each * shown + floor)[:, None, :], out=mixed)
        np.log(mixed, out=mixed)
        weighed(pulled, worth)  # λ Σ p log q̃: the rest of the divergence is the same for all

    def step(taken: Taken, worth: Floats) -> None:
        nonlocal filled
        np.add(shown, flat[taken], out=shown)
        filled += 1
        weigh(worth)

    first = np.empty_like(base)
    weigh(first)
    return walk(base, k, step, first)


def _chosen(
    pick: Pick, size: int, rankings: Rankings, shares: Floats, wanted: Floats, k: int, diversity: float
) -> NDArray[np.int64]:
    """What ``pick`` chooses, in blocks: it reads ``size`` bytes of each category of each candidate."""
    share(diversity, "diversity")
    wanted = checked(wanted, rankings, shares)
    return in_blocks(
        rankings,
        size * rankings.k * shares.shape[1],
        lambda part, rows: pick(part, shares, wanted[rows], k, diversity),
    )


def _weighing(covers: Floats) -> Callable[[Floats, Floats], object]:
    """What writes (n, m) the sum over categories of what each candidate covers, weighed per request."""
    if len(covers) == 1:
        alone = covers[0]
        return lambda weights, out: np.dot(alone, weights[0], out=out[0])
    return lambda weights, out: np.matmul(covers, weights[:, :, None], out=out[:, :, None])
