"""A run as typed settings: the whole of ``recloop.toml``."""

from recloop.loop.plan.judging import MetricsConfig
from recloop.loop.plan.named import COMPOSED, CONTROLS, LAST_WEEK, StrategyConfig
from recloop.loop.plan.plan import ASIDE, TABLES, CompressConfig, Plan, RunConfig, read_plan
from recloop.loop.plan.seeds import child_seed

__all__ = [
    "ASIDE",
    "COMPOSED",
    "CONTROLS",
    "LAST_WEEK",
    "TABLES",
    "CompressConfig",
    "MetricsConfig",
    "Plan",
    "RunConfig",
    "StrategyConfig",
    "child_seed",
    "read_plan",
]
