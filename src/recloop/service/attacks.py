"""The route that tells of attacks on the log."""

import asyncio
from typing import Annotated

from msgspec import Meta, Struct

from recloop.service.route import Call, Route


class BurstAnswer(Struct, frozen=True):
    """A burst of interactions that looks made."""

    kind: Annotated[str, Meta(description="item where new users gather on it, user where one does too much")]
    who: Annotated[str, Meta(description="The item or the user.")]
    start: float
    end: float
    events: Annotated[int, Meta(description="That are flagged because of it.")]
    users: Annotated[int, Meta(description="That took part.")]
    expected: Annotated[float, Meta(description="That would have been no surprise.")]


class AttacksAnswer(Struct, frozen=True):
    """What the last 30 days of the log show."""

    looked_at: Annotated[int, Meta(description="Events.")]
    flagged: Annotated[
        int, Meta(description="Events that belong to a burst; with quarantine nothing learns from them.")
    ]
    bursts: tuple[BurstAnswer, ...]


async def attacks(call: Call) -> AttacksAnswer:
    """Bursts of interactions in the last 30 days that look made."""
    found = await asyncio.to_thread(call.serving.find_attacks)
    told = (
        BurstAnswer(one.kind, str(one.who), one.start, one.end, one.events, one.users, one.expected)
        for one in found.bursts
    )
    return AttacksAnswer(found.looked_at, found.flagged, tuple(told))


ATTACKS = (Route("GET", "/v1/attacks", "persons", attacks, AttacksAnswer, errors=(503,)),)
