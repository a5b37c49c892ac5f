"""The commands that tell and change the schema of a store."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from recloop.cli.main import main
from recloop.store import Store
from recloop.store.tables import SCHEMA
from recloop.types import Event


def leave(*words: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(list(words))
    assert isinstance(stop.value.code, int)
    return stop.value.code


def document(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, int]:
    capsys.readouterr()
    assert leave(*words, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_there_and_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "shop.db")
    with Store(path) as store:
        store.append_events([Event("ann", "i1", "click", 1.0, id="e1")])
    assert document(capsys, "store", "version", "--store", path) == {"store": SCHEMA, "recloop": SCHEMA}
    down = ("store", "downgrade", "--to", "1", "--store", path)
    assert document(capsys, *down) == {"before": SCHEMA, "after": 1}
    assert document(capsys, *down) == {"before": 1, "after": 1}
    assert document(capsys, "store", "version", "--store", path)["store"] == 1  # asking does not upgrade
    assert document(capsys, "store", "upgrade", "--store", path) == {"before": 1, "after": SCHEMA}
    with Store(path) as store:
        assert store.events()["id"].to_list() == ["e1"]


def test_on_postgresql(
    postgres_schema: Callable[[str], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = postgres_schema(f"commands_{tmp_path.name}").replace("+psycopg", "")
    for words in (["keys", "list"], ["store", "version"], ["experiments", "list"]):
        assert leave(*words, "--store", url) == 4  # the database is there, and asking makes no store of it
        assert "there is no store at postgresql://postgres@/postgres" in capsys.readouterr().err
    assert leave("keys", "create", "shop", "--scope", "events", "--store", url) == 0
    assert document(capsys, "store", "downgrade", "--to", "2", "--store", url) == {"before": SCHEMA, "after": 2}
    assert leave("keys", "list", "--store", url) == 0  # opened, and so upgraded
    assert "shop" in capsys.readouterr().out
    assert document(capsys, "store", "version", "--store", url)["store"] == SCHEMA


def test_what_cannot_be_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "shop.db")
    assert leave("store", "version", "--store", path) == 4
    assert "there is no store at" in capsys.readouterr().err
    assert not Path(path).exists()
    Store(path).close()
    assert leave("store", "downgrade", "--to", "99", "--store", path) == 2
    assert f"the store has schema {SCHEMA}, which is older than 99" in capsys.readouterr().err
    assert leave("store", "downgrade", "--to", "0", "--store", path) == 2
    assert f"there is no schema 0; schemas are 1 to {SCHEMA}" in capsys.readouterr().err
    assert leave("store", "version", "--store", path) == 0
    assert f"schema {SCHEMA}; this recloop writes schema {SCHEMA}" in capsys.readouterr().out
