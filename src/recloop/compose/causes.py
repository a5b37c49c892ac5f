"""Why an item stands where it stands: what of the history, taken away, moves it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recloop.compose.policy import Choices, Policy
from recloop.compose.rules import Rules
from recloop.data.histories import Histories
from recloop.data.splitmix import STEP, mixed, unit
from recloop.strategies.base import Shared, Strategy

EVENTS = 50  # items of the history that are tried, the latest first
MOST = 3  # that are named
SMALL = frozenset(  # words that tell nobody anything
    {"a", "an", "and", "as", "at", "by", "for", "from", "in", "is", "it", "of", "on", "or", "our", "so", "that", "the"}
    | {"this", "to", "was", "with", "your", "de", "der", "die", "la", "le", "und"}
)
DEPTH = 50  # places that are looked at, at least; what falls deeper has fallen out


@dataclass(frozen=True, slots=True)
class Cause:
    """What moved one item of a slate. All of it was checked by leaving it out.

    Attributes:
        item: the item, by index.
        source: the strategy that it owes most to.
        events: items of the history, by index, the most telling first. Without them the item falls on the slate, or, in
            the scores of its source, loses at least half of its lead over the best item that is not on the slate. Empty
            where no three items do that.
        words: words of the item's text that it shares with these events. Without them it falls likewise, in the order
            of its source.
        rank: its place on the slate, from 1.
        without: its place without the events, None where it falls deeper than what was looked at; ``rank`` where there
            are no events.
    """

    item: int
    source: str
    events: tuple[int, ...]
    words: tuple[str, ...]
    rank: int
    without: int | None


def causes(
    policy: Policy,
    history: Histories,
    slate: Choices,
    *,
    rules: Rules | None = None,
    events: int = EVENTS,
) -> list[Cause]:
    """What of the history moved each item of a slate, checked by leaving it out.

    The history is scored again with each of its last items left out, in one batch. Those whose loss costs an item
    most of its lead are then left out together, one, two or three of them, and the slate is made again, in a
    second batch: the fewest that move the item are named. This is erasure (Li, Monroe & Jurafsky 2016, "Understanding
    neural networks through representation erasure") by events; what is named is what the policy does, whatever
    strategies it is made of.

    Args:
        policy: the one that made the slate; of a policy with arms, the arm.
        history: one row, as the policy saw it.
        slate: what it chose, one row.
        rules: what it had to keep to.
        events: how many items of the history are tried, the latest first.

    Returns:
        One cause for each item of the slate, in its order.

    >>> import polars as pl
    >>> from recloop.compose import build, policy_config
    >>> from recloop.data.dataset import Dataset
    >>> from recloop.strategies import make
    >>> log = pl.DataFrame({"user": list("aabbcc"), "item": ["tea", "pot", "tea", "pot", "nut", "bolt"]})
    >>> data = Dataset.of(log)
    >>> strategies = {"item-knn": make("item-knn").fit(data)}
    >>> policy = build(policy_config({"sources": ["item-knn"], "fallback": ""}), strategies)
    >>> history = Histories.of([[data.item_ids.index("nut"), data.item_ids.index("tea")]], n_items=4)
    >>> slate = policy.choose({}, history, 2, np.random.default_rng(0))
    >>> [(data.item_ids[c.item], [data.item_ids[e] for e in c.events]) for c in causes(policy, history, slate)]
    [('pot', ['tea']), ('bolt', ['nut'])]
    """
    items = slate.rankings.items[0]
    items = items[items >= 0]
    sources = slate.sources[0].tolist()
    own = _latest(history, events)
    k, rules = len(items), rules or Rules()
    if not k or not len(own) or policy.asks_outside:
        return [Cause(item, sources[at], (), (), at + 1, at + 1) for at, item in enumerate(items.tolist())]
    judge = Judge(policy, history, items, sources, rules)

    leads = judge.leads(np.concatenate([[-1], own])[:, None])
    most = min(MOST, len(own))
    telling = own[np.argsort(leads[1:], axis=0, kind="stable")[:most]]  # (most, k); in ties the latest event
    sets = [np.where(np.arange(most)[:, None] < size, telling, -1).T for size in range(most + 1)]  # each (k, most)
    each = np.arange(k)
    places, left = (found.reshape(most + 1, k, k)[:, each, each] for found in judge.both(np.concatenate(sets)))
    fell = places[1:] > places[0]
    halved = (left[0] > 0) & (left[1:] <= left[0] / 2)
    moved = fell | halved
    enough = np.where(moved.any(axis=0), moved.argmax(axis=0), -1).tolist()

    named = [tuple(telling[: size + 1, at].tolist()) if size >= 0 else () for at, size in enumerate(enough)]
    words = _words(policy, history, items, sources, named, rules)
    return [
        Cause(
            item=item,
            source=sources[at],
            events=named[at],
            words=words[at],
            rank=at + 1,
            without=judge.named(places[enough[at] + 1, at]) if enough[at] >= 0 else at + 1,
        )
        for at, item in enumerate(items.tolist())
    ]


class Judge:
    """How the items of a slate fare when some of the history is left out."""

    def __init__(
        self, policy: Policy, history: Histories, items: NDArray[np.int32], sources: Sequence[str], rules: Rules
    ) -> None:
        self._policy, self._history, self._items = policy, history, items
        self._depth = min(history.n_items, max(2 * len(items), DEPTH))
        # what is left out of the history was seen all the same
        seen = history.items if rules.hide_seen else history.items[:0]
        hidden = seen if rules.exclude is None else np.concatenate([seen, np.asarray(rules.exclude[0], np.int64)])
        self._rules = replace(rules, exclude=[hidden])
        self._on_slate = np.zeros(history.n_items, dtype=bool)
        self._on_slate[items] = True
        self._columns: dict[str, list[int]] = {}
        for column, name in enumerate(sources[: len(items)]):
            self._columns.setdefault(name, []).append(column)

    def leads(self, sets: NDArray[np.integer]) -> NDArray[np.float64]:
        """(n, k): each item's score above that of the best one that is not on the slate, by its own source.

        Args:
            sets: (n, m) items to leave out of the history, -1 for none.
        """
        histories = left_out(self._history, sets)
        found = np.zeros((len(sets), len(self._items)))
        for name, columns in self._columns.items():
            strategy = self._policy.strategy(name)
            if strategy is not None:
                found[:, columns] = self._lead(strategy, histories)[:, columns]
        return found

    def both(self, sets: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """(n, k) places on the slate, from 0, and leads."""
        histories = left_out(self._history, sets)
        chance = unit(mixed(histories.keys + STEP))  # the same for all, so that chance moves nothing
        state, rules = self._policy.initial_state(), self._rules.take(np.zeros(len(sets), dtype=np.int64))
        chosen = self._policy._choose(state, histories, self._depth, chance, rules).rankings.items  # noqa: SLF001
        places = np.full((len(sets), histories.n_items + 1), self._depth, dtype=np.int64)
        np.put_along_axis(
            places, chosen.astype(np.int64), np.arange(self._depth)[None], axis=1
        )  # -1 is the last column
        return places[:, self._items], self.leads(sets)

    def _lead(self, strategy: Strategy, histories: Histories) -> NDArray[np.float64]:
        scores = strategy.score(histories)
        replace(self._rules, steering=None).take(np.zeros(len(scores), dtype=np.int64)).apply(scores, histories)
        rival = np.where(self._on_slate, -np.inf, scores).max(axis=1, initial=-np.inf)
        return scores[:, self._items].astype(np.float64) - np.where(np.isfinite(rival), rival, 0)[:, None]

    def named(self, place: int) -> int | None:
        """A place from 1, None where it is deeper than what was looked at."""
        return int(place) + 1 if place < self._depth else None


def _latest(history: Histories, n: int) -> NDArray[np.int64]:
    """The items of a history, each once, the latest first; at most ``n``."""
    backwards = history.items[::-1].astype(np.int64)
    _, first = np.unique(backwards, return_index=True)
    return backwards[np.sort(first)][:n]


def left_out(history: Histories, sets: NDArray[np.integer]) -> Histories:
    """The history (one row) once for each set of items, without their events."""
    keep = (history.items[None, :, None] != sets[:, None, :]).all(axis=2)
    every = history.take(np.zeros(len(sets), dtype=np.int64))
    kept = keep.ravel()
    return replace(
        every,
        indptr=np.concatenate([[0], np.cumsum(keep.sum(axis=1))]).astype(np.int64),
        items=every.items[kept],
        weights=every.weights[kept],
        times=every.times[kept],
        ratings=every.ratings[kept],
    )


def _words(
    policy: Policy,
    history: Histories,
    items: NDArray[np.int32],
    sources: Sequence[str],
    named: Sequence[tuple[int, ...]],
    rules: Rules,
) -> list[tuple[str, ...]]:
    """For each item, the fewest words shared with its events without which it falls in the order of its source."""
    found: list[tuple[str, ...]] = [()] * len(items)
    for name in dict.fromkeys(sources[: len(items)]):
        strategy = policy.strategy(name)
        if strategy is None:
            continue
        shared_words = strategy.shared_words(history, items)
        if not any(shared_words):
            continue
        scores = strategy.score(history)
        replace(rules, steering=None).apply(scores, history)
        own = [at for at in range(len(items)) if sources[at] == name]
        ordered = np.sort(scores[0][np.isfinite(scores[0])])[::-1]
        rival = float(ordered[min(len(own), len(ordered) - 1)]) if len(ordered) else 0.0
        for at in own:
            found[at] = _fewest(float(scores[0, items[at]]), ordered, rival, shared_words[at], set(named[at]))
    return found


def _fewest(
    score: float,
    ordered: NDArray[np.float32],
    rival: float,
    shared: Shared,
    named: set[int],
) -> tuple[str, ...]:
    """The fewest words, the heaviest first, whose terms the score cannot lose; none where ``MOST`` are too few."""
    left = {term: part for term, (part, having) in shared.items() if not named or having & named}
    taken: list[str] = []
    rest = score
    while left and len(taken) < MOST:
        weights = Counter[str]()
        for term, part in left.items():
            weights.update(dict.fromkeys(set(term.split(" ")) - SMALL, part))
        if not weights:
            break
        word = max(weights, key=lambda one: (weights[one], one))
        taken.append(word)
        rest -= sum(part for term, part in left.items() if word in term.split(" "))
        left = {term: part for term, part in left.items() if word not in term.split(" ")}
        above = int((ordered > rest).sum()) - 1  # the item itself is still there, with its old score
        if above > int((ordered > score).sum()) or (score > rival and rest - rival <= (score - rival) / 2):
            return tuple(taken)
    return ()
