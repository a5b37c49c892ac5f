"""Closed by default: the table of routes is walked, and every scope is tried on every route."""

import asyncio
import threading
from collections.abc import Iterator

import httpx
import pytest
from starlette.datastructures import Headers

from recloop.errors import StoreError
from recloop.service import access
from recloop.service.access import PUBLIC, Access, loopback
from recloop.service.application import TABLE
from recloop.service.route import Route
from recloop.store.keys import SCOPES, KeyRecord

OPEN = {"/health/live", "/health/ready", "/openapi.json", "/docs", "/v1/recloop.js"}


@pytest.fixture
def closed(serving) -> Iterator[tuple[httpx.Client, dict[str, str]]]:
    """A service that needs keys, and a key of each scope."""
    with serving(keys=True) as (client, store):
        yield client, {scope: store.keys.create(scope, [scope]) for scope in SCOPES}


def ask(client: httpx.Client, route: Route, token: str = "", scheme: str = "Bearer") -> httpx.Response:
    headers = {"Authorization": f"{scheme} {token}"} if token else {}
    path = route.path.replace("{name}", "nothing").replace("{item}", "nothing")
    return client.request(route.method, path, headers=headers, json={} if route.request else None)


def test_every_route_has_a_scope_and_only_these_are_open() -> None:
    assert {route.path for route in TABLE if route.scope == PUBLIC} == OPEN
    assert {route.scope for route in TABLE} - {PUBLIC} <= set(SCOPES)
    assert all(route.summary for route in TABLE)
    assert len({(route.method, route.path) for route in TABLE}) == len(TABLE)


def test_every_scope_on_every_route(closed) -> None:
    client, tokens = closed
    for route in TABLE:
        without = ask(client, route)
        if route.scope == PUBLIC:
            assert without.status_code == 200, route
            continue
        assert without.status_code == 401, route
        assert without.headers["www-authenticate"] == "Bearer"
        assert without.json()["detail"].startswith("the request has no API key")
        for wrong in (ask(client, route, "rlk_0_0"), ask(client, route, tokens["admin"], "Basic")):
            assert wrong.status_code == 401, route
            assert "is not known, has expired, or was revoked" in wrong.json()["detail"]
        for scope, token in tokens.items():
            answer = ask(client, route, token)
            if scope in {route.scope, "admin"}:
                assert answer.status_code not in {401, 403}, (route, scope)
            else:
                assert answer.status_code == 403, (route, scope)
                assert f"lacks the scope '{route.scope}'" in answer.json()["detail"]


def test_nothing_is_done_before_the_key_is_looked_at(closed) -> None:
    client, _ = closed
    assert client.post("/v1/recommend", content=b"no JSON").status_code == 401
    assert client.post("/v1/recommend", content=b" " * 2_000_000).status_code == 401


def test_a_revoked_key_opens_nothing(serving, monkeypatch) -> None:
    monkeypatch.setattr("recloop.service.access.FRESH", 0.0)
    with serving(keys=True) as (client, store):
        token = store.keys.create("shop", ["recommend"])
        header = {"Authorization": f"Bearer {token}"}
        assert client.post("/v1/recommend", json={}, headers=header).status_code == 200
        store.keys.revoke(store.keys.find(token).id)
        assert client.post("/v1/recommend", json={}, headers=header).status_code == 401


def test_who_did_it_is_in_the_audit_line(closed, serving, tmp_path) -> None:
    from recloop.store import Store

    client, tokens = closed
    header = {"Authorization": f"Bearer {tokens['admin']}"}
    variants = {"a": {"policy": "popular", "control": True}, "b": {"policy": "blend"}}
    client.post("/v1/experiments", json={"name": "home", "variants": variants}, headers=header)
    with Store(tmp_path / "store.db") as store:
        line = store.audit.lines(1)[0]
        assert (line.actor, line.action) == (store.keys.find(tokens["admin"]).id, "create experiment")


def test_without_keys_a_page_of_another_site_is_not_answered(service) -> None:
    client, _ = service
    answer = client.post("/v1/recommend", json={}, headers={"host": "evil.example:80"})
    assert answer.status_code == 421
    assert "without keys only this machine is served" in answer.json()["detail"]
    for host in ("localhost:8000", "127.0.0.1", "[::1]:8000", "[::1]"):
        assert client.get("/health/live", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["10.0.0.1", "::", "example.org", ""])
def test_other_hosts_are_not_this_machine(host: str) -> None:
    assert not loopback(host)


def test_keys_expire_and_are_rotated_without_a_gap(serving, monkeypatch) -> None:
    monkeypatch.setattr("recloop.service.access.FRESH", 0.0)
    with serving(keys=True) as (client, store):
        old = store.keys.create("shop", ["recommend"], lasts=3600.0)
        key = store.keys.find(old).id
        new = store.keys.rotate(key, keep=60.0, actor="me")
        for token in (old, new):
            header = {"Authorization": f"Bearer {token}"}
            assert client.post("/v1/recommend", json={}, headers=header).status_code == 200
        store.keys.rotate(store.keys.find(new).id, keep=0.0)
        answer = client.post("/v1/recommend", json={}, headers={"Authorization": f"Bearer {new}"})
        assert answer.status_code == 401
        assert "has expired" in answer.json()["detail"]


def test_the_last_use_of_a_key_is_noted(serving) -> None:
    with serving(keys=True) as (client, store):
        token = store.keys.create("shop", ["recommend"])
        assert store.keys.all()[0].used is None
        client.post("/v1/recommend", json={}, headers={"Authorization": f"Bearer {token}"})
        (key,) = store.keys.all()
        assert key.used is not None
        assert key.used >= key.created


def test_pages_for_browsers_load_nothing_and_stand_in_no_frame(service) -> None:
    client, _ = service
    pages = [route for route in TABLE if route.method == "GET" and "{" not in route.path]
    html = [answer for route in pages if "text/html" in (answer := client.get(route.path)).headers["content-type"]]
    assert [answer.url.path for answer in html] == ["/docs"]
    for answer in html:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "script-src" not in policy
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
    for path in ("/docs", "/health/live", "/v1/nothing"):
        assert client.get(path).headers["x-content-type-options"] == "nosniff"
        assert client.get(path).headers["cache-control"] == "no-store"


def test_without_keys_a_page_of_another_origin_changes_nothing(serving, releases) -> None:
    """A form that a stranger's page posts to this machine needs no permission of the browser, and names its origin."""
    with serving() as (client, store):
        store.releases.add("two", str(releases["two"]), "")
        for origin in ("https://evil.example", "null", "http://127.0.0.1.evil.example"):
            for path in ("/v1/releases/two/promote", "/v1/releases/rollback", "/v1/persons/erase"):
                answer = client.post(path, headers={"Origin": origin}, json={"user": "u"})
                assert answer.status_code == 403
                assert answer.json()["detail"].startswith(
                    f"the page is of the origin '{origin}'; allowed are: the pages"
                )
        assert store.releases.active().name == "one"
        own = str(client.base_url).rstrip("/")
        assert client.post("/v1/releases/two/promote", headers={"Origin": own}).status_code == 200
    with serving(origins=["https://shop.example"]) as (client, _):
        assert client.post("/v1/recommend", json={}, headers={"Origin": "https://shop.example"}).status_code == 200
    with serving(keys=True) as (client, store):  # who has the key is no page that was not meant
        token = store.keys.create("shop", ["recommend"])
        headers = {"Authorization": f"Bearer {token}", "Origin": "https://other.example"}
        assert client.post("/v1/recommend", json={}, headers=headers).status_code == 200


def test_a_store_that_does_not_answer_holds_up_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look for a key is no turn of the event loop: whoever waits for it waits alone, and not for ever."""
    monkeypatch.setattr(access, "PATIENCE", 0.2)
    answers, asked = threading.Event(), []

    class Slow:
        def find(self, token: str) -> KeyRecord:
            asked.append(token)
            answers.wait(30)
            return KeyRecord("k1", "shop", frozenset({"events"}), 0.0, None)

        def used(self, key: str) -> None:
            assert key == "k1"

    async def story() -> tuple[list[object], str]:
        door = Access(Slow(), required=True)  # type: ignore[arg-type]
        headers = Headers({"authorization": "Bearer t"})
        refused = await asyncio.gather(*(door.admit(headers, "events") for _ in range(3)), return_exceptions=True)
        answers.set()
        return refused, await door.admit(headers, "events")

    refused, key = asyncio.run(story())
    assert {str(one) for one in refused} == {
        "the store did not tell within 0.2 s whether the key is known; send it again."
    }
    assert all(isinstance(one, StoreError) for one in refused)
    assert (key, asked) == ("k1", ["t"]), "asked once for all of them"
