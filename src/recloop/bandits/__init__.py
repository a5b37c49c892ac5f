"""Bandits: algorithms as settings, what they learn as values, and pure functions between the two."""

from recloop.bandits.cascade import CascadeKLUCB, CascadeThompson
from recloop.bandits.contract import Bandit
from recloop.bandits.exp3 import Exp3
from recloop.bandits.guarded import Conservative
from recloop.bandits.indices import KLUCB, UCB1, EpsilonGreedy
from recloop.bandits.levels import TwoLevel
from recloop.bandits.linear import LinTS, LinUCB
from recloop.bandits.logistic import LogisticThompson
from recloop.bandits.outcomes import Outcomes, draw
from recloop.bandits.paced import Paced
from recloop.bandits.pacing import Pacing
from recloop.bandits.state import State
from recloop.bandits.thompson import BetaThompson, GaussianThompson, TopTwo
from recloop.bandits.watch import Watched

Algorithm = (
    EpsilonGreedy
    | UCB1
    | KLUCB
    | BetaThompson
    | GaussianThompson
    | TopTwo
    | LinUCB
    | LinTS
    | LogisticThompson
    | Exp3
    | Watched
    | Conservative
    | Paced
)
"""Every bandit over single arms, as configurations may name it."""

__all__ = [
    "KLUCB",
    "UCB1",
    "Algorithm",
    "Bandit",
    "BetaThompson",
    "CascadeKLUCB",
    "CascadeThompson",
    "Conservative",
    "EpsilonGreedy",
    "Exp3",
    "GaussianThompson",
    "LinTS",
    "LinUCB",
    "LogisticThompson",
    "Outcomes",
    "Paced",
    "Pacing",
    "State",
    "TopTwo",
    "TwoLevel",
    "Watched",
    "draw",
]
