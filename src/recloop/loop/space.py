"""What a search may try: for each setting of a strategy a range, or a list of values."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec

from recloop.compose.typed import typed
from recloop.errors import RecloopError, SettingError, nearest
from recloop.strategies import Strategy

FIGURES = 3  # that matter of a number found: a plan is read by people


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers from ``low`` to ``high``; with ``log`` each order of magnitude is as likely as the next.

    >>> Range(low=1, high=10_000, log=True).contains(500.0)
    True
    """

    low: int | float
    high: int | float
    log: bool = False

    def contains(self, value: Any) -> bool:
        """Whether the value may come out of the range."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and self.low <= value <= self.high

    def at_edge(self, value: float) -> bool:
        """Whether the value lies in the first or the last twentieth of the range.

        >>> Range(low=1, high=10_000, log=True).at_edge(9_000), Range(low=1, high=10_000, log=True).at_edge(500)
        (True, False)
        """
        low, high, at = (
            (math.log(x) for x in (self.low, self.high, value)) if self.log else (self.low, self.high, value)
        )
        return not 0.05 <= (at - low) / (high - low) <= 0.95

    def rounded(self, value: float) -> int | float:
        """The value as a person would write it, inside the range.

        >>> Range(low=1.0, high=10_000.0, log=True).rounded(231.7283)
        232.0
        """
        if isinstance(value, int):
            return value
        return min(max(float(f"{value:.{FIGURES}g}"), float(self.low)), float(self.high))

    def to_dict(self) -> dict[str, Any]:
        """As it stands in a plan."""
        return {"low": self.low, "high": self.high, "log": self.log}


@dataclass(frozen=True, slots=True)
class Values:
    """Some values, none nearer to another than the rest."""

    values: tuple[Any, ...]

    def contains(self, value: Any) -> bool:
        """Whether it is one of them."""
        return value in self.values

    def rounded(self, value: Any) -> Any:
        """The value as it is."""
        return value

    def to_dict(self) -> list[Any]:
        """As they stand in a plan."""
        return list(self.values)


Space = Mapping[str, Range | Values]
"""Setting → what may be tried for it."""


def declared_space(kind: type[Strategy]) -> Space:
    """What a strategy says itself is worth searching: ``setting(..., search=...)``.

    >>> from recloop.strategies.ease import Ease
    >>> declared_space(Ease)["reg"].to_dict()
    {'low': 1.0, 'high': 10000.0, 'log': True}
    """
    space: dict[str, Range | Values] = {}
    for entry in kind.settings():
        match entry.metadata["search"]:
            case None:
                continue
            case list() as values:
                space[entry.name] = Values(tuple(values))
            case (low, high, *scale):
                space[entry.name] = Range(low=low, high=high, log=scale == ["log"])
    return space


def given_space(table: Mapping[str, Any], kind: type[Strategy], where: str) -> Space:
    """What a plan says should be searched: ``reg = {low = 1, high = 5000, log = true}`` or ``history = ["mean"]``.

    Args:
        table: setting → a table with low, high and perhaps log, or a list of values.
        kind: whose settings.
        where: the table's name in errors.

    Raises:
        SettingError: a setting is unknown, a range is none, or an end or a value of it is not allowed.

    >>> from recloop.strategies.ease import Ease
    >>> given_space({"reg": {"low": 500, "high": 5}}, Ease, "tune.ease")
    Traceback (most recent call last):
    recloop.errors.SettingError: [tune.ease] reg goes from 500 to 5; low must be below high.
    """
    settings = {entry.name for entry in kind.settings()}
    space: dict[str, Range | Values] = {}
    for name, content in table.items():
        if name not in settings:
            raise SettingError(f"[{where}] strategy '{kind.name}' has no setting '{name}'",
                               advice=nearest(name, settings))  # fmt: skip
        if isinstance(content, list):
            space[name] = _values(content, name, where)
            tried = content
        elif isinstance(content, Mapping):
            space[name] = found = _range(content, kind, name, where)
            tried = [found.low, found.high]
        else:
            raise SettingError(
                f"[{where}] {name} is {content!r}",
                allowed="it must be a range or a list of values",
                advice=f"{name} = {{low = 1, high = 100, log = true}}",
            )
        for value in tried:
            try:
                kind(**{name: value})
            except RecloopError as error:
                raise SettingError(f"[{where}] {error.given}", allowed=error.allowed, advice=error.advice) from None
    if not space:
        raise SettingError(f"[{where}] is empty", advice=f"name a setting to search: {nearest('', settings)}")
    return space


def _values(content: list[Any], name: str, where: str) -> Values:
    if len(content) < 2 or any(value in content[:place] for place, value in enumerate(content)):
        raise SettingError(
            f"[{where}] {name} is {content!r}", allowed="a list to search has two or more distinct values"
        )
    return Values(tuple(content))


def _range(content: Mapping[str, Any], kind: type[Strategy], name: str, where: str) -> Range:
    found = typed(Range, content, f"{where}.{name}")
    if not numeric(kind, name):
        raise SettingError(
            f"[{where}] {name} of strategy '{kind.name}' is no number",
            advice=f'give a list of values: {name} = ["…", "…"]',
        )
    if not found.low < found.high:
        raise SettingError(f"[{where}] {name} goes from {found.low} to {found.high}", allowed="low must be below high")
    if found.log and found.low <= 0:
        raise SettingError(f"[{where}] {name} starts at {found.low}", allowed="a logarithmic range starts above 0")
    return found


def whole(kind: type[Strategy], name: str) -> bool:
    """Whether a setting takes whole numbers only."""
    return int in _types(kind, name) and float not in _types(kind, name)


def numeric(kind: type[Strategy], name: str) -> bool:
    """Whether a setting takes numbers."""
    return bool({int, float} & set(_types(kind, name)))


def _types(kind: type[Strategy], name: str) -> tuple[Any, ...]:
    hint = get_type_hints(kind)[name]
    return get_args(hint) if get_origin(hint) in {Union, UnionType} else (hint,)
