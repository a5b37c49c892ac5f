from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recloop.compose.business.contradictions import contradictions
from recloop.compose.business.hiding import Hiding, Named, hiding
from recloop.compose.business.limits import Limit
from recloop.compose.business.settings import AnyRule, Boost, Bought, Bury, Cap, Pin
from recloop.compose.catalogue import Catalogue
from recloop.compose.rules import within
from recloop.data.histories import Histories
from recloop.data.rankings import Rankings
from recloop.errors import SettingError

NONE = -1
"""The rule that is left out where none is."""


@dataclass(frozen=True, eq=False)
class RuleBook:
    """Business rules over one catalogue, ready to be applied to many requests at once.

    What a request itself forbids (exclusions, candidates, availability) comes first, then, whatever the order in which
    rules are written: what hides, then pins, then caps, then boosts and burials, which add up. Of two pins for one
    place the first in the list has it.

    Attributes:
        rules: as configured.
        hides: rule → what it hides.
        lifts: rule → (n_items,) float32, what it adds to an item, in ranges of a request's scores.
        limits: rule → cap.
        pins: rule → item indices.
        notes: contradictions that the order above settles, as sentences.
    """

    rules: tuple[AnyRule, ...]
    hides: dict[int, Hiding]
    lifts: dict[int, NDArray[np.float32]]
    limits: dict[int, Limit]
    pins: dict[int, NDArray[np.int64]]
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        rules: Sequence[AnyRule],
        catalogue: Catalogue,
        *,
        conflicts: Literal["refuse", "precedence"] = "refuse",
    ) -> "RuleBook":
        """The rules over a catalogue.

        Args:
            rules: in the order in which they are written.
            catalogue: what they are about.
            conflicts: ``refuse`` rules that contradict each other, or let ``precedence`` settle and note it.

        Raises:
            SettingError: a rule names what the catalogue does not have, two bear one name, or they contradict.

        >>> import polars as pl
        >>> from recloop.compose.business.settings import Hide
        >>> catalogue = Catalogue(pl.DataFrame({"item": ["a", "b"]}))
        >>> rules = [Pin(name="ad", items=["a"]), Hide(name="recall", items=["a"])]
        >>> RuleBook.of(rules, catalogue, conflicts="precedence").notes
        ("the rule 'ad' pins 'a', which the rule 'recall' hides",)
        """
        names = [rule.name for rule in rules]
        if twice := next((name for name in names if names.count(name) > 1), ""):
            raise SettingError(f"two rules are named '{twice}'", allowed="each has a name of its own")
        hides = {place: found for place, rule in enumerate(rules) if (found := hiding(rule, catalogue)) is not None}
        lifts = {place: _lift(rule, catalogue) for place, rule in enumerate(rules) if isinstance(rule, Boost | Bury)}
        limits = {place: Limit.of(rule, catalogue) for place, rule in enumerate(rules) if isinstance(rule, Cap)}
        pins = {
            place: catalogue.index(rule.items, f"the rule '{rule.name}'")
            for place, rule in enumerate(rules)
            if isinstance(rule, Pin)
        }
        masks = {place: hide.mask for place, hide in hides.items() if isinstance(hide, Named)}
        notes = contradictions(rules, masks, lifts, limits, pins)
        if notes and conflicts == "refuse":
            raise SettingError(
                notes[0],
                allowed="rules must not contradict each other",
                advice='change one of them, or let the order of precedence decide: conflicts = "precedence"',
            )
        return cls(tuple(rules), hides, lifts, limits, pins, tuple(notes))

    def __len__(self) -> int:
        return len(self.rules)

    @classmethod
    def empty(cls) -> "RuleBook":
        """No rules.

        >>> len(RuleBook.empty())
        0
        """
        return cls((), {}, {}, {}, {})

    @property
    def instead_of_seen(self) -> bool:
        """Whether a rule says what of the history is hidden, so that it is not hidden as a whole."""
        return any(isinstance(rule, Bought) for rule in self.rules)

    def holds(self, place: int, histories: Histories) -> NDArray[np.bool_]:
        """(n,) the requests that a rule is for."""
        met = np.ones(len(histories), bool)
        for attribute, values in self.rules[place].when.items():
            told = histories.profiles.get(attribute)
            met &= np.zeros(len(histories), bool) if told is None else np.isin(told.astype(str), values)
        return met

    def hidden(self, items: NDArray[np.int32], histories: Histories, without: int = NONE) -> NDArray[np.bool_]:
        """(n, m) which candidates are hidden, by all rules but one; padding is not."""
        safe = np.maximum(items, 0)
        out = np.zeros(items.shape, bool)
        for place, hide in self.hides.items():
            if place == without:
                continue
            holds, found = self.holds(place, histories), hide.hidden(safe, histories)
            if isinstance(self.rules[place], Bought) and not holds.all():  # to others the whole history is hidden
                seen = within(safe, (histories.rows, histories.items), histories.n_items)
                out |= np.where(holds[:, None], found, seen)
            else:
                out |= found & holds[:, None]
        return out & (items >= 0)

    def hidden_everywhere(self, histories: Histories, without: int = NONE) -> NDArray[np.bool_] | None:
        """(n, n_items) what is hidden of the whole catalogue; None where no rule hides anything."""
        if not self.hides:
            return None
        every = np.broadcast_to(np.arange(histories.n_items, dtype=np.int32), (len(histories), histories.n_items))
        return self.hidden(every, histories, without)

    def lift(self, rankings: Rankings, histories: Histories, without: int = NONE) -> NDArray[np.float32] | None:
        """(n, m) what boosts and burials add to each score; None where there are none."""
        places = [place for place in self.lifts if place != without]
        if not places:
            return None
        safe = np.maximum(rankings.items, 0)
        total = sum(self.lifts[place][safe] * self.holds(place, histories)[:, None] for place in places)
        held = rankings.items >= 0
        top = np.where(held, rankings.scores, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
        low = np.where(held, rankings.scores, np.inf).min(axis=1, keepdims=True, initial=np.inf)
        span = np.where(top > low, top - low, np.float32(1))
        # a whole range lifts an item above all others, not level with the best
        return np.asarray(total * np.where(np.isfinite(span), span, 1) * np.float32(1 + 1e-6), np.float32)

    def caps(self, histories: Histories, without: int = NONE) -> list[tuple[Limit, NDArray[np.bool_]]]:
        """The caps with the requests that they hold for."""
        return [(limit, self.holds(place, histories)) for place, limit in self.limits.items() if place != without]

    def pinned(self, k: int, histories: Histories, without: int = NONE) -> tuple[NDArray[np.int32], NDArray[np.int16]]:
        """(n, k) the items that are to stand at each place, -1 for none, and which rule says so."""
        items = np.full((len(histories), k), -1, np.int32)
        by = np.full((len(histories), k), NONE, np.int16)
        for place, pinned in self.pins.items():
            rule = self.rules[place]
            if place == without or not isinstance(rule, Pin):
                continue
            holds = self.holds(place, histories)
            for at, item in enumerate(pinned.tolist(), rule.place - 1):
                if at < k:
                    free = holds & (items[:, at] < 0) & ~(items == item).any(axis=1)
                    items[free, at], by[free, at] = item, place
        return items, by


def _lift(rule: Boost | Bury, catalogue: Catalogue) -> NDArray[np.float32]:
    who = f"the rule '{rule.name}'"
    if not rule.items and not rule.where:
        raise SettingError(f"{who} is about every item, which moves none", advice="say which: items, or where")
    sign = 1.0 if isinstance(rule, Boost) else -1.0
    return np.asarray(catalogue.selected(rule.items, rule.where, who) * (sign * rule.by), np.float32)
