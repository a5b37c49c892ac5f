"""The nouns of recloop as plain values. Times are seconds since 1970 in UTC; ids are strings.

What a service makes by the thousand is a ``msgspec.Struct``: made in a twelfth of the time of a dataclass. With
``gc=False`` where it holds nothing but texts and numbers, so that a million events in memory are not looked through
for cycles while a request waits. ``msgspec.structs.replace`` makes a changed copy.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec


class Event(msgspec.Struct, frozen=True, gc=False):
    """Something that a user did with an item.

    ``kind`` is data, not code (``view``, ``click``, ``purchase``, ``rating`` …); ``value`` is its number (stars,
    money, seconds). ``decision`` is the id of the decision that showed the item, where the client knows it.
    ``id`` makes the event idempotent: the same id counts once.

    >>> Event(user="u1", item="i7", kind="click", time=1_700_000_000.0).value is None
    True
    """

    user: str
    item: str
    kind: str
    time: float | None = None
    value: float | None = None
    id: str | None = None
    decision: str | None = None


class ItemCondition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True,
                rename={"among": "in"}):  # fmt: skip
    """What one attribute of an item must be; all that is given must hold. Where it is unknown, nothing is met.

    Attributes:
        among: one of these names; written ``in``. Capitals do not count.
        not_in: none of these names; an item whose attribute is unknown meets it.
        minimum: at least this number.
        maximum: at most this number.
    """

    among: tuple[str, ...] | None = None
    not_in: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None


class Request(msgspec.Struct, frozen=True):
    """One wish for recommendations.

    ``history`` is oldest first; the service adds what it knows of the user. ``candidates`` limits the answer to these
    items, ``exclude`` removes items, ``where`` asks for attributes of the items (category, brand, year, price).
    ``profile`` holds attributes of the user (age, gender, country …), ``context`` those of the moment. ``time`` is the
    moment of the request; None means now. ``steer`` is a sentence of wishes ("lighter, no horror, from the nineties"),
    and ``strength`` what it counts beside the history, from 0 to 1. ``explain`` asks for what moved each item, which
    costs about as much as a few dozen slates. ``session`` is the id of the visit, for experiments that assign sessions.
    ``force`` names variants by experiment, for those who test them.
    """

    user: str | None = None
    history: tuple[Event, ...] = ()
    k: int = 10
    candidates: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    where: Mapping[str, ItemCondition] = msgspec.field(default_factory=dict)
    surface: str = "default"
    profile: Mapping[str, str] = msgspec.field(default_factory=dict)
    context: Mapping[str, str] = msgspec.field(default_factory=dict)
    time: float | None = None
    id: str | None = None
    steer: str = ""
    strength: float = 0.5
    explain: bool = False
    session: str | None = None
    force: Mapping[str, str] = msgspec.field(default_factory=dict)


class SlateItem(msgspec.Struct, frozen=True, gc=False):
    """One place of a slate: the item, its score, which strategy brought it, and why.

    Where the request asked for an explanation, ``because`` names the items of the history that moved it, and ``words``
    the words that it shares with them.
    """

    item: str
    score: float
    source: str = ""
    reason: str = ""
    because: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Slate:
    """The ordered items that one request got, best first."""

    items: tuple[SlateItem, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """The item ids, best first."""
        return tuple(entry.item for entry in self.items)


class Decision(msgspec.Struct, frozen=True):
    """The record of one served slate. It carries all that a late reward needs.

    ``propensity`` is the probability with which the policy chose ``arm``, ``allocation`` that of every arm; it is empty
    where the policy has none. ``fallback`` names what stood in for
    a strategy that failed, and is empty where nothing did. ``latency`` is in seconds. ``session`` is the id of the
    visit where the request told it. ``forced`` says that the variant was given by hand, so that nobody counts it.
    ``context`` is what the request told of user and moment, as ``profile.age`` and ``context.device``. ``details`` is
    what else a late reward or an estimator needs, as JSON values.
    """

    id: str
    user: str
    time: float
    items: tuple[SlateItem, ...]
    policy: str
    experiment: str = ""
    variant: str = ""
    arm: str = ""
    propensity: float = 1.0
    release: str = ""
    surface: str = "default"
    fallback: str = ""
    latency: float = 0.0
    session: str = ""
    forced: bool = False
    allocation: Mapping[str, float] = msgspec.field(default_factory=dict)
    context: Mapping[str, str] = msgspec.field(default_factory=dict)
    details: Mapping[str, Any] = msgspec.field(default_factory=dict)


class Feedback(msgspec.Struct, frozen=True, gc=False):
    """What a user said: a ``rating`` or a ``survey`` answer (value), ``thumbs`` up or down or whether a reason was
    ``helpful`` (value above or below zero), or a ``comment`` (text).
    """

    user: str
    kind: str
    time: float | None = None
    value: float | None = None
    text: str = ""
    item: str = ""
    decision: str = ""
    id: str | None = None
