"""What was acknowledged is there, once, whatever happened to the process."""

import random
import signal
import socket
import threading
import time
from pathlib import Path

import httpx
import pytest

from recloop.store import Store

ROUNDS = 4


def batch(rng: random.Random, name: str) -> list[dict]:
    return [
        {"user": f"u{rng.randrange(30)}", "item": f"i{n}", "kind": "click", "id": f"{name}-{n}", "time": 5.0}
        for n in range(rng.randrange(1, 25))
    ]


def test_what_was_acknowledged_survives_a_kill(start, releases, tmp_path: Path) -> None:
    rng = random.Random(5)
    acknowledged: dict[str, list[str]] = {}
    sent: dict[str, list[str]] = {}
    for turn in range(ROUNDS):
        one = start(tmp_path / "store.db", releases["one"] if turn == 0 else None, log=None)

        def post(worker: int, one=one, turn=turn) -> None:
            mine = random.Random(turn * 100 + worker)
            with httpx.Client(base_url=one.url) as client:
                for number in range(10_000):
                    name = f"{turn}-{worker}-{number}"
                    events = batch(mine, name)
                    sent[name] = [event["id"] for event in events]
                    # what another worker sends too, and part of what was sent before: duplicates
                    again = [{"user": "x", "item": "x", "kind": "x", "id": f"shared-{turn}-{number}", "time": 1.0}]
                    again += [dict(events[0])]
                    try:
                        answer = client.post("/v1/events", json={"events": events + again})
                    except httpx.TransportError:
                        return
                    assert answer.status_code == 202, answer.text
                    assert answer.json()["accepted"] in {len(events), len(events) + 1}
                    assert answer.json()["duplicates"] == len(events) + 2 - answer.json()["accepted"]
                    acknowledged[name] = [*sent[name], f"shared-{turn}-{number}"]

        workers = [threading.Thread(target=post, args=(worker,)) for worker in range(3)]
        for worker in workers:
            worker.start()
        time.sleep(0.05 + rng.random() * 0.4)
        assert one.end(signal.SIGKILL)[0] == -signal.SIGKILL
        for worker in workers:
            worker.join()
    with Store(tmp_path / "store.db") as store:
        kept = store.events()["id"].to_list()
    assert len(acknowledged) > ROUNDS
    assert len(kept) == len(set(kept))
    there = set(kept)
    lost = {event for events in acknowledged.values() for event in events} - there
    assert not lost
    for events in sent.values():  # a batch that was cut off is there whole or not at all
        assert len(there & set(events)) in {0, len(events)}


def test_an_orderly_end_finishes_what_is_under_way(start, releases, tmp_path: Path) -> None:
    one = start(tmp_path / "store.db", releases["one"])
    host, port = one.url.removeprefix("http://").split(":")
    body = b'{"events": [{"user": "u", "item": "i", "kind": "click", "id": "late"}]}'
    with socket.create_connection((host, int(port)), timeout=10) as client:
        head = (
            f"POST /v1/events HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        )
        client.sendall(head.encode() + b"\r\n\r\n" + body[:20])
        time.sleep(0.2)
        one.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        with pytest.raises(httpx.ConnectError):  # no new requests are taken
            httpx.get(one.url + "/health/live")
        client.sendall(body[20:])
        assert client.recv(4096).startswith(b"HTTP/1.1 202")
    code, log = one.end(signal.SIGTERM)
    assert code == 0
    assert '"route":"/v1/events","status":202' in log
    with Store(tmp_path / "store.db") as store:
        assert store.events()["id"].to_list() == ["late"]


def test_the_log_names_no_user_and_no_text(start, releases, tmp_path: Path) -> None:
    one = start(tmp_path / "store.db", releases["one"])
    with httpx.Client(base_url=one.url) as client:
        client.post("/v1/recommend", json={"user": "secret-user"})
        client.post("/v1/recommend", json={"user": "secret-user", "k": "secret-word"})
        client.post("/v1/feedback", json={"user": "secret-user", "kind": "comment", "text": "secret-word"})
        client.get("/v1/secret-user")
    code, log = one.end(signal.SIGTERM)
    assert code == 0
    assert "secret" not in log
    assert [line.count('"status":') for line in log.splitlines()] == [1] * 4
