from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Level = Literal["green", "yellow", "red"]

_ORDER = {"red": 0, "yellow": 1, "green": 2}


@dataclass(frozen=True, slots=True)
class Check:
    """One finding on validity: ``red`` hides every result behind its sentence, ``yellow`` stands beside them."""

    name: str
    level: Level
    sentence: str


def worst_first(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Red, yellow, green; those of one level as they came."""
    return tuple(sorted(checks, key=lambda one: _ORDER[one.level]))


def reason(checks: Iterable[Check]) -> str:
    """Why results must not be read: the red sentences; empty where there is none."""
    return " ".join(one.sentence for one in checks if one.level == "red")
