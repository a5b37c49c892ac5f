from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from recloop.compose.diversity.categories import Categories
from recloop.compose.diversity.coverage import calibrated, explicit_aspects, proportional
from recloop.compose.diversity.likeness import determinantal, maximal_marginal_relevance
from recloop.compose.diversity.settings import Diversifier
from recloop.compose.diversity.walking import Floats
from recloop.data.histories import Histories
from recloop.data.rankings import Rankings

Choose = Callable[..., NDArray[np.int64]]
BY_VECTORS: Mapping[str, Choose] = {"mmr": maximal_marginal_relevance, "dpp": determinantal}
BY_CATEGORIES: Mapping[str, Choose] = {"xquad": explicit_aspects, "pm2": proportional, "calibrated": calibrated}


def diversify(
    how: Diversifier,
    rankings: Rankings,
    histories: Histories,
    k: int,
    *,
    vectors: Floats | None = None,
    categories: Categories | None = None,
) -> NDArray[np.int64]:
    """(n, k) which candidates to show, as columns of ``rankings``; -1 where a row has no candidate left.

    A user without a history has no taste: ``xquad`` and ``pm2`` then cover the categories of the candidates,
    ``calibrated`` keeps the order.

    Args:
        how: the method and its strength.
        rankings: (n, m) candidates, best first.
        histories: of the n requests.
        k: places of the slate.
        vectors: (n_items, d) of length 1, for ``mmr`` and ``dpp``.
        categories: for the others.

    >>> r = Rankings(np.array([[0, 1, 2]], np.int32), np.array([[1.0, 0.9, 0.5]], np.float32))
    >>> v = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    >>> nobody = Histories.of([[]], n_items=3)
    >>> diversify(Diversifier(kind="dpp"), r, nobody, 2, vectors=v).tolist()
    [[0, 2]]
    """
    if how.by_vectors:
        assert vectors is not None
        return BY_VECTORS[how.kind](rankings, vectors, k, diversity=how.strength)
    assert categories is not None
    wanted = categories.taste(histories) if how.kind == "calibrated" else categories.wanted(histories, rankings)
    return BY_CATEGORIES[how.kind](rankings, categories.shares, wanted, k, diversity=how.strength)
