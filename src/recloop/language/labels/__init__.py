"""Texts into classes that people defined by examples: learn, measure, apply, keep."""

from recloop.language.labels.labeller import Labeller
from recloop.language.labels.measure import Agreement, class_f1, cross_validated, folds, mutual_information

__all__ = ["Agreement", "Labeller", "class_f1", "cross_validated", "folds", "mutual_information"]
