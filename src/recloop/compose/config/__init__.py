"""What a policy is made of, as typed settings: the ``[policy]`` table of a plan and of a release."""

from recloop.compose.config.bandit import BanditConfig, ExploreConfig, ThompsonConfig, WithinConfig
from recloop.compose.config.kinds import PolicyConfig, columns_of, policy_config, slates_of
from recloop.compose.config.slate import SlateConfig, SoftmaxConfig
from recloop.compose.config.slots import SlotConfig, SlotsConfig

__all__ = [
    "BanditConfig",
    "ExploreConfig",
    "PolicyConfig",
    "SlateConfig",
    "SlotConfig",
    "SlotsConfig",
    "SoftmaxConfig",
    "ThompsonConfig",
    "WithinConfig",
    "columns_of",
    "policy_config",
    "slates_of",
]
