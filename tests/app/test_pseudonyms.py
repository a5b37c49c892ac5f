"""Pseudonyms: stable, keyed, and never mixed with real ids or those of another key."""

import hashlib
import hmac
import os
import stat
from pathlib import Path

import pytest

from recloop.app.door import Door
from recloop.app.pseudonyms import Pseudonyms, adopt, agree
from recloop.errors import ConflictError, MissingError, SettingError
from recloop.store import Store
from recloop.types import Event, Feedback, Request

KEY = bytes(range(32))


def test_they_are_hmac_sha256() -> None:
    for user in ("ann", "Zoë \U0001f355", "p_x", "a" * 256):
        digest = hmac.new(KEY, b"user\0" + user.encode(), hashlib.sha256).hexdigest()
        assert Pseudonyms(KEY).of(user) == "p_" + digest[:32]


def test_no_two_of_many_users_are_one() -> None:
    names = Pseudonyms(KEY)
    assert len({names.of(f"u{number}") for number in range(20_000)}) == 20_000


def test_a_key_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "users.key"
    made = Pseudonyms.make(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(bytes.fromhex(path.read_text())) == 32
    assert Pseudonyms.read(path).of("ann") == made.of("ann")
    assert Pseudonyms.make(tmp_path / "other.key").of("ann") != made.of("ann")
    with pytest.raises(ConflictError, match="exists already"):
        Pseudonyms.make(path)
    path.chmod(0o640)
    if os.name == "posix":
        with pytest.raises(SettingError, match=r"others may read the key file .* \(mode 0640\).*chmod 600"):
            Pseudonyms.read(path)


@pytest.mark.parametrize("content", ["", "zz" * 32, "ab" * 31, "k\u00e9y"])
def test_what_is_no_key(tmp_path: Path, content: str) -> None:
    path = tmp_path / "users.key"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(SettingError):
        Pseudonyms.read(path)
    with pytest.raises(MissingError, match=r"make one: recloop keys pseudonym"):
        Pseudonyms.read(tmp_path / "nowhere.key")


def test_nothing_is_mixed_in_one_store(tmp_path: Path) -> None:
    one, two = Pseudonyms(KEY), Pseudonyms(KEY[::-1])
    with Store(tmp_path / "real.db") as store:
        agree(store, None)
        store.append_events([Event("ann", "i1", "view", 1.0)])
        with pytest.raises(ConflictError, match="holds real user ids; pseudonyms may not be mixed with them"):
            agree(store, one)
    with Store(tmp_path / "kept.db") as store:
        agree(store, one, actor="me")
        agree(store, one)
        assert [line[1:] for line in store.audit.lines()] == [("me", "pseudonymise", "users", one.fingerprint)]
        with pytest.raises(SettingError, match="have pseudonyms; real ids may not be mixed"):
            agree(store, None)
        with pytest.raises(ConflictError, match="have pseudonyms of another key"):
            agree(store, two)
        adopt(store, two)
        agree(store, two)


def test_all_that_comes_in_is_renamed_and_masked() -> None:
    door = Door(names=Pseudonyms(KEY))
    ann = Pseudonyms(KEY).of("ann")
    asked = door.request(Request("ann", (Event("ann", "i1", "view"),), steer="like ann@example.org wants"))
    assert (asked.user, asked.history[0].user, asked.steer) == (ann, ann, "like [email] wants")
    assert door.request(Request(None, (Event("", "i1", "view"),))).history[0].user == ""
    assert door.event(Event("ann", "i1", "view", 1.0, id="e")) == Event(ann, "i1", "view", 1.0, id="e")
    said = door.feedback(Feedback("ann", "comment", text="mail ann@example.org"))
    assert (said.user, said.text) == (ann, "mail [email]")
    open_door = Door(masks=False)
    wish = Request("ann", steer="like ann@example.org")
    assert open_door.request(wish) is wish
    assert open_door.feedback(Feedback("ann", "comment", text="ann@example.org")).text == "ann@example.org"
