"""What brings the tables of an older store to those of ``tables.py``: one step per schema, each in one transaction."""

from sqlalchemy import Connection, update

from recloop.store import tables

STEPS: dict[int, tuple[str, ...]] = {
    2: (
        "ALTER TABLE decisions ADD COLUMN session TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE decisions ADD COLUMN forced INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE experiments ADD COLUMN step INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE experiments ADD COLUMN stepped FLOAT",
        "UPDATE experiments SET stepped = started",
    ),
    3: (
        "ALTER TABLE api_keys ADD COLUMN expires FLOAT",
        "ALTER TABLE api_keys ADD COLUMN used FLOAT",
        "ALTER TABLE api_keys ADD COLUMN rate FLOAT",
    ),
    4: ("ALTER TABLE decisions ADD COLUMN allocation TEXT NOT NULL DEFAULT ''",),
    5: (
        """CREATE TABLE archive_parts (
            seq INTEGER PRIMARY KEY, log TEXT NOT NULL, date TEXT NOT NULL, file TEXT NOT NULL UNIQUE,
            rows INTEGER NOT NULL, bytes INTEGER NOT NULL, sha256 TEXT NOT NULL, created FLOAT NOT NULL
        )""",
        """CREATE TABLE archived_ids (
            log TEXT NOT NULL, id TEXT NOT NULL, moved FLOAT NOT NULL, PRIMARY KEY (log, id)
        ) WITHOUT ROWID""",
        """CREATE TABLE archived_tails (
            seq INTEGER PRIMARY KEY, id TEXT NOT NULL, user TEXT NOT NULL, item TEXT NOT NULL, kind TEXT NOT NULL,
            value FLOAT, time FLOAT NOT NULL, decision TEXT
        )""",
        "CREATE INDEX archived_tails_user_time ON archived_tails (user, time)",
    ),
}
"""Schema → the statements that lead to it from the one before. Migrations only add, and so lose nothing."""


def migrate(connection: Connection, version: int) -> None:
    """Bring a store from a schema to the newest. The caller holds the transaction."""
    for schema in range(version + 1, tables.SCHEMA + 1):
        for statement in STEPS[schema]:
            connection.exec_driver_sql(statement)
        connection.execute(update(tables.schema).values(version=schema))
