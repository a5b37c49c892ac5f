"""The service against a bare ASGI application that answers the same bytes, in one run.

    python benchmarks/serving.py [--items 2000] [--seconds 5] [--connections 16]

Each server is a process of its own; this process asks over loopback, each connection one request at a time. Times of
the wall depend on what else the machine does; CPU microseconds of the server per request hardly do.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import uvloop

BARE = """
import socket, sys, uvicorn
body = sys.argv[1].encode()
start = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]}
end = {"type": "http.response.body", "body": body}
async def app(scope, receive, send):
    await receive()
    await send(start)
    await send(end)
sock = socket.create_server(("127.0.0.1", 0), backlog=2048)
print("http://127.0.0.1:%d" % sock.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off")).run(sockets=[sock])
"""
RECLOOP = """
from recloop.service.threads import pin_native_threads
pin_native_threads()
import sys
from pathlib import Path
from recloop.service.server import serve
serve(sys.argv[1], release=Path(sys.argv[2]), port=0, seed=1, ready=lambda url: print(url, flush=True))
"""


def release(folder: Path, items: int) -> Path:
    import polars as pl

    from recloop.compose import SlateConfig
    from recloop.data.dataset import Dataset
    from recloop.loop.release import build_release
    from recloop.strategies.ease import Ease
    from recloop.strategies.item_knn import ItemKNN
    from recloop.strategies.popular import Popular

    rng = np.random.default_rng(1)
    users = np.repeat(np.arange(3000), 20)
    seen = np.minimum(rng.zipf(1.3, len(users)), items) - 1
    log = pl.DataFrame(
        {
            "user": [f"u{n}" for n in users],
            "item": [f"i{n}" for n in seen],
            "kind": "view",
            "time": np.arange(len(users), dtype=np.float64),
        }
    )
    shop = Dataset.of(log, pl.DataFrame({"item": [f"i{n}" for n in range(items)]}))
    strategies = {"popular": Popular().fit(shop), "item-knn": ItemKNN().fit(shop), "ease": Ease().fit(shop)}
    vectors = rng.standard_normal((items, 64)).astype(np.float32)
    policies = {
        "popular": SlateConfig(sources=["popular"], fallback=""),
        "blend": SlateConfig(sources=["ease", "item-knn", "popular"], fallback="popular", diversity=0.2),
    }
    return build_release(
        folder,
        name="one",
        version=1,
        dataset=shop,
        strategies=strategies,
        policies=policies,
        default_policy="blend",
        vectors=vectors,
        created=0.0,
    )


class Asking(asyncio.Protocol):
    """One connection: the next request goes out when the answer to the last one is in."""

    def __init__(self, request: Callable[[], bytes], until: float, times: list[float], done: asyncio.Future) -> None:
        self.request, self.until, self.times, self.done = request, until, times, done
        self.seen = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        self.sent = time.perf_counter()
        self.transport.write(self.request())

    def data_received(self, data: bytes) -> None:
        self.seen += data
        head, found, body = self.seen.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        if len(body) < length:
            return
        assert head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 202")), self.seen
        self.seen = b""
        now = time.perf_counter()
        self.times.append(now - self.sent)
        if now < self.until:
            self.ask()
        else:
            self.transport.close()
            if not self.done.done():
                self.done.set_result(None)


def post(url: str, path: str, body: object) -> bytes:
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data


async def load(url: str, request: Callable[[], bytes], seconds: float, connections: int) -> list[float]:
    loop, where, times = asyncio.get_running_loop(), urlsplit(url), []
    until = time.perf_counter() + seconds
    waiting = []
    for _ in range(connections):
        done = loop.create_future()
        await loop.create_connection(lambda done=done: Asking(request, until, times, done), where.hostname, where.port)
        waiting.append(done)
    await asyncio.gather(*waiting)
    return times


def cpu(process: subprocess.Popen) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Server:
    def __init__(self, code: str, *words: object) -> None:
        words = [sys.executable, "-c", code, *map(str, words)]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.url = self.process.stdout.readline().strip()

    def measure(self, name: str, request: Callable[[], bytes], seconds: float, connections: int, per: int = 1) -> float:
        uvloop.run(load(self.url, request, 0.5, connections))
        before, start = cpu(self.process), time.perf_counter()
        times = uvloop.run(load(self.url, request, seconds, connections))
        wall, used = time.perf_counter() - start, (cpu(self.process) - before) / len(times) * 1e6
        self.rate = len(times) * per / wall
        p50, p99 = np.quantile(times, [0.5, 0.99]) * 1e3
        more = f"  {len(times) * per / wall:,.0f} events/s" if per > 1 or "event" in name else ""
        print(
            f"{name:<34} {len(times) / wall:9,.0f}/s  p50 {p50:7.2f} ms  p99 {p99:7.2f} ms  {used:7,.0f} CPU us{more}"
        )
        return used

    def end(self) -> None:
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--connections", type=int, default=16)
    settings = parser.parse_args()
    rng = np.random.default_rng(2)
    numbers = iter(range(10**9))

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        served = Server(RECLOOP, folder / "store.db", release(folder / "release", settings.items))

        def event() -> dict:
            return {
                "user": f"u{rng.integers(3000)}",
                "item": f"i{rng.integers(settings.items)}",
                "kind": "view",
                "id": f"e{next(numbers)}",
                "time": 1.7e9,
            }

        wishes = [post(served.url, "/v1/recommend", {"user": f"u{n}", "k": 10}) for n in range(3000)]
        batches = [event() for _ in range(20)]
        import httpx

        for _ in range(0, 15_000, 500):  # histories to score from
            httpx.post(served.url + "/v1/events", json={"events": [event() for _ in range(500)]}).raise_for_status()
        answer = httpx.post(served.url + "/v1/recommend", json={"user": "u1", "k": 10}).text
        bare = Server(BARE, answer)
        print(f"{settings.items:,} items; answers of {len(answer):,} bytes; {settings.connections} connections\n")
        floor = bare.measure("bare ASGI, the same bytes", lambda: wishes[0], settings.seconds, settings.connections)
        bare.end()
        live = post(served.url, "/health/live", {}).replace(b"POST", b"GET", 1)
        framework = served.measure("GET /health/live", lambda: live, settings.seconds, settings.connections)
        single = served.measure(
            "POST /v1/recommend, 1 connection", lambda: wishes[rng.integers(3000)], settings.seconds, 1
        )
        served.measure("POST /v1/recommend", lambda: wishes[rng.integers(3000)], settings.seconds, settings.connections)
        served.measure(
            "POST /v1/events, one event, 64 c.",
            lambda: post(served.url, "/v1/events", {"events": [event()]}),
            settings.seconds,
            64,
        )

        def batch() -> bytes:
            # ids must be new; the rest may repeat, so that this process does not become the bottleneck
            for one in batches:
                one["id"] = f"e{next(numbers)}"
            rows = [dict(batches[n % 20], id=f"e{next(numbers)}") for n in range(100)]
            return post(served.url, "/v1/events", {"events": rows})

        served.measure("POST /v1/events, batches of 100", batch, settings.seconds, 8, per=100)
        served.end()
        print(f"\nframework: {framework / floor:.2f} x bare; one slate: {single / floor:.1f} x bare")


if __name__ == "__main__":
    main()
