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
    """A histogram of Prometheus by some labels, or by none.

    Args:
        name, words: of the metric.
        labels: its labels.
        buckets: upper bounds, in increasing order.
        registry: where it is collected.

    >>> registry = CollectorRegistry()
    >>> put = Samples("seconds", "Time.", ("stage",), (0.1, 1.0), registry).of("choose")
    >>> for value in (0.05, 0.1, 3.0):
    ...     put(value)
    >>> registry.get_sample_value("seconds_bucket", {"stage": "choose", "le": "0.1"})
    2.0
    """

    def __init__(
        self, name: str, words: str, labels: Sequence[str], buckets: Sequence[float], registry: CollectorRegistry
    ) -> None:
        self._name, self._words, self._labels = name, words, tuple(labels)
        self._buckets = np.asarray(buckets, dtype=np.float64)
        self._put_aside: dict[tuple[str, ...], deque[float]] = {}
        self._counts: dict[tuple[str, ...], NDArray[np.int64]] = {}
        self._sums: dict[tuple[str, ...], float] = {}
        self._lock = threading.Lock()
        registry.register(self)

    def of(self, *values: str) -> Callable[[float], None]:
        """What puts a number aside under a value of each label."""
        aside = self._put_aside.get(values)
        if aside is None:
            with self._lock:
                aside = self._put_aside.setdefault(values, deque())
                self._counts.setdefault(values, np.zeros(len(self._buckets) + 1, np.int64))
                self._sums.setdefault(values, 0.0)

        def put(number: float) -> None:
            aside.append(number)
            if len(aside) >= MANY:
                self._sort()

        return put

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """The metric as Prometheus reads it."""
        self._sort()
        family = HistogramMetricFamily(self._name, self._words, labels=self._labels)
        bounds = [*map(floatToGoString, self._buckets.tolist()), "+Inf"]
        with self._lock:
            for values, counts in self._counts.items():
                told = list(zip(bounds, np.cumsum(counts).astype(float).tolist(), strict=True))
                family.add_metric(values, told, self._sums[values])
        yield family

    def _sort(self) -> None:
        with self._lock:
            for values, aside in self._put_aside.items():
                numbers = np.array([aside.popleft() for _ in range(len(aside))])
                places = np.searchsorted(self._buckets, numbers)  # a bound belongs to its bucket
                self._counts[values] += np.bincount(places, minlength=len(self._buckets) + 1)
                self._sums[values] += float(numbers.sum())


class Filed:
    """The same in the files of several workers, which the client library adds up; each number costs a write."""

    def __init__(
        self, name: str, words: str, labels: Sequence[str], buckets: Sequence[float], registry: CollectorRegistry
    ) -> None:
        self._histogram = Histogram(name, words, labels, buckets=buckets, registry=registry)

    def of(self, *values: str) -> Callable[[float], None]:
        """What puts a number into the files."""
        return self._histogram.labels(*values).observe if values else self._histogram.observe
