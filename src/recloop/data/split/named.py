"""The ways to split by their names."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from recloop.data.dataset import Dataset
from recloop.data.split.base import Split, Splitter
from recloop.data.split.cold import ColdItem, ColdUser
from recloop.data.split.last_out import LeaveLastOut
from recloop.data.split.per_user import PerUserRandom
from recloop.data.split.temporal import Temporal
from recloop.errors import MissingError, SettingError, nearest

SPLITTERS: Mapping[str, type[Splitter]] = {
    splitter.name: splitter for splitter in (Temporal, LeaveLastOut, PerUserRandom, ColdUser, ColdItem)
}


def splitter(name: str, **settings: Any) -> Splitter:
    """The splitter of that name, with its settings checked.

    Raises:
        MissingError: no split has that name; the nearest is offered.
        SettingError: a setting is unknown or out of range.

    >>> splitter("temporal", test_fraction=0.1).test_fraction
    0.1
    """
    if name not in SPLITTERS:
        raise MissingError(f"there is no split '{name}'", advice=nearest(name, SPLITTERS))
    known = {field.name for field in fields(SPLITTERS[name])}
    for unknown in sorted(set(settings) - known):
        raise SettingError(f"split '{name}' has no setting '{unknown}'", advice=nearest(unknown, known))
    return SPLITTERS[name](**settings)


def split(dataset: Dataset, name: str = "temporal", **settings: Any) -> Split:
    """Part a log into what is learned from and what is judged by.

    Args:
        dataset: the whole log.
        name: ``temporal``, ``leave-last-out``, ``per-user-random``, ``cold-user`` or ``cold-item``.
        settings: of that splitter.

    Raises:
        MissingError: no split has that name.
        SettingError: a setting is unknown or out of range.
        DataError: the log cannot be split this way, or nobody is left to be judged.

    >>> import polars as pl
    >>> log = pl.DataFrame({"user": ["a", "a", "b", "b"], "item": ["x", "y", "y", "x"], "time": [1.0, 4.0, 2.0, 3.0]})
    >>> made = split(Dataset.of(log), "temporal", test_fraction=0.25)
    >>> made.cut, made.train.n_events, len(made), made.truth.items.tolist()
    (3.0, 3, 1, [1])
    """
    return splitter(name, **settings)(dataset)
