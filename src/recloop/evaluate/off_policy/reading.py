"""Logs and policies from tables: one row a round."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.data.open_bandit import read_open_bandit
from recloop.errors import DataError, MissingError, SettingError, nearest
from recloop.evaluate.off_policy.logged import Logged, Target

FORMATS: dict[str, Callable[[Path], pl.DataFrame]] = {
    ".parquet": pl.read_parquet,
    ".csv": pl.read_csv,
    ".jsonl": pl.read_ndjson,
    ".ndjson": pl.read_ndjson,
}
NEEDED = ("action", "reward", "propensity")
TARGET, FEATURE, CHANCES = "target_", "feature_", "propensities"


def read_log(path: Path) -> tuple[Logged, pl.DataFrame]:
    """The log in a file, or in a folder of the Open Bandit dataset, and the table that it was read from.

    Args:
        path: ``.parquet``, ``.csv`` or ``.jsonl``, see ``log_of``; or a folder, see ``read_open_bandit``.

    Raises:
        MissingError: it is not there.
        SettingError: the file has another ending.
        DataError: it cannot be read, or see ``log_of``.
    """
    if path.is_dir():
        return open_bandit_log(path)
    if not path.is_file():
        raise MissingError(f"there is no log {path}", advice="give a file, an Open Bandit folder or a store")
    if path.suffix not in FORMATS:
        raise SettingError(f"the log is {path.name}", allowed=f"files end in {', '.join(FORMATS)}")
    try:
        table = FORMATS[path.suffix](path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path.name} cannot be read: {error}") from None
    return log_of(table), table


def log_of(table: pl.DataFrame) -> Logged:
    """The log of a table.

    Args:
        table: ``action``, ``reward`` and ``propensity``; where there are such columns also ``position``, ``user``,
            ``time`` (rows are put in its order), ``propensities`` (the chance of every action, as a JSON object or a
            struct) and numbers known before the action (``feature_*``).

    Raises:
        DataError: a column is missing, or see ``Logged.of``.

    >>> table = pl.DataFrame({"action": ["a", "b"], "reward": [1, 0], "propensity": [0.5, 0.5]})
    >>> log_of(table).names
    ('a', 'b')
    """
    for name in NEEDED:
        if name not in table.columns:
            raise DataError(f"the log has no column '{name}'", advice=nearest(name, table.columns))
    if "time" in table.columns:
        table = table.sort("time", maintain_order=True)
    written = objects(table[CHANCES]) if CHANCES in table.columns else []
    names = sorted({*table["action"].cast(pl.String).unique(), *_done(written), *_done(_targets(table))})
    behaviour = matrix(written, names) if CHANCES in table.columns else None
    features = [name for name in table.columns if name.startswith(FEATURE)]
    return Logged.of(
        table["action"].cast(pl.String).to_numpy(),
        numbers(table, "reward"),
        numbers(table, "propensity"),
        names=names,
        behaviour=behaviour,
        positions=numbers(table, "position") if "position" in table.columns else None,
        users=table["user"].cast(pl.String).fill_null("").to_list() if "user" in table.columns else None,
        features=np.column_stack([numbers(table, name) for name in features]) if features else None,
    )


def open_bandit_log(folder: Path) -> tuple[Logged, pl.DataFrame]:
    """The Open Bandit log in a folder: one round an item shown. Without ids, alike users count as one.

    Raises:
        MissingError: see ``read_open_bandit``.
        DataError: see ``read_open_bandit``.
    """
    found = read_open_bandit(folder)
    rows = found.decisions.sort("time", maintain_order=True)
    names = sorted({*rows["item"].to_list(), *(found.items["item"].to_list() if found.items.height else ())})
    even = bool(((rows["propensity"] - 1 / len(names)).abs() < 1e-9).all())
    log = Logged.of(
        rows["item"].to_numpy(),
        rows["click"].to_numpy(),
        rows["propensity"].to_numpy(),
        names=names,
        behaviour=np.full((rows.height, len(names)), 1 / len(names)) if even else None,
        positions=rows["position"].to_numpy(),
        users=rows["user"].to_list(),
    )
    return log, rows.rename({"item": "action", "click": "reward"})


def targets_of(log: Logged, table: pl.DataFrame, wanted: Sequence[str] = ()) -> list[Target]:
    """The policies to be judged, by their words.

    Args:
        log: from ``log_of`` or ``read_log``.
        table: what the log was read from; a column ``target_NAME`` holds what the policy NAME would do: the chance of
            the logged action, or of every action as a JSON object or a struct.
        wanted: ``NAME`` (such a column), ``uniform``, ``always:ACTION``, or ``NAME=PATH``: what another log shows, by
            its shares of actions at each position. Every column, or else ``uniform``, where empty.

    Raises:
        SettingError: a word that names nothing; the nearest is offered.
        DataError: chances that are none; see ``Target.of``.

    >>> table = pl.DataFrame({"action": ["a", "b"], "reward": [1, 0], "propensity": [0.5, 0.5]})
    >>> table = table.with_columns(target_new=pl.Series([0.9, 0.1]))
    >>> [target.name for target in targets_of(log_of(table), table, ["new", "uniform", "always:b"])]
    ['new', 'uniform', 'always:b']
    """
    if "time" in table.columns:
        table = table.sort("time", maintain_order=True)
    columns = [name.removeprefix(TARGET) for name in table.columns if name.startswith(TARGET)]
    return [_target(log, table, columns, word) for word in wanted or columns or ["uniform"]]


def _target(log: Logged, table: pl.DataFrame, columns: Sequence[str], word: str) -> Target:
    if word in columns:
        return _column(log, table[TARGET + word], word)
    if word == "uniform":
        return Target.of(word, log, np.full(len(log.names), 1 / len(log.names)))
    if word.startswith("always:"):
        action = word.removeprefix("always:")
        if action not in log.names:
            raise SettingError(f"the log has no action '{action}'", advice=nearest(action, log.names))
        return Target.of(word, log, np.equal(log.names, action).astype(np.float64))
    name, separator, path = word.partition("=")
    if separator:
        return as_shown(name, log, read_log(Path(path))[0])
    raise SettingError(
        f"there is no policy '{word}'",
        allowed="a column target_NAME of the log, uniform, always:ACTION, or NAME=PATH of another log",
        advice=nearest(word, [*columns, "uniform"]),
    )


def as_shown(name: str, log: Logged, other: Logged) -> Target:
    """The policy that made another log, by the share of each action at each position there.

    Raises:
        DataError: the other log shows an action, or a position, that this one does not know.

    >>> log = Logged.of(["a", "b"], [1, 0], [0.5, 0.5])
    >>> as_shown("other", log, Logged.of(["a", "a", "b", "a"], [0, 0, 0, 0], [0.75, 0.75, 0.25, 0.75])).chances.tolist()
    [0.75, 0.25]
    """
    strange = sorted(set(other.names) - set(log.names))
    if strange:
        raise DataError(
            f"'{name}' does '{strange[0]}', which the log does not know ({len(strange)} such actions)",
            advice="judge it by a log of the same catalogue",
        )
    ours = np.unique(log.positions) if log.positions is not None else np.zeros(1)
    theirs = np.unique(other.positions) if other.positions is not None else np.zeros(1)
    if ours.tolist() != theirs.tolist():
        raise DataError(f"'{name}' shows at positions {theirs.tolist()}, the log at {ours.tolist()}")
    codes, places = other.where
    order = np.array([log.names.index(action) for action in other.names], dtype=np.int64)
    counts = np.zeros((places, len(log.names)))
    np.add.at(counts, (codes, order[other.actions]), 1.0)
    return Target.of(name, log, (counts / counts.sum(axis=1, keepdims=True))[log.where[0]])


def _column(log: Logged, column: pl.Series, name: str) -> Target:
    if column.dtype.is_numeric():
        chances = column.cast(pl.Float64).fill_null(np.nan).to_numpy()
        return Target(name, chances)
    return Target.of(name, log, matrix(objects(column), log.names))


def _targets(table: pl.DataFrame) -> Iterator[Mapping[str, float | None]]:
    """The chances that policies in columns give to every action: what the log never tried is an action too."""
    for name in table.columns:
        if name.startswith(TARGET) and not table.schema[name].is_numeric():
            yield from objects(table[name])


def _done(rows: Iterable[Mapping[str, float | None]]) -> set[str]:
    return {name for row in rows for name, chance in row.items() if chance}


def numbers(table: pl.DataFrame, name: str) -> NDArray[np.float64]:
    """A column as numbers, NaN where null.

    Raises:
        DataError: it holds something else.
    """
    try:
        return table[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
    except pl.exceptions.PolarsError:
        raise DataError(f"the column '{name}' holds {table.schema[name]}", allowed="numbers") from None


def objects(column: pl.Series) -> list[Mapping[str, float]]:
    """Each row as action → chance, from a struct, or from the text of a JSON object.

    Raises:
        DataError: a row is neither.

    >>> objects(pl.Series("propensities", ['{"a": 0.5, "b": 0.5}']))
    [{'a': 0.5, 'b': 0.5}]
    """
    rows: list[Any] = column.to_list()
    if column.dtype == pl.String:
        try:
            rows = [json.loads(text) for text in rows]
        except (ValueError, TypeError):
            rows = [None]
    if not all(isinstance(row, dict) for row in rows):
        raise DataError(
            f"the column '{column.name}' holds {column.dtype}",
            allowed='each row holds the chance of every action, such as {"a": 0.7, "b": 0.3}',
        )
    return rows


def matrix(rows: Sequence[Mapping[str, float | None]], names: Sequence[str]) -> NDArray[np.float64]:
    """(n, A) chances from action → chance; 0 for an action that a row leaves out.

    Raises:
        DataError: a row names an action that is not known.
    """
    place = {name: code for code, name in enumerate(names)}
    flat = [(at, name, chance) for at, row in enumerate(rows) for name, chance in row.items() if chance]
    strange = {name for _, name, _ in flat} - place.keys()
    if strange:
        first = min(strange)
        raise DataError(f"a policy does '{first}', which the log does not know", advice=nearest(first, names))
    found = np.zeros((len(rows), len(names)))
    if flat:
        at, words, chances = zip(*flat, strict=True)
        found[np.array(at), [place[word] for word in words]] = chances
    return found
