import json
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.data.rankings import Rankings, top_k
from recloop.data.split import Split, split
from recloop.errors import DataError, MissingError, SettingError
from recloop.evaluate import Evaluation, HeldOutRatings, evaluate, fit_all
from recloop.metrics import METRICS, NDCG, Diversity, Judged, Recall
from recloop.metrics.metric import AtK
from recloop.stats import holm, paired
from recloop.strategies.popular import Popular
from recloop.strategies.random import Random

N_USERS, N_ITEMS = 200, 30


def shop() -> Dataset:
    """Users who like one of two halves of the catalogue, in an order of time."""
    rng = np.random.default_rng(1)
    rows = []
    for user in range(N_USERS):
        taste = rng.permutation(N_ITEMS // 2)[:8] + (user % 2) * (N_ITEMS // 2)
        rows += [(f"u{user}", f"i{item}", float(rng.integers(1, 6)), float(place)) for place, item in enumerate(taste)]
    log = pl.DataFrame(rows, schema=["user", "item", "value", "time"], orient="row")
    return Dataset.of(log.with_columns(kind=pl.lit("rating")))


class Knows:
    """Prefers the half of the catalogue that the history is from; ``doubt`` of the users get the other half."""

    def __init__(self, items: int, doubt: float = 0.0, seed: int = 0) -> None:
        self.items, self.doubt, self.seed = items, doubt, seed

    def rank(
        self, histories: Histories, k: int, *, hide_seen: bool = True, allowed: NDArray[np.bool_] | None = None
    ) -> Rankings:
        rng = np.random.default_rng(self.seed)
        scores = rng.random((len(histories), self.items)).astype(np.float32)
        half = histories.matrix().toarray() > 0
        upper = half[:, self.items // 2 :].sum(axis=1) > half[:, : self.items // 2].sum(axis=1)
        upper ^= rng.random(len(histories)) < self.doubt
        scores[:, : self.items // 2] += ~upper[:, None]
        scores[:, self.items // 2 :] += upper[:, None]
        if hide_seen:
            scores[half] = -np.inf
        if allowed is not None:
            scores[:, ~allowed] = -np.inf
        return top_k(scores, k)

    def predict(self, histories: Histories, items: NDArray[np.int32]) -> NDArray[np.float64]:
        return np.where(items >= 0, 3.0, np.nan)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return shop()


@pytest.fixture(scope="module")
def made(dataset: Dataset) -> Split:
    return split(dataset, "leave-last-out", n=2)


METRIC_NAMES = [
    "ndcg@5",
    "recall@5",
    "diversity@5",
    "coverage@5",
    "gini@5",
    "popularity-lift@5",
    "novelty@5",
    "rmse",
    "mae",
]


def halves() -> NDArray[np.float32]:
    rng = np.random.default_rng(2)
    noise = rng.standard_normal((N_ITEMS, 4)) / 2
    noise[: N_ITEMS // 2, 0] += 2
    noise[N_ITEMS // 2 :, 1] += 2
    # the ids sort as text: i0, i1, i10, i11 ...
    order = np.argsort([f"i{item}" for item in range(N_ITEMS)])
    return noise[order].astype(np.float32)


class Sorted(Knows):
    """``Knows`` over a catalogue whose ids are sorted as text."""

    def rank(self, histories: Histories, k: int, **options: object) -> Rankings:
        order = np.argsort([f"i{item}" for item in range(N_ITEMS)])
        place = np.argsort(order)
        allowed = options.pop("allowed", None)
        plain = Histories.of(
            [
                order[histories.items[a:b]].tolist()
                for a, b in zip(histories.indptr, histories.indptr[1:], strict=False)
            ],
            n_items=N_ITEMS,
        )
        ranked = super().rank(plain, k, allowed=None if allowed is None else allowed[place], **options)
        return Rankings(np.where(ranked.items >= 0, place[ranked.items], -1).astype(np.int32), ranked.scores)


@pytest.fixture(scope="module")
def judged(dataset: Dataset, made: Split) -> Evaluation:
    rankers = {
        "random": Random().fit(made.train),
        "sure": Sorted(N_ITEMS, seed=3),
        "also sure": Sorted(N_ITEMS, seed=4),
        "unsure": Sorted(N_ITEMS, doubt=0.5, seed=5),
    }
    held = HeldOutRatings.of(dataset, made)
    return evaluate(made, rankers, METRIC_NAMES, vectors=halves(), ratings=held)


def test_the_leaderboard_holds_every_figure_with_its_interval(judged: Evaluation) -> None:
    board = judged.leaderboard
    assert board.columns == ["strategy", "metric", "value", "low", "high", "n"]
    assert set(board.select("strategy", "metric").iter_rows()) == {
        (strategy, metric)
        for strategy in judged.strategies
        for metric in METRIC_NAMES
        if metric not in ("rmse", "mae") or strategy != "random"
    }
    assert (board["low"] <= board["value"]).all()
    assert (board["value"] <= board["high"]).all()
    assert board["n"].unique().to_list() == [N_USERS]


def test_values_are_those_of_the_metrics(judged: Evaluation, made: Split) -> None:
    alone = Judged(judged.slates["sure"], made.truth, made.histories, vectors=halves())
    for metric in (NDCG(5), Recall(5), Diversity(5)):
        assert judged.value("sure", metric) == pytest.approx(metric.value(alone), rel=1e-12)
        assert np.array_equal(judged.per_user["sure", metric.name], metric.per_user(alone))


def test_the_known_truth_wins(judged: Evaluation) -> None:
    best = judged.best("ndcg@5")
    assert best.strategy in ("sure", "also sure")
    other = {"sure": "also sure", "also sure": "sure"}[best.strategy]
    assert best.tied == (other,)
    assert f"{best.strategy} has the best ndcg@5: " in best.sentence
    assert "(95% interval " in best.sentence
    assert f"on 200 users, tied with {other}: the data cannot tell them apart" in best.sentence
    assert judged.best("diversity@5").strategy == "random"
    assert judged.best("gini@5").value == min(judged.value(name, "gini@5") for name in judged.strategies)


def test_pairs_are_tested_and_corrected_within_a_metric(judged: Evaluation) -> None:
    for metric in ("ndcg@5", "coverage@5"):
        rows = judged.comparisons.filter(metric=metric)
        pairs = list(combinations(judged.strategies, 2))
        assert list(rows.select("a", "b").iter_rows()) == pairs
        tests = [paired(judged.per_user[a, metric], judged.per_user[b, metric]) for a, b in pairs]
        assert rows["difference"].to_list() == pytest.approx([test.estimate for test in tests])
        assert rows["p_value"].to_list() == pytest.approx([test.p_value for test in tests])
        assert rows["p_adjusted"].to_list() == pytest.approx(holm([test.p_value for test in tests]))
        assert rows["separated"].to_list() == (rows["p_adjusted"] < 0.05).to_list()


def test_a_leader_apart_from_all_says_so(made: Split) -> None:
    rankers = {"sure": Sorted(N_ITEMS), "random": Random().fit(made.train)}
    best = evaluate(made, rankers, [NDCG(5)]).best(NDCG(5))
    assert best.tied == ()
    assert best.sentence.endswith("apart from every other strategy (paired t-test, Holm's correction, alpha 0.05).")


def test_the_same_strategy_twice_is_tied(made: Split) -> None:
    judged = evaluate(made, {"a": Random().fit(made.train), "b": Random().fit(made.train)}, ["mrr@3"])
    assert judged.comparisons["p_value"].to_list() == [1.0]
    assert judged.comparisons["difference"].to_list() == [0.0]
    assert judged.best("mrr@3").tied == ("b",)


def test_many_ties_are_listed(made: Split) -> None:
    rankers = {name: Random().fit(made.train) for name in ("a", "b", "c", "d")}
    best = evaluate(made, rankers, ["mrr@3"]).best("mrr@3")
    assert best.tied == ("b", "c", "d")
    assert ", tied with b, c and d: the data" in best.sentence


def test_false_alarms_between_equal_strategies_are_rare(made: Split) -> None:
    """Six shuffles of the same skill: Holm over 15 pairs raises an alarm in at most about 5% of families."""
    alarms = 0
    for family in range(20):
        rankers = {f"s{n}": Sorted(N_ITEMS, doubt=0.5, seed=100 * family + n) for n in range(6)}
        alarms += bool(evaluate(made, rankers, [NDCG(5)]).comparisons["separated"].any())
    assert alarms <= 4  # P(more) < 0.3% at a rate of 5%


def test_pareto(judged: Evaluation) -> None:
    kept = judged.pareto()
    assert judged.pareto("ndcg@5", "diversity@5") == kept
    assert "random" in kept
    assert judged.best("ndcg@5").strategy in kept
    points = {name: (judged.value(name, "ndcg@5"), judged.value(name, "diversity@5")) for name in judged.strategies}
    for name, (x, y) in points.items():
        beaten = any(a >= x and b >= y and (a, b) != (x, y) for a, b in points.values())
        assert (name in kept) == (not beaten)


def test_what_is_missing_is_skipped_with_a_reason(made: Split, dataset: Dataset) -> None:
    rankers = {"random": Random().fit(made.train), "sure": Sorted(N_ITEMS)}
    judged = evaluate(made, rankers, ["ndcg@5", "diversity@5", "rmse"])
    reasons = {(entry.strategy, entry.metric): entry.reason for entry in judged.skipped}
    assert reasons == {
        ("random", "diversity@5"): "no item vectors were given",
        ("sure", "diversity@5"): "no item vectors were given",
        ("random", "rmse"): "the strategy predicts no ratings: it has no predict(histories, items)",
        ("sure", "rmse"): "there are no held-out ratings: events of kind 'rating' with a value",
    }
    with pytest.raises(
        MissingError, match=r"'rmse' is defined for no strategy.*predicts no ratings.*are no held-out ratings"
    ):
        judged.best("rmse")
    with pytest.raises(MissingError, match="no pair of metrics for a Pareto front"):
        judged.pareto()
    assert judged.to_dict()["pareto"] is None


def test_predicted_ratings_are_judged(judged: Evaluation, dataset: Dataset, made: Split) -> None:
    held = HeldOutRatings.of(dataset, made)
    assert judged.value("sure", "rmse") == pytest.approx(np.sqrt(np.mean((held.values - 3) ** 2)))
    assert judged.value("sure", "mae") == pytest.approx(np.mean(np.abs(held.values - 3)))
    assert np.isnan(judged.value("random", "rmse"))


def test_frames_hold_ids_and_every_figure(judged: Evaluation, made: Split, tmp_path: Path) -> None:
    judged.write(tmp_path)
    users = pl.read_parquet(tmp_path / "metrics.parquet")
    assert users.columns == ["strategy", "metric", "user", "value"]
    means = users.group_by("strategy", "metric").agg(pl.col("value").mean()).sort("strategy", "metric")
    board = judged.leaderboard.select("strategy", "metric", "value").sort("strategy", "metric")
    assert means["value"].to_list() == pytest.approx(board["value"].to_list())
    slates = pl.read_parquet(tmp_path / "slates.parquet")
    assert slates.columns == ["strategy", "user", "rank", "item", "score", "hit"]
    assert slates.height == 4 * N_USERS * 5
    one = slates.filter(strategy="sure", user="u7").sort("rank")
    row = made.users.tolist().index(made.train.user_ids.index("u7"))
    assert one["rank"].to_list() == [1, 2, 3, 4, 5]
    assert made.train.item_ids.indices(one["item"].to_list()).tolist() == judged.slates["sure"].items[row].tolist()
    hits = slates.group_by("strategy").agg(pl.col("hit").sum())
    recall = {name: judged.value(name, "recall@5") * 2 * N_USERS for name in judged.strategies}
    assert dict(hits.iter_rows()) == pytest.approx(recall)


def test_to_dict_is_json(judged: Evaluation) -> None:
    plain = json.loads(json.dumps(judged.to_dict(), allow_nan=False))
    assert plain["split"]["name"] == "leave-last-out"
    assert plain["split"]["users"] == N_USERS
    assert plain["split"]["leaks"]
    assert [entry["metric"] for entry in plain["best"]] == METRIC_NAMES
    assert plain["pareto"]["x"] == "ndcg@5"
    assert plain["pareto"]["y"] == "diversity@5"
    assert plain["skipped"][0]["strategy"] == "random"


def test_costs_are_cpu_seconds_by_the_clock_given(made: Split) -> None:
    ticks = iter(range(100))
    strategies = {"random": Random(), "popular": Popular()}
    seconds = fit_all(strategies, made.train, clock=lambda: float(next(ticks)))
    assert seconds == {"random": 1.0, "popular": 1.0}
    judged = evaluate(made, strategies, ["ndcg@5"], fit_seconds=seconds, clock=lambda: float(next(ticks)))
    cost = judged.costs["popular"]
    assert (cost.fit_seconds, cost.rank_seconds, cost.metric_seconds) == (1.0, 1.0, 1.0)


def test_one_user_has_no_interval_and_no_test() -> None:
    log = pl.DataFrame({"user": ["a"] * 3, "item": ["x", "y", "z"], "time": [1.0, 2.0, 3.0]})
    made = split(Dataset.of(log), "leave-last-out")
    rankers = {"r0": Random(0).fit(made.train), "r1": Random(1).fit(made.train)}
    judged = evaluate(made, rankers, ["recall@5"])
    row = judged.leaderboard.row(0, named=True)
    assert (row["value"], row["low"], row["high"], row["n"]) == (1.0, None, None, 1)
    assert judged.comparisons["p_value"].to_list() == [None]
    assert judged.best("recall@5").tied == ("r1",)
    json.dumps(judged.to_dict(), allow_nan=False)


@pytest.mark.parametrize("name", ["temporal", "leave-last-out", "per-user-random", "cold-user", "cold-item"])
def test_every_split_can_be_judged_by_every_metric(dataset: Dataset, name: str) -> None:
    made = split(dataset, name)
    metrics = [kind(5) if issubclass(kind, AtK) else kind() for kind in METRICS.values()]
    held = HeldOutRatings.of(dataset, made)
    judged = evaluate(made, {"sure": Sorted(N_ITEMS)}, metrics, vectors=halves(), ratings=held)
    assert judged.leaderboard["value"].null_count() == 0
    if made.allowed is not None:
        shown = judged.slates["sure"].items
        assert made.allowed[shown[shown >= 0]].all()


def test_bad_arguments_say_the_way_out(made: Split, judged: Evaluation) -> None:
    ranker = Random().fit(made.train)
    with pytest.raises(SettingError, match="there is no strategy to judge"):
        evaluate(made, {}, ["ndcg@5"])
    with pytest.raises(SettingError, match="there is no metric to judge by"):
        evaluate(made, {"r": ranker}, [])
    with pytest.raises(SettingError, match="there is no metric 'ndgc'"):
        evaluate(made, {"r": ranker}, ["ndgc@5"])
    with pytest.raises(SettingError, match=r"'r' is a int.*a ranker has rank\(histories, k, hide_seen, allowed\)"):
        evaluate(made, {"r": 3}, ["ndcg@5"])  # type: ignore[dict-item]
    with pytest.raises(MissingError, match=r"metric 'ndcg@6' was not evaluated.*Did you mean 'ndcg@5'"):
        judged.best("ndcg@6")
    with pytest.raises(MissingError, match="strategy 'shure' was not evaluated.*Did you mean 'sure'"):  # noqa: RUF043
        judged.value("shure", "ndcg@5")

    class Short(Sorted):
        def rank(self, histories: Histories, k: int, **options: object) -> Rankings:
            return super().rank(histories.block(0, 3), k, **options)

    with pytest.raises(DataError, match="there are 3 slates and 200 rows of truth"):
        evaluate(made, {"r": Short(N_ITEMS)}, ["ndcg@5"])


@pytest.mark.data
def test_movielens_by_time(data_dir: Path) -> None:
    """On MovieLens-100k cut by time, popularity beats chance, and its items are more popular than users' choices."""
    ratings = pl.read_csv(
        data_dir / "ml-100k" / "raw" / "u.data",
        separator="\t",
        has_header=False,
        new_columns=["user", "item", "value", "time"],
    )
    made = split(Dataset.of(ratings), "temporal")
    rankers = {"random": Random().fit(made.train), "popular": Popular().fit(made.train)}
    judged = evaluate(made, rankers, ["ndcg@10", "popularity-lift@10", "coverage@10"])
    assert judged.best("ndcg@10").strategy == "popular"
    assert judged.best("ndcg@10").tied == ()
    assert judged.value("popular", "popularity-lift@10") > 0.5
    assert judged.value("random", "popularity-lift@10") < 0
    assert judged.best("coverage@10").strategy == "random"
