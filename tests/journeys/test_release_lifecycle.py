"""From a log to a proven, served winner and back again, with the commands and the service that a user would run."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest

from recloop.store import Store

from .shell import COMMAND, QUIET, SHELVES, Service, catalogue, log, recloop

USERS, ROUNDS = 300, 3


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Types a command in the shop's folder; gives back what it printed. In this process, but for ``elsewhere``."""
    log().write_csv(tmp_path / "events.csv")
    catalogue().write_csv(tmp_path / "items.csv")
    monkeypatch.chdir(tmp_path)

    def run(*command: str | Path, elsewhere: bool = False) -> str:
        if not elsewhere:
            said = recloop(*command)
            assert said.code == 0, said
            return said.out
        process = [*COMMAND, *map(str, command)]
        done = subprocess.run(process, env=os.environ | QUIET, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def eventually(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        threading.Event().wait(0.05)
    assert holds()


def shelf(item: str) -> str:
    return SHELVES[int(item[1:]) // 20]


def test_from_a_log_to_a_served_winner_and_back(
    tmp_path: Path, typed: Callable[..., str], serve: Callable[..., Service]
) -> None:
    # init → check → run: nothing is told to it but where the files are
    assert "user = 'user'" in typed("init", "events.csv", "--items", "items.csv")
    plan = (
        (tmp_path / "recloop.toml").read_text().replace("[strategies]\n", '[strategies]\nuse = ["item-knn", "ease"]\n')
    )
    (tmp_path / "recloop.toml").write_text(plan)
    checked = json.loads(typed("check", "--json"))
    assert (checked["worst"], checked["counts"]["events"], checked["counts"]["users"]) == ("info", 4_500, 300)
    first = json.loads(typed("run", "--json", elsewhere=True))
    board = {(row["strategy"], row["metric"]): row["value"] for row in first["results"]["leaderboard"]}
    assert board["composed", "ndcg@10"] > 2 * board["random", "ndcg@10"]
    assert sorted(path.name for path in (tmp_path / first["folder"]).iterdir()) == [
        "check.json",
        "environment.json",
        "evaluation.json",
        "metrics.parquet",
        "plan.json",
        "release",
        "report.html",
        "run.json",
        "slates.parquet",
    ]

    # serve: the newest run is taken where nothing was promoted yet
    service = serve(tmp_path, "--seed", "1")
    with httpx.Client(base_url=service.url, timeout=20) as client:
        old = client.get("/health/ready").json()["release"]
        assert old == f"1-{first['id']}"
        told = client.post("/v1/recommend", json={"user": "newcomer", "k": 5}).json()
        assert len(told["items"]) == 5

        # an event changes the next slate
        events = [{"user": "newcomer", "item": f"i{n}", "kind": "purchase", "id": f"n{n}"} for n in (60, 61, 62)]
        answer = client.post("/v1/events", json={"events": events})
        assert (answer.status_code, answer.json()["accepted"]) == (202, 3)
        assert client.post("/v1/events", json={"events": events}).json() == {
            "accepted": 0,
            "duplicates": 3,
            "rejected": [],
        }
        after = client.post("/v1/recommend", json={"user": "newcomer", "k": 5}).json()
        shown = [entry["item"] for entry in after["items"]]
        assert not {"i60", "i61", "i62"} & set(shown)
        assert sum(shelf(item) == "rugs" for item in shown) >= 4

        # an experiment, defined and started from a shell, is followed by the service
        (tmp_path / "home.toml").write_text(
            'name = "home"\nminimum_users = 30\nplanned_users = 300\n'
            '[variants.control]\npolicy = "random"\ncontrol = true\n[variants.new]\npolicy = "composed"\n'
        )
        typed("experiments", "create", "home.toml")
        typed("experiments", "start", "home")
        eventually(lambda: client.post("/v1/recommend", json={"user": "probe"}).json()["experiment"] == "home")
        verdict = visits(client)
        assert verdict["verdict"] == "ship", verdict
        assert "new" in verdict["sentence"]
        read = json.loads(typed("experiments", "readout", "home", "--json"))
        assert (read["verdict"]["verdict"], read["verdict"]["sentence"]) == ("ship", verdict["sentence"])
        typed("experiments", "stop", "home")
        eventually(lambda: not client.post("/v1/recommend", json={"user": "probe"}).json()["experiment"])

        # a second run, promoted from a shell: the service switches, and no request is dropped meanwhile
        (tmp_path / "recloop.toml").write_text(plan.replace("diversity = 0.1", "diversity = 0.3"))
        second = json.loads(typed("run", "--json"))
        assert not second["reused"]
        new = f"2-{second['id']}"
        over, seen = threading.Event(), []

        def ask() -> None:
            with httpx.Client(base_url=service.url, timeout=20) as mine:
                while not over.is_set():
                    answer = mine.post("/v1/recommend", json={"user": "steady", "k": 3})
                    seen.append((answer.status_code, answer.json().get("release")))
                    over.wait(0.005)

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            typed("releases", "promote", Path(second["folder"]) / "release", elsewhere=True)
            eventually(lambda: client.get("/health/ready").json()["release"] == new)
            listed = json.loads(typed("releases", "list", "--json"))
            assert {one["name"]: one["active"] for one in listed} == {old: False, new: True}

            # and back: rolled back by another process
            assert json.loads(typed("rollback", "--json", elsewhere=True))["name"] == old
            eventually(lambda: client.get("/health/ready").json()["release"] == old)
            eventually(lambda: seen[-1] == (200, old))
        finally:
            over.set()
            asking.join()
        assert set(seen) == {(200, old), (200, new)}
        assert [release for n, (_, release) in enumerate(seen) if not n or seen[n - 1][1] != release] == [old, new, old]

    # Ctrl-C ends it in order, and all of it is in the store
    assert service.end(signal.SIGINT).code == 0
    with Store(tmp_path / "recloop.db") as store:
        done = [(line.action, line.actor.split(" (")[0]) for line in reversed(store.audit.lines(20))]
        assert store.events(user="newcomer").height == 3
        assert store.decisions(experiment="home").height >= USERS * ROUNDS
    assert done == [
        ("add release", "recloop serve"),
        ("promote release", "recloop serve"),
        ("create experiment", "recloop experiments create"),
        ("experiment running", "recloop experiments start"),
        ("experiment stopped", "recloop experiments stop"),
        ("add release", "recloop releases promote"),
        ("promote release", "recloop releases promote"),
        ("roll back release", "recloop rollback"),
    ]


def visits(client: httpx.Client) -> dict:
    """Users of the log come back, and click what is of the shelf that they like; gives back what the readout says."""
    rng = np.random.default_rng(5)
    before = log().sort("user", "time")
    seen = before.group_by("user", maintain_order=True).agg("item")
    tastes = {
        user: max(SHELVES, key=[shelf(item) for item in items].count)
        for user, items in zip(seen["user"], seen["item"], strict=True)
    }
    # the service has not seen them yet: what they did last is sent to it, as a shop does that moves in
    moved = before.group_by("user", maintain_order=True).tail(3)
    assert client.post("/v1/events", json={"events": moved.to_dicts()}).json()["accepted"] == 3 * USERS
    for _ in range(ROUNDS):
        events = []
        for user, taste in tastes.items():
            told = client.post("/v1/recommend", json={"user": user, "k": 5}).json()
            wanted = [entry["item"] for entry in told["items"] if shelf(entry["item"]) == taste]
            if wanted and rng.random() < 0.15 * len(wanted):
                events.append({"user": user, "item": wanted[0], "kind": "click", "decision": told["decision"]})
        assert client.post("/v1/events", json={"events": events}).json()["accepted"] == len(events)
    answer = client.get("/v1/experiments/home/readout")
    assert answer.status_code == 200
    return answer.json()
