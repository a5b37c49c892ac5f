import json
import threading
from collections import Counter

import httpx
import pytest

from recloop.client import Retry, ServiceError
from recloop.errors import SettingError
from recloop.simulate import HttpClient


class Service:
    """Answers every route, after as many failures per request as asked for."""

    def __init__(self, failures: int = 0, failure: int | None = 503) -> None:
        self.failures, self.failure = failures, failure
        self.bodies: list[tuple[str, dict]] = []
        self.tries: Counter[bytes] = Counter()
        self.lock = threading.Lock()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        with self.lock:
            self.tries[request.content] += 1
            if self.tries[request.content] <= self.failures:
                if self.failure is None:
                    raise httpx.ConnectError("nobody there")
                return httpx.Response(self.failure)
            body = json.loads(request.content)
            self.bodies.append((request.url.path, body))
        if request.url.path == "/v1/recommend":
            return httpx.Response(200, json={"decision": f"d-{body['user']}", "items": []})
        return httpx.Response(202, json={"accepted": 1, "duplicates": 0})


def client(service: Service, times: int = 4) -> HttpClient:
    retry = Retry(times=times, first=0.0)
    return HttpClient("http://shop.test", retry=retry, transport=httpx.MockTransport(service))


def test_answers_come_in_the_order_of_the_requests() -> None:
    with client(Service()) as c:
        answers = c.recommend([{"user": f"u{n}"} for n in range(50)])
        assert [a["decision"] for a in answers] == [f"d-u{n}" for n in range(50)]
        assert len(c.latencies) == 50
        assert min(c.latencies) > 0
        assert c.recommend([]) == []


def test_events_go_in_batches_and_words_one_by_one() -> None:
    service = Service()
    with client(service) as c:
        c.send_events([{"id": str(n)} for n in range(1201)])
        c.send_feedback([{"id": "a"}, {"id": "b"}])
    batches = [body["events"] for path, body in service.bodies if path == "/v1/events"]
    assert sorted(map(len, batches)) == [201, 500, 500]
    assert {e["id"] for batch in batches for e in batch} == {str(n) for n in range(1201)}
    assert [path for path, _ in service.bodies].count("/v1/feedback") == 2


@pytest.mark.parametrize("failure", [503, 429, None])
def test_what_fails_is_sent_again_with_the_same_ids(failure: int | None) -> None:
    service = Service(failures=2, failure=failure)
    with client(service) as c:
        c.send_events([{"id": "e1"}])
        assert c.retries == 2
    assert service.bodies == [("/v1/events", {"events": [{"id": "e1"}]})]
    assert list(service.tries.values()) == [3]


def test_it_gives_up_with_a_reason() -> None:
    service = Service(failures=99)
    with (
        client(service, times=2) as c,
        pytest.raises(
            ServiceError,
            match=r"POST /v1/events failed 3 times, at last with status 503.*look whether",
        ),
    ):
        c.send_events([{"id": "e1"}])
    assert list(service.tries.values()) == [3]


def test_a_refusal_is_not_tried_again() -> None:
    service = Service(failures=99, failure=422)
    with client(service) as c, pytest.raises(SettingError, match="the answer has status 422"):
        c.recommend([{"user": "u1"}])
    assert list(service.tries.values()) == [1]


def test_a_rejected_event_is_an_error() -> None:
    def reject(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(202, json={"accepted": 0, "rejected": [{"index": 0, "detail": "no time"}]})

    c = HttpClient("http://shop.test", transport=httpx.MockTransport(reject))
    with c, pytest.raises(ServiceError, match=r"rejected an event: .*no time"):
        c.send_events([{"id": "e1"}])


def test_the_key_goes_along() -> None:
    seen = []

    def look(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("authorization"))
        return httpx.Response(202, json={})

    for key in (None, "secret"):
        with HttpClient("http://shop.test", key=key, transport=httpx.MockTransport(look)) as c:
            c.send_feedback([{"id": "a"}])
    assert seen == [None, "Bearer secret"]
