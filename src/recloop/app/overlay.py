"""Overrides made ready for a release: a policy asked under them, and what they did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.compose.assembly import PIN
from recloop.compose.business.overlay import overlaid, overlay_effects
from recloop.compose.business.rule_book import RuleBook
from recloop.compose.business.settings import AnyRule, Boost, Hide, Pin
from recloop.compose.catalogue import Catalogue
from recloop.compose.plackett_luce import PROPENSITIES
from recloop.compose.policy import Choices, Policy
from recloop.compose.rules import Rules
from recloop.compose.slots import SlotsPolicy
from recloop.data.histories import Histories
from recloop.data.rankings import along
from recloop.data.splitmix import STEP, mixed, unit
from recloop.data.vocabulary import Vocabulary
from recloop.store.overrides import Override

SPARE = 50  # places beyond the slate from which a boost may lift an item, and from which gaps are filled
MEASURED = 0.1  # share of slates in which the effect of each override is measured


@dataclass(frozen=True, slots=True)
class Overlay:
    """The overrides that hold for one request, ready for one release.

    Attributes:
        ids: of the overrides, as decisions name them.
        book: their rules, in the same order.
        hidden: (n_items,) bool, what hides and bans take away.
        widened: whether the policy is to make more than the slate, so that there is something to lift.
        hiding: hides and bans alone, which is all that a page of slots can follow: pins and boosts would move items
            from slot to slot. None where there are none.
    """

    ids: tuple[str, ...]
    book: RuleBook
    hidden: NDArray[np.bool_]
    widened: bool
    hiding: "Overlay | None" = None

    def over(self, policy: Policy | None) -> "Overlay | None":
        """What of it a policy can follow: see ``hiding``."""
        return self.hiding if isinstance(policy, SlotsPolicy) else self

    def allowed(self, rules: Rules) -> Rules:
        """The rules of a request, with what is hidden not allowed: so that no slate gets shorter."""
        if not self.hidden.any():
            return rules
        allowed = ~self.hidden if rules.allowed is None else rules.allowed & ~self.hidden
        return replace(rules, allowed=allowed)

    @property
    def moves(self) -> bool:
        """Whether it puts items where the policy did not."""
        return not all(isinstance(rule, Hide) for rule in self.book.rules)

    def measures(self, histories: Histories) -> bool:
        """Whether what each override did is measured for these requests, by chance."""
        return bool((unit(mixed(histories.keys ^ (STEP << np.uint64(1)))) < MEASURED).any())

    def laid(self, choices: Choices, histories: Histories, k: int, rules: Rules) -> Choices:
        """The policy's choices with the overrides on top; which ones hold is in the details of each request."""
        found = overlaid(choices.rankings, self.book, histories, k, rules)
        sources = np.where(found.columns >= 0, along(choices.sources, np.maximum(found.columns, 0)), "").astype(object)
        sources[found.pinned] = PIN
        told: Sequence[Mapping[str, Any]] = choices.details or [{}] * len(choices)
        if self.moves:  # what the policy knew of its places says nothing of those it now has
            told = [{name: value for name, value in one.items() if name != PROPENSITIES} for one in told]
        held: dict[str, dict[str, float]] = {name: {} for name in self.ids}
        details = [{**one, "overrides": held} for one in told]
        return replace(choices, rankings=found.rankings, sources=sources, details=details)

    def told(self, choices: Choices, whole: Choices, histories: Histories, k: int, rules: Rules) -> Choices:
        """The choices with what each override did.

        Args:
            choices: from ``laid``.
            whole: what the policy makes where nothing is hidden.
            histories: of the requests.
            k: places of a slate.
            rules: of the requests, nothing hidden.
        """
        effects = overlay_effects(whole.rankings, self.book, histories, k, rules)
        return replace(
            choices,
            details=[
                {**one, "overrides": {
                    name: {"places": places, "exposure": exposure}
                    for name, (places, exposure) in zip(self.ids, did, strict=True)}}
                for one, did in zip(choices.details or (), effects, strict=True)
            ],
        )  # fmt: skip


def overlay_of(held: Sequence[Override], items: Vocabulary) -> Overlay | None:
    """Overrides over a catalogue. Hides and bans come first, then pins (the older has the place), then boosts.

    Args:
        held: oldest first.
        items: the catalogue; what it does not know is left out.
    """
    hidden = np.zeros(len(items), bool)
    for one in held:
        if one.action in {"hide", "ban"}:
            places = items.indices(one.items)
            hidden[places[places >= 0]] = True
    rules: list[AnyRule] = []
    for one in held:
        known = [item for item in one.items if items.index(item) >= 0]
        shown = [item for item in known if not hidden[items.index(item)]]
        if one.action == "pin" and shown:  # a pin that is hidden leaves its place to another
            rules.append(Pin(name=one.id, items=shown, place=one.place))
        elif one.action == "boost" and shown:
            rules.append(Boost(name=one.id, items=shown, by=one.strength))
        elif one.action in {"hide", "ban"} and known:
            rules.append(Hide(name=one.id, items=known))
    if not rules:
        return None
    book = RuleBook.of(rules, Catalogue(pl.DataFrame({"item": list(items.ids)})), conflicts="precedence")
    names = tuple(rule.name for rule in rules)
    made = Overlay(names, book, hidden, widened=any(isinstance(one, Boost) for one in rules))
    if not made.moves:
        return replace(made, hiding=made)
    hiding = overlay_of([one for one in held if one.action in {"hide", "ban"}], items)
    return replace(made, hiding=hiding)
