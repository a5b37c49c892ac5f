"""Business rules laid over slates that a policy has made already, whatever the policy is."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recloop.compose.business.effects import moved
from recloop.compose.business.rule_book import NONE, RuleBook
from recloop.compose.rules import Rules, moved_up
from recloop.data.histories import Histories
from recloop.data.rankings import Rankings, along


class Overlaid(NamedTuple):
    """Slates after the rules.

    Attributes:
        rankings: (n, k) items and scores; a pinned item has the best score of its slate.
        columns: (n, k) where each item stood in what the policy made; -1 for what was pinned from outside, and padding.
        pinned: (n, k) bool, the places that a pin fills.
    """

    rankings: Rankings
    columns: NDArray[np.int64]
    pinned: NDArray[np.bool_]


def overlaid(
    made: Rankings, book: RuleBook, histories: Histories, k: int, rules: Rules, without: int = NONE
) -> Overlaid:
    """What the policy made, without what is hidden, with what is boosted higher and what is pinned at its place.

    Only hides, pins, boosts and burials are laid over. A pin gives way to what the request itself forbids and to hides.

    Args:
        made: (n, m) what the policy made, m >= k so that there is something to move up.
        book: the rules.
        histories: of the n requests.
        k: places of a slate.
        rules: of the requests.
        without: a rule that is left out.

    >>> import polars as pl
    >>> from recloop.compose.business.settings import Hide, Pin
    >>> from recloop.compose.catalogue import Catalogue
    >>> shop = Catalogue(pl.DataFrame({"item": ["a", "b", "c", "d"]}))
    >>> book = RuleBook.of([Hide(name="recall", items=["a"]), Pin(name="ad", items=["d"], place=2)], shop)
    >>> made = Rankings(np.array([[0, 1, 2]], np.int32), np.array([[3, 2, 1]], np.float32))
    >>> found = overlaid(made, book, Histories.of([[]], n_items=4), 2, Rules())
    >>> found.rankings.items.tolist(), found.columns.tolist()
    ([[1, 3]], [[1, -1]])
    """
    n = len(histories)
    pins, _ = book.pinned(k, histories, without)
    kept = rules.permits(pins, histories) & ~book.hidden(pins, histories, without)
    pins = np.where(kept, pins, np.int32(-1))
    items: NDArray[Any] = made.items
    scores: NDArray[Any] = made.scores
    columns: NDArray[Any] = np.broadcast_to(np.arange(made.k), items.shape)
    if (lift := book.lift(made, histories, without)) is not None:
        lifted = np.where(items >= 0, scores + lift, -np.inf).astype(np.float32)
        order = np.argsort(-lifted, axis=1, kind="stable")
        items, scores, columns = (along(one, order) for one in (items, lifted, columns))
    out = (items < 0) | book.hidden(items, histories, without)
    out |= (items[:, :, None] == np.where(pins >= 0, pins, -2)[:, None, :]).any(axis=2)
    items, scores, columns = moved_up(out, (items, -1), (scores, -np.inf), (columns, -1))
    fixed = pins >= 0
    short = k - items.shape[1]
    if short > 0:
        items, scores, columns = (
            np.pad(one, ((0, 0), (0, short)), constant_values=fill)
            for one, fill in ((items, -1), (scores, -np.inf), (columns, -1))
        )
    at = np.maximum(np.cumsum(~fixed, axis=1) - 1, 0)
    top = scores.max(axis=1, keepdims=True, initial=-np.inf) if items.shape[1] else np.zeros((n, 1), np.float32)
    top = np.where(np.isfinite(top), top, np.float32(0))
    items = np.where(fixed, pins, along(items, at))
    scores = np.where(fixed, top, along(scores, at))
    columns = np.where(fixed, -1, along(columns, at))
    items, scores, columns, fixed = moved_up(
        items < 0, (items, -1), (scores, -np.inf), (columns, -1), (fixed, False)
    )  # a pin behind the end of a short slate follows its last item
    return Overlaid(Rankings(items.astype(np.int32), scores.astype(np.float32)), columns, fixed)


def overlay_effects(
    made: Rankings, book: RuleBook, histories: Histories, k: int, rules: Rules
) -> list[list[tuple[int, float]]]:
    """What each rule did to each slate: the slate with all rules beside that without this one.

    Args:
        made: (n, m) what the policy made before anything was hidden.
        book: r rules.
        histories: of the n requests.
        k: places of a slate.
        rules: of the requests.

    Returns:
        For each request, for each rule, the places that hold something else and the share of exposure that moved.
    """
    whole = overlaid(made, book, histories, k, rules).rankings.items
    pairs = [moved(whole, overlaid(made, book, histories, k, rules, rule).rankings.items) for rule in range(len(book))]
    return [
        [(int(places[row]), round(float(exposure[row]), 6)) for places, exposure in pairs]
        for row in range(len(histories))
    ]
