"""How often a key may ask."""

import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from recloop.service.rates import BURST, Rates
from recloop.store import Store


def served(rates: Rates, now: list[float], key: str, seconds: float, every: float, rate: float | None = None) -> int:
    """How many of the requests that come each ``every`` seconds pass."""
    passed, start = 0, now[0]
    for number in range(round(seconds / every)):
        now[0] = start + number * every
        passed += rates.wait(key, rate) == 0.0
    return passed


@pytest.mark.parametrize("rate", [0.5, 3.0, 40.0])
def test_in_the_long_run_the_rate_passes_and_a_burst_first(rate: float) -> None:
    now = [1000.0]
    passed = served(Rates(rate, lambda: now[0]), now, "a", 100.0, 0.01)
    assert passed == pytest.approx(rate * 100 + max(1.0, rate * BURST), abs=1.01)


def test_who_waits_as_told_is_served() -> None:
    now = [0.0]
    rates = Rates(7.0, lambda: now[0])
    served(rates, now, "a", 5.0, 0.001)
    for _ in range(50):
        wait = rates.wait("a")
        assert wait > 0
        now[0] += wait
        assert rates.wait("a") == 0.0


def test_each_key_has_a_bucket_and_may_have_a_rate_of_its_own() -> None:
    now = [0.0]
    rates = Rates(1.0, lambda: now[0])
    assert served(rates, now, "a", 1.0, 0.01) == 2
    now[0] = 0.0
    assert served(rates, now, "b", 1.0, 0.01, rate=10.0) == pytest.approx(29, abs=1.01)
    assert Rates(None).wait("a") == 0.0
    assert Rates(None).wait("a", 0.1) == 0.0
    assert Rates(None).allowed(None) == float("inf")


def test_over_http(serving) -> None:
    with serving(keys=True, rate=0.05) as (client, store):
        slow, fast = store.keys.create("shop", ["recommend"]), store.keys.create("own", ["recommend"], rate=1000.0)
        answers = [client.post("/v1/recommend", json={}, headers=bearer(slow)) for _ in range(8)]
        assert answers[0].status_code == 200
        refused = next(one for one in answers if one.status_code != 200)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.json()["title"] == "Too much at once"
        assert refused.json()["detail"].startswith(
            "the key 'shop' sends too many requests; it may send 0.05 a second; wait"
        )
        assert all(client.post("/v1/recommend", json={}, headers=bearer(fast)).status_code == 200 for _ in range(8))
        # a probe needs no key, and is never refused
        assert all(client.get("/health/live").status_code == 200 for _ in range(8))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def passed(urls: list[str], token: str, tries: int) -> int:
    """How many of some requests are answered, each over a connection of its own; the others are told to wait."""
    found = 0
    for number in range(tries):
        with httpx.Client(base_url=urls[number % len(urls)], timeout=30) as client:
            answer = client.post("/v1/recommend", json={}, headers=bearer(token))
        assert answer.status_code == 200 or int(answer.headers["retry-after"]) >= 1
        found += answer.status_code == 200
    return found


@pytest.mark.parametrize("share", [True, False])
def test_two_workers_count_together_in_redis(
    start: Callable[..., object], releases: dict[str, Path], tmp_path: Path, redis_server, share: bool
) -> None:
    """One request passes, whichever worker it comes to; without Redis each worker lets one pass."""
    with Store(tmp_path / "store.db") as store:
        slow = 0.01  # a request every hundred seconds, so that the test's own time does not matter
        token = store.keys.create("shop", ["recommend", "metrics"], rate=slow)
        other = store.keys.create("figures", ["metrics"])
    how = {"keys": True, "workers": 2, "log": None} | ({"redis": redis_server.url} if share else {})
    service = start(tmp_path / "store.db", releases["one"], **how)
    assert passed([service.url], token, 40) == (1 if share else 2)
    figures = httpx.get(f"{service.url}/metrics", headers=bearer(other)).text
    refused = sum(float(n) for n in re.findall(r'recloop_requests_total{.*status="429".*} ([\d.]+)', figures))
    assert refused == 40 - (1 if share else 2)
