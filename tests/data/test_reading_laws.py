"""Whatever bytes come: each row is an event or a counted fault, and nothing else than our own errors is raised."""

import csv
import io
import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recloop.data.formats import FORMATS, Content, Options
from recloop.data.formats.delimited import Dialect, load, rows
from recloop.data.problems import Problems
from recloop.data.source import Source, read
from recloop.errors import RecloopError

NAMES = ("user", "item", "value")
ANYTHING = st.text(st.sampled_from('ab",;\n é\t\u2028'), max_size=6)
SAFE = ANYTHING.filter(lambda text: text != "")


@settings(max_examples=200, deadline=None)
@given(
    table=st.lists(st.tuples(SAFE, SAFE, ANYTHING), min_size=1, max_size=12),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
)
def test_what_a_csv_writer_writes_is_read_back(table: list[tuple[str, ...]], quoting: int) -> None:
    text = io.StringIO()
    csv.writer(text, quoting=quoting, lineterminator="\n").writerows([NAMES, *table])
    problems = Problems("x")
    read_back = load(Content(Path("x.csv"), text.getvalue().encode()), Options(separator=",", header=True), problems)
    assert problems.bad == 0 and problems.rows == len(table)
    assert read_back.frame.rows() == [tuple(field or None for field in row) for row in table]
    assert (read_back.line[1:] > read_back.line[:-1]).all()


@settings(max_examples=300, deadline=None)
@given(
    data=st.binary(max_size=80)
    | st.lists(st.sampled_from([b"a", b",", b'"', b"\n", b"1", b" ", b"\xff", b"\xc3\xa9", b"\r\n", b"u,i,1\n"])).map(
        b"".join
    )
)
def test_every_row_is_good_or_counted(data: bytes) -> None:
    for quote in ('"', ""):
        problems = Problems("x")
        text = Content(Path("x.csv"), b"user,item,value\n" + data).decoded(None)
        table = rows(text, Dialect(",", quote, NAMES, header=True), None, problems)
        assert table.frame.height == len(table.line)
        assert table.frame.height + problems.bad == problems.rows
        if not quote:
            records = [line for line in data.replace(b"\r\n", b"\n").split(b"\n") if line]
            assert problems.rows == len(records)
            assert table.frame.height == sum(line.count(b",") == 2 and _utf8(line) for line in records)


def _utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


@settings(max_examples=200, deadline=None)
@given(
    data=st.binary(max_size=60)
    | st.lists(
        st.sampled_from(
            ["1", "2", " ", "\n", ",", "\t", "::", "a", '"', "{", "}", ":", "user,item\n", "user:token\titem:token\n"]
        )
    ).map(lambda parts: "".join(parts).encode())
)
def test_any_file_is_read_or_refused_with_a_sentence(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any-file"
    file.write_bytes(data)
    try:
        reading = read(Source(events=str(file), bad_rows=1.0))
    except RecloopError:  # any other error fails the test
        return
    finally:
        file.unlink()
    problems = reading.problems[0]
    assert reading.dataset.n_events + problems.bad == problems.rows


@settings(max_examples=100, deadline=None)
@given(
    values=st.lists(
        st.one_of(
            st.fixed_dictionaries(
                {
                    "user": st.text(max_size=3) | st.integers() | st.none(),
                    "item": st.text(max_size=3),
                    "value": st.floats() | st.booleans() | st.text(max_size=3),
                }
            ).map(json.dumps),
            st.sampled_from(["[1]", "7", "{", '{"user": 1', '"x"', '{"item": {"a": 1}, "user": [2]}']),
        ),
        min_size=1,
        max_size=10,
    )
)
def test_every_json_line_is_good_or_counted(values: list[str]) -> None:
    problems = Problems("x")
    table = FORMATS["jsonl"].load(Content(Path("x.jsonl"), "\n".join(values).encode()), Options(), problems)
    assert problems.rows == len(values)
    assert table.frame.height + problems.bad == len(values) or table.frame.width == 0
    objects = [_object(value) for value in values]
    assert problems.bad == objects.count(None)
    kept = [entry for entry in objects if entry is not None]
    if "user" in table.frame.columns:
        missing = [entry.get("user") is None for entry in kept]
        assert table.frame["user"].is_null().to_list() == missing
    assert pl.Series(table.line).is_sorted()


def _object(line: str) -> dict[str, object] | None:
    def refuse(word: str) -> None:
        raise ValueError(word)

    try:
        value = json.loads(line, parse_constant=refuse)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
