"""Both clients against a service that fails in every way that the network knows."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from recloop import AsyncClient, Client
from recloop.client import Retry, ServiceError
from recloop.client.retry import tries
from recloop.errors import AccessError, ConflictError, MissingError, RecloopError, ScopeError, SettingError
from recloop.types import Event, Feedback, ItemCondition

URL = "http://shop.test"


class Script:
    """Answers by a list: a status, headers too, or an error of the network; then as ``last``."""

    def __init__(self, *steps: Any, last: Any = None) -> None:
        self.steps = list(steps)
        self.last = last or httpx.Response(202, json={"accepted": 1, "duplicates": 0})
        self.bodies: list[Any] = []
        self.seen: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        self.bodies.append(json.loads(request.content) if request.content else None)
        step = self.steps.pop(0) if self.steps else self.last
        if isinstance(step, Exception):
            raise step
        return httpx.Response(step) if isinstance(step, int) else step


class Both:
    """One call, made by each client; the waits are noted and not waited for."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.waits: list[float] = []

    def __call__(self, script: Callable[[httpx.Request], httpx.Response], name: str, *args: Any, **more: Any) -> Any:
        transport = httpx.MockTransport(script)
        settings = {key: more.pop(key) for key in ("retry", "key") if key in more}
        if self.kind == "sync":
            with Client(URL, transport=transport, sleep=self.waits.append, **settings) as client:
                return getattr(client, name)(*args, **more)

        async def sleep(seconds: float) -> None:
            self.waits.append(seconds)

        async def main() -> Any:
            async with AsyncClient(URL, transport=transport, sleep=sleep, **settings) as client:
                return await getattr(client, name)(*args, **more)

        return asyncio.run(main())


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest) -> Both:
    return Both(request.param)


FAILURES = [429, 502, 503, 504, httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("")]


@pytest.mark.parametrize("failure", FAILURES, ids=str)
def test_what_fails_on_the_way_is_sent_again_as_it_was(call: Both, failure: Any) -> None:
    script = Script(failure, failure)
    answer = call(script, "send_events", [Event("u", "i", "click")])
    assert answer.accepted == 1
    assert len(script.bodies) == 3
    assert script.bodies[0] == script.bodies[1] == script.bodies[2]
    assert len(script.bodies[0]["events"][0]["id"]) == 32  # made once, before the first try
    assert len(call.waits) == 2


def test_waits_grow_and_differ(call: Both) -> None:
    call(Script(*[503] * 4), "send_feedback", Feedback("u", "rating", value=3.0), retry=Retry(first=1.0))
    assert all(0 <= wait <= most for wait, most in zip(call.waits, (1, 2, 4, 8), strict=True))
    assert len(set(call.waits)) == 4


def test_the_service_says_how_long_to_wait(call: Both) -> None:
    call(Script(httpx.Response(429, headers={"retry-after": "7"})), "send_events", [Event("u", "i", "click")])
    assert call.waits == [7.0]


def test_a_service_that_asks_for_an_hour_is_not_waited_for(call: Both) -> None:
    script = Script(httpx.Response(503, headers={"retry-after": "3600"}))
    with pytest.raises(ServiceError, match=r"POST /v1/events failed 1 time, at last with status 503"):
        call(script, "send_events", [Event("u", "i", "click")])
    assert call.waits == []


def test_retry_after_as_a_date() -> None:
    steps = tries(Retry(), "GET /", uniform=lambda: 0.0, clock=lambda: 1_700_000_000.0)
    next(steps)
    told = httpx.Response(503, headers={"retry-after": "Tue, 14 Nov 2023 22:13:30 GMT"})
    assert steps.send(told) == 10.0
    assert steps.send(httpx.Response(503, headers={"retry-after": "soon"})) == 0.0


def test_it_gives_up_with_the_reason(call: Both) -> None:
    with pytest.raises(ServiceError, match=r"POST /v1/events failed 3 times, at last with ConnectError; look whether"):
        call(Script(*[httpx.ConnectError("")] * 9), "send_events", [Event("u", "i", "x")], retry=Retry(times=2))
    assert len(call.waits) == 2


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, SettingError), (401, AccessError), (403, ScopeError), (404, MissingError), (409, ConflictError),
     (413, SettingError), (422, SettingError), (500, ServiceError), (501, ServiceError)],
)  # fmt: skip
def test_a_problem_is_an_error_of_recloop_and_is_not_tried_again(
    call: Both, status: int, kind: type[RecloopError]
) -> None:
    document = {"type": "", "title": "", "status": status, "detail": "The service's sentence.", "request": "r-1"}
    refusal = httpx.Response(status, json=document, headers={"content-type": "application/problem+json"})
    script = Script(refusal)
    with pytest.raises(kind, match=r"The service's sentence\.") as caught:
        call(script, "recommend", "u1")
    assert type(caught.value) is kind
    assert caught.value.__notes__ == ["request r-1"]
    assert len(script.seen) == 1


def test_an_answer_of_something_else(call: Both) -> None:
    with pytest.raises(SettingError, match="the answer has status 418: I am a teapot"):
        call(Script(httpx.Response(418, text="I am a teapot")), "recommend", "u1")
    with pytest.raises(ServiceError, match=r"/v1/recommend gave an answer that cannot be read"):
        call(Script(httpx.Response(200, text="<html>")), "recommend", "u1")


def test_events_go_in_batches_and_places_count_from_the_first(call: Both) -> None:
    def service(request: httpx.Request) -> httpx.Response:
        events = json.loads(request.content)["events"]
        wrong = [{"index": n, "detail": "no"} for n, event in enumerate(events) if event["kind"] == "wrong"]
        if len(wrong) == len(events):
            document = {"type": "", "title": "", "status": 422, "detail": "none", "rejected": wrong}
            return httpx.Response(422, json=document, headers={"content-type": "application/problem+json"})
        return httpx.Response(
            202, json={"accepted": len(events) - len(wrong), "duplicates": 0, "rejected": wrong, "new": 1}
        )

    events = [Event("u", "i", "wrong" if n == 5 or n >= 2000 else "click") for n in range(2003)]
    answer = call(service, "send_events", events)
    assert answer.accepted == 1999
    assert [one.index for one in answer.rejected] == [5, 2000, 2001, 2002]
    assert call(service, "send_events", []).accepted == 0


def test_what_goes_along(call: Both) -> None:
    script = Script(last=httpx.Response(200, json={"items": [], "by": "texts", "release": "r"}))
    call(script, "similar", "a/b ü?", k=3, where={"price": ItemCondition(maximum=9.0)}, key="rlk_1_2")
    sent = script.seen[0]
    assert sent.url.raw_path == b"/v1/items/a%2Fb%20%C3%BC%3F/similar"
    assert script.bodies == [{"k": 3, "where": {"price": {"maximum": 9.0}}}]
    assert sent.headers["authorization"] == "Bearer rlk_1_2"
    assert sent.headers["recloop-api"] == "1"


@pytest.mark.parametrize("url", ["shop.test", "ftp://shop.test", "", "http://"])
def test_a_url_that_is_none(url: str) -> None:
    for kind in (Client, AsyncClient):
        with pytest.raises(SettingError, match="it begins with http:// or https://"):
            kind(url)


def test_retries_below_nothing() -> None:
    with pytest.raises(SettingError, match="'times' of the retries is -1; it is 0 or more"):
        Retry(times=-1)


def test_importing_recloop_loads_no_client() -> None:
    code = "import sys, recloop; assert 'httpx' not in sys.modules; recloop.Client; assert 'httpx' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
