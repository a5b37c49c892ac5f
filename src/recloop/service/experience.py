"""The routes that tell what users go through."""

import asyncio
from typing import Annotated

from msgspec import Meta, Struct

from recloop.experience.problems import Problems
from recloop.service.route import Call, Route


class ProblemsRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What to look at: the arms of an experiment, or time against time."""

    experiment: Annotated[str, Meta(description="Compare the arms of this experiment; time against time without.")] = ""
    treatment: Annotated[str, Meta(description="The variant that is judged; the first treatment without.")] = ""
    control: Annotated[
        str, Meta(description="What it is held against; the control that does best on the primary metric without.")
    ] = ""
    days: Annotated[float, Meta(gt=0, le=366, description="How far to look back.")] = 28.0
    dimensions: Annotated[
        tuple[str, ...] | None, Meta(description="Columns that make slices; all text columns without.")
    ] = None
    metrics: Annotated[tuple[str, ...] | None, Meta(description="What is watched; all that is measured without.")] = (
        None
    )


async def find_problems(call: Call) -> Problems:
    """Where users were served worse, since when, why, and what to do."""
    wish: ProblemsRequest = call.body
    return await asyncio.to_thread(
        call.serving.find_problems,
        wish.experiment,
        wish.treatment,
        wish.control,
        wish.days,
        dimensions=wish.dimensions,
        metrics=wish.metrics,
    )


EXPERIENCE = (
    Route("POST", "/v1/ux/problems", "experiments", find_problems, Problems, ProblemsRequest, errors=(404, 503)),
)
