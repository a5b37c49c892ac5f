"""Export and erasure over HTTP, and what other processes remember."""

import json
import time
from pathlib import Path

from click.testing import CliRunner

from recloop.app.pseudonyms import Pseudonyms
from recloop.cli.main import recloop


def act(client) -> str:
    """A person does all that leaves rows; the item that it saw."""
    told = client.post("/v1/recommend", json={"user": "ann-real", "k": 3}).json()
    item = told["items"][0]["item"]
    client.post("/v1/events", json={"events": [{"user": "ann-real", "item": item, "kind": "view"}]})
    client.post("/v1/feedback", json={"user": "ann-real", "kind": "comment", "text": "nice"})
    return item


def shown(client) -> list[str]:
    return [item["item"] for item in client.post("/v1/recommend", json={"user": "ann-real", "k": 40}).json()["items"]]


def test_a_person_is_exported_and_erased(service) -> None:
    client, store = service
    item = act(client)
    assert item not in shown(client)
    told = client.post("/v1/persons/export", json={"user": "ann-real"}).json()
    assert [len(told[name]) for name in ("events", "decisions", "feedback")] == [1, 2, 1]
    assert told["feedback"][0]["text"] == "nice"
    done = client.post("/v1/persons/erase", json={"user": "ann-real"}).json()
    assert done == {
        "before": {"events": 1, "decisions": 2, "feedback": 1},
        "after": {"events": 0, "decisions": 0, "feedback": 0},
        "archived": {"events": 0, "decisions": 0, "feedback": 0},
    }
    assert store.counts() == {"events": 0, "decisions": 0, "feedback": 0}
    assert item in shown(client)  # the history is gone from memory too


def test_another_process_erases(service, tmp_path: Path) -> None:
    client, _ = service
    item = act(client)
    said = ["person", "erase", "ann-real", "--store", str(tmp_path / "store.db"), "--json"]
    done = CliRunner().invoke(recloop, said)
    assert json.loads(done.stdout)["before"] == {"events": 1, "decisions": 1, "feedback": 1}
    end = time.monotonic() + 20
    while item not in shown(client) and time.monotonic() < end:
        time.sleep(0.05)
    assert item in shown(client)


def test_with_pseudonyms_callers_use_the_real_id(serving, tmp_path: Path) -> None:
    key = tmp_path / "users.key"
    names = Pseudonyms.make(key)
    with serving(pseudonymise=key) as (client, store):
        act(client)
        told = client.post("/v1/persons/export", json={"user": "ann-real"}).json()
        assert told["user"] == names.of("ann-real")
        assert len(told["events"]) == 1
        said = ["person", "export", "ann-real", "--pseudonymise", str(key), "--out", str(tmp_path / "ann.json")]
        done = CliRunner().invoke(recloop, [*said, "--store", str(tmp_path / "store.db")])
        assert "1 events, 1 decisions, 1 feedback" in done.stdout
        assert client.post("/v1/persons/erase", json={"user": "ann-real"}).json()["before"]["events"] == 1
        assert store.counts()["events"] == 0
    assert "ann-real" not in (tmp_path / "ann.json").read_text()


def test_nothing_is_left_in_the_store_its_archive_or_redis(serving, tmp_path: Path, redis_server) -> None:
    """Of a person in all three; the bytes of every file and all that Redis holds are looked at."""
    import redis

    shared = redis.Redis.from_url(redis_server.url)

    def places() -> set[str]:
        """Where the id of the person is found."""
        files = {path.name for path in tmp_path.rglob("*") if path.is_file() and b"ann-real" in path.read_bytes()}
        held = b" ".join(key + (shared.dump(key) or b"") for key in shared.scan_iter())
        return {name.partition("-")[0] for name in files} | ({"redis"} if b"ann-real" in held else set())

    with serving(redis=redis_server.url) as (client, store):
        old = [
            {"user": user, "item": "i1", "kind": "view", "id": f"{user}-{n}", "time": time.time() - 20 * 86_400}
            for n in range(3)
            for user in ("ann-real", "bob")
        ]
        assert client.post("/v1/events", json={"events": old}).json()["accepted"] == 6
        act(client)
        store.archive.run(hot_days=5)
        assert places() >= {"part", "store.db", "redis"}
        done = client.post("/v1/persons/erase", json={"user": "ann-real"}).json()
        assert done["archived"] == {"events": 3, "decisions": 0, "feedback": 0}
        assert done["before"] == {"events": 1, "decisions": 1, "feedback": 1}
        assert done["after"] == {"events": 0, "decisions": 0, "feedback": 0}
        assert places() == set()
        assert store.events(user="bob").height == 3
    assert places() == set()
