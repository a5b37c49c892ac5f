"""RecBole's atomic files: tab-separated, with ``name:type`` in the header.

Source: https://recbole.io/docs/user_guide/data/atomic_files.html.
"""

import re

from recloop.data.formats.base import Format, Options, Table
from recloop.data.formats.delimited import Dialect, rows
from recloop.data.formats.files import Content
from recloop.data.problems import Problems
from recloop.errors import DataError

_TYPED = re.compile(r"[^\t:]+:(token|float|token_seq|float_seq)")


def _sniff(content: Content) -> str:
    if content.lines and all(_TYPED.fullmatch(field) for field in content.lines[0].split("\t")):
        return "each name in its header has a RecBole type"
    return ""


def _load(content: Content, options: Options, problems: Problems) -> Table:
    data = content.decoded(options.encoding)
    if not content.lines:
        raise DataError(f"{content.path.name} is empty", allowed="at least one row is needed")
    names = tuple(field.rpartition(":")[0] or field for field in content.lines[0].split(options.separator or "\t"))
    return rows(data, Dialect(options.separator or "\t", "", names, header=True), options.columns, problems)


ATOMIC = Format(name="atomic", summary="RecBole atomic files (.inter, .item, .user)", sniff=_sniff, load=_load)
