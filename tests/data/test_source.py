"""Whatever stands in a file, each row is read or counted with its line and reason."""

import gzip
import json
from pathlib import Path

import polars as pl
import pytest

from recloop.data.kinds import Kinds
from recloop.data.source import Reading, Source, read
from recloop.errors import DataError, MissingError, SettingError

ROWS = [
    ("ann", "a1", "view", "1", "1700000000"),
    ("bob", "a2", "buy", "2.5", "1700000060"),
    ("ann", "a2", "view", "", "1700000120"),
]
HEADER = ("user", "item", "kind", "value", "time")


def write(folder: Path, name: str, text: str | bytes) -> str:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def lines(rows: list[tuple[str, ...]], separator: str = ",") -> str:
    return "".join(separator.join(row) + "\n" for row in rows)


def events_of(reading: Reading) -> list[tuple[object, ...]]:
    data = reading.dataset
    rows = data.events.select("user", "item", "kind", "value", "time").rows()
    return [(data.user_ids[u], data.item_ids[i], kind, value, time) for u, i, kind, value, time in rows]


EXPECTED = [
    ("ann", "a1", "view", 1.0, 1.7e9),
    ("ann", "a2", "view", None, 1.7e9 + 120),
    ("bob", "a2", "buy", 2.5, 1.7e9 + 60),
]


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("separator", [",", "\t", ";", "|", "::"])
def test_text_with_any_separator(tmp_path: Path, separator: str, packed: bool) -> None:
    data = lines([HEADER, *ROWS], separator).encode()
    name = "log.csv.gz" if packed else "log.csv"
    reading = read(Source(events=write(tmp_path, name, gzip.compress(data) if packed else data)))
    assert events_of(reading) == EXPECTED
    assert reading.problems[0].rows == 3 and reading.problems[0].bad == 0


def records() -> list[dict[str, object]]:
    return [
        {"user": u, "item": i, "kind": k, "value": float(v) if v else None, "time": int(t)} for u, i, k, v, t in ROWS
    ]


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_jsonl(tmp_path: Path, packed: bool) -> None:
    data = "\n".join(json.dumps(row) for row in records()).encode()
    path = write(tmp_path, "log.jsonl" + ".gz" * packed, gzip.compress(data) if packed else data)
    reading = read(Source(events=path))
    assert events_of(reading) == EXPECTED
    assert reading.files[0].format == "jsonl"


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_parquet(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / "log.parquet"
    pl.DataFrame(records()).write_parquet(path)
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    assert events_of(read(Source(events=str(path)))) == EXPECTED


def test_gzip_of_two_members_is_read_whole(tmp_path: Path) -> None:
    halves = lines([HEADER, ROWS[0]]).encode(), lines(ROWS[1:]).encode()
    path = write(tmp_path, "log.csv.gz", b"".join(gzip.compress(half) for half in halves))
    assert events_of(read(Source(events=path))) == EXPECTED


def test_column_map(tmp_path: Path) -> None:
    path = write(tmp_path, "log.csv", "who,what,when,junk\n1,9,2024-01-01,x\n2,9,2024-01-02,y\n")
    reading = read(Source(events=path, columns={"user": "who", "item": "what", "time": "when"}, kind="view"))
    assert events_of(reading) == [("1", "9", "view", None, 1704067200.0), ("2", "9", "view", None, 1704153600.0)]
    assert [(c.field, c.column) for c in reading.files[0].columns] == [
        ("user", "who"),
        ("item", "what"),
        ("time", "when"),
    ]


def test_quoted_fields_may_hold_separators_quotes_and_line_ends(tmp_path: Path) -> None:
    text = 'item,title\na,"one, ""two""\nthree"\nb,plain\n'
    events = write(tmp_path, "log.csv", "user,item\nu,a\nv,b\n")
    reading = read(Source(events=events, items=write(tmp_path, "items.csv", text)))
    assert reading.dataset.items["title"].to_list() == ['one, "two"\nthree', "plain"]


def test_lines_are_counted_through_quoted_line_ends(tmp_path: Path) -> None:
    text = 'item,title,price\na,"one\ntwo",1\n\nb,three,cheap\n' + "".join(f"c{i},t,{i}\n" for i in range(200))
    events = write(tmp_path, "log.csv", "user,item\nu,a\nv,b\n")
    reading = read(Source(events=events, items=write(tmp_path, "items.csv", text)))
    assert [str(problem) for problem in reading.problems[1].examples] == ["line 5: price is not a number ('cheap')"]


def test_a_quote_in_the_middle_of_a_field_is_a_plain_character(tmp_path: Path) -> None:
    text = 'item,title\na,5" nails\nb,7" x 9" print\nc,"quoted, too"\nd,x,y\n' + "".join(
        f"e{i},t\n" for i in range(200)
    )
    events = write(tmp_path, "log.csv", "user,item\nu,a\nv,b\n")
    reading = read(Source(events=events, items=write(tmp_path, "items.csv", text)))
    assert reading.dataset.items["title"].head(3).to_list() == ['5" nails', '7" x 9" print', "quoted, too"]
    assert [str(problem) for problem in reading.problems[1].examples] == ["line 5: too many fields (3 of 2)"]


def test_windows_line_ends_and_byte_order_marks(tmp_path: Path) -> None:
    data = lines([HEADER, *ROWS]).replace("\n", "\r\n")
    for encoded in (data.encode("utf-8-sig"), data.encode("utf-16")):
        assert events_of(read(Source(events=write(tmp_path, "log.csv", encoded)))) == EXPECTED


def test_order_within_users_comes_from_the_order_column(tmp_path: Path) -> None:
    text = "user,item,order\nu,c,3\nv,z,1\nu,a,1\nu,unplaced,\nu,b,2\n"
    reading = read(Source(events=write(tmp_path, "log.csv", text)))
    assert [event[1] for event in events_of(reading)] == ["unplaced", "a", "b", "c", "z"]
    assert "1 events have no order; they are put before the others of their user." in reading.notes
    assert not reading.dataset.has_times


def test_kinds_weights_are_configuration(tmp_path: Path) -> None:
    path = write(tmp_path, "log.csv", lines([HEADER, *ROWS]))
    reading = read(Source(events=path, kinds=Kinds(weights={"view": 0.25}, minimum={"buy": 3})))
    assert reading.dataset.events["weight"].to_list() == [0.25, 0.25, 0.0]


# ---- bad rows

GOOD = "".join(f"u{i % 7},i{i % 5},view,{i},{1_700_000_000 + i}\n" for i in range(1000))
BAD = [
    (",i1,view,1,1700000000", "missing user id"),
    ("u1,,view,1,1700000000", "missing item id"),
    ("u1,  ,view,1,1700000000", "missing item id"),
    ("u1,i1,,1,1700000000", "missing kind of event"),
    ("u1,i1,view,abc,1700000000", "value is not a number ('abc')"),
    ("u1,i1,view,NaN,1700000000", "value is NaN or infinite ('NaN')"),
    ("u1,i1,view,-inf,1700000000", "value is NaN or infinite ('-inf')"),
    ("u1,i1,view,1e300,1700000000", "value is NaN or infinite ('1e300')"),
    ("u1,i1,view,1,", "missing time"),
    ("u1,i1,view,1,yesterday", "time cannot be read as seconds since 1970 ('yesterday')"),
    ("u1,i1,view,1,inf", "time cannot be read as seconds since 1970 ('inf')"),
    ("u1,i1,view", "too few fields (3 of 5)"),
    ("u1,i1,view,1,1700000000,more", "too many fields (6 of 5)"),
    ("x" * 10_000 + ",i1,view,1,1700000000", "user id longer than 1024 characters"),
    ('u1,i1,view,1,"1700000000', "a quote is opened and never closed"),
]


@pytest.mark.parametrize(("row", "reason"), BAD, ids=[reason for _, reason in BAD])
def test_a_bad_row_is_counted_with_its_line(tmp_path: Path, row: str, reason: str) -> None:
    path = write(tmp_path, "log.csv", "user,item,kind,value,time\n" + GOOD + row + "\n")
    reading = read(Source(events=path))
    assert [str(problem) for problem in reading.problems[0].examples] == [f"line 1002: {reason}"]
    assert reading.dataset.n_events == 1000
    assert reading.problems[0].rows == 1001


def test_invalid_utf8_is_counted_with_its_line(tmp_path: Path) -> None:
    data = (
        b"user,item,kind,value,time\n"
        + GOOD.encode()
        + b"caf\xe9,i1,view,1,1700000000\n"
        + "café,i1,view,1,1700000000\n".encode()
    )
    reading = read(Source(events=write(tmp_path, "log.csv", data)))
    assert [str(problem) for problem in reading.problems[0].examples] == ["line 1002: invalid UTF-8"]
    assert "café" in reading.dataset.user_ids


def test_another_encoding_may_be_named(tmp_path: Path) -> None:
    path = write(tmp_path, "log.csv", "user,item\ncafé,a\nthé,b\n".encode("latin-1"))
    with pytest.raises(
        DataError, match=r"log.csv has 2 bad rows of 2 \(100.0%\): line 2: invalid UTF-8; line 3: invalid UTF-8"
    ):
        read(Source(events=path))
    assert read(Source(events=path, encoding="latin-1")).dataset.user_ids.ids == ("café", "thé")
    with pytest.raises(
        SettingError, match=r"the encoding is 'lattin'. it must be one that Python knows. utf-8 or latin-1"
    ):
        read(Source(events=path, encoding="lattin"))


def test_the_encoding_holds_for_every_file(tmp_path: Path) -> None:
    events = write(tmp_path, "log.csv", "user,item\nu,a\nv,b\n")
    items = write(tmp_path, "items.csv", "item,title\na,Café\nb,Thé\n".encode("latin-1"))
    data = read(Source(events=events, items=items, encoding="latin-1")).dataset
    assert data.items["title"].to_list() == ["Café", "Thé"]


def test_every_fault_of_a_file_is_counted_and_none_is_lost(tmp_path: Path) -> None:
    # an unclosed quote swallows what follows, so it stands last
    path = write(tmp_path, "log.csv", "user,item,kind,value,time\n" + GOOD + "\n".join(row for row, _ in BAD) + "\n")
    problems = read(Source(events=path, bad_rows=0.05)).problems[0]
    assert problems.bad == len(BAD) and problems.rows == 1000 + len(BAD)
    assert [problem.line for problem in problems.examples] == list(range(1002, 1002 + len(BAD)))
    assert sum(problems.counts.values()) == problems.bad


def test_too_many_bad_rows_stop_the_reading_with_the_first_few(tmp_path: Path) -> None:
    rows = "".join(f"u{i},i,view,{'x' if i % 10 == 0 else 1},1700000000\n" for i in range(100))
    path = write(tmp_path, "log.csv", "user,item,kind,value,time\n" + rows)
    with pytest.raises(DataError) as error:
        read(Source(events=path))
    assert str(error.value) == (
        "log.csv has 10 bad rows of 100 (10.0%): line 2: value is not a number ('x'); line 12: value is not a number ('x'); "
        "line 22: value is not a number ('x'); line 32: value is not a number ('x'); line 42: value is not a number ('x'); and 5 more. "
        "At most 0.01 of the rows may be bad (bad_rows). "
        "Mend the rows, correct the column map, or raise bad_rows to read the rest."
    )
    assert read(Source(events=path, bad_rows=0.1)).dataset.n_events == 90


def test_examples_are_kept_up_to_a_hundred_of_each_reason(tmp_path: Path) -> None:
    rows = "".join("u,i,view,x,1\n" for _ in range(250)) + "".join(",i,view,1,1\n" for _ in range(3)) + GOOD
    path = write(tmp_path, "log.csv", "user,item,kind,value,time\n" + rows)
    problems = read(Source(events=path, bad_rows=0.5)).problems[0]
    assert problems.counts == {"missing user id": 3, "value is not a number": 250}
    assert len(problems.kept["value is not a number"]) == 100
    plain = problems.to_dict()
    assert plain["bad"] == 253 and len(plain["examples"]) == 103 and json.dumps(plain)


def test_an_unclosed_quote_counts_every_line_it_swallows(tmp_path: Path) -> None:
    path = write(tmp_path, "log.csv", 'user,item\nu,a\nv,"b\nw,c\nx,d\n')
    with pytest.raises(DataError, match=r"3 bad rows of 4 \(75.0%\): line 3: a quote is opened and never closed"):
        read(Source(events=path))
    assert read(Source(events=path, quote="")).dataset.n_events == 4


def test_bad_json_is_counted_with_its_line(tmp_path: Path) -> None:
    good = "".join(json.dumps({"user": f"u{i % 3}", "item": i % 4}) + "\n" for i in range(300))
    path = write(
        tmp_path,
        "log.jsonl",
        good + '{"user": "u1", "item":\n\n[1, 2]\n5\n{"user": NaN, "item": 1}\n' + '{"user": "u9", "item": 7}\n',
    )
    problems = read(Source(events=path, bad_rows=0.05)).problems[0]
    assert problems.counts == {"not a JSON object": 4}
    assert [problem.line for problem in problems.examples] == [301, 303, 304, 305]


def test_json_ids_of_any_type_and_fields_of_changing_types(tmp_path: Path) -> None:
    rows = [
        {"user": 1, "item": 2**64 - 1},
        {"user": "x", "item": "y", "tags": {"a": 1}},
        {"user": 2, "item": 3, "tags": [1]},
    ]
    path = write(tmp_path, "log.jsonl", "\n".join(json.dumps(row) for row in rows))
    assert read(Source(events=path)).dataset.item_ids.ids == ("18446744073709551615", "3", "y")


def test_nan_in_parquet(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    pl.DataFrame(
        {"user": [1.0, 2.0, float("nan")], "item": ["a", "b", "c"], "value": [1.0, float("inf"), 2.0]}
    ).write_parquet(path)
    reading = read(Source(events=str(path), bad_rows=0.7))
    assert [str(p) for p in reading.problems[0].examples] == [
        "line 2: value is NaN or infinite (inf)",
        "line 3: missing user id",
    ]
    assert reading.dataset.user_ids.ids == ("1",), "whole floats are written without a point"


# ---- files that cannot be read at all


def test_missing_file_offers_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, "events.csv", "user,item\n")
    with pytest.raises(MissingError) as error:
        read(Source(events=str(tmp_path / "event.csv")))
    assert str(error.value) == f"there is no file {tmp_path}/event.csv. The nearest there is 'events.csv'."


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is a folder. a file is needed"):
        read(Source(events=str(tmp_path)))


@pytest.mark.parametrize("text", ["", "\n\n", "user,item\n"], ids=["empty", "blank", "only a header"])
def test_empty_table(tmp_path: Path, text: str) -> None:
    sentence = (
        r"log.csv holds no rows. at least one is needed. Is it the event file\?"
        if text == "user,item\n"
        else "log.csv is empty. at least one row is needed"
    )
    with pytest.raises(DataError, match=sentence):
        read(Source(events=write(tmp_path, "log.csv", text)))


def test_empty_parquet(tmp_path: Path) -> None:
    pl.DataFrame(schema={"user": pl.String, "item": pl.String}).write_parquet(tmp_path / "log.parquet")
    with pytest.raises(DataError, match=r"log.parquet holds no rows"):
        read(Source(events=str(tmp_path / "log.parquet")))


def test_broken_parquet_and_gzip(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"log.parquet cannot be read as Parquet"):
        read(Source(events=write(tmp_path, "log.parquet", b"PAR1 and nothing else")))
    packed = gzip.compress(GOOD.encode())
    with pytest.raises(DataError, match=r"ends in the middle of its gzip stream. fetch the file again"):
        read(Source(events=write(tmp_path, "log.csv.gz", packed[:-100])))
    with pytest.raises(DataError, match=r"cannot be unpacked"):
        read(Source(events=write(tmp_path, "log.csv.gz", packed[:20] + b"\xff" * 200)))


def test_unknown_column_in_the_map_offers_the_nearest(tmp_path: Path) -> None:
    path = write(tmp_path, "log.csv", "user_id,item_id\nu,a\n")
    with pytest.raises(SettingError) as error:
        read(Source(events=path, columns={"user": "user_idd", "item": "item_id"}))
    assert str(error.value) == (
        "the column map says user = 'user_idd', and log.csv has no such column. Did you mean 'user_id'? Valid: item_id, user_id."
    )


def test_unknown_field_in_the_map_offers_the_nearest() -> None:
    with pytest.raises(SettingError, match=r"\[data.columns\] has no field 'usr'. Did you mean 'user'\?"):
        Source(events="x", columns={"usr": "a"})


def test_map_without_an_item(tmp_path: Path) -> None:
    path = write(tmp_path, "log.csv", "user_id,thing\nu,a\n")
    with pytest.raises(DataError, match=r"log.csv has no column for 'item'. its columns are user_id"):
        read(Source(events=path, columns={"user": "user_id"}))


def test_unknown_format_offers_the_nearest(tmp_path: Path) -> None:
    path = write(tmp_path, "log.csv", "user,item\nu,a\n")
    with pytest.raises(SettingError, match=r"there is no format 'parket'. Did you mean 'parquet'?"):
        read(Source(events=path, format="parket"))


@pytest.mark.parametrize("share", [-0.1, 1.5, True])
def test_bad_rows_is_a_share(share: float) -> None:
    with pytest.raises(SettingError, match=r"bad_rows is .*. it must be a share between 0 and 1"):
        Source(events="x", bad_rows=share)


# ---- small and odd logs


@pytest.mark.parametrize(
    ("text", "users", "items"),
    [("user,item\nu,a\nu,b\n", 1, 2), ("user,item\nu,a\nv,a\n", 2, 1), ("user,item\nu,a\n", 1, 1)],
    ids=["one user", "one item", "one event"],
)
def test_small_logs_are_read(tmp_path: Path, text: str, users: int, items: int) -> None:
    data = read(Source(events=write(tmp_path, "log.csv", text))).dataset
    assert (data.n_users, data.n_items) == (users, items)


def test_ids_of_a_thousand_characters_are_read(tmp_path: Path) -> None:
    name = "x" * 1024
    data = read(Source(events=write(tmp_path, "log.csv", f"user,item\n{name},a\nv,b\n"))).dataset
    assert name in data.user_ids


# ---- items and users


def test_items_and_users_keep_their_attributes(tmp_path: Path) -> None:
    source = Source(
        events=write(tmp_path, "log.csv", "user,item\nu,a\nv,b\n"),
        items=write(tmp_path, "items.csv", "sku,name,price,colour\na,Soap,1.5,red\nc,Towel,,blue\n"),
        users=write(tmp_path, "users.csv", "id,age,town\nu,30,Ulm\n"),
        item_columns={"item": "sku", "title": "name", "price": "price"},
    )
    data = read(source).dataset
    assert data.items.rows(named=True) == [
        {"item": "a", "title": "Soap", "price": 1.5, "colour": "red"},
        {"item": "b", "title": None, "price": None, "colour": None},
        {"item": "c", "title": "Towel", "price": None, "colour": "blue"},
    ]
    assert data.users.rows() == [("u", "30", "Ulm"), ("v", None, None)]


def test_a_text_field_may_be_joined_from_columns(tmp_path: Path) -> None:
    source = Source(
        events=write(tmp_path, "log.csv", "user,item\nu,a\nv,b\n"),
        items=write(tmp_path, "items.csv", "item,plot,cast\na,Rain,Ann\nb,,Bob\n"),
        item_columns={"item": "item", "text": ("plot", "cast")},
    )
    data = read(source).dataset
    assert data.item_texts() == ["Rain. Ann", "Bob"]
    with pytest.raises(
        SettingError, match=r"the column map says text = 'cats', and items.csv has no such column. Did you mean 'cast'"
    ):
        read(Source(events=source.events, items=source.items, item_columns={"item": "item", "text": ("plot", "cats")}))


def test_a_file_column_that_has_the_name_of_a_field_is_kept_apart(tmp_path: Path) -> None:
    source = Source(
        events=write(tmp_path, "log.csv", "user,item\nu,a\nv,b\n"),
        items=write(tmp_path, "items.csv", "item,sku,title\n1,a,T\n2,b,U\n"),
        item_columns={"item": "sku"},
    )
    items = read(source).dataset.items
    assert items.columns == ["item", "file_item", "title"] and items["item"].to_list() == ["a", "b"]


def test_duplicated_ids_in_the_item_table(tmp_path: Path) -> None:
    events = write(tmp_path, "log.csv", "user,item\nu,a\nv,b\n")
    items = write(tmp_path, "items.csv", "item,title\na,first\nb,B\na,second\n")
    with pytest.raises(
        DataError, match=r"items.csv has 1 bad row of 3 \(33.3%\): line 4: item id is in the file already"
    ):
        read(Source(events=events, items=items))
    reading = read(Source(events=events, items=items, bad_rows=0.5))
    assert reading.dataset.items["title"].to_list() == ["first", "B"], "the first row counts"


def test_paths_are_taken_from_the_folder_of_the_plan() -> None:
    source = Source(events="log.csv", items="/elsewhere/items.csv").within(Path("/plans"))
    assert (source.events, source.items, source.users) == ("/plans/log.csv", "/elsewhere/items.csv", None)
