"""What users did earlier is taken out: the effect stays, its error shrinks, and nothing is found where nothing is."""

import numpy as np
import polars as pl
import pytest

from recloop.errors import DataError
from recloop.experience.problems import Settings, find_problems
from recloop.experience.problems.coded import Coded, code, measured, with_columns
from recloop.experience.problems.expected import with_expected
from recloop.experience.problems.rows import contrast_of
from recloop.experience.problems.scan import Sums

from .worlds import DAY, START

ARMS = Settings(treatment="new", control="old", metrics=("slate_ctr",), depth=1)
CONTRAST = np.array([-1.0, 1.0])


def log(seed: int, effect: float = 0.0, users: int = 2_000, each: int = 12) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Slates of users whose click rates spread by a beta distribution, and as many from before."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(users), each)
    taste = rng.beta(2, 8, users)
    arm = rng.integers(2, size=users)
    frames = []
    for start, lift in ((START, effect), (START - 28 * DAY, 0.0)):
        chance = taste[user] * (1 + lift * arm[user])
        frames.append(
            pl.DataFrame(
                {
                    "user": [f"u{n}" for n in user],
                    "time": start + rng.uniform(0, 28 * DAY, user.size),
                    "variant": np.array(["old", "new"])[arm[user]],
                    "half": np.array(["a", "b"])[user % 2],
                    "clicked_slates": (rng.random(user.size) < chance).astype(np.int64),
                    "slates": np.ones(user.size, np.int64),
                }
            )
        )
    return frames[0], frames[1]


def held(now: pl.DataFrame, before: pl.DataFrame | None) -> tuple[Coded, float, float]:
    """The rows, and effect and error of the arms."""
    table = with_columns(now)
    measures, _ = measured(table, ARMS)
    coded = code(table, ARMS, measures, arms=True)
    if before is not None:
        coded = with_expected(coded, table, before, measures)
    everybody = np.ones(coded.user.size, bool)
    return coded, *contrast_of(coded, Sums.of(coded, measures["slate_ctr"]), everybody, None, CONTRAST)


def test_the_effect_stays_and_the_error_shrinks_as_theory_says() -> None:
    """A beta-binomial ratio of 12 slates over Beta(2, 8) tells of another with a correlation of 12 / (12 + 10)."""
    now, before = log(1, effect=-0.2)
    _, _, wide = held(now, None)
    coded, _, narrow = held(now, before)
    assert narrow / wide == pytest.approx((1 - (12 / 22) ** 2) ** 0.5, abs=0.02)
    base = coded.expected["slate_ctr"]
    assert base.sum() == pytest.approx(now.height)  # all together do what they are expected to
    assert base.min() > 0
    assert any("explains 3" in note or "explains 2" in note for note in coded.notes)


def test_the_effect_is_not_biased() -> None:
    """A fall by a fifth is one by 2 / 9 of the level of both arms together."""
    found = np.array([held(*log(seed, effect=-0.2, users=400))[1:] for seed in range(600, 640)])
    assert abs(found[:, 0].mean() + 2 / 9) < 3 * found[:, 1].mean() / 40**0.5


def test_no_effect_is_found_as_often_as_promised() -> None:
    """200 comparisons without a difference: 95% intervals miss 5% of the time, and the error is that of the values."""
    found = [held(*log(seed, users=300))[1:] for seed in range(100, 300)]
    z = np.array([value / error for value, error in found])
    assert 0.01 <= float((np.abs(z) > 1.96).mean()) <= 0.1  # binomial: three standard errors
    assert 0.85 <= float(z.std()) <= 1.15
    assert abs(float(z.mean())) < 0.22


def test_an_effect_that_is_too_small_is_found_with_a_history() -> None:
    now, before = log(7, users=1_500, each=40)
    rng = np.random.default_rng(0)
    lost = (now["half"] == "b") & (now["variant"] == "new") & pl.Series(rng.random(now.height) < 0.15)
    now = now.with_columns(clicked_slates=pl.when(lost).then(0).otherwise(pl.col("clicked_slates")))
    found = find_problems(now, ARMS, earlier=before)
    assert [(one.metric, one.slice) for one in found.primary] == [("slate_ctr", {"half": "b"})]
    effect = found.primary[0].effect
    assert effect.low < -0.15 < effect.high < 0
    assert any("what users did earlier explains" in note for note in found.notes)
    assert find_problems(now, ARMS).primary == ()


def test_what_tells_nothing_is_left_out() -> None:
    now, before = log(3, users=300)
    strangers = before.with_columns(user=pl.col("user") + "x")
    assert held(now, strangers)[0].expected == {}
    shuffled = before.with_columns(clicked_slates=pl.col("clicked_slates").shuffle(seed=1))
    assert held(now, shuffled)[0].expected == {}
    assert held(now, before.drop("clicked_slates"))[0].expected == {}
    assert set(held(now, before.drop("slates"))[0].expected) == {"slate_ctr"}  # a row is one slate
    with pytest.raises(DataError, match="the earlier slates have no column user"):
        held(now, before.drop("user"))


def test_users_without_a_history_are_expected_to_be_like_all() -> None:
    now, before = log(5, users=400)
    half = before.filter(pl.col("half") == "a")
    coded, *_ = held(now, half)
    base = coded.expected["slate_ctr"]
    unknown = base[(now["half"] == "b").to_numpy()]
    assert np.ptp(unknown) < 1e-12
    assert unknown[0] == pytest.approx(1, abs=0.1)
