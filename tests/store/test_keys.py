"""The life of an API key: it expires, it is rotated, its use is noted."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from recloop.errors import ConflictError, MissingError, SettingError
from recloop.store import Store

DAY = 86_400.0


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    with Store(tmp_path / "store.db", clock=clock) as store:
        yield store


def test_a_key_expires(store: Store, clock: Clock) -> None:
    token = store.keys.create("shop", ["events"], lasts=DAY)
    assert store.keys.find(token).expires == clock.now + DAY
    clock.now += DAY - 1
    assert store.keys.find(token).state(clock.now) == "open"
    clock.now += 1
    assert store.keys.find(token) is None
    assert [key.state(clock.now) for key in store.keys.all()] == ["expired"]


def test_rotation_keeps_what_the_key_was(store: Store, clock: Clock) -> None:
    old = store.keys.create("shop", ["events", "recommend"], lasts=10 * DAY, rate=5.0)
    before = store.keys.find(old)
    clock.now += DAY
    new = store.keys.rotate(before.id, keep=3600.0, actor="me")
    after = store.keys.find(new)
    assert (after.name, after.scopes, after.rate) == (before.name, before.scopes, before.rate)
    assert after.id != before.id
    assert after.expires == clock.now + 10 * DAY
    assert store.keys.find(old).expires == clock.now + 3600.0
    clock.now += 3600.0
    assert store.keys.find(old) is None
    assert store.keys.find(new) is not None
    lines = [(line.actor, line.action, line.subject) for line in store.audit.lines(2)]
    assert lines == [("me", "rotate key", before.id), ("me", "create key", after.id)]
    assert after.id in store.audit.lines(1)[0].detail


def test_rotation_never_lengthens_the_life_of_the_old_token(store: Store, clock: Clock) -> None:
    old = store.keys.create("shop", ["events"], lasts=60.0)
    store.keys.rotate(store.keys.find(old).id, keep=DAY)
    assert store.keys.find(old).expires == clock.now + 60.0


def test_what_cannot_be_rotated(store: Store, clock: Clock) -> None:
    key = store.keys.find(store.keys.create("shop", ["events"])).id
    with pytest.raises(SettingError, match=r"is to be kept for -1 seconds; it must be 0 or more"):
        store.keys.rotate(key, keep=-1)
    with pytest.raises(MissingError, match="there is no key 'nobody'"):
        store.keys.rotate("nobody")
    store.keys.rotate(key)
    with pytest.raises(ConflictError, match=f"the key '{key}' is expired; make a new one: recloop keys create"):
        store.keys.rotate(key)
    store.keys.revoke(key)
    with pytest.raises(ConflictError, match=f"the key '{key}' is revoked"):
        store.keys.rotate(key)


@pytest.mark.parametrize("wrong", [{"lasts": 0.0}, {"lasts": float("inf")}, {"rate": -1.0}, {"rate": float("nan")}])
def test_numbers_that_are_refused(store: Store, wrong: dict[str, float]) -> None:
    with pytest.raises(SettingError, match=r"it must be a number above 0"):
        store.keys.create("shop", ["events"], **wrong)
    assert store.keys.all() == []


def test_use_is_noted(store: Store, clock: Clock) -> None:
    key = store.keys.find(store.keys.create("shop", ["events"])).id
    clock.now += 7
    store.keys.used(key).result()
    assert store.keys.all()[0].used == clock.now
