from collections import defaultdict
from collections.abc import Hashable, Sequence

import numpy as np

from recloop.experiments.interleaving.slate import Interleaved, Ranking, agreement, centred, check_rankings, shallowest


def team_draft(rankings: Sequence[Ranking], k: int, rng: np.random.Generator) -> Interleaved:
    """Team-draft interleaving, and multileaving for more than two rankings.

    In every round the rankings pick in a random order; each puts its best item that is not there yet. A click counts
    for the ranking that picked the item.

    Each place belongs to each ranking with the same probability, so clicks that do not look at the item favour none.
    Where a ranking is shorter than the slate, places beyond its length earn nothing.

    Source: F. Radlinski, M. Kurup, T. Joachims, "How does clickthrough data reflect retrieval quality?", CIKM 2008; for
    many rankings A. Schuth, F. Sietsma, S. Whiteson, D. Lefortier, M. de Rijke, "Multileaved comparisons for fast
    online evaluation", CIKM 2014.

    Raises:
        SettingError: fewer than two rankings, ``k`` below 1, or an item twice in a ranking.

    >>> made = team_draft(["abc", "bca"], 3, np.random.default_rng(1))
    >>> made.items, made.teams, made.propensity
    (('a', 'b', 'c'), (0, 1, 0), 0.5)
    """
    check_rankings(rankings, k)
    items: list[Hashable] = []
    teams: list[int] = []
    order: list[int] = []
    live = [iter(ranking) for ranking in rankings]
    taken: set[Hashable] = set()
    open_: set[int] = set(range(len(rankings)))
    while len(items) < k and open_:
        if not order:
            order = rng.permutation(len(rankings)).tolist()
        team = order.pop(0)
        item = next((one for one in live[team] if one not in taken), None)
        if item is None:
            open_.discard(team)
            continue
        items.append(item)
        teams.append(team)
        taken.add(item)
    own = np.eye(len(rankings))[teams].reshape(len(teams), len(rankings))
    own[shallowest(rankings) :] = 0.0
    return Interleaved(tuple(items), tuple(teams), centred(own, agreement(rankings)), propensity(items, rankings))


def propensity(items: Sequence[Hashable], rankings: Sequence[Ranking]) -> float:
    """The probability that team-draft shows this slate, over all ways in which the teams could have picked it.

    >>> propensity("ab", ["ab", "ba"]), propensity("ab", ["ab", "ab"]), propensity("ba", ["ab", "ab"])
    (0.5, 1.0, 0.0)
    """
    everybody = frozenset(range(len(rankings)))
    waiting = {everybody: 1.0}  # who has yet to pick in this round → probability
    for place, item in enumerate(items):
        shown = set(items[:place])
        wants = [next((one for one in ranking if one not in shown), None) for ranking in rankings]
        live = frozenset(team for team in everybody if wants[team] is not None)
        after: dict[frozenset[int], float] = defaultdict(float)
        for state, chance in waiting.items():
            pickers = state & live or live
            left = state if state & live else everybody
            for team in pickers:
                if wants[team] == item:
                    after[left - {team}] += chance / len(pickers)
        waiting = after
    return sum(waiting.values(), 0.0)
