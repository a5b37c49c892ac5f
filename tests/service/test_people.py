"""Overrides and findings over HTTP and by command: what the dashboard does, for programs."""

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from recloop.cli.main import recloop
from recloop.store import Store
from recloop.store.accounts import password_fits

REPORT = {
    "verdict": "do_not_ship",
    "findings": [{"id": "f1", "title": "click rate", "sentence": "It fell.", "change_day": "2026-11-01"}],
}


def shown(client: httpx.Client, **wish: Any) -> list[str]:
    return [entry["item"] for entry in client.post("/v1/recommend", json={"k": 5, **wish}).json()["items"]]


def test_an_override_over_http_from_the_next_request_to_its_effect(service) -> None:
    client, store = service
    wish = {"action": "pin", "items": ["i30"], "place": 2, "reason": "film of the week", "owner": "eva"}
    made = client.post("/v1/overrides", json=wish)
    assert made.status_code == 201
    assert made.json()["place"] == 2
    assert 29.9 < (made.json()["expires"] - made.json()["created"]) / 86_400 < 30.1
    name = made.json()["id"]
    assert [shown(client)[1] for _ in range(60)] == ["i30"] * 60
    told = client.get(f"/v1/overrides/{name}/effect").json()
    assert told["effect"]["slates"] == 60
    assert 1 <= told["effect"]["measured"] <= 20
    assert told["effect"]["changed"] == 1.0
    assert told["sentence"].startswith("It held for 60 slates.")
    assert client.get("/v1/overrides").json()["overrides"][0]["ended"] is None
    assert client.post(f"/v1/overrides/{name}/end").json()["ended"] is not None
    assert client.post(f"/v1/overrides/{name}/end").status_code == 409
    assert client.post("/v1/overrides/x/end").status_code == 404
    assert client.get("/v1/overrides/x/effect").status_code == 404
    assert shown(client)[1] != "i30"
    forever = client.post("/v1/overrides", json=wish | {"action": "ban", "days": None})
    assert forever.json()["expires"] is None
    assert "i30" not in shown(client, k=40)
    assert "i30" not in [entry["item"] for entry in client.post("/v1/items/i0/similar", json={"k": 40}).json()["items"]]
    assert store.counts()["decisions"] == 62


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"items": ["nope"]}, "has no item 'nope'"),
        ({"items": []}, "items"),
        ({"action": "pni"}, "action"),
        ({"place": 0}, "place"),
        ({"segment": {"gender": "f"}}, "the segment names 'gender'"),
        ({"reason": ""}, "reason"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_a_wrong_override_is_refused(service, change: dict[str, Any], sentence: str) -> None:
    client, store = service
    answer = client.post("/v1/overrides", json={"action": "pin", "items": ["i1"], "reason": "r", "owner": "o"} | change)
    assert answer.status_code == 422
    assert sentence in answer.json()["detail"]
    assert store.overrides.all() == []


def test_findings_over_http(service) -> None:
    client, _ = service
    assert client.post("/v1/reviews", json=REPORT).json() == {"new": ["f1"], "returned": [], "gone": []}
    assert client.post("/v1/reviews/f1", json={"do": "assign", "assignee": "tom"}).json()["assignee"] == "tom"
    assert client.post("/v1/reviews/f1", json={"do": "mute", "days": 2}).json()["state"] == "muted"
    assert client.post("/v1/reviews/f1", json={"do": "mute"}).status_code == 422
    assert client.post("/v1/reviews/f1", json={"do": "resolve", "note": "mended"}).json()["note"] == "mended"
    assert client.post("/v1/reviews/f1", json={"do": "resolve"}).status_code == 409
    assert client.post("/v1/reviews/f2", json={"do": "resolve"}).status_code == 404
    assert client.post("/v1/reviews", json={"findings": []}).json()["gone"] == ["f1"]
    assert client.post("/v1/reviews", json=REPORT).json()["returned"] == ["f1"]
    (one,) = client.get("/v1/reviews").json()["reviews"]
    assert (one["state"], one["returns"], one["finding"]["sentence"]) == ("open", 1, "It fell.")
    red = client.post("/v1/reviews", json={"findings": [{"title": "without an id"}]})
    assert red.status_code == 422
    assert "recloop ux problems --json" in red.json()["detail"]


# ---- commands


def run(store: Path, *words: str, stdin: str | None = None) -> Any:
    done = CliRunner().invoke(recloop, [*words, "--store", str(store), "--json"], input=stdin)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_commands_of_overrides_reach_a_running_service(service, tmp_path: Path) -> None:
    client, store = service
    file = tmp_path / "store.db"
    words = ["overrides", "add", "hide", "i0", "i1", "--reason", "sold out", "--segment", "profile.gender=female"]
    made = run(file, *words, "--days", "2")
    assert (made["items"], made["segment"]) == (["i0", "i1"], {"profile.gender": "female"})
    seconds = 0
    while "i0" in shown(client, profile={"gender": "female"}) and seconds < 100:
        seconds += 1  # the service looks every half second, and each of these requests takes some milliseconds
        time.sleep(0.1)
    assert "i0" not in shown(client, profile={"gender": "female"})
    assert "i0" in shown(client, profile={"gender": "male"})
    assert [one["state"] for one in run(file, "overrides", "list")] == ["in force"]
    assert run(file, "overrides", "effect", made["id"])["slates"] >= 1
    assert run(file, "overrides", "end", made["id"])["ended"] is not None
    assert run(file, "overrides", "list") == []
    assert [one["state"] for one in run(file, "overrides", "list", "--all")] == ["ended"]
    assert store.audit.lines(1)[0].actor.startswith("recloop overrides end (")


def test_commands_of_the_queue(tmp_path: Path) -> None:
    file, report = tmp_path / "shop.db", tmp_path / "problems.json"
    Store(file).close()
    report.write_text(json.dumps(REPORT))
    assert run(file, "ux", "review", "--take", str(report))["taken"]["new"] == ["f1"]
    assert run(file, "ux", "review", "--take", "-", stdin=json.dumps(REPORT))["taken"]["new"] == []
    (one,) = run(file, "ux", "review", "f1", "--assign", "tom", "--mute", "3")["reviews"]
    assert (one["assignee"], one["state"]) == ("tom", "muted")
    assert run(file, "ux", "review", "f1", "--resolve", "--note", "x")["reviews"][0]["state"] == "resolved"
    said = CliRunner().invoke(recloop, ["ux", "review", "--store", str(file)])
    assert said.stdout == "No finding waits.\n"
    said = CliRunner().invoke(recloop, ["ux", "review", "--all", "--store", str(file)])
    assert "resolved f1  tom\n  It fell.\n" in said.stdout
    wrong = CliRunner().invoke(recloop, ["ux", "review", "f1", "--store", str(file)])
    assert wrong.exit_code == 2
    assert "say what is to become of the finding" in wrong.output


@pytest.mark.parametrize(
    ("report", "sentence"),
    [
        ({"verdict": "invalid", "sentence": "The split is broken."}, "its data cannot be trusted: The split is broken"),
        ({"verdict": "keep_running", "sentence": "Too early: the log spans 1 day.", "tests": 0},
         "there was too little to look at: Too early: the log spans 1 day."),
    ],
)  # fmt: skip
def test_a_report_that_did_not_look_is_refused(tmp_path: Path, report: dict[str, object], sentence: str) -> None:
    file = tmp_path / "shop.db"
    with Store(file) as store:
        store.reviews.take(REPORT["findings"])  # type: ignore[arg-type]
    said = json.dumps(report | {"findings": []})
    done = CliRunner().invoke(recloop, ["ux", "review", "--take", "-", "--store", str(file)], input=said)
    assert sentence in str(done.exception)
    with Store(file) as store:
        assert store.reviews.get("f1").present


def test_commands_of_people_who_log_in(tmp_path: Path) -> None:
    file = tmp_path / "shop.db"
    made = run(file, "dashboard", "user", "add", "eva", "--role", "operator", stdin="correct horse battery\n")
    assert made == {"name": "eva", "role": "operator"}
    with Store(file) as store, store._database.reading() as connection:
        ((hashed,),) = connection.exec_driver_sql("SELECT hash FROM dashboard_users").all()
    assert password_fits(hashed, "correct horse battery")
    assert run(file, "dashboard", "user", "change", "eva", "--disable") == made | {"disabled": True}
    assert run(file, "dashboard", "user", "change", "eva", "--enable", "--role", "viewer")["role"] == "viewer"
    run(file, "dashboard", "user", "change", "eva", "--password", stdin="another sentence\n")
    with Store(file) as store:
        assert store.accounts.login("eva", "another sentence") is not None
    assert [one["name"] for one in run(file, "dashboard", "user", "list")] == ["eva"]
    said = CliRunner().invoke(recloop, ["dashboard", "user", "list", "--store", str(file)])
    assert "may log in" in said.stdout
    assert "another sentence" not in said.stdout
