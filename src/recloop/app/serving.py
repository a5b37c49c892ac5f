"""Everything that the service can be asked to do, once, without HTTP."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from numpy.typing import ArrayLike

from recloop.app.admission import Times, complete, fault, times
from recloop.app.engine import Engine
from recloop.app.experiments import Experiments
from recloop.app.learning import Learning
from recloop.app.releases import Load, Releases
from recloop.compose.reasons import Phrase
from recloop.errors import SettingError, StoreError
from recloop.store import Appended, Store
from recloop.store.hot import Hot
from recloop.store.ids import new_id
from recloop.types import Decision, Event, Feedback, Request

PROBE = 2.0  # seconds in which the store must take a write for the service to be ready


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
        clock: seconds since 1970.
        ids: makes the id of an event that comes without one.
    """

    def __init__(
        self,
        store: Store,
        engine: Engine,
        releases: Releases,
        experiments: Experiments,
        *,
        clock: Callable[[], float] = time.time,
        ids: Callable[[], str] = new_id,
    ) -> None:
        self.store = store
        self.engine = engine
        self.releases = releases
        self.experiments = experiments
        self._learning = Learning(store, engine)
        self._clock = clock
        self._ids = ids

    def follow(self) -> None:
        """Take over what other processes have changed in the store: the active release, the running experiments.

        Raises:
            ArtifactError: the release that became active is damaged; what was loaded goes on.
        """
        self.releases.follow()
        self.experiments.follow()

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
        # an explanation takes as long as dozens of slates: others are served meanwhile
        submit = self.engine.submit
        decision, durable = await asyncio.to_thread(submit, request) if request.explain else submit(request)
        await asyncio.wrap_future(durable)
        return decision

    async def add_events(self, events: Sequence[Event]) -> Taken:
        """Keep the events that can be kept, and tell of the others: their places and why.

        What is accepted is on disk, and changes the next slate of its user.
        """
        now = self._clock()
        faults = [(place, sentence) for place, event in enumerate(events) if (sentence := fault(event, now))]
        wrong = {place for place, _ in faults}
        good = [complete(event, now, self._ids) for place, event in enumerate(events) if place not in wrong]
        if not good:
            return Taken(Appended(0, 0), faults, times(events, now))
        appended = await asyncio.wrap_future(self.store.submit_events(good))
        out_of_order = self.engine.observe(good)
        return Taken(appended, faults, times(events, now)._replace(out_of_order=out_of_order))

    async def add_feedback(self, said: Feedback) -> Appended:
        """Keep a rating, a survey's answer or a comment.

        Raises:
            SettingError: it lacks what its kind needs, or its time is wrong.
        """
        if sentence := fault(said, self._clock()):
            raise SettingError(sentence)
        return await asyncio.wrap_future(self.store.submit_feedback([said]))

    async def lacking(self) -> str:
        """What keeps the service from answering, as a sentence; empty where it is ready."""
        if self.engine.release is None:
            return "No release is active. Promote one: POST /v1/releases/{name}/promote."
        try:
            await asyncio.wait_for(asyncio.wrap_future(self.store.probe()), PROBE)
        except TimeoutError:
            return f"The store did not take a write within {PROBE:.0f} seconds."
        except StoreError as error:
            return str(error)
        return ""


def open_serving(
    store: Store,
    load: Load,
    *,
    seed: int | None = None,
    clock: Callable[[], float] = time.time,
    ids: Callable[[], str] = new_id,
    sentiment: Callable[[Sequence[str]], ArrayLike] | None = None,
    phrase: Callable[[Sequence[str]], Phrase] | None = None,
    hot: Hot | None = None,
) -> Serving:
    """The use cases over a store, warm: its active release is loaded and has answered once.

    Args:
        store: what survives.
        load: a release's folder to the release.
        seed: of the policies' randomness.
        clock: seconds since 1970.
        ids: makes ids of decisions and events.
        sentiment: texts to numbers in [-1, 1], for readouts.
        phrase: from a release's titles to what says the reasons of a slate (``recloop.compose.reasons.by_model``); None
            for a template.
        hot: what is shared with other services on the same store; None where this one is alone.
    """
    engine = Engine(store, seed=seed, clock=clock, ids=ids, phrase=phrase, hot=hot)
    serving = Serving(
        store,
        engine,
        Releases(store, engine, load),
        Experiments(store, engine, clock=clock, sentiment=sentiment),
        clock=clock,
        ids=ids,
    )
    serving.follow()
    engine.warm()
    return serving
