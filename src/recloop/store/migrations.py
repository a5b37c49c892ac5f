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
}
"""Schema → the statements that lead to it from the one before. Columns are only added, so a migration loses nothing."""


def migrate(connection: Connection, version: int) -> None:
    """Bring a store from a schema to the newest. The caller holds the transaction."""
    for schema in range(version + 1, tables.SCHEMA + 1):
        for statement in STEPS[schema]:
            connection.exec_driver_sql(statement)
        connection.execute(update(tables.schema).values(version=schema))
