"""``recloop keys``: tokens are shown once, rotated, and listed without secrets."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from recloop.cli.main import recloop
from recloop.store import Store


@pytest.fixture
def say(tmp_path: Path):
    def run(*words: str) -> str:
        done = CliRunner().invoke(recloop, ["keys", *words, "--store", str(tmp_path / "shop.db")])
        assert done.exit_code == 0, done.output
        return done.stdout

    return run


def test_the_life_of_a_key(say, tmp_path: Path) -> None:
    made = json.loads(say("create", "web shop", "--scope", "events", "--days", "30", "--rate", "5", "--json"))
    key = made["token"].split("_")[1]
    turned = json.loads(say("rotate", key, "--keep", "2", "--json"))
    assert turned["rotated"] == key
    old, new = json.loads(say("list", "--json"))
    assert old["expires"] == pytest.approx(old["created"] + 2 * 3600, abs=60)
    assert new["expires"] == pytest.approx(new["created"] + 30 * 86_400)
    assert (new["name"], new["scopes"], new["rate"], new["used"]) == ("web shop", ["events"], 5.0, None)
    assert all(secret not in say("list") for secret in (made["token"], turned["token"]))
    assert "5/s" in say("list")
    with Store(tmp_path / "shop.db") as store:
        assert store.keys.find(made["token"]).id == key
        assert store.keys.find(turned["token"]).id == new["id"]


def test_text_for_people(say) -> None:
    token = say("create", "shop", "--scope", "events").splitlines()[0]
    told = say("rotate", token.split("_")[1])
    assert told.startswith("rlk_")
    assert "Shown once" in told
    assert "opens for 24 hours more" in told


def test_a_key_of_pseudonyms(say, tmp_path: Path) -> None:
    path = tmp_path / "users.key"
    made = json.loads(say("pseudonym", str(path), "--json"))
    assert made == {"file": str(path), "fingerprint": made["fingerprint"], "adopted": False}
    with Store(tmp_path / "shop.db"):
        pass
    assert say("pseudonym", str(path), "--adopt").startswith("adopted ")
    with Store(tmp_path / "shop.db") as store:
        assert store.audit.lines(1)[0].detail == made["fingerprint"]
    assert path.read_text().strip() not in (tmp_path / "shop.db").read_bytes().decode("latin-1")
