"""Objectives from data to slates: learned on held-out events, weighed, bounded, saved, served."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recloop.compose import Catalogue, Policy, SlateConfig, build, policy_config
from recloop.compose.objectives.exposure import of_slates
from recloop.compose.objectives.fitted import HEADER, Objectives
from recloop.compose.objectives.labels import Labels
from recloop.compose.objectives.learn import learn, offer
from recloop.data.dataset import Dataset
from recloop.data.split import Split, split
from recloop.errors import ArtifactError, DataError, SettingError
from recloop.evaluate import evaluate
from recloop.metrics import parse_metric
from recloop.strategies import Strategy
from recloop.strategies.ease import Ease
from recloop.strategies.popular import Popular

USERS, ITEMS = 300, 40


@pytest.fixture(scope="module")
def log() -> Dataset:
    rng = np.random.default_rng(4)
    taste = rng.integers(0, 4, USERS)
    user = np.repeat(np.arange(USERS), 14)
    item = (taste[user] * 10 + rng.integers(0, 14, len(user))) % ITEMS
    kind = np.where(rng.random(len(user)) < 0.3, "rating", "view")
    events = pl.DataFrame(
        {
            "user": [f"u{one}" for one in user],
            "item": [f"i{one:02d}" for one in item],
            "kind": kind,
            "value": np.where(kind == "rating", 1 + item % 5, np.nan),
            "time": rng.permutation(len(user)) * 3600.0,
        }
    ).with_columns(pl.col("value").fill_nan(None))
    items = pl.DataFrame(
        {
            "item": [f"i{one:02d}" for one in range(ITEMS)],
            "category": [("cups", "lamps", "hats", "tea")[one // 10] for one in range(ITEMS)],
            "brand": [f"b{one % 3}" for one in range(ITEMS)],
            "price": [1.0 + one % 7 for one in range(ITEMS)],
        }
    )
    return Dataset.of(events, items)


@pytest.fixture(scope="module")
def made(log: Dataset) -> Split:
    return split(log, "temporal", test_fraction=0.3)


@pytest.fixture(scope="module")
def fitted(made: Split) -> dict[str, Strategy]:
    return {"ease": Ease(reg=10.0).fit(made.train), "popular": Popular().fit(made.train)}


VECTORS = np.random.default_rng(0).normal(size=(ITEMS, 6)).astype(np.float32)


def policy(**objectives: object) -> SlateConfig:
    made = policy_config({"sources": ["ease", "popular"], "candidates": 20, "objectives": objectives})
    assert isinstance(made, SlateConfig)
    return made


def served(config: SlateConfig, fitted: dict[str, Strategy], learned: Objectives) -> Policy:
    items = pl.DataFrame({"item": [f"i{one:02d}" for one in range(ITEMS)]})
    return build(config, fitted, VECTORS, catalogue=Catalogue(items, objectives=learned))


def test_labels_are_what_came_after(log: Dataset, made: Split) -> None:
    rows = np.arange(len(made))
    items = np.tile(np.arange(ITEMS, dtype=np.int32), (len(made), 1))
    found = Labels.of(log, made, items, rows)
    truth = made.truth.matrix(ITEMS).toarray() > 0
    assert found.click.tolist() == truth.tolist()  # here every event weighs
    assert found.meaning == "a rating of at least 4"
    assert found.rating is not None
    assert found.convert is not None
    rated = np.isfinite(found.rating)
    assert (found.rating[rated] == (1 + items % 5)[rated]).all()
    assert (found.convert == (rated & (np.nan_to_num(found.rating) >= 4))).all()
    assert 0 < found.convert.sum() < found.click.sum()


def test_weights_move_what_they_name(log: Dataset, made: Split, fitted: dict[str, Strategy]) -> None:
    every = policy(weights={"novelty": 1.0, "freshness": 1.0, "diversity": 1.0, "calibration": 1.0, "fairness": 1.0})
    _, learned = learn(every, fitted, log, made, VECTORS)
    plain = served(policy(weights={"relevance": 1.0}), fitted, learned)
    without = build(SlateConfig(sources=["ease", "popular"], candidates=20), fitted, VECTORS)
    histories = made.histories
    assert (plain.rank(histories, 5).items == without.rank(histories, 5).items).all()
    for name, metric, gain in (("novelty", "novelty@5", 0.1), ("diversity", "diversity@5", 0.005)):
        heavy = served(policy(weights={name: 2.0}), fitted, learned)
        judged = evaluate(made, {"plain": plain, "heavy": heavy}, [metric], vectors=VECTORS)
        assert judged.value("heavy", metric) > judged.value("plain", metric) + gain
        assert parse_metric(metric).direction == "higher"
    scores = served(every, fitted, learned).rank(histories, 10).scores
    shown = scores[np.isfinite(scores).all(axis=1)]
    assert (np.diff(shown, axis=1) <= 0).all()
    assert (shown >= 0).all()


def test_a_constraint_is_met_and_said(log: Dataset, made: Split, fitted: dict[str, Strategy]) -> None:
    bounded = policy(
        weights={"novelty": 0.1},
        constraints=[{"of": "provider:b0", "at_least": 0.6}, {"of": "novelty", "at_least": 0.5, "relative": True}],
    )
    priced, learned = learn(bounded, fitted, log, made, VECTORS, seed=1)
    assert priced.objectives is not None
    assert priced.objectives.prices["provider:b0"] > 0
    assert priced.objectives.prices["novelty"] == 0
    first, second = learned.statements
    assert first.startswith("provider:b0 at least 0.6: met")
    assert "other requests" in first
    assert ", today 4" in first
    assert second.startswith("novelty at least 50% of today's: met")
    assert second.endswith("It holds without a multiplier.")
    shown = served(priced, fitted, learned).rank(made.histories, 10).items
    share = of_slates((shown % 3 == 0).astype(float), np.where(shown >= 0, np.arange(10), -1))
    assert share.mean() == pytest.approx(0.6, abs=0.03)
    with pytest.raises(
        SettingError, match=r"'new at least 0.99' cannot be met; among these candidates \S+ is the most"
    ):
        learn(policy(constraints=[{"of": "new", "at_least": 0.99}]), fitted, log, made, VECTORS)


def test_saved_objectives_serve_the_same_slates(
    log: Dataset, made: Split, fitted: dict[str, Strategy], tmp_path: Path
) -> None:
    weighed, learned = learn(
        policy(weights={"novelty": 0.5, "calibration": 0.3}, scale="quantile"), fitted, log, made, VECTORS
    )
    learned.save(tmp_path / "objectives")
    back = Objectives.load(tmp_path / "objectives", VECTORS)
    before = served(weighed, fitted, learned).rank(made.histories, 10)
    after = served(weighed, fitted, back).rank(made.histories, 10)
    assert (before.items == after.items).all()
    (tmp_path / "objectives" / HEADER).write_text("{}")
    with pytest.raises(ArtifactError, match="holds no readable objectives"):
        Objectives.load(tmp_path / "objectives")


def test_clicks_and_sales_by_trees(log: Dataset, made: Split, fitted: dict[str, Strategy], tmp_path: Path) -> None:
    pytest.importorskip("lightgbm")
    wanted = policy(weights={"click": 1.0, "revenue": 0.5, "satisfaction": 0.5})
    weighed, learned = learn(wanted, fitted, log, made, VECTORS)
    assert learned.ranker is not None
    assert learned.ranker.reliability["click"].auc > 0.6
    assert learned.ranker.reliability["click"].after < 0.1
    offered = offer(weighed, fitted, made, np.arange(len(made)))
    told = learned.ranker.predict(offered, learned.table)
    assert (told["conversion"][offered.held] <= told["click"][offered.held]).all()
    assert np.isnan(told["click"][~offered.held]).all()
    learned.save(tmp_path / "kept")
    again = Objectives.load(tmp_path / "kept", VECTORS)
    assert again.ranker is not None
    assert again.ranker.predict(offered, again.table)["click"][offered.held] == pytest.approx(
        told["click"][offered.held], abs=1e-3
    )
    whole = served(weighed, fitted, learned).rank(made.histories, 5).items
    one = np.concatenate(
        [served(weighed, fitted, learned).rank(made.histories.block(row, row + 1), 5).items for row in range(8)]
    )
    assert (whole[:8] == one).all()


def test_what_was_not_learned_is_refused(log: Dataset, made: Split, fitted: dict[str, Strategy]) -> None:
    _, learned = learn(policy(weights={"novelty": 1.0}), fitted, log, made, VECTORS)
    with pytest.raises(SettingError, match="the objective 'freshness' was not learned with this release"):
        served(policy(weights={"freshness": 1.0}), fitted, learned)
    with pytest.raises(SettingError, match="weighs objectives, and nothing was learned of them"):
        build(policy(weights={"novelty": 1.0}), fitted, VECTORS)
    with pytest.raises(SettingError, match="the policy has no objectives"):
        learn(SlateConfig(sources=["ease"]), fitted, log, made)
    few = replace(made, histories=made.histories.block(0, 3), truth=made.truth.take(np.arange(3)), users=made.users[:3])
    with pytest.raises(DataError, match="candidates of 3 requests were clicked in the held-out events"):
        learn(policy(weights={"click": 1.0}), fitted, log, few, VECTORS)


def test_softmax_slates_carry_their_chances(made: Split, fitted: dict[str, Strategy]) -> None:
    table = {"sources": ["ease", "popular"], "softmax": {"temperature": 0.5}}
    drawn = build(policy_config(table), fitted)
    choices = drawn.choose({}, made.histories, 4, np.random.default_rng(0))
    assert choices.details is not None
    assert len(choices.details) == len(made)
    for row, said in enumerate(choices.details):
        chances = said["propensities"]
        assert len(chances) == (choices.rankings.items[row] >= 0).sum()
        assert all(0 < chance <= 1 for chance in chances)
    other = drawn.choose({}, made.histories, 4, np.random.default_rng(1))
    assert (other.rankings.items != choices.rankings.items).any()
    sorted_ = build(policy_config({"sources": ["ease", "popular"]}), fitted)
    assert sorted_.choose({}, made.histories, 4, np.random.default_rng(0)).details is None
    for other, message in (
        ({"diversity": 0.2}, r"diversity is 0\.2 beside softmax"),
        (
            {"rules": [{"name": "few", "do": "cap", "most": 1}]},
            "a rule that caps stands beside softmax",
        ),
    ):
        with pytest.raises(SettingError, match=message):
            policy_config(table | other)
    arms = policy_config({"kind": "thompson", "arms": {"a": table, "b": {"sources": ["ease"]}}})
    mixed = build(arms, fitted).choose({"format": 1, "arms": {}}, made.histories, 4, np.random.default_rng(0))
    assert mixed.details is not None
    assert [bool(said) for said in mixed.details] == (mixed.arms == "a").tolist()


def test_what_is_pinned_is_certain(made: Split, fitted: dict[str, Strategy]) -> None:
    items = pl.DataFrame({"item": [f"i{one:02d}" for one in range(ITEMS)]})
    table = {
        "sources": ["ease"],
        "candidates": 4,
        "softmax": {"temperature": 1.0},
        "rules": [{"name": "top", "do": "pin", "items": ["i05"], "place": 1}],
    }
    policy = build(policy_config(table), fitted, catalogue=Catalogue(items))
    choices = policy.choose({}, made.histories, 8, np.random.default_rng(0))
    assert choices.details is not None
    pinned = choices.rankings.items[:, 0] == 5
    assert 0.5 < pinned.mean() <= 1  # where it was not seen before
    for row in np.flatnonzero(pinned)[:20]:
        chances = choices.details[row]["propensities"]
        assert chances[0] == 1.0
        assert len(chances) == 8
        assert any(chance < 1.0 for chance in chances)
