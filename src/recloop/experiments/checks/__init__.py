"""Whether the numbers of an experiment may be read at all: each check in a file, each a sentence with a level."""

from recloop.experiments.checks.balance import alike, balance
from recloop.experiments.checks.check import Check, Level, reason, worst_first
from recloop.experiments.checks.crossover import CROSSOVER_LIMIT, crossover
from recloop.experiments.checks.history import aa_history
from recloop.experiments.checks.influence import Influence, influence, outliers
from recloop.experiments.checks.interference import Drift, drift, interference
from recloop.experiments.checks.novelty import Slope, novelty, novelty_check
from recloop.experiments.checks.simpson import simpson, within
from recloop.experiments.checks.skew import skew_check
from recloop.experiments.checks.traffic import split, split_of, traffic, traffic_by_segment, traffic_of_segments
from recloop.experiments.checks.users import once, require_users, without_crossovers

__all__ = [
    "CROSSOVER_LIMIT",
    "Check",
    "Drift",
    "Influence",
    "Level",
    "Slope",
    "aa_history",
    "alike",
    "balance",
    "crossover",
    "drift",
    "influence",
    "interference",
    "novelty",
    "novelty_check",
    "once",
    "outliers",
    "reason",
    "require_users",
    "simpson",
    "skew_check",
    "split",
    "split_of",
    "traffic",
    "traffic_by_segment",
    "traffic_of_segments",
    "within",
    "without_crossovers",
    "worst_first",
]
