"""Judging strategies: held-out events, every item ranked, intervals, paired tests, Pareto front."""

from recloop.evaluate.choice import Guardrail, knee, topsis
from recloop.evaluate.evaluation import Cost, Evaluation, Leader, Skipped
from recloop.evaluate.offline import evaluate, fit_all
from recloop.evaluate.pareto import front
from recloop.evaluate.ranker import Ranker, Rater
from recloop.evaluate.ratings import HeldOutRatings
from recloop.evaluate.volume import hypervolume

__all__ = [
    "Cost",
    "Evaluation",
    "Guardrail",
    "HeldOutRatings",
    "Leader",
    "Ranker",
    "Rater",
    "Skipped",
    "evaluate",
    "fit_all",
    "front",
    "hypervolume",
    "knee",
    "topsis",
]
