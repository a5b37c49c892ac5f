"""Schemas of a store, forward and back, by Alembic; one file per schema in ``versions``."""

from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, select, update

from recloop.errors import SettingError
from recloop.store import tables

FOLDER = Path(__file__).parent
BOOK = "recloop_revision"  # where Alembic writes its own copy of the version


def migrate(connection: Connection, version: int) -> None:
    """Bring a store from the schema that it has to another, older or newer. The caller holds the transaction.

    Raises:
        SettingError: there is no such schema.
    """
    if not 1 <= version <= tables.SCHEMA:
        raise SettingError(f"there is no schema {version}", allowed=f"schemas are 1 to {tables.SCHEMA}")
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    scripts = ScriptDirectory.from_config(config)
    before = connection.execute(select(tables.schema.c.version)).scalar_one()
    steps = scripts._upgrade_revs if version > before else scripts._downgrade_revs  # noqa: SLF001  as Alembic's commands
    with EnvironmentContext(config, scripts, fn=lambda at, _context: steps(str(version), at)) as environment:
        environment.configure(connection=connection, version_table=BOOK, transaction_per_migration=False)
        environment.get_context().stamp(scripts, str(before))  # stores of before Alembic have no book
        environment.run_migrations()
    connection.execute(update(tables.schema).values(version=version))
