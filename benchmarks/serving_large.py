"""Slates from 100,000 items for 50,000 users at a steady rate: latency as users feel it, and CPU by stage.

    python benchmarks/serving_large.py [--rate 300] [--seconds 20] [--workers 1] [--items 100000] [--users 50000]

The policy fuses a sequence model, iALS and popularity and diversifies by MMR; every decision is on disk before it is
answered. Requests are sent at moments drawn beforehand (Poisson), whether or not earlier ones are answered, and a time
is counted from the moment at which the request was due: a service that stalls cannot hide it. The generator shares the
machine. Needs the extras ``lm`` and ``fast``.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from recloop.service.threads import pin_native_threads

pin_native_threads()

import numpy as np  # noqa: E402
import polars as pl  # noqa: E402
import uvloop  # noqa: E402
from msgspec.structs import replace  # noqa: E402

from recloop.app.engine import Engine  # noqa: E402
from recloop.compose import SlateConfig  # noqa: E402
from recloop.compose.candidates import retrieve  # noqa: E402
from recloop.compose.diversity.diversify import diversify  # noqa: E402
from recloop.compose.rules import Rules  # noqa: E402
from recloop.data.dataset import Dataset  # noqa: E402
from recloop.data.histories import Histories  # noqa: E402
from recloop.loop.release import build_release, load  # noqa: E402
from recloop.store import Store  # noqa: E402
from recloop.strategies.ials import IALS  # noqa: E402
from recloop.strategies.popular import Popular  # noqa: E402
from recloop.strategies.sequence.strategy import SequenceTransformer  # noqa: E402
from recloop.types import Event, Request  # noqa: E402

GROUPS = 200  # of items, one of which each user likes
PER_USER = 20  # events
LANES = 128  # connections


def history(users: int, items: int) -> tuple[np.ndarray, np.ndarray]:
    """User and item of each event."""
    rng = np.random.default_rng(1)
    who, size = np.repeat(np.arange(users), PER_USER), items // GROUPS
    liked = rng.integers(GROUPS, size=users)[who] * size + np.minimum(rng.zipf(1.3, len(who)), size) - 1
    return who, np.where(rng.random(len(who)) < 0.7, liked, rng.integers(items, size=len(who)))


def release(folder: Path, who: np.ndarray, item: np.ndarray, items: int) -> None:
    """A release whose output layer knows the groups, as an hour of training would make it."""
    catalogue = pl.DataFrame({"item": [f"i{n}" for n in range(items)]})
    log = pl.DataFrame(
        {
            "user": np.char.add("u", who.astype(str)),
            "item": np.char.add("i", item.astype(str)),
            "time": 1.7e9 + 60.0 * np.arange(len(who)),
        }
    )
    shop = Dataset.of(log, catalogue)
    sequence = SequenceTransformer(width=64, epochs=1, held_out=0, patience=None)
    sequence.fit(Dataset.of(log.head(6000), catalogue))
    rng = np.random.default_rng(3)
    centre = rng.standard_normal((GROUPS, 64))[np.arange(items) // max(1, items // GROUPS) % GROUPS]
    vectors = 0.2 * (centre + 0.5 * rng.standard_normal((items, 64))).astype(np.float32)
    sequence._vectors = vectors
    sequence._trials = sequence._asked_by(shop)
    strategies = {"sequence": sequence, "ials": IALS(iterations=3).fit(shop), "popular": Popular().fit(shop)}
    blend = SlateConfig(sources=list(strategies), fallback="popular", diversity=0.2)
    build_release(
        folder,
        name="one",
        version=1,
        dataset=shop,
        strategies=strategies,
        policies={"popular": SlateConfig(sources=["popular"], fallback=""), "blend": blend},
        default_policy="blend",
        vectors=vectors,
        created=0.0,
    )


def fill(store: Path, who: np.ndarray, item: np.ndarray) -> None:
    with Store(store) as kept:
        for at in range(0, len(who), 20_000):
            rows = zip(who[at : at + 20_000].tolist(), item[at : at + 20_000].tolist(), strict=True)
            kept.append_events(
                [Event(f"u{u}", f"i{i}", "view", 1.7e9 + 60.0 * (at + n)) for n, (u, i) in enumerate(rows)]
            )


def stages(folder: Path, store: Path, users: int) -> float:
    """CPU of one slate by stage, alone and in a batch; what a decision costs without HTTP."""
    released = load(folder)
    policy = released.policies["blend"]
    rng = np.random.default_rng(7)

    def cost(work: Callable[[int], object], times: int = 150) -> float:
        for number in range(5):
            work(number)
        start = time.process_time()
        for number in range(times):
            work(number)
        return (time.process_time() - start) / times * 1e3

    with Store(store) as kept:
        engine = Engine(kept, released, seed=1)
        asked = [Request(user=f"u{n}", id=f"r{n}", time=1.8e9) for n in rng.integers(users, size=256)]
        whole = [replace(one, history=known) for one, known in zip(asked, engine._recent.histories(asked), strict=True)]
        print(f"\n{'CPU ms per slate':<28} {'alone':>8} {'of 8':>8}")
        total = {}
        for size in (1, 8):
            rows = [slice(at, at + size) for at in range(0, 256 - size, size)]
            made = [Histories.from_requests(whole[r], released.items, released.kinds) for r in rows]
            found = [retrieve(source, None, made[0], 200, Rules()) for source in policy.sources]
            lists = [one.rankings for one in found]
            fused, how = policy.assembly.fuser.fuse(lists, 200, made[0], None).rankings, policy.config.diversified
            decisions = [one for one in engine.decide_all(asked[:size]) if not isinstance(one, Exception)]
            numbers = iter(range(10**9))

            def again(decisions=decisions, numbers=numbers, size=size) -> object:
                return kept.append_decisions([replace(one, id=f"{size}-{next(numbers)}") for one in decisions])

            work = {
                "history": lambda n, rows=rows: engine._recent.histories(asked[rows[n % len(rows)]]),
                "arrays": lambda n, rows=rows: Histories.from_requests(
                    whole[rows[n % len(rows)]], released.items, released.kinds
                ),
                **{
                    f"candidates: {name}": lambda n, source=source, made=made: retrieve(
                        source, None, made[n % len(made)], 200, Rules()
                    )
                    for name, source in zip(policy.names, policy.sources, strict=True)
                },
                "fusion": lambda _n, lists=lists, made=made: policy.assembly.fuser.fuse(lists, 200, made[0], None),
                "diversity": lambda _n, fused=fused, how=how, made=made: diversify(
                    how, fused, made[0], 10, vectors=policy.assembly.vectors
                ),
                "decision, all of the above": lambda n, rows=rows: engine.decide_all(asked[rows[n % len(rows)]]),
                "commit": lambda _n, again=again: again(),
            }
            total[size] = {name: cost(one) / size for name, one in work.items()}
        for name in total[1]:
            print(f"{name:<28} {total[1][name]:8.3f} {total[8][name]:8.3f}")
        return total[1]["decision, all of the above"] + total[1]["commit"]


class Lane(asyncio.Protocol):
    """One connection; takes the next request once it is free."""

    def __init__(self, free: Callable[["Lane"], None]) -> None:
        self.free, self.seen, self.told = free, b"", None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def ask(self, request: bytes, told: Callable[[bytes], None]) -> None:
        self.told = told
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.seen += data
        head, found, body = self.seen.partition(b"\r\n\r\n")
        if not found or len(body) < int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]):
            return
        self.seen = b""
        self.told(head)
        self.free(self)


async def steady(url: str, rate: float, seconds: float, users: int, seed: int) -> tuple[np.ndarray, int]:
    """Seconds from the moment at which each request was due to its answer, and how many failed."""
    rng = np.random.default_rng(seed)
    due = np.cumsum(rng.exponential(1 / rate, size=int(rate * seconds)))
    loop, where = asyncio.get_running_loop(), urlsplit(url)
    idle: deque[Lane] = deque()
    waiting: deque[tuple[bytes, Callable[[bytes], None]]] = deque()

    def free(lane: Lane) -> None:
        if waiting:
            lane.ask(*waiting.popleft())
        else:
            idle.append(lane)

    for _ in range(LANES):
        _, lane = await loop.create_connection(lambda: Lane(free), where.hostname, where.port)
        idle.append(lane)
    times, failed, done = np.full(len(due), np.nan), [], loop.create_future()
    left = len(due)
    start = time.perf_counter() + 0.05

    def send(number: int) -> None:
        body = b'{"user":"u%d","k":10}' % rng.integers(users)
        head = f"POST /v1/recommend HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Type: application/json\r\n"

        def told(answer: bytes) -> None:
            nonlocal left
            times[number] = time.perf_counter() - start - due[number]
            if not answer.startswith(b"HTTP/1.1 200"):
                failed.append(answer)
            left -= 1
            if not left:
                done.set_result(None)

        request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        if idle:
            idle.popleft().ask(request, told)
        else:
            waiting.append((request, told))

    for number, moment in enumerate(due.tolist()):
        if (ahead := start + moment - time.perf_counter()) > 0:
            await asyncio.sleep(ahead)
        send(number)
    await asyncio.wait_for(done, 120)
    return times, len(failed)


def cpu(pids: list[int]) -> float:
    used = 0.0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        used += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return used


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=300.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--users", type=int, default=50_000)
    settings = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, store = Path(name) / "release", Path(name) / "store.db"
        who, item = history(settings.users, settings.items)
        release(folder, who, item, settings.items)
        fill(store, who, item)
        print(f"{settings.items:,} items, {settings.users:,} users with {PER_USER} events each")
        alone = stages(folder, store, settings.users)
        code = "import sys; from recloop.cli import main; main(sys.argv[1:])"
        words = ["serve", "--store", str(store), "--release", str(folder), "--port", "0", "--quiet", "--json"]
        served = subprocess.Popen(
            [sys.executable, "-c", code, *words, "--workers", str(settings.workers)],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            url = next(line for line in served.stdout if "url" in line).partition(": ")[2].strip().strip('",')
            children = Path(f"/proc/{served.pid}/task/{served.pid}/children").read_text().split()
            pids = [int(child) for child in children] or [served.pid]
            uvloop.run(steady(url, settings.rate, 3.0, settings.users, seed=1))
            before, load_before = cpu(pids), os.getloadavg()[0]
            times, failed = uvloop.run(steady(url, settings.rate, settings.seconds, settings.users, seed=2))
            used = (cpu(pids) - before) / len(times) * 1e3
            resident = sum(
                int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") for pid in pids
            )
        finally:
            served.terminate()
            served.wait()
            served.stdout.close()
    p50, p99, worst = np.quantile(times, [0.5, 0.99, 1.0]) * 1e3
    print(
        f"\n{settings.rate:g} requests/s for {settings.seconds:g} s, {settings.workers} worker(s): "
        f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, worst {worst:.1f} ms, {failed} failed; load of the machine {load_before:.1f}"
    )
    print(
        f"server CPU {used:.2f} ms per request (a decision alone, without HTTP: {alone:.2f}); {resident / 1e6:,.0f} MB"
    )


if __name__ == "__main__":
    main()
