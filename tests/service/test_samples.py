"""The same figures as Prometheus's own histogram, from many threads."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from recloop.service.samples import MANY, Samples

BUCKETS = (0.001, 0.1, 0.5, 1.0)


def figures(registry: CollectorRegistry) -> dict[str, float]:
    lines = [line for line in generate_latest(registry).decode().splitlines() if line[0] != "#"]
    pairs = [line.rpartition(" ") for line in lines if "_created" not in line]
    return {name: float(value) for name, _, value in pairs}


@pytest.mark.parametrize("n", [0, 1, 50, MANY - 1, MANY, 3 * MANY + 7])
def test_they_are_those_of_prometheus(n: int) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    put = Samples("t", "T.", ("kind",), BUCKETS, ours).of("a")
    other = Histogram("t", "T.", ["kind"], buckets=BUCKETS, registry=theirs).labels("a")
    rng = np.random.default_rng(n)
    for value in [*BUCKETS[: n or None], *rng.exponential(0.4, n).tolist()][: n or 0]:
        put(value)
        other.observe(value)
    assert figures(ours) == pytest.approx(figures(theirs))


def test_many_threads_lose_none() -> None:
    registry = CollectorRegistry()
    samples = Samples("t", "T.", ("kind",), BUCKETS, registry)

    def work(number: int) -> None:
        put = samples.of(f"k{number % 2}")
        for _ in range(5000):
            put(0.05)

    with ThreadPoolExecutor(8) as pool:
        working = [pool.submit(work, number) for number in range(8)]
        for _ in range(20):
            figures(registry)
        for one in working:
            one.result()
    told = figures(registry)
    assert told['t_count{kind="k0"}'] + told['t_count{kind="k1"}'] == 40_000


def test_without_a_label() -> None:
    registry = CollectorRegistry()
    Samples("t", "T.", (), BUCKETS, registry).of()(0.2)
    assert figures(registry)['t_bucket{le="0.5"}'] == figures(registry)["t_count"] == 1
