"""What people put over the policies: pin, boost, hide, ban. It acts from the next request on, and is measured."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.compose.assembly import PIN
from recloop.compose.business.overlay import overlaid, overlay_effects
from recloop.compose.business.rule_book import RuleBook
from recloop.compose.business.settings import AnyRule, Boost, Hide, Pin
from recloop.compose.catalogue import Catalogue
from recloop.compose.policy import Choices
from recloop.compose.rules import Rules
from recloop.data.histories import Histories
from recloop.data.rankings import along
from recloop.data.splitmix import STEP, mixed, unit
from recloop.data.vocabulary import Vocabulary
from recloop.errors import SettingError, nearest
from recloop.experiments.targeting import PLACES
from recloop.store import Store
from recloop.store.overrides import Override

ACTIONS = {
    "pin": "the items stand at these places",
    "boost": "the items rise",
    "hide": "the items leave the slates",
    "ban": "the items leave everything that is served, for everybody",
}
MOST = 100  # items of one override
SPARE = 50  # places beyond the slate from which a boost may lift an item, and from which gaps are filled
MEASURED = 0.1  # share of slates in which the effect of each override is measured


class Served(Protocol):
    """What is asked of a release."""

    @property
    def items(self) -> Vocabulary:
        """The catalogue."""
        ...


class OverrideWish(NamedTuple):
    """An override that somebody asks for, see ``Override``; ``days`` is how long it holds, None for ever."""

    action: str
    items: Sequence[str]
    reason: str
    owner: str
    place: int = 1
    strength: float = 0.5
    surface: str = ""
    segment: Mapping[str, str] = {}
    days: float | None = 30.0


def add_override(store: Store, wish: OverrideWish, release: Served | None, *, now: float, actor: str = "") -> Override:
    """Keep an override; services that follow the store obey it from now on.

    Args:
        store: where it is kept.
        wish: what is wanted.
        release: the active one, which must know the items; None where there is none yet.
        now: seconds since 1970.
        actor: who asks; the owner where empty.

    Raises:
        SettingError: the action, an item, the place, the strength, the segment or the words are not allowed.
    """
    if wish.action not in ACTIONS:
        raise SettingError(f"there is no override '{wish.action}'", advice=nearest(wish.action, ACTIONS))
    items = tuple(dict.fromkeys(item.strip() for item in wish.items if item.strip()))
    if not 1 <= len(items) <= MOST:
        raise SettingError(f"the override names {len(items)} items", allowed=f"1 to {MOST}")
    if release is not None and (unknown := next((item for item in items if release.items.index(item) < 0), None)):
        raise SettingError(
            f"the catalogue of the active release has no item '{unknown[:100]}'", advice="look the id up"
        )
    for what, said in (("reason", wish.reason), ("owner", wish.owner)):
        if not 1 <= len(said.strip()) <= 500:
            raise SettingError(f"the override has no {what}", allowed="1 to 500 characters say why and who answers")
    if wish.action == "ban" and (wish.surface or wish.segment):
        raise SettingError(
            "a ban is for everybody, and this one names a surface or a segment", advice="hide the items instead"
        )
    if wish.action == "pin" and not 1 <= wish.place <= 1000:
        raise SettingError(f"the pin is for place {wish.place}", allowed="places are 1 to 1000")
    if wish.action == "boost" and not 0 < wish.strength <= 10:
        raise SettingError(
            f"the boost has strength {wish.strength:g}", allowed="above 0, up to 10; 1 lifts an item to the top"
        )
    if wish.days is not None and not 0 < wish.days <= 3650:
        raise SettingError(f"the override lasts {wish.days:g} days", allowed="above 0, up to 3650; or for ever")
    for name in wish.segment:
        place, _, rest = name.partition(".")
        if place not in PLACES or not rest:
            raise SettingError(
                f"the segment names '{name}'", allowed="profile.NAME or context.NAME", advice=f"try profile.{name}"
            )
    return store.overrides.add(
        wish.action,  # type: ignore[arg-type]  # it was looked up
        items,
        reason=wish.reason.strip(),
        owner=wish.owner.strip(),
        place=wish.place if wish.action == "pin" else 0,
        strength=wish.strength if wish.action == "boost" else 0.0,
        surface=wish.surface,
        segment=wish.segment,
        expires=None if wish.days is None else now + wish.days * 86_400.0,
        actor=actor,
    )


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

    def allowed(self, rules: Rules) -> Rules:
        """The rules of a request, with what is hidden not allowed: so that no slate gets shorter."""
        if not self.hidden.any():
            return rules
        allowed = ~self.hidden if rules.allowed is None else rules.allowed & ~self.hidden
        return replace(rules, allowed=allowed)

    def measures(self, histories: Histories) -> bool:
        """Whether what each override did is measured for these requests, by chance."""
        return bool((unit(mixed(histories.keys ^ (STEP << np.uint64(1)))) < MEASURED).any())

    def laid(self, choices: Choices, histories: Histories, k: int, rules: Rules) -> Choices:
        """The policy's choices with the overrides on top; which ones hold is in the details of each request."""
        found = overlaid(choices.rankings, self.book, histories, k, rules)
        sources = np.where(found.columns >= 0, along(choices.sources, np.maximum(found.columns, 0)), "").astype(object)
        sources[found.pinned] = PIN
        told: Sequence[Mapping[str, Any]] = choices.details or [{}] * len(choices)
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


class Overrides:
    """The overrides in force, as the engine asks for them; ``follow`` takes over what the store has.

    Args:
        store: where they are kept.
        clock: seconds since 1970.
    """

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._mark = (0, 0)
        self._all: tuple[Override, ...] = ()
        self._release: Served | None = None
        self._made: dict[tuple[str, ...], Overlay | None] = {}

    def follow(self) -> None:
        """Take over what was added or ended, whoever did it."""
        mark = self._store.overrides.mark()
        if mark != self._mark:
            now = self._clock()
            self._all = tuple(one for one in self._store.overrides.all() if one.state(now) == "in force")
            self._made = {}
            self._mark = mark

    def matching(self, surface: str, attributes: Mapping[str, str]) -> tuple[Override, ...]:
        """Those that hold now for a request; expired ones hold no more though nobody ended them."""
        if not self._all:
            return ()
        now = self._clock()
        return tuple(one for one in self._all if one.state(now) == "in force" and one.meets(surface, attributes))

    def overlay(self, held: tuple[Override, ...], release: Served) -> Overlay | None:
        """Overrides made ready for a release; None where it knows none of their items."""
        made = self._made
        if release is not self._release or len(made) > 1000:  # another release, or very many segments
            self._release, self._made = release, (made := {})
        key = tuple(one.id for one in held)
        if key not in made:
            made[key] = overlay_of(held, release.items)
        return made[key]

    def banned(self, release: Served) -> NDArray[np.bool_] | None:
        """(n_items,) what is banned now; None where nothing is."""
        bans = tuple(one for one in self.matching("", {}) if one.action == "ban")
        found = self.overlay(bans, release) if bans else None
        return None if found is None else found.hidden


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
    if all(isinstance(rule, Hide) for rule in rules):
        made = Overlay(names, book, hidden, widened=False)
        return replace(made, hiding=made)
    hiding = overlay_of([one for one in held if one.action in {"hide", "ban"}], items)
    return Overlay(names, book, hidden, any(isinstance(one, Boost) for one in rules), hiding)
