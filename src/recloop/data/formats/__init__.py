"""The layouts that recloop reads: one table, in the order in which they are tried."""

from collections.abc import Mapping

from recloop.data.formats.atomic import ATOMIC
from recloop.data.formats.base import Format, Options, Role, Table
from recloop.data.formats.delimited import CSV, TSV
from recloop.data.formats.files import Content
from recloop.data.formats.jsonl import JSONL
from recloop.data.formats.movielens import MOVIELENS
from recloop.data.formats.open_bandit import OPEN_BANDIT
from recloop.data.formats.parquet import PARQUET
from recloop.data.formats.sequences import SEQUENCES
from recloop.errors import SettingError, nearest

FORMATS: Mapping[str, Format] = {
    entry.name: entry for entry in (PARQUET, JSONL, ATOMIC, OPEN_BANDIT, *MOVIELENS, *SEQUENCES, TSV, CSV)
}


def choose(content: Content, role: Role, name: str = "auto") -> tuple[Format, str]:
    """The format of a file, and the reason in words.

    Args:
        content: the file or its head.
        role: what the file should hold.
        name: of the format; ``auto`` takes the first whose sniffing rule says yes.

    Raises:
        SettingError: no format has that name; the nearest is offered.
    """
    if name != "auto":
        if name not in FORMATS:
            raise SettingError(f"there is no format '{name}'", advice=nearest(name, [*FORMATS, "auto"]))
        return FORMATS[name], "the setting says so"
    for entry in FORMATS.values():
        if role in entry.roles and (reason := entry.sniff(content)):
            return entry, reason
    return CSV, "nothing else fits"


__all__ = ["FORMATS", "Content", "Format", "Options", "Role", "Table", "choose"]
