from collections.abc import Callable
from functools import partial
from pathlib import Path

import polars as pl
from sqlalchemy import ColumnElement, Connection, Table, and_, delete, func, insert, literal, select

from recloop.errors import ConflictError, SettingError
from recloop.store import tables
from recloop.store.archived import LOGS, Archived, date_of, named_parts
from recloop.store.audit import Audit
from recloop.store.database import Database
from recloop.store.parts import AGAIN, BUSY, Part, claim, read_part, remove_parts, stray_files, write_part
from recloop.store.rows import frame

DAY = 86_400.0
CHUNK = 20_000  # rows moved in one transaction: others that write wait for it
TAIL = 200  # events of each user that a history still finds once they have left the store
HOT_DAYS = 7  # full days that stay in the store
REMEMBER_DAYS = 30  # days after the move in which the same id is still refused
MERGE = 8  # small files of one day that are made into one
LARGE = 1_000_000  # rows of a file that is large enough


class Archive(Archived):
    """Closed days of the log, as Parquet files by date, and the manifest of them inside the store.

    Rows are moved a chunk at a time. Its files are written and flushed first; then one transaction names them in the
    manifest and deletes the rows. A process that is killed before has moved nothing, and leaves files that the manifest
    does not name and that nobody reads; the next run removes them.

    Args:
        database: where the log and the manifest are.
        audit: told of each move.
        folder: of the files; None where nobody has named one.
    """

    def __init__(self, database: Database, audit: Audit, folder: Path | None) -> None:
        super().__init__(database, folder)
        self._audit = audit

    # ---- moving

    def run(self, *, hot_days: int = HOT_DAYS, remember_days: int = REMEMBER_DAYS, actor: str = "") -> dict[str, int]:
        """Move the days that closed more than ``hot_days`` ago; how many rows of each log were moved.

        A day is that on which a row happened, in UTC. The newest row of a log stays, so that the order of arrival goes
        on; rows before 1970 stay too. A row that comes late is moved by the next run, into a further file of its day.

        Args:
            hot_days: full days that stay in the store.
            remember_days: how long after the move the same id is still refused as a duplicate.
            actor: who asks.

        Raises:
            SettingError: a number of days is negative, or no folder is named.
            StoreError: the disk is full or cannot be written; what was moved so far is whole.
            ConflictError: another run is at work.
        """
        before = self._midnight(hot_days, "hot_days")
        forget = self._database.clock() - _days(remember_days, "remember_days") * DAY
        claim(self.folder, self._database.identity())
        self._sweep()
        moved = dict.fromkeys(LOGS, 0)
        for log, table in LOGS.items():
            after, newest = -1, self._newest(table)
            while (chunk := self._oldest(table, after, newest, before)).height:
                self._move(table, chunk, before, actor)
                after = chunk["seq"][-1]
                moved[log] += chunk.height
        self._merge()
        self._database.write(
            lambda connection: connection.execute(
                delete(tables.archived_ids).where(tables.archived_ids.c.moved < forget)
            )
        )
        return moved

    @staticmethod
    def check_days(hot_days: int, keep_days: int) -> None:
        """Refuse to keep fewer days than stay in the store.

        Raises:
            SettingError: that is so.
        """
        if keep_days < hot_days:
            raise SettingError(
                f"keep_days is {keep_days}, and hot_days {hot_days}",
                allowed="what stays in the store is kept: keep_days is at least hot_days",
            )

    def drop(self, keep_days: int, *, actor: str = "") -> list[Part]:
        """Delete what happened more than ``keep_days`` full days ago; the files that are gone.

        Raises:
            SettingError: the number of days is negative.
        """
        before = self._midnight(keep_days, "keep_days")
        last = date_of(before)

        def work(connection: Connection) -> list[Part]:
            gone = [part for part in named_parts(connection) if part.date < last]
            t, tails = tables.archive_parts, tables.archived_tails
            connection.execute(delete(t).where(t.c.date < last))
            connection.execute(delete(tails).where(tails.c.time < before))
            for log, date in sorted({(part.log, part.date) for part in gone}):
                rows = sum(part.rows for part in gone if (part.log, part.date) == (log, date))
                self._audit.record(
                    connection, actor, "drop archive", f"{log} {date}", f"{rows} rows, kept for {keep_days} days"
                )
            return gone

        gone = self._database.write(work)
        if gone:
            remove_parts(self.folder, [part.file for part in gone])
        return gone

    def erase(self, user: str, *, actor: str = "") -> dict[str, int]:
        """Take one user out of the archive: how many rows of each log. Files that held rows of the user are new ones.

        Raises:
            ArtifactError: a file is missing or damaged; those before it are done.
        """
        erased = dict.fromkeys(LOGS, 0)
        for part in self.parts():
            rows = read_part(self.folder, part).collect()
            mine = rows.filter(user=user)["id"].to_list()
            if not mine:
                continue
            rest, now = rows.filter(pl.col("user") != user), self._database.clock()
            fresh = [write_part(self.folder, part.log, part.date, rest, now)] if rest.height else []
            self._replace([part], fresh, partial(self._forget, part, mine, actor))
            erased[part.log] += len(mine)
        tails = tables.archived_tails
        self._database.write(lambda connection: connection.execute(delete(tails).where(tails.c.user == user)))
        return erased

    # ---- below

    def _newest(self, table: Table) -> int:
        """The last number in a log. Read alone: numbers are given before commits, and below it none comes any more."""
        query = select(func.coalesce(func.max(table.c.seq), 0))
        return self._database.write(lambda connection: int(connection.execute(query).scalar_one()))

    def _oldest(self, table: Table, after: int, newest: int, before: float) -> pl.DataFrame:
        closed = and_(table.c.seq > after, table.c.time >= 0.0, table.c.time < before, table.c.seq < newest)
        with self._database.reading() as connection:
            return frame(connection, select(*table.c).where(closed).order_by(table.c.seq).limit(CHUNK))

    def _move(self, table: Table, chunk: pl.DataFrame, before: float, actor: str) -> None:
        now = self._database.clock()
        dates = pl.from_epoch(pl.col("time").floor().cast(pl.Int64), time_unit="s").dt.strftime("%Y-%m-%d")
        days = chunk.with_columns(date=dates).partition_by("date", as_dict=True, include_key=False)
        parts: list[Part] = []
        first, last = chunk["seq"][0], chunk["seq"][-1]
        these = and_(table.c.seq >= first, table.c.seq <= last, table.c.time >= 0.0, table.c.time < before)

        def work(connection: Connection) -> None:
            self._still_there(parts)
            self._remember(connection, table, these, now)
            if connection.execute(delete(table).where(these)).rowcount != chunk.height:
                raise ConflictError(BUSY, advice=AGAIN)
            self._name(connection, parts)
            for part in parts:
                self._audit.record(connection, actor, "archive", f"{part.log} {part.date}", f"{part.rows} rows")

        try:
            for (date,), rows in sorted(days.items()):
                parts.append(write_part(self.folder, table.name, str(date), rows, now))
        except BaseException:
            remove_parts(self.folder, [part.file for part in parts])
            raise
        # from here on nobody but a run's sweep removes them: whoever stops waiting cannot know whether it is committed
        self._database.write(work)

    def _merge(self) -> None:
        """Make the many small files of a day into one: a reader opens each."""
        groups: dict[tuple[str, str], list[list[Part]]] = {}
        for part in self.parts():
            batches = groups.setdefault((part.log, part.date), [[]])
            if sum(one.rows for one in batches[-1]) + part.rows > LARGE:
                batches.append([])
            batches[-1].append(part)
        for batch in (batch for batches in groups.values() for batch in batches if len(batch) >= MERGE):
            log, date = batch[0].log, batch[0].date
            rows = pl.concat([read_part(self.folder, part) for part in batch], how="diagonal").sort("seq").collect()
            self._replace(batch, [write_part(self.folder, log, date, rows, self._database.clock())])

    def _replace(
        self, old: list[Part], fresh: list[Part], also: Callable[[Connection], None] = lambda _connection: None
    ) -> None:
        """Name other files in the manifest in place of some, and ``also`` do this in the same transaction."""
        t = tables.archive_parts

        def work(connection: Connection) -> None:
            self._still_there(fresh)
            for part in old:
                if connection.execute(delete(t).where(t.c.file == part.file)).rowcount != 1:
                    raise ConflictError(BUSY, advice=AGAIN)
            self._name(connection, fresh)
            also(connection)

        self._database.write(work)
        remove_parts(self.folder, [part.file for part in old])

    def _still_there(self, parts: list[Part]) -> None:
        for part in parts:  # a run that began meanwhile takes files that no manifest names for leftovers
            if not (self.folder / part.file).exists():
                raise ConflictError(BUSY, advice=AGAIN)

    @staticmethod
    def _name(connection: Connection, parts: list[Part]) -> None:
        for part in parts:
            connection.execute(insert(tables.archive_parts).values(part._asdict()))

    @staticmethod
    def _remember(connection: Connection, table: Table, these: ColumnElement[bool], now: float) -> None:
        """Keep of the rows that leave their ids, and of events what histories need."""
        ids = select(literal(table.name), table.c.id, literal(now)).where(these)
        connection.execute(insert(tables.archived_ids).from_select(["log", "id", "moved"], ids))
        if table is not tables.events:
            return
        tails = tables.archived_tails
        names = [column.name for column in tails.c if column.name != "seq"]
        leaving = select(*(table.c[name] for name in names)).where(these).order_by(table.c.seq)
        connection.execute(insert(tails).from_select(names, leaving))
        users = select(table.c.user).where(these)
        order = func.row_number().over(partition_by=tails.c.user, order_by=(tails.c.time.desc(), tails.c.seq.desc()))
        ranked = select(tails.c.seq, order.label("place")).where(tails.c.user.in_(users)).subquery()
        too_old = select(ranked.c.seq).where(ranked.c.place > TAIL)
        connection.execute(delete(tails).where(tails.c.seq.in_(too_old)))

    def _forget(self, part: Part, ids: list[str], actor: str, connection: Connection) -> None:
        known = tables.archived_ids
        for start in range(0, len(ids), 500):
            some = known.c.id.in_(ids[start : start + 500])
            connection.execute(delete(known).where(known.c.log == part.log, some))
        self._audit.record(connection, actor, "erase from archive", f"{part.log} {part.date}", f"{len(ids)} rows")

    def _sweep(self) -> None:
        """Remove what a run that was killed has left; inside a transaction, so that no other run names it meanwhile."""
        self._database.write(
            lambda connection: remove_parts(self.folder, stray_files(self.folder, named_parts(connection)))
        )

    def _midnight(self, days: int, name: str) -> float:
        return (self._database.clock() // DAY - _days(days, name)) * DAY


def _days(days: int, name: str) -> int:
    if days < 0:
        raise SettingError(f"{name} is {days}", allowed="a number of days is not negative")
    return days
