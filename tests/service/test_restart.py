"""A service that is stopped, or replaced, in the middle of everything: what is under way is finished, nothing is lost."""

import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from recloop.app.engine import Engine
from recloop.client import Client, Retry
from recloop.service.server import background
from recloop.store import Store
from recloop.types import Event, Request

from .chromium import eventually


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/live").is_success
    except httpx.TransportError:
        return False


def test_slow_slates_under_way_are_finished(releases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Semaphore(0), threading.Event()
    submit = Engine.submit

    def slow(self: Engine, request: Request) -> object:
        begun.release()
        assert go_on.wait(120)
        return submit(self, request)

    monkeypatch.setattr(Engine, "submit", slow)
    with (
        background(tmp_path / "store.db", release=releases["one"], port=0, log=None, drain=120.0) as server,
        ThreadPoolExecutor(4) as pool,
    ):
        wish, url = {"user": "u1", "explain": True}, server.url  # the socket that knows it is closed first
        asked = [pool.submit(httpx.post, f"{url}/v1/recommend", json=wish, timeout=180) for _ in range(3)]
        for _ in asked:
            assert begun.acquire(timeout=60)
        server.stop()
        eventually(lambda: not answers(url))  # no new requests are taken …
        go_on.set()  # … and those under way are answered
        assert [one.result(180).status_code for one in asked] == [200, 200, 200]
    with Store(tmp_path / "store.db") as store:
        assert store.counts()["decisions"] == 3


def test_a_restart_under_clients_loses_nothing(start, releases, tmp_path: Path) -> None:
    """Clients send without a pause while the service is stopped and started again on its port, twice."""
    port = free_port()
    one = start(tmp_path / "store.db", releases["one"], port=port, log=None)
    done = threading.Event()
    patient = Retry(times=5000, first=0.02, longest=0.2)

    def work(worker: int) -> tuple[int, int, int]:
        sent = accepted = slates = 0
        with Client(f"http://127.0.0.1:{port}", retry=patient, timeout=30) as client:
            while not done.is_set():
                events = [Event(f"w{worker}", f"i{worker}", "click", time=float(sent), id=f"{worker}-{sent}")]
                sent += 1
                told = client.send_events(events)
                accepted += told.accepted + told.duplicates
                slates += len(client.recommend(f"w{worker}", k=3).items) == 3
        return sent, accepted, slates

    with ThreadPoolExecutor(4) as pool:
        working = [pool.submit(work, worker) for worker in range(4)]
        for _ in range(2):
            done.wait(0.5)
            code, log = one.end(signal.SIGTERM)
            assert code == 0, log
            one = start(tmp_path / "store.db", None, port=port, log=None)
        done.wait(0.5)
        done.set()
        found = [future.result(300) for future in working]
    assert all(sent == accepted == slates for sent, accepted, slates in found), found
    assert one.end(signal.SIGTERM)[0] == 0
    with Store(tmp_path / "store.db") as store:
        kept = store.events()["id"].to_list()
        assert len(kept) == len(set(kept)) == sum(sent for sent, _, _ in found)
        assert store.counts()["decisions"] >= len(kept)
