from typing import Annotated

import msgspec
from msgspec import Meta

from recloop.metrics.online import Scale

Share = Annotated[float, Meta(gt=0, lt=1)]
Count = Annotated[int, Meta(ge=1)]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How problems are looked for.

    Attributes:
        treatment: variant that is judged; with ``control`` arms are compared, without both, time against time.
        control: variant that it is held against.
        dimensions: columns that make slices; None takes every text column with two values or more.
        metrics: ids; None takes all that the data hold.
        alpha: accepted share of false findings among findings (Benjamini-Hochberg), over all slices and metrics.
        depth: most dimensions of a slice.
        events: expected events (slates, for means) that a slice needs before and after, or per arm.
        users: effective number of users that must stand behind a finding.
        share: smallest part of all slates that a slice must hold.
        values: most values of a dimension; rarer ones are put together and not reported.
        smallest: smallest relative change inside a slice worth telling.
        before: days that must lie before a change.
        after: days that must lie after it.
        weights: planned share of each variant; without, only differences between slices are checked.
        margins: metric of how slates are answered → how much worse the treatment may be before it is a problem, in the
            metric's unit or relative to the control; without, the margin that the catalogue gives a guardrail on it.
            Between days it counts for nothing: what broke is told before anybody notices.
        most: findings that are told.
    """

    treatment: str | None = None
    control: str | None = None
    dimensions: tuple[str, ...] | None = None
    metrics: tuple[str, ...] | None = None
    alpha: Share = 0.02
    depth: Annotated[int, Meta(ge=1, le=3)] = 3
    events: Count = 20
    users: Count = 10
    share: Share = 0.001
    values: Annotated[int, Meta(ge=2, le=1000)] = 40
    smallest: Annotated[float, Meta(ge=0)] = 0.03
    before: Annotated[int, Meta(ge=2)] = 5
    after: Annotated[int, Meta(ge=1)] = 2
    weights: dict[str, float] | None = None
    margins: dict[str, tuple[float, Scale]] = {}
    most: Count = 20
