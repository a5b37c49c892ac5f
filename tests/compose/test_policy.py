import logging
import time
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest

from recloop.compose import Choices, Outcomes, Policy, SlateConfig, ThompsonConfig, build
from recloop.compose.budget import awaited
from recloop.compose.diversity import Diversifier
from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.errors import ConflictError, SettingError
from recloop.strategies import Strategy

N = 8
DATA = Dataset.of(pl.DataFrame({"user": ["u"] * N, "item": [f"i{place}" for place in range(N)]}))


class Fixed(Strategy):
    """Scores given beforehand, the same for every request; those who have seen item 7 may get something else."""

    name: ClassVar[str] = "fixed"
    summary: ClassVar[str] = "for tests"

    def __init__(self, scores: list[float], broken: float | Exception | None = None) -> None:
        self.row, self.broken = np.array(scores, np.float32), broken

    def _fit(self, dataset: Dataset, progress: Any) -> None:
        pass

    def _score(self, histories: Histories) -> np.ndarray:
        if isinstance(self.broken, Exception):
            raise self.broken
        scores = np.tile(self.row, (len(histories), 1))
        if self.broken is not None:
            scores[histories.matrix().toarray()[:, 7] > 0, 3] = self.broken
        return scores

    def _arrays(self) -> dict[str, Any]:
        return {}

    def _restore(self, arrays: dict[str, Any]) -> None:
        pass


UP = [0.0, 1, 2, 3, 4, 5, 6, 7]
DOWN = UP[::-1]
TWO = Histories.of([[0], [7]], n_items=N)


def policy(config: SlateConfig | ThompsonConfig, vectors: Any = None, **strategies: Fixed) -> Policy:
    return build(config, {name: strategy.fit(DATA) for name, strategy in strategies.items()}, vectors)


def choose(made: Policy, k: int = 3, histories: Histories = TWO, **rules: Any) -> Choices:
    return made.choose(made.initial_state(), histories, k, np.random.default_rng(0), **rules)


def test_one_source_is_the_strategy_itself() -> None:
    made = policy(SlateConfig(sources=["up"], fallback=""), up=Fixed(UP))
    choices = choose(made)
    assert choices.rankings.items.tolist() == [[7, 6, 5], [6, 5, 4]]
    assert choices.propensities.tolist() == [1.0, 1.0]
    assert choices.arms.tolist() == ["", ""]
    assert choices.fallbacks.tolist() == ["", ""]
    assert choices.failures == {}


def test_each_item_names_its_source() -> None:
    made = policy(SlateConfig(sources=["up", "down"], candidates=2, fallback=""), up=Fixed(UP), down=Fixed(DOWN))
    choices = choose(made, k=2)
    # up holds 7 and 6, down holds 1 and 2; places are equal, so the lower item goes first
    assert choices.rankings.items[0].tolist() == [1, 7]
    assert choices.sources[0].tolist() == ["down", "up"]
    slate = choices.slates(made.items)[0]
    assert slate.ids == ("i1", "i7")
    assert [entry.source for entry in slate.items] == ["down", "up"]


def test_a_source_of_weight_zero_is_not_asked() -> None:
    made = policy(
        SlateConfig(sources={"up": 1.0, "down": 0.0}, fallback=""),
        up=Fixed(UP),
        down=Fixed(DOWN, RuntimeError("asked")),
    )
    assert choose(made).failures == {}


def test_a_strategy_that_raises_is_replaced_and_the_choices_say_so(caplog: pytest.LogCaptureFixture) -> None:
    made = policy(
        SlateConfig(sources=["up"], fallback="down"), up=Fixed(UP, RuntimeError("no memory")), down=Fixed(DOWN)
    )
    with caplog.at_level(logging.WARNING, logger="recloop.compose"):
        choices = choose(made)
    assert choices.rankings.items.tolist() == [[1, 2, 3], [0, 1, 2]]
    assert set(choices.sources.ravel()) == {"down"}
    assert choices.fallbacks.tolist() == ["down", "down"]
    assert choices.failures == {"up": "RuntimeError: no memory"}
    assert "failed for 2 of 2 requests: RuntimeError" in caplog.text
    assert "no memory" not in caplog.text


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_only_the_requests_with_broken_scores_fall_back(broken: float) -> None:
    made = policy(SlateConfig(sources=["up"], fallback="down"), up=Fixed(UP, broken), down=Fixed(DOWN))
    choices = choose(made)
    assert choices.rankings.items.tolist() == [[7, 6, 5], [0, 1, 2]]
    assert choices.fallbacks.tolist() == ["", "down"]
    assert choices.sources.tolist() == [["up"] * 3, ["down"] * 3]
    assert choices.failures == {"up": "scores that are not numbers"}


def test_the_other_sources_go_on_when_one_fails() -> None:
    made = policy(
        SlateConfig(sources={"up": 9.0, "down": 1.0}, fallback=""), up=Fixed(UP, ValueError("broken")), down=Fixed(DOWN)
    )
    choices = choose(made)
    assert choices.rankings.items.tolist() == [[1, 2, 3], [0, 1, 2]]
    assert choices.fallbacks.tolist() == ["nothing", "nothing"]


def test_nothing_works() -> None:
    made = policy(
        SlateConfig(sources=["up"], fallback="down"), up=Fixed(UP, ValueError("a")), down=Fixed(DOWN, ValueError("b"))
    )
    choices = choose(made)
    assert choices.rankings.items.tolist() == [[-1] * 3] * 2
    assert choices.failures == {"up": "ValueError: a; the fallback 'fixed' failed too: ValueError: b"}


def test_short_slates_are_filled_by_the_fallback() -> None:
    few = Fixed([-np.inf] * 6 + [1.0, 2.0])
    made = policy(SlateConfig(sources=["few"], fallback="down"), few=few, down=Fixed(DOWN))
    choices = choose(made, k=4, exclude=[[1], [1]])
    assert choices.rankings.items.tolist() == [[7, 6, 2, 3], [6, 0, 2, 3]]
    assert choices.sources.tolist() == [["few", "few", "down", "down"], ["few", "down", "down", "down"]]
    assert choices.rankings.scores[0, 2:].tolist() == [0.0, 0.0]
    assert choices.fallbacks.tolist() == ["", ""]


def test_rules_of_each_request() -> None:
    made = policy(SlateConfig(sources=["up"], fallback="down"), up=Fixed(UP), down=Fixed(DOWN))
    choices = choose(made, candidates=[[2, 4, -1], None], allowed=np.arange(N) != 6)
    assert choices.rankings.items.tolist() == [[4, 2, -1], [5, 4, 3]]
    assert choose(made, candidates=[[], []]).rankings.items.tolist() == [[-1] * 3] * 2


def test_seen_items_may_be_shown() -> None:
    made = policy(SlateConfig(sources=["up"], fallback=""), up=Fixed(UP))
    assert choose(made, k=1, hide_seen=False).rankings.items.tolist() == [[7], [7]]


def test_more_places_than_items() -> None:
    made = policy(
        SlateConfig(sources=["up", "down"], diversity=0.5),
        np.eye(N, dtype=np.float32),
        up=Fixed(UP),
        down=Fixed(DOWN),
        popular=Fixed(UP),
    )
    items = choose(made, k=20).rankings.items
    assert sorted(items[0, :7].tolist()) == [1, 2, 3, 4, 5, 6, 7]
    assert (items[:, 7:] == -1).all()


def test_diversity_moves_apart_what_is_alike() -> None:
    vectors = np.array([[1, 0]] * 4 + [[0, 1]] * 4, np.float32)
    config = SlateConfig(sources=["up"], fusion="weighted-score", fallback="", diversity=0.7)
    assert choose(policy(config, vectors, up=Fixed(UP)), k=2).rankings.items.tolist() == [[7, 3], [6, 3]]


def counts(state: Mapping[str, Any]) -> dict[str, list[float]]:
    """Successes and failures of each arm."""
    kept = zip(state["arms"], state["per_arm"]["total"], state["per_arm"]["pulls"], strict=True)
    return {arm: [won, pulls - won] for arm, won, pulls in kept}


def test_thompson_learns_and_says_how_likely_it_was() -> None:
    arms = {"up": SlateConfig(sources=["up"], fallback=""), "down": SlateConfig(sources=["down"], fallback="")}
    made = policy(ThompsonConfig(arms=arms), up=Fixed(UP), down=Fixed(DOWN))
    many = Histories.of([[]] * 4000, n_items=N)
    state = made.initial_state()
    assert counts(state) == {"up": [0.0, 0.0], "down": [0.0, 0.0]}
    state = made.update(state, Outcomes(["up", "up", "down", "down"], [1.0, 0.0, 0.0, 0.0]))
    assert counts(state) == {"up": [1.0, 1.0], "down": [0.0, 2.0]}
    choices = made.choose(state, many, 1, np.random.default_rng(1))
    # Beta(2, 2) against Beta(1, 3): 1 - ∫ (1 - x)³ 6x(1 - x) dx = 1 - 6 B(2, 5) = 0.8
    up = choices.arms == "up"
    np.testing.assert_allclose(choices.propensities, np.where(up, 0.8, 0.2), atol=1e-9)
    assert abs(up.mean() - 0.8) < 5 * np.sqrt(0.16 / 4000)
    assert (choices.rankings.items[:, 0] == np.where(up, 7, 0)).all()


def test_thompson_finds_the_best_arm() -> None:
    rates = {"a": 0.05, "b": 0.12, "c": 0.08}
    arms = {name: SlateConfig(sources=["up"], fallback="") for name in rates}
    made = policy(ThompsonConfig(arms=arms), up=Fixed(UP))
    rng = np.random.default_rng(6)
    state, batch = made.initial_state(), Histories.of([[]] * 100, n_items=N)
    for _ in range(100):
        chosen = made.choose(state, batch, 1, rng).arms
        state = made.update(
            state, Outcomes(chosen.tolist(), (rng.random(100) < [rates[arm] for arm in chosen]).astype(float))
        )
    played = {arm: sum(pair) for arm, pair in counts(state).items()}
    assert played["b"] > 7000
    assert made.propensities(state, batch.block(0, 1))[0].round(2).tolist()[1] > 0.95


def test_a_late_reward_of_a_retired_arm_is_kept() -> None:
    made = policy(ThompsonConfig(arms={"new": SlateConfig(sources=["up"], fallback="")}), up=Fixed(UP))
    state = made.update(made.initial_state(), Outcomes(["old"], [1.0]))
    assert counts(state) == {"new": [0.0, 0.0], "old": [1.0, 0.0]}
    assert made.propensities(state, TWO).tolist() == [[1.0], [1.0]]


@pytest.mark.parametrize(
    ("outcomes", "sentence"),
    [
        (Outcomes(["a"], [1.5]), "a reward is 1.5; rewards are numbers between 0 and 1."),
        (Outcomes(["a"], [float("nan")]), "a reward is nan; rewards are numbers between 0 and 1."),
        (Outcomes(["a", "b"], [1.0]), "2 arms came with 1 rewards; one each."),
    ],
)
def test_wrong_outcomes(outcomes: Outcomes, sentence: str) -> None:
    made = policy(ThompsonConfig(arms={"a": SlateConfig(sources=["up"], fallback="")}), up=Fixed(UP))
    with pytest.raises(SettingError) as caught:
        made.update(made.initial_state(), outcomes)
    assert str(caught.value) == sentence


def test_a_state_of_another_version() -> None:
    made = policy(ThompsonConfig(arms={"a": SlateConfig(sources=["up"], fallback="")}), up=Fixed(UP))
    with pytest.raises(SettingError) as caught:
        made.choose({"format": 0}, TWO, 1, np.random.default_rng(0))
    assert str(caught.value) == (
        "the state of the policy has the format 0; format 2 is wanted (or 1, of Beta counts); start from initial() and replay the outcomes."
    )


def test_what_cannot_be_built() -> None:
    up = Fixed(UP).fit(DATA)
    with pytest.raises(SettingError) as caught:
        build(SlateConfig(sources=["upp"], fallback=""), {"up": up})
    assert str(caught.value) == (
        "the policy names 'upp' as a source, which is not among the trained strategies. Did you mean 'up'? Valid: up."
    )
    with pytest.raises(SettingError, match="names 'popular' as the fallback"):
        build(SlateConfig(sources=["up"]), {"up": up})
    with pytest.raises(SettingError) as caught:
        build(SlateConfig(sources=["up"], fallback="", diversity=0.1), {"up": up})
    assert str(caught.value) == (
        "diversity is 0.1, and there are no item vectors; give the items texts, or set diversity = 0."
    )
    with pytest.raises(ConflictError, match="strategy 'up' is not fitted"):
        build(SlateConfig(sources=["up"], fallback=""), {"up": Fixed(UP)})
    other = Fixed(UP).fit(Dataset.of(pl.DataFrame({"user": ["u"], "item": ["z"]})))
    with pytest.raises(ConflictError, match="know different items"):
        build(SlateConfig(sources=["up", "other"], fallback=""), {"up": up, "other": other})
    with pytest.raises(ConflictError, match="3 item vectors for 8 items"):
        build(SlateConfig(sources=["up"], fallback=""), {"up": up}, np.ones((3, 2), np.float32))
    with pytest.raises(SettingError, match="has no arm"):
        build(ThompsonConfig(arms={}), {"up": up})


def test_wrong_requests() -> None:
    made = policy(SlateConfig(sources=["up"], fallback=""), up=Fixed(UP))
    with pytest.raises(SettingError) as caught:
        choose(made, k=0)
    assert str(caught.value) == "k is 0; k must be at least 1."
    with pytest.raises(SettingError, match="the histories index 3 items, the policy knows 8"):
        choose(made, histories=Histories.of([[0]], n_items=3))
    with pytest.raises(SettingError, match="'candidates' has 1 rows"):
        choose(made, candidates=[[1]])


def test_a_cascade_ranks_what_others_found_and_keeps_their_order_where_the_ranker_fails() -> None:
    config = SlateConfig(sources=["up"], fusion="cascade", ranker="down", candidates=4, fallback="")
    made = policy(config, up=Fixed(UP), down=Fixed(DOWN))
    # up finds 7 6 5 4, down likes the lowest best; the second request has seen item 7
    assert choose(made).rankings.items.tolist() == [[4, 5, 6], [3, 4, 5]]
    failing = policy(config, up=Fixed(UP), down=Fixed(DOWN, RuntimeError("no memory")))
    choices = choose(failing)
    assert choices.rankings.items.tolist() == [[7, 6, 5], [6, 5, 4]]
    assert choices.fallbacks.tolist() == ["up", "up"]
    assert choices.failures == {"down": "RuntimeError: no memory"}
    assert choices.details == [{"failed": {"down": "RuntimeError"}}] * 2, "the type alone: words may be a user's"
    some = choose(policy(config, up=Fixed(UP), down=Fixed(DOWN, float("nan"))))
    assert some.rankings.items.tolist() == [[4, 5, 6], [6, 5, 4]]
    assert some.fallbacks.tolist() == ["", "up"]
    assert some.details == [{}, {"failed": {"down": "scores that are not numbers"}}]


def test_a_ranker_that_is_late_is_not_waited_for() -> None:
    class Slow(Fixed):
        def __init__(self) -> None:
            super().__init__(DOWN)

        def _score(self, histories: Histories) -> np.ndarray:
            time.sleep(0.3)
            return super()._score(histories)

    config = SlateConfig(sources=["up"], fusion="cascade", ranker="slow", candidates=4, fallback="", budget=0.05)
    made = policy(config, up=Fixed(UP), slow=Slow())
    with awaited():
        choices = choose(made)
    assert choices.rankings.items.tolist() == [[7, 6, 5], [6, 5, 4]]
    assert choices.failures == {"slow": "it did not answer within 0.05 seconds"}
    assert choices.details == [{"failed": choices.failures}] * 2


def test_quotas_of_a_policy() -> None:
    config = SlateConfig(sources=["up", "down"], fusion="quotas", quotas={"up": 2, "down": 1}, fallback="")
    choices = choose(policy(config, up=Fixed(UP), down=Fixed(DOWN)), 3)
    assert choices.rankings.items.tolist() == [[7, 1, 6], [6, 0, 5]]
    assert choices.sources[0].tolist() == ["up", "down", "up"]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"fusion": "cascade"}, "fusion is 'cascade' and the ranker is ''"),
        ({"ranker": "down"}, "fusion is 'reciprocal-rank' and the ranker is 'down'"),
        ({"fusion": "quotas"}, "fusion is 'quotas' and the quotas are {}"),
        ({"fusion": "quotas", "quotas": {"up": 1}}, "the quotas {'up': 1} do not fit the sources up, down"),
        (
            {"fusion": "quotas", "quotas": {"up": 0, "down": 0}},
            "the quotas {'up': 0, 'down': 0} do not fit the sources",
        ),
        ({"diversity": 0.1, "diversifier": Diversifier(kind="mmr")}, "diversity is 0.1 beside a diversifier"),
        (
            {"fusion": "quotas", "quotas": {"up": 1, "down": 1}, "diversity": 0.1},
            "places are shared by quotas, and the slate is to be diversified",
        ),
    ],
)
def test_settings_that_exclude_each_other(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingError) as caught:
        SlateConfig(sources=["up", "down"], **settings)
    assert str(caught.value).startswith(sentence)


def test_calibrated_scores_need_what_they_mean() -> None:
    config = SlateConfig(sources=["up"], fusion="weighted-score", scale="calibrated", fallback="")
    with pytest.raises(SettingError, match="the scores of 'up' are to be calibrated, and it has no calibration"):
        policy(config, up=Fixed(UP))
