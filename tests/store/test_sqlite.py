"""What SQLite can suffer, and what is said of it."""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from recloop.errors import SettingError, StoreError
from recloop.store import Appended, Store
from recloop.types import Event


def click(number: int) -> Event:
    return Event("ann", f"i{number}", "click", float(number), id=f"e{number}")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with Store(tmp_path / "store.db") as store:
        store.append_events([click(0)])
    return tmp_path / "store.db"


@pytest.fixture
def lock(path: Path) -> Iterator[sqlite3.Connection]:
    """Another process that holds the file."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield other
    other.close()


def test_the_file_is_durable(path: Path) -> None:
    with Store(path) as store, store._database.reading() as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}  # 2 is FULL


def test_locked_by_another_process(path: Path, lock: sqlite3.Connection) -> None:
    with Store(path, timeout=0.2) as store:
        with pytest.raises(StoreError, match=r"store.db is locked by another process. wait and send it again"):
            store.append_events([click(1)])
        assert store.histories(["ann"], 5)[0] == [click(0)]  # reading goes on
        lock.execute("COMMIT")
        assert store.append_events([click(1)]) == Appended(1, 0)


def test_a_short_lock_is_waited_for(path: Path, lock: sqlite3.Connection) -> None:
    with Store(path, timeout=5.0) as store:
        future = store.submit_events([click(1)])
        assert not future.done()
        lock.execute("COMMIT")
        assert future.result() == Appended(1, 0)


def test_read_only(path: Path) -> None:
    with Store(f"sqlite:///file:{path}?mode=ro&uri=true") as store:
        assert store.counts()["events"] == 1
        with pytest.raises(StoreError, match=r"is read-only. give this user the right to write"):
            store.append_events([click(1)])
        with pytest.raises(StoreError, match="is read-only"):
            store.probe().result()


def test_disk_full(path: Path) -> None:
    with Store(path) as store:
        pages = store._database._writer._connection
        used = pages.exec_driver_sql("PRAGMA page_count").scalar_one()
        pages.exec_driver_sql(f"PRAGMA max_page_count = {used}")
        with pytest.raises(StoreError, match=r"cannot grow: the disk is full. free space on the disk"):
            store.append_events([click(number) for number in range(1, 5000)])
        assert store.counts()["events"] == 1  # nothing half-written
        pages.exec_driver_sql("PRAGMA max_page_count = 100000")
        assert store.append_events([click(number) for number in range(5000)]) == Appended(4999, 1)


def test_not_a_database(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("these are notes, and no database at all " * 100)
    with pytest.raises(StoreError, match=r"notes.txt is not a database. name another file"):
        Store(file)
    assert file.read_text().startswith("these are notes")


def test_a_database_of_something_else(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE invoices (id)")
    other.close()
    with pytest.raises(StoreError, match=r"other.db holds tables of something else \(invoices\)"):
        Store(tmp_path / "other.db")
    other = sqlite3.connect(tmp_path / "other.db")
    assert [name for (name,) in other.execute("SELECT name FROM sqlite_master")] == ["invoices"]
    other.close()


def test_a_newer_schema(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("UPDATE recloop_schema SET version = 99")
    other.close()
    with pytest.raises(
        StoreError,
        match=r"has schema 99; this recloop reads schemas up to \d; upgrade recloop, or bring the store back",
    ):
        Store(path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot be opened. check that its folder exists"):
        Store(tmp_path / "nowhere" / "store.db")


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("sqlite://", "the store is in memory"),
        ("sqlite:///:memory:", "the store is in memory"),
        ("mysql://localhost/shop", "the store is a 'mysql' database"),
        ("://", "is not a URL"),
    ],
)
def test_urls_that_cannot_be_a_store(url: str, sentence: str) -> None:
    with pytest.raises(SettingError, match=sentence):
        Store(url)


def test_two_that_make_the_tables_at_once(tmp_path: Path) -> None:
    stores: list[Store] = []
    threads = [threading.Thread(target=lambda: stores.append(Store(tmp_path / "store.db"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stores) == 8
    for number, store in enumerate(stores):
        assert store.append_events([click(number)]) == Appended(1, 0)
        store.close()


def test_many_callers_share_a_commit(path: Path) -> None:
    with Store(path) as store:
        commits: list[int] = []
        event.listen(store._database._engine, "commit", lambda _connection: commits.append(1))
        gate = threading.Event()
        first = store._database.submit(lambda _connection: gate.wait(5))
        futures = [store.submit_events([click(number)]) for number in range(1, 201)]
        gate.set()
        assert [future.result() for future in futures] == [Appended(1, 0)] * 200
        assert first.result()
        assert len(commits) <= 2


def test_too_much_waiting_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recloop.store.writer.PENDING", 10)
    with Store(path) as store:
        gate = threading.Event()
        store._database.submit(lambda _connection: gate.wait(5))
        kept = store.submit_events([click(number) for number in range(1, 10)])
        with pytest.raises(
            StoreError, match=r"10 rows wait to be written. at most 10 may wait. send again in a second"
        ):
            store.submit_events([click(10)])
        gate.set()
        assert kept.result() == Appended(9, 0)
        assert store.append_events([click(10)]) == Appended(1, 0)


def test_a_caller_that_gave_up_is_not_owed_its_rows(path: Path) -> None:
    with Store(path) as store:
        gate = threading.Event()
        store._database.submit(lambda _connection: gate.wait(5))
        given_up, kept = store.submit_events([click(1)]), store.submit_events([click(2)])
        assert given_up.cancel()
        gate.set()
        assert kept.result() == Appended(1, 0)
        assert store.events()["id"].to_list() == ["e0", "e2"]


def test_no_secret_is_kept_in_clear(path: Path) -> None:
    with Store(path) as store:
        token = store.keys.create("shop", ["events"])
    secret = token.split("_", 2)[2]
    written = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert secret.encode() not in written
    assert token.split("_")[1].encode() in written  # the id is


def test_the_writer_outlives_what_nobody_expected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its callers are told, and the next ones are served."""
    with Store(tmp_path / "shop.db") as store:
        backend = store._database.backend
        take = backend.take

        def broken(connection: Any, *_: object) -> None:
            connection.connection.cursor().execute("BEGIN IMMEDIATE")
            raise RuntimeError("broken")

        def speechless(error: BaseException) -> None:
            raise error

        monkeypatch.setattr(backend, "take", broken)
        monkeypatch.setattr(backend, "explain", speechless)
        with pytest.raises(RuntimeError, match="broken"):
            store.append_events([Event("u", "i", "view", 1.0, id="e1")])
        monkeypatch.undo()
        assert backend.take == take
        assert store.append_events([Event("u", "i", "view", 1.0, id="e2")]) == Appended(1, 0)
        assert store.events()["id"].to_list() == ["e2"]
