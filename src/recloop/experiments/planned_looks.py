"""The looks of a group-sequential experiment: planned before the start, in shares of the planned users."""

from functools import lru_cache

from recloop.errors import SettingError, nearest
from recloop.stats import (
    Futility,
    GroupSequential,
    hwang_shih_decani_spending,
    obrien_fleming_spending,
    pocock_spending,
    power_spending,
)
from recloop.stats.spending import Spending

PLAIN = {"obrien-fleming": obrien_fleming_spending, "pocock": pocock_spending}
WITH_NUMBER = {"power": power_spending, "hwang-shih-decani": hwang_shih_decani_spending}


def check_looks(looks: tuple[float, ...]) -> None:
    """Raises SettingError where looks are no rising shares that end with 1."""
    if not looks or looks[-1] != 1 or not all(a < b for a, b in zip((0.0, *looks), looks, strict=False)):
        raise SettingError(
            f"looks are {list(looks)}", allowed="rising shares of the planned users, the last one 1: [0.5, 1.0]"
        )


def spending_named(name: str) -> Spending:
    """How alpha is spent, by its name in a definition.

    Raises:
        SettingError: there is no such way, or its number is missing or not allowed.

    >>> import numpy as np
    >>> spending_named("power 3")(np.array([0.5, 1.0]), 0.05).tolist()
    [0.00625, 0.05]
    """
    kind, _, number = name.partition(" ")
    if kind in PLAIN and not number:
        return PLAIN[kind]
    if kind in WITH_NUMBER:
        try:
            return WITH_NUMBER[kind](float(number))
        except ValueError:
            raise SettingError(
                f"spending is '{name}'", allowed=f"'{kind}' with a number, such as '{kind} {-4 if '-' in kind else 3}'"
            ) from None
    raise SettingError(f"spending is '{name}'", advice=nearest(kind, [*PLAIN, *WITH_NUMBER]))


@lru_cache(maxsize=256)
def planned_futility(looks: tuple[float, ...], spending: str, alpha: float, futility: str, power: float) -> Futility:
    """The bounds below which a win has become unlikely, of all planned looks.

    >>> found = planned_futility((0.5, 1.0), "obrien-fleming", 0.05, "hwang-shih-decani -2", 0.8)
    >>> [round(z, 2) for z in found.bounds]
    [0.41, 1.97]
    """
    return Futility.spend(planned_design(looks, spending, alpha), spending_named(futility), power)


@lru_cache(maxsize=256)
def planned_design(looks: tuple[float, ...], spending: str, alpha: float) -> GroupSequential:
    """The boundaries of all planned looks; ``looks`` may also be at the shares at which they came to be.

    >>> [round(z, 2) for z in planned_design((0.5, 1.0), "obrien-fleming", 0.05).boundary]
    [2.96, 1.97]
    """
    return GroupSequential.spend(looks, spending_named(spending), alpha, planned=1.0)
