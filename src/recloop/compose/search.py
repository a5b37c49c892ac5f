"""Items without a user: those like another one, and those that a sentence asks for."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recloop.compose.steering import Steerer
from recloop.errors import ExtraError
from recloop.language.steer import Steer, parse
from recloop.language.word_index import WordIndex


@dataclass(frozen=True, eq=False)
class Found:
    """Items by how well they fit.

    Attributes:
        items: (m,) item indices, best first; of equals the one that the catalogue has first.
        scores: (m,) float32, at most 1.
        by: what they were found by.
        understood: how a sentence was read.
    """

    items: NDArray[np.int64]
    scores: NDArray[np.float32]
    by: str
    understood: tuple[str, ...] = ()


def similar(
    vectors: NDArray[np.float32],
    item: int,
    k: int,
    allowed: NDArray[np.bool_],
    by: str,
    lengths: NDArray[np.float32] | None = None,
) -> Found:
    """The k items whose vectors have the greatest cosine with that of an item.

    Args:
        vectors: (n_items, d).
        item: its index; it is not among those found.
        k: items at most.
        allowed: (n_items,) which may be shown.
        by: what the vectors are of.
        lengths: (n_items,) of the vectors, 1 where they are 0; measured where None.

    >>> found = similar(np.array([[1, 0], [2, 0.1], [0, 1]], np.float32), 0, 5, np.ones(3, bool), "texts")
    >>> found.items.tolist(), found.scores.round(2).tolist()
    ([1, 2], [1.0, 0.0])
    """
    lengths = lengths_of(vectors) if lengths is None else lengths
    scores = (vectors @ (vectors[item] / lengths[item])) / lengths
    scores[~allowed] = -np.inf
    scores[item] = -np.inf
    return _best(scores, k, by)


def lengths_of(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n,) the length of each vector, 1 where it is 0."""
    lengths = np.linalg.norm(vectors, axis=1)
    return np.where(lengths == 0, 1, lengths).astype(np.float32)


def search(sentence: str, words: WordIndex, steerer: Steerer, k: int, allowed: NDArray[np.bool_]) -> Found:
    """The k items that a sentence asks for, by the words of the items and by the vectors of their texts.

    The sentence is read as one of wishes (``recloop.language.steer``): "a light comedy, nothing with war, before 2000".
    What it leaves out is left out. The score is the BM25 of the words wished for, over the greatest; where vectors of
    the texts are known it is the mean of that and of the nearness of the vectors (``Steerer``). A sentence all of whose
    words one item holds is a title ("No Country for Old Men"): its words alone count.

    Args:
        sentence: at most 500 characters.
        words: of the items.
        steerer: what knows their categories, years, prices and vectors.
        k: items at most; those with which nothing is shared are left out.
        allowed: (n_items,) which may be shown.

    Raises:
        SettingError: the sentence is too long.
    """
    steer = parse(sentence)
    if _cued(steer) and words.holding_all(sentence).any():
        scores = _scaled(words.score(sentence))
        return _best(np.where(allowed & (scores > 0), scores, -np.inf), k, "words", (f"title: {sentence}",))
    wished = " ".join((*steer.more, *steer.only))
    scores, by = _scaled(words.score(wished)), "words"
    if (near := _near(steer, steerer)) is not None:
        scores, by = np.float32(0.5) * (scores + near), "words and texts"
    shown = allowed & steerer.shown(steer)
    if wished:
        shown &= scores > 0
    return _best(np.where(shown, scores, -np.inf), k, by, steer.said())


def _cued(steer: Steer) -> bool:
    """Whether something in the sentence was read as more than words."""
    return bool(steer.less or steer.never or steer.only or steer.bounds)


def _near(steer: Steer, steerer: Steerer) -> NDArray[np.float32] | None:
    """(n_items,) how near each item is to what is wished for; None where nothing here can say so."""
    if not steerer.reads_texts:
        return None
    try:
        pull = steerer.steering([steer]).pull
    except ExtraError:  # nothing here encodes the sentence: its words remain
        return None
    return pull[0] if len(pull) and pull.any() else None


def _scaled(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    top = scores.max(initial=0)
    return scores / top if top > 0 else scores


def _best(scores: NDArray[np.float32], k: int, by: str, understood: tuple[str, ...] = ()) -> Found:
    there = np.flatnonzero(scores > -np.inf)
    if len(there) > k:
        there = there[scores[there] >= np.partition(scores[there], -k)[-k]]
    order = there[np.argsort(-scores[there], kind="stable")][:k]
    return Found(order, scores[order].astype(np.float32), by, understood)
