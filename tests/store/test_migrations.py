"""Schemas forward and back: from every earlier one, on every database, and nothing is lost on the way."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, inspect, select

from recloop.errors import SettingError, StoreError
from recloop.store import Store, tables
from recloop.store.backend import backend
from recloop.store.database import schema_version
from recloop.store.migrations import BOOK, migrate
from recloop.types import Decision, Event

SCHEMAS = Path(__file__).parent / "schemas"
EARLIER = range(1, tables.SCHEMA)
SEQ = {"sqlite": "INTEGER NOT NULL PRIMARY KEY", "postgresql": "BIGSERIAL PRIMARY KEY"}
PLACE = {"sqlite": "INTEGER", "postgresql": "BIGINT"}


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store may be, on each database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    database: Callable[[str], str] = request.getfixturevalue("postgres_schema")
    return database(f"migrations_{tmp_path.name}")


def made(url: str, version: int) -> Engine:
    """A store as an earlier recloop has left it."""
    engine = backend(url).engine
    text = (SCHEMAS / f"v{version}.sql").read_text()
    text = text.replace("{seq}", SEQ[engine.dialect.name]).replace("{place}", PLACE[engine.dialect.name])
    statements = "\n".join(line for line in text.splitlines() if not line.startswith("--")).split(";\n")
    with engine.connect() as connection:
        for statement in filter(str.strip, statements):
            connection.exec_driver_sql(statement)
        connection.commit()
    return engine


def differences(connection: Connection) -> list[object]:
    """What a database has else than the tables of this recloop."""
    options = {"include_object": lambda _item, name, kind, *_: not (kind == "table" and name == BOOK)}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), tables.metadata))


def contents(connection: Connection) -> dict[str, list[tuple[object, ...]]]:
    found = inspect(connection)
    return {
        name: sorted(map(tuple, connection.exec_driver_sql(f'SELECT * FROM "{name}"')), key=repr)
        for name in found.get_table_names()
        if name not in {BOOK, "recloop_schema"}
    }


@pytest.mark.parametrize("version", EARLIER)
def test_from_every_earlier_schema(url: str, version: int) -> None:
    made(url, version).dispose()
    with Store(url, clock=lambda: 9.0) as store:
        assert store.events()["id"].to_list() == ["e1"]
        (decision,) = store.decisions().to_dicts()
        assert (decision["arm"], decision["items"], decision["propensity"]) == ("left", ["i1"], 0.25)
        assert (decision["session"], decision["forced"]) == (("v1", True) if version > 1 else ("", False))
        record = store.experiments.get("home")
        assert (record.state, record.step, record.stepped) == ("running", *((1, 1.75) if version > 1 else (0, 1.25)))
        assert store.feedback()["text"].to_list() == ["it's dark"]
        active = store.releases.active()
        assert active is not None
        assert active.name == "r1"
        assert store.policy_states.get("r1", "blend") == {"arms": {"left": [1.0, 0.0]}}
        (key,) = store.keys.all()
        assert (key.name, *key[5:]) == ("shop", *((90.0, 3.0, 2.5) if version > 3 else (None, None, None)))
        assert decision["allocation"] == ('{"left": 0.25, "right": 0.75}' if version > 4 else "")
        assert [one.reward for one in store.outcomes.read("r1", "blend")] == ([1.0] if version > 2 else [])
        assert (decision["context"], decision["details"]) == ("", "")
        assert store.archive.parts() == []
        people = [one.id for one in store.overrides.all()], [one.assignee for one in store.reviews.all()]
        assert people == ((["o1"], ["eva"]) if version > 7 else ([], []))
        assert [one.used for one in store.accounts.all()] == ([3.0] if version > 7 else [])
        # and it goes on: numbers are given after those that were there
        store.append_events([Event("bob", "i2", "view", 5.0, id="e2")])
        store.append_decisions([Decision("d2", "bob", 4.0, (), "none", session="v", forced=True)])
        assert store.events()["id"].to_list() == ["e1", "e2"]
        with store._database.reading() as connection:
            assert differences(connection) == []
            assert schema_version(connection) == tables.SCHEMA
    with Store(url) as store:  # and is not renewed again
        assert store.decisions()["forced"].to_list()[-1]


def test_a_new_store_has_the_tables_that_migrations_lead_to(url: str) -> None:
    with Store(url) as store, store._database.reading() as connection:
        assert differences(connection) == []


@pytest.mark.parametrize("version", EARLIER)
def test_there_and_back_is_where_it_was(url: str, version: int) -> None:
    found = backend(url)
    engine = made(url, version)
    with engine.connect() as connection:
        before, shape = contents(connection), _shape(connection)
        connection.rollback()
        for goal in (tables.SCHEMA, version):
            found.begin(connection, alone=True)
            migrate(connection, goal)
            connection.commit()
        assert contents(connection) == before
        assert _shape(connection) == shape
        assert schema_version(connection) == version
    engine.dispose()
    found.engine.dispose()


@pytest.mark.parametrize("version", EARLIER)
def test_a_new_store_may_go_back_and_forward_again(url: str, version: int) -> None:
    with Store(url) as store:
        store.append_events([Event("ann", "i1", "click", 1.0, id="e1")])
        store._database.write(lambda connection: migrate(connection, version))
    with Store(url) as store, store._database.reading() as connection:
        assert store.events()["id"].to_list() == ["e1"]
        assert differences(connection) == []


def test_a_migration_that_fails_leaves_what_was_there(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = made(url, 1)
    with engine.connect() as connection:  # the last step of the way to schema 2 is in the way
        connection.exec_driver_sql("ALTER TABLE experiments ADD COLUMN stepped FLOAT")
        connection.commit()
        before = contents(connection), _shape(connection)
    with pytest.raises(StoreError, match="what was acknowledged is kept"):
        Store(url)
    with engine.connect() as connection:
        assert (contents(connection), _shape(connection)) == before
        assert schema_version(connection) == 1
    engine.dispose()


def test_a_key_that_has_expired_opens_nothing_in_an_older_schema(url: str) -> None:
    with Store(url, clock=lambda: 9.0) as store:
        store.keys.create("guest", ["events"], lasts=1.0)
        store._database.write(lambda connection: migrate(connection, 3))
    with Store(url, clock=lambda: 20.0) as store:
        assert [key.revoked for key in store.keys.all()] == [10.0]


def test_tries_of_a_password_are_no_sessions_any_more(url: str) -> None:
    engine = made(url, 8)
    with engine.connect() as connection:
        connection.exec_driver_sql("INSERT INTO dashboard_sessions VALUES ('try x 0', 'try 00', 3.0, 303.0)")
        connection.commit()
    engine.dispose()
    with Store(url, clock=lambda: 4.0) as store, store._database.reading() as connection:
        assert connection.execute(select(tables.sessions.c.id)).scalars().all() == ["aa"]
        assert connection.execute(select(tables.attempts)).all() == []


def test_rows_in_an_archive_are_not_left_behind(tmp_path: Path) -> None:
    with Store(tmp_path / "store.db", clock=lambda: 9 * 86_400.0) as store:
        store.append_events([Event("ann", "i1", "click", 1.0, id="e1"), Event("ann", "i1", "click", 2.0, id="e2")])
        store.archive.run(hot_days=1)
        with pytest.raises(StoreError, match=r"1 files of the archive hold rows of the log"):
            store._database.write(lambda connection: migrate(connection, 5))
        assert store.events()["id"].to_list() == ["e1", "e2"]
        store.archive.drop(1)
        store._database.write(lambda connection: migrate(connection, 5))


def test_a_schema_that_is_not_there(url: str) -> None:
    with (
        Store(url) as store,
        pytest.raises(SettingError, match=rf"there is no schema 99. schemas are 1 to {tables.SCHEMA}"),
    ):
        store._database.write(lambda connection: migrate(connection, 99))


def test_opening_a_store_of_this_schema_loads_no_alembic(tmp_path: Path) -> None:
    code = f"import sys; from recloop.store import Store; Store({str(tmp_path / 's.db')!r}).close(); print('alembic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def _shape(connection: Connection) -> dict[str, set[tuple[str, bool]]]:
    found = inspect(connection)
    names = [name for name in found.get_table_names() if name != BOOK]
    return {name: {(column["name"], bool(column["nullable"])) for column in found.get_columns(name)} for name in names}
