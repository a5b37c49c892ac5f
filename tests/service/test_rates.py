"""How often a key may ask."""

import pytest

from recloop.service.rates import BURST, Rates


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
