"""Bandits: algorithms as settings, what they learn as values, and pure functions between the two."""

from recloop.bandits.contract import Bandit, Outcomes, draw
from recloop.bandits.exp3 import Exp3
from recloop.bandits.indices import KLUCB, UCB1, EpsilonGreedy
from recloop.bandits.linear import LinTS, LinUCB
from recloop.bandits.state import State
from recloop.bandits.thompson import BetaThompson, GaussianThompson, TopTwo

Algorithm = EpsilonGreedy | UCB1 | KLUCB | BetaThompson | GaussianThompson | TopTwo | LinUCB | LinTS | Exp3
"""Every bandit over single arms, as configurations may name it."""

__all__ = [
    "KLUCB",
    "UCB1",
    "Algorithm",
    "Bandit",
    "BetaThompson",
    "EpsilonGreedy",
    "Exp3",
    "GaussianThompson",
    "LinTS",
    "LinUCB",
    "Outcomes",
    "State",
    "TopTwo",
    "draw",
]
