"""Business rules as data: the tables ``[[policy.rules]]``."""

from typing import Annotated

import msgspec
from msgspec import Meta

from recloop.types import ItemCondition

Name = Annotated[str, Meta(min_length=1, max_length=100)]


class Rule(msgspec.Struct, frozen=True, kw_only=True, tag_field="do"):
    """What every rule has.

    Attributes:
        name: what decisions, metrics and reports call it.
        when: attribute of the user's profile → values for one of which the rule holds; always where empty.
    """

    name: Name
    when: dict[str, list[str]] = {}


class Pin(Rule, frozen=True, kw_only=True, tag="pin"):
    """These items stand at these places, whatever their relevance.

    Attributes:
        items: ids, the first at ``place``, the others after it.
        place: from 1.
    """

    items: Annotated[list[str], Meta(min_length=1)]
    place: Annotated[int, Meta(ge=1, le=1000)] = 1


class Boost(Rule, frozen=True, kw_only=True, tag="boost"):
    """Items rise by a share of the range of the request's scores; 1 lifts each above all that are not lifted.

    Attributes:
        items: ids, or
        where: conditions on columns of the catalogue.
        by: share of the range between the best and the worst candidate.
    """

    items: list[str] = []
    where: dict[str, ItemCondition] = {}
    by: Annotated[float, Meta(gt=0, le=10)] = 0.2


class Bury(Rule, frozen=True, kw_only=True, tag="bury"):
    """Items fall by a share of the range of the request's scores; by 1 they come after all that do not.

    Attributes:
        items: ids, or
        where: conditions on columns of the catalogue.
        by: share of the range between the best and the worst candidate.
    """

    items: list[str] = []
    where: dict[str, ItemCondition] = {}
    by: Annotated[float, Meta(gt=0, le=10)] = 1.0


class Hide(Rule, frozen=True, kw_only=True, tag="hide"):
    """Items are not shown.

    Attributes:
        items: ids, or
        where: conditions on columns of the catalogue.
    """

    items: list[str] = []
    where: dict[str, ItemCondition] = {}


class Cap(Rule, frozen=True, kw_only=True, tag="cap"):
    """At most so many items of one category, or of one value of any column, on a slate.

    Attributes:
        column: ``category`` (of which an item may have several) or a column of the catalogue.
        most: items of each.
        values: those that are capped; all where empty.
    """

    column: str = "category"
    most: Annotated[int, Meta(ge=1)]
    values: list[str] = []


class Bought(Rule, frozen=True, kw_only=True, tag="bought"):
    """What the user bought is not shown; it takes the place of hiding all of the history.

    Attributes:
        weight: least weight of an event that counts as buying (what a kind of event weighs is set in the data's table).
        days: how long it is hidden; for ever where None.
    """

    weight: Annotated[float, Meta(ge=0)] = 0.0
    days: Annotated[float, Meta(gt=0)] | None = None


class Available(Rule, frozen=True, kw_only=True, tag="available"):
    """Items are shown only between two moments that columns of the catalogue name; without a moment, always.

    Attributes:
        begin: column of dates or of seconds since 1970; "" for no beginning.
        end: likewise, for the end, which is out.
    """

    begin: str = ""
    end: str = ""


class AgeLimit(Rule, frozen=True, kw_only=True, tag="age-limit"):
    """Items with an age limit are shown only to users who are old enough.

    Attributes:
        column: of the least age in years; no limit where it is empty.
        profile: attribute of the user's profile that holds the age.
        unknown: the age of a user whose age nobody knows.
    """

    column: str = "age_limit"
    profile: str = "age"
    unknown: Annotated[float, Meta(ge=0)] = 0.0


AnyRule = Pin | Boost | Bury | Hide | Cap | Bought | Available | AgeLimit
STANDARD = frozenset({"item", "title", "available", "year", "price", "category", "brand", "provider", "arrived"})
"""Columns that a release keeps of every catalogue."""


def columns(rule: AnyRule) -> set[str]:
    """The columns of the catalogue that a rule reads.

    >>> columns(Cap(name="few", column="seller", most=2))
    {'seller'}
    """
    if isinstance(rule, Boost | Bury | Hide):
        return set(rule.where)
    if isinstance(rule, Cap | AgeLimit):
        return {rule.column}
    if isinstance(rule, Available):
        return {rule.begin, rule.end} - {""}
    return set()
