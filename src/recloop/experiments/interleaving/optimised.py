from collections.abc import Hashable, Sequence
from itertools import zip_longest

import numpy as np
import scipy
from numpy.typing import NDArray

from recloop.experiments.interleaving.slate import (
    Interleaved,
    Ranking,
    agreement,
    centred,
    check_rankings,
    ranks,
    shallowest,
)

LONGEST = 10  # places that are optimised: 2^10 slates at most


def optimised(rankings: Sequence[Ranking], k: int, rng: np.random.Generator) -> Interleaved:
    """Optimised interleaving of two rankings: the slates are drawn so that a click tells as much as it can.

    Allowed is every slate whose next item is the best of one of the rankings that is not there yet. A click on an item
    earns each ranking one over its rank there. A linear programme finds the probabilities of the slates

    - so that at each place both earn the same on average, whatever is clicked there (no bias), and
    - which make the expected square of the difference of what both earn as small as it can be where places are clicked
      with probability one over the place (little noise).

    The first 10 places are made so, or as many as the shorter ranking has; below them both take turns, and earn
    nothing.

    Source: F. Radlinski, N. Craswell, "Optimized interleaving for online retrieval evaluation", WSDM 2013 (slates,
    constraints, credit by inverse rank); the aim from A. Schuth, F. Sietsma, S. Whiteson, D. Lefortier, M. de Rijke,
    "Multileaved comparisons for fast online evaluation", CIKM 2014, section 4.2.

    Raises:
        SettingError: not two rankings, ``k`` below 1, or an item twice in a ranking.

    >>> made = optimised(["ab", "bc"], 2, np.random.default_rng(1))
    >>> made.items, round(made.propensity, 4)
    (('b', 'a'), 0.3714)
    """
    check_rankings(rankings, k, most=2)
    slates, worth, probabilities = design(rankings, min(k, LONGEST, shallowest(rankings)))
    drawn = int(rng.choice(len(slates), p=probabilities))
    rest = [item for row in zip_longest(*rankings, fillvalue=slates[drawn][0]) for item in row]
    items = tuple(dict.fromkeys([*slates[drawn], *rest]))[:k]
    earned = np.zeros((len(items), 2))
    earned[: len(slates[drawn])] = worth[drawn]
    return Interleaved(items, (-1,) * len(items), earned, float(probabilities[drawn]))


def design(
    rankings: Sequence[Ranking], k: int
) -> tuple[list[tuple[Hashable, ...]], NDArray[np.float64], NDArray[np.float64]]:
    """The allowed slates, their credits (n, k, 2), and the probability of each; ``k`` is at most the shorter length.

    >>> slates, _, p = design(["ab", "bc"], 2)
    >>> dict(zip(map("".join, slates), p.round(4).tolist()))
    {'ab': 0.4286, 'ba': 0.3714, 'bc': 0.2}
    """
    slates = allowed(rankings, k)
    everything = list(dict.fromkeys(item for ranking in rankings for item in ranking))
    number = {item: at for at, item in enumerate(everything)}
    worth = centred(1.0 / ranks(everything, rankings), 0)[[[number[item] for item in slate] for slate in slates]]
    worth[:, : agreement(rankings)] = 0.0
    apart = worth[:, :, 0] - worth[:, :, 1]  # (n, k)
    noise = (apart / np.arange(1, apart.shape[1] + 1)).sum(axis=1) ** 2
    found = scipy.optimize.linprog(
        noise,
        A_eq=np.vstack([np.ones(len(slates)), apart.T]),
        b_eq=np.concatenate([[1.0], np.zeros(apart.shape[1])]),
        bounds=(0, 1),
        method="highs",
    )
    if not found.success:
        raise RuntimeError(found.message)
    p = np.maximum(np.asarray(found.x), 0.0)
    return slates, worth, p / p.sum()


def allowed(rankings: Sequence[Ranking], k: int) -> list[tuple[Hashable, ...]]:
    """Every slate of ``k`` places whose next item is the best one left of some ranking.

    >>> ["".join(slate) for slate in allowed(["abcd", "bdca"], 4)]
    ['abcd', 'abdc', 'bacd', 'badc', 'bdac', 'bdca']
    """
    slates: dict[tuple[Hashable, ...], None] = {(): None}
    for _ in range(k):
        slates = {
            (*slate, item): None
            for slate in slates
            for item in (next((one for one in ranking if one not in slate), None) for ranking in rankings)
            if item is not None
        }
    return list(slates)
