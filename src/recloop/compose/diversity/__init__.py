"""Candidates become a slate that is more than its items: unlike each other, covering, in proportion."""

from recloop.compose.diversity.categories import Categories
from recloop.compose.diversity.coverage import calibrated, explicit_aspects, proportional
from recloop.compose.diversity.likeness import determinantal, maximal_marginal_relevance
from recloop.compose.diversity.settings import Diversifier
from recloop.compose.diversity.walking import relevance, unit

__all__ = [
    "Categories",
    "Diversifier",
    "calibrated",
    "determinantal",
    "explicit_aspects",
    "maximal_marginal_relevance",
    "proportional",
    "relevance",
    "unit",
]
