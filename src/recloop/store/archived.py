from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from sqlalchemy import Connection, func, select

from recloop.errors import ArtifactError, SettingError
from recloop.store import tables
from recloop.store.database import Database
from recloop.store.parts import Part, check_part, read_part, stray_files

LOGS = {table.name: table for table in (tables.events, tables.decisions, tables.feedback)}


class LogStatus(NamedTuple):
    """How much of a log is in the store and how much is archived; dates are "" where nothing is."""

    log: str
    hot: int
    archived: int
    parts: int
    bytes: int
    first: str
    last: str


class Archived:
    """The manifest and the files that it names, to be read.

    Args:
        database: where the manifest is.
        folder: of the files; None where nobody has named one.
    """

    def __init__(self, database: Database, folder: Path | None) -> None:
        self._database = database
        self._folder = folder

    @property
    def named(self) -> Path | None:
        """Where the files are; None where nobody has named a folder."""
        return self._folder

    @property
    def folder(self) -> Path:
        """Where the files are.

        Raises:
            SettingError: nobody has named a folder.
        """
        if self._folder is None:
            raise SettingError(
                f"the store {self._database.name} names no folder for its archive",
                allowed="a store in a database needs one that all machines which read closed days can see",
                advice="name it in the URL of the store: ?archive=/mnt/days",
            )
        return self._folder

    def parts(self) -> list[Part]:
        """The manifest: every file of the archive, in the order in which they were made."""
        with self._database.reading() as connection:
            return named_parts(connection)

    def joined(
        self,
        log: str,
        hot: Callable[[], pl.DataFrame],
        columns: Sequence[str] = (),
        *,
        since: float | None = None,
        until: float | None = None,
        **equal: str | None,
    ) -> pl.DataFrame:
        """What ``hot`` reads from the store and the same rows of the archive, in order of arrival, without ``seq``.

        Read again where rows were moved meanwhile: no row is seen twice or not at all.

        Raises:
            ArtifactError: a file is missing or damaged.
        """
        named = self.parts()
        while True:
            present, found = hot(), None
            try:
                found = self._archived(named, log, columns, since, until, equal)
            except (ArtifactError, FileNotFoundError):
                if self.parts() == named:
                    raise
            before, named = named, self.parts()
            if before == named and found is not None:
                both = [*found, present] if found else [present]
                return pl.concat(both, how="diagonal").sort("seq", maintain_order=True).drop("seq")

    def status(self) -> list[LogStatus]:
        """How much of each log is where."""
        parts, told = self.parts(), []
        with self._database.reading() as connection:
            for log, table in LOGS.items():
                mine = [part for part in parts if part.log == log]
                dates = sorted(part.date for part in mine) or [""]
                hot = connection.execute(select(func.count()).select_from(table)).scalar_one()
                size = sum(part.bytes for part in mine)
                rows = sum(part.rows for part in mine)
                told.append(LogStatus(log, hot, rows, len(mine), size, dates[0], dates[-1]))
        return told

    def verify(self) -> list[str]:
        """What is wrong with the files, a sentence each; a file that the manifest does not name is not wrong."""
        found = []
        for part in self.parts():
            try:
                check_part(self.folder, part)
            except ArtifactError as error:
                found.append(str(error))
        return found

    def strays(self) -> list[str]:
        """Files that the manifest does not name; the next run removes them."""
        return [] if self._folder is None else stray_files(self._folder, self.parts())

    def _archived(
        self,
        named: list[Part],
        log: str,
        columns: Sequence[str],
        since: float | None,
        until: float | None,
        equal: dict[str, str | None],
    ) -> list[pl.DataFrame]:
        first = "" if since is None else date_of(since)
        last = "~" if until is None else date_of(until)
        wanted = [pl.col(name) == value for name, value in equal.items() if value is not None]
        wanted += [] if since is None else [pl.col("time") >= since]
        wanted += [] if until is None else [pl.col("time") < until]
        mine = [part for part in named if part.log == log and first <= part.date <= last]
        kept: Any = ["seq", *columns] if columns else pl.all()
        scans = [read_part(self.folder, part) for part in mine]
        return [
            found for found in pl.collect_all([scan.filter(*wanted).select(kept) for scan in scans]) if found.height
        ]


def named_parts(connection: Connection) -> list[Part]:
    """The manifest, as a connection sees it."""
    t: Any = tables.archive_parts.c
    rows = connection.execute(select(*(t[name] for name in Part._fields)).order_by(t.seq))
    return [Part(*row) for row in rows]


def date_of(time: float) -> str:
    """The day in UTC of a time; "" and "~" sort before and after every day, for times that no calendar has."""
    if time < 0:
        return ""
    return datetime.fromtimestamp(time, tz=UTC).strftime("%Y-%m-%d") if time < _END else "~"


_END = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
