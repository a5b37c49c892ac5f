"""One user per line, items in time order: the Amazon 2014 files of S3-Rec and P5, and those of SASRec's heirs."""

import re
from itertools import pairwise

import polars as pl

from recloop.data.formats.base import Format, Options, Table
from recloop.data.formats.files import Content, Records
from recloop.data.problems import Problems

_IDS = re.compile(r"\d+( \d+)*")


def _ragged(content: Content) -> bool:
    """Whether the lines are whole numbers between spaces, and not equally many on each."""
    lines = content.lines
    if len(lines) < 2 or not all(_IDS.fullmatch(line.strip()) for line in lines):
        return False
    return len({line.count(" ") for line in lines}) > 1


def _counts_up(content: Content) -> bool:
    first = [int(line.split(maxsplit=1)[0]) for line in content.lines]
    return all(b > a for a, b in pairwise(first)) and first[-1] - first[0] < 2 * len(first)


def _sniff_user_first(content: Content) -> str:
    if _ragged(content) and _counts_up(content):
        return "its lines are whole numbers, unequally many, and the first of each counts up: a user and the items"
    return ""


def _sniff_items_only(content: Content) -> str:
    if _ragged(content):
        return "its lines are whole numbers, unequally many: the items of one user per line; the line is the user's id"
    return ""


def _load(content: Content, options: Options, problems: Problems, *, user_first: bool) -> Table:
    records = Records.of(content.decoded(options.encoding))
    problems.rows += len(records)
    good = records.valid_utf8(problems)
    text = records.keep(good).decode()
    lines = records.line[good]
    frame = pl.DataFrame({"line": lines, "items": pl.Series(text.split("\n")[:-1], dtype=pl.String)})
    frame = frame.with_columns(pl.col("items").str.strip_chars().str.split(options.separator or " "))
    few = frame["items"].list.len().to_numpy() < (2 if user_first else 1)
    problems.add("too few fields", lines[few], ["a user and no item"] * int(few.sum()))
    frame = frame.filter(pl.Series(~few))
    if user_first:
        frame = frame.with_columns(user=pl.col("items").list.first(), items=pl.col("items").list.slice(1))
    else:
        frame = frame.with_columns(user=pl.col("line").cast(pl.String))
    frame = frame.select("line", "user", pl.col("items").alias("item")).explode("item")
    # lines are counted as rows until here; from here on each event is one
    problems.rows += frame.height - int((~few).sum())
    return Table(frame.drop("line"), frame["line"].to_numpy())


def _user_first(content: Content, options: Options, problems: Problems) -> Table:
    return _load(content, options, problems, user_first=True)


def _items_only(content: Content, options: Options, problems: Problems) -> Table:
    return _load(content, options, problems, user_first=False)


SEQUENCES: tuple[Format, ...] = (
    Format(
        name="sequences",
        summary="one user per line, then the items in time order (Amazon 2014 5-core)",
        sniff=_sniff_user_first,
        load=_user_first,
        roles=("events",),
        columns={"user": "user", "item": "item"},
    ),
    Format(
        name="item-sequences",
        summary="the items of one user per line in time order; the line number is the user (SASRec's heirs)",
        sniff=_sniff_items_only,
        load=_items_only,
        roles=("events",),
        columns={"user": "user", "item": "item"},
    ),
)
