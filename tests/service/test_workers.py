"""Several processes on one port: what one takes changes what the others answer, and one that dies is replaced."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from recloop.service.workers import _seeds

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="one port, several processes")
PATIENCE = 60.0


class Service:
    def __init__(self, folder: Path, *words: str) -> None:
        code = "import sys; from recloop.cli import main; main(sys.argv[1:])"
        command = [sys.executable, "-c", code, "serve", "--port", "0", "--json", *words]
        self.process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = next((line for line in self.process.stdout if "url" in line), "")
        self.url = line.partition(": ")[2].strip().strip('",')

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return sorted(int(child) for child in children)

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        if self.process.poll() is None:
            self.process.send_signal(number)
        _, log = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, log


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    started: list[Service] = []

    def begin(*words: str) -> Service:
        started.append(Service(tmp_path, *words))
        return started[-1]

    yield begin
    for one in started:
        one.end(signal.SIGKILL)


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def ask(url: str, path: str, body: dict | None = None) -> httpx.Response:
    """Over a connection of its own, so that any worker may get it."""
    with httpx.Client(base_url=url, timeout=30.0) as client:
        return client.get(path) if body is None else client.post(path, json=body)


def slate(url: str, user: str) -> set[str]:
    return {entry["item"] for entry in ask(url, "/v1/recommend", {"user": user, "k": 40}).json()["items"]}


@pytest.mark.skipif(not Path("/proc").exists(), reason="asks the kernel for the workers")
def test_two_workers_answer_as_one(serve: Callable[..., Service], releases: dict[str, Path], tmp_path: Path) -> None:
    service = serve("--store", "s.db", "--release", str(releases["one"]), "--workers", "2", "--seed", "1")
    assert len(service.workers()) == 2
    for worker in service.workers():  # a URL may hold a password, and arguments can be read by any user
        assert b"s.db" not in Path(f"/proc/{worker}/cmdline").read_bytes()

    # an event that either takes is known to both, in the next answer
    for number in range(12):
        assert f"i{number}" in slate(service.url, "new")
        sent = {"events": [{"user": "new", "item": f"i{number}", "kind": "view", "id": f"e{number}"}]}
        assert ask(service.url, "/v1/events", sent).json()["accepted"] == 1
        for _ in range(3):
            assert not slate(service.url, "new") & {f"i{n}" for n in range(number + 1)}

    # both write: what was acknowledged is there
    figures = ask(service.url, "/metrics").text
    asked = 12 * 4
    assert re.search(rf'recloop_requests_total{{.*route="/v1/recommend".*}} {asked}.0', figures)
    assert 'recloop_events_total{outcome="accepted"} 12.0' in figures
    until(lambda: "recloop_store_pending_rows 0.0" in ask(service.url, "/metrics").text)  # looked at now and then

    # one that dies is replaced; the service answers all the while
    killed, other = service.workers()
    os.kill(killed, signal.SIGKILL)
    until(lambda: len(service.workers()) == 2 and killed not in service.workers())
    assert other in service.workers()
    until(lambda: ask_calmly(service.url))
    assert not slate(service.url, "new") & {f"i{n}" for n in range(12)}
    assert 'recloop_events_total{outcome="accepted"} 12.0' in ask(service.url, "/metrics").text

    code, log = service.end()
    assert code == 0, log
    assert "Fatal" not in log
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert sum(line["route"] == "/v1/events" for line in lines) == 12

    from recloop.store import Store

    with Store(tmp_path / "s.db") as store:
        assert store.counts()["events"] == 12
        assert store.counts()["decisions"] >= asked


def ask_calmly(url: str) -> bool:
    """Whether it answers; a connection that the dead worker had accepted may break."""
    try:
        return ask(url, "/health/ready").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.skipif(not Path("/proc").exists(), reason="asks the kernel for the workers")
def test_no_worker_outlives_the_one_that_watches(serve: Callable[..., Service], releases: dict[str, Path]) -> None:
    service = serve("--store", "s.db", "--release", str(releases["one"]), "--workers", "2", "--quiet")
    workers = service.workers()
    service.process.kill()
    until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))


def test_what_is_wrong_is_told_once_and_nothing_stays(serve: Callable[..., Service], releases: dict[str, Path]) -> None:
    first = serve("--store", "s.db", "--release", str(releases["one"]), "--workers", "2", "--quiet")
    port = first.url.rpartition(":")[2]
    second = serve("--store", "s.db", "--workers", "2", "--port", port)
    code, log = second.end()
    assert code == 5
    assert f"port {port} on 127.0.0.1 is in use" in log
    open_to_all = serve("--store", "s.db", "--workers", "2", "--host", "0.0.0.0")
    code, log = open_to_all.end()
    assert code == 2
    assert "0.0.0.0 can be reached by other machines" in log


def test_workers_draw_differently() -> None:
    assert _seeds(None, 2) == [None, None]
    first, second = _seeds(1, 2)
    assert first != second
    assert _seeds(1, 2) == [first, second]
