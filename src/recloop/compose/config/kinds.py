"""Every kind of policy: the ``[policy]`` table of a plan and of a release becomes typed settings."""

from collections.abc import Mapping
from typing import Any

import msgspec

from recloop.compose.business.settings import columns
from recloop.compose.config.bandit import BanditConfig, ThompsonConfig
from recloop.compose.config.slate import SlateConfig
from recloop.compose.config.slots import SlotsConfig
from recloop.compose.typed import typed
from recloop.errors import SettingError, nearest

PolicyConfig = SlateConfig | ThompsonConfig | BanditConfig | SlotsConfig
_KINDS: dict[str, type[SlateConfig] | type[ThompsonConfig] | type[BanditConfig] | type[SlotsConfig]] = {
    "slate": SlateConfig,
    "slots": SlotsConfig,
    "thompson": ThompsonConfig,
    "bandit": BanditConfig,
}

_INSIDE = ("bandit", "steady", "drifting")


def policy_config(table: Mapping[str, Any], where: str = "policy") -> PolicyConfig:
    """The typed configuration of a policy from a plain table; ``kind`` is ``slate`` where it is not said.

    Raises:
        SettingError: an unknown kind or key, or a wrong value.

    >>> policy_config({"sources": ["ease"], "diversity": 0.2}).diversity
    0.2
    >>> policy_config({"divesity": 0.2})
    Traceback (most recent call last):
    recloop.errors.SettingError: [policy] has no setting 'divesity'. Did you mean 'diversity'? Valid: ...
    """
    kind = table.get("kind", "slate")
    if kind not in _KINDS:
        raise SettingError(f"[{where}] kind is {kind!r}", advice=nearest(str(kind), _KINDS))
    if "algorithm" in table:
        table = {**table, "algorithm": _named(table["algorithm"])}
    config = typed(_KINDS[kind], {**table, "kind": kind}, where)
    return _with_slots(config, where) if isinstance(config, SlotsConfig) else config


def _named(algorithm: Any) -> Any:
    """A bandit as a table; its name alone stands for one, there and inside of it."""
    if isinstance(algorithm, str):
        return {"name": algorithm}
    if not isinstance(algorithm, Mapping):
        return algorithm
    return {key: _named(value) if key in _INSIDE else value for key, value in algorithm.items()}


def _with_slots(config: SlotsConfig, where: str) -> SlotsConfig:
    """The same with the settings of every slot checked and written out."""
    if not config.slots:
        raise SettingError(f"[{where}] has no slot", advice=f"name at least one: [{where}.slots.hero] size = 1")
    slots = {}
    for name, slot in config.slots.items():
        place = f"{where}.slots.{name}.policy"
        if slot.policy.get("kind") == "slots":
            raise SettingError(f"[{place}] kind is 'slots'", allowed="a slot holds no slots")
        slots[name] = msgspec.structs.replace(slot, policy=msgspec.to_builtins(policy_config(slot.policy, place)))
    return msgspec.structs.replace(config, slots=slots)


def slates_of(config: PolicyConfig, where: str = "policy") -> dict[str, SlateConfig]:
    """Every slate that a policy is made of, by its table: itself, its arms, and those of its slots.

    >>> list(slates_of(policy_config({"kind": "thompson", "arms": {"a": {"sources": ["ease"]}}})))
    ['policy.arms.a']
    """
    if isinstance(config, SlateConfig):
        return {where: config}
    if isinstance(config, SlotsConfig):
        parts = [slates_of(slot.config, f"{where}.slots.{name}.policy") for name, slot in config.slots.items()]
        return {place: slate for part in parts for place, slate in part.items()}
    return {f"{where}.arms.{name}": arm for name, arm in config.arms.items()}


def columns_of(config: PolicyConfig) -> set[str]:
    """The columns of the catalogue that a policy's rules, slots and features of items read."""
    read = {name for slate in slates_of(config).values() for rule in slate.rules for name in columns(rule)}
    if isinstance(config, SlotsConfig):
        read |= {name for slot in config.slots.values() for name in slot.where}
        return read.union(*(columns_of(slot.config) for slot in config.slots.values()))
    if isinstance(config, BanditConfig):
        read |= set(config.within.features)
    return read
