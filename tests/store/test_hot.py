"""What services share in Redis: never older than the truth, and never needed."""

import logging
from collections.abc import Iterator

import pytest

from recloop.errors import SettingError
from recloop.store.hot import Hot


class Timer:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def timer() -> Timer:
    return Timer()


@pytest.fixture
def two(redis_server, timer: Timer) -> Iterator[tuple[Hot, Hot]]:
    one, other = Hot(redis_server.url, timer), Hot(redis_server.url, timer)
    yield one, other
    one.close()
    other.close()


def test_a_mark_stays_until_it_is_changed(two: tuple[Hot, Hot]) -> None:
    one, other = two
    mark = one.read(["ann"])
    assert mark is not None
    assert other.read(["ann"]) == one.read(["ann"]) == mark
    assert one.read(["bob"]) != mark
    other.change(["ann", "eve"])
    assert one.read(["ann"]) == other.read(["ann"]) != mark


def test_an_empty_redis_has_new_marks(two: tuple[Hot, Hot], redis_server, timer: Timer) -> None:
    one, _ = two
    before = one.read(["ann"])
    redis_server.stop()
    assert one.read(["ann"]) is None
    redis_server.start()
    timer.now += 2
    after = one.read(["ann"])
    assert after is not None
    assert after != before


def test_forgotten_keys_have_new_marks(two: tuple[Hot, Hot]) -> None:
    one, other = two
    before = one.read(["ann"])
    one._client.delete("recloop:mark:ann")
    middle = other.read(["ann"])
    one._client.delete("recloop:era")
    assert len({*before, *middle, *one.read(["ann"])}) == 3


def test_who_could_not_change_a_mark_changes_all_of_them(two: tuple[Hot, Hot], timer: Timer) -> None:
    """A service that was cut off for a while: others must not believe what they remember from before."""
    one, other = two
    before = other.read(["ann"])
    pipeline = one._client.pipeline

    def broken(**_: object) -> object:
        raise OSError("cut off")

    one._client.pipeline = broken
    one.change(["ann"])
    assert other.read(["ann"]) == before  # it cannot know yet
    one._client.pipeline = pipeline
    assert one.read(["ann"]) is None  # not asked again for a second
    timer.now += 2
    assert one.read(["somebody"]) is not None
    assert other.read(["ann"]) != before


def test_a_redis_that_is_lost_is_left_alone_for_a_second(
    two: tuple[Hot, Hot], redis_server, timer: Timer, caplog: pytest.LogCaptureFixture
) -> None:
    one, _ = two
    redis_server.stop()
    with caplog.at_level(logging.WARNING, "recloop.store"):
        assert [one.read(["ann"]), one.read(["ann"])] == [None] * 2
        one.change(["ann"])
    assert [record.message for record in caplog.records] == [
        "Redis does not answer (ConnectionError): the store is asked instead"
    ]
    timer.now += 2
    assert one.read(["ann"]) is None
    assert len(caplog.records) == 2


def test_urls() -> None:
    pytest.importorskip("redis")
    with pytest.raises(SettingError, match=r"'host/1' is no URL of Redis; redis://host:6379/0 is one"):
        Hot("http://me:secret@host/1")
    nobody = Hot("redis://127.0.0.1:1/0")
    assert nobody.read(["ann"]) is None
    nobody.close()
