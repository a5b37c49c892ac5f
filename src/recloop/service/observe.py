"""What an operator sees: Prometheus metrics and one line of JSON per request. No user's id or text in either."""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TextIO

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from recloop.app.admission import Times
from recloop.app.watch import STAGES
from recloop.service.samples import Filed, Samples
from recloop.service.tracing import Traces

FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # read by the client library when it is imported

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
STAGE_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5)
TOLD = 0.05  # seconds after which a request stands in the log
LAGS = (1.0, 10.0, 60.0, 600.0, 3_600.0, 86_400.0, 604_800.0)
PROPENSITIES = (0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0)


class Observed:
    """The figures of one service, in a registry of its own; of several workers, the sums over all of them.

    Workers keep their figures in files of one folder, which the environment names (``FOLDER``). What a worker counted
    stays when it ends.

    Args:
        pending: how many rows wait for the store.
        release: which release answers, "" where none does.
        traces: where spans of stages go.
    """

    def __init__(
        self,
        pending: Callable[[], float],
        release: Callable[[], str] = lambda: "",
        traces: Traces | None = None,
    ) -> None:
        self.traces = traces or Traces()
        registry = self.registry = CollectorRegistry()
        kept = Filed if FOLDER in os.environ else Samples
        self._children: dict[tuple[str, str, int], tuple[Callable[[float], None], Callable[[], None]]] = {}
        self.latency = kept(
            "recloop_request_seconds", "Time from request to answer.", ("method", "route"), BUCKETS, registry
        )
        self.requests = Counter(
            "recloop_requests", "Requests answered.", ["method", "route", "status"], registry=registry
        )
        self.fallbacks = Counter(
            "recloop_fallbacks", "Slates in which something stood in for what failed.", ["policy"], registry=registry
        )
        self._failed = Counter(
            "recloop_strategy_failures",
            "Slates for which a strategy failed or was late, or the whole policy did.",
            ["policy", "strategy"],
            registry=registry,
        )
        self.empty = Counter("recloop_empty_slates", "Slates without any item.", registry=registry)
        self.events = Counter("recloop_events", "Events by what became of them.", ["outcome"], registry=registry)
        self.times = Counter(
            "recloop_event_times", "Events sent whose times are unusual, by what is.", ["what"], registry=registry
        )
        self._outcomes = {name: self.events.labels(name) for name in ("accepted", "duplicate", "rejected")}
        self._unusual = {name: self.times.labels(name) for name in Times._fields}
        self.feedback = Counter(
            "recloop_feedback", "Ratings, survey answers and comments kept.", ["kind"], registry=registry
        )
        stages = kept(
            "recloop_stage_seconds", "Time that one stage of a request took.", ("stage",), STAGE_BUCKETS, registry
        )
        self._stages = {name: stages.of(name) for name in STAGES}
        lags = kept(
            "recloop_event_lag_seconds", "Seconds from the oldest event of a batch to its arrival.", (), LAGS, registry
        )
        self._lag = lags.of()
        self._propensity = kept(
            "recloop_propensity",
            "Probabilities with which policies chose what they showed.",
            ("policy",),
            PROPENSITIES,
            registry,
        )
        self._ruled_slates = Counter(
            "recloop_rule_slates",
            "Slates for which the effect of a business rule was measured, by whether it changed them.",
            ["policy", "rule", "changed"],
            registry=registry,
        )
        self._ruled_places = Counter(
            "recloop_rule_places",
            "Places of these slates that hold another item because of the rule.",
            ["policy", "rule"],
            registry=registry,
        )
        self._ruled_exposure = Counter(
            "recloop_rule_exposure",
            "Exposure that the rule moved to other items, in slates.",
            ["policy", "rule"],
            registry=registry,
        )
        self._policies: dict[str, Callable[[float], None]] = {}
        self.under_way = 0
        self._waiting = Gauge(
            "recloop_requests_under_way",
            "Requests that wait for an answer.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._loaded = Gauge(
            "recloop_release_loaded",
            "1 where a release answers, 0 where none does; of several workers, the least.",
            registry=registry,
            multiprocess_mode="livemin",
        )
        ProcessCollector(registry=registry)
        self._release = release
        self._pending = pending
        self._rows = Gauge(
            "recloop_store_pending_rows",
            "Rows that wait to be written.",
            registry=registry,
            multiprocess_mode="livesum",
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request. The figures of a route are looked up once: that costs more than counting."""
        key = (method, route, status)
        if key not in self._children:
            counter = self.requests.labels(method, route, str(status))
            self._children[key] = (self.latency.of(method, route), counter.inc)
        took, count = self._children[key]
        took(seconds)
        count()

    def stage(self, name: str) -> AbstractContextManager[object]:
        """Measure a stage of a request."""
        return Stage(self._stages[name], self.traces.stage(name) if self.traces else None)

    def came(self, lag: float) -> None:
        """Count a batch of events."""
        self._lag(max(lag, 0.0))

    def took(self, accepted: int, duplicate: int, rejected: int, times: Times) -> None:
        """Count a batch of events by what became of them; most numbers are 0, and those are not counted."""
        for outcome, number in (("accepted", accepted), ("duplicate", duplicate), ("rejected", rejected)):
            if number:
                self._outcomes[outcome].inc(number)
        if any(times):
            for what, number in times._asdict().items():
                self._unusual[what].inc(number)

    def chose(self, policy: str, propensity: float) -> None:
        """Count a choice."""
        put = self._policies.get(policy)
        if put is None:
            put = self._policies[policy] = self._propensity.of(policy)
        put(propensity)

    def failed(self, policy: str, strategy: str) -> None:
        """Count what failed."""
        self._failed.labels(policy, strategy).inc()

    def ruled(self, policy: str, rule: str, places: int, exposure: float) -> None:
        """Count what a business rule did."""
        self._ruled_slates.labels(policy, rule, "true" if places else "false").inc()
        self._ruled_places.labels(policy, rule).inc(places)
        self._ruled_exposure.labels(policy, rule).inc(exposure)

    def refresh(self) -> None:
        """Look again at what is not counted but read."""
        self._rows.set(self._pending())
        self._loaded.set(bool(self._release()))
        self._waiting.set(self.under_way)

    def text(self) -> bytes:
        """The figures as Prometheus reads them."""
        self.refresh()
        if FOLDER not in os.environ:
            return generate_latest(self.registry)
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return generate_latest(together)


class Stage:
    """The time between entering and leaving, and a span of it where there are traces."""

    __slots__ = ("_put", "_span", "_start")

    def __init__(self, put: Callable[[float], None], span: AbstractContextManager[object] | None) -> None:
        self._put, self._span, self._start = put, span, 0.0

    def __enter__(self) -> None:
        if self._span is not None:
            self._span.__enter__()
        self._start = time.perf_counter()

    def __exit__(self, *error: Any) -> None:  # noqa: PYI036  handed on to the span as it is
        self._put(time.perf_counter() - self._start)
        if self._span is not None:
            self._span.__exit__(*error)


class Line(msgspec.Struct, gc=False):
    """What the access log tells of a request."""

    time: float
    request: str
    method: str
    route: str
    status: int
    milliseconds: float
    key: str


class AccessLog:
    """One line of JSON per request, written a moment later together with those of other requests.

    Args:
        stream: where the lines go; None writes none.
        clock: seconds since 1970.
    """

    def __init__(self, stream: TextIO | None = sys.stderr, clock: Callable[[], float] = time.time) -> None:
        self._stream = stream
        self._clock = clock
        self._encode = msgspec.json.Encoder().encode
        self._lines: list[bytes] = []

    def write(self, request: str, method: str, route: str, status: int, seconds: float, key: str) -> None:
        """Write the line of a request that took some seconds; the time is added. Belongs to an event loop."""
        if self._stream is None:
            return
        if not self._lines:  # a call of the system for each line costs more than all else that a request is told by
            asyncio.get_running_loop().call_later(TOLD, self.flush)
        line = Line(round(self._clock(), 3), request, method, route, status, round(seconds * 1e3, 3), key)
        self._lines.append(self._encode(line))

    def flush(self) -> None:
        """Write what is put aside."""
        if self._stream is not None and self._lines:
            lines, self._lines = self._lines, []
            self._stream.write(b"\n".join([*lines, b""]).decode())
            self._stream.flush()
