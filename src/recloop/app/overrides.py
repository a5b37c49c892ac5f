"""What people put over the policies: pin, boost, hide, ban. It acts from the next request on, and is measured."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from recloop.app.overlay import Overlay, overlay_of
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
