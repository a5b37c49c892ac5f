"""Clients that send or read a byte now and then, against the real server."""

import socket
import threading
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
import pytest

from recloop.service.patience import Joined


@contextmanager
def connected(client: httpx.Client):
    where = urlsplit(str(client.base_url))
    with socket.create_connection((where.hostname, where.port), timeout=20) as raw:
        yield raw


def is_closed(raw: socket.socket) -> bytes:
    """What comes until the server closes; a time-out of the socket fails the test."""
    got = b""
    try:
        while piece := raw.recv(65_536):
            got += piece
    except ConnectionResetError:
        pass
    return got


def drip(raw: socket.socket, pieces: list[bytes], pause: float) -> None:
    """Send pieces until the server has enough."""
    waiting = threading.Event()
    for piece in pieces:
        try:
            raw.sendall(piece)
        except OSError:
            return
        waiting.wait(pause)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recloop.service.patience.HEAD", 0.5)
    monkeypatch.setattr("recloop.service.patience.READING", 0.5)


@pytest.mark.usefixtures("impatient")
def test_a_hundred_heads_that_never_end_hold_nothing(service) -> None:
    client, _ = service
    where = urlsplit(str(client.base_url))
    slow = [socket.create_connection((where.hostname, where.port), timeout=20) for _ in range(100)]
    try:
        for number, raw in enumerate(slow):
            if number % 2:  # and some never say a word
                raw.sendall(b"POST /v1/recommend HTTP/1.1\r\nHost: localhost\r\nX-A: ")
        assert client.get("/health/live").status_code == 200
        for raw in slow:
            assert is_closed(raw) == b""
    finally:
        for raw in slow:
            raw.close()
    assert client.get("/health/live").status_code == 200


@pytest.mark.usefixtures("impatient")
def test_a_dripping_head_is_cut_off(service) -> None:
    client, _ = service
    with connected(client) as raw:
        raw.sendall(b"GET /health/live HTTP/1.1\r\n")
        dripping = threading.Thread(target=drip, args=(raw, [b"X-A: b\r\n"] * 200, 0.1))
        dripping.start()
        is_closed(raw)
        dripping.join()


@pytest.mark.usefixtures("impatient")
def test_the_second_request_of_a_connection_is_not_waited_for_either(service) -> None:
    client, _ = service
    with connected(client) as raw:
        raw.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\nGET /hea")
        got = is_closed(raw)
        assert got.startswith(b"HTTP/1.1 200")


@pytest.mark.usefixtures("impatient")
def test_a_body_that_drips_on_after_its_answer(serving) -> None:
    with serving(keys=True) as (client, _), connected(client) as raw:
        head = b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"
        raw.sendall(head)
        dripping = threading.Thread(target=drip, args=(raw, [b" "] * 200, 0.1))
        dripping.start()
        assert is_closed(raw).startswith(b"HTTP/1.1 401")
        dripping.join()


@pytest.mark.usefixtures("impatient")
def test_an_answer_that_is_not_taken(service) -> None:
    client, _ = service
    with connected(client) as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        asked = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2000
        sending = threading.Thread(target=drip, args=(raw, [asked], 0.0))
        sending.start()
        sending.join(20)  # the server stops to read, then to wait
        assert not sending.is_alive()
        assert client.get("/health/live").status_code == 200


def test_a_head_without_end_is_refused(service) -> None:
    client, _ = service
    with connected(client) as raw:
        raw.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n")
        drip(raw, [b"X-Long: " + b"a" * 10_000 + b"\r\n"] * 20, 0.0)
        assert is_closed(raw).startswith((b"HTTP/1.1 431", b""))
    assert client.get("/health/live").status_code == 200


def test_a_client_that_is_only_slow_is_answered(service) -> None:
    client, _ = service
    with connected(client) as raw:
        drip(raw, [bytes([byte]) for byte in b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"], 0.0)
        assert raw.recv(100).startswith(b"HTTP/1.1 200")


def test_who_asks_whether_to_go_on_is_told_at_once(service) -> None:
    client, _ = service
    body = b'{"user": "u1"}'
    head = (
        b"POST /v1/recommend HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body)
    )
    with connected(client) as raw:
        raw.sendall(head)
        assert raw.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        raw.sendall(body)
        assert raw.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")


def test_an_answer_without_a_body_is_sent(service) -> None:
    client, _ = service
    assert client.head("/health/live").status_code == 200


class Sent:
    """A transport that keeps what each call of the system would send."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.pieces.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def test_a_head_goes_out_with_what_follows() -> None:
    head, more = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"
    sent = Sent()
    joined = Joined(sent)  # type: ignore[arg-type]
    joined.write(more)
    joined.write(head)
    assert sent.pieces == [more]
    joined.write(b"body")
    assert sent.pieces == [more, head + b"body"]
    joined.write(head)
    joined.flush()
    joined.flush()
    joined.write(head)
    joined.close()
    assert sent.pieces[2:] == [head, head]
    assert joined.is_closing()
