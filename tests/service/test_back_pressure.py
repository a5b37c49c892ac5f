"""Where the store cannot keep up, clients are told to wait: memory does not grow, and nothing that was promised is lost."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest

from recloop.store import Appended
from recloop.store.sqlite import SQLite


def batch(name: str, size: int = 10) -> dict[str, list[dict[str, object]]]:
    return {"events": [{"user": "u", "item": "i", "kind": "view", "id": f"{name}-{n}"} for n in range(size)]}


def test_a_slow_store_makes_clients_wait(serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recloop.store.writer.PENDING", 50)
    with serving() as (client, store):
        # the store stands still from its next transaction on, until the gate opens
        gate, held = threading.Event(), threading.Event()
        take = SQLite.take

        def slow(self, connection, batches) -> list[Appended]:
            held.set()
            gate.wait(60)
            return take(self, connection, batches)

        monkeypatch.setattr(SQLite, "take", slow)
        with ThreadPoolExecutor(16) as pool, ExitStack() as at_the_end:
            at_the_end.callback(gate.set)  # whatever happens, nobody waits for ever
            first = pool.submit(client.post, "/v1/events", json=batch("first", 1))
            assert held.wait(30)
            sent = {name: pool.submit(client.post, "/v1/events", json=batch(str(name))) for name in range(12)}
            while sum(one.done() for one in sent.values()) < 8:  # 49 rows may wait beside the first: four batches do
                time.sleep(0.01)
            refused = {name: one.result() for name, one in sent.items() if one.done()}
            assert len(refused) == 8
            for answer in refused.values():
                assert answer.status_code == 429
                assert int(answer.headers["retry-after"]) >= 1
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.json()["title"] == "Too much at once"
                assert "rows wait to be written; at most 50 may wait; send again in" in answer.json()["detail"]
            gate.set()
            assert first.result().status_code == 202
            kept = {name: one.result() for name, one in sent.items() if name not in refused}
        assert [answer.json()["accepted"] for answer in kept.values()] == [10] * 4
        for name in refused:  # what was refused is sent again, and is new
            assert client.post("/v1/events", json=batch(str(name))).json()["accepted"] == 10
        ids = store.events()["id"].to_list()
        assert len(ids) == len(set(ids)) == 121
        figures = client.get("/metrics").text
        assert 'recloop_requests_total{method="POST",route="/v1/events",status="429"} 8.0' in figures
        assert "recloop_store_pending_rows 0.0" in figures


def test_the_times_of_events_are_counted(service: tuple[httpx.Client, object]) -> None:
    client, store = service
    now = time.time()

    def event(number: int, ahead: float, user: str = "ann") -> dict[str, object]:
        return {"user": user, "item": f"i{number}", "kind": "view", "id": f"e{number}", "time": now + ahead}

    answer = client.post("/v1/events", json={"events": [event(1, -5), event(2, -1), event(2, -1)]})
    assert answer.json() == {"accepted": 2, "duplicates": 1, "rejected": []}
    sent = [event(3, -7200), event(4, 600), event(5, 90_000), event(6, -2), event(7, -3, "bob")]
    answer = client.post("/v1/events", json={"events": sent}).json()
    assert (answer["accepted"], answer["duplicates"]) == (4, 0)
    assert [one["index"] for one in answer["rejected"]] == [2]
    # the last event of ann is behind the one that is ahead; that the first is late is known from its time alone
    assert answer["times"] == {"late": 1, "out_of_order": 1, "ahead": 1, "future": 1}
    assert [one.id for one in store.histories(["ann"], 9)[0]] == [
        "e3",
        "e1",
        "e6",
        "e2",
        "e4",
    ]  # by time, not by arrival
    figures = client.get("/metrics").text
    for what in ("late", "out_of_order", "ahead", "future"):
        assert f'recloop_event_times_total{{what="{what}"}} 1.0' in figures


def test_what_is_not_known_is_not_counted_as_out_of_order(service: tuple[httpx.Client, object]) -> None:
    client, _ = service
    one = {"user": "eve", "item": "a", "kind": "view", "id": "x1", "time": 1e9}
    client.post("/v1/events", json={"events": [one]})
    client.post("/v1/recommend", json={"user": "eve"})  # from now on her history is in memory
    answer = client.post("/v1/events", json={"events": [one | {"id": "x2", "time": 0.9e9}]}).json()
    assert answer["times"] == {"late": 1, "out_of_order": 1, "ahead": 0, "future": 0}
    again = client.post("/v1/events", json={"events": [one]}).json()
    assert (again["duplicates"], again["times"]) == (1, {"late": 1, "out_of_order": 0, "ahead": 0, "future": 0})


def test_requests_that_would_only_wait_are_refused(service, monkeypatch: pytest.MonkeyPatch) -> None:
    client, _ = service
    monkeypatch.setattr("recloop.service.application.UNDER_WAY", 0)
    answer = client.post("/v1/recommend", json={})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    assert answer.json()["detail"] == "0 requests wait for an answer already; send again in a second."
    assert client.get("/health/live").status_code == client.get("/health/ready").status_code == 200
    monkeypatch.undo()
    assert client.post("/v1/recommend", json={}).status_code == 200
