"""A plan that can be run comes out of a look at the files, and says what it guessed."""

import tomllib
from pathlib import Path

import pytest

from recloop.app.init import init
from recloop.data.source import read
from recloop.errors import ConflictError, DataError, MissingError
from recloop.loop.plan import read_plan

LOG = "customer,sku,action,ts\n" + "".join(
    f"c{i % 9},p{i % 11},{('page_view', 'add_to_cart', 'purchase')[i % 3]},{1_700_000_000 + i}\n" for i in range(60)
)
ITEMS = "sku,product_name,colour\n" + "".join(f"p{i},Thing {i},red\n" for i in range(11))


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "log.csv").write_text(LOG)
    (tmp_path / "data" / "items.csv").write_text(ITEMS)
    (tmp_path / "data" / "users.csv").write_text("id,age\nc1,30\n")
    return tmp_path


def test_what_is_written_is_read_back(shop: Path) -> None:
    made = init(shop / "data/log.csv", shop / "data/items.csv", shop / "data/users.csv", shop / "recloop.toml")
    assert made.path.read_text() == made.text
    plan = read_plan(made.path)
    assert plan.data.events == "data/log.csv", "paths are relative to the plan"
    assert plan.data.columns == {"user": "customer", "item": "sku", "kind": "action", "time": "ts"}
    assert plan.data.item_columns == {"item": "sku", "title": "product_name"}
    assert plan.data.user_columns == {"user": "id", "age": "age"}
    assert dict(plan.data.kinds.weights) == {"page_view": 0.3, "add_to_cart": 0.8, "purchase": 1.0}
    assert plan.splitter.name == "temporal"
    data = read(plan.source).dataset
    assert (data.n_events, data.n_users, data.n_items) == (60, 9, 11)
    assert data.items.filter(item="p3").row(0) == ("p3", "Thing 3", "red")


def test_each_guess_has_its_reason(shop: Path) -> None:
    made = init(shop / "data/log.csv", shop / "data/items.csv", out=shop / "recloop.toml")
    assert 'user = "customer"  # its name is one of those that mean user' in made.text
    assert "user = 'customer': its name is one of those that mean user." in made.sentences
    assert "# kept as attributes: colour" in made.text
    assert made.doubts == ()
    assert made.to_dict()["files"][0]["columns"][0] == {  # type: ignore[index]
        "field": "user",
        "column": "customer",
        "reason": "its name is one of those that mean user",
    }


def test_doubts_are_said(shop: Path) -> None:
    (shop / "pairs.txt").write_text("1 7\n1 8\n2 7\n")
    (shop / "other.csv").write_text("item,title\nx,y\n")
    made = init(shop / "pairs.txt", shop / "other.csv", out=shop / "recloop.toml")
    assert made.doubts == (
        "pairs.txt: is 'column_1' the user? No name tells; it is the first column that is left.",
        "pairs.txt: is 'column_2' the item? No name tells; it is the second column that is left.",
        "Only 0% of the first events are on items of other.csv. Do the ids match?",
        "There are no times: the split is leave-last-out, in the order of the file.",
    )
    assert read_plan(made.path).splitter.name == "leave-last-out"


def test_one_time_only(shop: Path) -> None:
    (shop / "log.csv").write_text("user,item,time\nu,i,1700000000\nv,j,1700000000\n")
    made = init(shop / "log.csv", out=shop / "recloop.toml")
    assert made.doubts[0].startswith("All of the first events have one time")
    assert read_plan(made.path).splitter.name == "leave-last-out"


def test_names_that_need_quoting(tmp_path: Path) -> None:
    (tmp_path / 'my "log".csv').write_text('user,item,kind\nu,i,"a ""b"" \\ c"\nv,j,d.e\n')
    made = init(tmp_path / 'my "log".csv', out=tmp_path / "recloop.toml")
    weights = tomllib.loads(made.text)["data"]["kinds"]["weights"]
    assert weights == {'a "b" \\ c': 1.0, "d.e": 1.0}
    assert read(read_plan(made.path).source).dataset.n_events == 2


def test_a_plan_that_is_there_is_not_overwritten(shop: Path) -> None:
    out = shop / "recloop.toml"
    out.write_text("mine")
    with pytest.raises(ConflictError, match=r"recloop.toml is there already; move it away, or name another with --out"):
        init(shop / "data/log.csv", out=out)
    assert out.read_text() == "mine"
    init(shop / "data/log.csv", out=out, replace=True)
    assert out.read_text() != "mine"


def test_a_failure_leaves_nothing_behind(shop: Path) -> None:
    (shop / "empty.csv").write_text("")
    with pytest.raises(DataError, match=r"empty.csv is empty"):
        init(shop / "data/log.csv", shop / "empty.csv", out=shop / "recloop.toml")
    with pytest.raises(MissingError, match=r"there is no file .*logs.csv. The nearest there is 'log.csv'"):
        init(shop / "data/logs.csv", out=shop / "recloop.toml")
    with pytest.raises(MissingError, match=r"recloop.toml cannot be written: there is no folder .*nowhere; make it"):
        init(shop / "data/log.csv", out=shop / "nowhere" / "recloop.toml")
    assert sorted(path.name for path in shop.iterdir()) == ["data", "empty.csv"]


@pytest.mark.data
def test_movielens(data_dir: Path, tmp_path: Path) -> None:
    raw = data_dir / "ml-100k" / "raw"
    made = init(raw / "u.data", raw / "u.item", raw / "u.user", tmp_path / "recloop.toml")
    plan = read_plan(made.path)
    assert plan.splitter.name == "temporal" and made.doubts == ()
    assert read(plan.source).dataset.n_events == 100_000
    files = data_dir / "ml-1m"
    made = init(files / "ratings.parquet", files / "movies_text.parquet", files / "users.dat", tmp_path / "1m.toml")
    plan = read_plan(made.path)
    assert plan.splitter.name == "leave-last-out" and plan.data.columns["order"] == "order"
    assert read(plan.source).dataset.n_events == 1_000_209
