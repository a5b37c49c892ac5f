from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from recloop.compose.budget import Budget
from recloop.compose.business.rule_book import NONE, RuleBook
from recloop.compose.candidates import retrieve, usable_scores
from recloop.compose.rules import Rules, moved_up
from recloop.data.histories import Histories
from recloop.data.rankings import Rankings
from recloop.strategies.base import Strategy


@dataclass(frozen=True, eq=False)
class Retrieved:
    """What the sources of a policy found for n requests.

    Attributes:
        whole: of each source what the request permits, (n, depth).
        lists: likewise, without what business rules hide.
        stood_in: (n, sources) bool, where the fallback answered for a source.
        ranker: (n, n_items) the scores of a cascade's ranker; None where there is none.
        unranked: (n,) bool, the requests for which the ranker failed: the order of retrieval stays.
        failures: strategy → why it failed.
    """

    whole: Sequence[Rankings]
    lists: Sequence[Rankings]
    stood_in: NDArray[np.bool_]
    ranker: NDArray[np.float32] | None
    unranked: NDArray[np.bool_]
    failures: Mapping[str, str] = field(default_factory=dict)

    def failed(self, names: Sequence[str], ranker: str) -> dict[str, NDArray[np.bool_]]:
        """Each strategy that failed → (n,) for which requests."""
        by_name = dict(zip(names, self.stood_in.T, strict=True))
        own = by_name.get(ranker, np.zeros_like(self.unranked))  # a source may rank, too
        return {name: rows for name, rows in {**by_name, ranker: own | self.unranked}.items() if name in self.failures}

    def take(self, rows: NDArray[np.integer]) -> "Retrieved":
        """Some of the requests."""
        return Retrieved(
            [Rankings(one.items[rows], one.scores[rows]) for one in self.whole],
            [Rankings(one.items[rows], one.scores[rows]) for one in self.lists],
            self.stood_in[rows],
            None if self.ranker is None else self.ranker[rows],
            self.unranked[rows],
            self.failures,
        )


@dataclass(frozen=True, eq=False)
class Retrieval:
    """Asks the sources of a policy.

    Attributes:
        names: of the sources.
        sources: strategies.
        fallback: answers for a source that fails; None for none.
        ranker: of a cascade; None where there is none.
        ranker_name: its name in the policy.
        budgets: of the sources and, last, of the ranker.
        book: business rules.
    """

    names: Sequence[str]
    sources: Sequence[Strategy]
    fallback: Strategy | None
    ranker: Strategy | None
    ranker_name: str
    budgets: Sequence[Budget]
    book: RuleBook

    def retrieve(self, histories: Histories, k: int, depth: int, rules: Rules) -> Retrieved:
        """The candidates of each source; never raises because of a strategy.

        What business rules hide is taken out of them. A request of which a source then has less than ``k`` left is
        asked for again, with the rules in front, so that no slate gets shorter by them.
        """
        found = [
            retrieve(source, self.fallback, histories, depth, rules, budget)
            for source, budget in zip(self.sources, self.budgets, strict=False)
        ]
        whole = [candidates.rankings for candidates in found]
        failures = {name: one.failure for name, one in zip(self.names, found, strict=True) if one.failure}
        ranker, unranked = None, np.zeros(len(histories), bool)
        if self.ranker is not None:
            ranker, unranked, failure = usable_scores(self.ranker, histories, self.budgets[-1])
            rules.apply(ranker, histories)
            failures |= {self.ranker_name: failure} if failure else {}
        return Retrieved(
            whole,
            self._left(whole, histories, k, depth, rules) if self.book.hides else whole,
            np.stack([candidates.stood_in for candidates in found], axis=1),
            ranker,
            unranked,
            failures,
        )

    def _left(
        self, whole: Sequence[Rankings], histories: Histories, k: int, depth: int, rules: Rules
    ) -> list[Rankings]:
        hidden = [self.book.hidden(one.items, histories) for one in whole]
        lists = [without(one, out) for one, out in zip(whole, hidden, strict=True)]
        few = [((one.items >= 0).sum(axis=1) < k) & out.any(axis=1) for one, out in zip(lists, hidden, strict=True)]
        short = np.flatnonzero(np.any(few, axis=0))
        if len(short):
            part = histories.take(short)
            narrow = replace(rules.take(short), hidden=self.book.hidden_everywhere(part))
            for one, source in zip(lists, self.sources, strict=True):
                again = retrieve(source, self.fallback, part, depth, narrow).rankings
                one.items[short], one.scores[short] = again.items, again.scores
        return lists

    def lists_without(self, found: Retrieved, histories: Histories, rule: int) -> Sequence[Rankings]:
        """The candidates as if a rule did not hide anything."""
        if rule == NONE or rule not in self.book.hides:
            return found.lists
        return [without(one, self.book.hidden(one.items, histories, rule)) for one in found.whole]


def without(rankings: Rankings, out: NDArray[np.bool_]) -> Rankings:
    """Rankings without some of their places; what follows moves up. Never the arrays that were given.

    >>> one = Rankings(np.array([[3, 4]], np.int32), np.array([[2, 1]], np.float32))
    >>> without(one, np.array([[True, False]])).items.tolist()
    [[4, -1]]
    """
    if not out.any():
        return Rankings(rankings.items.copy(), rankings.scores.copy())
    items, scores = moved_up(out | (rankings.items < 0), (rankings.items, -1), (rankings.scores, -np.inf))
    return Rankings(items, scores)
