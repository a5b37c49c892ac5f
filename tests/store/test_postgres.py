"""What PostgreSQL can suffer, and what is said of it; several processes on one database."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from recloop.app.person import erase_person
from recloop.errors import ConflictError, SettingError, StoreError
from recloop.store import Appended, Store, tables
from recloop.types import Event, Feedback


def click(number: int, name: str = "e", user: str = "ann") -> Event:
    return Event(user, f"i{number}", "click", float(number), id=f"{name}{number}")


@pytest.fixture
def url(postgres_database: Callable[[str], str], tmp_path: Path) -> str:
    return postgres_database(f"store-{tmp_path.name}")


@pytest.fixture
def admin(url: str) -> Iterator[object]:
    """Another program on the same database."""
    import psycopg

    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        yield connection


def test_commits_are_durable_though_the_server_says_else(url: str, admin) -> None:
    (name,) = admin.execute("SELECT current_database()").fetchone()
    admin.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    with Store(url, timeout=0.5) as store:
        for connection in (store._database._writer._connection, store._database._engine.connect()):
            assert connection.exec_driver_sql("SHOW synchronous_commit").scalar_one() == "on"
            assert connection.exec_driver_sql("SHOW lock_timeout").scalar_one() == "500ms"
            connection.rollback()
        connection.close()


def test_a_server_that_went_without_a_word_is_given_up(url: str) -> None:
    """Without these a connection to a machine that is gone would be waited for for a quarter of an hour, or two."""
    with Store(f"{url}&keepalives_idle=7") as store:
        told = store._database._writer._connection.connection.driver_connection.info.get_parameters()
    assert [told[name] for name in ("keepalives_idle", "keepalives_interval", "keepalives_count")] == ["7", "2", "3"]
    assert told["tcp_user_timeout"] == "10000"


def test_one_batch_of_many_callers_is_counted_by_caller(url: str) -> None:
    with Store(url) as store:
        gate = threading.Event()
        store._database.submit(lambda _connection: gate.wait(5))
        futures = [store.submit_events([click(n), click(n), click(n + 1)]) for n in range(50)]
        said = store.submit_events([])
        gate.set()
        assert futures[0].result() == Appended(2, 1)
        assert [future.result() for future in futures[1:]] == [Appended(1, 2)] * 49
        assert said.result() == Appended(0, 0)
        assert store.events()["item"].to_list() == [f"i{n}" for n in range(51)]  # in order of arrival


def test_what_left_for_an_archive_counts_as_known(url: str) -> None:
    tail = {"id": "e1", "user": "ann", "item": "i1", "kind": "click", "time": 1.0}
    with Store(url) as store:
        store._database.write(
            lambda connection: (
                connection.execute(insert(tables.archived_ids).values(log="events", id="e1", moved=9.0)),
                connection.execute(insert(tables.archived_tails).values(tail)),
            )
        )
        assert store.append_events([click(1), click(1), click(2)]) == Appended(1, 2)
        assert store.append_feedback([Feedback("ann", "rating", 1.0, 4.0, item="i1", id="e1")]) == Appended(1, 0)
        assert [event.id for event in store.histories(["ann"], 5)[0]] == ["e1", "e2"]
        assert [event.id for event in store.histories(["ann"], 1)[0]] == ["e2"]


def test_a_person_is_erased(url: str) -> None:
    with Store(url) as store:
        store.append_events([click(1), click(2, user="bob")])
        store.append_feedback([Feedback("ann", "rating", 1.0, 4.0, item="i1", id="f1")])
        assert erase_person(store, "ann").before == {"events": 1, "decisions": 0, "feedback": 1}
        assert store.counts() == {"events": 1, "decisions": 0, "feedback": 0}
        assert store.erasure.times() == 1


def test_a_text_that_postgresql_cannot_hold_hurts_its_caller_alone(url: str) -> None:
    with Store(url) as store:
        gate = threading.Event()
        store._database.submit(lambda _connection: gate.wait(5))
        futures = [store.submit_events([Event("ann", item, "view", 1.0, id=item)]) for item in ("a", "b\0", "c\t\\N\n")]
        gate.set()
        assert futures[0].result() == futures[2].result() == Appended(1, 0)
        with pytest.raises(SettingError, match=r"a text holds the character NUL. PostgreSQL keeps texts without it"):
            futures[1].result()
        assert store.events()["item"].to_list() == ["a", "c\t\\N\n"]
        with pytest.raises(SettingError, match="NUL"):
            store.histories(["\0"], 3)


@pytest.mark.parametrize("log", ["events", "feedback"])
def test_processes_that_send_the_same_ids_do_not_wait_in_a_circle(url: str, admin, log: str) -> None:
    """Overlapping batches in opposite orders, from stores with connections of their own; what one sees is committed."""
    (name,) = admin.execute("SELECT current_database()").fetchone()
    admin.execute(f"ALTER DATABASE \"{name}\" SET default_transaction_isolation = 'repeatable read'")

    def send(store: Store, numbers: list[int]) -> Appended:
        if log == "events":
            return store.append_events([click(n) for n in numbers])
        return store.append_feedback([Feedback("ann", "rating", 1.0, 3.0, id=f"f{n}") for n in numbers])

    with Store(url) as one, Store(url) as other, Store(url) as third, ThreadPoolExecutor(12) as pool:
        stores, batches = (one, other, third), []
        for start in range(0, 300, 10):
            numbers = [*range(start, start + 40)]
            batches += [(stores[start // 10 % 3], numbers), (stores[(start // 10 + 1) % 3], numbers[::-1])]
        found = list(pool.map(lambda job: send(*job), batches))
        assert sum(part.accepted for part in found) == 330 == one.counts()[log]
        assert sum(part.accepted + part.duplicates for part in found) == sum(len(numbers) for _, numbers in batches)


def test_who_is_alone_sees_the_log_without_gaps(url: str) -> None:
    """A reader that follows by ``seq`` misses nothing, though numbers are given before commits."""
    seen: list[int] = []
    with Store(url) as one, Store(url) as other, Store(url) as reader, ThreadPoolExecutor(8) as pool:
        jobs = [
            pool.submit(store.append_events, [click(n, name) for n in range(start, start + 5)])
            for start in range(0, 400, 5)
            for name, store in (("a", one), ("b", other))
        ]

        def follow(connection) -> list[int]:
            query = select(tables.events.c.seq).where(tables.events.c.seq > max(seen, default=0))
            return list(connection.execute(query.order_by(tables.events.c.seq)).scalars())

        while not all(job.done() for job in jobs):
            seen += reader._database.write(follow)
        seen += reader._database.write(follow)
    assert len(seen) == 800


def test_who_follows_the_events_misses_none(url: str) -> None:
    """Without being alone: events are numbered in the order in which they are committed."""
    seen: list[int] = []
    with Store(url) as one, Store(url) as other, Store(url) as reader, ThreadPoolExecutor(8) as pool:
        jobs = [
            pool.submit(store.append_events, [click(n, name) for n in range(start, start + 5)])
            for start in range(0, 400, 5)
            for name, store in (("a", one), ("b", other))
        ]
        done = False
        while not done:
            done = all(job.done() for job in jobs)
            with reader._database.reading() as connection:
                query = select(tables.events.c.seq).where(tables.events.c.seq > max(seen, default=0))
                seen += connection.execute(query.order_by(tables.events.c.seq)).scalars()
    assert len(seen) == 800


def test_two_experiments_started_at_once_see_each_other(url: str) -> None:
    def settle(definition: dict, running: list[dict]) -> dict:
        if running:
            raise ConflictError("one is enough")
        return definition

    with Store(url) as one, Store(url) as other, ThreadPoolExecutor(2) as pool:
        one.experiments.add("a", {})
        one.experiments.add("b", {})
        jobs = [pool.submit(store.experiments.start, name, settle) for store, name in ((one, "a"), (other, "b"))]
        assert sorted(job.exception() is None for job in jobs) == [False, True]


def test_a_schema_of_its_own_in_a_database_of_others(url: str, admin) -> None:
    admin.execute("CREATE TABLE invoices (id int)")
    with pytest.raises(
        StoreError, match=r"holds tables of something else \(invoices\); a store is a file, database or schema"
    ):
        Store(url)
    admin.execute("CREATE SCHEMA shop")
    with Store(f"{url}&options=-csearch_path%3Dshop") as store:
        assert store.append_events([click(1)]) == Appended(1, 0)
    assert admin.execute("SELECT count(*) FROM shop.events").fetchone() == (1,)


def test_locked_by_somebody_else(url: str, admin) -> None:
    with Store(url, timeout=0.2) as store:
        with admin.transaction():
            admin.execute("LOCK TABLE events")
            with pytest.raises(StoreError, match="is locked by another process; wait and send it again"):
                store.append_events([click(1)])
        assert store.append_events([click(1)]) == Appended(1, 0)


def test_a_newer_schema(url: str, admin) -> None:
    Store(url).close()
    admin.execute("UPDATE recloop_schema SET version = 99")
    with pytest.raises(StoreError, match=rf"has schema 99; this recloop reads schemas up to {tables.SCHEMA}"):
        Store(url)


def test_read_only(url: str, admin) -> None:
    Store(url).close()
    (name,) = admin.execute("SELECT current_database()").fetchone()
    admin.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    with Store(url) as store:
        with pytest.raises(StoreError, match="is read-only; name the primary server, not a standby"):
            store.append_events([click(1)])
        assert store.events().height == 0


def test_a_database_that_is_not_there(postgres_server) -> None:
    with pytest.raises(
        StoreError, match=r"postgresql://postgres@/nowhere cannot be reached \(.*database \"nowhere\" does not"
    ):
        Store(postgres_server.database("nowhere"))


def test_a_server_that_is_not_there_and_a_password_that_is_not_told() -> None:
    with pytest.raises(
        StoreError, match=r"cannot be reached \(.*refused\); check the URL and that PostgreSQL runs"
    ) as told:
        Store("postgres://me:secret@127.0.0.1:1/shop", timeout=2)
    assert "secret" not in str(told.value)
    assert "postgresql://me:***@127.0.0.1:1/shop" in str(told.value)


def test_another_encoding(postgres_server, admin, tmp_path: Path) -> None:
    name = f"latin-{tmp_path.name}"
    admin.execute(f"CREATE DATABASE \"{name}\" ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'")
    with pytest.raises(StoreError, match="has the encoding LATIN1; a store is in UTF8"):
        Store(postgres_server.database(name))


def test_a_server_that_stops_and_comes_back(own_server) -> None:
    """What was acknowledged is there; the store goes on by itself, also where nobody noticed the stop."""
    url = own_server.url
    with Store(url) as store:
        assert store.append_events([click(1)]) == Appended(1, 0)
        assert store.histories(["ann"], 5)[0] == [click(1)]
        own_server.stop("fast")
        with pytest.raises(StoreError, match=r"(cannot be reached|was stopped|was cut off)"):
            store.append_events([click(2)])
        with pytest.raises(StoreError, match="cannot be reached"):
            store.histories(["ann"], 5)[0]
        own_server.start()
        assert store.append_events([click(2)]) == Appended(1, 0)
        own_server.stop("fast")
        own_server.start()
        assert store.append_events([click(3)]) == Appended(1, 0)
        assert [event.id for event in store.histories(["ann"], 5)[0]] == ["e1", "e2", "e3"]


def test_a_connection_that_is_cut_inside_a_transaction(url: str) -> None:
    """Its callers are told, and the writer goes on with another one."""
    with Store(url) as store:
        cut = "SELECT pg_terminate_backend(pg_backend_pid())"
        for way in (
            lambda connection: connection.connection.cursor().execute(cut),  # behind SQLAlchemy's back
            lambda connection: connection.exec_driver_sql(cut),
        ):
            with pytest.raises(StoreError, match=r"(was stopped|was cut off)"):
                store._database.write(way)
            assert store.append_events([click(1)]).accepted + store.append_events([click(2)]).duplicates in {1, 2}
        assert store.events()["id"].to_list() == ["e1", "e2"]


def test_processes_share_a_database(url: str) -> None:
    """Three processes send overlapping events; each is there once, and was accepted by one of them."""
    code = (
        "import sys; from recloop.store import Store; from recloop.types import Event\n"
        "with Store(sys.argv[1]) as store:\n"
        "    new = 0\n"
        "    for start in range(0, 200, 10):\n"
        "        ids = range(start, start + 20)\n"
        "        new += store.append_events([Event('u', 'i', 'view', 1.0, id=f'e{n}') for n in ids]).accepted\n"
        "print(new)"
    )
    started = [subprocess.Popen([sys.executable, "-c", code, url], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    accepted = [int(one.communicate(timeout=120)[0]) for one in started]
    with Store(url) as store:
        assert sum(accepted) == 210 == store.counts()["events"] == store.events()["id"].n_unique()
