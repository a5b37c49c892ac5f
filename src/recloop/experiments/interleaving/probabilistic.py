from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from recloop.experiments.interleaving.slate import Interleaved, Ranking, centred, check_rankings, ranks

DECAY = 3.0  # the published one


def probabilistic(
    rankings: Sequence[Ranking], k: int, rng: np.random.Generator, *, decay: float = DECAY
) -> Interleaved:
    """Probabilistic interleaving of two or more rankings, with marginalised credit.

    Each place: a ranking is drawn, and an item from it with probability proportional to ``rank ** -decay`` over the
    items that are left. Any item may come anywhere, so a slate tells more, and may look worse.

    A click counts for each ranking by the probability that it put the item there, given the slate (rather than for the
    one that happened to). Credits add up over clicks; the published outcome takes the sign of that sum.

    Source: K. Hofmann, S. Whiteson, M. de Rijke, "A probabilistic method for inferring preferences from clicks",
    CIKM 2011.

    Raises:
        SettingError: fewer than two rankings, ``k`` below 1, or an item twice in a ranking.

    >>> made = probabilistic(["ab", "ac"], 2, np.random.default_rng(1))
    >>> made.items, made.credits.round(3).tolist(), round(made.propensity, 3)
    (('b', 'a'), [[0.5, -0.5], [0.029, -0.029]], 0.052)
    """
    check_rankings(rankings, k)
    everything: list[Hashable] = list(dict.fromkeys(item for ranking in rankings for item in ranking))
    place_of = ranks(everything, rankings)
    held = place_of <= np.array([len(ranking) for ranking in rankings])
    weights = np.where(held, place_of.astype(float) ** -decay, 0.0)  # (n, m)
    order: list[int] = []
    teams: list[int] = []
    posterior: list[NDArray[np.float64]] = []
    chance = 1.0
    while len(order) < min(k, len(everything)):
        live = np.flatnonzero(weights.any(axis=0))
        share = weights[:, live] / weights[:, live].sum(axis=0)
        team = int(rng.integers(len(live)))
        item = int(rng.choice(len(everything), p=share[:, team]))
        chance *= float(share[item].mean())
        fair = len(live) == len(rankings)  # where one has run out, the others would win by their length
        posterior.append(share[item] / share[item].sum() if fair else np.zeros(len(rankings)))
        order.append(item)
        teams.append(int(live[team]))
        weights[item] = 0.0
    worth = centred(np.array(posterior).reshape(len(order), len(rankings)), 0)
    return Interleaved(tuple(everything[item] for item in order), tuple(teams), worth, chance)
