"""What an operator sees: Prometheus metrics and one line of JSON per request. No user's id or text in either."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from recloop.app.watch import STAGES
from recloop.service.tracing import Traces

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
STAGE_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5)
LAGS = (1.0, 10.0, 60.0, 600.0, 3_600.0, 86_400.0, 604_800.0)
PROPENSITIES = (0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0)


class Observed:
    """The figures of one service, in a registry of its own.

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
        self._children: dict[tuple[str, str, int], tuple[Histogram, Counter]] = {}
        self.latency = Histogram(
            "recloop_request_seconds",
            "Time from request to answer.",
            ["method", "route"],
            buckets=BUCKETS,
            registry=registry,
        )
        self.requests = Counter(
            "recloop_requests", "Requests answered.", ["method", "route", "status"], registry=registry
        )
        self.fallbacks = Counter(
            "recloop_fallbacks", "Slates in which something stood in for what failed.", ["policy"], registry=registry
        )
        self.empty = Counter("recloop_empty_slates", "Slates without any item.", registry=registry)
        self.events = Counter("recloop_events", "Events by what became of them.", ["outcome"], registry=registry)
        self.times = Counter(
            "recloop_event_times", "Events sent whose times are unusual, by what is.", ["what"], registry=registry
        )
        self.feedback = Counter(
            "recloop_feedback", "Ratings, survey answers and comments kept.", ["kind"], registry=registry
        )
        stages = Histogram(
            "recloop_stage_seconds",
            "Time that one stage of a request took.",
            ["stage"],
            buckets=STAGE_BUCKETS,
            registry=registry,
        )
        self._stages = {name: stages.labels(name) for name in STAGES}
        self._lag = Histogram(
            "recloop_event_lag_seconds",
            "Seconds from the oldest event of a batch to its arrival.",
            buckets=LAGS,
            registry=registry,
        )
        self._propensity = Histogram(
            "recloop_propensity",
            "Probabilities with which policies chose what they showed.",
            ["policy"],
            buckets=PROPENSITIES,
            registry=registry,
        )
        self.under_way = Gauge("recloop_requests_under_way", "Requests that wait for an answer.", registry=registry)
        ready = Gauge("recloop_release_loaded", "1 where a release answers, 0 where none does.", registry=registry)
        ready.set_function(lambda: bool(release()))
        ProcessCollector(registry=registry)
        rows = Gauge("recloop_store_pending_rows", "Rows that wait to be written.", registry=registry)
        rows.set_function(pending)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request. The figures of a route are looked up once: that costs more than counting."""
        key = (method, route, status)
        if key not in self._children:
            counter = self.requests.labels(method, route, str(status))
            self._children[key] = (self.latency.labels(method, route), counter)
        latency, counter = self._children[key]
        latency.observe(seconds)
        counter.inc()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure a stage of a request."""
        start = time.perf_counter()
        with self.traces.stage(name):
            try:
                yield
            finally:
                self._stages[name].observe(time.perf_counter() - start)

    def came(self, lag: float) -> None:
        """Count a batch of events."""
        self._lag.observe(max(lag, 0.0))

    def chose(self, policy: str, propensity: float) -> None:
        """Count a choice."""
        self._propensity.labels(policy).observe(propensity)

    def text(self) -> bytes:
        """The figures as Prometheus reads them."""
        return generate_latest(self.registry)


class AccessLog:
    """One line of JSON per request.

    Args:
        stream: where the lines go; None writes none.
        clock: seconds since 1970.
    """

    def __init__(self, stream: TextIO | None = sys.stderr, clock: Callable[[], float] = time.time) -> None:
        self._stream = stream
        self._clock = clock
        self._encode = msgspec.json.Encoder().encode

    def write(self, **fields: str | float) -> None:
        """Write one line; the time is added."""
        if self._stream is not None:
            self._stream.write(self._encode({"time": round(self._clock(), 3), **fields}).decode() + "\n")
