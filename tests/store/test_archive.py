"""Closed days leave the store for files: once, whole, and seen by every reader as before."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import func, select

from recloop.errors import ArtifactError, ConflictError, SettingError, StoreError
from recloop.store import Appended, Store, tables
from recloop.store import archive as archiving
from recloop.types import Decision, Event, Feedback, SlateItem

DAY = 86_400.0
FIRST = 20_000 * DAY  # 2024-10-04
NOW = FIRST + 20 * DAY + 3_600


def click(number: int, day: float, user: str = "ann") -> Event:
    return Event(user, f"i{number}", "click", FIRST + day * DAY + number, id=f"e{number}")


def slate(number: int, day: float) -> Decision:
    items = (SlateItem("b", 0.75, "ease"), SlateItem("a", 0.5, "popular"))
    return Decision(f"d{number}", "ann", FIRST + day * DAY, items, "blend", experiment="home", forced=True)


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a store on each database; its archive is ``shop.archive``."""
    if request.param == "sqlite":
        return str(tmp_path / "shop.db")
    schema = request.getfixturevalue("postgres_schema")(f"archive_{tmp_path.name}")
    return f"{schema}&archive={tmp_path / 'shop.archive'}"


@pytest.fixture
def store(url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Twenty days of events, two a day, with decisions and feedback; small chunks, so that there are many."""
    monkeypatch.setattr(archiving, "CHUNK", 7)
    with Store(url, clock=clock) as store:
        store.append_events([click(number, number // 2, "ann" if number % 3 else "bob") for number in range(40)])
        store.append_decisions([slate(number, number) for number in range(20)])
        store.append_feedback(
            [Feedback("ann", "rating", FIRST + day * DAY, 4.0, item="i1", id=f"f{day}") for day in range(20)]
        )
        yield store


def everything(store: Store) -> list[pl.DataFrame]:
    return [store.events(), store.decisions(), store.feedback()]


def same(before: list[pl.DataFrame], after: list[pl.DataFrame]) -> bool:
    return all(one.equals(two) and one.schema == two.schema for one, two in zip(before, after, strict=True))


# ---- moving


def test_what_was_moved_is_read_as_before(store: Store) -> None:
    before, counts = everything(store), store.counts()
    assert store.archive.run(hot_days=5, actor="me") == {"events": 30, "decisions": 15, "feedback": 15}
    assert same(before, everything(store))
    assert store.counts() == counts
    assert [one.hot for one in store.archive.status()] == [10, 5, 5]
    assert store.archive.status()[0][2:4] == (30, 17)
    assert store.archive.status()[0][5:] == ("2024-10-04", "2024-10-18")
    assert store.archive.verify() == store.archive.strays() == []
    lines = [line for line in store.audit.lines() if line.action == "archive"]
    assert lines[-1][1:] == ("me", "archive", "events 2024-10-04", "2 rows")
    assert sum(int(line.detail.split()[0]) for line in lines) == 60


def test_a_second_run_moves_nothing(store: Store) -> None:
    store.archive.run()
    files = {path: path.read_bytes() for path in store.archive.folder.rglob("*.parquet")}
    assert store.archive.run() == {"events": 0, "decisions": 0, "feedback": 0}
    assert {path: path.read_bytes() for path in store.archive.folder.rglob("*.parquet")} == files


@pytest.mark.parametrize("hot_days", [0, 3, 100])
def test_parts_of_the_log_are_read_alike(store: Store, hot_days: int) -> None:
    reads = [
        lambda: store.events(user="bob"),
        lambda: store.events(since=FIRST + 3.5 * DAY, until=FIRST + 17 * DAY),
        lambda: store.events(user="ann", since=FIRST + 4 * DAY),
        lambda: store.events(until=FIRST - 5),
        lambda: store.events(since=float("inf")),
        lambda: store.events(since=float("-inf"), until=1e300),
        lambda: store.decisions(experiment="home", since=FIRST + 2 * DAY),
        lambda: store.decisions(experiment="other"),
        lambda: store.feedback(user="bob"),
    ]
    before = [read() for read in reads]
    store.archive.run(hot_days=hot_days)
    for read, found in zip(reads, before, strict=True):
        assert read().equals(found)


def test_files_lie_by_date_and_need_nothing_but_themselves(store: Store) -> None:
    store.archive.run(hot_days=10)
    found = pl.read_parquet(store.archive.folder / "events" / "**" / "*.parquet", hive_partitioning=True)
    assert found.height == 20
    assert found.filter(pl.from_epoch("time").dt.date() != pl.col("date")).is_empty()


def test_the_newest_row_stays_and_the_order_of_arrival_goes_on(store: Store, clock: Clock) -> None:
    clock.now += 100 * DAY
    assert store.archive.run()["events"] == 39
    store.append_events([click(99, 0.5)])  # happened long ago, came last
    assert store.events()["id"].to_list()[-2:] == ["e39", "e99"]


def test_what_comes_late_is_moved_by_the_next_run(store: Store) -> None:
    store.archive.run()
    store.append_events([click(90, 2), click(91, 19)])
    before = everything(store)
    assert store.archive.run()["events"] == 1
    assert same(before, everything(store))
    assert len([part for part in store.archive.parts() if part.log == "events" and part.date == "2024-10-06"]) == 2


def test_many_small_files_of_a_day_become_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.append_events([click(100 + number, 3.5) for number in range(60)])
    before = everything(store)
    monkeypatch.setattr(archiving, "LARGE", 50)
    store.archive.run()
    sizes = [part.rows for part in store.archive.parts() if (part.log, part.date) == ("events", "2024-10-07")]
    assert sorted(sizes) == [1, 7, 7, 46]  # one that is large enough, and three that are few enough
    assert same(before, everything(store))
    assert store.archive.verify() == store.archive.strays() == []


def test_rows_before_1970_stay(store: Store) -> None:
    store.append_events([Event("old", "i", "view", -5.0, id="old"), click(95, 19)])
    store.archive.run()
    assert store.events(user="old")["time"].to_list() == [-5.0]


def test_a_number_of_days_is_not_negative(store: Store) -> None:
    with pytest.raises(SettingError, match=r"hot_days is -1; a number of days is not negative"):
        store.archive.run(hot_days=-1)
    with pytest.raises(SettingError, match="remember_days is -1"):
        store.archive.run(remember_days=-1)
    with pytest.raises(SettingError, match="keep_days is -2"):
        store.archive.drop(-2)


# ---- once


def test_an_archived_id_is_refused_for_a_while(store: Store, clock: Clock) -> None:
    store.archive.run(remember_days=30)
    assert store.append_events([click(0, 0), click(50, 19), click(0, 0)]) == Appended(1, 2)
    assert store.append_decisions([slate(0, 0)]) == Appended(0, 1)
    assert store.append_feedback([Feedback("x", "comment", NOW, text="again", id="f0")]) == Appended(0, 1)
    clock.now += 29 * DAY
    store.archive.run(remember_days=30)
    assert store.append_events([click(0, 0)]) == Appended(0, 1)
    clock.now += 2 * DAY
    store.archive.run(remember_days=30)
    assert store.append_events([click(0, 0)]) == Appended(1, 0)  # the window is over


def test_histories_reach_into_the_archive(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archiving, "TAIL", 12)
    store.append_events([Event("ann", "twin", "click", FIRST + 9 * DAY + 19, id="twin"), click(60, 19)])
    before = {user: store.histories([user], 12)[0] for user in ("ann", "bob", "nobody")}
    for hot_days in (15, 9, 4, 0):
        store.archive.run(hot_days=hot_days)
        assert {user: store.histories([user], 12)[0] for user in before} == before
    assert store.histories(["ann"], 3)[0] == before["ann"][-3:]
    user = tables.archived_tails.c.user
    with store._database.reading() as connection:
        kept = connection.execute(select(user, func.count()).group_by(user).order_by(user)).all()
    assert kept == [("ann", 12), ("bob", 12)]


# ---- whole


@pytest.mark.parametrize("step", range(12))
def test_a_run_that_breaks_anywhere_is_completed_by_the_next(
    store: Store, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken at the n-th of its steps: flushes of files and folders, and statements of its transactions."""
    before, left = everything(store), iter(range(step))

    class PowerCut(BaseException):
        pass

    def broken(*_: object) -> None:
        if next(left, None) is None:
            raise PowerCut

    for name in ("_remember", "_name", "_still_there"):
        whole = getattr(archiving.Archive, name)

        def breaking(*arguments: object, whole=whole) -> None:
            whole(*arguments)
            broken()

        monkeypatch.setattr(archiving.Archive, name, staticmethod(breaking) if name != "_still_there" else breaking)
    monkeypatch.setattr("recloop.store.parts.os.fsync", broken)
    with pytest.raises(PowerCut):
        store.archive.run()
    assert same(before, everything(store))
    monkeypatch.undo()
    store.archive.run()
    assert same(before, everything(store))
    assert store.archive.strays() == store.archive.verify() == []
    assert [one.hot for one in store.archive.status()] == [14, 7, 7]


def test_whoever_stops_waiting_for_the_commit_loses_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the transaction is under way: it is committed all the same, and its files must be there."""
    before, write = everything(store), store._database.write

    def interrupted(work: object) -> object:
        if "_move" in work.__qualname__:
            store._database.submit(work)
            raise KeyboardInterrupt
        return write(work)

    monkeypatch.setattr(store._database, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.archive.run()
    monkeypatch.undo()
    store._database.write(lambda _connection: None)  # what was submitted is done
    assert store.archive.parts()
    assert same(before, everything(store))
    store.archive.run()
    assert same(before, everything(store))
    assert store.archive.strays() == store.archive.verify() == []


def test_files_that_no_manifest_names_are_not_read_and_are_removed(store: Store) -> None:
    store.archive.run()
    before = everything(store)
    folder = store.archive.folder / "events" / "date=2024-10-04"
    (part,) = folder.glob("*.parquet")
    (folder / "part-stray.parquet").write_bytes(part.read_bytes())
    (folder / ".part-x.parquet.draft").write_bytes(b"half")
    assert same(before, everything(store))
    assert len(store.archive.strays()) == 2
    store.archive.run()
    assert store.archive.strays() == []
    assert same(before, everything(store))


def test_a_full_disk_moves_nothing_and_leaves_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    before = everything(store)

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("recloop.store.parts.os.fsync", full)
    with pytest.raises(StoreError, match=r"shop.archive cannot be written: no space left on device; the rows stay"):
        store.archive.run()
    assert [path.name for path in store.archive.folder.rglob("*") if path.is_file()] == [".store"]
    assert same(before, everything(store))


def test_two_runs_at_once_lose_nothing(store: Store, url: str, clock: Clock) -> None:
    before, refused = everything(store), []

    def run() -> None:
        with Store(url, clock=clock) as other:
            for hot_days in range(15, -1, -1):
                try:
                    other.archive.run(hot_days=hot_days)
                except ConflictError as error:
                    refused.append(str(error))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert same(before, everything(store))  # every reader sees each row once, all the while
    for thread in threads:
        thread.join()
    store.archive.run(hot_days=0)
    assert same(before, everything(store))
    assert all("run it again" in sentence for sentence in refused)
    assert store.archive.verify() == store.archive.strays() == []


@pytest.mark.parametrize("damage", ["bit", "cut", "gone"])
def test_a_damaged_file_is_told_and_never_read(store: Store, damage: str) -> None:
    store.archive.run()
    part = next(part for part in store.archive.parts() if part.date == "2024-10-06" and part.log == "events")
    path = store.archive.folder / part.file
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes({"bit": bytes(content), "cut": content[:100], "gone": b""}[damage])
    if damage == "gone":
        path.unlink()
    with pytest.raises(ArtifactError, match=r"is (damaged|missing).*restore it from a backup"):
        store.events()
    (sentence,) = store.archive.verify()
    assert str(path) in sentence
    assert store.events(since=FIRST + 4 * DAY).height == 32  # other days are read


# ---- leaving


def test_retention_deletes_days_and_says_so(store: Store) -> None:
    store.archive.run(hot_days=5)
    gone = store.archive.drop(10, actor="me")
    assert {part.date for part in gone} == {f"2024-10-{day:02}" for day in range(4, 14)}
    assert store.events()["id"].to_list() == [f"e{number}" for number in range(20, 40)]
    assert store.histories(["bob"], 99)[0][0].id == "e21"
    assert not (store.archive.folder / "events" / "date=2024-10-04").exists()
    line = store.audit.about("drop archive", "events 2024-10-04")
    assert [(one.actor, one.detail) for one in line] == [("me", "2 rows, kept for 10 days")]
    assert store.archive.drop(10) == []
    assert store.archive.verify() == store.archive.strays() == []


def test_one_user_is_taken_out(store: Store) -> None:
    store.archive.run(hot_days=5)
    others = store.events().filter(pl.col("user") != "bob")
    erased = store.archive.erase("bob", actor="me")
    assert erased == {"events": 10, "decisions": 0, "feedback": 0}
    assert store.events(user="bob")["time"].min() >= NOW // DAY * DAY - 5 * DAY
    assert store.events().filter(pl.col("user") != "bob").equals(others)
    assert all(event.time >= FIRST + 15 * DAY for event in store.histories(["bob"], 99)[0])
    assert b"bob" not in b"".join(path.read_bytes() for path in store.archive.folder.rglob("*.parquet"))
    assert store.archive.erase("bob") == {"events": 0, "decisions": 0, "feedback": 0}
    assert store.archive.verify() == store.archive.strays() == []


def test_two_stores_do_not_share_a_folder(store: Store, tmp_path: Path) -> None:
    """Each would remove the files of the other, which its manifest does not name."""
    store.archive.run()
    before = everything(store)
    with (
        Store(tmp_path / "other.db", archive=store.archive.folder) as other,
        pytest.raises(ConflictError, match=r"holds the archive of another store; each store has a folder of its own"),
    ):
        other.archive.run()
    assert same(before, everything(store))


def test_a_store_in_a_database_without_a_folder_says_so(
    postgres_schema: Callable[[str], str], tmp_path: Path, clock: Clock
) -> None:
    url = postgres_schema(f"archive_{tmp_path.name}")
    with Store(f"{url}&archive={tmp_path / 'days'}", clock=clock) as store:
        store.append_events([click(1, 1), click(2, 2)])
        store.archive.run()
        found = store.events()
    with Store(url, clock=clock) as store:
        assert (store.archive.named, store.archive.strays(), store.counts()["events"]) == (None, [], 2)
        for work in (store.archive.run, store.events):
            with pytest.raises(SettingError, match=r"names no folder for its archive; .* \?archive=/mnt/days"):
                work()
        assert [event.id for event in store.histories(["ann"], 5)[0]] == ["e1", "e2"]  # the service needs no file
    with Store(url, clock=clock, archive=tmp_path / "days") as store:
        assert store.events().equals(found)


def test_rows_that_are_committed_later_with_lower_numbers_are_waited_for(
    postgres_schema: Callable[[str], str], tmp_path: Path, clock: Clock
) -> None:
    """PostgreSQL gives numbers before commits: a writer that is slow holds a run back, and loses nothing."""
    url = f"{postgres_schema(f'archive_{tmp_path.name}')}&archive={tmp_path / 'days'}"
    with Store(url, clock=clock) as store, Store(url, clock=clock) as slow:
        began, gate = threading.Event(), threading.Event()
        store.append_feedback([Feedback("ann", "rating", FIRST, 4.0, id=f"f{number}") for number in range(3)])
        append = slow._database.backend.append

        def late(connection, batches):
            found = append(connection, batches)
            began.set()
            gate.wait(10)
            return found

        slow._database.backend.append = late
        waiting = slow.submit_feedback([Feedback("bob", "rating", FIRST, 5.0, id="late")])
        began.wait(10)
        store.append_feedback([Feedback("ann", "rating", FIRST, 4.0, id=f"g{number}") for number in range(3)])
        run = threading.Thread(target=store.archive.run)
        run.start()
        time.sleep(0.2)
        assert store.archive.parts() == []  # it waits
        gate.set()
        run.join()
        assert waiting.result() == Appended(1, 0)
        assert store.archive.status()[2][1:3] == (1, 6)
        assert store.feedback()["id"].to_list() == ["f0", "f1", "f2", "late", "g0", "g1", "g2"]
