"""Columns are guessed by name, else by what stands in them, and the reason is given."""

from pathlib import Path

import polars as pl
import pytest

from recloop.data.guess import guess, overlap
from recloop.errors import DataError, MissingError


def write(folder: Path, text: str, name: str = "log.csv") -> Path:
    (folder / name).write_text(text)
    return folder / name


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("user,item,kind,value,time", ["user", "item", "kind", "value", "time"]),
        ("user_id,item_id,rating,timestamp", ["user_id", "item_id", None, "rating", "timestamp"]),
        ("userId,movieId,rating,timestamp", ["userId", "movieId", None, "rating", "timestamp"]),
        ("timestamp,visitorid,event,itemid", ["visitorid", "itemid", "event", None, "timestamp"]),
        ("reviewerID,asin,overall,unixReviewTime", ["reviewerID", "asin", None, "overall", "unixReviewTime"]),
        ("Customer ID,SKU,Amount,Date", ["Customer ID", "SKU", None, "Amount", "Date"]),
        (
            "event_time,event_type,product_id,price,user_id",
            ["user_id", "product_id", "event_type", "price", "event_time"],
        ),
    ],
)
def test_names(tmp_path: Path, header: str, expected: list[str | None]) -> None:
    row = ",".join("7" for _ in header.split(","))
    fields = guess(write(tmp_path, f"{header}\n{row}\n{row}\n")).fields
    assert [fields.get(name) for name in ("user", "item", "kind", "value", "time")] == expected


def test_contents_where_names_do_not_tell(tmp_path: Path) -> None:
    rows = "".join(f"c{i % 9},p{i % 11},{('look', 'buy')[i % 2]},{i % 5},{1_700_000_000 + i}\n" for i in range(60))
    found = guess(write(tmp_path, rows))
    assert found.fields == {
        "user": "column_1",
        "item": "column_2",
        "kind": "column_3",
        "value": "column_4",
        "time": "column_5",
    }
    reasons = {column.field: column.reason for column in found.columns}
    assert reasons["time"] == "no name tells; it holds seconds since 1970 or dates"
    assert reasons["user"] == "no name tells; it is the first column that is left"
    assert found.kinds == ("look", "buy") and found.values == (0.0, 4.0) and found.moments == 60


def test_two_columns_are_user_and_item_even_when_small(tmp_path: Path) -> None:
    assert guess(write(tmp_path, "1 2\n1 3\n2 3\n", "pairs.txt")).fields == {"user": "column_1", "item": "column_2"}


def test_order_is_taken_only_when_it_is_a_number(tmp_path: Path) -> None:
    assert guess(write(tmp_path, "user,item,order\nu,i,1\n")).fields["order"] == "order"
    assert "order" not in guess(write(tmp_path, "user,item,order\nu,i,A-17\n")).fields


def test_items(tmp_path: Path) -> None:
    path = write(tmp_path, "asin,title,main_category,brand,price,description,colour\na,b,c,d,1,f,g\n", "meta.csv")
    found = guess(path, "items")
    assert found.fields == {
        "item": "asin",
        "title": "title",
        "category": "main_category",
        "brand": "brand",
        "price": "price",
        "description": "description",
    }
    assert found.left == ("colour",)


def test_an_item_file_without_known_names(tmp_path: Path) -> None:
    found = guess(write(tmp_path, "thing,words,size\na,b,1\n"), "items").columns
    assert [(c.field, c.column, c.reason) for c in found] == [
        ("item", "thing", "no name tells; it is the first column")
    ]


def test_a_head_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    with path.open("w") as file:
        file.write("user,item,time\n")
        file.writelines(f"u{i % 1000},i{i % 777},{1_700_000_000 + i}\n" for i in range(100_000))
    found = guess(path)
    assert not found.whole and 1000 < found.rows < 100_000 and found.times == "seconds since 1970"


def test_overlap_of_ids(tmp_path: Path) -> None:
    events = guess(write(tmp_path, "user,item\nu,a\nv,b\nw,c\nx,a\n"))
    items = guess(write(tmp_path, "item,title\na,A\nb,B\n", "items.csv"), "items")
    assert overlap(events, items) == 0.75


def test_parquet(tmp_path: Path) -> None:
    pl.DataFrame({"uid": [1], "sku": [2], "stars": [3.0]}).write_parquet(tmp_path / "log.parquet")
    found = guess(tmp_path / "log.parquet")
    assert found.fields == {"user": "uid", "item": "sku", "value": "stars"} and found.kind == "rating"
    assert found.sentences[0] == "log.parquet is read as parquet, because it begins with the letters PAR1."


def test_what_cannot_be_guessed(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"there is no file .*none.csv"):
        guess(tmp_path / "none.csv")
    with pytest.raises(DataError, match=r"log.csv is empty; at least one row is needed"):
        guess(write(tmp_path, ""))
    with pytest.raises(DataError, match=r"log.csv holds no rows that can be read; at least one is needed"):
        guess(write(tmp_path, "user,item\n"))
    with pytest.raises(DataError, match=r"log.csv has no column that can be the item; its columns are column_1"):
        guess(write(tmp_path, "1\n2\n"))
