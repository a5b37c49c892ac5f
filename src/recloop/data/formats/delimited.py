"""Text with fields between separators: CSV, TSV, ``::`` and their kin, read in bulk."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recloop.data.columns import KNOWN, normal
from recloop.data.formats.base import Format, Options, Table
from recloop.data.formats.files import Content, Records
from recloop.data.problems import Problems
from recloop.errors import DataError

SEPARATORS = {"csv": ",", "tsv": "\t", "dat": "::", "tab": "\t", "psv": "|"}
_UNIT = "\x1f"  # stands for separators of more than one character while a file is read
_NUMBER = re.compile(
    r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*|\s*\d{4}-\d\d-\d\d.*|\s*(nan|inf|-inf)\s*", re.IGNORECASE
)

# the first words of the errors of Python's csv reader
_FAULTS = {
    "unexpected": "a quote is opened and never closed",
    "field": "a quote is opened and never closed",  # "… larger than field limit": it swallowed 128 KiB
}


@dataclass(frozen=True)
class Dialect:
    """How a delimited file is written.

    Attributes:
        separator: between fields.
        quote: around fields, "" for none.
        names: of the columns.
        header: whether the first line holds them.
    """

    separator: str
    quote: str
    names: tuple[str, ...]
    header: bool


def dialect(content: Content, options: Options) -> Dialect:
    """The dialect of a file: what the options say, and for the rest what its first lines show.

    The separator is the one of ``, TAB :: ; | space`` that parts the most of the first lines into the same number of
    fields as the first line (two or more); the file's suffix decides a draw. The first line is a header when none of
    its fields is a number, a date or empty, and either a field is a name that recloop knows or a column below holds
    only numbers.

    Args:
        content: the file or its head.
        options: what is known.

    Raises:
        DataError: the file is empty.
    """
    lines = content.lines
    if not lines:
        raise DataError(f"{content.path.name} is empty", allowed="at least one row is needed")
    quote = '"' if options.quote is None else options.quote
    separator = options.separator or _separator(lines, SEPARATORS.get(content.suffix, ","), quote)
    rows = [_fields(line, separator, quote) for line in lines[:50]]
    header = _has_header(rows) if options.header is None else options.header
    names = [name.strip() for name in rows[0]] if header else [f"column_{i + 1}" for i in range(len(rows[0]))]
    return Dialect(separator, quote, tuple(_distinct(names)), header)


def _fields(line: str, separator: str, quote: str) -> list[str]:
    if quote and quote in line and len(separator) == 1:
        return next(csv.reader([line.replace("\r", " ")], delimiter=separator, quotechar=quote), [""])
    return line.split(separator)


def _separator(lines: Sequence[str], preferred: str, quote: str) -> str:
    sample = lines[:50]
    best, score = preferred, 0.0
    for separator in dict.fromkeys([preferred, ",", "\t", "::", ";", "|", " "]):
        widths = [len(_fields(line, separator, quote)) for line in sample]
        agree = sum(width == widths[0] for width in widths) / len(widths)
        if widths[0] > 1 and agree > score:
            best, score = separator, agree
    return best


def _has_header(rows: Sequence[Sequence[str]]) -> bool:
    first = rows[0]
    if any(_NUMBER.fullmatch(field) or not field.strip() for field in first[1:]) or _NUMBER.fullmatch(first[0]):
        return False
    if any(normal(field) in KNOWN for field in first):
        return True
    below = [row for row in rows[1:] if len(row) == len(first)]
    return bool(below) and any(all(_NUMBER.fullmatch(row[i]) for row in below) for i in range(len(first)))


def _distinct(names: Sequence[str]) -> list[str]:
    """Names made distinct: an empty one gets its place, a repeated one a number."""
    found: list[str] = []
    for place, name in enumerate(names):
        base = unique = name or f"column_{place + 1}"
        number = 2
        while unique in found:
            unique, number = f"{base}_{number}", number + 1
        found.append(unique)
    return found


def load(content: Content, options: Options, problems: Problems) -> Table:
    """The rows of a delimited file, all as text; empty fields are null.

    Rows with too few or too many fields, bytes that are no UTF-8, or a quote that is never closed are left out and
    counted.
    """
    data = content.decoded(options.encoding)
    decoded = Content(content.path, data, whole=content.whole)
    form = dialect(decoded, options)
    return rows(data, form, options.columns, problems)


def rows(data: bytes, form: Dialect, columns: Sequence[str] | None, problems: Problems) -> Table:
    """The rows of a decoded text in a known dialect."""
    separator = form.separator
    if len(separator.encode()) > 1:
        data, separator = data.replace(separator.encode(), _UNIT.encode()), _UNIT
    quotes = _positions(data, form.quote) if form.quote and form.quote.encode() in data else None
    if quotes is not None and not _plain(data, quotes, separator):
        return _by_the_book(data, form, separator, columns, problems)
    records = Records.of(data, quotes)
    commas = _positions(records.data, separator)
    if quotes is not None:
        commas = commas[np.searchsorted(quotes, commas) % 2 == 0]
    fields = np.searchsorted(commas, records.end) - np.searchsorted(commas, records.start) + 1
    body = np.ones(len(records), dtype=bool)
    if form.header and len(body):
        body[0] = False
    width = len(form.names)
    problems.rows += int(body.sum()) + records.open_lines
    if records.open_line:
        problems.add("a quote is opened and never closed", [records.open_line], count=records.open_lines)
    good = body & records.valid_utf8(problems)
    for wrong, reason in ((fields < width, "too few fields"), (fields > width, "too many fields")):
        places = np.flatnonzero(good & wrong)
        problems.add(reason, records.line[places], [f"{n} of {width}" for n in fields[places[:100]]])
        good[places] = False
    return Table(_parse(records.keep(good), separator, form, columns, int(good.sum())), records.line[good])


def _positions(data: bytes, character: str) -> NDArray[np.int64]:
    return np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == ord(character))


def _plain(data: bytes, quotes: NDArray[np.int64], separator: str) -> bool:
    """Whether quotes stand only around whole fields, or doubled within: then counting them is enough."""
    text = np.frombuffer(data, dtype=np.uint8)
    beside = np.array([ord("\n"), ord(separator), text[quotes[0]]], dtype=np.uint8)
    opening, closing = quotes[0::2], quotes[1::2]
    before, after = text[opening[opening > 0] - 1], text[closing[closing < len(text) - 1] + 1]
    return bool(np.isin(before, beside).all() and np.isin(after, beside).all())


def _parse(data: bytes, separator: str, form: Dialect, columns: Sequence[str] | None, height: int) -> pl.DataFrame:
    chosen = [place for place, name in enumerate(form.names) if columns is None or name in columns]
    if not height:
        return pl.DataFrame(schema=dict.fromkeys((form.names[place] for place in chosen), pl.String))
    frame = pl.read_csv(
        data,
        has_header=False,
        separator=separator,
        quote_char=form.quote or None,
        schema=dict.fromkeys(form.names, pl.String),
        columns=chosen,
    )
    if frame.height != height:
        raise DataError(
            f"{height} records were parsed into {frame.height} rows", advice='set quote = "" if quotes are plain text'
        )
    return _empty_is_null(frame) if form.quote else frame


def _empty_is_null(frame: pl.DataFrame) -> pl.DataFrame:
    """Quoted empty fields are missing ones, as plain empty fields are."""
    text = pl.col(pl.String)
    return frame.with_columns(pl.when(text != "").then(text))


def _by_the_book(
    data: bytes, form: Dialect, separator: str, columns: Sequence[str] | None, problems: Problems
) -> Table:
    """The slow way, for files with quotes in the middle of fields: Python's csv reader, record by record."""
    text = io.StringIO(data.decode(errors="surrogateescape"))
    reader = csv.reader(text, delimiter=separator, quotechar=form.quote, strict=True)
    width = len(form.names)
    kept: list[list[str]] = []
    lines: list[int] = []
    header = form.header
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader, None)
        except csv.Error as error:
            if header:  # its names are known already
                header = False
                continue
            fields, fault = [], _FAULTS.get(str(error).partition(" ")[0], "cannot be parsed as CSV")
            problems.rows += reader.line_num - line + 1
            problems.add(fault, [line], count=reader.line_num - line + 1)
        if fields is None:
            break
        if not fields:
            continue
        if header:
            header = False
            continue
        problems.rows += 1
        if any(not field.isascii() and not _encodes(field) for field in fields):
            problems.add("invalid UTF-8", [line])
        elif len(fields) != width:
            few = "few" if len(fields) < width else "many"
            problems.add(f"too {few} fields", [line], [f"{len(fields)} of {width}"])
        else:
            kept.append(fields)
            lines.append(line)
    names = [name for name in form.names if columns is None or name in columns]
    frame = pl.DataFrame(kept, schema=dict.fromkeys(form.names, pl.String), orient="row")
    return Table(_empty_is_null(frame.select(names)), np.array(lines, dtype=np.int64))


def _encodes(field: str) -> bool:
    try:
        field.encode()
    except UnicodeEncodeError:
        return False
    return True


def _sniff_text(content: Content) -> str:
    return "it is text" if b"\x00" not in content.data[:4096] else ""


def _sniff_tabs(content: Content) -> str:
    return "each line has tabs" if content.lines and all("\t" in line for line in content.lines[:20]) else ""


def _load_tabs(content: Content, options: Options, problems: Problems) -> Table:
    return load(content, replace(options, separator=options.separator or "\t"), problems)


CSV = Format(
    name="csv",
    summary="text with fields between , TAB :: ; | or spaces, with or without a header, gzipped or not",
    sniff=_sniff_text,
    load=load,
)
TSV = Format(name="tsv", summary="the same with tabs", sniff=_sniff_tabs, load=_load_tabs)
