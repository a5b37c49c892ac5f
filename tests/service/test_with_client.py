"""The Python client and the real service."""

import asyncio
from typing import Any

import pytest

from recloop import AsyncClient, Client
from recloop.errors import MissingError, SettingError
from recloop.types import Event, Feedback
from recloop.wire import PastEvent


def test_with_the_real_service(service) -> None:
    http, store = service
    with Client(str(http.base_url)) as client:
        assert client.ready().release == "one"
        slate = client.recommend(session="s1", history=[PastEvent("i3"), PastEvent("i5")], k=4)
        assert len(slate.items) == 4
        assert not {"i3", "i5"} & {one.item for one in slate.items}
        click = Event("u1", slate.items[0].item, "click", decision=slate.decision)
        told = client.send_events([click, Event("u1", "i3", "view", time=1e12)])
        assert (told.accepted, [one.index for one in told.rejected]) == (1, [1])
        assert client.send_feedback(Feedback("u1", "comment", text="good")).accepted == 1
        with pytest.raises(SettingError, match="'k' of the body is 0"):
            client.recommend("u1", k=0)
        with pytest.raises(MissingError, match="there is no experiment 'x'"):
            client.call("POST", "/v1/experiments/x/start", answer=dict)
    assert store.counts() == {"events": 1, "decisions": 1, "feedback": 1}
    assert store.decisions()["user"].to_list() == [""]
    assert store.decisions()["session"].to_list() == ["s1"]


def test_both_give_the_same_from_the_real_service(service) -> None:
    http, _ = service
    url = str(http.base_url)

    async def main() -> Any:
        async with AsyncClient(url) as client:
            return await asyncio.gather(*(client.similar(f"i{n}", k=3) for n in range(8)))

    with Client(url) as client:
        assert asyncio.run(main()) == [client.similar(f"i{n}", k=3) for n in range(8)]
