"""Fairness: to users, group by group, and to those whose items are shown."""

from recloop.experience.fair.divergence import ndkl
from recloop.experience.fair.groups import crossed_groups, tidy, told
from recloop.experience.fair.providers import provider_fairness
from recloop.experience.fair.rows import Fairness, FairnessRow, GroupValue, Provider, ProviderFairness
from recloop.experience.fair.users import fairness

__all__ = [
    "Fairness",
    "FairnessRow",
    "GroupValue",
    "Provider",
    "ProviderFairness",
    "crossed_groups",
    "fairness",
    "ndkl",
    "provider_fairness",
    "tidy",
    "told",
]
