"""Bad requests, met by the real service over HTTP: each gets its status and a sentence, and changes nothing."""

import contextlib
import json
import socket
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from recloop.service.server import background
from recloop.store import Store

from .shell import recloop, release_in

JSON = {"content-type": "application/json"}
VARIANTS = {"old": {"policy": "popular", "control": True}, "new": {"policy": "composed"}}


@pytest.fixture(scope="module")
def service(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, Store]]:
    """A client of a service on the release of a run, and its store."""
    path = tmp_path_factory.mktemp("service") / "recloop.db"
    with (
        background(path, release=finished / release_in(finished), port=0, log=None, seed=1) as server,
        httpx.Client(base_url=server.url, timeout=20) as client,
        Store(path) as store,
    ):
        yield client, store


Answers = Callable[..., str]


@pytest.fixture
def answers(service: tuple[httpx.Client, Store]) -> Answers:
    """Asserts that a body is refused with a status and a sentence, that nothing is kept, and that the next is served.

    Called with the status, the parts that the sentence must have, the path and the body.
    """
    client, store = service

    def check(status: int, parts: tuple[str, ...], path: str, body: object = b"", method: str = "POST") -> str:
        before = (store.counts(), store.experiments.all(), store.releases.all())
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = client.request(method, path, content=content, headers=JSON)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        told = answer.json()
        assert told["status"] == status
        assert told["title"]
        assert told["request"] == answer.headers["x-request-id"]
        assert "Traceback" not in answer.text
        assert "/src/" not in answer.text
        for part in parts:
            assert part in told["detail"]
        assert (store.counts(), store.experiments.all(), store.releases.all()) == before
        assert client.get("/health/ready").status_code == 200
        return str(told["detail"])

    return check


# ---- what is odd, and answered


def test_k_larger_than_the_catalogue(service: tuple[httpx.Client, Store], answers: Answers) -> None:
    client, _ = service
    told = client.post("/v1/recommend", json={"user": "u1", "k": 1000})
    assert told.status_code == 200
    shown = [entry["item"] for entry in told.json()["items"]]
    assert 50 < len(shown) <= 80  # all that there is, but for what the user had
    assert len(set(shown)) == len(shown)
    answers(422, ("'k' of the body is 1001", "It must be a whole number of at most 1000"), "/v1/recommend", {"k": 1001})
    answers(422, ("'k' of the body is 0", "It must be a whole number of at least 1"), "/v1/recommend", {"k": 0})
    answers(422, ("'k' of the body is 1.5", "It must be a whole number"), "/v1/recommend", {"k": 1.5})


def test_unknown_users_and_items(service: tuple[httpx.Client, Store]) -> None:
    client, store = service

    def slate(**wish: object) -> list[str]:
        answer = client.post("/v1/recommend", json=wish)
        assert answer.status_code == 200, answer.text
        return [entry["item"] for entry in answer.json()["items"]]

    stranger = slate(user="nobody has seen this one")
    assert len(stranger) == 10
    assert slate() == stranger == slate(user="another", history=[{"item": "never sold"}])
    assert slate(user="u1", candidates=["never sold", "i3"], k=5) == ["i3"]
    assert slate(user="u1", candidates=["never sold"]) == []
    assert slate(user="a third", exclude=["never sold"]) == stranger
    events = [{"user": "new user", "item": item, "kind": "view"} for item in ("never sold", "i3")]
    assert client.post("/v1/events", json={"events": events}).json()["accepted"] == 2
    assert store.events(user="new user")["item"].to_list() == ["never sold", "i3"]  # it may be sold by the next release
    known = slate(user="new user")
    assert len(known) == 10
    assert "i3" not in known
    assert known != stranger


# ---- numbers that are none


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_has_not(answers: Answers, number: str) -> None:
    for path, body in (
        ("/v1/recommend", '{"user": "u1", "time": %s}'),
        ("/v1/events", '{"events": [{"user": "u1", "item": "i1", "kind": "rating", "value": %s}]}'),
        ("/v1/feedback", '{"user": "u1", "kind": "rating", "value": %s}'),
        ("/v1/experiments", '{"name": "home", "alpha": %s}'),
    ):
        text = body % number
        place = text.index(number) + number.startswith("-")  # the minus may begin a number
        parts = ("the body is not JSON: invalid", f"at byte {place}", "send one JSON object in UTF-8")
        answers(400, parts, path, text.encode())


@pytest.mark.parametrize(
    ("path", "body", "parts"),
    [
        ("/v1/recommend", '{"user": "u1", "time": 1e999}', ("'time' of the body is not valid", "a finite number")),
        ("/v1/recommend", '{"user": "u1", "time": 1e300}', ("The time 1e+300 is more than a day ahead",)),
        ("/v1/recommend", '{"user": "u1", "time": -1}', ("The time -1.0 is before 1970",)),
        (
            "/v1/feedback",
            '{"user": "u1", "kind": "rating", "value": 1e999}',
            ("'value' of the body", "a finite number"),
        ),
        ("/v1/feedback", '{"user": "u1", "kind": "rating", "value": 1e300}', ("The value 1e+300 is too large",)),
        ("/v1/events", '{"events": [{"user": "u1", "item": "i1", "kind": "v", "value": 1e999}]}', ("a finite number",)),
        ("/v1/events", '{"events": [{"user": "u1", "item": "i1", "kind": "v", "value": -1e300}]}', ("is too large",)),
        ("/v1/events", '{"events": [{"user": "u1", "item": "i1", "kind": "v", "time": 1e300}]}', ("a day ahead",)),
        (
            "/v1/events",
            '{"events": [{"user": "u1", "item": "i1", "kind": "v", "time": 1700000000000}]}',
            ("is more than a day ahead", "it looks like milliseconds: divide it by 1000"),
        ),
        ("/v1/experiments", '{"name": "home", "alpha": 1e999}', ("It must be a finite number",)),
    ],
)
def test_numbers_out_of_range(answers: Answers, path: str, body: str, parts: tuple[str, ...]) -> None:
    answers(422, parts, path, body.encode())


def test_a_good_event_beside_a_bad_one_is_kept(service: tuple[httpx.Client, Store]) -> None:
    client, store = service
    body = (
        b'{"events": [{"user": "mixed", "item": "i1", "kind": "rating", "value": 4, "id": "good"},'
        b'{"user": "mixed", "item": "i2", "kind": "rating", "value": 1e999},'
        b'{"user": "mixed\xff", "item": "i2", "kind": "rating"}]}'
    )
    answer = client.post("/v1/events", content=body, headers=JSON)
    assert answer.status_code == 202
    told = answer.json()
    assert (told["accepted"], [one["index"] for one in told["rejected"]]) == (1, [1, 2])
    assert "a finite number" in told["rejected"][0]["detail"]
    assert "is not UTF-8" in told["rejected"][1]["detail"]
    assert store.events(user="mixed")["id"].to_list() == ["good"]


# ---- bodies


@pytest.mark.parametrize("path", ["/v1/recommend", "/v1/feedback", "/v1/experiments"])
def test_invalid_utf8_in_a_body(answers: Answers, path: str) -> None:
    answers(400, ("a text in it is not UTF-8", "send one JSON object in UTF-8"), path, b'{"user": "\xff\xfe"}')
    answers(400, ("the body is not JSON", "in UTF-8"), path, '{"user": "Zoë"}'.encode("utf-16"))


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (b"", "the body is empty"),
        (b"{", "the body is not JSON: input data was truncated at its end, byte 1"),
        (b'{"user": "u1",}', "the body is not JSON: trailing comma in object at byte 14"),
        (b"{'user': 'u1'}", "the body is not JSON"),
        (b"user=u1", "the body is not JSON"),
        (b"\x00" * 100, "the body is not JSON: invalid character at byte 0"),
        (b'{"user": "\\ud800"}', "the body is not JSON"),
    ],
)
def test_malformed_json(answers: Answers, body: bytes, part: str) -> None:
    for path in ("/v1/recommend", "/v1/feedback", "/v1/experiments"):
        answers(400, (part,), path, body)
    if b"user" not in body:
        answers(400, (part,), "/v1/events", body)


def test_json_without_bottom(answers: Answers) -> None:
    for start in (b'{"user":', b'{"context":{"a":', b'{"history":'):
        answers(422, ("of the body is not valid",), "/v1/recommend", start + b"[" * 100_000)
    for path, start in (("/v1/experiments", b'{"name":'), ("/v1/events", b'{"events":[{"user":')):
        answers(400, ("nested too deeply", "send one flat JSON object"), path, start + b"[" * 100_000)


def test_json_of_another_shape(answers: Answers) -> None:
    for body, given in ((b"[]", "a list"), (b"null", "null"), (b"3", "3"), (b"[" * 100_000, "not valid")):
        answers(422, (f"the body is {given}", "It must be an object"), "/v1/recommend", body)


def test_a_body_of_ten_megabytes(service: tuple[httpx.Client, Store], answers: Answers) -> None:
    client, _ = service
    event = {"user": "u1", "item": "i1", "kind": "view"}
    body = json.dumps({"events": [event] * 250_000}).encode()
    assert len(body) > 10_000_000
    limit = ("at most 1000000 are read", "send smaller batches")
    answers(413, (f"the body has {len(body)} bytes", *limit), "/v1/events", body)
    answers(413, limit, "/v1/recommend", body)
    where = urlsplit(str(client.base_url))
    with socket.create_connection((where.hostname, where.port), timeout=10) as raw:
        head = (
            "POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10000000"
        )
        raw.sendall(head.encode() + b"\r\n\r\n")  # and not one byte of the body: it need not be sent to be refused
        assert raw.recv(100).startswith(b"HTTP/1.1 413")


MISSPELT = [
    ("/v1/recommend", {"usr": "u1"}, "the body has an unknown field 'usr'", "'user'?"),
    ("/v1/recommend", {"history": [{"itm": "i1"}]}, "'history[0]' of the body has an unknown field 'itm'", "'item'?"),
    ("/v1/events", {"event": []}, "the body has an unknown field 'event'", "'events'?"),
    ("/v1/events", {"events": [{"user": "u", "item": "i", "kid": "v"}]}, "an unknown field 'kid'", "'kind'?"),
    ("/v1/feedback", {"user": "u1", "kind": "rating", "vale": 1}, "an unknown field 'vale'", "'value'?"),
    ("/v1/feedback", {"user": "u1", "kind": "ratings"}, "'kind' of the body is 'ratings'", "'rating'?"),
    ("/v1/experiments", {"name": "home", "variant": {}}, "has no setting 'variant'", "'variants'?"),
    ("/v1/experiments", {"name": "home", "variants": {"a": {"polici": "x"}}}, "has no setting 'polici'", "'policy'?"),
]


@pytest.mark.parametrize(("path", "body", "given", "nearest"), MISSPELT)
def test_unknown_fields(answers: Answers, path: str, body: object, given: str, nearest: str) -> None:
    answers(422, (given, "Did you mean", nearest, "Valid: "), path, body)


def test_names_that_are_not_there(service: tuple[httpx.Client, Store], answers: Answers) -> None:
    client, store = service
    answers(404, ("there is nothing at /v1/recommnd",), "/v1/recommnd", {})
    answers(405, ("GET does not work on /v1/recommend",), "/v1/recommend", method="GET")
    answers(404, ("there is no release 'gone'", f"Valid: {store.releases.active().name}"), "/v1/releases/gone/promote")
    answers(409, ("there is no release to roll back to", "at least two promotions"), "/v1/releases/rollback")
    answers(404, ("there is no experiment 'gone'",), "/v1/experiments/gone/start")
    wrong = {"name": "wrong", "variants": VARIANTS | {"new": {"policy": "composd"}}}
    assert client.post("/v1/experiments", json=wrong).status_code == 201
    answers(422, ("the policy 'composd'", "Did you mean 'composed'?"), "/v1/experiments/wrong/start")
    answers(409, ("experiment 'wrong' is draft",), "/v1/experiments/wrong/stop")


# ---- a store that suffers


EVENTS = {"events": [{"user": "u1", "item": "i1", "kind": "view", "id": "e1"}]}


def test_a_store_that_is_locked_while_it_serves(ran: Path) -> None:
    with (
        background("recloop.db", release=release_in(ran), port=0, log=None, patience=0.3) as server,
        httpx.Client(base_url=server.url, timeout=20) as client,
        contextlib.closing(sqlite3.connect("recloop.db", isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        for path, body in (("/v1/events", EVENTS), ("/v1/recommend", {}), ("/v1/releases/rollback", None)):
            answer = client.post(path, json=body)
            assert answer.status_code in ({503} if body is not None else {409, 503})
        answer = client.post("/v1/events", json=EVENTS)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert "recloop.db is locked by another process; wait and send it again" in answer.json()["detail"]
        assert client.get("/health/live").status_code == 200
        other.execute("ROLLBACK")
        assert client.post("/v1/events", json=EVENTS).json() == {"accepted": 1, "duplicates": 0, "rejected": []}
        assert client.get("/health/ready").status_code == 200


def test_a_store_that_is_read_only_while_it_serves(ran: Path) -> None:
    assert recloop("releases", "promote", release_in(ran)).code == 0
    url = f"sqlite:///file:{ran / 'recloop.db'}?mode=ro&uri=true"
    with background(url, port=0, log=None) as server, httpx.Client(base_url=server.url, timeout=20) as client:
        for path, body in (
            ("/v1/events", EVENTS),
            ("/v1/recommend", {}),
            ("/v1/experiments", {"name": "n", "variants": VARIANTS}),
        ):
            answer = client.post(path, json=body)
            assert answer.status_code == 503, answer.text
            assert "is read-only; give this user the right to write" in answer.json()["detail"]
        assert client.get("/health/ready").status_code == 503
        assert client.get("/v1/releases").status_code == 200


def test_the_disk_is_full_while_it_serves(ran: Path, small_disk: Callable[[str], Path]) -> None:
    """What was acknowledged is there, once; what was not is refused with 503, and taken when there is room again."""
    disk = small_disk("6m")
    acknowledged: set[str] = set()
    with (
        background(disk / "recloop.db", release=release_in(ran), port=0, log=None) as server,
        httpx.Client(base_url=server.url, timeout=20) as client,
    ):
        number = 0
        while True:
            ids = [f"e{number + place}" for place in range(2_000)]
            batch = [{"user": f"u{one}", "item": "i1", "kind": "view", "id": one} for one in ids]
            answer = client.post("/v1/events", json={"events": batch})
            if answer.status_code != 202:
                break
            acknowledged.update(ids)
            number += len(ids)
            assert number < 200_000
        assert answer.status_code == 503
        assert "what was acknowledged is kept" in answer.json()["detail"]
        assert client.get("/health/live").status_code == 200
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        assert client.post("/v1/events", json={"events": batch}).json()["accepted"] == len(ids)
        acknowledged.update(ids)
        assert client.get("/health/ready").status_code == 200
    with Store(disk / "recloop.db") as store:
        kept = store.events()["id"].to_list()
    assert len(kept) == len(acknowledged)
    assert set(kept) == acknowledged


def test_a_release_that_is_damaged_while_it_serves(ran: Path) -> None:
    release = release_in(ran)
    with (
        background("recloop.db", release=release, port=0, log=None) as server,
        httpx.Client(base_url=server.url, timeout=20) as client,
        Store("recloop.db") as store,
    ):
        name = store.releases.active().name
        (release / "items.parquet").write_bytes(b"PAR1")
        assert client.post("/v1/recommend", json={}).json()["release"] == name  # what is loaded goes on
        answer = client.post(f"/v1/releases/{name}/promote")
        assert answer.status_code == 500
        assert "items.parquet of the release" in answer.json()["detail"]
        assert "is damaged" in answer.json()["detail"]
        assert client.post("/v1/recommend", json={}).status_code == 200
