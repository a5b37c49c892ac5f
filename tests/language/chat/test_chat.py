"""Calls of a language model over real HTTP: what is sent, what is read, what is tried again, what it may cost."""

import json
import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recloop.errors import AnswerError, SettingError
from recloop.language.chat import FAILURES, REST, Chat
from recloop.language.ledger import Ledger
from recloop.language.replies import Replies

from .endpoint import Clock, Endpoint, Reply, completion, serving

HELLO = [{"role": "user", "content": "order these"}]
SECRET = "sk-not-to-be-seen-anywhere"


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with serving() as found:
        yield found


@pytest.fixture
def clock() -> Clock:
    return Clock()


def chat(endpoint: Endpoint, clock: Clock | None = None, **settings: Any) -> Chat:
    clock = clock or Clock()
    return Chat(endpoint.url, "recorded-8b", clock=clock, sleep=clock.sleep, **settings)


def why(chat: Chat, messages: list[dict[str, str]] = HELLO) -> str:
    with pytest.raises(AnswerError) as caught:
        chat.ask(messages, str)
    return caught.value.reason


def refused(text: str) -> str:
    raise AnswerError(f"no: {len(text)} letters")


def test_what_is_sent_and_read(endpoint: Endpoint) -> None:
    endpoint.answers("[2, 1]")
    assert chat(endpoint, max_tokens=99).ask(HELLO, json.loads) == [2, 1]
    assert endpoint.paths == ["/v1/chat/completions"]
    assert endpoint.asked == [{"model": "recorded-8b", "messages": HELLO, "temperature": 0, "max_tokens": 99}]
    assert "authorization" not in endpoint.headers[0]


def test_the_body_adds_and_takes_out_fields(endpoint: Endpoint) -> None:
    chat(endpoint, body={"max_tokens": None, "max_completion_tokens": 50}).ask(HELLO, str)
    assert "max_tokens" not in endpoint.asked[0]
    assert endpoint.asked[0]["max_completion_tokens"] == 50


def test_the_key_goes_into_the_header_and_nowhere_else(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("A_KEY", SECRET)
    model = chat(endpoint, key_variable="A_KEY", ledger=Ledger(tmp_path / "l.jsonl"), replies=Replies(tmp_path / "r"))
    model.ask(HELLO, str)
    assert endpoint.headers[0]["authorization"] == f"Bearer {SECRET}"
    endpoint.script = [Reply(status=401, content=SECRET.encode())]
    with pytest.raises(AnswerError) as caught:
        model.ask([{"role": "user", "content": "other"}], str)
    written = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    for text in (caplog.text, str(caught.value), repr(model), repr(vars(model)), written):
        assert SECRET not in text
    assert "status 401" in str(caught.value)
    assert "A_KEY" in str(caught.value)


def test_a_key_that_no_header_can_hold_is_not_shown(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "ключ")
    with pytest.raises(AnswerError) as caught:
        chat(endpoint, key_variable="A_KEY", retries=0).ask(HELLO, str)
    assert "ключ" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert endpoint.asked == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"url": "ftp://host/v1"}, "url is not the base of an endpoint"),
        ({"url": "host/v1"}, "url is not the base"),
        ({"url": "http://host:99999/v1"}, "url is not the base"),
        ({"url": "https://host/v1?key=1"}, "url is not the base"),
        ({"url": "https://me:word@host/v1"}, "url holds a name or a password"),
        ({"key_variable": "sk-12345"}, "key_variable is not the name of an environment variable"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, str], said: str) -> None:
    with pytest.raises(SettingError, match=said) as caught:
        Chat(**{"url": "http://localhost/v1", "model": "m", **settings})
    assert "word" not in str(caught.value).replace("password", "")
    assert "12345" not in str(caught.value)


# ---- answers that are none


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>gateway</html>",
        b"[]",
        b'{"choices": []}',
        b'{"error": {"message": "no"}}',
        b"\xff\xfe",
        b"[" * 100_000,
        completion(None),
        completion("x", choices=[{"message": {"content": [{"type": "text"}]}}])[:-40],
    ],
)
def test_what_is_no_completion_is_malformed(endpoint: Endpoint, content: bytes) -> None:
    endpoint.script = [Reply(content)]
    assert why(chat(endpoint)) == "malformed"
    assert len(endpoint.asked) == 1  # asking again would cost again


def test_an_endless_answer_is_cut(endpoint: Endpoint) -> None:
    endpoint.script = [Reply(completion("x" * 2_000_000))]
    assert why(chat(endpoint)) == "too large"


def test_a_redirect_is_not_followed_with_the_key(endpoint: Endpoint) -> None:
    endpoint.script = [Reply(status=307, headers={"location": "http://127.0.0.1:9/v1/chat/completions"})]
    assert why(chat(endpoint)) == "status 307"


# ---- tries


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(endpoint: Endpoint, clock: Clock, status: int) -> None:
    endpoint.script = [Reply(status=status), Reply(status=status), Reply(completion("[1]"))]
    assert chat(endpoint, clock).ask(HELLO, str) == "[1]"
    assert len(endpoint.asked) == 3
    first, second = clock.slept
    assert 0.5 <= first <= 1.0
    assert second == pytest.approx(2 * first)


def test_retry_after_is_obeyed_where_the_deadline_allows(endpoint: Endpoint, clock: Clock) -> None:
    endpoint.script = [Reply(status=429, headers={"retry-after": "4"}), Reply(completion("[1]"))]
    chat(endpoint, clock, timeout=10.0).ask(HELLO, str)
    assert clock.slept == [4.0]
    endpoint.script = [Reply(status=429, headers={"retry-after": "40"})]
    assert why(chat(endpoint, clock, timeout=10.0)) == "status 429"
    assert clock.slept == [4.0]


@pytest.mark.parametrize("after", ["Wed, 21 Oct 2026 07:28:00 GMT", "-3", "inf", "nan"])
def test_a_strange_retry_after_is_passed_over(endpoint: Endpoint, clock: Clock, after: str) -> None:
    endpoint.script = [Reply(status=503, headers={"retry-after": after}), Reply(completion("[1]"))]
    chat(endpoint, clock).ask(HELLO, str)
    assert 0.5 <= clock.slept[0] <= 1.0


def test_what_will_not_pass_is_not_tried_again(endpoint: Endpoint) -> None:
    endpoint.script = [Reply(status=404)]
    assert why(chat(endpoint)) == "status 404"
    assert len(endpoint.asked) == 1


def test_tries_end(endpoint: Endpoint) -> None:
    endpoint.script = [Reply(status=500)]
    assert why(chat(endpoint, retries=3, timeout=60)) == "status 500"
    assert len(endpoint.asked) == 4


def test_a_late_answer_is_a_timeout(endpoint: Endpoint) -> None:
    endpoint.script = [Reply(completion("[1]"), wait=5.0)]
    assert why(chat(endpoint, timeout=0.2)) == "timeout"


def test_an_answer_that_drips_is_a_timeout(endpoint: Endpoint) -> None:
    endpoint.script = [Reply(completion("[1]"), drip=0.05)]
    assert why(chat(endpoint, timeout=0.3, retries=0)) == "timeout"


def test_a_connection_that_breaks_is_tried_again(endpoint: Endpoint) -> None:
    endpoint.script = [Reply(hang_up=True), Reply(completion("[1]"))]
    assert chat(endpoint).ask(HELLO, str) == "[1]"


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    clock = Clock()
    model = Chat(f"http://127.0.0.1:{port}/v1", "m", retries=1, clock=clock, sleep=clock.sleep)
    assert why(model) == "unreachable"


def test_a_dead_endpoint_is_left_alone_for_a_while(
    endpoint: Endpoint, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.script = [Reply(status=500)]
    model = chat(endpoint, clock, retries=0)
    for _ in range(FAILURES):
        assert why(model) == "status 500"
    assert why(model) == "resting"
    assert len(endpoint.asked) == FAILURES
    assert "failed 3 times in a row (status 500)" in caplog.text
    clock.ahead += REST + 1
    endpoint.answers("[1]")
    assert model.ask(HELLO, str) == "[1]"
    assert model.counts == {"status 500": 3, "resting": 1, "answered": 1}


def test_calls_are_counted_out(endpoint: Endpoint, tmp_path: Path) -> None:
    model = chat(endpoint, max_calls=2, replies=Replies(tmp_path))
    for text in ("a", "b"):
        model.ask([{"role": "user", "content": text}], str)
    assert why(model) == "max_calls"
    assert model.ask([{"role": "user", "content": "a"}], str) == "[1]"  # from disk
    assert len(endpoint.asked) == 2


# ---- answers on disk


def test_an_accepted_answer_is_asked_for_once(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.answers("first", "second")
    for _ in range(2):
        assert chat(endpoint, replies=Replies(tmp_path)).ask(HELLO, str) == "first"
    other = Chat(endpoint.url, "another", replies=Replies(tmp_path))
    assert other.ask(HELLO, str) == "second"
    assert chat(endpoint, max_tokens=3, replies=Replies(tmp_path)).ask(HELLO, str) == "second"
    assert len(endpoint.asked) == 3


def test_a_refused_answer_is_not_kept(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.answers("nonsense", "[1]")
    model = chat(endpoint, replies=Replies(tmp_path))
    with pytest.raises(AnswerError, match="no: 8 letters"):
        model.ask(HELLO, refused)
    assert model.ask(HELLO, str) == "[1]"
    assert model.counts == {"malformed": 1, "answered": 1}


@pytest.mark.parametrize("damage", [b"", b"{", b'{"answer": "[2]"}', b'{"answer": "[2]", "sum": "00"}', b"[]", b"\xff"])
def test_a_damaged_answer_is_asked_for_again(endpoint: Endpoint, tmp_path: Path, damage: bytes) -> None:
    replies = Replies(tmp_path)
    chat(endpoint, replies=replies).ask(HELLO, str)
    (file,) = tmp_path.rglob("*.json")
    file.write_bytes(damage)
    assert chat(endpoint, replies=replies).ask(HELLO, str) == "[1]"
    assert len(endpoint.asked) == 2


def test_a_folder_that_cannot_be_written_costs_calls_only(endpoint: Endpoint, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    model = chat(endpoint, replies=Replies(tmp_path / "file"))
    assert [model.ask(HELLO, str) for _ in range(2)] == ["[1]", "[1]"]


# ---- costs


def ledger(folder: Path, **settings: Any) -> Ledger:
    return Ledger(folder / "calls.jsonl", input_price=10.0, output_price=40.0, now=lambda: 123.0, **settings)


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "calls.jsonl").read_text().splitlines()]


def test_each_try_is_written_down(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.script = [Reply(status=429), Reply(completion("[1]"))]
    chat(endpoint, ledger=ledger(tmp_path)).ask(HELLO, str)
    busy, done = lines(tmp_path)
    assert busy["outcome"] == "status 429"
    assert busy["cost"] == 0
    assert done == {
        "time": 123.0, "model": "recorded-8b", "prompt_tokens": 412, "answer_tokens": 61,
        "cost": pytest.approx((412 * 10 + 61 * 40) / 1e6), "outcome": "answered",
    }  # fmt: skip
    assert "order these" not in (tmp_path / "calls.jsonl").read_text()


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": -5, "completion_tokens": True}, "many"])
def test_tokens_that_the_endpoint_does_not_count_are_estimated(endpoint: Endpoint, tmp_path: Path, usage: Any) -> None:
    endpoint.script = [Reply(completion("[1, 2, 3]", usage=usage))]
    chat(endpoint, ledger=ledger(tmp_path)).ask(HELLO, str)
    (line,) = lines(tmp_path)
    assert 20 < line["prompt_tokens"] < 80
    assert 1 < line["answer_tokens"] < 9


def test_a_call_that_was_late_is_counted_as_billed(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.script = [Reply(completion("[1]"), wait=5.0)]
    assert why(chat(endpoint, timeout=0.2, retries=0, ledger=ledger(tmp_path))) == "timeout"
    assert lines(tmp_path)[0]["cost"] > 0


def test_the_budget_ends_calls_before_it_is_passed(endpoint: Endpoint, tmp_path: Path) -> None:
    book = ledger(tmp_path, budget=0.03)
    model = chat(endpoint, ledger=book, max_tokens=100)
    reasons = []
    for number in range(8):
        try:
            reasons.append(model.ask([{"role": "user", "content": f"{number}"}], str))
        except AnswerError as error:
            reasons.append(error.reason)
    assert reasons[:3] == ["[1]"] * 3
    assert reasons[-1] == "budget"
    assert book.spent() <= 0.03
    assert len(endpoint.asked) == reasons.count("[1]")
    # another process sees it
    with pytest.raises(AnswerError, match=r"the budget for language models is spent: 0\.\d+ of 0\.03"):
        ledger(tmp_path, budget=0.03).reserve(1000, 100)


def test_calls_side_by_side_do_not_pass_the_budget(endpoint: Endpoint, tmp_path: Path) -> None:
    book = ledger(tmp_path, budget=0.02)
    model = chat(endpoint, ledger=book, max_tokens=100)
    usage = {"prompt_tokens": 30, "completion_tokens": 100}
    endpoint.script = [Reply(completion("[1]", usage=usage), wait=0.05)]
    found = model.ask_all([([{"role": "user", "content": f"{n}"}], str) for n in range(20)], workers=10)
    assert book.spent() <= 0.02
    assert {answer for answer in found if isinstance(answer, str)} == {"[1]"}
    assert {error.reason for error in found if isinstance(error, AnswerError)} == {"budget"}


def test_the_budget_is_no_failure_of_the_endpoint(endpoint: Endpoint, tmp_path: Path) -> None:
    model = chat(endpoint, ledger=ledger(tmp_path, budget=0.0))
    assert [why(model) for _ in range(FAILURES + 2)] == ["budget"] * (FAILURES + 2)


def test_a_ledger_with_strange_lines_is_read(tmp_path: Path) -> None:
    book = ledger(tmp_path)
    book.settle(book.reserve(0, 0), "m", 100_000, 0, "answered")
    with (tmp_path / "calls.jsonl").open("ab") as file:
        file.write(b'{"cost": "much"}\nnoise\n{"cost": -7}\n[]\n{"cost": 2.0}\n{"cost": 5')
    assert book.spent() == pytest.approx(3.0)
    (tmp_path / "calls.jsonl").write_text("")
    assert book.spent() == 0.0


def test_nothing_is_spent_where_it_cannot_be_written(endpoint: Endpoint, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    model = chat(endpoint, ledger=Ledger(tmp_path / "file" / "calls.jsonl", budget=1.0))
    assert why(model) == "ledger"
    assert endpoint.asked == []


def test_many_questions_keep_their_order(endpoint: Endpoint) -> None:
    endpoint.script = [lambda body: Reply(completion(body["messages"][0]["content"]))]
    questions = [([{"role": "user", "content": f"{n}"}], int) for n in range(30)]
    assert chat(endpoint).ask_all(questions, workers=6) == list(range(30))
    assert chat(endpoint).ask_all([]) == []
