from collections.abc import Sequence

import numpy as np

from recloop.compose import Choices
from recloop.compose.failed import FAILED, together
from recloop.data.rankings import Rankings
from recloop.experiments.interleaving.definition import Interleaving, interleave


def mix(definition: Interleaving, choices: Sequence[Choices], k: int, key: str) -> Choices:
    """What each policy chose for one request, as one slate.

    Its arm is the ballot, so that the decision carries what its clicks will be worth; its propensity is that of the
    slate, given what the policies chose. Each item keeps the source and the score of the policy that put it there (or,
    where nobody can tell, of the first that has it): scores of one slate need not fall.

    Args:
        definition: what was agreed on.
        choices: of each policy in order, for the same single request.
        k: places of the slate.
        key: what the coins are tossed for.
    """
    rankings = [one.rankings.items[0][one.rankings.items[0] >= 0].tolist() for one in choices]
    made = interleave(definition, rankings, k, key)
    items = np.full((1, k), -1, np.int32)
    scores = np.full((1, k), -np.inf, np.float32)
    sources = np.full((1, k), "", dtype=object)
    for place, (item, team) in enumerate(zip(made.items, made.teams, strict=True)):
        owner = team if team >= 0 else next(at for at, ranking in enumerate(rankings) if item in ranking)
        at = rankings[owner].index(item)
        items[0, place] = item
        scores[0, place] = choices[owner].rankings.scores[0, at]
        sources[0, place] = choices[owner].sources[0, at]
    failed = together(one.details[0] for one in choices if one.details is not None)
    return Choices(
        rankings=Rankings(items, scores),
        sources=sources,
        arms=np.array([made.ballot()], dtype=object),
        propensities=np.array([made.propensity]),
        fallbacks=np.array([next((one.fallbacks[0] for one in choices if one.fallbacks[0]), "")], dtype=object),
        failures={name: why for one in choices for name, why in one.failures.items()},
        details=[{FAILED: failed}] if failed else None,
    )
