"""The mistakes that people make, as one table: each is a problem document whose sentence says what to do."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from recloop.service.problems import TITLES
from recloop.store.keys import SCOPES

VARIANTS = {"a": {"policy": "popular", "control": True}, "b": {"policy": "blend"}}
CLICK = {"user": "u1", "item": "i1", "kind": "click"}


@dataclass(frozen=True)
class Mistake:
    """A request, and what is said to it: what is wrong, and what to do."""

    name: str
    path: str
    status: int
    wrong: str
    advice: str
    body: Any = field(default_factory=dict)
    method: str = "POST"
    key: str = "admin"
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None


def _events(**more: object) -> dict[str, Any]:
    return {"events": [CLICK | more]}


TABLE = [
    Mistake("no key", "/v1/recommend", 401, "has no API key", "send the header Authorization: Bearer <key>", key=""),
    Mistake("wrong key", "/v1/recommend", 401, "is not known, has expired, or was revoked", "recloop keys create NAME", key="rlk_1_2"),
    Mistake("missing scope", "/v1/releases", 403, "lacks the scope 'releases'", "use another key", method="GET", key="events"),
    Mistake("force without its scope", "/v1/recommend", 403, "lacks the scope 'experiments'", "use another key",
            {"force": {"home": "a"}}, key="recommend"),
    Mistake("unknown item", "/v1/items/i999/similar", 404, "has no item 'i999'", "look at the id, or promote a release"),
    Mistake("k is 0", "/v1/recommend", 422, "'k' of the body is 0", "at least 1", {"k": 0}),
    Mistake("k is too large", "/v1/recommend", 422, "'k' of the body is 1001", "at most 1000", {"k": 1001}),
    Mistake("k is a text", "/v1/recommend", 422, "'k' of the body is \"ten\"", "must be a whole number", {"k": "ten"}),
    Mistake("a misspelt field", "/v1/recommend", 422, "unknown field 'usr'", "Did you mean 'user'?", {"usr": "u1"}),
    Mistake("unknown attribute", "/v1/recommend", 422, "the attribute 'yaer'", "Did you mean 'year'?",
            {"where": {"yaer": {"minimum": 1990}}}),
    Mistake("unknown experiment", "/v1/experiments/hoem/start", 404, "no experiment 'hoem'", "Did you mean 'home'?"),
    Mistake("unknown forced experiment", "/v1/recommend", 422, "no experiment 'hoem' runs", "Valid: ",
            {"user": "u", "force": {"hoem": "a"}}),
    Mistake("unknown forced variant", "/v1/recommend", 422, "has no variant 'c'", "Valid: a, b",
            {"user": "u", "force": {"shelf": "c"}}),
    Mistake("stopped experiment is forced", "/v1/recommend", 422, "no experiment 'home' runs", "Valid: shelf",
            {"user": "u", "force": {"home": "a"}}),
    Mistake("stopped experiment is started", "/v1/experiments/home/start", 409, "'home' is stopped", "revise it"),
    Mistake("unknown release", "/v1/releases/tow/promote", 404, "no release 'tow'", "Valid: one"),
    Mistake("no release before", "/v1/releases/rollback", 409, "no release to roll back to", ""),
    Mistake("event without item", "/v1/events", 422, "lacks the field 'item'", "'item' is required",
            {"events": [{"user": "u", "kind": "click"}]}),
    Mistake("time as text", "/v1/events", 422, "'time' of the event is \"today\"", "must be a number", _events(time="today")),
    Mistake("milliseconds", "/v1/events", 422, "is more than a day ahead", "divide it by 1000", _events(time=time.time() * 1e3)),
    Mistake("far future", "/v1/events", 422, "is more than a day ahead", "set the clock, or send no time", _events(time=9e9)),
    Mistake("before 1970", "/v1/events", 422, "is before 1970", "send seconds since then", _events(time=-5)),
    Mistake("no kind", "/v1/events", 422, "'kind' of the event is \"\"", "at least 1", _events(kind="")),
    Mistake("unknown kind of feedback", "/v1/feedback", 422, "'kind' of the body is 'coment'", "Did you mean 'comment'?",
            {"user": "u", "kind": "coment"}),
    Mistake("empty comment", "/v1/feedback", 422, "A comment needs a text", "", {"user": "u", "kind": "comment"}),
    Mistake("no events", "/v1/events", 422, "'events' of the body is a list", "at least 1", {"events": []}),
    Mistake("oversized body", "/v1/events", 413, "the body has 1000001 bytes", "send smaller batches", raw=b" " * 1_000_001),
    Mistake("wrong content type", "/v1/events", 415, "the content type is 'text/csv'", "set Content-Type",
            headers={"content-type": "text/csv"}, raw=b"u1,i1,click"),
    Mistake("no JSON", "/v1/events", 400, "the body is not JSON", "send one JSON object", raw=b"user=u1"),
    Mistake("no body", "/v1/recommend", 400, "the body is empty", "see /docs", raw=b""),
    Mistake("not UTF-8", "/v1/recommend", 400, "is not UTF-8", "in UTF-8", raw=b'{"user": "\xff"}'),
    Mistake("old client", "/v1/recommend", 406, "the client speaks version '0'", "pip install --upgrade recloop",
            headers={"recloop-api": "0"}),
    Mistake("wrong path", "/v1/recomend", 404, "nothing at /v1/recomend", "Did you mean /v1/recommend?"),
    Mistake("other version's path", "/v2/recommend", 404, "nothing at /v2/recommend", "Did you mean /v1/recommend?"),
    Mistake("wrong method", "/v1/recommend", 405, "GET does not work on", "use POST", method="GET"),
    Mistake("a stranger's page", "/v1/beacon", 403, "the page is of the origin 'https://evil.example'", "--origin",
            _events(), headers={"origin": "https://evil.example"}),
]  # fmt: skip


@pytest.fixture(scope="module")
def shop(releases, tmp_path_factory) -> Iterator[tuple[httpx.Client, dict[str, str]]]:
    """A service that needs keys, with an experiment that was stopped and one that runs."""
    from recloop.service.server import background
    from recloop.store import Store

    file = tmp_path_factory.mktemp("shop") / "store.db"
    with (
        background(file, release=releases["one"], port=0, log=None, keys=True) as server,
        httpx.Client(base_url=server.url, timeout=20) as client,
        Store(file) as store,
    ):
        keys = {scope: store.keys.create(scope, [scope]) for scope in SCOPES}
        admin = {"authorization": f"Bearer {keys['admin']}"}
        for name in ("home", "shelf"):
            assert client.post("/v1/experiments", json={"name": name, "variants": VARIANTS}, headers=admin).is_success
        for step in ("home/start", "home/stop", "shelf/start"):
            assert client.post(f"/v1/experiments/{step}", headers=admin).is_success
        yield client, keys


def ask(shop: tuple[httpx.Client, dict[str, str]], mistake: Mistake) -> httpx.Response:
    client, keys = shop
    headers = dict(mistake.headers)
    if mistake.key:
        headers["authorization"] = f"Bearer {keys.get(mistake.key, mistake.key)}"
    if mistake.raw is None:
        body = {} if mistake.method == "GET" else {"json": mistake.body}
    else:
        headers.setdefault("content-type", "application/json")
        body = {"content": mistake.raw}
    return client.request(mistake.method, mistake.path, headers=headers, **body)


@pytest.mark.parametrize("mistake", TABLE, ids=lambda mistake: mistake.name)
def test_each_mistake_is_told_what_to_do(shop, mistake: Mistake) -> None:
    answer = ask(shop, mistake)
    assert answer.status_code == mistake.status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert set(told) <= {"type", "title", "status", "detail", "request", "rejected"}
    assert (told["status"], told["type"]) == (mistake.status, f"/docs#problem-{mistake.status}")
    assert told["title"] == TITLES[mistake.status]
    assert told["request"] == answer.headers["x-request-id"]
    assert mistake.wrong in told["detail"]
    assert mistake.advice in told["detail"]
    assert told["detail"].endswith((".", "?"))
    assert "Traceback" not in answer.text
    assert "recloop.service" not in answer.text


def test_what_is_no_mistake(shop) -> None:
    client, keys = shop
    headers = {"authorization": f"Bearer {keys['admin']}"}
    for body in ({"user": "never seen"}, {"candidates": ["i1", "never seen"]}, {"exclude": ["never seen"]}):
        assert client.post("/v1/recommend", json=body, headers=headers).json()["items"]
    # kinds are data, and whoever does not know the time leaves it to the service
    before = time.time()
    event = {"user": "never seen", "item": "never seen", "kind": "waved at", "id": "no-time"}
    assert client.post("/v1/events", json={"events": [event]}, headers=headers).json()["accepted"] == 1
    assert time.time() >= before


def test_a_variant_of_an_experiment_where_none_runs(service) -> None:
    client, _ = service
    answer = client.post("/v1/recommend", json={"force": {"home": "blend"}})
    assert answer.status_code == 422
    told = "no experiment 'home' runs; none runs now; start it, or leave force out."
    assert answer.json()["detail"] == told
