"""A log goes into the store once, whole, and its users are known to the service."""

from pathlib import Path

import polars as pl

from recloop.app.load import load_events
from recloop.data.source import Source, read
from recloop.store import Store


def test_every_event_is_there_once(tmp_path: Path) -> None:
    n = 25_000
    pl.DataFrame(
        {
            "user": [f"u{i % 700}" for i in range(n)],
            "item": [f"i{i % 90}" for i in range(n)],
            "kind": ["rating" if i % 5 == 0 else "click" for i in range(n)],
            "value": [float(i % 5 + 1) if i % 5 == 0 else None for i in range(n)],
            "time": [1.7e9 + i for i in range(n)],
        }
    ).write_parquet(tmp_path / "log.parquet")
    reading = read(Source(events=str(tmp_path / "log.parquet")))
    with Store(tmp_path / "shop.db") as store:
        assert load_events(store, reading) == (n, 0)
        assert load_events(store, reading) == (0, n)
        kept = store.events()
        history = store.histories(["u3"], 5)[0]
    assert kept.height == n
    assert kept["value"].sum() == reading.dataset.events["value"].sum()
    assert [event.time for event in history] == sorted(1.7e9 + i for i in range(n) if i % 700 == 3)[-5:]
    assert history[-1].item == f"i{int(history[-1].time - 1.7e9) % 90}"
