"""SQLite as the store's engine: durable settings, and its errors as sentences."""

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from recloop.errors import SettingError, StoreError

ADVICE = {
    "SQLITE_BUSY": ("is locked by another process", "wait and send it again; the same ids count once"),
    "SQLITE_LOCKED": ("is locked by another process", "wait and send it again; the same ids count once"),
    "SQLITE_READONLY": ("is read-only", "give this user the right to write to the file and its folder"),
    "SQLITE_FULL": ("cannot grow: the disk is full", "free space on the disk; what was acknowledged is kept"),
    "SQLITE_IOERR": ("cannot be written or read", "check the disk and its free space; what was acknowledged is kept"),
    "SQLITE_NOTADB": ("is not a database", "name another file, or restore this one from a backup"),
    "SQLITE_CORRUPT": ("is damaged", "restore it from a backup"),
    "SQLITE_CANTOPEN": ("cannot be opened", "check that its folder exists and may be written"),
    "SQLITE_PERM": ("cannot be opened", "check who may read and write the file"),
}


def parse(url: str | Path) -> URL:
    """The URL of a store: ``sqlite:///file.db``, or simply the path of the file.

    Raises:
        SettingError: another database, or one in memory.

    >>> parse("shop.db").render_as_string()
    'sqlite:///shop.db'
    """
    text = str(url)
    try:
        parsed = make_url(text) if "://" in text else URL.create("sqlite", database=text)
    except ArgumentError as error:
        raise SettingError(f"the store '{text}' is not a URL", advice="use sqlite:///file.db") from error
    if parsed.get_backend_name() != "sqlite":
        raise SettingError(
            f"the store is a '{parsed.get_backend_name()}' database", allowed="sqlite:///file.db is supported"
        )
    if not parsed.database or ":memory:" in parsed.database:
        raise SettingError(
            "the store is in memory",
            allowed="what is acknowledged must survive, so a store is a file",
            advice="use sqlite:///file.db",
        )
    return parsed


def connect(url: URL, timeout: float) -> Engine:
    """An engine whose every connection is durable: WAL, ``synchronous=FULL``, and waits ``timeout`` s for a lock."""
    engine = create_engine(url, connect_args={"timeout": timeout, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def settings(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # transactions begin where BEGIN stands, nowhere else
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")

    return engine


def explain(error: BaseException, where: str) -> BaseException:
    """The StoreError that says what an error of SQLite means; any other error as it is."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(origin, sqlite3.Error):
        return error
    name = getattr(origin, "sqlite_errorname", "") or ""
    for prefix, (what, advice) in ADVICE.items():
        if name.startswith(prefix):
            found = StoreError(f"the store {where} {what}", advice=advice)
            break
    else:
        found = StoreError(f"the store {where} failed ({origin})", advice="what was acknowledged is kept")
    found.__cause__ = error
    return found
