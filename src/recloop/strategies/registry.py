import json
import warnings
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from recloop.errors import ArtifactError, MissingError, SettingError, nearest
from recloop.strategies.base import Strategy

GROUP = "recloop.strategies"


def available() -> dict[str, type[Strategy]]:
    """Every installed strategy by name, built-in or not (entry points ``recloop.strategies``).

    One that cannot be imported is left out with a warning: another package's fault does not take the rest away.
    """
    found = {}
    for name, point in _points().items():
        try:
            found[name] = _load(point)
        except MissingError as error:
            warnings.warn(str(error), stacklevel=2)
    return found


@cache
def _points() -> dict[str, EntryPoint]:
    return {point.name: point for point in sorted(entry_points(group=GROUP))}


def _load(point: EntryPoint) -> type[Strategy]:
    try:
        kind = point.load()
    except (ImportError, AttributeError) as error:
        raise MissingError(
            f"strategy '{point.name}' cannot be imported from {point.value} ({error})",
            advice="mend or uninstall the package that brings it",
        ) from error
    if not (isinstance(kind, type) and issubclass(kind, Strategy)):
        raise MissingError(
            f"the entry point '{point.name}' names {point.value}", allowed="a subclass of Strategy is wanted"
        )
    return kind


def make(name: str, **settings: Any) -> Strategy:
    """A strategy that is not yet fitted.

    Raises:
        MissingError: no strategy has that name; the nearest is offered.
        SettingError: a setting is unknown or out of range.

    >>> make("popular").name
    'popular'
    """
    points = _points()
    if name not in points:
        raise MissingError(f"there is no strategy '{name}'", advice=nearest(name, points))
    kind = _load(points[name])
    valid = {entry.name for entry in kind.settings()}
    for unknown in sorted(set(settings) - valid):
        raise SettingError(f"strategy '{name}' has no setting '{unknown}'", advice=nearest(unknown, valid))
    return kind(**settings)


def load(folder: Path) -> Strategy:
    """The strategy saved in a folder, whatever its name.

    Raises:
        ArtifactError: the folder holds none, or one that is not installed.
    """
    try:
        name = json.loads((folder / "strategy.json").read_text())["strategy"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{folder} holds no readable strategy ({error})", advice="train again") from error
    points = _points()
    if name not in points:
        raise ArtifactError(f"{folder} holds strategy '{name}', which is not installed", advice=nearest(name, points))
    return _load(points[name]).load(folder)
