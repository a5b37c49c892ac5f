"""Disks that are full, read-only or slow, and what lies on them damaged."""

import contextlib
import resource
import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from recloop.errors import ArtifactError, StoreError
from recloop.service.server import background
from recloop.store import Store
from recloop.types import Event

from .shop import DAY, Service, Tally, batch


def post(client: httpx.Client, body: dict) -> httpx.Response:
    return client.post("/v1/events", json=body)


def test_full_disk_under_the_service(
    start: Callable[..., Service], releases: dict[str, Path], tmp_path: Path, tally: Tally
) -> None:
    """No file may grow beyond a limit: batches are refused with a sentence, and what was accepted stays."""
    most, acknowledged, refused = 3_000_000, set[str](), 0
    limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))}
    service = start(tmp_path / "shop.db", releases["one"], **limit)
    with service.client() as client:
        while refused < 30:
            body = batch(f"{tally.tries}", 500)
            answer = post(client, body)
            tally.tries += 1
            if answer.status_code == 202:
                acknowledged.update(event["id"] for event in body["events"])
            else:
                refused += 1
                tally.expect(answer.status_code == 503, answer.text)
                tally.expect("what was acknowledged is kept" in answer.json()["detail"], answer.text)
    assert acknowledged
    service.kill()
    with Store(tmp_path / "shop.db") as store:
        tally.kept(acknowledged, store.events()["id"].to_list())
        told = store.append_events([Event("u", "i", "view", 1.0, id="after")])
        tally.expect(told == (1, 0), told)


def test_full_disk_that_is_freed_again(
    start: Callable[..., Service], releases: dict[str, Path], small_disk: Callable[[str], Path], tally: Tally
) -> None:
    """The same service goes on once there is space."""
    disk, acknowledged = small_disk("6m"), set[str]()
    service = start(disk / "shop.db", releases["one"])
    with service.client() as client:
        for number in range(2):
            filler = (disk / "filler").open("wb", buffering=0)
            with filler, contextlib.suppress(OSError):
                while True:
                    filler.write(bytes(65_536))
            refused = 0
            for part in range(60):
                body = batch(f"{number}-{part}", 100)
                answer = post(client, body)
                tally.tries += 1
                if answer.status_code == 202:
                    acknowledged.update(event["id"] for event in body["events"])
                else:
                    refused += 1
                    tally.expect(answer.status_code == 503, answer.text)
            assert refused
            tally.expect(client.get("/health/live").status_code == 200, "not live")
            (disk / "filler").unlink()
            body = batch(f"{number}-after", 10)
            answer = post(client, body)
            tally.expect(answer.status_code == 202, answer.text)
            acknowledged.update(event["id"] for event in body["events"])
    service.kill()
    with Store(disk / "shop.db") as store:
        tally.kept(acknowledged, store.events()["id"].to_list())


def filled(path: Path, days: int = 6, each: int = 20) -> set[str]:
    with Store(path, clock=lambda: (20_000 + days) * DAY) as store:
        for day in range(days):
            store.append_events(
                [Event("ann", "i1", "view", (20_000 + day) * DAY + n, id=f"{day}-{n}") for n in range(each)]
            )
        return set(store.events()["id"].to_list())


def test_read_only_disk_under_the_archive(tmp_path: Path, small_disk: Callable[[str], Path], tally: Tally) -> None:
    """Nothing leaves the store until the disk may be written again."""
    ids, disk = filled(tmp_path / "shop.db"), small_disk("4m")
    with Store(tmp_path / "shop.db", clock=lambda: 20_006 * DAY, archive=disk / "days") as store:
        for flag in ("ro", "rw"):
            subprocess.run(["mount", "-o", f"remount,{flag}", str(disk)], check=True)
            tally.tries += 1
            if flag == "ro":
                with pytest.raises(StoreError, match="read-only file system; the rows stay in the store"):
                    store.archive.run(hot_days=0)
                tally.expect(store.archive.parts() == [], "moved")
            else:
                tally.expect(store.archive.run(hot_days=0)["events"] == len(ids) - 1, "not moved")
            tally.kept(ids, store.events()["id"].to_list())


def test_read_only_disk_under_the_service(
    start: Callable[..., Service],
    releases: dict[str, Path],
    tmp_path: Path,
    small_disk: Callable[[str], Path],
    tally: Tally,
) -> None:
    """A service does not start on it, and says why; nothing is lost when the disk may be written again."""
    disk = small_disk("8m")
    shutil.copytree(releases["one"], disk / "one")
    ids = filled(disk / "shop.db")
    for flag in ("ro", "rw"):
        subprocess.run(["mount", "-o", f"remount,{flag}", str(disk)], check=True)
        service = start(disk / "shop.db", disk / "one")
        tally.tries += 1
        if flag == "ro":
            said = service.process.communicate(timeout=60)[1]
            tally.expect(service.process.returncode == StoreError.exit_code, service.process.returncode)
            tally.expect("read-only" in said or "cannot be opened" in said, said)
            continue
        with service.client() as client:
            body = batch(str(tally.tries), 5)
            tally.expect(post(client, body).status_code == 202, "not accepted")
            ids |= {event["id"] for event in body["events"]}
        service.end()
        with Store(disk / "shop.db") as store:
            tally.kept(ids, store.events()["id"].to_list())


def test_full_disk_under_the_archive(tmp_path: Path, small_disk: Callable[[str], Path], tally: Tally) -> None:
    """What fits is moved whole, the rest stays; the next run completes it."""
    ids, disk = filled(tmp_path / "shop.db", days=30), small_disk("64k")
    with Store(tmp_path / "shop.db", clock=lambda: 20_030 * DAY, archive=disk / "days") as store:
        for hot_days in (20, 10, 0):
            tally.tries += 1
            with contextlib.suppress(StoreError):
                store.archive.run(hot_days=hot_days)
            tally.kept(ids, store.events()["id"].to_list())
            tally.expect(store.archive.verify() == [], "files that are not whole")
        with pytest.raises(StoreError, match="no space left on device; the rows stay in the store"):
            store.archive.run(hot_days=0)
        subprocess.run(["mount", "-o", "remount,size=4m", str(disk)], check=True)
        store.archive.run(hot_days=0)
        tally.kept(ids, store.events()["id"].to_list())
        tally.expect(store.archive.strays() == [], "strays")


def test_half_written_archive(tmp_path: Path, tally: Tally) -> None:
    """Files cut off at every length: leftovers are not read, and a file of the manifest is never taken for whole."""
    ids = filled(tmp_path / "shop.db")
    with Store(tmp_path / "shop.db", clock=lambda: 20_006 * DAY) as store:
        store.archive.run(hot_days=2)
        part = store.archive.parts()[0]
        path = store.archive.folder / part.file
        whole = path.read_bytes()
        for length in range(0, len(whole), max(1, len(whole) // 40)):
            (path.parent / f"part-{length}.parquet").write_bytes(whole[:length])
            tally.kept(ids, store.events()["id"].to_list())
            path.write_bytes(whole[:length])
            try:
                tally.expect(right=False, otherwise=store.events().height)
            except ArtifactError as error:
                tally.expect("is damaged" in str(error), error)
            path.write_bytes(whole)
            tally.tries += 1
        store.archive.run(hot_days=2)
        tally.kept(ids, store.events()["id"].to_list())
        tally.expect(store.archive.strays() == [], store.archive.strays())


def test_corrupt_release_folder(releases: dict[str, Path], tmp_path: Path, tally: Tally) -> None:
    """Each file of a release in turn cut, changed, taken away, or joined by another: it is refused, and one goes on."""
    two = tmp_path / "two"
    shutil.copytree(releases["two"], two)
    with (
        background(tmp_path / "shop.db", release=two, port=0, log=None) as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
        Store(tmp_path / "shop.db") as store,
    ):
        store.releases.add("one", str(releases["one"]), "")
        assert client.post("/v1/releases/one/promote").status_code == 200
        for path in sorted(path for path in two.rglob("*") if path.is_file()):
            whole = path.read_bytes()
            middle = len(whole) // 2
            for damaged in (whole[:middle], whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :], None):
                path.unlink() if damaged is None else path.write_bytes(damaged)
                told = client.post("/v1/releases/two/promote")
                tally.expect(told.status_code == 500 and str(two) in told.json()["detail"], told.text)
                answer = client.post("/v1/recommend", json={"user": "u1"})
                tally.expect(answer.status_code == 200 and answer.json()["release"] == "one", answer.text)
                path.write_bytes(whole)
                tally.tries += 1
        assert client.post("/v1/releases/two/promote").status_code == 200
        assert client.post("/v1/recommend", json={"user": "u1"}).json()["release"] == "two"


@pytest.mark.parametrize("tries", [4, pytest.param(100, marks=pytest.mark.faults)])
def test_slow_database(
    start: Callable[..., Service], releases: dict[str, Path], tmp_path: Path, tally: Tally, tries: int
) -> None:
    """Somebody else holds the store again and again: answers come late, or say so, and are right."""
    service, acknowledged, over = start(tmp_path / "shop.db", releases["one"]), set[str](), threading.Event()

    def hold() -> None:
        with contextlib.closing(sqlite3.connect(tmp_path / "shop.db", isolation_level=None, timeout=60)) as other:
            while not over.is_set():
                other.execute("BEGIN IMMEDIATE")
                time.sleep(0.3)
                other.execute("ROLLBACK")
                time.sleep(0.02)

    holder = threading.Thread(target=hold)
    holder.start()
    with service.client() as client:
        for number in range(tries):
            body = batch(str(number), 5)
            answer = post(client, body)
            tally.expect(answer.status_code in {202, 503}, answer.text)
            if answer.status_code == 202:
                acknowledged.update(event["id"] for event in body["events"])
            answer = client.post("/v1/recommend", json={"user": "u1", "k": 5})
            tally.expect(answer.status_code == 503 or len(answer.json()["items"]) == 5, answer.text)
            tally.tries += 1
    over.set()
    holder.join()
    assert acknowledged
    service.kill()
    with Store(tmp_path / "shop.db") as store:
        tally.kept(acknowledged, store.events()["id"].to_list())
