"""Histograms that cost a request next to nothing: numbers are put aside, and sorted when somebody looks."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.utils import floatToGoString

MANY = 4096  # numbers that are put aside before they are sorted, where nobody looks


class Samples:
    """A histogram of Prometheus by one label, or by none (``label`` "").

    Args:
        name, words: of the metric.
        label: its label.
        buckets: upper bounds, in increasing order.
        registry: where it is collected.

    >>> registry = CollectorRegistry()
    >>> put = Samples("seconds", "Time.", "stage", (0.1, 1.0), registry).of("choose")
    >>> for value in (0.05, 0.1, 3.0):
    ...     put(value)
    >>> registry.get_sample_value("seconds_bucket", {"stage": "choose", "le": "0.1"})
    2.0
    """

    def __init__(
        self, name: str, words: str, label: str, buckets: Sequence[float], registry: CollectorRegistry
    ) -> None:
        self._name, self._words, self._label = name, words, label
        self._buckets = np.asarray(buckets, dtype=np.float64)
        self._put_aside: dict[str, deque[float]] = {}
        self._counts: dict[str, NDArray[np.int64]] = {}
        self._sums: dict[str, float] = {}
        self._lock = threading.Lock()
        registry.register(self)

    def of(self, value: str = "") -> Callable[[float], None]:
        """What puts a number aside under a value of the label."""
        aside = self._put_aside.get(value)
        if aside is None:
            with self._lock:
                aside = self._put_aside.setdefault(value, deque())
                self._counts.setdefault(value, np.zeros(len(self._buckets) + 1, np.int64))
                self._sums.setdefault(value, 0.0)

        def put(number: float) -> None:
            aside.append(number)
            if len(aside) >= MANY:
                self._sort()

        return put

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """The metric as Prometheus reads it."""
        self._sort()
        family = HistogramMetricFamily(self._name, self._words, labels=[self._label] if self._label else [])
        bounds = [*map(floatToGoString, self._buckets.tolist()), "+Inf"]
        with self._lock:
            for value, counts in self._counts.items():
                told = list(zip(bounds, np.cumsum(counts).astype(float).tolist(), strict=True))
                family.add_metric([value] if self._label else [], told, self._sums[value])
        yield family

    def _sort(self) -> None:
        with self._lock:
            for value, aside in self._put_aside.items():
                numbers = np.array([aside.popleft() for _ in range(len(aside))])
                places = np.searchsorted(self._buckets, numbers)  # a bound belongs to its bucket
                self._counts[value] += np.bincount(places, minlength=len(self._buckets) + 1)
                self._sums[value] += float(numbers.sum())


class Filed:
    """The same in the files of several workers, which the client library adds up; each number costs a write."""

    def __init__(
        self, name: str, words: str, label: str, buckets: Sequence[float], registry: CollectorRegistry
    ) -> None:
        self._label = label
        self._histogram = Histogram(name, words, [label] if label else [], buckets=buckets, registry=registry)

    def of(self, value: str = "") -> Callable[[float], None]:
        """What puts a number into the files."""
        return self._histogram.labels(value).observe if self._label else self._histogram.observe
