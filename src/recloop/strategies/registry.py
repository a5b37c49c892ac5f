import json
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from recloop.errors import ArtifactError, MissingError, SettingError, nearest
from recloop.strategies.base import Strategy


@cache
def available() -> dict[str, type[Strategy]]:
    """Every installed strategy by name, built-in or not (entry points ``recloop.strategies``)."""
    return {point.name: point.load() for point in sorted(entry_points(group="recloop.strategies"))}


def make(name: str, **settings: Any) -> Strategy:
    """A strategy that is not yet fitted.

    Raises:
        MissingError: no strategy has that name; the nearest is offered.
        SettingError: a setting is unknown or out of range.

    >>> make("popular").name
    'popular'
    """
    known = available()
    if name not in known:
        raise MissingError(f"there is no strategy '{name}'", advice=nearest(name, known))
    valid = {entry.name for entry in known[name].settings()}
    for unknown in sorted(set(settings) - valid):
        raise SettingError(f"strategy '{name}' has no setting '{unknown}'", advice=nearest(unknown, valid))
    return known[name](**settings)


def load(folder: Path) -> Strategy:
    """The strategy saved in a folder, whatever its name.

    Raises:
        ArtifactError: the folder holds none, or one that is not installed.
    """
    try:
        name = json.loads((folder / "strategy.json").read_text())["strategy"]
    except (OSError, ValueError, KeyError) as error:
        raise ArtifactError(f"{folder} holds no readable strategy ({error})", advice="train again") from error
    if name not in available():
        raise ArtifactError(
            f"{folder} holds strategy '{name}', which is not installed", advice=nearest(name, available())
        )
    return available()[name].load(folder)
