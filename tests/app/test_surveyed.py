"""A survey beside a slate: in the decision, and back as an estimate of how satisfied all users are."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from recloop.app.engine import Engine
from recloop.app.satisfaction import satisfaction_in_store
from recloop.compose import SlateConfig
from recloop.data.dataset import Dataset
from recloop.data.vocabulary import Vocabulary
from recloop.errors import DataError
from recloop.experience.surveys import Survey
from recloop.loop.release import build_release, load
from recloop.store import Store
from recloop.strategies.popular import Popular
from recloop.types import Decision, Event, Feedback, Request, SlateItem

DAY = 86_400.0


@pytest.fixture
def release(tmp_path: Path):
    shop = Dataset.of(pl.DataFrame({"user": ["a", "b"] * 5, "item": [f"i{n}" for n in range(10)], "time": range(10)}))
    folder = build_release(
        tmp_path / "one", name="one", version=1, dataset=shop, strategies={"popular": Popular().fit(shop)},
        policies={"popular": SlateConfig(sources=["popular"], fallback="")}, default_policy="popular", created=0.0,
    )  # fmt: skip
    return load(folder)


def test_from_the_slate_to_the_mean_of_all(release, tmp_path: Path):
    survey = Survey(rate=1 / 3, cooldown=3)
    rng = np.random.default_rng(0)
    now = [20_000 * DAY]
    numbers = iter(range(10**6))
    with Store(tmp_path / "store.db", clock=lambda: now[0]) as store:
        engine = Engine(store, release, seed=1, clock=lambda: now[0], ids=lambda: f"d{next(numbers)}", survey=survey)
        liking = rng.normal(size=500)
        truth = np.clip(np.rint(3.4 + liking), 1, 5)
        decisions, _ = engine.submit_all([Request(user=f"u{u}", k=3) for u in range(500)])
        carried = [one for one in decisions if "survey" in one.details]
        assert 100 < len(carried) < 240  # a third of the users, on a day
        assert carried[0].details["survey"] == survey.told()
        assert not any("survey" in one.details for one in [engine.recommend(Request(k=3)) for _ in range(20)])
        clicks = [
            Event(one.user, one.items[0].item, "click", now[0] + 1, decision=one.id)
            for one in decisions
            if liking[int(one.user[1:])] > 0
        ]
        store.append_events(clicks)
        store.append_feedback([
            Feedback(one.user, "survey", now[0] + 2, truth[int(one.user[1:])], decision=one.id)
            for one in carried if rng.random() < 0.8
        ])  # fmt: skip
        (found,) = satisfaction_in_store(store, survey, clock=lambda: now[0] + 3 * DAY).values()
        kept = store.decisions()
    assert found.users == 500
    assert found.low < truth.mean() < found.high
    assert found.correlation > 0.5  # clicks tell liking
    assert found.high - found.low < found.plain_high - found.plain_low
    assert found.age == pytest.approx(3, abs=0.01)
    assert json.loads(kept.filter(pl.col("details") != "")["details"][0])["survey"]["propensity"] == pytest.approx(
        1 / 3
    )


def test_nobody_was_served_or_answered(release, tmp_path: Path):
    survey = Survey()
    with Store(tmp_path / "store.db", clock=lambda: 0.0) as store:
        with pytest.raises(DataError, match="nobody was served in these days; look back further"):
            satisfaction_in_store(store, survey, clock=lambda: DAY)
        Engine(store, release, clock=lambda: 100.0, survey=survey).recommend(Request("u1"))
        with pytest.raises(DataError, match=r"all users: .* answers.*ask more users, or longer"):
            satisfaction_in_store(store, survey, clock=lambda: DAY)


def test_what_slates_were_about_sharpens_the_mean_and_misleads_nobody(tmp_path: Path):
    """Nobody clicks; who saw the one topic is content. The vectors of the items tell, where a release has them."""
    survey, rng, now, n = Survey(rate=1 / 3, cooldown=3), np.random.default_rng(0), 20_000 * DAY, 900
    topic = rng.integers(0, 2, n)
    truth = np.clip(np.rint(2.4 + 1.6 * topic + rng.normal(0, 0.6, n)), 1, 5)
    items = Vocabulary([f"i{i}" for i in range(40)])  # even ones of one topic, odd ones of the other
    vectors = (np.eye(16)[np.arange(40) % 2] + 0.3 * rng.normal(size=(40, 16))).astype(np.float32)
    release = SimpleNamespace(items=items, catalogue=pl.DataFrame({"item": items.ids}), vectors=vectors)
    asked = [survey.asks(f"u{u}", "", now) for u in range(n)]
    with Store(tmp_path / "store.db", clock=lambda: now) as store:
        store.append_decisions([
            Decision(f"d{u}", f"u{u}", now, tuple(SlateItem(items.ids[2 * i + topic[u]], 1.0) for i in rng.integers(0, 20, 3)),
                     "p", details={"survey": survey.told()} if asked[u] else {})
            for u in range(n)
        ])  # fmt: skip
        store.append_feedback(
            [Feedback(f"u{u}", "survey", now, truth[u], decision=f"d{u}") for u in range(n) if asked[u]]
        )
        (without,) = satisfaction_in_store(store, survey, clock=lambda: now + DAY).values()
        (found,) = satisfaction_in_store(store, survey, shown=release, clock=lambda: now + DAY).values()
    assert found.low < truth.mean() < found.high
    assert abs(without.correlation) < 0.2
    assert found.correlation > 0.7
    assert found.needed < 0.7 * found.needed_plain
    assert found.high - found.low < 0.8 * (without.high - without.low)
