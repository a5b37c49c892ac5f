"""Vectors beside the texts: read, checked, and given to strategies with which items have one."""

import gzip
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recloop.data.check import check
from recloop.data.dataset import Dataset
from recloop.data.extra_vectors import ExtraVectors
from recloop.data.source import Source, read
from recloop.errors import DataError, MissingError, SettingError

LOG = "user,item\nann,a\nbob,b\nbob,c\n"


def log(folder: Path) -> str:
    (folder / "log.csv").write_text(LOG)
    return str(folder / "log.csv")


def test_list_columns_of_parquet_and_json_lines_are_kept(tmp_path: Path) -> None:
    rows = [{"item": "b", "image": [0.5, -1.0]}, {"item": "a", "image": None}, {"item": "d", "image": [2.0, 3.0]}]
    pl.DataFrame(rows).write_parquet(tmp_path / "items.parquet")
    (tmp_path / "items.jsonl.gz").write_bytes(gzip.compress("\n".join(json.dumps(row) for row in rows).encode()))
    for name in ("items.parquet", "items.jsonl.gz"):
        for columns in ({}, {"item": "item", "image": "image"}):
            source = Source(events=log(tmp_path), items=str(tmp_path / name), item_columns=columns)
            data = read(source).dataset
            assert data.vector_columns == ("image",)
            found = data.extra_vectors("image")
            assert found.values.tolist() == [[0, 0], [0.5, -1], [0, 0], [2, 3]]  # a, b, c, d
            assert found.present.tolist() == [False, True, False, True]
            assert found.values.dtype == np.float32 and found.dimension == 2


@pytest.mark.parametrize("ids", [np.array(["c", "a", "zebra"]), np.array([3, 1, 99])])
def test_an_npz_beside_the_catalogue(tmp_path: Path, ids: np.ndarray) -> None:
    events = log(tmp_path) if ids.dtype.kind == "U" else str(tmp_path / "numbers.csv")
    (tmp_path / "numbers.csv").write_text("user,item\n1,1\n2,2\n2,3\n")
    np.savez(tmp_path / "sound.npz", item=ids, vectors=np.arange(6).reshape(3, 2) + 1.0)
    reading = read(Source(events=events, vectors={"sound": str(tmp_path / "sound.npz")}))
    found = reading.dataset.extra_vectors("sound")
    assert found.values.tolist() == [[3, 4], [0, 0], [1, 2]]
    assert found.present.tolist() == [True, False, True]
    assert "1 of 3 vectors of 'sound' belong to unknown items; they are left out." in reading.notes


def test_items_that_only_the_log_knows_keep_their_vectors(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("item,title\na,Alpha\nd,Delta\n")
    np.savez(tmp_path / "v.npz", item=np.array(["b", "d"]), vectors=np.eye(2, dtype=np.float16))
    source = Source(events="log.csv", items="items.csv", vectors={"v": "v.npz"})
    log(tmp_path)
    data = read(source.within(tmp_path)).dataset
    assert data.items.sort("item")["title"].to_list() == ["Alpha", None, None, "Delta"]
    assert data.extra_vectors("v").present.tolist() == [False, True, False, True]


def test_vectors_are_part_of_the_fingerprint() -> None:
    events = pl.DataFrame({"user": ["a"], "item": ["x"]})

    def of(values: list[list[float] | None]) -> str:
        items = pl.DataFrame({"item": ["x", "y"], "image": pl.Series(values, dtype=pl.List(pl.Float32))})
        return Dataset.of(events, items).fingerprint

    plain = of([[1, 2], [3, 4]])
    assert plain == of([[1, 2], [3, 4]])
    assert len({plain, of([[1, 2], [3, 5]]), of([[1, 2, 3], [4]]), of([[1, 2], None]), of([None, [1, 2]])}) == 5


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (
            pl.Series("image", [[1.0, 2.0], [1.0], [3.0, 4.0]]),
            (
                "the vectors in the column 'image' differ in length: 1 of 1, 2 of 2; all are to be of one length; encode all "
                "items with one model."
            ),
        ),
        (
            pl.Series("image", [[1.0, float("nan")], [1.0, None], [1e300, 2.0], [1.0, 2.0]]),
            (
                "3 of 4 vectors in the column 'image' hold NaN, infinite or missing numbers; numbers are to be finite, within "
                "float32; leave the vectors of those items empty."
            ),
        ),
        (
            pl.Series("image", [None, []], dtype=pl.List(pl.Float64)),
            "no item has a vector in the column 'image'; leave the column out.",
        ),
        (pl.Series("title", ["one"]), "the column 'title' holds String; extra vectors are lists of numbers."),
        (pl.Series("tags", [["one"]]), "the column 'tags' holds List(String); extra vectors are lists of numbers."),
    ],
)
def test_columns_that_are_no_vectors(column: pl.Series, said: str) -> None:
    with pytest.raises(DataError) as caught:
        ExtraVectors.of(column)
    assert str(caught.value) == said


def test_whole_numbers_count_as_vectors_only_where_they_are_asked_for() -> None:
    items = pl.DataFrame({"item": ["x"], "codes": [[1, 2, 255]]})
    data = Dataset.of(pl.DataFrame({"user": ["a"], "item": ["x"]}), items)
    assert data.vector_columns == ()
    assert data.extra_vectors("codes").values.tolist() == [[1, 2, 255]]
    with pytest.raises(SettingError) as caught:
        data.extra_vectors("image")
    assert str(caught.value) == "the catalogue has no column of vectors 'image'. There is none yet."


def test_length_one_whatever_the_size() -> None:
    found = ExtraVectors.of(pl.Series("image", [[3e38, 3e38], [1e-30, 0.0], [0.0, 0.0]]))
    np.testing.assert_allclose(np.linalg.norm(found.unit, axis=1), [1, 1, 0], atol=1e-6)
    assert found.present.tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"item": np.array(["a"])}, "v.npz lacks the array vectors; item and vectors are needed."),
        (
            {"item": np.array(["a"]), "vectors": np.ones((2, 3))},
            "v.npz holds item of shape (1,) and vectors of shape (2, 3); n ids go with (n, d) vectors.",
        ),
        (
            {"item": np.array([0.5]), "vectors": np.ones((1, 3))},
            (
                "v.npz holds item of type float64 and vectors of type float64; ids are texts or whole numbers, vectors are "
                "numbers."
            ),
        ),
        (
            {"item": np.array(["a", "a"]), "vectors": np.ones((2, 3))},
            "v.npz holds 1 ids a second time; one vector per item is needed.",
        ),
        (
            {"item": np.array(["a", "b"]), "vectors": np.array([[1.0, np.inf], [1, 2]])},
            "1 of 2 vectors of v.npz hold NaN or infinite numbers; numbers are to be finite, within float32.",
        ),
        (
            {"item": np.array(["y", "z"]), "vectors": np.ones((2, 3))},
            "none of the 2 ids in v.npz is the id of an item; give the ids as they stand in the catalogue.",
        ),
    ],
)
def test_npz_files_that_cannot_be_used(tmp_path: Path, arrays: dict[str, np.ndarray], said: str) -> None:
    np.savez(tmp_path / "v.npz", **arrays)
    with pytest.raises(DataError) as caught:
        read(Source(events=log(tmp_path), vectors={"v": str(tmp_path / "v.npz")}))
    assert str(caught.value) == said


def test_files_that_are_no_npz_or_not_there(tmp_path: Path) -> None:
    for content in (b"nothing", b"PK\x03\x04 broken", b""):
        (tmp_path / "v.npz").write_bytes(content)
        with pytest.raises(DataError, match=r"v\.npz is no readable npz file"):
            read(Source(events=log(tmp_path), vectors={"v": str(tmp_path / "v.npz")}))
    np.savez(tmp_path / "o.npz", item=np.array([{}], dtype=object), vectors=np.ones((1, 1)))
    np.save(tmp_path / "array.npy", np.ones(3))
    for name in ("o.npz", "array.npy"):
        with pytest.raises(DataError, match="is no readable npz file"):
            read(Source(events=log(tmp_path), vectors={"v": str(tmp_path / name)}))
    with pytest.raises(MissingError, match=r"there is no file of vectors .*none\.npz; see \[data\.vectors\] v\."):
        read(Source(events=log(tmp_path), vectors={"v": str(tmp_path / "none.npz")}))


def test_a_name_that_the_catalogue_has_already(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("item,title\na,Alpha\n")
    np.savez(tmp_path / "v.npz", item=np.array(["a"]), vectors=np.ones((1, 2)))
    with pytest.raises(SettingError, match=r"\[data\.vectors\] title is a column of the catalogue already"):
        read(
            Source(events=log(tmp_path), items=str(tmp_path / "items.csv"), vectors={"title": str(tmp_path / "v.npz")})
        )


def test_the_check_tells_of_vectors(tmp_path: Path) -> None:
    rows = [{"item": "a", "image": [0.5, 1.0], "sound": [1.0]}, {"item": "b", "image": None, "sound": [1.0, 2.0]}]
    pl.DataFrame(rows).write_parquet(tmp_path / "items.parquet")
    found = check(read(Source(events=log(tmp_path), items=str(tmp_path / "items.parquet"))))
    assert found.numbers["vectors"] == {"image": {"dimension": 2, "share": 1 / 3}}
    told = {finding.severity: finding.sentence for finding in found.findings if finding.topic == "vectors"}
    assert told["info"] == "33% of the items have a vector of 2 numbers in 'image'."
    assert told["error"].startswith("the vectors in the column 'sound' differ in length")
