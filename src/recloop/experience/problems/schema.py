"""What the problem finder says, as one JSON schema: findings, the health of the data, and the report of both."""

import hashlib
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

Verdict = Literal["ship", "do_not_ship", "invalid", "keep_running", "no_problem"]
Layer = Literal["logging", "operations", "model", "content", "taste"]
Light = Literal["green", "yellow", "red"]

LAYERS: tuple[Layer, ...] = ("logging", "operations", "model", "content", "taste")
"""In the order in which causes are looked for: what is first can bring about what comes later, seldom the reverse."""


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all parts of the schema share: they are values, and misspelt fields are refused."""


class Change(Record, frozen=True, kw_only=True):
    """A change with its interval.

    Attributes:
        before: value before, or under the control.
        after: value after, or under the treatment: ``before`` plus the change.
        relative: change over ``before``.
        low: lower end of the interval of ``relative``; None where it has none.
        high: upper end.
        p_value: of the test that found it, before it is adjusted for how many were made.
    """

    before: float
    after: float
    relative: float
    low: float | None = None
    high: float | None = None
    p_value: float | None = None


class Evidence(Record, frozen=True, kw_only=True):
    """One fact that speaks for a finding or rules something out.

    Attributes:
        topic: what was looked at: mix, latency, empty slates, release, rest …
        supports: whether it is part of the explanation; False where it was looked at and ruled out.
        sentence: the fact.
    """

    topic: str
    supports: bool
    sentence: str


class Cause(Record, frozen=True, kw_only=True):
    """What most likely brought it about.

    Attributes:
        layer: where in the chain from logging to taste.
        what: a short name.
        sentence: why this and not another.
    """

    layer: Layer
    what: str
    sentence: str


class Quote(Record, frozen=True, kw_only=True):
    """A verbatim example, personal data masked; ``id`` is that of the feedback."""

    id: str
    text: str


class Said(Record, frozen=True, kw_only=True):
    """What the users of a slice wrote after the change.

    Attributes:
        people: users who wrote.
        comments: texts.
        themes: words that they use more than others do, the most telling first.
        examples: up to three.
    """

    people: int = 0
    comments: int = 0
    themes: tuple[str, ...] = ()
    examples: tuple[Quote, ...] = ()


class Place(Record, frozen=True, kw_only=True):
    """Another way to say where the problem sits, ranked as by Adtributor: explained share, few values, surprise.

    Attributes:
        slice: attribute → value.
        explained_share: of the overall change.
        surprise: Jensen-Shannon divergence of the slice's part of the metric from what its past foretells.
    """

    slice: dict[str, str]
    explained_share: float
    surprise: float


class Series(Record, frozen=True, kw_only=True):
    """The metric by day, inside the slice and outside; None on days without slates."""

    days: tuple[str, ...] = ()
    inside: tuple[float | None, ...] = ()
    outside: tuple[float | None, ...] = ()


class Finding(Record, frozen=True, kw_only=True):
    """One problem.

    Attributes:
        id: stable name: the same metric, slice and direction have the same id in every run.
        metric: id of the metric.
        title: its name for people.
        direction: the way in which it moved.
        slice: attribute → value; empty where the problem is everywhere.
        share: of the slates (users in a comparison of arms) that the slice holds after the change.
        change_day: first day (UTC) of the change, ``YYYY-MM-DD``; None in a comparison of arms.
        effect: inside the slice.
        overall: of the whole; None where the metric has no whole.
        explained_share: part of the overall change that the slice explains, from 0 to 1.
        evidence: what speaks for it and what was ruled out.
        cause: the likeliest.
        kind: ``primary``, or ``consequence`` of the finding that ``because_of`` names.
        because_of: id of the primary finding.
        verdict: what it means for the treatment or the release.
        said: what users wrote.
        places: rival descriptions of where it sits.
        sentence: everything that matters, in words.
        advice: what to do.
        recovery: expected gain of the whole's value, in the metric's unit, where the slice returns to what it was.
        series: the metric by day.
    """

    id: str
    metric: str
    title: str
    direction: Literal["up", "down"]
    slice: dict[str, str]
    share: float
    change_day: str | None
    effect: Change
    overall: Change | None = None
    explained_share: float = 1.0
    evidence: tuple[Evidence, ...] = ()
    cause: Cause
    kind: Literal["primary", "consequence"] = "primary"
    because_of: str = ""
    verdict: Verdict = "do_not_ship"
    said: Said = Said()
    places: tuple[Place, ...] = ()
    sentence: str = ""
    advice: str = ""
    recovery: float = 0.0
    series: Series = Series()


class HealthCheck(Record, frozen=True, kw_only=True):
    """Whether the numbers may be read, seen from one side; red hides the results."""

    name: str
    light: Light
    sentence: str


class Problems(Record, frozen=True, kw_only=True):
    """The report.

    Attributes:
        verdict: of the whole.
        sentence: the answer, first.
        compared: what was held against what.
        slates: read.
        users: who got them.
        days: first and last day (UTC).
        tests: slices × metrics that were tested.
        slices: that were large enough to be looked at.
        alpha: share of false findings among the findings that is accepted.
        health: checks of the data.
        findings: primary ones first, the largest first. Empty where health is red.
        notes: what was seen and is no problem, what could not be measured, and what was left out.
        simulation: whether the numbers come from a made-up world.
    """

    verdict: Verdict
    sentence: str
    compared: str
    slates: int
    users: int
    days: tuple[str, str]
    tests: int = 0
    slices: int = 0
    alpha: float
    health: tuple[HealthCheck, ...] = ()
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    simulation: bool = False

    @property
    def primary(self) -> tuple[Finding, ...]:
        """The findings that are no consequence of others."""
        return tuple(one for one in self.findings if one.kind == "primary")

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found

    @classmethod
    def parse(cls, document: Any) -> "Problems":
        """The report that ``to_dict`` turned into JSON values.

        Raises:
            msgspec.ValidationError: the document does not keep the schema.
        """
        return msgspec.convert(document, cls)


def finding_id(metric: str, where: Mapping[str, str], direction: str) -> str:
    """The stable name of a finding: 16 hexadecimal figures of SHA-256 over metric, slice and direction.

    >>> one = finding_id("slate_ctr", {"app": "5.2", "device": "android"}, "down")
    >>> one == finding_id("slate_ctr", {"device": "android", "app": "5.2"}, "down"), len(one)
    (True, 16)
    """
    text = msgspec.json.encode([metric, sorted(where.items()), direction])
    return hashlib.sha256(text).hexdigest()[:16]


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the report.

    >>> sorted(json_schema()["$defs"])[:3]
    ['Cause', 'Change', 'Evidence']
    """
    return msgspec.json.schema(Problems)
