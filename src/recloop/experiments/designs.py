"""What a definition describes: a split of users over variants, or an interleaving test."""

from collections.abc import Mapping
from typing import Any

from recloop.errors import SettingError, nearest
from recloop.experiments.definition import Experiment
from recloop.experiments.interleaving.definition import Interleaving


def is_interleaving(table: Mapping[str, Any]) -> bool:
    """Whether a definition's ``design`` is ``interleaving``; without one it is ``split``.

    Raises:
        SettingError: it is neither.
    """
    design = table.get("design", "split")
    if design not in {"split", "interleaving"}:
        raise SettingError(f"[experiment] design is {design!r}", advice=nearest(str(design), ["split", "interleaving"]))
    return bool(design == "interleaving")


def parse(table: Mapping[str, Any]) -> Experiment | Interleaving:
    """The experiment that a TOML table or a JSON object describes.

    Raises:
        SettingError: a setting is unknown (the nearest is offered), or a value is not allowed.

    >>> parse({"name": "home", "design": "interleaving", "policies": ["popular", "blend"]}).method
    'team-draft'
    """
    if is_interleaving(table):
        return Interleaving.parse(table)
    return Experiment.parse({key: value for key, value in table.items() if key != "design"})


def policies(definition: Experiment | Interleaving) -> dict[str, str]:
    """The policies that a release must have for it, by who wants them."""
    if isinstance(definition, Interleaving):
        return {f"place {place} of '{definition.name}'": name for place, name in enumerate(definition.policies, 1)}
    found = {f"variant '{name}'": variant.policy for name, variant in definition.variants.items()}
    if definition.holdout and definition.holdout.policy:
        found["the holdout"] = definition.holdout.policy
    return found
