"""How the traffic of an experiment grows."""

from collections.abc import Sequence

import msgspec

from recloop.errors import SettingError


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A stretch of time with one share of the traffic.

    Attributes:
        share: of the eligible units, for this step.
        hours: how long it lasts; the last step may leave it out, and then lasts until the end.
    """

    share: float
    hours: float | None = None


def check_ramp(ramp: Sequence[Step], traffic: float) -> None:
    """Raises SettingError where the steps do not widen, or have no end."""
    before = 0.0
    for place, step in enumerate(ramp):
        if not before < step.share <= traffic:
            raise SettingError(
                f"step {place + 1} of the ramp has share {step.share}",
                allowed=f"it lies above {before} (a ramp only widens) and is at most the traffic, {traffic}",
            )
        last = place == len(ramp) - 1
        if step.hours is None and not last:
            raise SettingError(f"step {place + 1} of the ramp has no hours", allowed="only the last may leave them out")
        if step.hours is not None and not 0 < step.hours < 24 * 366:
            raise SettingError(f"step {place + 1} of the ramp has {step.hours} hours", allowed="0 < hours < 8784")
        before = step.share


def steps(ramp: Sequence[Step], traffic: float) -> tuple[Step, ...]:
    """Every step to the last one, which has no end: the whole traffic, unless the ramp stops short of it.

    >>> [(step.share, step.hours) for step in steps([Step(share=0.01, hours=24.0)], 0.5)]
    [(0.01, 24.0), (0.5, None)]
    """
    if ramp and ramp[-1].hours is None:
        return tuple(ramp)
    if ramp and ramp[-1].share == traffic:
        return (*ramp[:-1], Step(share=traffic))
    return (*ramp, Step(share=traffic))
