"""The routes about one person. The id stands in the body, not in the path, so that no log of a proxy has it."""

import asyncio
from typing import Annotated, Any

from msgspec import Meta, Struct

from recloop.service.route import Call, Route

PersonId = Annotated[
    str, Meta(min_length=1, max_length=256, description="The person's id, as events are sent with it.")
]


class PersonRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Whom it is about."""

    user: PersonId


class PersonAnswer(Struct, frozen=True):
    """All that is kept of a person, oldest first."""

    user: Annotated[str, Meta(description="The id under which the person is kept.")]
    events: tuple[dict[str, Any], ...]
    decisions: tuple[dict[str, Any], ...]
    feedback: tuple[dict[str, Any], ...]


class ErasedAnswer(Struct, frozen=True):
    """What was erased, and what a second look found."""

    before: Annotated[dict[str, int], Meta(description="Rows of each log that were in the store.")]
    after: Annotated[dict[str, int], Meta(description="Rows that a second look found: none.")]
    archived: Annotated[dict[str, int], Meta(description="Rows that were erased in the archive.")]


async def export_person(call: Call) -> PersonAnswer:
    """All that is kept of one person."""
    found = await asyncio.to_thread(call.serving.export_person, call.body.user)
    return PersonAnswer(found.user, found.events, found.decisions, found.feedback)


async def erase_person(call: Call) -> ErasedAnswer:
    """Erase all that is kept of one person, with a proof."""
    done = await asyncio.to_thread(call.serving.erase_person, call.body.user, actor=call.actor)
    return ErasedAnswer(done.before, done.after, done.archived)


PERSONS = (
    Route("POST", "/v1/persons/export", "persons", export_person, PersonAnswer, PersonRequest, errors=(503,)),
    Route("POST", "/v1/persons/erase", "persons", erase_person, ErasedAnswer, PersonRequest, errors=(503,)),
)
