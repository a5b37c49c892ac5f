from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

NEAR = 0.25  # cosine below which two items are not called alike


def reasons(
    items: NDArray[np.integer],
    sources: Sequence[str],
    history: NDArray[np.integer],
    vectors: NDArray[np.float32] | None,
    titles: Sequence[str],
) -> list[str]:
    """Why each item of a slate is there, in words: the item of the history that it is most like, or its source.

    A reason names only what was there: the strategy that brought the item, and the nearest item of the history by
    cosine of the item vectors. It does not claim to be the cause of the score.

    Args:
        items: (k,) item indices of the slate.
        sources: (k,) the strategy of each.
        history: (m,) item indices of the user's history, oldest first.
        vectors: (n_items, d) of length 1 or 0; None where there are none.
        titles: (n_items,) of the catalogue.

    >>> v = np.array([[1, 0], [0.9, 0.44], [0, 1]], dtype=np.float32)
    >>> reasons(np.array([1, 2]), ["ease", "popular"], np.array([0]), v, ["red mug", "red cup", "lamp"])
    ['like red mug, from your history', 'popular with others']
    """
    said = [_by_source(source) for source in sources]
    if vectors is None or not len(history) or not len(items):
        return said
    known = np.unique(history)
    likeness = vectors[items] @ vectors[known].T
    nearest = likeness.argmax(axis=1)
    for place, best in enumerate(nearest.tolist()):
        if likeness[place, best] >= NEAR and not _impersonal(sources[place]):
            said[place] = f"like {titles[known[best]]}, from your history"
    return said


def _impersonal(source: str) -> bool:
    return source == "random" or source.startswith("popular")


def _by_source(source: str) -> str:
    if source == "random":
        return "picked at random"
    return "popular with others" if _impersonal(source) or not source else "chosen by people with a history like yours"
