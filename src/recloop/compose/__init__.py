"""Candidates from many strategies become one slate: fusion, diversity, rules, and policies that learn."""

from recloop.compose.config import BanditConfig, PolicyConfig, SlateConfig, ThompsonConfig, policy_config
from recloop.compose.policy import Choices, Outcomes, Policy, State, build

__all__ = [
    "BanditConfig",
    "Choices",
    "Outcomes",
    "Policy",
    "PolicyConfig",
    "SlateConfig",
    "State",
    "ThompsonConfig",
    "build",
    "policy_config",
]
