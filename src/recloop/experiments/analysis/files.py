"""Parquet and CSV files, summed up by DuckDB without being loaded."""

from collections.abc import Mapping
from pathlib import Path

from recloop.errors import DataError, ExtraError, MissingError, SettingError
from recloop.experiments.analysis.source import Kind, Row, literal

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
        self._failures = duckdb.Error
        self._connection = duckdb.connect()
        self._connection.execute("SET preserve_insertion_order = false")
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
            return self._connection.execute(sql).fetchall()
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
