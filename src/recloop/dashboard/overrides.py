"""Overrides as a page: what holds, what it did, and a form for another."""

from typing import Any

from recloop.app.override_effects import override_effect
from recloop.app.overrides import ACTIONS, OverrideWish
from recloop.dashboard.visit import Sent, Shown, Visit
from recloop.errors import SettingError
from recloop.store.overrides import Override

OFFERED = 2000  # items, at most, of which the form knows the titles
PAST = 20  # that are shown of those that hold no more


def overrides(visit: Visit) -> Shown:
    """Those in force with what they did, those of the past, and the form."""
    known, release = visit.serving.store.overrides.all(), visit.serving.engine.release
    live = [one for one in reversed(known) if one.state(visit.now) == "in force"]
    past = [one for one in reversed(known) if one.state(visit.now) != "in force"]
    values = {
        "live": [_row(visit, one) for one in live],
        "past": [_row(visit, one, measure=False) for one in past[:PAST]],
        "actions": ACTIONS,
        "catalogue": list(zip(release.items.ids, release.titles, strict=True))
        if release is not None and len(release.items) <= OFFERED
        else [],
        "item": visit.query.get("item", ""),
    }
    return Shown("overrides.html", values, "Overrides")


def _row(visit: Visit, one: Override, *, measure: bool = True) -> dict[str, Any]:
    store, release = visit.serving.store, visit.serving.engine.release
    effect = (
        visit.memory.ask(("override", one.id), lambda: override_effect(store, one.id, visit.now)) if measure else None
    )
    names = []
    for item in one.items[:5]:
        place = release.items.index(item) if release else -1
        names.append(f"{release.titles[place]} ({item})" if release and place >= 0 else f"{item} (not in this release)")
    what = {"pin": f"from place {one.place}", "boost": f"by {one.strength:g}"}.get(one.action, "")
    where = [one.surface or "everywhere", *(f"{name} = {value}" for name, value in one.segment.items())]
    return {
        "one": one,
        "state": one.state(visit.now),
        "names": names,
        "more": max(0, len(one.items) - 5),
        "what": what,
        "where": ", ".join(where),
        "effect": effect,
    }


def add(visit: Visit) -> Sent:
    """Put something over the policies."""
    form = visit.form
    segment: dict[str, str] = {}
    if asked := form.get("segment", "").strip():
        name, equals, value = asked.partition("=")
        if not equals:
            raise SettingError(f"the segment is '{asked[:60]}'", allowed="it reads profile.gender=female, for example")
        segment = {name.strip(): value.strip()}
    action = form.get("action", "")
    wish = OverrideWish(
        action,
        form.get("items", "").replace(",", " ").split(),
        form.get("reason", ""),
        form.get("owner", "").strip() or visit.name,
        place=int(visit.number("place", "the place")) if action == "pin" else 1,
        strength=visit.number("strength", "the strength") if action == "boost" else 0.5,
        surface=form.get("surface", "").strip(),
        segment=segment,
        days=visit.number("days", "the number of days") if form.get("days", "").strip() else None,
    )
    visit.serving.add_override(wish, actor=visit.name)
    return Sent("/dashboard/overrides", "added")


def end(visit: Visit) -> Sent:
    """Take an override back."""
    visit.serving.end_override(visit.path["name"], actor=visit.name)
    return Sent("/dashboard/overrides", "ended")
