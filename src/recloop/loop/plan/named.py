"""The strategies of a plan: which under which name, with which settings."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from recloop.errors import SettingError, nearest
from recloop.loop.plan.seeds import child_seed
from recloop.loop.plan.table import in_table
from recloop.strategies import Strategy, available, make

CONTROLS = ("random", "popular")
"""Always trained: what every policy must beat, and what stands in for a strategy that fails."""
COMPOSED = "composed"
"""The name of the plan's policy on the leaderboard and in the release."""
LAST_WEEK = {"popular-7d": {"strategy": "popular", "window": 7.0}}
"""Always on the leaderboard where there are times: under a split by time it beats many a published model."""


class StrategyConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the leaderboard: which strategy under this name, with which settings."""

    strategy: str
    settings: dict[str, Any]

    def make(self) -> Strategy:
        """The strategy, not yet fitted."""
        return make(self.strategy, **self.settings)


def named_strategies(table: Mapping[str, Any], seed: int) -> dict[str, StrategyConfig]:
    """Name → strategy and settings, from the table ``[strategies]``, the controls first; checked."""
    use = table.get("use")
    given = {name: content for name, content in table.items() if name != "use"}
    given = LAST_WEEK | given
    if use is not None and not (isinstance(use, list) and all(isinstance(name, str) for name in use)):
        raise SettingError(f"[strategies] use is {use!r}", allowed='it must be a list of names: use = ["ease", "ials"]')
    for name, content in given.items():
        if not isinstance(content, Mapping):
            raise SettingError(
                f"[strategies] has no setting '{name}'",
                advice=f"{nearest(name, ['use'])}. Settings of a strategy stand in a table: [strategies.{name}]",
            )
    names = list(dict.fromkeys([*CONTROLS, *LAST_WEEK, *(_usual() if use is None else use)]))
    for name in given:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
            raise SettingError(
                f"a strategy is named {name!r}", allowed="names are letters, digits, '.', '_' and '-', at most 64"
            )
        if name == COMPOSED:
            raise SettingError(f"a strategy is named '{name}'", allowed="that is the name of the policy")
        if name not in names and use is not None:
            raise SettingError(
                f"[strategies.{name}] has settings, but '{name}' is not in use", advice=nearest(name, names)
            )
        if name not in names:
            names.append(name)
    made = {}
    for name in names:
        settings = dict(given.get(name, {}))
        kind = settings.pop("strategy", name)
        where = f"strategies.{name}"
        made[name] = in_table(where, lambda k=kind, s=settings, n=name: _strategy(k, s, n, seed))
    return made


def _usual() -> list[str]:
    return [name for name, strategy in available().items() if strategy.by_default]


def _strategy(kind: Any, settings: dict[str, Any], name: str, seed: int) -> StrategyConfig:
    if kind not in available():
        raise SettingError(f"there is no strategy {kind!r}", advice=nearest(str(kind), available()))
    if any(entry.name == "seed" for entry in available()[kind].settings()):
        settings.setdefault("seed", child_seed(seed, name))
    make(kind, **settings)
    return StrategyConfig(strategy=kind, settings=settings)
