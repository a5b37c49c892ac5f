"""A real HTTP server on a loopback port that speaks the chat-completions protocol, with recorded answers."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

RECORDED: dict[str, Any] = {  # as an endpoint answered, with another text
    "id": "chatcmpl-9f1c2a",
    "object": "chat.completion",
    "created": 1_718_000_000,
    "model": "recorded-8b",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "[1]"}, "logprobs": None, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 412, "completion_tokens": 61, "total_tokens": 473},
    "system_fingerprint": None,
}


def completion(text: str | None, **changes: Any) -> bytes:
    """A recorded answer with this text."""
    found = json.loads(json.dumps({**RECORDED, **changes}))
    if found.get("choices"):
        found["choices"][0]["message"]["content"] = text
    return json.dumps(found).encode()


@dataclass
class Reply:
    """What the server does with one request."""

    content: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    wait: float = 0.0  # seconds before the status line
    drip: float = 0.0  # seconds between bytes of the content
    hang_up: bool = False


Answer = Callable[[dict[str, Any]], Reply]


class Endpoint:
    """Answers from a script, one reply a request, the last one again and again; remembers what it was asked."""

    def __init__(self) -> None:
        self.script: list[Reply | Answer] = [Reply(completion("[1]"))]
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.lock = threading.Lock()
        self.url = ""
        self.over = threading.Event()

    def answers(self, *texts: str) -> None:
        self.script = [Reply(completion(text)) for text in texts]

    def next(self, body: dict[str, Any]) -> Reply:
        with self.lock:
            step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
            self.asked.append(body)
        return step if isinstance(step, Reply) else step(body)


@contextmanager
def serving() -> Iterator[Endpoint]:
    endpoint = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            endpoint.headers.append({name.lower(): value for name, value in self.headers.items()})
            endpoint.paths.append(self.path)
            reply = endpoint.next(body)
            endpoint.over.wait(reply.wait)
            if reply.hang_up:
                self.close_connection = True
                return
            try:
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(reply.content)))
                self.end_headers()
                if not reply.drip:
                    self.wfile.write(reply.content)
                    return
                for byte in reply.content:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    if endpoint.over.wait(reply.drip):
                        return
            except OSError:  # the client went away
                self.close_connection = True

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    endpoint.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield endpoint
    finally:
        endpoint.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


class Clock:
    """A clock that moves by what is slept, beside the real one."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return time.monotonic() + self.ahead

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.ahead += seconds
