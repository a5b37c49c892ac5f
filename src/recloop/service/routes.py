"""The one table of routes. Routing, access, parsing and the OpenAPI description all come from it."""

import asyncio
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from recloop.app.experiments import Experiments
from recloop.app.servable import NotReadyError, Servable
from recloop.compose.failed import FAILED
from recloop.compose.search import Found
from recloop.compose.slots import slots_of
from recloop.errors import RecloopError
from recloop.experiments import Experiment
from recloop.experiments.definition import NONE
from recloop.language.steer import parse as parse_steer
from recloop.service import body
from recloop.service.access import PUBLIC
from recloop.service.attacks import ATTACKS
from recloop.service.experience import EXPERIENCE
from recloop.service.people import PEOPLE
from recloop.service.persons import PERSONS
from recloop.service.problems import RejectedError
from recloop.service.route import Call, Page, Route
from recloop.store.experiments import ExperimentRecord
from recloop.store.releases import ReleaseRecord
from recloop.types import Decision, Event, Feedback, Request
from recloop.wire import (
    EventsAnswer,
    EventsRequest,
    ExperimentAnswer,
    ExperimentsAnswer,
    FeedbackAnswer,
    FeedbackRequest,
    Forced,
    FoundItem,
    HealthAnswer,
    HoldoutAnswer,
    ItemsAnswer,
    LogAnswer,
    LooseEvents,
    NewEvent,
    PolicyStep,
    ReadoutAnswer,
    RecommendAnswer,
    RecommendedItem,
    RecommendRequest,
    Rejected,
    ReleaseAnswer,
    ReleasesAnswer,
    Revision,
    SearchAnswer,
    SearchRequest,
    SimilarRequest,
    StepAnswer,
    SurveyQuestion,
    UnusualTimes,
)


class Batch(NamedTuple):
    """The events of a batch that are well formed, with their places, and those that are not."""

    places: list[int]
    events: list[Event]
    rejected: list[Rejected]


# ---- slates


async def recommend(call: Call) -> RecommendAnswer:
    """A slate for a user."""
    wish: RecommendRequest = call.body
    user = wish.user or ""
    decision = await call.serving.recommend(
        Request(
            user=wish.user,
            history=tuple(Event(user, e.item, e.kind, e.time, e.value, e.id) for e in wish.history),
            k=wish.k,
            candidates=wish.candidates,
            exclude=wish.exclude,
            where=wish.where,
            surface=wish.surface,
            profile=wish.profile,
            context=wish.context,
            time=wish.time,
            steer=wish.steer,
            strength=wish.strength,
            explain=wish.explain,
            session=wish.session,
            force=wish.force,
        )
    )
    if decision.fallback:
        call.observed.fallbacks.labels(decision.policy).inc()
    if not decision.items and decision.policy != NONE:
        call.observed.empty.inc()
    slots = slots_of(decision.details) or [""] * len(decision.items)
    moved: Sequence[tuple[PolicyStep, ...]] = [()] * len(decision.items)
    if "steps" in decision.details:
        moved = msgspec.convert(decision.details["steps"], list[tuple[PolicyStep, ...]])
    return RecommendAnswer(
        decision=decision.id,
        items=tuple(
            RecommendedItem(
                entry.item, entry.score, entry.source, entry.reason, entry.because, entry.words, slot, steps
            )
            for entry, slot, steps in zip(decision.items, slots, moved, strict=True)
        ),
        policy=decision.policy,
        release=decision.release,
        experiment=decision.experiment,
        variant=decision.variant,
        fallback=decision.fallback,
        failed=decision.details.get(FAILED, UNSET) if wish.explain else UNSET,
        steer=parse_steer(call.serving.door.text(wish.steer)).said() if wish.steer else (),
        forced=decision.forced,
        survey=_question(call, decision),
    )


def _question(call: Call, decision: Decision) -> SurveyQuestion | UnsetType:
    asked = call.serving.engine.survey
    if asked is None or "survey" not in decision.details:
        return UNSET
    return SurveyQuestion(asked.instrument, asked.question, asked.low, asked.high, asked.labels)


async def similar_items(call: Call) -> ItemsAnswer:
    """Items like an item."""
    wish: SimilarRequest = call.body
    found, release = await call.serving.similar(call.path["item"], wish.k, wish.exclude, wish.where)
    return ItemsAnswer(_items(found, release), found.by, release.name)


async def search_items(call: Call) -> SearchAnswer:
    """Items that a sentence asks for."""
    wish: SearchRequest = call.body
    found, release = await call.serving.search(wish.text, wish.k, wish.exclude, wish.where)
    return SearchAnswer(_items(found, release), found.understood, found.by, release.name)


def _items(found: Found, release: Servable) -> tuple[FoundItem, ...]:
    best = zip(found.items.tolist(), found.scores.tolist(), strict=True)
    return tuple(FoundItem(release.items[item], score, release.titles[item]) for item, score in best)


def _testing(wish: RecommendRequest) -> str:
    return "experiments" if wish.force else ""


# ---- the log


async def add_events(call: Call) -> EventsAnswer:
    """Keep a batch of events; what is accepted is on disk."""
    batch: Batch = call.body
    appended, faults, times = await call.serving.add_events(batch.events)
    rejected = batch.rejected + [Rejected(batch.places[place], sentence) for place, sentence in faults]
    rejected.sort(key=lambda entry: entry.index)
    call.observed.took(appended.accepted, appended.duplicates, len(rejected), times)
    if len(rejected) == len(batch.events) + len(batch.rejected):
        raise RejectedError(tuple(rejected))
    unusual = UnusualTimes(*times) if any(times) else UNSET
    return EventsAnswer(appended.accepted, appended.duplicates, tuple(rejected), unusual)


async def add_page_events(call: Call) -> EventsAnswer:
    """Keep a batch of events that a page sends by itself; what is accepted is on disk."""
    return await add_events(call)


async def add_feedback(call: Call) -> FeedbackAnswer:
    """Keep a rating, a survey's answer, a thumb, a vote on a reason or a comment; it is on disk."""
    said: FeedbackRequest = call.body
    appended = await call.serving.add_feedback(
        Feedback(said.user, said.kind, said.time, said.value, said.text, said.item, said.decision, said.id)
    )
    call.observed.feedback.labels(said.kind).inc(appended.accepted)
    return FeedbackAnswer(*appended)


_strict = msgspec.json.Decoder(EventsRequest)
_loose = msgspec.json.Decoder(LooseEvents)
_single = msgspec.json.Decoder(NewEvent)


def parse_events(raw: bytes) -> Batch:
    """A batch; where one event is not valid, the others still are."""
    try:
        found = _strict.decode(raw).events
        return Batch(list(range(len(found))), [_event(event) for event in found], [])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        loose = body.decode(_loose, raw).events  # one event is wrong, and this looks at each; or it tells what is
    batch = Batch([], [], [])
    for place, one in enumerate(loose):
        try:
            batch.events.append(_event(body.decode(_single, one, "event")))
            batch.places.append(place)
        except RecloopError as error:
            batch.rejected.append(Rejected(place, str(error)))
    return batch


def _event(event: NewEvent) -> Event:
    return Event(event.user, event.item, event.kind, event.time, event.value, event.id, event.decision)


# ---- experiments


async def list_experiments(call: Call) -> ExperimentsAnswer:
    """Every experiment, oldest first."""
    return ExperimentsAnswer(tuple(map(_experiment, await asyncio.to_thread(call.serving.experiments.all))))


async def create_experiment(call: Call) -> ExperimentAnswer:
    """Define an experiment; it waits as a draft."""
    create = call.serving.experiments.create
    return _experiment(await asyncio.to_thread(create, call.body, actor=call.actor))


async def start_experiment(call: Call) -> ExperimentAnswer:
    """Start an experiment: from now on its units get their variants."""
    start = call.serving.experiments.start
    return _experiment(await asyncio.to_thread(start, call.path["name"], actor=call.actor))


async def stop_experiment(call: Call) -> ExperimentAnswer:
    """Stop an experiment: from now on its users get the default policy."""
    stop = call.serving.experiments.stop
    return _experiment(await asyncio.to_thread(stop, call.path["name"], actor=call.actor))


async def revise_experiment(call: Call) -> ExperimentAnswer:
    """Make the next version of an experiment; it waits as a draft."""
    revise = call.serving.experiments.revise
    return _experiment(await asyncio.to_thread(revise, call.path["name"], call.body.changes, actor=call.actor))


async def step_experiment(call: Call) -> StepAnswer:
    """Move an experiment on its ramp if the step is over: wider, or stopped on harm."""
    found = await asyncio.to_thread(call.serving.experiments.step, call.path["name"], actor=call.actor)
    return StepAnswer(found.move, found.share, found.sentence, found.due if math.isfinite(found.due) else None)


async def read_out(call: Call) -> ReadoutAnswer:
    """What an experiment shows so far, with the decision as a sentence."""
    return await asyncio.to_thread(_read_out, call.serving.experiments, call.path["name"])


def _read_out(experiments: Experiments, name: str) -> ReadoutAnswer:
    if experiments.is_interleaving(name):
        readout, verdict = experiments.read_out(name)
        told = verdict.verdict, verdict.sentence, verdict.facts, verdict.treatment, verdict.paragraph
        return ReadoutAnswer(*told, readout.to_dict())
    trial = experiments.trial(name)
    one = trial.verdict
    told = one.verdict, one.sentence, one.facts, one.treatment, one.paragraph
    card = trial.scorecard.to_dict() if trial.scorecard else None
    whole = trial.experience.to_dict() if trial.experience else None
    findings = trial.problems.to_dict() if trial.problems else None
    return ReadoutAnswer(*told, trial.readout.to_dict(), card, whole, findings)


async def read_holdout(call: Call) -> HoldoutAnswer:
    """What all that was launched did together: everybody against the users that an experiment holds out."""
    found = await asyncio.to_thread(call.serving.experiments.read_holdout, call.path["name"])
    return HoldoutAnswer(found.sentence, found.facts, found.to_dict())


async def experiment_log(call: Call) -> LogAnswer:
    """Who or what decided on an experiment, when, and on which data."""
    entries = await asyncio.to_thread(call.serving.experiments.log, call.path["name"])
    return LogAnswer(tuple(entry.to_dict() for entry in entries))


def parse_object(raw: bytes) -> dict[str, Any]:
    """A JSON object whose fields are looked at later."""
    found: dict[str, Any] = body.decode(_object, raw)
    return found


_object = msgspec.json.Decoder(dict[str, Any])


def _experiment(record: ExperimentRecord) -> ExperimentAnswer:
    return ExperimentAnswer(**record._asdict())


# ---- releases


async def list_releases(call: Call) -> ReleasesAnswer:
    """Every release, oldest first."""
    return ReleasesAnswer(tuple(map(_release, await asyncio.to_thread(call.serving.releases.all))))


async def promote_release(call: Call) -> ReleaseAnswer:
    """Answer from a release from now on; no request is dropped."""
    promote = call.serving.releases.promote
    return _release(await asyncio.to_thread(promote, call.path["name"], actor=call.actor))


async def force_release(call: Call) -> ReleaseAnswer:
    """Answer from a release though its gate is shut; the reason is written into the audit log."""
    promote, why = call.serving.releases.promote, call.body.reason
    return _release(await asyncio.to_thread(promote, call.path["name"], actor=call.actor, force=True, reason=why))


async def rollback_release(call: Call) -> ReleaseAnswer:
    """Answer from the release before this one; no request is dropped."""
    return _release(await asyncio.to_thread(call.serving.releases.rollback, actor=call.actor))


def _release(record: ReleaseRecord) -> ReleaseAnswer:
    return ReleaseAnswer(record.name, record.active, record.created, record.checksum)


# ---- health


async def live(_call: Call) -> HealthAnswer:
    """The process runs."""
    return HealthAnswer("live")


async def ready(call: Call) -> HealthAnswer:
    """A release is loaded and the store takes writes: slates can be asked for."""
    if lacking := await call.serving.lacking():
        raise NotReadyError(lacking.rstrip("."))
    release = call.serving.engine.release
    assert release is not None
    return HealthAnswer("ready", release.name)


async def metrics(call: Call) -> Page:
    """The service's own figures, as Prometheus reads them."""
    return Page(call.observed.text(), "text/plain; version=0.0.4; charset=utf-8")


ROUTES = (
    Route(
        "POST",
        "/v1/recommend",
        "recommend",
        recommend,
        RecommendAnswer,
        RecommendRequest,
        errors=(429, 503),
        also=_testing,
    ),
    Route(
        "POST",
        "/v1/items/{item}/similar",
        "recommend",
        similar_items,
        ItemsAnswer,
        SimilarRequest,
        errors=(404, 503),
    ),
    Route("POST", "/v1/search", "recommend", search_items, SearchAnswer, SearchRequest, errors=(500, 503)),
    Route(
        "POST",
        "/v1/events",
        "events",
        add_events,
        EventsAnswer,
        EventsRequest,
        status=202,
        errors=(429, 503),
        parse=parse_events,
    ),
    Route(
        "POST",
        "/v1/beacon",
        "events",
        add_page_events,
        EventsAnswer,
        EventsRequest,
        status=202,
        errors=(429, 503),
        parse=parse_events,
        from_page=True,
    ),
    Route(
        "POST", "/v1/feedback", "events", add_feedback, FeedbackAnswer, FeedbackRequest, status=202, errors=(429, 503)
    ),
    Route("GET", "/v1/experiments", "experiments", list_experiments, ExperimentsAnswer),
    Route(
        "POST",
        "/v1/experiments",
        "experiments",
        create_experiment,
        ExperimentAnswer,
        Experiment,
        status=201,
        errors=(409,),
        parse=parse_object,
    ),
    Route("POST", "/v1/experiments/{name}/start", "experiments", start_experiment, ExperimentAnswer, errors=(404, 409)),
    Route("POST", "/v1/experiments/{name}/stop", "experiments", stop_experiment, ExperimentAnswer, errors=(404, 409)),
    Route(
        "POST",
        "/v1/experiments/{name}/revise",
        "experiments",
        revise_experiment,
        ExperimentAnswer,
        Revision,
        status=201,
        errors=(404, 409),
    ),
    Route("POST", "/v1/experiments/{name}/step", "experiments", step_experiment, StepAnswer, errors=(404, 409)),
    Route("GET", "/v1/experiments/{name}/readout", "experiments", read_out, ReadoutAnswer, errors=(404,)),
    Route("GET", "/v1/experiments/{name}/holdout", "experiments", read_holdout, HoldoutAnswer, errors=(404, 422)),
    Route("GET", "/v1/experiments/{name}/log", "experiments", experiment_log, LogAnswer, errors=(404,)),
    Route("GET", "/v1/releases", "releases", list_releases, ReleasesAnswer),
    Route("POST", "/v1/releases/{name}/promote", "releases", promote_release, ReleaseAnswer, errors=(404, 409, 500)),
    Route("POST", "/v1/releases/{name}/force", "releases", force_release, ReleaseAnswer, Forced, errors=(404, 500)),
    Route("POST", "/v1/releases/rollback", "releases", rollback_release, ReleaseAnswer, errors=(409, 500)),
    *PEOPLE,
    *PERSONS,
    *ATTACKS,
    *EXPERIENCE,
    Route("GET", "/health/live", PUBLIC, live, HealthAnswer),
    Route("GET", "/health/ready", PUBLIC, ready, HealthAnswer, errors=(503,)),
    Route("GET", "/metrics", "metrics", metrics, Page),
)
