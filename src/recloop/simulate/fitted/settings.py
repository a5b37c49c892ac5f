from typing import Annotated

import msgspec
from msgspec import Meta

Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Positive = Annotated[float, Meta(gt=0.0)]


class Simulate(msgspec.Struct, frozen=True, kw_only=True):
    """The knobs of a fitted simulator: the table ``[simulate]`` of a plan.

    What can be learned from the log is learned. What cannot, because the log does not show it, is one of these numbers,
    and the report says so. None means: learn it, or take the stated default where the log does not tell.

    Attributes:
        factors: length of the vectors of tastes and items.
        held_out: users whose last event is kept to judge the preferences, at most.
        follow: whether what a user took last makes its successors likelier.
        clicks: the model of a slate: ``auto`` takes the one that foretells held-out clicks best.
        attention: without a log of slates, place j is looked at with probability (1 + j) ** -attention.
        click_rate: without a log of slates, the mean attraction of the ten most popular items to who looks at them.
        visits: visits of a user per day; None learns it from times, else 0.5.
        more: probability of another slate in a visit, after each slate.
        fatigue: what an item loses, in logits, with each time that it was shown lately, up to four times.
        owned: what an item loses, in logits, that the user has taken before.
        memory: share of a slate's satisfaction in the user's mood afterwards.
        leave: probability of leaving for good after a slate in the usual mood; None learns it from times, else 0.005.
        hurt: what the mood from 0 to 1 takes off the logit of leaving.
        drift: share of a taste's variance that is new after a day.
        new_items: share of the items that arrive during the simulated days, and may not be shown before.
        new_users: users who arrive a day, as a share of those there at the start.
    """

    factors: Annotated[int, Meta(ge=1, le=1024)] = 48
    held_out: Annotated[int, Meta(ge=20)] = 2000
    follow: bool = True
    clicks: str = "auto"
    attention: Annotated[float, Meta(ge=0.0)] = 0.8
    click_rate: Annotated[float, Meta(gt=0.0, lt=1.0)] = 0.1
    visits: Positive | None = None
    more: Annotated[float, Meta(ge=0.0, lt=1.0)] = 0.5
    fatigue: Annotated[float, Meta(ge=0.0)] = 0.1
    owned: Annotated[float, Meta(ge=0.0)] = 2.5
    memory: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.3
    leave: Annotated[float, Meta(gt=0.0, lt=1.0)] | None = None
    hurt: Annotated[float, Meta(ge=0.0)] = 6.0
    drift: Share = 0.0
    new_items: Annotated[float, Meta(ge=0.0, lt=1.0)] = 0.0
    new_users: Annotated[float, Meta(ge=0.0)] = 0.0
