"""Items without a user: those like another one, and those that a sentence asks for."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recloop.compose.steering import Steerer
from recloop.errors import ExtraError
from recloop.language.steer import Steer, parse
from recloop.language.word_index import WordIndex
from recloop.strategies.index import Index

EVEN = 1e-2  # by how much the lengths of vectors of one length may differ: those kept in two bytes do a little
MARGIN = 50  # more items than are wanted, which are put in order by their exact cosines


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
    index: Index | None = None,
) -> Found:
    """The k items whose vectors have the greatest cosine with that of an item.

    Args:
        vectors: (n_items, d).
        item: its index; it is not among those found.
        k: items at most.
        allowed: (n_items,) which may be shown.
        by: what the vectors are of.
        lengths: (n_items,) of the vectors, 1 where they are 0; measured where None.
        index: of the vectors; None scores every item. It is asked where vectors are of one length, so that the
            greatest dot product is the greatest cosine.

    >>> found = similar(np.array([[1, 0], [2, 0.1], [0, 1]], np.float32), 0, 5, np.ones(3, bool), "texts")
    >>> found.items.tolist(), found.scores.round(2).tolist()
    ([1, 2], [1.0, 0.0])
    """
    lengths = lengths_of(vectors) if lengths is None else lengths
    if index is not None and vectors[item].any() and np.ptp(lengths) < EVEN:
        found = index.search(vectors[None, item], k + 1 + MARGIN, _seen(allowed)).items[0]
        found = found[(found >= 0) & (found != item)].astype(np.int64)
        if len(found) >= k:  # else too few may be shown, and all are looked at
            return _best_of(found, (vectors[found] @ vectors[item]) / (lengths[found] * lengths[item]), k, by)
    scores = (vectors @ (vectors[item] / lengths[item])) / lengths
    scores[~allowed] = -np.inf
    scores[item] = -np.inf
    return _best(scores, k, by)


def lengths_of(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n,) the length of each vector, 1 where it is 0."""
    lengths = np.linalg.norm(vectors, axis=1)
    return np.where(lengths == 0, 1, lengths).astype(np.float32)


def search(
    sentence: str,
    words: WordIndex,
    steerer: Steerer,
    k: int,
    allowed: NDArray[np.bool_],
    index: Index | None = None,
) -> Found:
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
        index: of the vectors of the texts; None scores every item. It is asked where a sentence wishes for texts and
            nothing else: then the best items share a word with it, or are among the nearest.

    Raises:
        SettingError: the sentence is too long.
    """
    steer = parse(sentence)
    if index is not None and (wish := _wish(steer, steerer, index)) is not None:
        found = _by_index(steer, *wish, words, index, k, allowed)
        if found is not None:
            return found
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


def _wish(steer: Steer, steerer: Steerer, index: Index) -> tuple[NDArray[np.float32], float] | None:
    """A sentence as one vector q and a number c: an item v is as near as ``q @ v - c``; None where it is more."""
    if not steer.more or _cued(steer) or not steerer.reads_texts:
        return None
    try:
        found = steerer.direction(steer, index)
    except ExtraError:  # nothing here encodes the sentence: its words remain
        return None
    return found if found is not None and found[0].any() else None


def _by_index(
    steer: Steer,
    query: NDArray[np.float32],
    offset: float,
    words: WordIndex,
    index: Index,
    k: int,
    allowed: NDArray[np.bool_],
) -> Found | None:
    """As ``search``: who shares no word must be among the nearest. None where too few of these may be shown."""
    scores = words.score(" ".join(steer.more))
    top = scores.max(initial=0)
    near = index.search(query[None], k, _seen(allowed)).items[0]
    if near.min() < 0:
        return None
    places = np.union1d(np.flatnonzero(allowed & (scores > 0)), near).astype(np.int64)
    mixed = np.float32(0.5) * (scores[places] / (top or 1) + index.scores(query, places) - np.float32(offset))
    there = mixed > 0
    return _best_of(places[there], mixed[there], k, "words and texts", steer.said())


def _seen(allowed: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    return None if allowed.all() else allowed


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


def _best_of(
    places: NDArray[np.int64], scores: NDArray[np.float32], k: int, by: str, understood: tuple[str, ...] = ()
) -> Found:
    order = np.lexsort((places, -scores))[:k]
    return Found(places[order], scores[order].astype(np.float32), by, understood)


def _best(scores: NDArray[np.float32], k: int, by: str, understood: tuple[str, ...] = ()) -> Found:
    there = np.flatnonzero(scores > -np.inf)
    if len(there) > k:
        there = there[scores[there] >= np.partition(scores[there], -k)[-k]]
    order = there[np.argsort(-scores[there], kind="stable")][:k]
    return Found(order, scores[order].astype(np.float32), by, understood)
