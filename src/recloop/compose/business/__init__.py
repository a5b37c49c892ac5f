"""Business rules as data: what is pinned, boosted, buried, hidden or capped, and what each rule did."""

from recloop.compose.business.effects import Effect
from recloop.compose.business.rule_book import RuleBook
from recloop.compose.business.settings import (
    AgeLimit,
    AnyRule,
    Available,
    Boost,
    Bought,
    Bury,
    Cap,
    Hide,
    Pin,
    columns,
)

__all__ = [
    "AgeLimit",
    "AnyRule",
    "Available",
    "Boost",
    "Bought",
    "Bury",
    "Cap",
    "Effect",
    "Hide",
    "Pin",
    "RuleBook",
    "columns",
]
