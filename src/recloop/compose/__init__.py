"""Candidates from many strategies become one slate: fusion, diversity, rules, and policies that learn."""

from recloop.compose.catalogue import Catalogue
from recloop.compose.config import (
    BanditConfig,
    PolicyConfig,
    SlateConfig,
    SlotsConfig,
    ThompsonConfig,
    policy_config,
)
from recloop.compose.policy import Choices, Outcomes, Policy, State, build

__all__ = [
    "BanditConfig",
    "Catalogue",
    "Choices",
    "Outcomes",
    "Policy",
    "PolicyConfig",
    "SlateConfig",
    "SlotsConfig",
    "State",
    "ThompsonConfig",
    "build",
    "policy_config",
]
