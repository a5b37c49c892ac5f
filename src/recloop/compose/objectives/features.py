"""What a ranker of candidates reads: what strategies say, what items and users are like, what texts share."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recloop.compose.objectives.items import ItemTable
from recloop.compose.objectives.offered import Offered
from recloop.compose.objectives.signals import affinity, cosines, mean_vectors

RECENT = 20  # events of a history whose texts are read
ITEM = ("novelty", "age", "rating", "price", "margin", "dwell")
USER = ("events", "history-novelty", "history-rating")
BOTH = ("likeness", "likeness-last", "taste")


def feature_names(sources: Sequence[str]) -> tuple[str, ...]:
    """The columns of ``features``, in order.

    >>> feature_names(["ease"])[:3]
    ('ease: score', 'ease: rank', 'ease: named')
    """
    told = [f"{name}: {what}" for name in sources for what in ("score", "rank", "named")]
    return (*told, *ITEM, *USER, *BOTH)


def features(offered: Offered, table: ItemTable, sources: Sequence[str]) -> NDArray[np.float32]:
    """(n, m, f) float32; NaN where unknown, in padding, and for sources that were not asked.

    For each source: the score from 0 to 1 over what it named for this request; 61 / (60 + rank), 0 where it did not
    name the item; whether it named it. Then what the log and the catalogue say of the item, what the history says of
    the user, the cosines of the item's text with the last 20 events and with the last one, and the share of tastes.

    Args:
        offered: the candidates.
        table: of the items.
        sources: which, in the order that the ranker was trained on.
    """
    n, m = offered.items.shape
    found = np.full((n, m, len(feature_names(sources))), np.nan, np.float32)
    for at, name in enumerate(sources):
        if name in offered.sources:
            found[..., 3 * at : 3 * at + 3] = _of_source(offered, name)
    at = 3 * len(sources)
    for name in ITEM:
        found[..., at] = offered.of_items(table.columns[name])
        at += 1
    found[..., at : at + len(USER)] = _of_user(offered, table)[:, None, :]
    at += len(USER)
    if table.vectors is not None:
        recent, weights = _recent(offered, RECENT)
        found[..., at] = cosines(table.vectors, offered.items, mean_vectors(table.vectors, recent, weights))
        last, weight = recent[:, -1:], weights[:, -1:]
        found[..., at + 1] = cosines(table.vectors, offered.items, mean_vectors(table.vectors, last, weight))
    if table.taste.nnz:
        found[..., at + 2] = affinity(offered, table)
    found[~offered.held] = np.nan
    return found


def _of_source(offered: Offered, name: str) -> NDArray[np.float32]:
    ranking, place = offered.sources[name], offered.places(name)
    named = place >= 0
    held = ranking.items >= 0
    low = np.where(held, ranking.scores, np.inf).min(axis=1, keepdims=True, initial=np.inf)
    high = np.where(held, ranking.scores, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
    width = np.where(high > low, high - low, 1.0)
    if ranking.k:
        score = np.take_along_axis(ranking.scores, np.maximum(place, 0), axis=1)
    else:
        score = np.zeros(place.shape, np.float32)
    scaled = np.where(named, (score - low) / width, 0.0)
    return np.stack([scaled, np.where(named, 61.0 / (61.0 + place), 0.0), named], axis=-1).astype(np.float32)


def _of_user(offered: Offered, table: ItemTable) -> NDArray[np.float32]:
    histories = offered.histories
    rows, n = histories.rows, len(histories)
    count = np.maximum(histories.lengths, 1)
    novelty = np.bincount(rows, weights=table.columns["novelty"][histories.items], minlength=n) / count
    stars = np.isfinite(histories.ratings)
    rated = np.bincount(rows[stars], weights=histories.ratings[stars], minlength=n)
    times = np.bincount(rows[stars], minlength=n)
    mean = np.where(times > 0, rated / np.maximum(times, 1), np.nan)
    empty = histories.lengths == 0
    return np.stack([np.log1p(histories.lengths), np.where(empty, np.nan, novelty), mean], axis=1).astype(np.float32)


def _recent(offered: Offered, events: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """(n, events) the last items of each history, the last one at the right, and their weights; -1, 0 in padding."""
    last = offered.histories.recent(events)
    items = np.full((len(last), events), -1, np.int32)
    weights = np.zeros((len(last), events), np.float32)
    column = np.arange(len(last.items)) - last.indptr[last.rows] + (events - last.lengths)[last.rows]
    items[last.rows, column], weights[last.rows, column] = last.items, last.weights
    return items, weights
