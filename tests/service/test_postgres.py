"""The service on a PostgreSQL that stops and comes back."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from recloop.service.server import background
from recloop.store import Store


def test_the_service_goes_on_when_the_database_is_back(
    own_server, releases: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recloop.app.serving.BELIEVED", 0.0)  # each look at its readiness tries the store
    acknowledged: list[str] = []
    with (
        background(own_server.url, release=releases["one"], port=0, log=None, seed=1) as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
    ):

        def post(name: str) -> httpx.Response:
            event = {"user": "ann", "item": "i1", "kind": "view", "id": name}
            answer = client.post("/v1/events", json={"events": [event]})
            if answer.status_code == 202:
                acknowledged.append(name)
            return answer

        assert post("e1").status_code == 202
        assert client.get("/health/ready").status_code == 200
        assert client.post("/v1/recommend", json={"user": "ann"}).status_code == 200
        for stop in ("fast", "immediate"):  # in order, and as by a power cut
            own_server.stop(stop)
            for answer in (post("e2"), client.post("/v1/recommend", json={"user": "bob"}), client.get("/health/ready")):
                assert answer.status_code == 503
                assert answer.headers["retry-after"] == "1"
                assert "PostgreSQL" in answer.json()["detail"]
                assert "postgres@" in answer.json()["detail"]
            assert client.get("/health/live").status_code == 200
            own_server.start()
            assert post(f"after-{stop}").status_code == 202
            assert client.get("/health/ready").status_code == 200
            assert client.post("/v1/recommend", json={"user": "bob"}).status_code == 200
        assert post("e2").status_code == 202
    with Store(own_server.url) as store:
        assert store.events()["id"].to_list() == acknowledged == ["e1", "after-fast", "after-immediate", "e2"]


def test_a_database_that_is_frozen_holds_up_who_needs_it_and_nobody_else(own_server, releases: dict[str, Path]) -> None:
    with (
        background(own_server.url, release=releases["one"], port=0, log=None, seed=1) as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
        ThreadPoolExecutor(2) as others,
    ):
        assert client.post("/v1/recommend", json={"user": "ann"}).status_code == 200
        own_server.freeze()
        try:
            waiting = [others.submit(httpx.post, server.url + "/v1/recommend", json={"user": user}, timeout=60)
                       for user in ("bob", "eve")]  # fmt: skip
            time.sleep(0.5)  # both slates are asked for by then
            for _ in range(5):
                assert client.get("/health/live", timeout=2).status_code == 200
            assert not any(one.done() for one in waiting)
        finally:
            own_server.thaw()
        assert [one.result().status_code for one in waiting] == [200, 200]
