from collections.abc import Callable, Mapping, Sequence

import numpy as np

from recloop.experiments.interleaving.balanced import balanced
from recloop.experiments.interleaving.optimised import optimised
from recloop.experiments.interleaving.pairwise import pairwise
from recloop.experiments.interleaving.probabilistic import probabilistic
from recloop.experiments.interleaving.slate import Interleaved, Ranking
from recloop.experiments.interleaving.team_draft import team_draft

Method = Callable[[Sequence[Ranking], int, np.random.Generator], Interleaved]

METHODS: Mapping[str, Method] = {
    "team-draft": team_draft,
    "balanced": balanced,
    "probabilistic": probabilistic,
    "optimised": optimised,
    "pairwise": pairwise,
}
ONLY_TWO = {"balanced", "optimised"}
