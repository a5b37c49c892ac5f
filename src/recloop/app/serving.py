"""Everything that the service can be asked to do, once, without HTTP."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import NamedTuple

from numpy.typing import ArrayLike

from recloop.app.admission import Times, complete, fault, times
from recloop.app.attacks import Attacks, find_attacks
from recloop.app.batches import Batches
from recloop.app.door import Door
from recloop.app.engine import Engine
from recloop.app.experiments import Experiments
from recloop.app.finder import Answered, Finder
from recloop.app.learning import Learning
from recloop.app.overrides import OverrideWish, add_override
from recloop.app.person import Erased, Person, erase_person, export_person
from recloop.app.problems import Wish, problems_in_store
from recloop.app.releases import Load, Releases
from recloop.app.reviews import take_report
from recloop.app.watch import Watch
from recloop.compose.reasons import Phrase
from recloop.errors import SettingError, StoreError
from recloop.experience.problems import Problems, Settings
from recloop.experience.surveys import Survey
from recloop.store import Appended, Store
from recloop.store.hot import Hot
from recloop.store.ids import new_id
from recloop.store.overrides import Override
from recloop.store.writer import PENDING
from recloop.types import Decision, Event, Feedback, ItemCondition, Request

PROBE = 2.0  # seconds in which the store must take a write for the service to be ready
BELIEVED = 1.0  # seconds for which a write that went well is believed
FULL = 0.9  # of the rows that may wait: beyond it others are to be asked


class Taken(NamedTuple):
    """What became of a batch of events: counts, those that were not kept (places and why), unusual times."""

    appended: Appended
    faults: list[tuple[int, str]]
    times: Times


class Serving:
    """The use cases of a running service.

    Args:
        store: what survives.
        engine: what answers.
        releases: which model answers.
        experiments: who gets which variant.
        door: what is done to all that comes in; by default texts are masked.
        clock: seconds since 1970.
        ids: makes the id of an event that comes without one.
        quarantine: whether bandits learn nothing from what looks like an attack.
        beside: makes slates, where that asks other machines; None makes them in the event loop.
    """

    def __init__(
        self,
        store: Store,
        engine: Engine,
        releases: Releases,
        experiments: Experiments,
        *,
        door: Door | None = None,
        clock: Callable[[], float] = time.time,
        ids: Callable[[], str] = new_id,
        quarantine: bool = False,
        beside: Executor | None = None,
    ) -> None:
        self.door = door or Door()
        self.store = store
        self.engine = engine
        self.releases = releases
        self.experiments = experiments
        self._finder = Finder(engine)
        self._batches = Batches(engine.submit_all, lambda: engine.watch.stage("store"), beside=beside)
        self._learning = Learning(store, engine, quarantine=quarantine, clock=clock)
        self._clock = clock
        self._ids = ids
        self._proved = float("-inf")
        self._erased = store.erasure.times()

    def close(self) -> None:
        """Let go of what makes slates; nobody asks any more."""
        self._batches.close()

    def follow(self) -> None:
        """Take over what other processes have changed in the store: the active release, the running experiments.

        Raises:
            ArtifactError: the release that became active is damaged; what was loaded goes on.
        """
        self.releases.follow()
        self.experiments.follow()
        self.engine.overrides.follow()
        if (erased := self.store.erasure.times()) != self._erased:
            self._erased = erased
            self.engine.forget()  # another process erased somebody, and does not say whom

    def follow_ramps(self) -> None:
        """Widen or stop the experiments of which a step of the ramp is over."""
        self.experiments.follow_ramps()

    def follow_outcomes(self) -> None:
        """Let the release's policies learn from what came of their decisions."""
        self._learning.follow()

    async def recommend(self, request: Request) -> Decision:
        """A slate, as a decision that is on disk when it is given.

        Raises:
            SettingError: its time is wrong.
            NotReadyError: there is no release.
        """
        if sentence := fault(request, self._clock()):
            raise SettingError(sentence)
        request = self.door.request(request)
        # an explanation takes as long as dozens of slates: others are served meanwhile
        if request.explain:
            decision, durable = await asyncio.to_thread(self.engine.submit, request)
            with self.engine.watch.stage("store"):
                await asyncio.wrap_future(durable)
            return decision
        return await self._batches.ask(request)

    async def similar(
        self, item: str, k: int, exclude: Sequence[str] = (), where: Mapping[str, ItemCondition] | None = None
    ) -> Answered:
        """The items most like an item, see ``Finder.similar``."""
        return await asyncio.to_thread(self._finder.similar, item, k, exclude, where or {})

    async def search(
        self, text: str, k: int, exclude: Sequence[str] = (), where: Mapping[str, ItemCondition] | None = None
    ) -> Answered:
        """The items that a sentence asks for, see ``Finder.search``."""
        return await asyncio.to_thread(self._finder.search, text, k, exclude, where or {})

    async def add_events(self, events: Sequence[Event]) -> Taken:
        """Keep the events that can be kept, and tell of the others: their places and why.

        What is accepted is on disk, and changes the next slate of its user.
        """
        now = self._clock()
        faults = [(place, sentence) for place, event in enumerate(events) if (sentence := fault(event, now))]
        wrong = {place for place, _ in faults}
        good = [
            complete(self.door.event(event), now, self._ids) for place, event in enumerate(events) if place not in wrong
        ]
        if not good:
            return Taken(Appended(0, 0), faults, times(events, now))
        watch = self.engine.watch
        with watch.stage("store"):
            appended = await asyncio.wrap_future(self.store.submit_events(good))
        watch.came(now - min(event.time for event in good if event.time is not None))
        out_of_order = self.engine.observe(good)
        if appended.duplicates:  # what the store holds under these ids may be something else
            for user in {event.user for event in good}:
                self.engine.forget(user)
        return Taken(appended, faults, times(events, now)._replace(out_of_order=out_of_order))

    async def add_feedback(self, said: Feedback) -> Appended:
        """Keep a rating, a survey's answer, a thumb, a vote on a reason or a comment.

        Raises:
            SettingError: it lacks what its kind needs, or its time is wrong.
        """
        if sentence := fault(said, self._clock()):
            raise SettingError(sentence)
        with self.engine.watch.stage("store"):
            return await asyncio.wrap_future(self.store.submit_feedback([self.door.feedback(said)]))

    def export_person(self, user: str) -> Person:
        """All that is kept of one person, by the id that callers use."""
        return export_person(self.store, self.door.user(user))

    def erase_person(self, user: str, *, actor: str = "") -> Erased:
        """Erase all that is kept of one person, by the id that callers use; the next slate knows nothing of it.

        Raises:
            StoreError: something of the user came in meanwhile.
        """
        kept_as = self.door.user(user)
        try:
            return erase_person(self.store, kept_as, actor=actor)
        finally:
            self.engine.forget(kept_as)

    def now(self) -> float:
        """Seconds since 1970, by the service's clock."""
        return self._clock()

    def add_override(self, wish: OverrideWish, *, actor: str = "") -> Override:
        """Put something over the policies from the next request on: see ``add_override``."""
        made = add_override(self.store, wish, self.engine.release, now=self._clock(), actor=actor)
        self.engine.overrides.follow()
        return made

    def review_problems(self, *, actor: str = "") -> Problems:
        """Look for problems in the log, and bring what was found into the review queue.

        Raises:
            DataError: the data cannot be trusted or are too few, and the queue stays as it is.
        """
        now = self._clock()
        last = self.store.last_decision()
        until = now if last is None else min(now, last + 1.0)
        found = problems_in_store(self.store, Wish(), until, sentiment=self.experiments.sentiment)
        take_report(self.store, found.to_dict(), actor=actor)
        return found

    def end_override(self, name: str, *, actor: str = "") -> Override:
        """Take an override back.

        Raises:
            MissingError: there is none of that id.
            ConflictError: it does not hold any more.
        """
        ended = self.store.overrides.end(name, actor=actor)
        self.engine.overrides.follow()
        return ended

    def find_attacks(self) -> Attacks:
        """Bursts in the last days of the log that look made."""
        return find_attacks(self.store, self._clock())

    def find_problems(
        self,
        experiment: str,
        treatment: str,
        control: str,
        days: float,
        *,
        dimensions: tuple[str, ...] | None,
        metrics: tuple[str, ...] | None,
    ) -> Problems:
        """Where users were served worse; see ``recloop.experience.find_problems``."""
        settings = Settings(dimensions=dimensions, metrics=metrics)
        wish = Wish(experiment, treatment, control, days, settings)
        return problems_in_store(self.store, wish, self._clock(), sentiment=self.experiments.sentiment)

    async def lacking(self) -> str:
        """What keeps the service from answering, as a sentence; empty where it is ready.

        Everybody may ask, so a write that went well is believed for a second.
        """
        if self.engine.release is None:
            return "No release is active. Promote one: POST /v1/releases/{name}/promote."
        if (waiting := self.store.pending) > FULL * PENDING:
            return f"{waiting} rows wait to be written, and {PENDING} may wait at most."
        if time.monotonic() - self._proved < BELIEVED:
            return ""
        try:
            await asyncio.wait_for(asyncio.wrap_future(self.store.probe()), PROBE)
        except TimeoutError:
            return f"The store did not take a write within {PROBE:.0f} seconds."
        except StoreError as error:
            return str(error)
        self._proved = time.monotonic()
        return ""


def open_serving(
    store: Store,
    load: Load,
    *,
    seed: int | None = None,
    door: Door | None = None,
    clock: Callable[[], float] = time.time,
    ids: Callable[[], str] = new_id,
    sentiment: Callable[[Sequence[str]], ArrayLike] | None = None,
    phrase: Callable[[Sequence[str]], Phrase] | None = None,
    watch: Watch | None = None,
    hot: Hot | None = None,
    survey: Survey | None = None,
    quarantine: bool = False,
) -> Serving:
    """The use cases over a store, warm: its active release is loaded and has answered once.

    Args:
        store: what survives.
        load: a release's folder to the release.
        seed: of the policies' randomness.
        door: what is done to all that comes in; by default texts are masked.
        clock: seconds since 1970.
        ids: makes ids of decisions and events.
        sentiment: texts to numbers in [-1, 1], for readouts.
        phrase: from a release's titles to what says the reasons of a slate (``recloop.compose.reasons.by_model``); None
            for a template.
        watch: told how long each stage of a request took.
        hot: what is shared with other services on the same store; None where this one is alone.
        survey: the question that some slates carry; None for none.
        quarantine: whether bandits learn nothing from what looks like an attack.
    """
    engine = Engine(store, seed=seed, clock=clock, ids=ids, phrase=phrase, watch=watch, hot=hot, survey=survey)
    serving = Serving(
        store,
        engine,
        Releases(store, engine, load, clock),
        Experiments(store, engine, clock=clock, sentiment=sentiment),
        door=door,
        clock=clock,
        ids=ids,
        quarantine=quarantine,
        beside=ThreadPoolExecutor(1, "recloop-batches") if store.remote or hot is not None else None,
    )
    serving.follow()
    return serving
