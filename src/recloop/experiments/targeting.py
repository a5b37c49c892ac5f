"""Who is eligible: conditions on the attributes that come with a request."""

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from recloop.errors import SettingError

PLACES = ("profile", "context")
Value = str | float | bool


class Condition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"among": "in"}):
    """What one attribute of a request must be. A request without the attribute does not meet it.

    Attributes:
        attribute: ``profile.NAME`` or ``context.NAME``.
        equals: this value.
        among: one of these values; written ``in``.
        minimum: at least this number.
        maximum: at most this number.

    Attributes are sent as text. Beside a number they are read as one, and beside ``true`` or ``false`` as that; what
    cannot be read so does not meet the condition.

    >>> adult = Condition(attribute="profile.age", minimum=18)
    >>> [adult.met({"profile.age": age}) for age in ("18", "17.9", "old")], adult.met({})
    ([True, False, False], False)

    Raises:
        SettingError: the attribute lies elsewhere, or nothing is asked of it.
    """

    attribute: str
    equals: Value | None = None
    among: tuple[Value, ...] = ()
    minimum: float | None = None
    maximum: float | None = None

    def __post_init__(self) -> None:
        place, _, name = self.attribute.partition(".")
        if place not in PLACES or not name:
            raise SettingError(
                f"targeting names the attribute '{self.attribute}'",
                allowed="it is profile.NAME or context.NAME",
                advice="a surface is named in 'surfaces'",
            )
        ranged = self.minimum is not None or self.maximum is not None
        asked = [self.equals is not None, bool(self.among), ranged]
        if sum(asked) != 1:
            raise SettingError(
                f"the condition on '{self.attribute}' asks for {sum(asked)} things",
                allowed="one of equals, in, or minimum and maximum",
                advice="write a condition for each; all must be met",
            )
        low = -math.inf if self.minimum is None else self.minimum
        high = math.inf if self.maximum is None else self.maximum
        if not low <= high:
            raise SettingError(f"the condition on '{self.attribute}' runs from {low} to {high}", allowed="it is empty")

    def met(self, attributes: Mapping[str, str]) -> bool:
        """Whether the attributes of a request (``profile.NAME``, ``context.NAME`` → text) meet it."""
        if self.attribute not in attributes:
            return False
        given = attributes[self.attribute]
        if self.equals is not None:
            return _same(given, self.equals)
        if self.among:
            return any(_same(given, one) for one in self.among)
        value = _number(given)
        return (self.minimum is None or value >= self.minimum) and (self.maximum is None or value <= self.maximum)


def attributes(profile: Mapping[str, str], context: Mapping[str, str]) -> dict[str, str]:
    """What conditions are asked of.

    >>> attributes({"age": "30"}, {"device": "phone"})
    {'profile.age': '30', 'context.device': 'phone'}
    """
    return {f"{place}.{name}": value for place, pairs in zip(PLACES, (profile, context), strict=True)
            for name, value in pairs.items()}  # fmt: skip


def _same(given: Any, wanted: Value) -> bool:
    if isinstance(wanted, bool):
        return str(given).lower() == str(wanted).lower()
    if isinstance(wanted, str):
        return str(given) == wanted
    return _number(given) == wanted


def _number(given: Any) -> float:
    try:
        return float(given)
    except (TypeError, ValueError):
        return math.nan
