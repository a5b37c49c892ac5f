"""The script for pages, and what pages of other origins may do."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from recloop.errors import SettingError
from recloop.service.browser import origins_of

from .chromium import BROWSER, Chromium, eventually

SHOP = "https://shop.example"
EVENTS = '{"events": [{"user": "u", "item": "i", "kind": "view", "id": "e1"}]}'
TEXT = {"content-type": "text/plain;charset=UTF-8"}


def test_the_script_is_open_small_and_by_itself(service) -> None:
    client: httpx.Client = service[0]
    answer = client.get("/v1/recloop.js")
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=3600"
    assert client.get("/health/live").headers["cache-control"] == "no-store"
    assert len(answer.text.splitlines()) < 300
    for word in ("eval(", "innerHTML", "Function(", "import(", ".style", "document.cookie"):
        assert word not in answer.text


def test_pages_of_allowed_origins_send_events_by_a_key_that_writes_only(serving) -> None:
    with serving(keys=True, origins=[SHOP]) as (client, store):
        key = store.keys.create("page", ["events"])
        page = TEXT | {"origin": SHOP}
        answer = client.post(f"/v1/beacon?key={key}", content=EVENTS, headers=page)
        assert answer.status_code == 202
        assert answer.headers["access-control-allow-origin"] == SHOP
        assert "access-control-allow-credentials" not in answer.headers
        assert client.post(f"/v1/beacon?key={key}", content=EVENTS, headers=page).json()["duplicates"] == 1
        assert client.post("/v1/beacon", content=EVENTS, headers=page).status_code == 401
        assert client.post("/v1/beacon?key=%F0%9F%8D%95", content=EVENTS, headers=page).status_code == 401
        for path in ("/v1/recommend", "/v1/experiments"):  # the key in a query opens nothing else, and reads nothing
            assert client.post(f"{path}?key={key}", json={}).status_code == 401
            assert client.post(path, json={}, headers={"authorization": f"Bearer {key}"}).status_code == 403
        stranger = client.post(
            f"/v1/beacon?key={key}", content=EVENTS, headers=TEXT | {"origin": "https://evil.example"}
        )
        assert stranger.status_code == 403
        assert "access-control-allow-origin" not in stranger.headers
        assert stranger.json()["detail"] == (
            "the page is of the origin 'https://evil.example'; allowed are: https://shop.example; "
            "start the service with --origin ORIGIN."
        )


def test_without_the_setting_only_pages_of_the_service_itself(service) -> None:
    client, store = service
    for origin, status in ((SHOP, 403), ("null", 403), (str(client.base_url), 202)):
        answer = client.post("/v1/beacon", content=EVENTS, headers=TEXT | {"origin": origin})
        assert answer.status_code == status, origin
        assert "access-control-allow-origin" not in answer.headers
    assert client.post("/v1/events", content=EVENTS, headers=TEXT).status_code == 415
    assert store.counts()["events"] == 1


def test_a_browser_that_asks_first(serving) -> None:
    ask = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
    with serving(origins=[SHOP]) as (client, _):
        told = client.options("/v1/recommend", headers=ask | {"origin": SHOP})
        assert told.status_code == 200
        assert told.headers["access-control-allow-origin"] == SHOP
        assert client.options("/v1/recommend", headers=ask | {"origin": "https://evil.example"}).status_code == 400
    with serving() as (client, _):
        assert client.options("/v1/recommend", headers=ask | {"origin": SHOP}).status_code == 405


@pytest.mark.parametrize("name", ["*", "shop.example", "https://shop.example/", "https://shop.example/a", "null", ""])
def test_what_is_no_origin(name: str) -> None:
    with pytest.raises(SettingError, match="is no origin; an origin is a scheme and a host"):
        origins_of([name])


# ---- in a real browser

PAGE = """<!doctype html><title>shop</title><link rel="stylesheet" href="/style.css">
<ul data-recloop-decision="d-1">{items}</ul><a id="away" href="/away">away</a>
<script src="{service}/v1/recloop.js" data-key="{key}" data-user="u1" data-seconds="600" data-view-seconds="0.3" defer>
</script>"""


@pytest.fixture
def shop() -> Iterator[tuple[str, dict[str, tuple[str, str]], dict[str, str]]]:
    """A shop of another origin: its address, its pages (path → media, text), its headers."""
    pages: dict[str, tuple[str, str]] = {}
    headers: dict[str, str] = {}

    class Shop(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            media, text = pages.get(self.path, ("text/plain", ""))
            self.send_response(200)
            for name, value in ({"content-type": media} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Shop) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", pages, headers
        server.shutdown()
        thread.join()


@pytest.mark.browser
@pytest.mark.skipif(BROWSER is None, reason="needs a Chromium")
def test_views_and_clicks_of_a_real_page_arrive(serving, shop, tmp_path: Path) -> None:
    address, pages, headers = shop
    with serving(keys=True, origins=[address]) as (client, store):
        service = str(client.base_url).rstrip("/")
        key = store.keys.create("page", ["events"])
        items = "".join(f'<li data-recloop-item="i{n}"><b>item {n}</b></li>' for n in range(10))
        pages["/"] = ("text/html", PAGE.format(items=items, service=service, key=key))
        pages["/style.css"] = ("text/css", "ul {margin: 0; padding: 0} li {height: 250px}")
        headers["content-security-policy"] = (
            f"default-src 'none'; style-src 'self'; script-src {service}; connect-src {service}"
        )

        def kept(kind: str) -> list[str]:
            return store.events().filter(kind=kind)["item"].to_list()

        with Chromium(tmp_path / "profile") as browser:
            browser.open(f"{address}/")
            eventually(lambda: browser.evaluate("typeof recloop") == "object")
            browser.evaluate("new Promise(done => setTimeout(done, 700))")  # i0 and i1 are in sight for long enough
            assert kept("view") == []  # they wait for others
            browser.click("li[data-recloop-item=i1] b")
            browser.evaluate("recloop.flush()")
            eventually(lambda: kept("click") == ["i1"])
            assert {"i0", "i1"} <= set(kept("view"))
            assert "i5" not in kept("view")
            # further down, and an item that the page adds later
            browser.evaluate(
                "(() => { const late = document.createElement('li'); late.dataset.recloopItem = 'late';"
                "document.querySelector('ul').append(late); late.scrollIntoView(); })()"
            )
            browser.evaluate("new Promise(done => setTimeout(done, 700))")
            browser.evaluate("recloop.track({item: 'i9', kind: 'purchase', value: 3.5})")
            assert kept("purchase") == []
            browser.evaluate("document.querySelector('#away').click()")  # the page goes, the beacon stays
            eventually(lambda: kept("purchase") == ["i9"])
            eventually(lambda: "late" in kept("view"))
            complaints = [one for one in browser.complaints if "favicon" not in one]
        assert complaints == []
        events = store.events()
        assert set(events["user"]) == {"u1"}
        assert set(events.filter(kind="click")["decision"]) == {"d-1"}
        assert len(kept("view")) == len(set(kept("view")))
        assert not {"i3", "i4", "i5"} & set(kept("view"))  # passed, never seen for long enough


@pytest.mark.browser
@pytest.mark.skipif(BROWSER is None, reason="needs a Chromium")
def test_a_visitor_without_a_name_and_a_service_that_is_busy(serving, shop, tmp_path: Path, monkeypatch) -> None:
    address, pages, _ = shop
    with serving(origins=[address]) as (client, store):
        service = str(client.base_url).rstrip("/")
        pages["/"] = (
            "text/html",
            f'<p data-recloop-item="i1">one</p><script src="{service}/v1/recloop.js" data-wait></script>',
        )
        with Chromium(tmp_path / "profile") as browser:
            browser.open(f"{address}/")
            browser.click("p")  # nothing is counted before the page says so
            browser.evaluate("recloop.start()")
            # the first try meets no network, the second one the service
            browser.evaluate(
                "(() => { const real = fetch; let n = 0;"
                "window.fetch = (...all) => n++ ? real(...all) : Promise.reject(new TypeError('down')); })()"
            )
            browser.click("p")
            browser.evaluate("recloop.flush()")
            assert store.counts()["events"] == 0
            eventually(lambda: store.events().filter(kind="click").height == 1)
            (user,) = set(store.events()["user"])
            assert user.startswith("anonymous-")
            assert len(user) == len("anonymous-") + 32
            pages["/next"] = pages["/"]
            browser.open(f"{address}/next")
            eventually(lambda: browser.evaluate("typeof recloop") == "object")
            browser.evaluate("recloop.start(), recloop.track({item: 'i2', kind: 'view'}), recloop.flush()")
            eventually(lambda: "i2" in store.events()["item"].to_list())
            assert set(store.events()["user"]) == {user}  # one visit, one id
            with pytest.raises(AssertionError, match="needs an item and a kind"):
                browser.evaluate("recloop.track({item: 'i1'})")
