"""Every bad request gets a problem document with a sentence, and a status that fits."""

import socket
import sqlite3
import threading
from urllib.parse import urlsplit

import httpx
import pytest

JSON = {"content-type": "application/json"}


def refused(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told["status"] == status
    assert told["type"] == f"/docs#problem-{status}"
    assert told["request"] == answer.headers["x-request-id"]
    return told["detail"]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b'{"user": "u1", k}', "the body is not JSON: object keys must be strings at byte 15"),
        (b'{"user": "u1"', "the body is not JSON: input data was truncated at its end, byte 13"),
        (b'{"k": NaN}', "the body is not JSON: invalid character at byte 6"),
        (b'{"user": "\xff"}', "the body is not JSON: a text in it is not UTF-8"),
        (b"", "the body is empty"),
    ],
)
def test_malformed(service, body: bytes, sentence: str) -> None:
    client, _ = service
    for path in ("/v1/recommend", "/v1/experiments"):
        assert refused(client.post(path, content=body, headers=JSON), 400).startswith(sentence)


@pytest.mark.parametrize("body", [b"", b'{"events": [{"user": 1}, {', b'{"events": [1}'])
def test_batches_that_are_malformed(service, body: bytes) -> None:
    client, store = service
    assert refused(client.post("/v1/events", content=body, headers=JSON), 400).startswith("the body is ")
    latin = '{"events": [{"user": "Zoë", "item": "i", "kind": "view"}]}'.encode("latin-1")
    answer = client.post("/v1/events", content=latin, headers=JSON)
    assert "the event is not JSON: a text in it is not UTF-8" in refused(answer, 422)
    assert store.counts()["events"] == 0


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        ({"kk": 3}, "the body has an unknown field 'kk'. Did you mean 'k'?"),
        ({"k": 0}, "'k' of the body is 0. It must be a whole number of at least 1."),
        ({"k": 1001}, "'k' of the body is 1001. It must be a whole number of at most 1000."),
        ({"k": "ten"}, "'k' of the body is \"ten\". It must be a whole number."),
        ({"user": ""}, "'user' of the body is \"\". It must be a text with a length of at least 1."),
        ({"history": [{"item": "a"}, {"itm": "a"}]}, "'history[1]' of the body has an unknown field 'itm'."),
        ({"history": [{"kind": "view"}]}, "'history[0]' of the body lacks the field 'item'"),
        ([1], "the body is a list. It must be an object."),
        (
            {"user": "x" * 300},
            "'user' of the body is \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…\". It must be a text with a length of",
        ),
    ],
)
def test_wishes_that_are_not_valid(service, wish: object, sentence: str) -> None:
    client, store = service
    assert refused(client.post("/v1/recommend", json=wish), 422).startswith(sentence)
    assert store.counts()["decisions"] == 0


def test_routes_and_methods_that_are_not_there(service) -> None:
    client, _ = service
    assert refused(client.get("/v2"), 404) == "there is nothing at /v2; the routes are listed at /docs."
    answer = client.put("/v1/recommend")
    assert refused(answer, 405) == "PUT does not work on /v1/recommend; use POST."
    assert answer.headers["allow"] == "POST"
    assert client.put("/v1/experiments").headers["allow"] == "GET, HEAD, POST"  # of two lines of the table
    assert refused(client.post("/v1/recommend", content=b"user=u1"), 415).startswith("the content type is ''")
    missing = client.post("/v1/experiments/hme/start")
    assert refused(missing, 404).startswith("there is no experiment 'hme'")
    assert refused(client.post("/v1/releases/tow/promote"), 404).startswith("there is no release 'tow'")
    assert refused(client.post("/v1/releases/rollback"), 409).startswith("there is no release to roll back to")


def test_a_body_that_is_too_large_is_refused_before_it_is_read(service) -> None:
    client, _ = service
    where = urlsplit(str(client.base_url))
    with socket.create_connection((where.hostname, where.port), timeout=10) as raw:
        head = (
            "POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10000000"
        )
        raw.sendall(head.encode() + b"\r\n\r\n")  # and not one byte of the body
        assert raw.recv(100).startswith(b"HTTP/1.1 413")
    sentence = refused(client.post("/v1/events", content=b" " * 10_000_000, headers=JSON), 413)
    assert sentence == "the body has 10000000 bytes; at most 1000000 are read; send smaller batches."
    pieces = (b" " * 100_000 for _ in range(100))  # no length is announced
    assert "more than 1000000 bytes" in refused(client.post("/v1/events", content=pieces, headers=JSON), 413)
    assert client.get("/health/live").status_code == 200


def test_a_client_that_goes_away_in_the_middle(service) -> None:
    client, store = service
    where = urlsplit(str(client.base_url))
    with socket.create_connection((where.hostname, where.port), timeout=10) as raw:
        head = "POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000"
        raw.sendall(head.encode() + b'\r\n\r\n{"events": [')
    assert client.get("/health/live").status_code == 200
    for _ in range(100):
        if 'status="499"' in client.get("/metrics").text:
            break
        threading.Event().wait(0.02)
    assert 'recloop_requests_total{method="POST",route="/v1/events",status="499"} 1.0' in client.get("/metrics").text
    assert store.counts()["events"] == 0


def test_a_body_that_does_not_arrive(service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recloop.service.body.PATIENCE", 0.2)
    client, _ = service
    where = urlsplit(str(client.base_url))
    with socket.create_connection((where.hostname, where.port), timeout=10) as raw:
        head = "POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000"
        raw.sendall(head.encode() + b'\r\n\r\n{"events": [')
        assert raw.recv(100).startswith(b"HTTP/1.1 408")


def test_a_store_that_is_locked(serving, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recloop.app.serving.PROBE", 0.1)
    with serving(patience=0.3) as (client, _):
        other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        assert refused(client.get("/health/ready"), 503) == "The store did not take a write within 0 seconds."
        events = {"events": [{"user": "u", "item": "i", "kind": "click", "id": "e"}]}
        answer = client.post("/v1/events", json=events)
        assert "is locked by another process; wait and send it again" in refused(answer, 503)
        assert answer.headers["retry-after"] == "1"
        other.execute("COMMIT")
        other.close()
        assert client.post("/v1/events", json=events).json() == {"accepted": 1, "duplicates": 0, "rejected": []}
        assert client.get("/health/ready").status_code == 200


def test_a_store_that_is_read_only(releases, tmp_path) -> None:
    from recloop.loop.promote import promote
    from recloop.service.server import background
    from recloop.store import Store

    with Store(tmp_path / "store.db") as store:
        promote(store, releases["one"], actor="me")
    url = f"sqlite:///file:{tmp_path / 'store.db'}?mode=ro&uri=true"
    with background(url, port=0, log=None) as server, httpx.Client(base_url=server.url) as client:
        for path, body in (
            ("/v1/events", {"events": [{"user": "u", "item": "i", "kind": "click"}]}),
            ("/v1/recommend", {"user": "u"}),
        ):
            assert "is read-only; give this user the right to write" in refused(client.post(path, json=body), 503)
        assert "is read-only" in refused(client.get("/health/ready"), 503)
        assert client.get("/health/live").status_code == 200


def test_no_release(serving) -> None:
    with serving(release=None) as (client, _):
        assert refused(client.post("/v1/recommend", json={}), 503).startswith("no release is active; promote one")
        assert refused(client.get("/health/ready"), 503).startswith("No release is active")
        assert client.post("/v1/events", json={"events": [{"user": "u", "item": "i", "kind": "x"}]}).status_code == 202


def test_an_error_that_nobody_expected_tells_nothing(service, monkeypatch, caplog) -> None:
    client, _ = service

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret-word of a user")

    monkeypatch.setattr("recloop.app.engine.Engine.decide_all", fail)
    answer = client.post("/v1/recommend", json={})
    assert refused(answer, 500) == "The service met an error that it did not expect. The log has it."
    assert "RuntimeError in request" in caplog.text
    assert "test_problems.py" in caplog.text
    assert "secret" not in caplog.text
