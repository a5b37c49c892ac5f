from collections.abc import Hashable, Sequence

import numpy as np

from recloop.experiments.interleaving.slate import Interleaved, Ranking, agreement, centred, check_rankings, ranks


def balanced(rankings: Sequence[Ranking], k: int, rng: np.random.Generator) -> Interleaved:
    """Balanced interleaving of two rankings, with credits that favour neither.

    One coin says which ranking begins; then both go down in step, and what is there already is passed over. So there
    are two slates. An item speaks for the ranking that has it higher: that is +1 or -1. As published, this favours one
    ranking under random clicks: of (a, b, c) and (b, c, a), two items of three speak for the second. Here what the two
    slates earn on average at a place is taken off, so that each place is fair::

        credit at a place = (item there speaks for - item there in the other slate speaks for) / 2

    Source: the merge from T. Joachims, "Evaluating retrieval performance using clickthrough data", in Text Mining,
    2003. Credits that correct its bias and leave the merge as it is were proposed by N. Bi, P. Castells, D. Gilbert,
    S. Galperin, P. Tardif, S. Ahuja, "Debiased balanced interleaving at Amazon Search", CIKM 2022; the correction here
    is the mean at each place, and not theirs.

    Raises:
        SettingError: not two rankings, ``k`` below 1, or an item twice in a ranking.

    >>> made = balanced(["abc", "bca"], 3, np.random.default_rng(1))
    >>> made.items, made.credits[:, 0].tolist(), made.propensity
    (('a', 'b', 'c'), [0.5, -0.5, 0.0], 0.5)
    """
    check_rankings(rankings, k, most=2)
    first = int(rng.integers(2))
    slates = [_merge(rankings, k, first) for first in (0, 1)]
    speaks = [np.sign(np.diff(ranks([item for item, _ in slate], rankings), axis=1)).ravel() for slate in slates]
    gain = (speaks[first] - speaks[1 - first]) / 2
    items, teams = zip(*slates[first], strict=True) if slates[first] else ((), ())
    same = [item for item, _ in slates[0]] == [item for item, _ in slates[1]]
    worth = centred(np.stack([gain / 2, -gain / 2], axis=1), agreement(rankings))
    return Interleaved(items, teams, worth, 1.0 if same else 0.5)


def _merge(rankings: Sequence[Ranking], k: int, first: int) -> list[tuple[Hashable, int]]:
    """The slate where ``first`` begins, each item with who put it there."""
    slate: dict[Hashable, int] = {}
    for place in range(max(map(len, rankings))):
        for team in (first, 1 - first):
            if place < len(rankings[team]) and len(slate) < k:
                slate.setdefault(rankings[team][place], team)
    return list(slate.items())
