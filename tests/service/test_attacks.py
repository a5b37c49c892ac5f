"""The route that tells of attacks."""

import time

import numpy as np

DAY = 86_400.0


def test_a_push_is_told(service) -> None:
    client, _ = service
    rng = np.random.default_rng(4)
    start = time.time() - 10 * DAY
    people = [
        {"user": f"u{user}", "item": f"i{rng.integers(60)}", "kind": "click",
         "time": start + user % 5 * DAY + rng.random() * 4 * DAY}
        for user in np.repeat(np.arange(300), 20).tolist()
    ]  # fmt: skip
    assert client.post("/v1/events", json={"events": people}).status_code == 202
    assert client.get("/v1/attacks").json() == {"looked_at": 6000, "flagged": 0, "bursts": []}
    pushed = [
        {"user": f"bad{n}", "item": "i7", "kind": "click", "time": start + 8 * DAY + rng.random() * 3000}
        for n in range(60)
    ]
    client.post("/v1/events", json={"events": pushed})
    told = client.get("/v1/attacks").json()
    assert (told["looked_at"], told["flagged"]) == (6060, 60)
    assert {(one["kind"], one["who"]) for one in told["bursts"]} == {("item", "i7")}
