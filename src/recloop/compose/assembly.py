"""Candidates that sources found become one slate for each request: the steps between retrieval and the answer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recloop.compose.business.limits import Limit, capped
from recloop.compose.business.rule_book import NONE, RuleBook
from recloop.compose.candidates import retrieve
from recloop.compose.config import SlateConfig
from recloop.compose.diversity.categories import Categories
from recloop.compose.diversity.diversify import diversify
from recloop.compose.fusion.fused import Fused
from recloop.compose.fusion.fuser import Fuser
from recloop.compose.objectives.weigher import Weigher
from recloop.compose.plackett_luce import draw
from recloop.compose.rules import Rules, moved_up
from recloop.data.histories import Histories
from recloop.data.rankings import Rankings, along
from recloop.strategies.base import Strategy

PIN = "pin"
"""The name of what brought an item that a rule pinned."""
FILLER = -2
"""The source of what the fallback filled in."""
PINNED = -3
"""The source of what a rule pinned."""


@dataclass(frozen=True, slots=True)
class Made:
    """Slates.

    Attributes:
        items, scores: (n, k).
        sources: (n, k) int16, the place of the source of each item; ``FILLER``, ``PINNED``, or -1 in padding.
        skipped: (n, k) int16, the rule whose pin for a place could not be kept; -1 where none.
        chances: (n, k) float64, where slates are drawn: of each place's item given those above it; None where not.
    """

    items: NDArray[np.int32]
    scores: NDArray[np.float32]
    sources: NDArray[np.int16]
    skipped: NDArray[np.int16]
    chances: NDArray[np.float64] | None = None


@dataclass(frozen=True, eq=False)
class Assembly:
    """The steps of a policy: fusion, objectives, boosts, diversity or a draw, caps, filling up, pins.

    Attributes:
        config: of the policy.
        fuser: its fusion.
        book: its business rules.
        fallback: fills slates that are too short; None for none.
        vectors: (n_items, d) of length 1; None where nothing needs them.
        categories: likewise.
        weigher: of its objectives; None where it weighs relevance alone.
    """

    config: SlateConfig
    fuser: Fuser
    book: RuleBook
    fallback: Strategy | None
    vectors: NDArray[np.float32] | None
    categories: Categories | None
    weigher: Weigher | None = None

    def slates(
        self,
        found: Sequence[Rankings],
        histories: Histories,
        k: int,
        rules: Rules,
        *,
        ranker: NDArray[np.float32] | None = None,
        without: int = NONE,
        trace: list[tuple[str, NDArray[np.int32]]] | None = None,
        uniform: NDArray[np.float64] | None = None,
    ) -> Made:
        """One slate per request.

        Args:
            found: what each source found that may be shown.
            histories: of the n requests.
            k: places.
            rules: of the requests.
            ranker: (n, n_items) what the ranker of a cascade says.
            without: a business rule that is left out.
            trace: gets the order of the items after each step that can change it.
            uniform: (n,) in [0, 1), what slates are drawn by; where None, and where nothing is drawn, they are sorted.
        """
        pinned, by = self.book.pinned(k, histories, without)
        skipped, pins = np.full_like(by, -1), bool(self.book.pins) and bool((pinned >= 0).any())
        if pins:
            kept = rules.permits(pinned, histories) & ~self.book.hidden(pinned, histories, without)
            skipped = np.where((pinned >= 0) & ~kept, by, np.int16(-1))
            pinned = np.where(kept, pinned, np.int32(-1))
        limits = self.book.caps(histories, without)
        steps: list[tuple[str, NDArray[np.int32]]] = [] if trace is None else trace

        depth = (
            max(k, min(self.config.candidates, histories.n_items))
            if self.config.fusion != "quotas"
            else (4 if limits else 2) * k
        )
        fused = self.fuser.fuse(found, depth, histories, ranker)
        steps.append(("fusion", fused.rankings.items))
        if self.weigher is not None:
            fused = self.weigher.weighed(fused, found, histories, k)
            steps.append(("objectives", fused.rankings.items))
        if (lift := self.book.lift(fused.rankings, histories, without)) is not None:
            fused = _lifted(fused, lift)
            steps.append(("boosts", fused.rankings.items))
        if pins:
            fused = dropped(fused, (fused.rankings.items[:, :, None] == pinned[:, None, :]).any(axis=2))
        made = self._first(fused, histories, k, limits, pinned, trace, uniform)
        made = self._filled(made, histories, rules, limits, pinned, without)
        if pins:
            made = _with_pins(made, pinned)
            steps.append(("pins", made.items))
        return replace(made, skipped=skipped)

    def _first(
        self,
        fused: Fused,
        histories: Histories,
        k: int,
        limits: Sequence[tuple[Limit, NDArray[np.bool_]]],
        pinned: NDArray[np.int32],
        steps: list[tuple[str, NDArray[np.int32]]] | None,
        uniform: NDArray[np.float64] | None,
    ) -> Made:
        """The first k of the candidates, diversified and under caps."""
        rankings, chances = fused.rankings, None
        how = self.config.diversified
        if how is not None:
            wanted = 2 * k if limits else k
            columns = diversify(how, rankings, histories, wanted, vectors=self.vectors, categories=self.categories)
            if steps is not None:
                steps.append(("diversity", _at(rankings.items, columns, -1)))
            if limits:  # what the diversifier did not choose follows in order
                columns = _with_rest(columns, rankings.k)
        elif self.config.softmax is not None and uniform is not None:
            deep = max(k, self.config.softmax.depth) if self.config.softmax.depth else None
            drawn = draw(rankings.scores[:, :deep], k, uniform, temperature=self.config.softmax.temperature)
            columns, chances = drawn.places, drawn.chances
        else:
            columns = np.broadcast_to(np.arange(rankings.k), rankings.items.shape)
        if limits:
            order = _at(rankings.items, columns, -1)
            chosen = capped(order, k, limits, pinned)
            columns = _at(columns, chosen, -1)
            if steps is not None:
                steps.append(("caps", _at(rankings.items, columns, -1)))
        columns = columns[:, :k]
        if columns.shape[1] < k:
            columns = np.pad(columns, ((0, 0), (0, k - columns.shape[1])), constant_values=-1)
        given, padding = np.maximum(columns, 0), columns < 0
        made = Made(
            along(rankings.items, given),
            along(rankings.scores, given),
            along(fused.sources, given),
            np.full(columns.shape, -1, np.int16),
            chances,
        )
        padding |= made.items < 0
        if padding.any():
            made.items[padding], made.scores[padding], made.sources[padding] = -1, -np.inf, -1
        return made

    def _filled(
        self,
        made: Made,
        histories: Histories,
        rules: Rules,
        limits: Sequence[tuple[Limit, NDArray[np.bool_]]],
        pinned: NDArray[np.int32],
        without: int,
    ) -> Made:
        """Slates that the sources could not fill get the fallback's best items at the end, with score 0."""
        k = made.items.shape[1]
        filled = (made.items >= 0).sum(axis=1) + (pinned >= 0).sum(axis=1)
        short = np.flatnonzero(filled < k)
        if not len(short) or self.fallback is None:
            return made
        part, own = histories.take(short), rules.take(short)
        there = np.concatenate([made.items[short], pinned[short]], axis=1)
        taken = there if own.taken is None else np.concatenate([there, own.taken], axis=1)
        hidden = self.book.hidden_everywhere(part, without)
        more = retrieve(
            self.fallback, None, part, 4 * k if limits else k, replace(own, taken=taken, hidden=hidden)
        ).rankings.items
        items = np.concatenate([made.items[short], more], axis=1)
        holds = [(limit, holds[short]) for limit, holds in limits]
        if limits:
            columns = capped(items, k, holds, pinned[short])
        else:
            columns = np.argsort(items < 0, axis=1, kind="stable")[:, :k]
        scores = np.concatenate([made.scores[short], np.zeros_like(more, np.float32)], axis=1)
        sources = np.concatenate([made.sources[short], np.full_like(more, FILLER, np.int16)], axis=1)
        chances = None if made.chances is None else made.chances.copy()
        new = Made(made.items.copy(), made.scores.copy(), made.sources.copy(), made.skipped, chances)
        new.items[short] = _at(items, columns, -1)
        there_now = new.items[short] >= 0
        new.scores[short] = np.where(there_now, _at(scores, columns, -np.inf), -np.inf)
        new.sources[short] = np.where(there_now, _at(sources, columns, -1), -1)
        if chances is not None:  # what fills up is certain
            chances[short] = _at(np.concatenate([chances[short], np.ones(more.shape)], axis=1), columns, np.nan)
        return new


def dropped(fused: Fused, out: NDArray[np.bool_]) -> Fused:
    """A ranking without some of its places; what follows moves up.

    >>> one = Fused(Rankings(np.array([[3, 4]], np.int32), np.ones((1, 2), np.float32)), np.zeros((1, 2), np.int16))
    >>> dropped(one, np.array([[True, False]])).rankings.items.tolist()
    [[4, -1]]
    """
    ranked = fused.rankings
    gone = out | (ranked.items < 0)
    items, scores, sources = moved_up(gone, (ranked.items, -1), (ranked.scores, -np.inf), (fused.sources, -1))
    return Fused(Rankings(items, scores), sources)


def _lifted(fused: Fused, lift: NDArray[np.float32]) -> Fused:
    scores = np.where(fused.rankings.items >= 0, fused.rankings.scores + lift, -np.inf)
    order = np.argsort(-scores, axis=1, kind="stable")
    return Fused(
        Rankings(
            along(fused.rankings.items, order),
            along(scores, order).astype(np.float32),
        ),
        along(fused.sources, order),
    )


def _with_rest(columns: NDArray[np.int64], m: int) -> NDArray[np.int64]:
    """(n, m) the chosen columns first, then all others in their order."""
    n = len(columns)
    rank = np.broadcast_to(np.arange(m) + m, (n, m)).copy()
    row, place = np.nonzero(columns >= 0)
    rank[row, columns[row, place]] = place
    return np.argsort(rank, axis=1, kind="stable")


def _with_pins(made: Made, pinned: NDArray[np.int32]) -> Made:
    """The slates with each pinned item at its place; the others keep their order. Padding stays at the end."""
    fixed = pinned >= 0
    column = np.cumsum(~fixed, axis=1) - 1
    top = made.scores.max(axis=1, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, np.float32(0))

    def placed(own: NDArray[Any], given: Any) -> NDArray[Any]:
        return np.where(fixed, given, along(own, np.maximum(column, 0)))

    items, scores = placed(made.items, pinned), placed(made.scores, top)
    sources = placed(made.sources, np.int16(PINNED))
    chances = np.zeros(items.shape) if made.chances is None else placed(made.chances, 1.0)
    items, scores, sources, chances = moved_up(
        items < 0, (items, -1), (scores, -np.inf), (sources, -1), (chances, np.nan)
    )
    return Made(
        items.astype(np.int32),
        scores.astype(np.float32),
        sources.astype(np.int16),
        made.skipped,
        None if made.chances is None else chances,
    )


def _at(values: NDArray[Any], columns: NDArray[np.int64], missing: float) -> NDArray[Any]:
    """The values at columns, ``missing`` where a column is -1."""
    if not values.shape[1]:
        return np.full(columns.shape, missing, values.dtype)
    found = along(values, np.maximum(columns, 0))
    return np.where(columns >= 0, found, np.asarray(missing, values.dtype))
