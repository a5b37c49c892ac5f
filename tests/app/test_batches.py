"""Requests that come at the same moment are answered together, each as if it were alone."""

import asyncio
import gc
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from recloop.app.batches import MOST, WRITING, Batches
from recloop.errors import SettingError
from recloop.store import Appended
from recloop.types import Decision, Request


class Shop:
    """Answers with the user's name; keeps when told to."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.durable: list[Future[Appended]] = []
        self.broken = False

    def answer(self, requests: Sequence[Request]) -> tuple[list[Decision | Exception], Future[Appended]]:
        self.sizes.append(len(requests))
        if self.broken:
            raise OSError("gone")
        future: Future[Appended] = Future()
        self.durable.append(future)
        return [self._one(request) for request in requests], future

    def _one(self, request: Request) -> Decision | Exception:
        if request.user == "wrong":
            return SettingError("wrong")
        return Decision(id="d", user=request.user or "", time=0.0, items=(), policy="p")

    def keep(self) -> None:
        for future in self.durable:
            if not future.done():
                future.set_result(Appended(1, 0))


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_what_comes_together_is_answered_together_and_told_once_kept() -> None:
    async def story() -> None:
        shop = Shop()
        batches = Batches(shop.answer)
        tasks = [asyncio.create_task(batches.ask(Request(user=f"u{n}"))) for n in range(MOST + 3)]
        await settle()
        assert shop.sizes == [MOST], "the rest waits for the first batch to be on disk"
        assert not any(task.done() for task in tasks), "not on disk yet"
        shop.keep()
        await settle()
        assert shop.sizes == [MOST, 3]
        shop.keep()
        assert [decision.user for decision in await asyncio.gather(*tasks)] == [f"u{n}" for n in range(MOST + 3)]
        alone = asyncio.create_task(batches.ask(Request(user="late")))
        await settle()
        shop.keep()
        assert (await alone).user == "late"
        assert shop.sizes == [MOST, 3, 1]

    asyncio.run(story())


def test_a_slow_disk_holds_the_next_batch_up_for_a_moment_only() -> None:
    async def story() -> None:
        shop = Shop()
        batches = Batches(shop.answer)
        first = asyncio.create_task(batches.ask(Request(user="first")))
        await settle()
        second = asyncio.create_task(batches.ask(Request(user="second")))
        await asyncio.sleep(4 * WRITING)
        assert shop.sizes == [1, 1]
        assert not first.done()
        third = asyncio.create_task(batches.ask(Request(user="third")))
        shop.durable[0].set_result(Appended(1, 0))  # it is not the last batch any more: nobody goes on after it
        await settle()
        assert (await first).user == "first"
        shop.keep()
        await asyncio.sleep(4 * WRITING)
        shop.keep()
        assert [(await one).user for one in (second, third)] == ["second", "third"]
        assert shop.sizes == [1, 1, 1]

    asyncio.run(story())


def test_a_batch_that_asks_another_machine_leaves_the_loop_free() -> None:
    async def story() -> None:
        shop, answers, made = Shop(), threading.Event(), threading.Event()

        def slow(requests: Sequence[Request]) -> tuple[list[Decision | Exception], Future[Appended]]:
            assert answers.wait(30)
            try:
                return shop.answer(requests)
            finally:
                made.set()

        with ThreadPoolExecutor(1) as beside:
            batches = Batches(slow, beside=beside)
            stays, goes = (asyncio.create_task(batches.ask(Request(user=user))) for user in ("stays", "goes"))
            await asyncio.sleep(0.05)
            assert not stays.done()
            goes.cancel()
            answers.set()
            await asyncio.to_thread(made.wait, 30)
            shop.keep()
            assert (await stays).user == "stays"
            shop.broken = True
            with pytest.raises(OSError, match="gone"):
                await batches.ask(Request(user="later"))
        assert shop.sizes == [2, 1]

    asyncio.run(story())


def test_what_is_wrong_with_one_is_told_to_one() -> None:
    async def story() -> None:
        shop = Shop()
        batches = Batches(shop.answer)
        tasks = [asyncio.create_task(batches.ask(Request(user=user))) for user in ("a", "wrong", "b")]
        await settle()
        shop.keep()
        first, wrong, last = await asyncio.gather(*tasks, return_exceptions=True)
        assert (first.user, last.user) == ("a", "b")
        assert isinstance(wrong, SettingError)
        shop.broken = True
        found = await asyncio.gather(*(batches.ask(Request(user=user)) for user in "ab"), return_exceptions=True)
        assert [type(one) for one in found] == [OSError, OSError]

    asyncio.run(story())


def test_who_goes_away_takes_nobody_along() -> None:
    async def story() -> None:
        shop = Shop()
        batches = Batches(shop.answer)
        before, early, late = (asyncio.create_task(batches.ask(Request(user=user))) for user in "abc")
        await asyncio.sleep(0)
        early.cancel()
        await settle()
        late.cancel()
        await settle()
        assert shop.sizes == [2], "who had gone was not answered"
        assert not shop.durable[0].cancelled()
        shop.keep()
        assert (await before).user == "a"

    asyncio.run(story())


def test_what_is_not_kept_is_told_to_those_who_wait_and_not_to_the_log() -> None:
    async def story() -> list[object]:
        told: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context))
        shop = Shop()
        batches = Batches(shop.answer)
        for user in ("wrong", "right"):
            task = asyncio.create_task(batches.ask(Request(user=user)))
            await settle()
            shop.durable[-1].set_exception(OSError("no disk"))
            await settle()
            assert isinstance(task.exception(), SettingError if user == "wrong" else OSError)
            del task
            shop.durable.clear()
            gc.collect()
            await settle()
        return told

    assert asyncio.run(story()) == []


def test_an_answer_that_is_ready_leaves_before_the_next_batch_holds_it_up() -> None:
    async def story() -> list[str]:
        shop, order = Shop(), []
        batches = Batches(lambda requests: (order.append("made"), shop.answer(requests))[1])

        async def ask(user: str) -> None:
            await batches.ask(Request(user=user))
            order.append(user)

        first = asyncio.create_task(ask("first"))
        await settle()
        second = asyncio.create_task(ask("second"))
        shop.keep()
        await settle()
        shop.keep()
        await asyncio.gather(first, second)
        return order

    assert asyncio.run(story()) == ["made", "first", "made", "second"]
