"""`recloop batch` as somebody types it: from a store that serves, and from a run's data."""

import json
from pathlib import Path

import polars as pl

from .shell import recloop


def release_of(folder: Path) -> Path:
    return next(folder.glob("runs/*/release"))


def test_from_the_data_of_a_run(ran: Path) -> None:
    release = release_of(ran)
    done = recloop("batch", "slates.parquet", "--data", "recloop.toml", "--release", str(release), "--k", "5", "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    table = pl.read_parquet("slates.parquet")
    assert (told["users"], told["rows"]) == (300, table.height) == (300, 1500)
    assert table["user"].n_unique() == 300
    again = recloop(
        "batch", "again.parquet", "--data", "recloop.toml", "--release", str(release), "--k", "5", "--block", "7"
    )
    assert again.code == 0, again.err
    assert "wrote 1,500 items for 300 users into again.parquet" in again.out
    assert Path("slates.parquet").read_bytes() == Path("again.parquet").read_bytes() or table.equals(
        pl.read_parquet("again.parquet")
    )


def test_from_the_store_with_listed_users(ran: Path) -> None:
    assert recloop("load", "recloop.toml", "--store", "shop.db").code == 0
    assert recloop("releases", "promote", str(release_of(ran)), "--store", "shop.db").code == 0
    Path("users.txt").write_text("u7\nnever seen\n\n")
    done = recloop("batch", "some.parquet", "--store", "shop.db", "--users", "users.txt", "--policy", "popular")
    assert done.code == 0, done.err
    assert pl.read_parquet("some.parquet")["user"].unique(maintain_order=True).to_list() == ["u7", "never seen"]


def test_what_is_refused(ran: Path) -> None:
    done = recloop("batch", "slates.parquet", "--store", "none.db")
    assert (done.code, "there is no store at none.db" in done.err) == (4, True)
    assert recloop("load", "recloop.toml", "--store", "shop.db").code == 0
    done = recloop("batch", "slates.parquet", "--store", "shop.db")
    assert (done.code, "shop.db has no active release" in done.err) == (4, True)
    done = recloop(
        "batch", "slates.parquet", "--store", "shop.db", "--release", str(release_of(ran)), "--policy", "populr"
    )
    assert (done.code, "Did you mean 'popular'?" in done.err) == (2, True)
    assert not Path("slates.parquet").exists()
