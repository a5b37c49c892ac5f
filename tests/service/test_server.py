"""The process: its socket, who may reach it, and releases that change while it answers."""

import socket
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from recloop.app.serving import Serving
from recloop.errors import ConflictError, SettingError
from recloop.loop.promote import promote, rollback
from recloop.service.server import background, listen
from recloop.store import Store


def eventually(holds, seconds: float = 5.0) -> None:
    waiting = threading.Event()
    for _ in range(int(seconds / 0.05)):
        if holds():
            return
        waiting.wait(0.05)
    assert holds()


def test_a_port_in_use(start, releases, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConflictError, match=f"port {port} on 127.0.0.1 is in use; stop the other program"):
            listen("127.0.0.1", port)
        one = start(tmp_path / "store.db", releases["one"], port=port)
        code, log = one.end(15)
    assert code == 5
    assert log == (
        f"port {port} on 127.0.0.1 is in use; stop the other program, or choose another port; 0 is any free one.\n"
    )


@pytest.mark.parametrize(("host", "port"), [("192.0.2.1", 0), ("no.such.host.invalid", 0), ("127.0.0.1", 99_999)])
def test_a_place_that_cannot_be_listened_on(host: str, port: int) -> None:
    with pytest.raises(SettingError, match=f"the service cannot listen on {host}:{port}"):
        listen(host, port)


def test_strangers_are_kept_out(releases, tmp_path: Path) -> None:
    with (
        pytest.raises(SettingError, match=r"0.0.0.0 can be reached by other machines, and the store has no API key"),
        background(tmp_path / "store.db", host="0.0.0.0", port=0, release=releases["one"]),
    ):
        pass
    with Store(tmp_path / "store.db") as store:
        token = store.keys.create("shop", ["recommend"])
    with (
        pytest.raises(SettingError, match=r"and keys are switched off"),
        background(tmp_path / "store.db", host="0.0.0.0", port=0, keys=False),
    ):
        pass
    with (
        background(tmp_path / "store.db", host="0.0.0.0", port=0, release=releases["one"], log=None) as server,
        httpx.Client(base_url=server.url) as client,
    ):
        assert client.post("/v1/recommend", json={}).status_code == 401
        told = client.post("/v1/recommend", json={}, headers={"Authorization": f"Bearer {token}"})
        assert told.status_code == 200


def test_a_switch_drops_no_request(service, releases) -> None:
    client, store = service
    store.releases.add("two", str(releases["two"]), "22")
    done = threading.Event()

    def ask(worker: int) -> Counter:
        seen: Counter = Counter()
        with httpx.Client(base_url=client.base_url) as mine:
            while not done.is_set():
                answer = mine.post("/v1/recommend", json={"user": f"u{worker}", "k": 3})
                assert answer.status_code == 200, answer.text
                told = answer.json()
                assert len(told["items"]) == 3
                seen[told["release"], told["policy"]] += 1
        return seen

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask, worker) for worker in range(4)]
        for _ in range(10):
            assert client.post("/v1/releases/two/promote").json()["active"]
            assert client.post("/v1/releases/rollback").json()["name"] == "one"
        done.set()
        seen = sum((one.result() for one in asking), Counter())
    # each request met one release, whole: never the policy of the other
    assert set(seen) == {("one", "blend"), ("two", "popular")}
    assert store.counts()["decisions"] == sum(seen.values())
    assert [line.action for line in store.audit.lines(2)] == ["roll back release", "promote release"]


def test_a_switch_made_by_another_process_is_followed(service, releases) -> None:
    client, store = service
    promote(store, releases["two"], actor="me")
    eventually(lambda: client.post("/v1/recommend", json={}).json()["release"] == "two")
    rollback(store, actor="me")
    eventually(lambda: client.post("/v1/recommend", json={}).json()["release"] == "one")


def test_a_damaged_release_is_not_promoted(service, releases, tmp_path: Path) -> None:
    client, store = service
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for file in releases["two"].rglob("*"):
        if file.is_file():
            there = damaged / file.relative_to(releases["two"])
            there.parent.mkdir(parents=True, exist_ok=True)
            there.write_bytes(file.read_bytes())
    (damaged / "items.parquet").write_bytes(b"PAR1")
    store.releases.add("damaged", str(damaged), "33")
    answer = client.post("/v1/releases/damaged/promote")
    assert answer.status_code == 500
    assert "items.parquet of the release" in answer.json()["detail"]
    assert client.post("/v1/recommend", json={}).json()["release"] == "one"
    assert store.releases.active().name == "one"


def test_experiments_started_elsewhere_are_followed(service) -> None:
    client, store = service
    variants = {"a": {"policy": "popular", "control": True}, "b": {"policy": "blend"}}
    client.post("/v1/experiments", json={"name": "home", "variants": variants})
    store.experiments.start("home")
    eventually(lambda: client.post("/v1/recommend", json={"user": "u1"}).json()["experiment"] == "home")
    store.experiments.stop("home")
    eventually(lambda: client.post("/v1/recommend", json={"user": "u1"}).json()["experiment"] == "")


def test_what_nobody_expected_does_not_end_the_following(
    releases: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A promotion from elsewhere is taken over after a look that broke; the log says where, and not what was in it."""
    monkeypatch.setattr("recloop.service.server.FOLLOW", 0.02)
    broken = iter([None, KeyError("a user's words"), KeyError("a user's words")])  # after the look while it opens
    follow = Serving.follow

    def breaking(serving: Serving) -> None:
        if error := next(broken, None):
            raise error
        follow(serving)

    monkeypatch.setattr(Serving, "follow", breaking)
    with (
        background(tmp_path / "s.db", release=releases["one"], port=0, log=None) as server,
        Store(tmp_path / "s.db") as store,
    ):
        store.releases.add("two", str(releases["two"]), "")
        store.releases.promote("two")
        until = time.monotonic() + 20
        while httpx.post(f"{server.url}/v1/recommend", json={}).json()["release"] != "two":
            assert time.monotonic() < until
            time.sleep(0.02)
    told = [record.getMessage() for record in caplog.records if "while following" in record.getMessage()]
    assert told
    assert told[0].startswith("KeyError while following the store\n  ")
    assert "words" not in caplog.text
