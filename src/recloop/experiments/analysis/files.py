"""Parquet and CSV files, summed up by DuckDB without being loaded."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

from recloop.errors import DataError, ExtraError, MissingError, SettingError
from recloop.experiments.analysis.distinct import distinct
from recloop.experiments.analysis.source import Kind, Row, literal

MEMORY = 128  # MB for each thread, as DuckDB advises; more only where a query needs it
READERS = {".parquet": "read_parquet", ".pq": "read_parquet", ".csv": "read_csv", ".tsv": "read_csv"}
KINDS: Mapping[str, Kind] = {
    "BOOLEAN": "boolean",
    "VARCHAR": "text",
    "UUID": "text",
    "DATE": "time",
    **dict.fromkeys(
        ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"),
        "number",
    ),
    **dict.fromkeys(("UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL"), "number"),
}


class Files:
    """Files; a name may hold ``*``. Kinds: .parquet, .pq, .csv, .tsv, and the latter two with .gz.

    Raises:
        ExtraError: DuckDB is not installed.
        MissingError: there is no such file.
        SettingError: a file is of another kind.
    """

    def __init__(self, exposures: Path | str, events: Path | str | None = None) -> None:
        try:
            import duckdb
        except ImportError:
            raise ExtraError.of("reading files where they lie", "duckdb") from None
        self._failures, self._full = duckdb.Error, duckdb.OutOfMemoryException
        spill = Path(tempfile.gettempdir()) / f"recloop-{uuid4().hex}"  # made only where it is needed, and removed
        self._connection = duckdb.connect(config={"preserve_insertion_order": "false", "temp_directory": str(spill)})
        # users are counted on disk rather than in memory: no slower, and memory does not grow with them
        ((threads,),) = self.rows("SELECT current_setting('threads')")
        self._connection.execute(f"SET memory_limit = '{MEMORY * int(threads)}MB'")
        self.tables = {name: _reader(path) for name, path in (("exposures", exposures), ("events", events)) if path}

    def columns(self, table: str) -> dict[str, Kind]:
        """The columns and what they hold."""
        found = self.rows(f"DESCRIBE SELECT * FROM {self.tables[table]}")
        return {str(name): _kind(str(kind)) for name, kind, *_ in found}

    def rows(self, sql: str) -> list[Row]:
        """The answer to a query.

        Raises:
            DataError: a file is damaged, or a value cannot be read.
        """
        try:
            try:
                return self._connection.execute(sql).fetchall()
            except self._full:
                self._connection.execute("RESET memory_limit")
                return self._connection.execute(sql).fetchall()
        except self._failures as error:
            raise DataError(f"DuckDB cannot read the data: {str(error).splitlines()[0]}") from error

    def distinct(self, table: str, column: str, inside: str) -> bool:
        """Whether it is known that no value of a column comes twice.

        Raises:
            DataError: a file is damaged.
        """
        try:
            return distinct(self._connection, self.tables[table], column, inside)
        except self._full:
            return False
        except self._failures as error:
            raise DataError(f"DuckDB cannot read the data: {str(error).splitlines()[0]}") from error


def _reader(path: Path | str) -> str:
    file = Path(path)
    suffix = Path(file.stem).suffix if file.suffix == ".gz" else file.suffix
    if suffix.lower() not in READERS:
        raise SettingError(f"{file} is no kind of file that can be read", allowed=f"kinds: {', '.join(READERS)}")
    if not any(file.parent.glob(file.name)) if "*" in file.name else not file.is_file():
        raise MissingError(f"there is no file {file}", advice="name a Parquet or CSV file")
    return f"{READERS[suffix.lower()]}({literal(str(file))})"


def _kind(name: str) -> Kind:
    head = name.partition("(")[0]
    return "time" if head.startswith("TIMESTAMP") else KINDS.get(head, "other")
