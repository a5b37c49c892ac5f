from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.data.formats.files import Content
from recloop.data.problems import Problems

Role = Literal["events", "items", "users"]


@dataclass(frozen=True)
class Options:
    """What may be said about a file when it cannot be seen from it. None means: look.

    Args:
        separator: between fields, one or more characters.
        quote: around fields; "" means that quotes are plain characters.
        encoding: a name that Python knows.
        header: whether the first line names the columns.
        columns: read only these; None means all.
    """

    separator: str | None = None
    quote: str | None = None
    encoding: str | None = None
    header: bool | None = None
    columns: Sequence[str] | None = None


@dataclass(frozen=True)
class Table:
    """The rows of a file before anything is made of them.

    Attributes:
        frame: its columns, as text or as the file's types.
        line: (n,) line number of each row.
    """

    frame: pl.DataFrame
    line: NDArray[np.int64]


@dataclass(frozen=True)
class Format:
    """A way to lay out a table in a file.

    Attributes:
        name: as in the setting ``format``.
        summary: one line for people.
        sniff: from the head of a file to the reason (in words) why it is of this format, "" if it is not.
        load: from content, options and the list of problems to the table.
        roles: the tables that it can hold.
        columns: field of recloop → column of the file, empty where they must be guessed.
        kind: the kind of every event, where the format says so.
        finish: makes columns of recloop from columns of the format.
    """

    name: str
    summary: str
    sniff: Callable[[Content], str]
    load: Callable[[Content, Options, Problems], Table]
    roles: tuple[Role, ...] = ("events", "items", "users")
    columns: Mapping[str, str] = field(default_factory=dict)
    kind: str | None = None
    finish: Callable[[pl.DataFrame], pl.DataFrame] | None = None
