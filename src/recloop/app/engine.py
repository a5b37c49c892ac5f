"""The serving engine: a request in, a decision out. No HTTP."""

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from recloop.app.answering import Answering, Mixed, plainly
from recloop.app.news import News
from recloop.app.overlay import Overlay
from recloop.app.overrides import Overrides
from recloop.app.recent import Recent
from recloop.app.servable import NotReadyError, Servable
from recloop.app.shared_recent import SharedRecent
from recloop.app.steps import with_steps
from recloop.app.watch import Unwatched, Watch
from recloop.compose.budget import awaited
from recloop.compose.business.effects import measured_rules
from recloop.compose.failed import FAILED
from recloop.compose.policy import Choices, Policy, State
from recloop.compose.reasons import Phrase
from recloop.compose.rules import Rules
from recloop.data.histories import Histories
from recloop.data.kinds import Kinds
from recloop.data.vocabulary import Vocabulary
from recloop.errors import MissingError, SettingError, nearest
from recloop.experience.surveys import Survey
from recloop.experiments.definition import NONE
from recloop.experiments.interleaving import Interleaving
from recloop.experiments.targeting import attributes
from recloop.language.steer import parse as parse_steer
from recloop.store import Appended, Store
from recloop.store.hot import Hot
from recloop.store.ids import new_id
from recloop.types import Decision, Event, Request


class Assignment(NamedTuple):
    """Which variant of which experiment a request is in, and the policy that it means; ``forced`` where by hand."""

    experiment: str
    variant: str
    policy: str
    forced: bool = False


Assign = Callable[[Request], Assignment | None]
"""From a request that has its id and its time to what it gets."""


def unassigned(request: Request) -> Assignment | None:
    """The assignment while no experiment runs.

    Raises:
        SettingError: the request asks for a variant of one.
    """
    for name in request.force:
        raise SettingError(
            f"no experiment '{name}' runs", allowed="none runs now", advice="start it, or leave force out"
        )
    return None


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request on its way to a decision.

    Attributes:
        request: with its time, its id and the whole history.
        rules: what may be shown.
        decision: without its slate.
        overlay: what people put over the policy; None where nothing holds.
    """

    request: Request
    rules: Rules
    decision: Decision
    overlay: Overlay | None = None

    @property
    def alone(self) -> bool:
        """Whether it is scored by itself: an order or a list of its own costs a score for every item."""
        return self.request.explain or self.rules.candidates is not None or self.rules.steering is not None

    @property
    def like(self) -> Hashable:
        """What is the same for requests that are scored together."""
        return self.decision.policy, self.request.k, id(self.rules.allowed), id(self.overlay)


class Engine:
    """Answers requests from a release and the freshest histories, and keeps every decision.

    Many threads may call it. ``switch`` and ``run_experiment`` take effect between two requests.

    Args:
        store: where histories come from and decisions go.
        release: what answers; None until the first one is switched to.
        seed: of the policies' randomness.
        clock: seconds since 1970.
        ids: makes the id of each decision.
        history_limit: events of a user that count, at most.
        users: users whose histories are kept in memory.
        phrase: from a release's titles to what says the facts of a slate; None for a template. Where it fails, the
            template takes its place.
        watch: told how long each stage took.
        hot: what is shared with other services; None where this one is alone.
        survey: the question that some slates carry; None for none.

    Attributes:
        overrides: what people put over the policies.
    """

    def __init__(
        self,
        store: Store,
        release: Servable | None = None,
        *,
        seed: int | np.random.SeedSequence | None = None,
        clock: Callable[[], float] = time.time,
        ids: Callable[[], str] = new_id,
        history_limit: int = 200,
        users: int = 50_000,
        phrase: Callable[[Sequence[str]], Phrase] | None = None,
        watch: Watch | None = None,
        hot: Hot | None = None,
        survey: Survey | None = None,
    ) -> None:
        self.survey = survey
        self.watch: Watch = watch or Unwatched()
        self.overrides = Overrides(store, clock=clock)
        self._store = store
        self._clock = clock
        self._ids = ids
        self._rng = np.random.default_rng(seed)
        self._assign: Assign = unassigned
        self._mixed: Mixed = {}
        self._phrase = phrase
        self._loaded: Answering | None = None
        self._recent = (
            Recent(store.histories, limit=history_limit, users=users, news=News(store).read)
            if hot is None
            else SharedRecent(store.histories, limit=history_limit, users=users, hot=hot)
        )
        if release is not None:
            self.switch(release)

    # ---- what it serves

    @property
    def release(self) -> Servable | None:
        """The release that answers now."""
        return self._loaded.release if self._loaded else None

    def switch(self, release: Servable) -> None:
        """Answer from another release, once it is warm. Requests under way end with the one they began with.

        Raises:
            MissingError: its default policy is not among its policies.
        """
        if release.default_policy not in release.policies:
            raise MissingError(
                f"release '{release.name}' has no policy '{release.default_policy}'",
                advice=nearest(release.default_policy, release.policies),
            )
        states = {
            name: self._store.policy_states.get(release.name, name) or policy.initial_state()
            for name, policy in release.policies.items()
        }
        loaded = Answering(release, states, self._phrase(release.titles) if self._phrase else plainly, self._rng)
        loaded.check_states()
        self._warm(loaded)
        self._loaded = loaded

    def learn(self, policy: str, state: State) -> None:
        """Keep what a policy of the release has learned, and answer from it."""
        release = self._serving().release
        self._store.policy_states.put(release.name, policy, state)
        self.adopt(release, policy, state)

    def adopt(self, release: Servable, policy: str, state: State) -> None:
        """Answer from a state that is kept already; where another release answers by now, it is not of use."""
        loaded = self._serving()
        if loaded.release is release:
            self._loaded = replace(loaded, states={**loaded.states, policy: state})

    def run_experiment(self, assign: Assign) -> None:
        """Assign requests from now on with this function; ``unassigned`` ends it."""
        self._assign = assign

    def interleave(self, tests: Sequence[Interleaving]) -> None:
        """Mix the rankings of these tests' policies where an assignment names ``test.policy``; none ends it."""
        self._mixed = {test.policy: test for test in tests}

    # ---- the life of one request

    def recommend(self, request: Request) -> Decision:
        """The slate for a request, as a decision that is on disk when this returns.

        Raises:
            NotReadyError: there is no release.
            SettingError: the request is steered by a sentence, and the release cannot follow it; or it asks for
                attributes that the catalogue does not have.
            StoreError: the decision cannot be kept.
        """
        decision, durable = self.submit(request)
        durable.result()
        return decision

    def submit(self, request: Request) -> tuple[Decision, "Future[Appended]"]:
        """As ``recommend``, without waiting: the decision holds once the future is resolved."""
        decision = self.decide(request)
        return decision, self._store.submit_decisions([decision])

    def submit_all(self, requests: Sequence[Request]) -> tuple[list[Decision | Exception], "Future[Appended]"]:
        """As ``submit``, for requests that are answered and kept together."""
        decisions = self.decide_all(requests)
        return decisions, self._store.submit_decisions([one for one in decisions if isinstance(one, Decision)])

    def decide(self, request: Request) -> Decision:
        """The slate for a request, as a decision that nobody keeps."""
        (decision,) = self.decide_all([request])
        if isinstance(decision, Exception):
            raise decision
        return decision

    def decide_all(self, requests: Sequence[Request]) -> list[Decision | Exception]:
        """As ``decide``, for several requests: those that want the same of a policy are scored together.

        That takes a half to a third of the time, and changes slates by rounding at most. A request that cannot be
        answered gets what ``decide`` raises; the others do not feel it.
        """
        start = time.perf_counter()
        loaded = self._serving()
        answers: dict[int, Decision | Exception] = {}
        known: dict[int, _Asked] = {}
        for place, request in enumerate(requests):
            try:
                asked = self._asked(loaded, request)
                if asked.decision.policy == NONE:
                    answers[place] = self._asking(asked.decision, time.perf_counter() - start)
                else:
                    known[place] = asked
            except Exception as error:  # noqa: BLE001  it is this request's own
                answers[place] = error
        groups: dict[Hashable, list[tuple[int, _Asked]]] = {}
        for place, found in zip(known, self._remembered(list(known.values())), strict=True):
            if isinstance(found, Exception):
                answers[place] = found
                continue
            alone = found.alone or found.decision.policy in self._mixed
            groups.setdefault(place if alone else found.like, []).append((place, found))
        for members in groups.values():
            made = self._answers(loaded, [asked for _, asked in members])
            latency = time.perf_counter() - start
            for (place, _), answer in zip(members, made, strict=True):
                answers[place] = self._asking(answer, latency) if isinstance(answer, Decision) else answer
        return [answers[place] for place in range(len(requests))]

    def observe(self, events: Sequence[Event]) -> int:
        """Let events that the store has accepted change the next answers; how many came out of order."""
        return self._recent.add(events)

    def forget(self, user: str | None = None) -> None:
        """Let go of the history of one user, or of all; they are read from the store again."""
        self._recent.forget(user)

    # ---- below

    def _asking(self, decision: Decision, latency: float) -> Decision:
        """The decision with how long it took, and with the survey where this user's turn has come."""
        survey = self.survey
        if survey is None or not decision.items or not survey.asks(decision.user, decision.surface, decision.time):
            return structs.replace(decision, latency=latency)
        return structs.replace(decision, latency=latency, details={**decision.details, "survey": survey.told()})

    def _warm(self, loaded: Answering) -> None:
        """Answer requests that are not kept, so that no user waits for what loads or is built on first use."""
        release = loaded.release
        _ = release.nearest  # it takes seconds to make
        some = tuple(Event("", item, "", 0.0) for item in release.items.ids[:1])
        asked = [Request(user="", time=self._clock()), Request(user="", time=self._clock(), history=some)]
        histories = Histories.from_requests(asked, release.items, Kinds())
        for name, policy in release.policies.items():
            if not policy.asks_outside:
                with suppress(Exception):  # then it fails when it is asked, and a fallback answers
                    loaded.ask(name, histories, 10, self._rules(release, asked[0]), self._mixed)

    def _serving(self) -> Answering:
        if self._loaded is None:
            raise NotReadyError("no release is active", advice="promote one: POST /v1/releases/{name}/promote")
        return self._loaded

    def _rules(self, release: Servable, request: Request) -> Rules:
        """What the request allows; here, so that a wish that cannot be followed is told, not covered up."""
        candidates, exclude, steer = request.candidates, request.exclude, request.steer
        allowed = release.available & release.filters.mask(request.where) if request.where else release.available
        return Rules(
            allowed=None if allowed.all() else allowed,
            exclude=[_known(exclude, release.items)] if exclude else None,
            candidates=[_known(candidates, release.items)] if candidates is not None else None,
            steering=release.steerer.steering([parse_steer(steer, request.strength)]) if steer else None,
        )

    def _asked(self, loaded: Answering, request: Request) -> _Asked:
        """The request with all that is known of it but its history, and the decision that still lacks its slate."""
        now = self._clock() if request.time is None else request.time
        user = request.user or ""
        identity = self._ids()
        # each request has its own key: else a random policy would show a user the same slate every time
        keyed = structs.replace(request, time=now, id=request.id or identity)
        with self.watch.stage("assign"):
            assigned = self._assign(keyed)
        decision = Decision(
            id=identity,
            user=user,
            time=now,
            items=(),
            policy=assigned.policy if assigned else loaded.release.default_policy,
            experiment=assigned.experiment if assigned else "",
            variant=assigned.variant if assigned else "",
            release=loaded.release.name,
            surface=request.surface,
            session=request.session or "",
            forced=assigned.forced if assigned else False,
            context=attributes(request.profile, request.context),
        )
        rules = self._rules(loaded.release, request)
        held = self.overrides.matching(decision.surface, decision.context)
        overlay = self.overrides.overlay(held, loaded.release) if held else None
        return _Asked(keyed, rules, decision, overlay)

    def _remembered(self, asked: Sequence[_Asked]) -> Sequence[_Asked | Exception]:
        """The requests with their histories, read at once; one by one where that fails, so that each fails alone."""
        if not asked:
            return []
        try:
            with self.watch.stage("history"):
                histories = self._recent.histories([one.request for one in asked])
        except Exception as error:  # noqa: BLE001  told to whom it concerns
            return [error] if len(asked) == 1 else [self._remembered([one])[0] for one in asked]
        return [
            replace(one, request=structs.replace(one.request, history=history))
            for one, history in zip(asked, histories, strict=True)
        ]

    def _answers(self, loaded: Answering, group: Sequence[_Asked]) -> list[Decision | Exception]:
        """The decisions on requests that are alike."""
        first = group[0]
        release, wanted, k = loaded.release, first.decision.policy, first.request.k
        histories = Histories.from_requests([asked.request for asked in group], release.items, release.kinds)
        try:
            if len(group) == 1:
                with self.watch.stage("choose"), awaited():
                    name, choices = loaded.choose(wanted, histories, k, first.rules, first.overlay, self._mixed)
            else:
                excluded = [asked.rules.exclude[0] if asked.rules.exclude else () for asked in group]
                rules = replace(first.rules, exclude=excluded if any(map(len, excluded)) else None)
                with self.watch.stage("choose"), awaited():
                    name, choices = wanted, loaded.laid(wanted, histories, k, rules, first.overlay, self._mixed)
            with self.watch.stage("reasons"):
                slates = loaded.told(name, choices, histories, first.rules if first.request.explain else None)
        except Exception as error:  # noqa: BLE001  told to whom it concerns
            if len(group) == 1:
                return [error]
            return [answer for asked in group for answer in self._answers(loaded, [asked])]
        told: Sequence[Mapping[str, Any]] = choices.details or [{}] * len(choices)
        if first.request.explain:  # then it is alone
            with awaited():
                slates[0], details = with_steps(release.policies.get(name), choices, histories, first.rules, slates[0])
            told = [details]
        for propensity in choices.propensities.tolist():
            self.watch.chose(wanted, propensity)
        for details in told:
            for strategy in details.get(FAILED, ()):
                self.watch.failed(wanted, strategy)
            for rule, did in measured_rules(details):
                self.watch.ruled(wanted, rule, did["places"], did["exposure"])
        return [
            structs.replace(
                asked.decision,
                items=slate,
                arm=arm,
                propensity=float(propensity),
                allocation=allocation,
                fallback=name if name != wanted else fallback,
                details=details,
            )
            for asked, slate, arm, propensity, allocation, fallback, details in zip(
                group,
                slates,
                choices.arms,
                choices.propensities,
                _allocations(loaded.release.policies.get(name), choices),
                choices.fallbacks,
                told,
                strict=True,
            )
        ]


def _allocations(policy: Policy | None, choices: Choices) -> list[Mapping[str, float]]:
    """The chance that each arm had in each decision; empty where nothing was drawn."""
    if policy is None or choices.allocation is None:
        return [{} for _ in choices.arms]
    return [dict(zip(policy.arms, chances, strict=True)) for chances in choices.allocation.tolist()]


def _known(names: Sequence[str], items: Vocabulary) -> NDArray[np.int32]:
    """(m,) int32 indices of the items that the catalogue holds."""
    places = items.indices(names)
    return places[places >= 0]
