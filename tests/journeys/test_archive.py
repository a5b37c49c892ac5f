"""An installation with archived days is exported, imported elsewhere, and serves as before."""

import json
import shutil
import time
from pathlib import Path

import httpx

from recloop.store import Store
from recloop.types import Event

from .shell import recloop, refused, release_in

DAY = 86_400.0


def test_an_installation_moves_house(ran: Path, serve) -> None:
    assert recloop("releases", "promote", release_in(ran)).code == 0
    token = json.loads(recloop("keys", "create", "shop", "--scope", "recommend", "--json").out)["token"]
    today = time.time() // DAY * DAY
    with Store("recloop.db") as store:
        store.append_events(
            [Event("ann", f"i{day}", "view", today - day * DAY, id=f"e{day}") for day in range(40, -1, -1)]
        )
        before = store.events()

    moved = json.loads(recloop("archive", "run", "--hot-days", "10", "--json").out)
    assert moved["moved"] == {"events": 30, "decisions": 0, "feedback": 0}
    assert "moved" in recloop("archive", "run", "--hot-days", "9").out
    assert "Nothing to move" in recloop("archive", "run", "--hot-days", "9").out
    status = json.loads(recloop("archive", "status", "--json").out)
    assert status["logs"][0] | {"bytes": 0} == {
        "log": "events",
        "hot": 10,
        "archived": 31,
        "parts": 31,
        "bytes": 0,
        "first": status["logs"][0]["first"],
        "last": status["logs"][0]["last"],
    }
    assert "31" in recloop("archive", "status").out
    assert "whole 31 files" in recloop("archive", "verify").out

    told = json.loads(recloop("export", "shop.tar", "--json").out)
    assert (told["events"], told["parts"], len(told["releases"]), told["left_out"]) == (41, 31, 1, {})
    assert token.split("_", 2)[2].encode() not in Path("shop.tar").read_bytes()
    refused(5, ("shop.tar exists already", "name another file"), "export", "shop.tar")
    Path("recloop.db").unlink()
    shutil.rmtree("runs")
    assert recloop("import", "shop.tar", "--out", "moved").code == 0
    refused(5, ("moved exists already",), "import", "shop.tar", "--out", "moved")

    with Store("moved/recloop.db") as store:
        assert store.events().equals(before)
        active = store.releases.active()
        assert active.path == str(ran / "moved" / "releases" / active.name)
    service = serve(ran, "--store", "moved/recloop.db", "--keys")
    asked = {"json": {"user": "ann", "k": 5}, "headers": {"Authorization": f"Bearer {token}"}}
    answer = httpx.post(f"{service.url}/v1/recommend", **asked)
    assert (answer.status_code, len(answer.json()["items"])) == (200, 5)
    assert answer.json()["release"] == active.name


def test_days_are_deleted_when_told(ran: Path) -> None:
    today = time.time() // DAY * DAY
    with Store("recloop.db") as store:
        store.append_events([Event("ann", "i1", "view", today - day * DAY, id=f"e{day}") for day in range(40, -1, -1)])
    refused(
        2,
        ("keep_days is 3, and hot_days 7", "keep_days is at least hot_days"),
        *("archive", "run", "--keep-days", "3"),
    )
    told = json.loads(recloop("archive", "run", "--keep-days", "20", "--json").out)
    assert (told["moved"]["events"], told["dropped"]["events"]) == (33, 20)
    with Store("recloop.db") as store:
        assert store.events().height == 21
        assert len([line for line in store.audit.lines() if line.action == "drop archive"]) == 20


def test_a_damaged_file_of_the_archive(ran: Path) -> None:
    today = time.time() // DAY * DAY
    with Store("recloop.db") as store:
        store.append_events([Event("ann", "i1", "view", today - day * DAY, id=f"e{day}") for day in range(40, -1, -1)])
    recloop("archive", "run")
    path = min(Path("recloop.archive").rglob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-9] + b"?" * 9)
    said = recloop("archive", "verify")
    assert said.code == 8
    assert f"{path.name} of the archive is damaged: its SHA-256 is not the one written" in said.err
    said = recloop("archive", "verify", "--json")
    assert (said.code, len(json.loads(said.out)["wrong"])) == (8, 1)
    refused(8, ("is damaged", "an export holds what is whole only"), "export", "shop.tar")


def test_a_store_that_is_not_there(ran: Path) -> None:
    for command in (("archive", "run"), ("archive", "status"), ("archive", "verify"), ("export", "x.tar")):
        refused(4, ("there is no store at no.db",), *command, "--store", "no.db")
    refused(4, ("there is no file x.tar",), "import", "x.tar")
