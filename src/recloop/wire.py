"""What goes over the wire, as types: they parse, they check, and they are the OpenAPI description."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from recloop.types import ItemCondition

API = "1"  # the version of the interface, as in /v1
API_HEADER = "recloop-api"

Id = Annotated[str, Meta(min_length=1, max_length=256, description="An id of your own: any text.")]
Kind = Annotated[str, Meta(min_length=1, max_length=64, description="What happened: view, click, purchase, rating …")]
Time = Annotated[float, Meta(description="Seconds since 1970 in UTC. Without it, the moment of the request.")]
Short = Annotated[str, Meta(max_length=256)]
Count = Annotated[int, Meta(ge=1, le=1000, description="How many items, at most.")]
Excluded = Annotated[tuple[Id, ...], Meta(max_length=10_000, description="These items are not shown.")]
Where = Annotated[
    dict[str, ItemCondition],
    Meta(max_length=20, description="Attribute of an item (category, brand, year, price) to what it must be."),
]


class PastEvent(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An event of the user that the caller knows of, such as those of an anonymous session."""

    item: Id
    kind: Kind = "view"
    time: Time | None = None
    value: float | None = None
    id: Id | None = None


class RecommendRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A wish for recommendations."""

    user: Annotated[Id | None, Meta(description="Who asks. Without it the user is anonymous.")] = None
    k: Count = 10
    history: Annotated[
        tuple[PastEvent, ...], Meta(max_length=1000, description="Events that the service may not know, oldest first.")
    ] = ()
    candidates: Annotated[
        Annotated[tuple[Id, ...], Meta(max_length=10_000)] | None, Meta(description="Only these items may be shown.")
    ] = None
    exclude: Excluded = ()
    where: Where = {}
    surface: Annotated[Short, Meta(description="Where the slate is shown: home, basket, mail …")] = "default"
    profile: Annotated[dict[str, Short], Meta(max_length=50, description="Attributes of the user.")] = {}
    context: Annotated[dict[str, Short], Meta(max_length=50, description="Attributes of the moment.")] = {}
    time: Time | None = None
    steer: Annotated[
        str, Meta(max_length=500, description="A sentence of wishes: lighter, no horror, from the nineties.")
    ] = ""
    strength: Annotated[
        float, Meta(ge=0, le=1, description="What the sentence counts beside the history: 0 nothing, 1 all.")
    ] = 0.5
    explain: Annotated[bool, Meta(description="Tell what of the history moved each item. Costs dozens of slates.")] = (
        False
    )
    session: Annotated[Id | None, Meta(description="The visit, for experiments that assign sessions.")] = None
    force: Annotated[
        dict[Id, Short],
        Meta(max_length=20, description="Experiment to variant, for testers; needs the scope experiments."),
    ] = {}


class PolicyStep(Struct, frozen=True):
    """Where an item stood after a step of the policy: retrieval by its source, fusion, rules, diversity."""

    step: Annotated[str, Meta(description="A source, fusion, objectives, boosts, diversity, caps, pins or slate.")]
    place: Annotated[int | None, Meta(description="From 1; null where it was not among what was looked at.")]


class RecommendedItem(Struct, frozen=True, omit_defaults=True):
    """One place of the slate."""

    item: str
    score: float
    source: Annotated[str, Meta(description="The strategy that brought it.")] = ""
    reason: Annotated[str, Meta(description="Why it is there.")] = ""
    because: Annotated[
        tuple[str, ...], Meta(description="With explain: items of the history without which it would not stand here.")
    ] = ()
    words: Annotated[tuple[str, ...], Meta(description="With explain: words that it shares with them.")] = ()
    slot: Annotated[str, Meta(description="The slot of the page that it stands in, where the policy has slots.")] = ""
    steps: Annotated[
        tuple[PolicyStep, ...], Meta(description="With explain: where it stood after each step of the policy.")
    ] = ()


class SurveyQuestion(Struct, frozen=True):
    """A question to show beside the slate. Answer it through ``/v1/feedback``, kind ``survey``, with the decision."""

    instrument: str
    question: str
    low: Annotated[float, Meta(description="The answer is a number from here …")]
    high: Annotated[float, Meta(description="… to here.")]
    labels: Annotated[tuple[str, str], Meta(description="What the two ends are called.")]


class RecommendAnswer(Struct, frozen=True):
    """A slate, best first. Send ``decision`` back with the events that follow."""

    decision: Annotated[str, Meta(description="The id of the decision that this slate is.")]
    items: tuple[RecommendedItem, ...]
    policy: str
    release: str
    experiment: Annotated[str, Meta(description="The experiment that the user is in; empty where in none.")] = ""
    variant: str = ""
    fallback: Annotated[str, Meta(description="What stood in for a strategy that failed; empty where nothing did.")] = (
        ""
    )
    failed: Annotated[
        dict[str, str] | UnsetType,
        Meta(description="Strategy or policy that failed, and why; with `explain`, left out where all did their work."),
    ] = UNSET
    steer: Annotated[tuple[str, ...], Meta(description="How the sentence of wishes was understood.")] = ()
    forced: Annotated[bool, Meta(description="The variant was given by hand; readouts leave the user out.")] = False
    survey: Annotated[SurveyQuestion | UnsetType, Meta(description="Left out where nothing is asked.")] = UNSET


class SimilarRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A wish for items like one item."""

    k: Count = 10
    exclude: Excluded = ()
    where: Where = {}


class SearchRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A sentence that says which items are looked for."""

    text: Annotated[
        str, Meta(min_length=1, max_length=500, description="Words, or a sentence: a light comedy, nothing with war.")
    ]
    k: Count = 10
    exclude: Excluded = ()
    where: Where = {}


class FoundItem(Struct, frozen=True):
    """An item that fits, and how well: 1 is the best there can be."""

    item: str
    score: float
    title: str


class ItemsAnswer(Struct, frozen=True):
    """Items, best first. No decision is kept."""

    items: tuple[FoundItem, ...]
    by: Annotated[str, Meta(description="texts: vectors of the item texts; behaviour: vectors of what users did.")]
    release: str


class SearchAnswer(Struct, frozen=True):
    """Items, best first, and how the sentence was understood. No decision is kept."""

    items: tuple[FoundItem, ...]
    understood: tuple[str, ...]
    by: Annotated[str, Meta(description="words, or words and texts: also the vectors of the item texts.")]
    release: str


class NewEvent(Struct, frozen=True, forbid_unknown_fields=True):
    """Something that a user did with an item."""

    user: Id
    item: Id
    kind: Kind
    time: Time | None = None
    value: Annotated[float | None, Meta(description="Stars, money, seconds …")] = None
    id: Annotated[Id | None, Meta(description="The same id counts once, so sending again is safe.")] = None
    decision: Annotated[Id | None, Meta(description="The decision whose slate showed the item.")] = None


class EventsRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A batch of events."""

    events: Annotated[tuple[NewEvent, ...], Meta(min_length=1, max_length=10_000)]


class LooseEvents(Struct, frozen=True, forbid_unknown_fields=True):
    """A batch of which some event is wrong: each is then looked at by itself."""

    events: Annotated[tuple[msgspec.Raw, ...], Meta(min_length=1, max_length=10_000)]


class Rejected(Struct, frozen=True):
    """An event that was not kept, and why."""

    index: Annotated[int, Meta(description="Its place in the batch, from 0.")]
    detail: str


class UnusualTimes(Struct, frozen=True):
    """How many events have unusual times; each is among the accepted, the duplicates or the rejected, too."""

    late: Annotated[int, Meta(description="Came more than an hour after they happened.")] = 0
    out_of_order: Annotated[int, Meta(description="Came after an event of the same user that happened later.")] = 0
    ahead: Annotated[int, Meta(description="More than a minute ahead of the service's clock; kept as sent.")] = 0
    future: Annotated[int, Meta(description="More than a day ahead of the service's clock; rejected.")] = 0


class EventsAnswer(Struct, frozen=True):
    """What became of a batch. What is accepted is on disk."""

    accepted: int
    duplicates: Annotated[int, Meta(description="Events whose id was there already: not counted again.")]
    rejected: tuple[Rejected, ...] = ()
    times: Annotated[UnusualTimes | UnsetType, Meta(description="Left out where no time is unusual.")] = UNSET


class FeedbackRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What a user said: a rating, a survey's answer, a thumb or a vote (``value``), or a comment (``text``)."""

    user: Id
    kind: Literal["rating", "survey", "comment", "thumbs", "helpful"]
    value: float | None = None
    text: Annotated[str, Meta(max_length=10_000)] = ""
    item: Short = ""
    decision: Short = ""
    time: Time | None = None
    id: Annotated[Id | None, Meta(description="The same id counts once, so sending again is safe.")] = None


class FeedbackAnswer(Struct, frozen=True):
    """Whether it is new. What is accepted is on disk."""

    accepted: int
    duplicates: int


class ExperimentAnswer(Struct, frozen=True):
    """An experiment and where it stands."""

    name: str
    state: Annotated[str, Meta(description="draft, running or stopped")]
    definition: dict[str, Any]
    created: float
    started: float | None = None
    stopped: float | None = None
    step: Annotated[int, Meta(description="Where it stands on its ramp, from 0.")] = 0
    stepped: Annotated[float | None, Meta(description="When that step began.")] = None


class Revision(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be another in the next version of an experiment."""

    changes: Annotated[dict[str, Any], Meta(min_length=1, description="Settings and their new values.")]


class StepAnswer(Struct, frozen=True):
    """What became of the ramp."""

    move: Annotated[str, Meta(description="stay, widen or stop")]
    share: Annotated[float, Meta(description="Of the units that take part from now on.")]
    sentence: Annotated[str, Meta(description="Why.")]
    due: Annotated[float | None, Meta(description="When the step ends; null for the last one.")] = None


class ExperimentsAnswer(Struct, frozen=True):
    """Every experiment, oldest first."""

    experiments: tuple[ExperimentAnswer, ...]


class ReadoutAnswer(Struct, frozen=True):
    """What an experiment shows so far."""

    verdict: Annotated[
        str,
        Meta(
            description="ship, roll_back, keep_running, inconclusive or invalid; of interleaving prefer, keep_running, "
            "no_preference or invalid"
        ),
    ]
    sentence: Annotated[str, Meta(description="The decision in words.")]
    facts: tuple[str, ...]
    treatment: Annotated[
        str,
        Meta(description="The variant that is shipped or rolled back, or the policy preferred; empty where none is."),
    ]
    paragraph: Annotated[str, Meta(description="For people who read nothing else.")]
    readout: Annotated[
        dict[str, Any],
        Meta(
            description="Users, checks, values, comparisons, guardrails, lifts, segments, details, beliefs and bandits."
        ),
    ]
    scorecard: Annotated[
        dict[str, Any] | None, Meta(description="What decides first of what users went through; null where unread.")
    ] = None
    experience: Annotated[
        dict[str, Any] | None,
        Meta(
            description="The whole catalogue against each control, fairness between groups of users and to kinds of "
            "items, all slates together, the health of the log; null where nothing may be read."
        ),
    ] = None
    findings: Annotated[
        dict[str, Any] | None, Meta(description="Where it hurts, as POST /v1/ux/problems says it; null where unread.")
    ] = None


class HoldoutAnswer(Struct, frozen=True):
    """Held-out users against everybody else."""

    sentence: Annotated[str, Meta(description="What all that was launched did together, in words.")]
    facts: tuple[str, ...]
    holdout: Annotated[
        dict[str, Any], Meta(description="Who is held out (share, salt, policy), since when, and the whole readout.")
    ]


class LogAnswer(Struct, frozen=True):
    """The decisions on an experiment, oldest first."""

    decisions: Annotated[
        tuple[dict[str, Any], ...], Meta(description="Who decided what, when, on which data, and what was done.")
    ]


class ReleaseAnswer(Struct, frozen=True):
    """A release, and whether it is the one in use."""

    name: str
    active: bool
    created: float
    checksum: str


class Forced(Struct, frozen=True, forbid_unknown_fields=True):
    """Why a release is to answer though its gate is shut."""

    reason: Annotated[str, Meta(min_length=1, max_length=1000, description="Written into the audit log.")]


class ReleasesAnswer(Struct, frozen=True):
    """Every release, oldest first."""

    releases: tuple[ReleaseAnswer, ...]


class HealthAnswer(Struct, frozen=True, omit_defaults=True):
    """Whether the service lives, or is ready."""

    status: str
    release: str | UnsetType = UNSET


class Problem(Struct, frozen=True, omit_defaults=True):
    """What went wrong (RFC 9457). ``detail`` says what was given, what is allowed, and what to do."""

    type: str
    title: str
    status: int
    detail: str
    request: Annotated[str, Meta(description="The id of the request, as in the log.")] = ""
    rejected: tuple[Rejected, ...] = ()
