"""The routes by which people put something over the policies, and look after findings."""

import asyncio
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from recloop.app.override_effects import override_effect
from recloop.app.overrides import OverrideWish
from recloop.app.reviews import Change, change_review, take_report
from recloop.service.route import Call, Route
from recloop.store.overrides import Action, Override
from recloop.store.reviews import Review
from recloop.wire import Id, Short


class NewOverride(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be put over the policies."""

    action: Action
    items: Annotated[tuple[Id, ...], Meta(min_length=1, max_length=100)]
    reason: Annotated[str, Meta(min_length=1, max_length=500, description="Why, for those who wonder later.")]
    owner: Annotated[str, Meta(min_length=1, max_length=100, description="Who answers for it.")]
    place: Annotated[int, Meta(ge=1, le=1000, description="Of the first pinned item.")] = 1
    strength: Annotated[
        float, Meta(gt=0, le=10, description="Of a boost, in ranges of a slate's scores; 1 lifts above all others.")
    ] = 0.5
    surface: Annotated[Short, Meta(description="The only surface that it is for; empty for all.")] = ""
    segment: Annotated[
        dict[str, Short], Meta(max_length=10, description="profile.NAME or context.NAME to the value it must have.")
    ] = {}
    days: Annotated[float, Meta(gt=0, le=3650)] | None = 30.0


class OverrideAnswer(Struct, frozen=True):
    """An override. It is never changed but for its end."""

    id: str
    action: Action
    items: tuple[str, ...]
    place: int
    strength: float
    surface: str
    segment: dict[str, str]
    reason: str
    owner: str
    created: float
    expires: float | None
    ended: float | None
    ended_by: str


class OverridesAnswer(Struct, frozen=True):
    """Every override, oldest first."""

    overrides: tuple[OverrideAnswer, ...]


class EffectAnswer(Struct, frozen=True):
    """What an override did so far: a sentence, and the numbers behind it."""

    sentence: str
    effect: dict[str, Any]


class Report(Struct, frozen=True):
    """The findings of a report, as ``recloop ux problems --json`` prints it; what else it holds is not looked at."""

    findings: tuple[dict[str, Any], ...]


class TakenAnswer(Struct, frozen=True):
    """What a report brought: ids of findings that are new, that returned, and that are gone."""

    new: tuple[str, ...]
    returned: tuple[str, ...]
    gone: tuple[str, ...]


class ReviewChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to become of a finding."""

    do: Literal["assign", "mute", "resolve", "reopen"]
    assignee: Annotated[str, Meta(max_length=100, description="Who looks after it; empty for nobody.")] = ""
    days: Annotated[float, Meta(ge=0, le=365, description="For how long it is muted.")] = 0.0
    note: Annotated[str, Meta(max_length=2000)] = ""


class ReviewAnswer(Struct, frozen=True):
    """A finding that people look after; ``state`` is as it is now, after a mute that is over."""

    id: str
    state: Literal["open", "muted", "resolved"]
    finding: dict[str, Any]
    assignee: str
    note: str
    muted_until: float | None
    first_seen: float
    last_seen: float
    changed: float
    present: bool
    gone: bool
    returns: int


class ReviewsAnswer(Struct, frozen=True):
    """Every finding, those that came last first."""

    reviews: tuple[ReviewAnswer, ...]


async def list_overrides(call: Call) -> OverridesAnswer:
    """Every override, oldest first."""
    return OverridesAnswer(tuple(map(_override, await asyncio.to_thread(call.serving.store.overrides.all))))


async def add_override(call: Call) -> OverrideAnswer:
    """Pin, boost, hide or ban items from the next request on."""
    new: NewOverride = call.body
    wish = OverrideWish(
        new.action, new.items, new.reason, new.owner, new.place, new.strength, new.surface, new.segment, new.days
    )
    return _override(await asyncio.to_thread(call.serving.add_override, wish, actor=call.actor))


async def end_override(call: Call) -> OverrideAnswer:
    """Take an override back; what it changed stays on record."""
    return _override(await asyncio.to_thread(call.serving.end_override, call.path["name"], actor=call.actor))


async def read_effect(call: Call) -> EffectAnswer:
    """What an override did so far."""
    found = await asyncio.to_thread(override_effect, call.serving.store, call.path["name"], call.serving.now())
    return EffectAnswer(found.sentence, found.to_dict())


async def list_reviews(call: Call) -> ReviewsAnswer:
    """Every finding that people look after, those that came last first."""
    found = await asyncio.to_thread(call.serving.store.reviews.all)
    return ReviewsAnswer(tuple(_review(one, call.serving.now()) for one in found))


async def take_findings(call: Call) -> TakenAnswer:
    """Bring the findings of a report into the review queue."""
    report = {"findings": list(call.body.findings)}
    return TakenAnswer(*await asyncio.to_thread(take_report, call.serving.store, report, actor=call.actor))


async def change_finding(call: Call) -> ReviewAnswer:
    """Assign, mute, resolve or reopen a finding."""
    wish: ReviewChange = call.body
    now = call.serving.now()
    change = Change(wish.do, wish.assignee, wish.days, wish.note)
    name, store = call.path["name"], call.serving.store
    return _review(await asyncio.to_thread(change_review, store, name, change, now=now, actor=call.actor), now)


def _override(one: Override) -> OverrideAnswer:
    return OverrideAnswer(**one._asdict() | {"segment": dict(one.segment)})


def _review(one: Review, now: float) -> ReviewAnswer:
    return ReviewAnswer(**one._asdict() | {"finding": dict(one.finding), "state": one.shown(now)})


PEOPLE = (
    Route("GET", "/v1/overrides", "overrides", list_overrides, OverridesAnswer),
    Route("POST", "/v1/overrides", "overrides", add_override, OverrideAnswer, NewOverride, status=201),
    Route("POST", "/v1/overrides/{name}/end", "overrides", end_override, OverrideAnswer, errors=(404, 409)),
    Route("GET", "/v1/overrides/{name}/effect", "overrides", read_effect, EffectAnswer, errors=(404,)),
    Route("GET", "/v1/reviews", "reviews", list_reviews, ReviewsAnswer),
    Route("POST", "/v1/reviews", "reviews", take_findings, TakenAnswer, Report),
    Route("POST", "/v1/reviews/{name}", "reviews", change_finding, ReviewAnswer, ReviewChange, errors=(404, 409)),
)
